"""What is around a task while it runs: which job it is, its heartbeats, and how its call is made.

`run_task` is what every in-process executor calls.  It never raises: a task that raises, a task that exits and a
generator that fails half-way all become a `Failure`.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, TypeVar

from interactive_flow.engine.containers import fill, gather
from interactive_flow.engine.placeholder import Placeholder, current_workflow

if TYPE_CHECKING:
    from interactive_flow.engine.calls import Job
    from interactive_flow.runtime.executors import Port

T = TypeVar("T")

current_job: ContextVar[tuple[Job, Port] | None] = ContextVar("interactive_flow_current_job", default=None)
"""The job that this thread runs, and where its news go; None outside tasks."""


class Failure:
    """What `run_task` gives in place of a value."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def run_task(job: Job, port: Port, context: contextvars.Context) -> Any:
    """Runs a job's task with its arguments, in a copy of `context`; its value, or a `Failure`."""
    return context.copy().run(run_here, job, port)


def run_here(job: Job, port: Port) -> Any:
    """`run_task` in the context in which it is called, which must be the job's own."""
    current_job.set((job, port))
    if current_workflow.get() is not None:
        current_workflow.set(None)  # a task called inside a task is an ordinary function
    try:
        call = job.call
        args, kwargs = call.engine.arguments(call) if call.depends else (call.args, call.kwargs)
        value = call.spec.fn(*args, **kwargs)
        kind = type(value)
        if kind is GeneratorType:
            return _stream(value, job, port)
        if kind is CoroutineType or kind is AsyncGeneratorType:
            return finished_value(value, lambda item: port.produced(job, item))
        return _values_in(value) if kind in _MAY_HOLD else value
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise  # it is meant for the run
        traceback = error.__traceback__
        # The first frame is this function, which tells nobody anything.
        return Failure(error.with_traceback(traceback.tb_next if traceback else None))


_MAY_HOLD: frozenset[Any] = frozenset([Placeholder, list, tuple, dict, set])


def _values_in(value: Any) -> Any:
    """What a task returned, without the placeholders that it may have had from a closure."""
    kept, _, calls = gather((value,), {})
    if not calls:
        return value
    for call in calls:
        call()
    return fill(kept)[0]


def _stream(items: Generator[Any, Any, Any], job: Job, port: Port) -> list[Any]:
    """The items of a generator task, each of them reported when it is there."""
    taken = []
    for item in items:
        taken.append(item)
        if not port.produced(job, item):
            items.close()
            break
    return taken


async def _async_items(items: AsyncGenerator[Any, Any], report: Callable[[Any], bool]) -> list[Any]:
    taken = []
    async for item in items:
        taken.append(item)
        if not report(item):
            await items.aclose()
            break
    return taken


def finished_value(value: Any, report: Callable[[Any], bool] = lambda item: True) -> Any:
    """The result of a coroutine, the items of a generator as a list, anything else as it is.

    Args:
        value: what a task's function returned.
        report: told of each item of an asynchronous generator; False where it need not go on.
    """
    if inspect.isgenerator(value):
        return list(value)
    if inspect.isasyncgen(value):
        value = _async_items(value, report)
    if not inspect.iscoroutine(value):
        return value
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_in_new_loop(value)
    # This thread has a loop that is running already, and a loop does not run inside another one.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(context.run, _run_in_new_loop, value).result()


def _run_in_new_loop(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Like `asyncio.run`, which notebooks often have replaced by one that leaves its loop open (nest_asyncio)."""
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


def heartbeat(progress: float | None = None, message: str | None = None) -> bool:
    """Says that the running task is still alive.

    Args:
        progress: how much is done, from 0 to 1.
        message: what it is about, for people.

    Returns:
        False once the call has timed out or was cancelled: its result will be thrown away, so it may as well stop.
        Outside a run always True.

    Raises:
        ValueError: `progress` is not between 0 and 1.

    Example:
        >>> for n, frame in enumerate(frames):
        ...     if not heartbeat(n / len(frames)):
        ...         break
    """
    if progress is not None and not 0 <= progress <= 1:
        raise ValueError(f"heartbeat(progress={progress!r}): progress is a number from 0 to 1")
    here = current_job.get()
    if here is None:
        return True
    job, port = here
    if job.abandoned:
        return False
    return port.heartbeat(job, progress, message)


def last_heartbeat() -> tuple[float | None, str | None] | None:
    """What the attempt before this one said with its last heartbeat, so that this one can go on from there.

    Returns:
        The heartbeat's progress and message; None in a first attempt, where there was no heartbeat, and outside a run.

    Example:
        >>> said = last_heartbeat()
        >>> begin_at = int(said[1]) if said and said[1] else 0
    """
    here = current_job.get()
    return here[0].said_before if here is not None else None


def track(iterable: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Iterates, reporting progress with a heartbeat for each item.

    Args:
        iterable: what to iterate over.
        total: how many items there will be; without it the length is asked for, and where there is none the heartbeats
            come without progress.

    Stops early once the call has timed out or was cancelled.  Outside a run it iterates over everything.

    Example:
        >>> for frame in track(frames):
        ...     encode(frame)
    """
    if total is None:
        length: Callable[[], int] | None = getattr(iterable, "__len__", None)
        total = length() if length is not None else None
    for n, item in enumerate(iterable):
        if not heartbeat(min(n / total, 1.0) if total else None):
            return
        yield item
    heartbeat(1.0 if total else None)

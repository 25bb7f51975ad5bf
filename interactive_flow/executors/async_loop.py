"""``async def`` tasks on one event loop, thousands at once: ``executor="async"``.

A call that times out or is cancelled really stops: its coroutine is cancelled.  Each has the context variables of
whoever asked for the run, to itself.

The loop is one of the executor's own, in a thread of its own; or, with ``AsyncExecutor(loop="kernel")``, the one that
is running already: the notebook's, so that tasks can use what is bound to it, such as the client sessions of earlier
cells.  While a cell waits for its run that loop stands still, and so the run drives it from within, by means of
nest_asyncio2, which is applied then and not before.  A run in the background leaves it to the notebook.

Tasks that are ordinary functions would hold up all others, so they run in threads, as by `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import inspect
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.executors import DEFAULT_WORKERS, Port
from interactive_flow.runtime.interrupts import runs_peoples_code
from interactive_flow.runtime.worker import Failure, current_job, run_task

AT_ONCE = 1000
"""How many tasks run at once where nobody said."""


class AsyncExecutor:
    """Runs ``async def`` tasks on an event loop.

    Args:
        max_workers: how many at once; a thousand unless given.
        loop: ``"own"`` for a loop of its own; ``"kernel"`` for the one that runs in this thread, as in a notebook.

    Raises:
        ValueError: `max_workers` is less than one, or there is no such choice of a loop.
        RuntimeError: ``loop="kernel"``, and no loop is running in this thread.
        ImportError: ``loop="kernel"``, and nest_asyncio2 is missing.

    Example:
        >>> fetch_all.options(executor="async", max_workers=50).run(urls)
        >>> fetch_all.options(executor=AsyncExecutor(loop="kernel")).run(urls)
    """

    queues = True
    """It says itself when a job begins, by `Port.begun`."""

    def __init__(self, max_workers: int | None = None, *, loop: str = "own") -> None:
        self.capacity = AT_ONCE if max_workers is None else max_workers
        if self.capacity < 1:
            raise ValueError(f"max_workers={max_workers}: at least one worker is needed")
        if loop not in ("own", "kernel"):
            raise ValueError(f"AsyncExecutor(loop={loop!r}): there are 'own' and 'kernel'")
        self._shared: asyncio.AbstractEventLoop | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        if loop == "kernel":
            try:
                running = asyncio.get_running_loop()
            except RuntimeError:
                raise RuntimeError(
                    "AsyncExecutor(loop='kernel') is for where an event loop is running, as in a notebook's cell; "
                    "elsewhere use AsyncExecutor()"
                ) from None
            self._adopt(running, threading.get_ident())

    def _adopt(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self._shared = loop
        self.clock = LoopClock(loop, thread)
        """What the runner waits by: waiting drives the loop."""

    def fresh(self) -> AsyncExecutor:
        """Another one like this, for a run of its own."""
        copy = AsyncExecutor(self.capacity)
        if self._shared is not None:
            copy._adopt(self._shared, self.clock.thread)
        return copy

    def open(self, port: Port) -> None:
        """See `Executor.open`.

        Raises:
            RuntimeError: the run keeps the thread of the loop busy, and has a clock of its own to wait by.
        """
        self._port = port
        self._context = contextvars.copy_context()
        self._inbox: deque[Job] = deque()
        self._told = False
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._free: list[int] = []
        self._places = 0
        self._threads: ThreadPoolExecutor | None = None
        if self._shared is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=self._run_loop, args=(self._loop,), daemon=True, name="iflow-async").start()
        elif port.clock is not self.clock and getattr(port, "thread", None) == self.clock.thread:
            raise RuntimeError(
                "AsyncExecutor(loop='kernel') does not go with this run's own executor, which waits by a clock of its "
                "own: waiting for the run must drive the loop"
            )
        else:
            self._loop = self._shared

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        self._tell(job)

    def cancel(self, job: Job) -> None:
        """See `Executor.cancel`; the coroutine is cancelled."""
        self._tell(job)

    def close(self) -> None:
        """See `Executor.close`."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._shared is None:
            loop.call_soon_threadsafe(loop.stop)
        else:
            self.clock.close()
            loop.call_soon_threadsafe(self._cancel_all)

    def _tell(self, job: Job) -> None:
        """A job to run, or one to stop (it is abandoned by then)."""
        self._inbox.append(job)
        loop = self._loop
        if not self._told and loop is not None:
            self._told = True
            loop.call_soon_threadsafe(self._take_inbox)

    # -- in the loop's thread -------------------------------------------------------------------------------------

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            self._take_inbox()
            self._cancel_all()
            loop.run_until_complete(asyncio.gather(*self._tasks.values(), return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()

    def _cancel_all(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    def _take_inbox(self) -> None:
        self._told = False
        while self._inbox:
            job = self._inbox.popleft()
            if not job.abandoned:
                self._start(job)
            elif job in self._tasks:
                self._tasks[job].cancel()

    def _start(self, job: Job) -> None:
        if not _is_async(job.call.spec.fn):
            if self._threads is None:
                self._threads = ThreadPoolExecutor(DEFAULT_WORKERS, "iflow-async")
            self._threads.submit(self._run_in_thread, job)
            return
        context = self._context.copy()
        context.run(current_job.set, (job, self._port))
        context.run(current_workflow.set, None)
        task = asyncio.get_running_loop().create_task(self._run(job), name=job.call.id, context=context)
        self._tasks[job] = task
        task.add_done_callback(partial(self._over, job))

    def _over(self, job: Job, task: asyncio.Task[None]) -> None:
        del self._tasks[job]
        if not task.cancelled() and not isinstance(task.exception(), KeyboardInterrupt):
            task.result()

    async def _run(self, job: Job) -> None:
        if not self._free:
            self._places += 1
            self._free.append(self._places)
        place = heapq.heappop(self._free)
        now, worker = self._port.clock.now, f"async-{place}"
        started = now()
        self._port.begun(job, started, worker)
        outcome = await self._outcome(job)
        heapq.heappush(self._free, place)
        following = self._port.finished(job, outcome, started, now(), worker)
        if following is not None:
            self._start(following)

    async def _outcome(self, job: Job) -> Any:
        """The value of a task, or a `Failure`."""
        try:
            args, kwargs = job.call.engine.arguments(job.call)
            value = job.call.spec.fn(*args, **kwargs)
            return await (self._items(job, value) if inspect.isasyncgen(value) else value)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # it is meant for the run
            traceback = error.__traceback__  # its first frame is this function's, which tells nobody anything
            return Failure(error.with_traceback(traceback.tb_next if traceback else None))

    async def _items(self, job: Job, items: Any) -> list[Any]:
        taken = []
        async for item in items:
            taken.append(item)
            if not self._port.produced(job, item):
                await items.aclose()
                break
        return taken

    # -- in a thread ----------------------------------------------------------------------------------------------

    def _run_in_thread(self, job: Job) -> None:
        if job.abandoned:
            return
        now, worker = self._port.clock.now, threading.current_thread().name
        started = now()
        self._port.begun(job, started, worker)
        outcome = run_task(job, self._port, self._context)
        following = self._port.finished(job, outcome, started, now(), worker)
        if following is not None:
            self._tell(following)


def _is_async(fn: Any) -> bool:
    """Whether calling `fn` gives a coroutine or an asynchronous generator."""
    while isinstance(fn, partial):
        fn = fn.func
    call = getattr(fn, "__call__", None)  # noqa: B004  of an object that is no function, its method
    return any(inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f) for f in (fn, call))


class LoopClock:
    """The machine's clock, for a runner in the thread of an event loop that should not stand still while it waits.

    Args:
        loop: the loop, which is running.
        thread: the identifier of its thread.
    """

    now = staticmethod(SYSTEM_CLOCK.now)

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        self.thread = thread
        self._loop = loop
        self._helper: ThreadPoolExecutor | None = None

    @runs_peoples_code
    def wait(self, signal: SimpleQueue[None], timeout: float | None) -> None:
        """See `interactive_flow.runtime.clock.Clock.wait`."""
        if threading.get_ident() != self.thread:
            SYSTEM_CLOCK.wait(signal, timeout)
            return
        if self._helper is None:
            _make_reentrant(self._loop)
            self._helper = ThreadPoolExecutor(1, "iflow-wait")
        # A loop can wait for a thread, but not for a queue.
        waiting = self._loop.run_in_executor(self._helper, SYSTEM_CLOCK.wait, signal, timeout)
        try:
            self._loop.run_until_complete(waiting)
        finally:
            if not waiting.done():  # interrupted
                signal.put(None)

    def close(self) -> None:
        """Lets the helper go."""
        if self._helper is not None:
            self._helper.shutdown(wait=False)
            self._helper = None


def _make_reentrant(loop: asyncio.AbstractEventLoop) -> None:
    try:
        import nest_asyncio2
    except ImportError as error:
        raise ImportError(
            "tasks on a loop that is running already need nest_asyncio2, which comes with ipykernel: "
            "pip install nest_asyncio2"
        ) from error
    nest_asyncio2.apply(loop)

"""`task`: a function whose calls inside a workflow become nodes of its graph.

A `Task` is its own proxy.  It looks at a context variable to see whether workflow code is running: there a call is
recorded and gives a placeholder, everywhere else (ordinary code, other tasks) the function simply runs.  That is also
all there is to injection: what is injected into a workflow's factory are `Task` objects.
"""

from __future__ import annotations

import copyreg
import functools
import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar, overload

from interactive_flow.authoring.explain import Explanation, explain
from interactive_flow.engine.calls import SettledCall, force_all
from interactive_flow.engine.containers import fill, gather
from interactive_flow.engine.placeholder import Placeholder, current_workflow
from interactive_flow.engine.spec import TaskSpec
from interactive_flow.model.policies import Retry, Timeout
from interactive_flow.runtime.executors import make_executor
from interactive_flow.runtime.worker import finished_value

P = ParamSpec("P")
R = TypeVar("R")

sequential_mode: ContextVar[str | None] = ContextVar("interactive_flow_sequential_mode", default=None)
"""Not None below `Workflow.sequential`: what is called there runs at once, and gives what it would give in a run.

``"await"`` where the workflow's code is ``async``, so that what it calls must be something that can be awaited.
"""


def as_called(value: Any, streams: bool = False) -> Any:
    """What a call gives in a sequential run: its value, or what can be awaited for it where the code is ``async``."""
    return Placeholder(SettledCall(value, streams)) if sequential_mode.get() == "await" else value


def values_of(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments with the placeholders in them replaced by their values."""
    kept, named, calls = gather(args, kwargs)
    if not calls:
        return args, kwargs
    force_all(calls)
    return fill(kept), fill(named)


class Task(Generic[P, R]):
    """A function that can be called by a workflow; made by `task`.

    Attributes:
        fn: the function.
        name: what its calls are called in graphs, records and errors.
    """

    def __init__(self, fn: Callable[P, R], spec: TaskSpec) -> None:
        functools.update_wrapper(self, fn, updated=())  # a callable object's attributes must not hide a task's own
        self.fn = fn
        self._spec = spec

    @property
    def name(self) -> str:
        """What its calls are called."""
        return self._spec.name

    @property
    def spec(self) -> TaskSpec:
        """What the engine knows of it."""
        return self._spec

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        workflow = current_workflow.get()
        if workflow is None:
            if sequential_mode.get() is None:
                return self.fn(*args, **kwargs)
            args, kwargs = values_of(args, kwargs)
            outside = sequential_mode.set(None)  # a task called inside a task is an ordinary function
            try:
                value = finished_value(self.fn(*args, **kwargs))
            finally:
                sequential_mode.reset(outside)
            return as_called(value, self._spec.streams)  # type: ignore[no-any-return]
        return workflow.engine.driver.call(workflow, self._spec, args, kwargs)  # type: ignore[no-any-return]

    def explain(self, /, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Says whether a call with these arguments would be run, or what it gave before be used again, and why.

        It looks where the next run would: in the session's store, or else in that of the last run, or in memory.

        Example:
            >>> words.explain("a text")
            not reused: helper `clean` changed (cell 7)
        """
        return explain(self._spec, *values_of(args, kwargs))

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a function does: a task defined in a class body is a method."""
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __reduce__(self) -> Any:
        return reduced(self, self.fn)

    def __flow_code__(self) -> Any:
        """What counts as its code in a fingerprint: not how it runs, but what."""
        return self.fn


def reduced(made: Any, fn: Any) -> Any:
    """What `made` says to `pickle`: its name, as functions do, where the name of `fn` leads to it; elsewhere its state.

    Args:
        made: a `Task` or a `Workflow`.
        fn: the function that it was made of.
    """
    found: Any = sys.modules.get(getattr(fn, "__module__", None) or "")
    name = getattr(fn, "__qualname__", "")
    for part in name.split("."):
        found = getattr(found, part, None)
    return name if found is made else (copyreg.__newobj__, (type(made),), made.__getstate__())  # type: ignore[attr-defined]


@overload
def task(fn: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    fn: None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry | int | Sequence[float] | None = None,
    timeout: Timeout | float | None = None,
    limit: int | None = None,
    executor: Any = None,
    cache: bool | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


@overload
def task(
    fn: Callable[P, R],
    /,
    *,
    name: str | None = None,
    retry: Retry | int | Sequence[float] | None = None,
    timeout: Timeout | float | None = None,
    limit: int | None = None,
    executor: Any = None,
    cache: bool | None = None,
) -> Task[P, R]: ...


def task(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    retry: Retry | int | Sequence[float] | None = None,
    timeout: Timeout | float | None = None,
    limit: int | None = None,
    executor: Any = None,
    cache: bool | None = None,
) -> Any:
    """Makes a task of a function, as a decorator or by a call.

    Called outside a workflow a task runs its function, here and now; called inside one it gives a placeholder at once.

    Args:
        fn: a function, an ``async def`` (run in a loop of its own by its worker), a generator function (it
            streams: iterating over its placeholder gives the items as they come) or any other callable.
        name: what its calls are called; the function's name unless given.
        retry: a `Retry`, a number of attempts, or the delay in seconds before each attempt.
        timeout: a `Timeout`, or seconds from start to close.
        limit: how many of its calls may run at once.
        executor: where its calls run, if not where the run's others do (see `interactive_flow.executors`).
        cache: True to use what a call gave before again, where neither its arguments nor its code has changed since;
            False for a task that must run each time.  None leaves it to the session (see `configure`).

    Raises:
        TypeError: `fn` is not callable, or a policy is none, or `cache` is.
        ValueError: a policy is out of range, or no executor has this name.

    Example:
        >>> @task(retry=3, timeout=30)
        ... def fetch(url: str) -> bytes: ...
    """
    if fn is None:
        return functools.partial(
            task, name=name, retry=retry, timeout=timeout, limit=limit, executor=executor, cache=cache
        )
    if isinstance(fn, Task):
        fn = fn.fn
    if not callable(fn):
        raise TypeError(f"task({fn!r}): a task is made of something callable")
    if limit is not None and limit < 1:
        raise ValueError(f"task(limit={limit}): at least one call must be able to run")
    if cache not in (None, True, False):
        raise TypeError(f"task(cache={cache!r}): there are True and False")
    if executor is not None:
        make_executor(executor, None)  # a wrong one is told here, not in the middle of a run
    spec = TaskSpec(name or name_of(fn), fn, Retry.of(retry), Timeout.of(timeout), limit, executor, cache)
    return Task(fn, spec)


def name_of(fn: Callable[..., Any]) -> str:
    """A name for a callable: the function's, that of what a partial calls, or the class of a callable object."""
    while isinstance(fn, functools.partial):
        fn = fn.func
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "lambda" if name == "<lambda>" else str(name)

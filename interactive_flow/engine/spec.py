"""What is fixed about a task or a workflow before any call of it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from interactive_flow.engine.durations import Durations, durations_of
from interactive_flow.model.policies import Retry, Timeout


@dataclass(frozen=True, slots=True, eq=False)
class TaskSpec:
    """A task: what to run, under which name, and how patiently.

    Attributes:
        name: what its calls are called.
        fn: what a worker calls with the arguments, all of them plain values by then.
        retry, timeout: the policies.
        limit: how many of its calls run at once, at most; None for no bound.
        executor: the lane its calls go to; None for the run's own executor.
        cache: whether a value that is known from before is used again; None leaves it to the run.
    """

    name: str
    fn: Callable[..., Any]
    retry: Retry = field(default_factory=Retry)
    timeout: Timeout = field(default_factory=Timeout)
    limit: int | None = None
    executor: Any = None
    cache: bool | None = None
    durations: Durations = field(init=False)
    """What is known of how long its calls take."""
    lane: Any = field(init=False)
    """What stands for the executor in a table."""
    streams: bool = field(init=False)
    """True for a generator function: workflow code can take its items one by one."""
    watched: bool = field(init=False)
    """True where its calls have a timeout."""
    may_be_tiny: bool = field(init=False)
    """False where a call needs somebody to watch over it, or to wait, so it cannot run where workflow code does."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "durations", durations_of(self.name, self.fn))
        named = self.executor is None or isinstance(self.executor, str)
        object.__setattr__(self, "lane", self.executor if named else id(self.executor))
        function = self.fn
        while isinstance(function, functools.partial):
            function = function.func
        streams = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
        object.__setattr__(self, "streams", streams)
        object.__setattr__(self, "watched", self.timeout != Timeout())
        delayed = bool(self.retry.delays) and self.retry.delays[0] > 0
        plain = not (streams or delayed or self.watched) and self.executor is None and self.limit is None
        object.__setattr__(self, "may_be_tiny", plain)

    def __reduce__(self) -> Any:
        # What another process knows of durations, and how it tells executors apart, is its own affair.
        return TaskSpec, (self.name, self.fn, self.retry, self.timeout, self.limit, self.executor, self.cache)


@dataclass(frozen=True, slots=True, eq=False)
class WorkflowSpec:
    """A workflow: `body` is called with the arguments in a fiber of its own, and may stop at barriers.

    `source`, `file` and `first_line` say where its code stands, for people to look at.  Where a value that is known
    from before is used again, `keyed_by` gives the code that its calls are known by.
    """

    name: str
    body: Callable[..., Any]
    source: str | None = None
    file: str | None = None
    first_line: int = 0
    keyed_by: Callable[[], Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CombinatorSpec:
    """A combinator's name; what it does is in its node."""

    name: str

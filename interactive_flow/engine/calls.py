"""The nodes of the graph while it runs: a call, and the two kinds of it that run somebody's code.

A node is plain data; the transitions are the engine's (`interactive_flow.engine.engine`).  It is also the factory of
its placeholder, so that a placeholder needs no memory of its own for finding it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from interactive_flow.model.states import CallKind, CallState

_WAITING, _RUNNING, _SUCCEEDED = CallState.WAITING, CallState.RUNNING, CallState.SUCCEEDED
# Looked up once: an enum's member costs a tenth of a microsecond each time, before Python 3.12.

if TYPE_CHECKING:
    from interactive_flow.engine.engine import Engine
    from interactive_flow.engine.fibers import Fiber
    from interactive_flow.engine.replay import Replay
    from interactive_flow.engine.spec import CombinatorSpec, TaskSpec, WorkflowSpec


class Call:
    """One call of a task, a workflow or a combinator.

    Attributes:
        engine: whose graph it is in.
        index: its number in the run, from 0 (the run's own workflow).
        spec: what is called.
        number: counts the calls of this name in the same scope, from 1.
        scope: the workflow or combinator that made the call; None for the run's own workflow.
        args, kwargs: as gathered, placeholders and all; dropped once it has finished.
        depends: True where a placeholder is among the arguments.
        done: True once it has finished in one way or another.
        missing: how many of the results that it needs are not there yet.
        dependents: whom to tell when it finishes, where there is anybody; a tuple may be shared with other calls.
        outcome: the value, or the `TaskError`, once it has finished.
        order: the sequence number of the event that finished it; tells which of two finished first.
    """

    kind: ClassVar[str]
    """The value of a `CallKind`."""
    streams: ClassVar[bool] = False
    """True where workflow code can take items from it one by one."""

    __slots__ = (
        "engine", "index", "spec", "number", "scope", "args", "kwargs",
        "depends", "done", "missing", "state", "dependents", "outcome", "order",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        index: int,
        spec: TaskSpec | WorkflowSpec | CombinatorSpec,
        number: int,
        scope: Scope | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        depends: bool,
    ) -> None:
        self.engine = engine
        self.index = index
        self.spec: Any = spec
        self.number = number
        self.scope = scope
        self.args = args
        self.kwargs = kwargs
        self.depends = depends
        self.done = False
        self.missing = 0
        self.state = _WAITING
        self.dependents: list[Any] | tuple[Any, ...] | None = None
        self.outcome: Any = None
        self.order = -1

    def __call__(self) -> Any:
        """The value, for the placeholder: waits for it as the place of the use demands, raises the call's error."""
        if self.state is _SUCCEEDED:
            return self.outcome
        return self.engine.driver.force(self)

    @property
    def failed(self) -> bool:
        """True where it finished without a value."""
        return self.done and self.state is not _SUCCEEDED

    @property
    def id(self) -> str:
        """Path, name and number: stable across replays (the same as `CallRecord.id`)."""
        parts = [f"{self.spec.name}#{self.number}" if self.number else self.spec.name]
        scope = self.scope
        while scope is not None and scope.index:
            parts.append(f"{scope.spec.name}#{scope.number}" if scope.number else scope.spec.name)
            scope = scope.scope
        return "/".join(reversed(parts))

    def tell(self, dependent: Any) -> None:
        """Asks for `dependent` to be told when this call, which is not done, finishes."""
        if type(self.dependents) is list:
            self.dependents.append(dependent)
        else:
            self.dependents = [*(self.dependents or ()), dependent]

    def describe(self) -> str:
        """A text for people that does not need the value."""
        return f"<placeholder of {self.id}: {self.state}>"

    def arrived(self, done: Call) -> None:
        """Told while it is running that a call it asked about has finished."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.state}>"


class SettledCall:
    """Stands behind a placeholder whose value was there from the start: in a sequential run of ``async`` code.

    Args:
        value: the value.
        streams: whether it is the list of what a generator task has produced.
    """

    __slots__ = ("outcome", "streams")

    done, failed, order, engine = True, False, 0, None
    id = "a value"

    def __init__(self, value: Any, streams: bool = False) -> None:
        self.outcome = value
        self.streams = streams

    def __call__(self) -> Any:
        """The value."""
        return self.outcome


def force_all(calls: tuple[Any, ...]) -> None:
    """Waits until all of `calls` have finished, or one of them has failed.

    Raises:
        TaskError: a call failed: the error that is the earliest.
    """
    running = tuple(call for call in calls if call.engine is not None)
    if running:
        running[0].engine.driver.force_all(running)


class Job:
    """One attempt at a task, as an executor sees it.

    Attributes:
        call, attempt: which.
        abandoned: True once nobody wants its result any more: it timed out or was cancelled.
        output: what it printed and nobody has fetched yet, as (stream, text).
        printed, left_out: characters that it has printed in all, and those that nobody was told of and nobody will be.
        started: when it began; negative while it waits for a worker in an executor's queue.
        beat_at: when it last gave a sign of life.
        lane: for the driver's own use.
        said: progress and message of its last heartbeat; `said_before`, that of the attempt before it.
        produced: how many items it has produced, where its task is a generator.
    """

    __slots__ = (
        "abandoned", "attempt", "beat_at", "call", "lane", "left_out", "output", "printed", "produced",
        "said", "said_before", "started",
    )  # fmt: skip

    def __init__(self, call: TaskCall, attempt: int) -> None:
        self.call = call
        self.attempt = attempt
        self.abandoned = False
        self.output: deque[tuple[str, str]] | None = None
        self.started = self.beat_at = -1.0
        self.lane: Any = None
        self.said: tuple[float | None, str | None] | None = None
        self.said_before: tuple[float | None, str | None] | None = None
        self.produced = 0
        self.printed = self.left_out = 0


class TaskCall(Call):
    """A leaf: run by an executor, once an attempt.

    Attributes:
        attempt: how many attempts have begun.
        job: the one that is running.
        rank: seconds that the longest path from here to the end is known to take; the higher the sooner it begins.
    """

    kind = CallKind.TASK.value

    __slots__ = ("attempt", "job", "rank")

    def __init__(
        self,
        engine: Engine,
        index: int,
        spec: TaskSpec,
        number: int,
        scope: Scope,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        depends: bool,
    ) -> None:
        # Written out, not inherited: there is nothing that a run makes more of.
        self.engine = engine
        self.index = index
        self.spec = spec
        self.number = number
        self.scope = scope
        self.args = args
        self.kwargs = kwargs
        self.depends = depends
        self.done = False
        self.missing = 0
        self.state = _WAITING
        self.dependents = None
        self.outcome = None
        self.order = -1
        self.attempt = 0
        self.job: Job | None = None
        self.rank = 0.0


class StreamCall(TaskCall):
    """A generator task: its items can be taken one by one while it goes on.

    Attributes:
        items: those it has produced so far.
        awaited: by position, the barriers of workflow code that stands there for want of an item.
    """

    streams = True

    __slots__ = ("awaited", "items")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.items: list[Any] = []
        self.awaited: dict[int, list[Barrier]] = {}


class Scope(Call):
    """A node that makes calls of its own and counts them.

    Attributes:
        counters: how many calls of each name it made.
        open: those of them that have not finished.
    """

    __slots__ = ("counters", "open", "started")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.counters: dict[str, int] = {}
        self.open: dict[Call, None] = {}
        self.started = 0.0

    def count(self, name: str) -> int:
        """The number of the next call of this name, counted from 1."""
        number = self.counters[name] = self.counters.get(name, 0) + 1
        return number


class Barrier:
    """Several calls that a workflow's code waits for at once: until all have finished, or one has failed."""

    __slots__ = ("engine", "missing", "state", "workflow")

    def __init__(self, engine: Engine, workflow: WorkflowCall, missing: int) -> None:
        self.engine, self.workflow, self.missing = engine, workflow, missing
        self.state = _RUNNING

    def arrived(self, done: Call) -> None:
        """One of the calls has finished."""
        self.missing -= 1
        if not self.missing or done.state is not _SUCCEEDED:
            self.open()

    def open(self) -> None:
        """The code may go on."""
        if self.state is _RUNNING:
            self.state = _SUCCEEDED
            if self.workflow.state is _RUNNING:
                self.engine.workflow_heard(self.workflow, self)


class WorkflowCall(Scope):
    """Code that makes calls and may be parked at a barrier.

    Attributes:
        fiber: its code, once begun, until it has returned.
        replay: what its code has called, where it is run again and again.
        blocked_on: the call, or the calls, at whose barrier it stands.
        returned: True once its code came to an end; `value` is then what it returned, placeholders and all.
        restarts: True where that are the arguments with which it begins again.
    """

    kind = CallKind.WORKFLOW.value

    __slots__ = ("blocked_on", "fiber", "replay", "restarts", "returned", "value")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.fiber: Fiber | None = None
        self.blocked_on: Call | Barrier | None = None
        self.replay: Replay | None = None
        self.returned = False
        self.value: Any = None
        self.restarts = False

    def arrived(self, done: Call) -> None:
        self.engine.workflow_heard(self, done)

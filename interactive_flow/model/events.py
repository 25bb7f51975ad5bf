"""What can happen in a run: the vocabulary of its one event stream.

A run is a list of these events and nothing else.  Progress, graph, timeline, decisions, history and report are folds
over that list (see `interactive_flow.model.record`), so a view never has to ask the engine for anything.

An event's *sequence number* is its position in the list; it is not stored in the event.  ``at`` is always in seconds
since the start of the run.  ``call`` is the call's *index*: 0 is the workflow itself, and every call made in the run
gets the next number.  Indexes follow the order in which calls were made, which may differ from run to run; the
identity that is stable across replays is the path built from ``parent``, ``name`` and ``number``
(`CallRecord.id`).

Events are named tuples because a run of 100 000 calls has some 300 000 of them: a tuple is the smallest and the
quickest frozen record that Python has.  A run keeps them in an `interactive_flow.model.log.EventLog`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from interactive_flow.model.errors import TaskError
from interactive_flow.model.states import CallKind, RunStatus


class Site(NamedTuple):
    """A line of somebody's code: where a call was made or a barrier stood."""

    file: str
    line: int
    """Counted from 1."""
    function: str
    cell: int | None = None
    """The notebook's execution count, as in ``In [7]``, where the line is in a notebook."""

    def __str__(self) -> str:
        if self.cell is not None:
            return f"cell {self.cell}, line {self.line}"
        return f"{self.file.rpartition('/')[2]}:{self.line}"


class Reference(int):
    """Stands in the arguments of an event for the result of the call with this index.

    A placeholder would keep the call alive, and with it all that the run ever held, for as long as somebody looks at
    the events.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<result of call {int(self)}>"


class RunStarted(NamedTuple):
    """The first event of every run."""

    at: float
    run: str
    name: str
    """The workflow's name."""
    wall: float
    """Seconds since the epoch, for people; everything else counts from here."""
    workers: int
    """How many calls the executor runs at once."""
    source: str | None = None
    """The source of the workflow's factory, where it could be found."""
    file: str | None = None
    first_line: int = 0
    """The line of `file` where `source` begins, counted from 1."""
    restarts: int = 0
    """How often the workflow has been run again by ``restart`` already; each time the events begin anew."""


class CallScheduled(NamedTuple):
    """Workflow code called a task, a sub-workflow or a combinator and got its placeholder."""

    at: float
    call: int
    name: str
    number: int
    """Counts the calls of this name by the same parent, from 1; 0 for a notebook cell, whose name says which it is."""
    kind: CallKind
    parent: int
    """The index of the workflow or combinator that made the call; 0 for the run's own workflow."""
    depends_on: tuple[int, ...]
    """The calls whose results are among the arguments, each once, in order of first appearance."""
    site: Site | None
    args: tuple[Any, ...] = ()
    """The arguments as given, a `Reference` for each placeholder; for showing (see `interactive_flow.model.brief`)."""
    kwargs: dict[str, Any] | None = None


class CallReady(NamedTuple):
    """The last result a call waited for arrived.  A call that never waited has no such event."""

    at: float
    call: int


class CallStarted(NamedTuple):
    """An attempt was handed to a worker that is free, or a sub-workflow began."""

    at: float
    call: int
    attempt: int
    """Counted from 1."""
    worker: str | None


class CallProgressed(NamedTuple):
    """A heartbeat of a running task."""

    at: float
    call: int
    progress: float | None
    """From 0 to 1, where the task said so."""
    message: str | None


class CallYielded(NamedTuple):
    """A generator task produced an item, while it goes on."""

    at: float
    call: int
    position: int
    """Counted from 0."""
    value: Any


class WorkflowRestarted(NamedTuple):
    """A sub-workflow returned ``restart(…)`` and begins again with new arguments."""

    at: float
    call: int


OUTPUT_LIMIT = 64 * 1024
"""Characters of output kept per call; what comes after is counted and left out."""


class CallOutput(NamedTuple):
    """Something a task printed."""

    at: float
    call: int
    stream: str
    """``"stdout"`` or ``"stderr"``."""
    text: str
    left_out: int = 0
    """Characters that were printed after `text` and not kept."""


class CallSucceeded(NamedTuple):
    """A call has its value."""

    at: float
    call: int
    started: float
    """When the worker really began; for a combinator or a sub-workflow, when it began to advance."""
    worker: str | None
    value: Any


class CallFailed(NamedTuple):
    """A call has an error instead of a value: its own, or the one that came in with an argument."""

    at: float
    call: int
    started: float | None
    """None where the call never ran, because its error came in with an argument."""
    worker: str | None
    error: TaskError


class AttemptFailed(NamedTuple):
    """An attempt failed, and another one will be made."""

    at: float
    call: int
    attempt: int
    started: float
    worker: str | None
    error: TaskError
    retry_at: float


class CallCancelled(NamedTuple):
    """A call was given up: before it ran, or while it ran (then its worker is told, and its result thrown away)."""

    at: float
    call: int
    started: float | None
    reason: str
    """``"not needed"`` or ``"run cancelled"``, and the like."""


class BarrierEntered(NamedTuple):
    """Workflow code used a placeholder as a value and stands still until `waits_on` has finished."""

    at: float
    call: int
    """The workflow that stands still (0 for the run's own)."""
    waits_on: tuple[int, ...]
    site: Site | None


class BarrierLeft(NamedTuple):
    """The value arrived and the workflow code goes on."""

    at: float
    call: int


class WorkflowReturned(NamedTuple):
    """Workflow code came to its end; the run goes on until the calls in what it returned have finished."""

    at: float
    call: int
    waits_on: tuple[int, ...]


class CallCached(NamedTuple):
    """A call has a value that was known from before; nothing ran."""

    at: float
    call: int
    """0 where the whole run has."""
    value: Any
    seconds: float
    """What it took when it was computed."""
    run: str
    """The id of the run that computed it; this run's own where it was interrupted and goes on."""


class CallNotReused(NamedTuple):
    """A call could have had a value that was known from before, but it had to be computed (again)."""

    at: float
    call: int
    reason: str
    """Why, for people: what has changed since."""


class CellReplaced(NamedTuple):
    """A notebook cell was run again: what it had called before leaves the graph, besides what it called once more."""

    at: float
    call: int
    """The cell as it was run before."""
    by: int
    """The cell as it was run now."""
    kept: tuple[int, ...]
    """Calls of the former that belong to the latter from now on, because it made the very same calls; none is stale."""


class CallStale(NamedTuple):
    """What a call was computed from was replaced; its value is that of before."""

    at: float
    call: int


class RunFinished(NamedTuple):
    """The last event of every run."""

    at: float
    status: RunStatus
    value: Any
    error: BaseException | None


Event: TypeAlias = (
    RunStarted
    | CallScheduled
    | CallReady
    | CallStarted
    | CallProgressed
    | CallOutput
    | CallSucceeded
    | CallFailed
    | AttemptFailed
    | CallCancelled
    | BarrierEntered
    | BarrierLeft
    | WorkflowReturned
    | RunFinished
    | CallYielded
    | WorkflowRestarted
    | CallCached
    | CallNotReused
    | CellReplaced
    | CallStale
)

EVENT_TYPES = (
    RunStarted,
    CallScheduled,
    CallReady,
    CallStarted,
    CallProgressed,
    CallOutput,
    CallSucceeded,
    CallFailed,
    AttemptFailed,
    CallCancelled,
    BarrierEntered,
    BarrierLeft,
    WorkflowReturned,
    RunFinished,
    CallYielded,
    WorkflowRestarted,
    CallCached,
    CallNotReused,
    CellReplaced,
    CallStale,
)
"""All kinds of events, in an order that stored runs rely on: new ones go to the end."""

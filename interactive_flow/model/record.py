"""A run as people see it: the fold over its events.

`RunRecord.apply` takes events in order, in batches of any size, and keeps what views need: one `CallRecord` a call,
the barriers, how many calls are in which state.  It is the only place that interprets events for showing, so that a
live panel, a saved run and a report cannot disagree.  It is not locked: each reader folds a record of its own.

The records are mutable, since a fold over a few hundred thousand events cannot afford a copy for each; only the fold
writes to them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from interactive_flow.model.brief import brief, brief_call
from interactive_flow.model.errors import TaskError, TaskTimeout
from interactive_flow.model.events import (
    OUTPUT_LIMIT,
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallCached,
    CallCancelled,
    CallFailed,
    CallNotReused,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStale,
    CallStarted,
    CallSucceeded,
    CallYielded,
    CellReplaced,
    Event,
    RunFinished,
    RunStarted,
    Site,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.replacing import id_of, replace_cell
from interactive_flow.model.states import CallKind, CallState, RunStatus


@dataclass(slots=True)
class Attempt:
    """One try at a call: what the timeline draws as a bar."""

    number: int
    started_at: float
    finished_at: float | None
    worker: str | None
    state: CallState
    """RUNNING, SUCCEEDED, FAILED, TIMED_OUT or CANCELLED."""


@dataclass(slots=True)
class Barrier:
    """A stretch of time in which workflow code stood still."""

    workflow: int
    """The index of the workflow that waited; 0 is the run's own."""
    waits_on: tuple[int, ...]
    site: Site | None
    entered_at: float
    left_at: float | None = None


@dataclass(slots=True, eq=False)
class CallRecord:
    """All there is to see of one call.  Times are seconds since the start of the run.

    Attributes:
        id: stable across replays: the path of the workflow that made the call, the task's name and the call's number,
            as in ``"resize/encode_video#2"``.
        index: the call's number in this run, in order of calls; the key that events use.
        kind: ``"task"``, ``"workflow"``, ``"combinator"`` or ``"rule"``.
        depends_on: ids of the calls whose results are among the arguments.
        parent: id of the sub-workflow or combinator that made the call, None for the run's own workflow.
        attempts: how many attempts have begun.
        started_at, finished_at: of the last attempt.
        worker: who ran the last attempt.
        progress: from 0 to 1 where the task told it; `message` is what it said with it.
        value: the result, once there.
        error: the `TaskError`, where it failed or timed out.
        cell: the notebook cell that made the call (``In [7]`` is 7); `site` has the file and line too.
        stdout: what it printed (standard error too, in order).
    """

    id: str
    index: int
    name: str
    number: int
    kind: CallKind
    state: CallState
    depends_on: tuple[str, ...]
    dependencies: tuple[int, ...]
    """`depends_on` as indexes."""
    parent: str | None
    parent_index: int
    site: Site | None
    args: tuple[Any, ...]
    kwargs: dict[str, Any] | None
    scheduled_at: float
    ready_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    worker: str | None = None
    attempts: int = 0
    tries: list[Attempt] = field(default_factory=list)
    """One entry an attempt, for the timeline."""
    progress: float | None = None
    message: str | None = None
    items: int = 0
    """How many items a generator task has produced so far."""
    value: Any = None
    error: TaskError | None = None
    reason: str | None = None
    """Why it was cancelled."""
    cached_from: str | None = None
    """The id of the run that computed its value, where that was known from before."""
    cached_seconds: float = 0.0
    """What it took then."""
    cache_reason: str | None = None
    """Why it had to be computed although it is one that is kept; None where there was nothing to compare with."""
    stdout: str = ""
    stdout_left_out: int = 0
    """Characters of output beyond `OUTPUT_LIMIT`."""
    stale: bool = False
    """True where what it was computed from was replaced since."""
    replaced: bool = False
    """True where it has left the graph, as the cell that made it was run again."""

    @property
    def is_cell(self) -> bool:
        """True where it stands for a notebook cell: one that calls others, and whom nobody waits for."""
        return not self.number

    @property
    def cell(self) -> int | None:
        """The notebook cell that made the call."""
        return self.site.cell if self.site else None

    @property
    def duration(self) -> float | None:
        """Seconds the last attempt took, None before it ended or where nothing ran."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at

    @property
    def inherited_error(self) -> bool:
        """True where the error came in with an argument, so that the call itself never ran."""
        return self.error is not None and (self.attempts == 0 or self.is_cell) and self.error.call != self.id

    def call_text(self) -> str:
        """The call as it would be written, in one line; of a cell its name."""
        if self.is_cell:
            return self.name
        names = dict(zip(self.dependencies, self.depends_on, strict=True))
        return brief_call(self.name, self.args, self.kwargs, names=names)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id}: {self.state}>"


class RunRecord:
    """Folds events into what views show.

    Attributes:
        run, name, wall, workers, source, file, first_line, restarts: as in `RunStarted`.
        status, value, error: as in `RunFinished`; the status is ``"running"`` until then.
        cached_from, cached_seconds, cache_reason: of the run as a whole, as in `CallRecord`.
        calls: the records, in order of calls; the run's own workflow is not among them.
        barriers: in order of entering; the last ones may still stand.
        returned_at: when the workflow's code came to its end, None before.
        returns: by the index of a workflow whose code came to its end, the barrier that this is: what it returned is
            still waited for, though no code stands there (so it is not among `barriers`).
        finished_at: seconds the run took, None while it runs.
        clock: the time of the last event.
        count: how many calls are in each state; combinators and cells left out, as nobody waits for a worker for them.
        shape: grows whenever the graph's nodes or edges changed; a view lays out anew only then.
        seen: how many events were folded.
        changed: indexes of the calls touched since a view last cleared the set.
        replacements: grows whenever calls have left the graph.
        session: True where the run is a notebook's session, which has no result of its own.
        began_at: when what is looked at began, where that is not the run's start.
    """

    session = False
    began_at = 0.0

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.run = ""
        self.name = ""
        self.wall = 0.0
        self.workers = 0
        self.source: str | None = None
        self.file: str | None = None
        self.first_line = 0
        self.restarts = 0
        self.status = RunStatus.RUNNING
        self.value: Any = None
        self.error: BaseException | None = None
        self.cached_from: str | None = None
        self.cached_seconds = 0.0
        self.cache_reason: str | None = None
        self.calls: list[CallRecord] = []
        self.by_index: dict[int, CallRecord] = {}
        self.barriers: list[Barrier] = []
        self.returned_at: float | None = None
        self.returns: dict[int, Barrier] = {}
        self.finished_at: float | None = None
        self.clock = 0.0
        self.count: Counter[CallState] = Counter()
        self.shape = 0
        self.seen = 0
        self.changed: set[int] = set()
        self.replacements = 0
        self._open_barriers: dict[int, Barrier] = {}
        self.apply(events)

    def apply(self, events: Iterable[Event]) -> None:
        """Folds `events`, which follow those already folded."""
        for event in events:
            FOLDS[type(event)](self, event)
            if event.at > self.clock:
                self.clock = event.at
            self.seen += 1

    def call(self, id: str) -> CallRecord:
        """The call with this id; raises KeyError, naming the ids there are, where there is none."""
        for record in self.calls:
            if record.id == id:
                return record
        known = ", ".join(r.id for r in self.calls[:10]) + (", …" if len(self.calls) > 10 else "")
        raise KeyError(f"no call {id!r} in run {self.run}; there are: {known}")

    def barrier_of(self, workflow: int) -> Barrier | None:
        """The barrier at which this workflow (0: the run's own) stands now."""
        return self._open_barriers.get(workflow)

    # -- one method an event -------------------------------------------------------------------------------------

    def _run_started(self, e: RunStarted) -> None:
        if e.restarts:
            self._begin_anew()
        self.restarts = e.restarts
        self.run, self.name, self.wall, self.workers = e.run, e.name, e.wall, e.workers
        self.source, self.file, self.first_line = e.source, e.file, e.first_line

    def _begin_anew(self) -> None:
        """Forgets what happened before a restart; what counts up for views goes on counting."""
        self.calls.clear()
        self.by_index.clear()
        self.barriers.clear()
        self._open_barriers.clear()
        self.count.clear()
        self.changed.clear()
        self.returned_at = None
        self.returns.clear()
        self.shape += 1

    def _scheduled(self, e: CallScheduled) -> None:
        parent = self.by_index.get(e.parent)
        self._add(
            CallRecord(
                id=id_of(parent, e.name, e.number),
                index=e.call,
                name=e.name,
                number=e.number,
                kind=e.kind,
                state=CallState.WAITING,
                depends_on=tuple(self.by_index[i].id for i in e.depends_on),
                dependencies=e.depends_on,
                parent=parent.id if parent else None,
                parent_index=e.parent,
                site=e.site,
                args=e.args,
                kwargs=e.kwargs,
                scheduled_at=e.at,
            )
        )
        if all(self.by_index[i].state.final for i in e.depends_on):
            record = self.by_index[e.call]
            record.ready_at = e.at
            self._move(record, CallState.READY)

    def _add(self, record: CallRecord) -> None:
        self.calls.append(record)
        self.by_index[record.index] = record
        self.changed.add(record.index)
        self.shape += 1
        if self.counts(record):
            self.count[record.state] += 1

    def _move(self, record: CallRecord, state: CallState) -> None:
        if self.counts(record):
            self.count[record.state] -= 1
            self.count[state] += 1
        record.state = state
        self.changed.add(record.index)

    @staticmethod
    def counts(record: CallRecord) -> bool:
        """True where a call is among those in `count`."""
        return record.kind is not CallKind.COMBINATOR and record.number > 0 and not record.replaced

    def _ready(self, e: CallReady) -> None:
        record = self.by_index[e.call]
        record.ready_at = e.at
        self._move(record, CallState.READY)

    def _started(self, e: CallStarted) -> None:
        record = self.by_index[e.call]
        record.attempts = e.attempt
        record.started_at, record.finished_at, record.worker = e.at, None, e.worker
        record.progress = record.message = None
        record.tries.append(Attempt(e.attempt, e.at, None, e.worker, CallState.RUNNING))
        self._move(record, CallState.RUNNING)

    def _progressed(self, e: CallProgressed) -> None:
        record = self.by_index[e.call]
        if e.progress is not None:
            record.progress = e.progress
        if e.message is not None:
            record.message = e.message
        self.changed.add(e.call)

    def _yielded(self, e: CallYielded) -> None:
        self.by_index[e.call].items = e.position + 1
        self.changed.add(e.call)

    def _restarted(self, e: WorkflowRestarted) -> None:
        self.returns.pop(e.call, None)
        self.changed.add(e.call)

    def _output(self, e: CallOutput) -> None:
        record = self.by_index[e.call]
        room = max(OUTPUT_LIMIT - len(record.stdout), 0)
        record.stdout += e.text[:room]
        record.stdout_left_out += len(e.text) - len(e.text[:room]) + e.left_out
        self.changed.add(e.call)

    def _succeeded(self, e: CallSucceeded) -> None:
        record = self.by_index[e.call]
        record.value = e.value
        if record.progress is not None:
            record.progress = 1.0
        self._finish(record, CallState.SUCCEEDED, e.at, e.started, e.worker)

    def _cached(self, e: CallCached) -> None:
        if not e.call:
            self.cached_from, self.cached_seconds = e.run, e.seconds
            return
        record = self.by_index[e.call]
        record.value, record.cached_from, record.cached_seconds = e.value, e.run, e.seconds
        self._finish(record, CallState.CACHED, e.at, None, None)

    def _not_reused(self, e: CallNotReused) -> None:
        if not e.call:
            self.cache_reason = e.reason
            return
        self.by_index[e.call].cache_reason = e.reason
        self.changed.add(e.call)

    def _failed(self, e: CallFailed) -> None:
        record = self.by_index[e.call]
        record.error = e.error
        timed_out = isinstance(e.error, TaskTimeout) and e.error.call == record.id
        state = CallState.TIMED_OUT if timed_out else CallState.FAILED
        self._finish(record, state, e.at, e.started, e.worker)

    def _attempt_failed(self, e: AttemptFailed) -> None:
        record = self.by_index[e.call]
        state = CallState.TIMED_OUT if isinstance(e.error, TaskTimeout) else CallState.FAILED
        self._finish(record, CallState.READY, e.at, e.started, e.worker, state)

    def _cancelled(self, e: CallCancelled) -> None:
        record = self.by_index[e.call]
        record.reason = e.reason
        self._finish(record, CallState.CANCELLED, e.at, e.started, record.worker)

    def _finish(
        self,
        record: CallRecord,
        state: CallState,
        at: float,
        started: float | None,
        worker: str | None,
        attempt_state: CallState | None = None,
    ) -> None:
        if started is not None:
            record.started_at, record.worker = started, worker
            if record.tries:
                last = record.tries[-1]
                last.started_at, last.worker = started, worker
                last.finished_at, last.state = at, attempt_state or state
        record.finished_at = at
        if self.returns and record.index in self.returns:
            self.returns[record.index].left_at = at
        self._move(record, state)

    def _barrier_entered(self, e: BarrierEntered) -> None:
        barrier = Barrier(e.call, e.waits_on, e.site, e.at)
        self.barriers.append(barrier)
        self._open_barriers[e.call] = barrier
        self.shape += 1

    def _barrier_left(self, e: BarrierLeft) -> None:
        self._open_barriers.pop(e.call).left_at = e.at

    def _returned(self, e: WorkflowReturned) -> None:
        self.returns[e.call] = Barrier(e.call, e.waits_on, None, e.at)
        if e.call == 0:
            self.returned_at = e.at

    def _cell_replaced(self, e: CellReplaced) -> None:
        replace_cell(self, e)

    def _stale(self, e: CallStale) -> None:
        self.by_index[e.call].stale = True
        self.changed.add(e.call)

    def _run_finished(self, e: RunFinished) -> None:
        self.status, self.value, self.error, self.finished_at = e.status, e.value, e.error, e.at
        for barrier in self._open_barriers.values():
            barrier.left_at = e.at
        self._open_barriers.clear()
        if 0 in self.returns:
            self.returns[0].left_at = e.at

    def describe_value(self) -> str:
        """The run's result, or its error, in a line."""
        return brief(self.error if self.error is not None else self.value, 120)


FOLDS: dict[type, Any] = {
    RunStarted: RunRecord._run_started,
    CallScheduled: RunRecord._scheduled,
    CallReady: RunRecord._ready,
    CallStarted: RunRecord._started,
    CallProgressed: RunRecord._progressed,
    CallOutput: RunRecord._output,
    CallSucceeded: RunRecord._succeeded,
    CallFailed: RunRecord._failed,
    AttemptFailed: RunRecord._attempt_failed,
    CallCancelled: RunRecord._cancelled,
    BarrierEntered: RunRecord._barrier_entered,
    BarrierLeft: RunRecord._barrier_left,
    WorkflowReturned: RunRecord._returned,
    RunFinished: RunRecord._run_finished,
    CallYielded: RunRecord._yielded,
    WorkflowRestarted: RunRecord._restarted,
    CallCached: RunRecord._cached,
    CallNotReused: RunRecord._not_reused,
    CellReplaced: RunRecord._cell_replaced,
    CallStale: RunRecord._stale,
}
"""What each kind of event does to a record."""

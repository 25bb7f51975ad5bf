"""A run in numbers: what panel, terminal, text and report show as progress.

There is one row for each task name and place: the place is the path of the enclosing sub-workflows by name, so that
a hundred calls of the sub-workflow ``resize`` are one row ``resize`` with rows below it, not a hundred blocks, and the
number of rows is bounded by the size of the code, not of the data.  A workflow that calls itself keeps its rows, too.
Combinators are not counted (nobody waits for a worker for them); calls that a combinator or a rule made count
where that stands.  Nor are notebook cells, each of which is a row with all that it called.

`Summariser` keeps a tally for each row and only looks at the calls that changed, so that a live panel over tens of
thousands of calls costs what happened since the last look; `summarise` is one such look at a whole record.

**The estimate** of the time left is the work left, divided by how many calls are run at once.  Work left: for each
call known and not finished, the mean of its row (for a running one less what it has run, or by its own progress where
it reports that).  Run at once: as many as run now or ran on average so far, whichever is more, at most the workers
there are.  It is never less than the longest single call left.  It is None, rather than a guess, where some row with
calls left has neither a finished call nor one that reports progress.  While workflow code goes on (`growing`), the
estimate is for what is known so far, and the truth can only be longer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus
from interactive_flow.views.markup import one_line

PROGRESS_SHOWN = 8
"""How many running calls with progress a row names."""


class RunningCall(TypedDict):
    """A running call that said how far it is."""

    id: str
    progress: float | None
    message: str | None


class Row(TypedDict):
    """All calls of one name in one place.

    ``key`` is unique and stable; ``group`` the names of the enclosing sub-workflows, outermost first, and ``depth``
    their number.  ``done`` calls have a value (those ``cached`` are among them); ``failed`` ones have none (those
    ``timed_out`` are among them, and ``inherited`` ones, whose error came in with an argument).  ``stale`` ones were
    computed from something that was replaced since.  ``mean`` is seconds a call, of those that ran and succeeded.
    ``more_running`` counts the calls with progress beyond those named.
    """

    key: str
    name: str
    group: list[str]
    depth: int
    kind: str
    total: int
    done: int
    cached: int
    running: int
    ready: int
    waiting: int
    failed: int
    timed_out: int
    inherited: int
    cancelled: int
    retried: int
    stale: int
    mean: float | None
    progress: list[RunningCall]
    more_running: int


class Summary(TypedDict):
    """A run in numbers; plain data, fit for JSON.

    ``elapsed`` and ``eta`` are in seconds.  ``counts`` has every call state.  ``known`` is the number of calls so far,
    tasks and sub-workflows; while ``growing`` there may be more to come.  ``rows`` are in order of first call, and the
    rows of a sub-workflow follow its own, one ``depth`` further in.  ``cached_from`` is the id of the run that has
    computed the result of the whole run, where that was known from before.
    """

    name: str
    run: str
    status: str
    elapsed: float
    eta: float | None
    counts: dict[str, int]
    done: int
    failed: int
    known: int
    growing: bool
    retried: int
    stale: int
    workers: int
    cached_from: str | None
    rows: list[Row]


def summarise(record: RunRecord, now: float | None = None) -> Summary:
    """`record` in numbers.

    Args:
        record: the run.
        now: seconds since its start, where the clock has moved on since the last event.

    Example:
        >>> summary = summarise(record)
        >>> f"{summary['done']} of {summary['known']} done"
        '3 of 8 done'
    """
    return Summariser(record).update(now=now)


class _Tally:
    """A row's running totals."""

    __slots__ = (
        "key", "name", "group", "kind", "counts", "total", "retried", "stale", "inherited", "spent", "timed",
        "active", "is_cell",
    )  # fmt: skip

    def __init__(self, key: str, name: str, group: tuple[str, ...], kind: CallKind) -> None:
        self.key = key
        self.name = name
        self.group = group
        self.kind = kind
        self.counts: Counter[CallState] = Counter()
        self.total = 0
        self.retried = 0
        self.stale = 0
        self.is_cell = False
        self.inherited = 0
        self.spent = 0.0
        self.timed = 0
        self.active: dict[int, CallRecord] = {}

    @property
    def mean(self) -> float | None:
        return self.spent / self.timed if self.timed else None


class Summariser:
    """Summaries of a record that grows, each at the cost of what changed since the last one.

    Example:
        >>> summariser = Summariser(record)
        >>> record.apply(batch)
        >>> summary = summariser.update(record.changed)
        >>> record.changed.clear()
    """

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self._tallies: dict[tuple[tuple[str, ...], CallKind, str], _Tally] = {}
        self._paths: dict[int, tuple[str, ...]] = {0: ()}
        self._known: dict[int, tuple[_Tally, CallState, bool, bool]] = {}
        self._spent = 0.0
        self._now = 0.0

    def update(self, changed: Iterable[int] | None = None, now: float | None = None) -> Summary:
        """The summary as of now.

        Args:
            changed: indexes of the calls that changed since the last update, new ones among them, as in
                `RunRecord.changed`; None to look at all.
            now: seconds since the run's start, where the clock has moved on since the last event.
        """
        if changed is None:
            for call in self.record.calls:
                self._take(call)
        else:
            by_index = self.record.by_index
            for index in sorted(changed):
                self._take(by_index[index])
        self._now = self.record.clock if now is None else max(now, self.record.clock)
        return self._summary()

    # -- the tally -----------------------------------------------------------------------------------------------

    def _take(self, call: CallRecord) -> None:
        if call.kind is CallKind.COMBINATOR:
            return
        state, retried, stale = call.state, call.attempts > 1, call.stale
        known = self._known.get(call.index)
        if known is None:
            tally = self._tally_for(call)
            tally.is_cell = call.is_cell
            tally.total += 1
            before = None
        else:
            tally, before, was_retried, was_stale = known
            if before is state and was_retried is retried and was_stale is stale:
                return
            tally.counts[before] -= 1
            tally.retried -= was_retried
            tally.stale -= was_stale
        self._known[call.index] = (tally, state, retried, stale)
        tally.counts[state] += 1
        tally.retried += retried
        tally.stale += stale
        if before is state:
            return
        if state is CallState.RUNNING:
            tally.active[call.index] = call
            return
        tally.active.pop(call.index, None)
        if state is CallState.SUCCEEDED and call.duration is not None:
            tally.spent += call.duration
            tally.timed += 1
        elif state is CallState.FAILED and call.inherited_error:
            tally.inherited += 1
        if state.final and call.kind is CallKind.TASK:
            self._spent += call.duration or 0.0

    def _tally_for(self, call: CallRecord) -> _Tally:
        group = self._path(call.parent_index)
        if call.kind is CallKind.WORKFLOW and call.name in group:
            # A workflow that calls itself: the calls count where the outermost of them stands.
            group = group[: group.index(call.name)]
        key = (group, call.kind, call.name)
        tally = self._tallies.get(key)
        if tally is None:
            text = "/".join((*group, call.name))
            tally = self._tallies[key] = _Tally(f"{call.kind}:{text}", call.name, group, call.kind)
        return tally

    def _path(self, parent: int) -> tuple[str, ...]:
        """The names of the sub-workflows around what call `parent` makes, a recursive one only once."""
        known = self._paths.get(parent)
        if known is None:
            maker = self.record.by_index[parent]
            known = self._path(maker.parent_index)
            if maker.kind is CallKind.WORKFLOW:
                outer = known[: known.index(maker.name)] if maker.name in known else known
                known = (*outer, maker.name)
            self._paths[parent] = known
        return known

    # -- the summary ---------------------------------------------------------------------------------------------

    def _summary(self) -> Summary:
        record = self.record
        elapsed = self._now if record.finished_at is None else record.finished_at
        running = record.status is RunStatus.RUNNING
        counts = {state.value: record.count[state] for state in CallState}
        tallies = self._tallies.values()
        unfinished = any(
            tally.kind is CallKind.WORKFLOW
            and not tally.is_cell
            and any(n and not s.final for s, n in tally.counts.items())
            for tally in tallies
        )
        return Summary(
            name=record.name,
            run=record.run,
            status=record.status.value,
            elapsed=max(elapsed - record.began_at, 0.0),
            eta=self._eta(elapsed) if running else None,
            counts=counts,
            done=counts["succeeded"] + counts["cached"],
            failed=counts["failed"] + counts["timed_out"],
            known=sum(counts.values()),
            growing=running and (record.returned_at is None or unfinished),
            retried=sum(tally.retried for tally in tallies),
            stale=sum(tally.stale for tally in tallies if not tally.is_cell),
            workers=record.workers,
            cached_from=record.cached_from,
            rows=[self._row(tally) for tally in map(self._whole, self._in_order()) if tally.total],
        )

    def _in_order(self) -> list[_Tally]:
        """The tallies, each sub-workflow's followed by what is in it."""
        children: dict[tuple[str, ...], list[_Tally]] = {}
        for tally in self._tallies.values():
            children.setdefault(tally.group, []).append(tally)
        result: list[_Tally] = []
        stack = list(reversed(children.get((), [])))
        while stack:
            tally = stack.pop()
            result.append(tally)
            if tally.kind is CallKind.WORKFLOW:
                stack += reversed(children.get((*tally.group, tally.name), []))
        return result

    def _whole(self, tally: _Tally) -> _Tally:
        """The tally for a row: that of a cell is of all that the cell called."""
        if not tally.is_cell:
            return tally
        whole = _Tally(tally.key, tally.name, tally.group, tally.kind)
        for other in self._tallies.values():
            if other.group[:1] == (tally.name,):
                whole.counts.update(other.counts)
                whole.total += other.total
                whole.retried += other.retried
                whole.stale += other.stale
                whole.inherited += other.inherited
        return whole

    def _row(self, tally: _Tally) -> Row:
        counts = tally.counts
        told = [call for call in tally.active.values() if call.progress is not None or call.message]
        return Row(
            key=tally.key,
            name=tally.name,
            group=list(tally.group),
            depth=len(tally.group),
            kind=tally.kind.value,
            total=tally.total,
            done=counts[CallState.SUCCEEDED] + counts[CallState.CACHED],
            cached=counts[CallState.CACHED],
            running=counts[CallState.RUNNING],
            ready=counts[CallState.READY],
            waiting=counts[CallState.WAITING],
            failed=counts[CallState.FAILED] + counts[CallState.TIMED_OUT],
            timed_out=counts[CallState.TIMED_OUT],
            inherited=tally.inherited,
            cancelled=counts[CallState.CANCELLED],
            retried=tally.retried,
            stale=tally.stale,
            mean=tally.mean,
            progress=[
                RunningCall(
                    id=call.id, progress=call.progress, message=one_line(call.message) if call.message else None
                )
                for call in told[:PROGRESS_SHOWN]
            ],
            more_running=max(len(told) - PROGRESS_SHOWN, 0),
        )

    # -- the estimate --------------------------------------------------------------------------------------------

    def _eta(self, elapsed: float) -> float | None:
        work = longest = busy = 0.0
        running = left = 0
        for tally in self._tallies.values():
            if tally.kind is not CallKind.TASK:
                continue  # the time of a sub-workflow or a rule is the time of the tasks that it calls
            waiting = tally.counts[CallState.WAITING] + tally.counts[CallState.READY]
            rest = [self._rest(call, tally.mean) for call in tally.active.values()]
            mean = tally.mean if tally.mean is not None else self._projected(tally)
            if (waiting and mean is None) or None in rest:
                return None
            known = [seconds for seconds in rest if seconds is not None]
            work += sum(known) + waiting * (mean or 0.0)
            longest = max([longest, *known, (mean or 0.0) if waiting else 0.0])
            running += len(rest)
            left += len(rest) + waiting
            busy += sum(self._ran(call) for call in tally.active.values())
        if not left:
            return None
        at_once = max((self._spent + busy) / elapsed if elapsed else 0.0, running, 1)
        return max(work / min(at_once, max(self.record.workers, 1)), longest)

    def _ran(self, call: CallRecord) -> float:
        return 0.0 if call.started_at is None else self._now - call.started_at

    def _rest(self, call: CallRecord, mean: float | None) -> float | None:
        ran = self._ran(call)
        if call.progress:
            return ran * (1 - min(call.progress, 1.0)) / min(call.progress, 1.0)
        return None if mean is None else max(mean - ran, 0.0)

    def _projected(self, tally: _Tally) -> float | None:
        """The time of a whole call, from the running ones that report progress."""
        whole = [self._ran(call) / min(call.progress, 1.0) for call in tally.active.values() if call.progress]
        return sum(whole) / len(whole) if whole else None

"""What a run could have done sooner: what its barriers cost, and how long it would have taken otherwise.

Otherwise means: with calls made earlier that need not have stood after a barrier, or with other numbers of workers.

All of it is *estimated* by carrying out the run's plan again (`interactive_flow.views.simulation`) with the lengths
that were measured.  A call counts as one that could come before a barrier where nothing is seen for which it must not:
no result that was waited for is among its arguments, directly or through other calls, and where the source is known,
neither a name in its arguments nor a branch or loop around it has to do with the value that was waited for
(`interactive_flow.views.uses`).  What cannot be seen is a side effect: whether the call may come earlier is for whoever
wrote the code to say.

The estimates are left out where the simulation of the unchanged run does not take about what the run took: then
something was at work that a record does not tell (a limit, a rate, a machine that was busy with other things).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from interactive_flow.model.events import Site
from interactive_flow.model.record import Barrier, RunRecord
from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.views.critical import critical_path, time_spent
from interactive_flow.views.earlier import Advice, Adviser, Stop, Trials
from interactive_flow.views.plan import plan_of
from interactive_flow.views.simulation import Order, simulate

WORKERS = (1, 2, 4, 8, None)
"""The numbers of workers that are tried; None is as many as there are calls."""

EFFORT = 400_000
"""Calls that are simulated for one analysis, at most: some seconds."""

OFF, OFF_LEAST = 0.1, 0.005
"""How far the simulation of the unchanged run may be off, as a part of what it took, or in seconds."""


@dataclass(slots=True)
class Analysis:
    """What can be told about the time that a run took.

    Attributes:
        seconds: what it took, or has taken.
        critical: the length of its critical path.
        sequential: what all its tasks took together.
        stood: seconds that the run's own code stood at barriers, and at its end.
        workers: how many calls were run at once, at most.
        stops: where workflow code stood, longest first.
        advice: what gains most first.
        with_workers: for some numbers of workers (None: as many as there are calls), the seconds that the run is
            estimated to take with them.
        note: why there are no estimates; ``""`` where there are.
        left_out: True where that is because they take more effort than was allowed.
    """

    seconds: float
    critical: float
    sequential: float
    stood: float
    workers: int
    stops: list[Stop] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    with_workers: dict[int | None, float] = field(default_factory=dict)
    note: str = ""
    left_out: bool = False


def analyse(record: RunRecord, effort: int = EFFORT, now: float | None = None) -> Analysis:
    """What can be told about the time that a run took; without estimates while it goes on.

    Args:
        record: the run.
        effort: calls to simulate, at most; a run with more of them gets no estimates.
        now: seconds since its start, where the clock has moved on since the last event.

    Example:
        >>> for advice in analyse(record).advice:
        ...     print(advice.earlier, advice.takes)
    """
    seconds = record.finished_at
    if seconds is None:
        seconds = record.clock if now is None else max(now, record.clock)
    own = [barrier for barrier in (*record.barriers, *record.returns.values()) if barrier.workflow == 0]
    found = Analysis(
        seconds=seconds,
        critical=critical_path(record, now)[0],
        sequential=sum(time_spent(record, call, now) for call in record.calls if call.kind is CallKind.TASK),
        stood=sum((seconds if each.left_at is None else each.left_at) - each.entered_at for each in own),
        workers=record.workers,
        stops=_stops(record, seconds),
    )
    if record.status is RunStatus.RUNNING:
        found.note = "Estimates come when the run has ended."
    elif record.status is not RunStatus.SUCCEEDED:
        found.note = "There are estimates only for runs that succeeded."
    elif record.calls:
        _estimate(record, found, effort)
    return found


def _stops(record: RunRecord, now: float) -> list[Stop]:
    places: dict[tuple[Site | None, str, bool], tuple[int, float]] = {}

    def add(barrier: Barrier, end: bool) -> None:
        name = record.by_index[barrier.workflow].name if barrier.workflow else record.name
        times, waited = places.get((barrier.site, name, end), (0, 0.0))
        left = now if barrier.left_at is None else barrier.left_at
        places[barrier.site, name, end] = (times + 1, waited + max(left - barrier.entered_at, 0.0))

    for barrier in record.barriers:
        add(barrier, False)
    for barrier in record.returns.values():
        if barrier.waits_on:
            add(barrier, True)
    stops = [Stop(site, name, times, waited, end) for (site, name, end), (times, waited) in places.items()]
    return sorted(stops, key=lambda stop: -stop.waited)


def _estimate(record: RunRecord, found: Analysis, effort: int) -> None:
    size = len(record.calls) + len(record.barriers) + 1
    if size * (len(WORKERS) + 4) > effort:
        found.note = "Estimates are left out, as the run has so many calls."
        found.left_out = True
        return
    plan = plan_of(record)
    same = simulate(plan, order="recorded")
    orders: tuple[Order, ...] = ("longest", "called")
    bases = {order: simulate(plan, order=order) for order in orders}
    if same is None or abs(same - found.seconds) > max(OFF * found.seconds, OFF_LEAST) or None in bases.values():
        found.note = "Estimates are left out: from the record alone, it cannot be told why this run took what it took."
        return
    order = min(orders, key=lambda order: abs((bases[order] or 0.0) - found.seconds))
    scale = found.seconds / same if same else 1.0
    tried = Trials(plan, order, scale, effort // size - 3)
    found.workers = plan.workers
    for workers in WORKERS:
        takes = tried.takes(workers=max(len(plan.works), 1) if workers is None else workers)
        if takes is not None:
            found.with_workers[workers] = found.seconds if workers == plan.workers else takes
    found.advice = Adviser(record, plan, found.stops, found.seconds, tried).result((bases[order] or 0.0) * scale)

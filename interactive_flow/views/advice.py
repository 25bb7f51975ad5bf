"""What a run could have done sooner: what its barriers cost, which calls need not have stood after them, and how long
it would have taken then, or with other numbers of workers.

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

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from interactive_flow.model.events import Site
from interactive_flow.model.record import Barrier, RunRecord
from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.views.critical import critical_path, time_spent
from interactive_flow.views.plan import Plan, Step, plan_of
from interactive_flow.views.simulation import Order, simulate
from interactive_flow.views.sources import Sources
from interactive_flow.views.uses import Code

LEAST_PART, LEAST = 0.02, 0.01
"""Advice that gains less than this part of the run, or less than so many seconds, is not given."""

MOST = 5
"""So many pieces of advice are given."""

CANDIDATES = 8
"""So many places of barriers are tried, those where the code stood longest."""

WORKERS = (1, 2, 4, 8, None)
"""The numbers of workers that are tried; None is as many as there are calls."""

EFFORT = 400_000
"""Calls that are simulated for one analysis, at most: some seconds."""

OFF = 0.05
"""How far the simulation of the unchanged run may be off, as a part of what it took (or 5 ms)."""

_MOVABLE = ("first", "finish_order", "parallel_reduce")


@dataclass(frozen=True, slots=True)
class Stop:
    """A place where workflow code stood, once or many times.

    Attributes:
        site: the line; None where it is not known, or where it is the end of the code.
        workflow: the name of the workflow.
        times: how often it stood there.
        waited: seconds, all in all.
        end: True for the end of the code, where what was returned was still waited for.
    """

    site: Site | None
    workflow: str
    times: int
    waited: float
    end: bool = False


@dataclass(frozen=True, slots=True)
class Earlier:
    """Calls from one line that could come earlier.

    Attributes:
        name: of what is called.
        site: the line.
        calls: how many of them.
    """

    name: str
    site: Site
    calls: int


@dataclass(frozen=True, slots=True)
class Advice:
    """Some calls that do not use what a barrier waited for.

    Attributes:
        stop: the barrier.
        earlier: the calls.
        takes: seconds that the run is estimated to take where these are called before the barrier, and those of all
            advice that comes before this one, too.
        gain: seconds that this one adds to what is gained by those.
        checked: True where the source was known, so that branches and plain values were looked at, too.
    """

    stop: Stop
    earlier: tuple[Earlier, ...]
    takes: float
    gain: float
    checked: bool


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
    plan = plan_of(record)
    size = len(plan.works) + sum(map(len, plan.programs.values()))
    if size * (len(WORKERS) + 4) > effort:
        found.note = "Estimates are left out, as the run has so many calls; the report and run.advice() have them."
        if effort >= EFFORT:
            found.note = "Estimates are left out, as the run has so many calls."
        return
    same = simulate(plan, order="recorded")
    orders: tuple[Order, ...] = ("longest", "called")
    bases = {order: simulate(plan, order=order) for order in orders}
    if same is None or abs(same - found.seconds) > max(OFF * found.seconds, 0.005) or None in bases.values():
        found.note = "Estimates are left out: from the record alone, it cannot be told why this run took what it took."
        return
    order = min(orders, key=lambda order: abs((bases[order] or 0.0) - found.seconds))
    tried = _Trials(plan, order, found.seconds, bases[order] or 0.0, effort // max(size, 1) - 3)
    found.workers = plan.workers
    for workers in WORKERS:
        takes = tried.takes(workers=max(len(plan.works), 1) if workers is None else workers)
        if takes is not None:
            found.with_workers[workers] = takes
    found.advice = _Adviser(record, plan, found, tried).result()


class _Trials:
    """Simulations within a budget; what they say is what the run would have taken, by the difference to it."""

    def __init__(self, plan: Plan, order: Order, seconds: float, base: float, left: int) -> None:
        self.plan = plan
        self.left = left
        self._order = order
        self._seconds = seconds
        self._base = base

    def takes(self, programs: dict[int, list[Step]] | None = None, workers: int | None = None) -> float | None:
        """Estimated seconds; None where the budget is spent or no end is reached."""
        if self.left <= 0:
            return None
        self.left -= 1
        simulated = simulate(self.plan, workers, self._order, programs)
        return None if simulated is None else max(self._seconds + simulated - self._base, 0.0)


_Line = tuple[Site, str]
"""Where calls are made, and of what."""

_Key = tuple[Site, frozenset[str]]
"""Where code stood, and the names of what it waited for."""

_Chosen = Mapping[Site, "frozenset[_Line] | None"]
"""Which lines are to come before which barriers; None for all that can."""


class _Adviser:
    """Looks for the calls that could come earlier, and for what that gains."""

    def __init__(self, record: RunRecord, plan: Plan, found: Analysis, tried: _Trials) -> None:
        self.record = record
        self.plan = plan
        self.found = found
        self.tried = tried
        self.sources = Sources(record)
        self.codes: dict[int, Code | None] = {}
        self.tasks = {call.name for call in record.calls}
        self.floors = _floors(record, plan)
        self.keys = {workflow: [self._key(step) for step in program] for workflow, program in plan.programs.items()}
        self.kinds = {workflow: len(set(keys) - {None}) for workflow, keys in self.keys.items()}
        self.unknown: dict[tuple[int, str], list[int]] = {}
        self.position = {
            call: (workflow, number)
            for workflow, program in plan.programs.items()
            for number, step in enumerate(program)
            for _, call in step.calls
        }
        self.stops_at: dict[int, dict[Site, list[int]]] = {}
        for workflow, program in plan.programs.items():
            for number, step in enumerate(program):
                if step.barrier is not None and step.barrier.site is not None:
                    self.stops_at.setdefault(workflow, {}).setdefault(step.barrier.site, []).append(number)
        self.reach = {call: self._reach(call) for call in self.position}

    def result(self) -> list[Advice]:
        stops = {stop.site: stop for stop in self.found.stops if stop.site is not None and not stop.end}
        open_sites = list(stops)[:CANDIDATES]
        chosen: dict[Site, frozenset[_Line] | None] = {}
        takes = self.found.seconds
        advice: list[Advice] = []
        while open_sites and len(advice) < MOST:
            outcomes = [(self._takes({**chosen, site: None}), site) for site in open_sites]
            known = [(outcome, stops[site].waited, site) for outcome, site in outcomes if outcome is not None]
            if not known:
                break
            best, _, site = min(known, key=lambda row: row[0])
            if takes - best < max(LEAST, LEAST_PART * self.found.seconds):
                break
            lines = self._needed_lines(chosen, site, best, takes - best)
            chosen[site] = frozenset(lines)
            earlier = tuple(Earlier(name, at, number) for (at, name), number in lines.items())
            checked = all(self._code(line.site) is not None for line in earlier)
            advice.append(Advice(stops[site], earlier, best, takes - best, checked))
            takes = best
            open_sites.remove(site)
        return advice

    def _takes(self, chosen: _Chosen) -> float | None:
        programs, moved = self._moved(chosen)
        return self.tried.takes(programs) if moved else None

    def _needed_lines(self, chosen: _Chosen, site: Site, best: float, gain: float) -> dict[_Line, int]:
        """Of the lines that could come before the barriers at `site`, those that gain something by it."""
        others = self._moved(chosen)[1]
        lines: dict[_Line, int] = {}
        for call, target in self._moved({**chosen, site: None})[1].items():
            if target != others.get(call):
                line = self._line(call)
                assert line is not None
                lines[line] = lines.get(line, 0) + 1
        for line in list(lines) if len(lines) > 1 else []:
            without = frozenset(lines) - {line}
            takes = self._takes({**chosen, site: without})
            if takes is not None and takes - best <= 0.01 * gain:
                del lines[line]
        return lines

    # -- which calls could come how much earlier -------------------------------------------------------------------

    def _key(self, step: Step) -> _Key | None:
        """Where a step ended and for what; None where that is not known."""
        if step.barrier is None or step.barrier.site is None:
            return None
        return step.barrier.site, frozenset(self.record.by_index[index].name for index in step.barrier.waits_on)

    def _line(self, call: int) -> _Line | None:
        made = self.record.by_index[call]
        return (made.site, made.name) if made.site is not None else None

    def _reach(self, call: int) -> int:
        """The first step of its workflow in which a call could be made, as far as it depends on values."""
        workflow, number = self.position[call]
        made, line = self.plan.works[call], self._line(call)
        if line is None or (made.kind is CallKind.COMBINATOR and made.name not in _MOVABLE):
            return number
        lowest = max(self.floors[call].get(workflow, 0), self._last_unknown(workflow, number, line[0].file))
        code = self._code(line[0])
        if code is None:
            return lowest
        keys, passed = self.keys[workflow], set[_Key]()
        while number > lowest and len(passed) < self.kinds[workflow]:
            key = keys[number - 1]
            assert key is not None
            if key not in passed:
                passed.add(key)
                stops = frozenset((site.line, names) for site, names in passed)
                if not code.may_precede(line[0].line, line[1], stops):
                    return number
            number -= 1
        return lowest if number > lowest else number

    def _last_unknown(self, workflow: int, number: int, file: str) -> int:
        """The first step after the last barrier before `number` that is not known to be a line of this file."""
        unknown = self.unknown.get((workflow, file))
        if unknown is None:
            keys = self.keys[workflow]
            unknown = [i + 1 for i, key in enumerate(keys) if key is None or key[0].file != file]
            self.unknown[workflow, file] = unknown
        place = bisect_right(unknown, number)
        return unknown[place - 1] if place else 0

    def _code(self, site: Site) -> Code | None:
        number = self.sources.number(site)
        if number is None:
            return None
        if number not in self.codes:
            listing = self.sources.listings[number]
            try:
                self.codes[number] = Code(listing.source, listing.first_line, self.tasks)
            except (SyntaxError, ValueError, RecursionError):
                self.codes[number] = None
        return self.codes[number]

    def _moved(self, chosen: _Chosen) -> tuple[dict[int, list[Step]], dict[int, int]]:
        """The programs in which calls come before the chosen barriers, and to which step each of those goes."""
        moved: dict[int, int] = {}
        for workflow, program in self.plan.programs.items():
            stops = self.stops_at.get(workflow, {})
            wanted = [(stops[site], lines) for site, lines in chosen.items() if site in stops]
            if not wanted:
                continue
            for number, step in enumerate(program):
                for _, call in step.calls:
                    target = self._target(call, number, workflow, wanted, moved)
                    if target < number:
                        moved[call] = target
        touched = {self.position[call][0] for call in moved}
        return {workflow: self._rewritten(workflow, moved) for workflow in touched}, moved

    def _target(
        self,
        call: int,
        number: int,
        workflow: int,
        wanted: list[tuple[list[int], frozenset[_Line] | None]],
        moved: Mapping[int, int],
    ) -> int:
        """The first step, of those that end at a chosen barrier, in which `call` could be made; else its own."""
        lowest = self.reach[call]
        if lowest >= number:
            return number
        for need in self.plan.works[call].needs:
            home = self.position.get(need)
            if home is not None and home[0] == workflow:
                lowest = max(lowest, moved.get(need, home[1]))
        line, target = self._line(call), number
        for steps, lines in wanted:
            if lines is None or line in lines:
                place = bisect_left(steps, lowest)
                if place < len(steps):
                    target = min(target, steps[place])
        return target

    def _rewritten(self, workflow: int, moved: Mapping[int, int]) -> list[Step]:
        program = self.plan.programs[workflow]
        calls: list[list[tuple[float, int]]] = [
            [(offset, call) for offset, call in step.calls if call not in moved] for step in program
        ]
        for step in program:
            for _, call in step.calls:
                if call in moved:
                    calls[moved[call]].append((program[moved[call]].lasts, call))
        return [Step(made, step.lasts, step.gate, step.barrier) for made, step in zip(calls, program, strict=True)]


def _floors(record: RunRecord, plan: Plan) -> dict[int, dict[int, int]]:
    """For each call, by workflow, the first step in which it can come: all that its arguments depend on, directly or
    through other calls, and that the workflow waited for before, was waited for by then."""
    waited: dict[int, dict[int, int]] = {}
    for workflow, program in plan.programs.items():
        for number, step in enumerate(program):
            for call in step.barrier.waits_on if step.barrier is not None else ():
                waited.setdefault(call, {})[workflow] = number + 1
    through: dict[int, list[int]] = {}
    for call in record.calls:
        if call.parent_index:
            # What the calls in a sub-workflow use from outside, it used itself: by a name of the code around it.
            outside = [need for need in call.dependencies if need < call.parent_index]
            through.setdefault(call.parent_index, []).extend(outside)
    home = {
        call: (workflow, number)
        for workflow, program in plan.programs.items()
        for number, step in enumerate(program)
        for _, call in step.calls
    }
    floors: dict[int, dict[int, int]] = {}
    for call in record.calls:
        own: dict[int, int] = {}
        for need in (*call.dependencies, *through.get(call.index, ())):
            for known in (floors.get(need), waited.get(need)):
                for workflow, number in known.items() if known else ():
                    # Where it was waited for only after this call, that does not matter to it.
                    later = call.index in home and home[call.index][0] == workflow and number > home[call.index][1]
                    if not later and number > own.get(workflow, 0):
                        own[workflow] = number
        floors[call.index] = own
    return floors

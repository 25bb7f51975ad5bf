"""Which calls could have come earlier than a barrier, and what that gains.

`interactive_flow.views.advice` tells what is taken for a call that could, and how gains are estimated.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from interactive_flow.model.events import Site
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallKind
from interactive_flow.views.plan import Plan, Step
from interactive_flow.views.simulation import Order, simulate
from interactive_flow.views.sources import Sources
from interactive_flow.views.uses import Code

LEAST_PART, LEAST = 0.02, 0.01
"""Advice that gains less than this part of the run, or less than so many seconds, is not given."""

MOST = 5
"""So many pieces of advice are given."""

CANDIDATES = 8
"""So many places of barriers are tried, those where the code stood longest."""

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


class Trials:
    """Simulations within a budget; what they say is what would be measured, as far as the run itself tells."""

    def __init__(self, plan: Plan, order: Order, scale: float, left: int) -> None:
        self.plan = plan
        self.left = left
        self._order = order
        self._scale = scale

    def takes(self, programs: dict[int, list[Step]] | None = None, workers: int | None = None) -> float | None:
        """Estimated seconds; None where the budget is spent or no end is reached."""
        if self.left <= 0:
            return None
        self.left -= 1
        simulated = simulate(self.plan, workers, self._order, programs)
        return None if simulated is None else simulated * self._scale


_Line = tuple[Site, str]
"""Where calls are made, and of what."""

_Key = tuple[Site, frozenset[str]]
"""Where code stood, and the names of what it waited for."""

_Chosen = Mapping[Site, "frozenset[_Line] | None"]
"""Which lines are to come before which barriers; None for all that can."""


class Adviser:
    """Looks for the calls that could come earlier, and for what that gains.

    Args:
        record: the run.
        plan: of the run.
        stops: where its code stood, longest first.
        seconds: what it took.
        tried: tells what it would take otherwise.
    """

    def __init__(self, record: RunRecord, plan: Plan, stops: list[Stop], seconds: float, tried: Trials) -> None:
        self.record = record
        self.plan = plan
        self.stops = {stop.site: stop for stop in stops if stop.site is not None and not stop.end}
        self.seconds = seconds
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

    def result(self, takes: float) -> list[Advice]:
        """The advice; `takes` is what the simulation says of the unchanged run."""
        takes = min(takes, self.seconds)
        least = max(LEAST, LEAST_PART * self.seconds)
        chosen = self._chosen_sites(list(self.stops)[:CANDIDATES], takes, least)
        self._drop_idle_lines(chosen)
        advice: list[Advice] = []
        so_far: dict[Site, frozenset[_Line] | None] = {}
        for site, lines in chosen.items():
            before = self._moved(so_far)[1]
            so_far[site] = lines
            calls: dict[_Line, int] = {}
            for call, target in self._moved(so_far)[1].items():
                line = self._line(call)
                if line is not None and target != before.get(call):
                    calls[line] = calls.get(line, 0) + 1
            now = self._takes(so_far)
            if now is None or not calls:
                break
            earlier = tuple(Earlier(name, at, number) for (at, name), number in calls.items())
            checked = all(self._code(line.site) is not None for line in earlier)
            advice.append(Advice(self.stops[site], earlier, now, takes - now, checked))
            takes = now
        while advice and advice[-1].gain < least:
            advice.pop()  # what gained something is what comes before it
        return advice

    def _chosen_sites(self, sites: list[Site], takes: float, least: float) -> dict[Site, frozenset[_Line] | None]:
        """The barriers before which all that can is to come, one after the other, each time the one that gains most."""
        chosen: dict[Site, frozenset[_Line] | None] = {}
        while sites and len(chosen) < MOST:
            outcomes = [(self._takes({**chosen, site: None}), number) for number, site in enumerate(sites)]
            known = [(outcome, number) for outcome, number in outcomes if outcome is not None]
            if not known or takes - min(known)[0] < least:
                break
            takes, best = min(known)
            chosen[sites.pop(best)] = None
        return chosen

    def _takes(self, chosen: _Chosen) -> float | None:
        programs, moved = self._moved(chosen)
        return self.tried.takes(programs) if moved else None

    def _drop_idle_lines(self, chosen: dict[Site, frozenset[_Line] | None]) -> None:
        """Leaves the lines where they are that gain nothing by coming earlier."""
        best = self._takes(chosen) if chosen else None
        if best is None:
            return
        slack = 0.01 * (self.seconds - best)
        for site in chosen:
            lines = {line for call in self._moved({site: None})[1] if (line := self._line(call)) is not None}
            for line in sorted(lines) if len(lines) > 1 else ():
                without = frozenset(lines - {line})
                takes = self._takes({**chosen, site: without}) if without else None
                if takes is not None and takes - best <= slack:
                    lines.remove(line)
            chosen[site] = frozenset(lines)

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
        return min(number, lowest)

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
    """For each call, by workflow, the first step in which it can come.

    All that its arguments depend on, directly or through other calls, and that the workflow waited for before, was
    waited for by then.
    """
    waited: dict[int, dict[int, int]] = {}
    for workflow, program in plan.programs.items():
        for number, step in enumerate(program):
            for call in step.barrier.waits_on if step.barrier is not None else ():
                waited.setdefault(call, {})[workflow] = number + 1
    through: dict[int, list[int]] = {}
    for made in record.calls:
        if made.parent_index:
            # What the calls in a sub-workflow use from outside, it used itself: by a name of the code around it.
            outside = [need for need in made.dependencies if need < made.parent_index]
            through.setdefault(made.parent_index, []).extend(outside)
    home = {
        call: (workflow, number)
        for workflow, program in plan.programs.items()
        for number, step in enumerate(program)
        for _, call in step.calls
    }
    floors: dict[int, dict[int, int]] = {}
    for made in record.calls:
        own: dict[int, int] = {}
        for need in (*made.dependencies, *through.get(made.index, ())):
            for known in (floors.get(need), waited.get(need)):
                for workflow, number in known.items() if known else ():
                    # Where it was waited for only after this call, that does not matter to it.
                    later = made.index in home and home[made.index][0] == workflow and number > home[made.index][1]
                    if not later and number > own.get(workflow, 0):
                        own[workflow] = number
        floors[made.index] = own
    return floors

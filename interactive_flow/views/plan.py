"""A run that is over as a plan that can be carried out again: what its code did step by step, and what each call took.

The plan is what `interactive_flow.views.simulation` runs.  It keeps what was measured: how long each attempt took, how
long the code itself took from one barrier to the next, and at which moment of that it made each call.  So a simulation
of an unchanged plan takes what the run took, and one of a plan with a call made earlier tells what that would change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from interactive_flow.model.events import Site
from interactive_flow.model.record import Barrier, CallRecord, RunRecord
from interactive_flow.model.states import CallKind, CallState
from interactive_flow.views.decisions import Advance, advances, start_of

CHOOSING = ("first", "finish_order", "item")
"""The combinators that do not wait for all that they are given."""


@dataclass(slots=True)
class Gate:
    """What workflow code waits for at the end of a step.

    Attributes:
        calls: by index; all of them, or one that fails.
        delays: for a call that was waited for only in part (a generator task's items come one by one), the seconds
            from its start after which the code went on.
        pause: seconds that the code stood there whatever finished when; for what is not of this run.
    """

    calls: tuple[int, ...] = ()
    delays: dict[int, float] = field(default_factory=dict)
    pause: float = 0.0


@dataclass(slots=True)
class Step:
    """What workflow code did from where it went on to where it stopped.

    Attributes:
        calls: those it made, each with the seconds from the beginning of the step.
        lasts: seconds until it stopped.
        gate: what it waited for there; None where it came to its end without a value.
        barrier: the barrier that ended it; None for the end of the code.
    """

    calls: list[tuple[float, int]]
    lasts: float
    gate: Gate | None
    barrier: Barrier | None


@dataclass(slots=True)
class Work:
    """A call as the simulation sees it.

    Attributes:
        kind: of node.
        name: of what is called.
        number: of the call, among those of its name by the same parent.
        parent: who made it, by index.
        needs: the calls whose results are among its arguments, by index.
        tries: seconds of each attempt, and seconds from its end to the next.
        lost: True where it ended without a value.
        made: for a combinator or a rule, the calls it made, each with the seconds after its own beginning.
        order: sorts calls by when they really began.
    """

    kind: CallKind
    name: str
    number: int
    parent: int
    needs: tuple[int, ...]
    tries: tuple[tuple[float, float], ...]
    lost: bool
    made: list[tuple[float, int]]
    order: tuple[float, float, int]

    @property
    def seconds(self) -> float:
        """What its attempts took."""
        return sum(length for length, _ in self.tries)


@dataclass(slots=True)
class Plan:
    """A run that is over, as what could be done again.

    Attributes:
        works: its calls, by index; those that were given up before they began are left out.
        programs: the steps of each workflow, by its index; 0 is the run's own.
        workers: how many calls were run at once, at most.
        seconds: what the run took.
    """

    works: dict[int, Work]
    programs: dict[int, list[Step]]
    workers: int
    seconds: float


def plan_of(record: RunRecord) -> Plan:
    """The plan of a run that has ended.

    Raises:
        ValueError: it has not ended.
    """
    if record.finished_at is None:
        raise ValueError(f"run {record.run} of {record.name} has not ended, so there is nothing to carry out again")
    works = {call.index: _work(record, call) for call in record.calls if not _never_began(call)}
    for call in record.calls:
        maker = works.get(call.parent_index)
        if maker is not None and maker.kind is not CallKind.WORKFLOW and call.index in works:
            maker.made.append((_made_after(record.by_index[call.parent_index], call), call.index))
    steps = advances(record)
    programs = {0: _program(record, 0, steps.get(0, [Advance([], None)]), works)}
    for call in record.calls:
        if call.kind is CallKind.WORKFLOW and call.index in works:
            programs[call.index] = _program(record, call.index, steps.get(call.index, [Advance([], None)]), works)
    _add_silent_uses(record, works, programs)
    return Plan(works, programs, max(record.workers, _at_once(record), 1), record.finished_at - start_of(record, 0))


def _never_began(call: CallRecord) -> bool:
    return call.state is CallState.CANCELLED and call.started_at is None


def _work(record: RunRecord, call: CallRecord) -> Work:
    ended = [attempt for attempt in call.tries if attempt.finished_at is not None]
    tries: list[tuple[float, float]] = []
    for attempt, following in zip_longest(ended, ended[1:]):
        assert attempt.finished_at is not None
        pause = following.started_at - attempt.finished_at if following is not None else 0.0
        tries.append((max(attempt.finished_at - attempt.started_at, 0.0), max(pause, 0.0)))
    first = ended[0] if ended else None
    order = (first.started_at, first.finished_at or 0.0, call.index) if first else (call.scheduled_at, 0.0, call.index)
    return Work(
        kind=call.kind,
        name=call.name,
        number=call.number,
        parent=call.parent_index,
        needs=_needs(record, call),
        tries=tuple(tries) if call.kind in (CallKind.TASK, CallKind.RULE) else (),
        lost=call.state not in (CallState.SUCCEEDED, CallState.CACHED),
        made=[],
        order=order,
    )


def _needs(record: RunRecord, call: CallRecord) -> tuple[int, ...]:
    """What a call waits for.  An item of a generator task is there before that has ended: it waits for nothing more."""
    if call.kind is not CallKind.COMBINATOR or call.name in CHOOSING or call.finished_at is None:
        return call.dependencies
    ended = ((index, record.by_index[index].finished_at) for index in call.dependencies)
    return tuple(index for index, at in ended if at is not None and at <= call.finished_at)


def _made_after(maker: CallRecord, call: CallRecord) -> float:
    """What a combinator makes, it makes as soon as it can; a rule is code, and takes its time."""
    if maker.kind is CallKind.COMBINATOR:
        return 0.0
    began = maker.scheduled_at if maker.started_at is None else maker.started_at
    return max(call.scheduled_at - began, 0.0)


def _program(record: RunRecord, workflow: int, steps: list[Advance], works: dict[int, Work]) -> list[Step]:
    program: list[Step] = []
    began = start_of(record, workflow)
    for step in steps:
        calls = [(max(call.scheduled_at - began, 0.0), call.index) for call in step.calls if call.index in works]
        barrier = step.barrier
        if barrier is None:
            program.append(_last_step(record, workflow, calls, began, works))
            break
        gate = _gate(record, barrier, works)
        program.append(Step(calls, max(barrier.entered_at - began, 0.0), gate, barrier))
        if barrier.left_at is None:
            break
        began = barrier.left_at
    return program


def _last_step(
    record: RunRecord, workflow: int, calls: list[tuple[float, int]], began: float, works: dict[int, Work]
) -> Step:
    returned = record.returns.get(workflow)
    if returned is not None:
        return Step(calls, max(returned.entered_at - began, 0.0), _gate(record, returned, works), None)
    ended = record.finished_at if workflow == 0 else record.by_index[workflow].finished_at
    return Step(calls, max((ended if ended is not None else began) - began, 0.0), None, None)


def _gate(record: RunRecord, barrier: Barrier, works: dict[int, Work]) -> Gate:
    waits_on = tuple(index for index in barrier.waits_on if index in works)
    left = barrier.left_at
    if left is None or not waits_on:
        return Gate(waits_on, pause=0.0 if left is None or barrier.waits_on else left - barrier.entered_at)
    calls = [record.by_index[index] for index in waits_on]
    if all(call.state in (CallState.SUCCEEDED, CallState.CACHED) for call in calls):
        early = {
            call.index: max(left - call.started_at, 0.0)
            for call in calls
            if call.finished_at is not None and call.started_at is not None and call.items
            if left < call.finished_at
        }
        return Gate(waits_on, early)
    return Gate(waits_on)


def _add_silent_uses(record: RunRecord, works: dict[int, Work], programs: dict[int, list[Step]]) -> None:
    """Adds what code used without having to wait for it, as the result was there: no event tells of that.

    A call that nothing is seen to use was either returned, and then the end waits for it; or, where the code waited
    for other calls from the same line, its value is taken to be used where those were waited for, at the first such
    barrier that was left when it had finished.  This does not matter to the run as it was, but to how it would have
    been with the call finishing later.
    """
    used = {need for call in record.calls for need in call.dependencies}
    for program in programs.values():
        used.update(call for step in program if step.gate is not None for call in step.gate.calls)
    for program in programs.values():
        alike: dict[tuple[Site | None, str], list[int]] = {}
        for number, step in enumerate(program):
            for index in step.barrier.waits_on if step.barrier is not None else ():
                places = alike.setdefault((record.by_index[index].site, record.by_index[index].name), [])
                if not places or places[-1] != number:
                    places.append(number)
        late: dict[int, list[int]] = {}
        for number, step in enumerate(program):
            for _, call in step.calls:
                made = record.by_index[call]
                if call not in used and made.finished_at is not None and not works[call].lost:
                    place = _used_at(program, alike.get((made.site, made.name), ()), made.finished_at, number)
                    late.setdefault(place, []).append(call)
        for number, calls in late.items():
            gate = program[number].gate
            if gate is not None and not gate.delays:
                gate.calls = (*gate.calls, *calls)


def _used_at(program: list[Step], places: Sequence[int], finished_at: float, made_in: int) -> int:
    """The step at whose end a value is taken to be used that was there at `finished_at`."""
    for number in places:
        barrier = program[number].barrier
        left = barrier.left_at if barrier is not None and number >= made_in else None
        if left is not None and left >= finished_at:
            return number
    return len(program) - 1


def _at_once(record: RunRecord) -> int:
    """How many attempts ran side by side at most: there may have been more executors than the run's own."""
    marks: list[tuple[float, int]] = []
    for call in record.calls:
        if call.kind is CallKind.TASK:
            for attempt in call.tries:
                if attempt.finished_at is not None and attempt.finished_at > attempt.started_at:
                    marks += [(attempt.started_at, 1), (attempt.finished_at, -1)]
    most = now = 0
    for _, change in sorted(marks):
        now += change
        most = max(most, now)
    return most

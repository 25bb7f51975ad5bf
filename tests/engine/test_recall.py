"""Runs that are cut short at any moment and continued: everything that was known happens again as it did.

The programs are random ones (`programs`).  A run's events, cut anywhere, are all that is left of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from laboratory import Laboratory, check_stream
from programs import Expression, Interpreter, orderless, programs
from test_strategies import described, outcome_of, told

from interactive_flow import (
    Run,
    flow,
    restart,
)
from interactive_flow.engine.durations import forget_durations
from interactive_flow.engine.past import Past
from interactive_flow.engine.recall import Memory, Recall
from interactive_flow.model.events import (
    AttemptFailed,
    CallCached,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
)

FLEETING = (CallReady, CallStarted, CallProgressed, CallOutput, AttemptFailed, RunStarted)
"""Events that need not happen again."""


class Part(NamedTuple):
    """What a run, or a part of one, has come to.

    Attributes:
        run: the run.
        outcome: of the run.
        events: all of them.
        arguments: those of its last segment.
    """

    run: Run
    outcome: Any
    events: list[Event]


class Setting(NamedTuple):
    """Where and how a program runs."""

    workers: int = 16
    ties: int = 0
    strategy: str = "resume"
    awaits: bool = False


def run_program(
    program: Expression, setting: Setting, restarts: int = 0, memory: Memory | None = None, arguments: Any = None
) -> Part:
    """Runs a program in virtual time."""
    forget_durations()
    lab = Laboratory(setting.workers, ties=setting.ties)
    interpreter = Interpreter(lab.clock.sleep, awaits=setting.awaits)

    async def body(left: int, *names: Any) -> Any:
        value = await interpreter(program, names)
        return restart(left - 1, value) if left else value

    workflow = lab.ready(flow(interpreter.code(body), name="program")).options(strategy=setting.strategy)
    args, kwargs = arguments or ((restarts,), {})
    run = workflow._run_of(args, kwargs, memory=memory)
    run.drive()
    outcome = described(outcome_of(run.result))
    events = list(run.events())
    check_stream(events, setting.workers)
    return Part(run, outcome, events)


def lasting(events: Sequence[Event]) -> list[Any]:
    """What must happen again, in order, without times and without who did it."""
    ids = {}
    found = []
    for event in events:
        if isinstance(event, CallScheduled):
            path = ids.get(event.parent, "")
            ids[event.call] = f"{path}/{event.name}#{event.number}"
        if isinstance(event, FLEETING):
            continue
        if isinstance(event, CallCached):
            event = CallSucceeded(event.at, event.call, 0.0, None, event.value)
        event = event._replace(at=0.0)
        for field in ("started", "worker", "site"):
            if field in event._fields:
                event = event._replace(**{field: None})
        found.append(described(event))
    return found


def completed(events: Sequence[Event]) -> set[str]:
    """The ids of the task calls that have ended of themselves."""
    return {arrival.call for arrival in Past.read([events]).arrivals if arrival.position is None}


def executed(events: Sequence[Event]) -> Counter[str]:
    """How often each task call was begun."""
    ids: dict[int, str] = {0: ""}
    kinds: dict[int, str] = {}
    began: Counter[str] = Counter()
    for event in events:
        if isinstance(event, CallScheduled):
            kinds[event.call] = event.kind
            ids[event.call] = (
                f"{ids[event.parent]}/{event.name}#{event.number}" if event.parent else (f"{event.name}#{event.number}")
            )
        elif isinstance(event, CallStarted) and kinds[event.call] == "task":
            began[ids[event.call]] += 1
    return began


def continued(program: Expression, setting: Setting, part: Part, *rounds: Sequence[Event]) -> Part:
    """The run goes on from what is known of it."""
    memory = Recall(Past.read(rounds))
    return run_program(program, setting, memory=memory, arguments=(part.run._args, part.run._kwargs))


settings_ = st.builds(
    Setting, st.integers(1, 6), st.integers(0, 3), st.sampled_from(["resume", "replay"]), st.booleans()
)


@settings(max_examples=300)
@given(programs, settings_, settings_, st.sampled_from([0, 0, 0, 1]), st.data())
def test_cut_anywhere_a_run_has_its_past_again_and_then_goes_on(
    program: Expression, before: Setting, after: Setting, restarts: int, data: st.DataObject
) -> None:
    whole = run_program(program, before, restarts)
    cut = data.draw(st.integers(1, len(whole.events)), "cut")
    known = whole.events[:cut]
    if isinstance(known[-1], RunFinished):
        known.pop()
    again = continued(program, after, whole, known)
    past = lasting(known)
    assert lasting(again.events)[: len(past)] == past
    assert not completed(known) & set(executed(again.events)), "what was known ran again"
    if cut >= len(whole.events) - 1:
        assert again.outcome == whole.outcome
        assert [c.id for c in again.run.calls] == [c.id for c in whole.run.calls]


@settings(max_examples=200)
@given(orderless, settings_, settings_, st.data())
def test_a_run_gives_what_it_would_have_given(
    program: Expression, before: Setting, after: Setting, data: st.DataObject
) -> None:
    whole = run_program(program, before)
    known = whole.events[: data.draw(st.integers(1, len(whole.events) - 1), "cut")]
    again = continued(program, after, whole, known)
    if not whole.run.errors and not again.run.errors:
        assert again.outcome == whole.outcome
        assert {c.id for c in again.run.calls} == {c.id for c in whole.run.calls}


@settings(max_examples=200)
@given(programs, settings_, settings_, settings_, st.data())
def test_a_run_that_is_continued_may_be_cut_short_too(
    program: Expression, before: Setting, between: Setting, after: Setting, data: st.DataObject
) -> None:
    whole = run_program(program, before)
    one = whole.events[: data.draw(st.integers(1, len(whole.events) - 1), "first cut")]
    second = continued(program, between, whole, one)
    other = second.events[: data.draw(st.integers(1, len(second.events) - 1), "second cut")]
    third = continued(program, after, whole, one, other)
    known = max(lasting(one), lasting(other), key=len)
    assert lasting(third.events)[: len(known)] == known
    assert not (completed(one) | completed(other)) & set(executed(third.events))


@settings(max_examples=150)
@given(programs, settings_, settings_, st.booleans(), st.data())
def test_every_strategy_goes_on_alike(
    program: Expression, before: Setting, after: Setting, awaits: bool, data: st.DataObject
) -> None:
    whole = run_program(program, before)
    known = whole.events[: data.draw(st.integers(1, len(whole.events) - 1), "cut")]
    after = after._replace(awaits=awaits)
    resumed = continued(program, after._replace(strategy="resume"), whole, known)
    replayed = continued(program, after._replace(strategy="replay"), whole, known)
    assert [told(e, True) for e in replayed.events] == [told(e, True) for e in resumed.events]
    assert replayed.outcome == resumed.outcome

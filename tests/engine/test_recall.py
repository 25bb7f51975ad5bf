"""Runs that are cut short at any moment and continued: everything that was known happens again as it did.

The programs are random ones (`programs`).  A run's events, cut anywhere, are all that is left of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laboratory import Bang, Laboratory, check_stream
from programs import Expression, Interpreter, orderless, programs
from test_strategies import described, outcome_of, told

from interactive_flow import (
    DeterminismError,
    Retry,
    Run,
    TaskError,
    TaskTimeout,
    finish_order,
    first,
    flow,
    heartbeat,
    last_heartbeat,
    parallel_reduce,
    restart,
    stable,
    task,
    wait,
)
from interactive_flow.engine.durations import forget_durations
from interactive_flow.engine.memory import Memory
from interactive_flow.engine.past import Past
from interactive_flow.engine.recall import Recall
from interactive_flow.engine.reuse import Reuse
from interactive_flow.model.events import (
    AttemptFailed,
    CallCached,
    CallFailed,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    CallYielded,
    Event,
    RunFinished,
    RunStarted,
)
from interactive_flow.model.log import EventLog

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
    return {arrival.call for arrival in Past.read([log_of(events)]).arrivals if arrival.position is None}


def log_of(events: Sequence[Event]) -> EventLog:
    """A log of these events."""
    log = EventLog()
    for event in events:
        log.append(event)
    return log


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
    memory = Recall(Past.read([log_of(events) for events in rounds]))
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
    if again.events[0].restarts > whole.events[0].restarts:  # this time nothing has failed in between
        return
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
@given(orderless, settings_, settings_, st.data())
def test_values_that_are_lost_cost_only_themselves(
    program: Expression, before: Setting, after: Setting, data: st.DataObject
) -> None:
    whole = run_program(program, before)
    known = whole.events[: data.draw(st.integers(1, len(whole.events) - 1), "cut")]
    past = Past.read([log_of(known)])
    lots = Random(data.draw(st.integers(0, 9), "lots"))

    def load(value: Any) -> Any:
        if not isinstance(value, TaskError) and lots.random() < 0.3:
            raise OSError("lost")
        return value

    memory = Recall(past, load)
    again = run_program(program, after, memory=memory, arguments=(whole.run._args, {}))
    if not whole.run.errors and not again.run.errors:
        assert again.outcome == whole.outcome
    assert completed(known) & set(executed(again.events)) <= {call for call, _ in memory.lost}


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


# -- one by one --------------------------------------------------------------------------------------------------------


def log_until(run: Run, call: str) -> EventLog:
    """The events of a run up to the one that a task call ends with."""
    events = list(run.events())
    index = run.record().call(call).index
    last = next(n for n, e in enumerate(events) if isinstance(e, CallSucceeded | CallFailed) and e.call == index)
    return log_of(events[: last + 1])


def go_on(lab: Laboratory, code: Any, past: Past, *args: Any, load: Any = lambda value: value) -> Run:
    """Continues a run in a new laboratory; what it warns of is not of interest."""
    memory = Recall(past, load, "ask for help")
    run = lab.last = lab.ready(code)._run_of(args, {}, memory=memory)
    run.drive()
    check_stream(run.events(), lab.executor.capacity)
    return run


def test_who_won_wins_again() -> None:
    def code(lab: Laboratory, times: dict[str, float]) -> Any:
        run = task(lambda x: (lab.clock.sleep(times[x]), x)[1], name="run")

        def race() -> Any:
            winner = wait(first(run("a"), run("b")))
            return winner, lab.give(winner * 2, 5.0)

        return race

    before = Laboratory()
    assert before.run(code(before, {"a": 2.0, "b": 1.0})) == ("b", "bb")
    after = Laboratory()
    run = go_on(after, code(after, {"a": 1.0, "b": 2.0}), Past.read([log_until(before.last, "run#2")]))
    assert run.result() == ("b", "bb")
    assert after.state("run#1") == "succeeded"  # it was under way


def test_errors_come_as_they_came() -> None:
    def code(lab: Laboratory, times: dict[str, float]) -> Any:
        @task
        def bang(text: str) -> None:
            lab.clock.sleep(times[text])
            raise Bang(text)

        def both() -> Any:
            try:
                wait([bang("one"), bang("two")])
            except TaskError as error:
                return str(error), lab.give(1, 9.0)

        return both

    before = Laboratory()
    before.run(code(before, {"one": 3.0, "two": 2.0}))
    after = Laboratory()
    run = go_on(after, code(after, {"one": 2.0, "two": 3.0}), Past.read([log_until(before.last, "bang#1")]))
    assert run.result() == ("bang#2 failed: Bang: two", 1)
    assert [(c.state, c.attempts) for c in run.calls[:2]] == [("failed", 0)] * 2
    assert after.bodies == {"give": 1}


def test_a_timeout_stays_one() -> None:
    def code(seconds: float) -> Any:
        lab = Laboratory()
        slow = task(lambda: lab.clock.sleep(seconds), name="slow", timeout=2.0)

        def patient() -> Any:
            try:
                wait(slow())
            except TaskTimeout as error:
                return str(error), lab.give(1)

        return lab, patient

    before, body = code(5.0)
    before.run(body)
    after, body = code(0.0)
    run = go_on(after, body, Past.read([log_until(before.last, "slow#1")]))
    assert "slow#1 timed out" in run.result()[0]
    assert after.state("slow#1") == "timed_out"


def test_attempts_that_failed_count_and_the_last_heartbeat_is_there() -> None:
    seen: list[Any] = []

    def code(lab: Laboratory) -> Any:
        @task(retry=Retry(attempts=3, delay=4.0))
        def flaky() -> Any:
            said = last_heartbeat()
            seen.append(said)
            heartbeat(0.5, f"attempt after {said and said[1]}")
            lab.clock.sleep(1.0)
            raise Bang

        def body() -> Any:
            return flaky()

        return body

    before = Laboratory()
    before.ready(code(before))
    with pytest.raises(TaskError):
        before.run(code(before))
    failed = [n for n, e in enumerate(before.last.events()) if isinstance(e, AttemptFailed)]
    began = [n for n, e in enumerate(before.last.events()) if isinstance(e, CallStarted)]
    assert seen == [None, (0.5, "attempt after None"), (0.5, "attempt after attempt after None")]
    for cut, at in ((failed[0] + 1, 4.0), (began[1] + 1, 0.0)):  # while it waited, and while it was tried again
        seen.clear()
        after = Laboratory()
        run = go_on(after, code(after), Past.read([log_of(list(before.last.events())[:cut])]))
        assert seen == [(0.5, "attempt after None"), (0.5, "attempt after attempt after None")]
        (call,) = run.calls
        assert [t.state for t in call.tries] == ["failed"] * 3
        assert call.attempts == 3
        assert call.tries[1].started_at == at


def test_what_code_asked_for_once_it_has_again() -> None:
    answers = count()

    def code(lab: Laboratory) -> Any:
        def body() -> Any:
            one = stable.once(lambda: next(answers), name="ask")
            wait(lab.give(one))
            return one, stable.once(lambda: next(answers), name="ask"), lab.give("last")

        return body

    before = Laboratory()
    before.run(code(before))
    after = Laboratory()
    run = go_on(after, code(after), Past.read([log_until(before.last, "give#1")]))
    assert run.result() == (0, 2, "last")  # the second answer was not known yet


def test_items_that_were_produced_stay_what_they_were() -> None:
    def code(lab: Laboratory, of: list[str]) -> Any:
        @task
        def letters() -> Any:
            for letter in of:
                lab.clock.sleep(1.0)
                yield letter

        def body() -> Any:
            return [lab.give(wait(x) * 2, 10.0) for x in letters()]

        return body

    before = Laboratory()
    assert before.run(code(before, ["a", "b", "c"])) == ["aa", "bb", "cc"]
    events = list(before.last.events())
    second = [n for n, e in enumerate(events) if isinstance(e, CallYielded)][1]
    after = Laboratory()
    run = go_on(after, code(after, ["x", "y", "z"]), Past.read([log_of(events[: second + 1])]))
    assert run.result() == ["aa", "bb", "zz"]
    whole = Laboratory()
    run = go_on(whole, code(whole, ["x"]), Past.read([log_until(before.last, "letters#1")]))
    assert run.result() == ["aa", "bb", "cc"]
    assert whole.call("letters#1").items == 3


def test_a_value_that_cannot_be_had_is_computed_again_in_its_turn() -> None:
    def code(lab: Laboratory) -> Any:
        def body() -> Any:
            order = [wait(x) for x in finish_order([lab.give("a", 3.0), lab.give("b", 2.0), lab.give("c", 1.0)])]
            return order, lab.give("d")

        return body

    def load(value: Any) -> Any:
        if value == "b":
            raise OSError("the file is gone")
        return value

    before = Laboratory()
    before.run(code(before))
    after = Laboratory()
    run = go_on(after, code(after), Past.read([log_until(before.last, "give#1")]), load=load)
    assert run.result() == (["c", "b", "a"], "d")
    assert after.bodies["give"] == 2
    assert [(c.id, c.state) for c in run.calls if c.name == "give"] == [
        ("give#1", "cached"), ("give#2", "succeeded"), ("give#3", "cached"), ("give#4", "succeeded"),
    ]  # fmt: skip
    assert run._lost == [("give#2", "OSError: the file is gone")]


def past_of(code: Any) -> Past:
    """What is known of a run of this code, without its end."""
    lab = Laboratory()
    lab.run(code(lab))
    return Past.read([log_of(list(lab.last.events())[:-1])])


def one_two(lab: Laboratory) -> Any:
    return lambda: (wait(lab.give("one")), wait(lab.give("two")))


@pytest.mark.parametrize(
    ("code", "position", "expected", "found"),
    [
        (lambda lab: lambda: (wait(lab.give("one")), wait(lab.give("three"))), 1, "give('two')", "made give('three')"),
        (lambda lab: lambda: (wait(lab.give("one")), wait(lab.add(1, 2))), 1, "give('two')", "made add(1, 2)"),
        (lambda lab: lambda: wait(lab.give("one")), 1, "give('two')", "came to its end"),
        (lambda lab: lambda: wait(first(lab.give("one", 0.0, 0.0), 5)), 0, "give('one')", "made give('one', 0.0, 0.0)"),
        (lambda lab: lambda: wait(lab.give("one", seconds=0)), 0, "give('one')", "made give('one', seconds=0)"),
        (lambda lab: lambda: wait(lab.give(lab.add(1, 1))), 0, "give('one')", "made add(1, 1)"),
    ],
)  # fmt: skip
def test_code_that_does_something_else_is_told_so(code: Any, position: int, expected: str, found: str) -> None:
    lab = Laboratory()
    run = go_on(lab, code(lab), past_of(one_two))
    with pytest.raises(DeterminismError) as raised:
        run.result()
    assert (raised.value.position, raised.value.expected, raised.value.found) == (position, expected, found)
    assert f"after {position} of 2 recorded results it had made {expected}, and now it {found}; ask for help" in str(
        raised.value
    )
    assert lab.bodies == {}  # nothing was run


def test_a_task_that_is_no_generator_any_more() -> None:
    def code(lab: Laboratory) -> Any:
        @task
        def items() -> Any:
            yield 1

        return lambda: wait(items())

    def changed(lab: Laboratory) -> Any:
        return lambda: wait(task(lambda: [1], name="items")())

    lab = Laboratory()
    run = go_on(lab, changed(lab), past_of(code))
    with pytest.raises(DeterminismError, match="which is no generator"):
        run.result()


def test_code_may_change_after_what_was_recorded() -> None:
    lab = Laboratory()
    run = go_on(lab, lambda: (wait(lab.give("one")), wait(lab.give("two")), lab.add(3, 4)), past_of(one_two))
    assert run.result() == ("one", "two", 7)
    assert lab.bodies == {"add": 1}


def test_a_run_may_be_cancelled_while_it_has_its_past_again() -> None:
    lab = Laboratory()

    def load(value: Any) -> Any:
        lab.last.cancel()
        return value

    run = go_on(lab, one_two(lab), past_of(one_two), load=load)
    assert run.status == "cancelled"


# -- values for another run --------------------------------------------------------------------------------------------


def reuse(lab: Laboratory, code: Any, past: Past, load: Any = lambda value: value) -> Run:
    """A new run that takes values from another one."""
    run = lab.last = lab.ready(code)._run_of((), {}, memory=Reuse(past, load, lambda one, other: bool(one == other)))
    run.drive()
    check_stream(run.events(), lab.executor.capacity)
    return run


def states(run: Run) -> dict[str, str]:
    return {call.id: str(call.state) for call in run.calls}


def test_values_are_taken_in_any_order_and_the_rest_runs() -> None:
    def code(lab: Laboratory, change: int) -> Any:
        def body() -> Any:
            one, other = lab.give([1], 2.0), lab.give([change], 1.0)
            return lab.add(one, [3]), lab.add(other, [4]), lab.add(lab.give([5]), [6 + change])

        return body

    past = past_of(lambda lab: code(lab, 0))
    lab = Laboratory()
    run = reuse(lab, code(lab, 1), past)
    assert run.result() == ([1, 3], [1, 4], [5, 7])
    assert states(run) == {
        "give#1": "cached", "give#2": "succeeded", "give#3": "cached",
        "add#1": "cached", "add#2": "succeeded", "add#3": "succeeded",
    }  # fmt: skip
    assert lab.call("give#1").cached_from == past.run
    assert lab.call("give#1").cached_seconds == 2.0


def test_what_depends_on_an_equal_value_is_taken_too() -> None:
    def code(lab: Laboratory, change: int) -> Any:
        def body() -> Any:
            half = lab.give(0.5, change)  # computed again, with the same result
            return lab.add(half, 1), lab.add(first(half, lab.give(0.25, 9.0)), 2)

        return body

    lab = Laboratory()
    run = reuse(lab, code(lab, 1), past_of(lambda lab: code(lab, 0)))
    assert run.result() == (1.5, 2.5)
    assert {states(run)[id] for id in ("give#1", "first#1")} == {"succeeded"}
    assert {states(run)[id] for id in ("add#1", "add#2")} == {"cached"}


def test_a_value_that_cannot_be_loaded_is_computed() -> None:
    def load(value: Any) -> Any:
        raise OSError("gone")

    lab = Laboratory()
    run = reuse(lab, one_two(lab), past_of(one_two), load)
    assert run.result() == ("one", "two")
    assert lab.bodies == {"give": 2}
    assert [call for call, _ in run._lost] == ["give#1", "give#2"]


def test_the_winner_of_a_race_is_taken_first() -> None:
    def code(lab: Laboratory) -> Any:
        def body() -> Any:
            one, other = lab.give("a", 2.0), lab.give("b", 1.0)
            lab.give(wait([one, other]) and 1)
            return first(one, other)

        return body

    lab = Laboratory()
    assert reuse(lab, code(lab), past_of(code)).result() == "b"
    assert lab.bodies == {}


def test_many_reductions_are_taken_without_recursion() -> None:
    def code(lab: Laboratory) -> Any:
        return lambda: parallel_reduce(lab.add, list(range(3000)))

    lab = Laboratory()
    assert reuse(lab, code(lab), past_of(code)).result() == sum(range(3000))


@settings(max_examples=100)
@given(programs, settings_, settings_)
def test_a_new_run_that_takes_values_runs_only_what_gave_none(
    program: Expression, before: Setting, after: Setting
) -> None:
    whole = run_program(program, before)
    past = Past.read([log_of(whole.events)])
    again = run_program(program, after, memory=Reuse(past, same=lambda one, other: bool(one == other)))
    if isinstance(whole.outcome, int) and not whole.run.errors and "race" not in str(program):
        assert again.outcome == whole.outcome or "order" in str(program)
    taken = {call.id for call in again.run.calls if call.state == "cached"}
    assert taken <= completed(whole.events)
    assert not taken & set(executed(again.events))

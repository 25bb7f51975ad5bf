"""The four timeouts and heartbeats, in virtual time."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Laboratory

from interactive_flow import Retry, TaskError, TaskTimeout, Timeout, flow, heartbeat, task, track, wait


def test_an_attempt_that_takes_too_long() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", timeout=3)
    with pytest.raises(TaskTimeout) as caught:
        lab.run(lambda: work(1, 10.0))
    assert (caught.value.call, caught.value.__cause__) == ("work#1", None)
    assert str(caught.value) == "work#1 timed out: the attempt was not finished within 3 s (start_to_close)"
    assert (lab.seconds, lab.state("work#1")) == (3.0, "timed_out")
    assert [e.call for e in lab.last.errors] == ["work#1"]


@pytest.mark.parametrize(("seconds", "state"), [(2.999, "succeeded"), (3.0, "succeeded"), (3.001, "timed_out")])
def test_exactly_in_time_is_in_time(seconds: float, state: str) -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", timeout=3.0)

    def code() -> Any:
        try:
            return wait(work(1, seconds))
        except TaskTimeout:
            return None

    lab.run(code)
    assert lab.state("work#1") == state


def test_the_late_result_of_an_attempt_that_timed_out_is_thrown_away() -> None:
    lab = Laboratory()
    results = iter([("late", 5.0), ("in time", 1.0)])
    work = task(lambda: lab.give.fn(*next(results)), name="work", timeout=2.0, retry=2)

    def code() -> Any:
        x = work()
        lab.give(0, 9.0) + 0
        return x

    assert lab.run(code) == "in time"
    record = lab.call("work#1")
    assert [(t.state, t.started_at, t.finished_at) for t in record.tries] == [
        ("timed_out", 0.0, 2.0),
        ("succeeded", 2.0, 3.0),
    ]


def test_a_task_that_hangs_does_not_hold_a_place() -> None:
    lab = Laboratory(workers=1)
    work = task(lab.give.fn, name="work", timeout=2.0)

    def code() -> Any:
        hangs, fine = work("hangs", 1e9), work("fine", 1.0)
        with pytest.raises(TaskTimeout):
            wait(hangs)
        return fine

    assert lab.run(code) == "fine"
    assert lab.seconds == 3.0


def test_a_timeout_is_always_worth_another_attempt() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", timeout=2.0, retry=Retry(attempts=3, delay=1.0, on=()))
    with pytest.raises(TaskTimeout):
        lab.run(lambda: work(1, 9.0))
    assert lab.call("work#1").attempts == 3
    assert lab.seconds == 8.0


def test_the_time_until_a_worker_begins() -> None:
    lab = Laboratory(workers=1)
    work = task(lab.give.fn, name="work", timeout=Timeout(schedule_to_start=2.0), retry=5)
    outcomes: list[Any] = []

    def code() -> Any:
        calls = [lab.give(0, 1.0), work("soon", 3.0), work("too late", 1.0)]
        for call in calls:
            try:
                outcomes.append(wait(call))
            except TaskTimeout as error:
                outcomes.append(error.reason)

    lab.run(code)
    assert outcomes == [0, "soon", "no worker began within 2 s (schedule_to_start)"]
    assert lab.call("work#2").attempts == 0
    assert lab.ended("work#2") == 2.0
    assert lab.ended("work#1") == 4.0, "once it has begun, it may take as long as it likes"


def test_schedule_timeouts_count_from_when_the_arguments_are_there() -> None:
    lab = Laboratory()
    limits = Timeout(schedule_to_start=1.0, schedule_to_close=2.0)
    work = task(lab.give.fn, name="work", timeout=limits)
    assert lab.run(lambda: work(lab.give("x", 50.0), 1.5)) == "x"
    assert lab.seconds == 51.5


def test_all_attempts_and_the_waiting_between_them() -> None:
    lab = Laboratory()
    work = task(lab.bang.fn, name="work", timeout=Timeout(schedule_to_close=10.0), retry=Retry(attempts=99, delay=2.0))
    with pytest.raises(TaskTimeout, match="schedule_to_close"):
        lab.run(lambda: work("x", 1.0))
    assert lab.call("work#1").attempts == 4
    assert lab.seconds == 10.0


def test_all_attempts_together_while_one_is_running_or_waiting_for_a_worker() -> None:
    lab = Laboratory(workers=1)
    work = task(lab.give.fn, name="work", timeout=Timeout(schedule_to_close=3.0), retry=9)

    def code() -> Any:
        running, waiting = work("running", 50.0), work("waiting", 50.0)
        for call in (running, waiting):
            with pytest.raises(TaskTimeout, match="schedule_to_close"):
                wait(call)

    lab.run(code)
    assert [lab.call(f"work#{n}").attempts for n in (1, 2)] == [1, 0]
    assert lab.seconds == 3.0


def test_start_to_close_within_schedule_to_close() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", timeout=Timeout(start_to_close=2.0, schedule_to_close=5.0), retry=99)
    with pytest.raises(TaskTimeout, match="schedule_to_close"):
        lab.run(lambda: work(1, 9.0))
    assert lab.call("work#1").attempts == 3
    assert lab.seconds == 5.0


@pytest.mark.parametrize("forever", [math.inf, 1e12, 1e300])
def test_a_timeout_that_never_comes(forever: float) -> None:
    for limits in (Timeout(start_to_close=forever), Timeout(*[forever] * 4)):
        lab = Laboratory()
        work = task(lab.give.fn, name="work", timeout=limits)
        assert lab.run(lambda w=work: w(1, 1.0)) == 1
        real = task(lambda: 2, timeout=limits)
        assert flow(lambda r=real: r()).run() == 2


# -- heartbeats ------------------------------------------------------------------------------------------------------


def beating(lab: Laboratory, pauses: list[float]) -> Any:
    """A function that gives a sign of life after each of these pauses, with its progress."""

    def beat() -> str:
        for n, pause in enumerate(pauses):
            lab.clock.sleep(pause)
            heartbeat((n + 1) / len(pauses), f"part {n + 1}")
        return "done"

    return beat


def test_signs_of_life_in_time() -> None:
    lab = Laboratory()
    work = task(beating(lab, [1.5, 2.0, 0.5, 2.0]), timeout=Timeout(heartbeat=2.0))
    assert lab.run(lambda: work()) == "done"
    record = lab.call("beat#1")
    assert (record.progress, record.message, lab.seconds) == (1.0, "part 4", 6.0)


def test_a_sign_of_life_that_does_not_come() -> None:
    lab = Laboratory()
    work = task(beating(lab, [1.0, 1.0, 9.0]), timeout=Timeout(heartbeat=2.0))
    with pytest.raises(TaskTimeout, match=r"no heartbeat within 2 s \(heartbeat\)"):
        lab.run(lambda: work())
    assert lab.seconds == 4.0
    assert lab.call("beat#1").progress == pytest.approx(2 / 3)


def test_the_first_sign_is_due_from_the_start_of_each_attempt() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="silent", timeout=Timeout(heartbeat=2.0), retry=Retry(attempts=3, delay=10.0))
    with pytest.raises(TaskTimeout):
        lab.run(lambda: work(1, 50.0))
    assert [t.started_at for t in lab.call("silent#1").tries] == [0.0, 12.0, 24.0]
    assert lab.seconds == 26.0


def test_progress_as_it_is_told() -> None:
    lab = Laboratory()
    work = task(beating(lab, [1.0, 1.0, 1.0, 1.0]))
    seen: list[Any] = []

    def code() -> Any:
        done = work()
        for _ in range(4):
            lab.give(0, 1.0) + 0
            run = workflow.last_run
            assert run is not None
            seen.append((run.record().call("beat#1").progress, run.record().call("beat#1").message))
        return done

    workflow = lab.ready(code)
    lab.run(workflow)
    assert seen == [(0.25, "part 1"), (0.5, "part 2"), (0.75, "part 3"), (1.0, "part 4")]


@pytest.mark.parametrize("progress", [-0.1, 1.1, math.nan, math.inf, -math.inf])
def test_progress_is_from_0_to_1(progress: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        heartbeat(progress)
    lab = Laboratory()
    work = task(lambda: heartbeat(progress), name="work")
    with pytest.raises(TaskError):
        lab.run(lambda: work())


@pytest.mark.parametrize(
    ("make", "total", "expected"),
    [
        (lambda: [1, 2, 3, 4], None, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (lambda: iter([1, 2]), None, [None]),
        (lambda: iter([1, 2]), 4, [0.0, 0.25, 1.0]),
        (lambda: [1, 2, 3], 2, [0.0, 0.5, 1.0, 1.0]),
        (list, None, []),
        (lambda: range(2), 0, []),
        (lambda: {"a": 1}, None, [0.0, 1.0]),
    ],
)
def test_track_tells_progress_for_each_item(make: Any, total: int | None, expected: list[Any]) -> None:
    from interactive_flow.model.events import CallProgressed

    lab = Laboratory()
    seen: list[Any] = []

    @task
    def work() -> None:
        for item in track(make(), total):
            seen.append(item)
            lab.clock.sleep(1.0)

    lab.run(lambda: work())
    told = [e.progress for e in lab.last.events() if isinstance(e, CallProgressed)]
    assert told == [p for p in expected if p is not None]
    assert seen == list(make())


def test_outside_a_run_both_do_nothing() -> None:
    assert heartbeat(0.5, "text") is True
    assert list(track([1, 2, 3])) == [1, 2, 3]
    assert list(track(iter("ab"), total=9)) == ["a", "b"]


def test_in_workflow_code_and_in_a_sequential_run_they_do_nothing_either() -> None:
    lab = Laboratory()
    work = task(lambda: [heartbeat(0.5), *track([1])], name="work")
    assert lab.run(lambda: [heartbeat(1.0), *track([1, 2]), *work()]) == [True, 1, 2, True, 1]
    assert flow(lambda: work()).sequential() == [True, 1]


# -- the policies themselves -----------------------------------------------------------------------------------------


@given(
    st.floats(0.01, 10), st.floats(0.0, 10), st.integers(1, 4), st.one_of(st.none(), st.floats(0.01, 40))
)  # fmt: skip
def test_a_call_takes_what_its_policies_say(
    limit: float, delay: float, attempts: int, altogether: float | None
) -> None:
    """Every attempt would take a thousand seconds, so the policies alone say when the call is over."""
    lab = Laboratory()
    limits = Timeout(start_to_close=limit, schedule_to_close=altogether)
    work = task(lab.give.fn, name="work", timeout=limits, retry=Retry(attempts=attempts, delay=delay))
    with pytest.raises(TaskTimeout):
        lab.run(lambda: work(1, 1000.0))
    everything = attempts * limit + (attempts - 1) * delay
    assert lab.seconds == pytest.approx(min(everything, altogether or math.inf))

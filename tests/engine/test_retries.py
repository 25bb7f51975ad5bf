"""Retries and limits in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Bang, Laboratory, by_worker

from interactive_flow import Retry, TaskError, Timeout, flow, task
from interactive_flow.model.events import AttemptFailed


def flaky(lab: Laboratory, failures: int, error: Callable[[], BaseException] = Bang, seconds: float = 1.0) -> Any:
    """A function that raises this often before it gives its number of calls; each call takes a second."""
    calls = [0]

    def attempt() -> int:
        calls[0] += 1
        lab.clock.sleep(seconds)
        if calls[0] <= failures:
            raise error()
        return calls[0]

    return attempt


@pytest.mark.parametrize(
    ("retry", "failures", "seconds"),
    [
        (3, 2, 3.0),
        (Retry(attempts=3, delay=0.5), 2, 4.0),
        (Retry(attempts=4, delay=0.5, backoff=2.0), 3, 4 + 0.5 + 1 + 2),
        ((0, 1, 5), 2, 3 + 1 + 5),
        ([2], 0, 3.0),
        ([2, 3], 1, 7.0),
        (None, 0, 1.0),
    ],
)
def test_attempts_and_the_time_between_them(retry: Any, failures: int, seconds: float) -> None:
    lab = Laboratory()
    work = task(flaky(lab, failures), retry=retry)
    assert lab.run(lambda: work()) == failures + 1
    assert lab.seconds == seconds
    record = lab.call("attempt#1")
    assert (record.attempts, record.state, record.error) == (failures + 1, "succeeded", None)
    assert [attempt.state for attempt in record.tries] == ["failed"] * failures + ["succeeded"]
    assert lab.last.errors == []


def test_when_all_attempts_fail_the_last_error_is_the_result() -> None:
    lab = Laboratory()
    numbers = iter(range(10))
    work = task(flaky(lab, 9, lambda: Bang(next(numbers))), retry=Retry(attempts=3, delay=1.0))
    with pytest.raises(TaskError) as caught:
        lab.run(lambda: work())
    assert str(caught.value.__cause__) == "2"
    assert lab.call("attempt#1").attempts == 3
    assert lab.seconds == 5.0


@pytest.mark.parametrize(
    ("on", "attempts"), [(Bang, 3), ((KeyError, Bang), 3), (KeyError, 1), ((), 1), ([Exception], 3)]
)
def test_only_errors_that_are_worth_it_are_retried(on: Any, attempts: int) -> None:
    lab = Laboratory()
    work = task(flaky(lab, 9), retry=Retry(attempts=3, on=on))
    with pytest.raises(TaskError):
        lab.run(lambda: work())
    assert lab.call("attempt#1").attempts == attempts


@pytest.mark.parametrize("on", ["OSError", [1], OSError(), object, None, (ValueError, "x")])
def test_what_cannot_be_raised_cannot_be_retried(on: Any) -> None:
    with pytest.raises(TypeError):
        Retry(attempts=2, on=on)


def test_base_exceptions_are_retried_only_if_named() -> None:
    lab = Laboratory()
    for on, attempts in ((Exception, 1), (BaseException, 2)):
        work = task(flaky(lab, 9, SystemExit), retry=Retry(attempts=2, on=(on,)))
        with pytest.raises(TaskError):
            lab.run(lambda w=work: w())
        assert lab.call("attempt#1").attempts == attempts


def test_the_events_of_a_failed_attempt() -> None:
    lab = Laboratory()
    work = task(flaky(lab, 1), retry=Retry(attempts=2, delay=3.0))
    lab.run(lambda: work())
    (failed,) = [e for e in lab.last.events() if isinstance(e, AttemptFailed)]
    assert (failed.at, failed.attempt, failed.started, failed.retry_at) == (1.0, 1, 0.0, 4.0)
    assert isinstance(failed.error.__cause__, Bang)


def test_others_use_the_worker_while_a_retry_is_due() -> None:
    lab = Laboratory(workers=1)
    work = task(flaky(lab, 1), retry=Retry(attempts=2, delay=5.0))
    assert lab.run(lambda: [work(), lab.give("x", 3.0), lab.give("y", 1.0)]) == [2, "x", "y"]
    assert lab.seconds == 7.0
    assert [lab.ended(id) for id in ("give#1", "give#2")] == [4.0, 5.0]


def test_a_call_whose_retry_is_due_can_be_given_up() -> None:
    lab = Laboratory()
    work = task(flaky(lab, 9), retry=Retry(attempts=9, delay=50.0))

    def code() -> Any:
        work()
        return lab.give("done", 2.0)

    assert lab.run(code) == "done"
    record = lab.call("attempt#1")
    assert (record.state, record.attempts, lab.seconds) == ("cancelled", 1, 2.0)
    assert lab.ignored == []


def test_a_delay_before_the_first_attempt() -> None:
    lab = Laboratory()
    work = task(flaky(lab, 0), retry=(4.0,))
    assert lab.run(lambda: [work(), lab.give(1, 1.0)]) == [1, 1]
    assert (lab.call("attempt#1").started_at, lab.seconds) == (4.0, 5.0)


@given(
    st.lists(st.floats(0, 10), min_size=1, max_size=5),
    st.integers(0, 5),
    st.floats(0, 1e6, allow_subnormal=False),
)
def test_delays_are_kept_from_whatever_time_the_clock_shows(delays: list[float], failures: int, begin: float) -> None:
    lab = Laboratory()
    lab.clock._now = begin
    work = task(flaky(lab, failures, seconds=0.25), retry=delays)
    expected = sum(delays[: failures + 1]) + 0.25 * min(failures + 1, len(delays))
    if failures < len(delays):
        assert lab.run(lambda: work()) == failures + 1
    else:
        with pytest.raises(TaskError):
            lab.run(lambda: work())
    assert lab.seconds == pytest.approx(expected, abs=1e-6)


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "seconds"), [(1, 6.0), (2, 3.0), (3, 2.0), (6, 1.0), (None, 1.0), (100, 1.0)])
def test_so_many_of_a_task_at_once(limit: int | None, seconds: float) -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", limit=limit)
    assert lab.run(lambda: [work(n, 1.0) for n in range(6)]) == list(range(6))
    assert lab.seconds == seconds


def test_a_limit_does_not_hold_up_other_tasks() -> None:
    lab = Laboratory(workers=2)
    work = task(lab.give.fn, name="work", limit=1)
    assert lab.run(lambda: [work(1, 4.0), work(2, 4.0), lab.give("a", 1.0), lab.give("b", 1.0)]) == [1, 2, "a", "b"]
    assert [lab.ended(id) for id in ("give#1", "give#2", "work#1", "work#2")] == [1.0, 2.0, 4.0, 8.0]


def test_a_call_that_was_held_back_and_given_up_leaves_its_place_to_the_next() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", limit=1)

    @flow
    def changes_its_mind() -> str:
        work("held back", 50.0)
        return "plain"

    assert lab.run(lambda: [work(1, 2.0), changes_its_mind(), work(3, 1.0)]) == [1, "plain", 3]
    assert lab.state("changes_its_mind#1/work#1") == "cancelled"
    assert lab.seconds == 3.0


def test_a_limit_and_failures() -> None:
    lab = Laboratory()
    work = task(flaky(lab, 3), retry=5, limit=1)
    assert lab.run(lambda: [work(), work()]) in ([4, 5], [5, 4])
    assert lab.seconds == 5.0


def test_a_limit_and_timeouts() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", limit=1, timeout=1.0)

    def code() -> Any:
        calls = [work(n, seconds) for n, seconds in enumerate((5.0, 0.5, 5.0, 0.5))]
        results = []
        for call in calls:
            try:
                results.append(call + 0)
            except TaskError as error:
                results.append(type(error).__name__)
        return results

    assert lab.run(code) == ["TaskTimeout", 1, "TaskTimeout", 3]
    assert lab.seconds == 3.0


def test_a_call_that_is_held_back_may_time_out() -> None:
    lab = Laboratory()
    work = task(lab.give.fn, name="work", limit=1, timeout=Timeout(schedule_to_start=2.0))

    def code() -> Any:
        calls = [work(1, 3.0), work(2, 1.0), work(3, 1.0)]
        lab.give(0, 2.5) + 0
        late = work(4, 1.0)
        return [calls[0], late]

    assert lab.run(code) == [1, 4]
    assert [lab.state(f"work#{n}") for n in (1, 2, 3, 4)] == ["succeeded", "timed_out", "timed_out", "succeeded"]
    assert lab.seconds == 4.0
    assert len(lab.ignored) == 2


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_none_at_all_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        task(lambda: 1, limit=limit)


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.sampled_from([0.0, 1.0, 2.5]), max_size=10))
def test_never_more_than_the_limit_nor_than_workers(workers: int, limit: int, times: list[float]) -> None:
    lab = Laboratory(workers)
    work = task(lab.give.fn, name="work", limit=limit)
    assert lab.run(lambda: [work(n, s) for n, s in enumerate(times)]) == list(range(len(times)))
    bars = [bar for bars in by_worker(lab.last.record()).values() for bar in bars]
    for moment, _ in bars:
        at_once = sum(a <= moment < b for a, b in bars)
        assert at_once <= min(workers, limit)

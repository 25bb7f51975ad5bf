"""`interactive_flow.testing`: the fake clock and the deterministic executor, as people use them for their own tests."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactive_flow import TaskCancelled, TaskError, flow, heartbeat, task, testing, wait
from interactive_flow.model.events import CallProgressed
from interactive_flow.testing import DeterministicExecutor, FakeClock


@pytest.fixture
def executor() -> DeterministicExecutor:
    return DeterministicExecutor(workers=2)


def sleeper(executor: DeterministicExecutor) -> Any:
    """A task that takes so many seconds."""

    @task
    def sleeps(seconds: float) -> float:
        executor.clock.sleep(seconds)
        return seconds

    return sleeps


def test_the_example_in_its_documentation() -> None:
    failed, run = doctest.testmod(testing)
    assert (failed, run > 5) == (0, True)


def test_time_passes_only_while_somebody_waits(executor: DeterministicExecutor) -> None:
    sleeps = sleeper(executor)
    clock = executor.clock
    assert clock.now() == 0.0

    def code() -> Any:
        first = sleeps(3.0)
        before = clock.now()
        assert first == 3.0
        return before, clock.now()

    assert flow(code).options(executor=executor).run() == (0.0, 3.0)
    assert clock.now() == 3.0


def test_runs_one_after_the_other_go_on_with_the_clock(executor: DeterministicExecutor) -> None:
    workflow = flow(lambda: sleeper(executor)(2.5)).options(executor=executor)
    for turn in range(1, 4):
        assert workflow.run() == 2.5
        assert workflow.last_run.record().finished_at == 2.5, "a run's times count from its own start"
        assert executor.clock.now() == 2.5 * turn


def test_what_a_task_sees_of_the_time(executor: DeterministicExecutor) -> None:
    @task
    def looks() -> list[float]:
        seen = []
        for _ in range(3):
            seen.append(executor.clock.now())
            executor.clock.sleep(1.5)
        return seen

    workflow = flow(lambda: [looks(), wait(sleeper(executor)(1.0)), looks()]).options(executor=executor)
    assert workflow.run() == [[0.0, 1.5, 3.0], 1.0, [1.0, 2.5, 4.0]]


def test_heartbeats_come_at_their_own_times(executor: DeterministicExecutor) -> None:
    @task
    def beats() -> None:
        for n in range(3):
            executor.clock.sleep(2.0)
            heartbeat(n / 2)

    workflow = flow(lambda: beats()).options(executor=executor)
    workflow.run()
    told = [(e.at, e.progress) for e in workflow.last_run.events() if isinstance(e, CallProgressed)]
    assert told == [(2.0, 0.0), (4.0, 0.5), (6.0, 1.0)]


def test_sleeping_where_nobody_counts_it(executor: DeterministicExecutor) -> None:
    with pytest.raises(RuntimeError, match="is for tasks"):
        executor.clock.sleep(1.0)
    with pytest.raises(RuntimeError, match="is for tasks"):
        flow(lambda: executor.clock.sleep(1.0)).options(executor=executor).run()
    with pytest.raises(TaskError, match="time does not go back"):
        flow(lambda: sleeper(executor)(-1.0)).options(executor=executor).run()


def test_two_executors_on_one_clock() -> None:
    clock = FakeClock()
    few, many = DeterministicExecutor(1, clock), DeterministicExecutor(9, clock)
    here, there = sleeper(few), task(sleeper(many).fn, name="there", executor=many)
    workflow = flow(lambda: [*[here(1.0) for _ in range(3)], *[there(2.0) for _ in range(9)]]).options(executor=few)
    assert workflow.run() == [1.0] * 3 + [2.0] * 9
    assert clock.now() == 3.0


def test_ties_are_broken_by_who_began_first(executor: DeterministicExecutor) -> None:
    sleeps = sleeper(executor)
    workflow = flow(lambda: [sleeps(1.0), sleeps(1.0), sleeps(0.5)]).options(executor=executor)
    for _ in range(3):
        workflow.run()
        order = [e.call for e in workflow.last_run.events() if type(e).__name__ == "CallSucceeded"]
        assert order == [1, 2, 3]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=8), st.integers(1, 4), st.floats(0, 1e9))
def test_whatever_the_numbers_a_run_ends_and_takes_what_it_must(times: list[float], workers: int, begin: float) -> None:
    executor = DeterministicExecutor(workers)
    executor.clock._now = begin
    sleeps = sleeper(executor)
    workflow = flow(lambda: [sleeps(t) for t in times]).options(executor=executor)
    assert workflow.run() == times
    taken = workflow.last_run.record().finished_at
    assert max(times) - 1e-3 <= taken <= sum(times) + 1e-3


def test_cancelled_from_a_task(executor: DeterministicExecutor) -> None:
    stop = task(lambda: workflow.last_run.cancel(), name="stop")
    sleeps = sleeper(executor)
    workflow = flow(lambda: [sleeps(50.0), stop()]).options(executor=executor)
    with pytest.raises(TaskCancelled):
        workflow.run()
    assert executor.clock.now() == 0.0
    assert flow(lambda: sleeps(1.0)).options(executor=executor).run() == 1.0


def test_a_run_in_the_background(executor: DeterministicExecutor) -> None:
    sleeps = sleeper(executor)
    run = flow(lambda: [sleeps(1000.0), sleeps(2000.0)]).options(executor=executor).start()
    assert run.result(20.0) == [1000.0, 2000.0]

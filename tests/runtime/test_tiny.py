"""Tiny calls: run in the thread of the workflow's code, in batches, below the line that waits for them."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from laboratory import check_stream

from interactive_flow import TaskError, flow, heartbeat, task, wait
from interactive_flow.engine import durations
from interactive_flow.model.events import CallOutput, CallProgressed, CallStarted
from interactive_flow.runtime import tiny

SOON = 20.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other things must not make a task look slow."""
    monkeypatch.setattr(durations, "TINY", 5.0)
    monkeypatch.setattr(durations, "LONG", 60.0)


def trained(call: Callable[[int], Any]) -> None:
    """Has a task run so often that it is known to be tiny; to be called by workflow code."""
    for _ in range(2):
        wait([call(n) for n in range(20)])


def workers_of(workflow: Any, name: str) -> set[str | None]:
    return {call.worker for call in workflow.last_run.calls if call.name == name}


@task
def same(x: Any) -> Any:
    return x


def test_they_run_in_the_thread_of_the_code_once_they_are_known() -> None:
    threads = set()

    @task
    def thread(n: int) -> int:
        threads.add(threading.get_ident())
        return n

    def code() -> Any:
        trained(thread)
        threads.clear()
        return sum(wait([thread(n) for n in range(100)])), wait(thread(3)), [thread(n) for n in range(50)]

    workflow = flow(code)
    assert workflow.run() == (4950, 3, list(range(50)))
    assert threads == {threading.get_ident()}
    check_stream(workflow.last_run.events(), 16)


@pytest.mark.parametrize("strategy", ["resume", "replay"])
def test_errors_at_a_barrier_arrive_where_the_code_stands(strategy: str) -> None:
    @task
    def inverse(n: int) -> float:
        return 1 / n

    def code() -> Any:
        trained(lambda n: inverse(n + 1))
        try:
            return wait(inverse(0))
        except TaskError as error:
            return type(error.__cause__).__name__, wait(inverse(4))

    assert flow(code).options(strategy=strategy).run() == ("ZeroDivisionError", 0.25)


def test_sub_workflows_go_on_where_they_stand() -> None:
    @flow
    def inner(n: int) -> int:
        total = 0
        for k in range(n):
            total += same(k)
        return total

    def code() -> Any:
        trained(same)
        return [inner(n) for n in range(10)]

    workflow = flow(code)
    assert workflow.run() == [sum(range(n)) for n in range(10)]
    check_stream(workflow.last_run.events(), 16)


def test_a_sign_of_life_comes_after_the_beginning() -> None:
    @task
    def lively(n: int) -> int:
        if n >= 100:
            heartbeat(0.5, "half")
            print("said", n)
        return n

    def code() -> Any:
        trained(lively)
        return [lively(n) for n in range(100, 110)]

    workflow = flow(code)
    workflow.run()
    events = workflow.last_run.events()
    begun: set[int] = set()
    told = printed = 0
    for event in events:
        if isinstance(event, CallStarted):
            begun.add(event.call)
        elif isinstance(event, CallProgressed):
            told += 1
            assert event.call in begun
        elif isinstance(event, CallOutput):
            printed += 1
            assert event.call in begun
    assert (told, printed) == (10, 10)
    assert all(call.stdout == f"said {call.value}\n" for call in workflow.last_run.calls if call.value >= 100)
    check_stream(events, 16)


def test_the_rest_of_a_batch_is_for_the_workers_when_a_call_takes_its_time() -> None:
    others = threading.Semaphore(0)
    total = tiny.BATCH + 40

    @task
    def sometimes(n: int) -> Any:
        if n == 1000:
            return [others.acquire(timeout=SOON) for _ in range(total)]  # all that come behind it
        others.release()
        return n

    def code() -> Any:
        trained(sometimes)
        while others.acquire(blocking=False):
            pass
        return sometimes(1000), [sometimes(n) for n in range(total)]

    workflow = flow(code).options(max_workers=3)
    slow, rest = workflow.run()
    assert (slow, rest) == ([True] * total, list(range(total)))
    check_stream(workflow.last_run.events(), 3)


def test_a_task_may_have_a_placeholder_from_a_closure() -> None:
    let_go = threading.Event()
    slow = task(lambda: let_go.wait(SOON), name="slow")
    box: dict[str, Any] = {}

    @task
    def sometimes(n: int) -> Any:
        if n != 1000:
            return n
        threading.Timer(0.01, let_go.set).start()
        return box["slow"] == 1, box["behind"] + 0

    def code() -> Any:
        trained(sometimes)
        box["slow"] = slow()
        waits = sometimes(1000)
        box["behind"] = sometimes(7)
        return waits, [sometimes(n) for n in range(100)]

    workflow = flow(code).options(max_workers=4)
    assert workflow.run() == ((True, 7), list(range(100)))
    check_stream(workflow.last_run.events(), 4)


def test_a_call_that_takes_its_time_is_seen_to_run() -> None:
    begun, let_go = threading.Event(), threading.Event()

    @task
    def sometimes(n: int) -> int:
        if n == 1000:
            begun.set()
            assert let_go.wait(SOON)
        return n

    def code() -> Any:
        trained(sometimes)
        return sometimes(1000)

    run = flow(code).start()
    try:
        assert begun.wait(SOON)
        until = threading.Event()
        while not any(call.state == "running" for call in run.calls):
            assert not until.wait(0.005)
    finally:
        let_go.set()
    assert run.result(SOON) == 1000


def test_what_has_not_begun_when_the_run_is_cancelled_never_runs() -> None:
    begun, let_go = threading.Event(), threading.Event()
    ran: list[int] = []

    @task
    def sometimes(n: int) -> int:
        ran.append(n)
        if n == 1000:
            begun.set()
            assert let_go.wait(SOON)
        return n

    def code() -> Any:
        trained(sometimes)
        ran.clear()
        return sometimes(1000), [sometimes(n) for n in range(tiny.BATCH - 1)]

    # With one worker, which is the thread itself, nobody takes the others over.
    run = flow(code).options(max_workers=1).start()
    try:
        assert begun.wait(SOON)
        run.cancel()
        assert run.wait(SOON)
        assert run.status == "cancelled"
    finally:
        let_go.set()
    assert ran == [1000]
    assert {str(call.state) for call in run.calls[-tiny.BATCH :]} == {"cancelled"}


def test_a_generator_and_a_watched_task_are_never_tiny() -> None:
    @task
    def items(n: int) -> Iterator[int]:
        yield n

    watched = task(lambda n: n, name="watched", timeout=SOON)

    def code() -> Any:
        for _ in range(3):
            wait([items(n) for n in range(20)])
            wait([watched(n) for n in range(20)])

    workflow = flow(code)
    workflow.run()
    assert "runner" not in workers_of(workflow, "items") | workers_of(workflow, "watched")


def test_a_task_that_was_slow_once_is_handed_to_the_workers() -> None:
    known = durations.Durations()
    for number in range(1, 41):
        known.learn(1e-6, number, judged=True)
    assert known.tiny
    known.learn(6.0, 41, judged=True)
    assert known.tiny  # once in a while a machine is busy
    known._collected()
    known.learn(61.0, 42, judged=True)
    assert not known.tiny
    for number in range(1, 101):
        known.learn(1e-6, number, judged=True)
    assert not known.tiny


def test_the_garbage_collector_is_not_held_against_a_task() -> None:
    known = durations.Durations()
    for number in range(1, 41):
        known.learn(1e-6, number, judged=True)
    known._collected()
    gc.collect()
    known.learn(61.0, 41, judged=True)
    assert known.tiny

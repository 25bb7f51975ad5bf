"""Who runs tasks: threads, inline, lanes of their own, other executors; and what is around a task meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from laboratory import check_stream

from interactive_flow import flow, task, wait
from interactive_flow.engine.calls import Job
from interactive_flow.runtime.executors import InlineExecutor, Port, ThreadExecutor, make_executor
from interactive_flow.testing import DeterministicExecutor, FakeClock

SOON = 20.0
where = task(lambda *x: threading.current_thread(), name="where")


def test_threads_are_started_as_they_are_needed() -> None:
    together = threading.Barrier(5)

    @task
    def meets() -> str:
        together.wait(SOON)
        return threading.current_thread().name

    names = flow(lambda: [meets() for _ in range(5)]).options(max_workers=5).run()
    assert len(set(names)) == 5
    assert all(name.startswith("iflow-") for name in names)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_never_more_than_max_workers_at_once(workers: int) -> None:
    at_work, most = Counter[str](), [0]
    lock = threading.Lock()

    @task
    def works(n: int) -> None:
        with lock:
            at_work["now"] += 1
            most[0] = max(most[0], at_work["now"])
        sum(range(100 * (n % 20)))
        with lock:
            at_work["now"] -= 1

    workflow = flow(lambda: [wait([works(n) for n in range(40)]) for _ in range(5)]).options(max_workers=workers)
    workflow.run()
    assert most[0] <= workers
    check_stream(workflow.last_run.events(), workers)
    assert workflow.last_run.record().workers == workers


@pytest.mark.parametrize("workers", [0, -1, 1.5, "two"])
def test_too_few_workers(workers: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        flow(lambda: 1).options(max_workers=workers).run()


def test_inline_is_in_the_thread_of_the_run_one_at_a_time() -> None:
    workflow = flow(lambda: [where() for _ in range(3)]).options(executor="inline")
    assert set(workflow.run()) == {threading.current_thread()}
    assert [call.worker for call in workflow.last_run.calls] == ["inline"] * 3
    check_stream(workflow.last_run.events(), 1)


def test_a_chain_and_a_barrier_inline() -> None:
    @task
    def add(x: int, y: int) -> int:
        return x + y

    @flow
    def code() -> int:
        x = add(0, 1)
        for _ in range(50):
            x = add(x, 1)
        return x + add(x, 1)

    assert code.options(executor="inline").run() == 103


# -- lanes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", ["threads", "inline"])
@pytest.mark.parametrize("lane", ["threads", "inline"])
def test_a_task_with_an_executor_of_its_own(own: str, lane: str) -> None:
    there = task(lambda *x: threading.current_thread(), name="there", executor=lane)
    workflow = flow(lambda: [where(), there(where()), there(there(), where()), where(there())]).options(executor=own)
    a, b, c, d = workflow.run()
    main = threading.current_thread()
    assert [(x is main) for x in (a, d)] == [own == "inline"] * 2
    assert [(x is main) for x in (b, c)] == [lane == "inline"] * 2


def test_an_executor_that_is_an_object_serves_a_lane() -> None:
    clock = FakeClock()
    mine, lane = DeterministicExecutor(1, clock), DeterministicExecutor(2, clock)
    slow = task(lambda s: clock.sleep(s) or s, name="slow", executor=lane)
    quick = task(lambda s: clock.sleep(s) or s, name="quick")
    workflow = flow(lambda: [quick(1.0), quick(1.0), slow(3.0), slow(3.0), slow(quick(1.0))]).options(executor=mine)
    assert workflow.run() == [1.0, 1.0, 3.0, 3.0, 1.0]
    assert clock.now() == 4.0


def test_executors_need_not_be_hashable() -> None:
    class Odd(ThreadExecutor):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    one, two = task(lambda: 1, name="one", executor=Odd(1)), task(lambda: 2, name="two", executor=Odd(1))
    assert flow(lambda: [one(), two()]).run() == [1, 2]


@pytest.mark.parametrize("given", ["bogus", 5, object(), []])
def test_what_is_no_executor(given: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        task(lambda: 1, executor=given)
    with pytest.raises((ValueError, TypeError)):
        flow(lambda: 1).options(executor=given).run()
    with pytest.raises((ValueError, TypeError)):
        make_executor(given, None)


def test_the_message_for_what_is_no_executor_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match="it has no capacity, open, submit, cancel, close"):
        make_executor(object(), None)
    with pytest.raises(ValueError, match="'threads', 'inline'"):
        make_executor("bogus", None)


class Recording(InlineExecutor):
    """Keeps what it was asked, and can fail."""

    capacity = 2

    def __init__(self, fails: str = "") -> None:
        super().__init__()
        self.asked: list[str] = []
        self.fails = fails

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what == self.fails:
            raise OSError(f"{what} fails")

    def open(self, port: Port) -> None:
        self._note("open")
        super().open(port)

    def submit(self, job: Job) -> None:
        self._note("submit")
        super().submit(job)

    def close(self) -> None:
        self._note("close")
        super().close()


def test_the_protocol() -> None:
    executor = Recording()
    assert flow(lambda: [where(), where()]).options(executor=executor).run()
    assert executor.asked == ["open", "submit", "submit", "close"]


@pytest.mark.parametrize("fails", ["open", "submit", "close"])
@pytest.mark.parametrize("how", ["run", "start"])
def test_an_executor_that_fails_fails_the_run_with_its_error(fails: str, how: str) -> None:
    workflow = flow(lambda: [where(), where()]).options(executor=Recording(fails))
    with pytest.raises(OSError, match=f"{fails} fails"):
        workflow.run() if how == "run" else workflow.start().result(SOON)
    run = workflow.last_run
    assert run is not None
    assert run.wait(SOON)
    assert run.status in (("failed",) if fails != "close" else ("failed", "succeeded"))
    if fails != "close":
        with pytest.raises(OSError, match=f"{fails} fails"):
            run.result()

"""Executors of the standard library's kind."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import errands
import pytest

from interactive_flow import TaskError, Workflow, flow, heartbeat, task, wait
from interactive_flow.executors import FuturesExecutor
from interactive_flow.model.events import CallStarted
from interactive_flow.runtime.executors import make_executor


def on(pool: Any, code: Callable[..., Any], **options: Any) -> Workflow[..., Any]:
    return flow(code).options(executor=pool, **options)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Here(Executor):
    """Runs what it is given at once, in the thread that gives it."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_the_pool_goes_on_after_the_run(threads: ThreadPoolExecutor) -> None:
    assert on(threads, lambda: errands.same(1)).run() == 1
    assert threads.submit(lambda: 2).result() == 2


def test_no_more_jobs_than_the_pool_has_workers(threads: ThreadPoolExecutor) -> None:
    assert make_executor(threads, None).capacity == 2
    assert make_executor(threads, 1).capacity == 1
    assert make_executor(threads, 9).capacity == 2
    assert make_executor(Here(), 9).capacity == 9
    assert make_executor(Here(), None).capacity >= 1


def test_a_pool_of_an_unknown_kind_is_taken_to_be_elsewhere() -> None:
    assert on(Here(), lambda: [errands.same(x) for x in range(3)]).run() == [0, 1, 2]
    with pytest.raises(TaskError) as caught:
        on(Here(), lambda: errands.same(threading.Lock())).run()
    assert isinstance(caught.value.__cause__, pickle.PicklingError)
    assert "argument x (lock)" in str(caught.value.__cause__)


def test_a_pool_of_an_unknown_kind_can_be_said_to_be_here() -> None:
    lock = threading.Lock()
    assert on(FuturesExecutor(Here(), in_process=True), lambda: errands.same(lock)).run() is lock


def test_results_and_functions_that_cannot_be_sent() -> None:
    lock = threading.Lock()
    with pytest.raises(TaskError, match=r"the result of (Lock|make)"):
        on(Here(), lambda: task(threading.Lock, name="make")()).run()
    with pytest.raises(TaskError, match="variable lock"):
        on(Here(), lambda: task(lambda: lock)()).run()
    with pytest.raises(TaskError, match="this is no number"):
        on(Here(), lambda: task(errands.Unreadable)()).run()


def test_a_pool_that_is_shut_down_fails_the_calls() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(TaskError) as caught:
        on(pool, lambda: [errands.same(x) for x in range(3)]).run()
    assert "after shutdown" in str(caught.value.__cause__)


def test_a_pool_that_cancels_what_waits_fails_those_calls() -> None:
    pool, begun, release = ThreadPoolExecutor(1), threading.Event(), threading.Event()

    def work(x: int) -> int:
        begun.set()
        assert release.wait(20)
        return x

    def stop() -> None:
        assert begun.wait(20)
        pool.shutdown(wait=False, cancel_futures=True)
        release.set()

    held = pool.submit(work, 0)
    threading.Thread(target=stop).start()
    with pytest.raises(TaskError) as caught:
        on(pool, lambda: task(work)(1)).run()
    assert type(caught.value.__cause__) in (CancelledError, RuntimeError)
    assert held.result() == 0


def test_calls_that_nobody_needs_are_not_begun(threads: ThreadPoolExecutor) -> None:
    begun, release, calls = threading.Semaphore(0), threading.Event(), []

    def work(x: int) -> bool:
        calls.append(x)
        begun.release()
        assert release.wait(20)
        return heartbeat()

    others = [threads.submit(work, -1), threads.submit(work, -2)]
    for _ in range(2):
        begun.acquire(timeout=20)
    run = on(threads, lambda: [task(work)(x) for x in range(2)]).start()  # these wait in the pool
    while not threads._work_queue.qsize():
        time.sleep(0)
    run.cancel()
    assert run.wait(20)
    release.set()
    assert [other.result() for other in others] == [True, True]
    threads.shutdown()
    assert sorted(calls) == [-2, -1]
    assert not [e for e in run.events() if isinstance(e, CallStarted)]


def test_a_process_that_dies_breaks_a_pool_but_no_run() -> None:
    def code() -> Any:
        errors = []
        for call in (errands.die("kill"), errands.same(1)):
            try:
                wait(call)
            except TaskError as error:
                errors.append(type(error.__cause__))
        return errors

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert on(pool, code).run() == [BrokenProcessPool, BrokenProcessPool]


def test_times_of_a_machine_with_another_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(Here):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future = super().submit(fn, *args, **kwargs)
            brought = future.result()
            moved: Future[Any] = Future()
            moved.set_result(brought._replace(started=brought.started + 1e6, finished=brought.finished + 1e6))
            return moved

    workflow = on(Elsewhere(), lambda: errands.same(1))
    workflow.run()
    (call,) = workflow.last_run.calls
    assert 0 <= call.started_at <= call.finished_at <= workflow.last_run.record().finished_at

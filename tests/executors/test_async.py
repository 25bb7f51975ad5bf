"""Coroutines on an event loop."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from interactive_flow import TaskError, TaskTimeout, Workflow, flow, heartbeat, task, wait
from interactive_flow.executors import AsyncExecutor
from interactive_flow.model.events import CallStarted

colour: ContextVar[str] = ContextVar("colour", default="none")


def on(code: Callable[..., Any], **options: Any) -> Workflow[..., Any]:
    return flow(code).options(**{"executor": "async", **options})


def wait_for_the_loop_to_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "iflow-async":
            thread.join(20)
            assert not thread.is_alive()


def test_hundreds_wait_for_each_other() -> None:
    everybody = 500
    present: list[int] = []
    all_there = asyncio.Event()

    async def meet(x: int) -> int:
        present.append(x)
        if len(present) == everybody:
            all_there.set()
        await all_there.wait()
        return x

    workflow = on(lambda: [task(meet)(x) for x in range(everybody)])
    assert workflow.run() == list(range(everybody))
    assert len({call.worker for call in workflow.last_run.calls}) == everybody


def test_no_more_at_once_than_asked_for() -> None:
    active, most = 0, 0
    all_there = asyncio.Event()

    async def work() -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        if active == 3:
            all_there.set()
        await all_there.wait()
        await asyncio.sleep(0)
        active -= 1

    workflow = on(lambda: [task(work)() for _ in range(50)], max_workers=3)
    workflow.run()
    assert most == 3
    assert {call.worker for call in workflow.last_run.calls} == {"async-1", "async-2", "async-3"}


def test_a_timeout_cancels_the_coroutine() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with pytest.raises(TaskTimeout):
        on(lambda: task(slow, timeout=0.05)()).run()
    wait_for_the_loop_to_end()
    assert ended == ["cancelled"]


def test_a_cancelled_run_cancels_its_coroutines() -> None:
    begun, ended = threading.Event(), []

    async def slow() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    run = on(lambda: task(slow)()).start()
    assert begun.wait(20)
    run.cancel()
    assert run.wait(20)
    wait_for_the_loop_to_end()
    assert ended == ["cleaned up"]
    assert run.status == "cancelled"


def test_a_coroutine_that_cancels_itself_has_failed() -> None:
    async def odd() -> None:
        raise asyncio.CancelledError

    with pytest.raises(TaskError) as caught:
        on(lambda: task(odd)()).run()
    assert type(caught.value.__cause__) is asyncio.CancelledError


def test_context_variables_are_those_of_the_run_and_of_each_task() -> None:
    async def paint(x: int) -> str:
        before = colour.get()
        colour.set(str(x))
        await asyncio.sleep(0)
        return f"{before}-{colour.get()}"

    token = colour.set("red")
    try:
        assert on(lambda: [task(paint)(x) for x in range(3)]).run() == ["red-0", "red-1", "red-2"]
    finally:
        colour.reset(token)


def test_functions_run_in_threads() -> None:
    release = threading.Event()

    def ordinary() -> str:
        assert release.wait(20)
        return threading.current_thread().name

    async def coroutine() -> str:
        release.set()
        return threading.current_thread().name

    function, there = on(lambda: [task(ordinary)(), task(coroutine)()]).run()
    assert function.startswith("iflow-async_")
    assert there == "iflow-async"


def test_what_is_a_coroutine_function() -> None:
    async def add(x: int, y: int) -> int:
        assert threading.current_thread().name == "iflow-async"
        return x + y

    class Adder:
        async def __call__(self, x: int) -> int:
            return await add(x, 1)

        async def method(self, x: int) -> int:
            return await add(x, 2)

    async def give(x: int) -> int:
        return x

    tasks = [task(functools.partial(add, 3)), task(Adder()), task(Adder().method), task(lambda x: give(x))]
    assert on(lambda: [t(1) for t in tasks]).run() == [4, 2, 3, 1]


def test_heartbeats_of_many_at_once_are_kept_apart() -> None:
    async def work(x: int) -> None:
        heartbeat(0.5, str(x))
        await asyncio.sleep(0)
        print("task", x)

    workflow = on(lambda: [task(work)(x) for x in range(20)])
    workflow.run()
    assert [(c.message, c.stdout) for c in workflow.last_run.calls] == [(str(x), f"task {x}\n") for x in range(20)]


def test_calls_that_wait_have_not_begun() -> None:
    async def work(x: int) -> int:
        return x

    workflow = on(lambda: [task(work)(x) for x in range(20)])
    workflow.run()
    events = [e for e in workflow.last_run.events() if isinstance(e, CallStarted)]
    assert len(events) == 20
    assert all(e.worker and e.worker.startswith("async-") for e in events)


def test_the_loop_ends_with_the_run() -> None:
    async def work() -> None: ...

    on(lambda: task(work)()).run()
    wait_for_the_loop_to_end()


def test_choices_of_a_loop() -> None:
    with pytest.raises(ValueError, match="there are 'own' and 'kernel'"):
        AsyncExecutor(loop="mine")
    with pytest.raises(RuntimeError, match="where an event loop is running"):
        AsyncExecutor(loop="kernel")


def test_errors_in_coroutines_come_with_their_own_frames_only() -> None:
    async def broken() -> None:
        raise ValueError("here")

    def code() -> Any:
        with pytest.raises(TaskError) as caught:
            wait(task(broken)())
        return caught.value

    traceback = on(code).run().__cause__.__traceback__
    assert traceback.tb_frame.f_code.co_name == "broken"

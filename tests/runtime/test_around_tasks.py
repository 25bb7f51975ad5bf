"""What is around a task while it runs: its context, its loop, tasks and runs inside it, and what hangs."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import TaskError, Timeout, flow, heartbeat, task, wait

SOON = 20.0
where = task(lambda *x: threading.current_thread(), name="where")
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_context_variables_of_whoever_asked_for_the_run(executor: str) -> None:
    asks = task(lambda *x: variable.get(), name="asks")
    late = task(lambda *x: variable.get(), name="late", executor="threads")
    sets = task(lambda: variable.set("by a task"), name="sets")

    @flow
    def code() -> Any:
        wait(sets())
        return variable.get(), asks(), late(asks()), late(late(), asks())

    token = variable.set("kept")
    try:
        assert code.options(executor=executor).run() == ("kept",) * 4
        assert code.options(executor=executor).start().result(SOON) == ("kept",) * 4
    finally:
        variable.reset(token)


def test_context_variables_set_by_workflow_code_stay_in_it() -> None:
    @flow
    def inner() -> str:
        before = variable.get()
        variable.set("inner")
        wait(where())
        return before + " " + variable.get()

    @flow
    def code() -> Any:
        variable.set("outer")
        subs = [inner(), inner()]
        return wait(subs), variable.get()

    subs, outer = code.run()
    assert outer == "outer"
    assert {text.split()[1] for text in subs} == {"inner"}
    assert variable.get() == "lost"


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("loop", [False, True])
def test_async_tasks(executor: str, loop: bool) -> None:
    @task
    async def fetches(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    workflow = flow(lambda: fetches(fetches(1))).options(executor=executor)

    async def main() -> int:
        return workflow.run()

    assert (asyncio.run(main()) if loop else workflow.run()) == 3


def test_an_async_task_that_fails() -> None:
    @task
    async def fails() -> None:
        raise ValueError("async")

    with pytest.raises(TaskError) as caught:
        flow(lambda: fails()).run()
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_task_calls_tasks_and_flows_like_functions() -> None:
    lab = Laboratory()

    @task
    def inner(x: int) -> int:
        return x + 1

    total = flow(lambda xs: sum(inner(x) for x in xs))

    @task
    def outer(x: int) -> int:
        return inner(inner(x)) + total([1, 2])

    assert lab.run(lambda: outer(1)) == 8
    assert [call.id for call in lab.last.calls] == ["outer#1"]


def test_a_run_inside_a_task() -> None:
    inner = flow(lambda n: [where(), n][1])

    @task
    def outer(n: int) -> int:
        return inner.run(n) + inner.start(n).result(SOON)  # type: ignore[no-any-return]

    workflow = flow(lambda: [outer(n) for n in range(5)])
    assert workflow.run() == [2 * n for n in range(5)]
    assert [call.name for call in workflow.last_run.calls] == ["outer"] * 5


def test_the_error_of_a_run_inside_a_task_is_the_cause() -> None:
    def fails() -> None:
        raise ValueError("innermost")

    inner = flow(lambda: task(fails)())
    with pytest.raises(TaskError) as caught:
        flow(lambda: task(lambda: inner.run(), name="outer")()).run()
    assert caught.value.call == "outer#1"
    assert isinstance(caught.value.__cause__, TaskError)
    assert isinstance(caught.value.__cause__.__cause__, ValueError)


def test_a_hung_task_does_not_hold_a_worker() -> None:
    go_on = threading.Event()
    told: list[bool] = []
    over = threading.Event()

    @task(timeout=Timeout(start_to_close=0.02))
    def hangs() -> None:
        go_on.wait(SOON)
        told.append(heartbeat())
        over.set()

    @flow
    def code() -> Any:
        stuck = [hangs() for _ in range(3)]
        for call in stuck:
            with pytest.raises(TaskError, match="start_to_close"):
                wait(call)
        return [where() for _ in range(3)]

    workflow = code.options(max_workers=1)
    assert len(set(workflow.run())) >= 1
    assert [str(call.state) for call in workflow.last_run.calls] == ["timed_out"] * 3 + ["succeeded"] * 3
    go_on.set()
    assert over.wait(SOON)
    assert told
    assert set(told) == {False}


def test_what_a_late_attempt_reports_is_ignored() -> None:
    go_on, over = threading.Event(), threading.Event()

    @task(timeout=0.02)
    def late() -> str:
        go_on.wait(SOON)
        print("too late")
        heartbeat(0.5, "too late")
        over.set()
        return "too late"

    workflow = flow(lambda: late())
    with pytest.raises(TaskError):
        workflow.run()
    before = list(workflow.last_run.events())
    go_on.set()
    assert over.wait(SOON)
    for thread in threading.enumerate():
        if thread.name.startswith("iflow-") and thread.name[6:].isdigit():
            thread.join(SOON)
    assert list(workflow.last_run.events()) == before
    assert workflow.last_run.calls[0].stdout == ""


# -- tiny calls ------------------------------------------------------------------------------------------------------


def test_a_quick_task_may_suddenly_wait_for_another() -> None:
    """After a hundred calls that took no time at all, one waits for the next: with idle workers that must go on."""
    let_go = threading.Event()

    @task
    def sometimes(n: int) -> Any:
        if n == -1:
            return let_go.wait(SOON)
        if n == -2:
            let_go.set()
        return n

    def code() -> Any:
        for _ in range(5):
            wait([sometimes(n) for n in range(20)])
        return [sometimes(-1), sometimes(-2)]

    assert flow(code).run() == [True, -2]


def test_a_quick_task_that_suddenly_takes_long_holds_up_nothing_else() -> None:
    let_go = threading.Event()
    never = threading.Event()

    @task
    def sometimes(n: int) -> Any:
        return let_go.wait(SOON) if n == -1 else n

    impatient = task(lambda: never.wait(SOON), name="impatient", timeout=0.01)

    def code() -> Any:
        for _ in range(5):
            wait([sometimes(n) for n in range(20)])
        slow, gone = sometimes(-1), impatient()
        try:
            wait(gone)
        except TaskError:
            let_go.set()
        return slow

    try:
        assert flow(code).run() is True
    finally:
        never.set()


def test_with_one_worker_quick_tasks_do_not_run_beside_slow_ones() -> None:
    at_work: list[str] = []
    together: list[list[str]] = []
    begun = threading.Event()

    @task
    def quick(n: int) -> int:
        if at_work:
            together.append(list(at_work))
        return n

    @task
    def slow() -> None:
        at_work.append("slow")
        begun.set()
        threading.Event().wait(0.05)
        at_work.clear()

    def code() -> Any:
        for _ in range(5):
            wait([quick(n) for n in range(20)])
        s = slow()
        begun.wait(SOON)
        return s, [quick(n) for n in range(20)]

    flow(code).options(max_workers=1).run()
    assert together == []

"""The `Run` handle: started, awaited, cancelled, asked from other threads, while it goes on and after."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Laboratory, check_stream

import interactive_flow as iflow
from interactive_flow import Run, TaskCancelled, TaskError, flow, heartbeat, task
from interactive_flow.model.events import RunFinished, RunStarted

SOON = 20.0
"""Seconds after which something that should happen at once is given up."""


class Gate:
    """A task that waits until it is let go, and tells when it has begun."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()
        self.ended = threading.Event()
        self.stopped: bool | None = None

        @task
        def hold(value: Any = "held") -> Any:
            self.begun.set()
            self.open.wait(SOON)
            self.stopped = not heartbeat()
            self.ended.set()
            return value

        self.hold = hold


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


def test_from_start_to_result(gate: Gate) -> None:
    run = flow(lambda: [gate.hold(), 1]).start()
    assert gate.begun.wait(SOON)
    assert (run.status, run.wait(0)) == ("running", False)
    with pytest.raises(TimeoutError, match="it goes on"):
        run.result(0)
    assert [str(call.state) for call in run.calls] == ["running"]
    gate.open.set()
    assert run.result(SOON) == ["held", 1]
    assert (run.status, run.wait(0), run.errors) == ("succeeded", True, [])
    assert run.result() == ["held", 1]


def test_what_a_run_is_called() -> None:
    run = flow(lambda: 1, name="one").start()
    assert run.result() == 1
    assert run.name == "one"
    assert repr(run) == f"<Run {run.id} of one: succeeded>"
    assert len({flow(lambda: 1).start().id for _ in range(20)}) == 20
    assert isinstance(run, Run)


def test_the_last_run() -> None:
    workflow = flow(lambda: 1)
    assert workflow.last_run is None
    assert workflow.run() == 1
    run = workflow.last_run
    assert run is iflow.last_run()
    copy = workflow.options(max_workers=1)
    copy.run()
    assert workflow.last_run is copy.last_run is not run


def test_workflow_code_runs_in_the_thread_of_run_and_in_one_of_its_own_of_start() -> None:
    workflow = flow(threading.current_thread)
    assert workflow.run() is threading.current_thread()
    assert workflow.start().result().name.startswith("iflow-run-")


def test_a_run_that_fails() -> None:
    def fails() -> None:
        raise ValueError("no")

    run = flow(lambda: task(fails)()).start()
    with pytest.raises(TaskError, match="fails#1 failed: ValueError: no"):
        run.result(SOON)
    assert run.status == "failed"
    (error,) = run.errors
    assert isinstance(error.__cause__, ValueError)


def test_the_same_error_each_time_and_from_each_thread() -> None:
    def fails() -> None:
        raise ValueError("no")

    run = flow(fails).start()
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            run.result(SOON)
        except ValueError as error:
            caught.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask()
    assert len(set(map(id, caught))) == 1
    assert [frame.name for frame in traceback.extract_tb(caught[0].__traceback__)].count("fails") == 1


def test_waiting_with_a_timeout(gate: Gate) -> None:
    run = flow(lambda: gate.hold()).start()
    assert run.wait(0.001) is False
    gate.open.set()
    assert run.wait(SOON) is True
    assert run.wait() is True


# -- cancelling ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["at a barrier", "returned"])
def test_cancelled_from_another_thread(gate: Gate, where: str) -> None:
    undone = threading.Event()

    def code() -> Any:
        kept = iflow.wait(task(lambda: "kept", name="quick")())
        try:
            held = gate.hold()
            return [kept, held + "" if where == "at a barrier" else held]
        finally:
            undone.set()

    run = flow(code).start()
    assert gate.begun.wait(SOON)
    run.cancel()
    with pytest.raises(TaskCancelled, match=f"run {run.id} of code was cancelled"):
        run.result(SOON)
    assert run.status == "cancelled"
    assert undone.is_set()
    assert {call.name: str(call.state) for call in run.calls} == {"quick": "succeeded", "hold": "cancelled"}
    gate.open.set()
    assert gate.ended.wait(SOON)
    assert gate.stopped is True, "the task is told by its heartbeat"
    check_stream(run.events())
    run.cancel()
    assert run.status == "cancelled"


def test_cancelled_before_it_has_begun() -> None:
    begun: list[int] = []
    run = flow(lambda: begun.append(1))._new_run((), {})
    run.cancel()
    run.drive()
    assert (run.status, begun) == ("cancelled", [])
    with pytest.raises(TaskCancelled):
        run.result()
    assert [type(e) for e in run.events()] == [RunStarted, RunFinished]


def test_a_cancelled_run_does_not_wait_for_its_tasks(gate: Gate) -> None:
    run = flow(lambda: gate.hold()).start()
    assert gate.begun.wait(SOON)
    run.cancel()
    assert run.wait(SOON)
    assert not gate.ended.is_set()


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_cancelling_reaches_a_run_between_any_two_tasks(executor: str) -> None:
    begun: list[int] = []

    @task
    def step(n: int) -> None:
        begun.append(n)
        if n == 3:
            workflow.last_run.cancel()  # type: ignore[union-attr]

    def code() -> Any:
        calls = [step(n) for n in range(100)]
        for call in calls:
            iflow.wait(call)

    workflow = flow(code).options(executor=executor, max_workers=1)
    with pytest.raises(TaskCancelled):
        workflow.run()
    assert len(begun) < 100


# -- awaiting --------------------------------------------------------------------------------------------------------


def test_awaited_in_an_event_loop(gate: Gate) -> None:
    async def main() -> Any:
        run = flow(lambda: gate.hold()).start()
        others = asyncio.create_task(asyncio.sleep(0, "the loop goes on"))
        assert await others == "the loop goes on"
        gate.open.set()
        first, second = await asyncio.gather(_awaited(run), _awaited(run))
        return first, second, await run

    assert asyncio.run(main()) == ("held", "held", "held")


async def _awaited(run: Run) -> Any:
    return await run


def test_awaiting_a_run_that_fails_or_is_cancelled(gate: Gate) -> None:
    async def main() -> None:
        failing = flow(lambda: 1 / 0).start()
        for _ in range(2):
            with pytest.raises(ZeroDivisionError):
                await failing
        run = flow(lambda: gate.hold()).start()
        run.cancel()
        with pytest.raises(TaskCancelled):
            await run

    asyncio.run(main())


def test_giving_up_awaiting_leaves_the_run_going(gate: Gate) -> None:
    async def main() -> Any:
        run = flow(lambda: gate.hold()).start()
        waiting = asyncio.create_task(_awaited(run))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert run.status == "running"
        gate.open.set()
        return await run

    assert asyncio.run(main()) == "held"


def test_a_loop_that_is_closed_before_the_run_is_over(gate: Gate) -> None:
    async def main() -> Run:
        run = flow(lambda: gate.hold()).start()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_awaited(run), 0.001)
        return run

    run = asyncio.run(main())
    gate.open.set()
    assert run.result(SOON) == "held"


def test_blocking_inside_a_running_loop_that_was_made_to_nest() -> None:
    # In a process of its own: nest_asyncio2 replaces parts of asyncio for good.
    program = """
import asyncio, nest_asyncio2
from interactive_flow import flow, task

loop = asyncio.new_event_loop()
nest_asyncio2.apply(loop)

async def value(run):
    return await run

async def main():
    run = flow(lambda: task(lambda: 2, name="two")() + 1).start()
    return loop.run_until_complete(value(run)), flow(lambda: 4).run()

assert loop.run_until_complete(main()) == (3, 4)
loop.close()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_run_blocks_in_a_coroutine_like_any_function() -> None:
    async def main() -> Any:
        return flow(lambda: task(lambda: 2, name="two")() + 1).run()

    assert asyncio.run(main()) == 3


# -- what it tells ---------------------------------------------------------------------------------------------------


def test_the_record_of_a_call() -> None:
    lab = Laboratory()

    def code() -> Any:
        return lab.add(lab.give(1, 2.0), y=2, seconds=3.0)

    lab.run(code)
    give, add = lab.last.calls
    line = code.__code__.co_firstlineno + 1
    expected = {
        "id": "add#1", "index": 2, "name": "add", "number": 1, "kind": "task", "state": "succeeded",
        "depends_on": ("give#1",), "parent": None, "attempts": 1, "scheduled_at": 0.0, "ready_at": 2.0,
        "started_at": 2.0, "finished_at": 5.0, "worker": "simulated", "progress": None, "message": None, "value": 3,
        "error": None, "reason": None, "cell": None, "stdout": "", "duration": 3.0,
    }  # fmt: skip
    assert {name: getattr(add, name) for name in expected} == expected
    assert (give.id, give.args, give.site and give.site.line) == ("give#1", (1, 2.0), line)
    assert add.kwargs == {"y": 2, "seconds": 3.0}


def test_events_are_a_copy_and_the_records_grow_with_the_run(gate: Gate) -> None:
    run = flow(lambda: gate.hold()).start()
    assert gate.begun.wait(SOON)
    before, calls = run.events(), run.calls
    gate.open.set()
    run.wait(SOON)
    assert len(before) < len(run.events())
    assert list(before) == list(run.events())[: len(before)]
    assert [str(call.state) for call in run.calls] == ["succeeded"]
    assert [call.id for call in calls] == ["hold#1"]


def test_asked_from_many_threads_while_it_runs() -> None:
    step = task(lambda n: n, name="step")
    run = flow(lambda: [step(n) for n in range(500)]).start()
    problems: list[BaseException] = []

    def ask() -> None:
        try:
            while run.status == "running":
                record = run.record()
                assert record.count.total() <= 500
                list(run.calls), run.errors, run.events(), repr(run)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert run.result(SOON) == list(range(500))
    for thread in threads:
        thread.join()
    assert problems == []


def test_it_draws_itself_in_plain_text_and_html() -> None:
    lab = Laboratory()
    lab.run(lambda: lab.add(lab.give(1), 2))
    bundle = lab.last._repr_mimebundle_()
    assert "add" in bundle["text/plain"]
    assert "<" in bundle["text/html"]
    assert "succeeded" in lab.last.report()
    assert lab.last.timeline()._repr_svg_().startswith("<svg")
    assert lab.last.decisions()


def test_what_it_writes(tmp_path: Any) -> None:
    import json

    lab = Laboratory()
    lab.run(lambda: lab.add(lab.give(1), 2))
    page = lab.last.to_html(tmp_path / "run.html")
    assert "</html>" in page.read_text(encoding="utf-8")
    trace = lab.last.to_chrome_trace(str(tmp_path / "run.json"))
    assert json.loads(trace.read_text(encoding="utf-8"))

"""Random workflows: whatever the code, the times and the workers, a run gives what the code gives as ordinary Python.

The programs are those whose outcome does not depend on what takes how long (`programs.timeless`).  They fail if and
only if some part fails, concurrently as well as sequentially; only which error it is may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from laboratory import Bang, Laboratory, check_stream
from programs import Expression, Interpreter, timeless

from interactive_flow import TaskError, Workflow, flow
from interactive_flow.engine.durations import forget_durations
from interactive_flow.model.events import RunStarted


def outcome(function: Callable[[], Any]) -> Any:
    """A value, or that it failed with one of the errors that were meant."""
    try:
        return function()
    except (TaskError, Bang) as error:
        cause = error.__cause__ if isinstance(error, TaskError) else error
        return "failed" if isinstance(cause, Bang) else cause


def workflow_of(expression: Expression, interpreter: Interpreter) -> Workflow[..., Any]:
    """The expression as a workflow."""

    async def code() -> Any:
        return await interpreter(expression)

    return flow(interpreter.code(code), name="program")


def sequentially(expression: Expression) -> Any:
    return outcome(workflow_of(expression, Interpreter(lambda time: None, sequential=True)).sequential)


@settings(max_examples=300)
@given(timeless, st.integers(1, 6))
@example(("catch", ("add", ("bang", 2.0), ("bang", 1.0), 0.0), 5), 1)
@example(("sub", ("first", 1, [3.5, 1.0]), True), 2)
def test_a_run_gives_what_the_code_gives_as_ordinary_python(expression: Expression, workers: int) -> None:
    lab = Laboratory(workers)
    interpreter = Interpreter(lab.clock.sleep)
    assert outcome(lambda: lab.run(workflow_of(expression, interpreter))) == sequentially(expression)
    busy = sum(t.finished_at - t.started_at for c in lab.last.calls if c.kind == "task" for t in c.tries)
    assert lab.seconds <= busy + 1e-9, "time passes only while somebody is at work"


@given(timeless, st.integers(1, 3))
def test_it_is_the_same_every_time(expression: Expression, workers: int) -> None:
    streams = []
    for _ in range(2):
        forget_durations()
        lab = Laboratory(workers)
        interpreter = Interpreter(lab.clock.sleep)
        outcome(lambda: lab.run(workflow_of(expression, interpreter)))  # noqa: B023
        streams.append([repr(e) for e in lab.last.events() if not isinstance(e, RunStarted)])
    assert streams[0] == streams[1]


@settings(max_examples=60)
@given(timeless, st.integers(1, 6), st.sampled_from(["threads", "inline"]), st.sampled_from(["resume", "replay"]))
def test_on_real_executors_too(expression: Expression, workers: int, executor: str, strategy: str) -> None:
    interpreter = Interpreter(lambda time: None)
    workflow = workflow_of(expression, interpreter)
    workflow = workflow.options(max_workers=workers, executor=executor, strategy=strategy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interactive_flow.runtime.run.Run.warn_of_ignored_errors", lambda self, stacklevel: None)
        assert outcome(workflow.run) == sequentially(expression)
    assert workflow.last_run is not None
    check_stream(workflow.last_run.events(), workers if executor == "threads" else 1)


@settings(max_examples=150)
@given(timeless, st.integers(1, 4), st.integers(0, 12))
def test_cancelled_at_any_moment_everything_is_told_of_everything(
    expression: Expression, workers: int, after: int
) -> None:
    lab = Laboratory(workers)
    turns = iter(range(10_000))

    def sleep(time: float) -> None:
        lab.clock.sleep(time)
        if next(turns) == after:
            lab.last.cancel()

    interpreter = Interpreter(sleep)
    run = lab.last = lab.ready(workflow_of(expression, interpreter))._new_run((), {})
    run.drive()
    assert run.status in ("succeeded", "failed", "cancelled")
    check_stream(run.events(), workers)
    if run.status == "cancelled":
        assert {c.reason for c in run.calls if c.state == "cancelled"} <= {"not needed", "run cancelled"}

"""Workflows and sub-workflows: what overlaps, when a run ends, what becomes of what nobody needs."""

from __future__ import annotations

from typing import Any

import pytest
from laboratory import Laboratory, names

from interactive_flow import TaskCancelled, TaskError, first, flow, task, wait, workflow
from interactive_flow.model.errors import WorkflowStalled
from interactive_flow.model.events import BarrierEntered, CallCancelled, WorkflowReturned
from interactive_flow.model.states import CallKind

# -- what overlaps ---------------------------------------------------------------------------------------------------


def test_calls_overlap_as_far_as_their_arguments_allow() -> None:
    lab = Laboratory()

    def code() -> Any:
        a, b = lab.give(1, 3.0), lab.give(2, 2.0)
        return lab.add(lab.add(a, b, 1.0), lab.give(10, 4.5), 1.0)

    assert lab.run(code) == 13
    assert lab.seconds == 5.5


@pytest.mark.parametrize(("workers", "seconds"), [(1, 12.0), (2, 6.0), (3, 4.0), (4, 4.0), (6, 2.0), (12, 2.0)])
def test_as_many_at_once_as_there_are_workers(workers: int, seconds: float) -> None:
    lab = Laboratory(workers)
    assert lab.run(lambda: [lab.give(n, 2.0) for n in range(6)]) == list(range(6))
    assert lab.seconds == seconds


def test_code_that_goes_on_after_a_barrier_finds_what_ran_meanwhile() -> None:
    lab = Laboratory()

    def code() -> Any:
        long = lab.give("long", 5.0)
        for _ in range(3):
            assert lab.give(1, 1.0) == 1
        return long

    assert lab.run(code) == "long"
    assert lab.seconds == 5.0
    assert [b.left_at for b in lab.last.record().barriers] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("condition", "result", "seconds"), [(True, "then", 3.0), (False, "else", 2.0)])
def test_the_branch_that_is_not_taken_is_not_called(condition: bool, result: str, seconds: float) -> None:
    lab = Laboratory()

    def code() -> Any:
        if lab.give(condition, 1.0):
            return lab.give("then", 2.0)
        return lab.give("else", 1.0)

    assert lab.run(code) == result
    assert (lab.seconds, len(lab.last.calls)) == (seconds, 2)


def test_a_loop_until_a_result_says_so() -> None:
    lab = Laboratory()

    def code() -> Any:
        x = lab.give(1)
        while x < 100:
            x = lab.add(x, x, 1.0)
        return x

    assert lab.run(code) == 128
    assert lab.seconds == 7.0


def test_two_sub_workflows_with_barriers_inside_overlap() -> None:
    lab = Laboratory()

    @flow
    def steps(name: str, n: int) -> Any:
        for k in range(n):
            assert lab.give(f"{name}{k}", 1.0) == f"{name}{k}"
        return name

    assert lab.run(lambda: [steps("a", 5), steps("b", 3), steps("c", 4)]) == ["a", "b", "c"]
    assert lab.seconds == 5.0
    assert [lab.ended(f"steps#{n}") for n in (1, 2, 3)] == [5.0, 3.0, 4.0]


def test_a_barrier_of_the_outer_code_does_not_hold_the_inner() -> None:
    lab = Laboratory()

    @flow
    def inner() -> Any:
        return [lab.give(1, 1.0) + 0, lab.give(2, 1.0) + 0, lab.give(3, 1.0) + 0]

    def code() -> Any:
        sub = inner()
        lab.give(0, 2.5) + 0
        return sub

    assert lab.run(code) == [1, 2, 3]
    assert lab.seconds == 3.0


def test_a_sub_workflow_begins_when_its_arguments_are_there() -> None:
    lab = Laboratory()
    seen: list[Any] = []

    @flow
    def inner(x: Any, ys: Any) -> Any:
        seen.append((type(x), ys))
        return lab.add(x, ys[0], 1.0)

    assert lab.run(lambda: inner(lab.give(1, 2.0), [lab.give(2, 3.0)])) == 3
    assert seen == [(int, [2])]
    assert (lab.call("inner#1").started_at, lab.seconds) == (3.0, 4.0)
    assert lab.call("inner#1").kind == "workflow"
    assert lab.call("inner#1/add#1").parent == "inner#1"


def test_the_result_of_a_sub_workflow_may_hold_calls() -> None:
    lab = Laboratory()

    @flow
    def inner() -> Any:
        return {"now": 1, "later": [lab.give(2, 5.0)]}

    def code() -> Any:
        sub = inner()
        return lab.give(sub, 1.0), sub["later"][0] + 1

    assert lab.run(code) == ({"now": 1, "later": [2]}, 3)
    assert lab.seconds == 6.0


def test_fifty_levels_of_sub_workflows() -> None:
    lab = Laboratory()

    @flow
    def down(n: int) -> Any:
        if n == 0:
            return lab.give(0, 1.0)
        return lab.add(down(n - 1), 1) + 0  # a barrier on each level

    assert lab.run(lambda: down(50)) == 50
    assert lab.seconds == 1.0
    assert names(lab.last.record(), CallKind.WORKFLOW) == ["down"] * 51


def test_recursion_that_branches() -> None:
    lab = Laboratory(workers=40)

    @flow
    def fib(n: int) -> Any:
        return n if n < 2 else lab.add(fib(n - 1), fib(n - 2), 1.0)

    assert lab.run(lambda: fib(10)) == 55
    assert lab.seconds == 9.0
    assert lab.bodies["add"] == 88


@pytest.mark.parametrize("how", ["result", "error", "cancel"])
def test_sub_workflows_deeper_than_the_recursion_limit(how: str) -> None:
    lab = Laboratory()

    @task
    def end() -> None:
        lab.last.cancel() if how == "cancel" else None

    @flow
    def down(n: int) -> Any:
        if n:
            return lab.add(down(n - 1), 1)
        return lab.bang() if how == "error" else [lab.give(0, 1.0), end()][0]

    workflow = lab.ready(lambda: down(1100))
    run = lab.last = workflow._new_run((), {})
    assert run.drive().wait(0)
    if how == "result":
        assert run.result() == 1100
    else:
        with pytest.raises(TaskError if how == "error" else TaskCancelled):
            run.result()
    assert max(call.id.count("/") for call in run.calls) == 1101


def test_the_same_workflow_under_other_names() -> None:
    lab = Laboratory()

    @workflow
    def both(step: Any) -> Any:
        return lambda x: step(step(x))

    double = both.inject(step=lambda x: x * 2)
    assert lab.run(both.inject(step=double), 1) == 16
    assert {call.id for call in lab.last.calls} == {
        "both#1", "both#2", "both#1/step#1", "both#1/step#2", "both#2/step#1", "both#2/step#2",
    }  # fmt: skip


# -- when a run ends -------------------------------------------------------------------------------------------------


def test_it_ends_as_soon_as_its_result_is_there() -> None:
    lab = Laboratory()

    def code() -> Any:
        lab.give("never needed", 100.0)
        lab.add(lab.give(1, 50.0), 1)
        return [lab.give("needed", 2.0), "plain"]

    assert lab.run(code) == ["needed", "plain"]
    assert lab.seconds == 2.0
    assert {call.id: (call.state, call.reason) for call in lab.last.calls} == {
        "give#1": ("cancelled", "not needed"),
        "give#2": ("cancelled", "not needed"),
        "add#1": ("cancelled", "not needed"),
        "give#3": ("succeeded", None),
    }


def test_with_a_plain_result_it_ends_at_once_and_what_has_not_begun_never_does() -> None:
    lab = Laboratory(workers=1)

    def code() -> Any:
        for n in range(3):
            lab.give(n, 1.0)
        return "plain"

    assert lab.run(code) == "plain"
    assert (lab.seconds, lab.bodies["give"]) == (0.0, 0)
    assert {call.state for call in lab.last.calls} == {"cancelled"}


def test_a_sub_workflow_ends_with_its_result_too() -> None:
    lab = Laboratory()

    @flow
    def inner() -> Any:
        lab.give("never needed", 100.0)
        return lab.give("needed", 1.0)

    assert lab.run(lambda: lab.add(inner(), "!", 3.0)) == "needed!"
    assert lab.call("inner#1/give#1").state == "cancelled"
    assert lab.ended("inner#1/give#1") == 1.0
    assert lab.seconds == 4.0


def test_a_sub_workflow_that_nobody_needs_is_given_up_with_everything_in_it() -> None:
    lab = Laboratory()
    undone: list[str] = []

    @flow
    def inner(depth: int) -> Any:
        try:
            return (inner(depth - 1) if depth else lab.give(0, 50.0)) + 1
        finally:
            undone.append(f"level {depth}")

    def code() -> Any:
        inner(3)
        return lab.give("done", 1.0)

    assert lab.run(code) == "done"
    assert sorted(undone) == ["level 0", "level 1", "level 2", "level 3"]
    assert {call.state for call in lab.last.calls if call.id != "give#1"} == {"cancelled"}
    assert {call.reason for call in lab.last.calls if call.id != "give#1"} == {"not needed"}


def test_where_the_first_is_enough_the_others_are_cancelled_while_the_run_goes_on() -> None:
    lab = Laboratory()

    @flow
    def fastest() -> Any:
        return first(lab.give("a", 9.0), lab.give("b", 1.0))

    assert lab.run(lambda: lab.add(fastest(), "!", 1.0)) == "b!"
    assert lab.ended("fastest#1/give#1") == 1.0


def test_a_placeholder_that_leaked_out_of_a_sub_workflow_that_is_over() -> None:
    lab = Laboratory()
    leaked: list[Any] = []

    @flow
    def inner() -> Any:
        leaked.append(lab.give("unneeded", 9.0))
        return "over"

    def code() -> Any:
        assert inner() == "over"
        with pytest.raises(TaskCancelled):
            wait(leaked[0])
        with pytest.raises(TaskCancelled):
            wait(lab.give(leaked[0]))
        return "fine"

    assert lab.run(code) == "fine"
    assert (lab.seconds, lab.ignored) == (0.0, [])


def test_events_of_a_call_that_nobody_needs() -> None:
    lab = Laboratory(workers=1)

    def code() -> Any:
        lab.give("running", 9.0)
        lab.give("waiting for a worker", 9.0)
        return "plain"

    lab.run(code)
    cancelled = [e for e in lab.last.events() if isinstance(e, CallCancelled)]
    assert [(e.call, e.started, e.reason) for e in cancelled] == [(1, 0.0, "not needed"), (2, None, "not needed")]


# -- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 0, "", [], (), {}, False, [None, [None]], ({},), b"", {"k": [1, (2,)]}])
def test_any_value_can_be_the_result(value: Any) -> None:
    lab = Laboratory()
    assert lab.run(lambda: value) == value
    assert lab.run(lambda: lab.give(value, 1.0)) == value
    assert type(lab.last.result()) is type(value)


def test_a_workflow_without_calls() -> None:
    lab = Laboratory()
    assert lab.run(lambda x, *, y: (x, y), 1, y=2) == (1, 2)
    assert [type(e).__name__ for e in lab.last.events()] == ["RunStarted", "WorkflowReturned", "RunFinished"]


def test_arguments_of_the_run_reach_the_code_as_they_are() -> None:
    lab = Laboratory()
    xs: list[Any] = [1]
    assert lab.run(lambda x: x.append(2), xs) is None
    assert xs == [1, 2]


def test_what_the_code_returned_is_told_before_the_run_is_over() -> None:
    lab = Laboratory()
    lab.run(lambda: [lab.give(1, 1.0), lab.give(2, 2.0)])
    (returned,) = [e for e in lab.last.events() if isinstance(e, WorkflowReturned)]
    assert (returned.at, returned.call, returned.waits_on) == (0.0, 0, (1, 2))
    assert (lab.last.record().returned_at, lab.seconds) == (0.0, 2.0)


def test_the_line_of_a_call_and_of_a_barrier() -> None:
    lab = Laboratory()

    def code() -> Any:
        a = lab.give(1, 1.0)
        b = [lab.give(n, 1.0) for n in range(2)]
        return a + 1, b

    lab.run(code)
    line = code.__code__.co_firstlineno
    sites = [call.site for call in lab.last.calls]
    assert [(s.file, s.line) for s in sites if s] == [(__file__, line + 1)] + [(__file__, line + 2)] * 2
    (barrier,) = [e for e in lab.last.events() if isinstance(e, BarrierEntered)]
    assert barrier.site is not None
    assert (barrier.site.file, barrier.site.line, barrier.site.function) == (__file__, line + 3, "code")


# -- what can never end ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["each other", "itself", "its own result", "in a circle of results"])
def test_code_that_waits_for_itself_is_told_so(how: str) -> None:
    lab = Laboratory()
    box: dict[str, Any] = {}

    @flow
    def use(name: str) -> Any:
        return box[name] if "result" in how else wait(box[name])

    def code() -> Any:
        if how in ("each other", "in a circle of results"):
            box["a"], box["b"] = use("b"), use("a")
        else:
            box["a"] = use("a")
        return lab.give("ran", 3.0), box["a"]

    with pytest.raises(WorkflowStalled, match="use#1"):
        lab.run(code)
    assert lab.last.status == "failed"
    assert lab.seconds == 3.0
    assert lab.state("give#1") == "succeeded"

"""Errors as values: where they go, which of them wins, who hears of them, and with which traceback."""

from __future__ import annotations

import itertools
import traceback
from typing import Any

import pytest
from laboratory import Bang, Laboratory, error_of

from interactive_flow import TaskError, flow, task, wait


def functions_in(error: BaseException) -> list[str]:
    """The names of the functions in an error's traceback, outermost first."""
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


# -- where they go ---------------------------------------------------------------------------------------------------


def test_a_failed_call_is_an_error_only_where_it_is_looked_at() -> None:
    lab = Laboratory()

    def code() -> Any:
        failed = lab.bang()
        error = error_of(lambda: wait(failed))
        assert isinstance(error, TaskError)
        assert isinstance(error_of(lambda: failed + 1), TaskError)
        return str(error), error.call, error.reason

    assert lab.run(code) == ("bang#1 failed: Bang: bang", "bang#1", "Bang: bang")
    assert lab.ignored == []
    assert lab.last.status == "succeeded"
    assert [e.call for e in lab.last.errors] == ["bang#1"]


def test_the_cause_is_the_original_exception_with_the_tasks_frames() -> None:
    lab = Laboratory()

    def deep() -> None:
        raise Bang("deep down")

    @task
    def outer() -> None:
        deep()

    def code() -> Any:
        return outer()

    error = error_of(lambda: lab.run(code))
    assert isinstance(error, TaskError)
    assert isinstance(error.__cause__, Bang)
    assert functions_in(error.__cause__) == ["outer", "deep"]


def test_an_error_in_an_argument_is_the_calls_result_and_nothing_runs() -> None:
    lab = Laboratory()

    def code() -> Any:
        return lab.give([1, {"k": lab.bang("first", 2.0)}])

    error = error_of(lambda: lab.run(code))
    assert isinstance(error, TaskError)
    assert error.call == "bang#1"
    assert lab.bodies["give"] == 0
    assert (lab.state("give#1"), lab.call("give#1").inherited_error, lab.call("give#1").attempts) == ("failed", True, 0)
    assert lab.call("give#1").error is error
    assert lab.seconds == 2.0


def test_an_error_runs_down_a_chain_and_surfaces_once() -> None:
    lab = Laboratory()

    def code() -> Any:
        x = lab.bang("root cause", 1.0)
        for _ in range(5000):
            x = lab.give(x)
        return x

    error = error_of(lambda: lab.run(code))
    assert isinstance(error, TaskError)
    assert error.call == "bang#1"
    assert isinstance(error.__cause__, Bang)
    assert "bang" in functions_in(error.__cause__)
    assert [e.call for e in lab.last.errors] == ["bang#1"], "one failure is one error"
    assert {id(call.error) for call in lab.last.calls} == {id(error)}
    assert lab.ignored == []


def test_an_error_beats_a_placeholder() -> None:
    lab = Laboratory()

    def code() -> Any:
        slow, failed = lab.give(1, 100.0), lab.bang("quick", 1.0)
        both = lab.add(slow, failed)
        error_of(lambda: wait(both))
        return 0

    assert lab.run(code) == 0
    assert lab.seconds == 1.0
    assert lab.state("give#1") == "cancelled"


def test_a_call_with_an_error_already_there_fails_at_once() -> None:
    lab = Laboratory()

    def code() -> Any:
        slow, failed = lab.give(1, 100.0), lab.bang()
        error_of(lambda: wait(failed))
        return lab.add(slow, failed)

    assert isinstance(error_of(lambda: lab.run(code)), TaskError)
    assert lab.seconds == 0.0


@pytest.mark.parametrize("order", list(itertools.permutations([1.0, 2.0, 3.0])))
@pytest.mark.parametrize("wait_for", [None, 5.0])
def test_the_error_that_finished_first_wins_whatever_its_place(
    order: tuple[float, ...], wait_for: float | None
) -> None:
    lab = Laboratory()

    def code() -> Any:
        failed = [lab.bang(str(seconds), seconds) for seconds in order]
        if wait_for is not None:
            lab.give(0, wait_for) + 0  # they have all failed by now
        return lab.give(failed)

    error = error_of(lambda: lab.run(code))
    assert str(error.__cause__) == "1.0"
    assert len(lab.ignored) == (2 if wait_for else 0), "the others were cancelled, or nobody looked at them"


def test_an_inherited_error_counts_from_when_it_was_made() -> None:
    lab = Laboratory()

    def code() -> Any:
        early, late = lab.bang("early", 1.0), lab.bang("late", 2.0)
        lab.give(0, 5.0) + 0
        inherited = lab.give(early)
        return lab.add(late, inherited)

    assert str(error_of(lambda: lab.run(code)).__cause__) == "early"


def test_the_earliest_error_in_a_returned_value_wins() -> None:
    lab = Laboratory()
    error = error_of(lambda: lab.run(lambda: [lab.bang("late", 2.0), {"k": lab.bang("early", 1.0)}]))
    assert str(error.__cause__) == "early"
    assert lab.seconds == 1.0
    assert lab.last.status == "failed"


def test_all_failed_parts_of_a_returned_value_count_as_looked_at() -> None:
    lab = Laboratory()

    def code() -> Any:
        failed = [lab.bang("late", 2.0), lab.bang("early", 1.0)]
        lab.give(0, 5.0) + 0
        return failed

    assert str(error_of(lambda: lab.run(code)).__cause__) == "early"
    assert lab.ignored == []


def test_waiting_for_a_container_raises_its_earliest_error_at_once() -> None:
    lab = Laboratory()

    def code() -> Any:
        parts = [lab.give(1, 50.0), lab.bang("late", 2.0), lab.bang("early", 1.0)]
        error = error_of(lambda: wait(parts))
        return str(error.__cause__)

    assert lab.run(code) == "early"
    assert lab.seconds == 1.0


# -- how they are raised ---------------------------------------------------------------------------------------------


def test_the_error_can_be_caught_and_the_workflow_goes_on() -> None:
    lab = Laboratory()

    def code() -> Any:
        results = []
        for maker in (lab.give, lab.bang, lab.give):
            try:
                results.append(wait(maker("x", 1.0)))
            except TaskError as error:
                results.append(type(error.__cause__))
        return results

    assert lab.run(code) == ["x", Bang, "x"]
    assert lab.seconds == 3.0
    assert lab.ignored == []


def test_an_error_that_escapes_from_the_code_fails_the_run_as_itself() -> None:
    lab = Laboratory()
    error = error_of(lambda: lab.run(lambda: wait(lab.bang())))
    assert isinstance(error, TaskError)
    assert isinstance(error.__cause__, Bang)
    assert lab.ignored == []


def test_another_exception_made_of_it_keeps_it_as_its_cause() -> None:
    lab = Laboratory()

    def code() -> Any:
        try:
            return lab.bang() + 1
        except TaskError as error:
            raise KeyError("mine") from error

    error = error_of(lambda: lab.run(code))
    assert isinstance(error, KeyError)
    assert isinstance(error.__cause__, TaskError)
    assert isinstance(error.__cause__.__cause__, Bang)
    assert lab.ignored == []


def test_what_workflow_code_raises_comes_out_with_the_users_frames() -> None:
    lab = Laboratory()

    def helper() -> None:
        raise ValueError("in the helper")

    def code() -> None:
        lab.give(1) + 1
        helper()

    error = error_of(lambda: lab.run(code))
    assert isinstance(error, ValueError)
    assert functions_in(error)[-2:] == ["code", "helper"]
    assert (lab.last.status, lab.last.errors) == ("failed", [])


def test_asking_for_the_result_again_raises_the_same_error_and_its_traceback_does_not_grow() -> None:
    lab = Laboratory()

    def code() -> None:
        raise ValueError("once")

    first_time = error_of(lambda: lab.run(code))
    for failing in (lab.last, _failed_run(lab)):
        errors, lengths = set(), set()
        for _ in range(4):
            error = error_of(failing.result)
            errors.add(error)
            lengths.add(len(traceback.extract_tb(error.__traceback__)))
        assert len(errors) == len(lengths) == 1
    assert error_of(_failed_run(lab).result) is not first_time


def _failed_run(lab: Laboratory) -> Any:
    error_of(lambda: lab.run(lambda: lab.bang()))
    return lab.last


@pytest.mark.parametrize("raised", [SystemExit(3), GeneratorExit(), StopIteration(1), BaseException("b")])
def test_any_exception_of_a_task_is_a_task_error(raised: BaseException) -> None:
    lab = Laboratory()

    @task
    def exits() -> None:
        raise raised

    error = error_of(lambda: lab.run(lambda: exits()))
    assert isinstance(error, TaskError)
    assert error.__cause__ is raised


@pytest.mark.parametrize("raised", [SystemExit(3), GeneratorExit(), StopIteration(1), BaseException("b")])
def test_any_exception_of_workflow_code_comes_out_of_run(raised: BaseException) -> None:
    lab = Laboratory()

    def code() -> None:
        lab.give(1) + 1
        raise raised

    assert error_of(lambda: lab.run(code)) is raised
    assert lab.last.status == "failed"


def test_an_exception_whose_text_cannot_be_had() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @task
    def fails() -> None:
        raise Broken

    lab = Laboratory()
    error = error_of(lambda: lab.run(lambda: fails()))
    assert str(error) == "fails#1 failed: Broken"


def test_a_task_may_return_an_exception_as_a_value() -> None:
    lab = Laboratory()
    result = lab.run(lambda: lab.give(ValueError("just a value")))
    assert isinstance(result, ValueError)


def test_a_caught_error_may_be_returned_and_passed_on_as_a_value() -> None:
    lab = Laboratory()

    def code() -> Any:
        error = error_of(lambda: wait(lab.bang()))
        return [error, lab.give(error)]

    one, two = lab.run(code)
    assert one is two
    assert isinstance(one, TaskError)


def test_arguments_that_do_not_fit_are_the_calls_error() -> None:
    lab = Laboratory()
    error = error_of(lambda: lab.run(lambda: lab.give(1, 2, 3, 4)))
    assert isinstance(error, TaskError)
    assert isinstance(error.__cause__, TypeError)


# -- sub-workflows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["code", "barrier", "result"])
def test_a_sub_workflow_that_fails_is_a_call_that_failed(place: str) -> None:
    lab = Laboratory()

    @flow
    def sub() -> Any:
        if place == "code":
            raise Bang("from the code")
        failed = lab.bang("from a task", 1.0)
        return failed + 1 if place == "barrier" else {"k": failed}

    def code() -> Any:
        error = error_of(lambda: wait(lab.give(sub())))
        assert isinstance(error, TaskError)
        return error.call, type(error.__cause__)

    assert lab.run(code) == ("sub#1" if place == "code" else "sub#1/bang#1", Bang)
    assert (lab.state("sub#1"), lab.state("give#1")) == ("failed", "failed")
    assert lab.ignored == []


def test_the_frames_of_a_sub_workflow_that_raised() -> None:
    lab = Laboratory()

    def helper() -> None:
        raise Bang("here")

    @flow
    def sub() -> None:
        helper()

    error = error_of(lambda: lab.run(lambda: sub()))
    assert isinstance(error.__cause__, Bang)
    assert functions_in(error.__cause__)[-2:] == ["sub", "helper"]


def test_an_argument_that_does_not_fit_a_sub_workflow() -> None:
    lab = Laboratory()
    sub = flow(lambda x: x)
    error = error_of(lambda: lab.run(lambda: sub()))
    assert isinstance(error.__cause__, TypeError)


def test_a_sub_workflow_with_an_error_among_its_arguments_does_not_begin() -> None:
    lab = Laboratory()
    begun: list[int] = []
    sub = flow(lambda x: begun.append(1))
    error_of(lambda: lab.run(lambda: sub([lab.bang("in", 1.0)])))
    assert begun == []

"""Errors that nobody looked at: exactly one warning each, at the right line, and none for those that were handled."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import pytest
from laboratory import Bang, Laboratory, error_of

from interactive_flow import IgnoredTaskErrorWarning, Workflow, first, flow, wait


def test_an_error_that_nobody_looked_at_gives_one_warning_at_the_users_line() -> None:
    lab = Laboratory()

    @flow
    def code() -> Any:
        failed = lab.bang("unseen")
        lab.give(failed)
        lab.give([failed])
        return lab.give(1, 1.0)

    workflow = code.options(executor=lab.executor)
    line = _run_here.__code__.co_firstlineno + 1
    with pytest.warns(IgnoredTaskErrorWarning) as caught:
        _run_here(workflow)
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]
    assert "bang#1 failed: Bang: unseen" in str(caught[0].message)


def _start_here(workflow: Workflow[..., Any]) -> Any:
    run = workflow.start()
    result = run.result(20.0)
    for thread in threading.enumerate():
        if thread.name == f"iflow-run-{run.id}":
            thread.join(20.0)
    return result


def test_of_a_started_run_it_is_at_the_line_that_started_it() -> None:
    lab = Laboratory()

    def code() -> Any:
        lab.bang("unseen")
        return lab.give(1, 1.0)

    line = _start_here.__code__.co_firstlineno + 1
    with pytest.warns(IgnoredTaskErrorWarning) as caught:
        _start_here(lab.ready(code))
    assert [(w.filename, w.lineno) for w in caught] == [(__file__, line)]


def test_each_ignored_failure_has_its_own_warning() -> None:
    lab = Laboratory()

    def code() -> Any:
        for n in range(3):
            lab.bang(f"number {n}")
        return lab.give(0, 1.0)

    lab.run(code)
    assert [text.split(",")[0] for text in lab.ignored] == [f"bang#{n + 1} failed: Bang: number {n}" for n in range(3)]


def _run_here(workflow: Workflow[..., Any]) -> None:
    workflow.run()


@pytest.mark.parametrize("how", ["wait", "operator", "returned", "first", "handled by a sub-workflow"])
def test_an_error_that_was_looked_at_gives_none(how: str) -> None:
    lab = Laboratory()

    @flow
    def handler(x: Any) -> str:
        return "never runs"

    def code() -> Any:
        failed = lab.bang()
        if how == "returned":
            return failed
        if how == "operator":
            error_of(lambda: failed == 1)
        elif how == "first":
            error_of(lambda: wait(first(failed, lab.give(1, 9.0))))
        elif how == "handled by a sub-workflow":
            error_of(lambda: wait(handler(failed)))
        else:
            error_of(lambda: wait(failed))
        return lab.give(1, 1.0)

    if how == "returned":
        error_of(lambda: lab.run(code))
    else:
        lab.run(code)
    assert lab.ignored == []


@pytest.mark.parametrize("how", ["barrier", "returned early", "returned late", "raised"])
def test_a_sub_workflow_that_failed_and_that_nobody_looked_at_is_told(how: str) -> None:
    lab = Laboratory()

    @flow
    def sub() -> Any:
        if how == "raised":
            raise Bang("from the code")
        failed = lab.bang()
        if how == "barrier":
            return failed + 1
        if how == "returned late":
            lab.give(0, 1.0) + 0
        return [failed]

    def code() -> Any:
        sub()
        return lab.give(1, 5.0)

    assert lab.run(code) == 1
    assert len(lab.ignored) == 1


def test_a_failure_that_a_sub_workflow_handled_is_not_told() -> None:
    lab = Laboratory()

    @flow
    def sub() -> Any:
        error_of(lambda: wait(lab.bang()))
        return "handled"

    assert lab.run(lambda: sub()) == "handled"
    assert lab.ignored == []


def test_a_run_that_fails_tells_of_other_errors_too() -> None:
    lab = Laboratory()

    def code() -> Any:
        lab.bang("unseen")
        return lab.bang("seen", 1.0)

    assert str(error_of(lambda: lab.run(code)).__cause__) == "seen"
    assert [text.split(",")[0] for text in lab.ignored] == ["bang#1 failed: Bang: unseen"]


def test_with_warnings_as_errors_the_warning_comes_out() -> None:
    lab = Laboratory()

    def code() -> Any:
        lab.bang()
        return lab.give(1, 1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(IgnoredTaskErrorWarning):
            lab.ready(code).run()

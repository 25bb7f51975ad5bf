"""Cancelling a run: what finished is kept, the rest ends, and code that is given up is undone."""

from __future__ import annotations

from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import TaskCancelled, first, flow, parallel_reduce, task, wait


@pytest.mark.parametrize("where", ["at a barrier", "returned", "in a sub-workflow", "sub returned", "first", "reduce"])
def test_cancelling_keeps_what_finished_and_ends_the_rest(where: str) -> None:
    lab = Laboratory()
    undone: list[str] = []
    cancel = task(lambda: workflow.last_run.cancel(), name="cancel")

    @flow
    def sub() -> Any:
        try:
            x = lab.give(1, 50.0)
            return [x] if where == "sub returned" else x + 1
        finally:
            undone.append("sub")

    def code() -> Any:
        kept = lab.give("kept")
        assert kept == "kept"
        stop = cancel()
        try:
            if where == "at a barrier":
                lab.give(1, 50.0) + stop
            elif where == "returned":
                return [lab.give(1, 50.0), stop]
            elif "sub" in where:
                return [sub(), stop]
            elif where == "first":
                return first(lab.give(1, 50.0), lab.give(2, 60.0)), stop
            return parallel_reduce(lab.add, [1, 2, 3, lab.give(4, 50.0), stop])
        finally:
            undone.append("code")

    workflow = lab.ready(code)
    with pytest.raises(TaskCancelled, match="was cancelled"):
        lab.run(workflow)
    assert lab.last.status == "cancelled"
    assert lab.seconds == 0.0
    states = {call.id: call.state for call in lab.last.calls if call.kind != "combinator"}
    assert (states.pop("give#1"), states.pop("cancel#1")) == ("succeeded", "succeeded")
    states.pop("parallel_reduce#1/add#1", None)
    assert set(states.values()) == {"cancelled"}
    assert {call.reason for call in lab.last.calls if call.state == "cancelled"} == {"run cancelled"}
    assert "code" in undone
    assert ("sub" in undone) == (where in ("in a sub-workflow", "sub returned"))
    assert lab.ignored == []


def test_code_that_is_given_up_cannot_go_on() -> None:
    lab = Laboratory()
    tried: list[str] = []
    cancel = task(lambda: workflow.last_run.cancel(), name="cancel")

    def code() -> Any:
        kept = lab.give(1, 50.0)
        try:
            return cancel() == kept
        finally:
            for use in (lambda: lab.give(2), lambda: first(kept, lab.give(1))):
                try:
                    use()
                except BaseException as error:
                    tried.append(type(error).__name__)
            for use in (lambda: wait(kept), lambda: kept + 1):
                try:
                    use()
                except TaskCancelled as error:
                    tried.append(type(error).__name__)

    workflow = lab.ready(code)
    with pytest.raises(TaskCancelled):
        lab.run(workflow)
    # A call ends the code, by what no `except TaskError` catches; the value of a call that was cancelled is an error.
    assert tried == ["GreenletExit"] * 2 + ["TaskCancelled"] * 2
    assert len(lab.last.calls) == 2


def test_cancelling_twice_and_after_the_end_changes_nothing() -> None:
    lab = Laboratory()
    assert lab.run(lambda: lab.give(1)) == 1
    lab.last.cancel()
    assert (lab.last.status, lab.last.result()) == ("succeeded", 1)

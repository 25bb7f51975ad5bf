"""The errors that people meet: what they say, how they are related, and that they survive pickling."""

from __future__ import annotations

import copy
import pickle

import pytest

import interactive_flow as iflow
from interactive_flow.model import errors
from interactive_flow.model.errors import TaskCancelled, TaskError, TaskTimeout

KINDS = [TaskError, TaskTimeout, TaskCancelled]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (TaskError, "fetch#2 failed: OSError: gone"),
        (TaskTimeout, "fetch#2 timed out: OSError: gone"),
        (TaskCancelled, "fetch#2 was cancelled: OSError: gone"),
    ],
)
def test_texts(kind: type[TaskError], text: str) -> None:
    assert str(kind("OSError: gone", "fetch#2")) == text
    assert str(kind("just a reason")) == "just a reason"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])  # noqa: S301
def test_copies_say_the_same(kind: type[TaskError], copied: object) -> None:
    error = kind("why", "f#1")
    again = copied(error)  # type: ignore[operator]
    assert type(again) is kind
    assert (again.reason, again.call, str(again)) == ("why", "f#1", str(error))
    assert again.observed is False


def test_two_failures_are_never_the_same() -> None:
    assert TaskError("x", "f#1") != TaskError("x", "f#1")
    assert len({TaskError("x", "f#1"), TaskError("x", "f#1")}) == 2


def test_how_they_are_related() -> None:
    for error in (TaskError, iflow.MissingTaskError, iflow.PlaceholderError, errors.IllegalTransition):
        assert issubclass(error, iflow.InteractiveFlowError)
    assert issubclass(errors.WorkflowStalled, iflow.InteractiveFlowError)
    assert issubclass(iflow.MissingTaskError, NameError)
    assert issubclass(iflow.IgnoredTaskErrorWarning, UserWarning)
    assert not issubclass(iflow.InteractiveFlowError, BaseExceptionGroup)

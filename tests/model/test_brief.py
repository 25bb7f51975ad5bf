"""Short texts for values: one line, never too long, never raising, never waiting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Laboratory

from interactive_flow import flow, task
from interactive_flow.model.brief import brief, brief_call, brief_error

values = st.recursive(
    st.one_of(st.text(max_size=200), st.integers(), st.binary(max_size=200), st.none(), st.floats()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    max_leaves=12,
)


class Hostile:
    """A value that does its worst when it is shown."""

    def __init__(self, what: Any) -> None:
        self.what = what

    def __repr__(self) -> str:
        if isinstance(self.what, BaseException):
            raise self.what
        return self.what  # type: ignore[no-any-return]


@given(values, st.integers(10, 200))
def test_one_line_of_limited_length(value: Any, limit: int) -> None:
    text = brief(value, limit)
    assert 0 < len(text) <= limit
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "what", [ValueError("no"), RecursionError(), 5, None, "x" * 10_000_000, "two\nlines\r\n\x0b\u2028three", ""]
)
def test_hostile_values(what: Any) -> None:
    for value in (Hostile(what), [Hostile(what)], {"k": Hostile(what)}):
        text = brief(value)
        assert len(text) <= 80
        assert len(text.splitlines()) <= 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1"), ("a", "'a'"), ([1, 2], "[1, 2]"), (None, "None"), ({"k": (1,)}, "{'k': (1,)}")],
)  # fmt: skip
def test_small_values_are_shown_as_they_are(value: Any, text: str) -> None:
    assert brief(value) == text


def test_large_values_are_cut() -> None:
    assert len(brief(list(range(10**6)))) < 40
    assert len(brief(np.zeros((1000, 1000)))) <= 80
    loop: list[Any] = []
    loop.append(loop)
    assert "..." in brief(loop)


def test_a_call_as_it_would_be_written() -> None:
    assert brief_call("f", (1, "a"), {"k": [2]}) == "f(1, 'a', k=[2])"
    assert brief_call("f", (), None) == "f()"
    assert len(brief_call("f", ("x" * 100,) * 20, None)) == 120


def test_errors_in_a_line() -> None:
    assert brief_error(ValueError("one\ntwo")) == "ValueError: one"
    assert brief_error(ValueError()) == "ValueError"
    assert len(brief_error(ValueError("x" * 10_000))) <= 300


def test_placeholders_are_shown_as_what_they_stand_for_without_waiting() -> None:
    lab = Laboratory()
    texts: list[str] = []

    @task
    def look() -> int:
        run = workflow.last_run
        assert run is not None
        texts.extend(call.call_text() for call in run.calls if call.name == "give")
        return 0

    @flow
    def code() -> Any:
        pending, failed, done = lab.give("pending", 9.0), lab.bang(), lab.give([1, 2])
        calls = [lab.give([pending]), lab.give(failed), lab.give(done)]
        lab.give(0, 1.0) + 0
        assert look() == 0
        return calls[0]

    workflow = lab.ready(code)
    assert lab.run(workflow) == ["pending"]
    assert texts[2:5] == ["give([give#1])", "give(bang#1)", "give(give#2)"]
    assert len(lab.ignored) == 1, "showing is not handling"

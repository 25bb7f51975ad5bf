"""Events as bytes: everything plain, and nobody's code in it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactive_flow.model.brief import brief
from interactive_flow.model.errors import TaskError
from interactive_flow.model.events import CallFailed, CallScheduled, Event, Reference
from interactive_flow.model.log import EventLog
from interactive_flow.model.states import CallKind
from interactive_flow.store.lazy import Shown, StoredException
from interactive_flow.store.segments import Decoder, Encoder, dump, load
from interactive_flow.store.values import Values

VALUES = Values(Path("nowhere"), b"k" * 32)


def through(event: Event) -> Any:
    """The event after it was stored and read."""
    log, back = EventLog(), EventLog()
    log.append(event)
    encoder = Encoder(VALUES, lambda call, packed: packed)
    (raw,) = load(dump([encoder.plain(raw) for raw in log.tail(0)]))
    back.add_raw(Decoder(VALUES).named(raw))
    return back[0]


class Odd:
    def __repr__(self) -> str:
        return "<odd>"


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
leaves |= st.integers(0, 9).map(Reference) | st.builds(Odd) | st.complex_numbers(allow_nan=False)
leaves |= st.text(max_size=8).map(Text) | st.floats(allow_nan=False).map(Number)
arguments = st.recursive(
    leaves,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=30,
)


@given(args=st.lists(arguments, max_size=4), kwargs=st.none() | st.dictionaries(st.text(), arguments, min_size=1))
def test_arguments_look_the_same(args: list[Any], kwargs: dict[str, Any] | None) -> None:
    event = CallScheduled(0.5, 1, "a", 1, CallKind.TASK, 0, (), None, tuple(args), kwargs)
    back = through(event)
    assert [brief(x) for x in back.args] == [brief(x) for x in args]
    assert brief(back.kwargs) == brief(kwargs)
    assert back[:8] == event[:8]


@pytest.mark.parametrize(
    "value",
    [list(range(5000)), "x" * 50_000, {"k": ["y" * 50_000]}, [[0] * 600, [0] * 600], {b"z" * 50_000: 1}],
    ids=["list", "text", "nested", "two", "key"],
)
def test_large_arguments_become_texts(value: Any) -> None:
    back = through(CallScheduled(0.5, 1, "a", 1, CallKind.TASK, 0, (), None, (value,)))
    assert type(back.args[0]) is Shown
    assert repr(back.args[0]) == brief(value, 120)


def test_arguments_nested_too_deep_become_texts() -> None:
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    assert type(through(CallScheduled(0.5, 1, "a", 1, CallKind.TASK, 0, (), None, (deep,))).args[0]) is Shown


def test_a_segment_with_a_foreign_class_is_not_read() -> None:
    for value in (os.system, Odd(), Path("x")):
        with pytest.raises(pickle.UnpicklingError, match="no place in a segment"):
            load(pickle.dumps([(0, value)]))


class Worse(Exception):
    """One that cannot even be printed."""

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_an_error_that_cannot_be_printed_or_hashed() -> None:
    error = TaskError("Worse", "a#1")
    error.__cause__ = Worse()
    back = through(CallFailed(0.5, 1, 0.1, "w", error))
    assert type(back.error) is TaskError
    assert type(back.error.__cause__).__name__ == "Worse"
    assert isinstance(back.error.__cause__, StoredException)
    assert through(CallFailed(0.5, 1, 0.1, "w", Worse())).error is not None  # type: ignore[arg-type]


def test_an_exception_that_cannot_be_pickled_is_its_own_original() -> None:
    class Held(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("stays here")

    error = TaskError("Held", "a#1")
    error.__cause__ = Held("text")
    cause = through(CallFailed(0.5, 1, 0.1, "w", error)).error.__cause__
    assert str(cause) == "text"
    assert cause.original() is cause

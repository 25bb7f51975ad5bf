"""`gather` and `fill` on their own: whatever the structure, what is in it is found, and nothing else changes."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import attrs
from hypothesis import given
from hypothesis import strategies as st

from interactive_flow.engine.containers import fill, gather
from interactive_flow.engine.placeholder import Placeholder


@dataclass
class Plain:
    x: Any
    y: Any


@dataclass(frozen=True, slots=True)
class FrozenSlotted:
    x: Any
    y: Any


@attrs.frozen
class FrozenAttrs:
    x: Any
    y: Any


class Pair(NamedTuple):
    x: Any
    y: Any


class Done:
    """Stands in for a call that has its value."""

    state, done, failed = "succeeded", True, False

    def __init__(self, value: Any) -> None:
        self.outcome = value

    def __call__(self) -> Any:
        return self.outcome


leaves = st.one_of(st.integers(), st.text(max_size=3), st.none(), st.builds(Done, st.integers()))
structures = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.integers(0, 5), inner, max_size=4),
        st.lists(inner, max_size=3).map(lambda xs: deque(xs, maxlen=5)),
        st.builds(Plain, inner, inner),
        st.builds(FrozenSlotted, inner, inner),
        st.builds(FrozenAttrs, inner, inner),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=15,
)


def rebuilt(value: Any, leaf: Callable[[Done], Any]) -> Any:
    """The same structure with `leaf` of every `Done`: the plain way to write what is tested."""
    if isinstance(value, Done):
        return leaf(value)
    if dataclasses.is_dataclass(value) or isinstance(value, FrozenAttrs):
        return type(value)(rebuilt(value.x, leaf), rebuilt(value.y, leaf))
    if isinstance(value, Pair):
        return Pair(*(rebuilt(x, leaf) for x in value))
    if isinstance(value, dict):
        return {k: rebuilt(v, leaf) for k, v in value.items()}
    if isinstance(value, deque):
        return deque((rebuilt(x, leaf) for x in value), maxlen=value.maxlen)
    if isinstance(value, list | tuple):
        return type(value)(rebuilt(x, leaf) for x in value)
    return value


def found_in(value: Any) -> list[Done]:
    """Every `Done` in order of appearance, each once."""
    order: dict[int, Done] = {}

    def note(x: Done) -> None:
        order.setdefault(id(x), x)

    rebuilt(value, note)
    return list(order.values())


@given(structures, structures)
def test_gather_finds_and_fill_replaces(a: Any, b: Any) -> None:
    args, kwargs = (rebuilt(a, Placeholder),), {"k": rebuilt(b, Placeholder)}
    kept, named, calls = gather(args, kwargs)
    assert list(calls) == found_in([a, b])
    assert repr((fill(kept), fill(named))) == repr(((rebuilt(a, Done.__call__),), {"k": rebuilt(b, Done.__call__)}))


@given(structures)
def test_gathering_what_was_gathered_changes_nothing(a: Any) -> None:
    kept, _, calls = gather((rebuilt(a, Placeholder),), {})
    again, _, same = gather(kept, {})
    assert calls == same
    assert repr(fill(again)) == repr(fill(kept))


@given(structures)
def test_nothing_to_replace_keeps_the_object(a: Any) -> None:
    plain = rebuilt(a, Done.__call__)
    assert repr(fill(plain)) == repr(plain)
    (kept,), _, calls = gather((plain,), {})
    assert calls == ()
    if dataclasses.is_dataclass(plain) or isinstance(plain, FrozenAttrs | int | str):
        assert kept is plain

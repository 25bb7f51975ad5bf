"""Values of Python's own types and of people's classes: equal ones agree, different ones do not."""

from __future__ import annotations

import array
import collections
import contextvars
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import math
import operator
import pathlib
import pickle
import random
import re
import socket
import sqlite3
import sys
import threading
import types
import uuid
import zoneinfo
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactive_flow import flow, task
from interactive_flow.store.fingerprint import FingerprintError, register_fingerprint, value_fingerprint

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(),
    st.decimals().filter(lambda number: not number.is_snan()),  # which has no hash
    st.fractions(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
)
HASHABLE = st.recursive(SCALARS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=4), max_leaves=5)
VALUES = st.recursive(
    HASHABLE,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(HASHABLE, inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.sets(HASHABLE, max_size=4)
    ),
    max_leaves=8,
)


def same(one: Any, other: Any) -> bool:
    """Whether two values are of the same types and representation all the way down: an oracle, slow and plain."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float | complex):
        return array.array("d", [one.real, one.imag]).tobytes() == array.array("d", [other.real, other.imag]).tobytes()
    if isinstance(one, decimal.Decimal):
        return repr(one) == repr(other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, set | frozenset):
        return matched(list(one), list(other))
    if isinstance(one, dict):
        return matched(list(one.items()), list(other.items()))
    return bool(one == other)


def matched(ones: list[Any], others: list[Any]) -> bool:
    left = list(others)
    for one in ones:
        found = next((index for index, other in enumerate(left) if same(one, other)), None)
        if found is None:
            return False
        del left[found]
    return not left


@given(VALUES, VALUES)
def test_digests_are_equal_exactly_for_the_same(one: Any, other: Any) -> None:
    assert (value_fingerprint(one) == value_fingerprint(other)) == same(one, other)


@given(VALUES)
def test_copies_agree(value: Any) -> None:
    assert value_fingerprint(copy.deepcopy(value)) == value_fingerprint(value)
    assert value_fingerprint(pickle.loads(pickle.dumps(value))) == value_fingerprint(value)  # noqa: S301


@given(st.dictionaries(HASHABLE, VALUES, max_size=6), st.randoms())
def test_order_of_a_dict_does_not_count(value: dict[Any, Any], chance: random.Random) -> None:
    items = list(value.items())
    chance.shuffle(items)
    assert value_fingerprint(dict(items)) == value_fingerprint(value)


@given(st.sets(HASHABLE, max_size=8), st.randoms())
def test_order_of_a_set_does_not_count(value: set[Any], chance: random.Random) -> None:
    items = list(value)
    chance.shuffle(items)
    assert value_fingerprint(set(items)) == value_fingerprint(value)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntFlag):
    LOW = 1
    HIGH = 2


class Pair(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Point:
    x: Any = 0
    y: Any = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: Any = 0


@attrs.define
class Defined:
    x: Any = 0


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x

    @functools.cached_property
    def twice(self) -> Any:
        return self.x * 2


class Text(str):
    __slots__ = ()


class Bag(set[int]):
    pass


class Hooked:
    def __init__(self, name: str) -> None:
        self.name, self.socket = name, threading.get_ident

    def __flow_fingerprint__(self) -> str:
        return self.name


def double(x: int) -> int:
    return 2 * x


DIFFERENT: list[Any] = [
    None, True, False, 1, 0, -1, 1.0, 0.0, -0.0, math.inf, math.nan, 1j, 1 + 0j, "1", "", b"1", b"", bytearray(b"1"),
    ..., NotImplemented, 10**5000, -(10**5000),
    [], (), {}, set(), frozenset(), [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}, {1: "1"}, [[]], [()], [1, [2]],
    [[1], 2], [1, 2], [2, 1], "12", ["1", "2"], ["12"], ["", "12"], {"a": 1, "b": 2}, {"a": 2, "b": 1}, [None],
    range(3), range(0, 3, 2), slice(3), slice(1, 3), memoryview(b"1"), array.array("i", [1]), array.array("l", [1]),
    datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),  # noqa: DTZ001
    datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Rome")), datetime.time(1), datetime.time(1, fold=1),
    datetime.timedelta(1), decimal.Decimal("1.0"), decimal.Decimal("1.00"), decimal.Decimal("NaN"),
    fractions.Fraction(1, 2), uuid.UUID(int=1), uuid.UUID(int=2), pathlib.Path("a"), pathlib.Path("b"),
    pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), re.compile("a"), re.compile("a", re.IGNORECASE),
    re.compile(b"a"), types.SimpleNamespace(a=1), types.MappingProxyType({"a": 1}),
    collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), collections.Counter("aab"),
    collections.defaultdict(list, a=1), collections.defaultdict(int, a=1), collections.deque([1]),
    collections.deque([1], maxlen=2), collections.ChainMap({"a": 1}),
    Colour.RED, Colour.BLUE, Colour, Level.LOW, Level.LOW | Level.HIGH, Pair(1), Pair(1, 2), Point(1), Point(1, 2),
    Point([1]), Slotted(1), Slotted(2), Defined(1), Defined(2), Plain(1), Plain(2), Text("1"), Bag({1}), Bag({2}),
    Hooked("a"), Hooked("b"), double, len, str.upper, str.lower, operator.itemgetter(1), operator.itemgetter(2),
    functools.partial(double, 1), functools.partial(double, x=1), functools.partial(double, 2), int, str, list[int],
    list[str], dict[str, int], int | str, math, operator, math.sin, Plain(1).__init__, [].append, [1].append,
    random.Random(1), random.Random(2), ValueError("a"), ValueError("b"), KeyError("a"),
]  # fmt: skip


def test_all_of_these_are_different() -> None:
    found: dict[str, Any] = {}
    for value in DIFFERENT:
        digest = value_fingerprint(value)
        assert digest not in found, (value, found[digest])
        found[digest] = value
        assert value_fingerprint([value]) not in found


@pytest.mark.parametrize("value", DIFFERENT, ids=lambda value: type(value).__name__)
def test_each_agrees_with_itself(value: Any) -> None:
    digest = value_fingerprint(value)
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert value_fingerprint(value) == digest
    if not isinstance(value, memoryview | types.ModuleType | types.MappingProxyType):
        assert value_fingerprint(copy.copy(value)) == digest


def test_what_was_only_computed_does_not_count() -> None:
    one, other = Plain(1), Plain(1)
    assert one.twice == 2
    assert value_fingerprint(one) == value_fingerprint(other)


def test_objects_that_hold_each_other() -> None:
    def ring(x: Any) -> list[Any]:
        made: list[Any] = [x, {"self": None}]
        made[1]["self"] = made
        return made

    one, other = Point(), Point()
    one.x, other.x = other, one
    assert value_fingerprint(ring(1)) == value_fingerprint(ring(1)) != value_fingerprint(ring(2))
    assert value_fingerprint(one) == value_fingerprint(other)
    shared = [1]
    assert value_fingerprint([shared, shared]) == value_fingerprint([[1], [1]])


def test_contained_in_itself_is_told_by_how_far_up() -> None:
    near: list[Any] = [[]]
    near[0].append(near[0])
    far: list[Any] = [[]]
    far[0].append(far)
    assert value_fingerprint(near) != value_fingerprint(far)


def test_class_of_an_object_counts_by_its_code() -> None:
    def define(source: str) -> Any:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        exec(f"class Model:\n    def predict(self, x): return {source}", namespace)
        return namespace["Model"]()

    assert value_fingerprint(define("x")) == value_fingerprint(define("x")) != value_fingerprint(define("x + 1"))


def test_module_of_ones_own_counts_by_its_source(project: Any) -> None:
    digests = [
        value_fingerprint(project("helpers", f"def f(): return {n}  # {index}")) for index, n in enumerate((1, 1, 2))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_locks_and_context_variables_are_as_good_as_new() -> None:
    held = threading.Lock()
    with held:
        assert value_fingerprint(held) == value_fingerprint(threading.Lock())
    one, other = (contextvars.ContextVar(name) for name in ("one", "other"))
    assert value_fingerprint(one) != value_fingerprint(other)


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (lambda s: s, "value"),
        (lambda s: [0, s], "value[1]"),
        (lambda s: {"conn": Plain(s)}, "value['conn'].x"),
        (lambda s: {1: (s,)}, "value[1][0]"),
        (lambda s: Point({"a": [s]}), "value.x['a'][0]"),
        (lambda s: Slotted(s), "value[0]"),
        (lambda s: types.SimpleNamespace(deep=[s]), "value"),
    ],
)
def test_error_names_the_path(make: Any, path: str) -> None:
    with socket.socket() as connection, pytest.raises(FingerprintError) as caught:
        value_fingerprint(make(connection))
    assert str(caught.value).startswith(path)
    assert "a socket.socket cannot be fingerprinted; give its class a `__flow_fingerprint__` method" in str(
        caught.value
    )


@pytest.mark.parametrize("value", [(x for x in "a"), sys.stdout, sys._getframe()])
def test_what_has_no_value(value: Any) -> None:
    with pytest.raises(FingerprintError, match="cannot be fingerprinted"):
        value_fingerprint(value)


def test_nested_too_deeply() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(FingerprintError, match="too deeply"):
        value_fingerprint(value)
    while value:
        value = value.pop()


def test_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(FingerprintError("why", "value[0]")))  # noqa: S301
    assert (error.reason, error.path, str(error)) == ("why", "value[0]", "value[0]: why")


def test_placeholders_are_refused() -> None:
    seen = []

    @task
    def one() -> int:
        return 1

    @flow
    def ask() -> None:
        with pytest.raises(FingerprintError, match=r"value\[0\]: a placeholder"):
            value_fingerprint([one()])
        seen.append(True)

    ask.run()
    assert seen


def test_registered_class() -> None:
    with sqlite3.connect(":memory:") as one:
        with pytest.raises(FingerprintError):
            value_fingerprint(one)
        register_fingerprint(sqlite3.Connection, lambda db: db.total_changes)
        before = value_fingerprint(one)
        one.execute("create table t (x)")
        one.execute("insert into t values (1)")
        assert value_fingerprint(one) != before
    one.close()


def test_what_is_in_a_store_counts_as_what_it_stands_for(tmp_path: pathlib.Path) -> None:
    from interactive_flow.store.lazy import stored_value
    from interactive_flow.store.values import Values

    values = Values(tmp_path, b"key")
    for value in ([1, {"a": (2.0, None)}], {3, 4}, decimal.Decimal("1.5")):
        stand_in = stored_value(values, values.pack(value))
        assert value_fingerprint(stand_in) == value_fingerprint(value)
        assert value_fingerprint({"x": [stand_in]}) == value_fingerprint({"x": [value]})

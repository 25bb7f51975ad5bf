"""A placeholder in workflow code does what its value does: every operator and protocol, against the plain value."""

# ruff: noqa: FURB171, PIE807, RUF005, SIM300, UP031, UP032  -- the operators are spelt out because they are what is tested

from __future__ import annotations

import copy
import math
import operator
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Hashable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from laboratory import Laboratory

from interactive_flow.engine.placeholder import is_placeholder


class Matrix:
    """Something with its own matrix multiplication."""

    def __matmul__(self, other: Any) -> Any:
        return "matmul", other

    def __rmatmul__(self, other: Any) -> Any:
        return "rmatmul", other

    def __imatmul__(self, other: Any) -> Any:
        return "imatmul", other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matrix)

    def __hash__(self) -> int:
        return 3


class Everything:
    """Answers protocols that hardly any builtin value has."""

    here = "class attribute"

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    def __enter__(self) -> str:
        self.seen.append("enter")
        return "entered"

    def __exit__(self, *args: Any) -> bool:
        self.seen.append(args[0])
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("made_"):
            return name
        raise AttributeError(name)

    def __format__(self, spec: str) -> str:
        return f"<{spec}>"

    def __bytes__(self) -> bytes:
        return b"bytes"

    def __fspath__(self) -> str:
        return "/path"

    def __round__(self, digits: int | None = None) -> Any:
        return "round", digits

    def __trunc__(self) -> int:
        return 1

    def __floor__(self) -> int:
        return 2

    def __ceil__(self) -> int:
        return 3

    def __complex__(self) -> complex:
        return 4j

    def __int__(self) -> int:
        return 5

    def __float__(self) -> float:
        return 6.0

    def __index__(self) -> int:
        return 7

    def __divmod__(self, other: Any) -> Any:
        return "divmod", other

    def __rdivmod__(self, other: Any) -> Any:
        return "rdivmod", other

    def __contains__(self, item: Any) -> bool:
        return bool(item == "inside")

    def __reversed__(self) -> Any:
        return iter("reversed")


def entering(p: Any) -> Any:
    with p as inside:
        raise ValueError("swallowed by __exit__")
    return inside, p.seen  # type: ignore[unreachable]


def attributes(p: Any) -> Any:
    p.fresh = [1]
    p.fresh.append(2)
    had = p.fresh
    del p.fresh
    return had, hasattr(p, "fresh"), p.here, p.made_up, getattr(p, "missing", "default"), sorted(vars(p))


def items(p: Any) -> Any:
    p["new"] = 1
    del p["old"]
    return p["new"], "old" in p, sorted(p), p.get("gone", 3), dict(p), {**p}


def unpacking(p: Any) -> Any:
    a, *rest = p
    return a, rest, [*p], max(*p), (lambda x, y, z: x + y + z)(*p)


def reloaded(p: Any) -> Any:
    return pickle.loads(pickle.dumps(p))  # noqa: S301  (what was just written)


NUMBERS: list[Any] = [7, -3, 2.5, True, 3 + 4j, Fraction(7, 2), Decimal("3.7")]
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow, divmod,
    operator.lshift, operator.rshift, operator.and_, operator.or_, operator.xor,
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
]  # fmt: skip
UNARY = [
    operator.neg, operator.pos, operator.invert, abs, bool, operator.not_, int, float, complex, operator.index, hash,
    round, lambda x: round(x, 1), math.trunc, math.floor, math.ceil, str, repr, ascii, format, bin, hex, oct,
    chr, range,
    lambda x: f"{x:>9}", lambda x: "%s" % x, lambda x: [10, 20, 30, 40, 50, 60, 70, 80][x], type(None).__eq__, bytes,
    math.sqrt, lambda x: {7: "found"}[x], lambda x: sum([x, x]), lambda x: max(x, 0), lambda x: sorted([x, 1]),
    lambda x: "ab" * x, reloaded, copy.copy, copy.deepcopy, lambda x: pow(x, 2, 5),
    lambda x: x.real, lambda x: isinstance(x, int), lambda x: x.__class__, lambda x: dir(x),
]  # fmt: skip
IN_PLACE = [
    operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ifloordiv, operator.imod, operator.ipow,
    operator.ilshift, operator.irshift, operator.iand, operator.ior, operator.ixor,
]  # fmt: skip

OTHERS: list[tuple[str, Callable[[], Any], Callable[[Any], Any]]] = [
    ("matmul", Matrix, lambda p: (p @ 2, 2 @ p, operator.imatmul(p, 2))),
    ("call", Everything, lambda p: p(1, *[2], k=3)),
    ("context manager", Everything, entering),
    ("attributes", Everything, attributes),
    ("format", Everything, lambda p: (f"{p:abc}", "{:x}".format(p))),
    ("bytes", Everything, bytes),
    ("bytes of an int", lambda: 3, bytes),
    ("bytes of a list", lambda: [1, 2], bytes),
    ("bytearray", lambda: b"ab", bytearray),
    ("fspath", Everything, os.fspath),
    ("fspath of a str", lambda: "/a/b", os.fspath),
    ("fspath of a path", lambda: PurePosixPath("/a/b"), os.fspath),
    ("a path of it", lambda: "b", lambda p: Path("a") / p),
    ("round", Everything, lambda p: (round(p), round(p, 2))),
    ("trunc", Everything, math.trunc),
    ("floor and ceil", Everything, lambda p: (math.floor(p), math.ceil(p))),
    ("floor of a large one", lambda: Decimal("12345678901234567890.5"), lambda p: (math.floor(p), math.ceil(p))),
    ("complex", Everything, complex),
    ("int, float, index", Everything, lambda p: (int(p), float(p), operator.index(p))),
    ("int of a str", lambda: "12", lambda p: (int(p), float(p), complex(p))),
    ("divmod", Everything, lambda p: (divmod(p, 2), divmod(2, p))),
    ("contains", Everything, lambda p: ("inside" in p, "outside" in p)),
    ("reversed", Everything, lambda p: list(reversed(p))),
    ("reversed list", lambda: [1, 2], lambda p: list(reversed(p))),
    ("reversed dict", lambda: {"a": 1, "b": 2}, lambda p: list(reversed(p))),
    ("items", lambda: {"old": 0, "other": 5}, items),
    ("list items", lambda: [1, 2, 3], lambda p: (p.append(9), p.__setitem__(0, 8), p.pop(1), list(p), p[-1], p[:2])),
    ("unpacking", lambda: [1, 2, 3], unpacking),
    ("keywords", lambda: {"a": 1}, lambda p: dict(**p)),
    ("len and bool", lambda: [], lambda p: (len(p), bool(p), not p)),
    ("iteration", lambda: "abc", lambda p: (list(p), [*enumerate(p)], [*zip(p, p, strict=True)], [*map(str.upper, p)])),
    ("slices", lambda: 1, lambda p: ([1, 2, 3][p:], [1, 2, 3][:p], "abc"[::p])),
    ("membership", lambda: [1, 2], lambda p: (1 in p, 3 in p)),
    ("in a list", lambda: 2, lambda p: (p in [1, 2], p in [3], [1, 2].index(p), [2, 2].count(p))),
    ("as key", lambda: "k", lambda p: ({"k": 1}[p], {p: 2}, {p}, p in {"k"})),
    ("text", lambda: "b", lambda p: ("a" + p, p + "c", p * 2, 2 * p, p.upper(), f"{p!r}{p!s}{p!a}", p % ())),
    ("text format", lambda: "%d/%d", lambda p: p % (1, 2)),
    ("lists", lambda: [1], lambda p: ([0] + p, p + [2], p * 2, p == [1], [1] == p, p < [2])),
    ("sets", lambda: {1, 2}, lambda p: (p & {1}, {1, 2, 3} - p, p | {9}, p ^ {1}, p <= {1, 2}, {1} < p)),
    ("dicts", lambda: {"a": 1}, lambda p: (p | {"b": 2}, {"b": 2} | p)),
    ("in place on a list", lambda: [1], lambda p: (operator.iadd(p, [2]), operator.imul([3], p[0]))),
    ("iadd to a list", lambda: [1], lambda p: operator.iadd([0], p)),
    ("copies", lambda: [[1]], lambda p: (copy.copy(p), copy.deepcopy(p), type(copy.copy(p)), type(copy.deepcopy(p)))),
    ("pickle", lambda: {"a": [1]}, lambda p: (reloaded(p), type(reloaded(p)))),
    ("isinstance", lambda: 1, lambda p: (isinstance(p, int), isinstance(p, str), isinstance(p, Hashable))),
    ("as a class", lambda: int, lambda p: (isinstance(3, p), isinstance("", p), issubclass(bool, p), p("5"))),
    ("as a decorator", lambda: staticmethod, lambda p: type(p(len))),
    ("arrays", lambda: np.arange(3), lambda p: ((p + 1).tolist(), (1 + p).tolist(), p.sum(), np.sum(p))),
    ("ufuncs of an array", lambda: np.arange(3), lambda p: (np.sqrt(p).tolist(), np.add(p, p).dtype.kind)),
    ("an array and a number", lambda: 3, lambda p: ((np.arange(3) + p).dtype.kind, (np.arange(3) + p).tolist())),
    ("ufuncs of a number", lambda: 4.0, lambda p: (float(np.sqrt(p)), np.multiply([1.0], p).dtype.kind)),
    ("array of numbers", lambda: 3, lambda p: (np.asarray([p, p]).dtype.kind, np.asarray(p).dtype.kind)),
    ("array of a list", lambda: [1, 2], lambda p: (np.asarray(p).tolist(), np.asarray(p).dtype.kind)),
]  # fmt: skip


def outcome(use: Callable[..., Any], *args: Any) -> Any:
    """What `use` gives, or the class of what it raises."""
    try:
        return use(*args)
    except Exception as error:
        return type(error)


def in_workflow(value: Any, use: Callable[[Any], Any]) -> Any:
    """What `use` gives for a placeholder of `value`, in workflow code."""
    lab = Laboratory()

    def code() -> Any:
        p = lab.give(value)
        assert is_placeholder(p)
        return [outcome(use, p)]

    (result,) = lab.run(code)
    return result


def same(got: Any, wanted: Any) -> bool:
    return bool(got == wanted and type(got) is type(wanted)) or (got != got and wanted != wanted)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_binary_operators(function: Callable[[Any, Any], Any]) -> None:
    for value in NUMBERS:
        for other in NUMBERS:
            wanted = outcome(function, value, other)
            assert same(in_workflow(value, lambda p, y=other: function(p, y)), wanted), (value, other)
            wanted = outcome(function, other, value)
            assert same(in_workflow(value, lambda p, y=other: function(y, p)), wanted), (other, value)


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_operators_on_two_placeholders(function: Callable[[Any, Any], Any]) -> None:
    lab = Laboratory()
    for x, y in [(7, 2), (2.5, 2), (True, False), (Fraction(7, 2), 2)]:
        (result,) = lab.run(lambda a=x, b=y: [outcome(function, lab.give(a), lab.give(b))])
        assert same(result, outcome(function, x, y))


@pytest.mark.parametrize("function", UNARY, ids=lambda f: getattr(f, "__name__", str(f)))
def test_unary_operators_and_conversions(function: Callable[[Any], Any]) -> None:
    for value in [*NUMBERS, [1, 2], None]:
        assert same(in_workflow(value, function), outcome(function, value)), value


@pytest.mark.parametrize("function", IN_PLACE, ids=lambda f: f.__name__)
def test_in_place_operators_leave_others_alone(function: Callable[[Any, Any], Any]) -> None:
    def use(p: Any) -> Any:
        kept = p
        changed = function(p, 3)
        return changed, kept == 12, p == 12

    assert in_workflow(12, use) == (function(12, 3), True, True)


def test_augmented_assignment_rebinds_only_its_own_name() -> None:
    def use(p: Any) -> Any:
        total = p
        total += 1
        total **= 2
        return total, p + 0

    assert in_workflow(3, use) == (16, 3)


@pytest.mark.parametrize(("value", "use"), [case[1:] for case in OTHERS], ids=[case[0] for case in OTHERS])
def test_protocols(value: Callable[[], Any], use: Callable[[Any], Any]) -> None:
    assert repr(in_workflow(value(), use)) == repr(use(value()))


def test_power_of_a_placeholder_to_a_placeholder_modulo_one() -> None:
    lab = Laboratory()
    assert lab.run(lambda: pow(lab.give(7), lab.give(2), lab.give(5))) == 4


def test_power_with_a_placeholder_as_the_modulus_does_not_crash() -> None:
    program = """
from interactive_flow import flow, task
five = task(lambda: 5)
def code():
    try:
        return pow(7, 2, five())
    except TypeError as error:
        return error
print(flow(code).run())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == "4\n" or "unsupported operand" in done.stdout


def test_a_property_is_evaluated_once_even_where_it_raises_attribute_error() -> None:
    class Odd:
        times = 0

        @property
        def broken(self) -> int:
            Odd.times += 1
            raise AttributeError("from inside")

    assert in_workflow(Odd(), lambda p: getattr(p, "broken", "default")) == "default"
    assert Odd.times == 1


def test_a_missing_attribute_is_told_of_the_value() -> None:
    def use(p: Any) -> str:
        with pytest.raises(AttributeError) as caught:
            p.nope
        return str(caught.value)

    assert in_workflow([], use) == "'list' object has no attribute 'nope'"

"""The table in docs/limits.md: that a placeholder fails where the page says so, and that `wait` is the way out.

Should one of these begin to work, this fails too, and the page can lose a line.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from interactive_flow import flow, task, wait

PAGE = (Path(__file__).parents[1] / "docs" / "limits.md").read_text()


@dataclasses.dataclass
class Point:
    x: int


def shape(value: Any) -> str:
    match value:
        case [_, _]:
            return "sequence"
        case {"k": _}:
            return "mapping"
        case Point():
            return "class"
        case _:
            return "none of them"


def raise_it(error: Exception) -> None:
    raise error


CASES: list[tuple[str, Any, Callable[[Any], Any], Any]] = [
    ("p is None", None, lambda p: p is None, False),
    ("type(p)", 1, lambda p: type(p) is int, False),
    ("match p:", [1, 2], shape, "none of them"),
    ("match p:", {"k": 1}, shape, "none of them"),
    ("json.dumps(p)", [1], json.dumps, TypeError),
    ('",".join([p, p])', "a", lambda p: ",".join(2 * [p]), TypeError),
    ('p in "text"', "t", lambda p: p in "text", TypeError),
    ('"a,b".split(p)', ",", lambda p: "a,b".split(p), TypeError),
    ("Decimal(p)", "1.5", Decimal, TypeError),
    ("memoryview(p)", b"a", memoryview, TypeError),
    ("dataclasses.asdict(p)", Point(1), lambda p: dataclasses.asdict(p), TypeError),
    ("raise p", KeyError("k"), raise_it, TypeError),
    ("issubclass(p, …)", int, lambda p: issubclass(p, int), False),
    ("callable(p)", 1, callable, True),
]


def outcome(function: Callable[[Any], Any], value: Any) -> Any:
    """What `function` gives for `value`, or the class of what it raises."""
    try:
        return function(value)
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(("written", "value", "use", "wrong"), CASES)
def test_placeholder_cannot_stand_in(written: str, value: Any, use: Callable[[Any], Any], wrong: Any) -> None:
    give = task(lambda: value, name="give")

    @flow
    def code() -> tuple[Any, Any]:
        return outcome(use, give()), outcome(use, wait(give()))

    assert f"| `{written}`" in PAGE
    with_placeholder, with_value = code.run()
    assert with_placeholder == wrong
    assert with_value == outcome(use, value) != wrong


def test_patterns_that_do_work() -> None:
    give = task(lambda: Point(1), name="give")
    assert flow(lambda: shape(give())).run() == "class"

"""What a call costs whose value is known from before; each function is for a process of its own.

`SHAPES`: calls beside each other, calls that depend on one another, and calls at each of which the code stands still,
so that they can only be looked up one by one.
"""

from __future__ import annotations

import tempfile
from typing import Any

from measure import HERE, Stopwatch

from interactive_flow import flow, task, wait

FACTOR = 3
SHAPES = ("fan-out", "chain", "barriers")


def scaled(x: int) -> int:
    """A helper, so that the tasks' code is more than one function."""
    return FACTOR * x


@task(cache=True)
def label(x: int, text: str = "", *, upper: bool = False) -> list[Any]:
    """Gives something small."""
    return [scaled(x), text.upper() if upper else text]


@task(cache=True)
def following(before: list[Any]) -> list[Any]:
    """The same, from what such a call gave."""
    return [before[0] + scaled(1), before[1]]


@flow
def fan_out(n: int) -> Any:
    """Calls beside each other."""
    return [label(x, "some text", upper=True) for x in range(n)]


@flow
def chain(n: int) -> Any:
    """Calls that depend on one another."""
    value = label(0, "some text")
    for _ in range(n - 1):
        value = following(value)
    return value


@flow
def barriers(n: int) -> Any:
    """Calls at each of which the code stands still."""
    value = wait(label(0, "some text"))
    for _ in range(n - 1):
        value = wait(following(value))
    return value


def hits(shape: str, n: int, store: bool) -> dict[str, float]:
    """A run that computes everything, and one that computes nothing; seconds for all calls."""
    calls = {"fan-out": fan_out, "chain": chain, "barriers": barriers}[shape].options(display="none", max_workers=4)
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        if store:
            calls = calls.options(store=folder)
        calls.run(20)
        with Stopwatch() as first:
            expected = calls.run(n)
        with Stopwatch() as second:
            found = calls.run(n)
        computed = sum(call.cached_from is None for call in calls.last_run.calls)
        if found != expected or computed:
            raise AssertionError(f"{computed} calls were computed again")
    return {"first": first.wall, "first cpu": first.cpu, "wall": second.wall, "cpu": second.cpu}

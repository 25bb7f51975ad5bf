"""Nine small workflows that between them show every shape that concurrency takes here.

They are the demonstration of the system that this one descends from (Flowy, by Sever Banesiu): one task that squares
one number or adds two, and takes as long as it is told, in *units* of time.  `NINE` has for each the result and the
number of units that it takes with enough workers.

The task is injected, so a benchmark lets it sleep, a test lets a fake clock run, and the sequential run is just Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from interactive_flow import Workflow, finish_order, first, parallel_reduce, wait, workflow

MAPS = {1: 5, 2: 15, 3: 10, 4: 60, 5: 50, 6: 20}
"""What the three reducing workflows square, and the units that each takes."""

REDUCTION = 15
"""The units that an addition takes."""


def square_or_add(sleep: Callable[[float], None]) -> Callable[..., int]:
    """The task: squares one argument or adds two, after ``sleep(units)``."""

    def compute(x: int, y: int | None = None, units: float = 0) -> int:
        sleep(units)
        return x * x if y is None else x + y

    return compute


def _four_squares(compute: Any) -> list[Any]:
    return [compute(n, units=units) for n, units in ((1, 10), (2, 5), (3, 15), (4, 20))]


def _six_squares(compute: Any) -> list[Any]:
    return [compute(n, units=units) for n, units in MAPS.items()]


@workflow
def sequential(compute: Any) -> Callable[[], Any]:
    """A chain: every call needs the result of the one before."""

    def run() -> Any:
        result = 2
        for units in (10, 5, 15, 20):
            result = compute(result, units=units)
        return result

    return run


@workflow
def parallel_wait(compute: Any) -> Callable[[], Any]:
    """Four calls side by side, and a barrier for each."""

    def run() -> Any:
        results = _four_squares(compute)
        for result in results:
            wait(result)
        return results[2]

    return run


@workflow
def parallel_sum(compute: Any) -> Callable[[], Any]:
    """Four calls side by side; adding them up is the barrier."""

    def run() -> Any:
        return sum(_four_squares(compute))

    return run


@workflow
def wait_first(compute: Any) -> Callable[[], Any]:
    """Four calls side by side, of which only the first to finish is needed."""

    def run() -> Any:
        return first(*_four_squares(compute))

    return run


@workflow
def wait_first_two(compute: Any) -> Callable[[], Any]:
    """Four calls side by side, of which the first two to finish are needed."""

    def run() -> Any:
        results = finish_order(_four_squares(compute))
        return next(results) + next(results)

    return run


@workflow
def conditional(compute: Any) -> Callable[[], Any]:
    """What is called next depends on a result."""

    def run() -> Any:
        if compute(10, units=10) >= 100:
            return compute(20, units=10)
        return 1

    return run


@workflow
def naive_map_reduce(compute: Any) -> Callable[[], Any]:
    """Adds the squares up from left to right: nothing is lost, and little overlaps."""

    def run() -> Any:
        squares = _six_squares(compute)
        total = squares[0]
        for square in squares[1:]:
            total = compute(total, square, units=REDUCTION)
        return total

    return run


@workflow
def finish_order_map_reduce(compute: Any) -> Callable[[], Any]:
    """Adds the squares up in the order in which they finish."""

    def run() -> Any:
        squares = finish_order(_six_squares(compute))
        total = next(squares)
        for square in squares:
            total = compute(total, square, units=REDUCTION)
        return total

    return run


@workflow
def parallel_map_reduce(compute: Any) -> Callable[[], Any]:
    """Adds up any two results as soon as they are there."""

    def run() -> Any:
        return parallel_reduce(lambda x, y: compute(x, y, units=REDUCTION), _six_squares(compute))

    return run


class Expected(NamedTuple):
    """What a workflow must give, and in how many units of time."""

    workflow: Workflow[[], Any]
    result: int
    units: float
    in_sequence: int
    """The result of the sequential run; another one where the workflow returns what finishes first."""


NINE: dict[str, Expected] = {
    "Sequential": Expected(sequential, 65536, 50, 65536),
    "ParallelWait": Expected(parallel_wait, 9, 20, 9),
    "ParallelSum": Expected(parallel_sum, 30, 20, 30),
    "WaitFirst": Expected(wait_first, 4, 5, 1),
    "WaitFirstTwo": Expected(wait_first_two, 5, 10, 5),
    "Conditional": Expected(conditional, 400, 20, 400),
    "NaiveMapReduce": Expected(naive_map_reduce, 91, 105, 91),
    "FinishOrderMapReduce": Expected(finish_order_map_reduce, 91, 85, 91),
    "ParallelMapReduce": Expected(parallel_map_reduce, 91, 80, 91),
}

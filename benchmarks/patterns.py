"""Five shapes of work, written once, for every engine that is compared.

All tasks do nothing, so that all the time that passes is what the engine costs:

- *fan-out*: n independent calls;
- *chain*: n calls, each needing the one before;
- *tree reduction*: n / 2 calls, reduced two by two with n / 2 - 1 more;
- *dynamic fan-out*: n / 100 times a call whose result says for what 99 others are to be made;
- *barrier loop*: n calls, and the code waits for each before it makes the next.

An `Engine` is an adapter: how this engine makes a task of a function, and how it gives values.  An engine for which a
shape is written in another way overrides the method of that shape.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from measure import PACE, Stopwatch

PATTERNS = ("fan_out", "chain", "tree", "dynamic", "barriers")
TITLES = {
    "fan_out": "fan-out",
    "chain": "chain",
    "tree": "tree reduction",
    "dynamic": "dynamic fan-out",
    "barriers": "barrier loop",
}
WORKERS = 4
_ROUND = 100
_WARM_UP = 200


def same(x: Any) -> Any:
    """The task that does nothing."""
    return x


def add(x: int, y: int) -> int:
    """The task of reductions."""
    return x + y


def items(x: int) -> list[int]:
    """The task whose result says what is to be called next."""
    return list(range(x, x + _ROUND - 1))


class Engine(ABC):
    """How the shapes are written for one engine.

    Attributes:
        name: what it is called in tables.
        most: how many calls a measurement makes at most; an engine that takes milliseconds for each is not asked
            for thousands.
        most_by_pattern: the same, for single patterns.
        starts_slowly: True where it takes seconds to get ready, so that one process measures everything.
        scratch: a directory for its files.
    """

    name: ClassVar[str]
    most: ClassVar[int] = 10_000
    most_by_pattern: ClassVar[dict[str, int]] = {}
    starts_slowly: ClassVar[bool] = False
    scratch: str

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @abstractmethod
    def open(self) -> None:
        """Imports the engine and starts what it needs, before anything is measured."""

    def close(self) -> None:  # noqa: B027 - most have nothing to stop
        """Stops what `open` started."""

    @abstractmethod
    def task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """What is called instead of the function, with plain values or with what other tasks gave; gives a handle."""

    @abstractmethod
    def values(self, handles: list[Any]) -> list[Any]:
        """Waits for the values behind handles."""

    def value(self, handle: Any) -> Any:
        """Waits for the value behind a handle."""
        return self.values([handle])[0]

    def program(self, code: Callable[..., Any]) -> Callable[..., Any]:
        """Code that calls tasks, made into what the engine runs when it is called."""
        return code

    # -- the shapes: each gives a value that shows whether the work was done --------------------------------------

    def fan_out(self, n: int) -> int:
        """N independent calls; the sum of their values."""
        task = self.task(same)
        return sum(self.values([task(x) for x in range(n)]))

    def chain(self, n: int) -> Any:
        """N calls, each needing the one before; the number that was passed on."""
        task = self.task(same)
        x: Any = n
        for _ in range(n):
            x = task(x)
        return self.value(x)

    def tree(self, n: int) -> Any:
        """The sum of n / 2 values, by a tree of additions."""
        leaf, join = self.task(same), self.task(add)
        level = [leaf(x) for x in range(n // 2)]
        while len(level) > 1:
            pairs = [join(x, y) for x, y in zip(level[0::2], level[1::2], strict=False)]
            level = pairs + level[2 * len(pairs) :]
        return self.value(level[0])

    def dynamic(self, n: int) -> int:
        """N / 100 rounds of a call, and 99 more for what it gave; the sum of their values."""
        source, task = self.task(items), self.task(same)
        total = 0
        for x in range(n // _ROUND):
            total += sum(self.values([task(y) for y in self.value(source(x))]))
        return total

    def barriers(self, n: int) -> int:
        """N calls one by one; the sum of their values."""
        task = self.task(same)
        total = 0
        for x in range(n):
            total += self.value(task(x))
        return total

    def grid(self, points: list[list[list[int]]], function: Callable[..., Any], *arguments: Any) -> None:
        """Rows of calls, one below the other.

        Args:
            points: for each row, for each call, the columns of the row above that it needs.
            function: what is called: with `arguments`, and then with what the calls above gave.
        """
        task = self.task(function)
        above: list[Any] = []
        made: list[Any] = []
        for row in points:
            above = [task(*arguments, *(above[column] for column in needs)) for needs in row]
            made += above
        self.values(made)


def expected(pattern: str, n: int) -> int:
    """What a pattern gives where all its calls were made."""
    if pattern == "chain":
        return n
    if pattern == "tree":
        return sum(range(n // 2))
    if pattern == "dynamic":
        return sum(sum(items(x)) for x in range(n // _ROUND))
    return sum(range(n))


def calls_of(engine: type[Engine], pattern: str, n: int) -> int:
    """How many calls a measurement of this engine makes, where others make `n`."""
    return min(n, engine.most, engine.most_by_pattern.get(pattern, n))


@contextmanager
def opened(engine: str, workers: int) -> Iterator[Engine]:
    """The engine of this name, ready for work, with a directory for its logs, databases and sockets that goes away."""
    from peers import ENGINES

    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as scratch:
        subject = ENGINES[engine](workers)
        subject.scratch = scratch
        subject.open()
        yield subject
        subject.close()


def measure(engine: str, patterns: list[str], n: int, repeat: int = 1) -> dict[str, float]:
    """Measures patterns, in turn; to be run in a fresh process (see `measure`).

    Returns:
        For each pattern and each repetition, as ``"fan_out 0 wall"``, microseconds a call by the clock; likewise
        ``cpu``, of this process' processor time, and ``pace`` (see `measure.Stopwatch`).
    """
    values = {}
    with opened(engine, WORKERS) as subject:
        for repetition in range(repeat):
            for pattern in patterns:
                watch, calls = _measure_once(subject, pattern, calls_of(type(subject), pattern, n))
                values[f"{pattern} {repetition} wall"] = watch.wall / calls * 1e6
                values[f"{pattern} {repetition} cpu"] = watch.cpu / calls * 1e6
                values[f"{pattern} {repetition} {PACE}"] = watch.pace
    return values


def _measure_once(subject: Engine, pattern: str, n: int) -> tuple[Stopwatch, int]:
    program = subject.program(getattr(subject, pattern))
    program(min(n // 2, _WARM_UP))
    with Stopwatch() as watch:
        result = program(n)
    if result != expected(pattern, n):
        raise AssertionError(f"{subject.name}, {pattern}: {result!r} instead of {expected(pattern, n)!r}")
    return watch, n

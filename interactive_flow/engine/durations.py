"""How long tasks take: what a run learns about them, for itself and for later runs.

Two decisions rest on it.  Among ready calls the one with the longest remaining path goes first, and that takes
durations.  And a call that is over sooner than another thread could take it on is better run where it stands; a task
is trusted to be of that kind only after a number of calls that all were, and loses that trust with one that was not.

Durations are kept for the life of the process, by the task's name and where its function is defined.
"""

from __future__ import annotations

import gc
from array import array
from collections.abc import Callable
from typing import Any

TINY = 25e-6
"""Seconds: about what it costs to hand a call to another thread and to hear from it.

Measured with a `queue.SimpleQueue` each way between two threads of CPython 3.11: 14 to 30 µs.
"""

LONG = 20e-3
"""Seconds: a task that takes as long as this once is not called tiny again before some hundred calls have shown it.

The machine's other work may well keep a thread waiting for some milliseconds, and that says nothing about the task.
"""

_TRUSTED, _MOST = 16, 32

SHORT = 1e-3
"""Seconds: of calls that take less it is of no interest which of them took how long."""

_NUMBERS = 10_000
"""How many calls of a task are remembered one by one."""


class Durations:
    """What is known of one task.

    Attributes:
        count: how many calls were measured.
        tiny: True where its calls have proved to be over sooner than another thread could take them on.
        mean: seconds, with the later calls weighing more (each a tenth); 0 before the first.
    """

    __slots__ = ("_by_number", "_collections", "_score", "count", "mean", "tiny")

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.tiny = False
        self._score = 0
        self._collections = 0
        self._by_number = array("f")

    def learn(self, seconds: float, number: int, judged: bool = False) -> None:
        """The call with this number took this long.

        Args:
            seconds: by which clock ever.
            number: of the call.
            judged: whether that speaks for or against running such calls where they stand.
        """
        if judged:
            if seconds >= TINY:
                self._judge(seconds)
            elif self._score < _MOST:
                self._score += 1
                self.tiny = self._score >= _TRUSTED
        known = self._by_number
        if number <= len(known):
            known[number - 1] = seconds
        elif seconds >= SHORT and number <= _NUMBERS:
            known.extend([-1.0] * (number - 1 - len(known)))
            known.append(seconds)
        self.count = count = self.count + 1
        self.mean += (seconds - self.mean) / min(count, 10)

    def expected(self, number: int) -> float:
        """Seconds that the call with this number is expected to take: what it took last time, else the mean.

        Calls of one task may differ as much as their inputs do; but the third call of a workflow is likely to have the
        same input when the workflow runs again.
        """
        if number <= len(self._by_number) and self._by_number[number - 1] >= 0:
            return self._by_number[number - 1]
        return self.mean

    def _judge(self, seconds: float) -> None:
        """A call was not tiny."""
        blamed = 8 if seconds < LONG or self._collected() else 9 * _MOST
        self._score = max(self._score - blamed, -8 * _MOST)
        self.tiny = self._score >= _TRUSTED

    def _collected(self) -> bool:
        """True where the garbage collector has gone through everything since it was asked last, and may be to blame."""
        before, self._collections = self._collections, gc.get_stats()[-1]["collections"]
        return self._collections != before


_known: dict[tuple[str, str, str], Durations] = {}


def durations_of(name: str, fn: Callable[..., Any]) -> Durations:
    """What is known of the task of this name that calls `fn`; a function defined anew is known as the old one was."""
    key = (name, getattr(fn, "__module__", None) or "", getattr(fn, "__qualname__", ""))
    known = _known.get(key)
    if known is None:
        known = _known[key] = Durations()
    return known


def forget_durations() -> None:
    """Starts learning afresh, for tasks that are made from now on."""
    _known.clear()

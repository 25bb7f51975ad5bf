"""Python's garbage collector, while runs go on.

A run makes many objects that live on: a call, its placeholder, its events.  The collector takes many new objects that
are not given back for a sign of garbage and looks for some among them, again and again, which with its usual settings
is a third of the time that a run of 100 000 short tasks takes.  So while runs go on

- it looks at new objects after every ten thousand of them instead of every seven hundred;
- at those that it has seen once it looks once a second, instead of at every tenth time: often where few objects are
  made, by tasks that take their time and may leave large garbage, and seldom where many are made by many calls.

The oldest are left to its usual rules.  What it finds stays the same, and all is put back afterwards.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

PATIENCE = 10_000
"""New objects between two looks at the youngest ones."""

INTERVAL = 1.0
"""Seconds between two looks at those that were looked at once."""

_AT_ONCE, _NOT_NOW = 0, 1_000_000
_LOOKS_BY_AGE = sys.version_info < (3, 14)
"""Later ones have no middle age, and understand the second threshold differently."""

_lock = threading.Lock()
_users = 0
_before = (0, 0, 0)
_looked_at = 0.0


@contextmanager
def patient_collector() -> Iterator[None]:
    """Within it, the collector looks less often; may be entered by several runs at once.

    Leaves alone what somebody has set to look even less often, or not at all, and what somebody changes meanwhile.
    """
    global _users, _before, _looked_at
    with _lock:
        _users += 1
        if _users == 1:
            _before = gc.get_threshold()
            if 0 < _before[0] < PATIENCE:
                _looked_at = monotonic()
                gc.set_threshold(PATIENCE, *_before[1:])
                if _LOOKS_BY_AGE:
                    gc.callbacks.append(_see_to_the_middle)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                if _see_to_the_middle in gc.callbacks:
                    gc.callbacks.remove(_see_to_the_middle)
                if _is_ours():
                    gc.set_threshold(*_before[:2], gc.get_threshold()[2])


def _is_ours() -> bool:
    """True where the first two settings are still as they were made here."""
    young, middle, _ = gc.get_threshold()
    return 0 < _before[0] < PATIENCE == young and middle in (_before[1], _AT_ONCE, _NOT_NOW)


def _see_to_the_middle(phase: str, info: dict[str, int]) -> None:
    """The collector has looked: says whether it should look further the next time."""
    global _looked_at
    if phase != "stop" or not _is_ours():
        return
    now = monotonic()
    if info["generation"]:
        _looked_at = now
    gc.set_threshold(PATIENCE, _AT_ONCE if now - _looked_at > INTERVAL else _NOT_NOW, gc.get_threshold()[2])

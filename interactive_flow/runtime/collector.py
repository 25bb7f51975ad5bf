"""Python's garbage collector, while runs go on.

A run makes many objects that live on: a call, its placeholder, its events.  The collector takes many new objects that
are not given back for a sign of garbage and looks for some among them, again and again, which with its usual settings
is a third of the time that a run of 100 000 short tasks takes.  So while runs go on it looks after every ten thousand
new objects instead of every seven hundred.  What it finds stays the same, and all is put back afterwards.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 10_000
"""New objects between two looks at the youngest ones."""

_lock = threading.Lock()
_users = 0
_before = 0


@contextmanager
def patient_collector() -> Iterator[None]:
    """Within it, the collector looks less often; may be entered by several runs at once.

    Leaves alone what somebody has set to look even less often, or not at all, and what somebody changes meanwhile.
    """
    global _users, _before
    with _lock:
        _users += 1
        young, *older = gc.get_threshold()
        if _users == 1:
            _before = young
            if 0 < young < PATIENCE:
                gc.set_threshold(PATIENCE, *older)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            young, *older = gc.get_threshold()
            if _users == 0 and 0 < _before < PATIENCE and young == PATIENCE:
                gc.set_threshold(_before, *older)

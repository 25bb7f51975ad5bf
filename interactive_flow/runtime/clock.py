"""Time, and waiting for a signal until a deadline: what tests replace (see `interactive_flow.testing`)."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Protocol

_LOOK_FOR_SIGNALS = 0.25
"""Seconds."""


class Clock(Protocol):
    """Where a runner gets its time."""

    def now(self) -> float:
        """Seconds, from an arbitrary start; never goes back."""

    def wait(self, signal: SimpleQueue[None], timeout: float | None) -> None:
        """Returns once something is in `signal` (and takes one thing out), or after `timeout` seconds."""


class SystemClock:
    """The machine's monotonic clock."""

    now = staticmethod(time.monotonic)

    def wait(self, signal: SimpleQueue[None], timeout: float | None) -> None:
        """Blocks the thread; an interrupt ends it."""
        # Waking early does no harm.  A signal that comes just before the thread blocks is not looked at until something
        # wakes the thread, and only the main thread looks at signals: so there, no wait is long.
        longest = _LOOK_FOR_SIGNALS if threading.current_thread() is threading.main_thread() else threading.TIMEOUT_MAX
        try:
            signal.get(timeout=longest if timeout is None else min(timeout, longest))
        except Empty:
            pass


SYSTEM_CLOCK = SystemClock()

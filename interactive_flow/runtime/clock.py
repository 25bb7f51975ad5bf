"""Time, and waiting for a signal until a deadline: what tests replace (see `interactive_flow.testing`)."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import Protocol


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
        try:
            # Waking early does no harm, and longer than this no lock can wait.
            signal.get(timeout=None if timeout is None else min(timeout, threading.TIMEOUT_MAX))
        except Empty:
            pass


SYSTEM_CLOCK = SystemClock()

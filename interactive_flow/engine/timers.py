"""Deadlines: what must happen at a given time if nothing else happens before.

The engine keeps them in a heap and names the nearest; whoever drives it comes back at that time.  A timer is never
taken out of the heap: when it fires, it looks whether it still applies.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from enum import Enum
from itertools import count

from interactive_flow.engine.calls import Job, TaskCall


class TimerKind(Enum):
    """What the time has come for.  The values of the timeouts name the fields of `Timeout`."""

    @property
    def complaint(self) -> str:
        """What did not happen in time."""
        return _COMPLAINTS[self]

    @property
    def concerns_one_attempt(self) -> bool:
        """True where another attempt may do better."""
        return self in (TimerKind.START_TO_CLOSE, TimerKind.HEARTBEAT)

    RETRY = "retry"
    SCHEDULE_TO_START = "schedule_to_start"
    SCHEDULE_TO_CLOSE = "schedule_to_close"
    START_TO_CLOSE = "start_to_close"
    HEARTBEAT = "heartbeat"


_COMPLAINTS = {
    TimerKind.SCHEDULE_TO_START: "no worker began",
    TimerKind.SCHEDULE_TO_CLOSE: "not finished, attempts and waiting together,",
    TimerKind.START_TO_CLOSE: "the attempt was not finished",
    TimerKind.HEARTBEAT: "no heartbeat",
}


class Timers:
    """A heap of deadlines."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, TimerKind, TaskCall, Job | None]] = []
        self._ticket = count()

    def __bool__(self) -> bool:
        return bool(self._heap)

    def arm(self, when: float, kind: TimerKind, call: TaskCall, job: Job | None = None) -> None:
        """Sets a timer for `when`, in seconds since the start of the run."""
        heapq.heappush(self._heap, (when, next(self._ticket), kind, call, job))

    def due(self, now: float) -> Iterator[tuple[TimerKind, TaskCall, Job | None]]:
        """Takes out, earliest first, what is due at `now`."""
        while self._heap and self._heap[0][0] <= now:
            _, _, kind, call, job = heapq.heappop(self._heap)
            yield kind, call, job

    def next_deadline(self) -> float | None:
        """When the nearest timer that still concerns anybody fires; None where there is none."""
        while self._heap and self._heap[0][3].done:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

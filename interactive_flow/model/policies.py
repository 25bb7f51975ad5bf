"""How often and how long: retry and timeout policies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed attempt is made again.

    Attributes:
        attempts: how many attempts at the most, the first one included; at least 1.
        delay: seconds before the second attempt.
        backoff: what each further delay is multiplied by.
        on: the exceptions that are worth another attempt.  A timeout always is.
        delays: seconds before each attempt, first one included; when given, it stands in for the other three.

    Example:
        >>> Retry(attempts=3, delay=0.5, backoff=2.0).wait_before(3)
        1.0
    """

    attempts: int = 1
    delay: float = 0.0
    backoff: float = 1.0
    on: tuple[type[BaseException], ...] | type[BaseException] = (Exception,)
    delays: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        on: Any = (self.on,) if isinstance(self.on, type) else self.on
        if isinstance(on, str) or not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in on):
            raise TypeError(f"Retry(on={self.on!r}): expected exception classes")
        object.__setattr__(self, "on", tuple(on))
        if self.delays:
            object.__setattr__(self, "attempts", len(self.delays))
        if self.attempts < 1:
            raise ValueError(f"Retry(attempts={self.attempts}): at least one attempt is needed")
        if not all(number >= 0 for number in (self.delay, self.backoff, *self.delays)):  # nan is not, either
            raise ValueError(f"{self!r}: delays and backoff are not negative")

    @classmethod
    def of(cls, given: Retry | int | Sequence[float] | None) -> Retry:
        """What `task(retry=…)` accepts: a policy, a number of attempts, or the delay before each attempt."""
        match given:
            case None:
                return cls()
            case Retry():
                return given
            case bool():
                pass
            case int():
                return cls(attempts=given)
            case list() | tuple() if given:
                return cls(delays=tuple(float(d) for d in given))
        raise TypeError(f"retry={given!r}: expected a Retry, a number of attempts, or the delays before each attempt")

    def wait_before(self, attempt: int) -> float:
        """Seconds to wait before attempt number `attempt`, counted from 1."""
        if self.delays:
            return self.delays[attempt - 1]
        if attempt == 1 or not self.delay:
            return 0.0
        try:
            return float(self.delay * self.backoff ** (attempt - 2))
        except OverflowError:
            return math.inf


@dataclass(frozen=True, slots=True)
class Timeout:
    """How long a call may take, in seconds; None is for ever.

    Attributes:
        start_to_close: one attempt, from the moment a worker begins.
        schedule_to_start: from the moment the arguments are there until a worker begins.
        schedule_to_close: all attempts and the waiting between them.
        heartbeat: between two heartbeats of a running attempt.

    Example:
        >>> Timeout.of(5)
        Timeout(start_to_close=5, schedule_to_start=None, schedule_to_close=None, heartbeat=None)
    """

    start_to_close: float | None = None
    schedule_to_start: float | None = None
    schedule_to_close: float | None = None
    heartbeat: float | None = None

    def __post_init__(self) -> None:
        for name in ("start_to_close", "schedule_to_start", "schedule_to_close", "heartbeat"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"Timeout({name}={seconds!r}): a timeout is a positive number of seconds, or None")

    @classmethod
    def of(cls, given: Timeout | float | None) -> Timeout:
        """What `task(timeout=…)` accepts: a policy, or seconds from start to close."""
        match given:
            case None:
                return cls()
            case Timeout():
                return given
            case bool():
                pass
            case int() | float():
                return cls(start_to_close=given)
        raise TypeError(f"timeout={given!r}: expected a Timeout or a number of seconds")

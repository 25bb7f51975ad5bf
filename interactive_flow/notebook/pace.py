"""How often work may be done and how much may be sent, so that watching a run never takes much from the run itself."""

from __future__ import annotations


class Pace:
    """Says when work that repeats is due again.

    Two bounds hold: at least `interval` seconds from one beginning to the next, and at most `share` of the time spent
    at work.  The second one matters where the work grows with the run: laying out a graph, describing its nodes.

    Args:
        interval: seconds, at least 0.
        share: the part of the time that the work may take, above 0 and at most 1.

    Example:
        >>> pace = Pace(interval=0.3, share=0.2)
        >>> pace.due(10.0)
        True
        >>> pace.worked(10.0, took=0.5)  # so rest until 12.5
        >>> pace.due(12.4), pace.due(12.5)
        (False, True)
    """

    __slots__ = ("_next", "interval", "share")

    def __init__(self, interval: float, share: float) -> None:
        self.interval = interval
        self.share = share
        self._next = float("-inf")

    def due(self, now: float) -> bool:
        """True where the work may be done now; `now` is in seconds of any one clock."""
        return now >= self._next

    def worked(self, began: float, took: float) -> None:
        """Tells that the work was done at `began` and took so many seconds, of whatever clock is to be spared."""
        self._next = began + max(self.interval, took / self.share)


class Allowance:
    """Says when more may be sent: on average at most `rate`, and up to `burst` at once after a time of silence.

    What is sent at once may be larger than what is left; then it is paid back before the next.

    Args:
        rate: bytes a second.
        burst: bytes.

    Example:
        >>> allowance = Allowance(rate=100, burst=500)
        >>> allowance.spend(10.0, 700)  # so silence until 12.0
        >>> allowance.due(11.9), allowance.due(12.1)
        (False, True)
    """

    __slots__ = ("_left", "_since", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left = burst
        self._since = float("-inf")

    def due(self, now: float) -> bool:
        """True where something may be sent now; `now` is in seconds of any one clock."""
        self._refill(now)
        return self._left > 0

    def spend(self, now: float, sent: int) -> None:
        """Tells that so many bytes were sent."""
        self._refill(now)
        self._left -= sent

    def _refill(self, now: float) -> None:
        self._left = min(self._left + self.rate * (now - self._since), self.burst)
        self._since = now

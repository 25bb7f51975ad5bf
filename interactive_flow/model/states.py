"""The words for what a call is and where it stands.

They are plain strings (`enum.StrEnum`), so that a record can be compared with ``"running"``, written as JSON and read
in a debugger without a translation table.
"""

from __future__ import annotations

from enum import StrEnum


class CallKind(StrEnum):
    """What a node of the graph is."""

    __hash__ = str.__hash__

    TASK = "task"
    WORKFLOW = "workflow"
    COMBINATOR = "combinator"
    RULE = "rule"


class CallState(StrEnum):
    """Where a call stands.  The last five are final."""

    __hash__ = str.__hash__  # an enum's own is written in Python, and states are looked up with every transition

    WAITING = "waiting"
    """Some argument is not there yet."""
    READY = "ready"
    """Every argument is there; no worker has taken it yet, or a retry is due."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    """Nobody needed it any more, or the run was cancelled; if it was running, its result is thrown away."""
    CACHED = "cached"
    """Its value was known from before, so nothing ran."""

    @property
    def final(self) -> bool:
        """True once the call will not change any more."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {CallState.SUCCEEDED, CallState.FAILED, CallState.TIMED_OUT, CallState.CANCELLED, CallState.CACHED}
)


class RunStatus(StrEnum):
    """Where a whole run stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its process ended before it did; only a stored run can be found so."""

"""The errors that people meet.

Errors travel as values: a failed call *is* a `TaskError`, handed on from placeholder to placeholder until somebody
looks at it.  One failure makes one error object, however many calls it takes down with it; its ``__cause__`` is the
exception that the task raised, traceback and all.
"""

from __future__ import annotations


class InteractiveFlowError(Exception):
    """The root of everything this package raises on purpose."""


class TaskError(InteractiveFlowError):
    """A call failed.  ``__cause__`` is the original exception, with the traceback of the task.

    Attributes:
        call: the id of the call that failed first (not of those that only received the error), such as
            ``"encode_video#2"``.
        reason: the failure in a line.
        observed: True once workflow code has met it, or the run returned it; see `IgnoredTaskErrorWarning`.

    Example:
        >>> try:
        ...     wait(fetch(url))
        ... except TaskError as error:
        ...     print(error.call, error.__cause__)
    """

    def __init__(self, reason: str, call: str | None = None) -> None:
        super().__init__(reason, call)
        self.reason = reason
        self.call = call
        self.observed = False

    def __str__(self) -> str:
        return f"{self.call} failed: {self.reason}" if self.call else self.reason


class TaskTimeout(TaskError):
    """A call ran out of time."""

    def __str__(self) -> str:
        return f"{self.call} timed out: {self.reason}" if self.call else self.reason


class TaskCancelled(TaskError):
    """A call was cancelled before it had a result."""

    def __str__(self) -> str:
        return f"{self.call} was cancelled: {self.reason}" if self.call else self.reason


class MissingTaskError(InteractiveFlowError, NameError):
    """A workflow's factory has parameters for which no task was injected, none is in scope and none is the default."""


class PlaceholderError(InteractiveFlowError, RuntimeError):
    """A placeholder was used where its value cannot come: its run is over, or another thread drives it."""


class IllegalTransition(InteractiveFlowError):
    """The engine was told something that cannot be true of a call; the message tells the call's whole story."""


class WorkflowStalled(InteractiveFlowError):
    """Workflow code waits for results of which none can ever arrive."""


class DeterminismError(InteractiveFlowError):
    """Workflow code that was run again did something else than the first time.

    Attributes:
        position: which of the workflow's calls it was, counted from 0; where a run is continued that was interrupted,
            how many of its recorded results had come by then.
        expected: the call that it made there before.
        found: what it did now.
    """

    def __init__(self, reason: str, *, position: int = 0, expected: str = "", found: str = "") -> None:
        super().__init__(reason)
        self.position = position
        self.expected = expected
        self.found = found


class RunInterrupted(InteractiveFlowError):
    """A stored run has no result: its process ended before it did."""


class FingerprintError(InteractiveFlowError, TypeError):
    """Code or a value has no fingerprint, so nothing can be kept for it or found again.

    Attributes:
        reason: why not, and what to do about it.
        path: how one gets there, such as ``"config['connection'].socket"``.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class WorkflowCodeWarning(UserWarning):
    """Workflow code does something that does not work on placeholders, or is not the same each time it runs."""


class IgnoredTaskErrorWarning(UserWarning):
    """A call failed, and the workflow ended without anybody looking at its result."""


class StoreWarning(UserWarning):
    """A run went on, but something of it could not be stored, or could not be loaded again; the message says what."""


class CacheWarning(UserWarning):
    """Something could not be kept, or not be used again, so it was computed; the message says what to do about it."""


class RenderingHint(UserWarning):
    """A view fell back to a plainer form; the message says how to get the better one."""

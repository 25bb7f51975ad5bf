"""What can go wrong with other processes."""

from __future__ import annotations

from interactive_flow.model.errors import InteractiveFlowError


class WorkerDiedError(InteractiveFlowError, RuntimeError):
    """The process that ran a task has died: of a crash, for want of memory, or because the task ended it."""


class RemoteError(InteractiveFlowError):
    """Stands for an error in another process that cannot be sent; the message names its class."""


class RemoteTraceback(Exception):
    """The traceback of another process, as a text; the ``__cause__`` of an error that came from there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"\n{self.text}"

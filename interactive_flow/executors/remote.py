"""A call as `interactive_flow.runtime.worker.run_task` wants it, where there is no engine: in another process."""

from __future__ import annotations

from collections import deque
from typing import Any


class RemoteJob:
    """Stands for a job, its call, the call's task and its engine, all in one.

    Args:
        fn: the task's function.
        args, kwargs: its arguments.
        said_before: what the attempt before this one said with its last heartbeat.
    """

    __slots__ = ("abandoned", "args", "fn", "kwargs", "left_out", "output", "printed", "produced", "said_before")

    depends = False
    """Its arguments are values."""

    def __init__(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], said_before: Any = None) -> None:
        self.fn, self.args, self.kwargs, self.said_before = fn, args, kwargs, said_before
        self.abandoned = False
        self.printed = self.left_out = self.produced = 0
        self.output: deque[tuple[str, str]] | None = None

    @property
    def call(self) -> RemoteJob:
        """Itself."""
        return self

    spec = engine = call

    def arguments(self, call: RemoteJob) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments; they came as values."""
        return self.args, self.kwargs

"""What tasks print, kept with their calls.

Standard output and error are each replaced, while runs are going on, by a stream that looks at who is writing: what a
task writes goes to its job, everything else to the stream that was there before.  Whether a task's text is passed on
as well is the run's choice: in a script it should still appear, under a panel that shows it need not appear twice.

Text is fetched when the task ends, and meanwhile as often as somebody watches.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from interactive_flow.model.events import OUTPUT_LIMIT
from interactive_flow.runtime.worker import current_job

_lock = threading.Lock()
_users = 0


class TaskStream:
    """Stands for `sys.stdout` or `sys.stderr`: writes of a task go to its job, the others to `original`."""

    def __init__(self, original: TextIO, name: str) -> None:
        self.original = original
        self.name = name

    def write(self, text: str) -> int:
        """Writes `text` for whoever is running here."""
        here = current_job.get()
        if here is None or not isinstance(text, str):
            return self.original.write(text)
        job, port = here
        if text and not job.abandoned:
            # Only the task's side makes the queue, and only the engine's side takes from it: no lock is needed.
            if job.output is None:
                job.output = deque()
            kept = text[: max(OUTPUT_LIMIT - job.printed, 0)]
            job.printed += len(text)
            job.left_out += len(text) - len(kept)
            if kept:
                job.output.append((self.name, kept))
        if port.echo:
            self.original.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.original)


def _below(stream: Any) -> Any:
    """The stream under those of runs that are over, which somebody may have put back."""
    while isinstance(stream, TaskStream):
        stream = stream.original
    return stream


@contextmanager
def captured_output() -> Iterator[None]:
    """Within it, what tasks print is kept with their calls; may be entered by several runs at once."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            sys.stdout = TaskStream(_below(sys.stdout), "stdout")
            sys.stderr = TaskStream(_below(sys.stderr), "stderr")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                # Somebody may have replaced the streams meanwhile; then they are theirs to put back.
                for name in ("stdout", "stderr"):
                    stream = getattr(sys, name)
                    if isinstance(stream, TaskStream):
                        setattr(sys, name, stream.original)

"""What tasks print, kept with their calls.

Standard output and error are each replaced, while runs are going on, by a stream that looks at who is writing: what a
task writes goes to its job, everything else to the stream that was there before.  Whether a task's text is passed on
as well is the run's choice: in a script it should still appear, under a panel that shows it need not appear twice.
It is passed on by the line, since `print` writes its arguments and the end of the line one by one, and lines of tasks
that run at once would otherwise be torn.

Handlers of `logging` keep the stream that there was when they were made, as a rule in a notebook's first cell.  So
they are given the streams of ours for the time being.

Text is fetched when the task ends, and meanwhile as often as somebody watches.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from interactive_flow.model.events import OUTPUT_LIMIT
from interactive_flow.runtime.worker import current_job

if TYPE_CHECKING:
    from interactive_flow.engine.calls import Job

log = logging.getLogger(__name__)

LINE_LIMIT = 8192
"""Characters of an unfinished line that are kept back before they are passed on."""

unfinished: dict[tuple[TaskStream, Job], str] = {}
"""The lines that tasks have begun, by the stream that they are meant for."""

_lock = threading.Lock()
_users = 0
_streams: deque[TaskStream] = deque(maxlen=16)


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
            self._pass_on(job, text)
        return len(text)

    def _pass_on(self, job: Job, text: str) -> None:
        """Writes what is whole lines by now, and keeps the rest of it."""
        lines, newline, rest = (unfinished.pop((self, job), "") + text).rpartition("\n")
        if len(rest) > LINE_LIMIT:
            lines, newline, rest = lines + newline + rest, "", ""
        if rest:
            unfinished[self, job] = rest
        if lines or newline:
            self.original.write(lines + newline)

    def flush(self) -> None:
        """Writes what is kept of whoever is running here, and flushes the stream below."""
        here = current_job.get()
        rest = unfinished.pop((self, here[0]), "") if here is not None else ""
        if rest:
            self.original.write(rest)
        self.original.flush()

    def writelines(self, lines: Any) -> None:
        """Writes each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.original)


def end_lines(jobs: Iterable[Job]) -> None:
    """Passes on the lines that these have begun and not ended; to be called, if any are `unfinished`, at their end."""
    ended = set(jobs)
    for key in [key for key in list(unfinished) if key[1] in ended]:
        rest = unfinished.pop(key, "")
        try:
            key[0].original.write(rest)
        except Exception:  # somebody's stream
            log.debug("what a task printed could not be passed on", exc_info=True)


def _below(stream: Any) -> Any:
    """The stream under those of runs that are over, which somebody may have put back."""
    while isinstance(stream, TaskStream):
        stream = stream.original
    return stream


def _replace(name: str, old: Any, new: Any) -> None:
    """Puts `new` in place of a standard stream, also where a handler of `logging` has kept it."""
    setattr(sys, name, new)
    # There is no public list of all handlers; without this one, their output goes where it went before.
    for reference in list(getattr(logging, "_handlerList", ())):
        handler = reference()
        if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
            handler.stream = new


def _stream(original: Any, name: str) -> TaskStream:
    """The stream that stands for `original`, the same one as long as that is the same.

    It is kept when its runs are over.  A ``print`` that another thread is in the middle of holds on to the stream by a
    borrowed reference, so that giving the stream back would pull it away under its feet.
    """
    for stream in _streams:
        if stream.original is original and stream.name == name:
            return stream
    stream = TaskStream(original, name)
    _streams.append(stream)
    return stream


@contextmanager
def captured_output() -> Iterator[None]:
    """Within it, what tasks print is kept with their calls; may be entered by several runs at once."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            for name in ("stdout", "stderr"):
                original = _below(getattr(sys, name))
                _replace(name, original, _stream(original, name))
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                end_lines([job for _, job in list(unfinished)])  # those that never came to their end
                # Somebody may have replaced the streams meanwhile; then they are theirs to put back.
                for name in ("stdout", "stderr"):
                    stream = getattr(sys, name)
                    if isinstance(stream, TaskStream):
                        _replace(name, stream, stream.original)

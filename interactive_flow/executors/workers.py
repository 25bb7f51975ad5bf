"""Worker processes as their parent sees them (see `interactive_flow.executors.child` for their own side)."""

from __future__ import annotations

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from pathlib import Path
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.executors import wire
from interactive_flow.executors.pickling import dumps

GRACE = 2.0
"""Seconds that a worker has for the end of its interpreter before it is killed."""

MOST_AHEAD = 1024
"""Calls that a worker is given ahead, at most."""

_PIPE_SIZE = 1 << 18


class Worker:
    """A worker process.

    Attributes:
        name: what it is called in records.
        news: the file descriptor to read its news from.
        sentinel: a file descriptor that can be read once the process is dead; None where there is no such thing.
        ready: whether it has said that it is there.
        calls: the jobs that were sent to it and have no result yet, in order; at most the first of them has begun.
        begun: True once the port knows that the first has begun.
        items: what the first has produced so far, where its task is a generator; a `Failure` where that cannot be read.
        load: seconds that its calls are thought to take.
        since: when the first of its calls can have begun.
        sent_at: when the latest of them were sent.
        due: when it should have run all of them, by what was thought when they were sent.
        stalled: True between calls having been taken back from it and its next result.
        silent: True once it has closed its pipe, which it does not do while it lives.
        clock_offset: what its clock is ahead of this process's.
    """

    def __init__(self) -> None:
        orders_r, self._orders = os.pipe()
        self.news, news_w = os.pipe()
        self._own_tokens, self._tokens = os.pipe()
        os.set_blocking(self._orders, False)
        os.set_blocking(self.news, False)
        os.set_blocking(self._own_tokens, False)  # for both sides: they share it
        _widen(self._orders, self.news)
        passed = (orders_r, news_w, self._own_tokens, _lifeline())
        self.started = time.monotonic()
        self.started_wall = time.time()
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_flags(), "-c", _program(passed)],
                stdin=subprocess.DEVNULL,
                pass_fds=passed,
                process_group=0,
            )
        finally:
            os.close(orders_r)
            os.close(news_w)
        self.name = f"process-{self._process.pid}"
        self.sentinel = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else None
        self.ready = False
        self.calls: deque[Job] = deque()
        self.begun = False
        self.items: Any = None
        self.load = 0.0
        self.since = self.sent_at = self.due = self.started
        self.stalled = False
        self.silent = False
        self.clock_offset = 0.0
        self._frames = wire.Frames(wire.NEWS)
        self._known: set[int] = set()
        self._unsent = bytearray()
        self._without_token = 0
        self._epoch = 0
        self._closed = False
        _living.add(self)

    # -- orders ---------------------------------------------------------------------------------------------------

    def adopt(self, surroundings: bytes) -> None:
        """Has it forget the run before, and adopt the surroundings of this one (see `surroundings`)."""
        self._known.clear()
        self._write(wire.SURROUNDINGS, surroundings)
        self.flush()

    @property
    def at_work(self) -> bool:
        """Whether it has begun the first of its calls, or is free to."""
        return len(self.calls) > self._without_token

    @property
    def has_spare(self) -> bool:
        """Whether it has calls that wait for their turn."""
        return self.at_work and len(self.calls) > 1

    @property
    def takes_more(self) -> bool:
        """Whether it can be given more calls than it has."""
        return self.ready and not (self.stalled or self._unsent)

    def send(self, jobs: list[Job], items: list[tuple[int, Any]], functions: dict[int, bytes], seconds: float) -> bool:
        """Sends calls, to be run one after the other; True where the pipe has taken all (see `flush`).

        Args:
            jobs: whose calls they are.
            items: the calls themselves (see `interactive_flow.executors.lists.Packer.pack`).
            functions: by key, the functions that they may call.
            seconds: how long all of them are thought to take.
        """
        for key in {key for key, _ in items} - self._known:
            self._known.add(key)
            self._write(wire.FUNCTION, functions[key], key)
        self._write(wire.CALLS, pickle.dumps(items, pickle.HIGHEST_PROTOCOL))
        now = self.sent_at = time.monotonic()
        if not self.calls:
            self.load, self.due = 0.0, now
        self.load += seconds
        self.due = max(self.due, now) + seconds
        self.calls += jobs
        self._without_token += len(jobs)
        return self.flush()

    def _write(self, kind: int, body: bytes, key: int = 0) -> None:
        self._unsent += wire.ORDER.pack(len(body), kind, self._epoch, key)
        self._unsent += body

    def flush(self) -> bool:
        """Writes as much as the pipe takes; True where all is written."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._orders, self._unsent)]
            if self._without_token:
                if not self.at_work:
                    self.since = time.monotonic()
                os.write(self._tokens, bytes([self._epoch]) * self._without_token)
                self._without_token = 0
        except BlockingIOError:
            return False
        except BrokenPipeError:
            pass  # it is dead, as its sentinel will tell
        return True

    @property
    def orders(self) -> int:
        """The file descriptor that can be written to when there is place for more orders."""
        return self._orders

    def take_back(self) -> list[Job]:
        """Takes the calls back that have not begun, for good; in their order."""
        count = self._without_token
        try:
            count += len(os.read(self._own_tokens, wire.CHUNK))
        except BlockingIOError:
            pass
        if not count:
            return []
        self._without_token = 0
        self._epoch = (self._epoch + 1) % 256
        self.stalled = True
        self.load *= 1 - count / len(self.calls)
        return [self.calls.pop() for _ in range(count)][::-1]

    def first_are_over(self, count: int, ended: float) -> None:
        """Some of its calls, just taken out of `calls`, have ended, the last of them at `ended`."""
        left = len(self.calls)
        self.load *= left / (left + count)
        self.since = max(ended, self.sent_at)
        self.due = min(self.due, self.since + self.load)  # sooner than was thought, but not later
        self.stalled = False

    # -- news -----------------------------------------------------------------------------------------------------

    def hear(self) -> list[tuple[tuple[Any, ...], bytes]]:
        """The news that have come in, as fields of the header and body."""
        frames = []
        while True:
            try:
                chunk = os.read(self.news, wire.CHUNK * 4)
            except BlockingIOError:
                break
            if not chunk:
                self.silent = True
                break
            frames += self._frames.feed(chunk)
            if len(chunk) < wire.CHUNK:
                break
        return frames

    def arrived(self, its_time: float) -> None:
        """It has said that it is there, at `its_time` by its clock."""
        self.ready = True
        now = time.monotonic()
        if not self.started <= its_time <= now:  # on Linux, macOS and the BSDs all processes share the clock
            self.clock_offset = its_time - now
        self.since = now

    # -- the end --------------------------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._closed and self._process.poll() is None

    @property
    def untouched(self) -> bool:
        """Whether it is as it should be for another run: alive, with nothing left to do or to write."""
        return not (self.calls or self._unsent or self._closed)

    def close(self) -> None:
        """Lets it go: it ends by itself, in its own time."""
        if not self._closed:
            self._closed = True
            for fd in (self._orders, self._tokens, self._own_tokens, self.news):
                os.close(fd)
            if self.sentinel is not None:
                os.close(self.sentinel)

    def disown(self) -> None:
        """Forgets it without touching it: it is another process's."""
        self._process.returncode = 0  # else its `Popen` complains of a child that it never had
        self.close()

    def kill(self) -> str:
        """Kills it and whatever its tasks have started; how it came to its end, for people."""
        self.close()
        _living.discard(self)
        code = self.strike()
        if code is None:
            return "killed, but it has not ended yet"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def strike(self) -> int | None:
        """Kills it, and leaves it to its owner to find out, as another thread may do; its exit status."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        try:
            return self._process.wait(GRACE)
        except subprocess.TimeoutExpired:  # the system holds it, as for a disk that does not answer
            return None

    def wait(self, seconds: float) -> None:
        """Waits for the end of a closed one; kills it after `seconds`, and in any case what its tasks have left."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        self.kill()


def _program(fds: tuple[int, ...]) -> str:
    path = [entry or str(Path.cwd()) for entry in sys.path]
    return f"import sys; sys.path[:] = {path!r}; from interactive_flow.executors.child import main; main{fds!r}"


def _flags() -> list[str]:
    """The options that this interpreter was started with, such as ``-O`` and ``-X``, as `multiprocessing` hands on."""
    return subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined,no-any-return]


def _widen(*fds: int) -> None:
    """Gives pipes more room than they have by default, where the system can."""
    for fd in fds:
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except (AttributeError, OSError):
            return


def surroundings() -> bytes:
    """What a task may expect to find in its process as it is in this one."""
    return dumps(
        {
            "path": [entry or str(Path.cwd()) for entry in sys.path],
            "argv": sys.argv,
            "environment": dict(os.environ),
            "directory": str(Path.cwd()),
        }
    )


# -- as long as this process lives ------------------------------------------------------------------------------------

_living: weakref.WeakSet[Worker] = weakref.WeakSet()
_lifeline_fds: tuple[int, int] | None = None


def _lifeline() -> int:
    """The end of a pipe that can be read to its end once this process is dead."""
    global _lifeline_fds
    if _lifeline_fds is None:
        _lifeline_fds = os.pipe()
    return _lifeline_fds[0]


def kill_all() -> None:
    """Kills every worker of this process."""
    for worker in list(_living):
        worker.strike()


def disown_all() -> None:
    """In a copy of this process made by forking: the workers are the original's."""
    global _living, _lifeline_fds
    if _lifeline_fds is not None:
        for fd in _lifeline_fds:
            os.close(fd)
        _lifeline_fds = None
    for worker in list(_living):
        worker.disown()
    _living = weakref.WeakSet()

"""What runs in a worker process.

Calls arrive in lists, ahead of their time, and are still the parent's to take back: a call may begin only with a
*token*, a byte that is read from a pipe of tokens.  The parent writes one for each call that it has sent, and reads
them itself to take back those calls, from the end, that have not begun.  The kernel gives each byte to one reader, so
there is nothing to lock and nobody to ask, even while a task holds the interpreter.  The byte is the call's *epoch*,
which the parent counts up whenever it takes calls back: a call whose epoch is over is passed by.

Every result is written before the next call begins.  So whatever happens to this process, the parent knows which call
it happened in, and that those behind it never began.

The process goes when its parent does, along with all that its tasks have started: it is the leader of a process group
of its own, and a thread waits for the end of a pipe that the parent holds open for as long as it lives.  (A task that
holds the interpreter all the time, in code that is not Python's, goes when it lets go.)
"""

from __future__ import annotations

import contextvars
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections import deque
from typing import Any, NoReturn

from interactive_flow.executors import wire
from interactive_flow.executors.pickling import dump_result, load_function, loads, pack_error
from interactive_flow.executors.remote import RemoteJob
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.worker import Failure, run_task

_TEXT_LIMIT = 4096
"""Characters of an unfinished line that are kept back before they are sent."""


class _Reporter:
    """Writes the news; the port of the task that runs."""

    clock = SYSTEM_CLOCK
    echo = False

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.RLock()
        self._text: list[str] = []
        self._length = 0
        self._stream = wire.STDOUT
        self.task: str | None = None
        self.connected = True
        """False in a copy of this process that a task has made by forking: there the news are nobody's."""

    def write(self, kind: int, body: bytes, started: float = 0.0, finished: float = 0.0) -> None:
        if self.connected:
            with self._lock:
                header = wire.NEWS.pack(len(body), kind, started, finished)
                if len(body) < wire.CHUNK:
                    wire.write_all(self._fd, header + body)
                else:  # too large to be copied for the sake of one system call
                    wire.write_all(self._fd, header)
                    wire.write_all(self._fd, body)

    def heartbeat(self, job: RemoteJob, progress: float | None, message: str | None) -> bool:
        self.send_text()
        self.write(wire.BEAT, pickle.dumps((progress, message)))
        return True  # whose result is not wanted any more is killed

    def produced(self, job: RemoteJob, item: Any) -> bool:
        data = dump_result(str(self.task), "item", item)
        job.produced += 1
        self.send_text()
        self.write(wire.ITEM, data)
        return True

    def finished(self, *report: Any) -> None:
        raise AssertionError("a task does not finish itself")

    def add_text(self, stream: int, text: str) -> None:
        """Takes what a task prints, and sends it line by line."""
        with self._lock:
            if stream != self._stream:
                self.send_text()
                self._stream = stream
            self._text.append(text)
            self._length += len(text)
            if "\n" in text or "\r" in text or self._length > _TEXT_LIMIT:
                self.send_text()

    def send_text(self) -> None:
        """Sends what was kept back."""
        if self._text:
            with self._lock:
                text, self._text, self._length = "".join(self._text), [], 0
                self.write(self._stream, text.encode("utf-8", "surrogatepass"))


class _Printed:
    """Stands for `sys.stdout` or `sys.stderr`: what is written while a task runs is the task's."""

    def __init__(self, original: Any, stream: int, reporter: _Reporter) -> None:
        self._original, self._stream, self._reporter = original, stream, reporter

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._reporter.task and self._reporter.connected:
            self._reporter.add_text(self._stream, text)
        elif self._original is not None:
            self._original.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._reporter.send_text()
        if self._original is not None:
            self._original.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


class _Worker:
    """Runs calls one after the other."""

    def __init__(self, orders: int, news: int, tokens: int) -> None:
        self._orders, self._tokens = orders, tokens
        self._frames = wire.Frames(wire.ORDER)
        self._calls: deque[tuple[int, int, Any]] = deque()
        self._functions: dict[int, tuple[str, Any]] = {}
        self._context = contextvars.Context()
        self._poll = select.poll()
        self._poll.register(tokens, select.POLLIN)
        self._poll.register(orders, select.POLLIN)
        self.reporter = reporter = _Reporter(news)
        os.register_at_fork(after_in_child=lambda: setattr(reporter, "connected", False))
        sys.stdout = _Printed(sys.stdout, wire.STDOUT, reporter)
        sys.stderr = _Printed(sys.stderr, wire.STDERR, reporter)

    def work(self) -> None:
        """Runs calls until the parent has closed the pipes."""
        tokens, reporter = self._tokens, self.reporter
        reporter.write(wire.HELLO, b"", time.monotonic())
        while True:
            try:
                token = os.read(tokens, 1)
            except BlockingIOError:
                # Orders too are taken in: a token comes only after the whole of its call, which may not fit in a pipe.
                if any(fd == self._orders for fd, _ in self._poll.poll()):
                    self._read_orders()
                continue
            if not token:
                return
            self._run(*self._next_call(token[0]))
            if not reporter.connected:  # a task has forked, and this is the copy
                os._exit(0)

    def _next_call(self, epoch: int) -> tuple[int, Any]:
        """The next call of this epoch, which is in the pipe by now if it is not here."""
        calls = self._calls
        while True:
            while calls:
                its_epoch, key, given = calls.popleft()
                if its_epoch == epoch:
                    return key, given
            self._read_orders()

    def _read_orders(self) -> None:
        chunk = os.read(self._orders, wire.CHUNK)
        if not chunk:
            sys.exit()
        for (_, kind, epoch, key), body in self._frames.feed(chunk):
            if kind == wire.CALLS:
                self._calls += [(epoch, *call) for call in loads(body)]
            elif kind == wire.FUNCTION:
                self._functions[key] = loads(body)
            else:
                self._adopt(loads(body))

    def _adopt(self, surroundings: dict[str, Any]) -> None:
        """Does as if this process had been started by the run."""
        self._functions.clear()
        sys.path[:] = surroundings["path"]
        sys.argv[:] = surroundings["argv"]
        if os.environ != surroundings["environment"]:
            os.environ.clear()
            os.environ.update(surroundings["environment"])
        try:
            os.chdir(surroundings["directory"])
        except OSError:
            pass  # it is gone; so it is for the parent

    def _run(self, key: int, given: Any) -> None:
        reporter, now = self.reporter, time.monotonic
        job = None
        started = now()
        reporter.task, function = self._functions[key]
        try:
            if type(function) is bytes:  # its first call: importing it may take time, print, or go wrong
                function = load_function(function)
                self._functions[key] = reporter.task, function
            job = RemoteJob(function, *loads(given)) if type(given) is bytes else RemoteJob(function, given, {})
            outcome = run_task(job, reporter, self._context)  # type: ignore[arg-type]
        except BaseException as error:  # a function or arguments that cannot be read, or an interrupt
            outcome = Failure(error)
        finished = now()
        reporter.send_text()
        if job is not None and job.produced and type(outcome) is not Failure:
            reporter.write(wire.ITEMS_OVER, b"", started, finished)
        else:
            self._report(outcome, started, finished)
        reporter.task = None

    def _report(self, outcome: Any, started: float, finished: float) -> None:
        reporter = self.reporter
        if type(outcome) is not Failure:
            try:
                data = dump_result(str(reporter.task), "result", outcome)
            except Exception as error:
                outcome = Failure(error)
            else:
                reporter.write(wire.RESULT, data, started, finished)
                return
        reporter.write(wire.ERROR, pack_error(outcome.error), started, finished)


def _leave() -> NoReturn:
    """Ends this process, and all that its tasks have started."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _leave_with_parent(lifeline: int) -> None:
    try:
        os.read(lifeline, 1)  # nobody ever writes to it
    finally:
        _leave()


def main(orders: int, news: int, tokens: int, lifeline: int) -> None:
    """Runs the calls that a parent sends, until the parent closes the pipes, or dies.

    Args:
        orders: the file descriptor to read orders from.
        news: the one to write news to.
        tokens: the one to read tokens from, which does not block.
        lifeline: one that can be read to its end once the parent is dead.
    """
    threading.Thread(target=_leave_with_parent, args=(lifeline,), daemon=True, name="iflow-lifeline").start()
    try:
        _Worker(orders, news, tokens).work()
    except BrokenPipeError:
        pass  # the parent has closed the pipes in the middle of something

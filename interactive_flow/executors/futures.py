"""Tasks on any `concurrent.futures.Executor`: ``executor=ThreadPoolExecutor(4)``, and the like.

The executor stays its owner's: it is not shut down with the run, and others may use it at the same time.

In a pool of threads a task is as in ``executor="threads"``: heartbeats, items and output arrive while it runs.  Any
other executor is taken to run elsewhere: functions and arguments are pickled (see
`interactive_flow.executors.pickling`), and output, items and the last heartbeat come back with the result.  A call
that has begun cannot be stopped then, and a worker that dies may break the whole pool, as its class has it; for what
can be killed use `interactive_flow.executors.ProcessExecutor`.
"""

from __future__ import annotations

import contextvars
import functools
import logging
import os
import sys
import threading
import time
from collections import deque
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import Executor as Pool
from queue import SimpleQueue
from typing import Any, NamedTuple

from interactive_flow.engine.calls import Job
from interactive_flow.engine.spec import TaskSpec
from interactive_flow.executors.pickling import (
    argument_error,
    best_dumps,
    dump_function,
    dump_result,
    load_function,
    loads,
    must_not_wait,
    pack_error,
    unpack_error,
)
from interactive_flow.executors.remote import RemoteJob
from interactive_flow.runtime.capture import captured_output
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.executors import Port
from interactive_flow.runtime.worker import Failure, current_job, run_task

log = logging.getLogger("interactive_flow")


class FuturesExecutor:
    """Runs tasks on an executor of the standard library's kind.

    Args:
        pool: the executor.
        max_workers: how many jobs it is given at once; as many as it has workers unless given, and no more than these.
        in_process: whether it runs what it is given in this process, so that nothing need be pickled; unless given,
            that is believed of a `ThreadPoolExecutor` only.

    Raises:
        ValueError: `max_workers` is less than one.

    Example:
        >>> with ThreadPoolExecutor(4) as pool:
        ...     process_video.options(executor=pool).run("talk.mp4", "talk.srt")
    """

    def __init__(self, pool: Pool, max_workers: int | None = None, *, in_process: bool | None = None) -> None:
        if max_workers is not None and max_workers < 1:
            raise ValueError(f"max_workers={max_workers}: at least one worker is needed")
        self._pool = pool
        own = getattr(pool, "_max_workers", None)
        self.capacity = min(filter(None, (max_workers, own)), default=os.cpu_count() or 1)
        # From Python 3.14 on there are pools whose threads are interpreters of their own.
        threads = isinstance(pool, ThreadPoolExecutor) and "Interpreter" not in type(pool).__name__
        self._in_process = threads if in_process is None else in_process
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._is_open = False
        self.queues = self._in_process
        """Whether it tells when a job begins."""

    def fresh(self) -> FuturesExecutor:
        """Another one like this, for a run of its own."""
        return FuturesExecutor(self._pool, self.capacity, in_process=self._in_process)

    def open(self, port: Port) -> None:
        """See `Executor.open`."""
        self._port = port
        self._context = contextvars.copy_context()
        self._futures: dict[Job, Future[Any]] = {}
        self._functions: dict[TaskSpec, bytes] = {}
        self._is_open = True
        self._dumps = None if self._in_process else best_dumps()
        threading.Thread(target=self._hand_on, daemon=True, name="iflow-futures").start()

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        self._jobs.put(job)  # pickling and a pool's own doings may take their time

    def cancel(self, job: Job) -> None:
        """See `Executor.cancel`; a job that has begun goes on."""
        future = self._futures.pop(job, None)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """See `Executor.close`."""
        if self._is_open:
            self._jobs.put(None)

    # -- in a thread of its own -----------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        must_not_wait()
        while (job := self._jobs.get()) is not None:
            following: Job | None = job
            while following is not None:
                following = self._begin(following)

    def _begin(self, job: Job) -> Job | None:
        """Gives a job to the pool; the next one where that fails."""
        sent = time.monotonic()
        try:
            if self._in_process:
                future: Future[Any] = self._pool.submit(self._run_here, job)
            else:
                pickled = self._pickled(job)
                if job.abandoned:  # then these were perhaps not its arguments any more
                    return None
                future = self._pool.submit(run_remotely, job.call.spec.name, *pickled)
        except Exception as error:
            return self._port.finished(job, Failure(error), sent, time.monotonic(), "pool")
        self._futures[job] = future
        if job.abandoned:  # only just: whoever wanted to cancel it did not find it
            future.cancel()
        future.add_done_callback(functools.partial(self._done, job, sent))
        return None

    def _pickled(self, job: Job) -> tuple[bytes, bytes]:
        spec = job.call.spec
        args, kwargs = job.call.engine.arguments(job.call)
        function = self._functions.get(spec)
        if function is None:
            function = self._functions[spec] = dump_function(spec.name, spec.fn)
        assert self._dumps is not None
        try:
            return function, self._dumps((args, kwargs, job.said_before))
        except Exception as error:
            raise argument_error(spec.name, spec.fn, args, kwargs, error) from error

    # -- in threads of the pool -----------------------------------------------------------------------------------

    def _run_here(self, job: Job) -> None:
        if job.abandoned:
            return
        now, name = self._port.clock.now, threading.current_thread().name
        started = now()
        self._port.begun(job, started, name)
        outcome = run_task(job, self._port, self._context)
        self._next(self._port.finished(job, outcome, started, now(), name))

    def _done(self, job: Job, sent: float, future: Future[Any]) -> None:
        """The pool is through with a job."""
        self._futures.pop(job, None)
        if job.abandoned:
            return  # perhaps cancelled this moment, by somebody who holds the run's lock
        received = time.monotonic()
        error = CancelledError("the pool has cancelled it") if future.cancelled() else future.exception()
        if error is not None:
            self._next(self._port.finished(job, Failure(error), sent, received, "pool"))
        elif not self._in_process:
            self._next(self._take(job, sent, received, future.result()))

    def _next(self, following: Job | None) -> None:
        if following is not None:
            self._jobs.put(following)

    def _take(self, job: Job, sent: float, received: float, brought: RemoteOutcome) -> Job | None:
        """Reports what `run_remotely` has brought; the next job."""
        started, finished = brought.started, brought.finished
        if not sent <= started <= finished <= received:  # a machine with another clock
            started, finished = max(received - (finished - started), sent), received
        try:
            outcome = loads(brought.data) if brought.succeeded else Failure(unpack_error(brought.data))
        except Exception as error:
            outcome = Failure(error)
        if brought.said is not None:
            self._port.heartbeat(job, *brought.said)
        if brought.output:
            self._context.copy().run(_print, job, self._port, brought.output)
        return self._port.finished(job, outcome, started, finished, brought.worker)


def _print(job: Job, port: Port, output: list[tuple[str, str]]) -> None:
    """Writes a task's texts as if the task ran here, so that they are kept and passed on in the same way."""
    current_job.set((job, port))
    for stream, text in output:
        try:
            getattr(sys, stream).write(text)
        except Exception:  # somebody's stream
            log.debug("what a task printed could not be passed on", exc_info=True)


class _Collector:
    """The port of a task that runs elsewhere: keeps what it says for later."""

    clock = SYSTEM_CLOCK
    echo = False

    def __init__(self) -> None:
        self.said: tuple[float | None, str | None] | None = None

    def heartbeat(self, job: Any, progress: float | None, message: str | None) -> bool:
        self.said = (progress, message)
        return True

    def produced(self, job: Any, item: Any) -> bool:
        return True


_load_function = functools.lru_cache(maxsize=64)(load_function)


class RemoteOutcome(NamedTuple):
    """What `run_remotely` brings back."""

    succeeded: bool
    data: bytes
    """The pickled result, or the packed error."""
    started: float
    finished: float
    """Seconds, by the clock of the process that ran it."""
    worker: str
    output: list[tuple[str, str]]
    """What it printed, as stream and text."""
    said: tuple[float | None, str | None] | None
    """Its last heartbeat."""


def run_remotely(task: str, function: bytes, arguments: bytes) -> RemoteOutcome:
    """Runs a task in another process; what a pool is given to do.

    Args:
        task: its name.
        function, arguments: pickled.
    """
    collector = _Collector()
    job: Any = None
    started = time.monotonic()
    try:
        job = RemoteJob(_load_function(function), *loads(arguments))
        job.output = deque()
        with captured_output():
            outcome = run_task(job, collector, contextvars.Context())  # type: ignore[arg-type]
        data = b"" if type(outcome) is Failure else dump_result(task, "result", outcome)
    except Exception as error:
        outcome, data = Failure(error), b""
    finished = time.monotonic()
    failed = type(outcome) is Failure
    if failed:
        data = pack_error(outcome.error)
    output = list(job.output) if job is not None else []
    return RemoteOutcome(not failed, data, started, finished, f"process-{os.getpid()}", output, collector.said)

"""Who runs tasks.

An executor is told of jobs by `Executor.submit` and reports through its `Port`.  Reporting an outcome gives the
executor the next ready job where there is one, so that a worker that has just finished goes on at once, without a
switch to another thread and back: this is what makes chains of short tasks cheap.

Executors are made for one run and closed with it.
"""

from __future__ import annotations

import contextvars
import importlib
import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, Protocol

from interactive_flow.engine.calls import Job
from interactive_flow.runtime.clock import SYSTEM_CLOCK, Clock
from interactive_flow.runtime.worker import Failure, run_task

DEFAULT_WORKERS = max(8, min(32, (os.cpu_count() or 1) + 4))
"""How many threads a run may use where nobody said; tasks in threads mostly wait for something."""


Report = tuple[Job, Any, float, float, str]
"""The arguments of `Port.finished`."""


class Port(Protocol):
    """Where an executor reports; every method may be called from any thread.

    Attributes:
        clock: what times are told by.
        echo: whether what tasks print also goes where it would have gone without the run.
    """

    clock: Clock
    echo: bool

    def finished(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> Job | None:
        """A job is over, with a value or a `Failure`; the next job for the same worker, None for no more.

        Times are those of `clock`.
        """

    def finished_many(self, reports: Sequence[Report]) -> None:
        """Several jobs are over, each told as in `finished`; further jobs come by `Executor.submit`."""

    def begun(self, job: Job, at: float, worker: str) -> None:
        """A worker has begun a job that was waiting in the executor's own queue; for executors with `queues`."""

    def resize(self, executor: Executor, capacity: int) -> None:
        """From now on `executor` takes so many jobs at once."""

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> bool:
        """A job gave a sign of life; False once its result is not wanted any more."""

    def produced(self, job: Job, item: Any) -> bool:
        """A job whose task is a generator has produced an item; False once it need not go on."""


class Executor(Protocol):
    """Runs jobs.

    Attributes:
        capacity: how many jobs it takes at once; it is never given more.

    More attributes are looked for, and need not be there:

    - ``workers``: how many jobs really run at once, where that is less than `capacity`;
    - ``queues``: True where a job that was submitted may wait before a worker begins it, which the executor then tells
      by `Port.begun`;
    - ``submit_many``: takes a sequence of jobs, where that is cheaper than one by one; with `queues` only;
    - ``clock``: what the run tells the time by, and what its thread waits by;
    - ``fresh``: a method that gives another executor like this one, for a run of its own; without it, an object serves
      one run only.
    """

    capacity: int

    def open(self, port: Port) -> None:
        """Gets ready; called once, in the thread and context that asked for the run."""

    def submit(self, job: Job) -> None:
        """Takes a job; returns at once."""

    def cancel(self, job: Job) -> None:
        """Nobody wants this job's result any more; its place counts as free from now on."""

    def close(self) -> None:
        """No more jobs will come; returns at once.  What still runs has been cancelled."""


class ThreadExecutor:
    """Runs tasks in threads of this process, started as they are needed, up to `max_workers`.

    A thread cannot be stopped from outside.  One whose job was cancelled runs on to the end of its task (which learns
    of it by `heartbeat`) and goes away then; another one takes its place meanwhile.
    """

    def __init__(self, max_workers: int | None = None) -> None:
        self.capacity = DEFAULT_WORKERS if max_workers is None else max_workers
        if self.capacity < 1:
            raise ValueError(f"max_workers={max_workers}: at least one worker is needed")
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = 0
        self._threads = 0
        self._closed = False
        self._lock = threading.Lock()

    def open(self, port: Port) -> None:
        self._port = port
        self._context = contextvars.copy_context()

    def submit(self, job: Job) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._jobs.put(job)
                return
            self._threads += 1
            number = self._threads
        threading.Thread(target=self._work, args=(job, f"thread-{number}"), daemon=True, name=f"iflow-{number}").start()

    def cancel(self, job: Job) -> None:
        """The thread sees for itself that its job was abandoned."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for _ in range(self._idle):
                self._jobs.put(None)
            self._idle = 0

    def _work(self, first: Job, name: str) -> None:
        job: Job | None = first
        port, context, now = self._port, self._context, self._port.clock.now
        while job is not None:
            started = now()
            outcome = run_task(job, port, context)
            following = port.finished(job, outcome, started, now(), name)
            del outcome
            if following is None and not job.abandoned:  # the place of an abandoned job went to another thread
                following = self._next_job()
            job = following

    def _next_job(self) -> Job | None:
        with self._lock:
            if self._closed:
                return None
            self._idle += 1
        return self._jobs.get()


class InlineExecutor:
    """Runs each task in the thread that submits it, one at a time: for debugging, and where threads are unwelcome."""

    capacity = 1

    def __init__(self, max_workers: int | None = None) -> None:
        self._queue: list[Job] = []

    def open(self, port: Port) -> None:
        self._port = port
        self._context = contextvars.copy_context()

    def submit(self, job: Job) -> None:
        # The runner holds its lock here, so the job is only noted; `run_pending` is called without it.
        self._queue.append(job)

    @property
    def pending(self) -> bool:
        """True where something was submitted that has not been run."""
        return bool(self._queue)

    def run_pending(self) -> bool:
        """Runs a job, if one was submitted; True where there was one.  Called by the runner between other things."""
        if not self._queue:
            return False
        job = self._queue.pop()
        now = self._port.clock.now
        started = now()
        outcome = run_task(job, self._port, self._context)
        following = self._port.finished(job, outcome, started, now(), "inline")
        if following is not None:
            self._queue.append(following)
        return True

    def cancel(self, job: Job) -> None:
        if job in self._queue:
            self._queue.remove(job)

    def close(self) -> None:
        self._queue.clear()


_NAMED: dict[str, str] = {
    "threads": f"{__name__}:ThreadExecutor",
    "inline": f"{__name__}:InlineExecutor",
    "processes": "interactive_flow.executors.processes:processes",
    "async": "interactive_flow.executors.async_loop:AsyncExecutor",
}
"""What a name stands for; imported once it is asked for."""

_ADAPTERS: dict[str, str] = {"concurrent.futures._base.Executor": "interactive_flow.executors.futures:FuturesExecutor"}
"""What makes executors of other people's objects, by the name of a class of theirs, which need not be installed."""


def make_executor(given: Any, max_workers: int | None) -> Executor:
    """An executor for one run, from what ``executor=`` accepts.

    Args:
        given: a name, None for threads, a `concurrent.futures.Executor`, or an object with the `Executor` protocol; one
            that has a method ``fresh`` is asked by it for another one like it, so that it serves any number of runs.
        max_workers: how many jobs run at once; not asked of an object with the protocol, which has its own number.

    Raises:
        ValueError: no executor has this name.
        TypeError: the object is not an executor.
        ImportError: it needs a package that is missing; the message says how to get it.
    """
    if given is None:
        return ThreadExecutor(max_workers)
    if isinstance(given, str):
        if given not in _NAMED:
            raise ValueError(f"executor={given!r}: there are {', '.join(map(repr, _NAMED))}")
        return _load(_NAMED[given])(max_workers)
    for kind in type(given).__mro__:
        adapter = _ADAPTERS.get(f"{kind.__module__}.{kind.__qualname__}")
        if adapter is not None:
            return _load(adapter)(given, max_workers)
    missing = [name for name in ("capacity", "open", "submit", "cancel", "close") if not hasattr(given, name)]
    if missing:
        raise TypeError(f"executor={given!r} is not an executor: it has no {', '.join(missing)}")
    return given.fresh() if hasattr(given, "fresh") else given  # type: ignore[no-any-return]


def _load(path: str) -> Callable[..., Executor]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]


__all__ = [
    "DEFAULT_WORKERS",
    "SYSTEM_CLOCK",
    "Executor",
    "Failure",
    "InlineExecutor",
    "Port",
    "Report",
    "ThreadExecutor",
    "make_executor",
]

"""Tasks in processes of their own: ``executor="processes"``.

For work that computes in Python, which threads do not speed up, and for calls that must really stop when they time out
or are cancelled: their process is killed, with everything that it has started, and another one takes its place.  A
process that dies of itself fails the attempt that it was at, and nothing else.

One thread of the run serves all its workers.  It sleeps until there is something to send or to hear, and never waits
for a single worker.  Short calls go out in lists, of some milliseconds' work by what is known of their tasks (as
joblib does it: a message a call costs many times what a short call takes).  A list is no promise: as soon as it
takes longer than it should, the calls that have not begun are taken back and given to others (see
`interactive_flow.executors.child`).  So that there is something to put into lists, the executor asks for more calls
than it has workers as long as calls are short, and says of each when it really begins.

Tasks see the environment, the working directory, ``sys.path`` and ``sys.argv`` as they were when the run first needed a
worker, and the variables that their functions use as they were when the run first called them.  What a task changes
in them stays in its process.  Context variables stay in this one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from interactive_flow.engine.calls import Job
from interactive_flow.executors.pickling import HOW, require_cloudpickle
from interactive_flow.runtime.executors import Executor, Port

if TYPE_CHECKING:
    from interactive_flow.executors.service import Service


def processes(max_workers: int | None = None) -> Executor:
    """What ``executor="processes"`` stands for: a `ProcessExecutor`.

    On Windows, which lacks what that is made of, it is loky's pool of processes by way of a `FuturesExecutor`: calls
    that have begun are not stopped there, and a process that dies fails all the calls of the moment.

    Raises:
        ImportError: cloudpickle, or on Windows loky, is missing; the message says how to get it.
        ValueError: `max_workers` is less than one.
    """
    if sys.platform != "win32":
        return ProcessExecutor(max_workers)
    try:
        from loky import get_reusable_executor
    except ImportError as error:
        raise ImportError(f"tasks in other processes need loky on Windows: {HOW}") from error
    from interactive_flow.executors.futures import FuturesExecutor

    return FuturesExecutor(get_reusable_executor(max_workers), max_workers)


class ProcessExecutor:
    """Runs tasks in processes.

    Args:
        max_workers: how many; as many as there are processors unless given.

    Raises:
        ImportError: cloudpickle is missing; the message says how to get it.
        NotImplementedError: this is Windows.
        ValueError: `max_workers` is less than one.

    An executor that is given to several runs, or several times, makes a fresh one for each; the processes are kept for
    the next run, for a minute.

    Example:
        >>> simulate.options(executor="processes").run(1000)
        >>> simulate.options(executor=ProcessExecutor(max_workers=2)).run(1000)
    """

    queues = True
    """It says itself when a job begins, by `Port.begun`."""

    def __init__(self, max_workers: int | None = None) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("ProcessExecutor needs a POSIX system; executor='processes' works on Windows too")
        require_cloudpickle()
        self.workers = _processors() if max_workers is None else max_workers
        """How many processes there are at most."""
        if self.workers < 1:
            raise ValueError(f"max_workers={max_workers}: at least one worker is needed")
        self.capacity = self.workers
        self._service: Service | None = None

    def fresh(self) -> ProcessExecutor:
        """Another one like this, for a run of its own."""
        return ProcessExecutor(self.workers)

    def open(self, port: Port) -> None:
        """See `Executor.open`."""
        from interactive_flow.executors.service import Service  # needs what Windows has not

        self._service = Service(port, self)

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        assert self._service is not None
        self._service.tell(job)

    def submit_many(self, jobs: Sequence[Job]) -> None:
        """See `Executor`."""
        assert self._service is not None
        self._service.take_in(jobs)

    def cancel(self, job: Job) -> None:
        """See `Executor.cancel`; a job that runs is stopped by killing its process."""
        assert self._service is not None
        self._service.tell(job)

    def close(self) -> None:
        """See `Executor.close`."""
        if self._service is not None:
            self._service.tell(None)


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

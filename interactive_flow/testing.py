"""For tests of workflows: a clock that does not wait, and an executor that is the same every time.

A task says how long it takes by ``clock.sleep(seconds)`` (or by nothing, and takes no time); nobody really waits.  The
order in which things finish follows from these times alone, so a test of what overlaps with what is exact and takes
milliseconds.

    >>> from interactive_flow import flow, task
    >>> from interactive_flow.testing import DeterministicExecutor
    >>> executor = DeterministicExecutor(workers=2)
    >>> @task
    ... def work(seconds):
    ...     executor.clock.sleep(seconds)
    ...     return seconds
    >>> @flow
    ... def three():
    ...     return [work(5), work(3), work(4)]
    >>> three.options(executor=executor).run()
    [5, 3, 4]
    >>> three.last_run.record().finished_at
    7.0
"""

from __future__ import annotations

import contextvars
import heapq
from collections.abc import Sequence
from contextvars import ContextVar
from itertools import count
from math import inf, nextafter
from queue import SimpleQueue
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.runtime.executors import Executor, Port, Report
from interactive_flow.runtime.worker import run_task

_elapsed: ContextVar[list[float] | None] = ContextVar("interactive_flow_testing_elapsed", default=None)


class FakeClock:
    """Time that passes only when everybody waits; the clock of a `DeterministicExecutor`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._executors: list[DeterministicExecutor] = []

    def now(self) -> float:
        """Seconds since the clock was made; inside a task, what it has slept so far included."""
        elapsed = _elapsed.get()
        return self._now + (elapsed[0] if elapsed is not None else 0.0)

    def sleep(self, seconds: float) -> None:
        """Called by a task: it takes this long.  Returns at once.

        Raises:
            ValueError: `seconds` is negative.
            RuntimeError: called outside a task of a `DeterministicExecutor`.
        """
        if seconds < 0:
            raise ValueError(f"sleep({seconds}): time does not go back")
        elapsed = _elapsed.get()
        if elapsed is None:
            raise RuntimeError("FakeClock.sleep is for tasks that run on the clock's DeterministicExecutor")
        elapsed[0] += seconds

    def wait(self, signal: SimpleQueue[None], timeout: float | None) -> None:
        """For the runner: lets time pass until there is something in `signal`, at most by `timeout` seconds.

        Raises:
            RuntimeError: nothing would ever happen.
        """
        begin = self._now
        deadline = None if timeout is None else begin + timeout
        while signal.empty():
            for executor in self._executors:
                executor.begin_submitted()
            upcoming = min((e.next_time() for e in self._executors), default=inf)
            if deadline is not None and deadline < upcoming:
                # At least by the smallest step: the deadline may differ from now by less than a sum can hold.
                self._now = max(self._now, deadline, nextafter(begin, inf))
                return
            if upcoming == inf:
                raise RuntimeError("the run waits, but no task is running and no timer is set")
            self._now = max(self._now, upcoming)
            for executor in self._executors:
                executor.finish_due(self._now)
        signal.get()


class _Recorder:
    """Stands between a task and its port, so that heartbeats come at their own times."""

    def __init__(self, executor: DeterministicExecutor, port: Port, elapsed: list[float], start: float) -> None:
        self.clock, self.echo = port.clock, port.echo
        self._executor, self._elapsed, self._start = executor, elapsed, start

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> bool:
        self._executor.note(self._start + self._elapsed[0], job, (progress, message))
        return True

    def produced(self, job: Job, item: Any) -> bool:
        self._executor.note_item(self._start + self._elapsed[0], job, item)
        return True

    def finished(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> Job | None:
        raise AssertionError("a task does not finish itself")

    def finished_many(self, reports: Sequence[Report]) -> None:
        raise AssertionError("a task does not finish itself")

    def begun(self, job: Job, at: float, worker: str) -> None:
        raise AssertionError("a task does not begin itself")

    def resize(self, executor: Executor, capacity: int) -> None:
        raise AssertionError("a task is no executor")


class _Item:
    """An item of a generator task, on its way."""

    def __init__(self, value: Any) -> None:
        self.value = value


class DeterministicExecutor:
    """Runs tasks one after the other in the runner's thread, and lets them finish when the fake time says so.

    Each task's function runs to its end at the moment when its call starts; its result arrives as many seconds later as
    it has slept.  So a heartbeat inside it always gives True, whatever happens to the call meanwhile.

    Args:
        workers: how many tasks run at once.
        clock: a clock to share with other executors; one of its own unless given.
    """

    def __init__(self, workers: int = 8, clock: FakeClock | None = None) -> None:
        self.capacity = workers
        self.clock = clock or FakeClock()
        self.clock._executors.append(self)
        self._submitted: list[Job] = []
        self._upcoming: list[tuple[float, int, Job, Any, float | None]] = []
        self._ticket = count()

    def open(self, port: Port) -> None:
        """See `Executor.open`."""
        self._port = port
        self._context = contextvars.copy_context()

    def submit(self, job: Job) -> None:
        """See `Executor.submit`."""
        self._submitted.append(job)

    def cancel(self, job: Job) -> None:
        """See `Executor.cancel`; the job's result is dropped when its time comes."""

    def close(self) -> None:
        """See `Executor.close`."""
        self._submitted.clear()
        self._upcoming.clear()

    def note(self, time: float, job: Job, beat: tuple[float | None, str | None]) -> None:
        """A heartbeat that `job` will have given at `time`."""
        heapq.heappush(self._upcoming, (time, next(self._ticket), job, beat, None))

    def note_item(self, time: float, job: Job, item: Any) -> None:
        """An item that `job` will have produced at `time`."""
        heapq.heappush(self._upcoming, (time, next(self._ticket), job, _Item(item), None))

    def begin_submitted(self) -> None:
        """Runs the functions of the jobs that were submitted; called by the clock."""
        while self._submitted:
            job = self._submitted.pop(0)
            start, elapsed = self.clock.now(), [0.0]
            recorder = _Recorder(self, self._port, elapsed, start)
            context = self._context.copy()
            context.run(_elapsed.set, elapsed)
            outcome = run_task(job, recorder, context)
            heapq.heappush(self._upcoming, (start + elapsed[0], next(self._ticket), job, outcome, start))

    def next_time(self) -> float:
        """When something happens next; infinity for never."""
        while self._upcoming and self._upcoming[0][2].abandoned:
            heapq.heappop(self._upcoming)
        return self._upcoming[0][0] if self._upcoming else inf

    def finish_due(self, now: float) -> None:
        """Reports the next thing that is due at `now`; called by the clock."""
        if self.next_time() > now:
            return
        time, _, job, outcome, started = heapq.heappop(self._upcoming)
        if isinstance(outcome, _Item):
            self._port.produced(job, outcome.value)
            return
        if started is None:
            self._port.heartbeat(job, *outcome)
            return
        following = self._port.finished(job, outcome, started, time, "simulated")
        if following is not None:
            self.submit(following)

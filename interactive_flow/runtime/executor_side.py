"""What executors and a run want of each other: calls are handed out, and what becomes of them is reported.

`ExecutorSide` is the part of a `Runner` that executors talk to, from any of their threads; it is their `Port`.  What
workflow code talks to is `CodeSide`, below it; the thread of the run, and when it sleeps, is the `Runner` itself.
"""

from __future__ import annotations

import contextvars
from abc import abstractmethod
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.runtime.cache import Lookups
from interactive_flow.runtime.capture import end_lines, unfinished
from interactive_flow.runtime.clock import Clock
from interactive_flow.runtime.code_side import CodeSide
from interactive_flow.runtime.executors import Executor, InlineExecutor, Report, make_executor
from interactive_flow.runtime.tiny import TinyCalls
from interactive_flow.runtime.worker import Failure

_outcome = itemgetter(1)


class Lane:
    """An executor of this run, and how many more jobs it takes."""

    __slots__ = ("capacity", "executor", "free", "key", "queues", "submit_many", "workers")

    def __init__(self, key: Any, executor: Executor) -> None:
        self.key = key
        self.executor = executor
        self.free = self.capacity = executor.capacity
        self.queues = getattr(executor, "queues", False)
        self.workers = getattr(executor, "workers", executor.capacity)
        self.submit_many = getattr(executor, "submit_many", None)

    @property
    def is_busy(self) -> bool:
        """True where all workers have something to do, and further calls would only wait elsewhere."""
        return self.queues and self.capacity - self.free >= self.workers


class ExecutorSide(CodeSide):
    """The part of a `Runner` that executors talk to.

    Attributes:
        clock: what tells the time.
        t0: when the run began, by the clock.
        context: the context in which tasks run, as it was when the run began.
        lookups: those of results that were kept.
        echo: whether what tasks print also goes where it would have gone without the run.
    """

    clock: Clock
    echo: bool
    t0: float
    context: contextvars.Context
    lookups: Lookups
    _tiny: TinyCalls

    def __init__(self, max_workers: int | None, own: Lane) -> None:
        super().__init__()
        self._max_workers = max_workers
        self._lanes: dict[Any, Lane] = {None: own}
        self._cancel_reason: str | None = None

    @abstractmethod
    def _tell_own_thread(self) -> None:
        """Wakes the run's own thread where there is something for it to do."""

    @abstractmethod
    def _wake(self) -> None:
        """Wakes it."""

    # -- with the lock held ---------------------------------------------------------------------------------------

    def _react(self) -> None:
        """Does what the engine left to do."""
        engine = self.engine
        engine.lanes.fresh = False
        if engine.abandoned:
            for job in engine.abandoned:
                if job.lane is not None:
                    job.lane.free += 1
                    self._note_free(job.lane)
                    job.lane.executor.cancel(job)
            engine.abandoned.clear()
        if engine.lookups:
            self.lookups.take_up()
        for key, waiting in engine.lanes.by_key.items():
            if not waiting or self._cancel_reason is not None:
                continue
            try:
                lane = self._lanes.get(key) or self._open_lane(key)
            except Exception as error:  # this may be any thread, and the run must not be left waiting
                engine.crash(error)
                break
            if lane.queues:
                self._hand_out_many(lane)
                continue
            while lane.free > 0:
                following = engine.start_next(key)
                if following is None:
                    break
                lane.free -= 1
                following.lane = lane
                lane.executor.submit(following)
                if isinstance(lane.executor, InlineExecutor):
                    self._wake()
        self._tell_own_thread()

    def _hand_out_many(self, lane: Lane) -> None:
        """Hands out to an executor with a queue, which need not hear of every single call at once."""
        jobs = self.engine.start_many(lane.key, lane.free)
        lane.free -= len(jobs)
        for job in jobs:
            job.lane = lane
        if lane.submit_many is not None:
            lane.submit_many(jobs)
        else:
            for job in jobs:
                lane.executor.submit(job)
        self._note_free(lane)

    def _note_free(self, lane: Lane) -> None:
        """To be called whenever the number of free places has changed."""
        if lane.queues:
            self.engine.lanes.by_key[lane.key].sated = lane.is_busy

    def _open_lane(self, key: Any) -> Lane:
        given = self.engine.lanes.by_key[key].executor
        executor = make_executor(given, self._max_workers)
        clock = getattr(executor, "clock", self.clock)
        if clock is not self.clock and clock.now is self.clock.now:
            self.clock = clock  # it tells the same time, and knows better how to wait
            self._wake()
        self.context.copy().run(executor.open, self)
        lane = self._lanes[key] = Lane(key, executor)
        return lane

    # -- what executors report (in any thread) --------------------------------------------------------------------

    def finished(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> Job | None:
        """See `Port.finished`."""
        t0 = self.t0
        if unfinished:
            end_lines([job])
        if self.lookups.missed:
            self.lookups.pack(job, outcome)
        with self.lock:
            if job.abandoned:
                return None
            self.report(job, outcome, started - t0, finished - t0, worker)
            lane, engine = job.lane, self.engine
            following = engine.start_next(lane.key, lane.queues) if self._cancel_reason is None else None
            if following is None:
                lane.free += 1
                self._note_free(lane)
            else:
                following.lane = lane
            if engine.lanes.fresh or engine.abandoned:
                self._react()
            else:
                self._tell_own_thread()
            return following

    def finished_many(self, reports: Sequence[Report]) -> None:
        """See `Port.finished_many`."""
        if unfinished:
            end_lines([report[0] for report in reports])
        if self.lookups.missed:
            self.lookups.pack_many(reports)
        with self.lock:
            taken = self.report_many(reports)
            if taken:
                lane = reports[0][0].lane
                lane.free += taken
                self._note_free(lane)
            self._react()

    def begun(self, job: Job, at: float, worker: str) -> None:
        """See `Port.begun`."""
        with self.lock:
            self.engine.begun(job, at - self.t0, worker)
            self._react()

    def resize(self, executor: Executor, capacity: int) -> None:
        """See `Port.resize`."""
        with self.lock:
            for lane in self._lanes.values():
                if lane.executor is executor:
                    lane.free += capacity - lane.capacity
                    lane.capacity = capacity
                    self._note_free(lane)
            self._react()

    def report(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> None:
        """Tells the engine how a job has ended; times are seconds since the start of the run."""
        try:
            if type(outcome) is Failure:
                self.engine.attempt_failed(job, outcome.error, started, finished, worker)
            else:
                self.engine.succeeded(job, outcome, started, finished, worker)
        except Exception as error:  # a bug here must end the run, not leave it waiting
            self.engine.crash(error)

    def report_many(self, reports: Sequence[Report]) -> int:
        """Tells the engine how several jobs have ended, in times of the clock; how many were not abandoned."""
        if Failure not in map(type, map(_outcome, reports)):
            try:
                return self.engine.succeeded_many(reports, self.t0)
            except Exception as error:  # as in `report`
                self.engine.crash(error)
                return 0
        taken, t0 = 0, self.t0
        for job, outcome, started, finished, worker in reports:
            if not job.abandoned:
                taken += 1
                self.report(job, outcome, started - t0, finished - t0, worker)
        return taken

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> bool:
        """See `Port.heartbeat`."""
        with self.lock:
            if job is self._tiny.current:
                self._tiny.begin()
            self.engine.heartbeat(job, progress, message)
            return job.call.job is job

    def produced(self, job: Job, item: Any) -> bool:
        """See `Port.produced`."""
        if self.lookups.missed:
            self.lookups.pack_item(job, item)
        with self.lock:
            self.engine.produced(job, item)
            self._react()
            return not job.abandoned

    def fetch_output(self) -> None:
        """Makes events of what running tasks have printed so far; for whoever watches."""
        with self.lock:
            self._tiny.begin()
            self.engine.fetch_output()

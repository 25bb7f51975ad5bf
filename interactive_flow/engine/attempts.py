"""The life of task calls: they get ready, are handed out, succeed, fail, are tried again, and run out of time.

An attempt at a call is a `Job`.  It begins where an executor is handed the job (or tells that it has begun one that
was waiting in a queue of its own), and it is over when its outcome is reported, or before that, when its time is up
or nobody wants the call any more.  Then the job is *abandoned*, and what is still reported of it is late news.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from interactive_flow.engine.calls import Barrier, Call, Job, StreamCall, TaskCall, WorkflowCall
from interactive_flow.engine.containers import fill_arguments
from interactive_flow.engine.graph import _NO_KWARGS, FAILED, READY, RUNNING, SUCCEEDED, Driver, Graph
from interactive_flow.engine.lanes import Lanes
from interactive_flow.engine.memory import Memory
from interactive_flow.engine.ranking import Ranking
from interactive_flow.engine.timers import TimerKind, Timers
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import TaskError, TaskTimeout
from interactive_flow.model.events import (
    AttemptFailed,
    CallCached,
    CallOutput,
    CallProgressed,
    CallStarted,
    CallSucceeded,
    CallYielded,
)
from interactive_flow.model.log import code_of

_ONLY_COUNT = frozenset([Barrier, TaskCall, StreamCall, WorkflowCall])
"""Who need not be told of every single result that they wait for, as long as there are more."""

_STARTED, _SUCCEEDED = code_of(CallStarted), code_of(CallSucceeded)


class Attempts(Graph):
    """What the engine does with tasks.

    Args:
        clock: seconds since the start of the run.
        driver: who drives the engine.
        runs_tiny: whether the driver takes tiny calls (see `interactive_flow.engine.lanes`).
        rate_limit: how many attempts begin in a second, at most; None for no bound.

    Attributes:
        lanes: the calls that are ready.
        jobs: the attempts that are running.
        abandoned: those that no executor need go on with.
        memory: what is known of a run before, where there is anything.
        caches_all: whether the calls of every task are looked up that does not say otherwise.
        lookups: calls that are ready and may have a value that is known from before; whoever drives the engine takes
            them, and answers each with `recall` or `looked_up`.
        looking: how many were taken and not answered yet.
    """

    def __init__(self, clock: Callable[[], float], driver: Driver, runs_tiny: bool, rate_limit: float | None) -> None:
        super().__init__(clock, driver)
        self.jobs: dict[Job, None] = {}
        self.abandoned: list[Job] = []
        self.lanes = Lanes(runs_tiny and rate_limit is None)
        self.caches_all = False
        self.lookups: deque[Call] = deque()
        self.looking = 0
        self._interval = 1.0 / rate_limit if rate_limit else 0.0
        self._next_start = 0.0
        self._timers = Timers()
        self._ranking = Ranking()
        self._said: dict[TaskCall, Any] = {}
        self.memory: Memory | None = None

    # -- calls get ready ------------------------------------------------------------------------------------------

    def _task_ready(self, call: TaskCall, looked_up: bool = False) -> None:
        """Every argument of the call is there: it waits for a worker now, if its value is not known from before."""
        call.state = READY
        if self.memory is not None and not looked_up and self.memory.takes(self, call):
            return
        spec = call.spec
        if (spec.cache or (self.caches_all and spec.cache is None)) and not looked_up:
            self.look_up(call)
            return
        if spec.durations.tiny and spec.may_be_tiny and self.lanes.runs_tiny:
            self.lanes.tiny.append(call)
            return
        if spec.watched:
            limits, now = spec.timeout, self.clock()
            if limits.schedule_to_start is not None:
                self._timers.arm(now + limits.schedule_to_start, TimerKind.SCHEDULE_TO_START, call)
            if limits.schedule_to_close is not None:
                self._timers.arm(now + limits.schedule_to_close, TimerKind.SCHEDULE_TO_CLOSE, call)
        delays = spec.retry.delays
        if delays and delays[0] > 0:
            self._timers.arm(self.clock() + delays[0], TimerKind.RETRY, call)
        else:
            self.lanes.add(call)

    # -- what is known from before (see `interactive_flow.engine.memory`) ------------------------------------------

    def go_live(self, call: Call) -> None:
        """The memory has nothing to tell of a call that it held back: it is run."""
        assert isinstance(call, TaskCall)
        self._task_ready(call)

    def remember(self, call: Call, value: Any, shown: Any, seconds: float, run: str) -> None:
        """A call has the value that it had before; `shown` stands for it in the event."""
        self.events.append(CallCached(self.clock(), call.index, shown, seconds, run))
        self.settle(call, SUCCEEDED, value)

    def go_on_trying(self, call: TaskCall, failures: Sequence[TaskError], at_once: bool, said: Any) -> None:
        """A call waits for a worker again that was tried already when its run was interrupted.

        Args:
            call: which.
            failures: the errors of the attempts that failed.
            at_once: True where a further attempt was under way; False where one would have been made after a while.
            said: its last heartbeat.
        """
        now, retry = self.clock(), call.spec.retry
        if said is not None:
            self._said[call] = said
        due = now
        for error in failures[: retry.attempts - 1]:
            call.attempt += 1
            due = now if at_once else now + retry.wait_before(call.attempt + 1)
            self._log((_STARTED, now, call.index, call.attempt, None))
            self.events.append(AttemptFailed(now, call.index, call.attempt, now, None, error, due))
        limits = call.spec.timeout
        if limits.schedule_to_start is not None and not call.attempt:
            self._timers.arm(now + limits.schedule_to_start, TimerKind.SCHEDULE_TO_START, call)
        if limits.schedule_to_close is not None:
            self._timers.arm(now + limits.schedule_to_close, TimerKind.SCHEDULE_TO_CLOSE, call)
        if due > now:
            self._timers.arm(due, TimerKind.RETRY, call)
        else:
            self.lanes.add(call)

    def look_up(self, call: Call) -> None:
        """A call is ready, and somebody has to see whether its value is known from before."""
        self.lookups.append(call)
        self.lanes.fresh = True

    def looked_up(self, call: Call) -> None:
        """The value of a call is not known from before."""
        assert isinstance(call, TaskCall)
        self._task_ready(call, looked_up=True)

    def recall(self, call: Call, value: Any, seconds: float, run: str) -> None:
        """See `Graph.recall`."""
        if isinstance(call, StreamCall):
            call.items = list(value)  # one by one they are not told of: they are there all at once
        super().recall(call, value, seconds, run)

    # -- calls are handed out -------------------------------------------------------------------------------------

    def start_next(self, lane: Any, queued: bool = False) -> Job | None:
        """Hands out the next ready task call of this lane; None where there is none.

        Args:
            lane: of which executor.
            queued: False where a worker is free and begins it now; True where it may have to wait in the executor's
                own queue, and `begun` will tell.
        """
        self._reconsider(lane)
        if self._interval and self.clock() < self._next_start:
            return None  # `next_deadline` says when to ask again
        taken = self.lanes.take(lane, 1)
        if not taken:
            return None
        call = taken[0]
        if self._interval:
            self._next_start = self.clock() + self._interval  # nothing is saved up for a burst
        return self._new_job(call) if queued else self._start(call)

    def start_many(self, lane: Any, most: int) -> list[Job]:
        """Hands out ready task calls of this lane, `most` at a time, to wait in the executor's own queue."""
        if self._interval:
            job = self.start_next(lane, True) if most > 0 else None
            return [] if job is None else [job]
        self._reconsider(lane)
        return [self._new_job(call) for call in self.lanes.take(lane, most)]

    def _reconsider(self, lane: Any) -> None:
        """Puts the calls of a lane in their order, where there is a choice and something has changed."""
        ranking = self._ranking
        if ranking.stale and self.lanes.crowded(lane) and ranking.refresh(self.root, self.clock()):
            self.lanes.reorder()

    def take_tiny(self, queue: deque[Job], most: int) -> bool:
        """Hands tiny calls to the thread that runs the workflow's code; False where there is none.

        Args:
            queue: where they wait for that thread.
            most: how many it takes.
        """
        tiny, jobs = self.lanes.tiny, self.jobs
        while tiny and most:
            call = tiny.popleft()
            if call.state is READY:
                job = call.job = Job(call, 1)
                jobs[job] = None
                queue.append(job)
                most -= 1
        return bool(queue)

    def take_back(self, job: Job) -> None:
        """A job that waits in a queue is taken out again, and its call is for the workers."""
        if not job.abandoned:
            job.abandoned = True
            del self.jobs[job]
            job.call.job = None
            self.lanes.add(job.call)

    def _new_job(self, call: TaskCall) -> Job:
        """An attempt that waits in an executor's queue: its call is still ready, not running."""
        job = call.job = Job(call, call.attempt + 1)
        if self._said:
            job.said_before = self._said.pop(call, None)
        self.jobs[job] = None
        return job

    def _start(self, call: TaskCall) -> Job:
        job = self._new_job(call)
        self._begin(job, self.clock(), None)
        return job

    def begun(self, job: Job, at: float, worker: str | None) -> None:
        """A worker has begun a job that was handed out to wait."""
        if not job.abandoned and job.started < 0:
            self._begin(job, at, worker)

    def _begin(self, job: Job, now: float, worker: str | None) -> None:
        call = job.call
        call.state = RUNNING
        call.attempt = job.attempt
        job.started = job.beat_at = now
        self._log((_STARTED, now, call.index, job.attempt, worker))
        spec = call.spec
        if spec.watched:
            limits = spec.timeout
            if limits.start_to_close is not None:
                self._timers.arm(now + limits.start_to_close, TimerKind.START_TO_CLOSE, call, job)
            if limits.heartbeat is not None:
                self._timers.arm(now + limits.heartbeat, TimerKind.HEARTBEAT, call, job)

    def arguments(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with every placeholder replaced by its value; needs no lock."""
        if not call.depends:
            return call.args, call.kwargs
        return fill_arguments(call.args, call.kwargs)

    # -- attempts end ---------------------------------------------------------------------------------------------

    def succeeded(self, job: Job, value: Any, started: float, finished: float, worker: str | None) -> None:
        """An attempt gave a value.  Late news of an abandoned attempt is not for the engine."""
        call = job.call
        if call.job is not job:
            raise self.illegal(call, SUCCEEDED, f", and this is attempt {job.attempt} of {call.attempt}")
        if job.started < 0:
            self._begin(job, started, worker)
        if isinstance(call, StreamCall):
            self._complete_stream(call, job, value)
        self._leave(job, started, finished)
        self._log((_SUCCEEDED, finished, call.index, started, worker, value))
        self.settle(call, SUCCEEDED, value)

    def succeeded_many(self, reports: Iterable[tuple[Job, Any, float, float, str]], t0: float) -> int:
        """Several attempts gave values; the same as `succeeded` for each that is not abandoned.

        What is short is mostly many, and this is where a run of short calls spends its time: so the transitions of an
        ordinary call are written out here, one after the other.

        Args:
            reports: job, value, when it began and ended, worker.
            t0: what the times are counted from.

        Returns:
            How many there were that were not abandoned.
        """
        log, length, jobs, judged, taken = self._log, self.events.length, self.jobs, self.lanes.runs_tiny, 0
        for job, value, started, finished, worker in reports:
            if job.abandoned:
                continue
            taken += 1
            call = job.call
            spec = call.spec
            if type(call) is not TaskCall or spec.watched or spec.limit is not None or job.printed:
                self.succeeded(job, value, started - t0, finished - t0, worker)
                continue
            if call.job is not job:
                raise self.illegal(call, SUCCEEDED, f", and this is attempt {job.attempt} of {call.attempt}")
            index = call.index
            if job.started < 0:
                call.attempt = job.attempt
                log((_STARTED, started - t0, index, job.attempt, worker))
            del jobs[job]
            call.job = None
            known = spec.durations
            known.learn(finished - started, call.number, judged)
            if known.count < 4:
                self._ranking.stale = True
            log((_SUCCEEDED, finished - t0, index, started - t0, worker, value))
            call.state, call.done, call.outcome, call.order = SUCCEEDED, True, value, length()
            call.args, call.kwargs = (), _NO_KWARGS
            call.scope.open.pop(call, None)  # type: ignore[union-attr]
            dependents = call.dependents
            if not dependents:
                continue
            if len(dependents) == 1 and type(dependents[0]) in _ONLY_COUNT and dependents[0].missing > 1:
                call.dependents = None
                dependents[0].missing -= 1
            else:
                self._tell_dependents(call)
        return taken

    def attempt_failed(
        self, job: Job, error: BaseException, started: float, finished: float, worker: str | None
    ) -> None:
        """An attempt raised, or its worker died."""
        call = job.call
        if call.job is not job:
            raise self.illegal(call, FAILED, f", and this is attempt {job.attempt} of {call.attempt}")
        if job.started < 0:
            self._begin(job, started, worker)
        self._leave(job, started, finished)
        retry = call.spec.retry
        failure = TaskError(brief_error(error), call.id)
        failure.__cause__ = error
        if call.attempt < retry.attempts and isinstance(error, retry.on):
            self._retry(call, failure, started, worker, job.said or job.said_before)
        else:
            self.fail(call, failure, started, worker)

    def _retry(self, call: TaskCall, failure: TaskError, started: float, worker: str | None, said: Any = None) -> None:
        if said is not None:
            self._said[call] = said
        now = self.clock()
        delay = call.spec.retry.wait_before(call.attempt + 1)
        call.state = READY
        self.events.append(AttemptFailed(now, call.index, call.attempt, started, worker, failure, now + delay))
        if delay > 0:
            self._timers.arm(now + delay, TimerKind.RETRY, call)
        else:
            self.lanes.add(call)

    def _leave(self, job: Job, started: float = 0.0, finished: float | None = None) -> None:
        """An attempt is over, as far as the engine is concerned; it came to its own end where there are times."""
        if job.printed:
            self._take_output(job, self.clock() if finished is None else finished)
        del self.jobs[job]
        call = job.call
        call.job = None
        spec = call.spec
        if spec.limit is not None:
            self.lanes.left(spec)
        if finished is not None:
            known = spec.durations
            # Elsewhere, as under a fake clock, durations say nothing about threads.
            known.learn(finished - started, call.number, self.lanes.runs_tiny)
            if known.count < 4:
                self._ranking.stale = True

    def stop(self, call: Call) -> float | None:
        """See `Graph.stop`."""
        if not isinstance(call, TaskCall) or call.job is None:
            return None
        job = call.job
        job.abandoned = True
        self.abandoned.append(job)
        self._leave(job)
        return job.started if job.started >= 0 else None

    # -- attempts tell of themselves ------------------------------------------------------------------------------

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> None:
        """A running attempt gave a sign of life; so may a thread that one which is over has left behind."""
        if job.call.job is not job:
            return
        job.beat_at = self.clock()
        job.said = (progress, message)
        if progress is not None or message is not None:
            self.events.append(CallProgressed(job.beat_at, job.call.index, progress, message))

    def produced(self, job: Job, item: Any) -> None:
        """A generator task has produced an item."""
        call = job.call
        if call.job is not job or not isinstance(call, StreamCall):
            return
        position = job.produced
        job.produced += 1
        if position >= len(call.items):  # else an attempt before this one has, and it may have been used
            self.add_item(call, item)

    def add_item(self, call: StreamCall, item: Any) -> None:
        """There is a further item of a generator task."""
        position = len(call.items)
        call.items.append(item)
        self.events.append(CallYielded(self.clock(), call.index, position, item))
        for barrier in call.awaited.pop(position, ()):
            barrier.open()

    def _complete_stream(self, call: StreamCall, job: Job, value: Any) -> None:
        """What an executor that cannot stream gives all at once."""
        for item in value[job.produced :]:
            self.produced(job, item)

    def fetch_output(self) -> None:
        """Takes from the running attempts what they have printed so far."""
        for job in self.jobs:
            if job.printed:
                self._take_output(job, self.clock())

    def _take_output(self, job: Job, now: float) -> None:
        pieces = []
        while job.output:
            pieces.append(job.output.popleft())
        for stream, group in groupby(pieces, key=itemgetter(0)):
            text = "".join(piece for _, piece in group)
            self.events.append(CallOutput(now, job.call.index, stream, text))
        if job.left_out:
            left_out, job.left_out = job.left_out, 0
            self.events.append(CallOutput(now, job.call.index, "stdout", "", left_out))

    # -- time passes ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `fire_timers` is due, in seconds since the start of the run; None where no timer is set."""
        deadline = self._timers.next_deadline()
        # Once that time has come, calls that are still ready want a worker, and whoever sets one free asks for them.
        if self._interval and self.lanes and self._next_start > self.clock():
            return self._next_start if deadline is None else min(deadline, self._next_start)
        return deadline

    def fire_timers(self) -> None:
        """Does what is due by now."""
        if not self._timers:
            return
        now = self.clock()
        for kind, call, job in self._timers.due(now):
            if call.done or (job is not None and call.job is not job):
                continue
            if kind is TimerKind.RETRY:
                self.lanes.add(call)
            elif kind is TimerKind.HEARTBEAT:
                assert job is not None
                due = job.beat_at + call.spec.timeout.heartbeat
                if due > now:
                    self._timers.arm(due, kind, call, job)
                else:
                    self._time_out(call, kind)
            elif kind is not TimerKind.SCHEDULE_TO_START or call.attempt == 0:
                self._time_out(call, kind)

    def _time_out(self, call: TaskCall, kind: TimerKind) -> None:
        seconds = getattr(call.spec.timeout, kind.value)
        failure = TaskTimeout(f"{kind.complaint} within {seconds:g} s ({kind.value})", call.id)
        job = call.job
        started = self.stop(call)
        if kind.concerns_one_attempt and call.attempt < call.spec.retry.attempts:
            assert started is not None
            assert job is not None
            self._retry(call, failure, started, None, job.said or job.said_before)
        else:
            self.fail(call, failure, started, None)

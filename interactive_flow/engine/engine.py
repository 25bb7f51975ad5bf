"""The state machine: from calls, completions and deadlines to what may run next.

Whoever drives an `Engine` calls it from one thread at a time.  Each thing that can happen has one method; each method
appends to `Graph.events` and may leave something to do:

- `Engine.start_next` hands out ready task calls, lane by lane (a lane is an executor), `Engine.start_tiny` those that
  are best run where workflow code stands still;
- `Engine.runnable` holds the workflows whose code can be advanced;
- `Engine.abandoned` holds the jobs that no executor need go on with, `Graph.discarded` the fibers to close;
- `Engine.next_deadline` says when to call `Engine.fire_timers`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any

from interactive_flow.engine.calls import Barrier, Call, Job, Scope, StreamCall, TaskCall, WorkflowCall
from interactive_flow.engine.containers import fill, fill_arguments, gather
from interactive_flow.engine.fibers import Fiber, Raised, Restart, Returned, make_fiber
from interactive_flow.engine.graph import (
    _NO_KWARGS,
    CANCELLED,
    FAILED,
    READY,
    RUNNING,
    SUCCEEDED,
    Driver,
    Graph,
)
from interactive_flow.engine.lanes import Lanes
from interactive_flow.engine.ranking import Ranking
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.engine.timers import TimerKind, Timers
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import TaskCancelled, TaskError, TaskTimeout, WorkflowStalled
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallOutput,
    CallProgressed,
    CallStarted,
    CallSucceeded,
    CallYielded,
    RunFinished,
    RunStarted,
    Site,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.log import code_of
from interactive_flow.model.states import CallState, RunStatus

_STARTED, _SUCCEEDED = code_of(CallStarted), code_of(CallSucceeded)
_BARRIER_ENTERED, _BARRIER_LEFT = code_of(BarrierEntered), code_of(BarrierLeft)
_FINAL = {RunStatus.SUCCEEDED: SUCCEEDED, RunStatus.FAILED: FAILED, RunStatus.CANCELLED: CANCELLED}


class Engine(Graph):
    """One run.

    Args:
        clock: seconds since the start of the run.
        driver: who drives the engine.
        run: the run's id.
        workers: how many calls the executor runs at once; only recorded.
        wall: seconds since the epoch at the start; only recorded.
        restarts: how often the run has begun again already.
        runs_tiny: whether the driver takes tiny calls (see `interactive_flow.engine.lanes`).
        strategy: how workflow code is suspended: ``"resume"`` or ``"replay"`` (see `interactive_flow.engine.fibers`).
        rate_limit: how many attempts begin in a second, at most; None for no bound.

    Attributes:
        root: the run's own workflow.
        status, value, error: of the run.
        next_input: the arguments with which the run begins again, in an engine of its own, once this one is done.
        jobs: the attempts that are running.
        runnable, abandoned: what is left to do (see above).
    """

    def __init__(
        self,
        clock: Callable[[], float],
        driver: Driver,
        *,
        run: str,
        workers: int = 1,
        wall: float = 0.0,
        runs_tiny: bool = False,
        restarts: int = 0,
        rate_limit: float | None = None,
        strategy: str = "resume",
    ) -> None:
        super().__init__(clock, driver)
        self.status = RunStatus.RUNNING
        self.value: Any = None
        self.error: BaseException | None = None
        self.next_input: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.jobs: dict[Job, None] = {}
        self.runnable: deque[WorkflowCall] = deque()
        self.abandoned: list[Job] = []
        self.lanes = Lanes(runs_tiny and rate_limit is None)
        self.strategy = strategy
        self._interval = 1.0 / rate_limit if rate_limit else 0.0
        self._next_start = 0.0
        self._identity = (run, workers, wall, restarts)
        self._timers = Timers()
        self._ranking = Ranking()
        self._said: dict[TaskCall, Any] = {}
        self._sub_workflows = 0

    # -- the run --------------------------------------------------------------------------------------------------

    def start(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> WorkflowCall:
        """Begins the run: its own workflow becomes runnable."""
        run, workers, wall, restarts = self._identity
        self.root = WorkflowCall(self, 0, spec, 1, None, args, kwargs, False)
        self.events.append(
            RunStarted(self.clock(), run, spec.name, wall, workers, spec.source, spec.file, spec.first_line, restarts)
        )
        self.root.state = RUNNING
        self.runnable.append(self.root)
        return self.root

    def cancel(self, reason: str = "run cancelled") -> None:
        """Ends the run: what has not finished is cancelled, what has is kept."""
        if self.status is RunStatus.RUNNING:
            self._finish_run(RunStatus.CANCELLED, None, TaskCancelled(reason))

    def crash(self, error: BaseException) -> None:
        """Ends the run with an error that is not the workflow's: an executor, or this package, has failed."""
        if self.status is RunStatus.RUNNING:
            self._finish_run(RunStatus.FAILED, None, error)

    def _finish_run(self, status: RunStatus, value: Any, error: BaseException | None) -> None:
        self.status, self.value, self.error = status, value, error
        self.root.state, self.root.done = _FINAL[status], True
        if status is RunStatus.CANCELLED:
            self.close(self.root, str(error))
        else:
            self.close(self.root)
        self.runnable.clear()
        self.events.append(RunFinished(self.clock(), status, value, error))

    def check_stalled(self) -> None:
        """Fails the run where nothing runs, nothing can run and no timer is set, so that it would wait for ever."""
        if self.status is not RunStatus.RUNNING or self.runnable or self.jobs or self.lanes:
            return
        if self._timers.next_deadline() is not None:
            return
        waits = ", ".join(call.id for call in self.root.open) or "nothing"
        self.crash(WorkflowStalled(f"{self.root.spec.name} waits for results that cannot come; unfinished: {waits}"))

    # -- calls are made -------------------------------------------------------------------------------------------

    def call(
        self,
        scope: Scope,
        spec: TaskSpec | WorkflowSpec,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        deps: tuple[Call, ...],
        site: Site | None,
    ) -> Call:
        """Workflow code called a task or a sub-workflow with arguments that `gather` has gone through."""
        is_task = type(spec) is TaskSpec
        node = WorkflowCall if not is_task else StreamCall if spec.streams else TaskCall  # type: ignore[union-attr]
        call = node(self, self._next_index, spec, scope.count(spec.name), scope, args, kwargs, bool(deps))
        self.add(call, deps, site)
        if deps:
            self._ranking.stale = True
            self.connect(call, deps)
            if call.state is not READY and not (is_task and spec.durations.tiny):  # type: ignore[union-attr]
                self.lanes.hand_over()
        else:
            self.make_ready(call)
        return call

    def make_ready(self, call: Call) -> None:
        """Every argument of the call is there: a task waits for a worker now, a sub-workflow begins."""
        if isinstance(call, WorkflowCall):
            call.state = RUNNING
            self._sub_workflows += 1
            call.started = self.clock()
            self.events.append(CallStarted(call.started, call.index, 1, None))
            self.runnable.append(call)
            return
        assert isinstance(call, TaskCall)
        call.state = READY
        spec = call.spec
        if not spec.may_be_tiny:
            self._arm_schedule_timeouts(call)
        delays = spec.retry.delays
        if delays and delays[0] > 0:
            self._timers.arm(self.clock() + delays[0], TimerKind.RETRY, call)
        else:
            self.lanes.add(call)

    def _arm_schedule_timeouts(self, call: TaskCall) -> None:
        limits, now = call.spec.timeout, self.clock()
        if limits.schedule_to_start is not None:
            self._timers.arm(now + limits.schedule_to_start, TimerKind.SCHEDULE_TO_START, call)
        if limits.schedule_to_close is not None:
            self._timers.arm(now + limits.schedule_to_close, TimerKind.SCHEDULE_TO_CLOSE, call)

    # -- tasks run ------------------------------------------------------------------------------------------------

    def start_next(self, lane: Any, queued: bool = False) -> Job | None:
        """Hands out the next ready task call of this lane; None where there is none.

        Args:
            lane: of which executor.
            queued: False where a worker is free and begins it now; True where it may have to wait in the executor's
                own queue, and `begun` will tell.
        """
        if self._ranking.stale and self.lanes.crowded(lane) and self._ranking.refresh(self.root, self._next_index):
            self.lanes.reorder()
        if self._interval and self.clock() < self._next_start:
            return None  # `next_deadline` says when to ask again
        call = self.lanes.next(lane)
        if call is None:
            return None
        if self._interval:
            self._next_start = self.clock() + self._interval  # nothing is saved up for a burst
        return self._hand_out(call) if queued else self._start(call)

    def _hand_out(self, call: TaskCall) -> Job:
        """The call waits for a worker from now on, in an executor's queue; it is still ready, not running."""
        return self._new_job(call, -1.0)

    def _new_job(self, call: TaskCall, started: float) -> Job:
        job = call.job = Job(call, call.attempt + 1, started)
        if call.attempt:
            job.said_before = self._said.pop(call, None)
        self.jobs[job] = None
        return job

    def begun(self, job: Job, at: float, worker: str | None) -> None:
        """A worker has begun a job that was handed out to wait."""
        if not job.abandoned and job.started < 0:
            self._begin(job, at, worker)

    def tiny_is_wanted(self) -> bool:
        """True where running tiny calls is all that the thread of the workflow's code could do.

        That is where no sub-workflow is on its way, and the run's own code either waits for a tiny call or has come to
        its end.  Elsewhere the thread must be free for what arrives: tiny calls are only thought to be so.
        """
        root = self.root
        if self._sub_workflows:
            return False
        awaited = root.blocked_on
        return root.returned or (isinstance(awaited, TaskCall) and awaited.spec.durations.tiny)

    def start_tiny(self) -> Job | None:
        """Hands the next tiny task call to the thread that runs the workflow's code; None where there is none."""
        call = self.lanes.next_tiny()
        return self._start(call) if call is not None else None

    def _start(self, call: TaskCall) -> Job:
        now = self.clock()
        job = self._new_job(call, now)
        self._begin(job, now, None)
        return job

    def _begin(self, job: Job, now: float, worker: str | None) -> None:
        call = job.call
        call.state = RUNNING
        call.attempt = job.attempt
        job.started = job.beat_at = now
        self._log((_STARTED, now, call.index, call.attempt, worker))
        spec = call.spec
        if not spec.may_be_tiny:
            limits = spec.timeout
            if limits.start_to_close is not None:
                self._timers.arm(now + limits.start_to_close, TimerKind.START_TO_CLOSE, call, job)
            if limits.heartbeat is not None:
                self._timers.arm(now + limits.heartbeat, TimerKind.HEARTBEAT, call, job)

    def arguments(self, call: TaskCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with every placeholder replaced by its value; needs no lock."""
        if not call.depends:
            return call.args, call.kwargs
        return fill_arguments(call.args, call.kwargs)

    def succeeded(self, job: Job, value: Any, started: float, finished: float, worker: str | None) -> None:
        """An attempt gave a value.  Late news of an abandoned attempt is not for the engine."""
        call = job.call
        if call.job is not job:
            raise self.illegal(call, SUCCEEDED, f", and this is attempt {job.attempt} of {call.attempt}")
        if job.started < 0:
            self._begin(job, started, worker)
        if isinstance(call, StreamCall):
            self._complete_stream(call, job, value)
        self._leave(job)
        self._learn(call, finished - started)
        self._log((_SUCCEEDED, finished, call.index, started, worker, value))
        self.settle(call, SUCCEEDED, value)

    def produced(self, job: Job, item: Any) -> None:
        """A generator task has produced an item."""
        call = job.call
        if call.job is not job or not isinstance(call, StreamCall):
            return
        position = job.produced
        job.produced += 1
        if position < len(call.items):
            return  # an attempt before this one has produced it already, and it may have been used
        call.items.append(item)
        self.events.append(CallYielded(self.clock(), call.index, position, item))
        for barrier in call.awaited.pop(position, ()):
            barrier.open()

    def _complete_stream(self, call: StreamCall, job: Job, value: Any) -> None:
        """What an executor that cannot stream gives all at once."""
        for item in value[job.produced :]:
            self.produced(job, item)

    def block_on_item(self, workflow: WorkflowCall, call: StreamCall, position: int, site: Site | None) -> bool:
        """Workflow code wants an item of a generator task; False if it is known already whether there is one."""
        if call.done or position < len(call.items):
            return False
        barrier = Barrier(self, workflow, 1)
        workflow.blocked_on = barrier
        call.tell(barrier)
        call.awaited.setdefault(position, []).append(barrier)
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (call.index,), site))
        return True

    def attempt_failed(
        self, job: Job, error: BaseException, started: float, finished: float, worker: str | None
    ) -> None:
        """An attempt raised, or its worker died."""
        call = job.call
        if call.job is not job:
            raise self.illegal(call, FAILED, f", and this is attempt {job.attempt} of {call.attempt}")
        if job.started < 0:
            self._begin(job, started, worker)
        self._leave(job)
        self._learn(call, finished - started)
        retry = call.spec.retry
        failure = TaskError(brief_error(error), call.id)
        failure.__cause__ = error
        if call.attempt < retry.attempts and isinstance(error, retry.on):
            self._retry(call, failure, started, worker, job.said or job.said_before)
        else:
            self.fail(call, failure, started, worker)

    def _learn(self, call: TaskCall, seconds: float) -> None:
        known = call.spec.durations
        known.learn(seconds, call.number)
        if self.lanes.runs_tiny:  # elsewhere, as under a fake clock, durations say nothing about threads
            known.judge(seconds)
        if known.count < 4:
            self._ranking.stale = True

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> None:
        """A running attempt gave a sign of life; so may a thread that one which is over has left behind."""
        if job.call.job is not job:
            return
        job.beat_at = self.clock()
        job.said = (progress, message)
        if progress is not None or message is not None:
            self.events.append(CallProgressed(job.beat_at, job.call.index, progress, message))

    def fetch_output(self) -> None:
        """Takes from the running attempts what they have printed so far."""
        for job in self.jobs:
            if job.output or job.left_out:
                self._take_output(job)

    def _take_output(self, job: Job) -> None:
        pieces = []
        while job.output:
            pieces.append(job.output.popleft())
        now = self.clock()
        for stream, group in groupby(pieces, key=itemgetter(0)):
            text = "".join(piece for _, piece in group)
            self.events.append(CallOutput(now, job.call.index, stream, text))
        if job.left_out:
            left_out, job.left_out = job.left_out, 0
            self.events.append(CallOutput(now, job.call.index, "stdout", "", left_out))

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

    def _leave(self, job: Job) -> None:
        """An attempt is over, as far as the engine is concerned."""
        if job.output or job.left_out:
            self._take_output(job)
        del self.jobs[job]
        call = job.call
        call.job = None
        if call.spec.limit is not None:
            self.lanes.left(call.spec)

    def mark(self, call: Call, state: CallState, outcome: Any) -> None:
        """See `Graph.mark`."""
        if type(call) is WorkflowCall and call.state is RUNNING:
            self._sub_workflows -= 1
        super().mark(call, state, outcome)

    def stop(self, call: Call) -> float | None:
        """See `Graph.stop`."""
        if isinstance(call, TaskCall):
            job = call.job
            if job is None:
                return None
            job.abandoned = True
            self.abandoned.append(job)
            self._leave(job)
            return job.started if job.started >= 0 else None
        return call.started if isinstance(call, WorkflowCall) and call.state is RUNNING else None

    # -- time passes ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `fire_timers` is due, in seconds since the start of the run; None where no timer is set."""
        deadline = self._timers.next_deadline()
        if self._interval and self.lanes:
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

    # -- workflow code advances -----------------------------------------------------------------------------------

    def fiber_of(self, workflow: WorkflowCall) -> Fiber:
        """The code of a runnable workflow, parked or about to begin; needs no lock."""
        if workflow.fiber is None:
            args, kwargs = workflow.args, workflow.kwargs
            if workflow.depends:
                args, kwargs = fill_arguments(args, kwargs)
            workflow.args, workflow.kwargs = (), _NO_KWARGS
            workflow.fiber = make_fiber(self.strategy, workflow, args, kwargs)
        return workflow.fiber

    def block(self, workflow: WorkflowCall, call: Call, site: Site | None) -> None:
        """Workflow code used a placeholder whose value is not there."""
        workflow.blocked_on = call
        call.tell(workflow)
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (call.index,), site))

    def block_elsewhere(self, workflow: WorkflowCall, call: Call, site: Site | None) -> None:
        """Workflow code used a placeholder of another run, whose calls have no number here."""
        workflow.blocked_on = call
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (), site))

    def block_on_all(self, workflow: WorkflowCall, calls: tuple[Call, ...], site: Site | None) -> bool:
        """Workflow code waits for several calls: until all have finished, or one has failed; False if that is so."""
        missing = tuple(call for call in calls if not call.done)
        if not missing or any(call.failed for call in calls):
            return False
        barrier = Barrier(self, workflow, len(missing))
        workflow.blocked_on = barrier
        for call in missing:
            call.tell(barrier)
        indexes = tuple(call.index for call in missing)
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, indexes, site))
        return True

    def workflow_heard(self, workflow: WorkflowCall, done: Call | Barrier) -> None:
        """A result is there that workflow code waits for, or that is part of what it returned."""
        if workflow.state is not RUNNING:
            return
        if workflow.blocked_on is done:
            workflow.blocked_on = None
            self._log((_BARRIER_LEFT, self.clock(), workflow.index))
            self.runnable.append(workflow)
        elif workflow.returned:
            assert isinstance(done, Call)
            if done.state is not SUCCEEDED:
                self._workflow_failed(workflow, done.outcome)
                return
            workflow.missing -= 1
            if not workflow.missing:
                self._workflow_succeeded(workflow)

    def advanced(self, workflow: WorkflowCall, result: Returned | Raised) -> None:
        """Workflow code came to its end."""
        workflow.fiber = None
        if workflow.state is not RUNNING:
            return
        if isinstance(result, Raised):
            self._workflow_failed(workflow, result.error)
            return
        value = result.value
        workflow.restarts = type(value) is Restart
        if workflow.restarts:
            value = (value.args, value.kwargs)
        try:
            (value,), _, deps = gather((value,), {})
        except ValueError as error:
            self._workflow_failed(workflow, error)
            return
        waits_on = tuple(dep for dep in deps if not dep.done)
        self.events.append(WorkflowReturned(self.clock(), workflow.index, tuple(dep.index for dep in waits_on)))
        workflow.returned, workflow.value, workflow.depends = True, value, bool(deps)
        lost = self.first_lost(deps)
        if lost is not None:
            if workflow is self.root:
                for dep in deps:
                    if dep.failed:
                        dep.outcome.observed = True
            self._workflow_failed(workflow, lost.outcome)
            return
        workflow.missing = len(waits_on)
        for dep in waits_on:
            dep.tell(workflow)
        if not waits_on:
            self._workflow_succeeded(workflow)

    def _workflow_succeeded(self, workflow: WorkflowCall) -> None:
        value = fill(workflow.value) if workflow.depends else workflow.value
        workflow.value = None
        if workflow.restarts:
            self._restart(workflow, *value)
        elif workflow is self.root:
            self._finish_run(RunStatus.SUCCEEDED, value, None)
        else:
            self.succeed(workflow, value)

    def _restart(self, workflow: WorkflowCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A workflow begins again: the run's own with a fresh history, a sub-workflow as the same call."""
        self.close(workflow)
        if workflow is self.root:
            self.status, self.next_input = RunStatus.SUCCEEDED, (args, kwargs)
            self.root.state, self.root.done = SUCCEEDED, True
            return
        workflow.returned = workflow.restarts = workflow.depends = False
        workflow.args, workflow.kwargs = args, kwargs
        self.events.append(WorkflowRestarted(self.clock(), workflow.index))
        self.runnable.append(workflow)

    def _workflow_failed(self, workflow: WorkflowCall, error: BaseException) -> None:
        workflow.value = None
        if workflow is self.root:
            if isinstance(error, TaskError):
                error.observed = True
            self._finish_run(RunStatus.FAILED, None, error)
            return
        if not isinstance(error, TaskError):
            failure = TaskError(brief_error(error), workflow.id)
            failure.__cause__ = error
            error = failure
        error.observed = False  # whoever looked did so on behalf of a workflow that could do nothing about it
        self.fail(workflow, error, workflow.started, None)

    def ignored_errors(self) -> list[TaskError]:
        """The errors that nobody looked at: not waited for, not in the result of the run."""
        return [error for error in self.failures if not error.observed]

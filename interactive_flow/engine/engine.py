"""The state machine: from calls, completions and deadlines to what may run next.

Whoever drives an `Engine` calls it from one thread at a time.  Each thing that can happen has one method; each method
appends to `Engine.events` and may leave something to do:

- `Engine.start_next` hands out ready task calls, lane by lane (a lane is an executor);
- `Engine.runnable` holds the workflows whose code can be advanced;
- `Engine.abandoned` holds the jobs that no executor need go on with, `Engine.discarded` the fibers to close;
- `Engine.next_deadline` says when to call `Engine.fire_timers`.

A call moves only along `LEGAL`::

    WAITING ──► READY ──► RUNNING ──► SUCCEEDED
       │          ▲          │──────► FAILED, TIMED_OUT
       │          └── retry ─┘──────► CANCELLED
       └──────► SUCCEEDED, FAILED, CANCELLED  (combinators; an error among the arguments; nobody needs it)

When a call finishes, the nodes that depend on it are told in the order in which they asked.  That goes through a
queue, not by recursion: an error may run down a chain of any length.

Two rules about errors come from the system that this one descends from: the error that *finished* first wins, not the
first among the arguments, and an error wins over a result that is still missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from interactive_flow.engine.calls import Call, Job, Scope, TaskCall, WorkflowCall
from interactive_flow.engine.containers import fill, gather
from interactive_flow.engine.fibers import Fiber, GreenletFiber, Raised, Returned
from interactive_flow.engine.placeholder import Placeholder
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.engine.timers import TimerKind, Timers
from interactive_flow.model.errors import IllegalTransition, TaskCancelled, TaskError, TaskTimeout, WorkflowStalled
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallCancelled,
    CallFailed,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
    Site,
    WorkflowReturned,
)
from interactive_flow.model.states import CallState, RunStatus

WAITING, READY, RUNNING = CallState.WAITING, CallState.READY, CallState.RUNNING
SUCCEEDED, FAILED, TIMED_OUT, CANCELLED = (
    CallState.SUCCEEDED,
    CallState.FAILED,
    CallState.TIMED_OUT,
    CallState.CANCELLED,
)

LEGAL: dict[CallState, frozenset[CallState]] = {
    WAITING: frozenset({READY, SUCCEEDED, FAILED, CANCELLED}),
    READY: frozenset({RUNNING, FAILED, TIMED_OUT, CANCELLED}),
    RUNNING: frozenset({SUCCEEDED, FAILED, TIMED_OUT, READY, CANCELLED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    TIMED_OUT: frozenset(),
    CANCELLED: frozenset(),
}

_event = tuple.__new__  # a named tuple's own constructor costs twice as much
_NO_KWARGS: dict[str, Any] = {}

NOT_NEEDED = "not needed"
RUN_CANCELLED = "run cancelled"


class Driver(Protocol):
    """What the engine's nodes need of whoever drives it."""

    def force(self, call: Call) -> Any:
        """The call's value, waiting for it; raises its error."""


class Engine:
    """The graph of one run, and what may happen to it.

    Args:
        clock: seconds since the start of the run.
        run: the run's id.
        workers: how many calls the executor runs at once; only recorded.
        wall: seconds since the epoch at the start; only recorded.

    Attributes:
        events: everything that happened, in order; only ever appended to.
        root: the run's own workflow.
        status: of the run.
    """

    def __init__(
        self, clock: Callable[[], float], driver: Driver, *, run: str, workers: int = 1, wall: float = 0.0
    ) -> None:
        self.clock = clock
        self.driver = driver
        self.events: list[Event] = []
        self.status = RunStatus.RUNNING
        self.value: Any = None
        self.error: BaseException | None = None
        self.runnable: deque[WorkflowCall] = deque()
        self.abandoned: list[Job] = []
        self.discarded: list[Fiber] = []
        self.lanes: dict[Any, deque[TaskCall]] = {}
        self.failures: dict[TaskError, Call] = {}
        """Every error that a call of its own made, and whose it is."""
        self._identity = (run, workers, wall)
        self._next_index = 1
        self._settled: deque[Call] = deque()
        self._timers = Timers()
        self._at_work: dict[TaskSpec, int] = {}
        self._held_back: dict[TaskSpec, deque[TaskCall]] = {}
        self.jobs: dict[Job, None] = {}
        """The attempts that are running."""

    # -- the run --------------------------------------------------------------------------------------------------

    def start(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> WorkflowCall:
        """Begins the run: its own workflow becomes runnable."""
        run, workers, wall = self._identity
        self.root = WorkflowCall(self, 0, spec, 1, None, args, kwargs, False)
        self.events.append(
            RunStarted(self.clock(), run, spec.name, wall, workers, spec.source, spec.file, spec.first_line)
        )
        self.root.state = RUNNING
        self.runnable.append(self.root)
        return self.root

    def cancel(self, reason: str = RUN_CANCELLED) -> None:
        """Ends the run: what has not finished is cancelled, what has is kept."""
        if self.status is not RunStatus.RUNNING:
            return
        self._finish_run(RunStatus.CANCELLED, None, TaskCancelled(reason), reason)

    def _finish_run(self, status: RunStatus, value: Any, error: BaseException | None, reason: str = NOT_NEEDED) -> None:
        self.status, self.value, self.error = status, value, error
        self._close(self.root, reason)
        self.runnable.clear()
        self.root.state = {
            RunStatus.SUCCEEDED: SUCCEEDED, RunStatus.FAILED: FAILED, RunStatus.CANCELLED: CANCELLED
        }[status]  # fmt: skip
        self.events.append(RunFinished(self.clock(), status, value, error))

    def check_stalled(self) -> None:
        """Fails the run where nothing runs, nothing can run and no timer is set, so that it would wait for ever."""
        if self.status is not RunStatus.RUNNING or self.runnable or self.jobs or any(self.lanes.values()):
            return
        if self._timers.next_deadline() is not None:
            return
        waits = ", ".join(call.id for call in self.root.open) or "nothing"
        self._finish_run(
            RunStatus.FAILED,
            None,
            WorkflowStalled(f"{self.root.spec.name} waits for results that can never come; unfinished: {waits}"),
        )

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
        name = spec.name
        node = TaskCall if type(spec) is TaskSpec else WorkflowCall
        call = node(self, self._next_index, spec, scope.count(name), scope, args, kwargs, bool(deps))
        self._add(call, deps, site)
        missing = 0
        if deps:
            error = self._first_error(deps)
            if error is not None:
                self._fail(call, error, None, None)
                return call
            for dep in deps:
                if dep.dependents is not None:
                    dep.dependents.append(call)
                    missing += 1
        if missing:
            call.missing = missing
        else:
            self._make_ready(call)
        return call

    def combine(self, node: Scope, deps: tuple[Call, ...], site: Site | None) -> None:
        """Workflow code made a combinator over `deps`."""
        self._add(node, tuple(dict.fromkeys(deps)), site)
        node.state = RUNNING

    def next_index(self) -> int:
        """The index for the next node."""
        return self._next_index

    def _add(self, call: Call, deps: tuple[Call, ...], site: Site | None) -> None:
        self._next_index += 1
        scope = call.scope
        assert scope is not None
        scope.open[call] = None
        indexes = tuple([dep.index for dep in deps]) if deps else ()
        self.events.append(
            _event(
                CallScheduled,
                (
                    self.clock(), call.index, call.spec.name, call.number, call.kind, scope.index, indexes, site,
                    call.args, call.kwargs or None,
                ),
            )  # type: ignore[type-var]
        )  # fmt: skip

    @staticmethod
    def _first_error(deps: tuple[Call, ...]) -> TaskError | None:
        failed = [dep for dep in deps if dep.failed]
        return min(failed, key=lambda dep: dep.order).outcome if failed else None

    def _make_ready(self, call: Call) -> None:
        call.state = READY
        if isinstance(call, TaskCall):
            limits = call.spec.timeout
            if limits.schedule_to_start is not None or limits.schedule_to_close is not None:
                call.ready_at = self.clock()
                if limits.schedule_to_start is not None:
                    self._timers.arm(call.ready_at + limits.schedule_to_start, TimerKind.SCHEDULE_TO_START, call)
                if limits.schedule_to_close is not None:
                    self._timers.arm(call.ready_at + limits.schedule_to_close, TimerKind.SCHEDULE_TO_CLOSE, call)
            delays = call.spec.retry.delays
            if delays and delays[0] > 0:
                self._timers.arm(self.clock() + delays[0], TimerKind.RETRY, call)
            else:
                self._enqueue(call)
        elif isinstance(call, WorkflowCall):
            call.state = RUNNING
            call.started = self.clock()
            self.events.append(CallStarted(call.started, call.index, 1, None))
            self.runnable.append(call)

    def _enqueue(self, call: TaskCall) -> None:
        lane = self.lanes.get(call.spec.executor)
        if lane is None:
            lane = self.lanes[call.spec.executor] = deque()
        lane.append(call)

    # -- tasks run ------------------------------------------------------------------------------------------------

    def start_next(self, lane: Any) -> Job | None:
        """Hands out the next ready task call of this lane to a worker that is free; None where there is none."""
        ready = self.lanes.get(lane)
        while ready:
            call = ready.popleft()
            if call.state is not READY:
                continue
            spec = call.spec
            if spec.limit is not None and self._at_work.get(spec, 0) >= spec.limit:
                self._held_back.setdefault(spec, deque()).append(call)
                continue
            return self._start(call)
        return None

    def _start(self, call: TaskCall) -> Job:
        spec = call.spec
        now = self.clock()
        call.state = RUNNING
        call.attempt += 1
        job = call.job = Job(call, call.attempt, now)
        self.jobs[job] = None
        self.events.append(_event(CallStarted, (now, call.index, call.attempt, None)))  # type: ignore[type-var]
        if spec.limit is not None:
            self._at_work[spec] = self._at_work.get(spec, 0) + 1
        limits = spec.timeout
        if limits.start_to_close is not None:
            self._timers.arm(now + limits.start_to_close, TimerKind.START_TO_CLOSE, call, job)
        if limits.heartbeat is not None:
            self._timers.arm(now + limits.heartbeat, TimerKind.HEARTBEAT, call, job)
        return job

    def arguments(self, call: TaskCall) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The call's arguments with every placeholder replaced by its value; needs no lock."""
        if not call.depends:
            return call.args, call.kwargs
        return fill(call.args), fill(call.kwargs)

    def succeeded(self, job: Job, value: Any, started: float, finished: float, worker: str | None) -> None:
        """An attempt gave a value.  Late news of an abandoned attempt is not for the engine."""
        call = job.call
        self._expect(call, job, SUCCEEDED)
        self._leave(call)
        self.events.append(
            _event(CallSucceeded, (finished, call.index, started, worker, value))  # type: ignore[type-var]
        )
        self._settle(call, SUCCEEDED, value)

    def attempt_failed(
        self, job: Job, error: BaseException, started: float, finished: float, worker: str | None
    ) -> None:
        """An attempt raised, or its worker died."""
        call = job.call
        self._expect(call, job, FAILED)
        self._leave(call)
        retry = call.spec.retry
        failure = self._failure(call, TaskError, brief_error(error), error)
        if call.attempt < retry.attempts and isinstance(error, retry.on):
            self._retry(call, failure, started, worker)
        else:
            self._fail(call, failure, started, worker)

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> None:
        """A running attempt gave a sign of life."""
        if job.abandoned:
            return
        job.beat_at = self.clock()
        if progress is not None or message is not None:
            self.events.append(CallProgressed(job.beat_at, job.call.index, progress, message))

    def fetch_output(self) -> None:
        """Takes from the running attempts what they have printed so far."""
        for job in self.jobs:
            if job.output:
                self._take_output(job)

    def _take_output(self, job: Job) -> None:
        pieces = []
        while job.output:
            pieces.append(job.output.popleft())
        now = self.clock()
        for stream, group in groupby(pieces, key=itemgetter(0)):
            text = "".join(piece for _, piece in group)
            self.events.append(CallOutput(now, job.call.index, stream, text))

    def fire_timers(self) -> None:
        """Does what is due by now."""
        now = self.clock()
        for kind, call, job in self._timers.due(now):
            if call.done or (job is not None and (job.abandoned or call.job is not job)):
                continue
            if kind is TimerKind.RETRY:
                self._enqueue(call)
            elif kind is TimerKind.HEARTBEAT:
                assert job is not None
                due = job.beat_at + call.spec.timeout.heartbeat
                if due > now:
                    self._timers.arm(due, kind, call, job)
                else:
                    self._time_out(call, kind, now)
            elif kind is not TimerKind.SCHEDULE_TO_START or call.attempt == 0:
                self._time_out(call, kind, now)

    def _time_out(self, call: TaskCall, kind: TimerKind, now: float) -> None:
        seconds = getattr(call.spec.timeout, kind.value)
        what = {
            TimerKind.SCHEDULE_TO_START: "no worker began",
            TimerKind.SCHEDULE_TO_CLOSE: "not finished, attempts and waiting together,",
            TimerKind.START_TO_CLOSE: "the attempt was not finished",
            TimerKind.HEARTBEAT: "no heartbeat",
        }[kind]
        failure = self._failure(call, TaskTimeout, f"{what} within {seconds:g} s ({kind.value})", None)
        started = call.job.started if call.job is not None else None
        if call.state is RUNNING:
            self._abandon(call)
        if kind in (TimerKind.START_TO_CLOSE, TimerKind.HEARTBEAT) and call.attempt < call.spec.retry.attempts:
            assert started is not None
            self._retry(call, failure, started, None)
        else:
            self._fail(call, failure, started, None)

    def _retry(self, call: TaskCall, failure: TaskError, started: float, worker: str | None) -> None:
        now = self.clock()
        delay = call.spec.retry.wait_before(call.attempt + 1)
        call.state = READY
        self.events.append(AttemptFailed(now, call.index, call.attempt, started, worker, failure, now + delay))
        if delay > 0:
            self._timers.arm(now + delay, TimerKind.RETRY, call)
        else:
            self._enqueue(call)

    def _abandon(self, call: TaskCall) -> None:
        """Tells whoever runs this call that its result will be thrown away."""
        job = call.job
        assert job is not None
        job.abandoned = True
        self.abandoned.append(job)
        self._leave(call)

    def _leave(self, call: TaskCall) -> None:
        """A running attempt is over: somebody who was held back by the task's limit may go on."""
        job, spec = call.job, call.spec
        assert job is not None
        if job.output:
            self._take_output(job)
        del self.jobs[job]
        call.job = None
        if spec.limit is not None:
            self._at_work[spec] -= 1
            held = self._held_back.get(spec)
            while held:
                waiting = held.popleft()
                if waiting.state is READY:
                    self.lanes[spec.executor].appendleft(waiting)
                    break

    def _expect(self, call: TaskCall, job: Job, state: CallState) -> None:
        if call.job is not job or state not in LEGAL[call.state]:
            raise IllegalTransition(
                f"{call.id} cannot become {state}: it is {call.state}, attempt {job.attempt} of {call.attempt}.\n"
                f"Its story:\n{self.story(call)}"
            )

    # -- calls finish ---------------------------------------------------------------------------------------------

    def _failure(
        self, call: Call, kind: type[TaskError], reason: str, cause: BaseException | None
    ) -> TaskError:
        failure = kind(reason, call.id)
        failure.__cause__ = cause
        return failure

    def _fail(self, call: Call, error: TaskError, started: float | None, worker: str | None) -> None:
        if error.call == call.id:
            self.failures[error] = call
        own_timeout = isinstance(error, TaskTimeout) and error.call == call.id
        self.events.append(CallFailed(self.clock(), call.index, started, worker, error))
        self._settle(call, TIMED_OUT if own_timeout else FAILED, error)

    def settle(self, node: Scope, source: Call) -> None:
        """A combinator has its result: that of `source`, value or error."""
        if source.failed:
            self._fail(node, source.outcome, None, None)
        else:
            self.settle_value(node, source.outcome)

    def settle_value(self, node: Scope, value: Any) -> None:
        """A combinator or a sub-workflow has its value."""
        self.events.append(CallSucceeded(self.clock(), node.index, node.started, None, value))
        self._settle(node, SUCCEEDED, value)

    def _settle(self, call: Call, state: CallState, outcome: Any) -> None:
        if state not in LEGAL[call.state]:
            raise IllegalTransition(f"{call.id} cannot become {state}: it is {call.state}.\n{self.story(call)}")
        call.state = state
        call.outcome = outcome
        call.order = len(self.events)
        call.args, call.kwargs = (), _NO_KWARGS
        if call.scope is not None:
            call.scope.open.pop(call, None)
        if isinstance(call, Scope):
            self._close(call)
        if not call.dependents:
            call.dependents = None
            return
        settled = self._settled
        settled.append(call)
        if len(settled) > 1:
            return  # somebody further up is telling dependents already, and will come to these
        while settled:
            done = settled[0]
            dependents, done.dependents = done.dependents or [], None
            for dependent in dependents:
                self._arrived(dependent, done)
            settled.popleft()

    def _arrived(self, dependent: Call, done: Call) -> None:
        """A result that `dependent` asked for is there."""
        state = dependent.state
        if state is WAITING:
            if done.failed:
                self._lose(dependent, done)
                return
            dependent.missing -= 1
            if not dependent.missing:
                self.events.append(CallReady(self.clock(), dependent.index))
                self._make_ready(dependent)
        elif state is RUNNING:
            if not isinstance(dependent, WorkflowCall):
                dependent.arrived(done)  # type: ignore[attr-defined]
            elif dependent.blocked_on is done:
                self._unblock(dependent)
            elif dependent.returned:
                self._returned_part_arrived(dependent, done)

    def _lose(self, dependent: Call, done: Call) -> None:
        """An argument turned out to be an error, or was cancelled."""
        if done.state is CANCELLED:
            self._cancel_call(dependent, "an argument was cancelled")
        else:
            self._fail(dependent, done.outcome, None, None)

    # -- workflow code advances -----------------------------------------------------------------------------------

    def fiber_of(self, workflow: WorkflowCall) -> Fiber:
        """The code of a runnable workflow, parked or about to begin; needs no lock."""
        if workflow.fiber is None:
            args, kwargs = workflow.args, workflow.kwargs
            if workflow.depends:
                args, kwargs = fill(args), fill(kwargs)
            workflow.fiber = GreenletFiber(workflow, workflow.spec.body, args, kwargs)
        return workflow.fiber

    def block(self, workflow: WorkflowCall, call: Call, site: Site | None) -> None:
        """Workflow code used a placeholder whose value is not there."""
        workflow.blocked_on = call
        assert call.dependents is not None
        call.dependents.append(workflow)
        self.events.append(BarrierEntered(self.clock(), workflow.index, (call.index,), site))

    def _unblock(self, workflow: WorkflowCall) -> None:
        workflow.blocked_on = None
        self.events.append(BarrierLeft(self.clock(), workflow.index))
        self.runnable.append(workflow)

    def advanced(self, workflow: WorkflowCall, result: Returned | Raised) -> None:
        """Workflow code came to its end."""
        workflow.fiber = None
        if workflow.state is not RUNNING:
            return
        if isinstance(result, Raised):
            self._workflow_failed(workflow, result.error)
            return
        try:
            (value,), _, deps = gather((result.value,), {})
        except ValueError as error:
            self._workflow_failed(workflow, error)
            return
        deps = tuple(dep for dep in deps if dep.engine is self)
        waits_on = tuple(dep for dep in deps if not dep.done)
        self.events.append(WorkflowReturned(self.clock(), workflow.index, tuple(dep.index for dep in waits_on)))
        workflow.returned, workflow.value, workflow.depends = True, value, bool(deps)
        error = self._first_error(deps)
        if error is not None:
            self._look_at(deps)
            self._workflow_failed(workflow, error)
            return
        workflow.missing = len(waits_on)
        for dep in waits_on:
            assert dep.dependents is not None
            dep.dependents.append(workflow)
        if not waits_on:
            self._workflow_succeeded(workflow)

    def _returned_part_arrived(self, workflow: WorkflowCall, done: Call) -> None:
        if done.failed:
            self._workflow_failed(workflow, done.outcome)
            return
        workflow.missing -= 1
        if not workflow.missing:
            self._workflow_succeeded(workflow)

    def _workflow_succeeded(self, workflow: WorkflowCall) -> None:
        value = fill(workflow.value) if workflow.depends else workflow.value
        workflow.value = None
        if workflow is self.root:
            self._finish_run(RunStatus.SUCCEEDED, value, None)
        else:
            self.settle_value(workflow, value)

    def _workflow_failed(self, workflow: WorkflowCall, error: BaseException) -> None:
        workflow.value = None
        if workflow is self.root:
            if isinstance(error, TaskError):
                error.observed = True
            self._finish_run(RunStatus.FAILED, None, error)
            return
        if not isinstance(error, TaskError):
            error = self._failure(workflow, TaskError, brief_error(error), error)
        self._fail(workflow, error, workflow.started, None)

    @staticmethod
    def _look_at(deps: tuple[Call, ...]) -> None:
        for dep in deps:
            if dep.failed:
                dep.outcome.observed = True

    def ignored_errors(self) -> list[TaskError]:
        """The errors that nobody looked at: not waited for, not in the result of the run."""
        return [error for error in self.failures if not error.observed]

    # -- calls are given up ---------------------------------------------------------------------------------------

    def _close(self, scope: Scope, reason: str = NOT_NEEDED) -> None:
        """A node that makes calls has come to its end: nobody will use what it left unfinished."""
        if isinstance(scope, WorkflowCall) and scope.fiber is not None:
            self.discarded.append(scope.fiber)
            scope.fiber = None
        for call in list(scope.open):
            self._cancel_call(call, reason)

    def _cancel_call(self, call: Call, reason: str) -> None:
        if call.done:
            return
        if isinstance(call, Scope):
            self._close(call, reason)
        started = None
        if isinstance(call, TaskCall) and call.job is not None:
            started = call.job.started
            self._abandon(call)
        elif isinstance(call, WorkflowCall) and call.state is RUNNING:
            started = call.started
        self.events.append(CallCancelled(self.clock(), call.index, started, reason))
        self._settle(call, CANCELLED, TaskCancelled(reason, call.id))

    # -- to be asked ----------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `fire_timers` is due, in seconds since the start of the run; None where no timer is set."""
        return self._timers.next_deadline()

    def placeholder(self, call: Call) -> Placeholder:
        """What workflow code gets for a call."""
        return Placeholder(call)

    def story(self, call: Call) -> str:
        """Everything that happened to a call, a line each: for messages about what should not have happened."""
        lines = []
        for number, event in enumerate(self.events):
            if getattr(event, "call", None) == call.index:
                lines.append(f"  {number:6d}  {event.at:10.6f} s  {type(event).__name__}")
        return "\n".join(lines) or "  (nothing)"


def brief_error(error: BaseException) -> str:
    """An exception in a line: its class, and the first line of its message."""
    try:
        text = str(error).strip()
    except Exception:
        text = ""
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first}"[:300] if first else type(error).__name__

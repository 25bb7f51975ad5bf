"""The state machine: from calls, completions and deadlines to what may run next.

Whoever drives an `Engine` calls it from one thread at a time.  Each thing that can happen has one method; each method
appends to `Graph.events` and may leave something to do:

- `Attempts.start_next` hands out ready task calls, lane by lane (a lane is an executor), `Attempts.take_tiny` those
  that are best run where workflow code stands still;
- `Engine.runnable` holds the workflows whose code can be advanced;
- `Attempts.abandoned` holds the jobs that no executor need go on with, `Graph.discarded` the fibers to close;
- `Attempts.next_deadline` says when to call `Attempts.fire_timers`.

Three classes share the work, each one built on the one before: `Graph` has nodes and edges and passes results along
them, `Attempts` knows how tasks are run, and `Engine` how workflow code is, and the run as a whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from interactive_flow.engine.attempts import Attempts
from interactive_flow.engine.calls import Barrier, Call, Scope, StreamCall, TaskCall, WorkflowCall
from interactive_flow.engine.containers import fill, fill_arguments, gather
from interactive_flow.engine.fibers import Fiber, Raised, Restart, Returned, make_fiber
from interactive_flow.engine.graph import _NO_KWARGS, CANCELLED, FAILED, READY, RUNNING, SUCCEEDED, WAITING, Driver
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import DeterminismError, TaskCancelled, TaskError, WorkflowStalled
from interactive_flow.model.events import (
    BarrierEntered,
    BarrierLeft,
    CallCached,
    CallStarted,
    RunFinished,
    RunStarted,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.log import PlainSite, code_of
from interactive_flow.model.states import RunStatus

_BARRIER_ENTERED, _BARRIER_LEFT = code_of(BarrierEntered), code_of(BarrierLeft)
_FINAL = {RunStatus.SUCCEEDED: SUCCEEDED, RunStatus.FAILED: FAILED, RunStatus.CANCELLED: CANCELLED}
_UNDER_WAY = RunStatus.RUNNING


class Engine(Attempts):
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
        runnable: the workflows whose code can be advanced.
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
        super().__init__(clock, driver, runs_tiny, rate_limit)
        self.status = RunStatus.RUNNING
        self.value: Any = None
        self.error: BaseException | None = None
        self.next_input: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.runnable: deque[WorkflowCall] = deque()
        self.strategy = strategy
        self._identity = (run, workers, wall, restarts)

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
        if self.status is _UNDER_WAY:
            self._finish_run(RunStatus.CANCELLED, None, TaskCancelled(reason))

    def crash(self, error: BaseException) -> None:
        """Ends the run with an error that is not the workflow's: an executor, or this package, has failed."""
        if self.status is _UNDER_WAY:
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
        if self.status is not _UNDER_WAY or self.runnable or self.jobs or self.lanes or self.lookups or self.looking:
            return
        if self._timers.next_deadline() is not None:
            return
        try:
            if self.memory is not None and self.memory.push_on(self):
                return
        except DeterminismError as error:
            self.crash(error)
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
        site: PlainSite | None,
    ) -> Call:
        """Workflow code called a task or a sub-workflow with arguments that `gather` has gone through."""
        name, counters = spec.name, scope.counters
        number = counters[name] = counters.get(name, 0) + 1
        if type(spec) is TaskSpec:
            node = StreamCall if spec.streams else TaskCall
            task = node(self, self._next_index, spec, number, scope, args, kwargs, bool(deps))
            self.add(task, deps, site)
            if not deps:
                self._task_ready(task)
                return task
            self._ranking.stale = True
            self.connect(task, deps)
            if task.state is WAITING and not spec.durations.tiny:
                self.lanes.hand_over_few()  # something that takes time waits for them
            return task
        call = WorkflowCall(self, self._next_index, spec, number, scope, args, kwargs, bool(deps))
        self.add(call, deps, site)
        self._ranking.stale = True
        self.connect(call, deps)
        if deps and call.state is WAITING:
            self.lanes.hand_over_few()
        return call

    def make_ready(self, call: Call) -> None:
        """Every argument of the call is there: a task waits for a worker now, a sub-workflow begins."""
        if isinstance(call, TaskCall):
            self._task_ready(call)
            return
        assert isinstance(call, WorkflowCall)
        if self.memory is not None and self.memory.takes(self, call):
            call.state = READY
            return
        self._workflow_ready(call)

    def go_live(self, call: Call) -> None:
        """See `Attempts.go_live`."""
        if isinstance(call, WorkflowCall):
            self._workflow_ready(call)
        else:
            super().go_live(call)

    def looked_up(self, call: Call) -> None:
        """See `Attempts.looked_up`."""
        if isinstance(call, WorkflowCall):
            self._begin_workflow(call)
        else:
            super().looked_up(call)

    def recall_run(self, value: Any, seconds: float, run: str) -> None:
        """The value of the whole run, whose code has not begun, is known from before."""
        self.events.append(CallCached(self.clock(), self.root.index, value, seconds, run))
        self._finish_run(RunStatus.SUCCEEDED, value, None)

    def _workflow_ready(self, call: WorkflowCall) -> None:
        """Every argument of a sub-workflow is there: it begins, if its value is not known from before."""
        # A run that has its past again looks nothing up: what was not known then may be known by now.
        if call.spec.keyed_by is not None and not (self.memory is not None and self.memory.active):
            call.state = READY
            self.look_up(call)
        else:
            self._begin_workflow(call)

    def _begin_workflow(self, call: WorkflowCall) -> None:
        call.state = RUNNING
        call.started = self.clock()
        self.live.add(call)
        self.events.append(CallStarted(call.started, call.index, 1, None))
        self.runnable.append(call)

    def stop(self, call: Call) -> float | None:
        """See `Graph.stop`."""
        if isinstance(call, WorkflowCall):
            return call.started if call.state is RUNNING else None
        return super().stop(call)

    def tiny_is_wanted(self) -> bool:
        """True where the thread of the workflow's code, which stands still, may as well run tiny calls.

        It must be free for what arrives, since tiny calls are only thought to be so; but nothing that makes code go on
        can arrive where no worker is at work, or fewer are than the run's own code waits for.
        """
        jobs = self.jobs
        if not jobs:
            return True
        if self.live:
            return False
        awaited = self.root.blocked_on
        if isinstance(awaited, Barrier):
            return awaited.missing > len(jobs)
        return self.root.returned or (isinstance(awaited, TaskCall) and awaited.spec.durations.tiny)

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

    def block(self, workflow: WorkflowCall, call: Call, site: PlainSite | None) -> None:
        """Workflow code used a placeholder whose value is not there."""
        workflow.blocked_on = call
        call.tell(workflow)
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (call.index,), site))

    def block_elsewhere(self, workflow: WorkflowCall, call: Call, site: PlainSite | None) -> None:
        """Workflow code used a placeholder of another run, whose calls have no number here."""
        workflow.blocked_on = call
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (), site))

    def block_on_all(self, workflow: WorkflowCall, calls: tuple[Call, ...], site: PlainSite | None) -> bool:
        """Workflow code waits for several calls: until all have finished, or one has failed; False if that is so."""
        missing = []
        for call in calls:
            if not call.done:
                missing.append(call)
            elif call.state is not SUCCEEDED:
                return False
        if not missing:
            return False
        barrier = Barrier(self, workflow, len(missing))
        workflow.blocked_on = barrier
        alone = (barrier,)  # for all of them; most calls have nobody else who waits
        for call in missing:
            if call.dependents:
                call.tell(barrier)
            else:
                call.dependents = alone
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, tuple([call.index for call in missing]), site))
        return True

    def block_on_item(self, workflow: WorkflowCall, call: StreamCall, position: int, site: PlainSite | None) -> bool:
        """Workflow code wants an item of a generator task; False if it is known already whether there is one."""
        if call.done or position < len(call.items):
            return False
        barrier = Barrier(self, workflow, 1)
        workflow.blocked_on = barrier
        call.tell(barrier)
        call.awaited.setdefault(position, []).append(barrier)
        self._log((_BARRIER_ENTERED, self.clock(), workflow.index, (call.index,), site))
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
        alone = (workflow,)
        for dep in waits_on:
            if dep.dependents:
                dep.tell(workflow)
            else:
                dep.dependents = alone
        if not waits_on:
            self._workflow_succeeded(workflow)

    def _workflow_succeeded(self, workflow: WorkflowCall) -> None:
        value = fill(workflow.value) if workflow.depends else workflow.value
        workflow.value = None
        misfit = self.memory.left_over(self) if self.memory is not None and workflow is self.root else None
        if misfit is not None:
            self.crash(misfit)
        elif workflow.restarts:
            self._restart(workflow, *value)
        elif workflow is self.root:
            self._finish_run(RunStatus.SUCCEEDED, value, None)
        else:
            self.succeed(workflow, value)

    def _restart(self, workflow: WorkflowCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A workflow begins again: the run's own with a fresh history, a sub-workflow as the same call."""
        self.close(workflow)
        if workflow.state is not RUNNING:
            return  # somebody needed what it left unfinished, and has failed with it, and so it was given up itself
        if workflow is self.root:
            self.status, self.next_input = RunStatus.SUCCEEDED, (args, kwargs)
            self.root.state, self.root.done = SUCCEEDED, True
            self.runnable.clear()
            return
        workflow.returned = workflow.restarts = workflow.depends = False
        workflow.args, workflow.kwargs = args, kwargs
        self.live.add(workflow)
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

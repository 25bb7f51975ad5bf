"""Drives one run: hands ready calls to executors, advances workflow code, keeps the time.

One thread, the *runner's*, runs all the workflow code of the run, one piece at a time: the thread that called
``wf.run``, or one of its own for ``wf.start``.  The engine itself may be driven from any thread that holds the
runner's lock: a worker that has finished a task tells the engine so itself and takes the next ready call along, and
the runner's thread is woken only when there is workflow code to advance.  So a chain of tasks that no code waits for
runs on one worker without a single switch between threads, and completions are never kept waiting by workflow code
that computes.

The lock is held for a few microseconds at a time, and never while somebody's code runs.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from interactive_flow.engine.calls import Job, WorkflowCall
from interactive_flow.engine.containers import gather
from interactive_flow.engine.engine import Engine
from interactive_flow.engine.fibers import Raised, Returned
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.errors import TaskError
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.clock import SYSTEM_CLOCK, Clock
from interactive_flow.runtime.code_side import CodeSide
from interactive_flow.runtime.deputy import Deputy
from interactive_flow.runtime.executors import Executor, InlineExecutor, Report, ThreadExecutor, make_executor
from interactive_flow.runtime.worker import Failure, run_task


_RUNNING = CallState.RUNNING
_UNDER_WAY = RunStatus.RUNNING
_HANDED_OVER = 256
_SPELL = 64
"""How many tiny calls are run before the runner's loop looks at the time again."""


class _Lane:
    """An executor of this run, and how many more jobs it takes."""

    __slots__ = ("capacity", "executor", "free", "key", "queues")

    def __init__(self, key: Any, executor: Executor) -> None:
        self.key = key
        self.executor = executor
        self.free = self.capacity = executor.capacity
        self.queues = getattr(executor, "queues", False)


class Runner(CodeSide):
    """One run in the making.

    Args:
        run: the run's id.
        executor: as in ``wf.options(executor=…)``.
        max_workers: as in ``wf.options(max_workers=…)``.
        rate_limit, strategy: as in ``wf.options``.

    Attributes:
        when_over: called if the run is over while its thread cannot return yet.
        echo: whether what tasks print also goes where it would have gone without the run.
    """

    def __init__(
        self,
        run: str,
        executor: Any = None,
        max_workers: int | None = None,
        rate_limit: float | None = None,
        strategy: str = "resume",
    ) -> None:
        super().__init__()
        self._max_workers = max_workers
        own = _Lane(None, make_executor(executor, max_workers))
        self._lanes: dict[Any, _Lane] = {None: own}
        self.clock: Clock = getattr(own.executor, "clock", SYSTEM_CLOCK)
        self.echo = True
        self._t0 = self.clock.now()
        self._run, self._wall, self._rate_limit, self._restarts = run, time.time(), rate_limit, 0
        self._strategy = strategy
        self.engine = self._new_engine()
        self._asleep_until: float | None = None  # None: awake; infinity: until something happens
        self._cancel_reason: str | None = None
        self._tiny_job: Job | None = None
        self._deputy: Deputy | None = None
        self.when_over: Callable[[], None] | None = None

    def _new_engine(self) -> Engine:
        own = self._lanes[None].executor
        return Engine(
            self.seconds,
            self,
            run=self._run,
            workers=getattr(own, "workers", own.capacity),
            wall=self._wall,
            restarts=self._restarts,
            runs_tiny=isinstance(own, ThreadExecutor),
            rate_limit=self._rate_limit,
            strategy=self._strategy,
        )

    def seconds(self) -> float:
        """Seconds since the start of the run."""
        return self.clock.now() - self._t0

    # -- the runner's thread --------------------------------------------------------------------------------------

    def drive(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Runs the workflow to its end, in this thread; the outcome is in the engine.

        Raises:
            KeyboardInterrupt: Ctrl-C or the stop button; the run is cancelled, and what finished is kept.
        """
        self.thread = threading.get_ident()
        try:
            self._drive(spec, args, kwargs)
        except KeyboardInterrupt:
            with self.lock:
                self.engine.cancel("interrupted")
            raise
        except BaseException as error:
            with self.lock:
                self.engine.crash(error)
            raise
        finally:
            with self.lock:
                self._react()
                fibers, self.engine.discarded = self.engine.discarded, []
            for fiber in fibers:
                fiber.close()
            for lane in self._lanes.values():
                lane.executor.close()
            if self._deputy is not None:
                self._deputy.over.set()

    def _drive(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        engine = self.engine
        self._context = contextvars.copy_context()
        self._t0 = self.clock.now()
        with self.lock:
            engine.start(spec, args, kwargs)
        for lane in self._lanes.values():
            lane.executor.open(self)
        while True:
            self.turns += 1
            if self.interrupted:
                raise KeyboardInterrupt
            with self.lock:
                engine.fire_timers()
                if self._cancel_reason is not None:
                    engine.cancel(self._cancel_reason)
                self._hear_from_elsewhere()
                self._react()
                fibers, engine.discarded = engine.discarded, []
                workflow = engine.runnable.popleft() if engine.runnable else None
            for fiber in fibers:
                fiber.close()
            if engine.status is not _UNDER_WAY:
                if engine.next_input is None:
                    return
                engine = self._begin_again(spec, *engine.next_input)
            elif workflow is not None:
                self._advance(workflow)
            elif not (self._run_tiny() or self._run_inline()):
                self._sleep()

    def _begin_again(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Engine:
        """The workflow returned ``restart(…)``: the same run goes on with a fresh history."""
        with self.lock:
            self._restarts += 1
            self.engine = self._new_engine()
            self.engine.start(spec, args, kwargs)
        return self.engine

    def _advance(self, workflow: WorkflowCall) -> None:
        if workflow.state is not _RUNNING:
            return
        result = self.engine.fiber_of(workflow).advance()
        if result is None:
            return
        if isinstance(result, Raised) and isinstance(result.error, KeyboardInterrupt):
            raise result.error
        self.turns += 1
        result = self._resolve_foreign(result)
        with self.lock:
            self.engine.advanced(workflow, result)
            self.turns += 1

    def _resolve_foreign(self, result: Returned | Raised) -> Returned | Raised:
        """The same, with the placeholders of other runs replaced by their values."""
        if isinstance(result, Raised):
            return result
        try:
            (value,), _, _ = self.own((result.value,), {}, gather((result.value,), {})[2])
        except ValueError:
            return result  # a container that contains itself; the engine says so
        except TaskError as error:
            return Raised(error)
        return Returned(value)

    def _goes_on_at_once(self, workflow: WorkflowCall) -> bool:
        """Runs tiny calls where the code stands, instead of leaving it for that; True if it may go on then.

        Whatever else there is to do has to wait for the runner's loop, so then the code is left.
        """
        engine = self.engine
        if workflow.replay is not None or engine.runnable or not engine.lanes.has_tiny or not self._is_free():
            return False
        try:
            self._run_tiny()
        except KeyboardInterrupt:  # a task is no place where workflow code would look for it
            self.interrupted = True
            return False
        with self.lock:
            if workflow.state is _RUNNING and engine.runnable and engine.runnable[0] is workflow and self._is_free():
                engine.runnable.popleft()
                return True
        return False

    def _is_free(self) -> bool:
        """True where nothing has come up that the runner's loop must see to."""
        if self.interrupted or self._cancel_reason is not None or self._from_elsewhere:
            return False
        deadline = self.engine.next_deadline()
        return deadline is None or deadline > self.engine.clock()

    def _run_tiny(self) -> bool:
        """Runs tiny calls here until there is workflow code to advance, for a while; True where there was one to run."""
        now, t0, engine = self.clock.now, self._t0, self.engine
        lanes, lock, context = engine.lanes, self.lock, self._context
        if not lanes.has_tiny:
            return False
        with lock:
            job = self._start_tiny()
        if job is None:
            return False
        left = _SPELL
        while job is not None:
            self._tiny_job = job
            started = now()
            outcome = run_task(job, self, context)
            finished = now()
            with lock:
                self._tiny_job = None
                self.turns += 1
                if not job.abandoned:
                    job.lane.free += 1
                    self._report(job, outcome, started - t0, finished - t0, "runner")
                if lanes.fresh or engine.abandoned:
                    self._react()
                left -= 1
                over = engine.runnable or engine.status is not _UNDER_WAY or self._cancel_reason or self.interrupted
                job = self._start_tiny() if left and not over else None
        return True

    def _start_tiny(self) -> Job | None:
        """The next tiny call, which takes the place of a worker like any other; None where there is none."""
        lane = self._lanes[None]
        if lane.free <= 0 or not self.engine.tiny_is_wanted():
            self.engine.lanes.hand_over()
            self._react()
            return None
        job = self.engine.start_tiny()
        if job is not None:
            job.lane = lane
            lane.free -= 1
        return job

    def stand_in(self, seen: int) -> None:
        """For the deputy: does what the runner's thread does for others, unless it has got on since `turns` was `seen`.

        Only some of the tiny calls are handed over at a time: the runner's thread may be back any moment.
        """
        with self.lock:
            if self.turns != seen:
                return
            engine = self.engine
            engine.lanes.hand_over(_HANDED_OVER)
            if self._tiny_job is None:
                self._react()
                return  # the workflow's code takes its time; timers are not in its way
            engine.fire_timers()
            if self._cancel_reason is not None:
                engine.cancel(self._cancel_reason)
            self._react()

    @property
    def holds_up_tiny(self) -> bool:
        """True where tiny calls wait for the runner's thread, or it is running one."""
        return self._tiny_job is not None or self.engine.lanes.has_tiny

    def _run_inline(self) -> bool:
        return any(executor.run_pending() for executor in self._inline_executors())

    def _inline_executors(self) -> list[InlineExecutor]:
        return [lane.executor for lane in self._lanes.values() if isinstance(lane.executor, InlineExecutor)]

    def _sleep(self) -> None:
        with self.lock:
            engine = self.engine
            if not self._waits_elsewhere:
                engine.check_stalled()
            busy = engine.runnable or engine.lanes.has_tiny or engine.status is not _UNDER_WAY
            if busy or self._cancel_reason is not None or any(e.pending for e in self._inline_executors()):
                return
            deadline = self.engine.next_deadline()
            self._asleep_until = float("inf") if deadline is None else deadline
            timeout = None if deadline is None else max(deadline - self.engine.clock(), 0.0)
        try:
            self.clock.wait(self._signal, timeout)
        finally:
            self._asleep_until = None

    # -- with the lock held ---------------------------------------------------------------------------------------

    def _react(self) -> None:
        """Does what the engine left to do."""
        engine = self.engine
        engine.lanes.fresh = False
        if engine.abandoned:
            for job in engine.abandoned:
                job.lane.free += 1
                if job is not self._tiny_job:
                    job.lane.executor.cancel(job)
            engine.abandoned.clear()
        for key, waiting in engine.lanes.by_key.items():
            if not waiting.ready or self._cancel_reason is not None:
                continue
            lane = self._lanes.get(key) or self._open_lane(key)
            while lane.free > 0:
                following = engine.start_next(key, lane.queues)
                if following is None:
                    break
                lane.free -= 1
                following.lane = lane
                lane.executor.submit(following)
                if isinstance(lane.executor, InlineExecutor):
                    self._wake()
        self._tell_own_thread()

    @property
    def wants_to_know(self) -> bool:
        return self._deputy is None or self._asleep_until is not None

    def _tell_own_thread(self) -> None:
        """Wakes the runner's thread where there is something for it to do, or sees to it that somebody else does it."""
        engine = self.engine
        if self._deputy is None and engine.lanes.has_tiny:
            self._deputy = Deputy(self)
        if self._tiny_job is not None and engine.status is not _UNDER_WAY and self.when_over is not None:
            self.when_over()  # the runner's thread is in a task's code, and nobody knows for how long
        if self._asleep_until is None:
            return
        if (
            engine.runnable
            or not engine.jobs  # then nothing may be left that could go on; the runner's thread looks
            or engine.lanes.has_tiny
            or engine.status is not _UNDER_WAY
            or self._due_earlier(engine.next_deadline())
        ):
            self._wake()

    def _due_earlier(self, deadline: float | None) -> bool:
        return deadline is not None and self._asleep_until is not None and deadline < self._asleep_until

    def _wake(self) -> None:
        if self._asleep_until is not None:
            self._asleep_until = None
            self._signal.put(None)

    def _open_lane(self, key: Any) -> _Lane:
        given = self.engine.lanes.by_key[key].executor
        lane = self._lanes[key] = _Lane(key, make_executor(given, self._max_workers))
        self._context.copy().run(lane.executor.open, self)
        return lane

    # -- what executors report (in any thread) --------------------------------------------------------------------

    def finished(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> Job | None:
        """See `Port.finished`."""
        t0 = self._t0
        with self.lock:
            if job.abandoned:
                return None
            self._report(job, outcome, started - t0, finished - t0, worker)
            lane, engine = job.lane, self.engine
            following = engine.start_next(lane.key, lane.queues) if self._cancel_reason is None else None
            if following is None:
                lane.free += 1
            else:
                following.lane = lane
            if engine.lanes.fresh or engine.abandoned:
                self._react()
            else:
                self._tell_own_thread()
            return following

    def finished_many(self, reports: Sequence[Report]) -> None:
        """See `Port.finished_many`."""
        t0 = self._t0
        with self.lock:
            for job, outcome, started, finished, worker in reports:
                if not job.abandoned:
                    job.lane.free += 1
                    self._report(job, outcome, started - t0, finished - t0, worker)
            self._react()

    def begun(self, job: Job, at: float, worker: str) -> None:
        """See `Port.begun`."""
        with self.lock:
            self.engine.begun(job, at - self._t0, worker)
            self._react()

    def resize(self, executor: Executor, capacity: int) -> None:
        """See `Port.resize`."""
        with self.lock:
            for lane in self._lanes.values():
                if lane.executor is executor:
                    lane.free += capacity - lane.capacity
                    lane.capacity = capacity
            self._react()

    def _report(self, job: Job, outcome: Any, started: float, finished: float, worker: str) -> None:
        try:
            if type(outcome) is Failure:
                self.engine.attempt_failed(job, outcome.error, started, finished, worker)
            else:
                self.engine.succeeded(job, outcome, started, finished, worker)
        except Exception as error:  # a bug here must end the run, not leave it waiting
            self.engine.crash(error)

    def heartbeat(self, job: Job, progress: float | None, message: str | None) -> bool:
        """See `Port.heartbeat`."""
        with self.lock:
            self.engine.heartbeat(job, progress, message)
            return job.call.job is job

    def produced(self, job: Job, item: Any) -> bool:
        """See `Port.produced`."""
        with self.lock:
            self.engine.produced(job, item)
            self._react()
            return not job.abandoned

    def fetch_output(self) -> None:
        """Makes events of what running tasks have printed so far; for whoever watches."""
        with self.lock:
            self.engine.fetch_output()

    # -- what others ask ------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "run cancelled") -> None:
        """Cancels the run; from any thread."""
        with self.lock:
            self._cancel_reason = reason
            self._wake()

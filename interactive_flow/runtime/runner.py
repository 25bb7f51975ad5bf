"""Drives one run: advances workflow code, keeps the time, sees that calls are handed out.

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
from collections.abc import Callable
from typing import Any

from interactive_flow.engine.calls import Call, WorkflowCall
from interactive_flow.engine.containers import gather
from interactive_flow.engine.engine import Engine
from interactive_flow.engine.fibers import Raised, Returned
from interactive_flow.engine.memory import Lost, Memory
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.errors import DeterminismError, TaskError
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.cache import Lookups
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.executor_side import ExecutorSide, Lane
from interactive_flow.runtime.executors import InlineExecutor, ThreadExecutor, make_executor
from interactive_flow.runtime.results import NO_CACHING, Caching
from interactive_flow.runtime.tiny import TinyCalls

_RUNNING = CallState.RUNNING
_UNDER_WAY = RunStatus.RUNNING


class Runner(ExecutorSide):
    """One run in the making.

    Args:
        run: the run's id.
        executor: as in ``wf.options(executor=…)``.
        max_workers: as in ``wf.options(max_workers=…)``.
        rate_limit, strategy: as in ``wf.options``.
        memory: what is known of a run before that this one continues, or takes values from.
        restarts: how often the run has begun again already.
        caching: how results that were kept are used.

    Attributes:
        run: the run's id.
        lookups: those of results that were kept.
        when_over: called if the run is over while its thread cannot return yet.
        when_anew: called before the run begins anew, with how often it has by then, and its next arguments.
        echo: whether what tasks print also goes where it would have gone without the run.
    """

    def __init__(
        self,
        run: str,
        executor: Any = None,
        max_workers: int | None = None,
        rate_limit: float | None = None,
        strategy: str = "resume",
        memory: Memory | None = None,
        restarts: int = 0,
        caching: Caching = NO_CACHING,
    ) -> None:
        own = Lane(None, make_executor(executor, max_workers))
        super().__init__(max_workers, own)
        self.run = run
        self._caches_all = caching.all_tasks
        self.lookups = Lookups(self, caching.store)
        self.clock = getattr(own.executor, "clock", SYSTEM_CLOCK)
        self.echo = True
        self.t0 = self.clock.now()
        self._wall, self._rate_limit, self._restarts = time.time(), rate_limit, restarts
        self._strategy = strategy
        self.engine = self._new_engine()
        self.engine.memory = memory
        self._asleep_until: float | None = None  # None: awake; infinity: until something happens
        self._tiny = TinyCalls(self)
        self.when_over: Callable[[], None] | None = None
        self.when_anew: Callable[[int, tuple[Any, ...], dict[str, Any]], None] | None = None

    def _new_engine(self) -> Engine:
        own = self._lanes[None].executor
        engine = Engine(
            self.seconds,
            self,
            run=self.run,
            workers=getattr(own, "workers", own.capacity),
            wall=self._wall,
            restarts=self._restarts,
            runs_tiny=isinstance(own, ThreadExecutor),
            rate_limit=self._rate_limit,
            strategy=self._strategy,
        )
        engine.caches_all = self._caches_all
        return engine

    def seconds(self) -> float:
        """Seconds since the start of the run."""
        return self.clock.now() - self.t0

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
            self._tiny.close()
            self.lookups.close()

    def _drive(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        engine = self.engine
        self.context = contextvars.copy_context()
        self.t0 = self.clock.now()
        with self.lock:
            root = engine.start(spec, args, kwargs)
        if spec.keyed_by is not None and engine.memory is None:
            self.lookups.find_run(root)
        for lane in self._lanes.values():
            lane.executor.open(self)
        self.alert = not self._tiny.watched
        while True:
            self.turns += 1
            if self.interrupted:
                raise KeyboardInterrupt
            if engine.memory is not None:
                self._remember(at_rest=True)
            with self.lock:
                self.see_to_the_time()
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
            elif not (self._tiny.run() or self._run_inline() or self.lookups.run_here()):
                self._sleep()

    def _begin_again(self, spec: WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Engine:
        """The workflow returned ``restart(…)``: the same run goes on with a fresh history."""
        self._restarts += 1
        if self.when_anew is not None:
            self.when_anew(self._restarts, args, kwargs)
        with self.lock:
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
        return self._tiny.resolve(workflow)

    def _steps_aside_for(self, call: Call) -> bool:
        with self.lock:
            return self._tiny.step_aside_for(call)

    def is_called_away(self) -> bool:
        """True where something has come up that the runner's loop must see to."""
        if self.interrupted or self._cancel_reason is not None or self._from_elsewhere:
            return True
        deadline = self.engine.next_deadline()
        return deadline is not None and deadline <= self.engine.clock()

    @property
    def is_cancelled(self) -> bool:
        """True once somebody has asked for the end of the run."""
        return self._cancel_reason is not None

    @property
    def own_lane(self) -> Lane:
        """That of the run's own executor."""
        return self._lanes[None]

    def see_to_the_time(self) -> None:
        """Fires timers that are due, and cancels the run if somebody has asked for that; with the lock held."""
        self.engine.fire_timers()
        if self._cancel_reason is not None:
            self.engine.cancel(self._cancel_reason)

    def _has_to_remember(self) -> bool:
        memory = self.engine.memory
        return memory is not None and memory.can_go_on(self.engine)

    def _remember(self, at_rest: bool = False) -> None:
        engine = self.engine
        memory = engine.memory
        assert memory is not None
        told = False
        while True:
            with self.lock:
                try:
                    due = memory.next(engine, at_rest) if engine.status is _UNDER_WAY else None
                except DeterminismError as error:
                    engine.crash(error)
                    due = None
                if due is None:
                    if told or engine.lanes.fresh:
                        self._react()
                    return
                told = True
            workflow = current_workflow.set(None)  # the code of somebody's classes is not the workflow's
            try:
                value, reason = memory.load(due), None
            except Lost as error:
                value, reason = None, error.reason
            finally:
                current_workflow.reset(workflow)
            with self.lock:
                if reason is None:
                    memory.tell(engine, due, value)
                else:
                    memory.lose(engine, due, reason)

    def _run_inline(self) -> bool:
        return any(executor.run_pending() for executor in self._inline_executors())

    def _inline_executors(self) -> list[InlineExecutor]:
        return [lane.executor for lane in self._lanes.values() if isinstance(lane.executor, InlineExecutor)]

    def _sleep(self) -> None:
        with self.lock:
            engine = self.engine
            if not self._waits_elsewhere:
                engine.check_stalled()
            busy = engine.runnable or engine.lanes.tiny or self.lookups.wants_runner or self._has_to_remember()
            busy = busy or engine.status is not _UNDER_WAY
            if busy or self._cancel_reason is not None or any(e.pending for e in self._inline_executors()):
                return
            deadline = self.engine.next_deadline()
            self._asleep_until = float("inf") if deadline is None else deadline
            self.alert = True
            timeout = None if deadline is None else max(deadline - self.engine.clock(), 0.0)
        try:
            self.clock.wait(self._signal, timeout)
        finally:
            self._asleep_until = None
            self.alert = not self._tiny.watched

    # -- with the lock held ---------------------------------------------------------------------------------------

    def _tell_own_thread(self) -> None:
        """Wakes the runner's thread where there is something for it to do, or sees to it that somebody else does it."""
        engine = self.engine
        if engine.lanes.tiny and not self._tiny.watched:
            self._tiny.watch()
            self.alert = self._asleep_until is not None
        if self._tiny.current is not None and engine.status is not _UNDER_WAY and self.when_over is not None:
            self.when_over()  # the runner's thread is in a task's code, and nobody knows for how long
        if self._asleep_until is None:
            return
        if (
            engine.runnable
            or not engine.jobs  # then nothing may be left that could go on; the runner's thread looks
            or engine.lanes.tiny
            or engine.status is not _UNDER_WAY
            or self._has_to_remember()
            or self._due_earlier(engine.next_deadline())
        ):
            self._wake()

    def _due_earlier(self, deadline: float | None) -> bool:
        return deadline is not None and self._asleep_until is not None and deadline < self._asleep_until

    def _wake(self) -> None:
        if self._asleep_until is not None:
            self._asleep_until = None
            self._signal.put(None)

    # -- what others ask ------------------------------------------------------------------------------------------

    def cancel(self, reason: str = "run cancelled") -> None:
        """Cancels the run; from any thread."""
        with self.lock:
            self._cancel_reason = reason
            self._wake()

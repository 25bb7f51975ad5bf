"""Tiny calls: run in the thread of the workflow's code, while that code stands still.

A call that is over sooner than another thread could take it on (`interactive_flow.engine.durations`) costs least where
nobody has to be woken for it.  So the runner's thread takes such calls itself, and where a piece of workflow code
stands at a barrier it does so below that very code, which then goes on without having been left.

They are taken in batches: handed out with the runner's lock held once, run without it, reported with it held once
again.  To the engine the thread is an executor with a queue, so a call is not said to have begun before it is reported
to be over; unless it gives a sign of life, or turns out to be long.

That calls are tiny is only what they have been so far.  When one takes its time, a *deputy* notices: a thread that
looks in a hundred times a second, which costs next to nothing.  It tells the engine that the call has begun, gives the
rest of the batch and some of the other tiny calls to the workers, and looks after timers and cancellation until the
runner's thread is back.  The same where workflow code takes its time between two calls.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from interactive_flow.engine.calls import Call, Job, TaskCall, WorkflowCall
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.capture import end_lines, unfinished
from interactive_flow.runtime.executors import Report
from interactive_flow.runtime.worker import run_here

if TYPE_CHECKING:
    from interactive_flow.runtime.runner import Runner

_READY, _RUNNING = CallState.READY, CallState.RUNNING
_UNDER_WAY = RunStatus.RUNNING

BATCH = 32
"""Calls that are handed out and reported together."""

_BATCHES = 4
"""Batches in a row before the runner's loop looks at the time again."""

_HANDED_OVER = 256
"""Calls that the deputy gives to the workers each time it looks: the runner's thread may be back any moment."""

_INTERVAL = 0.01
"""Seconds between two looks of the deputy."""

_PATIENCE = 5
"""Looks in a row without progress: a thread may also be kept from getting on by the machine's other work."""


class TinyCalls:
    """Those of one run.

    Attributes:
        current: the one that is being run.
        watched: True once there is a deputy, or where there will be nothing to watch.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._batch: deque[Job] = deque()
        self._since = 0.0
        self._over = threading.Event()
        self.current: Job | None = None
        self.watched = not runner.engine.lanes.runs_tiny

    # -- in the runner's thread -----------------------------------------------------------------------------------

    def resolve(self, workflow: WorkflowCall) -> bool:
        """Runs tiny calls below code that stands at a barrier; True where it may go on then.

        Whatever else there is to do has to wait for the runner's loop, so then the code is left.
        """
        runner, engine = self._runner, self._runner.engine
        if workflow.replay is not None or engine.runnable or not engine.lanes.tiny or runner.is_called_away():
            return False
        try:
            self.run()
        except KeyboardInterrupt:  # a task is no place where workflow code would look for it
            runner.interrupted = True
            return False
        with runner.lock:
            if workflow.state is _RUNNING and engine.runnable and engine.runnable[0] is workflow:
                engine.runnable.popleft()
                return True
        return False

    def run(self) -> bool:
        """Runs tiny calls until there is workflow code to advance, for a while; True where there was one to run."""
        runner = self._runner
        lane = runner.own_lane
        with runner.lock:
            if not self._take(lane.free > 0):
                return False
            lane.free -= 1  # the thread takes the place of a worker
        try:
            for left in range(_BATCHES, 0, -1):
                if not self._run_batch(left > 1):
                    break
        finally:
            with runner.lock:
                lane.free += 1
        return True

    def _take(self, has_place: bool = True) -> bool:
        """Has a batch handed out; with the lock held.  False where there is none, or workers had better run it."""
        runner, engine = self._runner, self._runner.engine
        if not engine.lanes.tiny:
            return False
        if not has_place or (engine.jobs and not engine.tiny_is_wanted()):
            engine.lanes.hand_over()
            runner._react()
            return False
        return engine.take_tiny(self._batch, BATCH)

    def _run_batch(self, more: bool) -> bool:
        """Runs a batch, and takes the next one if `more`; False where there is none."""
        runner, engine, batch = self._runner, self._runner.engine, self._batch
        now, context = runner.clock.now, runner.context
        reports: list[Report] = []
        finished = now()
        try:
            while batch:
                try:
                    job = batch.popleft()
                except IndexError:  # the deputy was quicker
                    break
                if job.abandoned:
                    continue
                started = self._since = finished
                self.current = job
                outcome = context.copy().run(run_here, job, runner)
                if unfinished:
                    end_lines([job])
                finished = now()
                reports.append((job, outcome, started, finished, "runner"))
        finally:
            if runner.lookups.missed:
                runner.lookups.pack_many(reports)
            with runner.lock:
                if not reports or reports[-1][0] is not self.current:
                    self.begin()  # interrupted
                self.current = None
                runner.turns += 1
                runner.report_many(reports)
                if engine.lanes.fresh or engine.abandoned:
                    runner._react()
                over = engine.runnable or engine.status is not _UNDER_WAY or runner.interrupted
                taken = more and not over and not runner.is_cancelled and self._take()
        return taken

    # -- with the lock held ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Tells the engine that the current one has begun, before it is over."""
        if self.current is not None:
            self._runner.engine.begun(self.current, self._since - self._runner.t0, "runner")

    def step_aside_for(self, call: Call) -> bool:
        """The current one is about to wait for `call`; False where that needs the runner's thread to get done.

        A task may have a placeholder from a closure, and so turn out to be anything but tiny.
        """
        if self.current is None or not isinstance(call, TaskCall) or call.state not in (_READY, _RUNNING):
            return False
        self._give_up_batch()
        self._runner.engine.lanes.hand_over()
        self._runner._react()
        return True

    def _give_up_batch(self) -> None:
        """Tells the engine that the current one takes its time, and takes the others back."""
        engine, batch = self._runner.engine, self._batch
        self.begin()
        while batch:
            try:
                engine.take_back(batch.pop())
            except IndexError:  # the runner's thread was quicker
                break

    def watch(self) -> None:
        """Appoints the deputy."""
        self.watched = True
        threading.Thread(target=self._watch, daemon=True, name="iflow-deputy").start()

    def close(self) -> None:
        """There will be no more."""
        self._over.set()

    # -- in the deputy's thread -----------------------------------------------------------------------------------

    def _watch(self) -> None:
        runner = self._runner
        seen, still = -1, 0
        while not self._over.wait(_INTERVAL):
            turns = runner.turns
            waited_for = self.current is not None or bool(runner.engine.lanes.tiny)
            still = still + 1 if turns == seen and waited_for else 0
            if still >= _PATIENCE:
                self._stand_in(seen)
            seen = turns

    def _stand_in(self, seen: int) -> None:
        """Does what the runner's thread does for others, unless it has got on since its turns were `seen`."""
        runner = self._runner
        with runner.lock:
            if runner.turns != seen:
                return
            self._give_up_batch()
            runner.engine.lanes.hand_over(_HANDED_OVER)
            if self.current is not None:  # else workflow code takes its time, and timers are not in its way
                runner.see_to_the_time()
            runner._react()

"""Drives a session: a `Runner` whose cells' code is run by threads of their own, which are parked at barriers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any

from interactive_flow.engine.calls import Call, Scope, WorkflowCall
from interactive_flow.engine.cells import CellCall
from interactive_flow.engine.placeholder import Placeholder, current_workflow
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.model.errors import PlaceholderError
from interactive_flow.model.states import CallState
from interactive_flow.runtime.capture import captured_output
from interactive_flow.runtime.collector import patient_collector
from interactive_flow.runtime.interrupts import wait_for
from interactive_flow.runtime.kept import KeptCalls
from interactive_flow.runtime.runner import Runner


class CellFiber:
    """The code of a cell, which the thread that made this runs."""

    __slots__ = ("_go_on", "thread")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self._go_on = threading.Event()

    def advance(self) -> None:
        """Lets the cell's thread go on."""
        self._go_on.set()

    def suspend(self) -> None:
        """Waits, in the cell's thread, until somebody advances the fiber; an interrupt ends that."""
        wait_for(self._go_on)
        self._go_on.clear()

    def close(self) -> None:
        """Lets the cell's thread find out that the cell was given up."""
        self._go_on.set()


class Interrupts:
    """Notes an interrupt that came at a bad moment in a cell's thread, for the cell's next call or barrier."""

    def __init__(self) -> None:
        self.noted = False

    @property
    def interrupted(self) -> bool:
        """Not told here: it is raised already, or `wake` is called."""
        return False

    @interrupted.setter
    def interrupted(self, value: bool) -> None:
        pass

    def wake(self) -> None:
        """The interrupt was not raised."""
        self.noted = True


class SessionRunner(Runner):
    """Drives a session; cells' threads call it too.

    Attributes:
        interrupts: those of the cell that is running.
        resting: set while no cell is unfinished.
        waiting: entered while ordinary code waits for a call, so that somebody may tell what it waits for.
    """

    def __init__(self, *given: Any) -> None:
        self.interrupts: Interrupts | None = None
        self.resting = threading.Event()
        self.resting.set()
        self.waiting: Callable[[Call], AbstractContextManager[None]] = lambda call: nullcontext()
        self._at_work: ExitStack | None = None
        super().__init__(*given)

    @property
    def interrupted(self) -> bool:
        """True once where a cell's thread was interrupted; the session's own thread never is."""
        interrupts = self.interrupts
        if interrupts is None or not interrupts.noted or threading.get_ident() == self.thread:
            return False
        interrupts.noted = False
        return True

    @interrupted.setter
    def interrupted(self, value: bool) -> None:
        pass

    def hold(self) -> None:
        """The session's own workflow waits for what comes from elsewhere."""
        with self.lock:
            self._waits_elsewhere += 1

    def let_go(self) -> None:
        """Lets the session's own workflow go on, to its end; with the lock held."""
        self.engine.runnable.append(self.engine.root)
        self._react()

    def react(self) -> None:
        """Does what the engine left to do, whoever has called it; with the lock held."""
        self._react()
        self._wake()

    # -- how a cell waits ----------------------------------------------------------------------------------------

    def _wait_outside(self, call: Call) -> None:
        cell = current_workflow.get()
        if isinstance(cell, CellCall) and cell.engine is self.engine and _runs_here(cell):
            try:
                self._barrier(cell, call)
            finally:
                with self.lock:
                    if cell.blocked_on is call:  # interrupted
                        self.engine.workflow_heard(cell, call)
                        self.engine.runnable.remove(cell)
        else:
            with self.waiting(call):
                super()._wait_outside(call)

    def _goes_on_at_once(self, workflow: WorkflowCall) -> bool:
        return not isinstance(workflow, CellCall) and super()._goes_on_at_once(workflow)

    def _check(self, scope: Scope) -> None:
        if isinstance(scope, CellCall) and scope.state is not CallState.RUNNING:
            raise PlaceholderError(
                f"{scope.id} is over, so nothing can be called in it any more; what goes on by itself after the end of "
                f"a cell cannot call tasks"
            )
        super()._check(scope)

    def _advance(self, workflow: WorkflowCall) -> None:
        if not isinstance(workflow, CellCall):
            super()._advance(workflow)
        elif workflow.fiber is not None:
            workflow.fiber.advance()

    def parallel_reduce(self, scope: WorkflowCall, spec: TaskSpec | WorkflowSpec, elements: list[Any]) -> Placeholder:
        """See `CodeSide`."""
        if isinstance(scope.replay, KeptCalls):
            scope.replay.function = spec
        return super().parallel_reduce(scope, spec, elements)

    # -- work and rest -------------------------------------------------------------------------------------------

    def _tell_own_thread(self) -> None:
        super()._tell_own_thread()
        if not self.engine.root.open and self._at_work is not None:
            self._at_work.close()
            self._at_work = None
            self.resting.set()

    def begin_work(self) -> None:
        """A cell begins; with the lock held."""
        if self._at_work is None:
            self._at_work = ExitStack()
            self._at_work.enter_context(captured_output())
            self._at_work.enter_context(patient_collector())
            self.resting.clear()


def _runs_here(cell: CellCall) -> bool:
    return isinstance(cell.fiber, CellFiber) and cell.fiber.thread == threading.get_ident()

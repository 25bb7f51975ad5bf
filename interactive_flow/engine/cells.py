"""Notebook cells: workflow code that runs somewhere else, in its own thread.

A cell's code is run by IPython, not by the engine.  To the engine a cell is a node that makes calls, like a workflow,
and its *fiber* is whatever lets that code go on from a barrier.

What sets a cell apart from a workflow is its end.  A workflow is over when its result is there, and what nobody needs
of its calls is given up.  In a notebook everything that was called is wanted, as its variables are at hand for the
next cell; so a cell is over when all that it called is, and one call's error does not stop the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Call, WorkflowCall
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import TaskCancelled, TaskError
from interactive_flow.model.events import CallStarted, CellReplaced, WorkflowReturned
from interactive_flow.model.log import PlainSite
from interactive_flow.model.states import CallState

if TYPE_CHECKING:
    from interactive_flow.engine.engine import Engine
    from interactive_flow.engine.fibers import Fiber

_RUNNING = CallState.RUNNING
REPLACED = "replaced"
"""Why what a cell had called is cancelled when it is run again."""


class CellCall(WorkflowCall):
    """A cell.

    Attributes:
        made: its calls, by name and number.
        error: what its code raised.
        handled: the errors that its code has met, and gone on.
    """

    __slots__ = ("error", "handled", "made")

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.made: dict[tuple[str, int], Call] = {}
        self.error: BaseException | None = None
        self.handled: frozenset[TaskError] = frozenset()

    def arrived(self, done: Call) -> None:
        if self.blocked_on is done:
            self.engine.workflow_heard(self, done)
        elif self.returned:
            self.missing -= 1
            if not self.missing:
                _wait_for_the_rest(self)


def open_cell(
    engine: Engine, name: str, fiber: Fiber, site: PlainSite | None = None, source: str | None = None
) -> CellCall:
    """A cell's code begins; it is a call of the run's own workflow.

    Args:
        engine: whose graph it extends.
        name: says which cell it is.
        fiber: its code.
        site: where its code stands.
        source: its code.
    """
    spec = WorkflowSpec(name, _elsewhere, source, site[0] if site else None, 1)
    cell = CellCall(engine, engine.next_index(), spec, 0, engine.root, (), {}, False)
    engine.add(cell, (), site)
    cell.fiber = fiber
    cell.state = _RUNNING
    cell.started = engine.clock()
    engine.live.add(cell)
    engine.events.append(CallStarted(cell.started, cell.index, 1, None))
    return cell


def close_cell(cell: CellCall, error: BaseException | None = None) -> None:
    """A cell's code came to its end; the cell is over when all that it called is.

    Args:
        cell: the cell.
        error: what its code raised.
    """
    if cell.state is not _RUNNING or cell.returned:
        return
    cell.error, cell.fiber, cell.blocked_on = error, None, None
    cell.returned = True
    cell.handled = frozenset(call.outcome for call in cell.made.values() if call.failed and call.outcome.observed)
    unfinished = tuple(call.index for call in cell.open)
    cell.engine.events.append(WorkflowReturned(cell.engine.clock(), cell.index, unfinished))
    _wait_for_the_rest(cell)


def _wait_for_the_rest(cell: CellCall) -> None:
    """Ends the cell, or has it told when what it called is over; a thread of its own may have called more meanwhile."""
    if cell.open:
        cell.missing = len(cell.open)
        for call in cell.open:
            call.tell(cell)
        return
    engine = cell.engine
    error = _error_of(cell)
    if isinstance(error, TaskCancelled):
        engine.cancel_call(cell, error.reason)
    elif error is not None:
        engine.fail(cell, error, cell.started, None)
    else:
        engine.succeed(cell, None)


def _error_of(cell: CellCall) -> TaskError | None:
    """What its code raised, else the earliest error that its code did not handle."""
    own = cell.error
    if isinstance(own, TaskError):
        return own
    if own is not None:
        error = TaskError(brief_error(own), cell.id)
        error.__cause__ = own
        error.observed = True  # by whoever looks at the cell
        return error
    failed = [call for call in cell.made.values() if call.failed and call.outcome not in cell.handled]
    lost = cell.engine.first_lost(tuple(failed))
    return lost.outcome if lost is not None else None


def keep_call(call: Call, cell: CellCall) -> None:
    """A call that a cell made before belongs to the cell as it is run now."""
    assert call.scope is not None
    if not call.done:
        call.scope.open.pop(call, None)
        cell.open[call] = None
    call.scope = cell


def replace_cell(before: CellCall, cell: CellCall, kept: tuple[Call, ...]) -> None:
    """A cell was run again: what it had called before and did not call again is given up, and leaves the graph."""
    engine = cell.engine
    engine.cancel_call(before, REPLACED)
    engine.events.append(CellReplaced(engine.clock(), before.index, cell.index, tuple(call.index for call in kept)))


def _elsewhere(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("a cell's code is not run by the engine")

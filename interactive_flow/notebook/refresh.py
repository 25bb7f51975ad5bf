"""``%flow refresh``: runs the cells again in which something is stale, in the order of the notebook.

A cell is run as it was when it was run last, in the notebook's namespace, so that its variables stand for the new
results.  Calls that are the same as before are kept, so only what is stale is called.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import nullcontext
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.engine.cells import CellCall
from interactive_flow.notebook.flow_cells import GRACE, FlowCells
from interactive_flow.runtime.kept import KeptCalls
from interactive_flow.runtime.session import Session
from interactive_flow.views.markup import counted


def refresh(cells: FlowCells) -> str:
    """Runs the stale cells again; what came of it, in a sentence.

    Raises:
        UsageError: a cell raised an error, which is shown already, or cannot be run from here.
    """
    session, shell = cells.session, cells.shell
    if session is None:
        return "There is no session yet: a %%flow cell begins one."
    if not session.stale_cells():
        return "Nothing is stale."
    outer, count = cells.running, shell.execution_count
    if outer is not None:
        raise UsageError("%flow refresh belongs into an ordinary cell, not into a %%flow cell")
    with cells.panels.held() if cells.panels is not None else nullcontext():
        cells.show(f"refresh {count}", "refresh", None)
        done = _run_all(cells, session)
    session.wait(GRACE)
    called = sum(len(cell.made) for cell in done)
    kept = sum(len(cell.replay.kept) for cell in done if isinstance(cell.replay, KeptCalls))
    names = ", ".join(cell.id for cell in done)
    return f"Ran {names} again: {counted(called - kept, 'call')} made, {counted(kept, 'call')} kept."


def _run_all(cells: FlowCells, session: Session) -> list[CellCall]:
    done: list[CellCall] = []
    seen: set[str] = set()
    while stale := [(cell, key) for cell in session.stale_cells() if (key := session.key_of(cell)) not in seen]:
        cell, key = stale[0]  # what is run again may make more cells stale, further down
        seen.add(key)
        done.append(_run_again(cells, cells.shell, cell, key))
    return done


def _run_again(cells: FlowCells, shell: InteractiveShell, cell: CellCall, key: str) -> CellCall:
    source = cell.spec.source or ""
    count, outer = shell.execution_count, shell.displayhook.exec_result
    made: CellCall | None = None
    cells.again = cell, key
    result: Any = None
    try:
        number = _number_of(cell)
        if number is not None:
            shell.execution_count = number  # what it shows and what it prints is of that cell
        transformed = shell.transform_cell(source)  # type: ignore[no-untyped-call]
        code = shell.run_cell_async(source, store_history=False, transformed_cell=transformed)
        result = _to_its_end(code, cell)
    finally:
        cells.again = None
        shell.execution_count = count
        made = cells.running.node if cells.running is not None else None
        cells.finish(result)
        shell.displayhook.exec_result = outer
    error = result.error_before_exec or result.error_in_exec
    if error is not None or made is None:
        raise UsageError(f"%flow refresh: stopped at {cell.id}, which raised {type(error).__name__}")
    return made


def _number_of(cell: CellCall) -> int | None:
    name = cell.spec.name
    return int(name[4:-1]) if name.startswith("In [") and name[4:-1].isdecimal() else None


def _to_its_end(code: Coroutine[Any, Any, Any], cell: CellCall) -> Any:
    """Runs a coroutine that waits for nothing but placeholders, which need no event loop."""
    try:
        code.send(None)
    except StopIteration as end:
        return end.value
    code.close()
    raise UsageError(f"%flow refresh: {cell.id} awaits something that needs the event loop; run that cell itself")

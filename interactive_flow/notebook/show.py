"""How runs come to be shown: the panels of runs that are going on, and a `Run` that is shown as a value.

`install` tells the rest of the package and IPython about it; ``%load_ext interactive_flow`` does so, and so does the
first run of a session in which nobody loaded the extension.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from IPython.core.getipython import get_ipython
from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.model.events import RunStarted
from interactive_flow.model.record import RunRecord
from interactive_flow.notebook.cells import cell_of
from interactive_flow.notebook.flow_cells import FIRST_LINE, flow_cells, install_cells, uninstall_cells
from interactive_flow.notebook.inspector import install_inspector, uninstall_inspector
from interactive_flow.notebook.magics import FlowMagics, complete
from interactive_flow.notebook.panel import Panel
from interactive_flow.notebook.picture import Picture
from interactive_flow.notebook.places import remember
from interactive_flow.notebook.screens import forget, is_kept, keep, load_widget, make_screen, publish
from interactive_flow.runtime import sites
from interactive_flow.runtime.observers import Observer, set_display_provider
from interactive_flow.runtime.run import Run
from interactive_flow.runtime.run_views import set_mimebundle
from interactive_flow.store.fingerprint import origin

DISPLAYS = ("auto", "html", "none")
"""What ``wf.options(display=…)`` may be in a notebook, besides what runs elsewhere."""

SETTLE = 10.0
"""Seconds that the end of a cell waits at most for the last picture of a run that ended in it."""


class _Going(NamedTuple):
    """A run whose end may not be drawn yet."""

    run: Run
    panel: Panel
    cell: int


_going: dict[str, _Going] = {}
"""By the ids of the runs."""


def display_provider(run: Run, wanted: str = "auto") -> Observer | None:
    """The live panel of a run that is about to begin; see `interactive_flow.runtime.observers.DisplayProvider`.

    Args:
        run: the run.
        wanted: ``"auto"``, ``"html"`` (no widget) or ``"none"``.

    Returns:
        None where nothing is wanted, or nobody is there to see it: outside of a notebook's kernel.

    Raises:
        ValueError: `wanted` is something else.
    """
    if wanted not in DISPLAYS:
        raise ValueError(f"display={wanted!r}: in a notebook there are {', '.join(map(repr, DISPLAYS))} and 'terminal'")
    shell = get_ipython()
    if shell is None or wanted == "none" or not _in_kernel(shell):
        return None
    install(shell)
    # The run is about to begin; what its first event will say is known already, and may be asked for before it comes.
    begun = RunRecord([RunStarted(0.0, run.id, run.name, time.time(), 0)])
    panel = Panel(make_screen(wanted, run), Picture(begun))
    _going[run.id] = _Going(run, panel, shell.execution_count)
    return panel


def show(run: Run) -> None:
    """Shows a run in the cell that is running: live while it goes on, else as it is.

    The cell that began the run shows it already; there it is only made sure that it is seen at once.
    """
    going = _going.get(run.id)
    again = going is None or going.cell != InteractiveShell.instance().execution_count
    if going is None or not going.panel.open(again=again):
        id = f"iflow-{uuid4().hex}"
        publish(mimebundle(run), id)
        remember(run.id, [id])


def mimebundle(run: Run) -> dict[str, Any]:
    """A run as it is now: HTML without script, and text.  Where it has ended, a widget makes the HTML interactive."""
    picture = Picture(run.snapshot())
    if picture.over and not is_kept(run.id) and _in_kernel(get_ipython()):
        widget_class = load_widget()
        if widget_class is not None:
            keep(widget_class(run, **picture.remains()))
    return picture.bundle()


def install(shell: InteractiveShell) -> None:
    """Makes this notebook show runs, and gives it ``%flow``; once or many times is the same."""
    set_display_provider(display_provider)
    set_mimebundle(mimebundle)
    _set_cell_lookup(cell_of)
    install_inspector(shell)
    _displays(shell).for_type(Run, show)
    for event, callback in _CALLBACKS:
        if callback not in shell.events.callbacks[event]:
            shell.events.register(event, callback)
    install_cells(shell)
    if "flow" not in shell.magics_manager.magics["line"]:
        shell.register_magics(FlowMagics(shell))
    for word in _COMPLETED:
        if word not in shell.strdispatchers["complete_command"].strs:
            shell.strdispatchers["complete_command"].add_s(word, complete, 50)


def uninstall(shell: InteractiveShell) -> None:
    """Takes back what `install` did; runs have no panels from now on."""
    set_display_provider(_no_panel)  # with none at all, the runtime would find the one above by itself
    set_mimebundle(None)
    _set_cell_lookup(None)
    uninstall_inspector(shell)
    _displays(shell).pop(Run, None)
    for event, callback in _CALLBACKS:
        if callback in shell.events.callbacks[event]:
            shell.events.unregister(event, callback)
    uninstall_cells(shell)
    for kind, name in (("line", "flow"), ("line", FIRST_LINE), ("cell", "flow")):
        shell.magics_manager.magics[kind].pop(name, None)
    for word in _COMPLETED:
        shell.strdispatchers["complete_command"].strs.pop(word, None)
    forget()


def _no_panel(run: Run, wanted: str) -> None:
    return None


def _set_cell_lookup(lookup: Callable[[str], int | None] | None) -> None:
    sites.set_cell_lookup(lookup)
    origin.set_cell_lookup(lookup)


def _before_cell(info: object) -> None:
    flow_cells(InteractiveShell.instance()).before(info)
    # A cell that is run again has the same file name and a new number, so what was looked up before is forgotten.
    _set_cell_lookup(cell_of)


def _after_cell(result: object) -> None:
    """Waits for the last picture of the runs that have ended: a cell is over when what it shows is there."""
    cells = flow_cells(InteractiveShell.instance())
    cells.finish(result)
    deadline = time.monotonic() + SETTLE
    cells.settle(SETTLE)
    for going in [going for going in list(_going.values()) if going.run.status != "running"]:
        going.panel.settle(max(deadline - time.monotonic(), 0.0))
        del _going[going.run.id]


_COMPLETED = ("%flow", "flow", "%%flow")
_CALLBACKS = (("pre_run_cell", _before_cell), ("post_run_cell", _after_cell))


def _displays(shell: InteractiveShell) -> Any:
    """Who asks objects to show themselves, as ``_ipython_display_`` does."""
    assert shell.display_formatter is not None
    return shell.display_formatter.ipython_display_formatter


def _in_kernel(shell: InteractiveShell | None) -> bool:
    return getattr(shell, "kernel", None) is not None

"""``%flow``: the session of the notebook's ``%%flow`` cells, or the last run, one word for each view of it.

The views show what the `Run` itself can tell (``run.graph()``, ``run.report()`` …), so nothing is to be had here only.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class

from interactive_flow.authoring.options import Options, configure, effective
from interactive_flow.authoring.stored import runs as stored_runs
from interactive_flow.notebook.flow_cells import FIRST_LINE, FORM, NAMED, OPTIONS, FlowCells, flow_cells
from interactive_flow.notebook.refresh import refresh as run_again
from interactive_flow.notebook.screens import publish
from interactive_flow.runtime.run import Run, last_run
from interactive_flow.store.errors import StoreError
from interactive_flow.views.html import draw, graph_html, style_html
from interactive_flow.views.markup import element
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.timeline import timeline_svg


@magics_class
class FlowMagics(Magics):
    """``%flow`` and ``%%flow``."""

    @line_magic
    def flow(self, line: str) -> None:
        """Shows and steers the session of the notebook's %%flow cells, or shows the last run; %flow help says how."""
        try:
            name, *arguments = shlex.split(line) or ["help"]
        except ValueError as error:
            raise UsageError(f"%flow {line}: {error}") from None
        if name == "help":
            print(help_text())  # noqa: T201
            return
        if name not in COMMANDS:
            raise UsageError(f"%flow {name}: there is no such command; there are {', '.join(COMMANDS)} and help")
        needs, most = _ARGUMENTS.get(name, (0, 0))
        if not needs <= len(arguments) <= most:
            few = "an argument is missing" if len(arguments) < needs else "too many arguments"
            raise UsageError(f"%flow {name}: {few}; the form is {FORMS[name]}")
        cells = flow_cells(self._shell)
        if name in SHOWN:
            SHOWN[name](self._run(cells, name), *arguments)
        else:
            told = STEERED[name](cells, *arguments)
            if told:
                print(told)  # noqa: T201

    @cell_magic("flow")  # type: ignore[arg-type]
    def flow_cell(self, line: str, cell: str) -> None:
        """Runs a cell as part of the notebook's session: tasks called in it give placeholders; %flow help says more."""
        self._shell.run_cell(f"%%flow {line}\n{cell}")  # the shell rewrites such cells before it looks for magics

    @line_magic(FIRST_LINE)  # type: ignore[arg-type]
    def begin_cell(self, line: str) -> None:
        """What the first line of a %%flow cell becomes."""
        flow_cells(self._shell).begin(line)

    @property
    def _shell(self) -> Any:
        return self.shell

    def _run(self, cells: FlowCells, name: str) -> Run:
        run = cells.session or last_run()
        if run is None:
            raise UsageError(f"%flow {name}: there has been no run in this session, and no %%flow cell")
        return run


# -- what is shown -----------------------------------------------------------------------------------------------------


def graph(run: Run) -> None:
    """Shows the graph, with each call's state."""
    record = run.record()
    _publish(graph_html(record, draw(record)), mermaid(record))


def timeline(run: Run) -> None:
    """Shows who ran what and when."""
    _publish(timeline_svg(run.record()), repr(run.timeline()))


def decisions(run: Run) -> None:
    """Shows what code did between barriers, and what it could have done sooner."""
    found = run.decisions()
    print(f"{found!r}\n\n{found.advice()}")  # noqa: T201


def report(run: Run, path: str | None = None) -> None:
    """Shows everything in text, or writes it to PATH as one HTML file."""
    print(run.report() if path is None else f"wrote {run.to_html(Path(path).expanduser())}")  # noqa: T201


SHOWN: dict[str, Callable[..., None]] = {
    "graph": graph,
    "timeline": timeline,
    "decisions": decisions,
    "report": report,
}
"""The views; the docstrings are what ``help`` prints."""


# -- what is steered ---------------------------------------------------------------------------------------------------


def cancel(cells: FlowCells) -> str:
    """Cancels what is unfinished; the next cell may go on."""
    session = cells.session
    run: Run | None = session or last_run()
    if run is None or run.status != "running":
        return "Nothing is running."
    run.cancel()
    return "Cancelled what was unfinished."


def refresh(cells: FlowCells) -> str:
    """Runs the cells again in which something is stale."""
    return run_again(cells)


def reset(cells: FlowCells) -> str:
    """Ends the session, cancelling what is unfinished; the next %%flow cell begins a new one."""
    if cells.session is None:
        return "There is no session yet: a %%flow cell begins one."
    cells.end_session()
    return "The session is over; the next %%flow cell begins a new one."


def store(cells: FlowCells, path: str) -> str:
    """Keeps runs in the folder PATH from now on."""
    if "store" not in {field.name for field in dataclasses.fields(Options)}:
        raise UsageError("%flow store: runs cannot be kept by this version of interactive_flow")
    try:
        configure(store=str(Path(path).expanduser()))
    except (StoreError, ValueError, TypeError, OSError) as error:
        raise UsageError(f"%flow store: {error}") from None
    return f"Runs are kept in {path} from now on."


def runs(cells: FlowCells, path: str | None = None) -> str:
    """Lists the runs that a store keeps, or the one at PATH."""
    kept = path if path is not None else getattr(effective(Options()), "store", None)
    if kept is None:
        raise UsageError("%flow runs: there is no store; %flow store PATH sets one, %flow runs PATH looks into one")
    try:
        found = stored_runs(Path(kept).expanduser() if isinstance(kept, str) else kept)
    except (StoreError, OSError) as error:
        raise UsageError(f"%flow runs: {error}") from None
    return repr(found) if found else f"No runs are kept in {kept}."


STEERED: dict[str, Callable[..., str]] = {
    "refresh": refresh,
    "cancel": cancel,
    "reset": reset,
    "store": store,
    "runs": runs,
}
"""What does something, and tells what came of it."""

COMMANDS: dict[str, Callable[..., Any]] = {**SHOWN, **STEERED}
"""What ``%flow`` knows besides ``help``."""

_ARGUMENTS = {"report": (0, 1), "store": (1, 1), "runs": (0, 1)}
"""The fewest and the most arguments of a command, where it takes any."""

FORMS = {name: f"%flow {name}" for name in COMMANDS} | {
    "report": "%flow report [PATH]",
    "store": "%flow store PATH",
    "runs": "%flow runs [PATH]",
}
"""How each command is written."""


def help_text() -> str:
    """What ``%flow help`` says."""
    lines = [f"  {FORMS[name]:20} {command.__doc__.splitlines()[0]}" for name, command in COMMANDS.items()]  # type: ignore[union-attr]
    options = [f"  {option:14} {text}" for option, text in OPTIONS.items()]
    return "\n".join(
        [
            "The session of the notebook's %%flow cells; without one, the last run:",
            *lines,
            "",
            f"{FORM} runs a cell as part of the session:",
            *options,
        ]
    )


def complete(event: Any) -> list[str]:
    """Completes the word after ``%flow``, and the options after ``%%flow``; a hook of IPython's."""
    words = event.line.split()
    if words and words[0] == "%%flow":
        before = words[-2] if event.symbol and len(words) > 1 else words[-1]
        return list(NAMED) if before == "--executor" else list(OPTIONS)
    return [*COMMANDS, "help"] if len(words) - bool(event.symbol) < 2 else []


def _publish(html: str, text: str) -> None:
    publish({"text/html": element("div", style_html() + html, class_="iflow"), "text/plain": text})

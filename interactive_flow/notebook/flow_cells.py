"""``%%flow``: the notebook as a workflow, one cell after the other.

A ``%%flow`` cell is run by IPython like any other.  Its first line is not taken as a cell magic but rewritten, as
IPython does with line magics, to a call that opens the cell in the session (`interactive_flow.runtime.session`); so
all else stays as it is: line numbers, ``await``, what the last line gives, tracebacks.  When IPython says that the code
is through, the cell is closed, and what it called goes on.

A cell is known by the id that the front end gives it, so that running it again replaces what it had called.  Where
there is none, ``--name`` says which it is; else each execution is a cell of its own.
"""

from __future__ import annotations

import ast
import atexit
import re
import shlex
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic
from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.authoring.options import Options, effective
from interactive_flow.engine.calls import Call
from interactive_flow.engine.cells import CellCall
from interactive_flow.engine.containers import gather
from interactive_flow.model.errors import InteractiveFlowError
from interactive_flow.model.log import PlainSite
from interactive_flow.notebook.cells import cell_of
from interactive_flow.notebook.looking import quiet_looks
from interactive_flow.notebook.screens import make_screen
from interactive_flow.notebook.session_panel import SessionPanels
from interactive_flow.notebook.waiting import told_waiting
from interactive_flow.runtime.executors import make_executor
from interactive_flow.runtime.session import Session

FIRST_LINE = "flow_cell"
"""The line magic that the first line of a cell becomes."""

GRACE = 0.1
"""Seconds that a cell waits for what it called, so that a quick one is over when it ends: executed without a browser, a
notebook shows what a cell had to show by then."""

CLOSING = 10.0
"""Seconds that the end of a session is waited for at most."""

_FLOW = re.compile(r"%%flow(\s.*)?$", re.DOTALL)

OPTIONS = {
    "--name": "NAME   the cell is called so, and is the same one wherever it stands",
    "--wait": "       wait until all that the cell calls is over; an error is raised here",
    "--executor": "EXECUTOR   where the tasks that it calls run: threads, processes, async, inline, or a variable",
    "--max-workers": "N   how many of them run at once",
    "--fresh": "      call everything anew, also what is the same as when the cell was run before",
}
"""What may stand behind ``%%flow``."""

NAMED = ("threads", "processes", "async", "inline")
"""The executors that have a name; others are found by the name of a variable."""

FORM = "%%flow [--name NAME] [--wait] [--executor EXECUTOR] [--max-workers N] [--fresh]"


def rewrite(lines: list[str]) -> list[str]:
    """Rewrites the first line of a ``%%flow`` cell; an input transformer of IPython's."""
    found = _FLOW.match(lines[0]) if lines else None
    if found is None:
        return lines
    options = (found[1] or "").strip()
    # What follows may be a cell magic again, as in a cell of its own.
    rest: list[str] = cell_magic(lines[1:])  # type: ignore[no-untyped-call]
    return [f"get_ipython().run_line_magic({FIRST_LINE!r}, {options!r})\n", *rest]


# Where IPython asks whether a cell is complete it leaves such transformers out, so that in a terminal this is a cell
# magic like any other: complete with an empty line.
rewrite.has_side_effects = True  # type: ignore[attr-defined]


class CellOptions(NamedTuple):
    """What stands behind ``%%flow``."""

    name: str | None = None
    wait: bool = False
    executor: str | None = None
    max_workers: int | None = None
    fresh: bool = False


def parse(line: str) -> CellOptions:
    """The options of a cell.

    Raises:
        UsageError: there is no such option, or its value is missing or wrong.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%%flow {line}: {error}") from None
    given: dict[str, Any] = {}
    while words:
        option, equals, value = words.pop(0).partition("=")
        if option not in OPTIONS:
            raise UsageError(f"%%flow: there is no option {option!r}; the form is {FORM}")
        name = option[2:].replace("-", "_")
        if option in ("--wait", "--fresh"):
            if equals:
                raise UsageError(f"%%flow {option} takes no value; the form is {FORM}")
            given[name] = True
            continue
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("--") else ""
        if not value:
            raise UsageError(f"%%flow {option}: its value is missing; the form is {FORM}")
        given[name] = value
    workers = given.get("max_workers")
    if workers is not None:
        if not workers.isdecimal() or int(workers) < 1:
            raise UsageError(f"%%flow --max-workers {workers}: a number of workers is wanted, at least 1")
        given["max_workers"] = int(workers)
    return CellOptions(**given)


class Open(NamedTuple):
    """The cell whose code is running."""

    node: CellCall
    options: CellOptions
    guard: ExitStack
    thread: int


class FlowCells:
    """The session of a shell, and its cells.

    Args:
        shell: the shell.

    Attributes:
        shell: the shell.
        panels: those of the session.
        running: the cell whose code is running.
        again: where a cell is run again by ``%flow refresh``: the cell as it was, and its key.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._session: Session | None = None
        self._info: Any = None
        self._executors: dict[tuple[str, str | None, int], Any] = {}
        self._opened = 0
        self.panels: SessionPanels | None = None
        self.running: Open | None = None
        self.again: tuple[CellCall, str] | None = None

    # -- the session ---------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session | None:
        """The session, if a cell has begun one and nobody has ended it."""
        return None if self._session is None or self._session.is_over else self._session

    def open_session(self) -> Session:
        """The session; a new one where there is none."""
        session = self.session
        if session is None:
            options = effective(Options())
            session = self._session = Session(
                executor=options.executor, max_workers=options.max_workers, rate_limit=options.rate_limit
            )
            self.panels = SessionPanels(session) if self._shows(options.display) else None
            session.show_output(self.panels is not None)
            if self.panels is not None:
                session.tell_waiting(told_waiting)
            self._executors.clear()
        return session

    def end_session(self, timeout: float | None = CLOSING) -> None:
        """Ends the session, cancelling what is unfinished; the next cell begins a new one."""
        session, self._session = self._session, None
        if session is not None:
            session.end(timeout)

    def _shows(self, display: str | None) -> bool:
        return _in_kernel(self.shell) and display != "none"

    # -- a cell ---------------------------------------------------------------------------------------------------

    def before(self, info: Any) -> None:
        """IPython is about to run something: `info` says what."""
        if self.running is not None and self.running.thread != threading.get_ident():
            return  # a subshell runs something while the cell goes on
        self._info = info
        if self.running is not None and self.again is None:
            self.finish(None)  # nobody said that its code is through

    def begin(self, line: str) -> None:
        """What the first line of a cell does.

        Raises:
            UsageError: an option is wrong, or the cell cannot be run here.
        """
        options = parse(line)
        executor = self._executor(options)
        site = _site_of(self.shell)
        count = site[3] if site and site[3] is not None else self.shell.execution_count
        again, key = self.again if self.again is not None else (None, self._key(options, count))
        session = self.open_session()
        source = getattr(self._info, "raw_cell", None) or ""
        try:
            node = session.begin(
                again.spec.name if again is not None else options.name or f"In [{count}]",
                key=key, site=site, source=source, uses=self._uses(source), executor=executor, anew=options.fresh,
            )  # fmt: skip
        except InteractiveFlowError as error:
            raise UsageError(str(error)) from None
        guard = ExitStack()
        self.running = Open(node, options, guard, threading.get_ident())
        guard.enter_context(quiet_looks(self.shell))
        if self.panels is not None:
            if again is not None:
                self.panels.belong_to(key, node)
            else:
                self.show(key, f"{options.name} · In [{count}]" if options.name else node.spec.name, node)
            self.panels.watch()

    def show(self, key: str, title: str, node: CellCall | None) -> None:
        """Opens a panel here, for a cell or for everything."""
        session = self.session
        if session is None or self.panels is None:
            return
        self._opened += 1
        wanted = effective(Options()).display or "auto"
        screen = make_screen("html" if wanted == "html" else "auto", session)
        self.panels.open(key, screen, title, f"{session.id}-{self._opened}", node)

    def finish(self, result: Any) -> None:
        """IPython has run something: if that was a cell, its code is through."""
        cell, session = self.running, self._session
        if cell is None or session is None or cell.thread != threading.get_ident():
            return
        self.running = None
        cell.guard.close()
        error = getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)
        try:
            session.finish(cell.node, error)
            if cell.options.wait and error is None:
                session.wait_for(cell.node)
            session.wait(GRACE)
        except (InteractiveFlowError, KeyboardInterrupt) as raised:
            self._fail(result, raised)
        if session.failure is not None:
            self._fail(result, session.failure)
            session.end(CLOSING)  # the next cell begins a session anew

    def settle(self, timeout: float) -> None:
        """Waits until the panels show how it ended, where it has."""
        if self.panels is not None and self._session is not None and self._session.rests:
            self.panels.settle(timeout)

    def _fail(self, result: Any, error: BaseException) -> None:
        """The cell has failed although its code is through: it was waited for."""
        error = error.with_traceback(None)
        if result is not None:
            result.error_in_exec = error
        self.shell.last_execution_succeeded = False
        self.shell.showtraceback((type(error), error, None))

    # -- what is known of it --------------------------------------------------------------------------------------

    def _key(self, options: CellOptions, count: int) -> str:
        if options.name:
            return f"name {options.name}"
        id = getattr(self._info, "cell_id", None)
        return f"cell {id}" if id else f"In [{count}]"

    def _uses(self, source: str) -> Iterator[Call]:
        """The calls behind the variables that a cell's code names."""
        space = self.shell.user_ns
        for name in _names_in(source, self.shell):
            if name in space and not name.startswith("_"):
                with suppress(ValueError):
                    yield from gather((space[name],), {})[2]

    def _executor(self, options: CellOptions) -> Any:
        name, workers = options.executor, options.max_workers
        given = name if name in (None, *NAMED) else self.shell.user_ns.get(name, name)
        try:
            if workers is None:
                if given is not None:
                    make_executor(given, None)  # a wrong one is told here, not in the middle of the session
                return given
            key = (getattr(self._info, "cell_id", None) or "", name, workers)
            if key not in self._executors:
                self._executors[key] = make_executor(given, workers)
            return self._executors[key]
        except (ValueError, TypeError, ImportError) as error:
            raise UsageError(f"%%flow --executor {name}: {error}") from None


_cells: dict[int, FlowCells] = {}
"""By the shells' ids: a process has one, besides in tests."""


def flow_cells(shell: InteractiveShell) -> FlowCells:
    """The cells of `shell`."""
    cells = _cells.get(id(shell))
    if cells is None:
        cells = _cells[id(shell)] = FlowCells(shell)
    return cells


def install_cells(shell: InteractiveShell) -> None:
    """Lets a shell understand ``%%flow``; once or many times is the same."""
    if rewrite not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.append(rewrite)
    flow_cells(shell)
    atexit.unregister(_end_all)
    atexit.register(_end_all)


def uninstall_cells(shell: InteractiveShell) -> None:
    """Takes back what `install_cells` did, and ends the session."""
    if rewrite in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.remove(rewrite)
    cells = _cells.pop(id(shell), None)
    if cells is not None:
        cells.end_session()


def _end_all() -> None:
    """The process ends: workers are told, and nobody waits long for them."""
    for cells in _cells.values():
        cells.end_session(timeout=1.0)


def _in_kernel(shell: InteractiveShell) -> bool:
    return getattr(shell, "kernel", None) is not None


def _site_of(shell: InteractiveShell) -> PlainSite | None:
    """The line of the cell's code that is running here."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is shell.user_ns:
            file = frame.f_code.co_filename
            return file, frame.f_lineno, frame.f_code.co_name, cell_of(file)
        frame = frame.f_back
    return None


def _names_in(source: str, shell: InteractiveShell) -> set[str]:
    """The names that code reads."""
    try:
        tree = ast.parse(shell.transform_cell(source))  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError):
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}

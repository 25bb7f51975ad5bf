"""``%flow``: the views of the last run, one word each.

They show what the `Run` itself can tell (``run.graph()``, ``run.report()`` …), so nothing is to be had here only.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from interactive_flow.notebook.screens import publish
from interactive_flow.runtime.run import Run, last_run
from interactive_flow.views.decisions import decisions_text
from interactive_flow.views.html import draw, graph_html, style_html
from interactive_flow.views.markup import element
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.timeline import timeline_svg


@magics_class
class FlowMagics(Magics):
    """The line magic ``%flow``."""

    @line_magic
    def flow(self, line: str) -> None:
        """Shows the last run of this session: ``%flow graph|timeline|decisions|report [PATH]|help``."""
        try:
            name, *arguments = shlex.split(line) or ["help"]
        except ValueError as error:
            raise UsageError(f"%flow {line}: {error}") from None
        if name == "help":
            print(help_text())  # noqa: T201
            return
        if name not in COMMANDS:
            raise UsageError(f"%flow {name}: there is no such command; there are {', '.join(COMMANDS)} and help")
        command = COMMANDS[name]
        if len(arguments) > (command is report):
            raise UsageError(f"%flow {name}: too many arguments; the form is {FORMS[name]}")
        run = last_run()
        if run is None:
            raise UsageError(f"%flow {name}: there has been no run in this session")
        command(run, *arguments)


def graph(run: Run) -> None:
    """Shows the graph, with each call's state."""
    record = run.record()
    _publish(graph_html(record, draw(record)), mermaid(record))


def timeline(run: Run) -> None:
    """Shows who ran what and when."""
    _publish(timeline_svg(run.record()), repr(run.timeline()))


def decisions(run: Run) -> None:
    """Shows what the workflow's code did between barriers."""
    print(decisions_text(run.record()))  # noqa: T201


def report(run: Run, path: str | None = None) -> None:
    """Shows the run in text, or writes it to PATH as one HTML file."""
    print(run.report() if path is None else f"wrote {run.to_html(Path(path).expanduser())}")  # noqa: T201


COMMANDS: dict[str, Callable[..., None]] = {
    "graph": graph,
    "timeline": timeline,
    "decisions": decisions,
    "report": report,
}
"""What ``%flow`` knows besides ``help``; the docstrings are what ``help`` prints."""

FORMS = {name: f"%flow {name}" for name in COMMANDS} | {"report": "%flow report [PATH]"}
"""How each command is written."""


def help_text() -> str:
    """What ``%flow help`` says."""
    lines = [f"  {FORMS[name]:20} {command.__doc__}" for name, command in COMMANDS.items()]
    return "\n".join(["Views of the last run of this session:", *lines])


def complete(event: Any) -> list[str]:
    """Completes the word after ``%flow``; a hook of IPython's."""
    words = event.line.split()
    return [*COMMANDS, "help"] if len(words) - bool(event.symbol) < 2 else []


def _publish(html: str, text: str) -> None:
    publish({"text/html": element("div", style_html() + html, class_="iflow"), "text/plain": text})

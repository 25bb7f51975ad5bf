"""What a run has to show: pictures, texts and files, each made from its record."""

from __future__ import annotations

import os
import platform
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interactive_flow.model.errors import TaskError
from interactive_flow.model.events import Event
from interactive_flow.model.record import CallRecord, RunRecord

if TYPE_CHECKING:
    import graphviz

    from interactive_flow.views.advice_words import Decisions

_mimebundle: Callable[[Any], Any] | None = None


def set_mimebundle(make: Callable[[Any], Any] | None) -> None:
    """Registers who shows a `Run` in a notebook; None for the plain text and static HTML."""
    global _mimebundle
    _mimebundle = make


class RunViews(ABC):
    """The views of a `Run`; they ask nothing of it but its events and the record that is folded from them."""

    @abstractmethod
    def events(self) -> Sequence[Event]:
        """Everything that happened so far, in order."""

    @abstractmethod
    def record(self) -> RunRecord:
        """The fold over the events so far."""

    def snapshot(self) -> RunRecord:
        """The same as `record`, for whoever wants one that does not change any more."""
        return RunRecord(self.events())

    @property
    def calls(self) -> list[CallRecord]:
        """The calls so far, in the order in which they were made."""
        return list(self.record().calls)

    @property
    def errors(self) -> list[TaskError]:
        """The errors of the calls that failed of themselves, in order of calls; those they took along are left out."""
        return [call.error for call in self.record().calls if call.error is not None and call.error.call == call.id]

    # -- to be shown ----------------------------------------------------------------------------------------------

    def graph(self) -> graphviz.Digraph:
        """The dependency graph as it is now.

        Raises:
            ImportError: the ``graphviz`` package is missing; the message says how to get it.
        """
        from interactive_flow.views.dot import digraph

        return digraph(self.record())

    def timeline(self) -> Picture:
        """Who ran what and when: a lane per worker, barriers as marks, the critical path outlined."""
        from interactive_flow.views.timeline import timeline_svg

        return Picture(timeline_svg(self.record()))

    def decisions(self) -> Decisions:
        """What the workflow's code did between barriers, one entry for each advance; the list has an `advice()`."""
        from interactive_flow.views.advice_words import Decisions

        return Decisions(self.record())

    def report(self) -> str:
        """The run in plain text: state, progress for each task, errors, what nobody needed."""
        from interactive_flow.views.text import text_snapshot

        return text_snapshot(self.record())

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Writes a report as one self-contained HTML file; its path."""
        from interactive_flow.views.report import report_html

        target = Path(path)
        target.write_text(report_html(self.record(), _environment()), encoding="utf-8")
        return target

    def to_chrome_trace(self, path: str | os.PathLike[str]) -> Path:
        """Writes the timeline for Perfetto or chrome://tracing, as trace-event JSON; its path."""
        from interactive_flow.views.chrome import chrome_trace

        target = Path(path)
        target.write_text(chrome_trace(self.record()), encoding="utf-8")
        return target

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        make = _mimebundle
        if make is None and in_kernel():
            make = import_module("interactive_flow.notebook").mimebundle
        if make is not None:
            return make(self)
        from interactive_flow.views.html import static_panel

        return {"text/plain": self.report(), "text/html": static_panel(self.record())}


class Picture(str):
    """An SVG drawing: a string that notebooks show as a picture."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"<SVG drawing, {len(self)} characters>"


def in_kernel() -> bool:
    """True in a process that runs a notebook's kernel; imports nothing to find out."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    return shell is not None and hasattr(shell, "kernel")


def _environment() -> dict[str, str]:
    packages = []
    for name in ("interactive_flow", "greenlet", "lazy-object-proxy", "ipywidgets", "graphviz"):
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return {
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "System": f"{platform.system()} {platform.release()} ({platform.machine()}), {os.cpu_count()} CPUs",
        "Packages": ", ".join(packages),
    }

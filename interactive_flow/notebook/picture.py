"""A run as it is drawn: the fold of its events, and the pieces of markup made from that.

A picture knows what to show, not where (`interactive_flow.notebook.screens`) or when
(`interactive_flow.notebook.panel`).  The graph is the dear piece: its layout stays for as long as the record's shape
stays the same, and while the run goes on it is renewed at a pace.  Between two layouts a front end gets the states of
the nodes that changed, and new calls wait a moment for their node.

While the run goes on only the tab that is looked at is drawn, and where a front end can ask for more, only the node
that is selected is described.  What is sent is rationed: the header at a rate of its own, since it shows that things go
on, and all the rest together, however much there is to tell.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from interactive_flow.model.events import Event
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.notebook.details import Details, describe
from interactive_flow.notebook.pace import Allowance, Pace
from interactive_flow.views.dot import to_dot
from interactive_flow.views.graph import Graph, graph_model
from interactive_flow.views.html import (
    DRAW,
    graph_html,
    header_html,
    legend_html,
    result_html,
    rows_html,
    run_word,
    static_panel,
)
from interactive_flow.views.markup import counted, element
from interactive_flow.views.render import render_svg, restyle
from interactive_flow.views.sections import errors_html, not_needed_html, not_reused_html, outputs_html
from interactive_flow.views.states import NodeState, node_states
from interactive_flow.views.summary import Summariser
from interactive_flow.views.tabs import decisions_html, timeline_html
from interactive_flow.views.text import text_snapshot

HEADER_RATE = 7_000
"""Bytes a second for the header: it is drawn some five times a second."""

RATE, BURST = 11_000, 200_000
"""Bytes a second for all the rest, and bytes at once after a silence.  With the header, this is less than 2 MB a
minute."""

OUTPUT = 40_000
"""Characters of output that are told while the run goes on."""

STATE = 220
"""Bytes of a node's state, about."""


class Picture:
    """Folds a run's events and draws them.

    Args:
        record: what was folded already; a new one where it is left out.

    Attributes:
        record: the run so far.
        tab: the tab that is looked at, by its name in `interactive_flow.views.tabs`; None where that is not known, and
            then all are drawn.
        selected: the only node that is to be described, by its id, ``""`` for none; None to describe all.
    """

    def __init__(self, record: RunRecord | None = None) -> None:
        self.record = RunRecord() if record is None else record
        self.tab: str | None = "graph"
        self.selected: str | None = None
        self._summariser = Summariser(self.record)
        self._summary = self._summariser.update()
        self._restarts = self.record.restarts, self.record.replacements
        self._told_at = time.monotonic()
        self._model: Graph | None = None
        self._graph: Graph | None = None  # the model that is laid out, which may be older
        self._svg = ""
        self._legend = ""
        self._states: dict[str, NodeState] = {}
        self._unseen: set[int] = set()  # calls that changed since the states were told
        self._details: dict[str, Details] = {}
        self._final = False
        self._layout_pace = Pace(interval=0.3, share=0.2)
        self._details_pace = Pace(interval=0.3, share=0.05)
        allowance = self._allowance = Allowance(RATE, BURST)
        self._top = _Part(self._write_top, 0.1, 0.2, Allowance(HEADER_RATE, HEADER_RATE))
        self._below = _Part(self._write_below, 1.0, 0.05, allowance)
        self._tabs = {
            "progress": _Part(lambda: rows_html(self._summary) or _note("No calls yet."), 0.1, 0.1, allowance),
            "timeline": _Part(self._write_timeline, 0.5, 0.1, allowance),
            "decisions": _Part(lambda: decisions_html(self.record) or _note("No calls yet."), 0.5, 0.1, allowance),
            "output": _Part(lambda: outputs_html(self.record, OUTPUT) or _note("No output yet."), 0.5, 0.1, allowance),
        }

    def apply(self, events: Sequence[Event]) -> None:
        """Takes the events that follow those already taken."""
        self.record.apply(events)
        self._told_at = time.monotonic()

    def look_again(self) -> None:
        """Draws once more what was final: the run may have ended and been changed since, as a notebook's session is."""
        self._final = False

    @property
    def over(self) -> bool:
        """True once the run has ended."""
        return self.record.status is not RunStatus.RUNNING

    # -- what is shown --------------------------------------------------------------------------------------------

    def traits(self) -> dict[str, Any]:
        """What the widget is told, by the names of its traits; see ``static/panel.js``."""
        self._look()
        return {
            "run": self.record.run,
            "top": self._top.text,
            "svg": self._svg,
            "legend": self._legend,
            "below": self._below.text,
            "states": self._states,
            "details": self._details,
            "spoken": self._spoken(),
            **{name: part.text for name, part in self._tabs.items()},
        }

    def remains(self) -> dict[str, Any]:
        """The traits for when the run has ended: what the bundle has not got, which is there by then."""
        self.selected = None
        self._look()
        nothing: dict[str, Any] = dict.fromkeys(("top", "svg", "legend", "below", *self._tabs), "")
        return {
            "run": self.record.run,
            "details": self._details,
            "spoken": self._spoken(),
            "states": {},
            "retry": self._may_be_retried(),
            **nothing,
        }

    def rest(self) -> dict[str, Any]:
        """All traits with all there is to see, for a view that no twin takes the place of, though the run has ended."""
        self.selected = None
        for part in self._tabs.values():
            part.renew(now=True)
        return self.traits()

    def _may_be_retried(self) -> bool:
        """True where the run has ended and something in it has not succeeded that somebody wanted."""
        record = self.record
        broken = record.count[CallState.FAILED] + record.count[CallState.TIMED_OUT]
        wanted = self.over and (broken > 0 or record.status is not RunStatus.SUCCEEDED)
        return wanted and not record.session  # in a session the cell is run again, which keeps what has worked

    def bundle(self) -> dict[str, str]:
        """The run as it is now, for a reader that cannot be told of changes: HTML without script, and text."""
        self._look()
        svg = restyle(self._svg, self._graph) if self._svg and self._graph else None
        panel = static_panel(self.record, svg or DRAW, self._graph if svg else None, self._now())
        return {
            "text/html": element("div", panel, data_iflow_run=self.record.run),
            "text/plain": text_snapshot(self.record, now=self._now()),
        }

    def _now(self) -> float | None:
        """Seconds since the start of the run: nothing may have happened for a while, and time goes on."""
        return None if self.over or not self.record.seen else self.record.clock + time.monotonic() - self._told_at

    def _spoken(self) -> str:
        """What a screen reader says: news, not the clock."""
        failed = self._summary["failed"]
        told = f"{self.record.name}: {run_word(self._summary)}"
        return f"{told}, {counted(failed, 'call')} failed" if failed else told

    # -- keeping up -----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Brings everything up to date that is due."""
        if self._final:
            return
        if (self.record.restarts, self.record.replacements) != self._restarts:
            # The record has begun anew, and what was counted of the time before is of no interest any more.
            self._restarts = self.record.restarts, self.record.replacements
            self._summariser, self._graph, self._model = Summariser(self.record), None, None
            self._unseen.clear()
            self.record.changed.update(call.index for call in self.record.calls)
        by_index = self.record.by_index
        changed = frozenset(index for index in self.record.changed if not by_index[index].replaced)
        self.record.changed.clear()
        self._unseen |= changed
        self._summary = self._summariser.update(changed, self._now())
        self._top.renew(now=self.over)
        if self.tab in ("graph", "decisions", None) or self.over:
            self._draw_graph()
        for name, part in self._tabs.items():
            if self.tab in (name, None) and not self.over:
                part.renew()
        self._below.renew(now=self.over)
        self._describe()
        self._final = self.over

    def _draw_graph(self) -> None:
        """Draws the graph where its shape is new, and in the end once more, with its last states."""
        began = time.monotonic()
        stale = self._graph is None or self._graph.shape != self.record.shape
        if self.over or (stale and self._layout_pace.due(began) and self._allowance.due(began)):
            graph = self._fresh_model()
            drawn = render_svg(to_dot(graph)) if graph.nodes else None
            # The states go along with the drawing, so that what is told afterwards is only what changed.
            self._graph, self._svg = graph, restyle(drawn, graph) if drawn else ""
            self._states = {}
            self._legend = legend_html(self.record) if drawn else graph_html(self.record, None)
            self._layout_pace.worked(began, time.monotonic() - began)
            self._allowance.spend(began, _sent(self._svg) + _sent(self._legend))
        elif self._graph is not None and self._allowance.due(began):
            self._restate(self._graph)
        else:
            return
        self._unseen.clear()

    def _restate(self, graph: Graph) -> None:
        """Tells the states of what has changed, and what signs there are by now."""
        states = self._states | node_states(graph, self._unseen)
        if states != self._states:
            self._states = states
            self._legend = legend_html(self.record) if self._svg else self._legend
            self._allowance.spend(time.monotonic(), STATE * len(states))

    def _fresh_model(self) -> Graph:
        if self._model is None or self._model.shape != self.record.shape:
            self._model = graph_model(self.record)
        return self._model

    def _describe(self) -> None:
        began = time.monotonic()
        if self.selected == "" or self._model is None:
            self._details = {}
        elif self.over or (self._details_pace.due(began) and self._allowance.due(began)):
            details = describe(self._model, None if self.selected is None else [self.selected])
            if details != self._details:
                self._details = details
                self._allowance.spend(began, sum(map(_size, details.values())))
            self._details_pace.worked(began, time.monotonic() - began)

    # -- texts ----------------------------------------------------------------------------------------------------

    def _write_top(self) -> str:
        return header_html(self._summary) + result_html(self.record)

    def _write_below(self) -> str:
        return errors_html(self.record) + not_needed_html(self.record) + not_reused_html(self.record)

    def _write_timeline(self) -> str:
        nodes = self._fresh_model().node_of
        return timeline_html(self.record, nodes, self._now()) or _note("Nothing has run yet.")


class _Part:
    """A piece of markup that is written anew at a pace, and counts against an allowance where it has changed."""

    def __init__(self, write: Callable[[], str], interval: float, share: float, allowance: Allowance) -> None:
        self.text = ""
        self._write = write
        self._pace = Pace(interval, share)
        self._allowance = allowance

    def renew(self, *, now: bool = False) -> None:
        """Writes it if it is due, or in any case `now`."""
        began = time.monotonic()
        if not (now or (self._pace.due(began) and self._allowance.due(began))):
            return
        text = self._write()
        self._pace.worked(began, time.monotonic() - began)
        if text != self.text:
            self.text = text
            self._allowance.spend(began, _sent(text))


def _note(text: str) -> str:
    return element("p", text, class_="iflow-note")


def _sent(text: str) -> int:
    """The bytes of a text as JSON; quotes are a good part of an SVG."""
    return len(text.encode("utf-8", "replace")) + text.count('"') + text.count("\n")


def _size(details: Details) -> int:
    rows = sum(len(label) + len(text) for label, text in details["rows"])
    return 200 + rows + len(details["output"]) + len(details["traceback"])

"""A run as it is drawn: the fold of its events, and the pieces of markup made from that.

A picture knows what to show, not where (`interactive_flow.notebook.screens`) or when
(`interactive_flow.notebook.panel`).  The graph is the dear piece: its layout stays for as long as the record's shape
stays the same, and while the run goes on it is renewed at a pace.  Between two layouts a front end gets the states of
the nodes that changed, and new calls wait a moment for their node.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from interactive_flow.model.events import Event
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.notebook.details import Details, describe
from interactive_flow.notebook.pace import Pace
from interactive_flow.views.dot import to_dot
from interactive_flow.views.graph import Graph, graph_model
from interactive_flow.views.html import (
    DRAW,
    errors_html,
    graph_html,
    header_html,
    legend_html,
    not_needed_html,
    output_html,
    result_html,
    rows_html,
    run_word,
    static_panel,
)
from interactive_flow.views.markup import counted, element
from interactive_flow.views.render import render_svg, restyle
from interactive_flow.views.states import NodeState, node_states
from interactive_flow.views.summary import Summariser
from interactive_flow.views.text import text_snapshot

BYTES_PER_SECOND = 1_000_000
"""What sending a text is taken to cost."""


class Picture:
    """Folds a run's events and draws them.

    Args:
        record: what was folded already; a new one where it is left out.

    Attributes:
        record: the run so far.
    """

    def __init__(self, record: RunRecord | None = None) -> None:
        self.record = RunRecord() if record is None else record
        self._summariser = Summariser(self.record)
        self._summary = self._summariser.update()
        self._restarts = self.record.restarts
        self._told_at = time.monotonic()
        self._graph: Graph | None = None
        self._svg = ""
        self._states: dict[str, NodeState] = {}
        self._texts = ""
        self._details: dict[str, Details] = {}
        self._final = False
        self._layout_pace = Pace(interval=0.3, share=0.2)
        self._texts_pace = Pace(interval=1.0, share=0.05)

    def apply(self, events: Sequence[Event]) -> None:
        """Takes the events that follow those already taken."""
        self.record.apply(events)
        self._told_at = time.monotonic()

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
            "top": header_html(self._summary) + rows_html(self._summary) + result_html(self.record),
            "svg": self._svg,
            "below": (legend_html(self.record) if self._svg else "") + self._texts,
            "states": self._states,
            "details": self._details,
            "spoken": self._spoken(),
        }

    def remains(self) -> dict[str, Any]:
        """The traits for when the run has ended: what the bundle has not got, which is there by then."""
        self._look()
        nothing = {"top": "", "svg": "", "below": "", "states": {}}
        return {"run": self.record.run, "details": self._details, "spoken": self._spoken(), **nothing}

    def bundle(self) -> dict[str, str]:
        """The run as it is now, for a reader that cannot be told of changes: HTML without script, and text."""
        self._look()
        svg = restyle(self._svg, self._graph) if self._svg and self._graph else None
        return {
            "text/html": element("div", static_panel(self.record, svg or DRAW), data_iflow_run=self.record.run),
            "text/plain": text_snapshot(self.record),
        }

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
        if self.record.restarts != self._restarts:
            # The record has begun anew, and what was counted of the time before is of no interest any more.
            self._restarts = self.record.restarts
            self._summariser, self._graph = Summariser(self.record), None
        changed = frozenset(self.record.changed)
        self.record.changed.clear()
        self._summary = self._summariser.update(changed)
        if not self.over:
            # Nothing may have happened for a while, and time goes on.
            self._summary["elapsed"] += time.monotonic() - self._told_at
        if not self._lay_out() and self._graph is not None:
            self._states = self._states | node_states(self._graph, changed)
        self._write_texts()
        self._final = self.over

    def _lay_out(self) -> bool:
        """Draws the graph where its shape is new, and in the end once more, with its last states.

        Returns:
            False where nothing was due.
        """
        began = time.monotonic()
        stale = self._graph is None or self._graph.shape != self.record.shape
        if not (self.over or (stale and self._layout_pace.due(began))):
            return False
        graph = graph_model(self.record) if stale or self._graph is None else self._graph
        drawn = render_svg(to_dot(graph)) if graph.nodes else None
        # The states go along with the drawing, so that what a front end is told afterwards is only what changed.
        self._graph, self._svg = graph, restyle(drawn, graph) if drawn else ""
        self._states = {}
        self._layout_pace.worked(began, time.monotonic() - began)
        return True

    def _write_texts(self) -> None:
        began = time.monotonic()
        if not (self.over or self._texts_pace.due(began)):
            return
        record = self.record
        in_place_of_graph = "" if self._svg else graph_html(record, None)
        self._texts = in_place_of_graph + errors_html(record) + output_html(record) + not_needed_html(record)
        self._details = describe(self._graph) if self._graph else {}
        # What tasks print may be long, so sending it counts too.
        self._texts_pace.worked(began, max(time.monotonic() - began, len(self._texts) / BYTES_PER_SECOND))

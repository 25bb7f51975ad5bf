"""A run to be gone through decision by decision: plain data, in pages, for a front end that has the graph already.

The graph is laid out once, in its last shape; a step says which of its nodes were known at that moment and in which
state they were, so that a front end restyles it in place (``static/travel.js``).  States are told in full for the first
step of a page and then only where they change, and a page ends when it is large enough, so that what is sent is bounded
however long a run is.

A *step* is a decision at the moment when it ended (see `interactive_flow.views.decisions`); after the last one comes
the end of the run, where there is one.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from interactive_flow.model.events import Site
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.views.advice_words import place
from interactive_flow.views.decisions import Decision, decisions, ending, listed
from interactive_flow.views.graph import Graph, graph_model
from interactive_flow.views.markup import clean, counted, one_line, seconds, short_id
from interactive_flow.views.sources import Listing, Sources
from interactive_flow.views.states import finished_detail
from interactive_flow.views.style import SYMBOLS, WORDS, overall

PAGE = 14_000
"""Characters of a page, about; a page has at least one step."""

GROUPS_SHOWN = 20
"""So many lines of what a decision scheduled are told; calls from one line are one of them."""

NODES_MARKED = 100
"""So many nodes are marked as new, or as waited for."""

_ENDS = {
    RunStatus.SUCCEEDED: "the run has its result",
    RunStatus.FAILED: "the run has failed",
    RunStatus.CANCELLED: "the run was cancelled",
    RunStatus.INTERRUPTED: "the run was interrupted",
}

Page = dict[str, Any]
"""Plain data, fit for JSON; see `Travel.page`."""


class Travel:
    """The steps of a run, as it is now.

    Args:
        record: the run.
        graph: its graph, where that is there already.
    """

    def __init__(self, record: RunRecord, graph: Graph | None = None) -> None:
        self.record = record
        self.graph = graph_model(record) if graph is None else graph
        # By when they ended, as that is when they are shown.
        self.decisions = sorted(decisions(record), key=lambda each: math.inf if each.until is None else each.until)
        self.sources = Sources(record)
        self.sites = {call.id: call.site for call in record.calls}
        self.index = {call.id: call.index for call in record.calls}
        for decision in self.decisions:
            self.sources.number(decision.site)
        self.over = record.finished_at is not None and bool(self.decisions)

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.decisions) + self.over

    def page(self, first: int = 0, known: Collection[int] = (), size: int = PAGE) -> Page:
        """Some steps from the step `first` (counted from 0) on.

        Args:
            first: the first of them; where there are fewer steps, the last one.
            known: the numbers of the listings that the front end has.
            size: characters, about.

        Returns:
            ``steps``: how many there are in all.  ``first``: the number of the first one here.  ``page``: the steps,
            each with ``at`` (text), ``did`` (text), ``where`` ([listing, line] or None, of the line where the code
            stopped), ``place`` (that line in words), ``made`` (what was scheduled: ``name``, ``calls``, ``ids``,
            ``where``, ``place``), ``new`` and ``awaited`` (nodes), ``states`` ({node: [state, detail]}, None for a node
            that is gone; those that changed since the step before, for the first one all).  ``listings``: those that
            are used here and not `known`, by number: ``title``, ``first``, ``lines``, ``recorded``.  ``symbols`` and
            ``words``: by state.
        """
        first = max(min(first, self.steps - 1), 0)
        page: Page = {"steps": self.steps, "first": first, "page": [], "listings": {}, "over": self.over,
                      "symbols": dict(SYMBOLS), "words": dict(WORDS)}  # fmt: skip
        used, left = set(known), size
        states: dict[str, list[str]] = {}
        sweep = _Sweep(self.graph)
        for number in range(first, self.steps):
            step = self._step(number)
            before, states = states, sweep.states_at(self._moment(number))
            step["states"] = {node: state for node, state in states.items() if before.get(node) != state}
            step["states"] |= dict.fromkeys(node for node in before if node not in states)
            listings = self._listings_of(step)
            told = {n: _listing_data(self.sources.listings[n]) for n in listings if n not in used}
            cost = len(json.dumps([step, told]))
            if page["page"] and cost > left:
                break
            left -= cost
            used.update(told)
            page["page"].append(step)
            page["listings"].update(told)
        return page

    # -- one step --------------------------------------------------------------------------------------------------

    def _moment(self, number: int) -> float:
        if number == len(self.decisions):
            return self.record.clock
        until = self.decisions[number].until
        return self.record.clock if until is None else until

    def _step(self, number: int) -> Page:
        if number == len(self.decisions):
            return self._last_step()
        decision = self.decisions[number]
        within = f", in {short_id(decision.workflow)}" if decision.workflow else ""
        return {
            "at": f"{seconds(self._moment(number))}{within}",
            "did": clean(ending(decision)),
            "where": self._where(decision.site),
            "place": clean(place(decision.site, self.record)) if decision.site else "",
            "made": self._made(decision),
            "new": self._nodes(decision.scheduled),
            "awaited": self._nodes(decision.waits_on),
        }

    def _last_step(self) -> Page:
        status = self.record.status
        did = _ENDS.get(status, f"the run {status}")
        at = seconds(self.record.finished_at or 0.0)
        return {"at": at, "did": did, "where": None, "place": "", "made": [], "new": [], "awaited": []}

    def _where(self, site: Site | None) -> list[int] | None:
        listing = self.sources.number(site)
        return None if listing is None or site is None else [listing, site.line]

    def _made(self, decision: Decision) -> list[Page]:
        groups: dict[tuple[Site | None, str], list[str]] = {}
        for id in decision.scheduled:
            groups.setdefault((self.sites[id], self.record.by_index[self.index[id]].name), []).append(id)
        made: list[Page] = [
            {
                "name": one_line(name, 60),
                "calls": len(ids),
                "ids": listed(ids),
                "where": self._where(site),
                "place": clean(place(site, self.record)) if site else "",
            }
            for (site, name), ids in list(groups.items())[:GROUPS_SHOWN]
        ]
        left = len(decision.scheduled) - sum(group["calls"] for group in made)
        if left:
            made.append({"name": counted(left, "more call"), "calls": left, "ids": "", "where": None, "place": ""})
        return made

    def _nodes(self, ids: Collection[str]) -> list[str]:
        # Without a node are a cell that called nothing, what it made before it was run again, and other cells' calls.
        found = (self.graph.node_of.get(self.index.get(id, -1)) for id in ids)
        return list(dict.fromkeys(node for node in found if node is not None))[:NODES_MARKED]

    def _listings_of(self, step: Page) -> list[int]:
        """The listings that a step shows: the one where the code stopped, else the first where it made a call."""
        if step["where"]:
            return [step["where"][0]]
        return next(([made["where"][0]] for made in step["made"] if made["where"]), [])


def _listing_data(listing: Listing) -> Page:
    return {"title": clean(listing.title), "first": listing.first_line, "lines": list(map(clean, listing.lines)),
            "recorded": listing.recorded}  # fmt: skip


class _Sweep:
    """The states of a graph's nodes at one moment after the other."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        record = graph.record
        changes = [change for call in record.calls if call.index in graph.node_of for change in _changes(call)]
        changes.sort(key=lambda change: change[0])
        self._changes = changes
        self._next = 0
        self._now: dict[int, CallState] = {}
        self._counts: dict[str, Counter[CallState]] = {}
        self._states: dict[str, list[str]] = {}

    def states_at(self, moment: float) -> dict[str, list[str]]:
        """State and detail of each node that was known at `moment`, which is not before that of the last time."""
        touched: dict[str, None] = {}
        while self._next < len(self._changes) and self._changes[self._next][0] <= moment:
            _, index, state = self._changes[self._next]
            self._next += 1
            node = self._graph.node_of[index]
            counts = self._counts.setdefault(node, Counter())
            if index in self._now:
                counts[self._now[index]] -= 1
            counts[state] += 1
            self._now[index] = state
            touched[node] = None
        for node in touched:
            counts = +self._counts[node]
            detail = finished_detail(counts, counts.total()) if self._graph.nodes[node].grouped else ""
            self._states[node] = [overall(counts).value, detail]
        for bar in self._graph.nodes.values():
            if bar.kind == "barrier":
                self._bar(bar.id, moment)
        return dict(self._states)

    def _bar(self, node: str, moment: float) -> None:
        entered = [barrier for barrier in self._graph.nodes[node].barriers if barrier.entered_at <= moment]
        if entered:
            standing = any(barrier.left_at is None or barrier.left_at > moment for barrier in entered)
            self._states[node] = ["standing" if standing else "passed", ""]


def _changes(call: CallRecord) -> Iterator[tuple[float, int, CallState]]:
    """When a call came into which state."""
    yield call.scheduled_at, call.index, CallState.WAITING
    if call.ready_at is not None:
        yield call.ready_at, call.index, CallState.READY
    for attempt in call.tries:
        yield attempt.started_at, call.index, CallState.RUNNING
        if attempt.finished_at is not None and attempt.finished_at != call.finished_at:
            yield attempt.finished_at, call.index, CallState.READY
    if call.kind != "task" and not call.tries and call.started_at is not None:
        yield call.started_at, call.index, CallState.RUNNING
    if call.finished_at is not None and call.state.final:
        yield call.finished_at, call.index, call.state

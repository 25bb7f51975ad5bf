"""What a click on a node of the graph tells: texts, short and safe, one set a node.

While a run goes on, only those of the node that is selected are made, where the kernel hears of that while a cell is
running.  Else, and when the run has ended, they are made in advance and kept in the widget, so that a front end needs
nobody to ask.  So their size is bounded: by `NODES`, and each text by the limits below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypedDict

from interactive_flow.model.brief import brief
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState
from interactive_flow.views.graph import Graph, Node
from interactive_flow.views.markup import clean, counted, plain_output, seconds
from interactive_flow.views.sections import traceback_text
from interactive_flow.views.states import STALE_MEANS, NodeState, cache_line, error_line, node_state
from interactive_flow.views.style import STALE, SYMBOLS, WORDS

NODES = 200
"""At most so many nodes are described; a graph has fewer unless somebody opened its groups."""
MEMBERS = 12
"""So many calls are named where a node stands for more."""
VALUE = 400
"""Characters of a value."""
OUTPUT = 2000
"""Characters of output, the last ones."""
TRACEBACK = 4000
"""Characters of a traceback, the last ones."""


class Details(TypedDict):
    """What the pane shows.

    ``title`` names the node; ``state`` is for its colour, ``symbol`` and ``word`` say the same.  ``rows`` are pairs of
    a label and a text.  ``output`` is what the call printed, and ``traceback`` its error's; ``""`` for none.
    """

    title: str
    state: str
    symbol: str
    word: str
    rows: list[tuple[str, str]]
    output: str
    traceback: str


def describe(graph: Graph, wanted: Iterable[str] | None = None) -> dict[str, Details]:
    """The details of a graph's nodes, by their ids.

    Args:
        graph: the graph.
        wanted: the ids of the nodes to tell about, those that are not there passed over; None for all.
    """
    nodes = graph.nodes.values() if wanted is None else [graph.nodes[id] for id in wanted if id in graph.nodes]
    return {node.id: _node(graph.record, node, node_state(graph, node)) for node in islice(nodes, NODES)}


def _node(record: RunRecord, node: Node, state: NodeState) -> Details:
    calls = [record.by_index[index] for index in node.calls[: MEMBERS + 1]]
    call = calls[0] if len(node.calls) == 1 and node.kind != "barrier" else None
    output = error = ""
    if node.kind == "barrier":
        title, word, rows = "barrier", state["state"], list(_barrier(node, calls))
    elif call is None:
        title, word, rows = node.label, WORDS[state["state"]], list(_group(node, calls, state))
    else:
        title, rows = call.id, list(_call(call))
        word = f"{WORDS[call.state]}, {STALE} stale" if call.stale else WORDS[call.state]
        output = _tail(plain_output(call.stdout), OUTPUT, call.stdout_left_out)
        error = _tail(_traceback(call), TRACEBACK)
    return {
        "title": clean(title),
        "state": state["state"],
        "symbol": state["symbol"],
        "word": word,
        "rows": [(clean(label), clean(text)) for label, text in rows if text],
        "output": output,
        "traceback": error,
    }


def _call(call: CallRecord) -> Iterator[tuple[str, str]]:
    yield "call", call.call_text()
    yield "result", brief(call.value, VALUE) if call.state in (CallState.SUCCEEDED, CallState.CACHED) else ""
    yield "error", error_line(call)
    yield "reason", call.reason or ""
    yield "cache", cache_line(call)
    yield "progress", " · ".join(filter(None, ["" if call.progress is None else f"{call.progress:.0%}", call.message]))
    yield "stale", STALE_MEANS.partition(": ")[2] if call.stale else ""
    yield "time", _times(call)
    yield "attempts", "; ".join(_attempts(call)) if call.attempts > 1 else ""
    yield "worker", call.worker or ""
    yield "called from", str(call.site) if call.site else ""
    yield "needs", _listed(list(call.depends_on))


def _group(node: Node, calls: list[CallRecord], state: NodeState) -> Iterator[tuple[str, str]]:
    told = ", ".join(f"{number} {WORDS[name]}" for name, number in state["counts"].items() if number)
    yield "calls", f"{counted(len(node.calls), 'call')}: {told}"
    for call in calls[:MEMBERS]:
        yield f"{SYMBOLS[call.state]} {call.id}", error_line(call) or call.call_text()
    if len(node.calls) > MEMBERS:
        yield "…", f"and {counted(len(node.calls) - MEMBERS, 'more call', 'more calls')}"


def _barrier(node: Node, calls: list[CallRecord]) -> Iterator[tuple[str, str]]:
    yield "code waits for", _listed([call.id for call in calls])
    for barrier in node.barriers[:MEMBERS]:
        left = f", left at {seconds(barrier.left_at)}" if barrier.left_at is not None else ""
        yield str(barrier.site or "somewhere"), f"reached at {seconds(barrier.entered_at)}{left}"


def _times(call: CallRecord) -> str:
    parts = [f"called at {seconds(call.scheduled_at)}"]
    if call.started_at is not None:
        parts.append(f"began at {seconds(call.started_at)}")
    if call.duration is not None:
        parts.append(f"took {seconds(call.duration)}")
    return ", ".join(parts)


def _attempts(call: CallRecord) -> Iterator[str]:
    for attempt in call.tries[-MEMBERS:]:
        end = attempt.finished_at
        took = f" after {seconds(end - attempt.started_at)}" if end is not None else ""
        yield f"{attempt.number}. {WORDS[attempt.state]}{took}"


def _traceback(call: CallRecord) -> str:
    """That of what the task raised; none where the error only came in with an argument."""
    if call.error is None or call.inherited_error or call.error.__cause__ is None:
        return ""
    return traceback_text(call.error.__cause__)


def _listed(ids: list[str]) -> str:
    return ", ".join(ids[:MEMBERS]) + (", …" if len(ids) > MEMBERS else "")


def _tail(text: str, limit: int, lost: int = 0) -> str:
    """The last `limit` characters; `lost` more came after them and were never kept."""
    cut = max(len(text) - limit, 0)
    before = f"… {counted(cut, 'character')} before this\n" if cut else ""
    after = f"\n… {counted(lost, 'character')} after this were not kept" if lost else ""
    return before + clean(text[cut:]) + after

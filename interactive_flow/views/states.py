"""How the nodes of a graph stand now: what a live view sends after a batch of events, and a drawing bakes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypedDict

from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState
from interactive_flow.views.decisions import SHOWN, listed
from interactive_flow.views.graph import Graph, Node
from interactive_flow.views.markup import counted, grouped, one_line, seconds, short_id
from interactive_flow.views.style import RETRIED, STALE, SYMBOLS, WORDS, overall

STALE_MEANS = "stale: what it was computed from was replaced since"


class NodeState(TypedDict):
    """How a node stands now; plain data, fit for JSON.

    ``state`` is a call state (of several calls the one that asks for most attention); of a barrier ``"standing"`` or
    ``"passed"``.  ``symbol`` goes before the label, ``detail`` below it (nodes of several calls: how many are done),
    ``badge`` in the corner (attempts of a retried call, or how many calls were retried; that it is stale).  ``part`` is
    from 0 to 1, or None where there is no progress to show.  ``stale`` is True where something that it stands for is.
    ``title`` is a text for a tooltip and for screen readers.
    """

    state: str
    symbol: str
    counts: dict[str, int]
    detail: str
    badge: str
    part: float | None
    stale: bool
    title: str


def node_states(graph: Graph, changed: Iterable[int] | None = None) -> dict[str, NodeState]:
    """How the nodes stand now, by id.

    Args:
        graph: the graph; its record may have moved on since, as long as its shape is the same.
        changed: calls by index; then only the nodes that stand for them are told, and all bars (a bar changes
            without any call changing).  Calls that are not in the graph are passed over.
    """
    if changed is None:
        wanted = list(graph.nodes.values())
    else:
        ids = dict.fromkeys(graph.node_of[index] for index in changed if index in graph.node_of)
        wanted = [graph.nodes[id] for id in ids]
        wanted += [node for node in graph.nodes.values() if node.kind == "barrier"]
    return {node.id: node_state(graph, node) for node in wanted}


def node_state(graph: Graph, node: Node) -> NodeState:
    """How one node of `graph` stands now."""
    record = graph.record
    if node.kind == "barrier":
        return _bar_state(record, node)
    calls = [record.by_index[index] for index in node.calls]
    counts = Counter([call.state for call in calls])
    state = overall(counts)
    retried = sum([call.attempts > 1 for call in calls])
    stale = sum([call.stale for call in calls])
    part: float | None
    if node.grouped:
        finished = _finished(counts)
        detail, part = finished_detail(counts, len(calls)), finished / len(calls) if finished < len(calls) else None
        title = f"{node.label}: {counted(len(calls), 'call')}: {_count_text(counts)}"
        if retried:
            title += f"\n{grouped(retried)} of them retried"
        if stale:
            title += f"\n{grouped(stale)} of them stale"
    else:
        (call,) = calls
        detail, part = "", call.progress if call.state is CallState.RUNNING else None
        title = call_title(call)
        retried = call.attempts if retried else 0
    return NodeState(
        state=state.value,
        symbol=SYMBOLS[state],
        counts={s.value: n for s, n in counts.items()},
        detail=detail,
        badge=" ".join(filter(None, (f"{RETRIED}{grouped(retried)}" if retried else "", _stale(node, stale)))),
        part=None if part is None else min(max(part, 0.0), 1.0),
        stale=stale > 0,
        title=title,
    )


def _stale(node: Node, number: int) -> str:
    if not number:
        return ""
    return f"{STALE} {grouped(number)} stale" if node.grouped else f"{STALE} stale"


def _finished(counts: Counter[CallState]) -> int:
    return sum(number for state, number in counts.items() if state.final)


def finished_detail(counts: Counter[CallState], total: int) -> str:
    """What a node of several calls says below its label: how many are done, and how many have failed."""
    broken = counts[CallState.FAILED] + counts[CallState.TIMED_OUT]
    text = f"{grouped(_finished(counts))}/{grouped(total)}"
    return f"{text} {SYMBOLS['failed']}{grouped(broken)}" if broken else text


def _count_text(counts: Counter[CallState]) -> str:
    return ", ".join(f"{grouped(counts[state])} {WORDS[state]}" for state in CallState if counts[state])


def call_title(call: CallRecord) -> str:
    """A call's id, state, time and error in a few lines."""
    head = f"{short_id(call.id)}: {WORDS[call.state]}"
    if call.duration is not None and call.state.final:
        head += f" in {seconds(call.duration)}"
    lines = [head]
    if call.attempts > 1:
        lines.append(counted(call.attempts, "attempt"))
    if call.state is CallState.RUNNING and (call.progress is not None or call.message):
        told = "" if call.progress is None else f"{call.progress:.0%}"
        lines.append(" ".join(filter(None, (told, one_line(call.message or "")))))
    if call.stale:
        lines.append(f"{STALE} {STALE_MEANS}")
    if call.error is not None:
        lines.append(error_line(call))
    if call.state is CallState.CANCELLED and call.reason:
        lines.append(call.reason)
    if cache_line(call):
        lines.append(cache_line(call))
    return "\n".join(lines)


def cache_line(call: CallRecord) -> str:
    """Where a value that was known from before comes from, or why a call had to run; nothing to say of most calls."""
    if call.state is CallState.CACHED:
        return f"from run {call.cached_from}, where it took {seconds(call.cached_seconds)}"
    return f"ran because {one_line(call.cache_reason, 200)}" if call.cache_reason else ""


def error_line(call: CallRecord) -> str:
    """Why a call has no value, in a line; for an error that came in with an argument, where it came from."""
    error = call.error
    if error is None:
        return ""
    reason = one_line(error.reason, 200)
    return f"from {error.call}: {reason}" if call.inherited_error and error.call else reason


def _bar_state(record: RunRecord, node: Node) -> NodeState:
    standing = any(barrier.left_at is None for barrier in node.barriers)
    waited = sum((record.clock if b.left_at is None else b.left_at) - b.entered_at for b in node.barriers)
    site = node.barriers[0].site
    head = "barrier" if len(node.barriers) == 1 else counted(len(node.barriers), "barrier")
    title = f"{head}{f' at {site}' if site else ''}: {'waiting for' if standing else 'waited'} {seconds(waited)}"
    return NodeState(
        state="standing" if standing else "passed",
        symbol="",
        counts={},
        detail="",
        badge="",
        part=None,
        stale=False,
        title=f"{title}\nfor {listed([record.by_index[i].id for i in node.calls[: SHOWN + 1]])}",
    )

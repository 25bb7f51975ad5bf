"""The graph as DOT, for any program that draws with Graphviz.

`to_dot` writes the shape alone: the text is the same whatever the states are, so a layout can be kept for it and only
be restyled (`interactive_flow.views.render`).  `digraph` writes the same graph with symbols, colours and borders of
the states as they are, for whoever draws it plainly.

A sub-workflow is a cluster.  DOT has edges between nodes only, so edges to and from a cluster end at an invisible
node in its first or last row (``n3in``, ``n3out``) and are clipped at its border (``lhead``, ``ltail``); other
invisible edges keep these rows first and last.  Node widths are estimated here, as the fonts of the page in which the
drawing will be shown are not those that Graphviz measures.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from interactive_flow.model.record import RunRecord
from interactive_flow.views.graph import Edge, Graph, Node, graph_model
from interactive_flow.views.markup import clean
from interactive_flow.views.states import NodeState, node_states
from interactive_flow.views.style import SYMBOLS, light_colours, tint

if TYPE_CHECKING:
    import graphviz

FONT_SIZE = 12
"""Points, and pixels where the drawing is shown at its natural size."""

DETAIL_ROOM = 14
"""Characters reserved for what is said below the name of a node that stands for several calls."""

DETAIL_MARK = "\u2003"
"""Stands before that room in the label of a cluster, which has one line only."""

WIDEST = 9
"""With more nodes than these side by side the graph is drawn from left to right, as pages scroll better downwards."""

_GRAPH = {
    "compound": "true",
    "bgcolor": "transparent",
    "fontname": "Helvetica",
    "fontsize": str(FONT_SIZE),
    "nodesep": "0.22",
    "ranksep": "0.32",
    "pad": "0.12",
}
_NODE = {
    "shape": "box",
    "style": "rounded,filled",
    "fillcolor": "white",
    "color": "#808080",
    "fontname": "Helvetica",
    "fontsize": str(FONT_SIZE),
    "margin": "0.1,0.05",
    "height": "0.36",
}
_EDGE = {"color": "#808080", "arrowsize": "0.6"}
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "task": {},
    "workflow": {"style": "filled", "peripheries": "2"},
    "combinator": {"shape": "ellipse", "style": "filled", "margin": "0.04,0.02"},
    "rule": {"shape": "hexagon", "style": "filled"},
}
_EDGES: Mapping[str, Mapping[str, str]] = {
    "data": {"weight": "3"},
    "made": {"weight": "3", "style": "dotted"},
    "wait": {"weight": "2"},
    "order": {"style": "dashed", "arrowhead": "none", "color": "#b0b0b0"},
    "loop": {"style": "dashed", "arrowhead": "none", "color": "#b0b0b0", "constraint": "false"},
}
_HIDDEN = {"shape": "point", "style": "invis", "width": "0.01", "height": "0.01", "label": ""}


def to_dot(graph: Graph) -> str:
    """`graph` as DOT; the same text for the same shape.

    Nodes have the class ``iflow-node`` and one for their kind; their ids are those of the `Graph`.
    """
    return "digraph {\n" + "".join(f"  {line}\n" for line in _Writer(graph, None).lines()) + "}\n"


def digraph(record: RunRecord) -> graphviz.Digraph:
    """The run's graph with its states, as an object of the `graphviz` package.

    Raises:
        ImportError: the `graphviz` package is not installed; the message says how to get it.

    Example:
        >>> digraph(record).render("run", format="pdf")
    """
    try:
        import graphviz
    except ImportError as missing:
        raise ImportError(
            "run.graph() makes a graphviz.Digraph, and the package graphviz is not installed; "
            "install it with: pip install 'interactive_flow[notebook]'"
        ) from missing
    _let_it_find_a_renderer(graphviz)
    graph = graph_model(record)
    lines = _Writer(graph, node_states(graph)).lines()
    return graphviz.Digraph(record.name or None, body=[f"\t{line}\n" for line in lines])


def _let_it_find_a_renderer(graphviz: Any) -> None:
    from interactive_flow.views.render import renderer

    # Only where there is no `dot`: the package then would fail anyway.
    command = renderer()
    if command is not None and shutil.which("dot") is None:
        graphviz.backend.dot_command.DOT_BINARY = command


# -- statements ------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes the statements of a graph, with the states baked in where they are given."""

    def __init__(self, graph: Graph, states: Mapping[str, NodeState] | None) -> None:
        self.graph = graph
        self.states = states
        self.direction = _direction(graph)
        self.children: dict[str | None, list[Node]] = {}
        for node in graph.nodes.values():
            self.children.setdefault(node.cluster, []).append(node)
        self.tails = Counter(edge.tail for edge in graph.edges)
        self.heads = Counter(edge.head for edge in graph.edges)

    def lines(self) -> Iterator[str]:
        yield f"graph {_attributes({'rankdir': self.direction, **_GRAPH})}"
        yield f"node {_attributes(_NODE)}"
        yield f"edge {_attributes(_EDGE)}"
        yield from self._level(None)
        for edge in self.graph.edges:
            yield self._edge_line(edge)

    def _level(self, cluster: str | None) -> Iterator[str]:
        for node in self.children.get(cluster, ()):
            if node.kind == "barrier":
                yield f"{node.id} {_attributes(self._bar(node))}"
                continue
            attributes = _node_attributes(node, self.states[node.id] if self.states else None)
            if not node.contains:
                yield f"{node.id} {_attributes(attributes)}"
                continue
            yield f"subgraph cluster_{node.id} {{"
            yield f"  graph {_attributes(attributes)}"
            for line in (*self._anchors(node), *self._level(node.id)):
                yield f"  {line}"
            yield "}"

    def _bar(self, node: Node) -> dict[str, str]:
        across = f"{min(max(self.heads[node.id], self.tails[node.id], 2), 8) * 0.6:.2f}"
        width, height = (across, "0.05") if self.direction == "TB" else ("0.05", across)
        return {
            "class": "iflow-node iflow-barrier", "label": "", "shape": "box", "style": "filled", "margin": "0",
            "width": width, "height": height, "fillcolor": "#404040", "color": "#404040",
        }  # fmt: skip

    def _anchors(self, node: Node) -> Iterator[str]:
        """The invisible first and last row of a cluster, where edges need them."""
        inner = self.children[node.id]
        ids = {each.id for each in inner}
        within = [(edge.tail, edge.head) for edge in self.graph.edges if edge.tail in ids and edge.head in ids]
        hold = _attributes({"style": "invis", "weight": "0", "minlen": "0"})
        if self.heads[node.id]:
            yield f"{node.id}in {_attributes(_HIDDEN)}"
            bound = {head for _, head in within}
            for each in inner:
                if each.id not in bound and (not each.contains or self.heads[each.id]):
                    yield f"{node.id}in -> {each.id}{'in' if each.contains else ''} {hold}"
        if self.tails[node.id]:
            yield f"{node.id}out {_attributes(_HIDDEN)}"
            bound = {tail for tail, _ in within}
            for each in inner:
                if each.id not in bound and (not each.contains or self.tails[each.id]):
                    yield f"{each.id}{'out' if each.contains else ''} -> {node.id}out {hold}"

    def _edge_line(self, edge: Edge) -> str:
        attributes = {"class": f"iflow-{edge.kind}", **_EDGES[edge.kind]}
        tail, head = edge.tail, edge.head
        if self.graph.nodes[tail].contains:
            tail, attributes["ltail"] = f"{tail}out", f"cluster_{tail}"
        if self.graph.nodes[head].contains:
            head, attributes["lhead"] = f"{head}in", f"cluster_{head}"
        return f"{tail} -> {head} {_attributes(attributes)}"


def _direction(graph: Graph) -> str:
    """From top to bottom (TB), unless some row would be too wide; then from left to right (LR)."""
    rows: dict[str, int] = dict.fromkeys(graph.nodes, 0)
    after: dict[str, list[str]] = {}
    before: Counter[str] = Counter()
    for edge in graph.edges:
        if edge.kind != "loop":
            after.setdefault(edge.tail, []).append(edge.head)
            before[edge.head] += 1
    free = [name for name in rows if not before[name]]
    while free:
        name = free.pop()
        for other in after.get(name, ()):
            rows[other] = max(rows[other], rows[name] + 1)
            before[other] -= 1
            if not before[other]:
                free.append(other)
    widest = max(Counter(rows.values()).values(), default=0)
    return "LR" if widest > WIDEST else "TB"


# -- attributes ------------------------------------------------------------------------------------------------------


def _node_attributes(node: Node, state: NodeState | None) -> dict[str, str]:
    attributes = {"class": f"iflow-node iflow-{node.kind}"}
    label = f"{state['symbol'] if state else SYMBOLS['waiting']} {node.label}"
    if state and state["badge"]:
        label += f"  {state['badge']}"
    if node.contains:
        if node.grouped:
            label += DETAIL_MARK + (state["detail"] if state else "0" * DETAIL_ROOM)
        attributes |= {"label": label, "labeljust": "l", "style": "rounded", "color": "#a0a0a0", "margin": "10"}
        return attributes | (_baked(node, state) if state else {})
    room = text_width(label)
    if node.grouped:
        label += "\n" + (state["detail"] if state else "0" * DETAIL_ROOM)
        room = max(room, 0.6 * DETAIL_ROOM)
    attributes |= {"label": label, "width": f"{(room * FONT_SIZE + 18) / 72:.2f}", **_SHAPES[node.kind]}
    return attributes | (_baked(node, state) if state else {})


def _baked(node: Node, state: NodeState) -> dict[str, str]:
    """A state for those who draw the text plainly: colour, border, and the tooltip."""
    colour = light_colours()[state["state"]]
    borders = {"waiting": "dashed", "cancelled": "dotted", "timed_out": "dashed,bold", "failed": "bold"}
    style = ["rounded", "filled"] if node.kind == "task" else ["rounded"] if node.contains else ["filled"]
    if state["state"] in borders:
        style.append(borders[state["state"]])
    if state["stale"]:
        colour = light_colours()["stale"]
    baked = {"color": colour, "style": ",".join(style), "tooltip": state["title"]}
    if not node.contains:
        baked["fillcolor"] = tint(colour)
        baked["peripheries"] = "2" if state["state"] == "cached" or node.kind == "workflow" else "1"
    return baked


def _attributes(pairs: Mapping[str, str]) -> str:
    return "[" + " ".join(f"{name}={quote(value)}" for name, value in pairs.items()) + "]"


def quote(text: str) -> str:
    r"""`text` as a quoted DOT string that shows as it stands.

    Backslashes begin escape sequences there and ampersands entities, so both are written as what stands for them.

    Example:
        >>> print(quote(r'say "hi" \N &lt;'))
        "say \"hi\" \\N &amp;lt;"
    """
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return '"' + escaped.replace("\r", " ").replace("\n", "\\n") + '"'


def text_width(text: str) -> float:
    """About how wide `text` is in a proportional sans serif font, in ems."""
    return sum(_width(character) for character in text)


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in "iljtfrI.,:;'|!()[]":
        return 0.36
    if character in "mwMW@%—…" or not character.isascii():
        return 0.92
    return 0.7 if character.isupper() else 0.6

"""The graph as a Mermaid flowchart: for documents that draw Mermaid, and where there is no Graphviz.

Node ids are letters and digits; labels are quoted, and in them everything that Mermaid, Markdown or HTML might read
as more than text is written as a numeric entity (``#60;`` for ``<``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from interactive_flow.model.record import RunRecord
from interactive_flow.views.graph import Graph, Node, graph_model
from interactive_flow.views.markup import one_line
from interactive_flow.views.states import NodeState, node_states
from interactive_flow.views.style import DASHES, WIDTHS, light_colours, tint

_ARROWS = {"data": "-->", "made": "-.->", "wait": "-->", "order": "-.-", "loop": "-.-"}
_BRACKETS = {"task": "()", "workflow": ("[[", "]]"), "combinator": ("([", "])"), "rule": ("{{", "}}")}


def mermaid(record: RunRecord) -> str:
    """The run's graph with its states as Mermaid flowchart text.

    Example:
        >>> print(mermaid(record))
        flowchart TD
          n1("✓ embed_subtitles"):::succeeded
          n2("◐ encode_video #35;1"):::running
          n1 --> n2
          ...
    """
    graph = graph_model(record)
    states = node_states(graph)
    children: dict[str | None, list[Node]] = {}
    for node in graph.nodes.values():
        children.setdefault(node.cluster, []).append(node)
    lines = ["flowchart TD", *_level(children, states, None, "  ")]
    lines += [f"  {edge.tail} {_ARROWS[edge.kind]} {edge.head}" for edge in graph.edges]
    lines += _classes(graph, states)
    return "\n".join(lines) + "\n"


def _level(
    children: dict[str | None, list[Node]], states: dict[str, NodeState], cluster: str | None, indent: str
) -> Iterator[str]:
    for node in children.get(cluster, ()):
        state = states[node.id]
        if node.kind == "barrier":
            yield f'{indent}{node.id}["barrier"]:::barrier'
            continue
        text = " ".join(filter(None, (state["symbol"], node.label, state["detail"], state["badge"])))
        if node.contains:
            yield f"{indent}subgraph {node.id} [{_quoted(text)}]"
            yield from _level(children, states, node.id, indent + "  ")
            yield f"{indent}end"
        else:
            opening, closing = _BRACKETS[node.kind]
            yield f"{indent}{node.id}{opening}{_quoted(text)}{closing}:::{state['state']}"


def _classes(graph: Graph, states: dict[str, NodeState]) -> Iterator[str]:
    used = {states[n.id]["state"] for n in graph.nodes.values() if n.kind != "barrier" and not n.contains}
    for state, colour in light_colours().items():
        if state in used:
            dashes = DASHES[state]
            dashed = f",stroke-dasharray:{dashes}" if dashes else ""
            width = f"{WIDTHS[state]:g}px"
            yield f"  classDef {state} fill:{tint(colour)},stroke:{colour},stroke-width:{width}{dashed},color:#24292f"
    if any(node.kind == "barrier" for node in graph.nodes.values()):
        yield "  classDef barrier fill:#404040,stroke:#404040,color:#ffffff"


def _quoted(text: str) -> str:
    return '"' + re.sub(r"[^\w\s./:,✓✗○◎◐◷⊘◆↻△…-]", lambda m: f"#{ord(m[0])};", one_line(text)) + '"'

"""DOT to SVG that fits into a page: found, drawn, tidied, kept.

The renderer is the system's `dot`, else the one that the package ``graphviz-pure`` brings; where there is neither, or
where it fails or takes too long, the answer is None and the caller shows something plainer.  Nothing here raises.

What Graphviz writes is a document for a sheet of paper.  For use inside a page it loses its prolog, its background,
its fonts and its ids (so that any number of drawings share a page), and gets what a style sheet and a script need:
``data-node`` on each node, ``data-from`` and ``data-to`` on each edge, the symbol as an element of its own, and empty
elements for what may be said of a node later.  Layouts are kept by their DOT text, which does not depend on states.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import warnings
from collections import OrderedDict
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

from interactive_flow.model.errors import RenderingHint
from interactive_flow.views.dot import DETAIL_MARK
from interactive_flow.views.graph import Graph
from interactive_flow.views.markup import clean
from interactive_flow.views.states import NodeState, node_states
from interactive_flow.views.style import DASHES, STALE_DASHES, WIDTHS, light_colours, tint

CACHE_SIZE = 32
"""How many layouts are kept."""

_HINT = (
    "Graphs are not drawn, as there is no Graphviz renderer: install one with "
    "pip install 'interactive_flow[notebook]' (which brings graphviz-pure), or the system package graphviz."
)
_WHY = "This graph is not drawn, as there is no Graphviz renderer."
_layouts: OrderedDict[str, str] = OrderedDict()
_lock = threading.Lock()
_hinted = False


@cache
def renderer() -> str | None:
    """The program that draws: `dot` on the path, else the one of ``graphviz-pure``; None where there is neither."""
    return shutil.which("dot") or _bundled()


def _bundled() -> str | None:
    from importlib import metadata

    try:
        distribution = metadata.distribution("graphviz-pure")
        # Its program need not be on the path: a kernel's path is that of whoever started it.
        programs = [f for f in distribution.files or () if f.stem == "graphviz-pure" and f.suffix in ("", ".exe")]
        found = [Path(str(distribution.locate_file(program))).resolve() for program in programs]
    except Exception:
        return shutil.which("graphviz-pure")
    return next((str(path) for path in found if path.is_file()), shutil.which("graphviz-pure"))


def rendering_hint() -> str | None:
    """Why graphs are not drawn, in a sentence; None where there is a renderer.

    What to install is told once, by `give_hint`, and not under each graph.
    """
    return None if renderer() else _WHY


def render_svg(dot: str, timeout: float = 20.0) -> str | None:
    """`dot` drawn, ready for inline use; None where it cannot be drawn.

    Where there is no renderer at all, the first call gives a `RenderingHint` as a warning.

    Args:
        dot: DOT text, as from `views.dot.to_dot`.
        timeout: seconds after which drawing is given up.
    """
    with _lock:
        if dot in _layouts:
            _layouts.move_to_end(dot)
            return _layouts[dot]
    command = renderer()
    if command is None:
        give_hint(_HINT)
        return None
    try:
        done = subprocess.run([command, "-Tsvg"], input=dot.encode(), capture_output=True, timeout=timeout, check=True)
        svg = _for_inline_use(done.stdout.decode())
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError, ET.ParseError):
        return None
    with _lock:
        _layouts[dot] = svg
        while len(_layouts) > CACHE_SIZE:
            _layouts.popitem(last=False)
    return svg


def give_hint(hint: str) -> None:
    """Warns, once in a process, that something plainer is shown and how to get the better; one extra brings it all.

    Args:
        hint: what is missing, and what to do about it.
    """
    global _hinted
    if _hinted:
        return
    _hinted = True
    try:
        # It is about no line of anybody's code.
        warnings.warn_explicit(hint, RenderingHint, "interactive_flow", 1)
    except RenderingHint:
        pass  # where warnings are errors: no view ever raises


# -- from a document to a part of a page -----------------------------------------------------------------------------

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_DROPPED = ("font-family", "font-size", "fill", "stroke", "stroke-width", "stroke-dasharray", "id", "style")
LINE, INK, PAPER = "#8a8f98", "#24292f", "#ffffff"


def _for_inline_use(document: str) -> str:
    parsed = ET.fromstring(re.sub(r"<!DOCTYPE[^>]*>", "", document, count=1))
    for each in parsed.iter():
        each.tag = each.tag.rpartition("}")[2]
        for name in [name for name in each.attrib if name in _DROPPED or name.startswith("{")]:
            del each.attrib[name]
    (drawing,) = [child for child in parsed if child.tag == "g"]
    for child in list(drawing):
        if child.tag == "title" or child.tag == "polygon":
            drawing.remove(child)  # the page of the paper
        elif child.tag == "g":
            _tidy(child)
    left, top, width, height = (round(float(x), 1) for x in parsed.get("viewBox", "0 0 1 1").split())
    root = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "iflow-svg",
            "viewBox": f"{left:g} {top:g} {width:g} {height:g}",
            "width": f"{width:g}",
            # Smaller than this nobody can read it: then the box around it scrolls.
            "style": f"max-width:100%;min-width:{width * 0.6:.0f}px;height:auto",
            "role": "group",
            "aria-label": "Graph of the run",
            "font-family": "system-ui, sans-serif",
            "font-size": "12",
        },
    )
    root.append(drawing)
    drawing.set("class", "iflow-graph")
    return _serialise(root)


def _serialise(root: ET.Element) -> str:
    for each in root.iter():
        if each.tag not in ("text", "title", "tspan"):
            each.text = None
        if each.tag != "tspan":
            # A sanitiser may leave nothing but texts; then the space tells one from the next.
            each.tail = " " if each.tag in ("text", "title") else None
    return ET.tostring(root, encoding="unicode", short_empty_elements=True)


def _tidy(group: ET.Element) -> None:
    title = group.find("title")
    name = (title.text or "") if title is not None else ""
    classes = group.get("class", "").split()
    group.set("class", " ".join(word for word in classes if word.startswith("iflow-")))
    if "edge" in classes:
        if title is not None:
            group.remove(title)
        tail, _, head = name.partition("->")
        group.attrib |= {"class": f"iflow-edge {group.get('class')}", "aria-hidden": "true"}
        group.attrib |= {"data-from": _node_of(tail), "data-to": _node_of(head)}
        _draw_edge(group)
    else:
        is_cluster = "cluster" in classes
        group.set("data-node", name.removeprefix("cluster_"))
        if is_cluster:
            group.set("class", f"{group.get('class')} iflow-cluster")
        _draw_node(group, is_cluster)


def _node_of(port: str) -> str:
    """The node that the end of an edge belongs to: a cluster's invisible rows are named after it."""
    return re.sub(r"(in|out)$", "", port)


def _draw_edge(group: ET.Element) -> None:
    for each in group:
        if each.tag == "path":
            each.attrib |= {"class": "iflow-line", "fill": "none", "stroke": LINE}
            if "iflow-data" not in group.get("class", "") and "iflow-wait" not in group.get("class", ""):
                each.set("stroke-dasharray", "4 3")
        elif each.tag == "polygon":
            each.attrib |= {"class": "iflow-head", "fill": LINE}


def _draw_node(group: ET.Element, is_cluster: bool) -> None:
    shapes = [each for each in group if each.tag in ("path", "polygon", "ellipse")]
    texts = [each for each in group if each.tag == "text"]
    is_bar = "iflow-barrier" in group.get("class", "")
    for shape in shapes:
        fill = LINE if is_bar else "none" if is_cluster or shape is not shapes[0] else PAPER
        shape.attrib |= {"class": "iflow-shape", "fill": fill, "stroke": LINE}
    for text in texts:
        text.set("fill", INK)
    if is_bar or not texts or not shapes:
        return
    head = texts[0]
    symbol, _, label = (head.text or "").partition(" ")
    label, room, _ = label.partition(DETAIL_MARK)
    head.text = None
    head.set("class", "iflow-label")
    mark = ET.SubElement(head, "tspan", {"class": "iflow-symbol"})
    mark.text, mark.tail = symbol, f" {label}"
    if room:
        ET.SubElement(head, "tspan", {"class": "iflow-detail", "dx": "6"})
    for text in texts[1:]:
        text.set("class", "iflow-detail")
        text.text = ""
    left, top, right, bottom = _box(shapes[0])
    if is_cluster:
        # Bold in the page, so that it is wider than what was laid out.
        head.attrib |= {"text-anchor": "start", "x": f"{left + 9:g}"}
    badge = {
        "class": "iflow-badge",
        "x": f"{right - 2:g}",
        "y": f"{top + 2:g}",
        "text-anchor": "end",
        "font-size": "10",
    }
    ET.SubElement(group, "text", badge)
    if not is_cluster:
        done = f"M{left + 7:g},{bottom - 3:g}H{right - 7:g}"
        ET.SubElement(
            group, "path", {"class": "iflow-done", "d": done, "pathLength": "1", "fill": "none", "stroke": "none"}
        )


def _box(shape: ET.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a shape, from the corners it is written with."""
    if shape.tag == "ellipse":
        x, y, rx, ry = (float(shape.get(name, "0")) for name in ("cx", "cy", "rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    numbers = [float(n) for n in _NUMBER.findall(shape.get("d") or shape.get("points") or "")] or [0.0, 0.0]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


# -- states ----------------------------------------------------------------------------------------------------------


def restyle(svg: str, graph: Graph) -> str:
    """`svg`, which `render_svg` drew from `graph`, with the states as they are now.

    The states are written as ``data-state`` for the style sheet, and as plain attributes as well, so that the drawing
    still shows them where a sanitiser took the style sheet away.
    """
    root = ET.fromstring(svg.replace(' xmlns="http://www.w3.org/2000/svg"', "", 1))
    root.set("xmlns", "http://www.w3.org/2000/svg")
    states = node_states(graph)
    for group in root.iter("g"):
        id = group.get("data-node")
        if id in states:
            title = states[id]["title"]
            if len(graph.nodes[id].calls) == 1 and graph.nodes[id].kind != "barrier":
                title = f"{graph.record.by_index[graph.nodes[id].calls[0]].call_text()}\n{title}"
            _bake(group, states[id], clean(title))
    return _serialise(root)


def _bake(group: ET.Element, state: NodeState, title: str) -> None:
    group.set("data-state", state["state"])
    if state["stale"]:
        group.set("data-stale", "")
    colour = light_colours().get("stale" if state["stale"] else state["state"], LINE)
    is_cluster = "iflow-cluster" in group.get("class", "")
    for each in group.iter():
        match each.get("class"):
            case "iflow-shape" if state["symbol"]:
                each.attrib |= {"stroke": colour, "stroke-width": f"{WIDTHS[state['state']]:g}"}
                dashes = STALE_DASHES if state["stale"] else DASHES[state["state"]]
                if dashes:
                    each.set("stroke-dasharray", dashes)
                if each.get("fill") != "none" and not is_cluster:
                    each.set("fill", tint(colour))
            case "iflow-symbol":
                each.text = state["symbol"]
                each.set("fill", colour)
            case "iflow-detail":
                each.text = state["detail"]
            case "iflow-badge":
                each.text = state["badge"]
                each.set("fill", colour)
            case "iflow-done" if state["part"] is not None:
                each.set("style", f"--iflow-part:{state['part']:.3f}")
                each.attrib |= {"stroke": colour, "stroke-width": "2", "stroke-dasharray": f"{state['part']:.3f} 1"}
            case None if each.tag == "title":
                each.text = title

"""From DOT to SVG that fits into a page."""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import pytest
from view_streams import Stream, many, nested, troubled, video

from interactive_flow.model.errors import RenderingHint
from interactive_flow.views import render as module
from interactive_flow.views.dot import to_dot
from interactive_flow.views.graph import graph_model
from interactive_flow.views.render import render_svg, renderer, rendering_hint, restyle
from interactive_flow.views.states import node_states

SVG = "{http://www.w3.org/2000/svg}"

drawn = pytest.mark.skipif(renderer() is None, reason="no Graphviz renderer")


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    module._layouts.clear()
    yield
    module._layouts.clear()


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "renderer", lambda: None)
    monkeypatch.setattr(module, "_hinted", False)


def draw(stream: Stream, state: bool = True) -> ET.Element:
    graph = graph_model(stream.record())
    svg = render_svg(to_dot(graph))
    assert svg is not None
    return ET.fromstring(restyle(svg, graph) if state else svg)


def node(root: ET.Element, id: str) -> ET.Element:
    (found,) = [each for each in root.iter() if each.get("data-node") == id]
    return found


def inner(element: ET.Element, cls: str) -> ET.Element | None:
    return next((each for each in element.iter() if each.get("class") == cls), None)


@drawn
def test_it_is_fit_for_inline_use() -> None:
    graph = graph_model(video().record())
    svg = render_svg(to_dot(graph))
    assert svg is not None
    assert svg.startswith("<svg")
    for word in ("<?xml", "DOCTYPE", "<!--", " id=", 'font-family="Helvetica', "xlink"):
        assert word not in svg
    root = ET.fromstring(svg)
    assert root.get("height") is None
    assert len((root.get("viewBox") or "").split()) == 4
    assert "max-width:100%" in (root.get("style") or "")
    # No sheet of paper behind it.
    assert [each.tag for each in root[0] if each.tag == f"{SVG}polygon"] == []


@drawn
def test_every_node_and_edge_can_be_found() -> None:
    graph = graph_model(nested().record())
    root = draw(nested(), state=False)
    assert {each.get("data-node") for each in root.iter() if each.get("data-node")} == set(graph.nodes)
    ends = {(each.get("data-from"), each.get("data-to")) for each in root.iter() if each.get("data-from")}
    assert ends == {(edge.tail, edge.head) for edge in graph.edges}
    assert node(root, "n2").get("class") == "iflow-node iflow-workflow iflow-cluster"
    assert node(root, "n13").get("class") == "iflow-node iflow-combinator"


@drawn
def test_what_may_be_said_later_has_its_place() -> None:
    root = draw(video(), state=False)
    first = node(root, "n1")
    for cls in ("iflow-symbol", "iflow-badge", "iflow-done", "iflow-shape", "iflow-label"):
        assert inner(first, cls) is not None, cls
    assert inner(first, "iflow-detail") is None
    assert [each.tag for each in first][:1] == [f"{SVG}title"]


@drawn
def test_states_are_baked_in() -> None:
    root = draw(troubled())
    for id, state, symbol in (("n1", "succeeded", "✓"), ("n3", "failed", "✗"), ("n13", "cancelled", "⊘")):
        each = node(root, id)
        assert each.get("data-state") == state
        mark = inner(each, "iflow-symbol")
        assert mark is not None
        assert mark.text == symbol
    badge = inner(node(root, "n1"), "iflow-badge")
    assert badge is not None
    assert badge.text == "↻2"
    shape = inner(node(root, "n13"), "iflow-shape")
    assert shape is not None
    assert shape.get("stroke-dasharray") == "1.5 3"  # also without a style sheet
    title = node(root, "n3").find(f"{SVG}title")
    assert title is not None
    assert (title.text or "").startswith("fetch('https://example.org/2?a=<b>&c')\nfetch#3: failed")


@drawn
def test_restyling_twice_is_restyling_once() -> None:
    record = video().record()
    graph = graph_model(record)
    svg = render_svg(to_dot(graph))
    assert svg is not None
    once = restyle(svg, graph)
    assert restyle(once, graph) == once


@drawn
def test_nodes_of_many_calls_tell_how_many() -> None:
    root = draw(many(400, 240))
    detail, done = inner(node(root, "g201"), "iflow-detail"), inner(node(root, "g201"), "iflow-done")
    assert detail is not None
    assert done is not None
    assert detail.text == "120/200 ✗1"
    assert done.get("style") == "--iflow-part:0.600"


@drawn
def test_progress_of_a_running_call_is_drawn() -> None:
    root = draw(video(1.0))
    done = inner(node(root, "n2"), "iflow-done")
    assert done is not None
    assert done.get("style") == "--iflow-part:0.400"
    idle = inner(node(root, "n1"), "iflow-done")
    assert idle is not None
    assert idle.get("style") is None


@drawn
def test_a_layout_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    dot = to_dot(graph_model(video(0.7).record()))
    svg = render_svg(dot)
    monkeypatch.setattr(module, "renderer", lambda: pytest.fail("drawn again"))
    assert render_svg(to_dot(graph_model(video().record()))) == svg


@drawn
def test_few_layouts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_SIZE", 2)
    for name in "abc":
        assert render_svg(f"digraph {{ {name} }}")
    assert list(module._layouts) == ["digraph { b }", "digraph { c }"]


def test_the_bundled_program_draws_the_same_nodes() -> None:
    bundled = module._bundled()
    if bundled is None:
        pytest.skip("graphviz-pure is not installed")
    graph = graph_model(nested().record())
    done = subprocess.run([bundled, "-Tsvg"], input=to_dot(graph).encode(), capture_output=True, check=True)
    svg = restyle(module._for_inline_use(done.stdout.decode()), graph)
    root = ET.fromstring(svg)
    drawn_states = {each.get("data-node"): each.get("data-state") for each in root.iter() if each.get("data-node")}
    assert drawn_states == {id: state["state"] for id, state in node_states(graph).items()}


@pytest.mark.usefixtures("no_renderer")
def test_without_a_renderer_there_is_one_hint_and_no_error() -> None:
    with pytest.warns(RenderingHint, match=r"interactive_flow\[notebook\]"):
        assert render_svg("digraph {}") is None
    assert render_svg("digraph {}") is None  # and no second warning: those are errors here
    assert "no Graphviz renderer" in (rendering_hint() or "")


@pytest.mark.usefixtures("no_renderer")
def test_no_hint_raises_even_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert render_svg("digraph {}") is None


@pytest.mark.parametrize(
    "failure",
    [OSError("gone"), subprocess.TimeoutExpired("dot", 1), subprocess.CalledProcessError(1, "dot")],
    ids=lambda failure: type(failure).__name__,
)
def test_a_renderer_that_fails_draws_nothing(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    def run(*args: object, **kwargs: object) -> None:
        raise failure

    monkeypatch.setattr(module, "renderer", lambda: "dot")
    monkeypatch.setattr(module.subprocess, "run", run)
    assert render_svg("digraph {}") is None


@drawn
def test_broken_text_draws_nothing() -> None:
    assert render_svg("digraph { -> }") is None
    assert rendering_hint() is None

"""DOT text and `graphviz` objects."""

from __future__ import annotations

import builtins
import sys
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from view_streams import Stream, many, nested, troubled, video

from interactive_flow.model.states import CallKind
from interactive_flow.views import dot as dot_module
from interactive_flow.views.dot import digraph, quote, text_width, to_dot
from interactive_flow.views.graph import graph_model
from interactive_flow.views.render import render_svg, renderer

drawn = pytest.mark.skipif(renderer() is None, reason="no Graphviz renderer")


def test_states_do_not_change_the_text() -> None:
    early, late = video(0.7).record(), video().record()
    assert to_dot(graph_model(early)) == to_dot(graph_model(late))


@drawn
@pytest.mark.parametrize(
    "name", ['a "b"', "back\\slash \\N \\l", "<b>html</b>", "&lt; &amp;", "a\nb", "-> -- {};", "日本"]
)
def test_names_are_drawn_as_they_stand(name: str) -> None:
    s = Stream()
    s.call(name)
    svg = render_svg(to_dot(graph_model(s.record())))
    assert svg is not None
    (label,) = [each for each in ET.fromstring(svg).iter() if each.get("class") == "iflow-label"]
    assert "".join(label.itertext()) == f"○ {' '.join(name.split())}"


def test_quoting() -> None:
    assert quote('say "hi" \\N &lt;') == r'"say \"hi\" \\N &amp;lt;"'
    assert quote("a\nb\x00") == '"a\\nb\ufffd"'


def test_clusters_are_reached_at_their_border() -> None:
    text = to_dot(graph_model(nested().record()))
    assert "subgraph cluster_n2 {" in text
    assert 'ltail="cluster_n2"' in text
    assert "n2out -> n4" in text


def test_wide_graphs_run_from_left_to_right() -> None:
    s = Stream()
    for _ in range(8):
        s.call("work")
    assert 'rankdir="TB"' in to_dot(graph_model(s.record()))
    for _ in range(8):
        s.call("work")
    assert 'rankdir="LR"' in to_dot(graph_model(s.record()))


def test_room_is_made_for_wide_characters() -> None:
    assert text_width("日本語") > text_width("abc") > text_width("ill")


def test_digraph_has_the_states_drawn_in() -> None:
    graphviz = pytest.importorskip("graphviz")
    graph = digraph(troubled().record())
    assert isinstance(graph, graphviz.Digraph)
    assert graph.name == "publish"
    assert "✗ fetch #3" in graph.source
    assert "✓ fetch #1  ↻2" in graph.source
    assert 'style="rounded,filled,dotted"' in graph.source  # cancelled
    assert "digraph" in digraph(Stream().record()).source


@drawn
def test_digraph_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("graphviz")
    assert "<svg" in digraph(nested().record()).pipe(format="svg", encoding="utf-8")
    assert "<svg" in digraph(many(200, 100).record()).pipe(format="svg", encoding="utf-8")


def test_digraph_without_a_system_dot_uses_the_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    graphviz = pytest.importorskip("graphviz")
    monkeypatch.setattr(dot_module.shutil, "which", lambda name: None)
    monkeypatch.setattr("interactive_flow.views.render.renderer", lambda: "/somewhere/graphviz-pure")
    monkeypatch.setattr(graphviz.backend.dot_command, "DOT_BINARY", "dot")
    digraph(video().record())
    assert graphviz.backend.dot_command.DOT_BINARY == "/somewhere/graphviz-pure"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "graphviz":
            raise ImportError("No module named 'graphviz'")
        return real(name, *rest, **named)

    monkeypatch.delitem(sys.modules, "graphviz", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"interactive_flow\[notebook\]"):
        digraph(video().record())


def test_an_empty_sub_workflow_with_a_barrier_is_a_cluster() -> None:
    s = Stream()
    call = s.call("load")
    sub = s.call("sub", call, kind=CallKind.WORKFLOW)
    s.start(sub, None)
    s.enter(call, workflow=sub)
    text = to_dot(graph_model(s.record()))
    assert f"subgraph cluster_n{sub} {{" in text
    assert "b0 [" in text

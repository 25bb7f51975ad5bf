"""How a notebook's session is drawn: a cluster for each cell, and what is stale told by word, symbol and border."""

from __future__ import annotations

import json

import pytest

from interactive_flow.model.events import (
    BarrierEntered,
    BarrierLeft,
    CallScheduled,
    CallStale,
    CallStarted,
    CallSucceeded,
    CellReplaced,
    RunStarted,
    WorkflowReturned,
)
from interactive_flow.model.session import SessionRecord
from interactive_flow.model.states import CallKind
from interactive_flow.views.chrome import chrome_trace
from interactive_flow.views.critical import critical_path
from interactive_flow.views.decisions import decisions_text
from interactive_flow.views.dot import digraph, to_dot
from interactive_flow.views.graph import graph_model
from interactive_flow.views.html import header_html, legend_html, rows_html, static_panel
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.render import restyle
from interactive_flow.views.report import report_html
from interactive_flow.views.states import node_states
from interactive_flow.views.summary import summarise
from interactive_flow.views.text import text_snapshot
from interactive_flow.views.timeline import timeline_svg


def scheduled(at, call, name, number, parent, *deps, kind=CallKind.TASK):
    return CallScheduled(at, call, name, number, kind, parent, deps, None)


def cell(at, index, name):
    return [scheduled(at, index, name, 0, 0, kind=CallKind.WORKFLOW), CallStarted(at, index, 1, None)]


def ran(index, began, ended):
    return [CallStarted(began, index, 1, "thread-1"), CallSucceeded(ended, index, began, "thread-1", index)]


def over(at, index, began):
    return [WorkflowReturned(at, index, ()), CallSucceeded(at, index, began, None, None)]


EVENTS = [
    RunStarted(0.0, "s", "session", 0.0, 4),
    *cell(1.0, 1, "In [1]"),
    scheduled(1.0, 2, "load", 1, 1),
    scheduled(1.0, 3, "load", 2, 1),
    *ran(2, 1.0, 2.0),
    *ran(3, 1.0, 2.0),
    *over(2.0, 1, 1.0),
    *cell(100.0, 4, "In [2]"),
    scheduled(100.0, 5, "mean", 1, 4, 2),
    BarrierEntered(100.0, 4, (5,), None),
    *ran(5, 100.0, 100.5),
    BarrierLeft(100.5, 4),
    scheduled(100.5, 6, "mean", 2, 4, 3),
    *ran(6, 100.5, 101.0),
    *over(101.0, 4, 100.0),
    *cell(200.0, 7, "In [3]"),
    scheduled(200.0, 8, "load", 1, 7),
    CallStale(200.0, 5),
    CallStale(200.0, 4),
    CellReplaced(200.0, 1, 7, (3,)),
    WorkflowReturned(200.0, 7, (8,)),
    *ran(8, 200.0, 201.0),
    CallSucceeded(201.0, 7, 200.0, None, None),
    *cell(300.0, 9, "In [4]"),
    *over(300.0, 9, 300.0),
]


@pytest.fixture
def record():
    return SessionRecord(EVENTS, run="s-3", title="In [3]", cell=7)


def test_the_cell_that_was_run_again_takes_its_former_place(record):
    assert [call.id for call in record.calls] == [
        "In [3]", "In [3]/load#2", "In [3]/load#1", "In [2]", "In [2]/mean#1", "In [2]/mean#2", "In [4]",
    ]  # fmt: skip
    assert record.call("In [2]/mean#2").depends_on == ("In [3]/load#2",)
    assert (record.status, record.name, record.run) == ("succeeded", "In [3]", "s-3")


def test_time_counts_only_while_something_goes_on(record):
    assert [round(call.scheduled_at, 6) for call in record.calls] == [2.0, 0.0, 2.0, 1.0, 1.0, 1.5, 3.0]
    assert summarise(record)["elapsed"] == pytest.approx(1.0)


def test_cells_are_not_counted_as_calls_and_are_rows_for_what_they_called(record):
    summary = summarise(record)
    assert (summary["known"], summary["done"], summary["stale"], summary["growing"]) == (4, 4, 1, False)
    assert [(row["name"], row["total"], row["stale"]) for row in summary["rows"]] == [
        ("In [3]", 2, 0), ("load", 2, 0), ("In [2]", 2, 1), ("mean", 2, 1),
    ]  # fmt: skip


def test_each_cell_is_a_cluster_and_one_that_called_nothing_is_left_out(record):
    graph = graph_model(record)
    clusters = [node.label for node in graph.nodes.values() if node.contains]
    assert clusters == ["In [3]", "In [2]"]
    edges = {(edge.tail, edge.head, edge.kind) for edge in graph.edges}
    assert edges == {("n3", "n6", "data"), ("n5", "b0", "wait"), ("b0", "n6", "order")}


def test_a_part_has_no_edges_to_what_is_elsewhere():
    part = SessionRecord(EVENTS, run="p", title="In [2]", cell=4, part=True)
    graph = graph_model(part)
    assert set(graph.nodes) == {"n4", "n5", "n6", "b0"}
    assert "load" not in to_dot(graph)
    assert part.calls[1].depends_on == ("In [1]/load#1",)
    assert summarise(part)["elapsed"] == pytest.approx(1.0)


def test_nodes_say_that_they_are_stale(record):
    states = node_states(graph_model(record))
    stale = {id: state for id, state in states.items() if state["stale"]}
    assert set(stale) == {"n4", "n5"}
    assert all(state["state"] == "succeeded" for state in stale.values())
    assert all(state["badge"] == "△ stale" for state in stale.values())
    assert "stale: what it was computed from was replaced" in states["n5"]["title"]


def test_calls_drawn_as_one_node_say_how_many_are_stale(record):
    states = node_states(graph_model(record, collapse_above=1))
    (mean,) = [state for state in states.values() if state["title"].startswith("mean: 2 calls")]
    assert mean["badge"] == "△ 1 stale"


def test_drawings_tell_it_without_a_style_sheet_too(record):
    graph = graph_model(record)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg"><g data-node="n5"><path class="iflow-shape" fill="#ffffff"/>'
        '<text class="iflow-badge"/></g><g data-node="n6"><path class="iflow-shape"/></g></svg>'
    )
    drawn = restyle(svg, graph)
    assert drawn.count("data-stale") == 1
    assert "△ stale" in drawn
    assert 'stroke-dasharray="6 3"' in drawn
    assert "△ stale" in digraph(record).source
    assert "△ stale" in mermaid(record)


def test_texts_and_markup_tell_it(record):
    text = text_snapshot(record)
    assert "△ 1 stale" in text
    assert "△ stale: In [2]/mean#1" in text
    assert "result" not in text
    assert "1 stale" in header_html(summarise(record))
    assert "△ 1 stale" in rows_html(summarise(record))
    assert "stale" in legend_html(record)
    assert "Result" not in static_panel(record)


def test_nothing_is_said_where_nothing_is_stale():
    record = SessionRecord(EVENTS[:8], run="r", title="In [1]")
    assert "stale" not in text_snapshot(record)
    assert "stale" not in legend_html(record)
    assert "stale" not in header_html(summarise(record))


def test_other_views_of_a_session(record):
    assert "In [2]" in decisions_text(record)
    assert "cells" in timeline_svg(record)
    assert critical_path(record)[0] == pytest.approx(1.5)
    assert json.loads(chrome_trace(record))
    assert "stale" in report_html(record, {})


def test_all_views_of_a_part_can_be_drawn():
    for index, title in ((4, "In [2]"), (7, "In [3]"), (9, "In [4]")):
        part = SessionRecord(EVENTS, run="p", title=title, cell=index, part=True)
        assert title in static_panel(part)
        assert title in report_html(part, {})
        assert "svg" in timeline_svg(part)
        assert text_snapshot(part)
        assert decisions_text(part)
        assert json.loads(chrome_trace(part))

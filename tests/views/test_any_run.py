"""What holds of every view for every run: it never raises, is well-formed, escapes what users wrote, and is pure."""

from __future__ import annotations

import copy
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, example, given, settings
from view_strategies import NASTY, streams
from view_streams import SAMPLES, Stream, many

from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallKind
from interactive_flow.views.chrome import chrome_trace
from interactive_flow.views.critical import critical_path
from interactive_flow.views.decisions import decisions, decisions_text
from interactive_flow.views.dot import to_dot
from interactive_flow.views.graph import graph_model
from interactive_flow.views.html import static_panel
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.render import render_svg, renderer, restyle
from interactive_flow.views.report import report_html
from interactive_flow.views.states import node_states
from interactive_flow.views.summary import Summariser, summarise
from interactive_flow.views.text import text_snapshot
from interactive_flow.views.timeline import timeline_svg

few = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def every_view(record: RunRecord) -> dict[str, str]:
    """Each view's text, by name; the graph is left to the tests that draw."""
    return {
        "summary": json.dumps(summarise(record)),
        "dot": to_dot(graph_model(record)),
        "collapsed": to_dot(graph_model(record, collapse_above=3)),
        "states": json.dumps(node_states(graph_model(record))),
        "mermaid": mermaid(record),
        "timeline": timeline_svg(record),
        "critical": json.dumps(critical_path(record)),
        "chrome": chrome_trace(record),
        "decisions": decisions_text(record) + json.dumps([d.as_dict() for d in decisions(record)]),
        "text": text_snapshot(record),
        "panel": static_panel(record, svg=None),
    }


def nasty() -> Stream:
    """A run in which every text is one that must not get through as it is."""
    s = Stream(NASTY[1], NASTY[4], 2)
    calls = []
    for name in NASTY:
        calls.append(s.call(name, *calls[-1:], args=(name,)))
        s.start(calls[-1], name)
        s.progress(calls[-1], 0.5, name)
        s.output(calls[-1], name)
        s.now += 0.1
        s.fail(calls[-1], s.error(calls[-1], name))
    s.finish()
    return s


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    record = SAMPLES[name]().record()
    views = every_view(record)
    assert all(isinstance(text, str) for text in views.values())
    ET.fromstring(views["timeline"])
    ET.fromstring(static_panel(record))


@few
@given(streams())
@example(nasty())
def test_every_view_of_any_run(stream: Stream) -> None:
    record = stream.record()
    before = copy.copy(record.count), record.seen, record.shape, set(record.changed)
    views = every_view(record)
    assert views == every_view(record)  # the same record always gives the same text
    assert before == (record.count, record.seen, record.shape, record.changed)
    ET.fromstring(views["timeline"])
    ET.fromstring(views["panel"])
    json.loads(views["chrome"])
    for name in ("dot", "mermaid", "timeline", "panel", "text"):
        views[name].encode()  # no lone surrogate
        assert "\x00" not in views[name]
        assert "\x1b" not in views[name]


@few
@given(streams())
@example(nasty())
def test_no_markup_of_users_gets_through(stream: Stream) -> None:
    record = stream.record()
    for page in (static_panel(record, svg=None), timeline_svg(record)):
        assert "<script" not in page
        assert "<!--" not in page
    page = Tags()
    report = report_html(record, {"<script>": "</dd><script>", "Packages": {"&": "<b>"}})
    page.feed(report)
    page.close()
    assert page.open == []
    data = '<script type="application/json" class="iflow-travel-data">' in report
    assert page.seen.count("script") == 1 + data  # the report's own


class Tags(HTMLParser):
    """Follows which elements are open."""

    VOID = frozenset({"meta", "br", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.seen.append(tag)


@pytest.mark.skipif(renderer() is None, reason="no Graphviz renderer")
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(streams())
@example(nasty())
def test_any_graph_can_be_drawn(stream: Stream) -> None:
    record = stream.record()
    for above in (80, 3):
        graph = graph_model(record, collapse_above=above)
        svg = render_svg(to_dot(graph))
        assert svg is not None
        drawn = {g.get("data-node"): g for g in ET.fromstring(restyle(svg, graph)).iter() if g.get("data-node")}
        states = node_states(graph)
        assert drawn.keys() == graph.nodes.keys()
        assert {id: g.get("data-state") for id, g in drawn.items()} == {id: s["state"] for id, s in states.items()}


@few
@given(streams())
def test_summaries_by_steps_are_those_of_the_whole(stream: Stream) -> None:
    record = RunRecord()
    summariser = Summariser(record)
    for event in stream.events:
        record.apply([event])
        told = summariser.update(record.changed)
        record.changed.clear()
        whole = summarise(record)
        for row, other in zip(told["rows"], whole["rows"], strict=True):
            for mean in (row.pop("mean"), other.pop("mean")):  # added up in another order
                assert mean is None or mean >= 0
        assert told.pop("eta") == pytest.approx(whole.pop("eta"))
        assert told == whole


@few
@given(streams())
def test_counts_add_up(stream: Stream) -> None:
    record = stream.record()
    summary = summarise(record)
    tasks = [call for call in record.calls if call.kind is not CallKind.COMBINATOR]
    assert summary["known"] == len(tasks) == sum(row["total"] for row in summary["rows"])
    for row in summary["rows"]:
        parts = ("done", "failed", "cancelled", "running", "ready", "waiting")
        assert sum(row[part] for part in parts) == row["total"]  # type: ignore[literal-required]
    assert len({row["key"] for row in summary["rows"]}) == len(summary["rows"])


@few
@given(streams(ties=False))
def test_the_shape_of_a_graph_has_nothing_to_do_with_states(stream: Stream) -> None:
    record = RunRecord()
    dot, shape = to_dot(graph_model(record)), record.shape
    for event in stream.events:
        record.apply([event])
        if record.shape == shape:
            assert to_dot(graph_model(record)) == dot
        dot, shape = to_dot(graph_model(record)), record.shape


@few
@given(streams())
def test_every_call_is_in_the_graph_once(stream: Stream) -> None:
    record = stream.record()
    for above in (80, 3, 0):
        graph = graph_model(record, collapse_above=above)
        calls = [index for node in graph.nodes.values() if node.kind != "barrier" for index in node.calls]
        assert sorted(calls) == [call.index for call in record.calls]
        assert all(re.fullmatch("[a-z][a-z0-9]*", id) for id in graph.nodes)
        assert all(edge.tail in graph.nodes and edge.head in graph.nodes for edge in graph.edges)
        assert all(node.cluster is None or graph.nodes[node.cluster].contains for node in graph.nodes.values())
        bars = [b for node in graph.nodes.values() for b in node.barriers]
        assert sorted(map(id, bars)) == sorted(map(id, record.barriers))


@few
@given(streams())
def test_the_critical_path_follows_what_happened(stream: Stream) -> None:
    record = stream.record()
    length, ids = critical_path(record)
    assert length >= 0
    calls = [record.call(id) for id in ids]
    assert all(call.kind is CallKind.TASK for call in calls)
    assert len(set(ids)) == len(ids)


@few
@given(streams())
def test_decisions_hold_every_call_of_a_workflow(stream: Stream) -> None:
    record = stream.record()
    makers = {0} | {call.index for call in record.calls if call.kind is CallKind.WORKFLOW}
    made = sorted(call.id for call in record.calls if call.parent_index in makers)
    assert sorted(id for decision in decisions(record) for id in decision.scheduled) == made


def test_ten_thousand_calls_make_views_of_a_bounded_size() -> None:
    record = many().record()
    views = every_view(record)
    assert len(views["dot"]) < 2_000
    assert len(views["mermaid"]) < 2_000
    assert len(views["text"].splitlines()) < 30
    assert len(views["timeline"]) < 500_000
    assert len(views["panel"]) < 200_000
    assert len(report_html(record, {})) < 2_000_000
    assert len(json.loads(views["chrome"])["traceEvents"]) > 10_000  # a trace leaves nothing out

"""The tabs of a panel without a script."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from view_streams import Stream, many, nested, video

from interactive_flow.views.graph import graph_model
from interactive_flow.views.html import static_panel
from interactive_flow.views.tabs import DECISIONS_SHOWN, TABS, TIMELINE_SIZE, decisions_html, tabs_html, timeline_html
from interactive_flow.views.timeline import timeline_svg


def parsed(fragment: str) -> ET.Element:
    return ET.fromstring(f"<div>{fragment}</div>")


def tabs(root: ET.Element) -> list[ET.Element]:
    return [each for each in root.iter("details") if each.get("data-tab")]


def test_without_script_each_tab_is_a_part_to_open() -> None:
    s = video()
    s.output(1, "said")
    found = tabs(ET.fromstring(static_panel(s.record())))
    assert [tab.get("data-tab") for tab in found] == list(TABS)
    assert ["".join(tab[0].itertext()) for tab in found] == list(TABS.values())
    assert [tab[0].tag for tab in found] == ["summary"] * 5
    assert [tab.get("open") is not None for tab in found] == [True, True, True, False, False]


def test_tabs_without_content_are_left_out() -> None:
    assert tabs_html({}) == ""
    assert [tab.get("data-tab") for tab in tabs(parsed(tabs_html({"graph": "", "output": "<p>said</p>"})))] == [
        "output"
    ]
    assert tabs(ET.fromstring(static_panel(Stream().record()))) == []


def test_bars_lead_to_the_nodes_of_their_calls() -> None:
    for stream in (video(), nested(), many(500, 400)):
        record = stream.record()
        graph = graph_model(record)
        found = [
            bar.get("data-of") for bar in parsed(timeline_html(record, graph.node_of)).iter() if bar.get("data-of")
        ]
        assert found
        assert set(found) <= set(graph.nodes)
    assert "data-of" not in timeline_html(video().record())


def test_bars_of_several_nodes_that_are_drawn_as_one_lead_nowhere() -> None:
    s = Stream()
    for n in range(2000):
        call = s.call("even" if n % 2 else "odd")
        s.start(call)
        s.now += 0.001
        s.succeed(call)
    record = s.record()
    drawn = parsed(timeline_html(record, graph_model(record).node_of))
    (bar,) = [each for each in drawn.iter() if each.get("data-state")]
    assert bar.get("data-of") is None


def test_a_large_timeline_is_drawn_coarser() -> None:
    s = Stream()
    for _ in range(500):
        calls = [s.call("work") for _ in range(12)]
        for worker, call in enumerate(calls):
            s.start(call, f"worker-{worker}")
        s.now += 1
        for call in calls:
            s.succeed(call)
        s.now += 0.5
    record = s.record()
    assert len(timeline_svg(record)) > TIMELINE_SIZE
    assert len(timeline_html(record)) < TIMELINE_SIZE + 1000


def test_many_decisions_are_counted() -> None:
    s = Stream()
    for _ in range(DECISIONS_SHOWN + 5):
        call = s.call("work")
        s.enter(call)
        s.start(call)
        s.now += 1
        s.succeed(call)
        s.leave()
    root = parsed(decisions_html(s.record()))
    assert len(list(root.iter("li"))) == DECISIONS_SHOWN
    assert "more decisions" in "".join(root.itertext())
    assert decisions_html(Stream().record()) == ""


def test_decisions_have_the_line_and_the_advice() -> None:
    root = parsed(decisions_html(video().record()))
    (code,) = [each for each in root.iter("code") if each.get("class") == "iflow-line"]
    assert code.text == "thumbnails = [extract_thumbnail(video, c) for c in find_chapters(video)]"
    (advice,) = [each for each in root.iter("div") if each.get("class") == "iflow-advice"]
    assert "It took 2.50 s" in "".join(advice.itertext())
    assert "when the run has ended" in decisions_html(video(0.7).record())


def test_advice_that_takes_long_is_left_for_later() -> None:
    assert 'data-advice="later"' in decisions_html(video().record(), effort=1)
    assert 'data-advice="later"' not in decisions_html(video().record())

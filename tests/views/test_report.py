"""The report."""

from __future__ import annotations

import json
import re

import pytest
from view_streams import SAMPLES, Stream, many, troubled, video

from interactive_flow.views import report as module
from interactive_flow.views.report import CALLS_SHOWN, report_html

ENVIRONMENT = {"Python": "3.13.1", "Machine": "2 cores", "Packages": {"numpy": "2.1 <b>"}}


@pytest.mark.parametrize("name", SAMPLES)
def test_it_needs_nothing_from_elsewhere(name: str) -> None:
    page = report_html(SAMPLES[name]().record(), ENVIRONMENT)
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert not re.search(r"<(?:link|img|iframe|script[^>]*src)", page)
    assert "http" not in re.sub(r"http://www.w3.org/2000/svg|https://example.org", "", page)
    assert "@import" not in page


def test_everything_there_is_to_know() -> None:
    page = report_html(troubled().record(), ENVIRONMENT)
    for heading in ("Graph", "Timeline", "Decisions", "Tasks", "Calls", "Where it ran", "Sources"):
        assert f"<h2>{heading}</h2>" in page
    assert "<dt>numpy</dt><dd>2.1 &lt;b&gt;</dd>" in page
    assert "<dt>Python</dt><dd>3.13.1</dd>" in page
    assert "flowchart TD" in page
    assert "digraph {" in page
    assert "raise ValueError" in page
    assert "1  @workflow" in page  # the source, with its line numbers


def test_calls_lead_to_their_node() -> None:
    page = report_html(video().record())
    rows = re.findall(r'<tr data-state="(\w+)" data-of="(\w+)">', page)
    assert rows == [("succeeded", f"n{i}") for i in range(1, 10)]


def test_times_by_task() -> None:
    page = report_html(video().record())
    (row,) = re.findall(r'<tr><th scope="row">encode_video</th>(.*?)</tr>', page)
    assert re.findall(r">([^<>]+)</td>", row) == [
        "task", "3", "3", "0", "0", "0", "1.00 s", "1.00 s", "1.00 s", "3.00 s",
    ]  # fmt: skip


def test_long_tables_are_cut_and_say_so() -> None:
    page = report_html(many(CALLS_SHOWN + 200, 100).record())
    assert page.count("<tr data-state=") == CALLS_SHOWN
    assert "and 200 more calls" in page


def test_without_a_renderer_there_is_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "render_svg", lambda dot: None)
    page = report_html(video().record())
    assert "Graph as Mermaid text" in page


def test_of_a_run_that_has_not_begun() -> None:
    empty = Stream()
    empty.events.clear()
    page = report_html(empty.record(), {})
    assert "no calls yet" in page
    assert "<h2>Calls</h2>" not in page


def test_the_decisions_can_be_gone_through() -> None:
    page = report_html(video().record())
    found = re.search(r'<script type="application/json" class="iflow-travel-data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found[1])
    assert (data["steps"], len(data["page"])) == (3, 3)
    assert "<" not in found[1]
    assert "class TravelView" in page
    assert not re.search(r"^export ", page, re.MULTILINE)
    assert "<script type" not in report_html(Stream().record()).replace('<script type="module">', "")


def test_the_decisions_of_a_long_run_do_not_all_go_in(monkeypatch) -> None:
    monkeypatch.setattr(module, "TRAVEL_SIZE", 5_000)
    s = Stream()
    for _ in range(300):
        call = s.call("work")
        s.start(call)
        s.enter(call)
        s.now += 0.01
        s.succeed(call)
        s.leave()
    s.finish()
    page = report_html(s.record())
    found = re.search(r'class="iflow-travel-data">(.*?)</script>', page)
    assert found is not None
    assert len(found[1]) < 8_000
    data = json.loads(found[1])
    assert 0 < len(data["page"]) < data["steps"] == 301

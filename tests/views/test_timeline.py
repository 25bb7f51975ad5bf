"""Bars over time."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from view_streams import Stream, many, nested, troubled, video

from interactive_flow.views.timeline import LANES_SHOWN, tick_step, timeline_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(stream: Stream) -> ET.Element:
    return ET.fromstring(timeline_svg(stream.record()))


def bars(root: ET.Element, cls: str = "iflow-attempt") -> list[ET.Element]:
    return [each for each in root.iter(f"{SVG}rect") if cls in (each.get("class") or "").split()]


def texts(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}text")]


def titles(root: ET.Element) -> list[str]:
    return [each.text or "" for each in root.iter(f"{SVG}title")]


def test_a_lane_for_each_worker_and_a_bar_for_each_attempt() -> None:
    root = drawn(video())
    assert [text for text in texts(root) if text.startswith("worker")] == ["worker-1", "worker-2"]
    assert len(bars(root)) == 9
    assert len(bars(drawn(troubled()))) == 8  # one call had two attempts, one was cancelled while running


def test_bars_are_where_they_were() -> None:
    first, second, *_ = bars(drawn(video()))
    left, right = float(first.get("x", 0)), float(second.get("x", 0))
    assert right - left == pytest.approx(float(first.get("width", 0)), abs=0.2)
    assert left < right


def test_the_critical_path_is_outlined() -> None:
    root = drawn(video())
    critical = [g for g in root.iter(f"{SVG}g") for r in g if "iflow-critical" in (r.get("class") or "")]
    assert [(g[0].text or "").split(":")[0] for g in critical] == ["embed_subtitles#1", "encode_video#1"]


def test_barriers_are_marks() -> None:
    root = drawn(video())
    assert len(bars(root, "iflow-stood")) == 1
    assert "barrier at cell 7, line 6: waited 599 ms" in titles(root)


def test_sub_workflows_have_lanes_of_their_own() -> None:
    root = drawn(nested())
    assert len(bars(root, "iflow-span")) == 2
    assert "sub-workflows" in texts(root)
    assert len(bars(root, "iflow-stood")) == 2  # their barriers are on their bars


def test_workers_are_in_natural_order() -> None:
    s = Stream()
    for name in ("worker-10", "worker-9", None, "alpha"):
        call = s.call("work")
        s.start(call, name)
        s.now += 1
        s.succeed(call)
    found = [text for text in texts(drawn(s)) if text in ("worker-10", "worker-9", "unnamed", "alpha")]
    assert found == ["alpha", "unnamed", "worker-9", "worker-10"]


def test_what_runs_is_drawn_up_to_now_and_last_where_its_worker_is_not_known() -> None:
    s = Stream()
    s.start(s.call("work"), "worker-1")
    s.start(s.call("work"), None)
    root = ET.fromstring(timeline_svg(s.record(), now=4.0))
    assert [text for text in texts(root) if text in ("worker-1", "running", "unnamed")] == ["worker-1", "running"]
    assert titles(root) == ["work#1: running, 4.00 s", "work#2: running, 4.00 s"]


def test_attempts_that_overlap_on_one_worker_do_not_cover_each_other() -> None:
    s = Stream()
    calls = [s.call("work") for _ in range(3)]
    for call in calls:
        s.start(call, "loop")
    s.now = 1.0
    for call in calls:
        s.succeed(call)
    root = drawn(s)
    assert len({each.get("y") for each in bars(root)}) == 3
    assert texts(root).count("loop") == 1


def test_nothing_and_next_to_nothing() -> None:
    empty = Stream()
    assert "nothing has run yet" in texts(drawn(empty))
    empty.events.clear()
    assert "nothing has run yet" in texts(drawn(empty))
    one = Stream()
    one.start(one.call("work"))
    assert len(bars(drawn(one))) == 1
    one.now = 0.002
    one.succeed(1)
    assert any(text.endswith(" ms") for text in texts(drawn(one)))


def test_bars_under_a_pixel_are_drawn_together_but_failures_stay_visible() -> None:
    root = drawn(many(4_000, 4_000))
    found = bars(root)
    assert len(found) < 100
    assert any("% busy: download ×" in title for title in titles(root))
    failed = [g for g in root.iter(f"{SVG}g") if g.get("data-state") == "failed"]
    assert len(failed) >= 4
    assert all(float(r.get("width", 0)) >= 2 for g in failed for r in g if r.tag == f"{SVG}rect")


def test_more_lanes_than_fit_are_counted() -> None:
    s = Stream()
    for i in range(LANES_SHOWN + 5):
        call = s.call("work")
        s.start(call, f"worker-{i}")
        s.now += 0.01
        s.succeed(call)
    assert "and 5 more lanes with 5 bars" in texts(drawn(s))


@pytest.mark.parametrize(
    ("length", "step"), [(1, 0.1), (2.5, 0.5), (60, 10), (0.003, 0.0005), (9_999, 1_000), (1e-6, 1e-7)]
)
def test_ticks_are_round(length: float, step: float) -> None:
    assert tick_step(length) == pytest.approx(step)


def test_the_end_of_the_code_is_a_line() -> None:
    drawn = timeline_svg(video().record())
    assert "the code came to its end; what it returned took 1.90 s more" in drawn
    assert "iflow-returned" not in timeline_svg(video(0.5).record())
    assert "what it returned takes 1.00 s more" in timeline_svg(video(1.6).record())


def test_the_critical_path_of_a_run_that_goes_on_is_up_to_now() -> None:
    s = Stream()
    call = s.call("work")
    s.start(call)
    assert "critical path 5.00 s" in timeline_svg(s.record(), now=5.0)

"""The panel without a script."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from view_streams import SAMPLES, Stream, many, nested, troubled, video

from interactive_flow.model.errors import TaskError
from interactive_flow.model.states import RunStatus
from interactive_flow.views import html as module
from interactive_flow.views.html import (
    count_texts,
    done_text,
    eta_text,
    graph_html,
    header_html,
    legend_html,
    result_html,
    rows_html,
    static_panel,
    style_html,
)
from interactive_flow.views.render import renderer
from interactive_flow.views.sections import (
    ENTRIES_SHOWN,
    TEXT_SHOWN,
    errors_html,
    not_needed_html,
    output_html,
    outputs_html,
)
from interactive_flow.views.summary import summarise


def parsed(fragment: str) -> ET.Element:
    return ET.fromstring(f"<div>{fragment}</div>")


def words(fragment: str) -> str:
    return " ".join("".join(parsed(fragment).itertext()).split())


def having(root: ET.Element, cls: str) -> list[ET.Element]:
    return [each for each in root.iter() if cls in (each.get("class") or "").split()]


# -- header ----------------------------------------------------------------------------------------------------------


def test_the_header_says_it_all_in_words() -> None:
    fragment = header_html(summarise(video(0.7).record()))
    assert words(fragment) == ("process_video ◐ running for 600 ms r-2f9c 2 of 9 calls done ◐ 2 running ◎ 5 ready")


def test_the_bar_tells_screen_readers_the_same() -> None:
    (bar,) = having(parsed(header_html(summarise(troubled().record()))), "iflow-bar")
    assert bar.get("role") == "progressbar"
    assert (bar.get("aria-valuemin"), bar.get("aria-valuemax"), bar.get("aria-valuenow")) == ("0", "13", "13")
    assert bar.get("aria-valuetext") == "5 of 13 calls done"
    assert [(part.get("data-state"), part.get("style")) for part in bar] == [
        ("succeeded", "width:30.77%"),
        ("cached", "width:7.692%"),
        ("failed", "width:38.46%"),
        ("timed_out", "width:7.692%"),
        ("cancelled", "width:15.38%"),
    ]


def test_a_total_that_may_grow_says_so() -> None:
    s = Stream()
    s.start(s.call("work"))
    summary = summarise(s.record())
    assert done_text(summary) == "0 of 1 call known so far done"
    assert having(parsed(header_html(summary)), "iflow-growing")
    s.returned()
    assert not having(parsed(header_html(summarise(s.record()))), "iflow-growing")


def test_the_time_left_is_only_told_where_it_is_known() -> None:
    record = many(400, 240).record()
    assert eta_text(summarise(record)) == "about 100 ms left"
    assert eta_text(summarise(video(0.7).record())) == ""
    summary = summarise(record)
    summary["growing"] = True
    assert eta_text(summary) == "at least 100 ms left"


def test_counts_leave_out_what_is_zero() -> None:
    assert count_texts(summarise(video().record())) == []
    assert done_text(summarise(Stream().record())) == "no calls yet"


# -- rows ------------------------------------------------------------------------------------------------------------


def test_rows_say_it_all_in_words() -> None:
    assert words(rows_html(summarise(video(1.0).record()))) == (
        "embed_subtitles 1/1 499 ms "
        "encode_video 0/3 ◐ 2 running "
        "encode_video#1 40% frame 120 of 300 "
        "find_chapters 1/1 599 ms "
        "extract_thumbnail 0/4"
    )


def test_rows_of_a_sub_workflow_fold_away_with_it() -> None:
    root = parsed(rows_html(summarise(nested().record())))
    (group,) = having(root, "iflow-sub")
    assert group.get("data-row") == "workflow:resize"
    assert [row.get("data-row") for row in having(group, "iflow-row")] == [
        "workflow:resize", "task:resize/read_size", "task:resize/scale",
    ]  # fmt: skip
    assert group[0].tag == "summary"
    assert len(having(root, "iflow-row")) == 7


def test_every_row_has_a_bar_with_a_name() -> None:
    bars = having(parsed(rows_html(summarise(video(1.0).record()))), "iflow-bar")
    assert [bar.get("aria-label") for bar in bars] == [
        "embed_subtitles", "encode_video", "encode_video#1", "find_chapters", "extract_thumbnail",
    ]  # fmt: skip
    assert bars[2].get("aria-valuetext") == "40% · frame 120 of 300"


# -- sections --------------------------------------------------------------------------------------------------------


def test_errors_with_their_tracebacks() -> None:
    fragment = errors_html(troubled().record())
    root = parsed(fragment)
    first, second = having(root, "iflow-entry")
    said = " ".join("".join(first.itertext()).split())
    assert said.startswith("✗ fetch#3 failed: ValueError: <script>alert('no')</script> & more")
    assert "at cell 7, line 2 · on worker-3 · after 800 ms" in said
    assert "took down parse#3, merge#1, upload#1" in said
    (trace,) = having(first, "iflow-pre")
    assert "Traceback (most recent call last)" in (trace.text or "")
    assert "raise ValueError" in (trace.text or "")
    assert "timed out: no answer within 1 s" in "".join(second.itertext())
    assert having(root, "iflow-count")[0].text == "2"


def test_an_error_of_the_workflow_itself() -> None:
    s = Stream()
    s.finish(RunStatus.FAILED, error=ZeroDivisionError("no <way>"))
    assert "ZeroDivisionError: no <way>" in words(errors_html(s.record()))
    s = Stream()
    s.start(s.call("work"))
    error = s.fail(1)
    s.finish(RunStatus.FAILED, error=error)
    assert len(having(parsed(errors_html(s.record())), "iflow-entry")) == 1  # told once


def test_a_cancelled_run_is_no_error() -> None:
    s = Stream()
    s.finish(RunStatus.CANCELLED, error=KeyboardInterrupt())
    assert errors_html(s.record()) == ""


class Silent(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no str")


def test_an_error_that_cannot_be_shown() -> None:
    s = Stream()
    s.start(s.call("work"))
    error = TaskError("it failed", "work#1")
    error.__cause__ = Silent()
    s.fail(1, error)
    s.finish(RunStatus.FAILED, error=Silent())
    assert "Silent" in words(errors_html(s.record()))


def test_many_errors_are_counted() -> None:
    s = Stream()
    for _ in range(ENTRIES_SHOWN + 7):
        call = s.call("work")
        s.start(call)
        s.fail(call)
    fragment = errors_html(s.record())
    assert len(having(parsed(fragment), "iflow-entry")) == ENTRIES_SHOWN
    assert "and 7 more errors" in words(fragment)


def test_output_of_each_call() -> None:
    root = parsed(output_html(troubled().record()))
    first, second = having(root, "iflow-pre")
    assert first.text == "GET /0\n100 %"
    assert second.text == "Traceback (most recent call last):\n  <odd>"


def test_output_is_listed_by_task() -> None:
    s = Stream()
    for name, text in [("fetch", "one"), ("parse <x>", "two"), ("fetch", "three")]:
        call = s.call(name)
        s.start(call)
        s.output(call, text)
        s.succeed(call)
    root = parsed(outputs_html(s.record()))
    parts = list(root.iter("details"))
    assert ["".join(part[0].itertext()) for part in parts] == ["fetch 2", "parse <x> 1"]
    assert [[text.text for text in having(part, "iflow-pre")] for part in parts] == [["one", "three"], ["two"]]


def test_output_of_everybody_together_is_bounded() -> None:
    s = Stream()
    for n in range(200):
        call = s.call(f"task {n % 70}")
        s.start(call)
        s.output(call, "x" * 20_000)
        s.succeed(call)
    fragment = outputs_html(s.record(), most=30_000)
    assert len(fragment) < 60_000
    assert "and 20 more tasks" in words(fragment)
    assert "and 2 more calls" in words(fragment)
    assert outputs_html(Stream().record()) == ""


def test_long_output_is_cut_at_the_front() -> None:
    s = Stream()
    s.start(s.call("work"))
    s.output(1, "x" * 100_000 + "the end")
    s.output(1, "lost")
    fragment = output_html(s.record())
    (text,) = having(parsed(fragment), "iflow-pre")
    assert (text.text or "").startswith("… 57\u202f536 characters left out …\n")
    assert len(text.text or "") < TEXT_SHOWN + 100
    assert "34\u202f475 characters that were not kept" in fragment


def test_what_was_given_up_and_why() -> None:
    assert words(not_needed_html(troubled().record())) == "Cancelled calls 2 ⊘ not needed: thumbnail#1, thumbnail#2"
    assert not_needed_html(video().record()) == ""


def test_the_result() -> None:
    assert words(result_html(video().record())).startswith("Result (['out.mp4'")
    assert result_html(video(1.0).record()) == ""
    assert result_html(troubled().record()) == ""


# -- graph -----------------------------------------------------------------------------------------------------------


def test_the_legend_shows_what_there_is() -> None:
    assert words(legend_html(video(0.7).record())) == "◎ ready ◐ running ✓ succeeded barrier"
    assert words(legend_html()).endswith("◆ cached ↻2 attempts barrier △ stale")


def test_without_a_drawing_there_is_text_and_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "rendering_hint", lambda: "install <graphviz>")
    said = words(graph_html(video().record(), None))
    assert "install <graphviz>" in said
    assert "flowchart TD" in said
    assert graph_html(Stream().record(), None) == ""


# -- the whole -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_one_well_formed_element_without_script(name: str) -> None:
    panel = static_panel(SAMPLES[name]().record())
    root = ET.fromstring(panel)
    assert root.get("class") == "iflow"
    assert root.get("data-state") in ("running", "succeeded", "failed", "cancelled")
    assert not any(each.tag.endswith("script") for each in root.iter())
    assert not any(attribute.startswith("on") for each in root.iter() for attribute in each.attrib)
    assert not any(each.get("id") for each in root.iter())  # any number of them share a page
    assert "http://" not in panel.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.skipif(renderer() is None, reason="no Graphviz renderer")
def test_the_graph_is_in_it_unless_left_out() -> None:
    record = video().record()
    assert 'data-node="n1"' in static_panel(record)
    assert "data-node" not in static_panel(record, svg=None)
    assert "<svg>mine</svg>" in static_panel(record, svg="<svg>mine</svg>")


def test_the_style_is_in_it_once() -> None:
    assert static_panel(nested().record()).count("<style>") == 1
    assert style_html().startswith("<style>")

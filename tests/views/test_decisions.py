"""What each advance of workflow code scheduled, where it stopped and for what."""

from __future__ import annotations

import json

import pytest
from view_streams import Stream, nested, video

from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.views.decisions import decisions, decisions_text


def test_the_video_workflow() -> None:
    first, second = decisions(video().record())
    assert first.scheduled == (
        "embed_subtitles#1", "encode_video#1", "encode_video#2", "encode_video#3", "find_chapters#1",
    )  # fmt: skip
    assert (first.number, first.end, first.waits_on) == (1, "barrier", ("find_chapters#1",))
    assert str(first.site) == "cell 7, line 6"
    assert first.waited == pytest.approx(0.599)
    assert second.scheduled == tuple(f"extract_thumbnail#{i}" for i in (1, 2, 3, 4))
    assert (second.began, second.until, second.end, second.site) == (0.6, 0.6, "returned", None)
    assert second.waited == pytest.approx(1.9), "the end is a barrier too: for what was returned"
    assert second.waits_on == (*first.scheduled[1:4], *second.scheduled)


def test_while_it_stands() -> None:
    (only,) = decisions(video(0.3).record())
    assert (only.end, only.until, only.waited) == ("barrier", 0.001, None)
    assert decisions_text(video(0.3).record()).splitlines()[-1] == ("   waits at cell 7, line 6 for find_chapters#1")


def test_sub_workflows_decide_by_themselves() -> None:
    found = decisions(nested().record())
    inside = [d for d in found if d.workflow == "resize#1"]
    assert [d.scheduled for d in inside] == [("resize#1/read_size#1",), ("resize#1/scale#1",)]
    assert [d.end for d in inside] == ["barrier", "returned"]
    assert [d.began for d in found] == sorted(d.began for d in found)
    # What a combinator makes is nobody's decision.
    assert not any("add" in id for d in found for id in d.scheduled)


def test_a_barrier_passed_at_once() -> None:
    s = Stream()
    s.now = 1.0
    first = s.call("first")
    s.enter(first)
    s.start(first)
    s.succeed(first)
    s.leave()
    s.call("second")
    assert [d.scheduled for d in decisions(s.record())] == [("first#1",), ("second#1",)]


def test_a_workflow_that_has_returned_and_waits() -> None:
    last = decisions(video(1.0).record())[-1]
    assert (last.end, last.waited) == ("returned", None)
    assert "returned, and waits for encode_video#1" in str(last)


def test_a_run_that_was_cut_off_at_a_barrier() -> None:
    s = Stream()
    s.enter(s.call("work"))
    s.now = 2.0
    s.cancel(1, "run cancelled")
    s.finish(RunStatus.CANCELLED)
    (only,) = decisions(s.record())
    assert (only.end, only.waited) == ("barrier", 2.0)


def test_a_run_whose_code_failed() -> None:
    s = Stream()
    s.call("work")
    s.finish(RunStatus.FAILED, error=ValueError("no"))
    (only,) = decisions(s.record())
    assert only.end == "ended"


def test_a_sub_workflow_that_goes_on() -> None:
    s = Stream()
    sub = s.call("sub", kind=CallKind.WORKFLOW)
    s.start(sub, None)
    s.call("work", parent=sub)
    assert [(d.workflow, d.end) for d in decisions(s.record())] == [(None, "advancing"), ("sub#1", "advancing")]


def test_nothing_yet() -> None:
    assert [d.end for d in decisions(Stream().record())] == ["advancing"]
    empty = Stream()
    empty.events.clear()
    assert decisions(empty.record()) == []
    assert decisions_text(empty.record()) == ""


def test_as_data_and_as_text() -> None:
    record = video().record()
    data = [decision.as_dict() for decision in decisions(record)]
    assert json.loads(json.dumps(data))[0]["site"] == {
        "file": "<cell>", "line": 6, "function": "run", "cell": 7,
    }  # fmt: skip
    assert decisions_text(record) == (
        "1. at 0 s\n"
        "   scheduled embed_subtitles#1, encode_video#1, encode_video#2, encode_video#3, find_chapters#1\n"
        "   waited 599 ms at cell 7, line 6 for find_chapters#1\n"
        "2. at 600 ms\n"
        "   scheduled extract_thumbnail#1, extract_thumbnail#2, extract_thumbnail#3, extract_thumbnail#4\n"
        "   returned, and waited 1.90 s for encode_video#1, encode_video#2, encode_video#3, extract_thumbnail#1, "
        "extract_thumbnail#2 and 2 more"
    )
    assert str(decisions(record)[0]) == "\n".join(decisions_text(record).splitlines()[:3])


def test_long_lists_are_counted() -> None:
    s = Stream()
    for _ in range(1_000):
        s.call("work")
    assert "work#5 and 995 more" in decisions_text(s.record())

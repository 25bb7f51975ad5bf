"""Progress in numbers."""

from __future__ import annotations

import json

import pytest
from view_streams import Stream, many, nested, recursive, troubled, video

from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.views.summary import PROGRESS_SHOWN, Row, Summariser, Summary, summarise


def row(summary: Summary, key: str) -> Row:
    (found,) = [row for row in summary["rows"] if row["key"] == key]
    return found


def test_a_run_half_way() -> None:
    summary = summarise(video(0.7).record())
    assert (summary["name"], summary["run"], summary["status"]) == ("process_video", "r-2f9c", "running")
    assert (summary["done"], summary["known"], summary["elapsed"]) == (2, 9, 0.6)
    assert {state: n for state, n in summary["counts"].items() if n} == {"succeeded": 2, "running": 2, "ready": 5}
    assert summary["growing"] is False  # its code has returned
    assert [r["name"] for r in summary["rows"]] == [
        "embed_subtitles", "encode_video", "find_chapters", "extract_thumbnail",
    ]  # fmt: skip
    encode = row(summary, "task:encode_video")
    assert (encode["total"], encode["done"], encode["running"], encode["ready"]) == (3, 0, 2, 1)
    assert encode["mean"] is None
    assert encode["progress"] == [{"id": "encode_video#1", "progress": 0.0, "message": "starting"}]
    assert row(summary, "task:find_chapters")["mean"] == pytest.approx(0.599)


def test_it_is_json() -> None:
    summary = summarise(troubled().record())
    assert json.loads(json.dumps(summary)) == summary


def test_every_way_to_end() -> None:
    summary = summarise(troubled().record())
    fetch = row(summary, "task:fetch")
    assert (fetch["done"], fetch["failed"], fetch["timed_out"], fetch["retried"]) == (2, 2, 1, 1)
    assert fetch["mean"] == pytest.approx(0.45)  # of the attempts that succeeded: 0.4 s and 0.5 s
    parse = row(summary, "task:parse")
    assert (parse["done"], parse["failed"], parse["inherited"]) == (2, 2, 2)
    assert row(summary, "task:stylesheet")["cached"] == row(summary, "task:stylesheet")["done"] == 1
    assert row(summary, "task:thumbnail")["cancelled"] == 2
    assert (summary["done"], summary["failed"], summary["retried"]) == (5, 6, 1)
    assert summary["eta"] is None  # it is over


def test_sub_workflows_are_rows_with_rows_below() -> None:
    summary = summarise(nested().record())
    assert [(r["key"], r["depth"], r["total"]) for r in summary["rows"]][:4] == [
        ("task:load", 0, 1),
        ("workflow:resize", 0, 2),
        ("task:resize/read_size", 1, 2),
        ("task:resize/scale", 1, 2),
    ]
    # What a combinator made counts where the combinator stands; itself it does not count.
    assert row(summary, "task:add")["depth"] == 0
    assert not any("reduce" in r["key"] for r in summary["rows"])
    assert summary["known"] == 15


def test_a_recursive_workflow_has_as_many_rows_as_it_has_tasks() -> None:
    summary = summarise(recursive(120).record())
    assert [(r["key"], r["total"]) for r in summary["rows"]] == [
        ("workflow:count_down", 120),
        ("task:count_down/say", 120),
    ]
    assert summary["growing"]


def test_mutual_recursion_keeps_its_rows() -> None:
    s = Stream()
    parent = 0
    for depth in range(50):
        parent = s.call("even" if depth % 2 else "odd", kind=CallKind.WORKFLOW, parent=parent)
        s.start(parent)
        s.call("step", parent=parent)
    keys = [r["key"] for r in summarise(s.record())["rows"]]
    assert sorted(keys) == ["task:odd/even/step", "task:odd/step", "workflow:odd", "workflow:odd/even"]


def test_growing_ends_when_the_code_returns() -> None:
    s = Stream()
    s.call("a")
    assert summarise(s.record())["growing"]
    s.returned()
    assert not summarise(s.record())["growing"]
    s.call("sub", kind=CallKind.WORKFLOW)  # a sub-workflow may go on when its caller is through
    assert summarise(s.record())["growing"]
    s.finish(RunStatus.CANCELLED)
    assert not summarise(s.record())["growing"]


# -- the estimate ----------------------------------------------------------------------------------------------------


def halves(workers: int) -> Stream:
    """Ten calls of 2 s; four of them done one after the other."""
    s = Stream(workers=workers)
    calls = [s.call("work") for _ in range(10)]
    for call in calls[:4]:
        s.start(call)
        s.now += 2.0
        s.succeed(call)
    return s


def test_no_estimate_without_any_duration() -> None:
    s = Stream()
    s.start(s.call("work"))
    s.now = 5.0
    s.call("other")
    assert summarise(s.record())["eta"] is None


def test_no_estimate_where_one_name_is_unknown() -> None:
    s = halves(1)
    s.call("never_seen")
    assert summarise(s.record())["eta"] is None


def test_the_rest_at_the_pace_so_far() -> None:
    assert summarise(halves(1).record())["eta"] == pytest.approx(12.0)
    # Eight workers, but the run had one call at a time so far.
    assert summarise(halves(8).record())["eta"] == pytest.approx(12.0)


def test_running_calls_count_as_concurrency() -> None:
    s = halves(8)
    for call in (5, 6, 7):
        s.start(call)
    assert summarise(s.record())["eta"] == pytest.approx(12.0 / 3)


def test_what_a_running_call_has_run_is_not_left() -> None:
    s = halves(1)
    s.start(5)
    s.now += 1.5
    s.progress(5, None, "on it")
    assert summarise(s.record())["eta"] == pytest.approx(0.5 + 5 * 2.0)
    assert summarise(s.record(), now=s.now + 0.25)["eta"] == pytest.approx(0.25 + 5 * 2.0)


def test_own_progress_is_better_than_the_mean() -> None:
    s = Stream(workers=2)
    s.start(s.call("work"))
    s.now = 3.0
    s.progress(1, 0.25)
    assert summarise(s.record())["eta"] == pytest.approx(9.0)
    s.call("work")  # as long as the first one looks to become
    assert summarise(s.record())["eta"] == pytest.approx(21.0)


def test_never_less_than_the_longest_call_left() -> None:
    s = Stream(workers=8)
    slow, quick = s.call("slow"), [s.call("quick") for _ in range(8)]
    s.start(slow)
    s.now = 10.0
    s.succeed(slow)
    for call in quick[:7]:
        s.start(call)
    s.now = 11.0
    s.succeed(quick[0])
    s.call("slow")
    assert summarise(s.record())["eta"] == pytest.approx(10.0)


def test_the_clock_may_have_moved_on() -> None:
    record = video(0.7).record()
    assert summarise(record, now=3.0)["elapsed"] == 3.0
    assert summarise(record, now=0.1)["elapsed"] == 0.6
    assert summarise(video().record(), now=99.0)["elapsed"] == 2.5  # over is over


# -- by steps --------------------------------------------------------------------------------------------------------


def test_only_what_changed_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    s = many(1_000, 500)
    record = s.record()
    summariser = Summariser(record)
    summariser.update()
    record.changed.clear()
    seen: list[int] = []
    take = Summariser._take

    def spy(self: Summariser, call: object) -> None:
        seen.append(call.index)  # type: ignore[attr-defined]
        take(self, call)  # type: ignore[arg-type]

    monkeypatch.setattr(Summariser, "_take", spy)
    before = len(s.events)
    s.succeed(next(c.index for c in record.calls if c.state == "running"))
    record.apply(s.events[before:])
    summary = summariser.update(record.changed)
    assert len(seen) == 1
    assert summary == summarise(record)


def test_many_running_calls_are_counted_beyond_the_first() -> None:
    s = Stream(workers=20)
    for _ in range(20):
        call = s.call("work")
        s.start(call)
        s.progress(call, 0.5, "half\nway")
    (work,) = summarise(s.record())["rows"]
    assert len(work["progress"]) == PROGRESS_SHOWN
    assert work["more_running"] == 20 - PROGRESS_SHOWN
    assert work["progress"][0]["message"] == "half way"

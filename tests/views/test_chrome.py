"""Trace events for Perfetto and chrome://tracing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from view_streams import Stream, nested, records, troubled, video

from interactive_flow.model.record import RunRecord
from interactive_flow.views.chrome import WORKERS, WORKFLOWS, chrome_trace


def events(stream: Stream) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(chrome_trace(stream.record()))["traceEvents"]
    return found


def of(found: list[dict[str, Any]], phase: str, process: int = WORKERS) -> list[dict[str, Any]]:
    return [event for event in found if event["ph"] == phase and event["pid"] == process]


def test_a_thread_for_each_worker() -> None:
    found = events(video())
    names = {e["tid"]: e["args"]["name"] for e in of(found, "M") if e["name"] == "thread_name"}
    assert sorted(names.values()) == ["worker-1", "worker-2"]
    (subtitles,) = [e for e in of(found, "X") if e["name"] == "embed_subtitles"]
    assert names[subtitles["tid"]] == "worker-1"
    assert (subtitles["ts"], subtitles["dur"]) == (1_000.0, 499_000.0)
    assert subtitles["args"]["call"] == "embed_subtitles('video.mp4', 'subs.srt')"


def test_every_attempt_is_an_event() -> None:
    fetches = [e for e in of(events(troubled()), "X") if e["args"]["id"] == "fetch#1"]
    assert [(e["args"]["attempt"], e["cat"]) for e in fetches] == [(1, "failed"), (2, "succeeded")]


def test_arrows_follow_the_data() -> None:
    found = events(video())
    starts = {e["id"]: e for e in of(found, "s")}
    ends = {e["id"]: e for e in of(found, "f")}
    assert starts.keys() == ends.keys()
    assert len(starts) == 3
    slices = of(found, "X")
    for id, start in starts.items():
        assert start["ts"] <= ends[id]["ts"]
        # A viewer finds the slice at each end by thread and time.
        for end in (start, ends[id]):
            assert any(x["tid"] == end["tid"] and x["ts"] <= end["ts"] <= x["ts"] + x["dur"] for x in slices)


def test_workflow_code_and_its_barriers() -> None:
    found = of(events(nested()), "X", WORKFLOWS)
    assert [e["name"] for e in found].count("resize") == 2
    barriers = [e for e in found if e["name"] == "barrier"]
    assert [e["args"]["waits_on"] for e in barriers] == [["resize#1/read_size#1"], ["resize#2/read_size#1"]]
    lanes = {e["tid"] for e in found if e["name"] == "resize"}
    assert {e["tid"] for e in barriers} == lanes


def test_counters_end_where_the_run_ends() -> None:
    counters = of(events(video()), "C")
    assert counters[-1]["args"] == {"running": 0, "finished": 9}
    assert max(e["args"]["running"] for e in counters) == 2
    assert [e["ts"] for e in counters] == sorted({e["ts"] for e in counters})


def test_about_the_run() -> None:
    trace = json.loads(chrome_trace(video().record()))
    assert trace["otherData"]["run"] == "r-2f9c"
    assert json.loads(chrome_trace(Stream().record()))["traceEvents"]


NEEDED = {
    "X": {"name": str, "ts": float, "dur": float, "pid": int, "tid": int},
    "M": {"name": str, "args": dict, "pid": int},
    "C": {"name": str, "ts": float, "args": dict, "pid": int},
    "s": {"name": str, "ts": float, "id": int, "pid": int, "tid": int, "cat": str},
    "f": {"name": str, "ts": float, "id": int, "pid": int, "tid": int, "cat": str, "bp": str},
}
"""What the trace event format asks of each kind of event that we write, and as what."""


def not_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize(("name", "record"), list(records()), ids=[name for name, _ in records()])
def test_every_event_is_as_the_format_asks(name: str, record: RunRecord) -> None:
    trace = json.loads(chrome_trace(record), parse_constant=not_json)
    assert trace["displayTimeUnit"] in ("ms", "ns")
    for event in trace["traceEvents"]:
        for key, kind in NEEDED[event["ph"]].items():
            value = event[key]
            assert isinstance(value, int | float if kind is float else kind), (key, event)
            assert not isinstance(value, int | float) or value >= 0, (key, event)
        if event["ph"] == "C":
            assert all(isinstance(value, int | float) for value in event["args"].values())


def test_names_of_any_kind_are_only_names() -> None:
    s = Stream(name='</script>"\u202e\x00\ud800')
    call = s.call('"}],"traceEvents":[{"' + "x" * 500)
    s.start(call, "worker-1")
    s.succeed(call, 1)
    s.finish(value=1)
    text = chrome_trace(s.record())
    text.encode("utf-8")
    found = [e for e in json.loads(text)["traceEvents"] if e["ph"] == "X" and e["pid"] == WORKERS]
    assert len(found) == 1

"""A run decision by decision, as data for a slider."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from view_strategies import streams
from view_streams import SAMPLES, Stream, many, nested, troubled, video

from interactive_flow.views.states import node_states
from interactive_flow.views.travel import PAGE, Travel


def steps_of(travel: Travel, size: int = PAGE) -> list[dict]:
    """All steps, page after page, each with all its states."""
    steps: list[dict] = []
    while len(steps) < travel.steps:
        page = travel.page(len(steps), size=size)
        assert page["first"] == len(steps)
        assert page["page"], "a page has at least one step"
        states: dict = {}
        for step in page["page"]:
            states = {**states, **step["states"]}
            steps.append({**step, "all": {node: state for node, state in states.items() if state}})
    return steps


def test_the_video_workflow() -> None:
    travel = Travel(video().record())
    first, second, end = steps_of(travel)
    assert first["did"] == "waited 599 ms at cell 7, line 6 for find_chapters#1"
    assert (first["where"], first["place"], first["awaited"]) == ([0, 6], "line 6", ["n5"])
    assert [(made["name"], made["calls"], made["place"]) for made in first["made"]] == [
        ("embed_subtitles", 1, "line 4"), ("encode_video", 3, "line 5"), ("find_chapters", 1, "line 6"),
    ]  # fmt: skip
    assert first["new"] == ["n1", "n2", "n3", "n4", "n5"]
    states = {node: state for node, (state, _) in first["all"].items()}
    assert states == {
        "n1": "running",
        **dict.fromkeys(["n2", "n3", "n4"], "waiting"),
        "n5": "running",
        "b0": "standing",
    }
    assert second["new"] == second["awaited"][3:] == ["n6", "n7", "n8", "n9"]
    assert second["all"]["b0"] == ["passed", ""]
    assert (second["all"]["n4"], second["all"]["n9"]) == (["ready", ""], ["ready", ""])
    assert {state for node, (state, _) in end["all"].items() if node != "b0"} == {"succeeded"}
    assert (end["did"], end["at"]) == ("the run has its result", "2.50 s")


def test_the_code_is_told_once() -> None:
    travel = Travel(video().record())
    (listing,) = travel.page()["listings"].values()
    assert (listing["title"], listing["first"], listing["recorded"]) == ("process_video", 1, True)
    assert listing["lines"][5].strip().startswith("thumbnails =")
    assert travel.page(known=[0])["listings"] == {}


def test_while_it_goes_on_there_is_no_end() -> None:
    travel = Travel(video(0.3).record())
    (only,) = steps_of(travel)
    assert travel.page()["over"] is False
    assert only["did"] == "waits at cell 7, line 6 for find_chapters#1"


def test_every_state_is_gone_through() -> None:
    (*_, last) = steps_of(Travel(troubled().record()))
    assert {state for state, _ in last["all"].values()} >= {"failed", "timed_out", "cancelled", "succeeded"}
    s = Stream()
    call = s.call("work")
    s.enter(call)
    s.start(call)
    s.now = 1.0
    s.retry(call)
    other = s.call("other", parent=0)
    s.now = 2.0
    s.start(call)
    s.succeed(call)
    s.leave()
    s.enter(other)
    assert [step["all"]["n1"][0] for step in steps_of(Travel(s.record()))] == ["running", "succeeded"]


def test_groups_say_how_many_are_done() -> None:
    (*_, last) = steps_of(Travel(many(400, 240).record()))
    assert all(detail.partition(" ")[0] == "120/200" for _, detail in last["all"].values())


@pytest.mark.parametrize("size", [1, 900, PAGE])
@pytest.mark.parametrize("name", SAMPLES)
def test_pages_of_any_size_tell_the_same(name, size) -> None:
    record = SAMPLES[name]().record()
    pages, whole = ([{**step, "states": None} for step in steps_of(Travel(record), s)] for s in (size, 10**9))
    assert pages == whole


@pytest.mark.parametrize("name", SAMPLES)
def test_the_end_is_what_the_graph_shows(name) -> None:
    record = SAMPLES[name]().record()
    travel = Travel(record)
    steps = steps_of(travel)
    if travel.over:
        told = {node: state for node, (state, _) in steps[-1]["all"].items()}
        assert told == {node: state["state"] for node, state in node_states(travel.graph).items()}


def test_pages_are_bounded() -> None:
    s = Stream()
    for _ in range(3_000):
        call = s.call("work")
        s.start(call)
        s.enter(call)
        s.now += 0.01
        s.succeed(call)
        s.leave()
    s.finish()
    travel = Travel(s.record())
    for first in (0, 1_500, 2_999, 10**9, -5):
        page = travel.page(first)
        assert len(json.dumps(page)) < PAGE + 4_000
    assert travel.page(10**9)["first"] == travel.steps - 1
    assert travel.page(-5)["first"] == 0


def test_a_decision_that_made_many_calls_is_bounded() -> None:
    s = Stream()
    for line in range(200):
        s.call("work", line=10 + line)
    (only,) = steps_of(Travel(s.record()))
    assert len(only["made"]) == 21
    assert only["made"][-1]["name"] == "180 more calls"


def test_sub_workflows_are_named() -> None:
    steps = steps_of(Travel(nested().record()))
    assert any(step["at"].endswith("in resize#1") for step in steps)


@settings(deadline=None, max_examples=60)
@given(streams())
def test_any_run_can_be_gone_through(stream: Stream) -> None:
    travel = Travel(stream.record())
    for step in steps_of(travel):
        json.dumps(step).encode()
        assert set(step["all"]) <= set(travel.graph.nodes)
        assert set(step["new"]) <= set(step["all"])

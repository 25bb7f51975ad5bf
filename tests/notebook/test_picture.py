"""What is drawn of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from interactive_flow import TaskError, flow, last_run, task
from interactive_flow.model.events import (
    BarrierEntered,
    CallFailed,
    CallOutput,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    RunFinished,
    RunStarted,
    Site,
)
from interactive_flow.model.record import OUTPUT_LIMIT
from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.notebook import picture as picture_module
from interactive_flow.notebook.details import MEMBERS, OUTPUT, TRACEBACK
from interactive_flow.notebook.picture import Picture
from interactive_flow.views.tabs import TABS

STARTED = RunStarted(0.0, "r1", "a <workflow>", 1e9, 4)
FINISHED = RunFinished(9.0, RunStatus.SUCCEEDED, 7, None)


def called(call, name="t", needs=(), at=0.1, args=(), site=None):
    return CallScheduled(at, call, name, call, CallKind.TASK, 0, needs, site, args)


def ran(call, value=None, at=1.0):
    return [CallStarted(at, call, 1, "w"), CallSucceeded(at + 0.5, call, at, "w", value)]


@pytest.fixture
def layouts(monkeypatch):
    """The DOT texts that were laid out."""
    asked = []
    draw = picture_module.render_svg

    def count(dot):
        asked.append(dot)
        return draw(dot)

    monkeypatch.setattr(picture_module, "render_svg", count)
    return asked


@pytest.fixture
def eager(monkeypatch):
    """Lets everything be due all the time."""
    monkeypatch.setattr(picture_module.Pace, "due", lambda self, now: True)


def test_a_new_layout_comes_with_a_new_shape_only(layouts, eager):
    picture = Picture()
    picture.apply([STARTED, called(1)])
    first = picture.traits()
    assert 'data-state="ready"' in first["svg"]
    assert first["states"] == {}
    picture.apply([CallStarted(0.2, 1, 1, "w")])
    second = picture.traits()
    assert len(layouts) == 1
    assert second["svg"] == first["svg"]
    assert second["states"]["n1"]["state"] == "running"
    picture.apply([called(2, needs=(1,))])
    third = picture.traits()
    assert len(layouts) == 2
    assert 'data-node="n2"' in third["svg"]


def test_between_two_layouts_only_what_changed_is_told(eager):
    picture = Picture()
    picture.apply([STARTED, *[called(n) for n in range(1, 9)]])
    picture.traits()
    picture.traits()
    picture.apply([CallStarted(0.2, 3, 1, "w")])
    told = picture.traits()["states"]
    assert told["n3"]["state"] == "running"
    assert set(told) <= {f"n{n}" for n in range(1, 9)}
    picture.apply([called(9)])  # a new layout, with the states so far in it
    assert picture.traits()["svg"].count('data-state="running"') == 1
    picture.apply([CallStarted(0.3, 4, 1, "w")])
    told = picture.traits()["states"]
    assert set(told) == {"n4"}


def test_layouts_are_rationed_and_the_last_one_is_not(layouts, monkeypatch):
    picture = Picture()
    picture.apply([STARTED, called(1)])
    picture.traits()
    monkeypatch.setattr(picture_module.Pace, "due", lambda self, now: False)
    picture.apply([called(2), *ran(1), *ran(2)])
    assert 'data-node="n2"' not in picture.traits()["svg"]
    picture.apply([FINISHED])
    final = picture.traits()
    assert 'data-node="n2"' in final["svg"]
    assert final["svg"].count('data-state="succeeded"') == 2
    assert final["states"] == {}
    assert set(final["details"]) == {"n1", "n2"}


def test_a_restart_begins_a_new_picture(eager):
    picture = Picture()
    picture.apply([STARTED, called(1, "before"), *ran(1), called(2, "before"), *ran(2)])
    picture.traits()
    picture.apply([STARTED._replace(restarts=1), called(1, "after"), CallStarted(0.2, 1, 1, "w")])
    traits = picture.traits()
    assert "before" not in traits["top"] + traits["svg"]
    assert "after" in traits["svg"]
    assert "0 of 1 call" in traits["top"]


def test_what_users_named_is_escaped_everywhere(eager):
    picture = Picture()
    evil = "<script>alert(1)</script>"
    error = TaskError(evil, "t#1")
    error.__cause__ = ValueError(evil)
    picture.apply(
        [
            RunStarted(0.0, 'r"1', evil, 1e9, 4),
            called(1, name=evil, args=(evil,), site=Site(evil, 1, evil)),
            CallStarted(0.2, 1, 1, evil),
            CallOutput(0.3, 1, "stdout", evil),
            CallFailed(0.4, 1, 0.2, evil, error),
            RunFinished(0.5, RunStatus.FAILED, None, error),
        ]
    )
    traits = picture.traits()
    for markup in (traits["top"], traits["svg"], traits["below"], picture.bundle()["text/html"]):
        assert "<script" not in markup.lower()
    assert picture.bundle()["text/html"].startswith('<div data-iflow-run="r&quot;1">')


def test_without_a_renderer_there_is_text(monkeypatch, eager):
    monkeypatch.setattr(picture_module, "render_svg", lambda dot: None)
    picture = Picture()
    picture.apply([STARTED, called(1), *ran(1)])
    traits = picture.traits()
    assert traits["svg"] == ""
    assert "flowchart" in traits["legend"]


def test_a_screen_reader_is_told_news_and_not_the_clock(eager):
    picture = Picture()
    picture.apply([STARTED, called(1)])
    first = picture.traits()["spoken"]
    picture.apply([CallStarted(0.2, 1, 1, "w")])
    assert picture.traits()["spoken"] == first
    picture.apply([CallFailed(0.4, 1, 0.2, "w", TaskError("no", "t#1"))])
    assert "1 call failed" in picture.traits()["spoken"]


def test_time_goes_on_where_nothing_happens(monkeypatch, eager):
    now = [50.0]
    monkeypatch.setattr(picture_module.time, "monotonic", lambda: now[0])
    picture = Picture()
    picture.apply([STARTED, called(1, at=2.0)])
    assert "for 2.00 s" in picture.traits()["top"]
    now[0] += 3
    assert "for 5.00 s" in picture.traits()["top"]


# -- tabs and what is sent ---------------------------------------------------------------------------------------------


def test_only_the_tab_that_is_looked_at_is_drawn(layouts, eager):
    picture = Picture()
    picture.tab = "timeline"
    picture.apply([STARTED, called(1), CallStarted(0.2, 1, 1, "w"), CallOutput(0.3, 1, "stdout", "said")])
    traits = picture.traits()
    assert layouts == []
    assert 'data-of="n1"' in traits["timeline"]
    assert [name for name in (*TABS, "svg") if traits.get(name)] == ["timeline"]
    picture.tab = "output"
    assert "said" in picture.traits()["output"]
    picture.tab = "progress"
    assert "iflow-row" in picture.traits()["progress"]
    assert layouts == []
    picture.tab = "decisions"
    assert "scheduled t#1" in picture.traits()["decisions"]
    assert len(layouts) == 1, "they are shown with the graph"
    picture.tab = "graph"
    assert 'data-node="n1"' in picture.traits()["svg"]


def test_where_the_tab_is_not_known_all_are_drawn():
    picture = Picture()
    picture.tab = None
    picture.apply([STARTED, called(1), CallStarted(0.2, 1, 1, "w")])
    traits = picture.traits()
    assert all(traits[name] for name in (*set(TABS) - {"graph"}, "svg"))


def test_the_graph_catches_up_when_it_is_looked_at_again(eager):
    picture = Picture()
    picture.apply([STARTED, called(1)])
    picture.traits()
    picture.tab = "output"
    picture.apply([CallStarted(0.2, 1, 1, "w")])
    assert picture.traits()["states"] == {}
    picture.tab = "graph"
    assert picture.traits()["states"]["n1"]["state"] == "running"


def test_only_the_selected_node_is_described_where_one_can_be_asked_for(eager):
    picture = Picture()
    picture.apply([STARTED, called(1), called(2)])
    for selected, told in [("", set()), ("n2", {"n2"}), ("bogus", set()), (None, {"n1", "n2"})]:
        picture.selected = selected
        assert set(picture.traits()["details"]) == told
    picture.selected = "n2"
    picture.apply([*ran(1), *ran(2), FINISHED])
    assert set(picture.remains()["details"]) == {"n1", "n2"}, "afterwards nobody is there to ask"


def test_the_timeline_goes_on_where_nothing_happens(monkeypatch, eager):
    now = [50.0]
    monkeypatch.setattr(picture_module.time, "monotonic", lambda: now[0])
    picture = Picture()
    picture.tab = "timeline"
    picture.apply([STARTED, called(1, at=1.0), CallStarted(2.0, 1, 1, "w")])
    now[0] += 3
    assert "t#1: running, 3.00 s" in picture.traits()["timeline"]


CALLS = 10_000


def a_minute():
    """The calls of a wide run, and what happens to them within a minute, in order."""
    begin = [STARTED, *[called(n, name=f"task {n % 7}", at=0.0) for n in range(1, CALLS + 1)]]
    happens = []
    for n in range(1, CALLS + 1):
        at = 60 * n / CALLS
        happens += [
            CallStarted(at, n, 1, None),
            CallOutput(at + 0.5, n, "stdout", f"this is what call {n} has to say\n" * 3),
        ]
        happens.append(CallSucceeded(at + 1, n, at, f"worker-{n % 8}", n))
    return begin, sorted(happens, key=lambda event: event.at)


@pytest.mark.parametrize("tab", [*TABS, None])
def test_a_minute_of_ten_thousand_calls_is_two_megabytes_at_most(monkeypatch, tab):
    passed = [0.0]
    clock = picture_module.time.monotonic
    monkeypatch.setattr(picture_module.time, "monotonic", lambda: clock() + passed[0])
    picture = Picture()
    picture.tab, picture.selected = tab, ""
    begin, happens = a_minute()
    began = picture_module.time.monotonic()
    picture.apply(begin)
    sent, before, done = 0, {}, 0
    for tick in range(600):
        passed[0] += 0.1
        first = done
        while done < len(happens) and happens[done].at <= tick / 10:
            done += 1
        picture.apply(happens[first:done])
        traits = picture.traits()
        news = {name: value for name, value in traits.items() if value != before.get(name)}
        sent += len(json.dumps(news, ensure_ascii=False).encode())
        before = traits
    minutes = (picture_module.time.monotonic() - began) / 60  # one, and what the test itself has taken
    assert 50_000 < sent < 2_000_000 * minutes
    assert "9 " in before["top"], "the header has kept up"


# -- details -----------------------------------------------------------------------------------------------------------


def details_of(*events):
    picture = Picture()
    picture.apply([STARTED, *events, FINISHED])
    return picture.traits()["details"]


def rows(details):
    return dict(details["rows"])


def test_details_of_a_call():
    site = Site("/tmp/x.py", 4, "run", cell=3)
    details = details_of(
        called(1, "load", args=("a",)), *ran(1, "A"), called(2, "cut", (1,), site=site), *ran(2, 42, 2.0)
    )
    told = details["n2"]
    assert (told["title"], told["word"], told["symbol"]) == ("cut#2", "succeeded", "✓")
    assert rows(told) == {
        "call": "cut()",
        "result": "42",
        "time": "called at 100 ms, began at 2.00 s, took 500 ms",
        "worker": "w",
        "called from": "cell 3, line 4",
        "needs": "load#1",
    }


def test_details_survive_values_that_cannot_be_shown():
    class Nasty:
        def __repr__(self):
            raise RuntimeError("no")

    details = details_of(called(1, args=(Nasty(),)), *ran(1, Nasty()))
    assert "Nasty" in rows(details["n1"])["result"]
    assert "Nasty" in rows(details["n1"])["call"]


def test_details_of_an_error_have_the_traceback_of_the_task():
    @task
    def broken():
        raise KeyError("x" * 2 * TRACEBACK)

    with pytest.raises(TaskError):
        flow(lambda: broken()).options(display="none").run()
    picture = Picture()
    picture.apply(last_run().events())
    told = picture.traits()["details"]["n1"]
    assert told["state"] == "failed"
    assert len(told["traceback"]) < TRACEBACK + 100
    assert "characters before this" in told["traceback"]
    assert "KeyError" in rows(told)["error"]


def test_details_of_output_keep_the_end():
    text = "a" * OUTPUT_LIMIT + "b"
    told = details_of(called(1), CallOutput(0.5, 1, "stdout", text), *ran(1))["n1"]["output"]
    assert len(told) < OUTPUT + 200
    assert "characters before this" in told
    assert "after this" in told


def test_details_of_many_calls_name_a_few():
    events = [event for n in range(1, 200) for event in (called(n), *ran(n))]
    (told,) = details_of(*events).values()
    assert rows(told)["calls"] == "199 calls: 199 succeeded"
    assert len(told["rows"]) == MEMBERS + 2
    assert told["rows"][-1][1] == f"and {199 - MEMBERS} more calls"


def test_details_of_a_barrier():
    site = Site("/tmp/x.py", 6, "run", cell=2)
    details = details_of(called(1), BarrierEntered(0.2, 0, (1,), site), *ran(1), called(2, at=2.0), *ran(2))
    (bar,) = [told for told in details.values() if told["title"] == "barrier"]
    assert rows(bar)["code waits for"] == "t#1"
    assert "reached at 200 ms" in rows(bar)["cell 2, line 6"]


def test_the_rest_is_everything_at_once():
    """For a view that stays although the run has ended."""
    picture = Picture()
    picture.apply([STARTED, called(1), *ran(1), CallOutput(1.2, 1, "stdout", "said"), FINISHED])
    rest = picture.rest()
    assert all(rest[name] for name in ("top", "svg", "details", *set(TABS) - {"graph"}))
    assert "succeeded" in rest["top"]


def test_a_twin_of_a_run_that_goes_on_has_the_time_of_now(monkeypatch):
    monkeypatch.setattr("interactive_flow.notebook.picture.time", SimpleNamespace(monotonic=lambda: clock[0]))
    clock = [100.0]
    picture = Picture()
    picture.apply([STARTED, called(1), CallStarted(0.2, 1, 1, "w")])
    clock[0] += 7.0
    bundle = picture.bundle()
    assert "for 7.20 s" in bundle["text/plain"]
    assert "for 7.20 s" in bundle["text/html"]
    assert "critical path 7.00 s" in bundle["text/html"]

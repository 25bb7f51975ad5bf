"""When a panel draws, with a screen that only notes what it is told."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from interactive_flow import flow, last_run, task
from interactive_flow.model.events import CallScheduled
from interactive_flow.notebook import panel as panel_module
from interactive_flow.notebook.panel import SHARE, Panel
from interactive_flow.testing import DeterministicExecutor


@task
def double(x):
    return 2 * x


def events_of(calls=3):
    """The events of a run with so many calls."""
    many = flow(lambda: [double(n) for n in range(calls)])
    many.options(executor=DeterministicExecutor(workers=2), display="none").run()
    return last_run().events()


class Screen:
    """Notes what it was asked to show: the step, and how many calls were known and done then."""

    interval = 0.1
    superseded = False
    asked = False

    def __init__(self, fail=()):
        self.steps = []
        self.fail = fail

    def _note(self, step, picture):
        if step in self.fail:
            raise RuntimeError("cannot draw")
        self.steps.append((step, len(picture.record.calls), picture.record.status.value))

    def open(self, picture):
        self._note("open", picture)

    def update(self, picture):
        self._note("update", picture)

    def finish(self, picture):
        self._note("finish", picture)


@pytest.fixture
def clock(monkeypatch):
    """The time that panels see: it passes when a test says so."""
    time = SimpleNamespace(now=100.0, cpu=0.0)
    fake = SimpleNamespace(monotonic=lambda: time.now, thread_time=lambda: time.cpu, sleep=lambda seconds: None)
    monkeypatch.setattr(panel_module, "time", fake)
    return time


def test_a_quick_run_is_only_shown_when_it_has_ended(clock):
    screen, events = Screen(), events_of(3)
    panel = Panel(screen)
    for event in events:
        clock.now += 0.01
        panel.on_events([event])
    assert panel.settle(10)
    assert screen.steps == [("finish", 3, "succeeded")]


def test_a_longer_run_is_shown_while_it_goes_on(clock):
    screen, events = Screen(), events_of(3)
    panel = Panel(screen)
    panel.on_events(events[:3])
    clock.now += 0.6
    panel.on_events([])
    panel.on_events(events[3:])
    assert panel.settle(10)
    known = sum(isinstance(event, CallScheduled) for event in events[:3])
    assert screen.steps == [("update", known, "running"), ("finish", 3, "succeeded")]


@pytest.mark.parametrize(("again", "step"), [(True, "open"), (False, "update")])
def test_what_somebody_asks_for_is_shown_at_once(clock, again, step):
    screen, events = Screen(), events_of(3)
    panel = Panel(screen)
    panel.on_events(events[:-1])
    assert panel.open(again=again)
    assert screen.steps == [(step, 3, "running")]
    panel.on_events(events[-1:])
    assert panel.settle(10)
    assert not panel.open(again=again), "it is too late for a live view"


def test_what_is_superseded_is_not_drawn(clock):
    screen, events = Screen(), events_of(3)
    screen.superseded = True
    panel = Panel(screen)
    clock.now += 1
    panel.on_events(events[:-1])
    panel.on_events(events[-1:])
    assert panel.settle(10)
    assert screen.steps == []


def test_watching_stays_within_its_share(clock, monkeypatch):
    """Each portion of events costs a second here, so not all of them can be folded while the run goes on."""
    screen, events = Screen(), events_of(100)
    panel = Panel(screen)
    take = panel._picture.apply

    def dear(batch):
        clock.cpu += 1.0
        take(batch)

    monkeypatch.setattr(panel._picture, "apply", dear)
    began = clock.now
    for event in events[:-1]:
        clock.now += 1.0
        panel.on_events([event])
        assert clock.cpu <= SHARE * (clock.now - began) + 1.0  # the portion that was begun in time
    assert 0 < len(screen.steps) < len(events) / 10
    panel.on_events(events[-1:])
    assert panel.settle(10)
    assert screen.steps[-1] == ("finish", 100, "succeeded")


def test_what_somebody_turns_to_is_drawn_at_once(clock, monkeypatch):
    screen, events = Screen(), events_of(3)
    panel = Panel(screen)

    def draw(picture):
        assert not panel._aside, "all that is known by then"
        clock.cpu += 10.0
        screen.steps.append("drawn")
        screen.asked = False

    monkeypatch.setattr(screen, "update", draw)
    clock.now += 1
    panel.on_events(events[:3])
    assert screen.steps == ["drawn"]
    clock.now += 1
    panel.on_events([])
    assert screen.steps == ["drawn"], "that was dear"
    for n in (3, 4):
        screen.asked = True
        panel.on_events(events[n : n + 1])
    assert screen.steps == ["drawn"] * 3
    clock.now += 10 / SHARE
    panel.on_events([])
    assert screen.steps == ["drawn"] * 4, "what was asked for counts against nobody"
    panel.on_events(events[5:])
    assert panel.settle(10)


def test_an_error_while_drawing_is_logged_once_and_the_end_is_tried(clock, caplog):
    screen, events = Screen(fail=["update"]), events_of(3)
    panel = Panel(screen)
    clock.now += 1
    with caplog.at_level(logging.ERROR, "interactive_flow"):
        for event in events:
            panel.on_events([event])
        assert panel.settle(10)
    assert [record.message.split(" run ")[0] for record in caplog.records] == ["the panel of"]
    assert screen.steps == [("finish", 3, "succeeded")]


def test_an_error_at_the_end_is_logged_and_settles(clock, caplog):
    screen = Screen(fail=["finish"])
    panel = Panel(screen)
    panel.on_events(events_of(1))
    assert panel.settle(10)
    assert len(caplog.records) == 1

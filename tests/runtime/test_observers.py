"""Observers: told of everything in order, dropped if they raise, and never waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from laboratory import check_stream

from interactive_flow import Run, flow, task
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.model.events import CallSucceeded, Event, RunFinished, RunStarted
from interactive_flow.model.states import RunStatus
from interactive_flow.runtime.observers import Watch, set_display_provider

SOON = 20.0


class Observer:
    """Keeps what it was told; may do something about it."""

    shows_output = False

    def __init__(self, interval: float = 0.001, then: Callable[[Sequence[Event]], None] | None = None) -> None:
        self.interval = interval
        self.batches: list[list[Event]] = []
        self.then = then
        self.threads: set[int] = set()
        self.over = threading.Event()

    def on_events(self, events: Sequence[Event]) -> None:
        self.batches.append(list(events))
        self.threads.add(threading.get_ident())
        if any(isinstance(event, RunFinished) for event in events):
            self.over.set()
        if self.then is not None:
            self.then(events)

    @property
    def told(self) -> list[Event]:
        return [event for batch in self.batches for event in batch]


@contextmanager
def watched_by(observer: Any) -> Iterator[list[tuple[Run, str, int]]]:
    """Within it, runs are watched; gives what the provider was asked."""
    asked: list[tuple[Run, str, int]] = []

    def provider(run: Run, display: str) -> Any:
        asked.append((run, display, threading.get_ident()))
        return observer

    set_display_provider(provider)
    try:
        yield asked
    finally:
        set_display_provider(None)


step = task(lambda n: n, name="step")
hundred = flow(lambda: [step(n) for n in range(100)], name="hundred")


@pytest.mark.parametrize("interval", [0.0, 0.001, 60.0])
def test_told_of_everything_once_in_order(interval: float) -> None:
    observer = Observer(interval)
    with watched_by(observer):
        hundred.run()
    run = hundred.last_run
    assert run is not None
    assert observer.told == list(run.events())
    check_stream(observer.told)
    assert isinstance(observer.batches[-1][-1], RunFinished)
    assert len(observer.threads) == 1
    assert threading.get_ident() not in observer.threads


def test_by_the_time_run_returns_it_has_been_told_of_the_end() -> None:
    for _ in range(20):
        observer = Observer(60.0)
        with watched_by(observer):
            flow(lambda: 1).run()
        assert observer.over.is_set()


def test_what_it_sees_while_the_run_goes_on() -> None:
    seen = threading.Event()

    def then(events: Sequence[Event]) -> None:
        if any(isinstance(e, CallSucceeded) and e.call == 1 for e in events):
            seen.set()

    holds = task(lambda: seen.wait(SOON), name="holds")
    with watched_by(Observer(then=then)):
        assert flow(lambda: [step(0), holds()]).run() == [0, True]


def test_a_tick_when_nothing_happens() -> None:
    ticked = threading.Event()
    observer = Observer(then=lambda events: None if events else ticked.set())
    holds = task(lambda: ticked.wait(SOON), name="holds")
    with watched_by(observer):
        assert flow(lambda: holds()).run() is True
    assert [] in observer.batches
    assert isinstance(observer.batches[-1][-1], RunFinished), "the last batch is the one with the end"


def test_the_last_batch_ends_with_the_end_even_if_told_before_the_run_is_put_away() -> None:
    observer = Observer()
    events: list[Event] = [RunStarted(0.0, "r", "n", 0.0, 1)]
    watch = Watch([observer], lambda: events, lambda: None)
    events.append(RunFinished(1.0, RunStatus.SUCCEEDED, None, None))
    assert observer.over.wait(SOON)
    watch.finish()
    assert observer.told == events
    assert isinstance(observer.batches[-1][-1], RunFinished)


@pytest.mark.parametrize("when", ["first", "later", "at the end", "always"])
def test_one_that_raises_is_dropped_and_logged_and_the_run_goes_on(when: str, caplog: pytest.LogCaptureFixture) -> None:
    raised: list[int] = []
    enough = threading.Event()

    def then(events: Sequence[Event]) -> None:
        last = any(isinstance(e, RunFinished) for e in events)
        if len(observer.batches) > 3:
            enough.set()
        if when in ("first", "always") or (when == "later" and enough.is_set()) or (when == "at the end" and last):
            enough.set()
            raised.append(1)
            raise RuntimeError("from an observer")

    observer = Observer(then=then)
    later = task(lambda: enough.wait(SOON), name="later")
    with watched_by(observer), caplog.at_level(logging.ERROR, "interactive_flow"):
        assert flow(lambda: [step(1), later()]).run() == [1, True]
    assert len(raised) == 1
    (record,) = caplog.records
    assert "dropped" in record.message
    assert "from an observer" in (record.exc_text or "")


def test_a_slow_one_holds_up_neither_the_run_nor_its_result() -> None:
    stuck, let_go = threading.Event(), threading.Event()

    def then(events: Sequence[Event]) -> None:
        stuck.set()
        let_go.wait(SOON)

    observer = Observer(then=then)
    with watched_by(observer):
        holds = task(lambda: stuck.wait(SOON), name="holds")
        run = flow(lambda: [holds(), *[step(n) for n in range(50)]]).start()
        assert run.result(SOON) == [True, *range(50)]
        assert run.status == "succeeded"
        let_go.set()
        assert observer.over.wait(SOON)
    assert observer.told == list(run.events())


def test_it_may_ask_the_run_and_use_its_values() -> None:
    answers: list[Any] = []

    def then(events: Sequence[Event]) -> None:
        for run, _, _ in asked:
            run.record()
            answers.append((run.status in ("running", "succeeded"), current_workflow.get()))
            for event in events:
                repr(event)

    with watched_by(Observer(then=then)) as asked:
        flow(lambda: step(step([1]))).run()
    assert set(answers) == {(True, None)}


@pytest.mark.parametrize("how", ["run", "start"])
def test_the_provider_is_asked_in_the_thread_that_asked_for_the_run(how: str) -> None:
    with watched_by(Observer()) as asked:
        workflow = flow(lambda: 1)
        if how == "run":
            workflow.run()
        else:
            workflow.start().result(SOON)
    assert asked == [(workflow.last_run, "auto", threading.get_ident())]


def test_no_display_asks_nobody_and_no_panel_is_fine() -> None:
    with watched_by(None) as asked:
        assert flow(lambda: 1).options(display="none").run() == 1
        assert asked == []
        assert flow(lambda: 2).run() == 2
        assert len(asked) == 1


@pytest.mark.parametrize("how", ["run", "start"])
def test_a_display_that_there_is_not(how: str) -> None:
    workflow = flow(lambda: 1).options(display="hologram")
    with pytest.raises(ValueError, match="hologram"):
        workflow.run() if how == "run" else workflow.start().result(SOON)


@pytest.mark.parametrize("how", ["run", "start"])
def test_a_provider_that_raises_does_not_stop_the_run(how: str, caplog: pytest.LogCaptureFixture) -> None:
    def provider(run: Run, display: str) -> Any:
        raise RuntimeError("no panel today")

    set_display_provider(provider)
    try:
        with caplog.at_level(logging.ERROR, "interactive_flow"):
            workflow = flow(lambda: 1)
            assert (workflow.run() if how == "run" else workflow.start().result(SOON)) == 1
    finally:
        set_display_provider(None)
    assert "no panel today" in caplog.text


def test_several_observers_each_at_its_own_pace() -> None:
    quick, slow = Observer(0.0), Observer(60.0)
    events: list[Event] = []
    fetched: list[int] = []
    watch = Watch([quick, slow], lambda: events, lambda: fetched.append(1))
    events.append(RunStarted(0.0, "r", "n", 0.0, 1))
    events.append(RunFinished(1.0, RunStatus.SUCCEEDED, None, None))
    assert quick.over.wait(SOON)
    assert slow.batches == []
    watch.finish()
    assert quick.told == slow.told == events
    assert fetched

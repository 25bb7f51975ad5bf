"""The garbage collector's settings: changed while runs go on, and only then."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from interactive_flow import flow, task
from interactive_flow.runtime import collector
from interactive_flow.runtime.collector import PATIENCE, patient_collector


@pytest.fixture(autouse=True)
def usual_settings() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@task
def threshold() -> int:
    return gc.get_threshold()[0]


@flow
def ask() -> int:
    return threshold()


def test_it_looks_less_often_while_a_run_goes_on() -> None:
    assert ask.run() == PATIENCE
    assert gc.get_threshold() == (700, 10, 10)


def test_two_runs_that_overlap() -> None:
    first, second = patient_collector(), patient_collector()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_threshold()[0] == PATIENCE
    second.__exit__(None, None, None)
    assert gc.get_threshold()[0] == 700


@pytest.mark.parametrize("young", [0, 50_000])
def test_who_wants_it_to_look_less_often_still_is_heard(young: int) -> None:
    gc.set_threshold(young, 10, 10)
    assert ask.run() == young
    assert gc.get_threshold()[0] == young


def test_what_is_changed_meanwhile_stays() -> None:
    with patient_collector():
        gc.set_threshold(1234, 10, 10)
    assert gc.get_threshold()[0] == 1234


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there is no middle age any more")
def test_what_was_seen_once_is_looked_at_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    time = 100.0
    monkeypatch.setattr(collector, "monotonic", lambda: time)
    with patient_collector():
        assert gc.get_threshold() == (PATIENCE, 10, 10)
        for _ in range(20):
            gc.collect(0)
        looks = gc.get_stats()[1]["collections"]
        kept = [[] for _ in range(5 * PATIENCE)]
        assert gc.get_stats()[1]["collections"] == looks, "not at every tenth time"
        time += 2 * collector.INTERVAL
        kept += [[] for _ in range(3 * PATIENCE)]
        assert gc.get_stats()[1]["collections"] == looks + 1, "once"
        assert gc.get_threshold()[1:] == (collector._NOT_NOW, 10)
    assert gc.get_threshold() == (700, 10, 10)
    assert collector._see_to_the_middle not in gc.callbacks


@pytest.mark.parametrize("changed", [(PATIENCE, 7, 10), (500, 0, 10), (0, 10, 10)])
def test_what_is_changed_meanwhile_is_not_changed_again(changed: tuple[int, int, int]) -> None:
    with patient_collector():
        gc.collect(0)
        gc.set_threshold(*changed)
        gc.collect(0)
        assert gc.get_threshold() == changed
    assert gc.get_threshold() == changed


def test_the_oldest_are_left_to_others() -> None:
    with patient_collector():
        gc.set_threshold(PATIENCE, 10, 99)
        gc.collect(0)
    assert gc.get_threshold() == (700, 10, 99)

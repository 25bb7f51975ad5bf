"""The garbage collector's settings: changed while runs go on, and only then."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from interactive_flow import flow, task
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

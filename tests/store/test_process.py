"""Telling a dead recorder from a live one."""

from __future__ import annotations

import os
from collections.abc import Callable
from subprocess import Popen

import pytest
from recordings import record, succeeding

from interactive_flow.store import Store, process
from interactive_flow.store.process import BUSY, STALE, Process, lives, this_process

NOW = 1_000_000.0


def test_a_fresh_sign_of_life_of_a_process_that_is_there() -> None:
    assert lives(this_process(), NOW, NOW)
    assert lives(this_process(), NOW - STALE + 1, NOW)
    assert not lives(this_process(), NOW - BUSY, NOW)


def test_a_process_that_is_there_may_be_busy() -> None:
    me = this_process()
    if not me.began:
        pytest.skip("this system does not tell when a process began")
    assert lives(me, NOW - 10 * STALE, NOW)
    assert not lives(me._replace(began=""), NOW - 10 * STALE, NOW)  # it may be another one


def test_on_another_machine_only_the_sign_of_life_counts() -> None:
    elsewhere = Process("another host", 1, "1")
    assert lives(elsewhere, NOW - 1, NOW)
    assert not lives(elsewhere, NOW - STALE, NOW)


@pytest.mark.parametrize("knows_the_beginning", [True, False])
def test_a_process_that_is_gone(python: Callable[..., Popen[str]], knows_the_beginning: bool) -> None:
    started = python("input()")
    began = (process._began(started.pid) or "") if knows_the_beginning else ""
    there = Process(this_process().machine, started.pid, began)
    assert lives(there, NOW, NOW)
    started.communicate("\n")
    assert not lives(there, NOW, NOW)


def test_another_process_with_the_same_number() -> None:
    me = this_process()
    if not me.began:
        pytest.skip("this system does not tell when a process began")
    assert not lives(me._replace(began="1"), NOW, NOW)


def test_a_process_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert lives(this_process()._replace(began=""), NOW, NOW)


def test_a_run_without_signs_of_life_is_interrupted(store: Store) -> None:
    with store.begin("r", "wf") as recorder:
        recorder.flush()
        assert store.run("r").status == "running"
        with store._database.writing() as connection:
            connection.execute("UPDATE runs SET beat = beat - ?", (BUSY,))
        assert store.run("r").status == "interrupted"
        assert store.prune(keep=0).runs == ("r",)


def test_a_finished_run_needs_no_signs_of_life(store: Store) -> None:
    record(store, succeeding([1]))
    with store._database.writing() as connection:
        connection.execute("UPDATE runs SET beat = 0")
    assert store.run("r").status == "succeeded"

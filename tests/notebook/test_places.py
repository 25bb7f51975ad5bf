"""Where a run that tries again what failed is shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from interactive_flow.notebook import places
from interactive_flow.notebook.actions import retry
from interactive_flow.notebook.places import in_place_of, remember, taken


@pytest.fixture(autouse=True)
def empty(monkeypatch):
    monkeypatch.setattr(places, "_places", type(places._places)())


def test_it_takes_the_place_of_the_run_before():
    remember("r1", ["a", "b"])
    remember("r1", ["b", "c"])
    assert taken() is None
    with in_place_of("r1", "again"):
        assert taken() == (["a", "b", "c"], "again")
    assert taken() is None


def test_where_the_run_before_was_not_shown_it_has_a_place_of_its_own():
    with in_place_of("r1", "again"):
        assert taken() is None


def test_only_some_places_are_remembered():
    for n in range(places.KEPT + 3):
        remember(f"r{n}", [str(n)])
    with in_place_of("r2", ""):
        assert taken() is None
    with in_place_of("r3", ""):
        assert taken() is not None


def test_the_button_says_which_run_it_began():
    remember("r1", ["a"])
    seen = []

    def retry_failed():
        seen.append(taken())
        return SimpleNamespace(id="r2")

    assert (
        retry(SimpleNamespace(id="r1", retry_failed=retry_failed))
        == "Run r2 tries again what did not succeed in run r1."
    )
    assert seen == [(["a"], "Tries again what did not succeed in run r1.")]


def test_it_says_why_nothing_is_tried_again():
    def retry_failed():
        raise ValueError("nothing failed in run r1")

    said = retry(SimpleNamespace(id="r1", retry_failed=retry_failed))
    assert said == "Nothing is tried again: nothing failed in run r1"

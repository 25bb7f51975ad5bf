"""What the Decisions tab is told, and how much of it."""

from __future__ import annotations

from interactive_flow import flow, task, wait
from interactive_flow.notebook import travel
from interactive_flow.notebook.travel import Teller
from interactive_flow.testing import DeterministicExecutor


def run_of(number):
    step = task(lambda n: n, name="step")

    @flow
    def stepwise():
        for n in range(number):
            wait(step(n))

    started = stepwise.options(display="none", executor=DeterministicExecutor()).start()
    started.result()
    return started


def test_it_tells_pages():
    teller, run = Teller(), run_of(3)
    page = teller.page(run, {"first": 0, "known": []})
    assert (page["steps"], page["first"], len(page["page"])) == (5, 0, 5)
    assert "listings" in page
    assert teller.page(run, {"first": 4, "known": [0, "no number"]})["first"] == 4


def test_it_is_rationed(monkeypatch):
    monkeypatch.setattr(travel, "BURST", 20_000)
    monkeypatch.setattr(travel, "RATE", 1e-9)
    teller, run = Teller(), run_of(300)
    answers = [teller.page(run, {"first": first}) for first in range(0, 300, 30)]
    assert len(answers[0]["page"]) > 1
    assert answers[-1] == {"again": travel.AGAIN}


def test_it_tells_the_advice_once():
    teller, run = Teller(), run_of(3)
    first = teller.advice(run, {})
    assert "iflow-advice" in first["html"]
    assert teller.advice(run, {}) == first


def test_what_goes_wrong_is_no_silence(monkeypatch, caplog):
    teller, run = Teller(), run_of(1)
    monkeypatch.setattr(travel, "Travel", lambda record: 1 / 0)
    assert teller.answer(run, "page", {}) is None
    assert "could not be told" in caplog.text

    def changing(record):
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(travel, "Travel", changing)
    assert teller.answer(run, "page", {}) == {"again": travel.AGAIN}
    assert "html" in teller.answer(run, "advice", {})

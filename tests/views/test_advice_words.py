"""The decisions as a list that shows itself."""

from __future__ import annotations

from view_streams import Stream, video

from interactive_flow.views.advice_words import Decisions
from interactive_flow.views.decisions import decisions, decisions_text


def test_the_list_shows_itself() -> None:
    record = video().record()
    found = Decisions(record)
    assert found == decisions(record)
    assert repr(found) == decisions_text(record)
    assert "It took 2.50 s" in found.advice()
    assert "The code waited 599 ms at line 6." in found.advice()
    empty = Stream()
    empty.events.clear()
    assert repr(Decisions(empty.record())) == "no decisions yet"

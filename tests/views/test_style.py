"""Symbols, words and the one style sheet."""

from __future__ import annotations

import re

import pytest

from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.views.style import (
    DASHES,
    RUN_SYMBOLS,
    SYMBOLS,
    WIDTHS,
    WORDS,
    compact,
    css,
    light_colours,
    overall,
    static,
    tint,
)


def test_every_state_has_a_symbol_a_word_a_border_and_a_colour() -> None:
    states = {state.value for state in CallState}
    assert set(SYMBOLS) == set(WORDS) == set(DASHES) == set(WIDTHS) == states
    assert states <= set(light_colours())
    assert {status.value for status in RunStatus} <= set(RUN_SYMBOLS)
    assert len(set(SYMBOLS.values())) == len(states)


def test_no_two_states_differ_by_colour_alone() -> None:
    borders = {(DASHES[state], WIDTHS[state]) for state in SYMBOLS}
    # Ready and succeeded share a plain border; their symbols tell them apart.
    assert len(borders) >= len(SYMBOLS) - 1


@pytest.mark.parametrize("state", SYMBOLS)
def test_the_style_sheet_and_the_baked_borders_agree(state: str) -> None:
    rule = re.search(rf'\.iflow-node\[data-state="{state}"\] > \.iflow-shape {{([^}}]*)}}', static("iflow.css"))
    assert rule is not None
    dashes = re.search(r"stroke-dasharray: ([^;]*);", rule[1])
    assert dashes is not None
    assert dashes[1] == (DASHES[state] or "none")
    width = re.search(r"stroke-width: ([^;]*);", rule[1])
    assert float(width[1] if width else 1.2) == WIDTHS[state]


@pytest.mark.parametrize("name", ["iflow.css", "report.css"])
def test_style_sheets_are_self_contained_and_whole(name: str) -> None:
    text = compact(name)
    assert text.count("{") == text.count("}") > 10
    assert "/*" not in text
    assert "</" not in text  # it goes into a <style> element
    assert "url(" not in text
    assert "@import" not in text


def test_everything_shown_in_a_notebook_is_scoped() -> None:
    text = re.sub(r"@keyframes[^{]*{[^{}]*{[^{}]*}\s*}", "", css())
    for selectors in re.findall(r"(?:^|[{}])([^{}@]+){", text):
        for selector in selectors.split(","):
            assert ".iflow" in selector, selector


def test_compacting_keeps_every_declaration() -> None:
    def declarations(text: str) -> list[str]:
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        return [re.sub(r"\s+", "", part) for part in re.findall(r"[\w-]+\s*:[^;{}]+;", text)]

    assert declarations(static("iflow.css")) == declarations(css())


def test_the_script_stays_in_its_element() -> None:
    assert "</script" not in static("report.js")
    assert "http" not in static("report.js")


def test_one_state_stands_for_several() -> None:
    assert overall({CallState.SUCCEEDED: 9, CallState.CACHED: 1}) is CallState.SUCCEEDED
    assert overall({CallState.CACHED: 1, CallState.SUCCEEDED: 0}) is CallState.CACHED
    assert overall({CallState.RUNNING: 1, CallState.TIMED_OUT: 1}) is CallState.TIMED_OUT
    assert overall({}) is CallState.WAITING


def test_tints() -> None:
    assert tint("#000000", 0.5) == "#808080"
    assert tint("#ff0000", 1.0) == "#ff0000"

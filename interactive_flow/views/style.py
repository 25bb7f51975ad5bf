"""How states look and are called: one symbol and one word each, and the way into the one style sheet.

Colours are written down in ``static/iflow.css`` and nowhere else.  What cannot use a style sheet (a plain `graphviz`
drawing, a Mermaid text, an SVG whose ``<style>`` a sanitiser took away) takes the light colours that are read from
there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from interactive_flow.model.states import CallState

SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "waiting": "○",
        "ready": "◎",
        "running": "◐",
        "succeeded": "✓",
        "failed": "✗",
        "timed_out": "◷",
        "cancelled": "⊘",
        "cached": "◆",
    }
)
"""The symbol of each state: colour is never the only sign."""

WORDS: Mapping[str, str] = MappingProxyType({state: state.replace("_", " ") for state in SYMBOLS})
"""The word for each state."""

RUN_SYMBOLS: Mapping[str, str] = MappingProxyType({**SYMBOLS, "interrupted": "⊗"})
"""The symbols of what a run may be besides: stored, and left unfinished when its process ended."""

RETRIED = "↻"
"""Stands before the number of attempts of a call that was made more than once."""

STALE = "△"
"""Stands for a call whose value is that of before something it was computed from was replaced."""

DASHES: Mapping[str, str | None] = MappingProxyType(
    {
        "waiting": "4 3",
        "ready": None,
        "running": None,
        "succeeded": None,
        "failed": None,
        "timed_out": "9 3 2 3",
        "cancelled": "1.5 3",
        "cached": "12 3",
    }
)
"""The dashes of each state's border, for drawings without the style sheet."""

STALE_DASHES = "6 3"
"""The dashes of the border of what is stale, whatever its state."""

WIDTHS: Mapping[str, float] = MappingProxyType(
    {
        "waiting": 1.0,
        "ready": 1.2,
        "running": 2.0,
        "succeeded": 1.2,
        "failed": 2.4,
        "timed_out": 2.2,
        "cancelled": 1.2,
        "cached": 1.4,
    }
)
"""The width of each state's border in pixels, for drawings without the style sheet."""

_SEVERITY = (
    CallState.FAILED,
    CallState.TIMED_OUT,
    CallState.RUNNING,
    CallState.READY,
    CallState.WAITING,
    CallState.CANCELLED,
    CallState.SUCCEEDED,
    CallState.CACHED,
)


def overall(counts: Mapping[CallState, int]) -> CallState:
    """The one state that stands for several calls: the one that asks for most attention.

    Example:
        >>> overall({CallState.SUCCEEDED: 97, CallState.RUNNING: 2, CallState.FAILED: 1})
        <CallState.FAILED: 'failed'>
    """
    return next((state for state in _SEVERITY if counts.get(state)), CallState.WAITING)


@cache
def static(name: str) -> str:
    """The text of a file in ``views/static``."""
    return (files("interactive_flow.views") / "static" / name).read_text(encoding="utf-8")


@cache
def compact(name: str) -> str:
    """A style sheet from ``views/static`` without comments and needless white space: it goes into every output."""
    text = re.sub(r"/\*.*?\*/", "", static(name), flags=re.DOTALL)
    text = re.sub(r"\s+", " ", text)
    return re.sub(r" ?([{};,>]) ?", r"\1", text).strip()


def css() -> str:
    """The style sheet of everything that is shown in HTML; all of it is scoped to the class ``iflow``."""
    return compact("iflow.css")


@cache
def light_colours() -> Mapping[str, str]:
    """The light theme's own colours by name (``"succeeded"``, ``"surface"`` …), as in the style sheet."""
    found = re.findall(r"--iflow-([a-z_-]+):[^;]*?light-dark\(\s*(#[0-9a-fA-F]{6})\b", static("iflow.css"))
    return MappingProxyType(dict(found))


def tint(colour: str, part: float = 0.12, onto: str = "#ffffff") -> str:
    """`part` of `colour` mixed into `onto`; all are written ``#rrggbb``."""
    mixed = (round(int(colour[i : i + 2], 16) * part + int(onto[i : i + 2], 16) * (1 - part)) for i in (1, 3, 5))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)

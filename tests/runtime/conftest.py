"""Lets the tests of this folder import what they share, and starts each of them with nothing learnt from others."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interactive_flow.engine.durations import forget_durations

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def nothing_learnt() -> None:
    """What other tests' tasks of the same names took must not decide where these run."""
    forget_durations()

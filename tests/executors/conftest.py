"""Lets the tests of this folder, and the processes that they start, import their errands and the laboratory."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from interactive_flow import configure
from interactive_flow.engine.durations import forget_durations
from interactive_flow.executors.shelf import shelf

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "engine")]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What other tests' tasks took must not decide where these run; no panels."""
    forget_durations()
    configure(display="none")
    yield
    configure(display=None)


@pytest.fixture(autouse=True, scope="module")
def none_left() -> Iterator[None]:
    """No processes that wait for other tests, nor the thread that watches over these."""
    yield
    shelf.clear()


@pytest.fixture
def fresh() -> Iterator[None]:
    """No processes of earlier tests."""
    shelf.clear()
    yield
    shelf.clear()

"""Where the panels of ended runs are, so that a run which tries again what failed is shown in the same place."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextvars import ContextVar

KEPT = 50
"""The places of so many runs are remembered."""

_places: OrderedDict[str, list[str]] = OrderedDict()
_taken: ContextVar[tuple[list[str], str] | None] = ContextVar("interactive_flow_taken", default=None)


def remember(run: str, ids: Sequence[str]) -> None:
    """The run with this id is shown in the outputs with these display ids, besides those told before."""
    _places[run] = list(dict.fromkeys([*_places.pop(run, ()), *ids]))
    while len(_places) > KEPT:
        _places.popitem(last=False)


@contextlib.contextmanager
def in_place_of(run: str, said: str) -> Iterator[None]:
    """The run that is begun in this context is shown where `run` is, which is not shown any more.

    Args:
        run: the id of a run.
        said: what its panel says of it.
    """
    token = _taken.set((_places.get(run, []), said))
    try:
        yield
    finally:
        _taken.reset(token)


def taken() -> tuple[list[str], str] | None:
    """The display ids in which the run that is beginning is to be shown, and what is said of it; None for new ones."""
    found = _taken.get()
    return found if found is not None and found[0] else None

"""What it costs to keep a run in a store, and to open it again; each function is for a process of its own.

The calls do nothing, so that all there is to measure is this package.  `RESULTS` are the two kinds of values that cost
differently: one that stays in the event, and one that has to be pickled.
"""

from __future__ import annotations

import tempfile
from typing import Any

from measure import HERE, Stopwatch

from interactive_flow import flow, open_run, task
from interactive_flow.store import Store

RESULTS = ("numbers", "lists")


@task
def number(x: int) -> int:
    """Gives a value that stays in the event."""
    return x


@task
def pair(x: int) -> list[int]:
    """Gives a value that is pickled."""
    return [x, x]


def _calls(results: str) -> Any:
    give = {"numbers": number, "lists": pair}[results]

    @flow
    def calls(n: int) -> list[Any]:
        return [give(x) for x in range(n)]

    return calls.options(display="none", max_workers=4)


def bare(results: str, n: int) -> dict[str, float]:
    """A run without a store."""
    calls = _calls(results)
    calls.run(200)
    with Stopwatch() as watch:
        calls.run(n)
    return {"wall": watch.wall, "cpu": watch.cpu}


def kept(results: str, n: int) -> dict[str, float]:
    """The same with one; a run is over only when all of it is stored."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        calls = _calls(results).options(store=folder)
        calls.run(200)
        before = Store(folder).size()
        with Stopwatch() as watch:
            calls.run(n)
        _check(len(Store(folder).events(calls.last_run.id)) == len(calls.last_run.events()))
        return {"wall": watch.wall, "cpu": watch.cpu, "bytes": Store(folder).size() - before}


def opened(results: str, n: int) -> dict[str, float]:
    """Opens a stored run, as far as is needed to show it."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        calls = _calls(results).options(store=folder)
        calls.run(n)
        run = calls.last_run.id
        calls._runs.clear()
        with Stopwatch() as watch:
            record = open_run(run, folder).record()
        _check(len(record.calls) == n)
    return {"wall": watch.wall, "cpu": watch.cpu}


def _check(true: bool) -> None:
    if not true:
        raise AssertionError("what was stored is not what happened")

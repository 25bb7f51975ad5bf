"""What it costs to keep a run: on the side of whoever drives it, in all, and when it is opened again.

``python benchmarks/store.py [--calls N] [--repeat N]``.  Three things are compared, each measured in a process of its
own, in turn: a run of calls that do nothing, the same run while a recorder follows it, and the opening of what was
stored.  Ratios are to the bare run, since that is what somebody who switches the store on has now.

``added`` is how much later the run is over, ``stored`` how much later everything is on the disk, in microseconds a
call; ``handed over`` is what `Recorder.append` takes where events are pushed, in batches of a hundred calls.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from measure import HERE, NotMeasured, Stopwatch, fresh, interleaved, median

from interactive_flow import flow, task
from interactive_flow.model.record import RunRecord
from interactive_flow.store import Store

ADDED_TARGET = 10.0
"""Microseconds a call that a recorder may add to a run."""

OPEN_TARGET = 2.0
"""Seconds that the opening of a run of 100 000 calls may take."""

RESULTS = ("scalars", "lists")


@task
def number(x: int) -> int:
    """Gives a value that stays in the event."""
    return x


@task
def pair(x: int) -> list[int]:
    """Gives a value that is pickled."""
    return [x, x]


def _started(results: str, n: int) -> Any:
    give = {"scalars": number, "lists": pair}[results]

    @flow
    def calls() -> list[Any]:
        return [give(x) for x in range(n)]

    return calls.options(display="none", max_workers=4)


def bare(results: str, n: int) -> dict[str, float]:
    """A run without a store."""
    _started(results, 200).run()
    with Stopwatch() as watch:
        _started(results, n).start().wait()
    return {"wall": watch.wall, "cpu": watch.cpu}


def followed(results: str, n: int) -> dict[str, float]:
    """The same while it is recorded; ``stored`` is when all of it is on the disk."""
    _started(results, 200).run()
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        store = Store(folder)
        with Stopwatch() as watch:
            began = time.perf_counter()
            run = _started(results, n).start()
            with store.begin(run.id, run.name) as recorder:
                recorder.follow(lambda: run._runner.engine.events)
                run.wait()
                over = time.perf_counter() - began
        _check(recorder.stored == len(run.events()))
        return {"wall": over, "stored": watch.wall, "cpu": watch.cpu, "bytes": store.size()}


def handed_over(results: str, n: int) -> dict[str, float]:
    """Pushes the events of a run that is over, a hundred calls at a time."""
    run = _started(results, n).start()
    run.wait()
    raw = run._runner.engine.events.tail(0)
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        pushing = 0.0
        with Store(folder).begin(run.id, run.name) as recorder:
            for begin in range(0, len(raw), 300):
                batch = raw[begin : begin + 300]
                before = time.thread_time()
                recorder.append(batch)
                pushing += time.thread_time() - before
        _check(recorder.stored == len(raw))
    return {"cpu": pushing}


def opened(results: str, n: int) -> dict[str, float]:
    """Reads a stored run, and makes of it what is shown."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        store = Store(folder)
        _record(store, results, n)
        with Stopwatch() as reading:
            events = store.events(store.runs()[0].id)
        with Stopwatch() as folding:
            record = RunRecord(events)
        _check(len(record.calls) == n)
    return {"events": reading.wall, "wall": reading.wall + folding.wall}


def _record(store: Store, results: str, n: int) -> None:
    run = _started(results, n).start()
    with store.begin(run.id, run.name) as recorder:
        recorder.follow(lambda: run._runner.engine.events)
        run.wait()


def _check(true: bool) -> None:
    if not true:
        raise AssertionError("what was stored is not what happened")


def main() -> int:
    """Measures and prints; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    jobs: dict[tuple[str, str], Callable[[], Any]] = {}
    for results in RESULTS:
        for measure in ("bare", "followed", "handed_over"):
            jobs[results, measure] = partial(fresh, "store", measure, results=results, n=given.calls)
        jobs[results, "opened"] = partial(fresh, "store", "opened", results=results, n=100_000)
    samples = interleaved(jobs, given.repeat)
    missed = 0
    for results in RESULTS:
        try:
            missed += _tell(results, given.calls, partial(_figure, samples, results))
        except NotMeasured as reason:
            missed += 1
            print(f"{results}: not measured: {reason}")
    return 1 if missed else 0


def _figure(samples: Any, results: str, measure: str, quantity: str) -> float:
    return median(samples[results, measure], quantity)


def _tell(results: str, calls: int, figure: Callable[[str, str], float]) -> int:
    """Prints what was measured for one kind of results; how many targets were missed."""
    wall, cpu = figure("bare", "wall"), figure("bare", "cpu")

    def line(name: str, seconds: float, base: float) -> None:
        print(f"  {name:32} {(seconds - base) / calls * 1e6:7.2f} µs a call more, ratio {seconds / base:.2f}")

    print(f"{results}: a bare run takes {wall / calls * 1e6:.2f} µs a call")
    line("until the run is over", figure("followed", "wall"), wall)
    line("until everything is stored", figure("followed", "stored"), wall)
    line("processor time", figure("followed", "cpu"), cpu)
    print(f"  {'handed over by append':32} {figure('handed_over', 'cpu') / calls * 1e6:7.2f} µs a call")
    print(f"  {'on the disk':32} {figure('followed', 'bytes') / calls:7.0f} bytes a call")
    opening = figure("opened", "wall")
    print(f"  {'opening 100 000 calls':32} {opening:7.2f} s ({figure('opened', 'events'):.2f} s without the record)")
    added = (figure("followed", "wall") - wall) / calls * 1e6
    verdicts = {
        f"adds at most {ADDED_TARGET:g} µs a call": added <= ADDED_TARGET,
        f"opens 100 000 calls in {OPEN_TARGET:g} s": opening <= OPEN_TARGET,
    }
    for target, kept in verdicts.items():
        print(f"  {target}: {'kept' if kept else 'MISSED'}")
    return sum(not kept for kept in verdicts.values())


if __name__ == "__main__":
    sys.exit(main())

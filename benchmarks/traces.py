"""Real workflows: how near a run comes to what a scheduler could do.

Five traces (see ``traces/README.md``) are run with sleeps in place of their tasks.  All times of a trace are scaled by
one factor, such that its critical path takes two seconds, or less where the whole would take more than ten at four
workers.  Each run's time is compared with two schedules, found by simulation without any overhead:

- *FIFO greedy*: whenever a worker is free, the call that became ready first begins;
- *longest-path-first greedy*: of the ready calls, the one with the longest path before it, durations known.

The first run of a workflow knows nothing of durations and is compared with the former; the second one has learned from
the first and is compared with the latter.  What plain threads make of the longest-path-first schedule, with the same
sleeps on the same machine, stands beside it: sleeping threads wake up late, the later the busier a machine is.
"""

from __future__ import annotations

import csv
import gzip
import heapq
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from measure import HERE, Stopwatch

TRACES = ("montage", "srasearch", "soykb", "seismology", "epigenomics")
WORKERS = (4, 8)
CRITICAL_PATH = 2.0
"""Seconds that the critical path of a scaled trace takes."""

LONGEST = 10.0
"""Seconds that a scaled trace takes at most with four workers."""


class TraceCall(NamedTuple):
    """A row of a trace."""

    task: str
    seconds: float
    parents: tuple[int, ...]


def load(name: str) -> list[TraceCall]:
    """The calls of a trace, parents before children, in the seconds that were measured."""
    path: Path = HERE / "traces" / f"{name}.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return [TraceCall(row["task"], float(row["seconds"]), tuple(map(int, row["parents"].split()))) for row in rows]


def scaled(calls: list[TraceCall]) -> list[TraceCall]:
    """The same, with times that suit a benchmark."""
    factor = min(CRITICAL_PATH / max(paths(calls)), LONGEST / fifo(calls, 4))
    return [call._replace(seconds=call.seconds * factor) for call in calls]


def children(calls: list[TraceCall]) -> list[list[int]]:
    """For each call those that need it."""
    found: list[list[int]] = [[] for _ in calls]
    for number, call in enumerate(calls):
        for parent in call.parents:
            found[parent].append(number)
    return found


def paths(calls: list[TraceCall]) -> list[float]:
    """Seconds from the start of each call to the end, along the longest path."""
    after = children(calls)
    longest = [0.0] * len(calls)
    for number in reversed(range(len(calls))):
        longest[number] = calls[number].seconds + max((longest[child] for child in after[number]), default=0.0)
    return longest


def simulated(calls: list[TraceCall], workers: int, priority: Callable[[int], float]) -> float:
    """The makespan in seconds of greedy list scheduling.

    Args:
        calls: a trace.
        workers: how many calls run at once.
        priority: of a call, by its number; the lowest goes first, and of equals the one that became ready first.
    """
    after = children(calls)
    missing = [len(call.parents) for call in calls]
    ready = [(priority(number), number, number) for number, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    order = len(calls)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            number = heapq.heappop(ready)[2]
            heapq.heappush(running, (now + calls[number].seconds, number))
        now = running[0][0]
        while running and running[0][0] == now:
            for child in after[heapq.heappop(running)[1]]:
                missing[child] -= 1
                if not missing[child]:
                    order += 1
                    heapq.heappush(ready, (priority(child), order, child))
    return now


def fifo(calls: list[TraceCall], workers: int) -> float:
    """The makespan of FIFO greedy, in seconds."""
    return simulated(calls, workers, lambda number: 0.0)


def longest_path_first(calls: list[TraceCall], workers: int) -> float:
    """The makespan of longest-path-first greedy, in seconds."""
    longest = paths(calls)
    return simulated(calls, workers, lambda number: -longest[number])


def bare_threads(calls: list[TraceCall], workers: int) -> float:
    """Seconds that plain threads take for the longest-path-first schedule, with the durations known."""
    longest, after = paths(calls), children(calls)
    missing = [len(call.parents) for call in calls]
    ready = [(-longest[number], number) for number, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    left = len(calls)
    changed = threading.Condition()

    def work() -> None:
        nonlocal left
        while True:
            with changed:
                while left and not ready:
                    changed.wait()
                if not left:
                    return
                number = heapq.heappop(ready)[1]
                left -= 1
            time.sleep(calls[number].seconds)
            with changed:
                for child in after[number]:
                    missing[child] -= 1
                    if not missing[child]:
                        heapq.heappush(ready, (-longest[child], child))
                changed.notify_all()

    threads = [threading.Thread(target=work) for _ in range(workers)]
    with Stopwatch() as watch:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return watch.wall


def measure(trace: str, workers: int) -> dict[str, float]:
    """Seconds that the first and the second run of a trace take, and those to compare them with; see the module."""
    from interactive_flow import Task, flow, task

    calls = scaled(load(trace))
    needed = {parent for call in calls for parent in call.parents}

    def task_of(name: str) -> Task[..., None]:
        def sleep(seconds: float, *parents: None) -> None:
            time.sleep(seconds)

        return task(sleep, name=name)

    tasks = {name: task_of(name) for name in {call.task for call in calls}}

    @flow
    def replay() -> list[None]:
        made: list[None] = []
        for call in calls:
            made.append(tasks[call.task](call.seconds, *(made[parent] for parent in call.parents)))
        return [result for number, result in enumerate(made) if number not in needed]

    workflow = replay.options(max_workers=workers, display="none")
    with Stopwatch() as first:
        workflow.run()
    with Stopwatch() as second:
        workflow.run()
    return {
        "first": first.wall,
        "second": second.wall,
        "cpu": second.cpu,
        "bare": bare_threads(calls, workers),
        "fifo": fifo(calls, workers),
        "longest": longest_path_first(calls, workers),
        "path": max(paths(calls)),
        "calls": len(calls),
    }

"""Task Bench: grids of calls with one of several dependence patterns, and the smallest task that is worth a task.

Patterns and metric are those of E. Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel
Runtime Performance", SC 2020 (doi:10.1109/SC41405.2020.00066); the code is ours.

A grid has `width` columns and a row for each time step; a call needs some calls of the row above.  Every call runs the
same kernel for a number of iterations.  *Efficiency* is what the grid achieves, in iterations a second, relative to
what the processors achieve with no engine at all.  *Granularity* is what one task takes of them: elapsed time times
processors, divided by the number of tasks.  ``METG(50 %)``, the minimum effective task granularity, is the smallest
granularity at which half of the processors' power still reaches the kernel.  Less is better.

The kernel is PBKDF2 (`hashlib.pbkdf2_hmac`), which computes without holding the interpreter's lock, so that threads can
use all processors.  Other work on the machine takes its share of them, so each grid counts with the best of three runs,
and what the processors achieve is the best of what was seen between them.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from typing import Any

from measure import Stopwatch
from patterns import Engine, calls_of, opened

DEPENDENCES = ("trivial", "stencil_1d", "fft", "tree", "nearest", "spread")
WIDTH = 8
PROCESSORS = os.cpu_count() or 1
EFFICIENCY = 0.5
_RADIX = 5
"""How many dependences a call has in the patterns `nearest` and `spread`; Task Bench's paper takes five."""

_PERIOD = 3
"""After how many steps the pattern `spread` begins again."""

_CALLS = 800
_CALIBRATION = 0.04
_BEST_OF = 3
_LONG_ENOUGH = 0.4
_TOO_LONG = 30.0


def dependences(pattern: str, step: int, column: int, width: int) -> list[int]:
    """The columns of the row above that a call needs; none in the first row.

    Args:
        pattern: one of `DEPENDENCES`.
        step, column: which call, both from 0.
        width: columns of the grid.
    """
    if step == 0 or pattern == "trivial":
        return []
    if pattern == "stencil_1d":
        needed = [column - 1, column, column + 1]
    elif pattern == "fft":
        stride = 1 << (step - 1) % max(1, math.ceil(math.log2(width)))
        needed = [column - stride, column, column + stride]
    elif pattern == "tree":
        return [column // 2]
    elif pattern == "nearest":
        needed = list(range(column - _RADIX // 2, column + (_RADIX - 1) // 2 + 1))
    elif pattern == "spread":
        offset = step % _PERIOD
        spread = [column + i * width // _RADIX + (offset if i else 0) for i in range(_RADIX)]
        return list(dict.fromkeys(column % width for column in spread))
    else:
        raise ValueError(f"no pattern {pattern!r}; there are {', '.join(DEPENDENCES)}")
    return [column for column in needed if 0 <= column < width]


def grid(pattern: str, width: int, calls: int) -> list[list[list[int]]]:
    """About `calls` calls, row by row: for each the columns of the row above that it needs.

    The rows of a tree double in length until they are `width` long.
    """
    rows: list[list[list[int]]] = []
    made = 0
    while made < calls:
        step = len(rows)
        columns = min(width, 1 << step) if pattern == "tree" else width
        rows.append([dependences(pattern, step, column, width) for column in range(columns)])
        made += columns
    return rows


def kernel(iterations: int, *needed: Any) -> None:
    """The work of one task."""
    hashlib.pbkdf2_hmac("sha256", b"task", b"bench", iterations)


def peak_rate() -> float:
    """Iterations a second that all processors together achieve now, without an engine."""
    done = [0] * PROCESSORS
    over = time.perf_counter() + _CALIBRATION

    def work(place: int) -> None:
        while time.perf_counter() < over:
            kernel(2_000)
            done[place] += 2_000

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(place,)) for place in range(PROCESSORS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


class _Meter:
    """Measures grids on one engine."""

    def __init__(self, subject: Engine) -> None:
        self.program = subject.program(subject.grid)
        self.peak = max(peak_rate() for _ in range(_BEST_OF))

    def seconds(self, points: list[list[list[int]]], iterations: int) -> float:
        """How long a grid takes: the best of three, or of fewer where it takes long anyway."""
        runs: list[float] = []
        while len(runs) < _BEST_OF and sum(runs) < _LONG_ENOUGH:
            self.peak = max(self.peak, peak_rate())
            with Stopwatch() as watch:
                self.program(points, kernel, iterations)
            runs.append(watch.wall)
        return min(runs)


def metg(engine: str, pattern: str = "stencil_1d", width: int = WIDTH, repeat: int = 1) -> dict[str, float]:
    """METG(50 %) in microseconds; to be run in a fresh process (see `measure`).

    Returns:
        It as ``"metg"``, and where it was measured again as ``"metg 1"`` and so on.
    """
    with opened(engine, PROCESSORS) as subject:
        points = grid(pattern, width, calls_of(type(subject), "grid", _CALLS))
        found = [_metg(subject, points) for _ in range(repeat)]
    return {"metg" if not k else f"metg {k}": value for k, value in enumerate(found)}


def _metg(subject: Engine, points: list[list[list[int]]]) -> float:
    """Iterations are doubled, from a size at which overhead is most of the time, until efficiency is sufficient.

    Between the last two sizes the granularity is interpolated, on logarithmic scales.
    """
    tasks = sum(map(len, points))
    meter = _Meter(subject)
    iterations = max(1, round(meter.seconds(points, 1) / tasks / 4 * meter.peak))
    measured: list[tuple[int, float]] = []
    while not measured or _efficiency(*measured[-1], meter.peak, tasks) < EFFICIENCY:
        if measured and measured[-1][1] > _TOO_LONG:
            raise RuntimeError(f"below {EFFICIENCY:.0%} still when the grid takes {_TOO_LONG:g} s")
        measured.append((iterations, meter.seconds(points, iterations)))
        iterations *= 2
    return _interpolated(
        [(_efficiency(*size, meter.peak, tasks), size[1] * PROCESSORS / tasks * 1e6) for size in measured[-2:]]
    )


def _efficiency(iterations: int, seconds: float, peak: float, tasks: int) -> float:
    return tasks * iterations / seconds / peak


def _interpolated(sizes: list[tuple[float, float]]) -> float:
    """The granularity at `EFFICIENCY`, from one or two pairs of efficiency and granularity around it."""
    (low, fine), (high, coarse) = sizes[0], sizes[-1]
    if low >= EFFICIENCY:
        return fine
    share = math.log(EFFICIENCY / low) / math.log(high / low)
    return fine * math.exp(share * math.log(coarse / fine))

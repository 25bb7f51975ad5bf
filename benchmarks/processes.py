"""What a call in a process costs, beside the pools that are used for that: calls that do nothing, in fan-out.

Everybody has started its processes, and has used them, before the clock starts.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from measure import PACE, Stopwatch
from patterns import same

WORKERS = 2


def measure(engine: str, n: int) -> dict[str, float]:
    """Microseconds a call; to be run in a fresh process (see `measure`).

    Args:
        engine: ``"interactive_flow"``, ``"ProcessPoolExecutor"`` or ``"joblib"``.
        n: how many calls.
    """
    program = _PROGRAMS[engine]()
    program(200)
    program(200)
    with Stopwatch() as watch:
        values = program(n)
    if values != list(range(n)):
        raise AssertionError(f"{engine} gave the wrong values")
    return {"wall": watch.wall / n * 1e6, "cpu": watch.cpu / n * 1e6, PACE: watch.pace}


def _ours() -> Callable[[int], list[int]]:
    from interactive_flow import flow, task

    one = task(same)

    @flow
    def fan_out(n: int) -> list[int]:
        return [one(x) for x in range(n)]

    return fan_out.options(executor="processes", max_workers=WORKERS, display="none").run


def _pool() -> Callable[[int], list[int]]:
    pool = ProcessPoolExecutor(WORKERS, multiprocessing.get_context("fork"))
    return lambda n: [future.result() for future in [pool.submit(same, x) for x in range(n)]]


def _joblib() -> Callable[[int], list[int]]:
    import joblib

    parallel = joblib.Parallel(n_jobs=WORKERS, backend="loky")
    return lambda n: parallel(joblib.delayed(same)(x) for x in range(n))  # type: ignore[no-any-return]


_PROGRAMS: dict[str, Callable[[], Callable[[int], list[int]]]] = {
    "interactive_flow": _ours,
    "ProcessPoolExecutor": _pool,
    "joblib": _joblib,
}

"""What a call in a process costs, beside the pools that are used for that: calls that do nothing, in fan-out.

``python benchmarks/processes.py [--calls N] [--repeat K]`` prints medians of K rounds.  In each round everybody runs
once, one after the other, so that whatever else the machine does hits all of them alike.  Processes are started
before.  joblib is needed for this only.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import joblib

from interactive_flow import flow, task

WORKERS = 2


def nothing(x: int) -> int:
    return x


same = task(nothing)


@flow
def fan_out(n: int) -> list[int]:
    return [same(x) for x in range(n)]


def seconds(function: Callable[[int], object], n: int) -> float:
    gc.collect()
    began = time.perf_counter()
    function(n)
    return time.perf_counter() - began


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000, help="calls in each run (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: %(default)s)")
    given = parser.parse_args()
    run = fan_out.options(executor="processes", max_workers=WORKERS, display="none").run
    parallel = joblib.Parallel(n_jobs=WORKERS, backend="loky")
    with ProcessPoolExecutor(WORKERS) as pool:
        rows: dict[str, Callable[[int], object]] = {
            "interactive_flow": run,
            "ProcessPoolExecutor": lambda n: [f.result() for f in [pool.submit(nothing, x) for x in range(n)]],
            "joblib": lambda n: parallel(joblib.delayed(nothing)(x) for x in range(n)),
        }
        for function in rows.values():
            function(200)
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(given.repeat):
            for name, function in rows.items():
                times[name].append(seconds(function, given.calls))
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(
        f"{given.calls} calls that do nothing, {WORKERS} processes, medians of {given.repeat}\n{'':20} {'µs a call':>9}"
    )
    for name, median in medians.items():
        print(f"{name:20} {median / given.calls * 1e6:9.1f}")
    own = medians.pop("interactive_flow")
    for name, median in medians.items():
        print(f"interactive_flow takes {own / median:.2f} times as long as {name}")


if __name__ == "__main__":
    main()

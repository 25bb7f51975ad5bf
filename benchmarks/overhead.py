"""What a call costs: workflows whose tasks do nothing, so that all the time that passes is overhead.

``python benchmarks/overhead.py [--calls N] [--repeat K]`` prints microseconds a call, the best of K times, without a
panel.  The bare thread pool stands beside it as the yardstick: the same calls submitted to `concurrent.futures`, with
nobody keeping a graph or a record of events.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from interactive_flow import flow, parallel_reduce, task, wait

WORKERS = 4


@task
def same(x: int) -> int:
    return x


@task
def add(x: int, y: int) -> int:
    return x + y


@flow
def fan_out(n: int) -> list[int]:
    return [same(x) for x in range(n)]


@flow
def chain(n: int) -> int:
    x = 0
    for _ in range(n):
        x = same(x)
    return x


@flow
def barriers(n: int) -> None:
    for x in range(n):
        wait(same(x))


@flow
def reduction(n: int) -> int:
    return parallel_reduce(add, range(n + 1))  # type: ignore[no-any-return]


@flow
def nothing_more(x: int) -> int:
    return same(x)


@flow
def sub_workflows(n: int) -> list[int]:
    return [nothing_more(x) for x in range(n // 2)]  # each is a call, and makes one


def pool_fan_out(n: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for future in [pool.submit(same, x) for x in range(n)]:
            future.result()


def pool_one_by_one(n: int) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for x in range(n):
            pool.submit(same, x).result()


def best(function: Callable[[int], object], n: int, repeat: int) -> float:
    """Microseconds a call, the best of `repeat` times."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        function(n)
        times.append(time.perf_counter() - began)
    return min(times) / n * 1e6


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=10_000, help="calls in each workflow (default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="how often each is measured (default: %(default)s)")
    given = parser.parse_args()
    rows: dict[str, Callable[[int], object]] = {
        wf.name.replace("_", " "): wf.options(max_workers=WORKERS, display="none").run
        for wf in (fan_out, chain, barriers, reduction, sub_workflows)
    }
    rows["bare pool, fan out"] = pool_fan_out
    rows["bare pool, one by one"] = pool_one_by_one
    print(f"{given.calls} calls of tasks that do nothing, {WORKERS} workers\n{'':22} {'µs a call':>9}")
    for name, function in rows.items():
        print(f"{name:22} {best(function, given.calls, given.repeat):9.1f}")


if __name__ == "__main__":
    main()

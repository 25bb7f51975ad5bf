"""Runs a workflow whose tasks are in processes of their own, to be killed; see `test_killed`."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from interactive_flow import flow, parallel_reduce, task, wait

ROUNDS, WIDTH = 40, 6


def note(*what: object) -> None:
    """Tells what is being executed, and by which process."""
    handle = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{os.getpid()} {' '.join(map(str, what))}\n".encode())
    os.close(handle)


@task
def step(n: int, k: int) -> int:
    note("step", n, k)
    time.sleep(0.01 * (k % 3))
    return n + k


@task
def add(x: int, y: int) -> int:
    return x + y


@flow
def work() -> Any:
    total = 0
    for n in range(ROUNDS):
        total += wait(parallel_reduce(add, [step(n, k) for k in range(WIDTH)]))
    return total


if __name__ == "__main__":
    print(work.options(executor="processes", store=sys.argv[1], display="none").run())

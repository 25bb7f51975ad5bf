"""Kills a process that runs a workflow, at random moments, until that has happened so often; see `test_killed`.

A program of its own, which starts no threads, so that it can fork one child after the other instead of starting Python
each time.  A child runs the workflow, and continues what the child before it has left.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import interactive_flow as iflow
from interactive_flow import Retry, finish_order, first, flow, heartbeat, last_heartbeat, parallel_reduce, task, wait
from interactive_flow.runtime.worker import current_job
from interactive_flow.store import Store

ROUNDS = 19
EXECUTED: Path


def note() -> None:
    """Tells that this call is being executed: in a file, since whoever executes it may be gone the next moment."""
    here = current_job.get()
    assert here is not None
    handle = os.open(EXECUTED, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{here[0].call.id}\n".encode())
    os.close(handle)


@task
def step(n: int, k: int = 0) -> Any:
    note()
    return n + k


@task
def large(n: int) -> str:
    note()
    return str(n % 10) * 20_000


@task
def racer(n: int, lane: int) -> int:
    note()
    time.sleep(0.0005 * ((n + lane) % 2))
    return lane


@task(retry=Retry(attempts=3, delay=0.0005))
def flaky(n: int) -> int:
    note()
    said = last_heartbeat()
    attempt = int(said[1]) if said is not None and said[1] else 0
    heartbeat(message=str(attempt + 1))
    if attempt < n % 3:
        raise OSError(f"attempt {attempt} of {n}")
    return n


@task
def broken(n: int) -> int:
    note()
    raise LookupError(str(n))


@task
def add(x: int, y: int) -> int:
    note()
    return x + y


@flow
def part(n: int, before: int) -> Any:
    one = wait(step(n, before))
    return parallel_reduce(add, [step(one, k) for k in range(3)])


@flow
def work(rounds: int) -> Any:
    """Has the same value whoever wins; but what it calls is not the same."""
    total = 0
    for n in range(rounds):
        winner = wait(first(racer(n, 0), racer(n, 1)))
        total += wait(step(n, 1)) if winner else wait(add(n, 1))
        inner = part(n, total)
        order = [wait(x) for x in finish_order([step(k) for k in range(4)])]
        total += sum(order) + len(wait(large(n))) if n % 9 == 0 else sum(order)
        try:
            wait(broken(n))
        except iflow.TaskError as error:
            total += int(str(error.__cause__)) if isinstance(error.__cause__, LookupError) else 1_000_000
        total = wait(step(total % 1000, wait(flaky(n)))) + wait(inner)
        assert order[0] >= 0
    return total


def child(path: Path) -> tuple[int, int]:
    """A process that runs the workflow; its number, and where it writes what came of it."""
    reading, writing = os.pipe()
    number = os.fork()
    if number:
        os.close(writing)
        return number, reading
    try:
        value = work.options(store=path, display="none", max_workers=4).run(ROUNDS)
        os.write(writing, str(value).encode())
    except BaseException as error:
        os.write(writing, f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(0)


def outcome(number: int, reading: int) -> str | None:
    """What a child has written before it ended; None where it was killed before."""
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(number, 0)
    return text or None


def executed(begin: int) -> list[str]:
    """The ids of the calls that were executed, from this position in the file."""
    with EXECUTED.open("rb") as file:
        file.seek(begin)
        return file.read().decode().splitlines()


def wait_for_work(number: int, begin: int) -> None:
    """Waits until a child has executed something, or has ended."""
    while EXECUTED.stat().st_size == begin:
        if os.waitid(os.P_PID, number, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(0.001)


def check(store: Store) -> None:
    with closing(sqlite3.connect(store.path / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def main(folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Runs the workflow again and again, killed at random moments, until so many have come to pass."""
    global EXECUTED
    EXECUTED = folder / "executed"
    path = folder / "store"
    logging.getLogger("interactive_flow").setLevel(logging.ERROR)
    lots = random.Random(seed)
    times = []
    expected = None
    for _ in range(3):  # the first takes longest
        began = time.monotonic()
        expected = outcome(*child(path))
        times.append(time.monotonic() - began)
    seconds = min(times)
    store = Store(path)
    calls = sum(o.kind == "task" for o in store.outcomes(store.runs()[0].id).values())
    killed = resumed = runs = most = 0
    while killed < kills:
        runs += 1
        EXECUTED.unlink(missing_ok=True)
        EXECUTED.touch()
        store.prune(keep=0)
        known: set[str] = set()
        begin = deaths = 0
        while True:
            number, reading = child(path)
            if deaths < 3:
                if lots.random() < 0.7:  # else it may be anywhere, also before it has begun
                    wait_for_work(number, begin)
                time.sleep(lots.uniform(0.0, seconds))
                os.kill(number, signal.SIGKILL)
            value = outcome(number, reading)
            again = known & set(executed(begin))
            assert not again, f"recorded, and executed again: {again}"
            if value is not None:
                assert value == expected, f"{value}, not {expected}"
                break
            killed, deaths = killed + 1, deaths + 1
            check(store)
            left = store.runs()
            if left and left[0].status == "succeeded":  # it was killed when it was all but over
                assert str(iflow.open_run(left[0].id, store).result()) == expected
                break
            if left:  # else it had not even begun
                assert [run.status for run in left] == ["interrupted"], left
                known = {id for id, o in store.outcomes(left[0].id).items() if o.kind == "task" and not o.cancelled}
                resumed += bool(known)
            begin = EXECUTED.stat().st_size
        most = max(most, deaths)
        check(store)
        (run,) = store.runs()
        assert run.status == "succeeded"
    return {"calls": calls, "killed": killed, "resumed": resumed, "runs": runs, "most": most, "seconds": seconds}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))

"""A process is killed at random moments; what it had begun is continued each time, and ends well."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interactive_flow.store import Store

PROGRAM = Path(__file__).with_name("killed.py")
PROGRAM_OF_PROCESSES = Path(__file__).with_name("killed_workers.py")
KILLS = 200


@pytest.mark.timeout(600)
@pytest.mark.skipif(not hasattr(os, "waitid"), reason="it forks")
def test_killed_at_any_moment_a_run_goes_on_to_the_same_result(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, str(KILLS), "20261122"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["calls"] >= 300
    assert told["killed"] >= KILLS
    assert told["resumed"] >= KILLS // 5  # had something to go on from; the others died before anything was stored
    assert told["most"] > 1  # runs that were continued were killed too


def lines_of(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def is_alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def recorded(store: Store) -> set[tuple[str, ...]]:
    """The steps whose values are stored."""
    return {
        ("step", *map(str, divmod(int(id.partition("#")[2]) - 1, 6)))
        for run in store.runs()
        for id, outcome in store.outcomes(run.id).items()
        if id.startswith("step#") and not outcome.cancelled
    }


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.name != "posix", reason="it kills")
def test_with_tasks_in_processes_too_and_the_workers_go_with_it(tmp_path: Path) -> None:
    executed, store = tmp_path / "executed", Store(tmp_path / "store")
    lots = random.Random(20261122)
    known: set[tuple[str, ...]] = set()
    for kills in range(6):
        begin = len(lines_of(executed))
        command = [sys.executable, PROGRAM_OF_PROCESSES, store.path, executed]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
            if kills < 5:
                wanted = len(known) + lots.randint(1, 6)  # so that there is something left to do after the last kill
                while len(recorded(store)) < wanted:
                    assert program.poll() is None
                    time.sleep(0.001)
                program.kill()
            output, errors = program.communicate(timeout=60)
        assert ("is continued" in errors) == bool(known)
        deadline = time.monotonic() + 20
        while any(is_alive(line[0]) for line in lines_of(executed)[begin:]):
            assert time.monotonic() < deadline, "a worker is left"
            time.sleep(0.01)
        again = known & {tuple(line[1:]) for line in lines_of(executed)[begin:]}
        assert not again, f"recorded, and executed again: {again}"
        assert known <= recorded(store)
        known = recorded(store)
    assert errors.count("\n") == 1
    assert output.strip() == str(sum(n + k for n in range(40) for k in range(6)))
    assert len(known) == 240

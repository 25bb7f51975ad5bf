"""Processes seen from outside: functions of a script, and what is left when a script ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from errands import ends, pipe

REPOSITORY = Path(__file__).parents[2]

SCRIPT = """
import enum, os, signal, sys, time
from dataclasses import dataclass
from pathlib import Path
from interactive_flow import flow, heartbeat, task

class Colour(enum.Enum):
    RED = 1

@dataclass
class Point:
    x: int
    colour: Colour

class Mishap(Exception):
    pass

FACTOR = 3

@task
def scale(point):
    return Point(point.x * FACTOR, point.colour)

@task
def fail():
    raise Mishap("of the script")

@task
def hang(path):
    Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(60)

@flow
def scaled(n):
    return [scale(Point(x, Colour.RED)) for x in range(n)]

def options(wf):
    return wf.options(executor="processes", max_workers=2)

"""


def start(folder: Path, code: str) -> subprocess.Popen[str]:
    """Runs a script, without a guard against being imported by its own workers."""
    script = folder / "script.py"
    script.write_text(SCRIPT + textwrap.dedent(code))
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A script whose task hangs, and the number of the process that the task runs in."""
    path = pipe(tmp_path)
    script = start(tmp_path, f"options(flow(lambda: hang({path!r}))).run()")
    process = int(Path(path).read_text())
    yield script, process
    script.kill()
    script.communicate()


def test_functions_and_classes_of_a_script(tmp_path: Path) -> None:
    script = start(
        tmp_path,
        """
        points = options(scaled).run(100)
        assert points == [Point(3 * x, Colour.RED) for x in range(100)]
        assert type(points[0]) is Point
        assert points[0].colour is Colour.RED
        FACTOR = 5
        assert options(scaled).run(3)[2].x == 10
        try:
            options(flow(lambda: fail())).run()
        except Exception as error:
            assert type(error.__cause__) is Mishap, error.__cause__
            assert 'raise Mishap("of the script")' in str(error.__cause__.__cause__)
        print("fine")
        """,
    )
    out, err = script.communicate(timeout=30)
    assert (out, err, script.returncode) == ("fine\n", "", 0)


def test_no_process_outlives_a_script(tmp_path: Path) -> None:
    code = """
    @task
    def pid():
        return os.getpid()
    print(*options(flow(lambda: [pid() for _ in range(50)])).run())
    """
    out, err = start(tmp_path, code).communicate(timeout=30)
    assert err == ""
    for process in set(out.split()):
        assert ends(int(process))


def test_no_process_outlives_a_script_that_leaves_a_run_behind(tmp_path: Path) -> None:
    path, leave = pipe(tmp_path), pipe(tmp_path, "leave")
    script = start(tmp_path, f"run = options(flow(lambda: hang({path!r}))).start(); print(Path({leave!r}).read_text())")
    process = int(Path(path).read_text())
    Path(leave).write_text("leave")
    out, err = script.communicate(timeout=30)
    assert (out, err, script.returncode) == ("leave\n", "", 0)
    assert ends(process)


def test_a_run_that_a_script_leaves_behind_says_nothing_at_its_end(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    code = f"""
    from interactive_flow.executors.shelf import _end_all
    run = options(flow(lambda: hang({path!r}))).start()
    Path({path!r}).read_text()
    _end_all()  # as at the end of a script, which may take longer than threads need to notice
    print(run.wait(20))
    """
    script = start(tmp_path, code)
    out, err = script.communicate(timeout=30)
    assert (out, err, script.returncode) == ("True\n", "", 0)


def test_no_process_outlives_a_script_that_is_killed(hanging: tuple[subprocess.Popen[str], int]) -> None:
    script, process = hanging
    script.kill()
    assert ends(process)


def test_an_interrupt_kills_what_runs(hanging: tuple[subprocess.Popen[str], int]) -> None:
    script, process = hanging
    script.send_signal(signal.SIGINT)
    _, err = script.communicate(timeout=30)
    assert script.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert ends(process)


def test_a_copy_of_the_script_leaves_its_processes_alone(tmp_path: Path) -> None:
    code = """
    @task
    def pid():
        return os.getpid()
    wf = flow(lambda: pid()).options(executor="processes", max_workers=1)
    before = wf.run()
    copy = os.fork()
    if not copy:
        print("in the copy", wf.run() != before, flush=True)
        sys.exit()  # with all that is done at exit
    os.waitpid(copy, 0)
    print("in the original", wf.run() == before)
    """
    out, err = start(tmp_path, code).communicate(timeout=30)
    assert (out, err) == ("in the copy True\nin the original True\n", "")

"""Ctrl-C and the stop button: in a process of its own, so that the signal is a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PRELUDE = """
import json, os, signal, sys, threading
import interactive_flow as iflow
from interactive_flow import flow, task, wait, TaskError, first, workflow

told = {"finally": []}

def interrupt(*args):
    os.kill(os.getpid(), signal.SIGINT)

def interrupt_once(event):
    # From another thread, as the terminal and the kernel do it, as soon as the main thread is where it should be.
    def wait_and_interrupt():
        assert event.wait(20)
        interrupt()
    threading.Thread(target=wait_and_interrupt, daemon=True).start()

def interrupted(function):
    before = signal.getsignal(signal.SIGINT)
    try:
        told["value"] = function()
    except KeyboardInterrupt:
        told["raised"] = "KeyboardInterrupt"
    except BaseException as error:
        told["raised"] = repr(error)
    told["handler restored"] = signal.getsignal(signal.SIGINT) is before

def tell(wf):
    run = wf.last_run
    told["status"] = run.status
    told["calls"] = {call.id: str(call.state) for call in run.calls}
    told["works again"] = flow(lambda: task(lambda: 2, name="two")() + 1).run()
    told["tasks that go on"] = sum(t.name.startswith("iflow-") and t.is_alive() for t in threading.enumerate())
    print(json.dumps(told))
    sys.stdout.flush()
    os._exit(0)  # a task that hangs is none of our business here

here = threading.Event()

@task
def quick(x=1):
    return x

begun = []

@task
def hangs(after=1):
    begun.append(1)
    if len(begun) >= after:
        here.set()
    threading.Event().wait(60)
"""


def told_by(program: str) -> dict[str, Any]:
    """What a program in a process of its own tells at its end."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PRELUDE + program],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def expect_interrupted(told: dict[str, Any]) -> None:
    assert told["raised"] == "KeyboardInterrupt"
    assert told["handler restored"]
    assert told["status"] == "cancelled"
    assert told["works again"] == 3


def test_while_the_run_waits_for_a_task() -> None:
    told = told_by("""
@flow
def code():
    kept = wait(quick())
    try:
        return hangs() + kept
    finally:
        told["finally"].append("code")
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)
    assert told["calls"] == {"quick#1": "succeeded", "hangs#1": "cancelled"}
    assert told["finally"] == ["code"]


def test_while_what_was_returned_is_missing() -> None:
    told = told_by("""
code = flow(lambda: [quick(), hangs()])
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)
    assert told["calls"]["hangs#1"] == "cancelled"


def test_while_workflow_code_computes() -> None:
    told = told_by("""
@flow
def code():
    wait(quick())
    try:
        here.set()
        while True:
            pass
    finally:
        told["finally"].append("code")
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)
    assert told["calls"] == {"quick#1": "succeeded"}
    assert told["finally"] == ["code"]


def test_while_workflow_code_makes_calls() -> None:
    told = told_by("""
@flow
def code():
    here.set()
    while True:
        quick()
interrupt_once(here)
interrupted(code.options(max_workers=2).run)
told["calls made"] = len(code.last_run.calls)
code._runs[:] = [flow(lambda: 1).start()]; code.last_run.wait()
told["status"] = "cancelled"
tell(code)
""")
    assert told["raised"] == "KeyboardInterrupt"
    assert told["calls made"] >= 1
    assert told["works again"] == 3


def test_while_a_factory_builds_the_code() -> None:
    told = told_by("""
@workflow
def code(quick):
    here.set()
    while True:
        pass
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_while_a_task_runs(executor: str) -> None:
    told = told_by(f"""
@task
def works(n):
    told.setdefault("begun", []).append(n)
    if n == 2:
        here.set()
        event = threading.Event()
        while not event.wait(0.01):
            pass
    return n

@flow
def code():
    results = []
    for call in [works(n) for n in range(50)]:
        try:
            results.append(wait(call))
        except TaskError as error:
            results.append(repr(error))
    return results
interrupt_once(here)
interrupted(code.options(executor={executor!r}, max_workers=1).run)
tell(code)
""")
    expect_interrupted(told)
    assert told["begun"] == [0, 1, 2]
    assert told["calls"]["works#1"] == "succeeded"
    assert "cancelled" in told["calls"].values()


def test_with_code_that_swallows_exceptions() -> None:
    told = told_by("""
@flow
def code():
    while True:
        try:
            hangs() + 1
        except Exception:
            told["swallowed"] = True
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)
    assert "swallowed" not in told


def test_in_sub_workflows_every_finally_is_run() -> None:
    told = told_by("""
@flow
def sub(n):
    try:
        return (sub(n - 1) if n else hangs(after=2)) + 1
    finally:
        told["finally"].append(n)

@flow
def code():
    one, other = sub(3), sub(1)
    return one + other
interrupt_once(here)
interrupted(code.run)
tell(code)
""")
    expect_interrupted(told)
    assert sorted(told["finally"]) == [0, 0, 1, 1, 2, 3]


def test_in_a_run_inside_a_run() -> None:
    told = told_by("""
@flow
def inner():
    return hangs() + 1

@flow
def code():
    quick() + 1
    return inner.run()
interrupt_once(here)
interrupted(code.run)
told["inner"] = inner.last_run.status
tell(code)
""")
    expect_interrupted(told)
    assert told["inner"] == "cancelled"


def test_while_it_waits_for_another_run() -> None:
    told = told_by("""
box, ready, there = [], threading.Event(), threading.Event()
@flow
def other():
    box.append(hangs())
    ready.set()
    return box[0]
background = other.start()
ready.wait(20)

@flow
def code():
    there.set()
    return box[0] + 1
interrupt_once(there)
interrupted(code.run)
told["other"] = background.status
tell(code)
""")
    expect_interrupted(told)
    assert told["other"] == "running"


def test_a_signal_that_comes_while_the_engine_is_at_work_is_not_lost() -> None:
    told = told_by("""
class Interrupting:
    '''Runs nothing, and is interrupted when it is told that a call is not needed: in the middle of a transition.'''
    capacity = 1
    def open(self, port): pass
    def submit(self, job): pass
    def cancel(self, job): signal.raise_signal(signal.SIGINT)
    def close(self): pass

@flow
def code():
    quick()
    return "plain"
interrupted(code.options(executor=Interrupting()).run)
told["works again"] = 3
told["status"] = code.last_run.status
tell(code)
""")
    assert told["raised"] == "KeyboardInterrupt"
    assert told["status"] in ("succeeded", "cancelled")


def test_many_signals_at_any_time_never_break_the_engine() -> None:
    """An interrupt every few hundred bytecodes or so, in dozens of runs: each run ends, one way or the other."""
    told = told_by("""
outcomes = []
@flow
def code():
    total = 0
    for n in range(30):
        total += wait(quick(n)) + (quick(1) + quick(2))
    return total

assert code.run() == sum(range(30)) + 90
signal.signal(signal.SIGALRM, lambda *a: signal.raise_signal(signal.SIGINT))
for turn in range(60):
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0004 * (1 + turn % 13))
            assert code.run() == sum(range(30)) + 90
            outcomes.append("value")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        outcomes.append("interrupted")
    assert code.last_run.wait(10)
    assert code.last_run.status in ("succeeded", "cancelled"), code.last_run.status
    code.last_run.record()
told["kinds"] = sorted(set(outcomes))
told["handler restored"] = signal.getsignal(signal.SIGINT) is signal.default_int_handler
tell(code)
""")
    assert "interrupted" in told["kinds"]
    assert told["handler restored"]
    assert told["works again"] == 3


def test_a_handler_of_the_users_own_is_left_alone() -> None:
    told = told_by("""
signal.signal(signal.SIGINT, lambda *a: told.setdefault("own handler", True))
@flow
def code():
    interrupt()
    return quick()
interrupted(code.run)
tell(code)
""")
    assert told["own handler"] is True
    assert (told["status"], told["value"], told["handler restored"]) == ("succeeded", 1, True)


def test_in_another_thread_a_run_leaves_signals_alone() -> None:
    told = told_by("""
before = signal.getsignal(signal.SIGINT)
code = flow(lambda: (signal.getsignal(signal.SIGINT) is before, quick())[0])
told["value"] = code.start().result()
tell(code)
""")
    assert told["value"] is True


def test_waiting_for_a_background_run_can_be_interrupted_and_the_run_goes_on() -> None:
    told = told_by("""
code = flow(lambda: hangs())
interrupt_once(here)
interrupted(lambda: code.start().result())
tell(code)
""")
    assert (told["raised"], told["status"]) == ("KeyboardInterrupt", "running")

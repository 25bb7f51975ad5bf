"""A run of half a minute that is ended by hand while its cell is busy: soon, and with nothing left behind.

How soon it ended is printed (``pytest -rP``), and asserted only against a bound that no machine should miss.
"""

from __future__ import annotations

from typing import Any

import pytest
from looks import LIVE

BOUND = 5.0
"""Seconds; it takes some tenths of one, and the run that is ended would take thirty."""

# `hears` is a task that hears that it is cancelled.  `deaf` hears nothing; only its process can be ended all the same.
TASKS = """\
import threading, time, psutil
from interactive_flow import flow, heartbeat, task

@task
def hears(n):
    end = time.monotonic() + 30
    while heartbeat((30 - end + time.monotonic()) / 30) and time.monotonic() < end:
        time.sleep(0.05)

@task
def deaf(n):
    time.sleep(30)

@flow
def half_a_minute(task, n):
    return [task(k) for k in range(n)]
"""
WORKERS = """\
def left_behind():
    # The worker that hears clicks is the panels', not a run's.
    threads = [t.name for t in threading.enumerate() if t.name.startswith("iflow-") and t.name != "iflow-clicks"]
    return threads + [child.name() for child in psutil.Process().children(recursive=True)]

def none_left():
    end = time.monotonic() + 10
    while left_behind() and time.monotonic() < end:
        time.sleep(0.01)
    return left_behind()
"""


def seconds_until_it_ended(notebook: Any, end: Any) -> float:
    """Does what ends the run; the seconds from then until the cell had ended, on the page's clock."""
    page = notebook.page
    page.evaluate(
        """() => {
            const prompt = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].at(-1);
            window.iflowTook = null;
            const look = () => {
                if (prompt.textContent === "[*]:") return;
                watcher.disconnect();
                window.iflowTook = performance.now() - window.iflowPressed;
            };
            const watcher = new MutationObserver(look);
            watcher.observe(prompt, { childList: true, characterData: true, subtree: true });
            const pressed = () => { window.iflowPressed = performance.now(); };
            document.addEventListener("pointerdown", pressed, { capture: true, once: true });
        }"""
    )
    end()
    page.wait_for_function("() => window.iflowTook !== null")
    return float(page.evaluate("() => window.iflowTook")) / 1000


@pytest.mark.parametrize(("executor", "task"), [("threads", "hears"), ("processes", "deaf")])
def test_a_long_run_ends_soon_and_leaves_nothing(open_notebook: Any, executor: str, task: str) -> None:
    run = f"half_a_minute.options(executor={executor!r}, max_workers=4).run({task}, 4)"
    notebook = open_notebook("half.ipynb", TASKS, WORKERS, run)
    page, output = notebook.page, notebook.output(2)
    buttons = {
        "TaskCancelled": output.get_by_role("button", name="Cancel"),
        "KeyboardInterrupt": page.get_by_role("button", name="Interrupt the kernel").first,
    }
    for error, button in buttons.items():
        notebook.run_all()  # the second time, the kernel proves to be as good as new
        # A worker that has nothing to do yet would be kept for the next run.
        output.locator(f"{LIVE} [data-node][data-state=running]").nth(3).wait_for()
        took = seconds_until_it_ended(notebook, button.click)
        notebook.wait_until_run()
        print(f"{executor}: {error} after {took:.2f} s")
        assert took < BOUND
        assert output.locator(".iflow-header .iflow-state").inner_text().split() == ["⊘", "cancelled"]
        assert error in notebook.text(2)
        assert notebook.execute("1 + 1, half_a_minute.last_run.status") == "(2, 'cancelled')"
        assert notebook.execute("none_left()") == "[]"

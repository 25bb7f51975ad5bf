"""Executors in a notebook's kernel: functions of cells in processes, coroutines on the kernel's own loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from errands import ends, pipe
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[2]

DEFINITIONS = """
import asyncio, os, signal, sys, threading, time
from pathlib import Path
from interactive_flow import configure, flow, task
from interactive_flow.executors import AsyncExecutor
configure(display="none")

FACTOR = 2

@task
def scale(x):
    return helper(x) * FACTOR

@task
def helper(x):
    return x + 1

@task
def hang(path):
    Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(60)

@flow
def scaled(n):
    return [scale(x) for x in range(n)]

LOOP = asyncio.get_running_loop()

@task
async def on_the_loop(x):
    await asyncio.sleep(0)
    print("task", x)
    return asyncio.get_running_loop() is LOOP

@flow
def looping(n):
    return [on_the_loop(x) for x in range(n)]

@task
async def sleep(path):
    try:
        await asyncio.get_running_loop().run_in_executor(None, Path(path).write_text, "sleeping")
        await asyncio.sleep(60)
    finally:
        ENDED.append("ended")

ENDED = []
"""


@pytest.fixture(scope="module")
def client() -> Iterator[NotebookClient]:
    client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", timeout=40)
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    with client.setup_kernel(env={**os.environ, "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}):
        yield client


@pytest.fixture(scope="module")
def cell(client: NotebookClient) -> Callable[[str], str]:
    """Executes a cell; what it printed."""

    def execute(source: str) -> str:
        cell = nbformat.v4.new_code_cell(source)
        client.nb.cells.append(cell)
        client.execute_cell(cell, len(client.nb.cells) - 1)
        return "".join(output.text for output in cell.outputs if output.output_type == "stream")

    execute(DEFINITIONS)
    return execute


def test_functions_of_cells_in_processes(cell: Any) -> None:
    assert cell("print(scaled.options(executor='processes').run(4))") == "[2, 4, 6, 8]\n"


def test_cells_that_change_what_functions_use(cell: Any) -> None:
    cell("FACTOR = 10")
    assert cell("print(scaled.options(executor='processes').run(2))") == "[10, 20]\n"
    cell("@task\ndef helper(x):\n    return x + 2")
    assert cell("print(scaled.options(executor='processes').run(2))") == "[20, 30]\n"


def test_tasks_print_in_the_cell_that_runs_them(cell: Any) -> None:
    code = "flow(lambda: task(lambda: print('from a process'))()).options(executor='processes').run()"
    assert cell(code) == "from a process\n"


def test_the_stop_button_kills_the_process(cell: Any, client: NotebookClient, tmp_path: Path) -> None:
    path = pipe(tmp_path)
    said = cell(
        f"""
read = []
def stop():
    read.append(Path({path!r}).read_text())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=stop).start()
try:
    flow(lambda: hang({path!r})).options(executor="processes").run()
except KeyboardInterrupt:
    print("interrupted", read[0])
"""
    )
    word, process = said.split()
    assert word == "interrupted"
    assert ends(int(process))


def test_coroutines_on_the_loop_of_the_notebook_while_a_cell_blocks(cell: Any) -> None:
    assert cell("print(hasattr(asyncio, '_nest_patched'))") == "False\n"
    run = "print(looping.options(executor=AsyncExecutor(loop='kernel')).run(2))"
    assert cell(run) == "task 0\ntask 1\n[True, True]\n"
    assert cell(run) == "task 0\ntask 1\n[True, True]\n"


def test_coroutines_on_the_loop_of_the_notebook_while_a_cell_awaits(cell: Any) -> None:
    run = "print(await looping.options(executor=AsyncExecutor(loop='kernel')).start(2))"
    assert cell(run) == "task 0\ntask 1\n[True, True]\n"


def test_the_stop_button_cancels_coroutines(cell: Any, tmp_path: Path) -> None:
    path = pipe(tmp_path)
    said = cell(
        f"""
def stop():
    Path({path!r}).read_text()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=stop).start()
sleeping = flow(lambda: sleep({path!r})).options(executor=AsyncExecutor(loop="kernel"))
try:
    sleeping.run()
except KeyboardInterrupt:
    print("interrupted", sleeping.last_run.status)
"""
    )
    assert said == "interrupted cancelled\n"
    assert cell("await asyncio.sleep(0); print(ENDED)") == "['ended']\n"


def test_some_tasks_on_the_loop_of_the_notebook(cell: Any) -> None:
    said = cell(
        """
there = task(on_the_loop.fn, name="there", executor=AsyncExecutor(loop="kernel"))
scaling = task(scale.fn, name="scaling", executor="threads")
mixed = flow(lambda: [there(scaling(x)) for x in range(3)])
print(mixed.run())
print(mixed.options(executor="processes").run())
"""
    )
    assert said.splitlines()[3] == said.splitlines()[7] == "[True, True, True]"


def test_the_loop_of_the_notebook_and_a_clock_that_is_not_the_machine_s(cell: Any) -> None:
    said = cell(
        """
from interactive_flow.testing import DeterministicExecutor
try:
    mixed.options(executor=DeterministicExecutor(2)).run()
except RuntimeError as error:
    print(error)
"""
    )
    assert "does not go with this run's own executor" in said


def test_a_kernel_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", timeout=40)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with client.setup_kernel(env=env):
        for source in (DEFINITIONS, f"run = flow(lambda: hang({path!r})).options(executor='processes').start()"):
            cell = nbformat.v4.new_code_cell(source)
            client.nb.cells.append(cell)
            client.execute_cell(cell, len(client.nb.cells) - 1)
        process = int(Path(path).read_text())
    assert ends(process)

"""Kernels to run cells in, and a notebook's shell without a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient
from traitlets.config import Config

REPOSITORY = Path(__file__).resolve().parents[2]

DEFINITIONS = """\
%load_ext interactive_flow
import time
from interactive_flow import flow, task, workflow

@task
def double(x):
    return 2 * x

@task
def broken(x):
    raise OSError(f"no <such> thing as {x}")

@flow
def quick():
    return [double(n) for n in range(3)]

@flow
def slow():
    return [nap(n) for n in range(2)]

@task
def nap(x):
    time.sleep(0.9)
    return x
"""


class Kernel:
    """A kernel whose cells are executed one by one, as in a notebook."""

    def __init__(self) -> None:
        self.client = NotebookClient(nbformat.v4.new_notebook(), kernel_name="python3", timeout=40, allow_errors=True)

    @contextmanager
    def running(self) -> Iterator[Kernel]:
        """Runs the kernel as long as it is entered."""
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        with self.client.setup_kernel(env={**os.environ, "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}):
            yield self

    def run(self, source: str) -> Any:
        """Executes a new cell; returns it with its outputs."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.nb.cells.append(cell)
        return self.again(cell)

    def again(self, cell: Any) -> Any:
        """Executes a cell once more."""
        return self.client.execute_cell(cell, self.client.nb.cells.index(cell))


@pytest.fixture
def fresh_kernel() -> Iterator[Kernel]:
    """A kernel in which nothing was done yet."""
    with Kernel().running() as kernel:
        yield kernel


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel with the extension and a few definitions, shared by the tests of a module."""
    with Kernel().running() as kernel:
        kernel.run(DEFINITIONS)
        yield kernel


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """A shell in this process that keeps what is displayed in ``shell.display_pub.outputs``."""
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.display_pub = CapturingDisplayPublisher()
    yield shell
    InteractiveShell.clear_instance()

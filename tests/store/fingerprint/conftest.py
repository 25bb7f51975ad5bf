"""A notebook without a kernel, a folder for a user's modules, and programs that run by themselves."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from interactive_flow.store.fingerprint import CodeFingerprint, code_fingerprint

ROOT = Path(__file__).parents[3]


class Notebook:
    """Runs cells as IPython does: each compiled by itself, under a name made from its text."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def run(self, *cells: str) -> Notebook:
        for cell in cells:
            self._shell.run_cell(cell, store_history=True).raise_error()
        return self

    def restart(self) -> Notebook:
        """Forgets all names and begins to count at 1."""
        self._shell.reset(new_session=True)
        return self

    def __getitem__(self, name: str) -> Any:
        return self._shell.user_ns[name]

    def fingerprint(self, name: str) -> CodeFingerprint:
        return code_fingerprint(self[name])

    def cell_of(self, file: str) -> int | None:
        label = self._shell.compile.format_code_name(file)
        return int(label[1].removeprefix("In[").removesuffix("]")) if label else None


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    main = sys.modules["__main__"]
    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    yield Notebook(shell)
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Writes a module of the user's and imports it, anew each time."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, source: str) -> Any:
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
        for known in [known for known in sys.modules if known.partition(".")[0] == name.partition(".")[0]]:
            del sys.modules[known]
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[name], "__file__", None) or ""):
            del sys.modules[name]


@pytest.fixture
def run_program(tmp_path: Path) -> Callable[..., str]:
    """Runs a program in an interpreter of its own; what it prints."""

    def run(source: str, name: str = "program", seed: int = 0) -> str:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run

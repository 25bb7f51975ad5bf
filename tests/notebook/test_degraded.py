"""Where something is missing: a kernel that does not find it still ends a cell with a view, and gives one hint."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from interactive_flow.views.render import renderer

REPOSITORY = Path(__file__).resolve().parents[2]

CODE = """\
import time
from interactive_flow import flow, task

@task
def nap(x):
    time.sleep(0.35)
    return x

@flow
def naps():
    return nap(nap(1))
"""
RUNS = ["naps.run()", "naps.run()", "run = naps.start(); run", "run.result()", "naps.last_run"]


def hide(folder: Path, packages: list[str]) -> None:
    """Writes a module that Python imports as it starts, and that lets it find nothing of these packages."""
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(f"""\
            import sys
            from importlib import metadata

            HIDDEN = {packages!r}

            class Hider:
                def find_spec(self, name, path=None, target=None):
                    if name.partition(".")[0] in HIDDEN:
                        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

            find = metadata.distribution

            def distribution(name):
                if name.replace("-", "_") in HIDDEN:
                    raise metadata.PackageNotFoundError(name)
                return find(name)

            sys.meta_path.insert(0, Hider())
            metadata.distribution = distribution
            """),
        encoding="utf-8",
    )


def executed(folder: Path, path: str) -> nbformat.NotebookNode:
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in [CODE, *RUNS]])
    client = NotebookClient(book, kernel_name="python3", timeout=50)
    python_path = os.pathsep.join(filter(None, [str(folder), str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": python_path, "PATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    with client.setup_kernel(env=environment):
        for number, cell in enumerate(book.cells):
            client.execute_cell(cell, number)
    return book


NO_WIDGETS = ["ipywidgets", "anywidget"]
NO_RENDERER = ["graphviz", "graphviz_pure"]


@pytest.mark.parametrize(
    ("hidden", "dot", "drawn", "hint"),
    [
        ([], False, True, ""),
        (NO_RENDERER, False, False, "Graphs are not drawn"),
        (NO_WIDGETS, True, True, "no interactive panels (No module named 'anywidget')"),
        ([*NO_WIDGETS, *NO_RENDERER], False, False, "no interactive panels (No module named 'anywidget')"),
    ],
    ids=["no dot", "no renderer", "no widgets", "only the core"],
)
def test_it_ends_with_a_view_and_one_hint(tmp_path: Path, hidden: list[str], dot: bool, drawn: bool, hint: str) -> None:
    if dot and renderer() is None:
        pytest.skip("nothing draws graphs here, so there is nothing to hide the rest from")
    hide(tmp_path, hidden)
    book = executed(tmp_path, os.environ["PATH"] if dot else str(tmp_path))
    outputs = [output for cell in book.cells for output in cell.outputs]
    said = [output.text for output in outputs if output.output_type == "stream"]
    assert len(said) == bool(hint), said
    for text in said:
        assert hint in text
        assert text.count("pip install 'interactive_flow[notebook]'") == 1
        assert len(text.splitlines()) == 1, "not with a line of code"
    panels = [output.data for output in outputs if "text/html" in output.get("data", {})]
    assert len(panels) == 4, "each run once, and the last one once more"
    for panel in panels:
        assert "naps  ✓ succeeded" in panel["text/plain"]
        assert set(panel) == {"text/html", "text/plain"}
        html = panel["text/html"]
        assert "2 of 2 calls done" in html
        assert "iflow-timeline" in html
        assert ("data-node" in html) == drawn
        assert ("flowchart TD" in html) == (not drawn)
        assert ("there is no Graphviz renderer" in html) == (not drawn)
        assert "pip install" not in html
    assert book.cells[1].outputs[-1].data["text/plain"] == "1"


def test_what_is_hidden_is_not_found(tmp_path: Path) -> None:
    hide(tmp_path, [*NO_WIDGETS, *NO_RENDERER])
    code = "from interactive_flow.views.render import renderer; print(renderer())\nimport anywidget"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}", "PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "None\n"
    assert "No module named 'anywidget'" in done.stderr

"""What the buttons of a panel do."""

from __future__ import annotations

from pathlib import Path

import pytest

from interactive_flow import flow, task
from interactive_flow.notebook.actions import save_report


@pytest.fixture
def run():
    """A run that has ended, with a name that is no file name."""
    started = flow(lambda: task(abs)(-1)).options(name="../a <b>/c", display="none").start()
    started.result()
    return started


def test_the_report_goes_beside_the_notebook(run, tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "book.ipynb"))
    said = save_report(run)
    (report,) = tmp_path.iterdir()
    assert report.name == f"a_b_c-{run.id}.html"
    assert said == f"Report saved as {report}"
    assert "&lt;b&gt;" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("session", ["", "book.ipynb", "/no/such/folder/book.ipynb", "8f1c-a-session"])
def test_where_the_notebook_is_not_known_it_goes_where_the_kernel_works(run, tmp_path, monkeypatch, session):
    monkeypatch.setenv("JPY_SESSION_NAME", session)
    monkeypatch.chdir(tmp_path)
    assert save_report(run) == f"Report saved as {Path.cwd() / f'a_b_c-{run.id}.html'}"


def test_it_is_told_why_a_report_cannot_be_written(run, tmp_path, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "book.ipynb"))
    (tmp_path / f"a_b_c-{run.id}.html").mkdir()
    assert save_report(run).startswith("The report could not be saved: [Errno ")

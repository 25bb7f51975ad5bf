"""The command line: the demo as people run it, and what it says when something is wrong."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import interactive_flow
from interactive_flow import cli
from interactive_flow.examples import sleeping

ROOT = Path(interactive_flow.__file__).parents[1]


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m interactive_flow`` as a process of its own, warnings being errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "interactive_flow", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=50,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo was started."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    """The demo, run once."""
    return command("demo", "--fast", "--output", "made", cwd=folder)


class TestDemo:
    def test_it_succeeds(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.returncode == 0, done.stderr

    def test_it_tells_the_times(self, done: subprocess.CompletedProcess[str]) -> None:
        for words in ("sequential", "concurrent", "ratio", "critical path"):
            assert words in done.stdout
        (row,) = (line for line in done.stdout.splitlines() if line.startswith("Tasks that only sleep") and "x" in line)
        found = re.search(r"([\d.]+) s +([\d.]+) s +([\d.]+)x +([\d.]+) s$", row)
        assert found
        sequential, concurrent, ratio, _ = map(float, found.groups())
        assert ratio == pytest.approx(sequential / concurrent, rel=0.1)

    def test_it_draws_both_graphs(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stdout.count("── ✓ embed_subtitles") == 2
        assert done.stdout.count("║ barrier at workflow.py:") == 2
        assert done.stdout.count("── ✓ extract_thumbnail #") == 4 + 3
        assert "Critical path" in done.stdout

    def test_the_display_is_on_standard_error(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.stderr.count("✓ process_video succeeded") == 2
        assert "process_video succeeded" not in done.stdout

    def test_it_writes_what_it_says(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        for report in ("real-clip.html", "sleeping.html"):
            assert str(Path("made", report)) in done.stdout
            assert "process_video" in (folder / "made" / report).read_text(encoding="utf-8")
        for way in ("sequential", "concurrent"):
            files = sorted(path.name for path in (folder / "made" / "clip" / way).iterdir())
            assert files == [
                "clip-at-000.000.jpg",
                "clip-at-000.600.jpg",
                "clip-at-001.200.jpg",
                "clip-at-001.800.jpg",
                "clip-subtitled-encoded.mov",
                "clip-subtitled-encoded.mp4",
                "clip-subtitled-encoded.webm",
                "clip-subtitled.mp4",
                "clip.mp4",
                "clip.srt",
            ]

    def test_it_says_how_to_go_on(self, done: subprocess.CompletedProcess[str]) -> None:
        assert "make lab" in done.stdout


def test_the_version(tmp_path: Path) -> None:
    assert command("--version", cwd=tmp_path).stdout == f"interactive_flow {interactive_flow.__version__}\n"


def test_a_command_is_needed(tmp_path: Path) -> None:
    done = command(cwd=tmp_path)
    assert done.returncode == 2
    assert "COMMAND" in done.stderr


def test_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("av", "rich") else found(name))
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "The demo needs av, rich: pip install 'interactive_flow[examples,terminal]'\n"


def with_tasks(monkeypatch: pytest.MonkeyPatch, **others: Callable[..., Any]) -> None:
    """Only the sleeping half of the demo, without sleep, with other tasks."""
    tasks = {**sleeping.tasks(lambda seconds: None), **others}
    monkeypatch.setattr(sleeping, "tasks", lambda *_: tasks)
    monkeypatch.setattr(cli, "_with_a_clip", cli._with_sleep)


def test_different_results_are_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    count = itertools.count()
    with_tasks(monkeypatch, target_ads=lambda keywords: [f"advertisement {next(count)}"])
    assert cli.main(["demo", "--output", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("The demo failed: Tasks that only sleep, 8 workers: the concurrent")
    assert "same results" not in captured.out


def test_an_error_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    calls = itertools.count()

    def fail_the_second_time(keywords: list[str]) -> list[str]:
        if next(calls):
            raise OSError("no server")
        return []

    with_tasks(monkeypatch, target_ads=fail_the_second_time)
    assert cli.main(["demo", "--output", str(tmp_path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "The demo failed: TaskError: target_ads#1 failed: OSError: no server"
    assert any("fail_the_second_time" in line for line in lines), "no traceback of the task"


def test_an_interrupt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def interrupt(keywords: list[str]) -> list[str]:
        raise KeyboardInterrupt

    with_tasks(monkeypatch, target_ads=interrupt)
    assert cli.main(["demo", "--output", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"

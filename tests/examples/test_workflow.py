"""The workflow of the examples: one closure for tasks that sleep and tasks that work."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from interactive_flow.examples import sleeping, video
from interactive_flow.examples.clip import Clip
from interactive_flow.examples.workflow import FORMATS, process_video
from interactive_flow.testing import DeterministicExecutor
from interactive_flow.views.critical import critical_path


def test_the_sleeping_tasks_sleep_as_long_as_promised() -> None:
    slept: list[float] = []
    encoded, thumbnails, ads = process_video.inject(**sleeping.tasks(slept.append)).sequential("talk.mp4", "talk.srt")
    assert sum(slept) == pytest.approx(5.7)
    assert encoded == [f"talk.mp4 with talk.srt as {fmt}" for fmt in FORMATS]
    assert thumbnails == [f"talk.mp4 at {chapter} s" for chapter in sleeping.CHAPTERS]
    assert len(ads) == 2


@pytest.mark.parametrize(
    ("name", "arguments", "seconds"),
    [
        ("embed_subtitles", ("v", "s"), 0.5),
        ("encode_video", ("v", "mp4"), 1.0),
        ("find_chapters", ("v",), 0.5),
        ("extract_thumbnail", ("v", 0.0), 0.3),
        ("analyze_subtitles", ("s",), 0.0),
        ("target_ads", ([],), 0.8),
    ],
)
def test_each_sleeping_task(name: str, arguments: tuple[Any, ...], seconds: float) -> None:
    slept: list[float] = []
    sleeping.tasks(slept.append)[name](*arguments)
    assert sum(slept) == pytest.approx(seconds)


def test_concurrently_the_result_is_the_same() -> None:
    injected = process_video.inject(**sleeping.tasks(lambda seconds: None)).options(display="none")
    assert injected.run("talk.mp4", "talk.srt") == injected.sequential("talk.mp4", "talk.srt")


@pytest.mark.parametrize(("workers", "seconds"), [(1, 5.7), (8, 1.5)])
def test_the_sleeping_tasks_take_as_long_as_promised(workers: int, seconds: float) -> None:
    executor = DeterministicExecutor(workers)
    injected = process_video.inject(**sleeping.tasks(executor.clock.sleep)).options(executor=executor, display="none")
    injected.run("talk.mp4", "talk.srt")
    assert injected.last_run is not None
    record = injected.last_run.record()
    assert record.finished_at == pytest.approx(seconds)
    assert critical_path(record)[0] == pytest.approx(1.5)


def test_the_graph_is_the_one_described() -> None:
    run = process_video.inject(**sleeping.tasks(lambda seconds: None)).options(display="none").start("v", "s")
    run.result()
    assert {call.id: call.depends_on for call in run.calls} == {
        "embed_subtitles#1": (),
        "encode_video#1": ("embed_subtitles#1",),
        "encode_video#2": ("embed_subtitles#1",),
        "encode_video#3": ("embed_subtitles#1",),
        "analyze_subtitles#1": (),
        "target_ads#1": ("analyze_subtitles#1",),
        "find_chapters#1": (),
        "extract_thumbnail#1": (),
        "extract_thumbnail#2": (),
        "extract_thumbnail#3": (),
    }


def test_both_sets_of_tasks_fit_the_workflow() -> None:
    wanted = set(inspect.signature(process_video).parameters)
    assert set(sleeping.tasks()) == set(video.tasks()) == wanted


def test_the_real_tasks_give_the_same_files_either_way(clip: Clip, tmp_path: Path) -> None:
    injected = process_video.inject(**video.tasks()).options(display="none")
    encoded, thumbnails, ads = injected.run(clip.video, clip.subtitles)
    assert [Path(path).name for path in encoded] == [f"clip-subtitled-encoded.{fmt}" for fmt in FORMATS]
    assert len(thumbnails) == 4
    assert ads[0] == "Lamps that wake you gently"
    concurrent = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert injected.sequential(clip.video, clip.subtitles) == (encoded, thumbnails, ads)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == concurrent

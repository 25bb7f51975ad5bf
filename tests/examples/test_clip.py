"""The clip is what its description says, and the same each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from interactive_flow.examples.clip import SCENES, Clip, make_clip
from interactive_flow.examples.subtitles import read_subtitles


def test_the_video_has_four_scenes_and_sound(small_clip: Clip, probe: Callable[[str], Any]) -> None:
    found = probe(small_clip.video)
    assert (found.video, found.audio) == ("h264", "aac")
    assert found.pictures.shape == (60, 90, 160, 3)
    assert found.seconds == pytest.approx(2.4, abs=0.05)


def test_only_the_cuts_change_the_picture_much(small_clip: Clip, probe: Callable[[str], Any]) -> None:
    pictures = probe(small_clip.video).pictures
    change = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    largest = sorted(int(index) + 1 for index in np.argsort(change)[-3:])
    assert [index / 25 for index in largest] == pytest.approx(small_clip.cuts)


def test_each_scene_has_its_tone(small_clip: Clip) -> None:
    with av.open(small_clip.video) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    for number, (_, pitch, _) in enumerate(SCENES):
        middle = sound[int((number + 0.25) * 0.6 * 48_000) : int((number + 0.75) * 0.6 * 48_000)]
        spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
        assert spectrum.argmax() * 48_000 / middle.size == pytest.approx(pitch, abs=5)


def test_each_scene_has_its_subtitle(small_clip: Clip) -> None:
    cues = read_subtitles(small_clip.subtitles)
    assert [cue.text for cue in cues] == [text for _, _, text in SCENES]
    for cue, begin, end in zip(cues, (0, *small_clip.cuts), (*small_clip.cuts, 2.4), strict=True):
        assert begin < cue.start < cue.end < end


def test_it_is_the_same_each_time(small_clip: Clip, tmp_path: Path) -> None:
    again = make_clip(tmp_path / "made" / "anew", seconds=0.6, width=160, height=90)
    assert again.cuts == small_clip.cuts
    for one, other in zip(again[:2], small_clip[:2], strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()

"""A small clip that all tests of the examples share, and a way to look into videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeAlias

import av
import numpy as np
import pytest

from interactive_flow.examples.clip import Clip, make_clip


class Probe(NamedTuple):
    """What is in a media file."""

    video: str
    audio: str | None
    seconds: float
    pictures: np.ndarray
    """Frame, row, column, colour."""


def _probe(path: str | Path) -> Probe:
    with av.open(str(path)) as container:
        audio = [stream.codec_context.name for stream in container.streams.audio]
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]).astype(int)
        return Probe(
            video=container.streams.video[0].codec_context.name,
            audio=audio[0] if audio else None,
            seconds=(container.duration or 0) / av.time_base,
            pictures=pictures,
        )


Prober: TypeAlias = Callable[[str | Path], Probe]


@pytest.fixture
def probe() -> Prober:
    """Looks into a media file."""
    return _probe


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Four scenes of 0.6 s, 15 frames each; only to be read, since tests share it."""
    return make_clip(tmp_path_factory.mktemp("clip"), seconds=0.6, width=160, height=90)


@pytest.fixture
def clip(small_clip: Clip, tmp_path: Path) -> Clip:
    """A copy of it, in a folder of the test's own."""
    copies = []
    for path in (Path(small_clip.video), Path(small_clip.subtitles)):
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes())
        copies.append(str(copy))
    return Clip(*copies, small_clip.cuts)

"""Makes the clip that the examples work on: a real video with hard cuts and a tone, and its subtitles.

Four scenes (a sunrise, the sea, a wood, a city at night) are drawn as arrays, one frame at a time, and encoded with
PyAV.  Within a scene things move slowly; from one scene to the next all colours change, so that there are true cuts to
be found, at times which are known.  Nothing is random and every encoder runs on one thread, so the same call
writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Scene: TypeAlias = Callable[[Array, Array, float], tuple[Array, Array, Array]]
"""Draws one frame: takes x and y of each pixel (0 to 1, from the top left) and seconds since the scene began, and gives
red, green and blue (0 to 255)."""

SAMPLE_RATE = 48_000
"""Audio samples a second."""


class Clip(NamedTuple):
    """A clip on disk."""

    video: str
    """Path of the MP4 file: H.264 and AAC."""
    subtitles: str
    """Path of the subtitles, in SubRip form."""
    cuts: tuple[float, ...]
    """Seconds at which one scene gives way to the next."""


def _sunrise(x: Array, y: Array, t: float) -> tuple[Array, Array, Array]:
    sun = np.hypot((x - 0.5) * 16 / 9, y - 0.75 + 0.1 * t) < 0.15
    return np.where(sun, 255, 250 - 70 * y), np.where(sun, 235, 150 - 60 * y), np.where(sun, 150, 60 + 60 * y)


def _sea(x: Array, y: Array, t: float) -> tuple[Array, Array, Array]:
    waves = np.sin(40 * y**1.5 + 3 * np.sin(6 * x + 2 * t) - 4 * t)
    return 15 + 10 * waves, 95 + 30 * waves, 175 + 45 * waves


def _wood(x: Array, y: Array, t: float) -> tuple[Array, Array, Array]:
    trunks = np.sin(45 * (x + 0.04 * t) + 2 * np.sin(3 * y)) > 0.3
    light = 1 - 0.4 * y
    return np.where(trunks, 70, 60) * light, np.where(trunks, 50, 160) * light, np.where(trunks, 30, 45) * light


def _city(x: Array, y: Array, t: float) -> tuple[Array, Array, Array]:
    column = np.floor((x + 0.02 * t) * 14)
    building = y > 0.35 + 0.3 * np.abs(np.sin(7 * column))
    window = building & ((x + 0.02 * t) * 14 % 1 > 0.45) & (y * 12 % 1 > 0.55) & (np.sin(5 * column + 9 * y) > -0.5)
    return np.where(window, 230, 12), np.where(window, 200, 10), np.where(window, 110, np.where(building, 18, 55))


SCENES: tuple[tuple[Scene, float, str], ...] = (
    (_sunrise, 262.0, "The sun rises early:\nfirst light, first coffee."),
    (_sea, 330.0, "Then the sea. A sailing boat\nneeds wind, light and a sail."),
    (_wood, 392.0, "In the wood we walk\nuntil the boots are worn."),
    (_city, 523.0, "Back in the city by night:\nlight in all windows, and music."),
)
"""The scenes in order: how each is drawn, its tone in hertz, and what the subtitles say."""


def make_clip(folder: str | Path, *, seconds: float = 2.0, width: int = 320, height: int = 180, rate: int = 25) -> Clip:
    """Writes ``clip.mp4`` and ``clip.srt`` into `folder` (made where it is missing) and says where they are.

    `seconds` is the length of each of the four scenes, `rate` the frames a second; `width` and `height` are in
    pixels, and even.

    Example:
        >>> clip = make_clip("build/clip")
        >>> clip.video, clip.cuts
        ('build/clip/clip.mp4', (2.0, 4.0, 6.0))
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = max(round(seconds * rate), 1)
    length = frames / rate
    video, subtitles = folder / "clip.mp4", folder / "clip.srt"
    with av.open(str(video), "w", options={"fflags": "+bitexact"}) as container:
        pictures = container.add_stream("libx264", rate=rate, options={"preset": "fast", "crf": "16", "mbtree": "0"})
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for stream in (pictures, sound):
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        # Scene by scene, so that pictures and sound lie near each other in the file, as a player wants them.
        for number, (scene, pitch, _) in enumerate(SCENES):
            for picture in _pictures(scene, number * frames, frames, width, height, rate):
                container.mux(pictures.encode(picture))
            container.mux(sound.encode(_tone(pitch, number * length, length)))
        for stream in (pictures, sound):
            container.mux(stream.encode(None))
    subtitles.write_text(_subrip(length), encoding="utf-8")
    return Clip(str(video), str(subtitles), tuple(n * frames / rate for n in range(1, len(SCENES))))


def _pictures(scene: Scene, first: int, count: int, width: int, height: int, rate: int) -> Iterator[av.VideoFrame]:
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    for index in range(count):
        picture = np.stack(np.broadcast_arrays(*scene(x, y, index / rate)), axis=-1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.clip(0, 255), dtype=np.uint8), format="rgb24")
        frame.pts, frame.time_base = first + index, Fraction(1, rate)
        yield frame


def _tone(pitch: float, start: float, seconds: float) -> av.AudioFrame:
    first, last = round(start * SAMPLE_RATE), round((start + seconds) * SAMPLE_RATE)
    wave = 0.1 * np.sin(2 * np.pi * pitch / SAMPLE_RATE * np.arange(first, last))
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32).reshape(1, -1), format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
    return frame


def _subrip(length: float) -> str:
    """The subtitles: each scene's text, from a tenth of the scene to nine tenths."""
    blocks = []
    for number, (_, _, text) in enumerate(SCENES):
        begin, end = (_timestamp((number + part) * length) for part in (0.1, 0.9))
        blocks.append(f"{number + 1}\n{begin} --> {end}\n{text}\n")
    return "\n".join(blocks)


def _timestamp(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"

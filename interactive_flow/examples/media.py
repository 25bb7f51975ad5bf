"""What the video tasks share: opening, encoding, and files that appear only when they are complete.

PyAV (FFmpeg's libraries) decodes and encodes with the interpreter lock released, so that threads really share the
machine's cores.  Each decoder and encoder is held to one thread of its own: it is the workflow that spreads the work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import av
import numpy as np
from av.container import InputContainer
from numpy.typing import NDArray

from interactive_flow import TaskCancelled, heartbeat

Picture: TypeAlias = NDArray[np.uint8]
"""Rows, columns, and red, green, blue."""

SAMPLE_RATE = 48_000
"""Audio samples a second, in everything written here."""


class Encoder(NamedTuple):
    """How a file is written; the names are FFmpeg's."""

    video: str
    pixels: str
    options: dict[str, str]
    audio: str


@contextmanager
def opened(video: str) -> Iterator[InputContainer]:
    """The file, open for reading; raises ValueError where it has no pictures."""
    with av.open(video) as container:
        if not container.streams.video:
            raise ValueError(f"{video} has no video stream")
        for stream in (*container.streams.video, *container.streams.audio):
            stream.codec_context.thread_count = 1
        yield container


def beside(source: str, ending: str) -> Path:
    """The path next to `source` of what is made from it: ``clip.mp4`` and ``encoded.mov`` give ``clip-encoded.mov``."""
    return Path(source).with_name(f"{Path(source).stem}-{ending}")


@contextmanager
def complete(target: Path) -> Iterator[Path]:
    """A path to write to; what was written becomes `target` at the end, or vanishes where that is not reached."""
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}.{threading.get_ident()}{target.suffix}")
    try:
        yield unfinished
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def decoded(container: InputContainer, *streams: Any) -> Iterator[Any]:
    """The frames of `streams`, telling the workflow, where there is one, how far they have come.

    Raises TaskCancelled once the result will be thrown away, so that the half that was made is not kept either.
    """
    length = (container.duration or 0) / av.time_base
    for frame in container.decode(*streams):
        if not heartbeat(min(max((frame.time or 0.0) / length, 0.0), 1.0) if length else None):
            raise TaskCancelled("nobody waits for the result any more")
        yield frame


def transcode(
    source: str, target: Path, encoder: Encoder, draw: Callable[[av.VideoFrame], av.VideoFrame] | None = None
) -> None:
    """Decodes `source`, passes its pictures through `draw`, where given, and encodes them to `target`.

    The first audio stream, where there is one, goes along.
    """
    with opened(source) as container, complete(target) as path, av.open(str(path), "w", options=_EXACT) as output:
        video = container.streams.video[0]
        outputs: dict[Any, Any] = {video: _video_stream(output, encoder, video)}
        audio = next(iter(container.streams.audio), None)
        if audio is not None:
            outputs[audio] = output.add_stream(encoder.audio, rate=SAMPLE_RATE, layout=audio.layout.name)
        for stream in outputs.values():
            stream.codec_context.thread_count = 1
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for frame in decoded(container, *outputs):
            if isinstance(frame, av.VideoFrame):
                frame = draw(frame) if draw else frame
                frame = frame.reformat(outputs[video].width, outputs[video].height, encoder.pixels)
                frame.pict_type = 0  # the encoder chooses its own key pictures
                output.mux(outputs[video].encode(frame))
            else:
                output.mux(outputs[audio].encode(frame))
        for stream in outputs.values():
            output.mux(stream.encode(None))


_EXACT = {"fflags": "+bitexact"}
"""Keeps the time of writing and random identifiers out of the file."""


def _video_stream(output: Any, encoder: Encoder, source: Any) -> Any:
    stream = output.add_stream(encoder.video, rate=source.average_rate, options=encoder.options)
    # Chroma is stored for two by two pixels, so that an odd row or column has to go.
    stream.width, stream.height = source.width // 2 * 2, source.height // 2 * 2
    stream.pix_fmt = encoder.pixels
    stream.codec_context.time_base = source.time_base
    return stream


def rgb(frame: av.VideoFrame, width: int | None = None, height: int | None = None) -> Picture:
    """The picture of a frame, resized if `width` and `height` are given, in pixels."""
    return frame.reformat(width, height, "rgb24").to_ndarray().astype(np.uint8, copy=False)


def difference(one: str, other: str) -> float:
    """The mean difference of the pictures in two files (videos, images), 0 to 255; infinity where they do not match.

    Pictures match where there are as many of them and they are of one size.
    """
    total, count = 0.0, 0
    with opened(one) as first, opened(other) as second:
        for a, b in zip_longest(first.decode(video=0), second.decode(video=0)):
            if a is None or b is None or (a.width, a.height) != (b.width, b.height):
                return float("inf")
            total += float(np.abs(rgb(a).astype(np.int16) - rgb(b)).mean())
            count += 1
    return total / max(count, 1)

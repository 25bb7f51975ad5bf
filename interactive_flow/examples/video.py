"""The tasks that do the work: ordinary functions on files, to be called by hand or by a workflow.

Each takes paths and plain values and gives back a path or plain values, so that its arguments and results can be
stored, compared and sent to another machine.  What a task writes goes beside the file it was made from, so whoever
chooses where the video lies chooses where everything goes; a file appears under its name only when it is complete, so
that a task may be run twice, or given up half-way, without harm.
"""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Callable
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from interactive_flow.examples.media import Encoder, Picture, beside, complete, decoded, opened, rgb, transcode
from interactive_flow.examples.subtitles import Cue, read_subtitles

ENCODERS = {
    # mbtree is off because it makes x264's output differ from run to run.
    "mp4": Encoder("libx264", "yuv420p", {"preset": "slower", "crf": "23", "mbtree": "0"}, "aac"),
    "webm": Encoder("libvpx-vp9", "yuv420p", {"deadline": "good", "cpu-used": "4", "crf": "34", "b": "0"}, "libopus"),
    "mov": Encoder("prores", "yuv422p10le", {"profile": "0"}, "pcm_s16le"),
}
"""By format: H.264 for everywhere, VP9 for the web, ProRes for the cutting room."""

_SOURCE = Encoder("libx264", "yuv420p", {"preset": "ultrafast", "crf": "16"}, "aac")
"""For what is encoded once more afterwards: quick, and of a higher quality."""


def embed_subtitles(video: str, subtitles: str) -> str:
    """Draws the subtitles into the pictures of `video`; gives the path of the new video, ``…-subtitled.mp4``.

    `subtitles` is the path of a SubRip file.  Raises ValueError where it holds none.
    """
    cues = read_subtitles(subtitles)
    captions: dict[Cue, Image.Image] = {}

    def draw(frame: av.VideoFrame) -> av.VideoFrame:
        cue = next((c for c in cues if c.start <= (frame.time or 0.0) < c.end), None)
        if cue is None:
            return frame
        if cue not in captions:
            captions[cue] = _caption(cue.text, frame.width, frame.height)
        picture = Image.fromarray(rgb(frame))
        picture.paste(captions[cue], mask=captions[cue])
        drawn = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        drawn.pts, drawn.time_base = frame.pts, frame.time_base
        return drawn

    target = beside(video, "subtitled.mp4")
    transcode(video, target, _SOURCE, draw)
    return str(target)


def encode_video(video: str, fmt: str) -> str:
    """Encodes `video` as ``"mp4"``, ``"webm"`` or ``"mov"``; gives the path of the new video, ``…-encoded.<fmt>``.

    Raises ValueError for another format.
    """
    if fmt not in ENCODERS:
        raise ValueError(f"format {fmt!r}: expected one of {', '.join(ENCODERS)}")
    target = beside(video, f"encoded.{fmt}")
    transcode(video, target, ENCODERS[fmt])
    return str(target)


def find_chapters(video: str, threshold: float = 0.4, shortest: float = 0.5) -> list[float]:
    """Where the chapters of `video` begin, in seconds: at its first picture and at each cut.

    A cut is where the colour histograms of two successive pictures differ by more than `threshold`, which is the
    part of the pixels (0 to 1) that would have to change colour to make one histogram from the other.  A cut less
    than `shortest` seconds after the last one is taken for a flash.

    Source: H. Zhang, A. Kankanhalli, S. W. Smoliar, "Automatic partitioning of full-motion video", Multimedia Systems
    1 (1993), 10-28: their comparison of histograms with one threshold, which finds cuts; fades need two.
    """
    chapters: list[float] = []
    before = None
    with opened(video) as container:
        for frame in decoded(container, container.streams.video[0]):
            time, histogram = frame.time or 0.0, _histogram(rgb(frame, 64, 36))
            is_cut = before is None or 0.5 * np.abs(histogram - before).sum() > threshold
            if is_cut and (not chapters or time - chapters[-1] >= shortest):
                chapters.append(time)
            before = histogram
    return chapters


def extract_thumbnail(video: str, chapter: float) -> str:
    """Saves the picture that `video` shows at `chapter`, in seconds; gives its path, ``…-at-<seconds>.jpg``.

    Raises ValueError where the video ends before.
    """
    target = beside(video, f"at-{chapter:07.3f}.jpg")
    with opened(video) as container:
        stream = container.streams.video[0]
        container.seek(int(chapter * av.time_base))  # to the key picture at or before
        tolerance = 0.5 / float(stream.average_rate or 25)
        for frame in container.decode(stream):
            if (frame.time or 0.0) > chapter - tolerance:
                with complete(target) as path:
                    Image.fromarray(rgb(frame)).save(path, quality=85)
                return str(target)
    raise ValueError(f"{video} ends before {chapter} s")


def analyze_subtitles(subtitles: str, count: int = 8) -> list[str]:
    """The words that the subtitles use most, `count` at the most, without those that every text has."""
    text = " ".join(cue.text for cue in read_subtitles(subtitles)).lower()
    common = set(_COMMON_WORDS.split())
    words = [word for word in re.findall(r"[^\W\d_]{3,}", text) if word not in common]
    return [word for word, _ in Counter(words).most_common(count)]


def target_ads(keywords: list[str]) -> list[str]:
    """The advertisements that go with `keywords`, best first."""
    score = {ad: len(words & set(keywords)) for ad, words in _ADVERTISEMENTS.items()}
    return sorted((ad for ad in score if score[ad]), key=lambda ad: -score[ad])


def tasks() -> dict[str, Callable[..., Any]]:
    """The tasks, by the names of `process_video`'s parameters."""
    listed = (embed_subtitles, encode_video, find_chapters, extract_thumbnail, analyze_subtitles, target_ads)
    return {function.__name__: function for function in listed}


_COMMON_WORDS = """
    about after again all and any are back been but can for from has have her him his how into its just more not now off
    one our out over she some than that the their them then there these they this those too until very was were what
    when where which who why will with you your
"""

_ADVERTISEMENTS = {
    "Lamps that wake you gently": {"light", "early", "sun", "morning"},
    "Coffee, freshly roasted": {"coffee", "first", "early"},
    "A week at sea: learn to sail": {"sea", "sail", "sailing", "boat", "wind"},
    "Boots for a lifetime": {"boots", "walk", "wood", "worn"},
    "Concert tickets": {"music", "night", "city"},
    "Umbrellas": {"rain", "cloud", "weather"},
}


def _caption(text: str, width: int, height: int) -> Image.Image:
    """The text at the foot of an otherwise transparent picture."""
    size = max(height // 12, 10)
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, max(width * 2 // size, 8))]
    picture = Image.new("RGBA", (width, height))
    ImageDraw.Draw(picture).multiline_text(
        (width / 2, height - size / 2),
        "\n".join(lines),
        font=ImageFont.load_default(size),
        fill="white",
        stroke_width=max(size // 8, 1),
        stroke_fill="black",
        anchor="md",
        align="center",
    )
    return picture


def _histogram(picture: Picture) -> NDArray[np.float64]:
    """The part of the pixels in each of 8 x 8 x 8 colours."""
    red, green, blue = np.moveaxis(picture.astype(np.intp) >> 5, -1, 0)
    return np.bincount((red * 64 + green * 8 + blue).ravel(), minlength=512) / np.float64(red.size)

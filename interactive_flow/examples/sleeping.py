"""Tasks that only sleep, as long as real ones might work: for looking at how a workflow runs, anywhere, every time.

One after the other they sleep 5.7 s: 0.5 s to embed the subtitles, 1 s for each of three encodings, 0.5 s to find
three chapters, 0.3 s for each thumbnail, 0.8 s for the advertisements (reading the subtitles takes no time).  The
longest chain of calls of which each needs the one before, the critical path, takes 1.5 s: embed, then encode.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from interactive_flow import track

CHAPTERS = [0.0, 12.5, 31.0]
"""Where the imaginary video's chapters begin, in seconds."""


def tasks(sleep: Callable[[float], object] = time.sleep) -> dict[str, Callable[..., Any]]:
    """The tasks, by the names of `process_video`'s parameters; `sleep` takes seconds, a tenth at a time.

    Example, at ten times the speed:
        >>> process_video.inject(**tasks(lambda seconds: time.sleep(seconds / 10)))
    """

    def work(seconds: float) -> None:
        for _ in track(range(round(seconds * 10))):
            sleep(0.1)

    def embed_subtitles(video: str, subtitles: str) -> str:
        work(0.5)
        return f"{video} with {subtitles}"

    def encode_video(video: str, fmt: str) -> str:
        work(1.0)
        return f"{video} as {fmt}"

    def find_chapters(video: str) -> list[float]:
        work(0.5)
        return CHAPTERS

    def extract_thumbnail(video: str, chapter: float) -> str:
        work(0.3)
        return f"{video} at {chapter} s"

    def analyze_subtitles(subtitles: str) -> list[str]:
        return ["coffee", "sailing"]

    def target_ads(keywords: list[str]) -> list[str]:
        work(0.8)
        return [f"an advertisement for {keyword}" for keyword in keywords]

    listed = (embed_subtitles, encode_video, find_chapters, extract_thumbnail, analyze_subtitles, target_ads)
    return {function.__name__: function for function in listed}

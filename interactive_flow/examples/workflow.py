"""The workflow of the examples, in one place for both sets of tasks.

    video ----------> embed_subtitles --> encode_video (mp4, webm, mov)
    subtitles ---/
    subtitles -> analyze_subtitles --> target_ads
    video -----> find_chapters  =====> extract_thumbnail, once for each chapter found

The number of thumbnails is known only when the chapters are: iterating over them is the one barrier (``====``).  It
comes last, so that everything which does not need the chapters has been called before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from interactive_flow import workflow

FORMATS = ("mp4", "webm", "mov")
"""What the video is encoded in."""

Processed: TypeAlias = tuple[list[str], list[str], list[str]]
"""The encoded videos, the thumbnails, the advertisements."""


@workflow
def process_video(
    embed_subtitles: Callable[[str, str], str],
    encode_video: Callable[[str, str], str],
    find_chapters: Callable[[str], list[float]],
    extract_thumbnail: Callable[[str, float], str],
    analyze_subtitles: Callable[[str], list[str]],
    target_ads: Callable[[list[str]], list[str]],
) -> Callable[[str, str], Any]:
    """Puts subtitles into a video, encodes it, finds advertisements for it, and pictures its chapters.

    Example:
        >>> from interactive_flow.examples import sleeping
        >>> encoded, thumbnails, ads = process_video.inject(**sleeping.tasks()).run("talk.mp4", "talk.srt")
    """

    def run(video: str, subtitles: str) -> Processed:
        subtitled = embed_subtitles(video, subtitles)
        encoded = [encode_video(subtitled, fmt) for fmt in FORMATS]
        ads = target_ads(analyze_subtitles(subtitles))
        thumbnails = [extract_thumbnail(video, chapter) for chapter in find_chapters(video)]
        return encoded, thumbnails, ads

    return run

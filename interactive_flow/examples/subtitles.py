"""Subtitles in SubRip form (``.srt``): numbered blocks of a time range and some lines of text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_TIME = r"(\d+):(\d\d):(\d\d)[,.](\d{3})"
_RANGE = re.compile(f"{_TIME} *--> *{_TIME}")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")


class Cue(NamedTuple):
    """A text and when it is to be seen, in seconds."""

    start: float
    end: float
    text: str


def read_subtitles(path: str) -> list[Cue]:
    """The cues of a file, in its order, without markup; raises ValueError where the file has none.

    Example:
        >>> read_subtitles("clip.srt")[0].end
        1.8
    """
    blocks = re.split(r"\n\s*\n", Path(path).read_text(encoding="utf-8-sig").strip())
    cues = []
    for block in blocks:
        if match := _RANGE.search(block):
            times = [int(number) for number in match.groups()]
            text = _TAG.sub("", block[match.end() :].partition("\n")[2]).strip()
            cues.append(Cue(_seconds(*times[:4]), _seconds(*times[4:]), text))
    if not cues:
        raise ValueError(f"{path}: no subtitles in SubRip form found")
    return cues


def _seconds(hours: int, minutes: int, seconds: int, thousandths: int) -> float:
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000

"""Reading SubRip files, as they are found in the wild."""

from __future__ import annotations

from pathlib import Path

import pytest

from interactive_flow.examples.subtitles import Cue, read_subtitles


def cues(tmp_path: Path, text: str) -> list[Cue]:
    path = tmp_path / "some.srt"
    path.write_bytes(text.encode())
    return read_subtitles(str(path))


def test_times_and_lines(tmp_path: Path) -> None:
    text = "1\n00:00:01,500 --> 00:00:02,000\nOne.\n\n2\n01:02:03,004 --> 01:02:04,000\nTwo\nlines.\n"
    assert cues(tmp_path, text) == [Cue(1.5, 2.0, "One."), Cue(3723.004, 3724.0, "Two\nlines.")]


def test_what_players_forgive(tmp_path: Path) -> None:
    text = "\ufeff1\n00:00:01.500-->00:00:02.000\n{\\an8}<i>Yes</i> &\nno.\n\n\n\n00:00:03,000 --> 00:00:04,000\nGo."
    assert cues(tmp_path, text.replace("\n", "\r\n")) == [Cue(1.5, 2.0, "Yes &\nno."), Cue(3.0, 4.0, "Go.")]


def test_a_file_without_subtitles(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"some\.srt: no subtitles"):
        cues(tmp_path, "Once upon a time\n\nthere was a text.")

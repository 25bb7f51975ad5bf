"""Files by their content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from interactive_flow.store.fingerprint import FileContent, FingerprintError, content, value_fingerprint


def test_can_be_used_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    file = content(path)
    assert isinstance(file, FileContent)
    assert (Path(file), os.fspath(file), str(file)) == (path, str(path), str(path))


def test_name_does_not_count_and_content_does(tmp_path: Path) -> None:
    one, other = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text("one")
    other.write_text("one")
    assert value_fingerprint(content(one)) == value_fingerprint(content(other))
    assert value_fingerprint(one) != value_fingerprint(other) != value_fingerprint(content(other))
    other.write_text("two")
    assert value_fingerprint(content(one)) != value_fingerprint(content(other))


def test_change_of_the_same_length_at_once_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    digests = set()
    for text in ("one", "two", "six"):
        path.write_text(text)
        os.utime(path, (1, 1))
        digests.add(value_fingerprint(content(path)))
    assert len(digests) == 3


def test_directory_counts_by_names_and_contents_below(tmp_path: Path) -> None:
    def made(name: str, files: dict[str, str]) -> str:
        for file, text in files.items():
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return value_fingerprint(content(tmp_path / name))

    first = made("a", {"x": "1", "deep/y": "2"})
    assert made("b", {"deep/y": "2", "x": "1"}) == first
    assert made("c", {"x": "2", "deep/y": "1"}) != first
    assert made("d", {"x": "1", "deep/z": "2"}) != first


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FingerprintError, match=r"^value\[0\]: the content of .*gone cannot be read \(No such file"):
        value_fingerprint([content(tmp_path / "gone")])

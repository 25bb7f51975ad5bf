"""Files that count by what is in them, not by where they are."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from interactive_flow.store.fingerprint.writer import DIGEST_SIZE, Unfit, Writer

_CHUNK = 1 << 20
_SETTLED = 2.0
"""Seconds after a change during which a file system might give the next change the same time."""

_Signature = tuple[int, int, int, int, int]
_known: dict[str, tuple[_Signature, bytes]] = {}


@dataclass(frozen=True, slots=True)
class FileContent(os.PathLike[str]):
    """A path that is fingerprinted by the content of the file, or of all the files below the directory, there.

    A plain path is fingerprinted by its text.  This one can be used in its place: `open`, `pathlib.Path` and everything
    else that takes a path takes it too.  Neither the name of the file nor where it is counts; the names of the files
    below a directory do.

    Example:
        >>> encode(content("talk.mp4"))
    """

    path: str

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path


def content(path: str | os.PathLike[str]) -> FileContent:
    """A path that counts by the content of what is there; see `FileContent`."""
    return FileContent(os.fspath(path))


def write_content(writer: Writer, value: FileContent) -> None:
    """Writes what is in a file or below a directory.

    Raises:
        Unfit: it cannot be read.
    """
    writer.volatile = True
    path = Path(value.path)
    try:
        if path.is_dir():
            files = sorted((below.relative_to(path).as_posix(), below) for below in _files(path))
            writer.named("directory", *[part for name, below in files for part in (name, file_digest(below))])
        else:
            writer.named("file", file_digest(path))
    except OSError as error:
        raise Unfit(f"the content of {value.path} cannot be read ({error.strerror})") from error


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def file_digest(path: Path) -> bytes:
    """The digest of a file's content; taken again only where size, times or identity of the file have changed.

    A file that was changed a moment ago is read each time: within the resolution of the file system's clock it could
    change again and look the same (as git has it: "racy" entries of its index).
    """
    stat = path.stat()
    signature = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    known = _known.get(str(path.absolute()))
    if known is not None and known[0] == signature:
        return known[1]
    hashed = blake2b(digest_size=DIGEST_SIZE)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    digest = hashed.digest()
    if time.time() - max(stat.st_mtime, stat.st_ctime) > _SETTLED:
        _known[str(path.absolute())] = (signature, digest)
    return digest

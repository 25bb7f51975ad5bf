"""What can go wrong with a store; each error names the place and the way out.

None of them costs anything that was stored before: a store is only ever changed in whole transactions and in files
that are complete before they get their name.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interactive_flow.model.errors import InteractiveFlowError


class StoreError(InteractiveFlowError):
    """Something is wrong with a store.

    Attributes:
        path: the store's directory, or the file in it that this is about.
    """

    def __init__(self, reason: str, path: Path | str) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = Path(path)

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class StoreFull(StoreError):
    """There is no room left for what was to be stored."""


class StoreReadOnly(StoreError):
    """The store cannot be written, nor read where reading needs a file beside the database."""


class StoreBusy(StoreError):
    """Another process has kept the store's database locked for longer than anybody should."""


class StoreTooNew(StoreError):
    """The store was written by a later version of this package."""


class StoreDamaged(StoreError):
    """Something is missing from the store, or shorter than it was."""


class StoreRefused(StoreError):
    """Something in the store is not what this store has written, so it was not loaded."""


class ValueNotStored(StoreError):
    """The value could not be pickled when the run was recorded, so only a text about it is there."""


class UnknownRun(StoreError, KeyError):
    """No run of this id is in the store."""


class RunExists(StoreError):
    """A run of this id is in the store already."""


_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_RIGHTS = {errno.EROFS, errno.EACCES, errno.EPERM}
_FULL = "no room is left; what was stored before is safe. Free some space (`prune` removes old runs) and run again"
_READ_ONLY = "the store cannot be written; make it writable, or copy the whole directory to a place that is"
_SQLITE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_FULL: (StoreFull, _FULL),
    sqlite3.SQLITE_READONLY: (StoreReadOnly, _READ_ONLY),
    sqlite3.SQLITE_CANTOPEN: (StoreReadOnly, f"the database cannot be opened: {_READ_ONLY}"),
    sqlite3.SQLITE_PERM: (StoreReadOnly, _READ_ONLY),
    sqlite3.SQLITE_BUSY: (StoreBusy, "another process keeps the database locked; see which one, and try again"),
    sqlite3.SQLITE_CORRUPT: (StoreDamaged, "the database is damaged; restore the directory from a copy"),
    sqlite3.SQLITE_NOTADB: (StoreDamaged, "this is no database; restore it from a copy, or choose another directory"),
}


@contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turns what the database and the file system raise in the block into the errors of this module."""
    try:
        yield
    except sqlite3.Error as error:
        kind, reason = _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, (StoreError, str(error)))
        raise kind(reason, path) from error
    except OSError as error:
        if error.errno in _SPACE:
            raise StoreFull(_FULL, path) from error
        if error.errno in _RIGHTS:
            raise StoreReadOnly(_READ_ONLY, path) from error
        raise StoreError(f"{type(error).__name__}: {error}", path) from error

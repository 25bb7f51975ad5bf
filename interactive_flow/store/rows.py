"""What is written into the database besides the runs themselves; each within somebody's transaction.

A value file and the row that says who needs it cannot be changed in one step.  The order makes up for it: a file is
complete before a row names it, and no row names a file any more when it is removed; and since both the naming and the
removing happen under the database's lock for writing, nobody removes what somebody else is about to name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from interactive_flow.store.errors import StoreDamaged
from interactive_flow.store.segments import dump
from interactive_flow.store.values import INLINE_LIMIT, Packed, Values


class ValueFiles:
    """The value files that a transaction in the making will name.

    Attributes:
        bytes: how many are held in memory until then.
    """

    def __init__(self, values: Values) -> None:
        self._values = values
        self._files: dict[str, tuple[int, bytes | None]] = {}
        self.bytes = 0

    def keep(self, packed: Packed) -> Packed:
        """Writes the value file for what is large; the value as it is then kept in a segment."""
        if isinstance(packed.data, str):
            if packed.format:  # it is in a value file already
                self._files.setdefault(packed.data, (packed.size, None))
        elif packed.size > INLINE_LIMIT:
            name = self._values.name(packed)
            if name not in self._files:
                self._values.write(name, packed.data)
                self._files[name] = (packed.size, packed.data)
                self.bytes += packed.size
            return packed._replace(data=name)
        return packed

    def name(self, connection: sqlite3.Connection, number: int, round_: int) -> None:
        """Notes that a round needs them; within a transaction, so that nobody removes them meanwhile.

        Somebody may have removed one as unused between its writing and this transaction: it is written again.
        """
        for name, (size, data) in self._files.items():
            if not self._values.path(name).exists():
                if data is None:
                    raise StoreDamaged(
                        "a value file that an earlier run has written is missing", self._values.path(name)
                    )
                self._values.write(name, data)
            connection.execute("INSERT OR IGNORE INTO uses VALUES (?, ?, ?, ?)", (number, round_, name, size))

    def clear(self) -> None:
        """The transaction is through, and the next one begins."""
        self._files.clear()
        self.bytes = 0


def add_segment(
    connection: sqlite3.Connection,
    values: Values,
    run: str,
    number: int,
    round_: int,
    first: int,
    count: int,
    data: bytes,
) -> None:
    """Adds a segment, with the digest that says where it belongs."""
    connection.execute(
        "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)",
        (number, round_, first, count, data, segment_digest(values, run, round_, first, data)),
    )


def add_input(connection: sqlite3.Connection, values: Values, run: str, number: int, round_: int, given: Any) -> None:
    """Adds the arguments of a run, as `Encoder.value` gave them, before its events."""
    add_segment(connection, values, run, number, round_, -1, 1, dump([(given,)]))


def segment_digest(values: Values, run: str, round_: int, first: int, data: bytes) -> bytes:
    """The digest of a segment: of its bytes, and of where in which run they belong."""
    return values.digest(b"segment", run.encode(), f"{round_} {first}".encode(), data)


def remove_unused(connection: sqlite3.Connection, values: Values, names: Sequence[str]) -> tuple[int, int]:
    """Removes those of these value files that no run and no kept result needs; how many, and their bytes.

    Within a transaction, and after the one that gave them up, since a file cannot be rolled back.
    """
    files = size = 0
    for name in names:
        (used,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM uses WHERE file = ?1) OR EXISTS (SELECT 1 FROM cache WHERE file = ?1)",
            (name,),
        ).fetchone()
        path = values.path(name)
        if used:
            continue
        try:
            freed = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        files, size = files + 1, size + freed
    return files, size


def forget_entries(connection: sqlite3.Connection, before: float | None) -> tuple[int, int]:
    """Forgets the entries that were not used since `before` (seconds since the epoch), or all; how many, their bytes.

    Within a transaction; value files are for the caller to remove, after it.
    """
    where, values = ("", ()) if before is None else (" WHERE used < ?", (before,))
    (size,) = connection.execute(
        f"SELECT coalesce(sum(length(arguments) + coalesce(length(data), 0)), 0) FROM cache{where}", values
    ).fetchone()
    gone = connection.execute(f"DELETE FROM cache{where}", values).rowcount
    connection.execute("DELETE FROM codes WHERE digest NOT IN (SELECT code FROM cache)")
    return gone, size

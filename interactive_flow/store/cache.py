"""Results that can be used again: which there are, in a store's database, by the key of the call that gave them.

An entry is a value with the key of its call (see `interactive_flow.store.fingerprint`), which run computed it and how
long that took.  Small values are in the row, larger ones in the store's value files, next to those of runs and shared
with them.  Each row is signed together with its key, so no value can be put under another key.

What a key consists of is kept too, code and arguments apart: not to find anything by, but to tell why a call was not
found (`CacheSession.reasons`).  Codes are kept once, since thousands of calls may have the same.

`ResultCache` is what a run needs; `StoreCache` is the one in a store, and `interactive_flow.store.memory` has the one
for runs without a store.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from hashlib import blake2b
from secrets import compare_digest
from typing import Any, NamedTuple, Protocol

from interactive_flow.store.database import Database, transaction
from interactive_flow.store.errors import StoreRefused, told_plainly
from interactive_flow.store.fingerprint import CallKey, CodeFingerprint, explain_change
from interactive_flow.store.rows import forget_entries, remove_unused
from interactive_flow.store.values import INLINE_LIMIT, Packed, Values

_TOUCH = 3600.0
"""Seconds: that an entry was used is noted if it was not noted for so long."""

_FILES_AT_ONCE = 32 * 1024 * 1024
"""Bytes of large values that are held until they are committed."""


class Entry(NamedTuple):
    """A result to be kept."""

    key: CallKey
    name: str
    """What the call was a call of, for people."""
    packed: Packed
    """The value, all of its bytes with it."""
    run: str
    """The id of the run that computed it."""
    seconds: float
    """What that took."""

    @property
    def family(self) -> str:
        """What the entries of a task have in common, whatever its code and the arguments are."""
        return family_of(self.key, self.name)


class Found(NamedTuple):
    """A result that was kept."""

    packed: Packed
    run: str
    seconds: float
    number: int
    used: float
    """When it was used last, seconds since the epoch."""


class Before(NamedTuple):
    """What an earlier call was known by."""

    code: str
    """The digest of its code."""
    arguments: Mapping[str, str]


class CachedTask(NamedTuple):
    """What is kept of a task."""

    name: str
    entries: int
    bytes: int
    used: float
    """When one of them was used or made last, seconds since the epoch."""


class CacheSession(Protocol):
    """A cache as one run, or one question, sees it; for one thread."""

    def find(self, key: CallKey) -> Found | None:
        """The result that is kept under this key.

        Raises:
            StoreError: it cannot be read, or is not what the store has written.
        """

    def value(self, found: Found) -> Any:
        """The value, made anew each time, so that nobody can change that of somebody else.

        Raises:
            StoreError: its file is missing, incomplete, or not what the store has written.
            Exception: whatever unpickling raises.
        """

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keeps results, in the place of those under the same keys.

        Raises:
            StoreError: they cannot be written.
        """

    def before(self, family: str, given: bytes) -> Before | None:
        """The call of this task that is nearest: the newest with these arguments, else the newest.

        Only what was there when the session began counts.
        """

    def code(self, digest: str) -> CodeFingerprint | None:
        """The fingerprint of code that `before` told of."""

    def close(self) -> None:
        """Ends the session."""


class ResultCache(Protocol):
    """Where results are kept."""

    def session(self) -> CacheSession:
        """Opens it."""

    def tasks(self) -> list[CachedTask]:
        """What is kept, by task, in order of names."""

    def clear(self) -> int:
        """Forgets everything; how many entries there were."""


def family_of(key: CallKey, name: str) -> str:
    """What the entries of a task have in common: where its function is defined, and its name."""
    first = key.code.parts[0]
    return first.name if first.kind in ("function", "class") else name


def given_of(key: CallKey) -> bytes:
    """A digest of the arguments alone."""
    state = blake2b(digest_size=16)
    for name, digest in key.arguments.items():
        state.update(f"{name}\0{digest}\0".encode())
    return state.digest()


class Reasons:
    """Says why calls were not found; remembers what it has found out about two versions of code.

    Args:
        session: where to look for what there was.
    """

    def __init__(self, session: CacheSession) -> None:
        self._session = session
        self._codes: dict[tuple[str, str], list[str]] = {}

    def why_not(self, key: CallKey, name: str) -> list[str]:
        """What is different from the nearest call that is known; nothing where none is known."""
        before = self._session.before(family_of(key, name), given_of(key))
        if before is None:
            return []
        said = list(self._of_code(before.code, key.code))
        same = CodeFingerprint(key.code.digest, key.code.parts)
        return said + explain_change(CallKey("", same, before.arguments), CallKey(key.digest, same, key.arguments)) * (
            before.arguments != key.arguments
        )

    def _of_code(self, before: str, after: CodeFingerprint) -> list[str]:
        if before == after.digest:
            return []
        pair = (before, after.digest)
        if pair not in self._codes:
            old = self._session.code(before)
            self._codes[pair] = ["its code changed"] if old is None else explain_change(old, after)
        return self._codes[pair]


class StoreCache:
    """The results that are kept in a store.  Any thread may use it; so may several processes at once.

    Args:
        database: the store's.
        values: its value files.
    """

    def __init__(self, database: Database, values: Values) -> None:
        self._database, self._values = database, values

    def session(self) -> CacheSession:
        """See `ResultCache.session`."""
        return _StoreSession(self._database, self._values)

    def tasks(self) -> list[CachedTask]:
        """See `ResultCache.tasks`; value files that several entries share count for each."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, count(*), sum(size), max(used) FROM cache GROUP BY family, name ORDER BY name, family"
            ).fetchall()
        return [CachedTask(*row) for row in rows]

    def clear(self) -> int:
        """See `ResultCache.clear`."""
        with self._database.writing() as connection:
            files = [file for (file,) in connection.execute("SELECT DISTINCT file FROM cache WHERE file IS NOT NULL")]
            entries, _ = forget_entries(connection, None)
        with self._database.writing() as connection:
            remove_unused(connection, self._values, files)
        return entries


class _StoreSession:
    """See `CacheSession`; its connection belongs to the thread that made it."""

    def __init__(self, database: Database, values: Values) -> None:
        self._database, self._values = database, values
        self._used: list[int] = []
        self._codes: dict[str, CodeFingerprint | None] = {}
        with told_plainly(database.path):
            self._connection = database.connect()
            (self._horizon,) = self._connection.execute("SELECT coalesce(max(number), 0) FROM cache").fetchone()

    def find(self, key: CallKey) -> Found | None:
        with told_plainly(self._database.path):
            row = self._connection.execute(
                "SELECT format, data, file, size, text, digest, run, seconds, number, used FROM cache WHERE key = ?",
                (bytes.fromhex(key.digest),),
            ).fetchone()
        if row is None:
            return None
        form, data, file, size, text, digest, run, seconds, number, used = row
        packed = Packed(form, data if file is None else file, size, text)
        if not compare_digest(_signature(self._values, key, packed), digest):
            raise StoreRefused("this store has not written what is kept as the result of a call", self._database.path)
        if used < time.time() - _TOUCH:
            self._used.append(number)
        return Found(packed, run, seconds, number, used)

    def value(self, found: Found) -> Any:
        return self._values.unpack(found.packed)

    def keep(self, entries: Sequence[Entry]) -> None:
        some: list[Entry] = []
        size = 0
        for entry in entries:
            some.append(entry)
            size += entry.packed.size
            if size > _FILES_AT_ONCE:
                self._keep(some)
                some, size = [], 0
        if some:
            self._keep(some)

    def _keep(self, entries: Sequence[Entry]) -> None:
        values = self._values
        files = [values.name(entry.packed) if entry.packed.size > INLINE_LIMIT else None for entry in entries]
        for entry, file in zip(entries, files, strict=True):
            if file is not None:
                values.write(file, _bytes(entry))
        now = time.time()
        codes = {entry.key.code.digest: entry.key.code for entry in entries}
        with told_plainly(self._database.path), transaction(self._connection):
            for digest, code in codes.items():
                parts = json.dumps(code.as_json(), separators=(",", ":"))
                self._connection.execute("INSERT OR IGNORE INTO codes VALUES (?, ?)", (bytes.fromhex(digest), parts))
            for entry, file in zip(entries, files, strict=True):
                if file is not None and not values.path(file).exists():
                    values.write(file, _bytes(entry))  # somebody has removed it as unused meanwhile
                self._insert(entry, file, now)

    def _insert(self, entry: Entry, file: str | None, now: float) -> None:
        key, packed = entry.key, entry.packed
        code = bytes.fromhex(key.code.digest)
        kept = packed if file is None else packed._replace(data=file)
        self._connection.execute(
            "INSERT OR REPLACE INTO cache (key, family, given, code, arguments, name, run, seconds, used, format, "
            "data, file, size, text, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(bytes.fromhex(key.digest), entry.family, given_of(key), code, json.dumps(dict(key.arguments))),
                *(entry.name, entry.run, entry.seconds, now, packed.format, packed.data if file is None else None),
                *(file, packed.size, packed.text, _signature(self._values, key, kept)),
            ),
        )

    def before(self, family: str, given: bytes) -> Before | None:
        if not self._horizon:
            return None
        with told_plainly(self._database.path):
            for condition, values in (("AND given = ? ", (given,)), ("", ())):
                row = self._connection.execute(
                    f"SELECT code, arguments FROM cache WHERE family = ? {condition}AND number <= ? "
                    f"ORDER BY number DESC LIMIT 1",
                    (family, *values, self._horizon),
                ).fetchone()
                if row is not None:
                    return Before(row[0].hex(), json.loads(row[1]))
        return None

    def code(self, digest: str) -> CodeFingerprint | None:
        if digest not in self._codes:
            with told_plainly(self._database.path):
                row = self._connection.execute(
                    "SELECT parts FROM codes WHERE digest = ?", (bytes.fromhex(digest),)
                ).fetchone()
            self._codes[digest] = None if row is None else CodeFingerprint.from_json(json.loads(row[0]))
        return self._codes[digest]

    def close(self) -> None:
        with told_plainly(self._database.path), closing(self._connection):
            if self._used:
                now = time.time()
                with transaction(self._connection):
                    self._connection.executemany("UPDATE cache SET used = ? WHERE number = ?", _pairs(now, self._used))


def _pairs(now: float, numbers: Iterable[int]) -> Iterable[tuple[float, int]]:
    return ((now, number) for number in numbers)


def _bytes(entry: Entry) -> bytes:
    assert isinstance(entry.packed.data, bytes)
    return entry.packed.data


def _signature(values: Values, key: CallKey, packed: Packed) -> bytes:
    """Says that this value belongs to this key; that of a value file is in its name."""
    data = packed.data.encode() if isinstance(packed.data, str) else packed.data
    return values.digest(b"cache", key.digest.encode(), packed.format.encode(), data)

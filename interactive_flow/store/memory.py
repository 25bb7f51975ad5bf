"""The cache of runs without a store: results that are kept in memory, until the process ends.

Values are kept as bytes, pickled, for the same reason as in a store: whoever gets one gets one of his own.  There is
room for `LIMIT` bytes; what was used least recently makes room for what is new.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, NamedTuple

from interactive_flow.store.cache import Before, CachedTask, CacheSession, Entry, Found, given_of
from interactive_flow.store.fingerprint import CallKey, CodeFingerprint
from interactive_flow.store.values import decode

LIMIT = 256 * 1024 * 1024
"""Bytes of values that are kept in memory, all in all; one that takes more than a quarter of that is not kept."""

_OVERHEAD = 1024
"""Bytes that an entry is taken for, besides its value."""


class _Kept(NamedTuple):
    entry: Entry
    given: bytes
    used: float


class MemoryCache:
    """Keeps results in memory.  Any thread may use it.

    Args:
        limit: how many bytes at most.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._newest: dict[str, Entry] = {}
        self._by_arguments: dict[tuple[str, bytes], Entry] = {}

    def session(self) -> CacheSession:
        """See `ResultCache.session`."""
        with self._lock:
            return _MemorySession(self, dict(self._newest))

    def tasks(self) -> list[CachedTask]:
        """See `ResultCache.tasks`."""
        found: dict[tuple[str, str], CachedTask] = {}
        with self._lock:
            for entry, _, used in self._kept.values():
                name, n, size, last = found.get((entry.name, entry.family), CachedTask(entry.name, 0, 0, 0.0))
                found[entry.name, entry.family] = CachedTask(name, n + 1, size + entry.packed.size, max(last, used))
        return [found[key] for key in sorted(found)]

    def clear(self) -> int:
        """See `ResultCache.clear`."""
        with self._lock:
            entries = len(self._kept)
            self._kept.clear()
            self._newest.clear()
            self._by_arguments.clear()
            self._size = 0
        return entries

    def find(self, key: CallKey) -> Found | None:
        """See `CacheSession.find`."""
        with self._lock:
            kept = self._kept.pop(key.digest, None)
            if kept is None:
                return None
            self._kept[key.digest] = kept._replace(used=time.time())
        entry = kept.entry
        return Found(entry.packed, entry.run, entry.seconds, 0, kept.used)

    def keep(self, entries: Sequence[Entry]) -> None:
        """See `CacheSession.keep`."""
        with self._lock:
            for entry in entries:
                if entry.packed.size > self.limit // 4:
                    continue
                self._forget(entry.key.digest)
                given = given_of(entry.key)
                self._kept[entry.key.digest] = _Kept(entry, given, time.time())
                self._newest[entry.family] = self._by_arguments[entry.family, given] = entry
                self._size += entry.packed.size + _OVERHEAD
                while self._size > self.limit:
                    self._forget(next(iter(self._kept)))

    def _forget(self, digest: str) -> None:
        kept = self._kept.pop(digest, None)
        if kept is None:
            return
        entry = kept.entry
        self._size -= entry.packed.size + _OVERHEAD
        if self._by_arguments.get((entry.family, kept.given)) is entry:
            del self._by_arguments[entry.family, kept.given]
        if self._newest.get(entry.family) is entry:
            del self._newest[entry.family]

    def with_arguments(self, family: str, given: bytes) -> Entry | None:
        """The newest entry of a task that has these arguments."""
        with self._lock:
            return self._by_arguments.get((family, given))


class _MemorySession:
    """See `CacheSession`.

    Args:
        cache: whose.
        newest: the newest entry of each task, when the session began.
    """

    def __init__(self, cache: MemoryCache, newest: dict[str, Entry]) -> None:
        self._newest = newest
        self._codes: dict[str, CodeFingerprint] = {}
        self._cache = cache
        self.find, self.keep = cache.find, cache.keep

    def value(self, found: Found) -> Any:
        return decode(found.packed)

    def before(self, family: str, given: bytes) -> Before | None:
        newest = self._newest.get(family)
        if newest is None:
            return None
        entry = self._cache.with_arguments(family, given) or newest
        self._codes[entry.key.code.digest] = entry.key.code
        return Before(entry.key.code.digest, entry.key.arguments)

    def code(self, digest: str) -> CodeFingerprint | None:
        return self._codes.get(digest)

    def close(self) -> None:
        pass


memory_cache = MemoryCache()
"""That of this process."""

"""Runs that are kept: a directory with a database of histories and files with large values.

`Store` is the whole of it::

    PATH/                  for its owner only
      store.sqlite         runs and their events (and SQLite's own files beside it)
      key                  the store's secret, with which everything in it is signed
      values/ab/cdef…      value files, named after the digest of what is in them

Inside, `database` opens connections and knows the schema, `values` turns values into bytes and keeps large ones,
`segments` turns events into bytes, `rows` puts them into the database, `recorder` writes a run while it goes on,
`history` reads and removes runs, `process` tells live recorders from dead ones, `lazy` has what stands for stored
values, `errors` what can go wrong.  `cache` keeps results that can be used again, `memory` those of runs without a
store.  `fingerprint` is a package of its own: when code and values are still the same.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
import time
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interactive_flow.model.log import EventLog
from interactive_flow.store.database import Database
from interactive_flow.store.errors import RunExists, StoreDamaged, StoreRefused, UnknownRun, told_plainly
from interactive_flow.store.history import Freed, History, Outcome, RunSummary
from interactive_flow.store.lazy import StoredException, StoredValue, loaded
from interactive_flow.store.process import Process, lives, this_process
from interactive_flow.store.recorder import NotStored, Recorder
from interactive_flow.store.rows import ValueFiles, add_input
from interactive_flow.store.values import Values, flush_folder

if TYPE_CHECKING:
    from interactive_flow.store.cache import StoreCache

__all__ = [
    "Freed",
    "NotStored",
    "Outcome",
    "Recorder",
    "RunSummary",
    "Store",
    "StoredException",
    "StoredValue",
    "loaded",
    "open_store",
]

_KEY_SIZE = 32

_open: dict[Path, tuple[Store, os.stat_result]] = {}
_opening = threading.Lock()


def open_store(store: str | os.PathLike[str] | Store) -> Store:
    """The store in this directory: the same object each time, as long as it is the same directory.

    Raises:
        StoreError: see `Store`.
    """
    if isinstance(store, Store):
        return store
    path = Path(store).expanduser().absolute()
    with _opening:
        known = _open.get(path)
        if known is not None:
            try:
                if os.path.samestat(known[1], (path / "key").stat()):
                    return known[0]
            except OSError:
                pass  # somebody has removed it
        found = Store(path)
        _open[path] = found, (path / "key").stat()
        return found


class Store:
    """A directory in which runs are kept.  Any thread may use it; so may several processes at once.

    Args:
        path: the directory; made where there is none, readable for its owner only.

    Raises:
        StoreTooNew: a later version of this package has written it.
        StoreReadOnly, StoreFull, StoreDamaged, StoreRefused, StoreError: see `interactive_flow.store.errors`.

    Example:
        >>> store = Store("runs")
        >>> with store.begin("4f2a", "nightly") as recorder:
        ...     recorder.follow(lambda: engine.events)
        ...     drive()
        >>> RunRecord(store.events("4f2a")).calls
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        with told_plainly(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._database = Database(self.path / "store.sqlite")
        self._values = Values(self.path / "values", self._key())
        self._check_key()
        self._history = History(self._database, self._values)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    # -- recording ------------------------------------------------------------------------------------------------

    def begin(
        self,
        run: str,
        name: str,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        *,
        again: bool = False,
        given: str = "",
    ) -> Recorder:
        """Begins to record a run.

        Args:
            run: its id.
            name: that of its workflow.
            args, kwargs: what it is started with, pickled here and now.
            again: True to go on with a run that was interrupted or is over: its events begin a new round, and those
                of earlier ones stay, for `outcomes` and `rounds`.
            given: a fingerprint of the arguments, by which `newest` finds the run, and whatever else is to be noted
                after it; empty where there is none.

        Raises:
            RunExists: there is a run of this id (with `again`: and it is still running).
            UnknownRun: with `again`, there is none.
            StoreError: it cannot be written.
        """
        files = ValueFiles(self._values)
        packed = None if again else files.keep(self._values.pack((args, kwargs or {})))
        owner = this_process()
        with self._database.writing() as connection:
            row = connection.execute(
                "SELECT number, round, status, beat, machine, process, process_began FROM runs WHERE id = ?", (run,)
            ).fetchone()
            if packed is None:
                number, round_ = self._continue_run(connection, row, run, owner)
            elif row is not None:
                raise RunExists(f"there is a run {run!r} already; choose another id", self.path)
            else:
                number, round_ = self._add_run(connection, run, name, given, owner), 0
                add_input(connection, self._values, run, number, round_, tuple(packed))
                files.name(connection, number, round_)
        recorder = Recorder(self._database, self._values, run, number, round_)
        if packed is not None and not packed.format:
            recorder.note("", str(packed.data))
        return recorder

    def _add_run(self, connection: sqlite3.Connection, run: str, name: str, given: str, owner: Process) -> int:
        now = time.time()
        added = connection.execute(
            "INSERT INTO runs (id, name, input, status, began, changed, beat, machine, process, process_began) "
            "VALUES (?, ?, ?, 'running', ?, ?, ?, ?, ?, ?)",
            (run, name, given, now, now, now, *owner),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _continue_run(
        self, connection: sqlite3.Connection, row: tuple[Any, ...] | None, run: str, owner: Process
    ) -> tuple[int, int]:
        if row is None:
            raise UnknownRun(f"there is no run {run!r} to go on with; `runs` lists those there are", self.path)
        number, round_, status, beat, *recorded_by = row
        now = time.time()
        if status == "running" and lives(Process(*recorded_by), beat, now):
            raise RunExists(f"run {run!r} is still running, in process {recorded_by[1]}", self.path)
        connection.execute(
            "UPDATE runs SET status = 'running', round = ?, beat = ?, machine = ?, process = ?, process_began = ? "
            "WHERE number = ?",
            (round_ + 1, now, *owner, number),
        )
        return number, round_ + 1

    # -- reading --------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunSummary]:
        """Every run there is, oldest first."""
        return self._history.runs()

    def run(self, run: str) -> RunSummary:
        """One run; raises UnknownRun where there is none of this id."""
        return self._history.run(run)

    def events(self, run: str) -> EventLog:
        """What happened in a run, as it was recorded; of one that goes on, so far.

        Values are stand-ins that are loaded when they are used; errors of tasks have for cause a `StoredException`,
        which shows the class, the text and the traceback of the original also where that class is not known.

        Raises:
            UnknownRun: there is no run of this id.
            StoreDamaged, StoreRefused: events are missing, or are not what this store has written.

        Example:
            >>> record = RunRecord(store.events("4f2a"))
        """
        return self._history.events(run)

    def outcomes(self, run: str) -> dict[str, Outcome]:
        """By the id of each call that has ended, how it did: what a run that goes on need not do again.

        In the order in which they ended first; of a call that ended several times, in rounds of a run that was
        continued, the last.  That it was given up in a later round does not count: what it gave before is still there.
        """
        return self._history.outcomes(run)

    def rounds(self, run: str) -> list[EventLog]:
        """What happened in a run, each time that it was begun or continued; the last one is what `events` gives."""
        return self._history.rounds(run)

    def newest(self, name: str, given: str) -> tuple[str, str] | None:
        """The run of this workflow that began last with these arguments; None where there is none.

        Args:
            name: the workflow's.
            given: the fingerprint of the arguments.

        Returns:
            Its id, and what was noted of what was given to it (see `begin`).
        """
        return self._history.newest(name, given)

    def find(self, run: str) -> str:
        """The id of a run of which only so much of the beginning is given that it can be no other.

        Raises:
            UnknownRun: there is none, or there are several.
        """
        return self._history.find(run)

    def arguments(self, run: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments that a run was started with, or began anew with.

        Raises:
            UnknownRun: there is no run of this id.
            ValueNotStored: they could not be pickled.
        """
        return self._history.arguments(run)

    def size(self) -> int:
        """Bytes that the store takes on the disk."""
        with told_plainly(self.path):
            total = sum(status.st_size for _, status in self._values.names())
            for file in self.path.iterdir():
                try:
                    total += file.stat().st_size if file.is_file() else 0
                except FileNotFoundError:
                    continue  # SQLite removes its own files when the last one leaves
            return total

    @cached_property
    def cache(self) -> StoreCache:
        """The results that are kept to be used again.

        Example:
            >>> [(task.name, task.entries, task.bytes) for task in store.cache.tasks()]
        """
        from interactive_flow.store.cache import StoreCache

        return StoreCache(self._database, self._values)

    # -- removing -------------------------------------------------------------------------------------------------

    def prune(self, *, older_than: timedelta | float | None = None, keep: int | None = None) -> Freed:
        """Removes runs that are over, results that were not used again, and the value files that nothing else needs.

        Args:
            older_than: only runs that ended so long ago, and results that were not used for so long; a `timedelta`, or
                seconds.
            keep: spares so many runs, those that began last, and the results that were used since the first of them
                began.  A run that is still running is spared always.

        Raises:
            ValueError: neither is given; ``keep=0`` removes everything.

        Example:
            >>> store.prune(older_than=timedelta(days=30), keep=10)
            Freed(runs=('4f2a',), files=2, bytes=81920, entries=0)
        """
        if older_than is None and keep is None:
            raise ValueError("prune(older_than=…, keep=…): give at least one of them; keep=0 removes every run")
        if keep is not None and keep < 0:
            raise ValueError(f"keep={keep}: a number of runs is not negative")
        return self._history.prune(older_than, keep)

    def __reduce__(self) -> Any:
        return open_store, (str(self.path),)

    # -- the key --------------------------------------------------------------------------------------------------

    def _key(self) -> bytes:
        path = self.path / "key"
        with told_plainly(path):
            try:
                key = bytes.fromhex(path.read_text("ascii"))
            except FileNotFoundError:
                with self._database.reading() as connection:
                    row = connection.execute("SELECT 1 FROM meta WHERE name = 'key'").fetchone()
                if row is not None:
                    raise StoreDamaged(
                        "the key is missing, without which nothing in this store can be trusted; restore the file "
                        "from where the directory was copied from",
                        path,
                    ) from None
                key = self._make_key(path)
            except ValueError:
                key = b""
        if len(key) != _KEY_SIZE:
            raise StoreDamaged("this is no key; restore the file from a copy of the store", path)
        return key

    def _make_key(self, path: Path) -> bytes:
        """A new key, or that of another process which was quicker: a name is given to a complete file only, once."""
        key = secrets.token_bytes(_KEY_SIZE)
        temporary = path.with_name(f".key-{secrets.token_hex(8)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(key.hex())
                file.flush()
                os.fsync(file.fileno())
            os.link(temporary, path)
        except FileExistsError:
            return bytes.fromhex(path.read_text("ascii"))
        finally:
            temporary.unlink()
        flush_folder(path.parent)
        return key

    def _check_key(self) -> None:
        proof = self._values.digest(b"key")
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        if row is None:
            with self._database.writing() as connection:
                connection.execute("INSERT OR IGNORE INTO meta VALUES ('key', ?)", (proof,))
                row = connection.execute("SELECT value FROM meta WHERE name = 'key'").fetchone()
        if row[0] != proof:
            raise StoreRefused("the key does not belong to this database", self.path / "key")

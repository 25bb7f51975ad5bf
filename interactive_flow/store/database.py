"""The database of a store: SQLite in WAL mode, so that one process may write while others read.

Every connection is opened here.  What changes anything is a transaction that takes the lock for writing at its start
(``BEGIN IMMEDIATE``), so that no two processes find out half-way that they are in each other's way; the second one
waits.

``synchronous`` is NORMAL: what was committed survives the death of the process, however sudden, since it is with the
operating system then; a loss of power may cost the transactions since the last checkpoint, never the database's
integrity.  The end of a run is committed with FULL, which also makes safe everything that was committed before.

The schema has a version (``user_version``): `SCHEMA` holds, for each, the statements that make it from the one before.
An older database is brought up to date in one transaction when it is opened, a newer one is refused.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from interactive_flow.store.errors import StoreError, StoreRefused, StoreTooNew, told_plainly

APPLICATION = 0x69666C77
"""``application_id``: tells our databases from those of others."""

PATIENCE = 30.0
"""Seconds that a transaction waits for that of another process."""

Schema = tuple[tuple[str, ...], ...]

SCHEMA: Schema = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        """CREATE TABLE runs (
            number INTEGER PRIMARY KEY AUTOINCREMENT,  -- in order of beginning
            id TEXT NOT NULL UNIQUE,
            name TEXT NOT NULL,
            status TEXT NOT NULL,
            began REAL NOT NULL,                       -- seconds since the epoch
            seconds REAL NOT NULL DEFAULT 0,           -- time of the last event, since the beginning
            round INTEGER NOT NULL DEFAULT 0,          -- how often its events began anew
            events INTEGER NOT NULL DEFAULT 0,         -- of the current round
            calls INTEGER NOT NULL DEFAULT 0,
            changed REAL NOT NULL,                     -- when its last event was stored, seconds since the epoch
            beat REAL NOT NULL,                        -- last sign of life, seconds since the epoch
            machine TEXT NOT NULL,                     -- of the process that records it
            process INTEGER NOT NULL,
            process_began TEXT NOT NULL
        )""",
        """CREATE TABLE segments (                        -- stretches of events
            run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            round INTEGER NOT NULL,
            first INTEGER NOT NULL,                    -- sequence number of the first one; -1: the run's arguments
            count INTEGER NOT NULL,
            data BLOB NOT NULL,
            digest BLOB NOT NULL,
            PRIMARY KEY (run, round, first)
        )""",
        """CREATE TABLE uses (                            -- which rounds need which value files
            run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
            round INTEGER NOT NULL,
            file TEXT NOT NULL,
            size INTEGER NOT NULL,
            PRIMARY KEY (run, round, file)
        ) WITHOUT ROWID""",
        "CREATE INDEX uses_by_file ON uses (file)",
    ),
    (
        "ALTER TABLE runs ADD COLUMN input TEXT NOT NULL DEFAULT ''",  # a fingerprint of its first arguments
        "CREATE INDEX runs_by_input ON runs (name, input)",
    ),
    (
        """CREATE TABLE codes (                           -- what keys of calls consist of, for people
            digest BLOB PRIMARY KEY,
            parts TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE cache (                           -- results that can be used again
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            key BLOB NOT NULL UNIQUE,                  -- of the call: a digest of its code and its arguments
            family TEXT NOT NULL,                      -- what the calls of a task have in common
            given BLOB NOT NULL,                       -- a digest of the arguments alone
            code BLOB NOT NULL,
            arguments TEXT NOT NULL,                   -- a digest of each
            name TEXT NOT NULL,                        -- of the task
            run TEXT NOT NULL,                         -- the id of the run that computed it
            seconds REAL NOT NULL,                     -- what that took
            used REAL NOT NULL,                        -- when, at the earliest, it was used last; since the epoch
            format TEXT NOT NULL,
            data BLOB,                                 -- the value; none where a file has it
            file TEXT,
            size INTEGER NOT NULL,
            text TEXT NOT NULL,
            digest BLOB NOT NULL
        )""",
        "CREATE INDEX cache_by_family ON cache (family, number)",
        "CREATE INDEX cache_by_arguments ON cache (family, given, number)",
        "CREATE INDEX cache_by_file ON cache (file) WHERE file IS NOT NULL",
    ),
)
"""For each version, from 1, the statements that make it from the one before."""


class Database:
    """The database of one store.  Any thread may use it; each block has a connection of its own.

    Args:
        path: the file; it is made where there is none, and brought up to date where it is older than `schema`.
        schema: what to bring it to.

    Raises:
        StoreTooNew: its version is not in `schema`.
        StoreRefused: it is a database of something else.
        StoreError: it cannot be opened; see `interactive_flow.store.errors`.
    """

    def __init__(self, path: Path, schema: Schema = SCHEMA) -> None:
        self.path = path
        with told_plainly(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files take their rights from it
            with closing(self.connect()) as connection:
                connection.execute("BEGIN")  # so that another process does not make it meanwhile
                version = self._version(connection, schema)  # before anything is changed
                connection.execute("COMMIT")
                if not version:
                    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                self._use_wal(connection)
                if version < len(schema):
                    self._migrate(connection, schema)

    def connect(self) -> sqlite3.Connection:
        """A connection, for the thread that asks."""
        connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees the database as it is now, whatever others write meanwhile."""
        with told_plainly(self.path), closing(self.connect()) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, on a connection of its own."""
        with told_plainly(self.path), closing(self.connect()) as connection, transaction(connection):
            yield connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                # SQLite does not wait for others here, who do the same at this moment.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(0.01)
                continue
            if mode == "wal":
                return
            raise StoreError(
                f"the file system cannot do without the journal mode {mode!r}; use a local disk", self.path
            )

    def _version(self, connection: sqlite3.Connection, schema: Schema) -> int:
        """The version of the schema, 0 for a new database; raises where that is none of `schema`, or none of ours."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application != APPLICATION and (application or version or tables):
            raise StoreRefused("this database belongs to something else; choose another directory", self.path)
        if version > len(schema):
            raise StoreTooNew(
                f"this store has version {version}, and the installed interactive_flow knows those up to "
                f"{len(schema)}; update it, or choose another directory",
                self.path,
            )
        return int(version)

    def _migrate(self, connection: sqlite3.Connection, schema: Schema) -> None:
        with transaction(connection):
            for statements in schema[self._version(connection, schema) :]:  # another process may have been quicker
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {len(schema)}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that happens in the block, or nothing; others who want to write wait."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            connection.execute("ROLLBACK")
        raise

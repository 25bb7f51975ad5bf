"""The runs in a store: which there are, what happened in them, and which are to go."""

from __future__ import annotations

import gc
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from secrets import compare_digest
from typing import Any

from interactive_flow.model.errors import TaskError
from interactive_flow.model.events import (
    CallCached,
    CallCancelled,
    CallFailed,
    CallScheduled,
    CallSucceeded,
)
from interactive_flow.model.log import EventLog, code_of
from interactive_flow.model.states import CallKind
from interactive_flow.store.database import Database
from interactive_flow.store.errors import StoreDamaged, StoreRefused, UnknownRun, told_plainly
from interactive_flow.store.lazy import loader_of
from interactive_flow.store.process import Process, lives
from interactive_flow.store.rows import forget_entries, remove_unused, segment_digest
from interactive_flow.store.segments import Decoder, Raw, load
from interactive_flow.store.values import TEMPORARY, Values

_SCHEDULED, _SUCCEEDED = code_of(CallScheduled), code_of(CallSucceeded)
_FAILED, _CANCELLED, _CACHED = code_of(CallFailed), code_of(CallCancelled), code_of(CallCached)
_VALUE_AT = {_SUCCEEDED: CallSucceeded._fields.index("value") + 1, _CACHED: CallCached._fields.index("value") + 1}

_ABANDONED = 3600.0
"""Seconds after which an incomplete value file has nobody who writes it any more."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What there is to say of a stored run in a line.

    Attributes:
        id, name: of the run, and of its workflow.
        status: ``"running"`` (its process gives signs of life), ``"succeeded"``, ``"failed"``, ``"cancelled"`` or
            ``"interrupted"`` (its process ended before it did).
        started: seconds since the epoch.
        finished: the same: when its last event was stored; None while it is running.
        duration: seconds from the start to the last event; of a run that was continued, in its last round.
        calls, events: how many.
        size: bytes that it takes in the store; value files that several runs share count for each.
        rounds: how often its events began anew.
    """

    id: str
    name: str
    status: str
    started: float
    finished: float | None
    duration: float
    calls: int
    events: int
    size: int
    rounds: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended.

    Attributes:
        call: its id, stable across runs of the same code.
        kind: what it was a call of.
        value: the value; a stand-in that loads it when it is used (see `interactive_flow.store.lazy`).
        error: the error, where it failed; `TaskCancelled` is not recorded as an error but as `cancelled`.
        cancelled: True where it was given up.
        available: True where there is a value, so that the call need not run again.
    """

    call: str
    kind: CallKind
    value: Any = None
    error: TaskError | None = None
    cancelled: bool = False
    available: bool = False


@dataclass(frozen=True, slots=True)
class Freed:
    """What `prune` has removed: ids of runs, how many value files and bytes, and how many results of the cache."""

    runs: tuple[str, ...]
    files: int
    bytes: int
    entries: int = 0


class History:
    """The runs in a database.

    Args:
        database: where they are.
        values: the value files beside it.
    """

    def __init__(self, database: Database, values: Values) -> None:
        self._database, self._values = database, values

    # -- reading --------------------------------------------------------------------------------------------------

    def runs(self) -> list[RunSummary]:
        """Every run, in order of beginning."""
        now = time.time()
        with self._database.reading() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM runs ORDER BY number").fetchall()
        return [_summary(row, now) for row in rows]

    def run(self, id: str) -> RunSummary:
        """One run.

        Raises:
            UnknownRun: there is none of this id.
        """
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise UnknownRun(f"there is no run {id!r}; `runs` lists those there are", self._database.path)
        return _summary(row, time.time())

    def events(self, id: str) -> EventLog:
        """What happened in a run, in its last round; values are loaded when somebody uses them.

        Raises:
            UnknownRun, StoreDamaged, StoreRefused: see there.
        """
        log = EventLog()
        add = log.add_raw
        with _no_collection(), self._database.reading() as connection:
            number, round_ = self._find(connection, id)
            (told,) = connection.execute(
                "SELECT max(round) FROM segments WHERE run = ? AND first >= 0", (number,)
            ).fetchone()
            if told is not None:
                round_ = told  # the one before, where a run goes on of which nothing is stored yet
            decode = Decoder(self._values).named
            for events in self._segments(connection, id, number, round_):
                for raw in events:
                    add(decode(raw))
        return log

    def rounds(self, id: str) -> list[EventLog]:
        """What happened in each round of a run, the last one last; rounds of which nothing was stored are left out."""
        logs = []
        with _no_collection(), self._database.reading() as connection:
            number, last = self._find(connection, id)
            for round_ in range(last + 1):
                log, decode = EventLog(), Decoder(self._values).named
                for events in self._segments(connection, id, number, round_):
                    for raw in events:
                        log.add_raw(decode(raw))
                if log:
                    logs.append(log)
        return logs

    def newest(self, name: str, given: str) -> tuple[str, str] | None:
        """See `Store.newest`."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT id, input FROM runs WHERE name = ? AND substr(input, 1, ?) = ? ORDER BY number DESC LIMIT 1",
                (name, len(given), given),
            ).fetchone()
        return None if row is None else (str(row[0]), str(row[1]))

    def find(self, prefix: str) -> str:
        """The id that begins so.

        Raises:
            UnknownRun: there is none, or more than one.
        """
        with self._database.reading() as connection:
            rows = connection.execute("SELECT id FROM runs WHERE substr(id, 1, ?) = ?", (len(prefix), prefix))
            found = sorted(str(id) for (id,) in rows)
        if prefix in found:
            return prefix
        if len(found) == 1 and prefix:
            return found[0]
        if not found or not prefix:
            raise UnknownRun(f"there is no run {prefix!r}; `runs` lists those there are", self._database.path)
        raise UnknownRun(f"{prefix!r} may be any of {', '.join(found[:5])}; give more of the id", self._database.path)

    def outcomes(self, id: str) -> dict[str, Outcome]:
        """By its id, how each call of the run ended that did, in the order in which they first ended.

        Where a run has been continued, it is told how they ended in the last round that knows of them.
        """
        found: dict[str, Outcome] = {}
        with _no_collection(), self._database.reading() as connection:
            number, last = self._find(connection, id)
            for round_ in range(last + 1):
                decode = Decoder(self._values).named
                calls: dict[int, tuple[str, CallKind]] = {}
                for events in self._segments(connection, id, number, round_):
                    for raw in events:
                        outcome = _outcome(decode(raw), calls)
                        if outcome is not None and not (outcome.cancelled and outcome.call in found):
                            found[outcome.call] = outcome
        return found

    def arguments(self, id: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the run was started with; loaded, since they are asked for to be used.

        Raises:
            ValueNotStored: they could not be pickled.
        """
        with self._database.reading() as connection:
            number, _ = self._find(connection, id)
            row = connection.execute(
                "SELECT round, data, digest FROM segments WHERE run = ? AND first = -1 ORDER BY round DESC LIMIT 1",
                (number,),
            ).fetchone()
        if row is None:
            raise StoreDamaged(f"the arguments of run {id} are missing", self._database.path)
        ((kept,),) = self._checked(id, row[0], -1, row[1], row[2])
        value = Decoder(self._values).value(kept)
        loader = loader_of(value)
        args, kwargs = loader() if loader is not None else value
        return args, kwargs

    def _find(self, connection: sqlite3.Connection, id: str) -> tuple[int, int]:
        row = connection.execute("SELECT number, round FROM runs WHERE id = ?", (id,)).fetchone()
        if row is None:
            raise UnknownRun(f"there is no run {id!r}; `runs` lists those there are", self._database.path)
        return row[0], row[1]

    def _segments(self, connection: sqlite3.Connection, id: str, number: int, round_: int) -> Iterator[list[Raw]]:
        rows = connection.execute(
            "SELECT first, count, data, digest FROM segments WHERE run = ? AND round = ? AND first >= 0 ORDER BY first",
            (number, round_),
        )
        expected = 0
        for first, count, data, digest in rows:
            if first != expected:
                raise StoreDamaged(f"events {expected} to {first - 1} of run {id} are missing", self._database.path)
            expected += count
            yield self._checked(id, round_, first, data, digest)

    def _checked(self, id: str, round_: int, first: int, data: bytes, digest: bytes) -> list[Raw]:
        if not compare_digest(segment_digest(self._values, id, round_, first, data), digest):
            raise StoreRefused(f"this store has not written the events from {first} of run {id}", self._database.path)
        return load(data)

    # -- removing -------------------------------------------------------------------------------------------------

    def prune(self, older_than: timedelta | float | None, keep: int | None) -> Freed:
        """See `Store.prune`."""
        now = time.time()
        age = older_than.total_seconds() if isinstance(older_than, timedelta) else older_than
        going: list[tuple[int, str]] = []
        with self._database.writing() as connection:
            rows = connection.execute(
                f"SELECT number, {_COLUMNS} FROM runs ORDER BY number DESC LIMIT -1 OFFSET ?", (keep or 0,)
            ).fetchall()
            for number, *row in rows:
                summary = _summary(row, now)
                if summary.finished is not None and (age is None or summary.finished < now - age):
                    going.append((number, summary.id))
            freed = self._forget(connection, [number for number, _ in going])
            entries, size = forget_entries(connection, self._unused_since(connection, age, keep, now))
            freed += size
        with told_plainly(self._values.folder):
            strays = self._strays(now)
        with self._database.writing() as connection:
            files, size = remove_unused(connection, self._values, strays)
            connection.execute("PRAGMA incremental_vacuum").fetchall()  # it goes on only while somebody fetches
        return Freed(tuple(id for _, id in reversed(going)), files, freed + size, entries)

    def _unused_since(
        self, connection: sqlite3.Connection, age: float | None, keep: int | None, now: float
    ) -> float | None:
        """Since when a result of the cache must have been used to be spared; None where none is."""
        since = None if age is None else now - age
        if keep:
            row = connection.execute(
                "SELECT began FROM runs ORDER BY number DESC LIMIT 1 OFFSET ?", (keep - 1,)
            ).fetchone()
            began = row[0] if row is not None else 0.0  # there are not even so many
            since = began if since is None else min(since, began)
        return since

    def _forget(self, connection: sqlite3.Connection, numbers: Sequence[int]) -> int:
        freed = 0
        for number in numbers:
            (size,) = connection.execute("SELECT sum(length(data)) FROM segments WHERE run = ?", (number,)).fetchone()
            freed += size or 0
            connection.execute("DELETE FROM runs WHERE number = ?", (number,))
        return freed

    def _strays(self, now: float) -> list[str]:
        """Every value file; of those that are not complete, the ones that nobody writes any more."""
        return [
            name
            for name, status in self._values.names()
            if not name[2:].startswith(TEMPORARY) or now - status.st_mtime > _ABANDONED
        ]


_COLUMNS = """id, name, status, began, changed, seconds, calls, events, round, beat, machine, process, process_began,
    coalesce((SELECT sum(length(data)) FROM segments WHERE run = runs.number), 0)
    + coalesce((SELECT sum(size) FROM (SELECT DISTINCT file, size FROM uses WHERE run = runs.number)), 0)"""


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keeps the garbage collector from going through hundreds of thousands of new events again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _summary(row: Sequence[Any], now: float) -> RunSummary:
    id, name, status, began, changed, seconds, calls, events, rounds, beat, *process, size = row
    if status == "running" and not lives(Process(*process), beat, now):
        status = "interrupted"
    finished = None if status == "running" else changed
    return RunSummary(id, name, status, began, finished, seconds, calls, events, size, rounds)


def _outcome(raw: Raw, calls: dict[int, tuple[str, CallKind]]) -> Outcome | None:
    """How a call ended, where the event says so; learns the ids and kinds of calls on the way."""
    code = raw[0]
    if code == _SCHEDULED:
        _, _, call, name, number, kind, parent, *_ = raw
        calls[call] = (f"{calls[parent][0]}/{name}#{number}" if parent else f"{name}#{number}", CallKind(kind))
    elif code in _VALUE_AT and raw[2] in calls:
        value = raw[_VALUE_AT[code]]
        loader = loader_of(value)
        return Outcome(*calls[raw[2]], value=value, available=loader is None or bool(loader.packed.format))
    elif code == _FAILED:
        return Outcome(*calls[raw[2]], error=raw[-1])
    elif code == _CANCELLED:
        return Outcome(*calls[raw[2]], cancelled=True)
    return None

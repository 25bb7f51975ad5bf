"""Records one run: takes its events, and writes them from a thread of its own.

Whoever drives the run only hands over what happened, in the compact form of its log, or does not even that: a recorder
that *follows* a log takes from it what is new.  The thread collects for some hundredths of a second, makes segments of
the events, writes value files, and then commits it all in one transaction; so events are stored in order, and whole
batches are, or are not.

When the thread meets an error (a full disk), the recording ends there: what was stored stays, `Recorder.error` tells
what happened, and `append` and `flush` raise it.  The run itself need not care.
"""

from __future__ import annotations

import atexit
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from interactive_flow.model.events import CallScheduled, RunFinished, RunStarted
from interactive_flow.model.log import EventLog, code_of
from interactive_flow.store.database import Database, transaction
from interactive_flow.store.errors import StoreError, UnknownRun, told_plainly
from interactive_flow.store.process import BEAT
from interactive_flow.store.rows import ValueFiles, add_input, add_segment, remove_unused
from interactive_flow.store.segments import Encoder, Raw, dump
from interactive_flow.store.values import Packed, Values

log = logging.getLogger("interactive_flow")

LINGER = 0.02
"""Seconds: how long the thread collects events before it writes them."""

LONGEST_PAUSE = 0.25
"""Seconds: how often a log is looked at in which nothing happens."""

BACKLOG = 50_000
"""Events: with so many not stored yet, `Recorder.append` waits."""

_SEGMENT = 1024
_BATCH = 8 * _SEGMENT
_BYTES = 32 * 1024 * 1024
"""Bytes of large values that are held until they are committed."""

_RESTARTS_AT = RunStarted._fields.index("restarts") + 1
_STARTED, _SCHEDULED, _FINISHED = code_of(RunStarted), code_of(CallScheduled), code_of(RunFinished)


class NotStored(NamedTuple):
    """A value that could not be pickled."""

    call: str
    """The call's id; empty for the run itself."""
    reason: str


class Recorder:
    """Writes what happens in one run.  Made by `Store.begin`; any thread may use it.

    Attributes:
        run: the run's id.
        not_stored: values that could not be pickled; of each a text and the reason are stored instead.
    """

    def __init__(self, database: Database, values: Values, run: str, number: int, round_: int) -> None:
        self.run = run
        self.not_stored: list[NotStored] = []
        self._database, self._values = database, values
        self._number, self._round = number, round_
        self._encoder = Encoder(values, self._packed)
        self._ids: dict[int, Raw] = {}
        self._changed = threading.Condition()
        self._pending: list[Raw] = []
        self._source: Callable[[], EventLog] | None = None
        self._followed: EventLog | None = None
        self._taken = 0
        self._handed_over = self._stored = 0
        self._hurry = self._closing = self._over = False
        self._error: StoreError | None = None
        # of the transaction in the making
        self._files = ValueFiles(values)
        self._first = self._calls = 0
        self._inputs: dict[int, Any] = {}
        self._pause = LINGER
        self._next_beat = time.monotonic() + BEAT
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"iflow-store-{run}")
        self._thread.start()

    # -- whoever drives the run -----------------------------------------------------------------------------------

    def append(self, events: Sequence[Raw]) -> None:
        """Takes the next events, in the form of `EventLog.tail`; returns at once unless the thread is far behind.

        Raises:
            StoreError: the recording has ended with this error, or was closed.
        """
        with self._changed:
            while self._handed_over - self._stored > BACKLOG and not self._over:
                self._hurry = True
                self._changed.wait()
            self._check()
            self._pending.extend(events)
            self._handed_over += len(events)
            self._changed.notify_all()

    def follow(self, source: Callable[[], EventLog]) -> None:
        """Takes from now on whatever is new in the log that `source` gives, several times a second.

        The log is another one once the workflow has begun again (see `begin_anew`); a round that is over before
        anybody has looked at its log is not recorded at all, which is as good as forgotten.  `source` is called with a
        lock held, so it must not wait for whoever calls a method of the recorder.
        """
        with self._changed:
            self._source = source
            self._changed.notify_all()

    def begin_anew(self, restarts: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The workflow has returned ``restart(…)`` with these arguments; to be told before the next round begins.

        With its `RunStarted`, which has the same `restarts`, what was recorded before is forgotten, as it is in the
        run itself.
        """
        with self._changed:
            self._inputs[restarts] = (args, kwargs)

    def flush(self, timeout: float | None = None) -> int:
        """Waits until everything that has happened so far is stored; how many events are.

        What is stored survives the death of this process, however sudden.

        Raises:
            StoreError: the recording has ended with this error.
            TimeoutError: it takes longer than `timeout` seconds.
        """
        with self._changed:
            self._take()
            goal = self._handed_over
            self._hurry = True
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._stored >= goal or self._over, timeout):
                raise TimeoutError(f"run {self.run} is not stored after {timeout:g} s; that goes on")
            if self._stored < goal:
                self._check()
            return self._stored

    @property
    def stored(self) -> int:
        """How many events are stored."""
        return self._stored

    @property
    def error(self) -> StoreError | None:
        """What has ended the recording early."""
        return self._error

    def close(self, timeout: float | None = 30.0) -> None:
        """Stores the rest and ends the recording; raises nothing.  A run that was not over is interrupted then."""
        with self._changed:
            self._closing = self._hurry = True
            self._changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        if not self._thread.is_alive():
            atexit.unregister(self.close)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._over:
            raise StoreError(f"the recording of run {self.run} is over", self._database.path)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with told_plainly(self._database.path), closing(self._database.connect()) as connection:
                while self._write_some(connection):
                    pass
        except StoreError as error:
            self._fail(error)
        except BaseException as error:
            self._fail(StoreError(f"{type(error).__name__}: {error}", self._database.path))
            if not isinstance(error, Exception):
                raise
        finally:
            with self._changed:
                self._over = True
                self._source = self._followed = None
                self._pending.clear()
                self._ids.clear()
                self._changed.notify_all()

    def _fail(self, error: StoreError) -> None:
        self._error = error
        log.error("run %s is not recorded any further: %s", self.run, error)
        try:
            with closing(self._database.connect()) as connection:
                connection.execute("PRAGMA busy_timeout = 0")
                connection.execute(
                    "UPDATE runs SET status = 'interrupted' WHERE number = ? AND status = 'running'", (self._number,)
                )
        except sqlite3.Error:
            pass  # then it is the lack of signs of life that tells

    def _write_some(self, connection: sqlite3.Connection) -> bool:
        """Waits for events and stores them; False once there will be no more."""
        with self._changed:
            self._wait()
            self._take()
            batch = self._pending[:_BATCH]
            del self._pending[:_BATCH]
            if not self._pending:
                self._hurry = self._closing
            last = self._closing and not self._pending
        if batch:
            self._store(connection, batch)
        self._pause = LINGER if batch else min(2 * self._pause, LONGEST_PAUSE)
        if last:
            self._end(connection)
            return False
        if time.monotonic() >= self._next_beat:
            with transaction(connection):
                self._update(connection, "beat = ?", time.time())
        return True

    def _wait(self) -> None:
        beat = max(self._next_beat - time.monotonic(), 0.0)
        if not self._pending and not self._hurry:
            if self._source is not None:
                self._changed.wait(min(self._pause, beat))
                return
            self._changed.wait_for(lambda: self._pending or self._hurry or self._source is not None, beat)
        if not self._hurry and self._pending:
            self._changed.wait_for(lambda: self._hurry or len(self._pending) >= _BATCH, LINGER)

    def _take(self) -> None:
        """Takes what is new in the log that is followed."""
        if self._source is None:
            return
        current = self._source()
        for followed in (self._followed, current):
            if followed is None:
                continue
            if followed is not self._followed:
                self._followed, self._taken = followed, 0
            new = followed.tail(self._taken)
            self._taken += len(new)
            self._handed_over += len(new)
            self._pending.extend(new)

    # -- a transaction --------------------------------------------------------------------------------------------

    def _store(self, connection: sqlite3.Connection, batch: list[Raw]) -> None:
        begin = 0
        while begin < len(batch):
            if batch[begin][0] == _STARTED and (self._first or batch[begin][_RESTARTS_AT] in self._inputs):
                self._begin_anew(connection, batch[begin][_RESTARTS_AT])
            segment: list[Raw] = []
            try:
                self._encode(batch, begin, segment)
            finally:  # where there is no room for one value, there may be for what happened before
                begin += len(segment)
                if segment:
                    self._commit(connection, segment, batch[begin - 1])

    def _encode(self, batch: list[Raw], begin: int, segment: list[Raw]) -> None:
        """Makes a segment of the next events of a batch: those of one round, and not too many."""
        for raw in batch[begin : begin + _SEGMENT]:
            code = raw[0]
            if code == _STARTED and (segment or self._first):
                return
            if code == _SCHEDULED:
                self._ids[raw[2]] = raw
            segment.append(self._encoder.plain(raw))
            if self._files.bytes > _BYTES:
                return

    def _packed(self, call: int | None, packed: Packed) -> Packed:
        """Sees to a value file for what is large, and notes what could not be packed."""
        if not packed.format:
            self.note(self._id(call), str(packed.data))
        return self._files.keep(packed)

    def note(self, call: str, reason: str) -> None:
        """Notes that a value could not be pickled; the first time the log tells."""
        self.not_stored.append(NotStored(call, reason))
        if len(self.not_stored) == 1:
            log.warning("run %s: a value of %s cannot be stored: %s", self.run, call or "the run itself", reason)

    def _id(self, call: int | None) -> str:
        parts: list[str] = []
        while call:
            raw = self._ids.get(call)
            if raw is None:
                break
            _, _, _, name, number, _, call, *_ = raw
            parts.append(f"{name}#{number}")
        return "/".join(reversed(parts))

    def _commit(self, connection: sqlite3.Connection, segment: list[Raw], last: Raw) -> None:
        data = dump(segment)
        over = last[0] == _FINISHED
        events = self._first + len(segment)
        calls = self._calls + sum([raw[0] == _SCHEDULED for raw in segment])
        if over:
            connection.execute("PRAGMA synchronous = FULL")
        with transaction(connection):
            now, status = time.time(), str(last[2]) if over else "running"
            self._update(
                connection,
                "beat = ?, changed = ?, seconds = ?, events = ?, calls = ?, status = ?",
                *(now, now, last[1], events, calls, status),
            )
            add_segment(connection, self._values, self.run, self._number, self._round, self._first, len(segment), data)
            self._files.name(connection, self._number, self._round)
        if over:
            connection.execute("PRAGMA synchronous = NORMAL")
        self._first, self._calls = events, calls
        self._files.clear()
        with self._changed:
            self._stored += len(segment)
            self._changed.notify_all()

    def _update(self, connection: sqlite3.Connection, assignments: str, *values: Any) -> None:
        changed = connection.execute(f"UPDATE runs SET {assignments} WHERE number = ?", (*values, self._number))
        if not changed.rowcount:
            raise UnknownRun(f"run {self.run} was removed from the store while it was recorded", self._database.path)
        self._next_beat = time.monotonic() + BEAT

    def _begin_anew(self, connection: sqlite3.Connection, restarts: int) -> None:
        """The workflow has returned ``restart(…)``: a new round, without what was before."""
        self._encoder = Encoder(self._values, self._packed)
        self._ids.clear()
        with self._changed:
            given = self._inputs.get(restarts)
            self._inputs = {n: later for n, later in self._inputs.items() if n > restarts}
        if given is not None:
            given = self._encoder.value(None, given)
        with transaction(connection):
            released = [
                name for (name,) in connection.execute("SELECT DISTINCT file FROM uses WHERE run = ?", (self._number,))
            ]
            connection.execute("DELETE FROM segments WHERE run = ?", (self._number,))
            connection.execute("DELETE FROM uses WHERE run = ?", (self._number,))
            self._round += 1
            self._update(connection, "round = ?, events = 0, calls = 0", self._round)
            if given is not None:
                add_input(connection, self._values, self.run, self._number, self._round, given)
                self._files.name(connection, self._number, self._round)
                self._files.clear()
            self._first = self._calls = 0
        if released:
            with transaction(connection):
                remove_unused(connection, self._values, released)

    def _end(self, connection: sqlite3.Connection) -> None:
        with transaction(connection):
            self._update(
                connection,
                "beat = ?, status = CASE status WHEN 'running' THEN 'interrupted' ELSE status END",
                time.time(),
            )

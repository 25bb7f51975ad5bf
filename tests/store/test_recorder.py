"""The recorder's thread: what it waits for, what waits for it, and how it ends."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest
from recordings import log_of, succeeding

from interactive_flow.store import Store, recorder
from interactive_flow.store.errors import StoreBusy

RAW = log_of(succeeding([1] * 20)).tail(0)


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Somebody else keeps the database locked."""
    with closing(sqlite3.connect(store.path / "store.sqlite", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_flush_gives_up_waiting_when_told(store: Store) -> None:
    with store.begin("r", "wf") as writer:
        with locked(store):
            writer.append(RAW)
            with pytest.raises(TimeoutError, match=r"run r is not stored after 0\.01 s"):
                writer.flush(timeout=0.01)
        assert writer.flush() == writer.stored == len(RAW)


def test_append_waits_for_a_thread_that_is_far_behind(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "BACKLOG", 10)
    through = threading.Event()
    with store.begin("r", "wf") as writer:

        def push() -> None:
            for raw in RAW:
                writer.append([raw])
            through.set()

        with locked(store):
            pushing = threading.Thread(target=push)
            pushing.start()
            assert not through.wait(0.1)
            assert writer._handed_over <= 12
        assert through.wait(30)
        pushing.join()
        assert writer.flush() == len(RAW)


def test_a_database_that_stays_locked_ends_the_recording(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from interactive_flow.store import database

    monkeypatch.setattr(database, "PATIENCE", 0.01)
    with store.begin("r", "wf") as writer, locked(store):
        writer.append(RAW)
        with pytest.raises(StoreBusy, match="another process"):
            writer.flush()
        with pytest.raises(StoreBusy):
            writer.append(RAW)
    assert isinstance(writer.error, StoreBusy)
    assert len(store.events("r")) == 0


def test_an_idle_recorder_gives_signs_of_life(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "BEAT", 0.001)

    def beat() -> float:
        with store._database.reading() as connection:
            (found,) = connection.execute("SELECT beat FROM runs").fetchone()
        return float(found)

    with store.begin("r", "wf"):
        first = beat()
        while beat() == first:  # pytest's own timeout ends this
            time.sleep(0.001)


def test_closing_twice_and_flushing_afterwards(store: Store) -> None:
    writer = store.begin("r", "wf")
    writer.append(RAW)
    writer.close()
    writer.close()
    assert writer.flush() == len(RAW)
    assert store.run("r").status == "succeeded"


FORGETS_TO_CLOSE = """
import sys
from interactive_flow.model.events import RunStarted
from interactive_flow.model.log import EventLog
from interactive_flow.store import Store

log = EventLog()
log.append(RunStarted(0.0, "r", "wf", 1.0, 1))
recorder = Store(sys.argv[1]).begin("r", "wf")
recorder.append(log.tail(0))
"""


def test_a_process_that_ends_stores_what_it_has(tmp_path: Path, python: Callable[..., Popen[str]]) -> None:
    assert python(FORGETS_TO_CLOSE, tmp_path / "s").communicate() == ("", "")
    store = Store(tmp_path / "s")
    assert len(store.events("r")) == 1
    assert store.run("r").status == "interrupted"

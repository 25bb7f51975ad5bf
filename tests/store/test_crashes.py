"""What a store keeps when processes die, write at once, or find no room."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from threading import Timer
from typing import Any

import pytest
from recordings import log_of, record, succeeding

from interactive_flow.model.events import CallSucceeded
from interactive_flow.store import Store, loaded
from interactive_flow.store.errors import (
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreRefused,
    StoreTooNew,
)

HERE = Path(__file__).parent

WRITER = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
from recordings import log_of, succeeding
from interactive_flow.store import Store

path, run, calls = sys.argv[1], sys.argv[2], int(sys.argv[3])
raw = log_of(succeeding([[n, str(n) * (5_000 if n % 10 == 0 else 1)] for n in range(calls)], run)[:-1]).tail(0)
with Store(path).begin(run, "wf") as recorder:
    for begin in range(0, len(raw), 3):
        recorder.append(raw[begin : begin + 3])
        if begin % 90 == 0:
            print(recorder.flush(), flush=True)
    print("over", flush=True)
    sys.stdin.read()  # the run goes on until nobody looks any more
"""


def value_of(call: int) -> list[object]:
    """What the writer's call with this index gives."""
    n = call - 1
    return [n, str(n) * (5_000 if n % 10 == 0 else 1)]


def check_integrity(store: Store) -> None:
    with closing(sqlite3.connect(store.path / "store.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("seed", range(5))
def test_what_is_reported_as_stored_survives_sigkill(
    tmp_path: Path, python: Callable[..., Popen[str]], seed: int
) -> None:
    path = tmp_path / "s"
    process = python(WRITER, path, "r", 100_000)
    assert process.stdout is not None
    reported = int(process.stdout.readline())
    killer = Timer(random.Random(seed).uniform(0.0, 0.3), process.kill)
    killer.start()
    for line in process.stdout:
        assert line != "over\n"
        reported = int(line)
    assert process.wait() == -signal.SIGKILL
    killer.join()
    store = Store(path)
    check_integrity(store)
    events = store.events("r")
    assert len(events) >= reported > 0
    assert store.run("r").events == len(events)
    assert store.run("r").status == "interrupted"  # at once: the process can be seen to be gone
    for event in events:
        if isinstance(event, CallSucceeded):
            assert event.value == value_of(event.call)
    store.prune(keep=0)
    assert not [file for file in (path / "values").rglob("*") if file.is_file() and not file.name.startswith(".new-")]


def test_two_processes_write_at_once(tmp_path: Path, python: Callable[..., Popen[str]]) -> None:
    path = tmp_path / "s"  # which neither of them finds there
    writers = [python(WRITER, path, run, 400) for run in "ab"]
    for writer in writers:
        out, err = writer.communicate()
        assert err == ""
        assert out.endswith("over\n")
    store = Store(path)
    check_integrity(store)
    for run in "ab":
        values = [outcome.value for outcome in store.outcomes(run).values()]
        assert values == [value_of(call) for call in range(1, 401)]


def test_prune_beside_another_process_that_writes(tmp_path: Path, python: Callable[..., Popen[str]]) -> None:
    store = Store(tmp_path / "s")
    record(store, succeeding([value_of(call) for call in range(1, 101)], "old"), "old")
    writer = python(WRITER, store.path, "live", 1000)
    assert writer.stdout is not None
    removed: list[str] = []
    for line in writer.stdout:
        if line == "over\n":
            break
        removed += store.prune(keep=0).runs
    assert removed == ["old"]
    writer.communicate()
    assert writer.returncode == 0
    assert [o.value for o in store.outcomes("live").values()] == [value_of(call) for call in range(1, 1001)]


# -- no room -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    target = tmp_path / "disk"
    target.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("there is no mount program here")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield target
    subprocess.run([unmount, "--lazy", target], check=True)


@pytest.mark.parametrize("size", [100, 200_000], ids=["database", "value files"])
def test_a_full_disk_ends_the_recording_and_costs_nothing_else(small_disk: Path, size: int) -> None:
    store = Store(small_disk / "s")
    record(store, succeeding([["x" * 50_000]], "before"), "before")
    raw = log_of(succeeding([[str(n) * size] for n in range(40_000 if size == 100 else 100)])).tail(0)
    recorder = store.begin("r", "wf")
    with pytest.raises(StoreFull, match=r"(?s)disk.s.*no room.*prune"):  # noqa: PT012 - whichever finds out first
        for begin in range(0, len(raw), 15):
            recorder.append(raw[begin : begin + 15])
            if begin % 900 == 0 or size > 1000:
                recorder.flush()
    assert isinstance(recorder.error, StoreFull)
    recorder.close()
    assert store.run("r").status in ("interrupted", "running")  # nor may there be room to note that it is over
    kept = recorder.stored
    check_integrity(store)
    assert loaded(store.outcomes("before")["give#1"].value) == ["x" * 50_000]
    assert len(store.events("r")) == kept > 0
    for event in store.events("r"):
        if isinstance(event, CallSucceeded):
            assert event.value == [str(event.call - 1) * size]


def test_a_directory_that_cannot_be_written(small_disk: Path) -> None:
    store = Store(small_disk / "s")
    record(store, succeeding([1]))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for attempt in (lambda: Store(small_disk / "s"), lambda: store.begin("q", "wf"), lambda: Store(small_disk / "new")):
        with pytest.raises(StoreReadOnly, match=r"disk.*(cannot be written|cannot be opened)"):
            attempt()


# -- what is not ours --------------------------------------------------------------------------------------------------


def change(store: Store, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(store.path / "store.sqlite", isolation_level=None)) as connection:
        assert connection.execute(statement, values).rowcount


def test_a_newer_schema_is_refused(store: Store) -> None:
    record(store, succeeding([1]))
    with closing(sqlite3.connect(store.path / "store.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreTooNew, match=r"version 99.*update it"):
        Store(store.path)


def test_an_older_schema_is_brought_up_to_date(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from interactive_flow.store import database

    record(store, succeeding([[1]]))
    newer = (*database.SCHEMA, ("ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT 'none'",))
    made = database.Database(store.path / "store.sqlite", newer)
    with made.reading() as connection:
        assert connection.execute("SELECT id, note FROM runs").fetchall() == [("r", "none")]
    with pytest.raises(StoreTooNew, match=f"version {len(newer)}"):
        Store(store.path)
    monkeypatch.setattr(database.Database.__init__, "__defaults__", (newer,))
    assert Store(store.path).outcomes("r")["give#1"].value == [1]


def test_a_migration_that_fails_changes_nothing(store: Store) -> None:
    from interactive_flow.store import database

    record(store, succeeding([[1]]))
    broken = (*database.SCHEMA, ("ALTER TABLE runs ADD COLUMN note TEXT", "CREATE TABLE runs (id)"))
    with pytest.raises(StoreError, match="already exists"):
        database.Database(store.path / "store.sqlite", broken)
    assert Store(store.path).outcomes("r")["give#1"].value == [1]


def test_another_program_s_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.mkdir()
    with closing(sqlite3.connect(path / "store.sqlite")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreRefused, match="something else"):
        Store(path)
    with closing(sqlite3.connect(path / "store.sqlite")) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_what_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.mkdir()
    (path / "store.sqlite").write_bytes(b"words, and more of them" * 100)
    with pytest.raises(StoreDamaged, match="no database"):
        Store(path)


def test_a_file_in_the_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(StoreError, match=r"/s: FileExistsError"):
        Store(tmp_path / "s")


def test_changed_events_are_refused(store: Store) -> None:
    record(store, succeeding([[1], [2]]))
    with closing(sqlite3.connect(store.path / "store.sqlite")) as connection:
        (data,) = connection.execute("SELECT data FROM segments WHERE first = 0").fetchone()
    changed = bytearray(data)
    changed[-20] ^= 1
    change(store, "UPDATE segments SET data = ? WHERE first = 0", bytes(changed))
    for ask in (store.events, store.outcomes):
        with pytest.raises(StoreRefused, match="has not written the events from 0 of run r"):
            ask("r")


class Trap:
    """Its loading makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_foreign_pickle_in_the_database_is_refused_and_never_loaded(store: Store, tmp_path: Path) -> None:
    record(store, succeeding([[1]]))
    trap = pickle.dumps([Trap(tmp_path / "sprung")])
    change(store, "UPDATE segments SET data = ?", trap)
    for ask in (store.events, store.outcomes, store.arguments):
        with pytest.raises(StoreRefused):
            ask("r")
    assert not (tmp_path / "sprung").exists()


def test_events_of_one_run_are_not_taken_for_those_of_another(store: Store) -> None:
    record(store, succeeding([[1]], "a"), "a")
    record(store, succeeding([[2]], "b"), "b")
    with closing(sqlite3.connect(store.path / "store.sqlite")) as connection:
        data, digest = connection.execute("SELECT data, digest FROM segments WHERE run = 1 AND first = 0").fetchone()
    change(store, "UPDATE segments SET data = ?, digest = ? WHERE run = 2 AND first = 0", data, digest)
    with pytest.raises(StoreRefused, match="run b"):
        store.events("b")


def test_missing_events_are_told_as_such(store: Store) -> None:
    raw = log_of(succeeding([[n] for n in range(4)])).tail(0)
    with store.begin("r", "wf") as recorder:
        for begin in range(0, len(raw), 5):
            recorder.append(raw[begin : begin + 5])
            recorder.flush()
    change(store, "DELETE FROM segments WHERE first = 5")
    with pytest.raises(StoreDamaged, match="events 5 to 9 of run r are missing"):
        store.events("r")


def test_a_missing_or_foreign_key_is_told_as_such(store: Store, tmp_path: Path) -> None:
    record(store, succeeding([[1]]))
    key = store.path / "key"
    mine = key.read_text()
    key.unlink()
    with pytest.raises(StoreDamaged, match="key is missing"):
        Store(store.path)
    key.write_text("words")
    with pytest.raises(StoreDamaged, match="no key"):
        Store(store.path)
    key.write_text((Store(tmp_path / "other").path / "key").read_text())
    with pytest.raises(StoreRefused, match="does not belong"):
        Store(store.path)
    key.write_text(mine)
    assert Store(store.path).outcomes("r")["give#1"].value == [1]


def test_a_store_can_be_moved(store: Store, tmp_path: Path) -> None:
    record(store, succeeding([["x" * 50_000]]))
    shutil.move(store.path, tmp_path / "elsewhere")
    moved = Store(tmp_path / "elsewhere")
    assert loaded(moved.outcomes("r")["give#1"].value) == ["x" * 50_000]
    assert os.fspath(moved.path).endswith("elsewhere")

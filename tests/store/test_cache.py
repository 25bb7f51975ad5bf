"""Results that are kept: found again, told apart, bounded, shared by processes, removed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from recordings import record, succeeding

from interactive_flow.store import Store
from interactive_flow.store.cache import Entry, Reasons, ResultCache
from interactive_flow.store.errors import StoreDamaged, StoreRefused
from interactive_flow.store.fingerprint import call_key
from interactive_flow.store.memory import MemoryCache
from interactive_flow.store.values import INLINE_LIMIT, Values

LARGE = INLINE_LIMIT * 2


def clean(text: str) -> str:
    return text.strip()


def words(text: str, limit: int = 3) -> list[str]:
    return clean(text).split()[:limit]


def count(text: str) -> int:
    return len(text)


def entry(value: Any, *args: Any, function: Callable[..., Any] = words, run: str = "r", seconds: float = 2.0) -> Entry:
    return Entry(call_key(function, args), function.__name__, Values.pack(value), run, seconds)


def keep(cache: ResultCache, *entries: Entry) -> None:
    with closing(cache.session()) as session:
        session.keep(entries)


def value_of(cache: ResultCache, *args: Any, function: Callable[..., Any] = words) -> Any:
    with closing(cache.session()) as session:
        found = session.find(call_key(function, args))
        return None if found is None else session.value(found)


@pytest.fixture(params=["store", "memory"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> ResultCache:
    return Store(tmp_path / "store").cache if request.param == "store" else MemoryCache()


def test_what_is_kept_is_found_by_code_and_arguments(cache: ResultCache) -> None:
    keep(cache, entry(["a"], "a"), entry(None, "b"))
    with closing(cache.session()) as session:
        found = session.find(call_key(words, ("a",)))
        assert found is not None
        assert (session.value(found), found.run, found.seconds) == (["a"], "r", 2.0)
        none = session.find(call_key(words, ("b",)))
        assert none is not None
        assert session.value(none) is None
        assert session.find(call_key(words, ("c",))) is None
        assert session.find(call_key(count, ("a",))) is None


def test_a_value_is_made_anew_each_time(cache: ResultCache) -> None:
    keep(cache, entry(["a"], "a"))
    value_of(cache, "a").append("b")
    assert value_of(cache, "a") == ["a"]


def test_what_is_new_takes_the_place_of_what_was(cache: ResultCache) -> None:
    keep(cache, entry([1], "a"))
    keep(cache, entry([2], "a"))
    assert value_of(cache, "a") == [2]
    assert [(task.name, task.entries) for task in cache.tasks()] == [("words", 1)]


def test_it_tells_what_is_kept_of_each_task(cache: ResultCache) -> None:
    before = time.time()
    keep(cache, entry(["a"], "a"), entry(["b"], "b"), entry(1, "a", function=count))
    told = cache.tasks()
    assert [(task.name, task.entries) for task in told] == [("count", 1), ("words", 2)]
    assert all(task.bytes > 0 and before <= task.used <= time.time() for task in told)
    assert cache.clear() == 3
    assert cache.tasks() == []
    assert value_of(cache, "a") is None


class TestReasons:
    def why(self, cache: ResultCache, *args: Any, function: Callable[..., Any] = words) -> list[str]:
        with closing(cache.session()) as session:
            return Reasons(session).why_not(call_key(function, args), function.__name__)

    def test_none_where_nothing_is_known(self, cache: ResultCache) -> None:
        assert self.why(cache, "a") == []
        keep(cache, entry(1, "a", function=count))
        assert self.why(cache, "a") == []

    def test_arguments(self, cache: ResultCache) -> None:
        keep(cache, entry([], "a"))
        assert self.why(cache, "b") == ["argument `text` changed"]
        assert self.why(cache, "a", 2) == ["argument `limit` is given now"]

    def test_code_of_a_helper_against_the_call_with_the_same_arguments(
        self, cache: ResultCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        keep(cache, entry([], "a"), entry([], "b"))

        def clean(text: str) -> str:
            return text.lower()

        clean.__qualname__ = "clean"
        monkeypatch.setitem(words.__globals__, "clean", clean)
        told = self.why(cache, "a")
        assert len(told) == 1
        assert told[0].startswith("helper `clean` changed (test_cache.py:")
        told = self.why(cache, "c")
        assert told[1:] == ["argument `text` changed"]

    def test_what_came_after_the_session_began_does_not_count(self, cache: ResultCache) -> None:
        with closing(cache.session()) as session:
            session.keep([entry([], "a")])
            assert Reasons(session).why_not(call_key(words, ("b",)), "words") == []


class TestInAStore:
    def test_large_values_are_in_files_that_runs_share(self, store: Store) -> None:
        value = bytes(LARGE)
        record(store, succeeding([value]))
        files = {name for name, _ in store._values.names()}
        keep(store.cache, entry(value, "a"))
        assert {name for name, _ in store._values.names()} == files
        assert store.prune(keep=1).files == 0
        with store._database.writing() as connection:
            connection.execute("DELETE FROM runs")
        assert store.prune(older_than=1000).files == 1  # that of the run's own value
        assert value_of(store.cache, "a") == value
        freed = store.prune(keep=0)
        assert (freed.files, freed.entries) == (1, 1)
        assert freed.bytes > LARGE
        assert list(store._values.names()) == []
        with store._database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM codes").fetchone() == (0,)

    def test_clear_spares_the_files_of_runs(self, store: Store) -> None:
        record(store, succeeding([bytes(LARGE)]))
        files = {name for name, _ in store._values.names()}
        keep(store.cache, entry(bytes(LARGE), "a"), entry(bytes(LARGE + 1), "b"))
        assert store.cache.clear() == 2
        assert {name for name, _ in store._values.names()} == files

    def test_prune_by_age_goes_by_the_last_use(self, store: Store) -> None:
        keep(store.cache, entry([1], "old"), entry([2], "used"), entry([3], "new"))
        day = 24 * 3600.0
        with store._database.writing() as connection:
            connection.execute("UPDATE cache SET used = used - ? WHERE number < 3", (2 * day,))
        assert value_of(store.cache, "used") == [2]
        assert store.prune(older_than=day).entries == 1
        assert [value_of(store.cache, name) for name in ("old", "used", "new")] == [None, [2], [3]]

    def test_prune_keeps_what_was_used_since_the_runs_that_stay_began(self, store: Store) -> None:
        keep(store.cache, entry([1], "before"))
        record(store, succeeding([1]), "one")
        record(store, succeeding([1]), "two")
        keep(store.cache, entry([2], "after"))
        assert store.prune(keep=5).entries == 0
        assert store.prune(keep=1).entries == 1
        assert value_of(store.cache, "after") == [2]

    def test_a_row_that_somebody_else_has_written_is_refused(self, store: Store) -> None:
        keep(store.cache, entry([1], "a"), entry([2], "b"))
        with store._database.writing() as connection:
            connection.execute("UPDATE cache SET data = (SELECT data FROM cache WHERE number = 2) WHERE number = 1")
        with pytest.raises(StoreRefused):
            value_of(store.cache, "a")
        assert value_of(store.cache, "b") == [2]
        keep(store.cache, entry([1], "a"))
        assert value_of(store.cache, "a") == [1]

    def test_a_value_file_under_another_name_is_refused(self, store: Store) -> None:
        keep(store.cache, entry(bytes(LARGE), "a"))
        ((name, _),) = store._values.names()
        store._values.path(name).write_bytes(bytes(LARGE + 100))
        with pytest.raises(StoreRefused):
            value_of(store.cache, "a")
        store._values.path(name).unlink()
        with pytest.raises(StoreDamaged):
            value_of(store.cache, "a")
        keep(store.cache, entry(bytes(LARGE), "a"))
        assert value_of(store.cache, "a") == bytes(LARGE)

    def test_it_is_there_in_another_process(self, store: Store, python: Callable[..., Popen[str]]) -> None:
        program = """
import sys
from contextlib import closing
from interactive_flow import flow, task
from interactive_flow.store import Store

@task(cache=True)
def square(x):
    print("square", x)
    return [x * x]

@flow
def main():
    return [square(x) for x in range(3)]

print(main.options(store=sys.argv[1]).run())
"""
        outputs = []
        for _ in range(2):
            output, errors = python(program, store.path).communicate(timeout=50)
            assert errors == ""
            outputs.append(sorted(output.splitlines()))
        assert outputs == [["[[0], [1], [4]]", "square 0", "square 1", "square 2"], ["[[0], [1], [4]]"]]

    def test_two_processes_at_once(self, store: Store, python: Callable[..., Popen[str]]) -> None:
        program = """
import sys
from interactive_flow import flow, task

@task(cache=True)
def large(x):
    return bytes([x]) * 20_000

@flow
def main():
    return sum(len(value) for value in [large(x) for x in range(50)])

for _ in range(5):
    print(main.options(store=sys.argv[1]).run())
"""
        running = [python(program, store.path) for _ in range(2)]
        for process in running:
            output, errors = process.communicate(timeout=50)
            assert errors == ""
            assert output.split() == ["1000000"] * 5
        assert [(task.name, task.entries) for task in store.cache.tasks()] == [("large", 50)]
        with closing(sqlite3.connect(store.path / "store.sqlite")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

    def test_a_store_of_the_version_before_gets_a_cache(self, tmp_path: Path) -> None:
        from interactive_flow.store.database import SCHEMA, Database

        folder = tmp_path / "older"
        folder.mkdir()
        Database(folder / "store.sqlite", SCHEMA[:1])
        cache = Store(folder).cache
        keep(cache, entry([1], "a"))
        assert value_of(cache, "a") == [1]


class TestInMemory:
    def test_what_was_used_least_recently_makes_room(self) -> None:
        cache = MemoryCache(limit=40_000)
        for name in "abc":
            keep(cache, entry(bytes(9_000), name))
        assert value_of(cache, "a") is not None
        keep(cache, entry(bytes(9_000), "d"))
        assert [value_of(cache, name) is not None for name in "abcd"] == [True, False, True, True]

    def test_what_is_too_large_is_not_kept(self) -> None:
        cache = MemoryCache(limit=40_000)
        keep(cache, entry(bytes(20_000), "a"))
        assert cache.tasks() == []

    def test_what_made_room_is_no_reason_any_more(self) -> None:
        cache = MemoryCache(limit=10_000)
        keep(cache, entry(bytes(1_000), "a"))
        keep(cache, *[entry(0, str(n), function=count) for n in range(20)])
        with closing(cache.session()) as session:
            assert Reasons(session).why_not(call_key(words, ("b",)), "words") == []

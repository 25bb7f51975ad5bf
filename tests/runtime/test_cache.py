"""Results that are used again: which calls run, which do not, and what that may never change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cached import Journal

from interactive_flow import Timeout, Workflow, configure, flow, heartbeat, restart, task, wait, workflow
from interactive_flow.executors.shelf import shelf
from interactive_flow.model.errors import CacheWarning, TaskError
from interactive_flow.model.events import CallNotReused
from interactive_flow.model.states import CallState
from interactive_flow.store import Store
from interactive_flow.store.memory import memory_cache
from interactive_flow.testing import DeterministicExecutor


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is known from other tests, and the session is as it was."""
    memory_cache.clear()
    monkeypatch.setattr("interactive_flow.runtime.run._last", None)
    yield
    memory_cache.clear()
    configure(cache=None, store=None)
    shelf.clear()


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


@pytest.fixture(params=["memory", "store"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What a run is given: no store, or one."""
    return {"store": tmp_path / "store"} if request.param == "store" else {}


def states(workflow: Workflow[..., Any]) -> list[tuple[str, str]]:
    assert workflow.last_run is not None
    return [(call.id, str(call.state)) for call in workflow.last_run.calls]


def pair_of(journal: Journal) -> tuple[Any, Any]:
    @task(cache=True)
    def pair(x: int, y: int = 2) -> list[int]:
        journal.note("pair", x, y)
        return [x, y]

    @task(cache=True)
    def total(xs: list[int]) -> int:
        journal.note("total", *xs)
        return sum(xs)

    return pair, total


@pytest.mark.parametrize("executor", ["threads", "processes", "inline", "async", "deterministic"])
def test_a_second_run_computes_nothing(journal: Journal, options: dict[str, Any], executor: str) -> None:
    pair, total = pair_of(journal)

    @flow
    def main(n: int) -> Any:
        return [total(pair(x)) for x in range(n)]

    chosen: Any = DeterministicExecutor() if executor == "deterministic" else executor
    main = main.options(executor=chosen, max_workers=2, **options)
    assert main.run(3) == [2, 3, 4]
    assert journal.taken() == ["pair 0 2", "pair 1 2", "pair 2 2", "total 0 2", "total 1 2", "total 2 2"]
    first = main.last_run
    assert main.run(4) == [2, 3, 4, 5]
    assert journal.taken() == ["pair 3 2", "total 3 2"]
    assert first is not None
    assert main.last_run is not None
    by_id = {call.id: call for call in main.last_run.calls}
    assert [str(by_id[f"pair#{n}"].state) for n in (1, 2, 3, 4)] == ["cached", "cached", "cached", "succeeded"]
    assert {by_id[f"{name}#{n}"].cached_from for name in ("pair", "total") for n in (1, 2, 3)} == {first.id}
    assert all(call.attempts == 0 and call.started_at is None for call in by_id.values() if call.cached_from)
    assert main.last_run.record().count[CallState.CACHED] == 6


def test_calls_of_tasks_that_do_not_ask_for_it_run_each_time(journal: Journal) -> None:
    @task
    def plain(x: int) -> int:
        journal.note(x)
        return x

    @flow
    def main() -> Any:
        return plain(1)

    main.run()
    main.run()
    assert journal.taken() == ["1", "1"]
    assert memory_cache.tasks() == []


def test_the_session_turns_it_on_for_all_tasks_but_those_that_say_no(journal: Journal) -> None:
    @task
    def silent(x: int) -> int:
        journal.note("silent")
        return x

    @task(cache=False)
    def never(x: int) -> int:
        journal.note("never")
        return x

    @flow
    def main() -> Any:
        return silent(1), never(1)

    configure(cache=True)
    main.run()
    main.run()
    assert journal.taken() == ["never", "never", "silent"]
    main.options(cache=False).run()
    assert journal.taken() == ["never", "silent"]


def test_wrong_choices_are_told() -> None:
    with pytest.raises(TypeError, match="cache='yes'"):
        task(cache="yes")(len)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cache='yes'; there are True and False"):
        configure(cache="yes")
    with pytest.raises(TypeError, match="store=3"):
        configure(store=3)


def test_what_gives_the_same_again_leaves_those_after_it_alone(journal: Journal) -> None:
    """Early cut-off: keys are made from what arguments are, not from where they come from."""

    def chain(clean: Callable[[str], str]) -> Workflow[..., Any]:
        @task(cache=True)
        def prepare(text: str) -> str:
            journal.note("prepare")
            return clean(text)

        @task(cache=True)
        def count(text: str) -> int:
            journal.note("count")
            return len(text)

        @flow
        def main(text: str) -> Any:
            return count(prepare(text))

        return main

    def strip(text: str) -> str:
        return text.strip()

    def strip_differently(text: str) -> str:
        return text.lstrip().rstrip()

    assert chain(strip).run(" a ") == 1
    assert journal.taken() == ["count", "prepare"]
    main = chain(strip_differently)
    assert main.run(" a ") == 1
    assert journal.taken() == ["prepare"]
    assert states(main) == [("prepare#1", "succeeded"), ("count#1", "cached")]
    assert main.last_run is not None
    reason = main.last_run.calls[0].cache_reason
    assert reason is not None
    assert "strip_differently" in reason


def test_only_what_succeeded_is_kept(journal: Journal) -> None:
    working = threading.Event()

    class Weather:
        def __flow_fingerprint__(self) -> None:
            return None

        def is_fine(self) -> bool:
            return working.is_set()

    weather = Weather()

    @task(cache=True)
    def fails() -> int:
        journal.note("fails")
        if not weather.is_fine():
            raise OSError("no")
        return 1

    @flow
    def main() -> Any:
        return fails()

    for _ in range(2):
        with pytest.raises(TaskError):
            main.run()
    assert journal.taken() == ["fails", "fails"]
    working.set()
    assert main.run() == 1
    assert main.run() == 1
    assert journal.taken() == ["fails"]


def test_what_a_retry_gave_is_kept_and_what_timed_out_is_not(journal: Journal) -> None:
    executor = DeterministicExecutor()

    class Clock:
        def __flow_fingerprint__(self) -> None:
            return None

        def sleep(self, seconds: float) -> None:
            executor.clock.sleep(seconds)

    clock = Clock()

    @task(cache=True, timeout=Timeout(start_to_close=5))
    def slow(seconds: float) -> float:
        journal.note("slow", seconds)
        clock.sleep(seconds)
        return seconds

    @task(cache=True, retry=3)
    def flaky() -> int:
        journal.note("flaky")
        if len(journal.path.read_text().splitlines()) < 3:
            raise OSError("not yet")
        return 1

    @flow
    def both(seconds: float) -> Any:
        made = flaky()
        try:
            return wait(slow(seconds)), wait(made)
        except TaskError as error:
            return str(error), wait(made)

    main = both.options(executor=executor)
    text, value = main.run(9)
    assert "timed out" in text
    assert value == 1
    journal.taken()
    assert "timed out" in main.run(9)[0]
    assert journal.taken() == ["slow 9"]
    main.run(1)
    assert journal.taken() == ["slow 1"]
    main.run(1)
    assert journal.taken() == []


def test_a_cancelled_run_keeps_what_was_finished(journal: Journal) -> None:
    begun = threading.Event()

    class Signal:
        def __flow_fingerprint__(self) -> None:
            return None

        def wait_until_told(self) -> None:
            begun.set()
            while heartbeat():
                threading.Event().wait(0.001)

    signal = Signal()

    @task(cache=True)
    def quick() -> int:
        journal.note("quick")
        return 1

    @task(cache=True)
    def endless(x: int) -> int:
        journal.note("endless")
        signal.wait_until_told()
        return x

    @flow
    def main() -> Any:
        return endless(quick())

    run = main.start()
    assert begun.wait(10)
    run.cancel()
    assert run.wait(10)
    assert journal.taken() == ["endless", "quick"]
    begun.clear()
    run = main.start()
    assert begun.wait(10)
    run.cancel()
    assert run.wait(10)
    assert journal.taken() == ["endless"]


def test_of_two_equal_calls_the_second_waits(journal: Journal) -> None:
    @task(cache=True)
    def make(x: int) -> list[int]:
        journal.note("make", x)
        return [x]

    @flow
    def main() -> Any:
        found = [make(1) for _ in range(100)]  # so that the first is over while others are being looked up
        found[0].append(2)
        return found

    assert main.run() == [[1, 2], *[[1]] * 99]
    assert journal.taken() == ["make 1"]
    assert main.last_run is not None
    assert [str(call.state) for call in main.last_run.calls].count("cached") == 99
    assert {call.cached_from for call in main.last_run.calls} == {None, main.last_run.id}


def test_equal_calls_do_not_wait_for_one_that_fails(journal: Journal) -> None:
    @task(cache=True)
    def fails(x: int) -> int:
        journal.note("fails")
        raise OSError(x)

    @flow
    def main() -> Any:
        seen = []
        for value in [fails(1) for _ in range(3)]:
            try:
                wait(value)
            except TaskError as error:
                seen.append(repr(error.__cause__))
        return seen

    assert main.run() == ["OSError(1)"] * 3
    assert journal.taken() == ["fails"] * 3


def test_nobody_gets_what_somebody_else_has_changed(journal: Journal, options: dict[str, Any]) -> None:
    pair, _ = pair_of(journal)

    @flow
    def main() -> Any:
        value = wait(pair(1))
        value.append("changed")
        return value

    main = main.options(**options)
    for _ in range(3):
        assert main.run() == [1, 2, "changed"]
    assert journal.taken() == ["pair 1 2"]


def test_items_of_a_generator_come_all_at_once(journal: Journal, options: dict[str, Any]) -> None:
    @task(cache=True)
    def numbers(n: int) -> Iterator[int]:
        for x in range(n):
            journal.note("numbers", x)
            yield x

    @task(cache=True)
    async def double(x: int) -> int:
        journal.note("double", x)
        return 2 * x

    @flow
    def main() -> Any:
        return [double(x) for x in numbers(3)]

    main = main.options(**options)
    assert main.run() == [0, 2, 4]
    assert len(journal.taken()) == 6
    assert main.run() == [0, 2, 4]
    assert journal.taken() == []


def test_items_are_kept_as_they_were_produced(journal: Journal) -> None:
    @task(cache=True, retry=2)
    def lists() -> Iterator[list[int]]:
        first = len(journal.path.read_text()) == 0 if journal.path.exists() else True
        journal.note("lists")
        yield [1]
        if first:
            raise OSError
        yield [2]

    @flow
    def main() -> Any:
        items = []
        for item in lists():
            wait(item).append("changed")
            items.append(item)
        return items

    for _ in range(2):
        assert main.run() == [[1, "changed"], [2, "changed"]]
    assert journal.taken() == ["lists", "lists"]


def test_a_hit_takes_no_slot_no_token_and_no_time(journal: Journal) -> None:
    executor = DeterministicExecutor(workers=1)

    class Clock:
        def __flow_fingerprint__(self) -> None:
            return None

        def sleep(self, seconds: float) -> None:
            executor.clock.sleep(seconds)

    clock = Clock()

    @task(cache=True, limit=1, retry=(5, 5), timeout=Timeout(schedule_to_start=100, heartbeat=50))
    def slow(x: int) -> int:
        clock.sleep(2)
        return x

    @flow
    def main() -> Any:
        return [slow(x) for x in range(4)]

    main = main.options(executor=executor, rate_limit=0.1)
    main.run()
    assert main.last_run is not None
    took = main.last_run.record().finished_at
    assert took is not None
    assert took > 30
    main.run()
    assert main.last_run.record().finished_at == 0


def test_a_workflow_as_a_whole(journal: Journal, options: dict[str, Any]) -> None:
    @task
    def square(x: int) -> int:
        journal.note("square", x)
        return x * x

    @flow
    def squares(n: int) -> Any:
        journal.note("squares")
        return [square(x) for x in range(n)]

    kept = squares.options(cache=True, **options)

    @flow
    def outer(n: int) -> Any:
        return kept(n), kept(n)

    outer = outer.options(**options)
    assert outer.run(2) == ([0, 1], [0, 1])
    assert journal.taken() == ["square 0", "square 1", "squares"]
    assert outer.run(2) == ([0, 1], [0, 1])
    assert journal.taken() == []
    assert states(outer) == [("squares#1", "cached"), ("squares#2", "cached")]
    assert kept.run(2) == [0, 1]
    assert journal.taken() == []
    run = kept.last_run
    assert run is not None
    assert run.status == "succeeded"
    assert run.calls == []
    assert run.record().cached_from is not None
    assert run.record().cached_from != run.id
    assert kept.run(3) == [0, 1, 4]
    assert len(journal.taken()) == 4
    run = kept.last_run
    assert run is not None
    assert run.record().cache_reason == "argument `n` changed"
    assert kept.run(3) == [0, 1, 4]
    assert journal.taken() == []


def test_a_workflow_as_a_whole_where_time_is_not_the_machines(journal: Journal, options: dict[str, Any]) -> None:
    pair, total = pair_of(journal)

    @flow
    def main() -> Any:
        return [total(pair(x)) for x in range(2)]

    main = main.options(cache=True, executor=DeterministicExecutor(), **options)
    for _ in range(3):
        assert main.run() == [2, 3]
    assert len(journal.taken()) == 4
    assert main.last_run is not None
    assert main.last_run.record().cached_from is not None


def test_a_workflow_is_known_by_the_tasks_that_it_is_handed(journal: Journal) -> None:
    def factory(step: Any) -> Any:
        def run(x: int) -> Any:
            journal.note("run")
            return step(x)

        return run

    made = workflow(factory).options(cache=True)
    assert made.inject(step=lambda x: x + 1).run(1) == 2
    assert made.inject(step=lambda x: x + 2).run(1) == 3
    assert made.inject(step=lambda x: x + 1).run(1) == 2
    assert journal.taken() == ["run", "run"]


def test_a_workflow_that_begins_anew_is_kept_under_its_first_arguments(journal: Journal) -> None:
    @flow
    def countdown(n: int) -> Any:
        journal.note(n)
        return restart(n - 1) if n else "done"

    kept = countdown.options(cache=True)
    assert kept.run(2) == "done"
    assert kept.run(2) == "done"
    assert journal.taken() == ["0", "1", "2"]


def test_an_argument_without_a_fingerprint_costs_only_the_cache(journal: Journal, tmp_path: Path) -> None:
    @task(cache=True)
    def read(sources: dict[str, Any]) -> str:
        journal.note("read")
        return "read"

    @flow
    def main(sources: Any) -> Any:
        return read(sources), read(sources)

    with (tmp_path / "open").open("w") as file:
        for _ in range(2):
            with pytest.warns(
                CacheWarning, match=r"calls of read.*\['log'\].*__flow_fingerprint__.*cache=False"
            ) as got:
                assert main.run({"log": file}) == ("read", "read")
            assert len(got) == 1
    assert journal.taken() == ["read"] * 4
    assert main.last_run is not None
    assert "sources['log']" in str(main.last_run.calls[0].cache_reason)


def test_a_value_that_cannot_be_pickled_costs_only_the_cache(journal: Journal) -> None:
    @task(cache=True)
    def lock() -> Any:
        journal.note("lock")
        return threading.Lock()

    @flow
    def main() -> Any:
        return lock(), lock()

    with pytest.warns(CacheWarning, match=r"what lock gives cannot be kept.*cache=False"):
        main.run()
    assert journal.taken() == ["lock", "lock"]


def test_code_that_changes_while_it_runs_is_not_kept(journal: Journal) -> None:
    seen: list[int] = []

    @task(cache=True)
    def remember(x: int) -> int:
        seen.append(x)
        return len(seen)

    @flow
    def main() -> Any:
        return remember(1)

    with pytest.warns(CacheWarning, match="what remember gave was not kept.*`seen` changed"):
        assert main.run() == 1
    with pytest.warns(CacheWarning):
        assert main.run() == 2


def test_hooks_that_raise_cost_only_the_cache() -> None:
    class Odd:
        def __flow_fingerprint__(self) -> str:
            raise ZeroDivisionError("odd")

    @task(cache=True)
    def look(x: Any) -> int:
        return 1

    @flow
    def main() -> Any:
        return look(Odd())

    with pytest.warns(CacheWarning, match="ZeroDivisionError"):
        assert main.run() == 1


def test_a_damaged_value_is_computed_again(journal: Journal, tmp_path: Path) -> None:
    @task(cache=True)
    def large(n: int) -> bytes:
        journal.note("large")
        return bytes(n)

    @flow
    def main() -> Any:
        return large(100_000)

    main = main.options(store=tmp_path / "store")
    main.run()
    for path in (tmp_path / "store" / "values").rglob("*"):
        if path.is_file():
            path.write_bytes(b"short")
    with pytest.warns(CacheWarning, match="a kept result of large could not be used"):
        assert main.run() == bytes(100_000)
    assert main.run() == bytes(100_000)
    assert journal.taken() == ["large", "large"]


def test_a_store_that_cannot_be_written_costs_only_the_cache(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from interactive_flow.store import cache
    from interactive_flow.store.errors import StoreFull

    def full(self: Any, entries: Any) -> None:
        raise StoreFull("no room is left", tmp_path)

    monkeypatch.setattr(cache._StoreSession, "keep", full)
    pair, _ = pair_of(journal)

    @flow
    def main() -> Any:
        return pair(1)

    with pytest.warns(CacheWarning, match="nothing was kept for later runs.*no room is left"):
        assert main.options(store=tmp_path / "store").run() == [1, 2]


def test_calls_that_nobody_needs_are_not_waited_for(journal: Journal) -> None:
    pair, total = pair_of(journal)

    @flow
    def main() -> Any:
        for x in range(100):
            pair(x)
        return total([1, 2])

    assert main.run() == 3
    assert main.run() == 3


def test_replayed_code_finds_what_was_kept(journal: Journal) -> None:
    pair, total = pair_of(journal)

    @flow
    def main() -> Any:
        return [wait(total(pair(x))) for x in range(3)]

    main = main.options(strategy="replay")
    assert main.run() == [2, 3, 4]
    assert main.run() == [2, 3, 4]
    assert len(journal.taken()) == 6


def test_the_record_says_why(journal: Journal) -> None:
    pair, _ = pair_of(journal)

    @flow
    def main(y: int) -> Any:
        return pair(1, y)

    main.run(1)
    assert main.last_run is not None
    assert main.last_run.calls[0].cache_reason is None  # there was nothing before
    main.run(5)
    assert main.last_run.calls[0].cache_reason == "argument `y` changed"
    assert [e.reason for e in main.last_run.events() if isinstance(e, CallNotReused)] == ["argument `y` changed"]


def test_a_method_is_known_by_its_object(journal: Journal) -> None:
    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @task(cache=True)
        def apply(self, x: int) -> int:
            journal.note(self.factor, x)
            return self.factor * x

    @flow
    def main(factor: int) -> Any:
        return Scale(factor).apply(3)

    assert [main.run(2), main.run(3), main.run(2)] == [6, 9, 6]
    assert journal.taken() == ["2 3", "3 3"]


def test_a_thousand_calls(journal: Journal, options: dict[str, Any]) -> None:
    pair, total = pair_of(journal)

    @flow
    def main() -> Any:
        return total([sum(wait(x)) for x in [pair(n) for n in range(1000)]])

    main = main.options(**options)
    expected = sum(range(1000)) + 2000
    assert main.run() == expected
    assert len(journal.taken()) == 1001
    assert main.run() == expected
    assert journal.taken() == []


def test_two_stores_know_nothing_of_each_other(journal: Journal, tmp_path: Path) -> None:
    pair, _ = pair_of(journal)

    @flow
    def main() -> Any:
        return pair(1)

    for name in ("one", "two", "one"):
        main.options(store=Store(tmp_path / name)).run()
    assert journal.taken() == ["pair 1 2", "pair 1 2"]


class TestExplain:
    def test_off(self) -> None:
        assert str(task(abs).explain(1)).startswith("not reused: cache is off: see task(cache=True)")
        assert "the task says so" in str(task(abs, cache=False).explain(1))

    def test_never_and_then(self, journal: Journal, options: dict[str, Any]) -> None:
        pair, _ = pair_of(journal)

        @flow
        def main() -> Any:
            return pair(1)

        assert "never run before" in pair.explain(1).reasons
        main = main.options(**options)
        main.run()
        assert main.last_run is not None
        told = pair.explain(1)
        assert told
        assert told.reused
        assert f"run {main.last_run.id} computed it in" in str(told)
        told = pair.explain(2)
        assert not told
        assert told.reasons == ("argument `x` changed",)
        assert repr(pair.explain(1, 3)) == "not reused: argument `y` is given now"

    def test_the_sessions_store_comes_first(self, journal: Journal, tmp_path: Path) -> None:
        pair, _ = pair_of(journal)

        @flow
        def main() -> Any:
            return pair(1)

        main.run()
        assert pair.explain(1).reused
        configure(store=tmp_path / "store")
        assert not pair.explain(1).reused

    def test_an_edited_helper_is_named(self, journal: Journal) -> None:
        def with_helper(helper: Callable[[int], int]) -> Any:
            @task(cache=True)
            def use(x: int) -> int:
                return helper(x)

            return use

        def one(x: int) -> int:
            return x + 1

        def two(x: int) -> int:
            return x + 2

        use = with_helper(one)
        flow(lambda: use(1), name="main").run()
        told = with_helper(two).explain(1)
        assert ".two` is used now (test_cache.py:" in told.reasons[0]
        assert ".one` is not used any more" in told.reasons[1]

    def test_what_has_no_fingerprint(self, tmp_path: Path) -> None:
        @task(cache=True)
        def read(file: Any) -> str:
            return ""

        with (tmp_path / "open").open("w") as file:
            assert "argument file" in str(read.explain(file))

    def test_it_is_escaped(self) -> None:
        shown = task(abs, name="<b>", cache=True).explain(1)._repr_html_()
        assert "&lt;b&gt;" in shown
        assert "<b><b>" not in shown

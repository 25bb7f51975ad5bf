"""Runs that are continued, and runs that are begun again with what others have: `resume`, ``run.retry_failed()``."""

from __future__ import annotations

import gc
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import interactive_flow as iflow
from interactive_flow import DeterminismError, Run, StoreWarning, TaskError, first, flow, restart, task, wait, workflow
from interactive_flow.authoring import defined, options
from interactive_flow.engine.past import Past
from interactive_flow.store import Store
from interactive_flow.store.errors import RunExists, StoreDamaged, UnknownRun

ran: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_session", options.Options())
    ran.clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@task
def double(x: Any) -> Any:
    ran[f"double {x}"] += 1
    return 2 * x


@task
def large(n: int) -> list[str]:
    ran[f"large {n}"] += 1
    return [str(n)] * 20_000


def interrupt(workflow: Any, *args: Any, after: str = "") -> str:
    """Runs a workflow until it has made as many calls as there are, then stops recording as death would; the run's id.

    The workflow runs to its end, but what is in the store ends with the event that completes the call `after`.
    """
    store = workflow._options.store
    whole = workflow.options(store=None).start(*args)
    whole.wait()
    log = whole._runner.engine.events
    index = whole.record().call(after).index if after else 0
    ended = [n for n, e in enumerate(log) if index and getattr(e, "call", 0) == index]
    run = workflow._run_of(args, {})
    given = workflow._given(args, {})
    with Store(store).begin(run.id, workflow.name, args, given=given) as recorder:
        code, at, _, *others = log.tail(0)[0]
        recorder.append([(code, at, run.id, *others), *log.tail(1)[: ended[-1] if ended else 0]])
    ran.clear()
    return str(run.id)


def two(path: Path, second: Callable[[Any], Any] = lambda x: double(wait(x) + 1)) -> Any:
    """A workflow of two calls, the second of which may be changed."""

    @flow
    def chain(n: int) -> Any:
        return second(double(n))

    return chain.options(store=path)


def test_the_same_line_continues_what_was_interrupted(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain = two(path)
    id = interrupt(chain, 5, after="double#1")
    assert chain.run(5) == 22
    assert ran == {"double 11": 1}
    run = chain.last_run
    assert run is not None
    assert run.id == id
    assert [(call.id, call.state, call.cached_from) for call in run.calls] == [
        ("double#1", "cached", id),
        ("double#2", "succeeded", None),
    ]
    (summary,) = iflow.runs(path)
    assert (summary.id, summary.status) == (id, "succeeded")
    assert f"run {id} of chain was interrupted after 1 calls, and is continued" in caplog.text
    assert chain.run(5) == 22  # it is over now: this is another one
    assert len(iflow.runs(path)) == 2
    assert iflow.open_run(id, path).result() == 22


def test_code_that_has_changed_since_is_told_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def workflow(factor: int) -> Any:
        @task
        def times(x: int) -> int:
            return factor * x

        @flow
        def chain(n: int) -> Any:
            return times(wait(times(n)))

        return chain.options(store=path)

    interrupt(workflow(2), 5, after="times#1")
    assert workflow(2).run(5) == 20
    assert "has changed" not in caplog.text
    interrupt(workflow(2), 6, after="times#1")
    assert workflow(3).run(6) == 36  # half of it was done by the code as it was
    assert "Its code, or something that it uses, has changed since; what was recorded comes from" in caplog.text


def test_only_one_with_the_same_arguments_is_continued(path: Path) -> None:
    chain = two(path)
    interrupt(chain, 5, after="double#1")
    assert chain.run(6) == 26
    assert ran == {"double 6": 1, "double 13": 1}
    assert [run.status for run in iflow.runs(path)] == ["interrupted", "succeeded"]


def test_only_the_newest_one_is_continued(path: Path) -> None:
    chain = two(path)
    interrupt(chain, 5, after="double#1")
    assert chain.options(resume="never").run(5) == 22
    assert ran == {"double 5": 1, "double 11": 1}
    ran.clear()
    assert chain.run(5) == 22  # the newest one has succeeded
    assert ran == {"double 5": 1, "double 11": 1}


def test_an_option_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match="there are 'auto' and 'never'"):
        two(Path("x")).options(resume="always")


def test_a_run_is_continued_by_its_id(path: Path) -> None:
    chain = two(path)
    id = interrupt(chain, 5, after="double#1")
    run = iflow.resume(id[:5], path)
    assert isinstance(run, Run)
    assert run.result() == 22
    assert run.id == id
    assert ran == {"double 11": 1}
    with pytest.raises(ValueError, match=f"run {id} of chain has succeeded, so there is nothing to continue"):
        iflow.resume(id, path)
    with pytest.raises(UnknownRun):
        iflow.resume("nothing", path)


def test_the_workflow_is_found_by_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    id = interrupt(two(path), 5, after="double#1")
    monkeypatch.setattr(defined, "_defined", {})
    with pytest.raises(LookupError, match=rf"run {id} is one of the workflow 'chain', which is not defined.*workflow="):
        iflow.resume(id, path)
    older = two(path, lambda x: double(wait(x) + 2))
    newer = two(path)
    assert iflow.resume(id, path).result() == 22
    id = interrupt(newer, 6, after="double#1")
    assert iflow.resume(id, path, older).result() == 28


def test_what_was_injected_is_known_too(path: Path) -> None:
    @workflow
    def injected(work: Any) -> Any:
        return lambda n: work(n)

    bound = injected.inject(work=double).options(store=path)
    id = interrupt(bound, 3)
    assert iflow.resume(id, path).result() == 6


def test_a_run_that_still_goes_on_is_not_continued(path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    @task
    def hold() -> int:
        begun.set()
        go.wait(30)
        return 1

    @flow
    def code() -> Any:
        return hold()

    run = code.options(store=path).start()
    assert begun.wait(30)
    with pytest.raises(RunExists, match="is still running"):
        iflow.resume(run.id, path)
    other = code.options(store=path).start()
    assert other.id != run.id
    go.set()
    assert (run.result(), other.result()) == (1, 1)


def test_a_cancelled_run_is_continued_on_demand_only(path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    @task
    def hold() -> int:
        begun.set()
        go.wait(30)
        return 1

    @flow
    def code() -> Any:
        return wait(double(4)), hold()

    workflow = code.options(store=path)
    run = workflow.start()
    assert begun.wait(30)
    run.cancel()
    run.wait()
    go.set()
    assert iflow.runs(path)[0].status == "cancelled"
    assert iflow.resume(run.id, path).result() == (8, 1)
    assert ran == {"double 4": 1}


def test_a_run_that_has_failed_by_its_code_is_continued_with_better_code(path: Path) -> None:
    def broken(x: Any) -> Any:
        raise KeyError(wait(x))

    with pytest.raises(KeyError):
        two(path, broken).run(5)
    (summary,) = iflow.runs(path)
    chain = two(path)
    ran.clear()
    assert iflow.resume(summary.id, path).result() == 22
    assert ran == {"double 11": 1}
    assert chain.last_run is not None


def test_arguments_that_have_no_fingerprint_begin_a_new_run(path: Path) -> None:
    @flow
    def code(lock: Any) -> Any:
        return double(1)

    with pytest.warns(StoreWarning, match="its own arguments"):
        code.options(store=path).run(threading.Lock())


def test_a_run_that_has_begun_again_is_continued_in_its_last_round(path: Path) -> None:
    @flow
    def count(n: int, values: tuple[int, ...] = ()) -> Any:
        value = wait(double(n))
        return restart(n - 1, (*values, value)) if n else (values, wait(double("x")))

    workflow = count.options(store=path)
    id = interrupt(workflow, 2, after="double#1")  # what is left is of the last round
    with closing(sqlite3.connect(path / "store.sqlite")) as connection:
        (segments,) = connection.execute("SELECT count(*) FROM segments").fetchone()
    assert segments == 2  # its arguments and its events
    with Store(path).begin(id, "count", again=True) as recorder:
        recorder.begin_anew(2, (0, (4, 2)), {})
        log = iflow.open_run(id, path)._log  # type: ignore[attr-defined]
        assert log[0].restarts == 2
        recorder.append(log.tail(0))
    run = iflow.resume(id, path)
    assert run.result() == ((4, 2), "xx")
    assert ran == {"double x": 1}
    assert run.events()[0].restarts == 2  # type: ignore[union-attr]


def test_code_that_does_not_fit_any_more_is_told_so_and_can_be_begun_anew(path: Path) -> None:
    id = interrupt(two(path), 5, after="double#2")
    changed = two(path, lambda x: double(wait(x) + 2))
    with pytest.raises(DeterminismError, match=rf"run {id} cannot go on.*resume\('{id}', '.*', reuse=True\)") as raised:
        changed.run(5)
    assert raised.value.position == 1
    assert raised.value.expected == "double(11)"
    assert raised.value.found == "made double(12)"
    assert ran == {}
    run = iflow.resume(id, path, reuse=True)
    assert run.result() == 24
    assert run.id != id
    assert ran == {"double 12": 1}
    assert run.calls[0].cached_from == id
    assert [run.status for run in iflow.runs(path)] == ["failed", "succeeded"]


def test_the_failed_run_itself_can_be_tried_again_with_all_that_is_known(path: Path) -> None:
    interrupt(two(path), 5, after="double#2")
    changed = two(path, lambda x: double(wait(x) + 2))
    with pytest.raises(DeterminismError):
        changed.run(5)
    assert changed.last_run is not None
    assert changed.last_run.retry_failed().result() == 24
    assert ran == {"double 12": 1}


def test_the_code_it_began_with_can_still_go_on(path: Path) -> None:
    id = interrupt(two(path), 5, after="double#1")
    with pytest.raises(DeterminismError):
        two_first_changed(path).run(5)
    chain = two(path)
    assert iflow.resume(id, path, chain).result() == 22
    assert ran == {"double 11": 1}


def two_first_changed(path: Path) -> Any:
    @flow
    def chain(n: int) -> Any:
        return double(n + 1)

    return chain.options(store=path)


def test_a_result_that_was_kept_meanwhile_is_not_taken_for_what_was_recorded(path: Path) -> None:
    @task
    def plus(x: int) -> int:
        return x + 1

    @flow
    def inner(n: int) -> Any:
        return wait(plus(n)) + 1

    @flow
    def outer(n: int) -> Any:
        return plus(wait(kept(n)))

    kept = inner.options(cache=True)
    outer_ = outer.options(store=path)
    id = interrupt(outer_, 5, after="inner#1/plus#1")
    kept.options(store=path).run(5)  # so that what the sub-workflow gives is known now
    assert iflow.resume(id, path, outer_).result() == 8
    assert {call.id: call.state for call in iflow.open_run(id, path).calls} == {
        "inner#1": "succeeded",
        "inner#1/plus#1": "cached",
        "plus#1": "succeeded",
    }


# -- values that are lost ----------------------------------------------------------------------------------------------


def value_files(path: Path) -> list[Path]:
    return [file for file in (path / "values").rglob("*") if file.is_file()]


def chunks(path: Path) -> Any:
    @flow
    def chunks(n: int) -> Any:
        sizes = [len(wait(large(k))) for k in range(n)]
        return sizes, double("end")

    return chunks.options(store=path)


def test_a_truncated_value_file_costs_that_value_only(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flow_ = chunks(path)
    id = interrupt(flow_, 3, after="large#3")
    name = max(value_files(path), key=lambda file: file.stat().st_mtime_ns)
    whole = name.read_bytes()
    name.write_bytes(whole[:1000])
    (lost,) = [c for c in iflow.open_run(id, path).calls if failing(lambda c=c: len(c.value))]  # type: ignore[misc]
    with pytest.raises(StoreDamaged):
        len(lost.value)
    with pytest.warns(StoreWarning, match=rf"what {lost.id} gave is known no more, so it ran again.*StoreDamaged"):
        assert flow_.run(3) == ([20_000] * 3, "endend")
    assert sum(ran.values()) == 2
    assert iflow.runs(path)[0].status == "succeeded"
    for call in iflow.open_run(id, path).calls:  # and the file is whole again
        assert call.value is not None
        assert not failing(lambda call=call: len(call.value))  # type: ignore[misc]
    assert name.read_bytes() == whole


def failing(function: Callable[[], Any]) -> bool:
    try:
        function()
    except Exception:
        return True
    return False


def test_a_foreign_value_file_is_refused_and_its_call_runs(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flow_ = chunks(path)
    interrupt(flow_, 2, after="large#2")
    for file in value_files(path):
        file.write_bytes(file.read_bytes()[::-1])
    with pytest.warns(StoreWarning, match="StoreRefused") as caught:
        assert flow_.run(2) == ([20_000] * 2, "endend")
    assert len(caught) == 2
    assert ran == {"large 0": 1, "large 1": 1, "double end": 1}


def test_damaged_events_are_told_of_and_nothing_is_run(path: Path) -> None:
    chain = two(path)
    interrupt(chain, 5, after="double#1")
    with closing(sqlite3.connect(path / "store.sqlite", isolation_level=None)) as connection:
        connection.execute("UPDATE segments SET data = substr(data, 1, 40) WHERE first >= 0")
    with pytest.raises(iflow.InteractiveFlowError, match="has not written the events") as raised:
        chain.run(5)
    assert "options(resume='never') begins anew" in raised.value.__notes__[0]
    assert ran == {}
    assert [run.status for run in iflow.runs(path)] == ["interrupted"]
    assert chain.options(resume="never").run(5) == 22
    assert [run.status for run in iflow.runs(path)] == ["interrupted", "succeeded"]


def test_a_run_that_cannot_be_begun_stays_interrupted(path: Path) -> None:
    chain = two(path)
    interrupt(chain, 5, after="double#1")
    with pytest.raises(ValueError, match="executor='nowhere'"):
        chain.options(executor="nowhere").run(5)
    assert [run.status for run in iflow.runs(path)] == ["interrupted"]
    assert chain.run(5) == 22
    assert ran == {"double 11": 1}


def test_a_store_that_was_moved_goes_on(path: Path, tmp_path: Path) -> None:
    id = interrupt(chunks(path), 2, after="large#2")
    shutil.move(path, tmp_path / "elsewhere")
    moved = chunks(tmp_path / "elsewhere")
    assert moved.run(2) == ([20_000] * 2, "endend")
    assert ran == {"double end": 1}
    assert moved.last_run is not None
    assert moved.last_run.id == id


# -- what failed is tried again ----------------------------------------------------------------------------------------


class Weather:
    """Whether a task fails."""

    def __init__(self) -> None:
        self.bad = True


def outing(weather: Weather, store: Path | None = None) -> Any:
    @task
    def walk(n: int) -> int:
        ran[f"walk {n}"] += 1
        if weather.bad and n == 1:
            raise OSError("rain")
        return n

    @flow
    def outing(m: int) -> Any:
        ways = [walk(n) for n in range(m)]
        early = wait(first(ways[0], ways[2])) + wait(ways[0]) + wait(ways[2])
        return [double(way) for way in ways], early

    return outing.options(store=store)


@pytest.mark.parametrize("stored", [False, True])
def test_what_failed_is_tried_again_and_the_rest_is_taken(path: Path, stored: bool) -> None:
    weather = Weather()
    trip = outing(weather, path if stored else None)
    with pytest.raises(TaskError, match="rain"):
        trip.run(3)
    run = trip.last_run
    assert run is not None
    run = iflow.open_run(run.id, path) if stored else run
    ran.clear()
    weather.bad = False
    again = run.retry_failed()
    assert again.id != run.id
    assert again.result()[0] == [0, 2, 4]
    assert ran["walk 1"] == ran["double 1"] == 1
    assert not ran["walk 0"] + ran["walk 2"]
    assert {c.id: c.state for c in again.calls}["walk#1"] == "cached"
    assert again.record().call("walk#1").cached_from == run.id
    assert trip.last_run is again
    if stored:
        assert [run.status for run in iflow.runs(path)] == ["failed", "succeeded"]


def test_it_may_fail_again_and_again(path: Path) -> None:
    weather = Weather()
    trip = outing(weather)
    with pytest.raises(TaskError):
        trip.run(3)
    run = trip.last_run
    for _ in range(2):
        assert run is not None
        ran.clear()
        run = run.retry_failed()
        with pytest.raises(TaskError, match="rain"):
            run.result()
        assert {text for text in ran if text.startswith("walk")} == {"walk 1"}
    weather.bad = False
    assert run is not None
    assert run.retry_failed().result()[0] == [0, 2, 4]


def test_there_must_be_something_to_try_again(path: Path) -> None:
    chain = two(path)
    chain.run(5)
    run = chain.last_run
    assert run is not None
    for one in (run, iflow.open_run(run.id, path)):
        with pytest.raises(ValueError, match=f"nothing failed in run {run.id} of chain"):
            one.retry_failed()


def test_a_run_that_goes_on_is_not_tried_again() -> None:
    go = threading.Event()

    @task
    def hold() -> None:
        go.wait(30)

    @flow
    def code() -> Any:
        return hold()

    run = code.start()
    with pytest.raises(ValueError, match="is still running; wait for it, or cancel it"):
        run.retry_failed()
    go.set()
    run.result()


def test_a_cancelled_run_is_tried_again() -> None:
    begun, go = threading.Event(), threading.Event()

    @task
    def hold() -> str:
        begun.set()
        go.wait(30)
        return "held"

    @flow
    def code() -> Any:
        return wait(double(4)), hold()

    run = code.start()
    assert begun.wait(30)
    run.cancel()
    run.wait()
    go.set()
    assert run.retry_failed().result() == (8, "held")
    assert ran == {"double 4": 1}


def test_a_stored_run_needs_its_workflow_to_be_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weather = Weather()
    with pytest.raises(TaskError):
        outing(weather, path).run(3)
    (summary,) = iflow.runs(path)
    monkeypatch.setattr(defined, "_defined", {})
    stored = iflow.open_run(summary.id, path)
    assert stored.errors
    with pytest.raises(LookupError, match="'outing', which is not defined"):
        stored.retry_failed()


class Plain:
    """Is shown as an address."""

    def __init__(self, n: int) -> None:
        self.n = n


class Telling(Plain):
    """Says who it is, as far as it likes."""

    def __repr__(self) -> str:
        return "Telling"


def given(value: Any, store: Path | None = None) -> Any:
    """A workflow that hands this to a task, and fails."""

    @task
    def look(value: Any) -> int:
        ran["look"] += 1
        return 1

    @flow
    def given() -> Any:
        return wait(look(value)), fail()

    @task
    def fail() -> None:
        raise LookupError

    return given.options(store=store)


@pytest.mark.parametrize(
    ("one", "other", "in_memory", "stored"),
    [
        ([1] * 9, [1] * 9, True, True),
        ([1] * 9, [1] * 8 + [2], False, False),
        (float("nan"), float("nan"), True, True),
        ({"a": {1, 2}}, {"a": {2, 1}}, True, True),
        (list(range(5000)), list(range(5000)), True, True),
        (list(range(5000)), [*range(4999), 0], False, True),  # only the beginning of its text is stored
        (Plain(1), Plain(1), True, False),  # a stored one is shown as an address
        (Plain(1), Plain(2), False, False),
        (Telling(1), Telling(1), True, True),
        (Telling(1), Telling(2), False, True),
        ((x for x in ()), (x for x in ()), False, False),  # it has no fingerprint
        (Path("a"), Path("a"), True, True),
        (Path("a"), Path("b"), False, False),
    ],
)  # fmt: skip
def test_values_are_taken_only_for_the_same_arguments(
    path: Path, one: Any, other: Any, in_memory: bool, stored: bool
) -> None:
    for store, taken in ((None, in_memory), (path, stored)):
        workflow = given(one, store)
        with pytest.raises(TaskError):
            workflow.run()
        past = Past.read(
            Store(path).rounds(iflow.runs(path)[-1].id) if store else [workflow.last_run._runner.engine.events]
        )
        ran.clear()
        again = given(other, store)._retried((), {}, past)
        again.drive()
        assert ran["look"] == (not taken)


def test_a_workflow_that_nobody_has_any_more_is_forgotten() -> None:
    made = two(Path("unused"))
    assert "chain" in defined.names()
    assert defined.find("chain") is made
    other = made.options(name="other")
    assert defined.find("other") is other
    del other
    gc.collect()
    assert defined.find("other") is None
    assert "other" not in defined.names()

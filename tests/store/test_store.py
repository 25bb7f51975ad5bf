"""Runs in a store: recorded, listed, opened, continued, removed."""

from __future__ import annotations

import os
import pickle
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from recordings import log_of, record, succeeding

from interactive_flow import TaskError, flow, task
from interactive_flow.model.errors import TaskTimeout
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallCancelled,
    CallFailed,
    CallNotReused,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    CallYielded,
    Event,
    Reference,
    RunFinished,
    RunStarted,
    Site,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus
from interactive_flow.store import Store, StoredException, loaded
from interactive_flow.store.errors import RunExists, StoreError, UnknownRun
from interactive_flow.views.chrome import chrome_trace
from interactive_flow.views.report import report_html
from interactive_flow.views.text import text_snapshot

SITE = Site("/somewhere/code.py", 3, "wf", 7)


def every_kind() -> list[Event]:
    """A run with an event of every kind; but for values, nothing in it that is not kept as it is."""
    return [
        RunStarted(0, "r", "wf", 1000.0, 2, "def wf(): ...", "/somewhere/code.py", 3, 0),
        CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), SITE, (1, "x", None), {"k": b"y"}),
        CallScheduled(0.2, 2, "b", 1, CallKind.WORKFLOW, 0, (1,), None, (Reference(1), [Reference(1), 2]), None),
        CallNotReused(0.25, 1, "argument `x` changed"),
        CallStarted(0.3, 1, 1, "w0"),
        CallProgressed(0.4, 1, 0.5, "half"),
        CallOutput(0.5, 1, "stdout", "words \ud800\n", 3),
        CallYielded(0.55, 1, 0, "item"),
        AttemptFailed(0.6, 1, 1, 0.3, "w0", TaskError("OSError: no", "a#1"), 0.7),
        CallStarted(0.7, 1, 2, "w1"),
        CallSucceeded(0.8, 1, 0.7, "w1", 5),
        CallReady(0.8, 2),
        CallStarted(0.9, 2, 1, None),
        CallScheduled(0.91, 3, "c", 1, CallKind.COMBINATOR, 2, (1,), SITE, (Reference(1),), {"f": Reference(1)}),
        CallCancelled(0.92, 3, None, "not needed"),
        BarrierEntered(0.93, 2, (1,), SITE),
        BarrierLeft(0.94, 2),
        WorkflowRestarted(0.95, 2),
        CallFailed(0.96, 2, 0.9, None, TaskTimeout("too slow", "b#1")),
        WorkflowReturned(1.0, 0, (2,)),
        RunFinished(1.1, RunStatus.CANCELLED, None, None),
    ]


def comparable(event: Event) -> Any:
    """The event with its error replaced by what can be compared."""
    error = getattr(event, "error", None)
    if error is None:
        return event
    return event._replace(error=(type(error), error.reason, error.call))  # type: ignore[arg-type, call-arg]


def test_events_of_every_kind_come_back(store: Store) -> None:
    events = every_kind()
    record(store, events)
    back = store.events("r")
    assert [comparable(e) for e in back] == [comparable(e) for e in events]
    assert [type(e) for e in back] == [type(e) for e in events]
    assert type(back[2].args[0]) is Reference  # type: ignore[union-attr]
    assert type(back[1].kind) is CallKind  # type: ignore[union-attr]
    assert text_snapshot(RunRecord(back)) == text_snapshot(RunRecord(events))


class Opaque:
    """Not one of Python's own types."""

    def __repr__(self) -> str:
        return "<opaque>"


def test_arguments_are_kept_as_they_are_shown(store: Store) -> None:
    class Text(str):
        __slots__ = ()

    args = (Opaque(), [Opaque(), Reference(0)], list(range(100_000)), Text("t"), {1: (2, {3})}, "long" * 10_000)
    record(store, [RunStarted(0, "r", "wf", 1.0, 1), CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), None, args)])
    before = RunRecord(
        [RunStarted(0, "r", "wf", 1.0, 1), CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), None, args)]
    )
    after = RunRecord(store.events("r"))
    assert after.calls[0].call_text() == before.calls[0].call_text()
    assert after.calls[0].args[4] == {1: (2, {3})}
    assert store.run("r").size < 10_000


def fail(message: str) -> Exception:
    """An exception with a cause and a traceback."""
    try:
        try:
            raise OSError("disk")
        except OSError as error:
            raise ValueError(message) from error
    except ValueError as error:
        return error


def test_errors_come_back_with_class_text_traceback_and_causes(store: Store) -> None:
    failure = TaskError("ValueError: bad", "a#1")
    failure.__cause__ = fail("bad")
    events = [
        RunStarted(0, "r", "wf", 1.0, 1),
        CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), SITE),
        CallScheduled(0.1, 2, "b", 1, CallKind.TASK, 0, (1,), SITE, (Reference(1),)),
        CallFailed(0.2, 1, 0.1, "w", failure),
        CallFailed(0.2, 2, None, None, failure),
        RunFinished(0.3, RunStatus.FAILED, None, failure),
    ]
    record(store, events)
    back = RunRecord(store.events("r"))
    error = back.calls[0].error
    assert error is back.calls[1].error is back.error  # one failure, one error
    assert type(error) is TaskError
    assert str(error) == str(failure)
    cause = error.__cause__
    assert isinstance(cause, StoredException)
    assert type(cause).__name__ == "ValueError"
    assert str(cause) == "bad"
    assert cause.causes == (("OSError", "disk"),)
    assert "in fail" in str(cause.__cause__)
    assert "OSError: disk" in str(cause.__cause__)
    original = cause.original()
    assert type(original) is ValueError
    assert original.args == ("bad",)


def test_an_error_of_the_workflows_code_comes_back(store: Store) -> None:
    for error in (fail("code"), KeyError("key"), KeyboardInterrupt()):
        run = type(error).__name__
        record(store, [RunStarted(0, run, "wf", 1.0, 1), RunFinished(0.3, RunStatus.FAILED, None, error)], run)
        back = RunRecord(store.events(run)).error
        assert type(back).__name__ == run
        assert str(back) == str(error)


MAKES_ERROR = """
import sys
from interactive_flow import flow, task
from interactive_flow.store import Store

class Unheard(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")

@task
def fails(x):
    raise Unheard(x, 2)

@flow
def wf():
    return fails(1)

store = Store(sys.argv[1])
run = wf.options(display="none").start()
run.wait()
with store.begin("r", "wf") as recorder:
    recorder.follow(lambda: run._runner.engine.events)
"""


def test_errors_are_shown_where_their_class_does_not_exist(tmp_path: Path, python: Callable[..., Popen[str]]) -> None:
    process = python(MAKES_ERROR, tmp_path / "s")
    assert process.communicate() == ("", "")
    record = RunRecord(Store(tmp_path / "s").events("r"))
    (call,) = record.calls
    assert call.state is CallState.FAILED
    cause = call.error.__cause__ if call.error else None
    assert type(cause).__name__ == "Unheard"
    assert str(cause) == "1 and 2"
    assert "in fails" in str(cause.__cause__ if cause else "")
    assert "Unheard" in text_snapshot(record)


# -- whole runs --------------------------------------------------------------------------------------------------------


@task
def pair(x: int) -> list[int]:
    return [x, x]


@task
def total(*xs: list[int]) -> int:
    return sum(map(sum, xs))


@flow
def pairs(n: int) -> Any:
    return total(*[pair(x) for x in range(n)])


def test_a_real_run_is_followed_to_its_end(store: Store) -> None:
    run = pairs.options(display="none", max_workers=2).start(500)
    with store.begin(run.id, run.name, (500,)) as recorder:
        recorder.follow(lambda: run._runner.engine.events)
        assert run.result() == 500 * 499
        assert recorder.flush() == len(run.events())
    record = RunRecord(store.events(run.id))
    assert record.status == "succeeded"
    assert record.value == 500 * 499
    assert [call.id for call in record.calls] == [call.id for call in run.calls]
    assert record.calls[3].value == [3, 3]
    assert text_snapshot(record) == text_snapshot(run.record())
    assert store.arguments(run.id) == ((500,), {})
    (summary,) = store.runs()
    assert (summary.id, summary.name, summary.status, summary.calls) == (run.id, "pairs", "succeeded", 501)
    assert summary.finished is not None
    assert summary.size > 0


def test_batches_of_any_size_make_the_same_run(store: Store) -> None:
    raw = log_of(succeeding([[n] for n in range(1500)])).tail(0)
    for size in (1, 7, 5000):
        with store.begin(f"r{size}", "wf") as recorder:
            for begin in range(0, len(raw), size):
                recorder.append(raw[begin : begin + size])
            assert recorder.flush() == len(raw)
        assert [repr(e) for e in store.events(f"r{size}")] == [repr(e) for e in store.events("r1")]


def test_runs_are_listed_oldest_first(store: Store) -> None:
    assert store.runs() == []
    for run in "cab":
        record(store, succeeding([1], run), run)
    assert [summary.id for summary in store.runs()] == ["c", "a", "b"]
    assert {summary.status for summary in store.runs()} == {"succeeded"}


def test_a_run_that_goes_on_can_be_opened(store: Store) -> None:
    raw = log_of(succeeding([1, 2])).tail(0)
    with store.begin("r", "wf") as recorder:
        recorder.append(raw[:4])
        recorder.flush()
        assert len(store.events("r")) == 4
        summary = store.run("r")
        assert (summary.status, summary.finished, summary.calls) == ("running", None, 1)
        recorder.append(raw[4:])
    assert store.run("r").status == "succeeded"


def test_a_recording_that_ends_early_leaves_an_interrupted_run(store: Store) -> None:
    with store.begin("r", "wf") as recorder:
        recorder.append(log_of(succeeding([1, 2])).tail(0)[:4])
    summary = store.run("r")
    assert (summary.status, summary.calls, summary.events) == ("interrupted", 1, 4)
    assert summary.finished is not None
    assert summary.started <= summary.finished <= time.time()
    with pytest.raises(StoreError, match="is over"):
        recorder.append([])


def test_unknown_and_known_ids(store: Store) -> None:
    record(store, succeeding([1]))
    with pytest.raises(RunExists, match="'r'"):
        store.begin("r", "wf")
    for ask in (store.events, store.run, store.outcomes, store.arguments):
        with pytest.raises(UnknownRun, match="'other'"):
            ask("other")
    with pytest.raises(UnknownRun, match="go on with"):
        store.begin("other", "wf", again=True)


def test_a_continued_run_knows_what_earlier_rounds_did(store: Store) -> None:
    raw = log_of(succeeding([[1], [2], [3]])).tail(0)
    with store.begin("r", "wf", (9,), {"k": "x" * 50_000}) as recorder:
        recorder.append(raw[:7])  # two of the three calls
    assert list(store.outcomes("r")) == ["give#1", "give#2"]
    with store.begin("r", "wf", again=True) as recorder:
        with pytest.raises(RunExists, match="still running"):
            store.begin("r", "wf", again=True)
        outcomes = store.outcomes("r")
        assert [loaded(outcome.value) for outcome in outcomes.values()] == [[1], [2]]
        assert {outcome.kind for outcome in outcomes.values()} == {CallKind.TASK}
        assert len(store.events("r")) == 7  # of the round before, while the new one has none
        again = [RunStarted(0, "r", "wf", 2000.0, 1), *succeeding([outcomes["give#1"].value, [20], [30]])[1:-1]]
        recorder.append(log_of(again).tail(0)[:7])
        recorder.flush()
        assert {id: loaded(outcome.value) for id, outcome in store.outcomes("r").items()} == {
            "give#1": [1],
            "give#2": [20],
        }
        assert store.run("r").calls == 2
    assert store.arguments("r") == ((9,), {"k": "x" * 50_000})
    assert store.run("r").rounds == 1


def test_a_workflow_that_restarts_is_stored_with_its_last_round_only(store: Store) -> None:
    rounds = [succeeding([["x" * 20_000 + str(n)]], restarts=n) for n in range(4)]
    with store.begin("r", "wf", (0,)) as recorder:
        for n, events in enumerate(rounds):
            if n:
                recorder.begin_anew(n, (n,), {})
            recorder.append(log_of(events).tail(0)[: None if n == 3 else -1])
            recorder.flush()
    assert store.arguments("r") == ((3,), {})
    assert [e.value[0][-1] for e in store.events("r") if isinstance(e, CallSucceeded)] == ["3"]
    assert store.run("r").rounds == 3
    assert value_files(store) == 2  # the value of the last round's call, and the list that it returned


def test_a_round_that_was_over_before_anybody_looked(store: Store) -> None:
    with store.begin("r", "wf", (0,)) as recorder:
        recorder.begin_anew(1, (1,), {})
        recorder.begin_anew(2, (2,), {})
        recorder.append(log_of(succeeding([7], restarts=2)).tail(0))
    assert store.arguments("r") == ((2,), {})
    assert store.run("r").calls == 1


def test_errors_of_a_stored_run_can_be_stored_again(store: Store) -> None:
    failure = TaskError("ValueError: bad", "a#1")
    failure.__cause__ = fail("bad")
    events: list[Event] = [
        RunStarted(0, "r", "wf", 1.0, 1),
        CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), SITE),
        CallFailed(0.2, 1, 0.1, "w", failure),
    ]
    record(store, events)
    again = store.events("r")
    record(store, list(again), "q")
    first, second = (RunRecord(store.events(run)).calls[0].error for run in "rq")
    assert first is not None
    assert second is not None
    assert traceback.format_exception(first) == traceback.format_exception(second)
    assert isinstance(second.__cause__, StoredException)
    assert type(second.__cause__.original()) is ValueError
    copied = pickle.loads(pickle.dumps(second.__cause__))  # noqa: S301 - our own
    assert traceback.format_exception(copied) == traceback.format_exception(second.__cause__)


def test_the_key_is_in_no_pickle(store: Store) -> None:
    with pytest.raises(TypeError, match="key"):
        pickle.dumps(store._values)
    data = pickle.dumps(store)  # a workflow may have it among its options
    key = (store.path / "key").read_text()
    assert key.encode() not in data
    assert bytes.fromhex(key) not in data
    assert pickle.loads(data).path == store.path  # noqa: S301 - made two lines above


class Noisy:
    """Makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_run_is_shown_without_loading_anything(store: Store, tmp_path: Path) -> None:
    noisy = Noisy(tmp_path / "loaded")
    record(store, succeeding([noisy, [noisy]]))
    shown = RunRecord(store.events("r"))
    assert "Noisy object" in report_html(shown)
    text_snapshot(shown)
    chrome_trace(shown)
    store.outcomes("r")
    assert not (tmp_path / "loaded").exists()
    loaded(shown.calls[0].value)
    assert (tmp_path / "loaded").exists()


def test_a_call_that_was_given_up_later_keeps_its_value(store: Store) -> None:
    made = CallScheduled(0.1, 1, "a", 1, CallKind.TASK, 0, (), None)
    began = RunStarted(0, "r", "wf", 1.0, 1)
    record(store, [began, made, CallSucceeded(0.2, 1, 0.1, "w", 5)])
    with store.begin("r", "wf", again=True) as recorder:
        other = made._replace(call=2, name="b")
        gone = [CallCancelled(0.2, call, None, "run cancelled") for call in (1, 2)]
        recorder.append(log_of([began, made, other, *gone]).tail(0))
    outcomes = store.outcomes("r")
    assert (outcomes["a#1"].value, outcomes["a#1"].available) == (5, True)
    assert outcomes["b#1"].cancelled
    assert not outcomes["b#1"].available


# -- removing ----------------------------------------------------------------------------------------------------------


def value_files(store: Store) -> int:
    return sum(path.is_file() for path in (store.path / "values").rglob("*"))


def test_prune_removes_runs_and_the_files_that_nobody_needs(store: Store) -> None:
    shared, own = ["s" * 50_000], ["o" * 50_000]
    record(store, succeeding([shared, own], "a")[:-1], "a")
    record(store, succeeding([shared], "b")[:-1], "b")
    record(store, succeeding([1], "c"), "c")
    assert value_files(store) == 2
    before = store.size()
    freed = store.prune(keep=2)
    assert freed.runs == ("a",)
    assert freed.files == 1
    assert 50_000 < freed.bytes < 60_000
    assert store.size() < before
    assert loaded(store.outcomes("b")["give#1"].value) == shared
    assert store.prune(keep=0).runs == ("b", "c")
    assert value_files(store) == 0
    assert store.runs() == []


def test_prune_by_age(store: Store) -> None:
    for run in "abc":
        record(store, succeeding([1], run), run)
    assert store.prune(older_than=timedelta(days=1)).runs == ()
    assert store.prune(older_than=-10.0, keep=1).runs == ("a", "b")
    with pytest.raises(ValueError, match="at least one"):
        store.prune()
    with pytest.raises(ValueError, match="negative"):
        store.prune(keep=-1)


def test_prune_beside_a_live_run(store: Store) -> None:
    raw = log_of(succeeding([[str(n) * 20_000] for n in range(40)])).tail(0)
    record(store, succeeding([["0" * 20_000]], "old"), "old")
    with store.begin("live", "wf", ("a" * 20_000,)) as recorder:
        for begin in range(0, len(raw), 3):
            recorder.append(raw[begin : begin + 3])
            store.prune(keep=0)
    assert recorder.error is None
    assert [summary.id for summary in store.runs()] == ["live"]
    assert [loaded(o.value) for o in store.outcomes("live").values()] == [[str(n) * 20_000] for n in range(40)]
    assert store.arguments("live") == (("a" * 20_000,), {})


def test_prune_takes_incomplete_files_once_nobody_can_be_writing_them(store: Store) -> None:
    record(store, succeeding([["s" * 50_000]]))
    (folder, *_) = (store.path / "values").iterdir()
    fresh, old = folder / ".new-fresh", folder / ".new-old"
    for file in (fresh, old):
        file.write_bytes(b"?")
    os.utime(old, (time.time() - 7200,) * 2)
    store.prune(older_than=1e9)
    assert (fresh.exists(), old.exists()) == (True, False)


def test_a_run_that_was_removed_under_its_recorder_says_so(store: Store) -> None:
    with store.begin("r", "wf") as recorder:
        with store._database.writing() as connection:
            connection.execute("DELETE FROM runs")
        recorder.append(log_of(succeeding([1])).tail(0))
        with pytest.raises(UnknownRun, match="removed"):
            recorder.flush()

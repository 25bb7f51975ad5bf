"""The fold over events: however the stream is cut into batches, and whatever the run, the record is the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Laboratory, check_stream

from interactive_flow import Retry, TaskError, Timeout, finish_order, first, flow, heartbeat, parallel_reduce, task
from interactive_flow.model.events import (
    CallOutput,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
    Site,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.record import OUTPUT_LIMIT, RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus


def everything(lab: Laboratory) -> Callable[[], Any]:
    """A workflow in which everything happens that can happen to a call."""
    flaky = iter([True, True, False])

    @task(retry=Retry(attempts=3, delay=1.0))
    def sometimes() -> str:
        print("trying")
        heartbeat(0.5, "half-way")
        lab.clock.sleep(1.0)
        if next(flaky):
            raise OSError
        return "at last"

    slow = task(lab.give.fn, name="slow", timeout=Timeout(start_to_close=2.0))

    @flow
    def inner(x: Any) -> Any:
        lab.give("unneeded", 90.0)
        return lab.add(x, 1, 1.0) + 0

    def code() -> Any:
        lab.give(slow("too slow", 50.0))
        lab.give(lab.give("waits for this one", 0.5))
        xs = [lab.give(n, float(n)) for n in range(4)]
        total = parallel_reduce(lab.add, xs)
        order = [x + 0 for x in finish_order([xs[3], xs[1]])]
        return [sometimes(), inner(first(*xs)), total, order]

    return code


def stream(lab: Laboratory | None = None) -> list[Event]:
    lab = lab or Laboratory(workers=3)
    lab.run(everything(lab))
    return list(lab.last.events())


EVENTS = stream()


def seen(record: RunRecord) -> Any:
    """All there is to see of a record."""
    calls = [{name: getattr(call, name) for name in call.__slots__ if name != "error"} for call in record.calls]
    fields = {k: v for k, v in vars(record).items() if k not in ("calls", "by_index", "_open_barriers", "error")}
    return repr(calls), repr(fields), [repr(call.error) for call in record.calls], sorted(record.by_index)


def test_the_stream_has_everything() -> None:
    check_stream(EVENTS, 3)
    record = RunRecord(EVENTS)
    kinds = {type(e).__name__ for e in EVENTS}
    assert kinds >= {
        "RunStarted", "CallScheduled", "CallReady", "CallStarted", "CallProgressed", "CallOutput", "CallSucceeded",
        "CallFailed", "AttemptFailed", "CallCancelled", "BarrierEntered", "BarrierLeft", "WorkflowReturned",
        "RunFinished",
    }  # fmt: skip
    assert {call.state for call in record.calls} == {
        CallState.SUCCEEDED, CallState.FAILED, CallState.TIMED_OUT, CallState.CANCELLED
    }  # fmt: skip
    assert {call.kind for call in record.calls} == {CallKind.TASK, CallKind.WORKFLOW, CallKind.COMBINATOR}


@given(st.lists(st.integers(0, len(EVENTS)), max_size=12))
def test_batches_of_any_size_fold_to_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(EVENTS)]
    record = RunRecord()
    for a, b in itertools.pairwise(edges):
        record.apply(EVENTS[a:b])
    assert seen(record) == seen(RunRecord(EVENTS))


@pytest.mark.parametrize("n", range(len(EVENTS)))
def test_after_each_event_the_counts_agree_with_the_calls(n: int) -> None:
    record = RunRecord(EVENTS[: n + 1])
    for state in CallState:
        assert record.count[state] == sum(c.state is state and c.kind is not CallKind.COMBINATOR for c in record.calls)
    assert record.status == ("succeeded" if n == len(EVENTS) - 1 else "running")
    assert record.clock == max(e.at for e in EVENTS[: n + 1])
    for barrier in record.barriers:
        open_now = record.barrier_of(barrier.workflow)
        assert (open_now is barrier) == (barrier.left_at is None)


def test_folding_again_from_the_events_of_a_record_in_between_shares_nothing() -> None:
    half = RunRecord(EVENTS[:40])
    before = seen(half)
    RunRecord(EVENTS)
    assert seen(half) == before


def test_what_changed_is_told_once() -> None:
    record = RunRecord()
    for event in EVENTS:
        record.changed.clear()
        shape = record.shape
        record.apply([event])
        touched = getattr(event, "call", None)
        if isinstance(event, CallScheduled):
            assert record.shape > shape
        if touched and not type(event).__name__.startswith(("Barrier", "Workflow")):
            assert record.changed == {touched}


def test_fields_of_a_call_with_attempts() -> None:
    record = RunRecord(EVENTS)
    call = record.call("sometimes#1")
    assert (call.attempts, call.state, call.value, call.error) == (3, "succeeded", "at last", None)
    assert [t.number for t in call.tries] == [1, 2, 3]
    assert [t.state for t in call.tries] == ["failed", "failed", "succeeded"]
    assert (call.progress, call.message, call.duration) == (1.0, "half-way", 1.0)
    assert call.stdout == "trying\n" * 3
    assert call.worker == "simulated"
    assert repr(call) == "<task sometimes#1: succeeded>"
    assert call.site is not None
    assert (call.cell, call.site.file) == (None, __file__)


def test_fields_of_calls_that_did_not_succeed() -> None:
    record = RunRecord(EVENTS)
    timed_out, lost, unneeded = record.call("slow#1"), record.call("give#1"), record.call("inner#1/give#1")
    assert (timed_out.state, timed_out.inherited_error, timed_out.duration) == ("timed_out", False, 2.0)
    assert (lost.state, lost.inherited_error, lost.attempts) == ("failed", True, 0)
    assert lost.error is timed_out.error
    assert (unneeded.state, unneeded.reason, unneeded.parent, unneeded.value) == (
        "cancelled",
        "not needed",
        "inner#1",
        None,
    )


def test_a_call_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="there are: slow#1, give#1"):
        RunRecord(EVENTS).call("nope#1")


def test_an_empty_record() -> None:
    record = RunRecord()
    assert (record.status, record.calls, record.barriers, record.seen, record.clock) == ("running", [], [], 0, 0.0)
    assert record.barrier_of(0) is None


def test_describing_the_result() -> None:
    started = RunStarted(0.0, "r", "wf", 0.0, 1)
    assert RunRecord([started, RunFinished(1.0, RunStatus.SUCCEEDED, [1], None)]).describe_value() == "[1]"
    failed = RunFinished(1.0, RunStatus.FAILED, None, TaskError("why", "f#1"))
    assert "why" in RunRecord([started, failed]).describe_value()


@given(st.lists(st.integers(0, OUTPUT_LIMIT), max_size=6))
def test_output_is_kept_up_to_a_limit_and_the_rest_is_counted(sizes: list[int]) -> None:
    record = RunRecord([RunStarted(0.0, "r", "wf", 0.0, 1), scheduled(), CallStarted(0.0, 1, 1, None)])
    record.apply(CallOutput(0.0, 1, "stdout", "x" * size) for size in sizes)
    call = record.call("f#1")
    assert len(call.stdout) == min(sum(sizes), OUTPUT_LIMIT)
    assert len(call.stdout) + call.stdout_left_out == sum(sizes)


def scheduled() -> CallScheduled:
    return CallScheduled(0.0, 1, "f", 1, CallKind.TASK, 0, (), None)


def test_a_call_is_ready_at_once_where_nothing_is_missing() -> None:
    record = RunRecord([RunStarted(0.0, "r", "wf", 0.0, 1), scheduled()])
    assert (record.call("f#1").state, record.call("f#1").ready_at) == ("ready", 0.0)


def test_sites_as_people_read_them() -> None:
    assert str(Site("/a/b/c.py", 12, "f")) == "c.py:12"
    assert str(Site("/tmp/ipykernel_1/123.py", 3, "f", 7)) == "cell 7, line 3"


def test_final_states() -> None:
    assert {state for state in CallState if state.final} == {"succeeded", "failed", "timed_out", "cancelled", "cached"}
    assert [str(status) for status in RunStatus] == ["running", "succeeded", "failed", "cancelled", "interrupted"]


def test_the_end_of_workflow_code_is_kept_with_what_it_waits_for() -> None:
    started = RunStarted(0.0, "r", "w", 0.0, 2)
    sub = CallScheduled(0.1, 1, "sub", 1, CallKind.WORKFLOW, 0, (), None)
    inner = CallScheduled(0.2, 2, "t", 1, CallKind.TASK, 1, (), None)
    record = RunRecord([started, sub, CallStarted(0.1, 1, 1, None), inner, WorkflowReturned(0.3, 1, (2,))])
    assert (record.returns[1].waits_on, record.returns[1].entered_at, record.returns[1].left_at) == ((2,), 0.3, None)
    record.apply([WorkflowReturned(0.4, 0, (1,))])
    assert (record.returned_at, record.returns[0].left_at) == (0.4, None)
    record.apply([CallStarted(0.5, 2, 1, "a"), CallSucceeded(1.0, 2, 0.5, "a", 1), CallSucceeded(1.1, 1, 0.1, None, 1)])
    assert (record.returns[1].left_at, record.returns[0].left_at) == (1.1, None)
    record.apply([RunFinished(1.2, RunStatus.SUCCEEDED, 1, None)])
    assert record.returns[0].left_at == 1.2


def test_code_that_begins_again_has_not_come_to_its_end() -> None:
    started = RunStarted(0.0, "r", "w", 0.0, 2)
    sub = CallScheduled(0.1, 1, "sub", 1, CallKind.WORKFLOW, 0, (), None)
    record = RunRecord([started, sub, CallStarted(0.1, 1, 1, None), WorkflowReturned(0.3, 1, ())])
    record.apply([WorkflowRestarted(0.4, 1)])
    assert record.returns == {}
    record.apply([WorkflowReturned(0.5, 0, ())])
    record.apply([RunStarted(0.0, "r", "w", 0.0, 2, restarts=1)])
    assert (record.returns, record.returned_at) == ({}, None)

"""The engine driven directly, stimulus by stimulus, in any order that the world may bring them.

No workflow code runs here: the machine plays the code (it makes calls, stands still, returns), the workers and the
clock, and after every step asserts what must hold of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, precondition, rule
from laboratory import Bang, check_stream

from interactive_flow import Retry, TaskError, Timeout
from interactive_flow.engine.calls import Call, Job, Scope, StreamCall, TaskCall, WorkflowCall
from interactive_flow.engine.combinators import Combinator, FinishOrder, First, Once, ParallelReduce, StreamItem
from interactive_flow.engine.containers import gather
from interactive_flow.engine.durations import forget_durations
from interactive_flow.engine.engine import Engine
from interactive_flow.engine.fibers import Raised, Restart, Returned
from interactive_flow.engine.graph import LEGAL
from interactive_flow.engine.placeholder import Placeholder
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.model.errors import IllegalTransition
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallState, RunStatus

MOST_WORKERS = 5

NAMES = ["all at once", "delayed", "hurried", "limited", "plain", "retried", "stream", "timed"]
SUB = WorkflowSpec("sub", len)

REACHABLE = {state: set(after) for state, after in LEGAL.items()}
"""From each state all states that can be reached in any number of legal steps."""
for _ in range(len(CallState)):
    for _after in REACHABLE.values():
        _after |= {s for step in _after for s in LEGAL.get(step, ())}


def items() -> Iterator[int]:
    """What a stream is made of; never called."""
    yield 1


def fresh_specs() -> dict[str, TaskSpec]:
    """Tasks with policies of every kind, of which nothing is known yet: what is learnt decides who goes first."""
    forget_durations()
    return {
        "plain": TaskSpec("plain", len),
        "stream": TaskSpec("stream", items, Retry(attempts=2)),
        "retried": TaskSpec("retried", len, Retry(attempts=3, delay=1.0)),
        "delayed": TaskSpec("delayed", len, Retry(delays=(2.0, 0.0))),
        "limited": TaskSpec("limited", len, limit=1),
        "timed": TaskSpec("timed", len, Retry(attempts=2), Timeout(start_to_close=3.0, heartbeat=2.0)),
        "hurried": TaskSpec("hurried", len, timeout=Timeout(schedule_to_start=2.0, schedule_to_close=6.0)),
        "all at once": TaskSpec("all at once", len, Retry(2), Timeout(3.0, 2.0, 7.0, 2.0), limit=2),
    }


class EngineMachine(RuleBasedStateMachine):
    """Plays everybody around an engine."""

    calls = Bundle("calls")
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.workers = 3
        self.interval = 0.0
        self.latest_start = -inf
        self.engine = self.new_engine(None)
        self.elsewhere = self.new_engine(None)  # another run
        self.elsewhere.start(WorkflowSpec("root", len), (), {})
        self.specs = fresh_specs()
        self.helm: list[WorkflowCall] = []
        self.known: dict[Call, CallState] = {}
        self.finals: dict[Call, tuple[Any, ...]] = {}
        self.deps: dict[Call, tuple[Call, ...]] = {}
        self.waits_elsewhere: list[tuple[WorkflowCall, Call]] = []
        self.values = iter(range(1_000_000))
        self.said: dict[Call, Any] = {}
        self.record = RunRecord()

    def new_engine(self, rate_limit: float | None) -> Engine:
        return Engine(lambda: self.now, self, run="r", workers=self.workers, rate_limit=rate_limit)  # type: ignore[arg-type]

    # -- workflow code ------------------------------------------------------------------------------------------

    def code(self, data: st.DataObject) -> WorkflowCall | None:
        """A workflow whose code can go on now; None where there is none."""
        while self.engine.runnable:
            self.helm.append(self.engine.runnable.popleft())
        self.helm = [w for w in dict.fromkeys(self.helm) if w.state is CallState.RUNNING]
        return data.draw(st.sampled_from(self.helm)) if self.helm else None

    def note(self, call: Call, deps: tuple[Call, ...] = ()) -> Call:
        self.known.setdefault(call, CallState.WAITING)
        self.deps[call] = deps
        return call

    @initialize(
        target=calls,
        specs=st.lists(st.sampled_from(NAMES), min_size=2, max_size=4),
        rate_limit=st.sampled_from([None, None, None, 0.7]),
    )
    def the_code_begins(self, specs: list[str], rate_limit: float | None) -> Any:
        self.interval = 1.0 / rate_limit if rate_limit else 0.0
        self.engine = self.new_engine(rate_limit)
        self.engine.start(WorkflowSpec("root", len), (), {})
        root = self.engine.runnable.popleft()
        self.helm.append(root)
        return multiple(*[self.note(self.engine.call(root, self.specs[s], (), {}, (), None)) for s in specs])

    @rule(target=calls, data=st.data(), spec=st.sampled_from(NAMES), deps=st.lists(calls, max_size=3))
    def calls_a_task(self, data: st.DataObject, spec: str, deps: list[Call]) -> Any:
        return self.make(data, self.specs[spec], deps)

    @rule(target=calls, data=st.data(), deps=st.lists(calls, max_size=2))
    def calls_a_sub_workflow(self, data: st.DataObject, deps: list[Call]) -> Any:
        return self.make(data, SUB, deps)

    def make(self, data: st.DataObject, spec: TaskSpec | WorkflowSpec, deps: list[Call]) -> Any:
        workflow = self.code(data)
        if workflow is None:
            return multiple()
        args, kwargs, found = gather(tuple(map(Placeholder, deps)), {})
        call = self.engine.call(workflow, spec, args, kwargs, found, None)
        return self.note(call, found)

    @rule(target=calls, data=st.data(), deps=st.lists(calls, min_size=1, max_size=4))
    def makes_a_first(self, data: st.DataObject, deps: list[Call]) -> Any:
        workflow = self.code(data)
        return multiple() if workflow is None else self.note(First.make(self.engine, workflow, tuple(deps), None))

    @rule(target=calls, data=st.data(), deps=st.lists(calls, min_size=1, max_size=4))
    def makes_a_finish_order(self, data: st.DataObject, deps: list[Call]) -> Any:
        workflow = self.code(data)
        return multiple() if workflow is None else self.note(FinishOrder.make(self.engine, workflow, tuple(deps), None))

    @rule(target=calls, data=st.data())
    def asks_for_the_next_item(self, data: st.DataObject) -> Any:
        nodes = [c for c in self.known if isinstance(c, FinishOrder) and len(c.items) < c.total]
        nodes = [c for c in nodes if c.scope in self.helm and c.scope.state is CallState.RUNNING]
        return self.note(data.draw(st.sampled_from(nodes)).next_item(None)) if nodes else multiple()

    @rule(target=calls, data=st.data())
    def asks_for_something_stable(self, data: st.DataObject) -> Any:
        workflow = self.code(data)
        if workflow is None:
            return multiple()
        node = self.note(Once.make(self.engine, workflow, "once", next(self.values), None))
        assert node.state is CallState.SUCCEEDED
        return node

    @rule(target=calls, data=st.data())
    def takes_an_item_of_a_stream(self, data: st.DataObject) -> Any:
        workflow = self.code(data)
        streams = [call for call in self.known if isinstance(call, StreamCall) and call.items]
        if workflow is None or not streams:
            return multiple()
        call = data.draw(st.sampled_from(streams))
        position = data.draw(st.integers(0, len(call.items) - 1))
        item = self.note(StreamItem.make(self.engine, workflow, call, position, None), (call,))
        assert item.outcome == call.items[position]
        return item

    @rule(
        target=calls,
        data=st.data(),
        deps=st.lists(calls, max_size=4),
        plain=st.lists(st.integers(), max_size=3),
        by=st.sampled_from(["plain", "limited", "sub"]),
    )
    def makes_a_reduction(self, data: st.DataObject, deps: list[Call], plain: list[int], by: str) -> Any:
        workflow = self.code(data)
        if workflow is None or len(deps) + len(plain) < 2:
            return multiple()
        return self.note(ParallelReduce.make(self.engine, workflow, self.specs.get(by, SUB), plain, tuple(deps), None))

    @rule(data=st.data(), call=calls)
    def stands_at_a_barrier(self, data: st.DataObject, call: Call) -> None:
        workflow = self.code(data)
        if workflow is not None and not call.done and call is not workflow:
            self.engine.block(workflow, call, None)
            self.helm.remove(workflow)

    @rule(data=st.data(), waits_on=st.lists(calls, min_size=1, max_size=3, unique=True))
    def stands_at_a_barrier_for_several(self, data: st.DataObject, waits_on: list[Call]) -> None:
        workflow = self.code(data)
        if workflow is None or workflow in waits_on:
            return
        if self.engine.block_on_all(workflow, tuple(waits_on), None):
            self.helm.remove(workflow)

    @rule(data=st.data(), position=st.integers(0, 4))
    def stands_at_an_item(self, data: st.DataObject, position: int) -> None:
        workflow = self.code(data)
        streams = [call for call in self.known if isinstance(call, StreamCall)]
        if workflow is None or not streams:
            return
        call = data.draw(st.sampled_from(streams))
        there = call.done or position < len(call.items)
        assert self.engine.block_on_item(workflow, call, position, None) is not there
        if not there:
            self.helm.remove(workflow)

    @rule(data=st.data())
    def stands_at_a_barrier_for_another_run(self, data: st.DataObject) -> None:
        workflow = self.code(data)
        if workflow is not None:
            call = self.elsewhere.call(self.elsewhere.root, self.specs["plain"], (), {}, (), None)
            self.engine.block_elsewhere(workflow, call, None)
            self.helm.remove(workflow)
            self.waits_elsewhere.append((workflow, call))

    @rule(data=st.data())
    def another_run_has_a_result(self, data: st.DataObject) -> None:
        if self.waits_elsewhere:
            workflow, call = data.draw(st.sampled_from(self.waits_elsewhere))
            self.waits_elsewhere.remove((workflow, call))
            self.elsewhere.cancel_call(call, "given up")
            self.engine.workflow_heard(workflow, call)

    @rule(data=st.data(), parts=st.lists(calls, max_size=3), fails=st.sampled_from([False, False, False, True]))
    def comes_to_its_end(self, data: st.DataObject, parts: list[Call], fails: bool) -> None:
        value = {"parts": [Placeholder(p) for p in parts], "plain": 1}
        self.end(data, parts, Raised(Bang()) if fails else Returned(value))

    @rule(data=st.data(), parts=st.lists(calls, max_size=2))
    def comes_to_its_end_to_begin_again(self, data: st.DataObject, parts: list[Call]) -> None:
        self.end(data, parts, Returned(Restart(tuple(map(Placeholder, parts)), {"plain": 1})))

    def end(self, data: st.DataObject, parts: list[Call], result: Returned | Raised) -> None:
        workflow = self.code(data)
        if workflow is None or workflow in parts or (workflow is self.engine.root and len(self.known) < 12):
            return
        self.helm.remove(workflow)
        self.engine.advanced(workflow, result)
        if self.engine.next_input is not None:
            args, kwargs = self.engine.next_input
            assert not any(type(x) is Placeholder for x in args)
            assert kwargs == {"plain": 1}

    # -- workers --------------------------------------------------------------------------------------------------

    @property
    def at_work(self) -> int:
        return sum(job.started >= 0 for job in self.engine.jobs)

    @rule(workers=st.integers(1, MOST_WORKERS))
    def there_are_more_or_fewer_workers(self, workers: int) -> None:
        self.workers = workers

    def next_job(self, *, queued: bool) -> Job | None:
        job = self.engine.start_next(None, queued)
        if job is not None:
            assert self.now >= self.latest_start + self.interval - 1e-9, "more begin in a second than may"
            self.latest_start = self.now
            assert job.said_before == self.said.pop(job.call, None), "what the attempt before it said last"
        return job

    @rule(target=jobs)
    def a_worker_takes_the_next(self) -> Any:
        job = self.next_job(queued=False) if self.at_work < self.workers else None
        if job is None:
            return multiple()
        assert job.call.state is CallState.RUNNING
        values = [x.__factory__.outcome if type(x) is Placeholder else x for x in job.call.args]
        assert list(self.engine.arguments(job.call)[0]) == values
        return job

    @rule(target=jobs)
    def an_executor_takes_the_next_into_its_queue(self) -> Any:
        job = self.next_job(queued=True) if len(self.engine.jobs) < self.workers + 2 else None
        if job is None:
            return multiple()
        assert (job.call.state, job.call.job) == (CallState.READY, job)
        return job

    @rule(job=jobs)
    def it_begins_at_last(self, job: Job) -> None:
        before = len(self.engine.events)
        if job not in self.engine.jobs:
            self.engine.begun(job, self.now, "w")
            assert len(self.engine.events) == before, "nobody wants it any more"
        elif job.started < 0 and self.at_work < self.workers:
            self.engine.begun(job, self.now, "w")
            assert job.call.state is CallState.RUNNING

    def may_report(self, job: Job) -> bool:
        """Whether a job can be over now: it is at work, or there is a worker that it can have been quickly done by."""
        return job in self.engine.jobs and (job.started >= 0 or self.at_work < self.workers)

    @rule(job=jobs)
    def it_succeeds(self, job: Job) -> None:
        if not self.may_report(job):
            return
        value: Any = next(self.values)
        if isinstance(job.call, StreamCall):
            value = [*job.call.items[: job.produced], value]
        self.engine.succeeded(job, value, max(job.started, 0.0) or self.now, self.now, "w")
        assert job.call.outcome == value
        if isinstance(job.call, StreamCall):
            assert len(job.call.items) >= len(value)

    @rule(job=jobs)
    def it_produces_an_item(self, job: Job) -> None:
        if job.started < 0:
            return
        known = list(job.call.items) if isinstance(job.call, StreamCall) else []
        self.engine.produced(job, next(self.values))
        if isinstance(job.call, StreamCall):
            assert job.call.items[: len(known)] == known, "an item that was used stays what it was"
            assert len(job.call.items) <= len(known) + 1

    @rule(job=jobs, error=st.sampled_from([Bang("x"), SystemExit(1), KeyboardInterrupt()]))
    def it_fails(self, job: Job, error: BaseException) -> None:
        if self.may_report(job):
            self.engine.attempt_failed(job, error, max(job.started, 0.0) or self.now, self.now, "w")

    @rule(job=jobs, progress=st.one_of(st.none(), st.floats(0, 1)))
    def it_gives_a_sign_of_life(self, job: Job, progress: float | None) -> None:
        if job.started >= 0:
            self.engine.heartbeat(job, progress, None)
        if job in self.engine.jobs and job.started >= 0:
            assert job.beat_at == self.now
            self.said[job.call] = (progress, None)

    @rule(job=jobs, text=st.text(min_size=1, max_size=3))
    def it_prints(self, job: Job, text: str) -> None:
        if job in self.engine.jobs and job.started >= 0:
            job.output = job.output or deque()
            job.output.append(("stdout", text))
            self.engine.fetch_output()

    @rule(job=jobs, succeeds=st.booleans())
    def late_news_of_an_attempt_that_is_over_is_refused(self, job: Job, succeeds: bool) -> None:
        if job in self.engine.jobs:
            return
        before = len(self.engine.events)
        report: Any = self.engine.succeeded if succeeds else self.engine.attempt_failed
        with pytest.raises(IllegalTransition) as caught:
            report(job, Bang(), 0.0, 0.0, "w")
        text = str(caught.value)
        assert job.call.id in text
        assert "Its story:" in text
        assert "CallScheduled" in text
        assert job.started < 0 or "CallStarted" in text
        assert len(self.engine.events) == before

    @rule(call=calls)
    def somebody_gives_up_a_call(self, call: Call) -> None:
        done = call.done
        self.engine.cancel_call(call, "given up")
        assert call.done
        assert done or call.state is CallState.CANCELLED

    # -- time, and the end ----------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.engine.fire_timers()
        deadline = self.engine.next_deadline()
        assert deadline is None or deadline > self.now or not self.running

    @precondition(lambda self: len(self.known) > 15)
    @rule(sure=st.sampled_from([False, False, False, True]))
    def somebody_cancels_the_run(self, sure: bool) -> None:
        if sure:
            self.engine.cancel()

    @precondition(lambda self: len(self.known) > 15)
    @rule(sure=st.sampled_from([False, False, False, True]))
    def an_executor_breaks(self, sure: bool) -> None:
        if sure:
            self.engine.crash(Bang())

    @precondition(lambda self: not self.helm and not self.waits_elsewhere)
    @rule()
    def somebody_looks_whether_anything_can_go_on(self) -> None:
        engine = self.engine
        can = engine.runnable or engine.jobs or engine.lanes or engine.next_deadline() is not None
        before = engine.status
        engine.check_stalled()
        assert (engine.status is before) == bool(can or before is not RunStatus.RUNNING)
        assert can or engine.status is not RunStatus.RUNNING

    def teardown(self) -> None:
        self.engine.cancel()
        self.everything_holds()
        assert not self.running
        if self.engine.next_input is None:
            check_stream(list(self.engine.events), MOST_WORKERS)

    # -- what always holds ----------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return self.engine.status is RunStatus.RUNNING

    def everybody(self) -> list[Call]:
        """All calls, those that combinators made included."""
        found: dict[Call, None] = dict.fromkeys(self.known)
        for call in list(found):
            if isinstance(call, Scope):
                found.update(dict.fromkeys(call.open))
        return list(found)

    @invariant()
    def everything_holds(self) -> None:
        for call in self.everybody():
            before = self.known.get(call, CallState.WAITING)
            assert call.state is before or call.state in REACHABLE[before], (before, call)
            self.known[call] = call.state
            if call in self.finals:
                assert self.finals[call] == (call.state, call.outcome, call.order), "what is final stays"
            if call.done:
                self.finals[call] = (call.state, call.outcome, call.order)
            self.holds_of(call)
        assert not self.engine._settled, "everybody was told"
        self.code_can_go_on_or_waits_for_something()
        jobs = [c.job for c in self.known if isinstance(c, TaskCall) and c.job is not None]
        assert set(jobs) <= set(self.engine.jobs)
        assert not any(job.abandoned for job in self.engine.jobs)
        for spec in self.specs.values():
            if spec.limit is not None:
                assert sum(job.call.spec is spec for job in self.engine.jobs) <= spec.limit
        if not self.running:
            assert all(call.done for call in self.known)
            assert not self.engine.jobs
            assert not self.engine.runnable

    def code_can_go_on_or_waits_for_something(self) -> None:
        for workflow in [self.engine.root, *self.known]:
            if not isinstance(workflow, WorkflowCall) or workflow.state is not CallState.RUNNING:
                continue
            goes_on = workflow in self.helm or workflow in self.engine.runnable
            waits = workflow.blocked_on is not None
            assert goes_on + waits + workflow.returned == 1, workflow
            if isinstance(workflow.blocked_on, Call):
                assert not workflow.blocked_on.done
            if workflow.returned:
                assert workflow.missing > 0

    def holds_of(self, call: Call) -> None:
        assert call.done == call.state.final
        assert (call.scope is not None and call in call.scope.open) == (not call.done)
        deps = self.deps.get(call, ())
        if call.state is CallState.WAITING:
            assert any(not dep.done for dep in deps)
            assert not any(dep.failed for dep in deps), "an error wins over what is missing"
            assert call.missing == sum(not dep.done for dep in deps)
        if isinstance(call, TaskCall):
            assert (call.state is CallState.RUNNING) == (call.job is not None and call.job.started >= 0)
            assert call.job is None or call.state in (CallState.READY, CallState.RUNNING)
            assert call.attempt <= call.spec.retry.attempts
        if call.state in (CallState.READY, CallState.RUNNING) and not isinstance(call, Combinator):
            assert all(dep.state is CallState.SUCCEEDED for dep in deps)
        if call.failed:
            assert isinstance(call.outcome, TaskError)
        if isinstance(call, Scope) and call.done:
            assert all(child.done for child in call.open)
        if call.done:
            assert call.args == ()
            assert not call.dependents

    @invariant()
    def the_record_agrees_with_the_engine(self) -> None:
        record = self.record
        record.apply(self.engine.events[record.seen :])
        for call in self.known:
            seen = record.by_index[call.index]
            assert seen.id == call.id
            assert seen.state == call.state or (isinstance(call, Combinator) and not call.done), (seen, call)
            if isinstance(call, TaskCall):
                assert seen.attempts == call.attempt
        if self.engine.next_input is None:  # else the record goes on with another engine
            assert str(record.status) == str(self.engine.status)


EngineMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestEngine = EngineMachine.TestCase

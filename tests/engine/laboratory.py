"""A laboratory for workflows: virtual time, tasks that take as long as they are told, every event stream checked.

Nothing here sleeps: a run's times are exact, so tests state them.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from heapq import heapify
from operator import itemgetter
from random import Random
from typing import Any

from interactive_flow import IgnoredTaskErrorWarning, Run, Workflow, flow, task
from interactive_flow.engine.calls import Job
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallCached,
    CallCancelled,
    CallFailed,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    CallYielded,
    Event,
    RunFinished,
    RunStarted,
    WorkflowRestarted,
    WorkflowReturned,
)
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus
from interactive_flow.testing import DeterministicExecutor

FINAL = (CallSucceeded, CallCached, CallFailed, CallCancelled)


class Bang(Exception):
    """What tasks here raise."""


class TieBreaker(DeterministicExecutor):
    """Draws lots among the tasks that finish at the same time, instead of going by when they began.

    Args:
        workers: how many tasks run at once.
        seed: of the lots; the same one makes the same choices.
    """

    def __init__(self, workers: int, seed: int) -> None:
        super().__init__(workers)
        self._lots = Random(seed)

    def finish_due(self, now: float) -> None:
        """See `DeterministicExecutor.finish_due`; what one task has to tell stays in its order."""
        due: dict[Job, Any] = {}
        for entry in sorted(self._upcoming, key=itemgetter(0, 1)):
            if entry[0] == self.next_time() and not entry[2].abandoned:
                due.setdefault(entry[2], entry)
        if len(due) > 1:
            chosen = self._lots.choice(list(due.values()))
            self._upcoming.remove(chosen)
            self._upcoming.append((chosen[0], -1, *chosen[2:]))
            heapify(self._upcoming)
        super().finish_due(now)


class Laboratory:
    """Runs workflows in virtual time, and checks what they report.

    Args:
        workers: how many tasks run at once.
        ties: seeds the lots that are drawn among tasks which finish at the same time; None lets the earlier call win.

    Attributes:
        give: a task that returns its first argument, after as many seconds as the second says.
        add: a task of two arguments, likewise.
        bang: a task that raises `Bang`, likewise.
        last: the run that was made last.
        ignored: the texts of its warnings of ignored errors.
        bodies: how often each task's function was entered.
    """

    def __init__(self, workers: int = 16, ties: int | None = None) -> None:
        self.executor = DeterministicExecutor(workers) if ties is None else TieBreaker(workers, ties)
        self.clock = self.executor.clock
        self.bodies: Counter[str] = Counter()
        self.ignored: list[str] = []
        self.last: Run
        sleep = self.clock.sleep

        @task
        def give(value: Any, seconds: float = 0.0) -> Any:
            self.bodies["give"] += 1
            sleep(seconds)
            return value

        @task
        def add(x: Any, y: Any, seconds: float = 0.0) -> Any:
            self.bodies["add"] += 1
            sleep(seconds)
            return x + y

        @task
        def bang(text: str = "bang", seconds: float = 0.0) -> Any:
            self.bodies["bang"] += 1
            sleep(seconds)
            raise Bang(text)

        self.give, self.add, self.bang = give, add, bang

    def run(self, code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Runs a workflow, or a function as a flow; its value.  The event stream is checked however it ends."""
        workflow = self.ready(code)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", IgnoredTaskErrorWarning)
            try:
                return workflow.run(*args, **kwargs)
            finally:
                assert workflow.last_run is not None
                self.last = workflow.last_run
                self.ignored = [str(w.message) for w in caught if w.category is IgnoredTaskErrorWarning]
                check_stream(self.last.events(), self.executor.capacity)

    def ready(self, code: Callable[..., Any]) -> Workflow[..., Any]:
        """A workflow that runs here."""
        workflow = code if isinstance(code, Workflow) else flow(code)
        return workflow.options(executor=self.executor)

    @property
    def seconds(self) -> float:
        """How long the last run took."""
        finished = self.last.record().finished_at
        assert finished is not None
        return finished

    def call(self, id: str) -> CallRecord:
        """A call of the last run."""
        return self.last.record().call(id)

    def state(self, id: str) -> str:
        """The state of a call of the last run."""
        return str(self.call(id).state)

    def ended(self, id: str) -> float:
        """When a call of the last run was over."""
        finished = self.call(id).finished_at
        assert finished is not None
        return finished


def error_of(function: Callable[[], Any]) -> BaseException:
    """What `function` raises."""
    try:
        function()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def names(record: RunRecord, kind: CallKind = CallKind.TASK) -> list[str]:
    """The names of the calls of one kind, in the order in which they were made."""
    return [call.name for call in record.calls if call.kind is kind]


class _Story:
    """What the checker knows of one call."""

    def __init__(self, scheduled: CallScheduled) -> None:
        self.scheduled = scheduled
        self.at = scheduled.at
        self.running = False
        self.attempts = 0
        self.final: Event | None = None
        self.ready = False


def check_stream(events: Sequence[Event], workers: int | None = None) -> None:
    """Asserts everything that holds of the events of every run that is over."""
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunFinished)
    assert [type(e) for e in events].count(RunFinished) == 1, "a run ends once"
    checker = _Checker(workers)
    for event in events[1:-1]:
        checker.take(event)
    checker.finish(events[-1])
    check_record(events)


class _Checker:
    """Follows a stream and asserts that each event may follow those before it."""

    def __init__(self, workers: int | None) -> None:
        self.workers = workers
        self.calls: dict[int, _Story] = {}
        self.standing: set[int] = set()
        self.returned: set[int] = set()
        self.numbers: Counter[tuple[int, str]] = Counter()
        self.at_work = 0

    def take(self, event: Event) -> None:
        assert event.at >= 0
        # Not as soon as an attempt begins: one of a run before is told of as begun and failed in one go.
        busy = self.workers is None or self.at_work <= self.workers
        assert busy or isinstance(event, AttemptFailed), "more at work than there are workers"
        if isinstance(event, CallYielded):
            return
        if isinstance(event, WorkflowRestarted):
            self.returned.discard(event.call)
            return
        if isinstance(event, BarrierEntered | BarrierLeft | WorkflowReturned):
            self.workflow_event(event)
        elif isinstance(event, CallScheduled):
            self.scheduled(event)
        else:
            story = self.calls[event.call]  # type: ignore[union-attr]
            assert story.final is None, f"{event} after {story.final}"
            assert event.at >= story.at - 1e-9, f"{event} is earlier than what came before it"
            story.at = max(story.at, event.at)
            self.call_event(event, story)

    def workflow_event(self, event: BarrierEntered | BarrierLeft | WorkflowReturned) -> None:
        workflow = event.call
        if workflow:
            story = self.calls[workflow]
            assert story.running, f"{event}, but {workflow} is not running"
            assert story.final is None
        assert workflow not in self.returned, f"{event} after its code had ended"
        if isinstance(event, BarrierEntered):
            assert workflow not in self.standing
            assert all(self.calls[index].final is None for index in event.waits_on)
            self.standing.add(workflow)
        elif isinstance(event, BarrierLeft):
            self.standing.remove(workflow)
        else:
            assert workflow not in self.standing
            self.returned.add(workflow)

    def scheduled(self, event: CallScheduled) -> None:
        assert event.call == len(self.calls) + 1, "indexes follow the order of calls"
        self.numbers[event.parent, event.name] += 1
        assert event.number == self.numbers[event.parent, event.name], "numbers count the calls of a name"
        assert len(set(event.depends_on)) == len(event.depends_on), "each dependency once"
        assert all(index in self.calls for index in event.depends_on)
        assert event.parent not in self.returned, f"{event}: the code of its workflow had ended"
        if event.parent:
            parent = self.calls[event.parent]
            assert parent.final is None or parent.scheduled.kind is CallKind.COMBINATOR
            if parent.scheduled.kind is CallKind.WORKFLOW:
                assert parent.running, f"{event}: its workflow is not running"
                assert event.parent not in self.standing, f"{event}: its workflow stands at a barrier"
        self.calls[event.call] = _Story(event)

    def call_event(self, event: Any, story: _Story) -> None:
        kind = story.scheduled.kind
        if isinstance(event, CallReady):
            assert not story.ready, f"{event} twice"
            assert story.attempts == 0
            self.dependencies_succeeded(story)
            story.ready = True
        elif isinstance(event, CallStarted):
            assert not story.running
            story.attempts += 1
            assert event.attempt == story.attempts
            self.dependencies_succeeded(story)
            self.work(story, True)
        elif isinstance(event, AttemptFailed):
            assert story.running
            assert event.attempt == story.attempts
            assert event.retry_at >= event.at
            self.work(story, False)
        elif isinstance(event, CallProgressed):
            assert story.running
            assert event.progress is None or 0 <= event.progress <= 1
        elif isinstance(event, CallOutput):
            assert story.running
            assert event.stream in ("stdout", "stderr")
            assert event.text or event.left_out
        else:
            assert isinstance(event, FINAL)
            if isinstance(event, CallSucceeded):
                assert story.running or kind is CallKind.COMBINATOR
                assert event.started <= event.at + 1e-9
            if isinstance(event, CallCached):
                assert kind is CallKind.TASK, f"{event}: only tasks are remembered"
                assert not story.attempts
            if isinstance(event, CallFailed) and not story.attempts and kind is not CallKind.COMBINATOR:
                assert event.started is None
            story.final = event
            if story.running:
                self.work(story, False)
            if story.scheduled.kind is not CallKind.TASK:
                self.standing.discard(event.call)

    def dependencies_succeeded(self, story: _Story) -> None:
        for index in story.scheduled.depends_on:
            assert isinstance(self.calls[index].final, CallSucceeded | CallCached), (
                "started before an argument was there"
            )

    def work(self, story: _Story, begins: bool) -> None:
        story.running = begins
        if story.scheduled.kind is CallKind.TASK:
            self.at_work += 1 if begins else -1

    def finish(self, event: Any) -> None:
        for story in self.calls.values():
            assert story.final is not None, f"{story.scheduled} never ended"
        assert event.at >= 0
        assert (event.error is None) == (event.status is RunStatus.SUCCEEDED)


def check_record(events: Sequence[Event]) -> None:
    """Asserts what holds of the fold over the events of every run that is over."""
    record = RunRecord(events)
    assert len({call.id for call in record.calls}) == len(record.calls), "ids are unique"
    assert record.seen == len(events)
    assert record.finished_at is not None
    states: Counter[CallState] = Counter(c.state for c in record.calls if c.kind is not CallKind.COMBINATOR)
    assert +record.count == states
    assert all(count >= 0 for count in record.count.values())
    for call in record.calls:
        assert call.state.final
        assert (call.error is not None) == (call.state in (CallState.FAILED, CallState.TIMED_OUT))
        assert len(call.tries) == call.attempts
        for attempt in call.tries:
            assert attempt.finished_at is not None
            assert attempt.started_at <= attempt.finished_at + 1e-9
    for barrier in record.barriers:
        assert barrier.left_at is not None
        assert barrier.left_at >= barrier.entered_at


def by_worker(record: RunRecord) -> dict[str, list[tuple[float, float]]]:
    """For each worker the stretches in which it was at work."""
    lanes: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for call in record.calls:
        for attempt in call.tries:
            if attempt.worker is not None and attempt.finished_at is not None:
                lanes[attempt.worker].append((attempt.started_at, attempt.finished_at))
    return lanes

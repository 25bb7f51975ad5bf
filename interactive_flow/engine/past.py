"""What is known of a run from its events: enough to have it all over again, without doing it.

What happens in a run follows from its code and from what comes to it from outside, that is from its tasks: values,
errors, items of generator tasks.  These are the *arrivals*.  Each is kept with the number of *steps* that the code had
taken by then (calls made, barriers entered, ends reached), so that it can arrive again at the same point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from interactive_flow.model.brief import brief_call
from interactive_flow.model.errors import TaskError
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    CallCached,
    CallFailed,
    CallProgressed,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    CallYielded,
    RunStarted,
    WorkflowReturned,
)
from interactive_flow.model.log import EventLog, code_of
from interactive_flow.model.states import CallKind

_STEPS = frozenset(map(code_of, (CallScheduled, BarrierEntered, WorkflowReturned)))
_SCHEDULED, _FAILED = code_of(CallScheduled), code_of(CallFailed)


class Steps:
    """Counts the steps that workflow code takes: the events that it makes.

    Attributes:
        taken: how many so far.
    """

    __slots__ = ("_workflows", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self._workflows: set[int] = set()

    def count(self, events: Iterable[tuple[Any, ...]]) -> int:
        """Counts on; how many there are now.

        Args:
            events: the next ones, as `EventLog.tail` gives them.
        """
        for raw in events:
            code = raw[0]
            if code == _SCHEDULED and raw[5] == CallKind.WORKFLOW:
                self._workflows.add(raw[2])
            if code in _STEPS or (code == _FAILED and raw[2] in self._workflows):  # its code has raised something
                self.taken += 1
        return self.taken


class Made(NamedTuple):
    """A call as the code made it."""

    name: str
    depends_on: tuple[str, ...]
    """Ids."""
    indexes: tuple[int, ...]
    """The same calls as the arguments refer to them."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __str__(self) -> str:
        return brief_call(
            self.name, self.args, self.kwargs, names=dict(zip(self.indexes, self.depends_on, strict=True))
        )


class Arrival(NamedTuple):
    """What a task gave: its value or its error, or an item where it is a generator."""

    call: str
    """The call's id."""
    made: Made
    """The call as it was made."""
    steps: int
    """How many steps the workflow's code had taken."""
    position: int | None
    """Of an item, counted from 0; None where the call came to its end."""
    value: Any
    error: TaskError | None
    seconds: float
    """What it took."""
    run: str
    """The run that computed it."""


@dataclass(slots=True)
class Past:
    """What is known of a run.

    Attributes:
        run: its id.
        restarts: how often it had begun again.
        arrivals: what came from tasks, in order.
        values: by its id, what each combinator and each sub-workflow gave.
        failures: by its id, the errors of attempts at a call that were not its last ones.
        begun: by its id, how many attempts at a call had begun.
        said: by its id, progress and message of a call's last heartbeat.
    """

    run: str = ""
    restarts: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, list[TaskError]] = field(default_factory=dict)
    begun: dict[str, int] = field(default_factory=dict)
    said: dict[str, tuple[float | None, str | None]] = field(default_factory=dict)

    @classmethod
    def read(cls, rounds: Sequence[EventLog], before: Past | None = None) -> Past:
        """What the events tell.

        Args:
            rounds: those of the run, each time that it was begun or continued.  Each round had its past over again
                first of all; one that was cut short in this is made up for by those before.
            before: what was known when they began.
        """
        past = cls()
        if before is not None:
            past.arrivals, past.values = list(before.arrivals), dict(before.values)
        for events in rounds:
            _Reader(past).read(events)
        return past

    def take(self, arrivals: list[Arrival]) -> None:
        """The arrivals of a further round; those known before that it did not come to any more follow."""
        seen = {(arrival.call, arrival.position) for arrival in arrivals}
        self.arrivals = arrivals + [a for a in self.arrivals if (a.call, a.position) not in seen]


class _Reader:
    """Goes through the events of one round."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.steps = Steps()
        self.ids: dict[int, str] = {}
        self.kinds: dict[int, CallKind] = {}
        self.made: dict[int, Made] = {}
        self.arrivals: list[Arrival] = []

    def read(self, events: EventLog) -> None:
        for raw, event in zip(events.tail(0), events, strict=False):
            self.steps.count((raw,))
            take = _TAKES.get(type(event))
            if take is not None:
                take(self, event)
        self.past.take(self.arrivals)

    def _add(self, index: int, value: Any, error: Any = None, seconds: float = 0.0, run: str = "") -> None:
        id = self.ids[index]
        self.arrivals.append(
            Arrival(id, self.made[index], self.steps.taken, None, value, error, seconds, run or self.past.run)
        )

    def _run_started(self, e: RunStarted) -> None:
        self.past.run, self.past.restarts = e.run, e.restarts

    def _scheduled(self, e: CallScheduled) -> None:
        id = f"{self.ids[e.parent]}/{e.name}#{e.number}" if e.parent else f"{e.name}#{e.number}"
        self.ids[e.call], self.kinds[e.call] = id, e.kind
        depends_on = tuple([self.ids[index] for index in e.depends_on])
        self.made[e.call] = Made(e.name, depends_on, e.depends_on, e.args, e.kwargs or {})

    def _started(self, e: CallStarted) -> None:
        id = self.ids[e.call]
        self.past.begun[id] = max(self.past.begun.get(id, 0), e.attempt)

    def _progressed(self, e: CallProgressed) -> None:
        self.past.said[self.ids[e.call]] = e.progress, e.message

    def _attempt_failed(self, e: AttemptFailed) -> None:
        failures = self.past.failures.setdefault(self.ids[e.call], [])
        failures[e.attempt - 1 :] = [e.error]

    def _yielded(self, e: CallYielded) -> None:
        id, made = self.ids[e.call], self.made[e.call]
        self.arrivals.append(Arrival(id, made, self.steps.taken, e.position, e.value, None, 0.0, self.past.run))

    def _succeeded(self, e: CallSucceeded) -> None:
        if self.kinds[e.call] is CallKind.TASK:
            self._add(e.call, e.value, seconds=e.at - e.started)
        else:
            self.past.values[self.ids[e.call]] = e.value

    def _cached(self, e: CallCached) -> None:
        if e.call:
            self._add(e.call, e.value, seconds=e.seconds, run=e.run)

    def _failed(self, e: CallFailed) -> None:
        if self.kinds[e.call] is CallKind.TASK and e.error.call == self.ids[e.call]:  # not one that came in
            self._add(e.call, None, e.error, e.at - e.started if e.started is not None else 0.0)


_TAKES: dict[type, Any] = {
    RunStarted: _Reader._run_started,
    CallScheduled: _Reader._scheduled,
    CallStarted: _Reader._started,
    CallProgressed: _Reader._progressed,
    AttemptFailed: _Reader._attempt_failed,
    CallYielded: _Reader._yielded,
    CallSucceeded: _Reader._succeeded,
    CallCached: _Reader._cached,
    CallFailed: _Reader._failed,
}

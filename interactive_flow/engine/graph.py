"""The graph of a run: nodes, edges, and how a result gets from a node to those that wait for it.

A call moves only along `LEGAL`::

    WAITING ──► READY ──► RUNNING ──► SUCCEEDED  (from READY where the value is known from before)
       │          ▲          │──────► FAILED, TIMED_OUT
       │          └── retry ─┘──────► CANCELLED
       └──────► FAILED, CANCELLED  (an error among the arguments; nobody needs it)

When a call finishes, the nodes that depend on it are told in the order in which they asked.  That goes through a
queue, not by recursion: an error may run down a chain of any length.

Two rules about errors come from the system that this one descends from: the error that *finished* first wins, not the
first among the arguments, and an error wins over a result that is still missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from interactive_flow.engine.calls import Call, Scope, TaskCall, WorkflowCall
from interactive_flow.engine.containers import refer
from interactive_flow.model.errors import IllegalTransition, TaskCancelled, TaskError, TaskTimeout
from interactive_flow.model.events import (
    CallCached,
    CallCancelled,
    CallFailed,
    CallReady,
    CallScheduled,
    CallSucceeded,
)
from interactive_flow.model.log import EventLog, PlainSite, code_of
from interactive_flow.model.states import CallState

WAITING, READY, RUNNING = CallState.WAITING, CallState.READY, CallState.RUNNING
SUCCEEDED, FAILED, TIMED_OUT = CallState.SUCCEEDED, CallState.FAILED, CallState.TIMED_OUT
CANCELLED = CallState.CANCELLED

LEGAL: dict[CallState, frozenset[CallState]] = {
    WAITING: frozenset({READY, FAILED, CANCELLED}),
    READY: frozenset({RUNNING, SUCCEEDED, FAILED, TIMED_OUT, CANCELLED}),
    RUNNING: frozenset({SUCCEEDED, FAILED, TIMED_OUT, READY, CANCELLED}),
}
"""From each state the states that may follow; a state that is missing here is final."""

NOT_NEEDED = "not needed"

_SCHEDULED, _READY = code_of(CallScheduled), code_of(CallReady)
_NO_KWARGS: dict[str, Any] = {}
_NOTHING: tuple[int, ...] = ()


class Driver(Protocol):
    """What the nodes need of whoever drives the engine."""

    @property
    def thread(self) -> int | None:
        """The identifier of the thread that runs the workflow's code."""

    def force(self, call: Call) -> Any:
        """The call's value, waiting for it; raises its error."""

    def force_all(self, calls: tuple[Call, ...]) -> None:
        """Waits until all of them have finished, or one has failed; raises the earliest error."""

    def tell(self, call: Call, listener: Any) -> None:
        """Has `listener` told when `call` finishes."""

    def stream(self, call: Any) -> Iterator[Any]:
        """The items of a generator task, one by one as they come."""

    def wait_elsewhere(self, workflow: WorkflowCall, call: Call) -> None:
        """Parks workflow code until a call of another run has finished."""

    def call(self, scope: WorkflowCall, spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Workflow code calls a task or a sub-workflow; its placeholder."""

    def first(self, scope: WorkflowCall, placeholders: list[Any]) -> Any:
        """The placeholder for ``first``."""

    def once(self, scope: WorkflowCall, name: str, function: Callable[[], Any]) -> Any:
        """What `function` gives, kept for when the code runs again."""

    def finish_order(self, scope: WorkflowCall, placeholders: list[Any]) -> Any:
        """The node for ``finish_order``."""

    def next_item(self, scope: WorkflowCall, node: Any) -> Any:
        """The placeholder for the next item of a ``finish_order``."""

    def parallel_reduce(self, scope: WorkflowCall, spec: Any, elements: list[Any]) -> Any:
        """The placeholder for ``parallel_reduce``."""


class Listener(Protocol):
    """Something that is told when a call finishes: a node, or a thread that waits."""

    state: CallState

    def arrived(self, done: Call) -> None:
        """`done` has finished."""


class Graph:
    """Nodes and edges; what becomes of a node whose results are there is for the `Engine` to say.

    Args:
        clock: seconds since the start of the run.
        driver: who drives the engine.

    Attributes:
        events: everything that happened, in order; only ever appended to.
        failures: every error that a call of its own made, and whose it is.
        discarded: the fibers of workflows that were given up, to be closed by the driver.
        root: the run's own workflow.
        live: the sub-workflows that have begun and are not over.
    """

    root: WorkflowCall

    def __init__(self, clock: Callable[[], float], driver: Driver) -> None:
        self.clock = clock
        self.driver = driver
        self.events = EventLog()
        self._log = self.events.add_raw
        self.failures: dict[TaskError, Call] = {}
        self.discarded: list[Any] = []
        self.live: set[Call] = set()
        self._next_index = 1
        self._settled: deque[Call] = deque()

    # -- nodes are made -------------------------------------------------------------------------------------------

    def next_index(self) -> int:
        """The index for the next node."""
        return self._next_index

    def add(self, call: Call, deps: tuple[Call, ...], site: PlainSite | None) -> None:
        """A node enters the graph."""
        self._next_index += 1
        scope = call.scope
        assert scope is not None
        scope.open[call] = None
        args, kwargs, indexes, references = call.args, call.kwargs, _NOTHING, 0
        if deps:
            args, kwargs, references = refer(args, kwargs)
            indexes = tuple([dep.index for dep in deps])
        self._log(
            (
                _SCHEDULED, self.clock(), call.index, call.spec.name, call.number, call.kind, scope.index,
                indexes, site, args, kwargs or None, references,
            )
        )  # fmt: skip

    def combine(self, node: Scope, deps: tuple[Call, ...], site: PlainSite | None) -> None:
        """Workflow code made a combinator over `deps`."""
        self.add(node, tuple(dict.fromkeys(deps)), site)
        node.state = RUNNING

    def connect(self, call: Call, deps: tuple[Call, ...]) -> None:
        """Edges from `deps` to a new node, which is ready, waits, or has failed by one of them already."""
        missing = 0
        lost = False
        for dep in deps:
            if not dep.done:
                dep.tell(call)
                missing += 1
            elif dep.state is not SUCCEEDED:
                lost = True
        if lost:
            first = self.first_lost(deps)
            assert first is not None
            self._lose(call, first)
            return
        call.missing = missing
        if not missing:
            self.make_ready(call)

    def first_lost(self, deps: tuple[Call, ...]) -> Call | None:
        """The call among `deps` whose error is the earliest, counted from where it came from; None without errors."""

        def order(dep: Call) -> int:
            return self.failures.get(dep.outcome, dep).order

        return min((dep for dep in deps if dep.failed), key=order, default=None)

    def make_ready(self, call: Call) -> None:
        """Every argument of the call is there."""
        raise NotImplementedError

    # -- nodes finish ---------------------------------------------------------------------------------------------

    def succeed(self, node: Scope, value: Any) -> None:
        """A combinator or a sub-workflow has its value."""
        self.events.append(CallSucceeded(self.clock(), node.index, node.started, None, value))
        self.settle(node, SUCCEEDED, value)

    def succeed_like(self, node: Scope, source: Call) -> None:
        """A combinator has the result of `source`, value or error."""
        if source.failed:
            self.fail(node, source.outcome, None, None)
        else:
            self.succeed(node, source.outcome)

    def recall(self, call: Call, value: Any, seconds: float, run: str) -> None:
        """A call that is ready has a value that was known from before, from this run (`CallCached` says more)."""
        self.events.append(CallCached(self.clock(), call.index, value, seconds, run))
        self.settle(call, SUCCEEDED, value)

    def fail(self, call: Call, error: TaskError, started: float | None, worker: str | None) -> None:
        """A call has an error, its own or one that came in with an argument."""
        own = error.call == call.id
        if own:
            self.failures[error] = call
        self.events.append(CallFailed(self.clock(), call.index, started, worker, error))
        self.settle(call, TIMED_OUT if own and isinstance(error, TaskTimeout) else FAILED, error)

    def cancel_call(self, call: Call, reason: str) -> None:
        """A call is given up."""
        if call.done:
            return
        self._mark_cancelled(call, reason)
        if isinstance(call, Scope):
            self.close(call, reason)
        self._tell_dependents(call)

    def _mark_cancelled(self, call: Call, reason: str) -> None:
        started = self.stop(call)
        self.events.append(CallCancelled(self.clock(), call.index, started, reason))
        self.mark(call, CANCELLED, TaskCancelled(reason, call.id))

    def stop(self, call: Call) -> float | None:
        """Tells whoever is at work on the call that it was given up; when they began, None where nobody had."""
        raise NotImplementedError

    def close(self, scope: Scope, reason: str = NOT_NEEDED) -> None:
        """A node that makes calls has come to its end: nobody will use what it left unfinished."""
        closing = [scope]  # a list of its own: scopes may be nested deeper than Python recurses
        cancelled: list[Call] = []
        while closing:
            scope = closing.pop()
            self.live.discard(scope)
            if isinstance(scope, WorkflowCall) and scope.fiber is not None:
                self.discarded.append(scope.fiber)
                scope.fiber = None
            for call in list(scope.open):
                if not call.done:
                    self._mark_cancelled(call, reason)
                    cancelled.append(call)
                    if isinstance(call, Scope):
                        closing.append(call)
        for call in cancelled:
            self._tell_dependents(call)

    def settle(self, call: Call, state: CallState, outcome: Any) -> None:
        """A call takes its final state, and those that wait for it are told.

        First of all it stands in its state, so that what it made and is now given up cannot tell it anything any more.
        """
        self.mark(call, state, outcome)
        if not isinstance(call, TaskCall):
            assert isinstance(call, Scope)
            self.close(call)  # before anybody is told: that may be the end of the run
        if call.dependents:
            self._tell_dependents(call)

    def mark(self, call: Call, state: CallState, outcome: Any) -> None:
        """A call takes its final state."""
        if not (state is SUCCEEDED and call.state is RUNNING) and state not in LEGAL.get(call.state, ()):
            raise self.illegal(call, state)
        call.state = state
        call.done = True
        call.outcome = outcome
        call.order = self.events.length()
        call.args, call.kwargs = (), _NO_KWARGS
        scope = call.scope
        if scope is not None:
            scope.open.pop(call, None)

    def _tell_dependents(self, call: Call) -> None:
        if not call.dependents:
            return
        settled = self._settled
        settled.append(call)
        if len(settled) > 1:
            return  # somebody further up is telling dependents already, and will come to these
        while settled:
            done = settled[0]
            dependents, done.dependents = done.dependents or [], None
            for dependent in dependents:
                if dependent.state is RUNNING:
                    dependent.arrived(done)
                elif dependent.state is WAITING:
                    self._argument_arrived(dependent, done)
            settled.popleft()

    def _argument_arrived(self, call: Call, done: Call) -> None:
        if done.state is not SUCCEEDED:
            self._lose(call, done)
            return
        call.missing -= 1
        if not call.missing:
            self._log((_READY, self.clock(), call.index))
            self.make_ready(call)

    def _lose(self, call: Call, done: Call) -> None:
        """An argument turned out to be an error, or was cancelled."""
        if done.state is CANCELLED:
            self.cancel_call(call, done.outcome.reason)
        else:
            self.fail(call, done.outcome, None, None)

    # -- messages -------------------------------------------------------------------------------------------------

    def illegal(self, call: Call, state: CallState, note: str = "") -> IllegalTransition:
        """The error for a call that cannot become what it was told to become."""
        return IllegalTransition(
            f"{call.id} cannot become {state}: it is {call.state}{note}.\nIts story:\n{self.story(call)}"
        )

    def story(self, call: Call) -> str:
        """Everything that happened to a call, a line each."""
        lines = [
            f"  {number:6d}  {event.at:10.6f} s  {type(event).__name__}"
            for number, event in enumerate(self.events)
            if getattr(event, "call", None) == call.index
        ]
        return "\n".join(lines) or "  (nothing)"

"""What workflow code and placeholders ask of a run: making calls, and waiting for values.

Everything here happens on the side of people's code: in the runner's thread while it runs workflow code, or in a
thread that holds a placeholder.  How waiting is done depends on who waits:

- workflow code of the same run is parked in its fiber, and the runner goes on with something else;
- workflow code of another run is parked likewise, and woken when the news has come over;
- any other thread simply blocks.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from greenlet import GreenletExit

from interactive_flow.engine.calls import Call, Scope, StreamCall, WorkflowCall
from interactive_flow.engine.combinators import Combinator, FinishOrder, First, Once, ParallelReduce, StreamItem
from interactive_flow.engine.containers import gather, replace_calls
from interactive_flow.engine.engine import Engine
from interactive_flow.engine.placeholder import Placeholder, call_of, current_workflow, is_placeholder
from interactive_flow.engine.replay import items
from interactive_flow.engine.spec import TaskSpec, WorkflowSpec
from interactive_flow.model.errors import PlaceholderError
from interactive_flow.model.log import PlainSite
from interactive_flow.model.states import CallState
from interactive_flow.runtime.interrupts import wait_for
from interactive_flow.runtime.sites import calling_site, site_of

_RUNNING = CallState.RUNNING
_NO_KWARGS: dict[str, Any] = {}
_Node = TypeVar("_Node", bound=Combinator)


class _Waiter:
    """A thread outside the workflow that waits for a call; told like any node that depends on it."""

    __slots__ = ("event", "state")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.state = _RUNNING

    def arrived(self, done: Call) -> None:
        self.event.set()


class _Elsewhere:
    """Workflow code that waits for a call of another run."""

    __slots__ = ("runner", "state", "workflow")

    def __init__(self, runner: CodeSide, workflow: WorkflowCall) -> None:
        self.runner, self.workflow = runner, workflow
        self.state = _RUNNING

    def arrived(self, done: Call) -> None:
        self.runner.arrived_from_elsewhere(self.workflow, done)


class CodeSide(ABC):
    """The part of a `Runner` that workflow code talks to.

    Attributes:
        engine: the graph.
        lock: whoever holds it may drive the engine.
        interrupted: set by an interrupt that came at a bad moment; raised at the next good one.
        thread: the identifier of the thread that runs the workflow's code, once there is one.
        alert: set where a call is of interest even if there is nothing to do for it yet.
        turns: grows whenever that thread gets on: with each call it makes, and each turn of its loop.
    """

    engine: Engine

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.interrupted = False
        self.turns = 0
        self.alert = True
        self.thread: int | None = None
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._from_elsewhere: deque[tuple[WorkflowCall, Call]] = deque()
        self._waits_elsewhere = 0

    def wake(self) -> None:
        """Ends the runner's wait for something to do; safe in a signal handler, as `queue.SimpleQueue.put` is."""
        self._signal.put(None)

    @abstractmethod
    def _react(self) -> None:
        """Does what the engine left to do; with the lock held."""

    @abstractmethod
    def _remember(self, at_rest: bool = False) -> None:
        """Has told what is known from a run before and can be told now; not with the lock held."""

    @abstractmethod
    def _goes_on_at_once(self, workflow: WorkflowCall) -> bool:
        """Does what can be done here and now for code that stands at a barrier; True where it may go on then."""

    @abstractmethod
    def _steps_aside_for(self, call: Call) -> bool:
        """Lets others go on without this thread, which is about to wait for `call`; False where they could not."""

    def call(
        self, scope: WorkflowCall, spec: TaskSpec | WorkflowSpec, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Placeholder:
        """Workflow code calls a task or a sub-workflow; its placeholder."""
        args, kwargs, deps = gather(args, kwargs or _NO_KWARGS)
        if deps:
            args, kwargs, deps = self.own(args, kwargs, deps)
        self.turns += 1
        replay = scope.replay
        if replay is not None:
            spec, before = replay.take_call(spec, args, kwargs)
            if before is not None:
                return Placeholder(before)
        site = site_of(sys._getframe(2))
        engine = self.engine
        with self.lock:
            if scope.state is not _RUNNING:
                self._check(scope)
            call = engine.call(scope, spec, args, kwargs, deps, site)
            if engine.lanes.fresh or engine.abandoned or self.alert:
                self._react()
        if engine.memory is not None:
            self._remember()
        if replay is not None:
            replay.note(call, spec.name, args, kwargs)
        if self.interrupted:
            raise KeyboardInterrupt
        return Placeholder(call)

    def own(self, args: Any, kwargs: Any, deps: tuple[Call, ...]) -> tuple[Any, Any, tuple[Call, ...]]:
        """The same, with the placeholders of other runs replaced by their values."""
        engine = self.engine
        for dep in deps:
            if dep.engine is not engine:
                break
        else:
            return args, kwargs, deps
        foreign = [dep for dep in deps if dep.engine is not engine]
        values = {dep: dep() for dep in foreign}
        return (
            replace_calls(args, values),
            replace_calls(kwargs, values),
            tuple(dep for dep in deps if dep.engine is self.engine),
        )

    def first(self, scope: WorkflowCall, placeholders: list[Placeholder]) -> Placeholder:
        """The node for ``first``."""
        deps, site = tuple(map(call_of, placeholders)), calling_site(scope.spec.file)
        return Placeholder(
            self._combine(scope, "first", tuple(placeholders), lambda: First.make(self.engine, scope, deps, site))
        )

    def _combine(self, scope: WorkflowCall, name: str, args: tuple[Any, ...], make: Callable[[], _Node]) -> _Node:
        """The node that `make` makes, or the one that the code made here before."""
        replay = scope.replay
        if replay is not None:
            before = replay.take(name, args, _NO_KWARGS)
            if before is not None:
                return before  # type: ignore[return-value]
        with self.lock:
            self._check(scope)
            node = make()
            self._react()
        if self.engine.memory is not None:
            self._remember()
        if replay is not None:
            replay.note(node, name, args, _NO_KWARGS)
        return node

    def once(self, scope: WorkflowCall, name: str, function: Callable[[], Any]) -> Any:
        """What `function` gives, or gave when the code came here before."""
        replay = scope.replay
        before = replay.take(name, (), _NO_KWARGS) if replay is not None else None
        if before is not None:
            return before.outcome
        memory, site = self.engine.memory, calling_site(scope.spec.file)
        known = memory.once(scope, name) if memory is not None else None
        value = function() if known is None else known[0]
        with self.lock:
            self._check(scope)
            node = Once.make(self.engine, scope, name, value, site)
        if memory is not None:
            self._remember()
        if replay is not None:
            replay.note(node, name, (), _NO_KWARGS)
        return value

    def finish_order(self, scope: WorkflowCall, placeholders: list[Placeholder]) -> FinishOrder:
        """The node for ``finish_order``."""
        deps, site = tuple(map(call_of, placeholders)), calling_site(scope.spec.file)
        return self._combine(
            scope, "finish_order", tuple(placeholders), lambda: FinishOrder.make(self.engine, scope, deps, site)
        )

    def next_item(self, scope: WorkflowCall, node: FinishOrder) -> Placeholder:
        """The node for the next item of ``finish_order``."""
        site = calling_site(scope.spec.file)
        return Placeholder(self._combine(scope, "item", (node.index,), lambda: node.next_item(site)))

    def parallel_reduce(self, scope: WorkflowCall, spec: TaskSpec | WorkflowSpec, elements: list[Any]) -> Placeholder:
        """The node for ``parallel_reduce`` over at least two elements."""
        plain = [x for x in elements if not is_placeholder(x)]
        deps = tuple(call_of(x) for x in elements if is_placeholder(x))
        site = calling_site(scope.spec.file)

        def make() -> ParallelReduce:
            return ParallelReduce.make(self.engine, scope, spec, plain, deps, site)

        return Placeholder(self._combine(scope, "parallel_reduce", (spec.name, *elements), make))

    def stream(self, call: StreamCall) -> Iterator[Any]:
        """The items of a generator task as placeholders, each as soon as it is there; a barrier for each.

        Each step is taken on behalf of whoever takes it: an iterator may be handed on to another workflow.

        Raises:
            TaskError: the task failed; the items that it produced before come first.
        """
        return items(current_workflow.get(), call, partial(self._item_of, call))

    def _item_of(self, call: StreamCall, position: int) -> Any:
        workflow = current_workflow.get()
        if workflow is None or workflow.engine is not self.engine:
            for item in self.force(call)[position : position + 1]:
                return item
            raise StopIteration
        with self.lock:
            self._check(workflow)
            site = calling_site(workflow.spec.file)
            blocked = self.engine.block_on_item(workflow, call, position, site)
        if blocked:
            self._park(workflow)
        if position >= len(call.items):
            if call.failed:
                self.force(call)
            raise StopIteration
        maker = self._item_maker(workflow, call, position, site)
        return Placeholder(self._combine(workflow, "item", (call.index, position), maker))

    def _item_maker(
        self, workflow: WorkflowCall, call: StreamCall, position: int, site: PlainSite | None
    ) -> Callable[[], StreamItem]:
        return lambda: StreamItem.make(self.engine, workflow, call, position, site)

    def _park(self, workflow: WorkflowCall) -> None:
        """Leaves the workflow's code until the engine lets it go on."""
        if not self._goes_on_at_once(workflow):
            fiber = workflow.fiber
            assert fiber is not None
            fiber.suspend()
        if self.interrupted:
            raise KeyboardInterrupt

    def _check(self, scope: Scope) -> None:
        """Ends code whose workflow was given up, as `Fiber.close` does; no error that it may take for a task's."""
        if scope.state is not _RUNNING:
            raise GreenletExit(f"{scope.spec.name} is {scope.state}")

    def force(self, call: Call) -> Any:
        """The value behind a placeholder: parks the workflow's code, or blocks an ordinary thread, until it is there.

        Raises:
            TaskError: the call failed.
            PlaceholderError: the value cannot come while this thread waits for it.
        """
        if not call.done:
            workflow = current_workflow.get()
            # A thread that was handed the workflow's context is not the workflow's code, and cannot be parked.
            if workflow is None or workflow.engine.driver.thread != threading.get_ident():
                self._wait_outside(call)
            elif workflow.engine is self.engine:
                self._barrier(workflow, call)
            else:
                workflow.engine.driver.wait_elsewhere(workflow, call)
        if call.failed:
            error: BaseException = call.outcome
            error.observed = True  # type: ignore[attr-defined]
            raise error.with_traceback(None)
        return call.outcome

    def force_all(self, calls: tuple[Call, ...]) -> None:
        """Waits until all of `calls` have finished, or one of them has failed.

        Raises:
            TaskError: a call failed: the error that is the earliest.
        """
        workflow = current_workflow.get()
        engine = self.engine
        here = workflow is not None and workflow.engine is engine and self.thread == threading.get_ident()
        if here and all(call.engine is engine for call in calls):
            assert workflow is not None
            with self.lock:
                self._check(workflow)
                blocked = self.engine.block_on_all(workflow, calls, calling_site(workflow.spec.file))
                self.turns += 1
            if blocked:
                self._park(workflow)
            lost = self.engine.first_lost(calls)
            if lost is not None:
                self.force(lost)
        else:
            for call in calls:
                call()

    def _barrier(self, workflow: WorkflowCall, call: Call) -> None:
        with self.lock:
            self._check(workflow)
            if call.done:
                return
            self.engine.block(workflow, call, calling_site(workflow.spec.file, 4))
        self._park(workflow)

    def wait_elsewhere(self, workflow: WorkflowCall, call: Call) -> None:
        """Parks workflow code of this run until a call of another run has finished.

        Raises:
            PlaceholderError: this thread drives the other run too, further up on its stack, so the call would wait for
                itself.
        """
        if call.engine.driver.thread == self.thread:
            raise PlaceholderError(
                f"the value of {call.id} was asked for in {workflow.spec.name}, which runs inside the workflow that "
                f"made the call, so it could never come; pass it to {workflow.spec.name} as an argument"
            )
        with self.lock:
            self._check(workflow)
            self.engine.block_elsewhere(workflow, call, calling_site(workflow.spec.file))
            self._waits_elsewhere += 1
        # Not with the lock held: the other run's lock is taken here, and in its thread these two the other way round.
        call.engine.driver.tell(call, _Elsewhere(self, workflow))
        self._park(workflow)

    def tell(self, call: Call, listener: Any) -> None:
        """Has `listener` told when `call` finishes, at once if it has."""
        with self.lock:
            if not call.done:
                call.tell(listener)
                return
        listener.arrived(call)

    def arrived_from_elsewhere(self, workflow: WorkflowCall, call: Call) -> None:
        """A call of another run has finished; in that run's thread, with that run's lock held."""
        self._from_elsewhere.append((workflow, call))
        self._signal.put(None)

    def _wait_outside(self, call: Call) -> None:
        if threading.get_ident() == self.thread and not self._steps_aside_for(call):
            raise PlaceholderError(
                f"the value of {call.id} was asked for in the thread that drives its run, outside the workflow's code, "
                f"so it could never come; use it inside the workflow, or pass it to a task"
            )
        waiter = _Waiter()
        self.tell(call, waiter)
        wait_for(waiter.event)

    def _hear_from_elsewhere(self) -> None:
        """Goes on with what waited for other runs; with the lock held."""
        while self._from_elsewhere:
            self._waits_elsewhere -= 1
            self.engine.workflow_heard(*self._from_elsewhere.popleft())

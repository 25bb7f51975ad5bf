"""The nodes that choose among other calls: ``first``, ``finish_order`` and ``parallel_reduce``.

They are nodes of the graph, not tricks of the code that waits: they take part in events, identities and pictures like
any call, and workflow code that uses them need not stand still.  "Finished" means with a value or with an error;
plain values count as finished before everything else, in the order of the arguments.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Call, Scope, StreamCall
from interactive_flow.engine.containers import gather
from interactive_flow.engine.placeholder import Placeholder
from interactive_flow.engine.spec import CombinatorSpec, TaskSpec, WorkflowSpec
from interactive_flow.model.log import PlainSite
from interactive_flow.model.states import CallKind, CallState

if TYPE_CHECKING:
    from interactive_flow.engine.engine import Engine

FIRST = CombinatorSpec("first")
FINISH_ORDER = CombinatorSpec("finish_order")
FINISH_ORDER_ITEM = CombinatorSpec("item")
PARALLEL_REDUCE = CombinatorSpec("parallel_reduce")


class Combinator(Scope):
    """A node that is told of each result as it arrives."""

    kind = CallKind.COMBINATOR.value

    __slots__ = ()

    def __init__(self, engine: Engine, scope: Scope, spec: CombinatorSpec, args: tuple[Any, ...]) -> None:
        super().__init__(engine, engine.next_index(), spec, scope.count(spec.name), scope, args, {}, True)
        self.started = engine.clock()

    def arrived(self, done: Call) -> None:
        """A call among the arguments has finished, or was given up because whoever made it came to its end."""
        if done.state is CallState.CANCELLED:
            self.engine.cancel_call(self, done.outcome.reason)
        else:
            self.take(done)

    def take(self, done: Call) -> None:
        """A call among the arguments has finished."""
        raise NotImplementedError

    def watch(self, deps: tuple[Call, ...]) -> None:
        """Takes what has finished, in order of finish, and asks to be told of the rest."""
        for dep in sorted((dep for dep in deps if dep.done), key=lambda dep: dep.order):
            if not self.done:
                self.take(dep)
        for dep in deps:
            if not dep.done and not self.done:
                dep.tell(self)


class First(Combinator):
    """Has the result of the call that finishes first."""

    __slots__ = ()

    @classmethod
    def make(cls, engine: Engine, scope: Scope, deps: tuple[Call, ...], site: PlainSite | None) -> First:
        """The node for ``first(*deps)``; at least one."""
        node = cls(engine, scope, FIRST, tuple(map(Placeholder, deps)))
        engine.combine(node, deps, site)
        node.watch(deps)
        return node

    def take(self, done: Call) -> None:
        self.engine.succeed_like(self, done)


class Item(Combinator):
    """The n-th call to finish among those of a `FinishOrder`."""

    __slots__ = ()

    def take(self, done: Call) -> None:
        self.engine.succeed_like(self, done)


class FinishOrder(Combinator):
    """Calls in order of finish: item n has the result of the n-th to finish.

    Attributes:
        finished: those that have, in order.
        items: the items asked for so far.
        total: how many there will be.
    """

    __slots__ = ("finished", "items", "total")

    finished: list[Call]
    items: list[Item]
    total: int

    @classmethod
    def make(cls, engine: Engine, scope: Scope, deps: tuple[Call, ...], site: PlainSite | None) -> FinishOrder:
        """The node for ``finish_order(deps)``."""
        node = cls(engine, scope, FINISH_ORDER, tuple(map(Placeholder, deps)))
        node.finished, node.items, node.total = [], [], len(deps)
        engine.combine(node, deps, site)
        node.watch(deps)
        return node

    def take(self, done: Call) -> None:
        position = len(self.finished)
        self.finished.append(done)
        if position < len(self.items) and not self.items[position].done:
            self.items[position].take(done)
        if len(self.finished) == self.total:
            self.engine.succeed(self, None)

    def next_item(self, site: PlainSite | None) -> Item:
        """The node for the next item; there must be one left."""
        item = Item(self.engine, self, FINISH_ORDER_ITEM, (Placeholder(self),))
        self.engine.combine(item, (self,), site)
        self.items.append(item)
        if len(self.finished) >= len(self.items):
            item.take(self.finished[len(self.items) - 1])
        elif self.done:  # given up: no more will come
            self.engine.cancel_call(item, self.outcome.reason)
        return item


class Once(Combinator):
    """A value that workflow code asked for, kept for when it runs again."""

    __slots__ = ()

    @classmethod
    def make(cls, engine: Engine, scope: Scope, name: str, value: Any, site: PlainSite | None) -> Once:
        """The node that has `value`."""
        node = cls(engine, scope, CombinatorSpec(name), ())
        engine.combine(node, (), site)
        engine.succeed(node, value)
        return node


class StreamItem(Combinator):
    """An item of a generator task; made when it is there."""

    __slots__ = ()

    @classmethod
    def make(
        cls, engine: Engine, scope: Scope, source: StreamCall, position: int, site: PlainSite | None
    ) -> StreamItem:
        """The node for the item at `position`, which `source` has produced."""
        spec = CombinatorSpec(f"{source.spec.name}-item")
        node = cls(engine, scope, spec, (Placeholder(source), position))
        engine.combine(node, (source,), site)
        engine.succeed(node, source.items[position])
        return node


class ParallelReduce(Combinator):
    """Reduces with a two-argument task, as soon as any two elements are there.

    Plain values are paired at once; the odd one out becomes the first argument together with the earliest result.
    Everything else is taken in order of finish.  N elements take N - 1 reductions.  The reductions are calls of this
    node's own, so that their numbers do not depend on what the workflow's code calls meanwhile.
    """

    __slots__ = ("arrivals", "function", "left")

    arrivals: deque[Any]
    function: TaskSpec | WorkflowSpec
    left: int

    @classmethod
    def make(
        cls,
        engine: Engine,
        scope: Scope,
        function: TaskSpec | WorkflowSpec,
        plain: list[Any],
        deps: tuple[Call, ...],
        site: PlainSite | None,
    ) -> ParallelReduce:
        """The node for at least two elements, each plain or a call."""
        node = cls(engine, scope, PARALLEL_REDUCE, (*plain, *map(Placeholder, deps)))
        node.function = function
        node.arrivals = deque()
        node.left = len(plain) + len(deps)
        engine.combine(node, deps, site)
        for x, y in zip(plain[0::2], plain[1::2], strict=False):
            node._reduce(x, y)
        if len(plain) % 2:
            node.arrivals.append(plain[-1])
        node.watch(deps)
        return node

    def take(self, done: Call) -> None:
        if done.failed or (self.left == 1 and not self.arrivals):
            self.engine.succeed_like(self, done)
        else:
            self.arrivals.append(Placeholder(done))
            if len(self.arrivals) >= 2:
                self._reduce(self.arrivals.popleft(), self.arrivals.popleft())

    def _reduce(self, x: Any, y: Any) -> None:
        self.left -= 1
        args, kwargs, deps = gather((x, y), {})
        call = self.engine.call(self, self.function, args, kwargs, deps, None)
        if call.done:
            self.take(call)
        else:
            call.tell(self)

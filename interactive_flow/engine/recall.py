"""Memories of a run: its calls get what they got before, and are not run again.

An engine that has a *memory* asks it about each task call that is ready.  What the memory takes is held back from the
workers; whoever drives the engine fetches from it, one after the other, what can be told now (`Memory.next`), loads it
with no lock held, and has it told (`Memory.tell`).

`Recall` continues a run: everything that was recorded happens again in its order, each arrival at the step of the
code at which it came (see `interactive_flow.engine.past`), so that whatever depends on what finished first is as it
was.  No call goes to the workers before that is over, not even those of which nothing is known: they may be ones
that somebody will turn out not to need.  Then those that were under way run again.

`Reuse` begins a new run that takes values from another, call by call and in any order, where they are calls of the
same identity with the same arguments.
"""

from __future__ import annotations

import heapq
import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from interactive_flow.engine.calls import Call, Scope, StreamCall, TaskCall
from interactive_flow.engine.containers import gather, refer
from interactive_flow.engine.past import STEPS, Arrival, Made, Past
from interactive_flow.engine.placeholder import is_placeholder
from interactive_flow.model.brief import brief, brief_call
from interactive_flow.model.errors import DeterminismError
from interactive_flow.model.events import Reference
from interactive_flow.model.log import code_of

if TYPE_CHECKING:
    from interactive_flow.engine.attempts import Attempts

_STEPS = frozenset(map(code_of, STEPS))
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_LOOKED_INTO = 2_000
"""Elements of an argument that are compared, at most."""

_TEXT = 120
"""Characters of the text that shows an argument: as many as are stored of it."""

_ADDRESS = re.compile(r"(0x|x)?[0-9a-fA-F]{6,}(?=>)")


class Lost(Exception):
    """A value of the past cannot be had, or must not be used; the call runs again.

    Attributes:
        reason: what to tell people; empty where there is nothing to tell.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Due(NamedTuple):
    """What can be told now."""

    arrival: Arrival
    call: Call


class Memory(ABC):
    """What an engine knows of a run before.

    Args:
        past: what there is to know.
        load: gives the value that something in `past` stands for.

    Attributes:
        lost: values that could not be loaded: the call's id, and why.
    """

    def __init__(self, past: Past, load: Callable[[Any], Any] = lambda value: value) -> None:
        self.past = past
        self.lost: list[tuple[str, str]] = []
        self._load = load

    @abstractmethod
    def takes(self, engine: Attempts, call: Call) -> bool:
        """A call is ready; True where the memory holds it back, and tells how it ends."""

    @abstractmethod
    def next(self, engine: Attempts, at_rest: bool) -> Due | None:
        """What can be told now, None where there is nothing.

        Args:
            engine: whose calls it is about.
            at_rest: True where the workflow's code stands still, or has not gone on yet.
        """

    @abstractmethod
    def can_go_on(self, engine: Attempts) -> bool:
        """True where `next` would have something to tell while the code stands still."""

    def push_on(self, engine: Attempts) -> bool:
        """Nothing in the run can go on; True where the memory can."""
        return self.can_go_on(engine)

    def left_over(self, engine: Attempts) -> DeterminismError | None:
        """The run has come to its end; the error, if it should not have."""
        return None

    def load(self, due: Due) -> Any:
        """The value, or the error, that is due.  Needs no lock.

        Raises:
            Lost: it cannot be had.
        """
        arrival = due.arrival
        try:
            value = self._load(arrival.value if arrival.error is None else arrival.error)
        except Exception as error:
            raise Lost(f"{type(error).__name__}: {error}") from error
        whole = arrival.error is None and arrival.position is None
        if whole and isinstance(due.call, StreamCall) and type(value) is not list:
            raise Lost(f"{due.call.id} is a generator now, and was none before")
        return value

    def tell(self, engine: Attempts, due: Due, value: Any) -> None:
        """The call has what it had."""
        arrival, call = due
        if call.done:
            return
        if arrival.error is not None:
            value.observed = False
            engine.fail(call, value, None, None)
        elif arrival.position is not None:
            assert isinstance(call, StreamCall)
            engine.add_item(call, value)
        else:
            if isinstance(call, StreamCall):
                for item in value[len(call.items) :]:
                    engine.add_item(call, item)
            engine.remember(call, value, arrival.value, arrival.seconds, arrival.run)

    def lose(self, engine: Attempts, due: Due, reason: str) -> None:
        """What was due cannot be had: the call runs."""
        if reason:
            self.lost.append((due.call.id, reason))
        self.let_go(engine, due.call)

    def let_go(self, engine: Attempts, call: Call) -> None:
        """A call that was held back is for the workers."""
        engine.go_live(call)

    def once(self, scope: Scope, name: str) -> tuple[Any] | None:
        """What code that asks for something of this name, to be kept, was given before; None where it was not."""
        number = scope.counters.get(name, 0) + 1
        id = f"{scope.id}/{name}#{number}" if scope.index else f"{name}#{number}"
        if id not in self.past.values:
            return None
        try:
            return (self._load(self.past.values[id]),)
        except Exception as error:
            self.lost.append((id, f"{type(error).__name__}: {error}"))
            return None


class Recall(Memory):
    """Continues a run where it was interrupted.

    Args:
        past, load: as for `Memory`.
        remedy: what to do where the code does not fit any more.
    """

    def __init__(self, past: Past, load: Callable[[Any], Any] = lambda value: value, remedy: str = "") -> None:
        super().__init__(past, load)
        self._remedy = remedy
        self._order = deque(past.arrivals)
        self._known = {arrival.call: arrival.made for arrival in past.arrivals}
        self._held: dict[str, Call] = {}
        self._live: set[str] = set()
        ended = {arrival.call for arrival in past.arrivals if arrival.position is None}
        self._begun = {id: attempts for id, attempts in past.begun.items() if id not in ended}
        self._streams = {arrival.call for arrival in past.arrivals if arrival.position is not None}
        self._steps = self._seen = 0
        self._told = 0
        self._pushed = False
        self._misfit: DeterminismError | None = None

    @property
    def active(self) -> bool:
        """True until everything that was recorded has happened again."""
        return bool(self._order)

    def takes(self, engine: Attempts, call: Call) -> bool:
        """See `Memory.takes`."""
        if not (self._order or self._begun):
            return False
        id = call.id
        if not self._order or id in self._live:
            return isinstance(call, TaskCall) and self._goes_on(engine, call, id)
        if id in self._known:
            differs = _difference(self._known[id], call)
            if id in self._streams and not isinstance(call, StreamCall):
                differs = f"made {id}, which is no generator"
            if differs and self._misfit is None:
                self._misfit = self._error(str(self._known[id]), differs)
        elif not isinstance(call, TaskCall):
            return False
        self._held[id] = call
        return True

    def _goes_on(self, engine: Attempts, call: TaskCall, id: str) -> bool:
        """A call runs of which attempts may have been made before."""
        begun = self._begun.pop(id, 0)
        failures, said = self.past.failures.get(id, []), self.past.said.get(id)
        if not (begun and (failures or said)):
            return False
        engine.go_on_trying(call, failures, begun > len(failures), said)
        return True

    def next(self, engine: Attempts, at_rest: bool) -> Due | None:
        """See `Memory.next`.

        Raises:
            DeterminismError: the code has made another call than before.
        """
        if self._misfit is not None:
            raise self._misfit
        order, held = self._order, self._held
        while order:
            arrival = order[0]
            call = held.get(arrival.call)
            if call is None:
                return None
            if call.done or (arrival.position is not None and arrival.position < len(call.items)):  # type: ignore[attr-defined]
                self._forget_first()
                continue
            if arrival.call in self._live or not (self._pushed or arrival.steps <= self._count(engine)):
                return None
            return Due(arrival, call)
        self._held = {}
        for id, call in held.items():
            if not call.done and id not in self._live:
                engine.go_live(call)
        return None

    def can_go_on(self, engine: Attempts) -> bool:
        """See `Memory.can_go_on`."""
        if not self._order:
            return bool(self._held)
        call = self._held.get(self._order[0].call)
        if self._misfit is not None or (call is not None and call.done):
            return True
        first = self._order[0]
        if call is None or first.call in self._live:
            return False
        return self._pushed or first.steps <= self._count(engine)

    def push_on(self, engine: Attempts) -> bool:
        """See `Memory.push_on`.

        Raises:
            DeterminismError: what was recorded next cannot happen, since the code has not made the call.
        """
        if not self.can_go_on(engine):
            if not self._order:
                return False
            if self._order[0].call not in self._held:
                raise self._stuck()
            self._pushed = True  # the code has taken fewer steps than before; it may have met another run's values
        return True

    def left_over(self, engine: Attempts) -> DeterminismError | None:
        """See `Memory.left_over`."""
        left = [a.made for a in self._order if a.call not in self._held or not self._held[a.call].done]
        return self._error(str(left[0]), "came to its end") if left else None

    def tell(self, engine: Attempts, due: Due, value: Any) -> None:
        """See `Memory.tell`."""
        self._forget_first()
        super().tell(engine, due, value)

    def let_go(self, engine: Attempts, call: Call) -> None:
        """See `Memory.let_go`."""
        self._live.add(call.id)
        super().let_go(engine, call)

    def _forget_first(self) -> None:
        self._order.popleft()
        self._told += 1
        self._pushed = False

    def _count(self, engine: Attempts) -> int:
        """How many steps the workflow's code has taken."""
        new = engine.events.tail(self._seen)
        self._seen += len(new)
        self._steps += sum([raw[0] in _STEPS for raw in new])
        return self._steps

    def _stuck(self) -> DeterminismError:
        others = [brief_call(c.spec.name, c.args, c.kwargs) for c in self._held.values() if c.id not in self._known]
        made = f"made {', '.join(others[:3])}{', …' if len(others) > 3 else ''}" if others else "made no such call"
        return self._error(str(self._order[0].made), made)

    def _error(self, expected: str, found: str) -> DeterminismError:
        return DeterminismError(
            f"run {self.past.run} cannot go on, because its code does not do what it did before: after {self._told} of "
            f"{self._told + len(self._order)} recorded results it had made {expected}, and now it {found}"
            f"{f'; {self._remedy}' if self._remedy else ''}",
            position=self._told,
            expected=expected,
            found=found,
        )


class Reuse(Memory):
    """Takes values from another run, where they are those of the same calls.

    A call is the same where its id is, the calls that it depends on are, and its other arguments are shown by the same
    text.  What it depends on must have the same values: those that were taken from the other run, or, where they are
    not a task's, those that `same` finds equal.

    Args:
        past, load: as for `Memory`.
        same: whether two values are equal.
    """

    def __init__(
        self,
        past: Past,
        load: Callable[[Any], Any] = lambda value: value,
        same: Callable[[Any, Any], bool] = lambda one, other: one is other,
    ) -> None:
        super().__init__(past, load)
        self._same = same
        self._known = {
            arrival.call: (number, arrival)
            for number, arrival in enumerate(past.arrivals)
            if arrival.position is None and arrival.error is None
        }
        self._waiting: list[tuple[int, int, Due]] = []
        self._passed: set[str] = set()
        self.reused: set[str] = set()
        """Ids of the calls whose values were taken."""

    def takes(self, engine: Attempts, call: Call) -> bool:
        """See `Memory.takes`."""
        if not isinstance(call, TaskCall):
            return False
        id = call.id
        known = self._known.get(id)
        if known is None or id in self._passed:
            return False
        number, arrival = known
        if _difference(arrival.made, call, strictly=True):
            return False
        heapq.heappush(self._waiting, (number, call.index, Due(arrival, call)))
        return True

    def next(self, engine: Attempts, at_rest: bool) -> Due | None:
        """See `Memory.next`; in the order of the other run, as far as the calls are there."""
        while at_rest and self._waiting:
            due = heapq.heappop(self._waiting)[2]
            if not due.call.done:
                return due
        return None

    def can_go_on(self, engine: Attempts) -> bool:
        """See `Memory.can_go_on`."""
        return bool(self._waiting)

    def load(self, due: Due) -> Any:
        """See `Memory.load`.

        Raises:
            Lost: something that the call depends on is not what it was.
        """
        for dep in gather(due.call.args, due.call.kwargs)[2]:
            if dep.id not in self.reused and not self._is_as_before(dep):
                raise Lost
        return super().load(due)

    def _is_as_before(self, dep: Call) -> bool:
        values = self.past.values
        known = self._known.get(dep.id)
        if dep.id not in values and known is None:
            return False
        try:
            before = self._load(values[dep.id] if known is None else known[1].value)
            return before is dep.outcome or self._same(before, dep.outcome)
        except Exception:
            return False

    def tell(self, engine: Attempts, due: Due, value: Any) -> None:
        """See `Memory.tell`."""
        self.reused.add(due.arrival.call)
        super().tell(engine, due, value)

    def let_go(self, engine: Attempts, call: Call) -> None:
        """See `Memory.let_go`."""
        self._passed.add(call.id)
        super().let_go(engine, call)


# -- whether a call is the one that was recorded -----------------------------------------------------------------------


def _difference(made: Made, call: Call, strictly: bool = False) -> str:
    """What the code did instead, where a call of the same id is not the one that was made before; else nothing.

    Args:
        made: the call before.
        call: the call now.
        strictly: whether arguments count too that are only known by the text that shows them.
    """
    args, kwargs = call.args, call.kwargs
    deps = gather(args, kwargs)[2]
    found = f"made {brief_call(call.spec.name, args, kwargs)}"
    ids = tuple([dep.id for dep in deps])
    if len(args) != len(made.args) or kwargs.keys() != made.kwargs.keys() or ids != made.depends_on:
        return found
    names = _Names(dict(zip(made.indexes, ids, strict=True)), {dep.index: dep.id for dep in deps})
    pairs = [*zip(made.args, args, strict=True), *((made.kwargs[key], now) for key, now in kwargs.items())]
    return "" if all(_same(was, now, names, strictly) for was, now in pairs) else found


class _Names(NamedTuple):
    """The ids of the calls that arguments refer to: by the indexes of the run before, and by those of this one."""

    before: dict[int, str]
    now: dict[int, str]


def _same(was: Any, now: Any, names: _Names, strictly: bool) -> bool:
    if was is now or isinstance(was, Reference) or is_placeholder(now):
        return True  # which calls they are is told by what the call depends on
    if _is_plain(was) and _is_plain(now):
        return brief(was, _TEXT) == brief(now, _TEXT)
    return not strictly or _shown(was, names.before) == _shown(refer(([now],), {})[0][0][0], names.now)


def _shown(value: Any, names: dict[int, str]) -> str:
    """The text that shows an argument, without what differs from process to process."""
    return _ADDRESS.sub("", brief(value, _TEXT, names))


def _is_plain(value: Any) -> bool:
    """True where the text for a value says all that matters, and nothing else."""
    left = [value]
    for _ in range(_LOOKED_INTO):
        if not left:
            return True
        value = left.pop()
        kind = type(value)
        if kind is dict:
            left += value.values()
            left += value
        elif kind in _CONTAINERS:
            left += value
        elif kind not in _PLAIN:
            return False
    return False

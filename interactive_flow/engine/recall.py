"""Continues a run: what was recorded of it happens again.

Everything comes in its order, each arrival at the step of the code at which it came (see
`interactive_flow.engine.past`), so that whatever depends on what finished first is as it was.  No call goes to the
workers before that is over, not even those of which nothing is known: they may be ones that somebody will turn out not
to need.  Then those that were under way run again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Call, StreamCall, TaskCall
from interactive_flow.engine.likeness import difference
from interactive_flow.engine.memory import Due, Memory
from interactive_flow.engine.past import Past, Steps
from interactive_flow.model.brief import brief_call
from interactive_flow.model.errors import DeterminismError

if TYPE_CHECKING:
    from interactive_flow.engine.attempts import Attempts


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
        self._steps, self._seen = Steps(), 0
        self._told = 0
        self._pushed = False
        self._misfit: DeterminismError | None = None

    @property
    def active(self) -> bool:
        """True until everything that was recorded has happened again; see `Memory.active`."""
        return bool(self._order)

    def takes(self, engine: Attempts, call: Call) -> bool:
        """See `Memory.takes`."""
        if not (self._order or self._begun):
            return False
        id = call.id
        if not self._order or id in self._live:
            return isinstance(call, TaskCall) and self._goes_on(engine, call, id)
        if id in self._known:
            differs = difference(self._known[id], call)
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
        return self._steps.count(new)

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

"""Begins a new run that takes values from another, call by call and in any order, where they are of the same calls."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Call, TaskCall
from interactive_flow.engine.containers import gather
from interactive_flow.engine.likeness import difference
from interactive_flow.engine.memory import Due, Lost, Memory
from interactive_flow.engine.past import Past

if TYPE_CHECKING:
    from interactive_flow.engine.attempts import Attempts


class Reuse(Memory):
    """Takes values from another run, where they are those of the same calls.

    A call is the same where its id is, the calls that it depends on are, and its other arguments are (see
    `interactive_flow.engine.likeness`).  What it depends on must have the same values: those that were taken from the
    other run, or, where they are not a task's, those that `same` finds equal.

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
            Lost: it is another call by now, or something that it depends on is not what it was.
        """
        if difference(due.arrival.made, due.call, self._same):
            raise Lost
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

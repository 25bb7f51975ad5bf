"""Memories of a run: its calls get what they got before, and are not run again.

An engine that has a *memory* asks it about each task call that is ready.  What the memory takes is held back from the
workers; whoever drives the engine fetches from it, one after the other, what can be told now (`Memory.next`), loads it
with no lock held, and has it told (`Memory.tell`).  There are two: `interactive_flow.engine.recall` continues a run,
`interactive_flow.engine.reuse` takes over values of another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from interactive_flow.engine.calls import Call, Scope, StreamCall
from interactive_flow.engine.past import Arrival, Past
from interactive_flow.model.errors import DeterminismError

if TYPE_CHECKING:
    from interactive_flow.engine.attempts import Attempts


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

    @property
    def active(self) -> bool:
        """True while everything must happen as it did before."""
        return False

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

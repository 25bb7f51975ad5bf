"""Who watches a run, and how often they are told.

An observer gets the run's events in order and in batches, on a thread of the observers' own, at a rate that it
chooses itself; the engine never waits for it.  One that raises is dropped and logged, and the run goes on.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.model.events import Event, RunFinished

if TYPE_CHECKING:
    from interactive_flow.runtime.run import Run

log = logging.getLogger("interactive_flow")


class Observer(Protocol):
    """Something that watches a run.

    Attributes:
        interval: seconds between two batches, at least.
        shows_output: True where what tasks print is shown by the observer, so that it need not appear elsewhere too.
    """

    interval: float
    shows_output: bool

    def on_events(self, events: Sequence[Event]) -> None:
        """Takes the next events.  The last batch ends with a `RunFinished`.

        An empty batch is a tick: nothing happened for an interval while something is running, so clocks should move.
        """


DisplayProvider = Callable[["Run", str], "Observer | None"]
"""Makes the live panel of a run that is about to begin, in the thread that asked for it; None for no panel.

The second argument is the display asked for: ``"auto"``, or a name that the provider knows.
"""

_provider: DisplayProvider | None = None


def set_display_provider(provider: DisplayProvider | None) -> None:
    """Registers who makes live panels; None for nobody."""
    global _provider
    _provider = provider


def display_provider() -> DisplayProvider | None:
    """The registered provider."""
    return _provider


class Watch:
    """Tells the observers of one run, on a thread of its own.

    Args:
        observers: who watches.
        events: gives the log of the run's events, which others append to; another one after a restart.
        fetch_output: asks for what running tasks have printed so far; called before each batch.
    """

    def __init__(
        self, observers: Sequence[Observer], events: Callable[[], Sequence[Event]], fetch_output: Callable[[], None]
    ) -> None:
        self._watching = [_Place(observer) for observer in observers]
        self._events = events
        self._fetch_output = fetch_output
        self._over = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._tell,), daemon=True, name="iflow-observers")
        self._thread.start()

    def finish(self, timeout: float = 10.0) -> None:
        """Tells everybody of the end, and waits at most `timeout` seconds until they have taken it in."""
        self._over.set()
        self._thread.join(timeout)

    def _tell(self) -> None:
        current_workflow.set(None)
        while not self._over.wait(min((place.due_in() for place in self._watching), default=None)):
            self._fetch_output()
            for place in self._watching:
                if place.due_in() <= 0:
                    place.tell(self._events())
            self._watching = [place for place in self._watching if not place.dropped]
        for place in self._watching:
            place.tell(self._events(), last=True)


class _Place:
    """How far an observer has been told, and when it is its turn again."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.log: Sequence[Event] | None = None
        self.told = 0
        self.next_time = time.monotonic() + observer.interval
        self.dropped = False
        self.done = False

    def due_in(self) -> float:
        return max(self.next_time - time.monotonic(), 0.0)

    def tell(self, events: Sequence[Event], last: bool = False) -> None:
        if events is not self.log:  # the run has begun again, and forgotten what was before
            self.log, self.told = events, 0
        batch = events[self.told :]
        self.told += len(batch)
        if self.done or (last and not batch):
            return
        self.done = bool(batch) and type(batch[-1]) is RunFinished
        try:
            self.observer.on_events(batch)
        except Exception:
            log.exception("an observer (%r) raised and was dropped; the run goes on without it", self.observer)
            self.dropped = True
        # Counted from the end of its work, so that a slow observer slows down instead of hogging the machine.
        self.next_time = time.monotonic() + self.observer.interval

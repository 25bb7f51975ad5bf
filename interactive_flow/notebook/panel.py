"""The live panel: an observer that shows its run under the cell.

It decides *when*.  In the first half second it shows nothing, so that quick runs show only how they ended.  Then it is
drawn at the screen's rate, as long as all the work of watching stays within a small part of one processor's time:
otherwise folding and drawing events could take as long as what they tell about, where tasks do next to nothing.  What
does not fit is put aside for the next time, so the picture of such a run lags a little behind.  Somebody who turns to
another tab, or node, sees it at once all the same.  The end is drawn in a
thread of its own, so that whoever waits for the run's value does not wait for its picture; `Panel.settle` waits for
that, and is called when the cell has ended.

Nothing that goes wrong here may disturb the run: after an error the panel is silent until the run has ended, and then
tries once more.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from interactive_flow.model.events import Event, RunFinished
from interactive_flow.notebook.picture import Picture
from interactive_flow.notebook.screens import Screen

log = logging.getLogger("interactive_flow")

QUIET = 0.5
"""Seconds in which nothing is shown."""

SHARE = 0.05
"""The part of one processor's time that watching may take while the run goes on."""

PORTION = 2000
"""Events that are folded between two looks at the clock: some 5 ms."""

YIELD = 0.02
"""Seconds before the end is drawn, in which the thread that waited for the run gets on."""


class Panel:
    """Shows a run on `screen`; an `interactive_flow.runtime.observers.Observer`.

    Args:
        screen: where.
        picture: the run as it is before any events come.
    """

    shows_output = True

    def __init__(self, screen: Screen, picture: Picture | None = None) -> None:
        self.interval = screen.interval
        self._screen = screen
        self._picture = Picture() if picture is None else picture
        self._aside: deque[Sequence[Event]] = deque()
        self._began = time.monotonic()
        self._spent = 0.0  # seconds of processor time
        self._broken = False
        self._ended = False
        self._done = threading.Event()
        self._lock = threading.Lock()  # `open` comes from another thread than events do

    def open(self, *, again: bool) -> bool:
        """Shows the run now; False where it is too late for that, as it has ended.

        Args:
            again: in the cell that calls this as well; False where that is the cell that began the run.
        """
        with self._lock:
            if not self._ended:
                self._draw(self._screen.open if again else self._screen.update)
            return not self._ended

    def on_events(self, events: Sequence[Event]) -> None:
        """Takes the next events; an empty batch is a tick."""
        self._aside.extend(events[i : i + PORTION] for i in range(0, len(events), PORTION))
        if events and isinstance(events[-1], RunFinished):
            with self._lock:
                self._ended = True
            threading.Thread(target=self._draw_end, daemon=True, name="iflow-panel").start()
            return
        elapsed = time.monotonic() - self._began
        allowed = SHARE * elapsed
        asked = self._screen.asked
        if elapsed >= QUIET and (asked or self._spent <= allowed) and not self._screen.superseded:
            began = time.thread_time()
            with self._lock:
                self._draw(self._screen.update, until=float("inf") if asked else began + allowed - self._spent)
            if not asked:  # else it would be somebody else's time that it takes
                self._spent += time.thread_time() - began

    def settle(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds until the end is drawn; True if it is."""
        return self._done.wait(timeout)

    def _draw_end(self) -> None:
        time.sleep(YIELD)
        if not self._screen.superseded:
            self._broken = False
            self._draw(self._screen.finish)
        self._done.set()

    def _draw(self, show: Callable[[Picture], None], until: float = float("inf")) -> None:
        """Folds what was put aside until this thread has used so much time, and shows it."""
        if self._broken:
            return
        try:
            while self._aside and time.thread_time() <= until:
                self._picture.apply(self._aside.popleft())
            show(self._picture)
        except Exception:
            log.exception("the panel of run %s could not be drawn", self._picture.record.run)
            self._broken = True

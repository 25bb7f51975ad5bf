"""The panels of a session: one for each ``%%flow`` cell, under the cell.

The newest cell's panel shows the whole graph, with a cluster for each cell.  The one before it becomes, at that moment,
a panel of its own cell's part only, so that a notebook of fifty cells does not hold fifty drawings of everything, and
what is sent stays bounded.  Every panel is live until what it shows is over, and static from then on, besides what
goes stale.

One thread looks after all of them.  It lives as long as a cell is unfinished.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from interactive_flow.engine.cells import CellCall
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.model.events import CallStale, Event
from interactive_flow.model.session import SessionRecord
from interactive_flow.notebook.panel import PORTION, QUIET, SHARE, Panel, log
from interactive_flow.notebook.picture import Picture
from interactive_flow.notebook.screens import Screen
from interactive_flow.runtime.session import Session

INTERVAL = 0.1
"""Seconds between two looks at what happened."""


class SessionPanel(Panel):
    """Shows a session, or one cell's part of it.

    Args:
        session: the session.
        screen: where it is shown.
        title: what the panel is called.
        id: tells it from other panels.
        cell: the cell under which it is shown; None for another one.
        quiet: True where it is shown only once it is over.

    Attributes:
        cell: as given, or that of the cell's last run.
        whole: True while it shows all of the session.
        live: True until what it shows is over.
    """

    def __init__(
        self, session: Session, screen: Screen, title: str, id: str, cell: CellCall | None, *, whole: bool = True,
        quiet: bool = False,
    ) -> None:  # fmt: skip
        self._session, self._title, self._id = session, title, id
        self.cell, self.whole, self.live, self._silent = cell, whole, True, quiet
        super().__init__(screen)
        self._due = 0.0
        self._taken = 0
        self._begins = True

    def _begin(self) -> None:
        """Folds what has happened so far, of all or of a part; not in the thread of the cell, which need not wait."""
        self._begins = False
        events = self._session.events()
        self._taken = len(events)
        self._aside.clear()
        cell = self.cell.index if self.cell is not None else None
        record = SessionRecord(events, run=self._id, title=self._title, cell=cell, part=not self.whole)
        self._picture = Picture(record)

    def belong_to(self, cell: CellCall) -> None:
        """The cell is run again, elsewhere; what it shows is of the new run from now on."""
        with self._lock:
            self.cell, self.whole, self.live, self._silent = cell, False, True, True

    def narrow(self) -> None:
        """Shows only what its own cell has called, from now on."""
        with self._lock:
            if self.whole and self.cell is not None:
                self.whole, self._begins = False, True

    def take(self, events: Sequence[Event], *, fresh: Sequence[Event], now: float, rests: bool, among: int) -> None:
        """Looks at what happened.

        Args:
            events: the whole log.
            fresh: the last events of it, which contain all that came since the last look.
            now: seconds of a monotonic clock.
            rests: True where nothing more will happen before another cell is run.
            among: how many panels are live: they share what may be sent.
        """
        with self._lock:
            if self._screen.superseded:
                self.live = False
                return
            if self._begins and not self._silent:
                self._begin()
                if not self.live:
                    self._show(self._screen.finish)
            if not self.live:
                self._note_stale(fresh)
            elif self._silent:
                self._follow_quietly()
            else:
                self._follow(events, now, rests, among)

    def _follow(self, events: Sequence[Event], now: float, rests: bool, among: int) -> None:
        new = events[self._taken :]
        self._taken += len(new)
        self._aside.extend(new[i : i + PORTION] for i in range(0, len(new), PORTION))
        elapsed = time.monotonic() - self._began
        allowed = SHARE * elapsed
        if rests or self._is_settled():
            self._finish()
        elif elapsed >= QUIET and self._spent <= allowed and now >= self._due:
            self._due = now + self._screen.interval * among
            began = time.thread_time()
            self._draw(self._screen.update, until=began + allowed - self._spent)
            self._spent += time.thread_time() - began

    def _is_settled(self) -> bool:
        return not self.whole and self.cell is not None and self.cell.done

    def _follow_quietly(self) -> None:
        if self.cell is not None and self.cell.done:
            self._begin()
            self._finish()

    def _finish(self) -> None:
        """What it shows is over."""
        self._broken = False
        self._draw(self._fold_all)
        if self._picture.over:
            self._show(self._screen.finish)
            self.live = self._silent = False

    def _fold_all(self, picture: Picture) -> None:
        """Nothing but the folding that `_draw` does before."""

    def _note_stale(self, fresh: Sequence[Event]) -> None:
        stale = [event for event in fresh if type(event) is CallStale]
        record = self._picture.record
        if any(event.call in record.by_index and not record.by_index[event.call].stale for event in stale):
            record.apply(stale)
            self._show(self._screen.finish)

    def _show(self, show: object) -> None:
        self._picture.look_again()
        self._draw(show)  # type: ignore[arg-type]


class SessionPanels:
    """All panels of a session.

    Args:
        session: the session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._panels: dict[str, SessionPanel] = {}
        self._newest: SessionPanel | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._told = 0
        self._asked = 0  # grows whenever there may be something new to look at
        self._held = 0

    def open(self, key: str, screen: Screen, title: str, id: str, cell: CellCall | None) -> None:
        """A cell begins: its panel shows everything, and the one before it only its own part from now on.

        Args:
            key: the cell's; a panel that it had before is given up.
            screen: where to show it.
            title: the panel's name.
            id: tells it from other panels.
            cell: the cell; None for one that is no ``%%flow`` cell.
        """
        panel = SessionPanel(self._session, screen, title, id, cell)
        with self._lock:
            before, self._newest = self._newest, panel
            self._panels.pop(key, None)
            self._panels[key] = panel
        if before is not None and before is not panel:
            before.narrow()
        self.watch()

    def belong_to(self, key: str, cell: CellCall) -> None:
        """A cell is run again from somewhere else: its panel will show how it ended."""
        panel = self._panels.get(key)
        if panel is not None:
            panel.belong_to(cell)

    def watch(self) -> None:
        """Sees to it that somebody looks after the panels."""
        with self._lock:
            self._asked += 1
            if self._thread is None:
                context = contextvars.copy_context()
                self._thread = threading.Thread(
                    target=context.run, args=(self._watch,), daemon=True, name="iflow-session-panels"
                )
                self._thread.start()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within it, cells follow each other at once, so that between them nothing counts as over."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self.watch()

    def settle(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds until what is over is drawn; True if it is."""
        with self._lock:
            thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        return not thread.is_alive()

    def _watch(self) -> None:
        current_workflow.set(None)
        while True:
            asked = self._asked
            rests = self._pause()
            try:
                self._look(rests)
            except Exception:
                log.exception("the panels of session %s could not be drawn", self._session.id)
            with self._lock:
                if rests and self._asked == asked:
                    self._thread = None
                    return

    def _pause(self) -> bool:
        """Waits until it is time for the next look; True where nothing more will happen before another cell is run."""
        if not self._session.wait(INTERVAL):
            return False
        if self._held:
            time.sleep(INTERVAL / 10)
        return not self._held

    def _look(self, rests: bool) -> None:
        if not rests:
            self._session.output_so_far()
        events = self._session.events_so_far
        fresh = events[self._told :]
        self._told += len(fresh)
        now = time.monotonic()
        with self._lock:
            panels = list(self._panels.values())
        among = sum(panel.live for panel in panels)
        for panel in panels:
            panel.take(events, fresh=fresh, now=now, rests=rests, among=among)

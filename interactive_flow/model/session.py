"""A notebook's session as people see it: the fold over its events, seen from one of its cells.

A session is a run that never ends: cells come, are run again, and in between nobody may do anything for hours.  So
what is looked at has a beginning and an end of its own: it goes on while a cell is unfinished, and it has ended when
all are.  Time in which nothing was going on is left out; clocks and the timeline go on where they stopped.

`SessionRecord` is either the whole session, or the part of it that one cell has called.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interactive_flow.model.events import (
    CallCached,
    CallCancelled,
    CallFailed,
    CallScheduled,
    CallStale,
    CallSucceeded,
    CellReplaced,
    Event,
    RunStarted,
    WorkflowReturned,
)
from interactive_flow.model.record import FOLDS, CallRecord, RunRecord
from interactive_flow.model.states import CallState, RunStatus

_ENDS = frozenset({CallSucceeded, CallFailed, CallCancelled})
_BOUNDS = _ENDS | {CallScheduled, WorkflowReturned}
_LATER = frozenset({CallStale, CellReplaced})


class SessionRecord(RunRecord):
    """Folds the events of a session.

    Args:
        events: those so far.
        run: what tells this view of the session from others.
        title: its name.
        cell: the cell by whose call it begins, by its index; None for the session's own beginning.
        part: True for only what that cell called.  Then `events` must have all that decides what belongs to it: a
            cell that is run again takes over calls when its code has ended.
    """

    session = True

    def __init__(
        self, events: Iterable[Event] = (), *, run: str = "", title: str = "", cell: int | None = None,
        part: bool = False,
    ) -> None:  # fmt: skip
        events = list(events)
        self._title = (run, title)
        self._cell = cell
        self._own = _belongings(events, cell) if part and cell is not None else None
        self._open: set[int] = set()  # cells
        self._cells: list[CallRecord] = []
        self._coding: set[int] = set()  # those whose code has not come to its end
        self._rested = 0.0  # seconds in which nothing was going on
        self._rests_since = 0.0
        self._origin: float | None = None if part else 0.0
        super().__init__(events)

    def apply(self, events: Iterable[Event]) -> None:
        """Folds `events`, which follow those already folded."""
        own = self._own
        for event in events:
            kind = type(event)
            if kind in _BOUNDS:
                self._follow(event)
            if own is None or self._concerns(event):
                if self._rested or self._origin is None or self._origin or kind in _LATER:
                    event = self._in_time(event)
                FOLDS[kind](self, event)
                if event.at > self.clock:
                    self.clock = event.at
            else:
                self._note(event)
            self.seen += 1
        self.run, self.name = self._title
        self._stand()

    # -- time ----------------------------------------------------------------------------------------------------

    def _follow(self, event: Event) -> None:
        """Keeps up with which cells are at work, and with the time in which none is."""
        if type(event) is CallScheduled and not event.number:
            if not self._open:
                self._rested += event.at - self._rests_since
            self._open.add(event.call)
            self._coding.add(event.call)
        elif type(event) is WorkflowReturned:
            self._coding.discard(event.call)
        elif type(event) in _ENDS and event.call in self._open:  # type: ignore[union-attr]
            self._open.discard(event.call)  # type: ignore[union-attr]
            self._coding.discard(event.call)  # type: ignore[union-attr]
            if not self._open:
                self._rests_since = event.at

    def _in_time(self, event: Event) -> Event:
        """The event with times that leave out the rests."""
        if self._origin is None and self._concerns(event) and getattr(event, "call", None) is not None:
            self._origin = event.at - self._rested
        if type(event) in _LATER:
            return event._replace(at=self.clock)  # of what is over; nothing goes on because of it
        shift = self._rested + (self._origin or 0.0)
        if not shift:
            return event
        changed: dict[str, Any] = {"at": max(event.at - shift, 0.0)}
        started = getattr(event, "started", None)
        if started is not None:
            changed["started"] = max(started - shift, 0.0)
        return event._replace(**changed)

    # -- what belongs to it --------------------------------------------------------------------------------------

    def _concerns(self, event: Event) -> bool:
        own = self._own
        if own is None or type(event) is RunStarted:
            return True
        if type(event) is CellReplaced:
            return event.by == self._cell
        if type(event) is CallScheduled and event.parent in own:
            return True
        return getattr(event, "call", None) in own

    def _note(self, event: Event) -> None:
        """What others call is only known by its name, and by whether it is over."""
        if type(event) is CallScheduled:
            self._scheduled(self._in_time(event))  # type: ignore[arg-type]
        elif type(event) in _ENDS or type(event) is CallCached:
            call = self.by_index.get(event.call)  # type: ignore[union-attr]
            if call is not None:
                call.state = CallState.SUCCEEDED

    def _add(self, record: CallRecord) -> None:
        own = self._own
        if own is None or record.index in own or record.parent_index in own:
            if own is not None:
                own.add(record.index)
            super()._add(record)
            if record.is_cell:
                self._cells.append(record)
        else:
            self.by_index[record.index] = record  # others depend on it, and name it

    def _move(self, record: CallRecord, state: CallState) -> None:
        if self._own is None or record.index in self._own:
            super()._move(record, state)

    # -- how it stands -------------------------------------------------------------------------------------------

    def _stand(self) -> None:
        """Tells what a run tells by its last event."""
        cells = self._cells = [cell for cell in self._cells if not cell.replaced]
        began = self.by_index.get(self._cell) if self._cell is not None else None
        self.began_at = began.scheduled_at if began is not None else 0.0
        self.returned_at = None if self._coding else self.clock
        if not cells or any(not cell.state.final for cell in cells):
            self.status, self.finished_at = RunStatus.RUNNING, None
            return
        self.finished_at = self.clock
        if began is not None and not began.replaced:
            cells = [began]  # what is called by its name has its state
        states = {cell.state for cell in cells}
        if CallState.FAILED in states:
            self.status = RunStatus.FAILED
        elif CallState.CANCELLED in states:
            self.status = RunStatus.CANCELLED
        else:
            self.status = RunStatus.SUCCEEDED


def _belongings(events: Iterable[Event], cell: int) -> set[int]:
    """What a cell has called, or kept of what it had called when it was run before, by index; itself included."""
    parents: dict[int, int] = {}
    for event in events:
        if type(event) is CallScheduled:
            parents[event.call] = event.parent
        elif type(event) is CellReplaced:
            for kept in event.kept:
                parents[kept] = event.by
    own = {cell}
    for call, parent in parents.items():  # in the order of calls: who made a call was made before it
        if parent in own:
            own.add(call)
    # A call that was kept is older than the cell that has it now.
    for call, parent in parents.items():
        if parent in own:
            own.add(call)
    return own

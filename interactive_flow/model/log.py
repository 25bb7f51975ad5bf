"""The event stream of a run, kept small.

A run of 100 000 calls has some 300 000 events that live as long as the run does.  In the log each is an exact tuple of
a small number (which kind of event) and the event's fields: Python's garbage collector stops looking at such a tuple
once it has seen that there is nothing in it to look at, which it never does for an instance of a subclass.  Reading
gives the named events of `interactive_flow.model.events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

from interactive_flow.model.events import EVENT_TYPES, Event

_CODE: dict[type, int] = {kind: code for code, kind in enumerate(EVENT_TYPES)}


def code_of(kind: type) -> int:
    """The number that stands for this kind of event in a log."""
    return _CODE[kind]


class EventLog(Sequence[Event]):
    """Events in the order in which they happened; only ever appended to.

    An event's sequence number is its position.  One thread may read while another appends.
    """

    __slots__ = ("_raw", "add_raw")

    def __init__(self) -> None:
        self._raw: list[tuple[Any, ...]] = []
        self.add_raw = self._raw.append
        """Appends ``(code_of(kind), *fields)``: for whoever appends so many that a named tuple each is too dear."""

    def append(self, event: Event) -> None:
        """Appends an event."""
        self._raw.append((_CODE[type(event)], *event))

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, index: int) -> Event: ...

    @overload
    def __getitem__(self, index: slice) -> EventLog: ...

    def __getitem__(self, index: int | slice) -> Event | EventLog:
        if isinstance(index, slice):
            part = EventLog()
            part._raw.extend(self._raw[index])  # the events are named when somebody looks at them
            return part
        raw = self._raw[index]
        return EVENT_TYPES[raw[0]]._make(raw[1:])

    def __iter__(self) -> Iterator[Event]:
        for raw in self._raw:
            yield EVENT_TYPES[raw[0]]._make(raw[1:])

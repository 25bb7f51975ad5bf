"""The event stream of a run, kept small.

A run of 100 000 calls has some 300 000 events that live as long as the run does.  In the log each is an exact tuple of
a small number (which kind of event) and the event's fields: Python's garbage collector stops looking at such a tuple
once it has seen that there is nothing in it to look at, which it never does for an instance of a subclass.  For the
same reason a `Site` is kept as a `PlainSite`, a `CallKind` by its name, and a `Reference` as an integer: a last field
of `CallScheduled`, which only the log has, tells which arguments are references, as bits.  Reading gives the named
events of `interactive_flow.model.events`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, overload

from interactive_flow.model.events import EVENT_TYPES, BarrierEntered, CallScheduled, Event, Reference, Site
from interactive_flow.model.states import CallKind

PlainSite: TypeAlias = "tuple[str, int, str, int | None]"
"""What a `Site` consists of, as an exact tuple."""

_CODE: dict[type, int] = {kind: code for code, kind in enumerate(EVENT_TYPES)}
_SCHEDULED, _BARRIER = _CODE[CallScheduled], _CODE[BarrierEntered]


def code_of(kind: type) -> int:
    """The number that stands for this kind of event in a log."""
    return _CODE[kind]


class EventLog(Sequence[Event]):
    """Events in the order in which they happened; only ever appended to.

    An event's sequence number is its position.  One thread may read while another appends.
    """

    __slots__ = ("_raw", "add_raw", "length")

    def __init__(self) -> None:
        self._raw: list[tuple[Any, ...]] = []
        self.add_raw = self._raw.append
        """Appends ``(code_of(kind), *plain fields)``: where a named tuple each would be too dear."""
        self.length = self._raw.__len__
        """The same as ``len``, and quicker."""

    def append(self, event: Event) -> None:
        """Appends an event."""
        self._raw.append(_plain(event))

    def tail(self, start: int) -> list[tuple[Any, ...]]:
        """The events from this sequence number on, as `add_raw` takes them; for whoever keeps them elsewhere."""
        return self._raw[start:]

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
        return _named(self._raw[index])

    def __iter__(self) -> Iterator[Event]:
        return map(_named, self._raw)


def _plain(event: Event) -> tuple[Any, ...]:
    code = _CODE[type(event)]
    if isinstance(event, CallScheduled):
        event = event._replace(kind=event.kind.value, site=event.site and tuple(event.site))  # type: ignore[arg-type]
        return code, *event, 0
    elif isinstance(event, BarrierEntered):
        event = event._replace(site=event.site and tuple(event.site))  # type: ignore[arg-type]
    return code, *event


def _named(raw: tuple[Any, ...]) -> Event:
    code = raw[0]
    if code == _SCHEDULED:
        _, at, call, name, number, kind, parent, depends_on, site, args, kwargs, references = raw
        if references:
            args = tuple([Reference(x) if references >> n & 1 else x for n, x in enumerate(args)])
        place = Site(*site) if site is not None else None
        return CallScheduled(at, call, name, number, CallKind(kind), parent, depends_on, place, args, kwargs)
    if code == _BARRIER:
        _, at, call, waits_on, site = raw
        return BarrierEntered(at, call, waits_on, Site(*site) if site is not None else None)
    return EVENT_TYPES[code]._make(raw[1:])

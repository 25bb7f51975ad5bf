"""Events as bytes: stretches of a run's log, each one row of the database.

A *segment* is some hundreds of events, as the log keeps them (see `interactive_flow.model.log`), pickled together:
that is ten times quicker than one by one, since most of an event is numbers and names that repeat.  What makes
pickles slow and dangerous, somebody's values, is not in there.  In the place of a value stands

- the value itself, where it is one of Python's own scalars and short;
- a `Packed` otherwise: opaque bytes, or the name of a value file.

So a segment can be read by an unpickler that knows no class but a handful of ours, and reading one runs nobody's
code.  Arguments are in the log to be shown (`CallScheduled`): plain ones are kept, of others a line of text.  An
error is kept as texts, so that it can be shown where its class does not exist, and as a `Packed` besides.
"""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any
from weakref import WeakKeyDictionary

from interactive_flow.model.brief import brief
from interactive_flow.model.errors import TaskCancelled, TaskError, TaskTimeout
from interactive_flow.model.events import EVENT_TYPES, CallScheduled, Reference, RunFinished
from interactive_flow.model.log import code_of
from interactive_flow.model.states import RunStatus
from interactive_flow.store.lazy import Shown, StoredException, loader_of, stored_exception, stored_value
from interactive_flow.store.values import INLINE_LIMIT, Packed, Values

Raw = tuple[Any, ...]
"""An event as the log keeps it."""

_SCHEDULED, _FINISHED = code_of(CallScheduled), code_of(RunFinished)


def _places(field: str) -> dict[int, int]:
    """Where, by the event's code, a raw event has the field of this name."""
    names: list[tuple[str, ...]] = [getattr(kind, "_fields", ()) for kind in EVENT_TYPES]
    return {code: fields.index(field) + 1 for code, fields in enumerate(names) if field in fields}


VALUE_AT, ERROR_AT = _places("value"), _places("error")
_ARGS_AT, _KWARGS_AT, _STATUS_AT = _places("args")[_SCHEDULED], _places("kwargs")[_SCHEDULED], 2
_SPECIAL = frozenset({*VALUE_AT, *ERROR_AT, _SCHEDULED})

_SCALARS = frozenset({type(None), bool, int, float})
_TEXTS = frozenset({str, bytes})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_ARGUMENT_SIZE = 1024
"""Elements of an argument, all in all, up to which it is kept as it is."""

_ARGUMENT_DEPTH = 20
"""How deep they may be nested."""


# -- writing -----------------------------------------------------------------------------------------------------------


class Encoder:
    """Makes segments of the events of one run, in order.

    Args:
        values: packs the values.
        packed: is told of each value that was packed for the call with this index (None: the run itself) and gives
            back what stands for it in the segment.
    """

    def __init__(self, values: Values, packed: Callable[[int | None, Packed], Packed]) -> None:
        self._values = values
        self._packed = packed
        self._errors: WeakKeyDictionary[BaseException, int] = WeakKeyDictionary()
        self._error_count = 0

    def plain(self, raw: Raw) -> Raw:
        """The event with whatever is not plain in it replaced by what is."""
        code = raw[0]
        if code not in _SPECIAL:
            return raw
        if code == _SCHEDULED:
            args, kwargs = raw[_ARGS_AT], raw[_KWARGS_AT]
            if not kwargs and _SCALARS.issuperset(map(type, args)):
                return raw
            fields = list(raw)
            fields[_ARGS_AT] = tuple([_argument(x) for x in args])
            fields[_KWARGS_AT] = {key: _argument(x) for key, x in kwargs.items()} if kwargs else None
            return tuple(fields)
        at = VALUE_AT.get(code)
        if at is not None and code not in ERROR_AT and _stays(raw[at]):
            return raw
        call = raw[2] if code != _FINISHED else None
        fields = list(raw)
        if at is not None:
            fields[at] = self.value(call, raw[at])
        if code in ERROR_AT:
            fields[ERROR_AT[code]] = self._error(call, raw[ERROR_AT[code]])
        if code == _FINISHED:
            fields[_STATUS_AT] = str(raw[_STATUS_AT])
        return tuple(fields)

    def value(self, call: int | None, value: Any) -> Any:
        """What stands for a value in a segment."""
        if _stays(value):
            return value
        loader = loader_of(value)
        if loader is not None and loader.values.folder == self._values.folder:
            return tuple(self._packed(call, loader.packed))  # it comes from this store, and need not be loaded
        return tuple(self._packed(call, self._values.pack(value)))

    def _error(self, call: int | None, error: BaseException | None) -> Raw | None:
        """An error: its number in the run and, the first time, all there is to say about it."""
        if error is None:
            return None
        try:
            number = self._errors.get(error)
            if number is None:
                number = self._errors[error] = self._error_count
                self._error_count += 1
            else:
                return (number,)
        except TypeError:  # one of those that cannot be referred to weakly, or hashed
            number = self._error_count
            self._error_count += 1
        if isinstance(error, TaskError):
            kind = next(kind for kind in _KINDS if isinstance(error, _KINDS[kind]))
            cause = error.__cause__
            described = self._describe(call, cause) if cause is not None else None
            return number, kind, str(error.reason), error.call, error.observed, described
        return number, "", "", None, True, self._describe(call, error)

    def _describe(self, call: int | None, error: BaseException) -> Raw:
        kind = type(error)
        if isinstance(error, StoredException):  # it comes from a store itself
            kept = (
                self.value(call, stored_value(error.loader.values, error.loader.packed))
                if error.loader is not None
                else _NOTHING
            )
            return kind.__module__, kind.__qualname__, str(error), error.traceback, error.causes, kept
        causes: list[tuple[str, str]] = []
        following = _cause_of(error)
        while following is not None and len(causes) < 20:
            causes.append((type(following).__qualname__, _text(following)))
            following = _cause_of(following)
        packed = self._values.pack(error)
        if packed.format:  # most exceptions can be pickled; for those that cannot, the texts are enough
            packed = self._packed(call, packed)
        return kind.__module__, kind.__qualname__, _text(error), _traceback(error), tuple(causes), tuple(packed)


_NOTHING = tuple(Packed("", "only texts of it were kept", 0, ""))

_KINDS: dict[str, type[TaskError]] = {
    "TaskTimeout": TaskTimeout,
    "TaskCancelled": TaskCancelled,
    "TaskError": TaskError,
}
"""The errors that are made anew when events are read, subclasses first."""


def _stays(value: Any) -> bool:
    """True where a value needs no packing."""
    kind = type(value)
    return kind in _SCALARS or (kind in _TEXTS and len(value) <= INLINE_LIMIT)


def _argument(value: Any) -> Any:
    kind = type(value)
    if kind in _SCALARS or kind is Reference or kind is Shown:
        return value
    if kind in _TEXTS and len(value) <= _ARGUMENT_SIZE:
        return value
    if kind in _CONTAINERS and _room(value, _ARGUMENT_SIZE, _ARGUMENT_DEPTH) >= 0:
        return value
    loader = loader_of(value)
    return Shown(loader.packed.text if loader is not None else brief(value, 120))


def _room(value: Any, room: int, depth: int) -> int:
    """What is left of `room` elements when `value` is in; negative where it is too large, or nested too deep."""
    kind = type(value)
    if kind in _TEXTS:
        return room - 1 - len(value) // 16
    if kind not in _CONTAINERS:
        return room - 1
    if not depth:
        return -1
    room -= 1 + len(value)
    for element in chain(value, value.values()) if kind is dict else value:
        if room < 0:
            return room
        if type(element) in _CONTAINERS or type(element) in _TEXTS:
            room = _room(element, room, depth - 1)
    return room


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return brief(error)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error)) if error.__traceback__ or _cause_of(error) else ""
    except Exception as other:
        return f"{brief(error)} (its traceback could not be printed: {brief(other)})"


def _cause_of(error: BaseException) -> BaseException | None:
    if error.__cause__ is not None or error.__suppress_context__:
        return error.__cause__
    return error.__context__


def _exact(value: Any) -> Any:
    """What an instance of a subclass of `str`, `int` or `float` becomes, which was made one of its base class."""
    return value


class _SegmentPickler(pickle.Pickler):
    """Pickles plain data; what is not plain becomes plain."""

    def reducer_override(self, value: Any) -> Any:
        """Called for whatever is not of one of Python's own plain types."""
        kind = type(value)
        if kind is Reference or kind is Shown or value is Reference or value is Shown or value is _exact:
            return NotImplemented
        for plain in (str, int, float):
            if issubclass(kind, plain):
                return _exact, (getattr(plain, f"__{plain.__name__}__")(value),)
        return Shown, (brief(value, 120),)


def dump(events: Sequence[Raw]) -> bytes:
    """The bytes of a segment."""
    file = io.BytesIO()
    _SegmentPickler(file, pickle.HIGHEST_PROTOCOL).dump(events)
    return file.getvalue()


# -- reading -----------------------------------------------------------------------------------------------------------

_KNOWN: dict[tuple[str, str], Any] = {
    (known.__module__, known.__qualname__): known for known in (Reference, Shown, _exact)
}


class _SegmentUnpickler(pickle.Unpickler):
    """Knows no class but those that segments are made of."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a segment") from None


def load(data: bytes) -> list[Raw]:
    """The events of a segment, as `Encoder.plain` has made them."""
    events: list[Raw] = _SegmentUnpickler(io.BytesIO(data)).load()
    return events


class Decoder:
    """Puts lazy stand-ins where values were, and errors where errors were; for the segments of one run, in order."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._errors: dict[int, BaseException] = {}

    def named(self, raw: Raw) -> Raw:
        """The event as the log keeps it."""
        code = raw[0]
        at = VALUE_AT.get(code)
        if at is None:
            if code not in ERROR_AT:
                return raw
        elif code not in ERROR_AT and type(raw[at]) is not tuple:
            return raw
        fields = list(raw)
        if at is not None:
            fields[at] = self.value(raw[at])
        if code in ERROR_AT:
            fields[ERROR_AT[code]] = self.error(raw[ERROR_AT[code]])
        if code == _FINISHED:
            fields[_STATUS_AT] = RunStatus(raw[_STATUS_AT])
        return tuple(fields)

    def value(self, kept: Any) -> Any:
        """What stands for a value until somebody uses it."""
        return stored_value(self._values, Packed(*kept)) if type(kept) is tuple else kept

    def error(self, kept: Raw | None) -> BaseException | None:
        """The error; the same object each time it occurs in the run."""
        if kept is None:
            return None
        number = kept[0]
        if len(kept) == 1:
            return self._errors[number]
        _, kind, reason, call, observed, described = kept
        cause = self._exception(described) if described is not None else None
        error = cause
        if kind:
            error = _KINDS[kind](reason, call)
            error.observed = observed
            error.__cause__ = cause
        assert error is not None
        self._errors[number] = error
        return error

    def _exception(self, described: Raw) -> BaseException:
        module, name, text, trace, causes, kept = described
        packed = Packed(*kept)
        loader = loader_of(stored_value(self._values, packed)) if packed.format else None
        return stored_exception(module, name, text, trace, causes, loader)

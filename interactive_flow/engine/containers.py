"""Placeholders inside containers: finding them, and putting values in their place.

`gather` takes the arguments of a call as they are at that moment.  Python's own lists, dicts, sets and deques are
copied on the way, so that code which goes on filling a list after it passed the list on does not change what the task
gets; other objects are passed by reference.  Looked into are lists, tuples, named tuples, sets, dicts (and subclasses
of these), dataclass and attrs instances; anything else is opaque.

`fill` builds the same structure with values, `refer` with what stands for the calls in events.  All keep the very
object where there is nothing to replace in it, and an object that is in the structure twice is one object in the
result too.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from operator import is_
from typing import Any
from weakref import WeakKeyDictionary

from interactive_flow.engine.calls import Call
from interactive_flow.engine.placeholder import Placeholder, call_of
from interactive_flow.model.events import Reference

_OPAQUE: frozenset[type] = frozenset(
    {int, float, str, bytes, bool, type(None), complex, bytearray, range, slice, type, type(Ellipsis), type(len)}
)
_COPIED = (deque, OrderedDict, defaultdict, Counter)
_OPEN = object()


def gather(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Call, ...]]:
    """Arguments with their containers copied, and the calls they depend on, each once, in order of appearance.

    Raises:
        ValueError: a container contains itself.

    Example:
        ``gather(([p, 1],), {})`` gives ``(([p, 1],), {}, (call_of(p),))``.
    """
    if not kwargs:  # by far the most calls have neither keywords nor containers
        calls: dict[Call, None] | None = None
        for value in args:
            kind = type(value)
            if kind in _OPAQUE:
                continue
            if kind is not Placeholder:
                break
            if calls is None:
                calls = {}
            calls[call_of(value)] = None
        else:
            return args, kwargs, tuple(calls) if calls is not None else ()
    found: dict[Call, None] = {}

    def keep(placeholder: Placeholder) -> Placeholder:
        found[call_of(placeholder)] = None
        return placeholder

    walk = _Walk(keep)
    args = tuple([walk.map(value) for value in args])
    if kwargs:
        kwargs = {key: walk.map(value) for key, value in kwargs.items()}
    return args, kwargs, tuple(found) if found else ()


def fill(value: Any) -> Any:
    """`value` with every placeholder in it replaced by its call's value; the calls must have succeeded."""
    return _Walk(_value_of).map(value)


def fill_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call with every placeholder in them replaced by its call's value."""
    values = []
    for value in args:
        kind = type(value)
        if kind is Placeholder:
            values.append(call_of(value).outcome)
        elif kind in _OPAQUE:
            values.append(value)
        else:
            return fill(args), fill(kwargs)
    return tuple(values), fill(kwargs) if kwargs else kwargs


def refer(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], int]:
    """The arguments of a call with what stands for a call in place of its placeholder, for the event log.

    That is a `Reference`; but where no argument is a container, the call's index, and bits that tell which they are.
    """
    values: list[Any] = []
    references, bit = 0, 1
    for value in args:
        kind = type(value)
        if kind is Placeholder:
            values.append(call_of(value).index)
            references |= bit
        elif kind in _OPAQUE:
            values.append(value)
        else:
            walk = _Walk(_reference)
            return walk.map(args), walk.map(kwargs), 0
        bit <<= 1
    return tuple(values), _Walk(_reference).map(kwargs) if kwargs else kwargs, references


def _reference(placeholder: Placeholder) -> Reference:
    return Reference(call_of(placeholder).index)


def replace_calls(value: Any, values: dict[Call, Any]) -> Any:
    """`value` with the placeholders of the calls in `values` replaced by what stands there, and the others kept."""
    return _Walk(lambda placeholder: values.get(call_of(placeholder), placeholder)).map(value)


def _value_of(placeholder: Placeholder) -> Any:
    return call_of(placeholder).outcome


class _Walk:
    """One walk through a structure.

    Attributes:
        replace: what becomes of a placeholder.
        seen: how many placeholders were met so far.
        done: by an object's id, what became of it; `_OPEN` while that is not known.  The structure itself keeps the
            objects alive as long as the walk goes on.
    """

    __slots__ = ("done", "replace", "seen")

    def __init__(self, replace: Callable[[Placeholder], Any]) -> None:
        self.replace = replace
        self.seen = 0
        self.done: dict[int, Any] = {}

    def map(self, value: Any) -> Any:
        kind = type(value)
        if kind in _OPAQUE:
            return value
        if kind is Placeholder:
            self.seen += 1
            return self.replace(value)
        mapper = _BUILT_IN.get(kind) or _LEARNED.get(kind)
        if mapper is None:
            mapper = _LEARNED[kind] = _mapper_for(kind)
        if mapper is _as_is:
            return value
        key = id(value)
        result = self.done.get(key, self)
        if result is self:
            self.done[key] = _OPEN
            result = self.done[key] = mapper(value, self)
        elif result is _OPEN:
            raise ValueError(f"a {kind.__name__} among the arguments contains itself")
        return result


_Mapper = Callable[[Any, _Walk], Any]


def _as_is(value: Any, walk: _Walk) -> Any:
    return value


def _list(value: list[Any], walk: _Walk) -> list[Any]:
    if _OPAQUE.issuperset(map(type, value)):
        return value.copy()
    if Placeholder not in map(type, value):
        return [walk.map(x) for x in value]
    walk.seen += 1
    replace, rest = walk.replace, walk.map
    return [replace(x) if type(x) is Placeholder else rest(x) for x in value]


def _tuple(value: tuple[Any, ...], walk: _Walk) -> tuple[Any, ...]:
    if _OPAQUE.issuperset(map(type, value)):
        return value
    items = [walk.map(x) for x in value]
    if all(map(is_, items, value)):
        return value
    if type(value) is tuple:
        return tuple(items)
    make = getattr(type(value), "_make", None)
    return make(items) if make else tuple.__new__(type(value), items)


def _set(value: Any, walk: _Walk) -> Any:
    items = [walk.map(x) for x in value]
    if type(value) is not set and all(map(is_, items, value)):
        return value
    return type(value)(items)


def _dict(value: dict[Any, Any], walk: _Walk) -> dict[Any, Any]:
    return {walk.map(k): walk.map(v) for k, v in value.items()}


def _dict_like(value: Any, walk: _Walk) -> Any:
    keys = [walk.map(k) for k in value]
    items = [walk.map(v) for v in value.values()]
    if all(map(is_, keys, value)) and all(map(is_, items, value.values())):
        return copy.copy(value) if type(value) in _COPIED else value
    result = copy.copy(value)
    result.clear()
    for key, item in zip(keys, items, strict=True):  # a Counter has an update of its own, which adds
        result[key] = item
    return result


def _list_like(value: Any, walk: _Walk) -> Any:
    items = [walk.map(x) for x in value]
    if all(map(is_, items, value)):
        return copy.copy(value) if type(value) in _COPIED else value
    result = copy.copy(value)
    result.clear()
    result.extend(items)
    return result


def _record(value: Any, walk: _Walk) -> Any:
    changed = {}
    for name in field_names(type(value)):
        before, seen = getattr(value, name, None), walk.seen
        after = walk.map(before)
        if after is not before and walk.seen > seen:  # a list without placeholders is left to its owner
            changed[name] = after
    if not changed:
        return value
    result = copy.copy(value)
    for name, after in changed.items():
        object.__setattr__(result, name, after)
    return result


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass or an attrs class; none for other types."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(a.name for a in getattr(kind, "__attrs_attrs__", ()))


def _mapper_for(kind: type) -> _Mapper:
    if issubclass(kind, tuple):
        return _tuple
    if issubclass(kind, dict):
        return _dict_like
    if issubclass(kind, list | deque):
        return _list_like
    if issubclass(kind, set | frozenset):
        return _set
    if field_names(kind):
        return _record
    return _as_is


_BUILT_IN: dict[type, _Mapper] = {list: _list, tuple: _tuple, set: _set, frozenset: _set, dict: _dict}
_LEARNED: WeakKeyDictionary[type, _Mapper] = WeakKeyDictionary()  # notebooks define their classes again and again

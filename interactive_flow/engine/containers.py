"""Placeholders inside containers: finding them, and putting values in their place.

`gather` takes the arguments of a call as they are at that moment.  Python's own lists, dicts, sets and deques are
copied on the way, so that code which goes on filling a list after it passed the list on does not change what the task
gets; other objects are passed by reference.  Looked into are lists, tuples, named tuples, sets, dicts (and subclasses
of these), dataclass and attrs instances; anything else is opaque.

`fill` builds the same structure with values.  Both keep the very object where there is nothing to replace in it.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from operator import is_
from typing import Any

from interactive_flow.engine.calls import Call
from interactive_flow.engine.placeholder import Placeholder, call_of

_OPAQUE: frozenset[type] = frozenset(
    {int, float, str, bytes, bool, type(None), complex, bytearray, range, slice, type, type(Ellipsis), type(len)}
)

_COPIED = (deque, OrderedDict, defaultdict, Counter)

Replace = Callable[[Placeholder], Any]


def gather(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], tuple[Call, ...]]:
    """Arguments with their containers copied, and the calls they depend on, each once, in order of appearance.

    Raises:
        ValueError: a container contains itself.

    Example:
        ``gather(([p, 1],), {})`` gives ``(([p, 1],), {}, (call_of(p),))``.
    """
    found: dict[Call, None] = {}

    def keep(placeholder: Placeholder) -> Placeholder:
        found[call_of(placeholder)] = None
        return placeholder

    for value in args:
        kind = type(value)
        if kind is Placeholder:
            found[call_of(value)] = None
        elif kind not in _OPAQUE:
            args = tuple([_map(x, keep, set()) for x in args])
            break
    if kwargs:
        kwargs = {key: _map(value, keep, set()) for key, value in kwargs.items()}
    return args, kwargs, tuple(found) if found else ()


def fill(value: Any) -> Any:
    """`value` with every placeholder in it replaced by its call's value; the calls must have succeeded."""
    return _map(value, _value_of, set())


def replace_calls(value: Any, values: dict[Call, Any]) -> Any:
    """`value` with the placeholders of the calls in `values` replaced by what stands there, and the others kept."""

    def replace(placeholder: Placeholder) -> Any:
        return values.get(call_of(placeholder), placeholder)

    return _map(value, replace, set())


def _value_of(placeholder: Placeholder) -> Any:
    return call_of(placeholder).outcome


def _map(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    kind = type(value)
    if kind in _OPAQUE:
        return value
    if kind is Placeholder:
        return replace(value)
    mapper = _MAPPERS.get(kind)
    if mapper is None:
        mapper = _MAPPERS[kind] = _mapper_for(kind)
    if mapper is _as_is:
        return value
    if id(value) in open_ids:
        raise ValueError(f"a {kind.__name__} among the arguments contains itself")
    open_ids.add(id(value))
    try:
        return mapper(value, replace, open_ids)
    finally:
        open_ids.discard(id(value))


def _as_is(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    return value


def _list(value: list[Any], replace: Replace, open_ids: set[int]) -> list[Any]:
    if _OPAQUE.issuperset(map(type, value)):
        return value.copy()
    return [_map(x, replace, open_ids) for x in value]


def _tuple(value: tuple[Any, ...], replace: Replace, open_ids: set[int]) -> tuple[Any, ...]:
    if _OPAQUE.issuperset(map(type, value)):
        return value
    items = [_map(x, replace, open_ids) for x in value]
    if all(map(is_, items, value)):
        return value
    if type(value) is tuple:
        return tuple(items)
    make = getattr(type(value), "_make", None)
    return make(items) if make else tuple.__new__(type(value), items)


def _set(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    items = [_map(x, replace, open_ids) for x in value]
    if type(value) is not set and all(map(is_, items, value)):
        return value
    return type(value)(items)


def _dict(value: dict[Any, Any], replace: Replace, open_ids: set[int]) -> dict[Any, Any]:
    return {_map(k, replace, open_ids): _map(v, replace, open_ids) for k, v in value.items()}


def _dict_like(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    keys = [_map(k, replace, open_ids) for k in value]
    items = [_map(v, replace, open_ids) for v in value.values()]
    if all(map(is_, keys, value)) and all(map(is_, items, value.values())):
        return copy.copy(value) if type(value) in _COPIED else value
    result = copy.copy(value)
    result.clear()
    result.update(zip(keys, items, strict=True))
    return result


def _list_like(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    items = [_map(x, replace, open_ids) for x in value]
    if all(map(is_, items, value)):
        return copy.copy(value) if type(value) in _COPIED else value
    result = copy.copy(value)
    result.clear()
    result.extend(items)
    return result


def _record(value: Any, replace: Replace, open_ids: set[int]) -> Any:
    changed = {}
    for name in _field_names(type(value)):
        before = getattr(value, name, None)
        after = _map(before, replace, open_ids)
        if after is not before and _mentions(before):
            changed[name] = after
    if not changed:
        return value
    result = copy.copy(value)
    for name, after in changed.items():
        object.__setattr__(result, name, after)
    return result


def _mentions(value: Any) -> bool:
    """True where a placeholder is anywhere inside."""
    found: list[Placeholder] = []

    def note(placeholder: Placeholder) -> Placeholder:
        found.append(placeholder)
        return placeholder

    _map(value, note, set())
    return bool(found)


def _field_names(kind: type) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(a.name for a in getattr(kind, "__attrs_attrs__", ()))


def _mapper_for(kind: type) -> Callable[[Any, Replace, set[int]], Any]:
    if issubclass(kind, tuple):
        return _tuple
    if issubclass(kind, dict):
        return _dict_like
    if issubclass(kind, list | deque):
        return _list_like
    if issubclass(kind, set | frozenset):
        return _set
    if _field_names(kind):
        return _record
    return _as_is


_MAPPERS: dict[type, Callable[[Any, Replace, set[int]], Any]] = {
    list: _list,
    tuple: _tuple,
    set: _set,
    frozenset: _set,
    dict: _dict,
}

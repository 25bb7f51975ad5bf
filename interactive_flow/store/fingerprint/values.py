"""How each type of value is written: scalars, containers, objects, and what stands for code.

The type decides, looked up once a type.  In this order:

1. the scalars and containers of Python itself, by exact type;
2. a `__flow_fingerprint__` method of the class, or what `register_fingerprint` was told about it: whatever that gives
   stands for the object;
3. libraries of data, by handlers that are imported once a value of theirs turns up (`arrays`, `tables`);
4. code: functions, classes, modules and what has a `__flow_code__` method go to `Writer.refer`;
5. everything else by what pickle would be told: its class, and the state that ``__reduce_ex__`` gives.  What cannot be
   pickled, an open file or a socket, has no fingerprint either.

Values count by type and representation, not by ``==``: ``1``, ``1.0`` and ``True`` differ, ``0.0`` and ``-0.0`` too,
and a nan is equal to one of the same bits.  Only dicts and sets are the same in whatever order they were filled.
"""

from __future__ import annotations

import array
import copyreg
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import struct
import threading
import types
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from interactive_flow.engine.placeholder import Placeholder
from interactive_flow.store.fingerprint.files import FileContent, write_content
from interactive_flow.store.fingerprint.origin import origin_of
from interactive_flow.store.fingerprint.writer import Unfit, Writer

Handler = Callable[[Writer, Any], None]

CODE = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, functools._lru_cache_wrapper)
"""What `Writer.refer` is asked about."""

_LIBRARIES = {"numpy": "arrays", "scipy": "arrays", "pandas": "tables", "pyarrow": "tables"}
_registered: dict[type, Callable[[Any], Any]] = {}
_known: WeakKeyDictionary[type, Handler] = WeakKeyDictionary()


def write(writer: Writer, value: Any) -> None:
    """Writes a value of any type; see `Writer.write`."""
    kind = type(value)
    handler = _EXACT.get(kind) or _known.get(kind)
    if handler is None:
        handler = _known[kind] = _handler_for(kind)
    handler(writer, value)


def register_fingerprint(kind: type, function: Callable[[Any], Any]) -> None:
    """Says how the objects of a class are fingerprinted that is not one's own.

    Args:
        kind: the class; its subclasses are meant too.
        function: gives a value that has a fingerprint, and is the same exactly for objects that are.

    Example:
        >>> register_fingerprint(sqlite3.Connection, lambda db: db.execute("PRAGMA data_version").fetchone())
    """
    _registered[kind] = function
    _known.clear()


def _handler_for(kind: type) -> Handler:
    if kind is Placeholder:
        return _placeholder
    if hasattr(kind, "__flow_fingerprint__"):
        return _hooked
    for base in kind.__mro__:
        if base in _registered:
            return functools.partial(_by_function, _registered[base])
    if hasattr(kind, "__flow_code__"):
        return _code_hooked
    if kind.__name__ == "cython_function_or_method":
        return _refer
    for base in kind.__mro__:
        library = _LIBRARIES.get(base.__module__.partition(".")[0])
        if library is not None:
            found = import_module(f"interactive_flow.store.fingerprint.{library}").handler_for(kind)
            if found is not None:
                return found  # type: ignore[no-any-return]
    for base, handler in _BY_BASE:
        if issubclass(kind, base):
            return handler
    return _object


# -- scalars -----------------------------------------------------------------------------------------------------------


def _fixed(tag: bytes) -> Handler:
    def write_fixed(writer: Writer, value: Any) -> None:
        writer.out += tag

    return write_fixed


def _bool(writer: Writer, value: bool) -> None:
    writer.out += b"T;" if value else b"F;"


def _int(writer: Writer, value: int) -> None:
    writer.out += b"i%x;" % value


def _float(writer: Writer, value: float) -> None:
    writer.out += b"f"
    writer.out += struct.pack("<d", value)


def _complex(writer: Writer, value: complex) -> None:
    writer.out += b"c"
    writer.out += struct.pack("<dd", value.real, value.imag)


def _str(writer: Writer, value: str) -> None:
    writer.text(b"s", value)


def _bytes(writer: Writer, value: bytes) -> None:
    writer.out += b"b"
    writer.bulk(value, len(value))


def _bytearray(writer: Writer, value: bytearray) -> None:
    writer.volatile = True
    writer.out += b"B"
    writer.bulk(value, len(value))


def _memoryview(writer: Writer, value: memoryview) -> None:
    writer.volatile = True
    writer.named("memoryview", value.format, value.shape)
    writer.bulk(value.cast("B") if value.c_contiguous and value.nbytes else value.tobytes(), value.nbytes)


def _members(kind: str, members: Callable[[Any], tuple[Any, ...]], *, volatile: bool = False) -> Handler:
    """A handler for what is told by a few other values."""

    def write_members(writer: Writer, value: Any) -> None:
        writer.volatile = writer.volatile or volatile
        writer.named(kind, *members(value))

    return write_members


def _path(writer: Writer, value: pathlib.PurePath) -> None:
    writer.named("path", type(value).__name__, str(value))


def _enum(writer: Writer, value: enum.Enum) -> None:
    name: str | None = value._name_  # None for combinations of flags that have no name
    writer.named("enum", type(value), value._value_ if name is None else name)


# -- containers --------------------------------------------------------------------------------------------------------


def _list(writer: Writer, value: list[Any]) -> None:
    writer.volatile = True
    if writer.enter(value):
        writer.sequence(b"l", value)
        writer.leave(value)


def _tuple(writer: Writer, value: tuple[Any, ...]) -> None:
    if writer.enter(value):  # by way of a list it may contain itself
        writer.sequence(b"t", value)
        writer.leave(value)


def _dict(writer: Writer, value: dict[Any, Any]) -> None:
    writer.volatile = True
    if writer.enter(value):
        _items(writer, value)
        writer.leave(value)


def _items(writer: Writer, value: dict[Any, Any], start: str = "[{!r}]") -> None:
    """Writes keys and values; keys that are all texts, the usual case, in their own order."""
    key: Any = None
    try:
        if all([type(key) is str for key in value]):  # noqa: C419 - a generator would cost more
            writer.out += b"D%x;" % len(value)
            for key in sorted(value):
                writer.text(b"s", key)
                writer.write(value[key])
        else:
            digests = []
            for key, item in value.items():
                digests.append(writer.apart(key, item))
            writer.unordered(b"d", digests)
    except Unfit as error:
        raise error.below(start.format(key)) from None


def _set(writer: Writer, value: set[Any]) -> None:
    writer.volatile = True
    _any_set(writer, value, b"S")


def _frozenset(writer: Writer, value: frozenset[Any]) -> None:
    _any_set(writer, value, b"z")


def _any_set(writer: Writer, value: set[Any] | frozenset[Any], tag: bytes) -> None:
    if not writer.enter(value):
        return
    digests = []
    for item in value:
        try:
            digests.append(writer.apart(item))
        except Unfit as error:
            raise error.below(f"{{{item!r}}}") from None
    writer.unordered(tag, digests)
    writer.leave(value)


def _set_subclass(writer: Writer, value: Any) -> None:
    # pickle would be given the items in the order of their hashes
    writer.volatile = True
    writer.named("set", type(value), getattr(value, "__dict__", None))
    _any_set(writer, value, b"S")


# -- objects -----------------------------------------------------------------------------------------------------------


def _placeholder(writer: Writer, value: Any) -> None:
    raise Unfit("a placeholder cannot be fingerprinted; take its value, with wait()")


def _hooked(writer: Writer, value: Any) -> None:
    kind = type(value)
    _by_function(kind.__flow_fingerprint__, writer, value)


def _by_function(function: Callable[[Any], Any], writer: Writer, value: Any) -> None:
    writer.volatile = True
    if writer.enter(value):
        try:
            writer.named("hook", type(value).__qualname__, function(value))
        except Unfit as error:
            raise error.below(".__flow_fingerprint__()") from None
        writer.leave(value)


def _code_hooked(writer: Writer, value: Any) -> None:
    writer.volatile = True
    if writer.enter(value):
        writer.named("code", type(value).__flow_code__(value))
        writer.leave(value)


def _refer(writer: Writer, value: Any) -> None:
    if value.__class__ is type and value.__module__ == "builtins":
        writer.text(b"k", value.__qualname__)
    else:
        writer.refer(writer, value)


def _builtin(writer: Writer, value: Any) -> None:
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        writer.refer(writer, value)
    else:
        writer.named("method", owner, value.__name__)


def _method(writer: Writer, value: types.MethodType) -> None:
    function = value.__func__
    if origin_of(function).name == "ipython":  # `get_ipython` is one, of the shell with all that it holds
        writer.refer(writer, function)
    else:
        writer.volatile = True
        writer.named("method", value.__self__, function)


def _object(writer: Writer, value: Any) -> None:
    """Writes an object by its class and its state, as pickle would be told them."""
    kind = type(value)
    if hasattr(value, "__wrapped__") and callable(value) and not origin_of(kind).is_user:
        writer.refer(writer, value)  # a library's wrapper around a function
        return
    writer.volatile = True
    if not writer.enter(value):
        return
    writer.text(b"o", "object")
    _refer(writer, kind)
    reduced = _reduced(value)
    if isinstance(reduced, str):
        writer.named("global", getattr(value, "__module__", None), reduced)
    else:
        _rebuilt(writer, value, *reduced)
    writer.leave(value)


def _reduced(value: Any) -> Any:
    kind = type(value)
    try:
        reduce = copyreg.dispatch_table.get(kind)
        return reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Unfit:
        raise
    except Exception as error:
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        raise Unfit(f"a {name} cannot be fingerprinted") from error


def _rebuilt(
    writer: Writer,
    value: Any,
    make: Any,
    args: tuple[Any, ...],
    state: Any = None,
    items: Iterable[Any] | None = None,
    pairs: Iterable[tuple[Any, Any]] | None = None,
    setter: Any = None,
) -> None:
    """Writes what `copyreg` and pickle would make the object of again."""
    kind = type(value)
    if make is copyreg.__newobj__ and args and args[0] is kind:  # type: ignore[attr-defined]
        args = args[1:]
    else:
        writer.write(None if make is kind else make)
    writer.sequence(b"t", args)
    _state(writer, kind, state)
    if items is not None:
        writer.sequence(b"l", list(items))
    if pairs is not None:
        if isinstance(value, OrderedDict):
            writer.sequence(b"l", list(pairs))
        else:
            _items(writer, dict(pairs))
    if setter is not None:
        writer.write(setter)


def _state(writer: Writer, kind: type, state: Any) -> None:
    """Writes attributes, without those that were only computed from the others and kept."""
    slots = None
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state, slots = state
    for attributes in (state, slots):
        if type(attributes) is dict:
            kept = {
                name: item
                for name, item in attributes.items()
                if not isinstance(
                    getattr(kind, name, None) if isinstance(name, str) else None, functools.cached_property
                )
            }
            _items(writer, kept, ".{}")
        else:
            writer.write(attributes)


def _is_cached(kind: type, name: Any) -> bool:
    return isinstance(name, str) and isinstance(getattr(kind, name, None), functools.cached_property)


_EXACT: dict[type, Handler] = {
    type(None): _fixed(b"N;"),
    types.EllipsisType: _fixed(b"E;"),
    types.NotImplementedType: _fixed(b"U;"),
    bool: _bool,
    int: _int,
    float: _float,
    complex: _complex,
    str: _str,
    bytes: _bytes,
    bytearray: _bytearray,
    memoryview: _memoryview,
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    range: _members("range", lambda value: (value.start, value.stop, value.step)),
    slice: _members("slice", lambda value: (value.start, value.stop, value.step)),
    array.array: _members("array", lambda value: (value.typecode, value.tobytes()), volatile=True),
    datetime.date: _members("date", lambda value: (value.isoformat(),)),
    datetime.time: _members("time", lambda value: (value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)),
    datetime.datetime: _members(
        "datetime", lambda value: (value.replace(tzinfo=None).isoformat(), value.fold, value.tzinfo)
    ),
    datetime.timedelta: _members("timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    decimal.Decimal: _members("Decimal", lambda value: (str(value),)),
    fractions.Fraction: _members("Fraction", lambda value: (value.numerator, value.denominator)),
    uuid.UUID: _members("UUID", lambda value: (value.int,)),
    re.Pattern: _members("pattern", lambda value: (value.pattern, value.flags)),
    types.SimpleNamespace: _members("namespace", lambda value: (vars(value),), volatile=True),
    types.MappingProxyType: _members("mappingproxy", lambda value: (dict(value),), volatile=True),
    types.MethodType: _method,
    functools.partial: _members(
        "partial", lambda value: (value.func, value.args, value.keywords, vars(value)), volatile=True
    ),
    functools.partialmethod: _members(
        "partialmethod", lambda value: (value.func, value.args, value.keywords), volatile=True
    ),
    staticmethod: _members("staticmethod", lambda value: (value.__func__,), volatile=True),
    classmethod: _members("classmethod", lambda value: (value.__func__,), volatile=True),
    property: _members("property", lambda value: (value.fget, value.fset, value.fdel), volatile=True),
    functools.cached_property: _members("cached_property", lambda value: (value.func,), volatile=True),
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: _members("method", lambda value: (value.__self__, value.__name__), volatile=True),
    # These have no influence on what a function gives, or none that lasts.
    type(threading.Lock()): _fixed(b"L;"),
    type(threading.RLock()): _fixed(b"L;"),
    threading.local: _fixed(b"L;"),
    ContextVar: _members("contextvar", lambda value: (value.name,)),
    FileContent: write_content,
}

for _descriptor in (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
):
    _EXACT[_descriptor] = _members("descriptor", lambda value: (value.__objclass__, value.__name__))

_BY_BASE: list[tuple[Any, Handler]] = [
    (enum.Enum, _enum),
    (CODE, _refer),
    (pathlib.PurePath, _path),
    ((set, frozenset), _set_subclass),
]

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
from collections.abc import Callable
from contextvars import ContextVar
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from interactive_flow.engine.placeholder import Placeholder
from interactive_flow.store.fingerprint.containers import (
    write_dict,
    write_frozenset,
    write_list,
    write_set,
    write_set_subclass,
    write_tuple,
)
from interactive_flow.store.fingerprint.files import FileContent, write_content
from interactive_flow.store.fingerprint.objects import (
    refuse_placeholder,
    write_builtin,
    write_by_function,
    write_code,
    write_code_hooked,
    write_hooked,
    write_method,
    write_object,
    write_stored,
)
from interactive_flow.store.fingerprint.writer import Writer
from interactive_flow.store.lazy import StoredValue

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
    if hasattr(kind, "__flow_fingerprint__"):
        return write_hooked
    for base in kind.__mro__:
        if base in _registered:
            return functools.partial(write_by_function, _registered[base])
    if hasattr(kind, "__flow_code__"):
        return write_code_hooked
    if kind.__name__ == "cython_function_or_method":
        return write_code
    for base in kind.__mro__:
        library = _LIBRARIES.get(base.__module__.partition(".")[0])
        if library is not None:
            found = import_module(f"interactive_flow.store.fingerprint.{library}").handler_for(kind)
            if found is not None:
                return found  # type: ignore[no-any-return]
    for base, handler in _BY_BASE:
        if issubclass(kind, base):
            return handler
    return write_object


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


# -- who writes which ----------------------------------------------------------------------------------------------

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
    list: write_list,
    tuple: write_tuple,
    dict: write_dict,
    set: write_set,
    frozenset: write_frozenset,
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
    types.MethodType: write_method,
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
    types.BuiltinFunctionType: write_builtin,
    types.MethodWrapperType: _members("method", lambda value: (value.__self__, value.__name__), volatile=True),
    # These have no influence on what a function gives, or none that lasts.
    type(threading.Lock()): _fixed(b"L;"),
    type(threading.RLock()): _fixed(b"L;"),
    threading.local: _fixed(b"L;"),
    ContextVar: _members("contextvar", lambda value: (value.name,)),
    FileContent: write_content,
    Placeholder: refuse_placeholder,
    StoredValue: write_stored,
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
    (CODE, write_code),
    (pathlib.PurePath, _path),
    ((set, frozenset), write_set_subclass),
]

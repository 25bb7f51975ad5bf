"""What counts of a class, besides its bases: its methods, its attributes, and what generated methods are made from.

Methods that ``@dataclass``, attrs and named tuples generate are left out; the fields that they were made from count
instead.  So does the order of fields; that of methods does not.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
import types
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from interactive_flow.store.fingerprint.origin import place_of

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_GENERATED = ("<string>", "<attrs generated")
_GENERATORS = ("__dataclass_fields__", "__attrs_attrs__", "_fields")
_INTERNAL = frozenset({"_abc_impl", "__annotate__", "__annotate_func__"})
_METHODS = (types.FunctionType, staticmethod, classmethod, property)
_NOT_COUNTED = (types.MemberDescriptorType, types.GetSetDescriptorType)


def attributes(cls: type) -> Iterator[tuple[str, Any]]:
    """The names in the body of a class that count, in alphabetical order, and what they stand for."""
    generated = any(name in vars(cls) for name in _GENERATORS)
    members = set(cls.__members__) if issubclass(cls, enum.Enum) else set()
    for name, value in sorted(vars(cls).items()):
        method = isinstance(value, _METHODS)
        special = name.startswith("__") and name.endswith("__")
        if name in members or name in _INTERNAL or isinstance(value, _NOT_COUNTED):
            continue
        if method and generated and _is_generated(value):
            continue
        if not method and ((special and name != "__slots__") or (issubclass(cls, enum.Enum) and name.startswith("_"))):
            continue
        if generated and type(value).__name__ == "_tuplegetter":
            continue
        yield name, value


def made_from(cls: type) -> Iterator[tuple[str, Any]]:
    """The fields and members of a class, in their order, each with what is said about it."""
    texts = {name: _text(annotation) for name, annotation in _annotations(cls).items()}
    if texts:
        yield "fields", tuple(texts.items())
    if "__dataclass_fields__" in vars(cls):
        yield "dataclass", repr(vars(cls)["__dataclass_params__"])
        for field in dataclasses.fields(cls):
            default = None if field.default is dataclasses.MISSING else (field.default,)
            factory = None if field.default_factory is dataclasses.MISSING else (field.default_factory,)
            flags = (field.init, field.repr, field.hash, field.compare, field.kw_only)
            yield f"field {field.name}", (default, factory, flags, dict(field.metadata) or None)
    for attribute in vars(cls).get("__attrs_attrs__", ()):
        names = ("default", "validator", "converter", "init", "kw_only", "eq", "order", "hash")
        yield f"field {attribute.name}", tuple(getattr(attribute, name) for name in names)
    if issubclass(cls, enum.Enum):
        yield "members", tuple((name, member._value_) for name, member in cls.__members__.items())


def place_of_class(cls: type) -> str | None:
    """Where a class stands, as far as it or its methods tell."""
    line = vars(cls).get("__firstlineno__")  # since Python 3.13
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    for value in vars(cls).values():
        function = _function_of(value)
        if function is not None and not _is_generated(value) and function.__module__ == cls.__module__:
            file, line = function.__code__.co_filename, line or function.__code__.co_firstlineno
            break
    if file is None:
        return None
    return place_of(file, line) if line is not None else PurePath(file).name


def _function_of(value: Any) -> types.FunctionType | None:
    value = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
    try:
        value = inspect.unwrap(value)
    except ValueError:
        return None
    return value if isinstance(value, types.FunctionType) else None


def _is_generated(value: Any) -> bool:
    function = _function_of(value)
    return function is not None and function.__code__.co_filename.startswith(_GENERATED)


def _annotations(cls: type) -> dict[str, Any]:
    if sys.version_info >= (3, 14):  # they are worked out when somebody asks, and may fail then; as texts they do not
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)
    return inspect.get_annotations(cls)


def _text(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _ADDRESS.sub("", text)

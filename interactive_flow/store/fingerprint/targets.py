"""The definitions that a value refers to: which functions and classes count with it, and how they are called."""

from __future__ import annotations

import inspect
import types
from typing import Any

from interactive_flow.store.fingerprint import values
from interactive_flow.store.fingerprint.origin import PYTHON, origin_of
from interactive_flow.store.fingerprint.source import info_of
from interactive_flow.store.fingerprint.writer import Writer


def name_of(definition: Any) -> str:
    """Module and qualified name, such as ``"helpers.text:clean"``; of a module its name."""
    module = getattr(definition, "__module__", None) or getattr(
        getattr(definition, "__self__", None), "__name__", type(definition).__module__
    )
    name = getattr(definition, "__qualname__", None) or getattr(definition, "__name__", type(definition).__qualname__)
    return str(name) if isinstance(definition, types.ModuleType) else f"{module}:{name}"


def wrapped_by(definition: Any) -> list[Any]:
    """The user's functions and classes that a library's function carries with it: those that it decorates."""
    found = [getattr(definition, "__wrapped__", None)]
    for cell in getattr(definition, "__closure__", None) or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:
            continue
    registry = getattr(definition, "registry", None)  # of functools.singledispatch
    if isinstance(registry, types.MappingProxyType):
        found += [registry[kind] for kind in sorted(registry, key=name_of)]
    carried: dict[int, Any] = {}
    for value in found:
        if isinstance(value, values.CODE) and (origin_of(value).is_user or origin_of(_innermost(value)).is_user):
            carried[id(value)] = value
    return list(carried.values())


def _innermost(function: Any) -> Any:
    try:
        return inspect.unwrap(function)
    except ValueError:  # it wraps itself
        return function


def read(value: Any) -> tuple[bytes, list[Any]]:
    """The digest of a value, and the definitions that it refers to; of these the digest has only a sketch."""
    digest, targets, _ = read_value(value)
    return digest, targets


def read_value(value: Any) -> tuple[bytes, list[Any], bool]:
    """As `read`, and whether the value can change without becoming another object.

    Raises:
        Unfit: it has no fingerprint.
    """
    targets: list[tuple[bytes, Any]] = []

    def refer(writer: Writer, definition: Any) -> None:
        sketch = _sketch(definition)
        writer.out += b"R"
        writer.bulk(sketch, len(sketch))
        if origin_of(definition) is not PYTHON or wrapped_by(definition):
            targets.append((sketch, definition))

    writer = Writer(values.write, refer)
    writer.write(value)
    # What is in a set comes in any order; definitions of the same sketch keep theirs.
    targets.sort(key=lambda target: target[0])
    return writer.digest(), [definition for _, definition in targets], writer.volatile


def _sketch(definition: Any) -> bytes:
    if isinstance(definition, types.FunctionType) and origin_of(definition).is_user:
        return info_of(definition.__code__, definition.__globals__).digest
    if isinstance(definition, type) and origin_of(definition).is_user:
        return definition.__qualname__.encode()
    return name_of(definition).encode()


def stands_for(code: Any) -> Any:
    """The function that a task, or another object with a `__flow_code__` method, is made of."""
    while not isinstance(code, type) and hasattr(type(code), "__flow_code__"):
        code = type(code).__flow_code__(code)
    return code

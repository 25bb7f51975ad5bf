"""How objects are written: by what a hook says of them, as code, or by their class and the state that pickle sees."""

from __future__ import annotations

import copyreg
import functools
import types
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from interactive_flow.store.fingerprint.containers import write_items
from interactive_flow.store.fingerprint.origin import origin_of
from interactive_flow.store.fingerprint.writer import Unfit, Writer
from interactive_flow.store.lazy import loaded


def refuse_placeholder(writer: Writer, value: Any) -> None:
    """Says what to do instead."""
    raise Unfit("a placeholder cannot be fingerprinted; take its value, with wait()")


def write_stored(writer: Writer, value: Any) -> None:
    """Writes what is in a store like the value that it stands for."""
    writer.write(loaded(value))


def write_hooked(writer: Writer, value: Any) -> None:
    """Writes what the object's own method says of it."""
    kind = type(value)
    write_by_function(kind.__flow_fingerprint__, writer, value)


def write_by_function(function: Callable[[Any], Any], writer: Writer, value: Any) -> None:
    """Writes what a function says of the object."""
    writer.volatile = True
    if writer.enter(value):
        try:
            writer.named("hook", type(value).__qualname__, function(value))
        except Unfit as error:
            raise error.below(".__flow_fingerprint__()") from None
        writer.leave(value)


def write_code_hooked(writer: Writer, value: Any) -> None:
    """Writes the code that the object stands for."""
    writer.volatile = True
    if writer.enter(value):
        writer.named("code", type(value).__flow_code__(value))
        writer.leave(value)


def write_code(writer: Writer, value: Any) -> None:
    """Writes a function, a class or a module."""
    if value.__class__ is type and value.__module__ == "builtins":
        writer.text(b"k", value.__qualname__)
    else:
        writer.refer(writer, value)


def write_builtin(writer: Writer, value: Any) -> None:
    """Writes a function that is not written in Python, or a method of such an object."""
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        writer.refer(writer, value)
    else:
        writer.named("method", owner, value.__name__)


def write_method(writer: Writer, value: types.MethodType) -> None:
    """Writes a bound method: function and object."""
    function = value.__func__
    if origin_of(function).name == "ipython":  # `get_ipython` is one, of the shell with all that it holds
        writer.refer(writer, function)
    else:
        writer.volatile = True
        writer.named("method", value.__self__, function)


def write_object(writer: Writer, value: Any) -> None:
    """Writes an object by its class and its state, as pickle would be told them."""
    kind = type(value)
    if hasattr(value, "__wrapped__") and callable(value) and not origin_of(kind).is_user:
        writer.refer(writer, value)  # a library's wrapper around a function
        return
    writer.volatile = True
    if not writer.enter(value):
        return
    writer.text(b"o", "object")
    write_code(writer, kind)
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
            write_items(writer, dict(pairs))
    if setter is not None:
        writer.write(setter)


def _state(writer: Writer, kind: type, state: Any) -> None:
    """Writes attributes, without those that were only computed from the others and kept."""
    slots = None
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state, slots = state
    for attributes in (state, slots):
        if type(attributes) is dict:
            kept = {name: item for name, item in attributes.items() if not _is_cached(kind, name)}
            write_items(writer, kept, ".{}")
        else:
            writer.write(attributes)


def _is_cached(kind: type, name: Any) -> bool:
    return isinstance(name, str) and isinstance(getattr(kind, name, None), functools.cached_property)

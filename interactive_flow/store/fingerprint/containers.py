"""How containers are written: by their members; dicts and sets in no order, and what contains itself as such."""

from __future__ import annotations

from typing import Any

from interactive_flow.store.fingerprint.writer import Unfit, Writer


def write_list(writer: Writer, value: list[Any]) -> None:
    """Writes a list: its members, in their order."""
    writer.volatile = True
    if writer.enter(value):
        writer.sequence(b"l", value)
        writer.leave(value)


def write_tuple(writer: Writer, value: tuple[Any, ...]) -> None:
    """Writes a tuple, likewise."""
    if writer.enter(value):  # by way of a list it may contain itself
        writer.sequence(b"t", value)
        writer.leave(value)


def write_dict(writer: Writer, value: dict[Any, Any]) -> None:
    """Writes a dict: keys and values, whatever their order."""
    writer.volatile = True
    if writer.enter(value):
        write_items(writer, value)
        writer.leave(value)


def write_items(writer: Writer, value: dict[Any, Any], start: str = "[{!r}]") -> None:
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


def write_set(writer: Writer, value: set[Any]) -> None:
    """Writes a set: its members, whatever their order."""
    writer.volatile = True
    _any_set(writer, value, b"S")


def write_frozenset(writer: Writer, value: frozenset[Any]) -> None:
    """Writes a frozen set, likewise."""
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


def write_set_subclass(writer: Writer, value: Any) -> None:
    """Writes an instance of a subclass of `set` or `frozenset`: its members and its attributes."""
    # pickle would be given the items in the order of their hashes
    writer.volatile = True
    writer.named("set", type(value), getattr(value, "__dict__", None))
    _any_set(writer, value, b"S")

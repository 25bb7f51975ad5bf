"""Short, safe texts for values: what a panel or a message may show of somebody's argument or result.

A view never prints a value's own ``repr`` unguarded: it may be a megabyte long, raise, or force a placeholder.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

_NO_NAMES: Mapping[int, str] = {}


class _Brief(reprlib.Repr):
    def __init__(self, names: Mapping[int, str] = _NO_NAMES) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 4
        self.maxlevel = 3
        self.maxstring = self.maxother = 60
        self._names = names

    def repr_Reference(self, value: int, level: int) -> str:  # noqa: N802 - reprlib looks for the type's name
        """The id of the call, where it is known."""
        return self._names.get(value) or repr(value)

    def repr_Placeholder(self, value: Any, level: int) -> str:  # noqa: N802 - reprlib looks for the type's name
        """What it stands for, whether that is there already or not."""
        return str(type(value).__flow_brief__(value))

    def repr_StoredValue(self, value: Any, level: int) -> str:  # noqa: N802 - reprlib looks for the type's name
        """The line that was stored with it, so that nothing is loaded."""
        return repr(value)

    def repr_Shown(self, value: Any, level: int) -> str:  # noqa: N802 - reprlib looks for the type's name
        """The line that was stored in its place."""
        return repr(value)


_repr = _Brief()


def brief(value: Any, limit: int = 80, names: Mapping[int, str] | None = None) -> str:
    """One line of at most `limit` characters that shows `value`; never raises.

    A placeholder is shown as what it stands for (``encode_video#2``), without waiting for it; so is a `Reference`,
    where `names` has the id of its call.

    Example:
        >>> brief("x" * 1000, limit=20)
        "'xxxxxxx...xxxxxxxx'"
    """
    try:
        text = (_Brief(names) if names else _repr).repr(value)
    except Exception as error:
        text = f"<{type(value).__name__}: its repr raised {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def brief_error(error: BaseException) -> str:
    """An exception in a line: its class, and the first line of its message."""
    try:
        text = str(error).strip()
    except Exception:
        text = ""
    first = text.splitlines()[0] if text else ""
    return f"{type(error).__name__}: {first}"[:300] if first else type(error).__name__


def brief_call(
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    limit: int = 120,
    names: Mapping[int, str] | None = None,
) -> str:
    """A call as it would be written, arguments shortened: ``encode_video(embed_subtitles#1, 'mp4')``."""
    parts = [brief(value, 40, names) for value in args]
    parts += [f"{key}={brief(value, 40, names)}" for key, value in (kwargs or {}).items()]
    text = f"{name}({', '.join(parts)})"
    return text if len(text) <= limit else text[: limit - 1] + "…"

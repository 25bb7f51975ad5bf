"""Short, safe texts for values: what a panel or a message may show of somebody's argument or result.

A view never prints a value's own ``repr`` unguarded: it may be a megabyte long, raise, or force a placeholder.
"""

from __future__ import annotations

import reprlib
from typing import Any


class _Brief(reprlib.Repr):
    def repr_Placeholder(self, value: Any, level: int) -> str:  # noqa: N802 - reprlib looks for the type's name
        """What it stands for, whether that is there already or not."""
        return str(type(value).__flow_brief__(value))


_repr = _Brief()
_repr.maxlist = _repr.maxtuple = _repr.maxset = _repr.maxfrozenset = _repr.maxdict = 4
_repr.maxlevel = 3
_repr.maxstring = _repr.maxother = 60


def brief(value: Any, limit: int = 80) -> str:
    """One line of at most `limit` characters that shows `value`; never raises.

    A placeholder is shown as what it stands for (``encode_video#2``), without waiting for it.

    Example:
        >>> brief("x" * 1000, limit=20)
        "'xxxxxxx...xxxxxxxx'"
    """
    try:
        text = _repr.repr(value)
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


def brief_call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any] | None, limit: int = 120) -> str:
    """A call as it would be written, arguments shortened: ``encode_video(embed_subtitles#1, 'mp4')``."""
    parts = [brief(value, 40) for value in args]
    parts += [f"{key}={brief(value, 40)}" for key, value in (kwargs or {}).items()]
    text = f"{name}({', '.join(parts)})"
    return text if len(text) <= limit else text[: limit - 1] + "…"

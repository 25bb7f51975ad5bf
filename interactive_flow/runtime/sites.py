"""Lines of people's code: which of them made a call, and in which notebook cell they stand.

A site is looked up for every call, so sites are made once and kept: the second call from a line costs two lookups.
They are plain tuples, as the event log keeps them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from interactive_flow.model.log import PlainSite

CellLookup = Callable[[str], "int | None"]
"""From a file name as in a code object to the execution count of the notebook cell it stands for."""

_PACKAGE = __name__.partition(".")[0] + "."
_sites: dict[str, dict[int, PlainSite]] = {}
_cell_of: CellLookup | None = None


def set_cell_lookup(lookup: CellLookup | None) -> None:
    """Registers who knows which file name stands for which notebook cell; forgets the sites known so far."""
    global _cell_of
    _cell_of = lookup
    _sites.clear()


def site_of(frame: FrameType) -> PlainSite:
    """The line that this frame is at."""
    code = frame.f_code
    lines = _sites.get(code.co_filename)
    if lines is None:
        lines = _sites[code.co_filename] = {}
    line = frame.f_lineno
    site = lines.get(line)
    if site is None or site[2] != code.co_name:
        cell = _cell_of(code.co_filename) if _cell_of is not None else None
        site = lines[line] = (code.co_filename, line, code.co_name, cell)
    return site


def calling_site(file: str | None, above: int = 1) -> PlainSite | None:
    """The innermost line of workflow code on the stack: in `file` if there is one, else outside this package.

    Args:
        file: where the workflow's code stands.
        above: how many frames above this one can be passed over, because they are of this package.
    """
    frame: FrameType | None = sys._getframe(above)
    outside: FrameType | None = None
    while frame is not None:
        if frame.f_code.co_filename == file:
            return site_of(frame)
        if outside is None and not frame.f_globals.get("__name__", "").startswith(_PACKAGE):
            outside = frame
        frame = frame.f_back
    return site_of(outside) if outside is not None else None

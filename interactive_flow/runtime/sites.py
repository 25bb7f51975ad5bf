"""Lines of people's code: which of them made a call, and in which notebook cell they stand.

A site is looked up for every call, so sites are made once and kept: the second call from a place costs two lookups.
They are kept by instruction, since to tell the line of an instruction Python goes through all that stand before it,
which in the middle of a long function takes longer than the call.  Sites are plain tuples, as the event log keeps them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType, FrameType

from interactive_flow.model.log import PlainSite

CellLookup = Callable[[str], "int | None"]
"""From a file name as in a code object to the execution count of the notebook cell it stands for."""

_PACKAGE = __name__.partition(".")[0] + "."
_MOST = 4096
"""Functions whose sites are kept; in a notebook every cell that is run is a new one."""

_sites: dict[int, tuple[CodeType, dict[int, PlainSite]]] = {}
"""By the identity of a function's code, which is held so that nothing else takes its identity; by instruction."""

_cell_of: CellLookup | None = None


def set_cell_lookup(lookup: CellLookup | None) -> None:
    """Registers who knows which file name stands for which notebook cell; forgets the sites known so far."""
    global _cell_of
    _cell_of = lookup
    _sites.clear()


def site_of(frame: FrameType) -> PlainSite:
    """The line that this frame is at."""
    code = frame.f_code
    known = _sites.get(id(code))
    if known is None:
        if len(_sites) >= _MOST:
            _sites.clear()
        known = _sites[id(code)] = code, {}
    site = known[1].get(frame.f_lasti)
    if site is None:
        cell = _cell_of(code.co_filename) if _cell_of is not None else None
        site = known[1][frame.f_lasti] = (code.co_filename, frame.f_lineno, code.co_name, cell)
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

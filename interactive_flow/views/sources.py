"""The code around a line: what the record has of it, else what can be found where it stands now.

A record knows the source of the run's own workflow.  Lines elsewhere (sub-workflows, functions that were called by
workflow code) are looked up by `linecache`, which knows the cells of a notebook too; that is the code as it is now.
"""

from __future__ import annotations

import ast
import linecache
import textwrap
from dataclasses import dataclass

from interactive_flow.model.events import Site
from interactive_flow.model.record import RunRecord

AROUND = 4
"""Lines shown before and after one whose function cannot be told."""

LINES_SHOWN = 200
"""Lines of one listing."""

_LONG = 20_000
"""Lines of a file beyond which it is not read as a whole."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Some lines of code.

    Attributes:
        title: what they are, for people.
        file: where they stand.
        first_line: the number of the first of them in that file, from 1.
        lines: the lines, without their ends.
        recorded: True where the run kept them; else they are what stands there now.
    """

    title: str
    file: str
    first_line: int
    lines: tuple[str, ...]
    recorded: bool

    def has(self, site: Site) -> bool:
        """True where the line of `site` is among them."""
        return site.file == self.file and self.first_line <= site.line < self.first_line + len(self.lines)

    def text(self, site: Site) -> str:
        """The line of `site`, without its indentation."""
        return self.lines[site.line - self.first_line].strip()

    @property
    def source(self) -> str:
        """The lines as one text, with as little indentation as they have in common taken away."""
        return textwrap.dedent("\n".join(self.lines))


class Sources:
    """The listings of a run: one for each function that its sites are in, in order of first use."""

    def __init__(self, record: RunRecord) -> None:
        self.listings: list[Listing] = []
        self._number: dict[Site, int | None] = {}
        self._own: Listing | None = None
        if record.source and record.file:
            lines = tuple(record.source.rstrip("\n").split("\n"))
            self._own = Listing(record.name or "workflow", record.file, record.first_line or 1, lines, True)

    def number(self, site: Site | None) -> int | None:
        """The position in `listings` of the one with this line; None where there is no code to be had."""
        if site is None:
            return None
        if site not in self._number:
            self._number[site] = self._find(site)
        return self._number[site]

    def at(self, site: Site | None) -> Listing | None:
        """The listing with this line."""
        number = self.number(site)
        return None if number is None else self.listings[number]

    def line(self, site: Site | None) -> str:
        """The text of a line; ``""`` where it is not known."""
        listing = self.at(site)
        return listing.text(site) if listing and site else ""

    def _find(self, site: Site) -> int | None:
        for number, listing in enumerate(self.listings):
            if listing.has(site):
                return number
        found = self._own if self._own is not None and self._own.has(site) else _look_up(site)
        if found is None:
            return None
        self.listings.append(found)
        return len(self.listings) - 1


def _look_up(site: Site) -> Listing | None:
    try:
        lines = linecache.getlines(site.file)
    except Exception:  # whatever a loader of somebody's raises: no view ever does
        return None
    if not 1 <= site.line <= len(lines):
        return None
    first, last = max(site.line - AROUND, 1), min(site.line + AROUND, len(lines))
    if len(lines) <= _LONG:
        first, last = _function_around(lines, site.line) or (first, last)
    if last - first >= LINES_SHOWN:
        first = max(first, site.line - LINES_SHOWN // 2)
        last = min(last, first + LINES_SHOWN - 1)
    shown = tuple(line.rstrip("\n") for line in lines[first - 1 : last])
    return Listing(site.function or "code", site.file, first, shown, False)


def _function_around(lines: list[str], line: int) -> tuple[int, int] | None:
    """The first and the last line of the outermost function, or class, with this line in it."""
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):  # cells may have magics
        return None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= line <= (node.end_lineno or first):
                return first, node.end_lineno or first
    return None

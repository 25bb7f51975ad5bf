"""What a benchmark run has to say: targets with the ratios reached, tables, and the page that keeps them."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field

from measure import NotMeasured

PASSED, FAILED, UNKNOWN = "pass", "FAIL", "not measured"


@dataclass(frozen=True, slots=True)
class Target:
    """A promise, and what was reached.

    Attributes:
        text: what is compared with what.
        reached: the figure; None where it could not be measured, and `note` says why.
        bound: what the figure is held against.
        at_least: True where more is better.
        cpu: the same figure by processor time, which a busy machine disturbs less; None where there is none.
        note: a remark, such as which peer was the best.
    """

    text: str
    reached: float | None
    bound: float
    at_least: bool = False
    cpu: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """``"pass"``, ``"FAIL"`` or ``"not measured"``; by the clock, never by processor time."""
        if self.reached is None:
            return UNKNOWN
        kept = self.reached >= self.bound if self.at_least else self.reached <= self.bound
        return PASSED if kept else FAILED

    def cells(self) -> list[str]:
        """For a table: text, bound, reached, by processor time, verdict, note."""
        sign = "≥" if self.at_least else "≤"
        return [
            self.text,
            f"{sign} {number(self.bound)}",
            number(self.reached),
            number(self.cpu),
            self.verdict,
            self.note,
        ]


def target(
    text: str,
    reached: Callable[[], float],
    bound: float,
    *,
    at_least: bool = False,
    cpu: Callable[[], float] | None = None,
    note: str = "",
) -> Target:
    """A target whose figures are worked out by functions that may raise `NotMeasured`."""
    try:
        return Target(text, reached(), bound, at_least, cpu() if cpu is not None else None, note)
    except NotMeasured as reason:
        return Target(text, None, bound, at_least, None, str(reason))


@dataclass(slots=True)
class Table:
    """Rows under a header; every cell is text, and all but the first column are aligned to the right."""

    header: list[str]
    rows: list[list[str]]


@dataclass(slots=True)
class Section:
    """What one group of benchmarks has found.

    Attributes:
        title: of the group.
        text: what was measured, in Markdown.
        targets, tables: what was found.
        load: load averages over one minute, before and after.
        seconds: how long it took to measure.
    """

    title: str
    text: str
    targets: list[Target] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    load: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0


def number(value: float | None) -> str:
    """A figure in three digits or so; a dash for none."""
    if value is None:
        return "–"
    if value == 0 or abs(value) >= 100:
        return whole(value)
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def whole(value: float) -> str:
    """A whole number, its thousands apart."""
    return f"{value:,.0f}".replace(",", "\u202f")


TARGET_HEADER = ["target", "bound", "reached", "by CPU time", "", ""]


def targets_table(sections: list[Section]) -> Table:
    """All targets of all sections."""
    return Table(TARGET_HEADER, [target.cells() for section in sections for target in section.targets])


def as_text(table: Table) -> str:
    """A table for a terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(table.header, *table.rows, strict=True)]
    lines = []
    for row in (table.header, *table.rows):
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:-1], widths[1:-1], strict=True)), row[-1]]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def as_markdown(table: Table) -> str:
    """A table for a page."""
    rows = [table.header, ["---", *("---:" for _ in table.header[1:])], *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def environment() -> str:
    """The machine in a line, without anything that identifies it."""
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
        f"{platform.release().split('-')[0]}, {platform.machine()}, {os.cpu_count()} processors"
    )


_HEAD = """\
# Benchmarks

`make bench` measures, in one run and on the same work, what this package costs and what others do, and writes this
page. `python benchmarks/run.py --quick` takes three minutes and leaves out the peers that are slow to start; `--only
NAME` runs one group. Each figure is the median of several measurements, each in a fresh process, those that are
compared in turn (A B A B …). Peers are optional (`pip install -r benchmarks/requirements.txt`); one that is missing or
breaks is reported as such.

Ratios are only comparable within a run. *By CPU time* is the same ratio by the processor time of the measuring process,
which other work on the machine disturbs less; the verdict goes by the clock. Where the machine changes its speed, as
virtual ones do, a ratio is made only of measurements at the same speed, so it need not be that of the figures in the
tables. [Performance](performance.md) says where the time goes.
"""


def page(sections: list[Section], versions: list[str]) -> str:
    """The page ``docs/benchmarks.md``."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    parts = [_HEAD, f"Measured on {today} with {environment()}. Versions: {', '.join(versions)}.\n"]
    parts += ["## Targets\n", as_markdown(targets_table(sections)) + "\n"]
    parts += ["![Microseconds a call in the five patterns, by engine](benchmarks.svg)\n"]
    for section in sections:
        before, after = section.load
        parts += [f"## {section.title}\n", section.text + "\n"]
        parts += [as_markdown(table) + "\n" for table in section.tables]
        parts += [f"Load average {before:.1f} before, {after:.1f} after; {section.seconds:.0f} s.\n"]
    return "\n".join(parts)

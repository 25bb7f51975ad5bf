"""A run as a block of plain text: the ``text/plain`` twin of the panel, for terminals, logs and saved notebooks.

No colours, no cursor movements; lines are cut at a fixed width, and the same record always gives the same text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.views.html import count_texts, done_text, eta_text, row_texts, time_text
from interactive_flow.views.markup import clean, counted, grouped, one_line, short_id
from interactive_flow.views.sections import brief_error, not_reused, root_failures
from interactive_flow.views.states import error_line
from interactive_flow.views.style import RETRIED, RUN_SYMBOLS, STALE, SYMBOLS
from interactive_flow.views.summary import Row, Summary, summarise

ENTRIES_SHOWN = 10
"""How many rows, errors or ids are written before the rest is only counted."""

_ROWS_SHOWN = 40
_BAR = 12


def text_snapshot(record: RunRecord, width: int = 78, now: float | None = None) -> str:
    """`record` as it stands, as text.

    Args:
        record: the run.
        width: characters a line, at least 40.
        now: seconds since the run's start, where the clock has moved on since the last event.

    Example:
        >>> print(text_snapshot(record))
        process_video  ✓ succeeded  in 2.50 s                                 r-2f9c
        [########################################]  9 of 9 calls done
          embed_subtitles    ████████████  1/1  499 ms
          ...
    """
    width = max(width, 40)
    summary = summarise(record, now)
    lines = [_head(summary, width), *_overall(summary, width), *_rows(summary, width)]
    lines += [*_errors(record), *_not_needed(record, width), *_not_reused(record, width), *_stale(record, width)]
    if record.status is RunStatus.SUCCEEDED and not record.session:
        lines.append(f"result: {record.describe_value()}")
    return "\n".join(_cut(clean(line), width) for line in lines)


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _head(summary: Summary, width: int) -> str:
    head = f"{one_line(summary['name'], 40) or 'run'}  {RUN_SYMBOLS[summary['status']]} {summary['status']}"
    head += f"  {time_text(summary)}"
    if eta_text(summary):
        head += f"  {eta_text(summary)}"
    return head + f"{one_line(summary['run'], 20):>{max(width - len(head), len(summary['run']) + 2)}}".rstrip()


def _overall(summary: Summary, width: int) -> Iterator[str]:
    counts = summary["counts"]
    lost = summary["failed"] + counts["cancelled"]
    yield f"{_bar(summary['done'], lost, counts['running'], summary['known'], 30)}  {done_text(summary)}"
    texts = [f"{SYMBOLS[state]} {text}" for state, text in count_texts(summary)]
    if summary["retried"]:
        texts.append(f"{RETRIED} {grouped(summary['retried'])} retried")
    if summary["stale"]:
        texts.append(f"{STALE} {grouped(summary['stale'])} stale")
    if texts:
        yield from textwrap.wrap("  ".join(texts), width, break_long_words=False)


def _bar(done: int, lost: int, running: int, total: int, length: int) -> str:
    """Full blocks for what is done, broken ones for what will have no value, shaded ones for what runs.

    Something of each always shows.
    """
    bar = ""
    so_far = 0
    for number, block in ((done, "█"), (lost, "▚"), (running, "▒")):
        so_far += number
        if number:
            bar += block * max(so_far * length // total - len(bar), 1)
    return bar[:length] + "·" * (length - len(bar))


def _rows(summary: Summary, width: int) -> Iterator[str]:
    rows = summary["rows"][:_ROWS_SHOWN]
    if not rows:
        return
    room = min(max(len(row["name"]) + 2 * row["depth"] for row in rows), 28)
    numbers = max(len(_done(row)) for row in rows)
    for row in rows:
        name = _cut("  " * row["depth"] + one_line(row["name"], 60), room)
        bar = _bar(row["done"], row["failed"] + row["cancelled"], row["running"], row["total"], _BAR)
        line = f"  {name:<{room}}  {bar}  {_done(row):>{numbers}}"
        for state, text in row_texts(row):
            more = f"  {SYMBOLS[state]} {text}" if state else f"  {text}"
            if len(line) + len(more) <= width:
                line += more
        yield line
        for call in row["progress"][:3]:
            told = "" if call["progress"] is None else f"{call['progress']:.0%}"
            said = " ".join(filter(None, (told, call["message"] or "")))
            yield f"    {'  ' * row['depth']}{SYMBOLS['running']} {call['id'].rpartition('/')[2]}: {said}"
    if len(summary["rows"]) > _ROWS_SHOWN:
        yield f"  and {counted(len(summary['rows']) - _ROWS_SHOWN, 'more row')}"


def _done(row: Row) -> str:
    return f"{grouped(row['done'])}/{grouped(row['total'])}"


def _errors(record: RunRecord) -> Iterator[str]:
    roots = root_failures(record)
    for call in roots[:ENTRIES_SHOWN]:
        yield f"{SYMBOLS[call.state.value]} {short_id(call.id)}: {error_line(call)}"
    if len(roots) > ENTRIES_SHOWN:
        yield f"and {counted(len(roots) - ENTRIES_SHOWN, 'more error')}"
    own = record.error
    if own is not None and record.status is RunStatus.FAILED and not any(call.error is own for call in roots):
        yield f"{SYMBOLS['failed']} {type(own).__name__}: {one_line(brief_error(own), 400)}"


def _stale(record: RunRecord, width: int) -> Iterator[str]:
    ids = [short_id(call.id) for call in record.calls if call.stale and not call.is_cell]
    if ids:
        shown = ", ".join(ids[:ENTRIES_SHOWN])
        more = f" and {grouped(len(ids) - ENTRIES_SHOWN)} more" if len(ids) > ENTRIES_SHOWN else ""
        yield from textwrap.wrap(f"{STALE} stale: {shown}{more}", width, subsequent_indent="  ", break_long_words=False)


def _not_needed(record: RunRecord, width: int) -> Iterator[str]:
    ids = [short_id(call.id) for call in record.calls if call.state is CallState.CANCELLED]
    if ids:
        shown = ", ".join(ids[:ENTRIES_SHOWN])
        more = f" and {grouped(len(ids) - ENTRIES_SHOWN)} more" if len(ids) > ENTRIES_SHOWN else ""
        yield from textwrap.wrap(
            f"{SYMBOLS['cancelled']} cancelled: {shown}{more}", width, subsequent_indent="  ", break_long_words=False
        )


def _not_reused(record: RunRecord, width: int) -> Iterator[str]:
    reasons = not_reused(record)
    for reason, ids in list(reasons.items())[:ENTRIES_SHOWN]:
        calls = ids[0] if len(ids) == 1 else counted(len(ids), "call")
        yield from textwrap.wrap(f"{calls} ran because {reason}", width, subsequent_indent="  ")
    if len(reasons) > ENTRIES_SHOWN:
        yield f"and {counted(len(reasons) - ENTRIES_SHOWN, 'more reason')}"

"""A run as one self-contained page: everything there is to know afterwards, to keep or to send.

The page needs no network and no script: script (``static/report.js``) only adds zooming, a filter over the calls, and
the way from a node of the graph to its calls.  Tables are bounded, so that the report of ten thousand calls is still
a page and not a dump; what was left out is counted.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Literal

from interactive_flow.model.brief import brief
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState
from interactive_flow.views.advice import EFFORT
from interactive_flow.views.critical import time_spent
from interactive_flow.views.dot import to_dot
from interactive_flow.views.graph import Graph, graph_model
from interactive_flow.views.html import graph_html, header_html, result_html, rows_html
from interactive_flow.views.markup import counted, element, escape, grouped, seconds, short_id
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.render import render_svg, restyle
from interactive_flow.views.sections import errors_html, not_needed_html, not_reused_html, output_html
from interactive_flow.views.states import cache_line, error_line
from interactive_flow.views.style import STALE, SYMBOLS, WORDS, compact, css, static
from interactive_flow.views.summary import Summary, summarise
from interactive_flow.views.tabs import decisions_html, timeline_html
from interactive_flow.views.travel import Travel

CALLS_SHOWN = 2_000
"""Rows of the table of calls."""

TRAVEL_SIZE = 400_000
"""Characters of the decisions that the script can go through; the rest of them is only in the list."""

Environment = Mapping[str, "str | Mapping[str, str]"]


def report_html(record: RunRecord, environment: Environment | None = None) -> str:
    """The report of `record` as an HTML page.

    Args:
        record: the run.
        environment: where it ran, as names and texts; a mapping within it becomes a list under its name
            (``{"Python": "3.12.1", "Packages": {"numpy": "2.1"}}``).

    Example:
        >>> Path("report.html").write_text(report_html(record, {"Python": platform.python_version()}), "utf-8")
    """
    summary = summarise(record)
    graph = graph_model(record)
    dot = to_dot(graph)
    svg = render_svg(dot) if graph.nodes else None
    body = "\n".join(
        part
        for part in [
            _summary_part(record, summary),
            _part("Graph", graph_html(record, restyle(svg, graph) if svg else None)),
            _part("Timeline", timeline_html(record)),
            _part("Decisions", _decisions(record, graph)),
            _part("Tasks", _tasks(record)),
            _part("Calls", _calls(record, graph)),
            _part("Errors, output and what was given up", _texts(record)),
            _part("Where it ran", _environment(environment or {})),
            _part("Sources", _sources(record, dot)),
        ]
        if part
    )
    return _page(f"{record.name or 'run'} {record.run}".strip(), summary["status"], body)


def _page(title: str, status: str, body: str) -> str:
    main = element("main", body, class_="iflow iflow-report", data_state=status)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}: {escape(status)}</title>
<style>{css()}</style>
<style>{compact("report.css")}{compact("travel.css")}</style>
</head>
<body>
{main}
<script type="module">
{static("travel.js").replace("export ", "", 1)}
{static("report.js")}</script>
</body>
</html>
"""


def _part(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{content}\n</section>" if content else ""


def _summary_part(record: RunRecord, summary: Summary) -> str:
    begun = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(record.wall)) if record.wall else "not yet"
    facts = [f"begun {begun}", f"up to {counted(record.workers, 'call')} at once"]
    note = element("p", escape(" · ".join(facts)), class_="iflow-note")
    parts = [header_html(summary), note, rows_html(summary), result_html(record)]
    return "<section>" + "\n".join(part for part in parts if part) + "</section>"


def _left_out(number: int, shown: int, noun: str) -> str:
    if number <= shown:
        return ""
    return element("p", escape(f"and {counted(number - shown, f'more {noun}')}"), class_="iflow-note")


def _decisions(record: RunRecord, graph: Graph) -> str:
    """The list with the advice, and for the script what it needs to go through the run step by step."""
    listed = decisions_html(record, EFFORT)
    travel = Travel(record, graph)
    if not listed or not travel.steps:
        return listed
    data = json.dumps(travel.page(size=TRAVEL_SIZE), separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" class="iflow-travel-data">{data}</script>\n{listed}'


# -- tables ----------------------------------------------------------------------------------------------------------


def _table(heads: list[str], rows: Iterator[str], numbers: set[int], extra: str = "") -> str:
    cells = "".join(
        element("th", escape(head), class_="iflow-number" if column in numbers else None, scope="col")
        for column, head in enumerate(heads)
    )
    body = "\n".join(rows)
    table = f"<thead><tr>{cells}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return element("div", element("table", table, class_=f"iflow-table {extra}".strip()), class_="iflow-wide")


_COLUMNS: tuple[Literal["total", "done", "failed", "cancelled", "retried"], ...]
_COLUMNS = ("total", "done", "failed", "cancelled", "retried")


def _tasks(record: RunRecord) -> str:
    summary = summarise(record)
    if not summary["rows"]:
        return ""
    times: dict[tuple[str, str], list[float]] = {}
    spent: dict[tuple[str, str], float] = {}
    for call in record.calls:
        key = (call.kind.value, call.name)
        spent[key] = spent.get(key, 0.0) + time_spent(record, call)
        if call.state is CallState.SUCCEEDED and call.duration is not None:
            times.setdefault(key, []).append(call.duration)
    named: dict[tuple[str, str], dict[str, int]] = {}
    for row in summary["rows"]:
        counts = named.setdefault((row["kind"], row["name"]), {})
        for column in _COLUMNS:
            counts[column] = counts.get(column, 0) + row[column]
    heads = [
        "task",
        "kind",
        "calls",
        "done",
        "failed",
        "cancelled",
        "retried",
        "shortest",
        "median",
        "longest",
        "all time",
    ]

    def rows() -> Iterator[str]:
        for (kind, name), counts in named.items():
            known = sorted(times.get((kind, name), []))
            cells = [element("th", escape(name), scope="row"), element("td", escape(kind))]
            cells += [_number(grouped(counts[c])) for c in _COLUMNS]
            quantiles = [known[0], median(known), known[-1]] if known else [None, None, None]
            cells += [_number("" if value is None else seconds(value)) for value in quantiles]
            cells.append(_number(seconds(spent[kind, name])))
            yield element("tr", "".join(cells))

    return _table(heads, rows(), set(range(2, len(heads))))


def _number(text: str) -> str:
    return element("td", escape(text), class_="iflow-number")


def _calls(record: RunRecord, graph: Graph) -> str:
    if not record.calls:
        return ""
    heads = ["call", "state", "made at", "worker", "scheduled", "started", "took", "attempts", "value or error"]
    rows = (_call_row(call, graph) for call in record.calls[:CALLS_SHOWN])
    table = _table(heads, rows, {4, 5, 6, 7}, "iflow-calls")
    opened = "" if len(record.calls) <= 25 else None
    left_out = _left_out(len(record.calls), CALLS_SHOWN, "call")
    head = f"<summary>{escape(counted(len(record.calls), 'call'))}</summary>"
    return element("details", f"{head}\n{table}{left_out}\n", class_="iflow-section", open=opened)


def _call_row(call: CallRecord, graph: Graph) -> str:
    state = call.state.value
    mark = element("span", SYMBOLS[state], class_="iflow-mark", aria_hidden="true")
    name = element("span", escape(short_id(call.id)), class_="iflow-id")
    cells = [
        element("th", f"{name}<br />{element('code', escape(call.call_text()))}", scope="row"),
        element(
            "td",
            f"{mark}&#160;{escape(WORDS[state])}" + (f", {STALE}&#160;stale" if call.stale else ""),
            title=cache_line(call) or None,
        ),
        element("td", escape(call.site or ""), class_="iflow-plain"),
        element("td", escape(call.worker or ""), class_="iflow-plain"),
        *(_number("" if at is None else f"{at:.3f} s") for at in (call.scheduled_at, call.started_at)),
        _number("" if call.duration is None else seconds(call.duration)),
        _number(str(call.attempts or "")),
        element("td", element("code", escape(_outcome(call)))),
    ]
    return element("tr", "".join(cells), data_state=state, data_of=graph.node_of.get(call.index))


def _outcome(call: CallRecord) -> str:
    if call.error is not None:
        return error_line(call)
    if call.state is CallState.CANCELLED:
        return call.reason or ""
    return brief(call.value, 120) if call.state in (CallState.SUCCEEDED, CallState.CACHED) else ""


# -- texts -----------------------------------------------------------------------------------------------------------


def _texts(record: RunRecord) -> str:
    sections = (errors_html, output_html, not_needed_html, not_reused_html)
    return "\n".join(part for section in sections if (part := section(record)))


def _environment(environment: Environment) -> str:
    lists = []
    plain = {name: text for name, text in environment.items() if isinstance(text, str)}
    nested = {name: texts for name, texts in environment.items() if not isinstance(texts, str)}
    for heading, texts in [("", plain), *nested.items()]:
        items = "".join(element("dt", escape(name)) + element("dd", escape(text)) for name, text in dict(texts).items())
        if items:
            title = element("h3", escape(heading)) if heading else ""
            lists.append(f'{title}<dl class="iflow-facts">{items}</dl>')
    return "\n".join(lists)


def _sources(record: RunRecord, dot: str) -> str:
    sources = [("Mermaid text of the graph", mermaid(record)), ("DOT text of the graph", dot)]
    if record.source:
        numbered = _numbered(record.source, record.first_line or 1)
        sources.insert(0, (f"Workflow {record.name}", numbered))
    parts = [
        f'<details class="iflow-section"><summary>{escape(title)}</summary>'
        f"{element('pre', escape(text), class_='iflow-pre')}</details>"
        for title, text in sources
    ]
    return "\n".join(parts) if record.calls or record.source else ""


def _numbered(source: str, first: int) -> str:
    lines = source.rstrip("\n").split("\n")
    room = len(str(first + len(lines)))
    return "\n".join(f"{number:>{room}}  {line}" for number, line in enumerate(lines, first))

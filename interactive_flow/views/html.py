"""A run as a fragment of HTML without script: what a saved notebook and a static page show.

The fragment is made of pieces, each a function of its own, which the notebook's panel and the report use as well; the
style sheet ``static/iflow.css`` gives all of them their looks.  Where a sanitiser strips the style sheet, what is left
reads as plain text in a sensible order: each row is one line, each state has its symbol and its word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.views.dot import text_width, to_dot
from interactive_flow.views.graph import Graph, graph_model
from interactive_flow.views.markup import element, escape, grouped, seconds
from interactive_flow.views.mermaid import mermaid
from interactive_flow.views.render import render_svg, rendering_hint, restyle
from interactive_flow.views.sections import (
    errors_html,
    mark_html,
    not_needed_html,
    not_reused_html,
    outputs_html,
    section_html,
)
from interactive_flow.views.style import RETRIED, STALE, SYMBOLS, WORDS, css
from interactive_flow.views.summary import Row, Summary, summarise
from interactive_flow.views.tabs import decisions_html, tabs_html, timeline_html

DRAW: Final = "draw"
"""Stands for a graph that is to be drawn here."""

_ORDER = ("succeeded", "cached", "failed", "timed_out", "cancelled", "running")
"""The states in a bar, from the left; what is still to do is the empty rest."""


def static_panel(
    record: RunRecord, svg: str | None = DRAW, graph: Graph | None = None, now: float | None = None
) -> str:
    """The whole panel as it stands, self-contained.

    Args:
        record: the run.
        svg: the graph, drawn already (see `views.render`); None to leave it out.  By default it is drawn here.
        graph: what `svg` was drawn from, where that is known, so that the timeline's bars lead to its nodes.
        now: seconds since the run's start, where the clock has moved on since the last event.
    """
    summary = summarise(record, now)
    if svg is DRAW:
        graph = graph_model(record)
        svg = _drawn(graph)
        drawing = graph_html(record, svg)
    else:
        drawing = graph_html(record, svg) if svg is not None else ""
    contents = {
        "progress": rows_html(summary),
        "graph": drawing,
        "timeline": timeline_html(record, graph.node_of if graph and svg else None, now),
        "decisions": decisions_html(record),
        "output": outputs_html(record),
    }
    parts = [
        style_html(),
        header_html(summary),
        result_html(record),
        tabs_html(contents),
        errors_html(record),
        not_needed_html(record),
        not_reused_html(record),
    ]
    label = f"{summary['name'] or 'run'}: {run_word(summary)}"
    return element("div", "\n".join(part for part in parts if part), class_="iflow", data_state=summary["status"],
                   role="group", aria_label=label)  # fmt: skip


def draw(record: RunRecord) -> str | None:
    """The graph as SVG with the states as they are; None where it cannot be drawn."""
    return _drawn(graph_model(record))


def _drawn(graph: Graph) -> str | None:
    svg = render_svg(to_dot(graph)) if graph.nodes else None
    return restyle(svg, graph) if svg else None


def style_html() -> str:
    """The style sheet as an element; it belongs into the outermost element, which has the class ``iflow``."""
    return f"<style>{css()}</style>"


# -- header ----------------------------------------------------------------------------------------------------------


def run_word(summary: Summary) -> str:
    """The run's state in a word, as the header and titles say it."""
    return WORDS.get(summary["status"], summary["status"])


def time_text(summary: Summary) -> str:
    """How long it took or has taken: ``in 2.5 s``, ``for 2.5 s``."""
    return f"{'for' if summary['status'] == 'running' else 'in'} {seconds(summary['elapsed'])}"


def eta_text(summary: Summary) -> str:
    """The time left, where there is an estimate: ``about 3 s left``, ``at least 3 s left``, or nothing."""
    if summary["eta"] is None:
        return ""
    left = seconds(max(round(summary["eta"], 1), 0.1))
    return f"{'at least' if summary['growing'] else 'about'} {left} left"


def done_text(summary: Summary) -> str:
    """How far it is: ``5 of 9 calls done``; while the graph still grows ``5 of 9 calls known so far done``."""
    known = f"{grouped(summary['known'])} {'call' if summary['known'] == 1 else 'calls'}"
    if not summary["known"]:
        if summary["cached_from"]:
            return f"nothing ran: all of it is from run {summary['cached_from']}"
        return "no calls yet" if summary["status"] == "running" else "no calls"
    return f"{grouped(summary['done'])} of {known}{' known so far' if summary['growing'] else ''} done"


def count_texts(summary: Summary) -> list[tuple[str, str]]:
    """What else there is to count, as state and text: ``("running", "2 running")``; nothing that is zero."""
    counts = summary["counts"]
    shown = ("running", "ready", "waiting", "failed", "timed_out", "cancelled", "cached")
    return [(state, f"{grouped(counts[state])} {WORDS[state]}") for state in shown if counts[state]]


def header_html(summary: Summary) -> str:
    """Name, state, times, run id, and the overall bar with its counts."""
    state = summary["status"]
    word = element("span", f"{mark_html(state)} {escape(run_word(summary))}", class_="iflow-state", data_state=state)
    left = eta_text(summary)
    head = [
        element("span", escape(summary["name"] or "run"), class_="iflow-name"),
        word,
        element("span", escape(time_text(summary)), class_="iflow-time"),
        element("span", escape(left), class_="iflow-left") if left else "",
        element("span", escape(summary["run"]), class_="iflow-run", title="run id") if summary["run"] else "",
    ]
    texts = [element("b", escape(done_text(summary)))]
    texts += [
        element("span", f"{mark_html(state)} {escape(text)}", data_state=state) for state, text in count_texts(summary)
    ]
    if summary["retried"]:
        texts.append(element("span", f"{RETRIED} {escape(grouped(summary['retried']))} retried"))
    if summary["stale"]:
        mark = element("span", STALE, class_="iflow-mark", data_state="stale", aria_hidden="true")
        texts.append(element("span", f"{mark} {escape(grouped(summary['stale']))} stale"))
    bar = bar_html(summary["counts"], summary["known"], done_text(summary), "iflow-overall", growing=summary["growing"])
    return "\n".join(
        [
            element("div", " ".join(part for part in head if part), class_="iflow-header"),
            bar,
            element("div", " ".join(texts), class_="iflow-counts"),
        ]
    )


def bar_html(
    counts: Mapping[str, int], total: int, text: str, extra: str = "", *, growing: bool = False, label: str = ""
) -> str:
    """A bar with a part for each state that something is in.

    Args:
        counts: how many calls are in each state, by the state's value.
        total: how many the whole bar stands for.
        text: what a screen reader says for it.
        extra: a further class.
        growing: True where `total` may yet grow; the bar then has an open end.
        label: what the bar is about, for a screen reader.
    """
    final = sum(counts.get(state.value, 0) for state in CallState if state.final)
    parts = [
        element("span", class_="iflow-part", data_state=state, style=f"width:{100 * counts[state] / total:.4g}%")
        for state in _ORDER
        if total and counts.get(state)
    ]
    classes = " ".join(filter(None, ("iflow-bar", extra, "iflow-growing" if growing else "")))
    return element(
        "span", "".join(parts), class_=classes, role="progressbar", aria_valuemin=0, aria_valuemax=max(total, 1),
        aria_valuenow=final, aria_valuetext=text, aria_label=label or "all calls",
    )  # fmt: skip


# -- rows ------------------------------------------------------------------------------------------------------------


def rows_html(summary: Summary) -> str:
    """A line for each task name, those of a sub-workflow within its own (``<details>``, open)."""
    if not summary["rows"]:
        return ""
    rows = summary["rows"]
    lines: list[str] = []
    depths: list[int] = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        while depths and row["depth"] <= depths[-1]:
            depths.pop()
            lines.append("</details>")
        line = row_html(row)
        if following is not None and following["depth"] > row["depth"]:
            depths.append(row["depth"])
            lines.append(
                f'<details class="iflow-sub" open="" data-row="{escape(row["key"])}"><summary>{line}</summary>'
            )
        else:
            lines.append(line)
    lines += ["</details>"] * len(depths)
    names = max(text_width(row["name"]) * 1.12 + 1.15 * row["depth"] + 1.2 for row in rows)
    numbers = max(len(_done_of(row)) for row in rows)
    columns = f"--iflow-names:{names:.1f}em;--iflow-numbers:{numbers * 0.62 + 0.4:.1f}em"
    return element("div", "\n".join(lines), class_="iflow-rows", style=columns)


def _done_of(row: Row) -> str:
    return f"{grouped(row['done'])}/{grouped(row['total'])}"


def row_html(row: Row) -> str:
    """One row: name, bar, how many are done, and what else there is to say; running calls with progress below it."""
    done = _done_of(row)
    counts = {
        "succeeded": row["done"] - row["cached"],
        "cached": row["cached"],
        "failed": row["failed"] - row["timed_out"],
        "timed_out": row["timed_out"],
        "cancelled": row["cancelled"],
        "running": row["running"],
    }
    texts = row_texts(row)
    spoken = ", ".join([f"{done} done", *(text for _, text in texts)])
    more = " ".join(
        element("span", f"{mark_html(state)} {escape(text)}" if state else escape(text)) for state, text in texts
    )
    cells = [
        element("span", escape(row["name"]), class_="iflow-task", title="/".join((*row["group"], row["name"]))),
        bar_html(counts, row["total"], spoken, label=row["name"]),
        element("span", done, class_="iflow-done-of"),
        element("span", more, class_="iflow-more"),
    ]
    depth = f"--iflow-depth:{row['depth']}" if row["depth"] else None
    line = element("div", " ".join(cells), class_="iflow-row", data_row=row["key"], style=depth)
    return "\n".join([line, *_calls_html(row, depth)])


def row_texts(row: Row) -> list[tuple[str, str]]:
    """What a row says beside its bar, as state (or nothing) and text: ``("running", "1 running")``."""
    texts = [
        ("running", f"{grouped(row['running'])} running"),
        ("failed", f"{grouped(row['failed'] - row['timed_out'])} failed"),
        ("timed_out", f"{grouped(row['timed_out'])} timed out"),
        ("cancelled", f"{grouped(row['cancelled'])} cancelled"),
        ("cached", f"{grouped(row['cached'])} cached"),
    ]
    texts = [(state, text) for state, text in texts if not text.startswith("0 ")]
    if row["retried"]:
        texts.append(("", f"{RETRIED} {grouped(row['retried'])} retried"))
    if row["stale"]:
        texts.append(("", f"{STALE} {grouped(row['stale'])} stale"))
    if row["mean"] is not None:
        each = " each" if row["total"] > 1 else ""
        texts.append(("", f"{seconds(row['mean'])}{each}"))
    return texts


def _calls_html(row: Row, depth: str | None) -> Iterable[str]:
    for call in row["progress"]:
        told = "" if call["progress"] is None else f"{min(max(call['progress'], 0.0), 1.0):.0%}"
        name = call["id"].rpartition("/")[2]
        part = {"running": 0} if call["progress"] is None else {"running": round(call["progress"] * 100)}
        said = " · ".join(filter(None, (told, call["message"] or "")))
        cells = [
            element("span", escape(name), class_="iflow-task", title=call["id"]),
            bar_html(part, 100, said or "running", label=call["id"]),
            element("span", escape(told), class_="iflow-done-of"),
            element("span", escape(call["message"] or ""), class_="iflow-more", title=call["message"]),
        ]
        yield element("div", " ".join(cells), class_="iflow-row iflow-call", style=depth)
    if row["more_running"]:
        yield element("div", f"and {row['more_running']} more running", class_="iflow-note")


# -- graph -----------------------------------------------------------------------------------------------------------


def graph_html(record: RunRecord, svg: str | None) -> str:
    """The graph with its legend; where it could not be drawn, why, and the same as Mermaid text."""
    if not record.calls:
        return ""
    if svg is not None:
        return element("div", svg, class_="iflow-graph-box") + "\n" + legend_html(record)
    why = rendering_hint() or "This graph could not be drawn."
    source = element("pre", escape(mermaid(record)), class_="iflow-pre")
    note = element("p", escape(why), class_="iflow-note")
    return section_html("Graph as Mermaid text", None, note + source)


def legend_html(record: RunRecord | None = None) -> str:
    """What symbols and borders mean: all of them, or those that `record` shows."""
    shown = [s for s in SYMBOLS if record is None or record.count[CallState(s)]]
    items = [
        element("span", f'<span class="iflow-swatch"></span>{mark_html(s)} {escape(WORDS[s])}', data_state=s)
        for s in shown
    ]
    if record is None or any(call.attempts > 1 for call in record.calls):
        items.append(element("span", f"{RETRIED}2 attempts"))
    if record is None or record.barriers:
        items.append(element("span", '<span class="iflow-bar-swatch"></span>barrier'))
    if record is None or any(call.stale for call in record.calls):
        swatch = '<span class="iflow-swatch"></span>'
        mark = element("span", STALE, class_="iflow-mark", data_state="stale", aria_hidden="true")
        items.append(element("span", f"{swatch}{mark} stale", data_state="stale"))
    return element("div", " ".join(items), class_="iflow-legend", aria_label="Legend", role="group")


def result_html(record: RunRecord) -> str:
    """What the run returned, shortly; nothing while it runs and where it failed."""
    if record.status is not RunStatus.SUCCEEDED or record.session:
        return ""
    return element("div", f"<b>Result</b> <code>{escape(record.describe_value())}</code>", class_="iflow-result")

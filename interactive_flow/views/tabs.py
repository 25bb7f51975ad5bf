"""The tabs of a panel: their names, the ones that are drawn here, and what stands for tabs where there is no script.

Without script each tab is a ``<details>`` that a reader opens; the notebook's panel makes real tabs of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.views.advice import analyse
from interactive_flow.views.advice_words import advice_html
from interactive_flow.views.critical import critical_path
from interactive_flow.views.decisions import Decision, decisions, ending, listed
from interactive_flow.views.markup import counted, element, escape, grouped, one_line, seconds, short_id
from interactive_flow.views.sources import Sources
from interactive_flow.views.timeline import timeline_svg

TABS: Mapping[str, str] = MappingProxyType(
    {
        "progress": "Progress",
        "graph": "Graph",
        "timeline": "Timeline",
        "decisions": "Decisions",
        "output": "Output",
    }
)
"""The title of each tab by its name, in the order in which they are shown."""

OPENED = ("progress", "graph", "timeline")
"""The tabs that are open where there is no script."""

DECISIONS_SHOWN = 200
"""Entries of the list of decisions."""

EFFORT = 20_000
"""Calls that are simulated for the advice in passing, at most: some tenths of a second."""

TIMELINE_SIZE = 150_000
"""Characters of a timeline, as a rule at most: small bars are drawn together until it is not larger."""

FINEST = (1.0, 4.0, 16.0)
"""Pixels under which the bars of a timeline are drawn together, tried in this order."""


def tabs_html(contents: Mapping[str, str]) -> str:
    """The tabs that have content, below each other.

    Args:
        contents: the markup of each tab, by its name.
    """
    parts = [
        element(
            "details",
            f'<summary>{escape(title)}</summary>\n<div class="iflow-tab-content">{contents[name]}</div>\n',
            class_="iflow-section iflow-tab", data_tab=name, open="" if name in OPENED else None,
        )
        for name, title in TABS.items()
        if contents.get(name)
    ]  # fmt: skip
    return element("div", "\n".join(parts), class_="iflow-main") if parts else ""


def timeline_html(record: RunRecord, nodes: Mapping[int, str] | None = None, now: float | None = None) -> str:
    """Who ran what and when, with the critical path told; nothing for a run without calls.

    Args:
        record: the run.
        nodes: the ids of graph nodes by the indexes of calls, so that a bar leads to its node.
        now: seconds since its start, where the clock has moved on since the last event.
    """
    if not record.calls:
        return ""
    clock = record.clock if now is None else max(now, record.clock)
    length, path = critical_path(record, clock)
    note = "Dashed lines are barriers, where workflow code went on; it stood still in the shaded time before."
    if 0 in record.returns and record.returns[0].waits_on:
        note += " The dotted line is where the code came to its end."
    if path:
        part = f" of {seconds(clock)}" if clock else ""
        note = f"Outlined: the critical path, {seconds(length)}{part} ({listed(path)}). {note}"
    svg = ""
    for finest in FINEST:
        svg = timeline_svg(record, nodes, now=now, finest=finest)
        if len(svg) <= TIMELINE_SIZE:
            break
    return element("div", svg, class_="iflow-wide") + element("p", escape(note), class_="iflow-note")


def decisions_html(record: RunRecord, effort: int = EFFORT) -> str:
    """What the workflow's code did between barriers, as a list, and the advice; nothing for a run without calls.

    Args:
        record: the run.
        effort: calls that may be simulated for the advice, see `interactive_flow.views.advice.analyse`.
    """
    if not record.calls:
        return ""
    found = decisions(record)
    sources = Sources(record)
    items = "\n".join(element("li", _decision(decision, sources)) for decision in found[:DECISIONS_SHOWN])
    more = counted(len(found) - DECISIONS_SHOWN, "more decision")
    left_out = element("p", escape(f"and {more}"), class_="iflow-note") if len(found) > DECISIONS_SHOWN else ""
    rows = f'<ol class="iflow-decisions">\n{items}\n</ol>{left_out}'
    head = f'<summary>Each decision <span class="iflow-count">{escape(grouped(len(found)))}</span></summary>'
    each = element("details", head + rows, class_="iflow-section iflow-each", open="", data_row="each")
    return each + _advice(record, effort)


def _decision(decision: Decision, sources: Sources) -> str:
    where = f" in {short_id(decision.workflow)}" if decision.workflow else ""
    head = element("span", escape(f"{seconds(decision.began)}{where}"), class_="iflow-when")
    made = f"scheduled {listed(decision.scheduled)}" if decision.scheduled else "scheduled nothing"
    line = sources.line(decision.site)
    code = element("code", escape(one_line(line, 160)), class_="iflow-line") if line else ""
    return f"{head} {escape(made)}, {escape(ending(decision))}{code}"


def _advice(record: RunRecord, effort: int) -> str:
    if record.status is RunStatus.RUNNING:
        return element("p", "What could have been sooner is told when the run has ended.", class_="iflow-note")
    found = analyse(record, effort)
    told = advice_html(record, found)
    # A panel that has a kernel asks for the rest when somebody looks.
    return element("div", told, data_advice="later") if found.left_out else told

"""A run over time: a lane for each worker, a bar for each attempt, as SVG for inline use.

Attempts that overlap on one worker (one that runs coroutines) get lanes below each other.  Sub-workflows are outlined
bars in lanes of their own.  Barriers are vertical marks: shaded while the code stood still, a line where it went on;
those of a sub-workflow are on its bar.  A dotted line is where the run's own code came to its end.  Attempts on the
critical path (`interactive_flow.views.critical`) are outlined.  Bars narrower than a pixel (or more, where that is
asked for) are drawn together with their neighbours of the same state, the paler the less the worker had to do, so that
ten thousand calls make a drawing of a bounded size.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from interactive_flow.model.record import Barrier, RunRecord
from interactive_flow.model.states import CallKind, CallState
from interactive_flow.views.critical import critical_path
from interactive_flow.views.dot import text_width
from interactive_flow.views.markup import counted, element, escape, one_line, seconds, short_id
from interactive_flow.views.style import WORDS, light_colours, tint

WIDTH, LEFT, RIGHT = 960, 118, 16
LANE, BAR, AXIS = 24, 16, 30
FONT = 11
APART = 3
"""Small bars are drawn together where they are less than so many times what is small apart."""

LANES_SHOWN = 64
"""How many lanes are drawn; what is beyond is only counted."""

RUNNING = "running"
"""The label of attempts whose worker is told only when they end."""

_BROKEN = (CallState.FAILED, CallState.TIMED_OUT)


@dataclass(slots=True)
class _Bar:
    start: float
    end: float
    state: CallState
    name: str
    title: str
    critical: bool = False
    spans: bool = False
    """True for a sub-workflow."""
    merged: int = 1
    busy: float = 0.0
    """Of several attempts drawn together: the seconds in which one of them ran."""
    stood: list[Barrier] = field(default_factory=list)
    """The barriers of a sub-workflow."""
    node: str | None = None
    """The node of the graph that stands for the call; of several calls, if it is the same."""


@dataclass(slots=True)
class _Lane:
    label: str
    bars: list[_Bar] = field(default_factory=list)
    first: bool = True
    """True for the first of the lanes with this label."""


class _Scale(NamedTuple):
    length: float

    def x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max(at / self.length, 0.0), 1.0)


def timeline_svg(
    record: RunRecord, nodes: Mapping[int, str] | None = None, *, now: float | None = None, finest: float = 1.0
) -> str:
    """`record` over time, as SVG; also for a run that has not begun.

    Args:
        record: the run.
        nodes: the ids of graph nodes by the indexes of calls; a bar then has that of its call as ``data-of``.
        now: seconds since its start, where the clock has moved on since the last event.
        finest: pixels; bars that are narrower are drawn together with their neighbours.
    """
    clock = record.clock if now is None else max(now, record.clock)
    length, path = critical_path(record, clock)
    lanes = _lanes(record, set(path), nodes or {}, clock)
    left_out = lanes[LANES_SHOWN:]
    lanes = lanes[:LANES_SHOWN]
    scale = _Scale(clock or 1.0)
    bottom = 8 + LANE * max(len(lanes), 1)
    own = [barrier for barrier in record.barriers if barrier.workflow == 0]
    parts = [*_grounds(lanes), *_axis(scale, bottom), *_stood(own, clock, scale, 8, bottom - 8)]
    parts += _returned(record, clock, scale, 4, bottom - 2)  # below the bars, so that it takes no click from them
    for position, lane in enumerate(lanes):
        top = 8 + LANE * position + (LANE - BAR) / 2
        # What failed is drawn last, so that nothing hides it.
        for bar in sorted(_merge(lane.bars, scale, finest), key=lambda bar: bar.state in _BROKEN):
            parts += [*_stood(bar.stood, clock, scale, top, BAR), _drawn(bar, top, scale)]
            parts += _stops(bar.stood, scale, top, BAR)
    parts += _stops(own, scale, 4, bottom - 2)
    if not any(lane.bars for lane in lanes):
        parts.append(_text(LEFT + 8, 8 + LANE / 2, "nothing has run yet"))
    if left_out:
        text = f"and {counted(len(left_out), 'more lane')} with {counted(sum(len(x.bars) for x in left_out), 'bar')}"
        parts.append(_text(LEFT, bottom + AXIS + 8, text))
    height = bottom + AXIS + (16 if left_out else 0)
    workers = len({lane.label for lane in lanes if not any(bar.spans for bar in lane.bars)})
    spoken = f"Timeline: {counted(len(record.calls), 'call')} on {counted(workers, 'worker')} in {seconds(clock)}"
    if path:
        spoken += f", critical path {seconds(length)}"
    return element(
        "svg", "\n".join(parts), xmlns="http://www.w3.org/2000/svg", class_="iflow-timeline",
        viewBox=f"0 0 {WIDTH} {height}", style="max-width:100%", role="img", aria_label=spoken,
        font_family="system-ui, sans-serif", font_size=FONT,
    )  # fmt: skip


# -- lanes -----------------------------------------------------------------------------------------------------------


def _lanes(record: RunRecord, path: set[str], nodes: Mapping[int, str], clock: float) -> list[_Lane]:
    workers: dict[str, list[_Bar]] = {}
    spans: list[_Bar] = []
    cells: list[_Bar] = []
    stops: dict[int, list[Barrier]] = {}
    for barrier in record.barriers:
        stops.setdefault(barrier.workflow, []).append(barrier)
    for call in record.calls:
        if call.kind is CallKind.COMBINATOR:
            continue
        if call.kind is CallKind.WORKFLOW:
            if call.started_at is not None:
                end = clock if call.finished_at is None else call.finished_at
                title = f"{short_id(call.id)}: {WORDS[call.state]}, {seconds(end - call.started_at)}"
                stood = stops.get(call.index, [])
                bar = _Bar(call.started_at, end, call.state, call.name, title, spans=True, stood=stood)
                bar.node = nodes.get(call.index)
                (cells if call.is_cell else spans).append(bar)
            continue
        for attempt in call.tries:
            end = clock if attempt.finished_at is None else attempt.finished_at
            title = f"{short_id(call.id)}: {WORDS[attempt.state]}, {seconds(end - attempt.started_at)}"
            if call.attempts > 1:
                title += f", attempt {attempt.number} of {call.attempts}"
            bar = _Bar(attempt.started_at, end, attempt.state, call.name, title, critical=call.id in path)
            bar.node = nodes.get(call.index)
            known = "unnamed" if attempt.finished_at is not None else RUNNING
            workers.setdefault(attempt.worker or known, []).append(bar)
    lanes = [lane for name in _in_order(workers) for lane in _packed(name, workers[name])]
    return lanes + _packed("sub-workflows", spans) + _packed("cells", cells)


def _in_order(names: Iterable[str]) -> list[str]:
    """Workers by name, and last what is not known to run on any of them."""
    return sorted(names, key=lambda name: (name == RUNNING, _natural(name)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts ``worker-10`` after ``worker-9``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _packed(label: str, bars: list[_Bar]) -> list[_Lane]:
    """Bars in as few lanes as they need so as not to overlap (first fit in order of start)."""
    lanes: list[_Lane] = []
    ends: list[float] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        free = next((i for i, end in enumerate(ends) if end <= bar.start), None)
        if free is None:
            lanes.append(_Lane(label, first=not lanes))
            ends.append(bar.end)
            free = len(lanes) - 1
        lanes[free].bars.append(bar)
        ends[free] = max(ends[free], bar.end)
    return lanes


def _merge(bars: Iterable[_Bar], scale: _Scale, finest: float) -> Iterator[_Bar]:
    """Neighbours narrower than `finest` pixels, in the same state and hardly apart, as one bar."""
    small_length = finest * scale.length / (WIDTH - LEFT - RIGHT)
    kept: _Bar | None = None
    names: Counter[str] = Counter()
    for bar in bars:
        length = bar.end - bar.start
        small = length < small_length and not bar.spans
        if kept and small and bar.state is kept.state and bar.start - kept.end < APART * small_length:
            kept.end, kept.merged, kept.busy, kept.critical = bar.end, kept.merged + 1, kept.busy + length, False
            kept.node = kept.node if kept.node == bar.node else None
            names[bar.name] += 1
            continue
        if kept:
            yield _together(kept, names)
            kept = None
        if small:
            kept, names = replace(bar, busy=length), Counter([bar.name])
        else:
            yield bar
    if kept:
        yield _together(kept, names)


def _together(bar: _Bar, names: Counter[str]) -> _Bar:
    if bar.merged > 1:
        listed = ", ".join(f"{one_line(name, 40)} ×{number}" for name, number in names.most_common(4))
        busy = min(bar.busy / (bar.end - bar.start), 1.0) if bar.end > bar.start else 1.0
        bar.title = f"{counted(bar.merged, 'attempt')} in {seconds(bar.end - bar.start)}, {busy:.0%} busy: {listed}"
        bar.busy = busy
    return bar


# -- drawing ---------------------------------------------------------------------------------------------------------


def _grounds(lanes: list[_Lane]) -> Iterator[str]:
    for position, lane in enumerate(lanes):
        top = 8 + LANE * position
        yield _rect(LEFT, top + 1, WIDTH - LEFT - RIGHT, LANE - 2, class_="iflow-lane", fill="#80808014", rx=3)
        if lane.first:
            yield _text(LEFT - 8, top + LANE / 2, one_line(lane.label, 18), text_anchor="end")


def _drawn(bar: _Bar, top: float, scale: _Scale) -> str:
    left = scale.x(bar.start)
    # What failed is never too small to be seen.
    least = 2.0 if bar.state in _BROKEN else 1.0
    width = max(scale.x(bar.end) - left, least)
    colour = light_colours()[bar.state.value]
    look = {"fill": "none", "stroke": colour} if bar.spans else {"fill": tint(colour, 0.55)}
    kind = "iflow-span" if bar.spans else "iflow-attempt"
    if bar.merged > 1:
        look["fill_opacity"] = f"{max(bar.busy, 0.2):.2f}"
    if bar.critical:
        kind += " iflow-critical"
        look |= {"stroke": "#24292f", "stroke_width": "1.8"}
    elif width < 4:
        kind += " iflow-thin"
    rect = _rect(left, top, width, BAR, class_=kind, rx=f"{min(2.5, width / 2):g}", **look)
    label = ""
    room = int((width - 8) / (0.6 * FONT))
    if bar.merged == 1 and room >= 4:
        name = one_line(bar.name, room) if text_width(bar.name) * FONT > width - 8 else one_line(bar.name)
        label = _text(left + 5, top + BAR / 2, name, class_="iflow-on-bar", fill="#24292f")
    # The space tells one text from the next where a sanitiser leaves nothing but texts.
    return element("g", element("title", escape(bar.title)) + " " + rect + label, data_state=bar.state.value,
                   data_of=bar.node)  # fmt: skip


def _axis(scale: _Scale, bottom: float) -> Iterator[str]:
    step = tick_step(scale.length)
    unit, factor = ("ms", 1000) if scale.length < 0.1 else ("s", 1)
    digits = max(0, -math.floor(math.log10(step * factor) + 1e-9))
    ticks = int(scale.length / step + 1e-9)
    for number in range(ticks + 1):
        x = f"{scale.x(number * step):.1f}"
        yield element("line", x1=x, x2=x, y1=8, y2=bottom + 4, class_="iflow-tick", stroke="#8080804d")
        text = f"{number * step * factor:.{digits}f}" + (f" {unit}" if number == ticks else "")
        yield _text(scale.x(number * step), bottom + 14, text, text_anchor="middle")


def tick_step(length: float, most: int = 10) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that divides `length` seconds into at most `most` parts."""
    raw = length / most
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor >= raw * 0.999999)


def _stood(barriers: list[Barrier], clock: float, scale: _Scale, top: float, height: float) -> Iterator[str]:
    """The time in which workflow code stood at `barriers`."""
    times = ((b.entered_at, clock if b.left_at is None else b.left_at) for b in barriers)
    for left, right in _apart(times, scale.x):
        yield _rect(left, top, max(right - left, 0.5), height, class_="iflow-stood", fill="#000000", opacity="0.08")


def _stops(barriers: list[Barrier], scale: _Scale, top: float, height: float) -> Iterator[str]:
    """The moments at which it went on; those on the same pixel are one mark."""
    drawn: set[int] = set()
    for barrier in barriers:
        if barrier.left_at is None or round(scale.x(barrier.left_at)) in drawn:
            continue
        x = scale.x(barrier.left_at)
        drawn.add(round(x))
        where = f" at {barrier.site}" if barrier.site else ""
        title = f"barrier{where}: waited {seconds(barrier.left_at - barrier.entered_at)}"
        line = element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=f"{top:g}", y2=f"{top + height:g}",
                       class_="iflow-stop", stroke="#606060", stroke_dasharray="3 3")  # fmt: skip
        yield element("g", element("title", escape(title)) + " " + line)


def _returned(record: RunRecord, clock: float, scale: _Scale, top: float, height: float) -> Iterator[str]:
    """The moment at which the run's own code came to its end, where what it returned was not all there yet."""
    end = record.returns.get(0)
    if end is None or not end.waits_on:
        return
    waited = (clock if end.left_at is None else end.left_at) - end.entered_at
    x = f"{scale.x(end.entered_at):.1f}"
    title = f"the code came to its end; what it returned {'takes' if end.left_at is None else 'took'} "
    title += f"{seconds(waited)} more"
    line = element("line", x1=x, x2=x, y1=f"{top:g}", y2=f"{top + height:g}", class_="iflow-returned", stroke="#606060",
                   stroke_dasharray="1 3")  # fmt: skip
    yield element("g", element("title", escape(title)) + line)


def _apart(spans: Iterable[tuple[float, float]], x: Callable[[float], float]) -> Iterator[tuple[float, float]]:
    """Spans of time as spans of pixels, those that touch made one."""
    left = right = None
    for start, end in sorted((x(start), x(end)) for start, end in spans):
        if left is None or right is None or start > right + 1:
            if left is not None and right is not None:
                yield left, right
            left, right = start, end
        else:
            right = max(right, end)
    if left is not None and right is not None:
        yield left, right


def _rect(x: float, y: float, width: float, height: float, **look: object) -> str:
    return element("rect", x=f"{x:.1f}", y=f"{y:g}", width=f"{width:.1f}", height=f"{height:g}", **look)


def _text(x: float, y: float, text: str, **look: object) -> str:
    look = {"fill": "#6b7280", **look}
    return element("text", escape(text), x=f"{x:.1f}", y=f"{y:g}", dominant_baseline="central", **look)

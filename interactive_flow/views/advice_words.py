"""The advice on a run in words: sentences, and the same as text and as HTML."""

from __future__ import annotations

from collections.abc import Iterator

from interactive_flow.model.events import Site
from interactive_flow.model.record import RunRecord
from interactive_flow.views.advice import Analysis, analyse
from interactive_flow.views.decisions import Decision, decisions
from interactive_flow.views.earlier import Advice, Stop
from interactive_flow.views.markup import counted, element, escape, grouped, one_line, seconds

STOPS_SHOWN = 5
"""So many places of barriers are listed."""

NAMED = 3
"""So many lines are named in a piece of advice; the rest is counted."""


def place(site: Site | None, record: RunRecord) -> str:
    """A line as people say it: ``line 12`` in the run's own workflow, else with its file or cell."""
    if site is None:
        return "a line that is not known"
    return f"line {site.line}" if site.file == record.file else str(site)


def advice_text(record: RunRecord, found: Analysis) -> str:
    """What there is to say about the time of a run, as plain text."""
    lines = [summary_sentence(found)]
    lines += [f"- {stop_sentence(stop, record)}" for stop in found.stops[:STOPS_SHOWN]]
    lines += [f"* {_plain(sentence(record, found, number))}" for number in range(len(found.advice))]
    if found.with_workers:
        table = ", ".join(f"{_workers(n)}: {seconds(takes)}" for n, takes in found.with_workers.items())
        lines.append(f"By the number of workers (it had {grouped(found.workers)}): {table}.")
    if found.note:
        lines.append(found.note)
    return "\n".join(lines)


def advice_html(record: RunRecord, found: Analysis) -> str:
    """The same as a part of a page."""
    parts = [element("p", escape(summary_sentence(found)))]
    if found.stops:
        items = [element("li", escape(stop_sentence(stop, record))) for stop in found.stops[:STOPS_SHOWN]]
        parts.append(element("ul", "\n".join(items), class_="iflow-stops"))
    if found.advice:
        items = [element("li", _marked(sentence(record, found, number))) for number in range(len(found.advice))]
        parts.append(element("ul", "\n".join(items), class_="iflow-advised"))
    if found.with_workers:
        parts.append(_workers_html(found))
    if found.note:
        parts.append(element("p", escape(found.note), class_="iflow-note"))
    return element("div", "\n".join(parts), class_="iflow-advice")


def summary_sentence(found: Analysis) -> str:
    """The whole run in a line or two."""
    told = [f"It took {seconds(found.seconds)}"]
    if found.sequential and found.seconds:
        told.append(
            f"its tasks one after the other take {seconds(found.sequential)}"
            f" ({found.sequential / found.seconds:.1f} times that)"
        )
    told.append(f"the critical path is {seconds(found.critical)}")
    part = f" ({found.stood / found.seconds:.0%})" if found.seconds else ""
    told.append(f"the workflow's own code stood waiting for {seconds(found.stood)}{part}")
    return "; ".join(told) + "."


def stop_sentence(stop: Stop, record: RunRecord) -> str:
    """Where code stood, and how long."""
    if stop.end:
        return f"At the end of {stop.workflow or 'the workflow'}, what it returned took {seconds(stop.waited)} more."
    of = "" if stop.workflow == record.name else f" of {stop.workflow}"
    times = f", {counted(stop.times, 'time')}" if stop.times > 1 else ""
    return f"The code{of} waited {seconds(stop.waited)} at {place(stop.site, record)}{times}."


def sentence(record: RunRecord, found: Analysis, number: int) -> str:
    """One piece of advice; what is code in it stands between backquotes.

    Args:
        record: the run.
        found: all there is to tell about it.
        number: of the advice, from 0.
    """
    advice = found.advice[number]
    barrier = place(advice.stop.site, record)
    several = len(advice.earlier) > 1
    told = f"{_calls(advice, record)} {'do' if several else 'does'} not use what {barrier} waited for"
    do = f"call {'them' if several else 'it'} before {barrier}"
    if any(_comes_again(advice, each.site) for each in advice.earlier):
        told += " in earlier rounds"
        do = f"make all {'these' if several else 'its'} calls before the first round waits"
    condition = f"If {'they' if several else 'it'} need not wait, {do}"
    so_far = "together with the above, the run" if number else "the run"
    gained = f"would have taken about {seconds(advice.takes)} instead of {seconds(found.seconds)}"
    text = f"{told}. {condition}: {so_far} {gained}."
    if not advice.checked:
        text += " (Its source is not known, so only placeholders among the arguments were looked at.)"
    return text[0].upper() + text[1:]


def _comes_again(advice: Advice, site: Site) -> bool:
    stop = advice.stop.site
    return stop is not None and site.file == stop.file and site.line <= stop.line


def _calls(advice: Advice, record: RunRecord) -> str:
    named = [f"{place(each.site, record)} `{one_line(each.name, 40)}(…)`" for each in advice.earlier[:NAMED]]
    left = len(advice.earlier) - NAMED
    if left > 0:
        return f"{', '.join(named)} and {counted(left, 'more call', 'more')}"
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))


def _plain(text: str) -> str:
    return text.replace("`", "")


def _marked(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(element("code", part) if number % 2 else part for number, part in enumerate(parts))


def _workers(number: int | None) -> str:
    return "unlimited" if number is None else str(number)


def _workers_html(found: Analysis) -> str:
    def cells() -> Iterator[str]:
        for number, takes in found.with_workers.items():
            yield element("td", escape(seconds(takes)), data_now="" if number == found.workers else None)

    heads = "".join(element("th", _workers(number), scope="col") for number in found.with_workers)
    rows = [
        element("tr", element("th", "workers", scope="row") + heads),
        element("tr", element("th", "about", scope="row") + "".join(cells())),
    ]
    caption = element("caption", f"With other numbers of workers (it had {escape(grouped(found.workers))})")
    return element("table", caption + "".join(rows), class_="iflow-workers")


class Decisions(list[Decision]):
    """The decisions of a run in order, as `run.decisions()` gives them: a list that shows itself readably.

    Example:
        >>> run.decisions()
        1. at 0 s
           scheduled embed_subtitles#1, find_chapters#1
           waited 599 ms at cell 7, line 6 for find_chapters#1
        >>> print(run.decisions().advice())
    """

    def __init__(self, record: RunRecord) -> None:
        super().__init__(decisions(record))
        self._record = record

    def advice(self) -> str:
        """What the barriers cost, which calls need not have stood after them, and what other workers would do."""
        return advice_text(self._record, analyse(self._record))

    def __repr__(self) -> str:
        return "\n".join(map(str, self)) or "no decisions yet"

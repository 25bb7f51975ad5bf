"""What calls left behind besides values, as sections of a page: errors, output, and what was given up.

Each section is bounded in its entries and in its texts; what was left out is counted.
"""

from __future__ import annotations

import traceback

from interactive_flow.model.brief import brief
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.views.decisions import listed
from interactive_flow.views.markup import counted, element, escape, grouped, one_line, plain_output, seconds, short_id
from interactive_flow.views.states import error_line
from interactive_flow.views.style import RUN_SYMBOLS, WORDS

ENTRIES_SHOWN = 50
"""How many errors, outputs or ids a section holds; the rest is only counted."""

TEXT_SHOWN = 8_000
"""Characters of one output or traceback that are shown; of longer ones the end."""

OUTPUT_SHOWN = 100_000
"""Characters of all outputs together that are shown."""


def mark_html(state: str) -> str:
    """The symbol of a state, in its colour; what it says must be told in words beside it."""
    return element("span", RUN_SYMBOLS[state], class_="iflow-mark", data_state=state, aria_hidden="true")


def section_html(title: str, count: int | None, content: str, *, opened: bool = False, key: str | None = None) -> str:
    """A part with a title that a reader opens and closes.

    Args:
        title: the title.
        count: how much there is in it; None to leave that out.
        content: its markup.
        opened: True where it is open at first.
        key: tells it from its neighbours while a live panel changes.
    """
    number = "" if count is None else f' <span class="iflow-count">{escape(grouped(count))}</span>'
    head = f"<summary>{escape(title)}{number}</summary>"
    return element("details", f"{head}\n{content}\n", class_="iflow-section", open="" if opened else None,
                   data_row=key)  # fmt: skip


def _more(number: int, what: str, shown: int = ENTRIES_SHOWN) -> str:
    left = number - shown
    return element("p", escape(f"and {counted(left, f'more {what}')}"), class_="iflow-note") if left > 0 else ""


def root_failures(record: RunRecord) -> list[CallRecord]:
    """The calls that failed by themselves, in order; those that only received an error are left out."""
    return [call for call in record.calls if call.error is not None and not call.inherited_error]


def errors_html(record: RunRecord) -> str:
    """A section with each error: where, why, what else it took down, and the traceback of the task."""
    roots = root_failures(record)
    heirs: dict[str | None, list[str]] = {}
    for call in record.calls:
        if call.error is not None and call.inherited_error:
            heirs.setdefault(call.error.call, []).append(call.id)
    entries = [_error_entry(call, heirs.get(call.id, [])) for call in roots[:ENTRIES_SHOWN]]
    own = record.error
    of_a_call = own is not None and any(call.error is own for call in roots)
    cancelled = record.status is RunStatus.CANCELLED
    if own is not None and not of_a_call and not cancelled:
        text = element("p", f"{mark_html('failed')} {escape(one_line(_said(own), 400))}")
        entries.append(element("div", text + _traceback_html(own), class_="iflow-entry"))
    if not entries:
        return ""
    number = len(roots) + (1 if own is not None and not of_a_call and not cancelled else 0)
    return section_html("Errors", number, "\n".join([*entries, _more(len(roots), "error")]), opened=number <= 3)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {brief_error(error)}"


def brief_error(error: BaseException) -> str:
    """What an exception says, even where its ``str`` raises."""
    try:
        return str(error)
    except Exception:
        return brief(error)


def _error_entry(call: CallRecord, heirs: list[str]) -> str:
    where = [f"at {call.site}" if call.site else "", f"on {call.worker}" if call.worker else ""]
    if call.duration is not None:
        where.append(f"after {seconds(call.duration)}")
    if call.attempts > 1:
        where.append(counted(call.attempts, "attempt"))
    name = element("span", escape(short_id(call.id)), class_="iflow-id")
    said = f"{mark_html(call.state.value)} {name} {escape(WORDS[call.state])}: {escape(error_line(call))}"
    parts = [element("p", said)]
    parts.append(element("p", escape(" · ".join(filter(None, where))), class_="iflow-note"))
    if heirs:
        parts.append(element("p", escape(f"took down {listed(heirs)}"), class_="iflow-note"))
    if call.error is not None and call.error.__cause__ is not None:
        parts.append(_traceback_html(call.error.__cause__))
    return element("div", "\n".join(parts), class_="iflow-entry", data_state=call.state.value)


def _traceback_html(error: BaseException) -> str:
    return _text_html(traceback_text(error))


def traceback_text(error: BaseException) -> str:
    """The traceback of an exception as Python prints it; what it can be made of where that fails."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return f"{type(error).__name__}: {brief(error)}"


def _text_html(text: str, limit: int = TEXT_SHOWN) -> str:
    text = plain_output(text)
    if len(text) > limit:
        text = f"… {counted(len(text) - limit, 'character')} left out …\n" + text[-limit:]
    return element("pre", escape(text.rstrip("\n")), class_="iflow-pre")


def output_html(record: RunRecord) -> str:
    """A section with what the tasks printed, see `outputs_html`."""
    printed = sum(1 for call in record.calls if call.stdout)
    return section_html("Output", printed, outputs_html(record)) if printed else ""


def outputs_html(record: RunRecord, most: int = OUTPUT_SHOWN) -> str:
    """What each task printed: a part for each task, and in it the calls in order; nothing where nobody printed.

    Args:
        record: the run.
        most: characters of output in all, as a rule at most; each call's part of that is the same.
    """
    printed: dict[str, list[CallRecord]] = {}
    for call in record.calls:
        if call.stdout:
            printed.setdefault(call.name, []).append(call)
    each = max(ENTRIES_SHOWN // max(len(printed), 1), 1)
    shown = sum(min(len(calls), each) for calls in list(printed.values())[:ENTRIES_SHOWN])
    limit = min(TEXT_SHOWN, max(most // max(shown, 1), 200))
    parts = [
        section_html(name, len(calls), "\n".join([*(_output_entry(call, limit) for call in calls[:each]),
                                              _more(len(calls), "call", each)]), opened=True, key=f"output/{name}")
        for name, calls in list(printed.items())[:ENTRIES_SHOWN]
    ]  # fmt: skip
    return "\n".join([*parts, _more(len(printed), "task")]) if parts else ""


def _output_entry(call: CallRecord, limit: int) -> str:
    head = element(
        "p", f"{mark_html(call.state.value)} {element('span', escape(short_id(call.id)), class_='iflow-id')}"
    )
    left_out = ""
    if call.stdout_left_out:
        text = f"… and {counted(call.stdout_left_out, 'character')} that were not kept"
        left_out = element("p", escape(text), class_="iflow-note")
    return element("div", head + _text_html(call.stdout, limit) + left_out, class_="iflow-entry")


def not_needed_html(record: RunRecord) -> str:
    """A section with the calls that were given up, by why."""
    reasons: dict[str, list[str]] = {}
    for call in record.calls:
        if call.state is CallState.CANCELLED:
            reasons.setdefault(call.reason or "cancelled", []).append(short_id(call.id))
    return _by_reason("Cancelled calls", mark_html("cancelled"), reasons)


def not_reused(record: RunRecord) -> dict[str, list[str]]:
    """By why they could not use what was kept, the calls that ran all the same; and the run itself, by its name."""
    reasons: dict[str, list[str]] = {}
    if record.cache_reason:
        reasons[one_line(record.cache_reason, 400)] = [record.name]
    for call in record.calls:
        if call.cache_reason:
            reasons.setdefault(one_line(call.cache_reason, 400), []).append(short_id(call.id))
    return reasons


def not_reused_html(record: RunRecord) -> str:
    """A section with the calls that could not use what was kept, by why."""
    return _by_reason("Calls that ran again", "", not_reused(record))


def _by_reason(title: str, mark: str, reasons: dict[str, list[str]]) -> str:
    if not reasons:
        return ""
    entries = []
    for reason, ids in list(reasons.items())[:ENTRIES_SHOWN]:
        shown = ", ".join(ids[:ENTRIES_SHOWN])
        more = f" and {grouped(len(ids) - ENTRIES_SHOWN)} more" if len(ids) > ENTRIES_SHOWN else ""
        text = f"{mark} {escape(reason)}: {element('span', escape(shown + more), class_='iflow-id')}"
        entries.append(element("div", element("p", text.lstrip()), class_="iflow-entry"))
    entries.append(_more(len(reasons), "reason"))
    return section_html(title, sum(map(len, reasons.values())), "\n".join(filter(None, entries)))

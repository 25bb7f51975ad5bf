"""Views of runs that used what was kept: where values come from, and why calls ran all the same."""

from __future__ import annotations

from interactive_flow.model.events import (
    CallCached,
    CallNotReused,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
)
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus
from interactive_flow.notebook.details import describe
from interactive_flow.views.graph import graph_model
from interactive_flow.views.html import done_text, static_panel
from interactive_flow.views.report import report_html
from interactive_flow.views.sections import not_reused, not_reused_html
from interactive_flow.views.states import cache_line
from interactive_flow.views.summary import summarise
from interactive_flow.views.text import text_snapshot

REASON = "helper `clean <b>` changed (cell 7)"


def scheduled(call: int, name: str, number: int) -> CallScheduled:
    return CallScheduled(0.0, call, name, number, CallKind.TASK, 0, (), None, (number,))


def computed(call: int, reason: str | None = None) -> list[Event]:
    told: list[Event] = [] if reason is None else [CallNotReused(0.5, call, reason)]
    return [*told, CallStarted(1.0, call, 1, "w0"), CallSucceeded(2.0, call, 1.0, "w0", call)]


def some_cached() -> RunRecord:
    return RunRecord(
        [
            RunStarted(0.0, "now", "wf", 0.0, 2),
            scheduled(1, "words", 1),
            scheduled(2, "words", 2),
            scheduled(3, "count", 1),
            CallCached(0.4, 1, ["a"], 3.0, "then"),
            *computed(2, REASON),
            *computed(3),
            RunFinished(2.0, RunStatus.SUCCEEDED, 1, None),
        ]
    )


def all_cached() -> RunRecord:
    return RunRecord(
        [
            RunStarted(0.0, "now", "wf", 0.0, 2),
            CallCached(0.4, 0, ["a"], 3.0, "then"),
            RunFinished(0.5, RunStatus.SUCCEEDED, ["a"], None),
        ]
    )


def test_the_record_knows_where_a_value_comes_from() -> None:
    first, second, third = some_cached().calls
    assert (first.state, first.value, first.cached_from, first.cached_seconds) == (CallState.CACHED, ["a"], "then", 3)
    assert (second.state, second.cache_reason) == (CallState.SUCCEEDED, REASON)
    assert third.cache_reason is None


def test_the_record_of_a_run_that_is_known_as_a_whole() -> None:
    record = all_cached()
    assert (record.calls, record.value, record.cached_from, record.cached_seconds) == ([], ["a"], "then", 3)
    record = RunRecord([RunStarted(0.0, "now", "wf", 0.0, 2), CallNotReused(0.1, 0, REASON)])
    assert record.cache_reason == REASON
    assert not record.changed
    assert not_reused(record) == {REASON: ["wf"]}


def test_a_call_says_it_in_a_line() -> None:
    assert [cache_line(call) for call in some_cached().calls] == [
        "from run then, where it took 3.00 s",
        f"ran because {REASON}",
        "",
    ]


def test_the_details_of_a_node_say_it() -> None:
    told = describe(graph_model(some_cached())).values()
    assert [dict(details["rows"]).get("cache", "") for details in told] == [
        "from run then, where it took 3.00 s",
        f"ran because {REASON}",
        "",
    ]


def test_calls_that_ran_again_are_listed_by_reason() -> None:
    record = some_cached()
    assert not_reused(record) == {REASON: ["words#2"]}
    assert "clean &lt;b&gt;" in not_reused_html(record)
    for page in (static_panel(record), report_html(record, {})):
        assert "Calls that ran again" in page
        assert "<b>` changed" not in page
    assert "from run then, where it took 3.00 s" in report_html(record, {})
    assert f"words#2 ran because {REASON}" in text_snapshot(record)
    assert not_reused_html(all_cached()) == ""


def test_many_reasons_are_bounded() -> None:
    events: list[Event] = [RunStarted(0.0, "now", "wf", 0.0, 2)]
    for call in range(1, 201):
        events += [scheduled(call, "words", call), *computed(call, f"reason {call}")]
    record = RunRecord(events)
    assert "and 190 more reasons" in text_snapshot(record)
    assert "and 150 more reasons" in not_reused_html(record)


def test_a_run_that_is_known_as_a_whole_says_so() -> None:
    record = all_cached()
    assert done_text(summarise(record)) == "nothing ran: all of it is from run then"
    assert "nothing ran: all of it is from run then" in static_panel(record)
    assert "nothing ran: all of it is from run then" in text_snapshot(record)

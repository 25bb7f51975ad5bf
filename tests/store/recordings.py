"""Runs for the tests to store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interactive_flow.model.events import (
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
    Site,
)
from interactive_flow.model.log import EventLog
from interactive_flow.model.states import CallKind, RunStatus
from interactive_flow.store import Store


def log_of(events: Sequence[Event]) -> EventLog:
    """A log of these events."""
    log = EventLog()
    for event in events:
        log.append(event)
    return log


def succeeding(values: Sequence[Any], run: str = "r", restarts: int = 0) -> list[Event]:
    """The events of a run in which one call after the other gives one of the values."""
    events: list[Event] = [RunStarted(0.0, run, "wf", 1000.0, 2, restarts=restarts)]
    site = Site("/somewhere/code.py", 3, "wf")
    for index, value in enumerate(values, 1):
        events.append(CallScheduled(index + 0.1, index, "give", index, CallKind.TASK, 0, (), site, (index,)))
        events.append(CallStarted(index + 0.2, index, 1, "w0"))
        events.append(CallSucceeded(index + 0.3, index, index + 0.2, "w0", value))
    events.append(RunFinished(len(values) + 1.0, RunStatus.SUCCEEDED, list(values), None))
    return events


def record(store: Store, events: Sequence[Event], run: str = "r") -> None:
    """Stores these events as a run."""
    with store.begin(run, "wf") as recorder:
        recorder.append(log_of(events).tail(0))
    if recorder.error is not None:
        raise recorder.error

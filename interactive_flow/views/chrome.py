"""A run as Chrome trace events, for Perfetto and chrome://tracing.

The format is the JSON one of the *Trace Event Format* document (D. Sinclair, N. Duca; Google): complete events
(``X``) for attempts, one thread a worker; a process of its own for sub-workflows and for where workflow code stood at
barriers; flow events (``s``, ``f``) along data dependencies; counters (``C``) of running and finished calls.
Times there are microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from interactive_flow.model.record import Attempt, CallRecord, RunRecord
from interactive_flow.model.states import CallKind

_Event = dict[str, Any]

WORKERS, WORKFLOWS = 1, 2
"""The "processes" of the trace."""


def chrome_trace(record: RunRecord) -> str:
    """`record` as trace-event JSON text.

    Example:
        >>> Path("run.json").write_text(chrome_trace(record))
    """
    threads: dict[tuple[int, str], int] = {}
    body = [*_attempts(record, threads), *_workflows(record, threads), *_flows(record, threads), *_counters(record)]
    return json.dumps(
        {
            "traceEvents": [*_names(record, threads), *body],
            "displayTimeUnit": "ms",
            "otherData": {
                "run": record.run,
                "workflow": record.name,
                "status": record.status.value,
                "started": record.wall,
            },
        },
        separators=(",", ":"),
    )


def _micro(at: float) -> float:
    return round(at * 1e6, 1)


def _thread(threads: dict[tuple[int, str], int], process: int, name: str) -> int:
    return threads.setdefault((process, name), len(threads) + 1)


def _worker(threads: dict[tuple[int, str], int], attempt: Attempt) -> int:
    return _thread(threads, WORKERS, attempt.worker or "unnamed")


def _names(record: RunRecord, threads: dict[tuple[int, str], int]) -> Iterator[_Event]:
    for process, name in ((WORKERS, f"{record.name}: workers"), (WORKFLOWS, f"{record.name}: workflow code")):
        yield {"ph": "M", "pid": process, "name": "process_name", "args": {"name": name}}
        yield {"ph": "M", "pid": process, "name": "process_sort_index", "args": {"sort_index": process}}
    for (process, name), number in threads.items():
        yield {"ph": "M", "pid": process, "tid": number, "name": "thread_name", "args": {"name": name}}


def _attempts(record: RunRecord, threads: dict[tuple[int, str], int]) -> Iterator[_Event]:
    for call in record.calls:
        if call.kind in (CallKind.WORKFLOW, CallKind.COMBINATOR):
            continue
        for attempt in call.tries:
            yield {
                "ph": "X",
                "pid": WORKERS,
                "tid": _worker(threads, attempt),
                "ts": _micro(attempt.started_at),
                "dur": _micro(_end(record, attempt.finished_at) - attempt.started_at),
                "name": call.name,
                "cat": attempt.state.value,
                "args": _about(call) | {"attempt": attempt.number, "state": attempt.state.value},
            }


def _about(call: CallRecord) -> _Event:
    about = {"id": call.id, "call": call.call_text()}
    if call.site:
        about["site"] = str(call.site)
    if call.error is not None:
        about["error"] = call.error.reason
    return about


def _end(record: RunRecord, at: float | None) -> float:
    return record.clock if at is None else at


def _workflows(record: RunRecord, threads: dict[tuple[int, str], int]) -> Iterator[_Event]:
    main = _thread(threads, WORKFLOWS, record.name or "workflow")
    if record.seen:
        end = _end(record, record.finished_at)
        yield {"ph": "X", "pid": WORKFLOWS, "tid": main, "ts": 0, "dur": _micro(end), "name": record.name, "args": {}}
    lanes = {0: main}
    for call in record.calls:
        if call.kind is CallKind.WORKFLOW and call.started_at is not None:
            lanes[call.index] = thread = _thread(threads, WORKFLOWS, call.id)
            length = _end(record, call.finished_at) - call.started_at
            yield {
                "ph": "X", "pid": WORKFLOWS, "tid": thread, "ts": _micro(call.started_at), "dur": _micro(length),
                "name": call.name, "cat": call.state.value, "args": _about(call),
            }  # fmt: skip
    for barrier in record.barriers:
        waits_on = [record.by_index[index].id for index in barrier.waits_on]
        yield {
            "ph": "X", "pid": WORKFLOWS, "tid": lanes.get(barrier.workflow, main), "ts": _micro(barrier.entered_at),
            "dur": _micro(_end(record, barrier.left_at) - barrier.entered_at), "name": "barrier", "cat": "barrier",
            "args": {"waits_on": waits_on[:50], "site": str(barrier.site or "")},
        }  # fmt: skip


def _flows(record: RunRecord, threads: dict[tuple[int, str], int]) -> Iterator[_Event]:
    number = 0
    for call in record.calls:
        if not call.tries:
            continue
        for index in call.dependencies:
            source = record.by_index[index]
            if not source.tries:
                continue
            number += 1
            before, after = source.tries[-1], call.tries[0]
            flow = {"id": number, "name": "data", "cat": "data", "pid": WORKERS}
            # A flow begins inside the slice it comes from: a moment before that one's end.
            begun = max(_micro(_end(record, before.finished_at)) - 0.1, _micro(before.started_at))
            yield flow | {"ph": "s", "tid": _worker(threads, before), "ts": round(begun, 1)}
            yield flow | {"ph": "f", "bp": "e", "tid": _worker(threads, after), "ts": _micro(after.started_at)}


def _counters(record: RunRecord) -> Iterator[_Event]:
    steps: list[tuple[float, int, int]] = []
    for call in record.calls:
        if call.kind in (CallKind.WORKFLOW, CallKind.COMBINATOR):
            continue
        for attempt in call.tries:
            steps.append((attempt.started_at, 1, 0))
            if attempt.finished_at is not None:
                steps.append((attempt.finished_at, -1, 0))
        if call.state.final and call.finished_at is not None:
            steps.append((call.finished_at, 0, 1))
    running = finished = 0
    for position, (at, more, done) in enumerate(steps := sorted(steps)):
        running += more
        finished += done
        if position + 1 == len(steps) or steps[position + 1][0] > at:
            args = {"running": running, "finished": finished}
            yield {"ph": "C", "pid": WORKERS, "ts": _micro(at), "name": "calls", "args": args}

"""A run as the decisions of its workflow code: what each advance scheduled, where it stopped and for what.

A *decision* is one advance of a workflow: from its start, or from where a barrier let it go on, to the next barrier or
to its end.  Within a decision nothing is known that was not known when it began, so all the calls it makes might run
at once; this is what makes decisions the right grain for looking at a workflow's concurrency.

`advances` is the base of everything here that needs to know which calls came before and which after a barrier (the
graph's bars, the critical path); it is the only place that works it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from interactive_flow.model.events import Site
from interactive_flow.model.record import Barrier, CallRecord, RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus
from interactive_flow.views.markup import counted, seconds, short_id

End: TypeAlias = Literal["barrier", "returned", "ended", "advancing"]
"""How a decision ended: at a barrier, because the code returned, because it failed or was cut off, or not yet."""


@dataclass(slots=True)
class Advance:
    """The calls that a workflow made in one go, and the barrier that ended it (None: it did not stop at one)."""

    calls: list[CallRecord]
    barrier: Barrier | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One advance of a workflow, in order of time over the whole run.

    Attributes:
        number: counts the decisions of the run, from 1.
        workflow: the id of the sub-workflow that advanced; None for the run's own.
        began: when, in seconds since the start of the run.
        until: when it stopped at the barrier or came to its end; None where it still goes on.
        scheduled: ids of the calls it made.
        end: at a ``"barrier"``; because the code ``"returned"``; ``"ended"`` where it failed or was cut off; or not
            yet (``"advancing"``).
        site: the line of the barrier.
        waits_on: ids of the calls that the barrier waited for; where the code returned, those whose results were part
            of that and still missing.
        waited: seconds it waited for them; None while it still does, and where there is nothing to wait for.
    """

    number: int
    workflow: str | None
    began: float
    until: float | None
    scheduled: tuple[str, ...]
    end: End
    site: Site | None
    waits_on: tuple[str, ...]
    waited: float | None

    def __str__(self) -> str:
        """The decision in a few lines, as `decisions_text` has it."""
        head = f"{self.number}. at {seconds(self.began)}"
        if self.workflow:
            head += f", in {short_id(self.workflow)}"
        return "\n".join([head, f"   scheduled {listed(self.scheduled)}", f"   {ending(self)}"])

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data, fit for JSON; the site as file, line, function and cell."""
        return {
            "number": self.number,
            "workflow": self.workflow,
            "began": self.began,
            "until": self.until,
            "scheduled": list(self.scheduled),
            "end": self.end,
            "site": self.site._asdict() if self.site else None,
            "waits_on": list(self.waits_on),
            "waited": self.waited,
        }


def advances(record: RunRecord) -> dict[int, list[Advance]]:
    """The advances of each workflow that did anything, by the workflow's index (0: the run's own).

    Barriers and calls of one workflow are each in order already, and a standing workflow makes no calls, so the two
    are merged by their times.  Where a barrier was entered and left at the very instant of a call, the call counts as
    made after it if it is younger than all that the barrier waited for.
    """
    made: dict[int, list[CallRecord]] = {}
    for call in record.calls:
        made.setdefault(call.parent_index, []).append(call)
    stops: dict[int, list[Barrier]] = {}
    for barrier in record.barriers:
        stops.setdefault(barrier.workflow, []).append(barrier)
    workflows = [0, *(call.index for call in record.calls if call.kind is CallKind.WORKFLOW)]
    return {w: _merge(made.get(w, []), stops.get(w, [])) for w in workflows if w in made or w in stops}


def _merge(calls: list[CallRecord], barriers: list[Barrier]) -> list[Advance]:
    result = [Advance([], barrier) for barrier in barriers]
    result.append(Advance([], None))
    current = 0
    for call in calls:
        while current < len(barriers) and _after(call, barriers[current]):
            current += 1
        result[current].calls.append(call)
    return result


def _after(call: CallRecord, barrier: Barrier) -> bool:
    if barrier.left_at is None or call.scheduled_at < barrier.left_at:
        return False
    return barrier.entered_at < barrier.left_at or call.index > max(barrier.waits_on, default=0)


def decisions(record: RunRecord) -> list[Decision]:
    """Every decision of the run, in order of when it began.

    Example:
        >>> for decision in decisions(record):
        ...     print(decision.number, decision.scheduled, decision.site, decision.waited)
    """
    found = [row for workflow, steps in advances(record).items() for row in _rows(record, workflow, steps)]
    if not found and record.seen:
        found = [(0.0, 0, Advance([], None), _end_of(record, 0))]
    found.sort(key=lambda row: row[0])
    return [_decision(record, number, *row) for number, row in enumerate(found, 1)]


_Row = tuple[float, int, Advance, End]


def _rows(record: RunRecord, workflow: int, steps: list[Advance]) -> Iterator[_Row]:
    began = start_of(record, workflow)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if step.barrier is None or following is None:
            yield began, workflow, step, _end_of(record, workflow)
            return
        yield began, workflow, step, "barrier"
        left = step.barrier.left_at
        cut_off = left == record.finished_at and not following.calls and not _returned(record, workflow)
        if left is None or (cut_off and following.barrier is None):
            return  # it stands there, or stood there when the run ended
        began = left


def start_of(record: RunRecord, workflow: int) -> float:
    """When the code of a workflow (0: the run's own) began."""
    if workflow == 0:
        return 0.0
    call = record.by_index[workflow]
    return call.scheduled_at if call.started_at is None else call.started_at


def _returned(record: RunRecord, workflow: int) -> bool:
    if workflow in record.returns:
        return True
    return workflow != 0 and record.by_index[workflow].state is CallState.SUCCEEDED


def _end_of(record: RunRecord, workflow: int) -> End:
    if _returned(record, workflow):
        return "returned"
    over = record.by_index[workflow].state.final if workflow else False
    return "ended" if over or record.status is not RunStatus.RUNNING else "advancing"


def _decision(record: RunRecord, number: int, began: float, workflow: int, step: Advance, end: End) -> Decision:
    barrier = step.barrier
    if barrier is None and end == "returned":
        barrier = record.returns.get(workflow)
    waited = None
    if barrier is not None and barrier.left_at is not None and (barrier.waits_on or step.barrier is not None):
        waited = barrier.left_at - barrier.entered_at
    return Decision(
        number=number,
        workflow=record.by_index[workflow].id if workflow else None,
        began=began,
        until=barrier.entered_at if barrier else None if end == "advancing" else _end_at(record, workflow),
        scheduled=tuple(call.id for call in step.calls),
        end=end,
        site=barrier.site if barrier else None,
        waits_on=tuple(record.by_index[i].id for i in barrier.waits_on) if barrier else (),
        waited=waited,
    )


def _end_at(record: RunRecord, workflow: int) -> float | None:
    return record.by_index[workflow].finished_at if workflow else record.finished_at


SHOWN = 6
"""How many ids of one decision the text names before it only counts."""


def decisions_text(record: RunRecord) -> str:
    """The decisions as a plain text, a paragraph each."""
    return "\n".join(map(str, decisions(record)))


def ending(decision: Decision) -> str:
    """How a decision ended, in a line: ``waited 1.02 s at cell 3, line 7 for find_chapters#1``."""
    if decision.end == "returned" and decision.waits_on:
        what = listed(decision.waits_on)
        if decision.waited is None:
            return f"returned, and waits for {what}"
        return f"returned, and waited {seconds(decision.waited)} for {what}"
    if decision.end != "barrier":
        return {"returned": "returned", "ended": "ended without a result", "advancing": "goes on"}[decision.end]
    where = f" at {decision.site}" if decision.site else ""
    what = listed(decision.waits_on) if decision.waits_on else "nothing"
    if decision.waited is None:
        return f"waits{where} for {what}"
    return f"waited {seconds(decision.waited)}{where} for {what}"


def listed(ids: tuple[str, ...] | list[str]) -> str:
    """Some ids in a line, those beyond `SHOWN` only counted; ``nothing`` where there are none."""
    if not ids:
        return "nothing"
    if len(ids) <= SHOWN:
        return ", ".join(map(short_id, ids))
    return f"{', '.join(map(short_id, ids[: SHOWN - 1]))} and {counted(len(ids) - SHOWN + 1, 'more', 'more')}"

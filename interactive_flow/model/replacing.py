"""What becomes of a record's calls when a notebook cell is run again, and how calls are named by who made them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from interactive_flow.model.events import CellReplaced

if TYPE_CHECKING:
    from interactive_flow.model.record import CallRecord, RunRecord


def id_of(parent: CallRecord | None, name: str, number: int) -> str:
    """The id of a call; a cell has no number, as its name says which it is."""
    own = f"{name}#{number}" if number else name
    return f"{parent.id}/{own}" if parent else own


def replace_cell(record: RunRecord, e: CellReplaced) -> None:
    """The cell that is run anew takes the place of the former one, with the calls that were kept."""
    by_index = record.by_index
    former, cell = _below(record, {e.call}), by_index[e.by]
    moved = _below(record, set(e.kept)) & former
    for index in sorted(moved):  # who made a call first
        call = by_index[index]
        if index in e.kept:
            call.parent_index = e.by
            call.stale = False  # what it was computed from has turned out to be the same
        parent = by_index[call.parent_index]
        call.id, call.parent = id_of(parent, call.name, call.number), parent.id
    leaving = former - moved
    block = _below(record, {e.by})
    others: list[CallRecord] = []
    place = 0
    for call in record.calls:
        if call.index == e.call:
            place = len(others)
        if call.index in leaving:
            if record.counts(call):
                record.count[call.state] -= 1
            call.replaced = True
        elif call.index not in block:
            others.append(call)
        call.depends_on = tuple([by_index[i].id for i in call.dependencies])
    inner = [call for call in record.calls if call.index in block and call is not cell]
    record.calls = [*others[:place], cell, *inner, *others[place:]]
    record.barriers = [barrier for barrier in record.barriers if barrier.workflow not in leaving]
    record.changed -= leaving
    record.shape += 1
    record.replacements += 1


def _below(record: RunRecord, indexes: set[int]) -> set[int]:
    """These calls and all that they made."""
    found = set(indexes)
    for call in record.calls:  # who made a call stands before it
        if call.parent_index in found:
            found.add(call.index)
    return found

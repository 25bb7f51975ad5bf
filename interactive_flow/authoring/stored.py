"""Runs that outlived their process: which there are, a look at one, going on with one, and removing them."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from typing import Any, TypeAlias

from interactive_flow.authoring import defined
from interactive_flow.authoring.options import store_of
from interactive_flow.authoring.workflow import Workflow
from interactive_flow.engine.past import Past
from interactive_flow.runtime.run import Run
from interactive_flow.runtime.stored import StoredRun
from interactive_flow.store import Freed, RunSummary, Store
from interactive_flow.views.markup import element, escape, grouped, seconds, size_text

Place: TypeAlias = "str | os.PathLike[str] | Store"
"""What says which store is meant: its directory, or the `Store` itself."""

_HEADS = ("run", "status", "started", "took", "calls", "size", "workflow")
_NUMBERS = frozenset({"took", "calls", "size"})


class RunList(list[RunSummary]):
    """Stored runs; a list that shows itself as a table."""

    def rows(self) -> list[tuple[str, ...]]:
        """What there is to show of each: id, status, start in local time, duration, calls, size, name."""
        return [
            (
                run.id,
                run.status,
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started)),
                seconds(run.duration),
                grouped(run.calls),
                size_text(run.size),
                run.name,
            )
            for run in self
        ]

    def __repr__(self) -> str:
        if not self:
            return "no runs"
        rows = [_HEADS, *self.rows()]
        columns = [
            [cell.rjust(width) if head in _NUMBERS else cell.ljust(width) for cell in column]
            for head, column in zip(_HEADS, zip(*rows, strict=True), strict=True)
            if (width := max(map(len, column)))
        ]
        return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))

    def _repr_html_(self) -> str:
        return element("table", _html_row("th", _HEADS) + "".join(_html_row("td", row) for row in self.rows()))


def _html_row(tag: str, cells: tuple[str, ...]) -> str:
    sides = ("right" if head in _NUMBERS else "left" for head in _HEADS)
    return element(
        "tr",
        "".join(
            element(tag, escape(cell), style=f"text-align: {side}") for cell, side in zip(cells, sides, strict=True)
        ),
    )


def runs(store: Place | None = None) -> RunList:
    """The runs that a store keeps, oldest first, with what each takes on the disk.

    Args:
        store: its directory, or the `Store` itself; the session's unless given (``configure(store=…)``).

    Raises:
        ValueError: none is given, and the session has none.
        StoreError: it cannot be read.

    Example:
        >>> [run.id for run in iflow.runs("runs") if run.status == "interrupted"]
    """
    return RunList(store_of(store, "runs()").runs())


def open_run(id: str, store: Place | None = None) -> Run:
    """A stored run, to look at: no code is needed for that, nor the classes of its values.

    Args:
        id: the run's, or so much of its beginning that it can be no other.
        store: as in `runs`.

    Returns:
        A `Run` with all that one has to show.  Its status is ``"interrupted"`` where its process ended before it did.

    Raises:
        UnknownRun: there is no such run.
        ValueError, StoreError: as in `runs`.

    Example:
        >>> iflow.open_run("4f2a", "runs").to_html("report.html")
    """
    place = store_of(store, "open_run()")
    name = (summary := place.run(place.find(id))).name

    def again(args: tuple[Any, ...], kwargs: dict[str, Any], past: Past) -> Run:
        return _workflow_of(name, None, summary.id)._retried(args, kwargs, past, place)

    return StoredRun(place, summary.id, again)


def resume(
    id: str, store: Place | None = None, workflow: Workflow[..., Any] | None = None, *, reuse: bool = False
) -> Run:
    """Continues a run whose process ended before it did, or that was cancelled, or has failed.

    Its workflow's code runs again, from the top.  Each call that was recorded as completed has the value, or the error,
    that it had then, and is not run again, and everything happens in the order in which it happened; calls that were
    under way run again.  From there on the run goes on as any other.

    Args:
        id: the run's, or so much of its beginning that it can be no other.
        store: as in `runs`.
        workflow: its workflow, as it is defined now; unless given the one of the same name that was defined last in
            this process.
        reuse: True to begin a *new* run instead, which takes from the other one what is still the same, call by call
            and in any order: for code that has changed too much to go on with.

    Returns:
        The run, which goes on in a thread of its own; `Run.result` waits for it.

    Raises:
        UnknownRun: there is no such run.
        RunExists: it is still running.
        LookupError: no workflow of this name is defined here.
        ValueError: it has succeeded.
        ValueNotStored: its arguments could not be stored.
        StoreError: as in `runs`.

    `Run.result` raises a `DeterminismError` where the code does not make the calls that it made before.

    Example:
        >>> iflow.resume("4f2a", "runs").result()
    """
    place = store_of(store, "resume()")
    summary = place.run(place.find(id))
    if summary.status == "succeeded" and not reuse:
        raise ValueError(
            f"run {summary.id} of {summary.name} has succeeded, so there is nothing to continue; see open_run"
        )
    definition = _workflow_of(summary.name, workflow, summary.id)
    if reuse:
        args, kwargs = place.arguments(summary.id)
        run = definition._retried(args, kwargs, Past.read(place.rounds(summary.id)), place)
    else:
        run = definition._continued(place, summary.id)
    return run.drive_in_background(sys._getframe(1))


def _workflow_of(name: str, given: Workflow[..., Any] | None, run: str) -> Workflow[..., Any]:
    workflow = given if given is not None else defined.find(name)
    if workflow is None:
        known = ", ".join(defined.names()) or "none"
        raise LookupError(
            f"run {run} is one of the workflow {name!r}, which is not defined in this process; define or import it "
            f"first, or say which one it is by workflow=… (defined here: {known})"
        )
    return workflow


def prune(store: Place | None = None, *, older_than: timedelta | float | None = None, keep: int | None = None) -> Freed:
    """Removes runs that are over from a store, and the value files that no other run needs.

    Args:
        store: as in `runs`.
        older_than: only those that ended so long ago; a `timedelta`, or seconds.
        keep: spares so many, those that began last.  A run that is still running is spared always.

    Returns:
        The ids of the runs that were removed, and how many files and bytes went with them.

    Raises:
        ValueError: neither `older_than` nor `keep` is given, or no store.
        StoreError: it cannot be written.

    Example:
        >>> iflow.prune("runs", older_than=timedelta(days=30), keep=10)
    """
    return store_of(store, "prune()").prune(older_than=older_than, keep=keep)

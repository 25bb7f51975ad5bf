"""Runs that outlived their process: which there are, a look at one, going on with one, and removing them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TypeAlias

from interactive_flow.authoring.options import store_of
from interactive_flow.runtime.run import Run
from interactive_flow.runtime.stored import StoredRun
from interactive_flow.store import Freed, RunSummary, Store

Place: TypeAlias = "str | os.PathLike[str] | Store"
"""What says which store is meant: its directory, or the `Store` itself."""


def runs(store: Place | None = None) -> list[RunSummary]:
    """The runs that a store keeps, oldest first, with what each takes on the disk.

    Args:
        store: its directory, or the `Store` itself; the session's unless given (``configure(store=…)``).

    Raises:
        ValueError: none is given, and the session has none.
        StoreError: it cannot be read.

    Example:
        >>> [run.id for run in iflow.runs("runs") if run.status == "interrupted"]
    """
    return store_of(store, "runs()").runs()


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
    return StoredRun(place, place.find(id))


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

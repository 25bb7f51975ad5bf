"""Runs that outlived their process: which there are."""

from __future__ import annotations

import os

from interactive_flow.store import RunSummary, Store


def runs(store: str | os.PathLike[str] | Store) -> list[RunSummary]:
    """The runs that a store keeps, oldest first.

    Args:
        store: its directory, or the `Store` itself.

    Raises:
        StoreError: it cannot be read.

    Example:
        >>> [run.id for run in iflow.runs("runs") if run.status == "interrupted"]
    """
    return (store if isinstance(store, Store) else Store(store)).runs()

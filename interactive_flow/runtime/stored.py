"""A run that is in a store: to look at, and to begin again from.

It has the surface of a `Run`, and what it shows is made from its events in the same way; but there is no code behind
it, and nothing that could be cancelled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from interactive_flow.engine.past import Past
from interactive_flow.model.errors import RunInterrupted, TaskCancelled
from interactive_flow.model.events import Event
from interactive_flow.model.log import EventLog
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.runtime.collector import patient_collector
from interactive_flow.runtime.memories import original_error
from interactive_flow.runtime.run import Run
from interactive_flow.store import RunSummary, Store, loaded

_INTERVAL = 0.25
"""Seconds between two looks at a run that another process records."""

_RUNNING, _INTERRUPTED = str(RunStatus.RUNNING), str(RunStatus.INTERRUPTED)


class StoredRun(Run):
    """A run in a store, as it is now; made by `interactive_flow.open_run`.

    Its values are loaded when they are used; what shows them needs none of them, nor the code that made them.  While
    another process still records it, each look at it is at what is stored by then.

    Args:
        store: where it is.
        run: its id.
        again: makes a run of the same workflow with these arguments, which takes its values from this past.

    Raises:
        UnknownRun: there is no run of this id.
        StoreError: it cannot be read.

    Attributes:
        store: where it is.
    """

    store: Store

    def __init__(
        self,
        store: Store,
        run: str,
        again: Callable[[tuple[Any, ...], dict[str, Any], Past], Run] | None = None,
    ) -> None:
        # Not as `Run` does, which makes all that is needed to run.
        self.store = store
        self.id = run
        self._again = again
        self._lock = threading.Lock()
        self._summary = store.run(run)
        self.name = self._summary.name
        self._log: EventLog | None = None
        self._look()

    # -- what is stored -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Sees what is new, where something may be."""
        if self._log is not None and self._summary.status not in (_RUNNING, _INTERRUPTED):
            return
        with self._lock:
            summary = self.store.run(self.id)
            if self._log is None or _progress(summary) != _progress(self._summary):
                self._log = self.store.events(self.id)
                self._record = _record(self._log, summary)
            self._summary = summary

    def _refuse(self, what: str) -> NoReturn:
        raise RunInterrupted(
            f"run {self.id} of {self.name} {what}; interactive_flow.resume({self.id!r}, {str(self.store.path)!r}) "
            f"continues it"
        )

    @property
    def status(self) -> str:
        """As of a `Run`; ``"interrupted"`` where its process ended before it did."""
        self._look()
        return self._summary.status

    def events(self) -> Sequence[Event]:
        """Everything that happened, as far as it is stored."""
        self._look()
        assert self._log is not None
        return tuple(self._log)

    def record(self) -> RunRecord:
        """The fold over the events: what every view is made from.  To be read, not written."""
        self._look()
        return self._record

    def snapshot(self) -> RunRecord:
        """See `Run.snapshot`."""
        self._look()
        assert self._log is not None
        return _record(self._log, self._summary)

    def _taking_values(self) -> Run:
        if self._again is None:
            return super()._taking_values()
        args, kwargs = self.store.arguments(self.id)
        return self._again(args, kwargs, Past.read(self.store.rounds(self.id)))

    # -- the outcome ----------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the run is over, or its process is, at most `timeout` seconds; True if it is."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.status == _RUNNING:
            left = _INTERVAL if until is None else min(until - time.monotonic(), _INTERVAL)
            if left <= 0:
                return False
            time.sleep(left)
        return True

    def result(self, timeout: float | None = None) -> Any:
        """The workflow's value, loaded now; see `Run.result`.

        Raises:
            RunInterrupted: it has none, because its process ended before it did.
            StoreError: it cannot be loaded.
            Exception: what the run has raised; where it cannot be loaded, an exception of the same name and text.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.id} of {self.name} is not over after {timeout:g} s; it goes on")
        record, status = self.record(), self._summary.status
        if status == _INTERRUPTED:
            self._refuse("was interrupted, and has no result")
        if status == RunStatus.CANCELLED:
            raise TaskCancelled(f"run {self.id} of {self.name} was cancelled")
        if record.error is not None:
            raise original_error(record.error)
        return loaded(record.value)

    async def _awaited(self) -> Any:
        import asyncio

        while self.status == _RUNNING:
            await asyncio.sleep(_INTERVAL)
        return self.result()

    def cancel(self) -> None:
        """Does nothing to a run that is over.

        Raises:
            RuntimeError: it goes on, and can be cancelled only where it does.
        """
        if self.status == _RUNNING:
            raise RuntimeError(f"run {self.id} of {self.name} goes on in another process, and can be cancelled there")

    def __repr__(self) -> str:
        return f"<stored Run {self.id} of {self.name}: {self._summary.status}>"


def _progress(summary: RunSummary) -> tuple[str, int, int]:
    return summary.status, summary.rounds, summary.events


def _record(log: EventLog, summary: RunSummary) -> RunRecord:
    with patient_collector():  # it would take most of the time that this takes
        record = RunRecord(log)
    record.run, record.name = summary.id, summary.name
    if summary.status == _INTERRUPTED:
        record.status, record.finished_at = RunStatus.INTERRUPTED, record.clock
    return record

"""A run and its store: what is recorded while the run goes on, and what is to be said where that did not work out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interactive_flow.model.errors import FingerprintError
from interactive_flow.runtime.runner import Runner
from interactive_flow.store import NotStored, Recorder, Store
from interactive_flow.store.fingerprint import value_fingerprint

_TOLD = 3
"""So many values are named of those that could not be stored."""


def fingerprint_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """By what a store finds the run with these arguments; empty where they have no fingerprint."""
    try:
        return value_fingerprint((args, kwargs), "arguments")
    except FingerprintError:
        return ""


def fingerprint_of_code(code: Callable[[], Any]) -> str:
    """The fingerprint of the code that `code` gives, and of what it uses; empty where it has none."""
    try:
        return value_fingerprint(code(), "code")
    except Exception:  # it is looked at for the sake of a remark only
        return ""


class Recording:
    """Keeps one run in a store.

    Args:
        store: where.
        run, name: the run's id, and its workflow's name.
        given: the fingerprint of its arguments, and that of its code.
        recorder: where the recording goes on that of an earlier round, what was begun for it.
    """

    def __init__(self, store: Store, run: str, name: str, given: str = "", recorder: Recorder | None = None) -> None:
        self.store = store
        self._run, self._name, self._given = run, name, given
        self._recorder = recorder

    def begin(self, runner: Runner, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begins to record what `runner` does with these arguments.

        Raises:
            StoreError: that is not possible.
        """
        if self._recorder is None:
            self._recorder = self.store.begin(self._run, self._name, args, kwargs, given=self._given)
        self._recorder.follow(lambda: runner.engine.events)

    def begin_anew(self, restarts: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The run is about to begin anew with these arguments."""
        if self._recorder is not None:
            self._recorder.begin_anew(restarts, args, kwargs)

    def close(self) -> None:
        """Stores the rest; raises nothing."""
        if self._recorder is not None:
            self._recorder.close()

    def complaints(self) -> list[str]:
        """What could not be stored, for people."""
        recorder = self._recorder
        if recorder is None:
            return []
        about = f"run {self._run} of {self._name}"
        if recorder.error is not None:
            return [f"{about} is in the store only up to its event {recorder.stored}: {recorder.error}"]
        if recorder.not_stored:
            return [f"{about} is stored, but for {_listed(recorder.not_stored)}"]
        return []


def _listed(values: list[NotStored]) -> str:
    named = [f"{value.call or 'its own arguments or result'} ({value.reason})" for value in values[:_TOLD]]
    more = len(values) - len(named)
    return (
        f"{len(values)} value{'s' if len(values) > 1 else ''}, which cannot be pickled: {', '.join(named)}"
        f"{f' and {more} more' if more else ''}. If the run is continued, these calls run again"
    )

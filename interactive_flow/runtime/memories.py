"""Where memories come from: runs in this process, and runs in a store (see `interactive_flow.engine.memory`)."""

from __future__ import annotations

from typing import Any

from interactive_flow.engine.past import Past
from interactive_flow.engine.recall import Recall
from interactive_flow.engine.reuse import Reuse
from interactive_flow.model.errors import TaskError
from interactive_flow.store import Store, StoredException, loaded
from interactive_flow.store.fingerprint import value_fingerprint


def recall_of(store: Store, run: str) -> Recall:
    """What continues a stored run.

    Raises:
        UnknownRun, StoreError: see `Store.rounds`.
    """
    remedy = (
        f"the code, or what it depends on, has changed. Continue it with the code that it began with, or begin a new "
        f"run that takes over the results of calls that are still the same: "
        f"interactive_flow.resume({run!r}, {str(store.path)!r}, reuse=True)"
    )
    return Recall(Past.read(store.rounds(run)), load, remedy)


def reuse_of(past: Past) -> Reuse:
    """What takes values from another run."""
    return Reuse(past, load, equal)


def load(value: Any) -> Any:
    """What a value or an error from the past stands for."""
    value = loaded(value)
    return original_error(value) if isinstance(value, BaseException) else value


def equal(one: Any, other: Any) -> bool:
    """True where two values have the same fingerprint.

    Raises:
        FingerprintError: one of them has none.
    """
    return value_fingerprint(one) == value_fingerprint(other)


def original_error(error: BaseException) -> BaseException:
    """A stored error with the exceptions in it that were raised, where they can be loaded.

    The same object, where it is a `TaskError`.
    """
    if isinstance(error, TaskError):
        if error.__cause__ is not None:
            error.__cause__ = original_error(error.__cause__)
        return error
    if not isinstance(error, StoredException):
        return error
    try:
        original = error.original()
    except Exception:  # its class may not be defined here, or its arguments not be what the class wants
        return error
    if original is not error and original.__cause__ is None:
        original.__cause__ = error.__cause__
    return original

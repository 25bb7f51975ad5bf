"""Time, chance and identifiers that stay the same when workflow code is run again.

Workflow code must do the same each time it runs, or it cannot be replayed (`interactive_flow.DeterminismError`).  What
changes by itself is therefore asked for once, and the answer is kept with the run:

    >>> from interactive_flow import flow, stable
    >>> @flow
    ... def draw(names):
    ...     return stable.now(), stable.random().choice(names)

Outside a workflow these functions simply give a fresh answer.
"""

from __future__ import annotations

import random as _random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from interactive_flow.authoring.task import name_of
from interactive_flow.engine.placeholder import current_workflow

T = TypeVar("T")

__all__ = ["now", "once", "random", "timestamp", "uuid4"]


def once(function: Callable[[], T], *, name: str | None = None) -> T:
    """Calls `function` here and now, and keeps the answer for when this code runs again.

    Args:
        function: quick, and without arguments; what takes time is a task.
        name: what it is called in records; the function's name unless given.

    Returns:
        The answer, a plain value.
    """
    workflow = current_workflow.get()
    if workflow is None:
        return function()
    return workflow.engine.driver.once(workflow, name or name_of(function), function)  # type: ignore[no-any-return]


def now() -> datetime:
    """The date and time, in UTC."""
    return once(lambda: datetime.now(UTC), name="now")


def timestamp() -> float:
    """Seconds since the epoch."""
    return once(time.time, name="timestamp")


def uuid4() -> uuid.UUID:
    """A random identifier."""
    return once(uuid.uuid4, name="uuid4")


def random() -> _random.Random:
    """A generator of random numbers, seeded afresh; each call gives another one."""
    return _random.Random(once(lambda: _random.SystemRandom().getrandbits(64), name="random"))

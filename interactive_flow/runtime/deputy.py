"""Who stands in for the runner's thread when tiny calls wait for it and it does not come."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interactive_flow.runtime.runner import Runner


class Deputy:
    """Stands in for the runner's thread when that is in somebody's code for longer than was thought.

    A call that should have been tiny may take long, and so may workflow code between two calls.  Meanwhile the runner's
    thread looks neither at the time nor at the tiny calls that wait for it.  A thread that looks in a hundred times a
    second costs next to nothing, and takes over when nothing has moved for a while.
    """

    _INTERVAL = 0.01
    _PATIENCE = 5
    """Intervals in a row without progress: a thread may also be kept from getting on by the machine's other work."""

    def __init__(self, runner: Runner) -> None:
        self.over = threading.Event()
        threading.Thread(target=self._watch, args=(runner,), daemon=True, name="iflow-deputy").start()

    def _watch(self, runner: Runner) -> None:
        seen, still = -1, 0
        while not self.over.wait(self._INTERVAL):
            turns = runner.turns
            still = still + 1 if turns == seen and runner.holds_up_tiny else 0
            if still >= self._PATIENCE:
                runner.stand_in(seen)
            seen = turns

"""Who stands in for the runner's thread when a call that should have been tiny is not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interactive_flow.engine.calls import Job
    from interactive_flow.runtime.runner import Runner


class Deputy:
    """Stands in for the runner's thread when a call that should have been tiny is not.

    As long as the runner's thread is in a task's code it looks neither at the time nor at anything else; a thread that
    looks in a few hundred times a second while that is so costs next to nothing, and takes over after a few
    milliseconds.
    """

    _INTERVAL = 0.004

    def __init__(self, runner: Runner) -> None:
        self.over = threading.Event()
        threading.Thread(target=self._watch, args=(runner,), daemon=True, name="iflow-deputy").start()

    def _watch(self, runner: Runner) -> None:
        seen: Job | None = None
        while not self.over.wait(self._INTERVAL):
            job = runner.tiny_job
            if job is not None and job is seen:
                runner.stand_in()
            seen = job

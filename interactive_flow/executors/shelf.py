"""The shelf where idle workers wait for the next run.

Starting a process takes some tenths of a second, so those of a run that is over are kept for a minute.  One is not used
again when a module that it may have imported has changed since.  None of them outlives this process.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time

from interactive_flow.executors.workers import GRACE, Worker, disown_all, kill_all

IDLE_SECONDS = 60.0
"""How long a worker waits on the shelf before it is let go."""


class Shelf:
    """Idle workers, to be used again.

    A run that is coming to its end and one that begins may meet: the latter waits a moment for the former's workers.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forgets all there was."""
        self._changed = threading.Condition()
        self._idle: list[tuple[float, Worker]] = []
        self._awaited = 0
        self._closed = False
        self._sweeper: threading.Thread | None = None

    def announce(self) -> None:
        """Somebody is about to give workers back."""
        with self._changed:
            self._awaited += 1

    def give_back(self, workers: list[Worker]) -> None:
        """Takes workers that have nothing to do; ends what `announce` began."""
        with self._changed:
            self._awaited -= 1
            until = time.monotonic() + IDLE_SECONDS
            self._idle += [(until, worker) for worker in workers]
            if self._idle and self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, daemon=True, name="iflow-shelf")
                self._sweeper.start()
            self._changed.notify_all()

    def lease(self, since: float) -> Worker:
        """A worker: one from the shelf that was started after `since` (seconds since the epoch), or a new one.

        Raises:
            OSError: no process can be started.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._idle or not self._awaited, timeout=0.2)
                worker = self._idle.pop()[1] if self._idle else None
            if worker is None:
                if self._closed:
                    raise OSError("this process is ending, so it starts no others")
                return Worker()
            if worker.alive and worker.started_wall > since:
                return worker
            worker.close()
            worker.wait(0.0)

    def _sweep(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                over = [worker for until, worker in self._idle if until <= now]
                self._idle = [(until, worker) for until, worker in self._idle if until > now]
                if not over:
                    if not self._idle:
                        self._sweeper = None
                        return
                    self._changed.wait(min(until for until, _ in self._idle) - now)
                    continue
            for worker in over:
                worker.close()
                worker.wait(GRACE)

    def close(self) -> None:
        """Lets all idle workers go for good, waits for their end, and gives no more."""
        self._closed = True
        self.clear()

    def clear(self) -> None:
        """Lets all idle workers go, and waits for their end."""
        with self._changed:
            self._changed.wait_for(lambda: not self._awaited, timeout=GRACE)
            workers = [worker for _, worker in self._idle]
            self._idle.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.wait(GRACE)


shelf = Shelf()


def last_change() -> float:
    """When a file was last changed from which a module of this process was imported, in seconds since the epoch.

    Only modules that people work on are looked at: not those of Python itself and of installed packages.
    """
    last = 0.0
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not file.startswith(_INSTALLED) and "site-packages" not in file:
            try:
                last = max(last, os.stat(file).st_mtime)  # noqa: PTH116  hundreds of them at each start of a run
            except OSError:
                continue
    return last


_INSTALLED = (os.path.dirname(os.__file__), os.path.dirname(threading.__file__))  # noqa: PTH120


@atexit.register
def _end_all() -> None:
    """No worker outlives this process: idle ones end by themselves, those that are busy are killed."""
    shelf.close()
    kill_all()


def _begin_anew() -> None:
    """In a copy of this process made by forking."""
    disown_all()
    shelf.begin_anew()


os.register_at_fork(after_in_child=_begin_anew)

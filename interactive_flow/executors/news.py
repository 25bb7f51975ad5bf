"""What worker processes tell, passed on to the run's port."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.executors import wire
from interactive_flow.executors.pickling import loads, unpack_error
from interactive_flow.executors.workers import Worker
from interactive_flow.runtime.executors import Port, Report
from interactive_flow.runtime.worker import Failure, current_job

_FINISHED = (wire.RESULT, wire.ITEMS_OVER, wire.ERROR)
_STREAMS = {wire.STDOUT: "stdout", wire.STDERR: "stderr"}

log = logging.getLogger("interactive_flow")


class News:
    """Takes in what workers tell; the ends of calls are kept until `pass_on`, so that the port hears of many at once.

    Args:
        port: the run's.

    Attributes:
        mean: seconds that calls have taken lately.
    """

    def __init__(self, port: Port) -> None:
        self._port = port
        self._reports: list[Report] = []
        self.mean = 0.0

    @property
    def jobs(self) -> list[Job]:
        """The jobs whose ends are kept."""
        return [report[0] for report in self._reports]

    def pass_on(self) -> None:
        """Tells the port what has ended."""
        if self._reports:
            reports, self._reports = self._reports, []
            self._port.finished_many(reports)

    def failed(self, job: Job, error: Exception, worker: str, started: float | None = None) -> None:
        """A job has failed, not by its task."""
        now = time.monotonic()
        self._reports.append((job, Failure(error), now if started is None else min(started, now), now, worker))

    def begun(self, worker: Worker) -> None:
        """The worker's first call has begun, if there is one; the port may know that already."""
        if worker.calls and not worker.begun:
            self.pass_on()  # what ended before
            worker.begun = True
            self._port.begun(worker.calls[0], worker.since, worker.name)

    def hear(self, worker: Worker) -> None:
        """Takes in what a worker has to tell."""
        calls, name, offset = worker.calls, worker.name, worker.clock_offset
        count, seconds, ended = 0, 0.0, 0.0
        for (_, kind, started, finished), body in worker.hear():
            if kind not in _FINISHED:
                if count:
                    self._ended(worker, count, seconds, ended)
                    count, seconds = 0, 0.0
                self._hear_other(worker, kind, started, body)
                continue
            job = calls.popleft()
            count += 1
            seconds += finished - started
            ended = finished - offset
            self._reports.append((job, _outcome(worker, job, kind, body), started - offset, ended, name))
            worker.begun, worker.items = False, None
        if count:
            self._ended(worker, count, seconds, ended)

    def _ended(self, worker: Worker, count: int, seconds: float, ended: float) -> None:
        """A worker's first calls are over."""
        worker.first_are_over(count, ended)
        self.mean += (seconds / count - self.mean) * min(count / 10, 1.0)

    def _hear_other(self, worker: Worker, kind: int, its_time: float, body: bytes) -> None:
        """News that are not of the end of a call."""
        if kind == wire.HELLO:
            worker.arrived(its_time)
            return
        self.begun(worker)
        if not worker.calls:
            return  # a task's thread that outlives it
        job = worker.calls[0]
        if kind == wire.BEAT:
            self._port.heartbeat(job, *loads(body))
        elif kind == wire.ITEM:
            self._add_item(worker, job, body)
        else:
            self._print(job, _STREAMS[kind], body.decode("utf-8", "surrogatepass"))

    def _add_item(self, worker: Worker, job: Job, body: bytes) -> None:
        """A task has produced an item."""
        if type(worker.items) is Failure:
            return
        try:
            item = loads(body)
        except Exception as error:
            worker.items = Failure(_unreadable("an item", job, error))
            return
        worker.items = worker.items or []
        worker.items.append(item)
        self._port.produced(job, item)

    def _print(self, job: Job, stream: str, text: str) -> None:
        """Writes a task's text as if the task ran here, so that it is kept and passed on in the same way."""
        before = current_job.set((job, self._port))
        try:
            getattr(sys, stream).write(text)
            if not text.endswith("\n"):
                getattr(sys, stream).flush()  # it comes by the line, unless the task wants it to be seen at once
        except Exception:  # somebody's stream
            log.debug("what a task printed could not be passed on", exc_info=True)
        finally:
            current_job.reset(before)


def _outcome(worker: Worker, job: Job, kind: int, body: bytes) -> Any:
    """A call's value, or a `Failure`."""
    if kind == wire.RESULT:
        try:
            return loads(body)
        except Exception as error:
            return Failure(_unreadable("the result", job, error))
    if kind == wire.ITEMS_OVER:
        return worker.items
    return Failure(unpack_error(body))


def _unreadable(what: str, job: Job, error: Exception) -> Exception:
    return TypeError(f"{what} of {job.call.spec.name} cannot be read in this process: {type(error).__name__}: {error}")

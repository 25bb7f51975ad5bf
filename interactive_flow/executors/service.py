"""The thread that serves the worker processes of one run.

It sleeps until there is something to send or to hear, and never waits for a single worker.

What it does, and why, is told in `interactive_flow.executors.processes`; how long the lists of calls are that it sends,
in `interactive_flow.executors.lists`; and how it can take them back, in `interactive_flow.executors.child`.
"""

from __future__ import annotations

import contextvars
import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Job
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.executors.errors import WorkerDiedError
from interactive_flow.executors.lists import (
    BYTES_PER_SECOND,
    PATIENCE,
    Packer,
    expected_seconds,
    length_for,
    pause_for,
    seconds_for,
)
from interactive_flow.executors.news import News
from interactive_flow.executors.pickling import must_not_wait
from interactive_flow.executors.shelf import last_change, shelf
from interactive_flow.executors.workers import MOST_AHEAD, Worker, surroundings
from interactive_flow.runtime.executors import Port
from interactive_flow.runtime.worker import Failure, current_job

if TYPE_CHECKING:
    from interactive_flow.executors.processes import ProcessExecutor

_CHUNK = 4096

log = logging.getLogger("interactive_flow")


class Service:
    """Serves the workers of one run.

    Args:
        port: the run's.
        executor: on whose behalf.
    """

    def __init__(self, port: Port, executor: ProcessExecutor) -> None:
        self._port = port
        self._executor = executor
        self._most = executor.workers
        self._inbox: deque[Job | None] = deque()
        self._asleep = False
        self._heard_at = 0.0
        self._over = False
        self._wake, self._waker = os.pipe()
        self._closing = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._ready: deque[Job] = deque()
        self._packer = Packer()
        self._surroundings: tuple[float, bytes] | None = None
        self._news = News(port)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._serve,), daemon=True, name="iflow-processes").start()

    # -- in any thread --------------------------------------------------------------------------------------------

    def tell(self, job: Job | None) -> None:
        """A job to run, or one to stop (it is abandoned by then); None for the end."""
        if job is None:
            if self._over:
                return
            self._over = True
            shelf.announce()
        self._inbox.append(job)
        self._wake_up()

    def take_in(self, jobs: Sequence[Job]) -> None:
        """Jobs to run."""
        if jobs:
            self._inbox.extend(jobs)
            self._wake_up()

    def _wake_up(self) -> None:
        if self._asleep:
            with self._closing:
                if self._asleep:
                    self._asleep = False
                    os.write(self._waker, b"\0")

    # -- in its own thread ----------------------------------------------------------------------------------------

    def _serve(self) -> None:
        current_job.set(None)
        current_workflow.set(None)
        must_not_wait()
        self._selector.register(self._wake, selectors.EVENT_READ, lambda: os.read(self._wake, _CHUNK))
        try:
            while self._take_inbox():
                self._hand_out()  # first, so that workers need not wait while others are told what they have done
                self._news.pass_on()
                for worker in self._workers:
                    if worker.at_work:
                        self._news.begun(worker)
                self._listen()
                self._take_back_from_the_slow()
                self._adjust()
        except Exception as error:  # a bug here must end the run, not leave it waiting
            log.exception("the executor for processes has failed")
            self._give_up(error)
        finally:
            self._end()

    def _take_inbox(self) -> bool:
        """Takes in what others have told; False for the end."""
        inbox, some_abandoned = self._inbox, False
        while inbox:
            job = inbox.popleft()
            if job is None:
                return False
            if job.abandoned:
                some_abandoned = True
            else:
                self._ready.append(job)
        if some_abandoned:
            for worker in tuple(self._workers):
                if any(job.abandoned for job in worker.calls):
                    self._stop_abandoned(worker)
            self._news.pass_on()
        return True

    def _listen(self) -> None:
        """Waits until something happens, and does what it asks for."""
        due = min((worker.due for worker in self._workers if worker.has_spare), default=None)
        timeout = None if due is None else max(due + PATIENCE - time.monotonic(), 0.0)
        self._asleep = True
        if self._inbox:
            timeout = 0.0
        events = self._selector.select(timeout)
        self._asleep = False
        pause = pause_for(self._workers, self._news.mean) - (time.monotonic() - self._heard_at)
        if pause > 0:
            time.sleep(pause)
        self._heard_at = time.monotonic()
        for key, _ in events:
            key.data()

    def _adjust(self) -> None:
        """Asks for as many calls as make lists long enough, by how long calls take now, once that is known."""
        wanted, had = self._most * length_for(self._news.mean), self._executor.capacity
        if self._news.mean and abs(wanted - had) > had // 4:
            self._executor.capacity = wanted
            self._port.resize(self._executor, wanted)

    # -- to the workers -------------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        ready, workers = self._ready, self._workers
        while ready:
            free = [worker for worker in workers if worker.ready and not worker.calls]
            if not free:
                # They are started for calls that find nobody free, one each, those that are on their way counted.
                starting = sum(not worker.ready for worker in workers)
                if len(ready) > starting and len(workers) < self._most and self._start_worker():
                    continue
                free = [worker for worker in workers if worker.takes_more and seconds_for(worker) > 0]
            sent = [self._send_list(worker) for worker in free]
            if not any(sent):
                return

    def _send_list(self, worker: Worker) -> bool:
        """Sends the next calls to a worker, as many as it should have; False where none should be sent."""
        ready = self._ready
        jobs: list[Job] = []
        items: list[tuple[int, Any]] = []
        most = min(MOST_AHEAD - len(worker.calls), max(len(ready) // len(self._workers), 1))
        wanted = left = seconds_for(worker)
        before, expected, pack = None, 0.0, self._packer.pack
        while ready and len(jobs) < most:
            job = ready[0]
            if not job.abandoned:
                spec = job.call.spec
                if spec is not before:
                    before, expected = spec, expected_seconds(spec)
                if expected > left and (jobs or worker.calls):
                    break
                item = None
                try:
                    item = pack(job)
                except Exception as error:
                    self._news.failed(job, error, worker.name)
                if item is not None:
                    jobs.append(job)
                    items.append(item)
                    left -= expected
                    if type(item[1]) is bytes:
                        left -= len(item[1]) / BYTES_PER_SECOND
            ready.popleft()
        if not jobs:
            return False
        if (
            not worker.send(jobs, items, self._packer.functions, wanted - left)
            and worker.orders not in self._selector.get_map()
        ):
            self._selector.register(worker.orders, selectors.EVENT_WRITE, lambda: self._flush(worker))
        return True

    def _flush(self, worker: Worker) -> None:
        if worker.flush():
            self._selector.unregister(worker.orders)

    def _take_back_from_the_slow(self) -> None:
        late = time.monotonic() - PATIENCE
        for worker in self._workers:
            if worker.has_spare and worker.due < late:
                self._ready.extendleft(reversed(worker.take_back()))

    def _stop_abandoned(self, worker: Worker) -> None:
        """Stops those of a worker's calls that nobody wants any more; kills it if one of them has begun."""
        self._ready.extendleft(reversed([job for job in worker.take_back() if not job.abandoned]))
        # A call that could not be taken back has begun.  The results of those before it are there to be read.
        self._news.hear(worker)
        if worker.calls and worker.calls[0].abandoned:
            self._dismiss(worker)

    # -- from the workers -----------------------------------------------------------------------------------------

    def _has_news(self, worker: Worker) -> None:
        self._news.hear(worker)
        if worker.silent:
            self._bury(worker)

    # -- workers come and go --------------------------------------------------------------------------------------

    def _start_worker(self) -> bool:
        """Gets another worker; False where there cannot be one."""
        if self._surroundings is None:
            self._surroundings = (last_change(), surroundings())
        try:
            worker = shelf.lease(self._surroundings[0])
        except OSError as error:
            self._most = len(self._workers)  # go on with those that there are
            if not self._most:
                self._most = 1
                self._fail_first(error)
            return False
        self._workers.append(worker)
        worker.adopt(self._surroundings[1])
        self._selector.register(worker.news, selectors.EVENT_READ, lambda: self._has_news(worker))
        if worker.sentinel is not None:
            self._selector.register(worker.sentinel, selectors.EVENT_READ, lambda: self._bury(worker))
        return True

    def _bury(self, worker: Worker) -> None:
        """A worker has died: the call that it was at has failed, the others go to other workers."""
        if worker not in self._workers:
            return  # told twice
        self._news.hear(worker)
        self._ready.extendleft(reversed(worker.take_back()))
        how = self._dismiss(worker)
        if not worker.ready:
            self._fail_first(WorkerDiedError(f"a process for tasks ended before it was ready ({how})"))
        for job in worker.calls:
            error = WorkerDiedError(f"{worker.name} died while it ran {job.call.spec.name} ({how})")
            self._news.failed(job, error, worker.name, worker.since)

    def _fail_first(self, error: Exception) -> None:
        """Something stands in the way of running anything; so that it is told, a job fails by it."""
        while self._ready:
            job = self._ready.popleft()
            if not job.abandoned:
                self._news.failed(job, error, "process")
                return

    def _dismiss(self, worker: Worker) -> str:
        """Kills a worker; how it came to its end."""
        self._workers.remove(worker)
        self._forget(worker)
        return worker.kill()

    def _forget(self, worker: Worker) -> None:
        for fd in (worker.news, worker.sentinel, worker.orders):
            if fd is not None and fd in self._selector.get_map():
                self._selector.unregister(fd)

    def _give_up(self, error: Exception) -> None:
        """Fails everything there is, and whatever else comes."""
        jobs = [*self._ready, *self._news.jobs]
        jobs += [job for worker in self._workers for job in worker.calls]
        self._ready.clear()
        while True:
            now = time.monotonic()
            self._port.finished_many([(job, Failure(error), now, now, "process") for job in jobs])
            jobs = []
            self._asleep = True
            if not self._inbox:
                os.read(self._wake, _CHUNK)
            self._asleep = False
            while self._inbox:
                told = self._inbox.popleft()
                if told is None:
                    return
                if not told.abandoned:
                    jobs.append(told)

    def _end(self) -> None:
        """Puts the workers on the shelf; those that are at work are killed."""
        kept = []
        try:
            for worker in tuple(self._workers):
                worker.take_back()
                self._news.hear(worker)
                if worker.untouched:
                    self._workers.remove(worker)
                    self._forget(worker)
                    kept.append(worker)
                else:
                    self._dismiss(worker)
        finally:
            shelf.give_back(kept)
            self._selector.close()
            with self._closing:  # somebody may be about to wake this thread
                self._asleep = False
                os.close(self._wake)
                os.close(self._waker)

"""Results that are used again: the lookups of one run, and what it keeps.

A call that may have a value from before is left to a thread of its own once its arguments are there, or, where time is
not the machine's (`interactive_flow.testing`), to the runner's thread when that has nothing else to do.  It takes such
calls in lists, makes their keys and looks them up without holding up anybody, and tells the engine: the value, or that
the call has to run as any other.  Since a key is made from the *values* of the arguments, a call that is computed again
and gives what it gave before changes nothing for those that depend on it.

Of two equal calls the second waits for the first.

What succeeded is pickled before anybody else gets hold of it, who might change it, and written by the thread later; the
end of the run waits for that.  A value that is used again is unpickled anew each time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.calls import Call, Job, WorkflowCall
from interactive_flow.model.events import CallNotReused, CallSucceeded
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.interrupts import wait_for
from interactive_flow.runtime.results import Answer, Results
from interactive_flow.runtime.worker import Failure
from interactive_flow.store.values import Packed, Values, decode

if TYPE_CHECKING:
    from interactive_flow.runtime.runner import Runner
    from interactive_flow.store import Store
    from interactive_flow.store.fingerprint import CallKey

log = logging.getLogger("interactive_flow")

_RUNNING, _SUCCEEDED = CallState.RUNNING, CallState.SUCCEEDED
_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})

_AT_ONCE = 32
"""Calls that are looked up before the engine is told of them."""

_LINGER = 0.02
"""Seconds: how long the thread collects results before it writes them."""


class _Missed:
    """A call that runs, and whose value is to be kept; told when it has finished, with the runner's lock held."""

    __slots__ = ("call", "items", "key", "lookups", "packed", "seconds", "state", "waiting")

    def __init__(self, lookups: Lookups, call: Call, key: CallKey) -> None:
        self.lookups, self.call, self.key = lookups, call, key
        self.state = _RUNNING
        self.packed: Packed | None = None
        self.seconds = 0.0
        self.items: list[Packed] = []
        """Those that a generator has produced in this attempt, as they were when it did."""
        self.waiting: list[Call] = []
        """Equal calls."""

    def arrived(self, done: Call) -> None:
        """The call has finished."""
        self.lookups.finished(self, done)


class Lookups:
    """Those of one run.

    Args:
        runner: drives the run.
        store: where results are kept; None: in memory.

    Attributes:
        missed: the calls whose values are to be kept.
    """

    def __init__(self, runner: Runner, store: Store | None) -> None:
        self._runner = runner
        self.missed: dict[Call, _Missed] = {}
        self._results = Results(runner.run, store)
        self._in_flight: dict[str, _Missed] = {}
        self._news: list[_Missed] = []
        self._closed = self._idle = False
        self._root_key: CallKey | None = None
        self._signal: SimpleQueue[None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._done = threading.Event()

    # -- with the runner's lock held ------------------------------------------------------------------------------

    def take_up(self) -> None:
        """There is something to do."""
        if not self._has_thread_of_its_own:
            self._runner._wake()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True, name=f"iflow-cache-{self._runner.run}")
            self._thread.start()
        elif self._idle:
            self._idle = False
            self._signal.put(None)

    @property
    def _has_thread_of_its_own(self) -> bool:
        return self._runner.clock.now is SYSTEM_CLOCK.now

    @property
    def wants_runner(self) -> bool:
        """True where the runner's thread has something to do for us."""
        return bool(self._runner.engine.lookups or self._news) and not self._has_thread_of_its_own

    def finished(self, missed: _Missed, done: Call) -> None:
        """A call has finished whose value is to be kept."""
        self.missed.pop(done, None)
        event = done.engine.events[done.order - 1]
        if done.state is not _SUCCEEDED or type(event) is not CallSucceeded:  # or its value comes from elsewhere
            self._land(missed)
            for call in missed.waiting:
                self._run(call, missed.key)
            return
        missed.seconds = event.at - event.started
        if missed.packed is None:  # a small value, or that of a sub-workflow, whose code nobody knows to be over yet
            missed.packed = Values.pack(done.outcome)
        done.engine.looking += len(missed.waiting)
        self._news.append(missed)
        self.take_up()

    def _land(self, missed: _Missed) -> None:
        """Equal calls need not wait for this one any more."""
        if self._in_flight.get(missed.key.digest) is missed:
            del self._in_flight[missed.key.digest]

    def _run(self, call: Call, key: CallKey | None) -> None:
        """A call has to run after all."""
        if call.done:
            return
        if key is not None:
            missed = self.missed[call] = _Missed(self, call, key)
            if not call.streams:
                self._in_flight.setdefault(key.digest, missed)
            call.tell(missed)
        call.engine.looked_up(call)

    def _tell(self, call: Call, answer: Answer) -> None:
        """Tells the engine what was found out about a call."""
        key, known, reason = answer
        engine = call.engine
        engine.looking -= 1
        if call.done:
            return
        if known is not None:
            engine.recall(call, *known)
            return
        first = self._in_flight.get(key.digest) if key is not None and not call.streams else None
        if first is not None:
            first.waiting.append(call)
            if first.call.done:
                engine.looking += 1  # it will be answered next
            return
        if reason is not None:
            engine.events.append(CallNotReused(engine.clock(), call.index, reason))
        self._run(call, key)

    # -- whoever has the value of a call that nobody else has yet -------------------------------------------------

    def pack(self, job: Job, outcome: Any) -> None:
        """A job is over, and nobody has been told yet."""
        missed = self.missed.get(job.call)
        if missed is None or job.call.job is not job or type(outcome) is Failure or type(outcome) in _SCALARS:
            return  # it may also be late news of an attempt that was abandoned
        if missed.items and len(missed.items) == len(outcome) and all(item.format for item in missed.items):
            outcome = list(map(decode, missed.items))
        missed.packed = Values.pack(outcome)

    def pack_item(self, job: Job, item: Any) -> None:
        """A generator has produced an item, and nobody has been told yet."""
        missed = self.missed.get(job.call)
        if missed is not None and job.call.job is job:
            if not job.produced:
                missed.items.clear()  # those of an attempt that failed
            missed.items.append(Values.pack(item))

    def pack_many(self, reports: Sequence[tuple[Any, ...]]) -> None:
        """The same for several of them."""
        for job, outcome, *_ in reports:
            self.pack(job, outcome)

    # -- the thread -----------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._closed:
                if not self.step():
                    try:
                        self._signal.get(timeout=_LINGER if self._results.holds else None)
                    except Empty:
                        self._results.write()
            while self.step():
                pass
            self._results.leave()
        except BaseException as error:  # a bug here must end the run, not leave it waiting
            log.exception("the thread that looks up what was kept has failed")
            with self._runner.lock:
                self._runner.engine.crash(error)
                self._runner._react()
        finally:
            self._done.set()

    def step(self) -> bool:
        """Does some of what there is to do; False where there was nothing."""
        runner = self._runner
        with runner.lock:
            engine, news = runner.engine, self._news
            calls = [engine.lookups.popleft() for _ in range(min(_AT_ONCE, len(engine.lookups)))]
            engine.looking += len(calls)
            self._news = []
            self._idle = not calls and not news
        if self._idle:
            return False
        answers = [answer for missed in news for answer in self._keep(missed)]
        answers += [(call, self._look_up(call)) for call in calls]
        with runner.lock:
            for missed in news:
                self._land(missed)
            for call, answer in answers:
                self._tell(call, answer)
            runner._react()
        if self._results.is_full:
            self._results.write()
        return True

    def _look_up(self, call: Call) -> Answer:
        runner = self._runner
        if self._closed or runner.is_cancelled or call.done or runner.engine.status is not RunStatus.RUNNING:
            return Answer()
        return self._results.look_up(call.spec, lambda: call.engine.arguments(call))

    def _keep(self, missed: _Missed) -> list[tuple[Call, Answer]]:
        """Sees to it that a value is kept; what there is to tell of the calls that waited for it."""
        assert missed.packed is not None
        waiting = missed.waiting
        answers = self._results.keep(missed.call.spec, missed.key, missed.packed, missed.seconds, len(waiting))
        return list(zip(waiting, answers, strict=True))

    # -- the runner's thread --------------------------------------------------------------------------------------

    def run_here(self) -> bool:
        """Does some of what there is to do, where no thread does it; False where there was nothing."""
        return self.wants_runner and self.step()

    def find_run(self, root: WorkflowCall) -> None:
        """Before the run's own code begins: ends the run where its value is known from before."""
        key, known, reason = self._results.look_up(root.spec, lambda: (root.args, root.kwargs))
        self._results.leave()  # what goes on is for another thread
        engine = self._runner.engine
        with self._runner.lock:
            if known is not None:
                engine.recall_run(*known)
                return
            if reason is not None:
                engine.events.append(CallNotReused(engine.clock(), root.index, reason))
        self._root_key = key

    def close(self) -> None:
        """The run is over: waits until everything that it gave is kept."""
        with self._runner.lock:
            self._closed = True
            self._idle = False
        if self._thread is not None:
            self._signal.put(None)
            wait_for(self._done)
        while self.step():
            pass
        engine = self._runner.engine
        if self._root_key is not None and engine.status is RunStatus.SUCCEEDED:
            self._results.keep(engine.root.spec, self._root_key, Values.pack(engine.value), engine.clock())
        self._results.leave()

    def complaints(self) -> list[str]:
        """What is to be told to people when the run is over, in sentences."""
        return self._results.complaints()

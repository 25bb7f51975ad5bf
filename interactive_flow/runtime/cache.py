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
from typing import TYPE_CHECKING, Any, NamedTuple

from interactive_flow.engine.calls import Call, Job, WorkflowCall
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import FingerprintError
from interactive_flow.model.events import CallNotReused, CallSucceeded
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.clock import SYSTEM_CLOCK
from interactive_flow.runtime.interrupts import wait_for
from interactive_flow.runtime.worker import Failure
from interactive_flow.store.errors import StoreError
from interactive_flow.store.values import Packed, Values, decode

if TYPE_CHECKING:
    from interactive_flow.runtime.runner import Runner
    from interactive_flow.store import Store
    from interactive_flow.store.cache import CacheSession, Entry, Found, Reasons, ResultCache
    from interactive_flow.store.fingerprint import CallKey

log = logging.getLogger("interactive_flow")

_READY, _RUNNING, _SUCCEEDED = CallState.READY, CallState.RUNNING, CallState.SUCCEEDED
_SCALARS = frozenset({type(None), bool, int, float, complex, str, bytes})

_AT_ONCE = 32
"""Calls that are looked up before the engine is told of them."""

_LINGER = 0.02
"""Seconds: how long the thread collects results before it writes them."""

_BATCH = 256
"""Results after which it writes in any case."""

_BYTES = 32 * 1024 * 1024
"""The same for bytes of values."""


class Caching(NamedTuple):
    """How a run uses results that were kept."""

    all_tasks: bool = False
    """Whether that goes for every task that does not say otherwise."""
    store: Store | None = None
    """Where they are kept; None: in memory."""


NO_CACHING = Caching()
"""Only that of tasks and workflows that ask for it, in memory."""


def cache_of(store: Store | None) -> ResultCache:
    """The cache of runs with this store; without one, that of this process."""
    if store is not None:
        return store.cache
    from interactive_flow.store.memory import memory_cache

    return memory_cache


def key_of(spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallKey:
    """The key of a call of a task or a workflow; raises FingerprintError, and what people's hooks raise."""
    from interactive_flow.store.fingerprint import call_key

    return call_key(_code_of(spec), args, kwargs)


def _code_of(spec: Any) -> Any:
    keyed_by = getattr(spec, "keyed_by", None)
    return spec.fn if keyed_by is None else keyed_by()


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


class _Answer(NamedTuple):
    """What was found out about a call."""

    call: Call
    key: CallKey | None = None
    """None where the call has none."""
    found: Found | None = None
    value: Any = None
    reason: str | None = None


class Lookups:
    """Those of one run.

    Args:
        runner: drives the run.
        store: where results are kept; None: in memory.

    Attributes:
        missed: the calls whose values are to be kept.
    """

    def __init__(self, runner: Runner, store: Store | None) -> None:
        self._runner, self._store = runner, store
        self.missed: dict[Call, _Missed] = {}
        self._warnings: dict[tuple[str, str], str] = {}
        self._in_flight: dict[str, _Missed] = {}
        self._news: list[_Missed] = []
        self._unwritten: dict[str, Entry] = {}
        self._held = 0
        self._session: CacheSession | None = None
        self._reasons: Reasons | None = None
        self._broken = self._closed = self._idle = False
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
        if self._in_flight.get(missed.key.digest) is missed:
            del self._in_flight[missed.key.digest]
        if done.state is not _SUCCEEDED:
            for call in missed.waiting:
                self._run(call, missed.key)
            return
        event = done.engine.events[done.order - 1]
        if type(event) is not CallSucceeded:
            return  # its value comes from elsewhere
        missed.seconds = event.at - event.started
        if missed.packed is None:  # a small value, or that of a sub-workflow, whose code nobody knows to be over yet
            missed.packed = Values.pack(done.outcome)
        done.engine.looking += len(missed.waiting)
        self._news.append(missed)
        self.take_up()

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

    def _tell(self, answer: _Answer) -> None:
        """Tells the engine what was found out about a call."""
        call, key, found = answer.call, answer.key, answer.found
        engine = call.engine
        engine.looking -= 1
        if call.done:
            return
        if found is not None:
            engine.recall(call, answer.value, found.seconds, found.run)
            return
        first = self._in_flight.get(key.digest) if key is not None and not call.streams else None
        if first is not None:
            first.waiting.append(call)
            return
        if answer.reason is not None:
            engine.events.append(CallNotReused(engine.clock(), call.index, answer.reason))
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
                        self._signal.get(timeout=_LINGER if self._unwritten else None)
                    except Empty:
                        self._write()
            while self.step():
                pass
            self._leave()
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
        answers += [self._look_up(call) for call in calls]
        with runner.lock:
            for answer in answers:
                self._tell(answer)
            runner._react()
        if len(self._unwritten) >= _BATCH or self._held >= _BYTES:
            self._write()
        return True

    def _open(self) -> CacheSession | None:
        """The session with the cache; None where it is of no use any more."""
        if self._session is None and not self._broken:
            from interactive_flow.store.cache import Reasons

            try:
                self._session = cache_of(self._store).session()
                self._reasons = Reasons(self._session)
            except StoreError as error:
                self._give_up(error)
        return None if self._broken else self._session

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        self._unwritten.clear()
        self._warn("", "store", f"nothing was kept for later runs, nor looked up, any more: {brief_error(error)}")

    def _warn(self, name: str, kind: str, text: str) -> None:
        self._warnings.setdefault((name, kind), text)

    def complaints(self) -> list[str]:
        """What is to be told to people when the run is over, in sentences."""
        return list(self._warnings.values())

    def _is_over(self) -> bool:
        runner = self._runner
        return self._closed or runner.is_cancelled or runner.engine.status is not RunStatus.RUNNING

    def _look_up(self, call: Call) -> _Answer:
        session = self._open()
        if session is None or self._is_over():
            return _Answer(call)
        name = call.spec.name
        try:
            key = key_of(call.spec, *call.engine.arguments(call))
        except Exception as error:
            if call.done:
                return _Answer(call)  # its arguments are gone
            return _Answer(call, reason=self._without_key(name, error))
        return self._find(session, call, name, key)

    def _without_key(self, name: str, error: Exception) -> str:
        text = str(error) if isinstance(error, FingerprintError) else brief_error(error)
        self._warn(
            name,
            "key",
            f"calls of {name} are not cached: {text}; files can be given as content(path), and cache=False says "
            f"that {name} need not be",
        )
        return f"not cached: {text}"

    def _find(self, session: CacheSession, call: Call, name: str, key: CallKey) -> _Answer:
        new = self._unwritten.get(key.digest)
        try:
            if new is not None:
                return _Answer(call, key, *self._unwritten_value(new))
            found = session.find(key)
            if found is not None:
                return _Answer(call, key, found, session.value(found))
            assert self._reasons is not None
            return _Answer(call, key, reason="; ".join(self._reasons.why_not(key, name)) or None)
        except Exception as error:
            self._warn(
                name, "value", f"a kept result of {name} could not be used and is computed again: {brief_error(error)}"
            )
            return _Answer(call, key, reason=f"the kept result could not be used: {brief_error(error)}")

    @staticmethod
    def _unwritten_value(entry: Entry) -> tuple[Found, Any]:
        from interactive_flow.store.cache import Found

        return Found(entry.packed, entry.run, entry.seconds, 0, 0.0), decode(entry.packed)

    def _keep(self, missed: _Missed) -> list[_Answer]:
        """Sees to it that a value is kept; what there is to tell of the calls that waited for it."""
        name, key, packed = missed.call.spec.name, missed.key, missed.packed
        assert packed is not None
        if not packed.format:
            self._warn(
                name,
                "value",
                f"what {name} gives cannot be kept: {packed.data!s}; cache=False says that it need not be",
            )
            return [_Answer(call) for call in missed.waiting]
        entry = self._add(missed.call.spec, key, packed, missed.seconds)
        if entry is None:
            return [_Answer(call) for call in missed.waiting]
        return [_Answer(call, key, *self._unwritten_value(entry)) for call in missed.waiting]

    def _add(self, spec: Any, key: CallKey, packed: Packed, seconds: float) -> Entry | None:
        """Notes a result that is to be written; None where it would be wrong."""
        from interactive_flow.store.cache import Entry
        from interactive_flow.store.fingerprint import code_fingerprint, explain_change

        try:
            changed = explain_change(key.code, code_fingerprint(_code_of(spec)))
        except FingerprintError as error:
            changed = [str(error)]
        if changed:  # by itself, or by somebody who ran another cell: then nobody knows which code gave the value
            self._warn(spec.name, "code", f"what {spec.name} gave was not kept, since meanwhile {'; '.join(changed)}")
            return None
        entry = self._unwritten[key.digest] = Entry(key, spec.name, packed, self._runner.run, seconds)
        self._held += packed.size
        return entry

    def _write(self) -> None:
        session = self._open()
        if session is not None and self._unwritten:
            try:
                session.keep(list(self._unwritten.values()))
            except StoreError as error:
                self._give_up(error)
        self._unwritten.clear()
        self._held = 0

    def _leave(self) -> None:
        """Writes what is left, and closes the session."""
        self._write()
        if self._session is not None:
            try:
                self._session.close()
            except StoreError as error:
                self._give_up(error)

    # -- the runner's thread --------------------------------------------------------------------------------------

    def run_here(self) -> bool:
        """Does some of what there is to do, where no thread does it; False where there was nothing."""
        return self.wants_runner and self.step()

    def find_run(self, root: WorkflowCall) -> None:
        """Before the run's own code begins: ends the run where its value is known from before."""
        runner = self._runner
        try:
            session = self._open()
            if session is None:
                return
            try:
                key = key_of(root.spec, root.args, root.kwargs)
            except Exception as error:
                answer = _Answer(root, reason=self._without_key(root.spec.name, error))
            else:
                answer = self._find(session, root, root.spec.name, key)
            with runner.lock:
                if answer.found is not None:
                    runner.engine.recall_run(answer.value, answer.found.seconds, answer.found.run)
                elif answer.reason is not None:
                    runner.engine.events.append(CallNotReused(runner.engine.clock(), 0, answer.reason))
            self._root_key = answer.key if answer.found is None else None
        finally:
            self._leave()  # what goes on in other threads has a session of its own
            self._session = None

    def close(self) -> None:
        """The run is over: waits until everything that it gave is kept."""
        with self._runner.lock:
            self._closed = True
            self._idle = False
        if self._thread is not None:
            self._signal.put(None)
            wait_for(self._done)
            self._session = self._reasons = None
        elif self._session is not None:
            while self.step():
                pass
            self._leave()
        engine = self._runner.engine
        if self._root_key is not None and engine.status is RunStatus.SUCCEEDED:
            self._keep_run(engine.root, self._root_key, engine.value)

    def _keep_run(self, root: WorkflowCall, key: CallKey, value: Any) -> None:
        missed = _Missed(self, root, key)
        missed.packed, missed.seconds = Values.pack(value), root.engine.clock()
        self._keep(missed)
        self._leave()

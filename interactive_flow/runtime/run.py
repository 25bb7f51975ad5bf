"""The handle on a run: what ``wf.start`` returns, and what ``wf.run`` leaves behind.

A `Run` can be asked at any time, from any thread, while it goes on and after; everything it shows is folded from its
events.
"""

from __future__ import annotations

import asyncio
import contextvars
import secrets
import sys
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from interactive_flow.engine.memory import Memory
from interactive_flow.engine.past import Past
from interactive_flow.engine.recall import Recall
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.errors import (
    CacheWarning,
    IgnoredTaskErrorWarning,
    StoreWarning,
    TaskCancelled,
    TaskError,
)
from interactive_flow.model.events import Event
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.runtime.capture import captured_output
from interactive_flow.runtime.collector import patient_collector
from interactive_flow.runtime.interrupts import interrupts_noted_by
from interactive_flow.runtime.observers import Observer, Watch, display_provider, log
from interactive_flow.runtime.recording import Recording
from interactive_flow.runtime.results import NO_CACHING, Caching
from interactive_flow.runtime.run_views import RunViews, in_kernel
from interactive_flow.runtime.runner import Runner

if TYPE_CHECKING:
    from interactive_flow.store import Store

_HEARTBEAT = 0.1
"""Seconds: how often an awaited run lets the event loop look for interrupts."""

_TOLD = 5
"""Of so many calls it is told that their values were lost."""

_last: Run | None = None


def last_run() -> Run | None:
    """The run that was begun last in this process, None before the first."""
    return _last


class Run(RunViews):
    """A workflow that is running, or has run.

    Made by ``wf.start(…)``; ``wf.run(…)`` leaves one in ``wf.last_run``.

    Example:
        >>> run = process_video.start("talk.mp4", "talk.srt")
        >>> run.status
        'running'
        >>> encoded, thumbnails = run.result()
    """

    _runner_class: type[Runner] = Runner

    def __init__(
        self,
        spec: WorkflowSpec,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        executor: Any = None,
        max_workers: int | None = None,
        rate_limit: float | None = None,
        strategy: str = "resume",
        display: str = "auto",
        caching: Caching = NO_CACHING,
        begins: Callable[[Run], None] = lambda run: None,
        recording: Callable[[str], Recording] | None = None,
        memory: Memory | None = None,
        id: str | None = None,
        again: Callable[[tuple[Any, ...], dict[str, Any], Past], Run] | None = None,
    ) -> None:
        self.id = id or secrets.token_hex(4)
        """Names the run; random."""
        self._recording = recording(self.id) if recording is not None else None
        self.name = spec.name
        """The workflow's name."""
        self.store: Store | None = caching.store
        """Where it is kept; None without one."""
        restarts = memory.past.restarts if isinstance(memory, Recall) else 0
        self._runner = self._runner_class(
            self.id, executor, max_workers, rate_limit, strategy, memory, restarts, caching
        )
        self._runner.when_anew = self._begins_anew
        self._spec, self._args, self._kwargs = spec, args, kwargs
        self._memory, self._again = memory, again
        self._display = display
        self._over = threading.Event()
        self._callbacks: list[Callable[[], None]] = []
        self._runner.when_over = self._end
        self._record = RunRecord()
        self._folded = self._runner.engine.events
        self._lock = threading.Lock()
        self._crash: BaseException | None = None
        self._observers: list[Observer] | None = None
        self._traceback: TracebackType | None = None
        self._begins = begins
        self._asked_at: tuple[str, int, str | None] | None = None
        self._recorded = False
        self._lost = memory.lost if memory is not None else []

    # -- driving (for `Workflow`) ---------------------------------------------------------------------------------

    def drive(self) -> Run:
        """Runs to the end in this thread.  For `Workflow.run`; raises only KeyboardInterrupt and what is a bug here."""
        with interrupts_noted_by(self._runner):
            try:
                self._begin_recording()
                self._register()  # only now: an interrupt before would leave behind a run that never ends
                self._drive()
            finally:
                self._end_recording()
        if self._runner.interrupted:
            raise KeyboardInterrupt  # it came when the run was all but over
        return self

    def _begin_recording(self) -> None:
        if self._recording is not None and not self._recorded:
            self._recording.begin(self._runner, self._args, self._kwargs)
            self._recorded = True

    def _begins_anew(self, restarts: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._args, self._kwargs, self._memory = args, kwargs, None
        if self._recording is not None:
            self._recording.begin_anew(restarts, args, kwargs)

    def _end_recording(self) -> None:
        if self._recording is not None:
            self._recording.close()

    def _register(self) -> None:
        global _last
        _last = self
        self._begins(self)

    def _drive(self) -> None:
        observers = self._observers if self._observers is not None else self._make_observers()
        self._runner.echo = not any(observer.shows_output for observer in observers)
        runner = self._runner
        watch = Watch(observers, lambda: runner.engine.events, runner.fetch_output) if observers else None
        try:
            with captured_output(), patient_collector():
                self._runner.drive(self._spec, self._args, self._kwargs)
        except BaseException as error:
            self._crash = error
            raise
        finally:
            failure = self._runner.engine.error
            # Of a `TaskError` only its cause has a traceback that tells anything.
            self._traceback = None if failure is None or isinstance(failure, TaskError) else failure.__traceback__
            self._end_recording()  # before anybody is told: what is over is stored
            self._warn_where_it_was_started()
            self._end()
            if watch is not None:
                watch.finish()

    def _end(self) -> None:
        """Tells everybody who waits that the run is over."""
        self._over.set()
        with self._lock:
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def drive_in_background(self, asked_at: FrameType) -> Run:
        """Runs in a thread of its own; returns at once.  For `Workflow.start`.

        Args:
            asked_at: the frame that started it, for warnings.
        """
        self._asked_at = (asked_at.f_code.co_filename, asked_at.f_lineno, asked_at.f_globals.get("__name__"))
        self._begin_recording()  # here, so that whoever starts it hears where that is not possible
        self._register()
        try:
            self._observers = self._make_observers()
        except BaseException:
            self._end_recording()
            raise
        context = contextvars.copy_context()

        def drive() -> None:
            try:
                self.drive()
            except BaseException:
                if self._crash is None:
                    raise

        threading.Thread(target=context.run, args=(drive,), daemon=True, name=f"iflow-run-{self.id}").start()
        return self

    def _make_observers(self) -> list[Observer]:
        if self._display == "none":
            return []
        provider: Any = display_provider()
        if self._display == "terminal":
            provider = import_module("interactive_flow.terminal").display_provider
        elif provider is None and in_kernel():
            provider = import_module("interactive_flow.notebook").display_provider
        elif provider is None and self._display != "auto":
            raise ValueError(f"display={self._display!r}: there are 'auto', 'none' and 'terminal'")
        try:
            observer = provider(self, self._display) if provider is not None else None
        except Exception:
            log.exception("no live display: %r raised; the run goes on without it", provider)
            return []
        return [observer] if observer is not None else []

    def warn_of_ignored_errors(self, stacklevel: int) -> None:
        """Gives an `IgnoredTaskErrorWarning` for each error that nobody looked at, and what there is of others."""
        for text, category in self._complaints():
            warnings.warn(text, category, stacklevel=stacklevel + 1)

    def _warn_where_it_was_started(self) -> None:
        file, line, module = self._asked_at or ("", 0, None)
        try:
            for text, category in self._complaints() if file else ():
                warnings.warn_explicit(text, category, file, line, module)
        except (
            IgnoredTaskErrorWarning,
            StoreWarning,
            CacheWarning,
        ) as error:  # where warnings are errors; there is no caller here
            self._crash = error

    def _complaints(self) -> list[tuple[str, type[Warning]]]:
        """What there is to warn of once the run is over."""
        found: list[tuple[str, type[Warning]]] = [(text, IgnoredTaskErrorWarning) for text in self._ignored()]
        if self._recording is not None:
            found += [(text, StoreWarning) for text in self._recording.complaints()]
        for call, reason in self._lost[:_TOLD]:
            text = f"what {call} gave is known no more, so it ran again (run {self.id} of {self.name}): {reason}"
            found.append((text, StoreWarning))
        found += [(f"run {self.id} of {self.name}: {text}", CacheWarning) for text in self._runner.lookups.complaints()]
        return found

    def _ignored(self) -> list[str]:
        """What is to be told of each error that nobody looked at."""
        engine = self._runner.engine
        if engine.status is RunStatus.CANCELLED:
            return []
        return [
            f"{error}, and nobody looked at its result (run {self.id} of {self.name}); "
            f"wait for it, return it, or see run.errors"
            for error in engine.ignored_errors()
        ]

    # -- the outcome ----------------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """``"running"``, ``"succeeded"``, ``"failed"`` or ``"cancelled"``."""
        return str(self._runner.engine.status) if self._over.is_set() else str(RunStatus.RUNNING)

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until the run is over, at most `timeout` seconds; True if it is."""
        return self._over.wait(timeout)

    def result(self, timeout: float | None = None) -> Any:
        """The workflow's value; blocks until it is there.

        Args:
            timeout: how many seconds to wait at most; None for as long as it takes.

        Raises:
            TimeoutError: it is not there within `timeout` seconds; the run goes on.
            TaskError: a failed call was in the result, or the workflow's code let its error escape.
            TaskCancelled: the run was cancelled.
            Exception: whatever else the workflow's code raised.
        """
        if not self._over.wait(timeout):
            raise TimeoutError(f"run {self.id} of {self.name} is not over after {timeout:g} s; it goes on")
        engine = self._runner.engine
        if self._crash is not None and not isinstance(self._crash, KeyboardInterrupt):
            raise self._crash
        if engine.error is not None:
            if isinstance(engine.error, TaskCancelled) and engine.error.call is None:
                raise TaskCancelled(f"run {self.id} of {self.name} was cancelled")
            # With the traceback that it came with: that of an earlier raise from here would grow with each call.
            raise engine.error.with_traceback(self._traceback)
        return engine.value

    def __await__(self) -> Generator[Any, None, Any]:
        """``await run`` gives the value, like `result`; cancelling the awaiting task leaves the run going."""
        return self._awaited().__await__()

    async def _awaited(self) -> Any:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set)

        with self._lock:
            if self._over.is_set():
                over.set()
            else:
                self._callbacks.append(tell)
        # An event loop that sleeps in its selector sees an interrupt only when something wakes it.
        while not over.is_set():
            try:
                await asyncio.wait_for(over.wait(), _HEARTBEAT)
            except TimeoutError:
                continue
        return self.result()

    def cancel(self) -> None:
        """Cancels the run: calls that have not begun never will, running tasks are told by their heartbeat.

        Returns at once, from any thread; what has finished is kept.  Does nothing to a run that is over.
        """
        self._runner.cancel()

    def retry_failed(self) -> Run:
        """Begins a new run of the same workflow with the same arguments, which takes every value from this one.

        What failed, timed out or was cancelled runs, and so does whatever depends on a call that gives another value
        now.  A call is taken for the same where its id is, and what its arguments are shown as; values that were taken
        are shown as cached.

        Returns:
            The new run, which goes on in a thread of its own.

        Raises:
            ValueError: this one is still running, or nothing in it has failed.

        Example:
            >>> run.errors
            [TaskError('OSError: no route to host', 'fetch#7')]
            >>> run = run.retry_failed()
        """
        if self.status == RunStatus.RUNNING:
            raise ValueError(f"run {self.id} of {self.name} is still running; wait for it, or cancel it")
        if self.status == RunStatus.SUCCEEDED and not self.errors:
            raise ValueError(f"nothing failed in run {self.id} of {self.name}, so there is nothing to try again")
        return self._taking_values().drive_in_background(sys._getframe(1))

    def _taking_values(self) -> Run:
        """A new run, not begun yet, that takes from this one what it can."""
        if self._again is None:
            raise ValueError(f"how run {self.id} of {self.name} was begun is not known, so it cannot be begun again")
        before = self._memory.past if self._memory is not None else None
        return self._again(self._args, self._kwargs, Past.read([self._runner.engine.events], before))

    # -- what happened --------------------------------------------------------------------------------------------

    def events(self) -> Sequence[Event]:
        """Everything that happened so far, in order; an event's sequence number is its position.

        A workflow that returns ``restart(…)`` begins its events anew each time.
        """
        return tuple(self._runner.engine.events)

    def record(self) -> RunRecord:
        """The fold over the events so far: what every view is made from.  To be read, not written."""
        with self._lock:
            log = self._runner.engine.events
            if log is not self._folded:
                self._folded, self._record = log, RunRecord()
            self._record.apply(log[self._record.seen :])
            return self._record

    def __repr__(self) -> str:
        return f"<Run {self.id} of {self.name}: {self.status}>"

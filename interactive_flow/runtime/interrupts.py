"""Ctrl-C and the stop button, at places where they do no harm.

Python raises KeyboardInterrupt between any two bytecodes of the main thread, so also while the engine is half-way
through a transition.  While a run is driven in the main thread, interrupts are let through where people's code runs
and where the runner waits, and put off until the next such place everywhere else.

The place is told by the frames on the stack, innermost first, as trio does.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Protocol, TypeVar

from interactive_flow.engine import fibers
from interactive_flow.runtime import worker
from interactive_flow.runtime.clock import SystemClock

_PROTECTED = ("interactive_flow.engine.", "interactive_flow.runtime.", "interactive_flow.authoring.")
_open_places: set[CodeType] = {fibers._run.__code__, worker.run_here.__code__, SystemClock.wait.__code__}
"""Functions of this package below which people's code runs, or nothing does."""


_Function = TypeVar("_Function", bound=Callable[..., Any])


def runs_peoples_code(function: _Function) -> _Function:
    """Marks a function of this package below which an interrupt may be raised at once."""
    _open_places.add(function.__code__)
    return function


@runs_peoples_code
def wait_for(event: threading.Event) -> None:
    """Waits for `event`, and lets an interrupt end that."""
    with _interrupts_raised():
        while not event.wait(threading.TIMEOUT_MAX):
            pass


@contextmanager
def _interrupts_raised() -> Iterator[None]:
    """Within it, an interrupt is raised at once, also where an event loop would only be told of it: it stands still."""
    before = signal.getsignal(signal.SIGINT)
    raises = before is signal.default_int_handler or getattr(before, "from_interactive_flow", False)
    if raises or not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Interruptible(Protocol):
    """Something that wants to know of an interrupt."""

    interrupted: bool

    def wake(self) -> None:
        """Ends a wait that may have begun, or is about to; called from a signal handler."""


def _may_raise(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code in _open_places:
            return True
        if frame.f_globals.get("__name__", "").startswith(_PROTECTED):
            return False
        frame = frame.f_back
    return True


@contextmanager
def interrupts_noted_by(target: Interruptible) -> Iterator[None]:
    """Within it, an interrupt sets ``target.interrupted``, and is raised where that does no harm.

    Does nothing outside the main thread, or where somebody else has installed a handler of their own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler and not getattr(before, "from_interactive_flow", False):
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        target.interrupted = True
        if _may_raise(frame):
            raise KeyboardInterrupt
        target.wake()  # else a wait that is about to begin would not see that it should not

    handle.from_interactive_flow = True  # type: ignore[attr-defined]
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

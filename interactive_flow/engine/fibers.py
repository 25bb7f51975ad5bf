"""How workflow code is suspended and resumed.

*Resume* runs the code in a greenlet: at a barrier it is parked where it stands, with its frames, and continued there
when the value has come.  Nothing runs twice, and N barriers cost N switches.  A greenlet belongs to the thread that
made it, so one thread runs all the workflow code of a run.

*Replay* lets go of the code at a barrier, by an exception, and runs it again from the top when the value has come,
finding known results on the way: N barriers cost in the order of N² calls, and nothing has to be kept but what was
called.  What the code wants on its way out, in ``finally`` clauses, it does not get: it will come there again.

The code of an ``async`` workflow is a coroutine, which either of them drives to its end: awaiting a placeholder is a
barrier like any other use of it.

All give the same calls, the same identities and the same results.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from types import CoroutineType
from typing import Any, Protocol

from greenlet import GreenletExit, getcurrent, greenlet

from interactive_flow.engine.calls import Call, WorkflowCall
from interactive_flow.engine.containers import gather
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.engine.replay import LetGo, Nowhere, Replay, used_up
from interactive_flow.model.errors import DeterminismError


@dataclass(frozen=True, slots=True)
class Returned:
    """The code came to its end."""

    value: Any


@dataclass(frozen=True, slots=True)
class Restart:
    """What workflow code returns to be run again with other arguments; made by ``restart``."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Raised:
    """The code let an exception escape."""

    error: BaseException


class Fiber(Protocol):
    """Workflow code that can be advanced piece by piece."""

    def advance(self) -> Returned | Raised | None:
        """Runs the code until it ends, or until it suspends itself (then None)."""

    def suspend(self) -> None:
        """Called by the code itself, at a barrier: comes back when somebody advances the fiber again."""

    def close(self) -> None:
        """Ends parked code by raising `GreenletExit` where it stands, so that its ``finally`` clauses run."""


def awaited(code: Coroutine[Any, Any, Any]) -> Any:
    """Runs the coroutine of an ``async`` workflow to its end.

    Awaiting a placeholder is a barrier like any other use of it, and parks the greenlet; so nothing is ever yielded to
    here, unless the code awaits something that wants an event loop.
    """
    try:
        wanted = code.send(None)
        code.throw(
            TypeError(
                f"a workflow can await placeholders only, not {type(wanted).__name__}: there is no event loop in "
                f"workflow code; what needs one belongs into an async task"
            )
        )
    except StopIteration as end:
        return end.value
    except RuntimeError as error:
        if "no running event loop" in str(error):
            error.add_note("there is no event loop in workflow code; what needs one belongs into an async task")
        raise
    code.close()
    raise TypeError("a workflow can await placeholders only")


def _run(workflow: WorkflowCall, body: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Returned | Raised:
    """Runs the code, from the top."""
    current_workflow.set(workflow)
    try:
        value = body(*args, **kwargs)
        # By its type alone: asking a placeholder anything would be a barrier.
        return Returned(awaited(value) if type(value) is CoroutineType else value)
    except BaseException as error:
        traceback = error.__traceback__
        # The first frame is this function, which tells nobody anything.
        return Raised(error.with_traceback(traceback.tb_next if traceback else None))


_LEAVING: Any = Nowhere(LetGo)
"""The workflow while its code is left: what a ``finally`` clause asks of it then, it asks in vain."""


class ReplayFiber:
    """Code that is run again from the top each time it is advanced.

    Lists, dicts and sets among its arguments are copied for each run, since the code may change them.
    """

    __slots__ = ("_arguments", "_body", "_replay", "_runs", "_workflow")

    def __init__(self, workflow: WorkflowCall, body: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> None:
        self._workflow, self._body, self._arguments = workflow, body, (args, kwargs)
        self._replay = workflow.replay = Replay(workflow.spec.name)
        self._runs = 0

    def advance(self) -> Returned | Raised | None:
        args, kwargs = self._arguments
        self._runs += 1
        once = used_up((args, kwargs)) if self._runs == 2 else None
        if once is not None:
            return Raised(self._cannot_run_again(once))
        with contextlib.suppress(ValueError):  # a container that contains itself is nothing to be copied
            args, kwargs, _ = gather(args, kwargs)
        replay = self._replay
        replay.begin()
        result = contextvars.copy_context().run(_run, self._workflow, self._body, args, kwargs)
        if isinstance(result, Returned):
            replay.check_end("came to its end")
        elif not isinstance(result.error, LetGo | KeyboardInterrupt | GreenletExit):
            replay.check_end(f"raised {result.error!r}")
        if replay.error is not None:
            return Raised(replay.error)
        return None if replay.left else result

    def _cannot_run_again(self, once: str) -> DeterminismError:
        name = self._workflow.spec.name
        return DeterminismError(
            f"{name} cannot be run again: among its arguments is a {once}, which can be gone through only once; give "
            f'it a list instead, or use strategy="resume"',
            expected=f"the {once} as it was",
            found=f"the {once} as the code has left it",
        )

    def suspend(self) -> None:
        call = self._workflow.blocked_on
        error = self._replay.check_end(
            f"waited for {call.id}" if isinstance(call, Call) else "waited for several calls"
        )
        if error is not None:
            raise error
        self._replay.left = True
        current_workflow.set(_LEAVING)
        raise LetGo

    def close(self) -> None:
        """Nothing is parked."""


class GreenletFiber:
    """Code parked in a greenlet."""

    __slots__ = ("_greenlet",)

    def __init__(self, workflow: WorkflowCall, body: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> None:
        self._greenlet = greenlet(partial(_run, workflow, body, args, kwargs))
        self._greenlet.gr_context = contextvars.copy_context()

    def advance(self) -> Returned | Raised | None:
        self._greenlet.parent = getcurrent()
        result: Returned | Raised | None = self._greenlet.switch()
        return result

    def suspend(self) -> None:
        parent = self._greenlet.parent
        assert parent is not None
        parent.switch(None)

    def close(self) -> None:
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(GreenletExit)


def make_fiber(strategy: str, workflow: WorkflowCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Fiber:
    """The code of `workflow`, to be advanced by this strategy: ``"resume"`` or ``"replay"``."""
    kind = ReplayFiber if strategy == "replay" else GreenletFiber
    return kind(workflow, workflow.spec.body, args, kwargs)

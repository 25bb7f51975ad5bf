"""What a cell that is run again need not do again.

Each call that a cell makes is noted with what it was made of: the code of its task, and its arguments.  When the cell
is run again and makes a call of the same name and number, of the same code and with the same arguments, the call that
it made before takes its place, whether it has finished or not.  An argument that is a placeholder is the same if it
stands for the same call; other values are compared by their fingerprints (`interactive_flow.store.fingerprint`), of
when the calls were made.

What cannot be told to be the same is called anew: code and values without a fingerprint, values that are large, calls
that failed, and items of ``finish_order`` and of streams, as their order is another one each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from interactive_flow.engine.calls import Call
from interactive_flow.engine.cells import CellCall, keep_call
from interactive_flow.engine.combinators import First, ParallelReduce
from interactive_flow.engine.containers import gather, refer
from interactive_flow.engine.replay import Replay
from interactive_flow.engine.spec import TaskSpec
from interactive_flow.model.errors import FingerprintError
from interactive_flow.store.fingerprint import code_fingerprint, value_fingerprint

LARGE = 64 * 2**20
"""Bytes of an array or a table above which it is not compared, as that would take longer than people like to wait."""

Key = tuple[str, int]
"""The name and the number of a call in its cell."""


class Made(NamedTuple):
    """A call, and what it was made of."""

    call: Call
    code: str | None
    """The fingerprint of what was called; None where there is none."""
    arguments: str | None
    """The fingerprint of the arguments."""
    deps: tuple[Call, ...]


class KeptCalls(Replay):
    """The calls of a cell, those that it makes and those that it made when it was run before.

    Args:
        cell: the cell, as it is run now.
        before: what it made when it was run before, by name and number; empty to call everything anew.
        lock: the runner's.
        usable: whether what a call of before was computed from still counts.
        known: all calls that cells have made, by index; what this one makes is added.
        executor: where the tasks that it calls run, unless they have one of their own; None for where the others do.

    Attributes:
        made: its calls so far.
        kept: those among them that it had made before.
        function: what a ``parallel_reduce`` that is about to be made reduces with.
    """

    def __init__(
        self,
        cell: CellCall,
        before: dict[Key, Made],
        lock: threading.Lock,
        usable: Callable[[Made], bool],
        known: dict[int, Call],
        executor: Any = None,
    ) -> None:
        super().__init__(cell.spec.name)
        self.made: dict[Key, Made] = {}
        self.kept: list[Call] = []
        self.function: Any = None
        self._cell, self._before, self._lock, self._usable = cell, before, lock, usable
        self._known, self._executor = known, executor
        self._specs: dict[TaskSpec, TaskSpec] = {}
        self._current = threading.local()

    # -- asked by the runner, for each call ----------------------------------------------------------------------

    def take_call(self, spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Call | None]:
        """See `Replay`."""
        call = self._look(spec.name, spec, args, kwargs)
        if call is None and self._executor is not None and type(spec) is TaskSpec and spec.executor is None:
            if spec not in self._specs:
                self._specs[spec] = replace(spec, executor=self._executor)
            spec = self._specs[spec]
        return spec, call

    def take(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """See `Replay`; here for combinators only."""
        spec = self.function if name == "parallel_reduce" else None
        return self._look(name, spec, args, kwargs, (First, ParallelReduce))

    def note(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """See `Replay`."""
        # Of a new call the code is looked at only now: the first look takes its time, and the call is on its way.
        spec, arguments, deps = self._current.made_of
        code = _code_of(spec)
        if name == "item":  # of a combinator or a stream, which it is told by its index
            deps = (self._known[args[0]],)
        self._enter(Made(call, code, arguments, deps))

    def again(self, key: Any, make: Callable[[], Any]) -> Any:
        """See `Replay`; a cell's code is never run again from the top."""
        return make()

    # -- deciding ------------------------------------------------------------------------------------------------

    def _look(
        self, name: str, spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any], kinds: Any = Call
    ) -> Call | None:
        arguments, deps = _arguments_of(args, kwargs)
        self._current.made_of = spec, arguments, deps
        key = name, self._cell.counters.get(name, 0) + 1
        before = self._before.get(key)
        if before is None or arguments is None or not isinstance(before.call, kinds):
            return None
        if (before.arguments, before.deps) != (arguments, deps) or before.code is None:
            return None
        if before.code != _code_of(spec):
            return None
        call: Call = before.call
        with self._lock:
            if call.failed or not self._usable(before):
                return None
            self._cell.count(name)
            keep_call(call, self._cell)
        self.kept.append(call)
        self._enter(before)
        return call

    def _enter(self, made: Made) -> None:
        call = made.call
        inner = call.scope is not None and call.scope is not self._cell  # an item of a ``finish_order``
        key = call.id if inner else call.spec.name, call.number
        self.made[key] = made
        self._cell.made[key] = self._known[call.index] = call


def _code_of(spec: Any) -> str | None:
    """The fingerprint of a task's or a workflow's code; of nothing, something that is always the same."""
    if spec is None:
        return ""
    if isinstance(spec, TaskSpec):
        code = spec.fn
    else:
        code = getattr(spec.body, "__self__", spec.body)
        if not getattr(code, "is_complete", True):
            return None  # which tasks it will find by their names, only its run can tell
    with suppress(FingerprintError):
        return code_fingerprint(code).digest
    return None


def _arguments_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str | None, tuple[Call, ...]]:
    """The fingerprint of a call's arguments, and the calls that they depend on."""
    given = list(kwargs.items())
    _, _, deps = gather((args, given), {})
    plain, _, bits = refer((args, given), {})
    if any(_size(value) > LARGE for value in (*args, *kwargs.values())):
        return None, deps
    with suppress(FingerprintError):
        return value_fingerprint((plain, bits)), deps
    return None, deps


def _size(value: Any) -> int:
    """Bytes of an array or a table; 0 for everything else."""
    kind = type(value)
    if not hasattr(kind, "nbytes") and not hasattr(kind, "memory_usage"):
        return 0
    try:
        size = value.nbytes if hasattr(kind, "nbytes") else value.memory_usage(deep=False)
        return int(size.sum()) if hasattr(size, "sum") else int(size)
    except Exception:
        return LARGE + 1  # it cannot say

"""The placeholder: a transparent stand-in for a result that is not there yet.

It is a C-coded proxy (`lazy_object_proxy.Proxy`), so that once its value is known an operation on it costs some fifty
nanoseconds more than on the value itself.  Its *factory* is the call it stands for: `call_of` finds the call without
waiting for it, and the proxy calls it, once, when it is used as a value.

Where it is used decides what that means:

- in workflow code every use is a barrier, so that the code does the same as without the engine;
- elsewhere (a notebook cell, a debugger, a report) looking at a pending one is quiet: its class, repr, `dir` and the
  methods that IPython probes for speak about the placeholder.  Only real use waits.

The in-place operators are overridden because the proxy's own would rebind the shared target: after ``total = p;
total += 1`` everybody else's ``p`` would have changed too.
"""

from __future__ import annotations

import copy
import inspect
import math
import operator
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeGuard

from lazy_object_proxy import Proxy

from interactive_flow.engine.calls import SettledCall

if TYPE_CHECKING:
    from interactive_flow.engine.calls import Call, WorkflowCall

current_workflow: ContextVar[WorkflowCall | None] = ContextVar("interactive_flow_current_workflow", default=None)
"""The workflow whose code is running here; None in ordinary code and inside tasks."""

_wrapped: Callable[[Any], Any] = Proxy.__wrapped__.__get__
_call: Callable[[Any], Call] = Proxy.__factory__.__get__

_PROBES = ("_repr_", "_ipython_", "__")
_ANY_SIGNATURE = inspect.signature(lambda *args, **kwargs: None)
_PROBE_NAMES = frozenset({"getdoc"})


def _quiet(placeholder: Any) -> bool:
    """True where looking must neither wait nor raise: there is no value, and no workflow code is asking."""
    if current_workflow.get() is not None:
        return False
    call = _call(placeholder)
    return call.failed or not call.done


class Placeholder(Proxy):  # type: ignore[misc]
    """Stands for the result of a call; made by calling a task inside a workflow."""

    __slots__ = ()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return Placeholder if _quiet(self) else type(_wrapped(self))

    def __repr__(self) -> str:
        return _call(self).describe() if _quiet(self) else repr(_wrapped(self))

    def __flow_brief__(self) -> str:
        """What it stands for, for `interactive_flow.model.brief`."""
        return _call(self).id

    def __str__(self) -> str:
        return _call(self).describe() if _quiet(self) else str(_wrapped(self))

    def __format__(self, spec: str) -> str:
        return _call(self).describe() if _quiet(self) else format(_wrapped(self), spec)

    @property
    def __wrapped__(self) -> Any:
        self._look("__wrapped__")
        return _wrapped(self)

    @property
    def __name__(self) -> str:
        self._look("__name__")
        return _wrapped(self).__name__  # type: ignore[no-any-return]

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        self._look("__dict__")
        return _wrapped(self).__dict__

    def __dir__(self) -> list[str]:
        return [] if _quiet(self) else dir(_wrapped(self))

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__" and _quiet(self):
            return _ANY_SIGNATURE  # else `inspect.signature` goes on to compare the placeholder with this and that
        if name.startswith(_PROBES) or name in _PROBE_NAMES:
            self._look(name)
        return getattr(_wrapped(self), name)

    # Without this the C type's own attribute look-up asks `__getattr__`, and then Python asks it again.
    __getattribute__ = object.__getattribute__

    def _look(self, name: str) -> None:
        """Raises AttributeError for somebody who only looks, while there is no value."""
        if _quiet(self):
            raise AttributeError(f"{_call(self).describe()} has no {name!r} before its value is there")

    def __iter__(self) -> Iterator[Any]:
        call = _call(self)
        if call.streams:
            workflow = current_workflow.get()
            if workflow is not None and workflow.engine is call.engine:
                return call.engine.driver.stream(call)
            if isinstance(call, SettledCall):  # each item can be awaited, as in a run
                return (Placeholder(SettledCall(item)) for item in _wrapped(self))
        return iter(_wrapped(self))

    def __aiter__(self) -> AsyncIterator[Any]:
        return _AsyncItems(iter(self)) if _call(self).streams else aiter(_wrapped(self))

    def __await__(self) -> Generator[Any, None, Any]:
        return _wrapped(self)
        yield  # makes this a generator, as the language wants it; the waiting is done by the line above

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, _wrapped(self))

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(subclass, _wrapped(self))

    def __complex__(self) -> complex:
        return complex(_wrapped(self))

    def __trunc__(self) -> int:
        return math.trunc(_wrapped(self))  # type: ignore[no-any-return]

    def __floor__(self) -> int:
        return math.floor(_wrapped(self))  # type: ignore[no-any-return]

    def __ceil__(self) -> int:
        return math.ceil(_wrapped(self))  # type: ignore[no-any-return]

    def __bytes__(self) -> bytes:
        return bytes(_wrapped(self))

    def __pow__(self, other: Any, modulus: Any = None) -> Any:
        # The C type's own power does not look behind a placeholder that is the modulus, and recurses for ever.
        if modulus is None:
            return pow(_wrapped(self), other)
        return pow(_wrapped(self), *(_wrapped(x) if type(x) is Placeholder else x for x in (other, modulus)))

    def __rpow__(self, other: Any) -> Any:
        return pow(other, _wrapped(self))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy

        # Before version 2 numpy has no `copy=None`: it copies only where it must then too.
        options: dict[str, Any] = {} if copy is None else {"copy": copy}
        return numpy.array(_wrapped(self), dtype, **options) if options else numpy.asarray(_wrapped(self), dtype)

    def __array_ufunc__(self, function: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        values = [_wrapped(x) if type(x) is Placeholder else x for x in inputs]
        return getattr(function, method)(*values, **kwargs)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A placeholder never leaves the process: what is stored or sent is the value.
        return _identity, (_wrapped(self),)

    def __copy__(self) -> Any:
        return copy.copy(_wrapped(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        return copy.deepcopy(_wrapped(self), memo)


class _AsyncItems(AsyncIterator[Any]):
    """``async for`` over the items of a generator task; no generator, which ends where code lets go of it."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    async def __anext__(self) -> Any:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


def _identity(value: Any) -> Any:
    return value


def _in_place(name: str) -> Callable[[Any, Any], Any]:
    function = getattr(operator, name)

    def apply(self: Any, other: Any) -> Any:
        return function(_wrapped(self), other)

    apply.__name__ = apply.__qualname__ = f"__{name}__"
    return apply


for _name in [
    "iadd",
    "isub",
    "imul",
    "itruediv",
    "ifloordiv",
    "imod",
    "ipow",
    "ilshift",
    "irshift",
    "iand",
    "ixor",
    "ior",
    "imatmul",
]:
    setattr(Placeholder, f"__{_name}__", _in_place(_name))


def is_placeholder(value: object) -> TypeGuard[Placeholder]:
    """True where `value` is a placeholder; never waits for it.

    ``isinstance`` would ask the value for its class, so this looks at the type itself.
    """
    return type(value) is Placeholder


def call_of(placeholder: Placeholder) -> Call:
    """The call that a placeholder stands for; never waits."""
    return _call(placeholder)

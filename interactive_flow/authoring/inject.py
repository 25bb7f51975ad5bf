"""From a factory's parameters to the tasks that its code will call.

A parameter gets, in this order: what `Workflow.inject` bound to it; what has its name where the factory was defined,
looked up when the run starts, so that in a notebook the latest cell wins; its default.  What is still missing is told
all at once.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from collections.abc import Callable, Mapping
from types import FrameType, SimpleNamespace
from typing import Any

from interactive_flow.authoring.task import Task, task
from interactive_flow.model.errors import MissingTaskError
from interactive_flow.runtime.interrupts import runs_peoples_code

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Factory:
    """A function or class whose parameters name tasks, and the namespace where it was defined.

    Args:
        make: the function or class.
        frame: the frame in which it was defined; its local names are looked up too where it is a function's.

    Attributes:
        defined: what stands in the user's source: the factory, or the function of a flow.
    """

    def __init__(self, make: Callable[..., Any], frame: FrameType | None) -> None:
        self.make = self.defined = make
        self.name = getattr(make, "__name__", type(make).__name__)
        signature = inspect.signature(make)
        self.parameters = {name: p for name, p in signature.parameters.items() if p.kind not in _VARIADIC}
        self.takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
        # A frame keeps all its names alive, so it is kept only where it is needed: for a function's own names (a
        # module's are found without it), and where there is something to look up.
        self._frame: FrameType | SimpleNamespace | None = (
            frame if frame is not None and self.parameters and _has_own_names(frame) else None
        )

    def __getstate__(self) -> dict[str, Any]:
        # A frame cannot be sent, and a copied function has only those names around it that its code mentions, which
        # need not be those of its parameters; so these go along.
        found = {name: value for name in self.parameters for known, value in [self._find(name, {})] if known}
        return {**self.__dict__, "_frame": SimpleNamespace(f_locals=found)}

    def check_names(self, names: Mapping[str, Any]) -> None:
        """Raises TypeError where the factory has no parameter of one of these names."""
        for name in names:
            if name not in self.parameters and not self.takes_any:
                near = difflib.get_close_matches(name, self.parameters, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                known = ", ".join(self.parameters) or "none"
                raise TypeError(f"{self.name} has no parameter {name!r}{hint} Its parameters: {known}")

    def build(self, bound: Mapping[str, Any], adapt: Callable[[str, Any], Any]) -> Callable[..., Any]:
        """Calls the factory with its tasks; the workflow's code.

        Args:
            bound: what was injected.
            adapt: from a parameter's name and what was found for it to what the factory gets.

        Raises:
            MissingTaskError: nothing was found for some parameters.
            TypeError: the factory did not return something callable.
        """
        positional, named = self._arguments(bound, adapt)
        code: Callable[..., Any] = self._make(positional, named)
        if not callable(code):
            raise TypeError(
                f"{self.name} returned {type(code).__name__}, not a function: a workflow's factory defines the "
                f"function with the workflow's code and returns it (for one without a factory, use flow)"
            )
        called = _function_of(code)
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise TypeError(
                f"the code of {self.name} is a generator; a workflow's code is an ordinary or an async function"
            )
        return code

    @runs_peoples_code
    def _make(self, positional: list[Any], named: dict[str, Any]) -> Any:
        return self.make(*positional, **named)

    def found(self, bound: Mapping[str, Any], adapt: Callable[[str, Any], Any]) -> dict[str, Any]:
        """What `build` would hand to the factory, by the names of its parameters.

        Raises:
            MissingTaskError: nothing was found for some parameters.
        """
        positional, named = self._arguments(bound, adapt)
        return {**named, **dict(zip(self.parameters, positional, strict=False))}

    def _arguments(
        self, bound: Mapping[str, Any], adapt: Callable[[str, Any], Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        positional: list[Any] = []
        named: dict[str, Any] = {}
        missing: list[str] = []
        for name, parameter in self.parameters.items():
            found, value = self._find(name, bound)
            if found:
                value = adapt(name, value)
            elif parameter.default is inspect.Parameter.empty:
                missing.append(name)
                continue
            else:
                value = parameter.default
                if callable(value):
                    value = adapt(name, value)
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[name] = value
        if missing:
            raise MissingTaskError(self._missing_text(missing))
        named.update({name: adapt(name, value) for name, value in bound.items() if name not in self.parameters})
        return positional, named

    def _find(self, name: str, bound: Mapping[str, Any]) -> tuple[bool, Any]:
        if name in bound:
            return True, bound[name]
        for namespace in self._namespaces():
            if name in namespace and callable(namespace[name]):
                return True, namespace[name]
        return False, None

    def _namespaces(self) -> list[Mapping[str, Any]]:
        code = inspect.unwrap(self.defined)
        module = sys.modules.get(getattr(code, "__module__", None) or "")
        globals_ = getattr(code, "__globals__", None) or getattr(module, "__dict__", {})
        return [self._frame.f_locals, globals_] if self._frame is not None else [globals_]

    def is_task(self, name: str) -> bool:
        """Whether a name in the workflow's code stands for a task or a workflow."""
        return name in self.parameters or any(
            hasattr(space.get(name), "spec") for space in [*self._namespaces(), self._around()]
        )

    def _around(self) -> dict[str, Any]:
        """What the code uses of the function in which it is defined."""
        cells = getattr(self.defined, "__closure__", None) or ()
        names = self.defined.__code__.co_freevars if cells else ()
        found = {}
        for name, cell in zip(names, cells, strict=True):
            try:
                found[name] = cell.cell_contents
            except ValueError:  # it has no value yet
                continue
        return found

    def _missing_text(self, missing: list[str]) -> str:
        names = ", ".join(missing)
        one = missing[0]
        notes = [
            f"{name} is {type(namespace[name]).__name__}, which cannot be called"
            for name in missing
            for namespace in self._namespaces()
            if name in namespace
        ]
        note = f" ({'; '.join(notes)})" if notes else ""
        return (
            f"{self.name} needs {'tasks' if len(missing) > 1 else 'a task'} that {'are' if len(missing) > 1 else 'is'} "
            f"neither injected nor defined where {self.name} was defined: {names}{note}. "
            f"Define {'them' if len(missing) > 1 else 'it'}, or bind: {self.name}.inject({one}=…)"
        )


def _has_own_names(frame: FrameType) -> bool:
    """True for the frame of a function or a class body (asking a function's frame for its names would copy them)."""
    return bool(frame.f_code.co_flags & inspect.CO_OPTIMIZED) or frame.f_locals is not frame.f_globals


def _function_of(code: Any) -> Any:
    return code if inspect.isroutine(code) else type(code).__call__


def is_async(code: Callable[..., Any]) -> bool:
    """True where calling `code` gives a coroutine."""
    return inspect.iscoroutinefunction(_function_of(code))


def as_task(name: str, value: Any) -> Any:
    """What a factory gets for a parameter in a run: plain callables become tasks of the parameter's name."""
    if isinstance(value, Task) or not callable(value) or getattr(value, "is_workflow", False):
        return value
    return task(value, name=name)

"""What must still be as it was for a fingerprint to be still right; finding that out takes microseconds.

A fingerprint was made by looking names up and reading what was found.  Its checks look the same names up again.  What
cannot change without becoming another object, a number or a function's code, need only be the same object; what can, a
list or an instance, is read again.

An object's id stands for it only as long as it lives.  So objects are kept, or watched by a weak reference where they
allow one: the checks fail once one of them is gone.  Functions and classes are only watched, so that nothing that
belongs to a notebook's old cells is kept alive from here.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from itertools import repeat
from operator import attrgetter
from types import FunctionType
from typing import Any

from interactive_flow.store.fingerprint.writer import Unfit

ABSENT = object()
"""Stands for a name that is not there."""

Read = Callable[[Any], tuple[bytes, list[Any]]]
"""From a value to its digest, and the definitions that it refers to."""

_function_state = attrgetter("__code__", "__defaults__")


class Checks:
    """Gathered while a fingerprint is made.

    Args:
        read: how values were read.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._alive = True
        self._kept: dict[int, Any] = {}
        self._names: dict[int, tuple[Mapping[str, Any], dict[str, int]]] = {}
        self._functions: list[tuple[weakref.ref[Any], tuple[int, ...]]] = []
        self._classes: list[tuple[weakref.ref[Any], int, list[int]]] = []
        self._same: list[tuple[Callable[[], Any], int]] = []
        self._read_again: list[tuple[Callable[[], Any], bytes, list[int]]] = []

    def name(self, space: Mapping[str, Any], name: str, value: Any) -> None:
        """The name must go on to stand for this very object."""
        self._names.setdefault(id(space), (space, {}))[1][name] = self.keep(value)

    def function(self, function: FunctionType) -> None:
        """The function must keep its code and its defaults."""
        state = _function_state(function)
        self._functions.append((self._watch(function), tuple(map(self.keep, state))))

    def class_(self, cls: type) -> None:
        """The class must keep what it has; values in it that can change are to be checked apart."""
        self._classes.append((self._watch(cls), self.keep(cls.__bases__), list(map(id, vars(cls).values()))))

    def value(self, get: Callable[[], Any], value: Any, volatile: bool, digest: bytes, targets: list[Any]) -> None:
        """What `get` gives must be this very object, or, where that can change, must read as it did."""
        if volatile:
            self._read_again.append((get, digest, list(map(self.keep, targets))))
        else:
            self._same.append((get, self.keep(value)))

    def hold(self) -> bool:
        """True where everything is as it was."""
        if not self._alive:
            return False
        for space, ids in self._names.values():
            if list(map(id, map(space.get, ids, repeat(ABSENT)))) != list(ids.values()):
                return False
        try:
            return self._definitions_hold() and self._values_hold()
        except (Unfit, RecursionError, AttributeError, KeyError, IndexError, ValueError, TypeError):
            return False  # something is gone, or has become something else

    def _definitions_hold(self) -> bool:
        for function, state in self._functions:
            if tuple(map(id, _function_state(function()))) != state:
                return False
        for cls, bases, ids in self._classes:
            found = cls()
            if found is None or id(found.__bases__) != bases or list(map(id, vars(found).values())) != ids:
                return False
        return True

    def _values_hold(self) -> bool:
        for get, known in self._same:
            if id(get()) != known:
                return False
        for get, digest, targets in self._read_again:
            found, referred = self._read(get())
            if found != digest or list(map(id, referred)) != targets:
                return False
        return self._alive

    def _watch(self, value: Any) -> weakref.ref[Any]:
        reference = weakref.ref(value, self._gone)
        self._kept[id(value)] = reference
        return reference

    def keep(self, value: Any) -> int:
        """The id of an object, and care that no other object gets it as long as these checks hold."""
        try:
            self._watch(value)
        except TypeError:
            self._kept[id(value)] = value
        return id(value)

    def _gone(self, _: object) -> None:
        self._alive = False

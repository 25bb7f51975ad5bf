"""Running workflow code again from the top: what it called before, and whether it calls the same again.

A replayed workflow keeps the calls that its code made, in order.  When the code runs again, its first call is answered
with the first of them, and so on; only past the end are new calls made.  So code that does the same each time meets
what it did before, whatever has finished meanwhile.  Code that does not is told so at the first difference.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from interactive_flow.engine.calls import Call
from interactive_flow.engine.placeholder import Placeholder, call_of
from interactive_flow.model.brief import brief_call
from interactive_flow.model.errors import DeterminismError

_REMEDY = (
    "workflow code must do the same each time it runs: take time, chance and everything else that changes from a task, "
    "from an argument, or from interactive_flow.stable"
)


class Replay:
    """The calls that a workflow's code has made, and how far it has come in running again."""

    __slots__ = ("_made", "_name", "_position")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: list[tuple[Call, str, tuple[Any, ...], dict[str, Any]]] = []
        self._position = 0

    def begin(self) -> None:
        """The code begins at the top."""
        self._position = 0

    def take(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that the code made here before; None where it has not come so far yet.

        Raises:
            DeterminismError: it made another call here.
        """
        if self._position == len(self._made):
            return None
        call, expected, expected_args, expected_kwargs = self._made[self._position]
        if name != expected or not same(args, expected_args) or not same(kwargs, expected_kwargs):
            raise self._error(brief_call(name, args, kwargs))
        self._position += 1
        return call

    def note(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A new call was made."""
        self._made.append((call, name, args, kwargs))
        self._position += 1

    def check_end(self, what: str) -> None:
        """The code stopped here, by `what`.

        Raises:
            DeterminismError: it had made more calls before.
        """
        if self._position < len(self._made):
            raise self._error(what)

    def _error(self, found: str) -> DeterminismError:
        _, name, args, kwargs = self._made[self._position]
        return DeterminismError(
            f"{self._name} did something else when its code was run again: as call {self._position + 1} it made "
            f"{brief_call(name, args, kwargs)} before, and {found} now; {_REMEDY}",
            position=self._position,
            expected=brief_call(name, args, kwargs),
            found=found,
        )


def same(one: Any, other: Any) -> bool:
    """True where two arguments of the same call, made in two runs of the same code, may be taken for equal.

    Placeholders are equal if they stand for the same call, functions if they have the same code.  Objects that do not
    say what makes them equal are trusted if they are of one type.
    """
    return _same(one, other, set())


def _same(one: Any, other: Any, compared: set[tuple[int, int]]) -> bool:
    """As `same`; pairs in `compared` are equal, or have been found different already and settled the matter."""
    if one is other or (id(one), id(other)) in compared:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is Placeholder:
        return call_of(one) is call_of(other)
    if kind in (list, tuple):
        compared.add((id(one), id(other)))
        return len(one) == len(other) and all(_same(x, y, compared) for x, y in zip(one, other, strict=True))
    if kind is dict:
        compared.add((id(one), id(other)))
        return one.keys() == other.keys() and all(_same(one[key], other[key], compared) for key in one)
    if kind is FunctionType:
        return bool(one.__code__ == other.__code__)
    if kind.__eq__ is object.__eq__:  # type: ignore[comparison-overlap]
        return True
    try:
        return bool(one == other)
    except Exception:  # such as arrays, which have no single answer
        return True

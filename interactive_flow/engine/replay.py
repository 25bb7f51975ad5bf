"""Running workflow code again from the top: what it called before, and whether it calls the same again.

A replayed workflow keeps the calls that its code made, in order.  When the code runs again, its first call is answered
with the first of them, and so on; only past the end are new calls made.  So code that does the same each time meets
what it did before, whatever has finished meanwhile.  Code that does not is told so at the first difference.

Iterators that this package makes are kept too (`Items`), because one may be handed on to code that runs again by
itself: a sub-workflow must find it where it was when that sub-workflow began, and whoever made it must find it where
the sub-workflow has left it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from interactive_flow.engine.calls import Call, WorkflowCall
from interactive_flow.engine.containers import field_names, gather
from interactive_flow.engine.placeholder import Placeholder, call_of, current_workflow
from interactive_flow.model.brief import brief_call
from interactive_flow.model.errors import DeterminismError

_REMEDY = (
    "workflow code must do the same each time it runs: take time, chance and everything else that changes from a task, "
    "from an argument, or from interactive_flow.stable"
)
_ITERATORS_OF = ("builtins", "itertools")
_CONTAINERS: tuple[type, ...] = (list, tuple, set, dict)


class LetGo(BaseException):
    """Raised at a barrier of replayed code, to get out of it."""


class Nowhere:
    """Takes the place of the workflow where its code must not ask for anything: whatever it asks for is refused."""

    __slots__ = ("_refusal",)

    def __init__(self, refusal: type[BaseException]) -> None:
        self._refusal = refusal

    def __getattr__(self, name: str) -> Any:
        raise self._refusal


_NOWHERE: Any = Nowhere(LookupError)


class Replay:
    """The calls that a workflow's code has made, and how far it has come in running again.

    Attributes:
        left: True once the code has come to a barrier, and must be left.
        error: the first difference, for when the code takes it for an error of its own and goes on.
    """

    __slots__ = ("_asked", "_kept", "_made", "_name", "_position", "error", "left")

    def __init__(self, name: str) -> None:
        self._name = name
        self._made: list[tuple[Call, str, tuple[Any, ...], dict[str, Any]]] = []
        self._position = 0
        self._kept: dict[Any, list[Any]] = {}
        self._asked: Counter[Any] = Counter()
        self.left = False
        self.error: DeterminismError | None = None

    def begin(self) -> None:
        """The code begins at the top."""
        self._position = 0
        self._asked.clear()
        self.left = False

    def take(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call that the code made here before; None where it has not come so far yet.

        Raises:
            DeterminismError: it made another call here.
        """
        if self._position == len(self._made):
            return None
        call, expected, expected_args, expected_kwargs = self._made[self._position]
        if name != expected or not same(args, expected_args) or not same(kwargs, expected_kwargs):
            found = brief_call(name, args, kwargs)
            raise self._error(found, f"made {found}")
        self._position += 1
        return call

    def take_call(self, spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Call | None]:
        """As `take`, of a task or a workflow; and what is to be called where there is no such call."""
        return spec, self.take(spec.name, args, kwargs)

    def note(self, call: Call, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """A new call was made."""
        self._made.append((call, name, args, kwargs))
        self._position += 1

    def check_end(self, found: str) -> DeterminismError | None:
        """The code made no further call, but did what `found` says: it waited, came to its end, or raised.

        Returns:
            The error if it had made more calls before.
        """
        return self._error(found, found) if self._position < len(self._made) else None

    def again(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gave when the code asked for this `key`, as often as it has now, in its first run."""
        kept = self._kept.setdefault(key, [])
        asked = self._asked[key]
        self._asked[key] += 1
        if asked == len(kept):
            kept.append(make())
        return kept[asked]

    def _error(self, found: str, what: str) -> DeterminismError:
        if self.error is None:
            _, name, args, kwargs = self._made[self._position]
            expected = brief_call(name, args, kwargs)
            self.error = DeterminismError(
                f"{self._name} did something else when its code was run again: as call {self._position + 1} it made "
                f"{expected} before, and now it {what}; {_REMEDY}",
                position=self._position,
                expected=expected,
                found=found,
            )
        return self.error


class Items(Iterator[Any]):
    """Iterates over something on behalf of whoever takes the next item, which may be code of several workflows.

    Each step claims a position; code that runs again has the positions again that it claimed before.  Made by `items`.
    """

    __slots__ = ("_position", "_step")

    def __init__(self, step: Callable[[int], Any]) -> None:
        self._step = step
        self._position = 0

    def __next__(self) -> Any:
        workflow = current_workflow.get()
        replay = workflow.replay if workflow is not None else None
        return self._step(self._claim() if replay is None else replay.again(self, self._claim))

    def _claim(self) -> int:
        position = self._position
        self._position += 1
        return position


def items(workflow: WorkflowCall | None, source: Any, step: Callable[[int], Any]) -> Items:
    """An iterator for the code of `workflow`; the same one when it runs again.

    Args:
        workflow: whose code asks for it.
        source: what it iterates over.
        step: gives the item at a position, counted from 0; raises StopIteration where there is none.
    """
    if workflow is None or workflow.replay is None:
        return Items(step)
    made: Items = workflow.replay.again(source, lambda: Items(step))
    return made


def used_up(arguments: Any) -> str | None:
    """What among the arguments of workflow code can be gone through only once, so that the code cannot run again.

    Returns:
        The name of its type; None where there is no such thing.
    """
    looked_into: set[int] = set()
    containers = [arguments]
    while containers:
        container = containers.pop()
        if id(container) in looked_into:
            continue
        looked_into.add(id(container))
        values = container.values() if type(container) is dict else container
        kinds = set(map(type, values))
        for kind in kinds:
            # Files and the like are iterators too, but handed on for other reasons.
            if issubclass(kind, Iterator) and kind.__module__ in _ITERATORS_OF:
                return kind.__name__
        if not kinds.isdisjoint(_CONTAINERS):
            containers.extend(value for value in values if type(value) in _CONTAINERS)
    return None


def same(one: Any, other: Any) -> bool:
    """True where two arguments of the same call, made in two runs of the same code, may be taken for equal.

    Placeholders are equal if they stand for the same call, functions if they have the same code.  Objects that do not
    say what makes them equal are trusted if they are of one type.  Never waits for a value.
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
    if kind is FunctionType:
        return bool(one.__code__ == other.__code__)
    if issubclass(kind, list | tuple | dict | deque):
        compared.add((id(one), id(other)))
        if len(one) != len(other):
            return False
        if issubclass(kind, dict):
            return one.keys() == other.keys() and all(_same(one[key], other[key], compared) for key in one)
        return all(_same(x, y, compared) for x, y in zip(one, other, strict=True))
    fields = field_names(kind)
    if fields and gather((one,), {})[2]:  # what makes the objects equal would ask the placeholders in them
        return all(_same(getattr(one, name, None), getattr(other, name, None), compared) for name in fields)
    return kind.__eq__ is object.__eq__ or _equal(one, other)  # type: ignore[comparison-overlap]


def _equal(one: Any, other: Any) -> bool:
    """What the objects say themselves; True where they cannot tell, arrays for example or a result that is missing."""
    workflow = current_workflow.set(_NOWHERE)
    try:
        return bool(one == other)
    except Exception:
        return True
    finally:
        current_workflow.reset(workflow)

"""Placeholders inside arguments and results: found in every container, replaced by values, and nothing else touched."""

from __future__ import annotations

from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import attrs
import pytest
from laboratory import Bang, Laboratory

from interactive_flow import TaskError, task, wait
from interactive_flow.engine.placeholder import is_placeholder


@dataclass
class Plain:
    x: Any
    y: Any = 0


@dataclass(frozen=True)
class Frozen:
    x: Any
    y: Any = 0


@dataclass(slots=True)
class Slotted:
    x: Any
    y: Any = 0


@dataclass(frozen=True, slots=True)
class FrozenSlotted:
    x: Any
    y: Any = 0


@dataclass(kw_only=True)
class Odd:
    """Fields that are not in the constructor, pseudo-fields, and a constructor that must not be run again."""

    x: Any
    y: Any = field(default=0, repr=False)
    made: Any = field(init=False, default=None)
    total: ClassVar[list[Any]] = []
    seed: InitVar[int] = 0

    def __post_init__(self, seed: int) -> None:
        Odd.total.append(self)
        self.made = seed


class Pair(NamedTuple):
    x: Any
    y: Any = 0


OldPair = namedtuple("OldPair", "x y")


class SubPair(Pair):
    """A named tuple with methods."""

    __slots__ = ()


class MyList(list):  # type: ignore[type-arg]
    """A list with an attribute."""


class MyDict(dict):  # type: ignore[type-arg]
    """A dict whose constructor wants something else."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label


class MyTuple(tuple):  # type: ignore[type-arg]
    """A tuple that is not a named one."""

    __slots__ = ()


@attrs.define
class Attrs:
    x: Any
    y: Any = 0


@attrs.frozen
class FrozenAttrs:
    x: Any
    y: Any = 0


def my_list(p: Any) -> MyList:
    made = MyList([p, 2])
    made.label = "kept"  # type: ignore[attr-defined]
    return made


def my_dict(p: Any) -> MyDict:
    made = MyDict("kept")
    made["k"] = p
    return made


CONTAINERS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda p: p,
    "list": lambda p: [p, 2],
    "tuple": lambda p: (p, 2),
    "set": lambda p: {p, 2},
    "frozenset": lambda p: frozenset([p, 2]),
    "dict value": lambda p: {"k": p},
    "dict key": lambda p: {p: "v"},
    "nested": lambda p: [{"k": (p, [p])}, (1, {2: {3: [p]}})],
    "dataclass": lambda p: Plain(p, [p]),
    "frozen dataclass": lambda p: Frozen(p, (p,)),
    "slotted dataclass": lambda p: Slotted(p, {"k": p}),
    "frozen slotted dataclass": lambda p: FrozenSlotted(p, [p]),
    "odd dataclass": lambda p: Odd(x=p, y=[p], seed=5),
    "named tuple": lambda p: Pair(p, [p]),
    "old named tuple": lambda p: OldPair(1, p),
    "subclass of a named tuple": lambda p: SubPair(p, 2),
    "subclass of list": my_list,
    "subclass of dict": my_dict,
    "subclass of tuple": lambda p: MyTuple((p, 2)),
    "deque": lambda p: deque([p, 2, 3], maxlen=3),
    "defaultdict": lambda p: defaultdict(list, {"k": p}),
    "OrderedDict": lambda p: OrderedDict([("b", p), ("a", 1)]),
    "Counter": lambda p: Counter({"k": p}),
    "attrs": lambda p: Attrs(p, [p]),
    "frozen attrs": lambda p: FrozenAttrs(p, (p,)),
}


def described(value: Any) -> Any:
    """All there is to see of a container, so that two can be compared to the last attribute."""
    attributes = getattr(value, "__dict__", None)
    extra = (getattr(value, "maxlen", None), getattr(value, "default_factory", None))
    return type(value), repr(value), repr(attributes) if attributes else None, extra


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_a_task_gets_the_values(make: Callable[[Any], Any]) -> None:
    lab = Laboratory()
    got: list[Any] = []
    lab.run(lambda: task(got.append, name="take")(make(lab.give(7, 1.0))))
    assert [described(x) for x in got] == [described(make(7))]
    assert lab.call("take#1").depends_on == ("give#1",)
    assert lab.call("take#1").started_at == 1.0


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_a_result_is_filled_in(make: Callable[[Any], Any]) -> None:
    lab = Laboratory()
    assert described(lab.run(lambda: make(lab.give(7)))) == described(make(7))


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_waiting_for_a_container(make: Callable[[Any], Any]) -> None:
    lab = Laboratory()
    assert described(lab.run(lambda: [wait(make(lab.give(7)))])[0]) == described(make(7))


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_an_error_inside_a_container_is_the_calls_result(make: Callable[[Any], Any]) -> None:
    lab = Laboratory()
    hashing = make in (CONTAINERS["set"], CONTAINERS["frozenset"], CONTAINERS["dict key"])
    with pytest.raises(TaskError) as caught:
        lab.run(lambda: lab.give(make(lab.bang())))
    assert isinstance(caught.value.__cause__, Bang)
    assert lab.bodies["give"] == 0
    assert len(lab.last.calls) == (1 if hashing else 2), "making a set or a key uses the value, so it is a barrier"


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_has_no_placeholder_in_it_arrives_as_it_is(name: str) -> None:
    given_, got = CONTAINERS[name](7), []
    lab = Laboratory()
    take = task(got.append, name="take")
    lab.run(lambda: take(given_))
    assert described(got[0]) == described(given_)
    if "dataclass" in name or "attrs" in name:
        assert got[0] is given_, "only what can be changed by its owner is copied"


def test_lists_dicts_and_sets_are_taken_as_they_are_at_the_call() -> None:
    lab = Laboratory()

    def code() -> Any:
        xs, ys, zs = [1], {"a": [1]}, {1}
        results = [lab.give(xs, 1.0), lab.give(ys), lab.give(zs), lab.give((xs, 0), 1.0)]
        xs.append(2)
        ys["b"] = [2]
        ys["a"].append(3)
        zs.add(2)
        return results

    assert lab.run(code) == [[1], {"a": [1]}, {1}, ([1], 0)]


def test_a_list_that_is_still_being_filled() -> None:
    lab = Laboratory()

    def code() -> Any:
        parts: list[Any] = []
        sums = []
        for n in range(4):
            parts.append(lab.give(n, 1.0))
            sums.append(lab.give(parts))
        return sums

    assert lab.run(code) == [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3]]


def test_other_objects_are_passed_by_reference() -> None:
    class Thing:
        pass

    thing, view = Thing(), MappingProxyType({"k": 1})
    lab = Laboratory()
    assert lab.run(lambda: lab.give(thing)) is thing
    assert lab.run(lambda: lab.give(view)) is view


def test_not_looked_into() -> None:
    lab = Laboratory()
    generator = lab.run(lambda: lab.give(x for x in (1, 2)))
    assert list(generator) == [1, 2]
    assert lab.run(lambda: lab.give(ChainMap({"k": 1})))["k"] == 1


@pytest.mark.parametrize("kind", ["list", "dict", "tuple", "deque", "dataclass"])
def test_a_container_that_contains_itself_is_refused(kind: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        loop: Any = [lab.give(1)] if kind in ("list", "tuple") else deque([lab.give(1)])
        if kind == "dict":
            loop = {"k": lab.give(1)}
            loop["self"] = [loop]
        elif kind == "tuple":
            loop = (loop,)
            loop[0].append(loop)
        elif kind == "dataclass":
            loop = Plain(lab.give(1))
            loop.y = [loop]
        else:
            loop.append(loop)
        return lab.give(loop)

    with pytest.raises(ValueError, match="contains itself"):
        lab.run(code)
    assert lab.last.status == "failed"


def test_a_result_that_contains_itself_is_refused() -> None:
    lab = Laboratory()

    def code() -> Any:
        loop: list[Any] = [lab.give(1)]
        loop.append(loop)
        return loop

    with pytest.raises(ValueError, match="contains itself"):
        lab.run(code)


def test_the_same_object_twice_is_no_loop_and_stays_one_object() -> None:
    lab = Laboratory()

    def code() -> Any:
        shared = [lab.give(1)]
        return lab.give([shared, shared, (shared,)])

    a, b, (c,) = lab.run(code)
    assert a == [1]
    assert a is b is c


def test_shared_and_nested_structures_are_walked_once() -> None:
    lab = Laboratory()

    def code() -> Any:
        diamond: list[Any] = [lab.give(1)]
        tree = Plain(lab.give(1), [])
        for _ in range(60):
            diamond = [diamond, diamond]
            tree = Plain(0, [tree])
        return lab.give(len(diamond)), lab.give(tree), lab.give(diamond) == 0

    depth = 0
    _, node, _ = lab.run(code)
    while node.y:
        (node,), depth = node.y, depth + 1
    assert (depth, node.x) == (60, 1)


@pytest.mark.parametrize("base", [dict, list, set])
def test_containers_that_refuse_to_be_changed(base: type) -> None:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> None:
        raise TypeError("read only")

    methods = ("clear", "update", "extend", "append", "add", "__setitem__", "pop")
    read_only = type("ReadOnly", (base,), {name: refuse for name in methods if hasattr(base, name)})
    value = read_only({1: 2} if base is dict else [1])
    lab = Laboratory()
    assert lab.run(lambda: lab.give(value)) is value


def test_pseudo_fields_of_a_dataclass_are_no_arguments() -> None:
    lab = Laboratory()
    Odd.total.clear()
    made = lab.run(lambda: lab.give(Odd(x=lab.give(1), seed=3)))
    assert (made.x, made.made) == (1, 3)
    assert len(Odd.total) == 1, "the constructor is not run again"


def test_dataclasses_are_copied_only_where_something_is_replaced() -> None:
    lab = Laboratory()

    def code() -> Any:
        mixed = Plain(lab.give(1), Frozen("same"))
        result = lab.give(mixed)
        assert is_placeholder(mixed.x), "the owner's object is left alone"
        return result, mixed.y

    result, inner = lab.run(code)
    assert (result.x, result.y) == (1, inner)
    assert result.y is inner


def test_arguments_by_keyword() -> None:
    lab = Laboratory()
    assert lab.run(lambda: lab.add(x=lab.give(1, 2.0), y=lab.give(2), seconds=lab.give(3.0))) == 3
    assert lab.seconds == 5.0
    assert lab.call("add#1").depends_on == ("give#1", "give#2", "give#3")


def test_dependencies_are_in_order_of_appearance_each_once() -> None:
    lab = Laboratory()

    def code() -> Any:
        a, b, c = (lab.give(n) for n in range(3))
        return lab.give([c, [a, {"k": c}], a, Pair(b, c)])

    lab.run(code)
    assert lab.call("give#4").depends_on == ("give#3", "give#1", "give#2")

"""Strategy *replay*: the same events, identities and results as *resume*, and a plain word where code differs."""

from __future__ import annotations

import itertools
import sys
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from laboratory import Laboratory, error_of

from interactive_flow import (
    DeterminismError,
    PlaceholderError,
    TaskError,
    concurrently,
    finish_order,
    first,
    flow,
    parallel_reduce,
    stable,
    task,
    wait,
)
from interactive_flow.engine.containers import gather
from interactive_flow.engine.replay import same
from interactive_flow.examples.nine import NINE, square_or_add
from interactive_flow.model.events import BarrierEntered

STRATEGIES = pytest.mark.parametrize("strategy", ["resume", "replay"])


@pytest.mark.parametrize("name", NINE)
def test_the_nine_examples_have_the_same_events_under_both(name: str) -> None:
    seen = []
    for strategy in ("resume", "replay"):
        lab = Laboratory()
        workflow = NINE[name].workflow.inject(compute=square_or_add(lab.clock.sleep))
        assert lab.run(workflow.options(executor=lab.executor, strategy=strategy)) == NINE[name].result
        assert lab.seconds == NINE[name].units
        seen.append([repr(event) for event in lab.last.events()[1:]])  # the first has the run's id
    assert seen[0] == seen[1]


def test_code_runs_again_after_each_barrier_and_tasks_do_not() -> None:
    lab = Laboratory()
    runs = itertools.count()
    latest = [0]

    def code() -> Any:
        latest[0] = next(runs)
        total = 0
        for n in range(3):
            total += lab.give(n, 1.0)
        return total

    assert lab.run(lab.ready(code).options(strategy="replay")) == 3
    assert latest[0] == 3
    assert lab.bodies["give"] == 3


class Mismatch(NamedTuple):
    """How code differs, and what is said of it.

    Attributes:
        before, now: what it does between its first call and the barrier there, in the first run and in the second.
        position: of the call that differs, counted from 0.
        expected, found: as in `DeterminismError`.
    """

    before: Callable[[Laboratory], Any]
    now: Callable[[Laboratory], Any]
    position: int
    expected: str
    found: str


def give_two(lab: Laboratory) -> None:
    lab.give(1, 5.0)
    lab.give(2)


MISMATCHES = {
    "another task": Mismatch(lambda lab: lab.give(0), lambda lab: lab.bang(0), 1, "give(0)", "bang(0)"),
    "another argument": Mismatch(lambda lab: lab.give(0), lambda lab: lab.give(1), 1, "give(0)", "give(1)"),
    "an argument deep inside": Mismatch(
        lambda lab: lab.give({"a": [1, (2,)]}),
        lambda lab: lab.give({"a": [1, (3,)]}),
        1,
        "give({'a': [1, (2,)]})",
        "give({'a': [1, (3,)]})",
    ),
    "an argument by name": Mismatch(
        lambda lab: lab.give(0, seconds=1.0),
        lambda lab: lab.give(0, seconds=2.0),
        1,
        "give(0, seconds=1.0)",
        "give(0, seconds=2.0)",
    ),
    "a name for a position": Mismatch(
        lambda lab: lab.give(0, seconds=1.0), lambda lab: lab.give(0, 1.0), 1, "give(0, seconds=1.0)", "give(0, 1.0)"
    ),
    "another type": Mismatch(lambda lab: lab.give(1), lambda lab: lab.give(True), 1, "give(1)", "give(True)"),
    "another placeholder": Mismatch(
        lambda lab: lab.give([lab.give(1), lab.give(2)][0]),
        lambda lab: lab.give([lab.give(1), lab.give(2)][1]),
        3,
        "give(PATHgive#2)",
        "give(PATHgive#3)",
    ),
    "another order": Mismatch(
        lambda lab: (lab.give(1), lab.add(1, 2)), lambda lab: (lab.add(1, 2), lab.give(1)), 1, "give(1)", "add(1, 2)"
    ),
    "another combinator": Mismatch(
        lambda lab: finish_order([lab.give(0), lab.give(1)]),
        lambda lab: first(lab.give(0), lab.give(1)),
        3,
        "finish_order(PATHgive#2, PATHgive#3)",
        "first(PATHgive#2, PATHgive#3)",
    ),
    "another sub-workflow": Mismatch(
        lambda lab: flow(lab.give, name="one")(1), lambda lab: flow(lab.give, name="two")(1), 1, "one(1)", "two(1)"
    ),
    "something stable less": Mismatch(lambda lab: stable.uuid4(), lambda lab: stable.now(), 1, "uuid4()", "now()"),
    "one more": Mismatch(
        give_two, lambda lab: (lab.give(1, 5.0), lab.bang("new"), lab.give(2)), 2, "give(2)", "bang('new')"
    ),
    "one less": Mismatch(give_two, lambda lab: lab.give(2), 1, "give(1, 5.0)", "give(2)"),
    "one less before a barrier": Mismatch(
        give_two, lambda lab: lab.give(1, 5.0) + 0, 2, "give(2)", "waited for PATHgive#2"
    ),
    "one less before a barrier for several": Mismatch(
        give_two, lambda lab: wait([lab.give(1, 5.0)]), 2, "give(2)", "waited for several calls"
    ),
    "one less at the end": Mismatch(give_two, lambda lab: lab.give(1, 5.0), 2, "give(2)", "came to its end"),
    "none, since it raised": Mismatch(
        give_two,
        lambda lab: 1 // 0,
        1,
        "give(1, 5.0)",
        "raised ZeroDivisionError('integer division or modulo by zero')",
    ),
    "none, since it gave up": Mismatch(
        give_two, lambda lab: sys.exit("gone"), 1, "give(1, 5.0)", "raised SystemExit('gone')"
    ),
}


@pytest.mark.parametrize("name", MISMATCHES)
@pytest.mark.parametrize("where", ["in the run's own code", "in a sub-workflow", "caught by the code"])
def test_code_that_does_something_else_is_told_so(name: str, where: str) -> None:
    mismatch = MISMATCHES[name]
    runs = iter([mismatch.before, mismatch.now])
    lab = Laboratory()

    def decide() -> Any:
        x = lab.give("x", 1.0)
        try:
            next(runs)(lab)
        except BaseException:
            if where != "caught by the code":
                raise
        return x + ""

    def above() -> Any:
        return flow(decide)()

    workflow = flow(above if where == "in a sub-workflow" else decide).options(strategy="replay")
    error = error_of(lambda: lab.run(workflow))
    path = ""
    if where == "in a sub-workflow":
        assert isinstance(error, TaskError)
        assert error.call == "decide#1"
        error, path = error.__cause__ or error, "decide#1/"
    assert isinstance(error, DeterminismError)
    expected, found = (text.replace("PATH", path) for text in (mismatch.expected, mismatch.found))
    assert error.position == mismatch.position
    if where != "caught by the code" or not found.startswith("raised"):  # then the code came to its end instead
        assert (error.expected, error.found) == (expected, found)
        assert f"as call {mismatch.position + 1} it made {expected} before, and now it " in str(error)
        assert f" {found}; workflow code must do the same each time" in str(error)
    assert str(error).startswith("decide did something else when its code was run again: ")


def test_more_than_before_is_told_when_it_is_missing_again() -> None:
    lab = Laboratory()
    runs = itertools.count()

    def decide() -> Any:
        x = lab.give("x", 1.0)
        if next(runs) == 1:
            lab.give("now and then")
        return lab.add(x + "", "", 1.0) + ""

    error = error_of(lambda: lab.run(lab.ready(decide).options(strategy="replay")))
    assert isinstance(error, DeterminismError)
    assert (error.position, error.expected, error.found) == (1, "give('now and then')", "add('x', '', 1.0)")


def test_an_interrupt_is_no_difference() -> None:
    lab = Laboratory()
    runs = itertools.count()

    def code() -> Any:
        if next(runs):
            raise KeyboardInterrupt
        return lab.give(1, 1.0) + 0

    with pytest.raises(KeyboardInterrupt):
        lab.run(lab.ready(code).options(strategy="replay"))
    assert lab.last.status == "cancelled"


# -- what code leaves behind in one run, and meets in the next ---------------------------------------------------------


@STRATEGIES
def test_on_its_way_out_code_asks_for_nothing(strategy: str) -> None:
    lab = Laboratory()
    ends: list[Any] = []

    def code() -> Any:
        late = lab.give("late", 3.0)
        try:
            return lab.give("early", 1.0) + ""
        finally:
            try:
                lab.give("at the end", 1.0)
            finally:
                ends.append(late + "")
                wait([late])
                stable.once(lambda: ends.append("once"), name="once")
                wait(finish_order([late, late]).__next__())

    assert lab.run(lab.ready(code).options(strategy=strategy)) == "early"
    assert lab.seconds == 3.0
    assert ends[-2:] == ["late", "once"]
    assert ends.count("once") == 1
    assert [call.id for call in lab.last.calls] == [
        "give#1",
        "give#2",
        "give#3",
        "once#1",
        "finish_order#1",
        "finish_order#1/item#1",
    ]


@STRATEGIES
def test_code_that_catches_everything_does_not_catch_being_left(strategy: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        try:
            return lab.give(1, 1.0) + 0
        except BaseException:
            return lab.give("never")

    assert lab.run(lab.ready(code).options(strategy=strategy)) == 1
    assert [call.id for call in lab.last.calls] == ["give#1"]


@STRATEGIES
def test_what_code_does_to_its_arguments_is_undone_before_it_runs_again(strategy: str) -> None:
    lab = Laboratory()

    @flow
    def add_up(numbers: list[int], named: dict[str, list[int]]) -> Any:
        total = 0
        while numbers:
            total = lab.add(total, numbers.pop(), 1.0) + 0
            named["seen"].append(total)
        return total, named["seen"]

    def code(numbers: list[int]) -> Any:
        sub = add_up(numbers, named={"seen": []})
        numbers.append(wait(sub)[0])
        return sub, numbers

    assert lab.run(lab.ready(code).options(strategy=strategy), [1, 2, 3]) == ((6, [3, 5, 6]), [1, 2, 3, 6])
    assert lab.run(lab.ready(add_up).options(strategy=strategy), [1, 2, 3], {"seen": []}) == (6, [3, 5, 6])


@pytest.mark.parametrize(
    ("once", "kind"),
    [
        (lambda lab: (n for n in range(3)), "generator"),
        (lambda lab: [{"a": iter((0, 1, 2))}], "tuple_iterator"),
        (lambda lab: map(str, range(3)), "map"),
        (lambda lab: itertools.count(), "count"),
    ],
)
def test_what_can_be_gone_through_only_once_cannot_be_run_again(once: Any, kind: str) -> None:
    lab = Laboratory()

    @flow
    def barrier(given: Any) -> Any:
        return lab.give(1, 1.0) + 0

    @flow
    def no_barrier(given: Any) -> Any:
        return lab.give(1, 1.0)

    def code(sub: Any) -> Any:
        return wait(sub(once(lab)))

    workflow, alone = (lab.ready(x).options(strategy="replay") for x in (code, barrier))
    for run in (lambda: lab.run(workflow, barrier), lambda: lab.run(alone, once(lab))):
        error = error_of(run)
        error = error.__cause__ or error
        assert isinstance(error, DeterminismError)
        assert str(error).startswith(f"barrier cannot be run again: among its arguments is a {kind}, which can be gone")
        assert "give it a list instead" in str(error)
        assert (error.expected, error.found) == (f"the {kind} as it was", f"the {kind} as the code has left it")
    assert lab.run(workflow, no_barrier) == 1
    assert lab.run(lab.ready(code), barrier) == 1


@STRATEGIES
def test_the_iterator_of_finish_order_is_for_workflow_code_of_its_run(strategy: str) -> None:
    lab = Laboratory()
    take = task(next, name="take")

    def code() -> Any:
        return take(finish_order([lab.give(1, 1.0), lab.give(2, 1.0)]))

    error = error_of(lambda: lab.run(lab.ready(code).options(strategy=strategy)))
    assert isinstance(error.__cause__, PlaceholderError)
    assert "hand on a list instead" in str(error.__cause__)


@STRATEGIES
def test_two_workflows_share_an_iterator(strategy: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        items = finish_order([lab.give(n, float(n)) for n in range(1, 7)])
        return concurrently(*[lambda: [x + 0 for x in items]] * 2)

    one, other = lab.run(lab.ready(code).options(strategy=strategy))
    assert (one, other) == ([1, 3, 5], [2, 4, 6])


@STRATEGIES
@pytest.mark.parametrize("handed", ["by argument", "by closure"])
def test_an_iterator_is_where_whoever_took_from_it_has_left_it(strategy: str, handed: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        items = finish_order([lab.give(n, float(n)) for n in range(1, 6)] + [0])
        before = [next(items) + 0, next(items) + 0]

        def take(*given: Any) -> Any:
            return [x + 0 for _, x in zip("12", given[0] if given else items, strict=False)]

        taken = wait(flow(take)(*[items][: handed == "by argument"]))
        return before, taken, next(items) + 0, wait(flow(take)(items)), list(items)

    expected = ([0, 1], [2, 3], 4, [5], [])
    assert lab.run(lab.ready(code).options(strategy=strategy)) == expected


def test_what_changes_by_itself_is_asked_for_once() -> None:
    lab = Laboratory()
    answers: list[Any] = []
    calls = itertools.count()

    def code() -> Any:
        answers.append((stable.timestamp(), stable.uuid4(), stable.now(), stable.random().random()))
        answers.append(stable.once(lambda: next(calls)))
        lab.give(1, 1.0) + 0
        return stable.once(lambda: next(calls))

    assert lab.run(lab.ready(code).options(strategy="replay")) == 1
    assert answers[0] == answers[2]
    assert answers[1] == answers[3] == 0
    assert isinstance(stable.timestamp(), float)


def test_combinators_and_sub_workflows_are_met_again() -> None:
    @flow
    def sub(lab: Any, n: int) -> Any:
        return lab.give(n, 1.0) + lab.give(n, 2.0)

    def code(lab: Any) -> Any:
        xs = [sub(lab, n) for n in range(4)]
        ordered = [wait(x) for x in finish_order(xs)]
        return ordered, parallel_reduce(lab.add, xs) + first(*xs)

    results = []
    for strategy in ("resume", "replay"):
        lab = Laboratory()
        results.append((lab.run(lab.ready(code).options(strategy=strategy), lab), lab.seconds))
        assert [call.id for call in lab.last.calls if call.kind == "workflow"] == [f"sub#{n}" for n in (1, 2, 3, 4)]
    assert results[0] == results[1]


@dataclass
class Record:
    inside: Any
    about: Any = field(default=None, compare=False)


class Named(NamedTuple):
    inside: Any


class Asking:
    """Says what it is equal to by what is inside, where nobody looks for a placeholder."""

    def __init__(self, inside: Any) -> None:
        self.inside = inside

    def __eq__(self, other: object) -> bool:
        return bool(isinstance(other, Asking) and self.inside == other.inside)

    __hash__ = None  # type: ignore[assignment]


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: [x],
    "deque": lambda x: deque([x]),
    "dict": lambda x: {"x": x},
    "OrderedDict": lambda x: OrderedDict(x=x),
    "named tuple": Named,
    "dataclass": Record,
    "dataclass with a list": lambda x: Record([x]),
    "opaque": Asking,
}


@pytest.mark.parametrize("name", WRAPS)
def test_nobody_waits_for_what_is_in_arguments_to_compare_them(name: str) -> None:
    lab = Laboratory()
    wrap = WRAPS[name]

    def code() -> Any:
        one, other = lab.give("one", 5.0), lab.give("other", 5.0)
        lab.give(wrap(one), 1.0)
        lab.give(1, 1.0) + 0
        return same(wrap(one), wrap(one)), same(wrap(one), wrap(other))

    assert lab.run(lab.ready(code).options(strategy="replay")) == (True, name == "opaque")
    assert [event.waits_on for event in lab.last.events() if isinstance(event, BarrierEntered)] == [(4,)]


def test_which_arguments_count_as_the_same() -> None:
    class Silent:
        pass

    class Loud:
        def __eq__(self, other: object) -> bool:
            raise ValueError("ask not")

        __hash__ = None  # type: ignore[assignment]

    def f() -> int:
        return 1

    deep: list[Any] = []
    again: list[Any] = []
    for _ in range(100):
        deep, again = [deep, deep], [again, again]
    assert same(deep, again)
    assert same([1, {"a": (2, f)}], [1, {"a": (2, f)}])
    assert same(Silent(), Silent())
    assert same(Loud(), Loud())
    assert not same([1], [1, 2])
    assert same(Asking(1), Asking(1))
    assert not same(Asking(1), Asking(2))
    assert same(Record(1, about="this"), Record(1, about="that"))
    assert not same({"a": 1}, {"b": 1})
    assert not same(1, 1.0)
    assert not same(lambda: 1, lambda: 2)
    assert gather((), {}) == ((), {}, ())

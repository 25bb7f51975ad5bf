"""Strategy *replay*: the same events, identities and results as *resume*, and a plain word where code differs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import DeterminismError, finish_order, first, flow, parallel_reduce, stable, wait
from interactive_flow.engine.containers import gather
from interactive_flow.engine.replay import same
from interactive_flow.examples.nine import NINE, square_or_add


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


@pytest.mark.parametrize(
    ("changed", "expected", "found"),
    [
        (lambda lab, n: lab.give(n), "give(0)", "give(1)"),
        (lambda lab, n: lab.give(0) if n == 0 else lab.add(0, 0), "give(0)", "add(0, 0)"),
        (lambda lab, n: first(lab.give(0), lab.give(n)), "give(0)", "give(1)"),
        (lambda lab, n: lab.give(0) if n == 0 else None, "give(0)", "give('y', 1.0)"),
    ],
)
def test_code_that_does_something_else_is_told_so(changed: Any, expected: str, found: str) -> None:
    lab = Laboratory()
    runs = itertools.count()

    def code() -> Any:
        x = lab.give("x", 1.0)
        changed(lab, next(runs))
        x + ""
        y = lab.give("y", 1.0)
        return y + ""

    with pytest.raises(DeterminismError) as caught:
        lab.run(lab.ready(code).options(strategy="replay"))
    assert (caught.value.expected, caught.value.found) == (expected, found)
    assert caught.value.position in (1, 2)
    assert expected in str(caught.value)
    assert found in str(caught.value)


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
    assert not same({"a": 1}, {"b": 1})
    assert not same(1, 1.0)
    assert not same(lambda: 1, lambda: 2)
    assert gather((), {}) == ((), {}, ())

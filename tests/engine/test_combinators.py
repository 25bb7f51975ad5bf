"""`first`, `finish_order` and `parallel_reduce`: what they give, when, and how many calls they make."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Bang, Laboratory, names

from interactive_flow import TaskCancelled, TaskError, finish_order, first, flow, parallel_reduce, wait
from interactive_flow.engine.placeholder import is_placeholder
from interactive_flow.model.states import CallKind

COMBINATOR = CallKind.COMBINATOR
seconds = st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0])


# -- first -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations([1.0, 2.0, 4.0])))
def test_first_to_finish(order: tuple[float, ...]) -> None:
    lab = Laboratory()
    assert lab.run(lambda: first(*[lab.give(s, s) for s in order])) == 1.0
    assert lab.seconds == 1.0
    assert sorted(call.state for call in lab.last.calls if call.name == "give") == [
        "cancelled",
        "cancelled",
        "succeeded",
    ]


def test_first_is_a_placeholder_and_no_barrier() -> None:
    lab = Laboratory()

    def code() -> Any:
        result = first(lab.give(1, 3.0), lab.give(2, 2.0))
        assert is_placeholder(result)
        return lab.add(result, lab.give(10, 1.0))

    assert lab.run(code) == 12
    assert lab.last.record().barriers == []


def test_a_collection_is_one_plain_value() -> None:
    lab = Laboratory()
    assert lab.run(lambda: first([lab.give("slow", 2.0), lab.give("fast", 1.0)])) == ["slow", "fast"]
    assert lab.run(lambda: first(lab.give([1, 2]))) == flow(lambda: first([1, 2])).sequential() == [1, 2]


def test_a_plain_value_is_there_before_everything_else() -> None:
    lab = Laboratory()

    def code() -> Any:
        done = lab.give("done")
        wait(done)
        return first(lab.give("pending", 1.0), done, "plain", "another")

    assert lab.run(code) == "plain"
    assert names(lab.last.record(), COMBINATOR) == []


def test_what_has_finished_already_counts_in_the_order_in_which_it_did() -> None:
    lab = Laboratory()

    def code() -> Any:
        late, early, pending = lab.give("late", 2.0), lab.give("early", 1.0), lab.give("pending", 9.0)
        lab.give(0, 3.0) + 0
        return first(pending, late, early)

    assert lab.run(code) == "early"
    assert lab.seconds == 3.0


def test_an_error_counts_as_finished() -> None:
    lab = Laboratory()

    def code() -> Any:
        fastest = first(lab.give("slow", 2.0), lab.bang("fast", 1.0))
        with pytest.raises(TaskError) as caught:
            wait(fastest)
        return type(caught.value.__cause__)

    assert lab.run(code) is Bang
    assert (lab.seconds, lab.ignored) == (1.0, [])


def test_the_error_of_a_later_one_is_of_no_interest() -> None:
    lab = Laboratory()

    def code() -> Any:
        return [first(lab.give("fast", 1.0), lab.bang("slow", 2.0)), lab.give(0, 5.0)]

    assert lab.run(code) == ["fast", 0]
    assert len(lab.ignored) == 1, "it did fail, and nobody looked"


def test_first_of_one_and_of_none() -> None:
    lab = Laboratory()
    assert lab.run(lambda: first(lab.give(1))) == 1
    assert lab.run(lambda: first(5)) == 5
    with pytest.raises(ValueError, match="at least one"):
        first()


def test_first_of_the_same_one_twice() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give("p", 1.0)
        return first(p, p)

    assert lab.run(code) == "p"


def test_first_of_firsts() -> None:
    lab = Laboratory()

    def code() -> Any:
        a, b, c, d = (lab.give(n, s) for n, s in enumerate((4.0, 3.0, 2.0, 1.0)))
        return first(first(a, b), first(c, d))

    assert lab.run(code) == 3
    assert lab.seconds == 1.0


@given(st.lists(seconds, min_size=1, max_size=6))
def test_first_takes_the_shortest_and_of_equals_the_one_called_first(times: list[float]) -> None:
    lab = Laboratory()
    assert lab.run(lambda: first(*[lab.give(n, s) for n, s in enumerate(times)])) == times.index(min(times))
    assert lab.seconds == min(times)


# -- finish_order ----------------------------------------------------------------------------------------------------


def test_in_order_of_finish() -> None:
    lab = Laboratory()

    def code() -> Any:
        return list(finish_order([lab.give(s, s) for s in (3.0, 1.0, 2.0)]))

    assert lab.run(code) == [1.0, 2.0, 3.0]
    assert lab.seconds == 3.0
    assert lab.last.record().barriers == [], "iterating does not stand still"


def test_each_item_can_be_used_as_soon_as_it_is_there() -> None:
    lab = Laboratory()

    def code() -> Any:
        return [lab.add(x, 100, 1.0) for x in finish_order([lab.give(s, s) for s in (3.0, 1.0, 2.0)])]

    assert lab.run(code) == [101.0, 102.0, 103.0]
    assert [lab.ended(f"add#{n}") for n in (1, 2, 3)] == [2.0, 3.0, 4.0]


def test_plain_values_come_first_in_their_order() -> None:
    lab = Laboratory()

    def code() -> Any:
        return [*finish_order([lab.give("slow", 2.0), "a", lab.give("fast", 1.0), "b"])]

    assert lab.run(code) == ["a", "b", "fast", "slow"]


@pytest.mark.parametrize("given_as", [list, tuple, iter, lambda xs: dict.fromkeys(range(len(xs))) and (x for x in xs)])
def test_any_iterable_will_do(given_as: Any) -> None:
    lab = Laboratory()
    assert lab.run(lambda: list(finish_order(given_as([lab.give(2, 2.0), lab.give(1, 1.0)])))) == [1, 2]


def test_several_arguments_stand_for_a_list() -> None:
    lab = Laboratory()
    assert lab.run(lambda: list(finish_order(lab.give(2, 2.0), lab.give(1, 1.0), "plain"))) == ["plain", 1, 2]


def test_only_plain_values_and_nothing() -> None:
    lab = Laboratory()
    assert lab.run(lambda: [list(finish_order([1, 2])), list(finish_order([]))]) == [[1, 2], []]
    assert lab.last.calls == []


def test_what_had_finished_before_comes_in_the_order_in_which_it_did() -> None:
    lab = Laboratory()

    def code() -> Any:
        calls = [lab.give(s, s) for s in (2.0, 5.0, 1.0)]
        lab.give(0, 3.0) + 0
        return list(finish_order(calls))

    assert lab.run(code) == [1.0, 2.0, 5.0]


def test_an_error_has_its_place_in_the_order() -> None:
    lab = Laboratory()

    def code() -> Any:
        results: list[Any] = []
        for item in finish_order([lab.give("slow", 3.0), lab.bang("middle", 2.0), lab.give("fast", 1.0)]):
            try:
                results.append(wait(item))
            except TaskError as error:
                results.append(str(error.__cause__))
        return results

    assert lab.run(code) == ["fast", "middle", "slow"]
    assert lab.ignored == []


def test_the_same_one_twice_comes_twice() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give("p", 1.0)
        return list(finish_order([p, lab.give("q", 2.0), p]))

    assert lab.run(code) == ["p", "p", "q"]


def test_taking_only_some() -> None:
    lab = Laboratory()

    def code() -> Any:
        items = finish_order([lab.give(s, s) for s in (4.0, 1.0, 3.0, 2.0)])
        return [next(items), next(items)]

    assert lab.run(code) == [1.0, 2.0]
    assert lab.seconds == 2.0


def test_it_ends_like_any_iterator() -> None:
    lab = Laboratory()

    def code() -> Any:
        items = finish_order([lab.give(1)])
        return [next(items), next(items, "end"), next(items, "end")]

    assert lab.run(code) == [1, "end", "end"]


def test_an_iterator_may_be_handed_to_a_sub_workflow() -> None:
    lab = Laboratory()

    @flow
    def consumer(items: Iterator[Any]) -> Any:
        return [x + 0 for x in items]

    assert lab.run(lambda: consumer(finish_order([lab.give(2, 2.0), lab.give(1, 1.0)]))) == [1, 2]


@given(st.lists(seconds, max_size=6), st.integers(0, 6))
def test_order_follows_times_and_ties_the_order_of_calls(times: list[float], before: int) -> None:
    lab = Laboratory()

    def code() -> Any:
        calls = [lab.give((s, n), s) for n, s in enumerate(times)]
        lab.give(0, before / 2) + 0
        return list(finish_order(calls))

    assert lab.run(code) == sorted((s, n) for n, s in enumerate(times))
    assert lab.seconds == max([*times, before / 2])


# -- all three -------------------------------------------------------------------------------------------------------


def test_outside_a_workflow_they_work_on_plain_values() -> None:
    assert first(3, 4) == 3
    assert list(finish_order([2, 1])) == [2, 1]
    assert parallel_reduce(operator.add, [1, 2, 3], 4) == 10
    assert wait(5) == 5
    assert wait([1, {2: (3,)}]) == [1, {2: (3,)}]


@pytest.mark.parametrize("which", ["first", "finish_order", "parallel_reduce"])
def test_combinators_are_nodes_of_the_graph(which: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        xs = [lab.give(n, float(n)) for n in (1, 2)]
        if which == "first":
            return first(*xs)
        return list(finish_order(xs)) if which == "finish_order" else parallel_reduce(lab.add, xs)

    lab.run(code)
    node = lab.call(f"{which}#1")
    assert (node.kind, node.depends_on, node.state) == ("combinator", ("give#1", "give#2"), "succeeded")
    assert node.site is not None
    assert node.site.file == __file__
    assert node.site.function == "code"


@pytest.mark.parametrize("which", ["first", "finish_order", "parallel_reduce"])
def test_a_run_that_ends_while_one_is_waiting(which: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        xs = [lab.give(n, 50.0 + n) for n in range(3)]
        if which == "first":
            first(*xs)
        elif which == "finish_order":
            next(finish_order(xs))
        else:
            parallel_reduce(lab.add, [1, 2, *xs])
        return lab.give("done", 1.0)

    assert lab.run(code) == "done"
    assert lab.seconds == 1.0
    left = [call for call in lab.last.calls if call.id not in ("give#4", "parallel_reduce#1/add#1")]
    assert {call.state for call in left} == {"cancelled"}
    assert {call.reason for call in left} == {"not needed"}


@pytest.mark.parametrize("strategy", ["resume", "replay"])
def test_the_items_of_a_finish_order_that_was_given_up_are_given_up_too(strategy: str) -> None:
    lab = Laboratory()
    leaked: list[Any] = []

    @flow
    def sub() -> Any:
        leaked[:] = [lab.give("never", 100.0)]
        return lab.give(1, 1.0) + 0

    def code() -> Any:
        ends = sub()
        lab.give(0, 0.5) + 0
        items = finish_order([leaked[0], lab.give("b", 3.0)])
        wait(ends)  # with it ends what it made and did not need
        return wait(next(items))

    with pytest.raises(TaskCancelled, match="item#1 was cancelled: not needed"):
        lab.run(lab.ready(code).options(strategy=strategy))
    assert lab.seconds == 1.0

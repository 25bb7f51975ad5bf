"""`parallel_reduce`: what is paired with what, when, and in how many calls."""

from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Bang, Laboratory

from interactive_flow import TaskError, flow, parallel_reduce, task

seconds = st.sampled_from([0.0, 1.0, 2.0, 3.0, 5.0])


@given(st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), seconds)), min_size=1, max_size=8), st.booleans())
def test_every_element_once_in_one_reduction_less_than_elements(elements: list[Any], with_initial: bool) -> None:
    lab = Laboratory()

    def code() -> Any:
        xs = [n if s is None else lab.give(n, s) for n, s in elements]
        return parallel_reduce(lab.add, xs, 100) if with_initial else parallel_reduce(lab.add, xs)

    assert lab.run(code) == sum(n for n, _ in elements) + 100 * with_initial
    assert lab.bodies["add"] == len(elements) - 1 + with_initial


@given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
def test_sequential_and_concurrent_agree_whatever_the_times(numbers: list[int]) -> None:
    lab = Laboratory(workers=3)

    def code() -> Any:
        return parallel_reduce(lab.add, [lab.give(n, n % 3) for n in numbers])

    assert lab.run(code) == lab.ready(code).run() == sum(numbers)
    plain = flow(lambda: parallel_reduce(operator.add, [n + 0 for n in numbers])).sequential()
    assert plain == sum(numbers)


def pairing(lab: Laboratory, xs: Any) -> Any:
    """What is reduced with what, as text; each reduction takes a second."""

    @task
    def pair(x: str, y: str) -> str:
        lab.clock.sleep(1.0)
        return f"({x}{y})"

    return parallel_reduce(pair, xs)


def test_plain_values_are_paired_first_in_order() -> None:
    lab = Laboratory()
    assert lab.run(lambda: pairing(lab, ["a", lab.give("P", 9.0), "b", "c", "d"])) == "(((ab)(cd))P)"
    assert lab.seconds == 10.0


def test_the_odd_plain_value_goes_first_with_the_earliest_result() -> None:
    lab = Laboratory()
    assert lab.run(lambda: pairing(lab, [lab.give("slow", 9.0), "a", lab.give("fast", 0.5)])) == "((afast)slow)"
    assert lab.run(lambda: pairing(lab, ["a", "b", "c"])) == "(c(ab))"


@pytest.mark.parametrize("xs", ["abc", "abcd", "abcde", "ab"])
def test_plain_values_alone_are_reduced_as_they_are_sequentially(xs: str) -> None:
    lab = Laboratory()
    sequential = flow(lambda: parallel_reduce(lambda x, y: f"({x}{y})", xs)).sequential()
    assert lab.run(lambda: pairing(lab, xs)) == sequential


def test_arguments_are_in_order_of_finish() -> None:
    lab = Laboratory()
    times = {"4": 2.75, "1": 1.0, "3": 2.5, "2": 2.0}
    assert lab.run(lambda: pairing(lab, [lab.give(name, s) for name, s in times.items()])) == "((12)(34))"
    assert [lab.ended(f"parallel_reduce#1/pair#{n}") for n in (1, 2, 3)] == [3.0, 3.75, 4.75]


def test_any_two_that_are_there_are_reduced_while_others_are_missing() -> None:
    lab = Laboratory()
    elements = {"a": 1.0, "b": 1.0, "late": 20.0}
    assert lab.run(lambda: pairing(lab, [lab.give(name, s) for name, s in elements.items()])) == "((ab)late)"
    assert lab.ended("parallel_reduce#1/pair#1") == 2.0
    assert lab.seconds == 21.0


def test_one_element_is_given_back_as_it_is_and_none_is_an_error() -> None:
    lab = Laboratory()
    marker = object()
    assert lab.run(lambda: parallel_reduce(lab.add, [marker])) is marker
    assert lab.run(lambda: parallel_reduce(lab.add, [], marker)) is marker
    assert lab.run(lambda: parallel_reduce(lab.add, [lab.give(3)])) == 3
    assert lab.last.record().count["succeeded"] == 1
    with pytest.raises(ValueError, match="nothing"):
        lab.run(lambda: parallel_reduce(lab.add, iter([])))


def test_the_initial_value_may_be_none_or_a_placeholder() -> None:
    lab = Laboratory()
    assert lab.run(lambda: parallel_reduce(lab.add, [], None)) is None
    assert lab.run(lambda: parallel_reduce(lab.add, [1, 2], lab.give(3))) == 6


@pytest.mark.parametrize("kind", ["task", "flow", "function that calls a task", "plain function"])
def test_what_may_reduce(kind: str) -> None:
    lab = Laboratory()
    reducers: dict[str, Any] = {
        "task": lab.add,
        "flow": flow(lambda x, y: lab.add(x, y)),
        "function that calls a task": lambda x, y: lab.add(x, y),
        "plain function": operator.add,
    }
    assert lab.run(lambda: parallel_reduce(reducers[kind], [lab.give(n, n) for n in (1, 2, 3)])) == 6
    assert lab.call("parallel_reduce#1").kind == "combinator"


def test_an_error_among_the_elements_is_the_result() -> None:
    lab = Laboratory()
    with pytest.raises(TaskError) as caught:
        lab.run(lambda: parallel_reduce(lab.add, [lab.give(1, 5.0), lab.bang("no", 1.0), lab.give(2, 5.0)]))
    assert isinstance(caught.value.__cause__, Bang)
    assert lab.seconds == 1.0


def test_an_error_of_a_reduction_is_the_result() -> None:
    lab = Laboratory()
    with pytest.raises(TaskError) as caught:
        lab.run(lambda: parallel_reduce(lab.add, [lab.give(1), lab.give("x"), lab.give(2, 9.0)]))
    assert caught.value.call == "parallel_reduce#1/add#1"
    assert lab.seconds == 0.0


def test_the_same_element_twice() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give(2, 1.0)
        return parallel_reduce(lab.add, [p, p, p])

    assert lab.run(code) == 6


def test_elements_that_are_containers_of_placeholders() -> None:
    lab = Laboratory()
    assert lab.run(lambda: parallel_reduce(lab.add, [[lab.give(1, 2.0)], [lab.give(2, 1.0)], [3]])) in (
        [1, 2, 3],
        [3, 1, 2],
    )


def test_a_thousand_elements() -> None:
    lab = Laboratory()
    assert lab.run(lambda: parallel_reduce(lab.add, [lab.give(n) for n in range(1000)])) == sum(range(1000))
    assert lab.bodies["add"] == 999


def test_reductions_count_for_themselves() -> None:
    lab = Laboratory()

    def code() -> Any:
        total = parallel_reduce(lab.add, [lab.give(1), lab.give(2, 1.0), lab.give(3, 2.0)])
        return [total, lab.add(10, 20)]

    assert lab.run(code) == [6, 30]
    ids = {call.id for call in lab.last.calls if call.name == "add"}
    assert ids == {"add#1", "parallel_reduce#1/add#1", "parallel_reduce#1/add#2"}

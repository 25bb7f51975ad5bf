"""Placeholders that get from one run into another."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Bang, check_stream

from interactive_flow import (
    PlaceholderError,
    TaskCancelled,
    TaskError,
    finish_order,
    first,
    flow,
    parallel_reduce,
    task,
    wait,
)

SOON = 20.0


@task
def add(x: Any, y: Any) -> Any:
    return x + y


class Other:
    """A run that goes on until it is let go, and the placeholder of a call in it."""

    def __init__(self, outcome: Any = 5) -> None:
        self.open = threading.Event()
        ready = threading.Event()
        box: list[Any] = []

        @task
        def holds() -> Any:
            assert self.open.wait(SOON)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        def code() -> Any:
            box.append(holds())
            ready.set()
            try:
                wait(box[0])
            except TaskError:
                pass

        self.run = flow(code).start()
        assert ready.wait(SOON)
        (self.placeholder,) = box

    def let_go(self) -> Other:
        self.open.set()
        return self


@pytest.fixture
def pending() -> Iterator[Other]:
    other = Other()
    yield other
    other.let_go().run.wait(SOON)


@pytest.fixture
def done() -> Other:
    other = Other().let_go()
    other.run.wait(SOON)
    return other


USES: dict[str, Any] = {
    "argument": lambda p: add(p, 1),
    "nested argument": lambda p: add([p], [1])[0] + 1,
    "keyword": lambda p: add(1, y=p),
    "operator": lambda p: p + 1,
    "wait": lambda p: wait(p) + 1,
    "wait for a container": lambda p: wait([p, add(0, 1)])[0] + 1,
    "result": lambda p: wait(flow(lambda: {"k": p})())["k"] + 1,
    "first": lambda p: add(first(p, add(2, 3)), 1),
    "finish_order": lambda p: sum(x + 0 for x in finish_order([p, add(0, 1)])),
    "parallel_reduce": lambda p: parallel_reduce(add, [p, add(0, 1), 0]),
    "argument of a sub-workflow": lambda p: flow(lambda x: x + 1)(p),
    "plain parallel_reduce": lambda p: parallel_reduce(add, [[p], [1]])[0] + 1,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_one_that_is_there(done: Other, use: Any) -> None:
    workflow = flow(lambda: [use(done.placeholder)])
    assert workflow.run() == [6]
    check_stream(workflow.last_run.events())


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_one_that_is_still_to_come(pending: Other, use: Any) -> None:
    begun = threading.Event()
    workflow = flow(lambda: [begun.set(), use(pending.placeholder)][1:])
    run = workflow.start()
    assert begun.wait(SOON)
    pending.let_go()
    assert run.result(SOON) == [6]
    check_stream(run.events())


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_one_that_fails(use: Any, when: str) -> None:
    other = Other(Bang("over there"))
    if when == "before":
        other.let_go().run.wait(SOON)
    run = flow(lambda: [use(other.placeholder)]).start()
    other.let_go()
    with pytest.raises(TaskError) as caught:
        run.result(SOON)
    assert isinstance(caught.value.__cause__, Bang)
    check_stream(run.events())


def test_as_an_argument_of_the_run_itself(pending: Other) -> None:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(flow(lambda x: x + 1).run(pending.placeholder)))
    thread.start()
    pending.let_go()
    thread.join(SOON)
    assert results == [6]


def test_other_code_of_the_run_goes_on_meanwhile(pending: Other) -> None:
    @flow
    def waits() -> Any:
        return pending.placeholder + 1

    @flow
    def opens() -> Any:
        wait(add(1, 2))
        pending.let_go()
        return "opened"

    assert flow(lambda: [waits(), opens()]).start().result(SOON) == [6, "opened"]


def test_cancelled_while_it_waits_for_another(pending: Other) -> None:
    begun = threading.Event()
    undone = threading.Event()

    def code() -> Any:
        try:
            begun.set()
            return pending.placeholder + 1
        finally:
            undone.set()

    run = flow(code).start()
    assert begun.wait(SOON)
    run.cancel()
    with pytest.raises(TaskCancelled):
        run.result(SOON)
    assert undone.is_set()
    pending.let_go().run.wait(SOON)
    check_stream(run.events())


def test_one_of_a_run_that_was_cancelled(pending: Other) -> None:
    begun = threading.Event()
    run = flow(lambda: [begun.set(), pending.placeholder + 1]).start()
    assert begun.wait(SOON)
    pending.run.cancel()
    with pytest.raises(TaskCancelled):
        run.result(SOON)


def test_runs_that_wait_for_each_other_both_ways() -> None:
    """Each hands the other a placeholder, so their locks are wanted in both orders."""
    for _ in range(20):
        boxes: list[list[Any]] = [[], []]
        filled = [threading.Event(), threading.Event()]

        def code(me: int, boxes: Any = boxes, filled: Any = filled) -> Any:
            boxes[me].append(add(me, 10))
            filled[me].set()
            assert filled[1 - me].wait(SOON)
            return [add(boxes[1 - me][0], n) for n in range(5)] + [boxes[1 - me][0] + 0, boxes[me][0]]

        runs = [flow(code).start(me) for me in (0, 1)]
        assert runs[0].result(SOON) == [11, 12, 13, 14, 15, 11, 10]
        assert runs[1].result(SOON) == [10, 11, 12, 13, 14, 10, 11]


def test_in_ordinary_code_using_one_blocks_until_it_is_there(pending: Other) -> None:
    timer = threading.Timer(0.01, pending.open.set)
    timer.start()
    assert pending.placeholder + 1 == 6
    assert wait(pending.placeholder) == 5
    timer.join()


def test_in_ordinary_code_a_failed_one_raises_when_used() -> None:
    other = Other(Bang("over there")).let_go()
    with pytest.raises(TaskError):
        other.placeholder + 1


def test_a_task_may_use_one_of_its_own_run(pending: Other) -> None:
    box: list[Any] = []

    def code() -> Any:
        box.append(add(1, 2))
        return task(lambda: box[0] + 1, name="uses")()

    assert flow(code).start().result(SOON) == 4


@pytest.mark.parametrize("nested", [lambda p: p, lambda p: [p], lambda p: {"k": (p,)}])
def test_a_task_may_return_one(done: Other, nested: Any) -> None:
    returns = task(lambda: nested(done.placeholder), name="returns")
    result = flow(lambda: returns()).run()
    assert repr(result) == repr(nested(5))
    assert type(result) is type(nested(5))
    assert flow(lambda: [type(wait(returns()))]).run() == [type(nested(5))]


def test_a_thread_that_was_given_the_workflows_context() -> None:
    outcomes: list[Any] = []

    def code() -> Any:
        p = add(1, 2)
        context = contextvars.copy_context()

        def use() -> None:
            try:
                outcomes.append(p + 1)
            except PlaceholderError as error:
                outcomes.append(error)

        thread = threading.Thread(target=context.run, args=(use,))
        thread.start()
        thread.join(SOON)
        return p + 10

    workflow = flow(code)
    assert workflow.run() == 13
    assert outcomes == [4] or isinstance(outcomes[0], PlaceholderError)
    check_stream(workflow.last_run.events())


def test_a_run_inside_workflow_code() -> None:
    inner = flow(lambda x: add(x, 1) + 1)

    def code() -> Any:
        p = add(1, 2)
        return inner.run(p), inner.run(5), p

    workflow = flow(code)
    assert workflow.run() == (5, 7, 3)
    check_stream(workflow.last_run.events())


def test_a_run_inside_workflow_code_with_what_only_the_outer_run_can_give() -> None:
    @flow
    def sub() -> Any:
        return add(1, 2) + 0

    def code() -> Any:
        p = sub()
        try:
            return flow(lambda: p + 1).run()
        except PlaceholderError:
            return flow(lambda x: x + 1).run(p)

    assert flow(code).start().result(SOON) == 4

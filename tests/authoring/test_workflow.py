"""`workflow` and `flow`: names, options, sequential runs, and one workflow in another."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Bang, Laboratory

import interactive_flow as iflow
from interactive_flow import TaskError, configure, finish_order, first, flow, parallel_reduce, task, wait, workflow
from interactive_flow.engine.placeholder import current_workflow


@task
def square(x: int) -> int:
    return x * x


@flow
def total(xs: list[int], *, start: int = 0) -> int:
    """Adds up squares."""
    return sum((square(x) for x in xs), start)


@flow
def of_totals(n: int) -> Any:
    return [total([k, k + 1]) for k in range(n)]


@pytest.fixture(autouse=True)
def defaults() -> Iterator[None]:
    yield
    configure(executor=None, max_workers=None, display=None, rate_limit=None)


# -- what they are ---------------------------------------------------------------------------------------------------


def test_the_function_is_still_to_be_seen() -> None:
    assert str(inspect.signature(total)) == "(xs: 'list[int]', *, start: 'int' = 0) -> 'int'"
    assert (total.__doc__, total.__name__, total.name, repr(total)) == (
        "Adds up squares.",
        "total",
        "total",
        "<workflow total>",
    )
    assert total([1, 2], start=1) == 6, "outside a run, it is the bare function"


def test_run_takes_the_arguments_of_the_function() -> None:
    assert total.run([1, 2, 3]) == 14
    assert total.run(xs=[1], start=10) == 11
    with pytest.raises(TypeError):
        total.run()
    with pytest.raises(TypeError):
        total.run([1], 2)


def test_source_for_people_to_look_at() -> None:
    spec = total.spec
    assert spec.source is not None
    assert spec.source.startswith("@flow\ndef total")
    assert (spec.file, spec.first_line) == (__file__, inspect.getsourcelines(total.__wrapped__)[1])  # type: ignore[attr-defined]
    made = eval("lambda: 1", {})
    assert flow(made).run() == 1
    assert flow(made).spec.source is None


def test_names() -> None:
    lab = Laboratory()
    assert flow(name="given")(lambda: 1).name == "given"
    assert workflow(name="given")(lambda: lambda: 1).name == "given"
    named = total.options(name="other")
    assert (named.name, total.name) == ("other", "total")
    lab.run(lambda: [named([1]), total([2])])
    assert [call.id for call in lab.last.calls if call.kind == "workflow"] == ["other#1", "total#1"]


# -- options ---------------------------------------------------------------------------------------------------------


def test_options_give_a_copy() -> None:
    one = total.options(max_workers=1)
    two = one.options(max_workers=2, display="none")
    assert [w.run([1, 2]) for w in (total, one, two)] == [5, 5, 5]
    assert [w.options().run([1]) for w in (total, one, two)] == [1, 1, 1]
    for ready, workers in ((one, 1), (two, 2)):
        ready.run([1])
        assert ready.last_run is not None
        assert ready.last_run.record().workers == workers


@pytest.mark.parametrize("name", ["max_worker", "workers", "Executor", "timeout"])
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=f"there is no option {name!r}; there are executor, max_workers"):
        total.options(**{name: 1})
    with pytest.raises(TypeError, match=f"there is no option {name!r}"):
        configure(**{name: 1})


@pytest.mark.parametrize(
    "options",
    [
        {"max_workers": 0}, {"max_workers": -1}, {"max_workers": "2"}, {"max_workers": 1.5}, {"display": 5},
        {"rate_limit": 0}, {"rate_limit": -1}, {"rate_limit": "x"}, {"strategy": "guess"},
    ],
)  # fmt: skip
def test_options_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        total.options(**options)
    with pytest.raises((TypeError, ValueError)):
        configure(**options)


def test_an_executor_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="'threads', 'inline'"):
        total.options(executor="bogus").run([1])


def test_defaults_of_the_session() -> None:
    configure(max_workers=3, display="none")
    total.run([1])
    assert iflow.last_run().record().workers == 3  # type: ignore[union-attr]
    total.options(max_workers=5).run([1])
    assert iflow.last_run().record().workers == 5  # type: ignore[union-attr]
    configure(max_workers=None)
    total.run([1])
    assert iflow.last_run().record().workers not in (3, 5)  # type: ignore[union-attr]
    with pytest.raises(TypeError, match="belongs to one workflow"):
        configure(name="x")


# -- one in another --------------------------------------------------------------------------------------------------


def test_a_flow_calls_a_flow_by_name() -> None:
    lab = Laboratory()
    assert lab.run(of_totals, 3) == [1, 5, 13]
    assert [call.id for call in lab.last.calls if call.parent is None] == ["total#1", "total#2", "total#3"]
    assert [call.id for call in lab.last.calls if call.parent == "total#2"] == ["total#2/square#1", "total#2/square#2"]


def test_a_workflow_calls_a_workflow_by_name() -> None:
    lab = Laboratory()

    @workflow
    def inner(square: Any) -> Any:
        return lambda x: square(x) + 1

    @workflow
    def outer(inner: Any, square: Any) -> Any:
        return lambda x: square(inner(x))

    assert lab.run(outer, 2) == 25
    assert {call.id for call in lab.last.calls} == {"inner#1", "inner#1/square#1", "square#1"}


def test_a_workflow_called_inside_a_run_is_a_sub_workflow_with_its_injected_tasks() -> None:
    lab = Laboratory()

    @workflow
    def inner(step: Any) -> Any:
        return lambda x: step(x)

    ready = inner.inject(step=lambda x: x + 1)
    assert lab.run(lambda: ready(ready(1))) == 3


def test_options_of_a_sub_workflow_do_not_make_a_run_of_their_own() -> None:
    lab = Laboratory()
    sub = total.options(executor="inline", max_workers=1)
    assert lab.run(lambda: sub([1, 2])) == 5
    assert {call.worker for call in lab.last.calls if call.kind == "task"} == {"simulated"}


# -- sequential ------------------------------------------------------------------------------------------------------


def test_the_same_code_as_ordinary_python() -> None:
    order: list[Any] = []
    step = task(lambda x: order.append(x) or x, name="step")

    @flow
    def code(n: int) -> Any:
        results = []
        for k in range(n):
            results.append(step(k))
            order.append("after")
        return results

    before = code.last_run
    assert code.sequential(3) == [0, 1, 2]
    assert order == [0, "after", 1, "after", 2, "after"]
    assert code.last_run is before is None, "there is no run"


def test_errors_are_exceptions_there() -> None:
    lab = Laboratory()

    @flow
    def code() -> Any:
        return lab.add(task(lambda: 1 // 0, name="divides")(), 1)

    with pytest.raises(ZeroDivisionError):
        code.sequential()
    assert current_workflow.get() is None


def test_sub_workflows_run_sequentially_too() -> None:
    @workflow
    def inner(step: Any) -> Any:
        return lambda x: step(x) + 1

    @workflow
    def outer(inner: Any) -> Any:
        return lambda x: [inner(x), total([x]), nested(x)]

    nested = flow(lambda x: total([x, x]))
    ready = outer.inject(inner=inner.inject(step=lambda x: x * 10))
    assert ready.sequential(2) == ready.run(2) == [21, 4, 8]


def test_combinators_there() -> None:
    @flow
    def code() -> Any:
        xs = [square(n) for n in (1, 2, 3)]
        return first(*xs), list(finish_order(xs)), parallel_reduce(lambda x, y: x + y, xs), wait([xs])

    assert code.sequential() == (1, [1, 4, 9], 14, [[1, 4, 9]])


def test_async_and_generator_tasks_there() -> None:
    @task
    async def later(x: int) -> int:
        await asyncio.sleep(0)
        return x

    @task
    def several(n: int) -> Iterator[int]:
        yield from range(n)

    code = flow(lambda: (later(1) + 1, len(several(3)), several(2)))
    assert code.sequential() == code.run() == (2, 3, [0, 1])


def test_inside_a_running_workflow() -> None:
    lab = Laboratory()
    assert lab.run(lambda: [total.sequential([1, 2]), square(3)]) == [5, 9]
    assert [call.id for call in lab.last.calls] == ["square#1"]


def test_inside_a_running_workflow_with_placeholders() -> None:
    lab = Laboratory()

    def code() -> Any:
        x, y = lab.give(2, 1.0), lab.give(3, 2.0)
        return total.sequential([x, y], start=lab.give(100, 0.5))

    assert lab.run(code) == 113
    assert lab.seconds == 2.0


def test_a_run_inside_a_sequential_run_is_a_run() -> None:
    code = flow(lambda: total.run([1, 2]))
    assert code.sequential() == 5
    assert total.last_run is not None


def test_arguments_are_handed_over_as_they_are() -> None:
    xs: list[int] = []
    code = flow(lambda ys: ys.append(1) or (ys is xs))
    assert code.sequential(xs) is True
    assert code.run(xs) is True
    assert xs == [1, 1]


@pytest.mark.parametrize("mode", ["run", "sequential"])
def test_the_workflow_is_left_when_it_fails(mode: str) -> None:
    def fails() -> None:
        raise Bang

    code = flow(fails)
    with pytest.raises(Bang):
        getattr(code, mode)()
    assert current_workflow.get() is None
    assert square(2) == 4


def test_wait_outside_and_inside() -> None:
    lab = Laboratory()
    assert wait(5) == 5
    assert lab.run(lambda: [wait(7), wait(lab.give(8)), wait([lab.give(9), {"k": lab.give(10)}])]) == [
        7,
        8,
        [9, {"k": 10}],
    ]
    with pytest.raises(TaskError):
        lab.run(lambda: wait([lab.give(1), lab.bang()]))

"""Random workflows: whatever the code, the times and the workers, a run gives what the code gives as ordinary Python.

A workflow is a random expression over integers.  Every part of it is used by what is around it, so that it fails if and
only if some part fails, concurrently as well as sequentially; only what it takes, and which error it is, may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from laboratory import Bang, Laboratory, check_stream

from interactive_flow import TaskError, concurrently, finish_order, first, flow, parallel_reduce, task, wait
from interactive_flow.engine.durations import forget_durations
from interactive_flow.model.events import RunStarted

Expression: TypeAlias = tuple[Any, ...]

numbers = st.integers(-3, 9)
seconds = st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 3.5])
leaves = st.one_of(
    st.tuples(st.just("number"), numbers),
    st.tuples(st.just("name"), st.integers(0, 3)),
    st.tuples(st.just("give"), numbers, seconds),
    st.tuples(st.just("give"), numbers, seconds),
    st.tuples(st.just("bang"), seconds),
)


def larger(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    some = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        st.tuples(st.just("add"), inner, inner, seconds),
        st.tuples(st.just("wait"), inner),
        st.tuples(st.just("plus"), inner, inner),
        st.tuples(st.just("if"), inner, inner, inner),
        st.tuples(st.just("let"), inner, inner),
        st.tuples(st.just("sub"), inner, st.booleans()),
        st.tuples(st.just("total"), some, st.sampled_from(["list", "tuple", "dict", "nested"]), seconds),
        st.tuples(st.just("order"), some),
        st.tuples(st.just("reduce"), some, st.sampled_from(["task", "flow", "function"]), seconds),
        st.tuples(st.just("first"), numbers, st.lists(seconds, min_size=1, max_size=4)),
        st.tuples(st.just("catch"), inner, numbers),
        st.tuples(st.just("concurrently"), some),
        st.tuples(st.just("unneeded"), inner, seconds),
    )


expressions = st.recursive(leaves, larger, max_leaves=14)


class Interpreter:
    """Runs an expression as workflow code, with tasks that take their time by `sleep`."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        @task
        def give(n: int, time: float = 0.0) -> int:
            sleep(time)
            return n

        @task
        def add(x: int, y: int, time: float = 0.0) -> int:
            sleep(time)
            return x + y

        @task
        def total(xs: Any, time: float = 0.0) -> int:
            sleep(time)
            flat = [xs]
            while any(not isinstance(x, int) for x in flat):
                flat = [
                    y for x in flat for y in ([x] if isinstance(x, int) else x.values() if isinstance(x, dict) else x)
                ]
            return sum(flat)

        @task
        def bang(time: float) -> int:
            sleep(time)
            raise Bang

        self.give, self.add, self.total, self.bang = give, add, total, bang

    def __call__(self, expression: Expression, names: tuple[Any, ...] = ()) -> Any:
        kind, *parts = expression
        return getattr(self, f"_{kind}")(names, *parts)

    def _number(self, names: Any, n: int) -> Any:
        return n

    def _name(self, names: Any, k: int) -> Any:
        return names[k % len(names)] if names else k

    def _give(self, names: Any, n: int, time: float) -> Any:
        return self.give(n, time)

    def _bang(self, names: Any, time: float) -> Any:
        return self.bang(time)

    def _add(self, names: Any, x: Expression, y: Expression, time: float) -> Any:
        return self.add(self(x, names), y=self(y, names), time=time)

    def _wait(self, names: Any, x: Expression) -> Any:
        return wait(self(x, names))

    def _plus(self, names: Any, x: Expression, y: Expression) -> Any:
        return self(x, names) + self(y, names)

    def _if(self, names: Any, condition: Expression, x: Expression, y: Expression) -> Any:
        return self(x if self(condition, names) % 2 else y, names)

    def _let(self, names: Any, x: Expression, body: Expression) -> Any:
        value = self(x, names)
        return self.add(value, self(body, (value, *names)))

    def _sub(self, names: Any, body: Expression, as_arguments: bool) -> Any:
        if as_arguments:
            return flow(lambda *given: self(body, given))(*names)
        return flow(lambda: self(body, names))()

    def _total(self, names: Any, parts: list[Expression], shape: str, time: float) -> Any:
        values = [self(x, names) for x in parts]
        shapes: dict[str, Any] = {
            "list": values,
            "tuple": tuple(values),
            "dict": dict(enumerate(values)),
            "nested": [(values[0], [{"k": values[1:]}])],
        }
        return self.total(shapes[shape], time)

    def _order(self, names: Any, parts: list[Expression]) -> Any:
        total = 0
        for x in finish_order([self(x, names) for x in parts]):
            total = self.add(total, x)
        return total

    def _reduce(self, names: Any, parts: list[Expression], how: str, time: float) -> Any:
        ways: dict[str, Any] = {
            "task": self.add,
            "flow": flow(lambda x, y: self.add(x, y, time)),
            "function": lambda x, y: x + y,
        }
        return parallel_reduce(ways[how], [self(x, names) for x in parts])

    def _first(self, names: Any, n: int, times: list[float]) -> Any:
        return first(*[self.give(n, time) for time in times])

    def _catch(self, names: Any, x: Expression, otherwise: int) -> Any:
        try:
            return wait(self(x, names))
        except (TaskError, Bang):
            return otherwise

    def _concurrently(self, names: Any, parts: list[Expression]) -> Any:
        return self.total(concurrently(*[lambda x=x: self(x, names) for x in parts]))

    def _unneeded(self, names: Any, x: Expression, time: float) -> Any:
        self.give(99, time)
        flow(lambda: self.give(98, time) + 1)()
        return self(x, names)


def outcome(function: Callable[[], Any]) -> Any:
    """A value, or that it failed with one of the errors that were meant."""
    try:
        return function()
    except (TaskError, Bang) as error:
        cause = error.__cause__ if isinstance(error, TaskError) else error
        return "failed" if isinstance(cause, Bang) else cause


def sequentially(expression: Expression) -> Any:
    return outcome(flow(lambda: Interpreter(lambda time: None)(expression)).sequential)


@settings(max_examples=300)
@given(expressions, st.integers(1, 6))
@example(("catch", ("add", ("bang", 2.0), ("bang", 1.0), 0.0), 5), 1)
@example(("sub", ("first", 1, [3.5, 1.0]), True), 2)
def test_a_run_gives_what_the_code_gives_as_ordinary_python(expression: Expression, workers: int) -> None:
    lab = Laboratory(workers)
    interpreter = Interpreter(lab.clock.sleep)
    assert outcome(lambda: lab.run(lambda: interpreter(expression))) == sequentially(expression)
    busy = sum(t.finished_at - t.started_at for c in lab.last.calls if c.kind == "task" for t in c.tries)
    assert lab.seconds <= busy + 1e-9, "time passes only while somebody is at work"


@given(expressions, st.integers(1, 3))
def test_it_is_the_same_every_time(expression: Expression, workers: int) -> None:
    streams = []
    for _ in range(2):
        forget_durations()
        lab = Laboratory(workers)
        interpreter = Interpreter(lab.clock.sleep)
        outcome(lambda: lab.run(lambda: interpreter(expression)))  # noqa: B023
        streams.append([repr(e) for e in lab.last.events() if not isinstance(e, RunStarted)])
    assert streams[0] == streams[1]


@settings(max_examples=150)
@given(expressions, st.integers(1, 4))
def test_replaying_gives_the_same_calls_the_same_times_and_the_same_result(
    expression: Expression, workers: int
) -> None:
    seen = []
    for strategy in ("resume", "replay"):
        forget_durations()
        lab = Laboratory(workers)
        interpreter = Interpreter(lab.clock.sleep)
        workflow = lab.ready(lambda: interpreter(expression)).options(strategy=strategy)  # noqa: B023
        result = outcome(lambda: lab.run(workflow))  # noqa: B023
        calls = {c.id: (c.kind, c.state, c.depends_on, c.started_at, c.finished_at) for c in lab.last.calls}
        seen.append((result, lab.seconds, calls))
    assert seen[0] == seen[1]


@settings(max_examples=60)
@given(expressions, st.integers(1, 6), st.sampled_from(["threads", "inline"]))
def test_on_real_executors_too(expression: Expression, workers: int, executor: str) -> None:
    interpreter = Interpreter(lambda time: None)
    workflow = flow(lambda: interpreter(expression)).options(max_workers=workers, executor=executor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interactive_flow.runtime.run.Run.warn_of_ignored_errors", lambda self, stacklevel: None)
        assert outcome(workflow.run) == sequentially(expression)
    assert workflow.last_run is not None
    check_stream(workflow.last_run.events(), workers if executor == "threads" else 1)


@settings(max_examples=150)
@given(expressions, st.integers(1, 4), st.integers(0, 12))
def test_cancelled_at_any_moment_everything_is_told_of_everything(
    expression: Expression, workers: int, after: int
) -> None:
    lab = Laboratory(workers)
    turns = iter(range(10_000))

    def sleep(time: float) -> None:
        lab.clock.sleep(time)
        if next(turns) == after:
            lab.last.cancel()

    interpreter = Interpreter(sleep)
    run = lab.last = lab.ready(lambda: interpreter(expression))._new_run((), {})
    run.drive()
    assert run.status in ("succeeded", "failed", "cancelled")
    check_stream(run.events(), workers)
    if run.status == "cancelled":
        assert {c.reason for c in run.calls if c.state == "cancelled"} <= {"not needed", "run cancelled"}

"""`restart`, `concurrently`, ``async`` workflows, a rate limit."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import TaskError, concurrently, flow, parallel_reduce, restart, task, wait
from interactive_flow.model.events import RunStarted

STRATEGIES = pytest.mark.parametrize("strategy", ["resume", "replay"])


@STRATEGIES
def test_restart_waits_for_its_arguments_and_begins_with_a_fresh_history(strategy: str) -> None:
    lab = Laboratory()

    def code(n: int, total: int = 0) -> Any:
        return restart(n - 1, total=lab.add(total, n, 1.0)) if n else total

    assert lab.run(lab.ready(code).options(strategy=strategy), 4) == 10
    assert lab.seconds == 4.0
    assert lab.last.calls == []
    (begin,) = [event for event in lab.last.events() if isinstance(event, RunStarted)]
    assert begin.restarts == 4
    assert flow(lambda n: restart(n - 1) if n else "end").sequential(3) == "end"


def test_restart_gives_up_what_had_not_finished_and_fails_with_its_arguments() -> None:
    lab = Laboratory()

    def code(n: int) -> Any:
        lab.give("slow", 100.0)
        return restart(n - 1) if n else "end"

    assert lab.run(code, 3) == "end"
    assert lab.seconds == 0.0
    with pytest.raises(TaskError, match="bang"):
        lab.run(lambda: restart(lab.bang()))


def test_a_sub_workflow_can_restart_too() -> None:
    lab = Laboratory()

    @flow
    def countdown(n: int) -> Any:
        lab.give(n, 1.0) + 0
        return restart(n - 1) if n else "zero"

    assert lab.run(lambda: [countdown(2), countdown(0)]) == ["zero", "zero"]
    assert lab.seconds == 3.0


def test_ten_thousand_restarts_keep_nothing() -> None:
    lab = Laboratory()

    def code(n: int) -> Any:
        return restart(lab.add(n, -1)) if n else "end"

    def calls_alive() -> int:
        gc.collect()
        return sum(type(o).__name__ == "TaskCall" for o in gc.get_objects())

    before = calls_alive()
    workflow = lab.ready(code)
    assert workflow.run(10_000) == "end"
    assert calls_alive() - before < 10


@STRATEGIES
def test_a_barrier_in_one_function_does_not_hold_up_the_others(strategy: str) -> None:
    lab = Laboratory()

    def code() -> Any:
        def left() -> Any:
            return lab.add(lab.give(1, 1.0) + 1, 1, 5.0)

        def right() -> Any:
            return lab.add(lab.give(2, 5.0) + 1, 1, 1.0)

        return concurrently(left, right)

    assert lab.run(lab.ready(code).options(strategy=strategy)) == [3, 4]
    assert lab.seconds == 6.0
    assert flow(lambda: concurrently(lambda: 1, lambda: 2)).sequential() == [1, 2]


@STRATEGIES
def test_await_is_a_barrier(strategy: str) -> None:
    lab = Laboratory()

    async def code(n: int) -> Any:
        a, b = lab.give(n, 1.0), lab.give(n + 1, 2.0)
        if await a > 3:
            b = lab.give(0)
        return [await b, a * 2, await lab.add(a, b)]

    ready = lab.ready(flow(code)).options(strategy=strategy)
    assert lab.run(ready, 2) == [3, 4, 5]
    assert lab.run(ready, 4) == [0, 8, 4]


def test_await_in_a_sequential_run() -> None:
    double = task(lambda x: 2 * x, name="double")

    @flow
    async def code(n: int) -> Any:
        a = double(n)
        b = await double(a)
        return [await a, b, a + 1]

    assert code.sequential(1) == [2, 4, 3] == code.options(display="none").run(1)


def test_in_a_sequential_run_of_async_code_tasks_get_values_and_everything_can_be_awaited() -> None:
    kinds = task(lambda x: type(x).__name__, name="kinds")
    twice = task(lambda x: [x, x], name="twice")
    inner = task(lambda x: next(numbers_of(x)), name="inner")

    @task
    def numbers_of(n: int) -> Iterator[int]:
        yield n

    @flow
    async def sub(x: Any) -> Any:
        return restart(None) if await twice(x) == [1, 1] else kinds(x)

    @flow
    async def code() -> Any:
        async def part() -> Any:
            return await kinds(await twice(1))

        async def longer(x: Any, y: Any) -> Any:
            return await twice(x) + await twice(y)

        parts = concurrently(part, lambda: kinds(twice(1)))
        pair = twice(kinds(twice(1)))
        items = [[await n for n in numbers_of(5)], [await n async for n in numbers_of(5)], await numbers_of(5)]
        assert items == [[5], [5], [5]]
        return [await p for p in parts], kinds(pair), await sub(1), await parallel_reduce(longer, [[1], [2]]), inner(3)

    expected = (["list", "list"], "list", "NoneType", [[1], [1], [2], [2]], 3)
    for value in (code.sequential(), code.options(display="none").run()):
        assert value == expected
        assert [type(x) for x in value] == [list, str, str, list, int]


def test_async_code_has_no_event_loop_and_says_so() -> None:
    lab = Laboratory()

    class Odd:
        def __await__(self) -> Any:
            yield "something"

    async def odd() -> Any:
        return await Odd()

    async def sleepy() -> Any:
        await asyncio.sleep(1)

    with pytest.raises(TypeError, match="await placeholders only, not str"):
        lab.run(odd)
    with pytest.raises(RuntimeError, match="no running event loop") as caught:
        lab.run(sleepy)
    assert "belongs into an async task" in caught.value.__notes__[0]


def test_errors_are_raised_where_they_are_awaited() -> None:
    lab = Laboratory()

    async def code() -> Any:
        try:
            return await lab.bang()
        except TaskError:
            return "caught"

    assert lab.run(code) == "caught"


def test_no_more_tasks_begin_in_a_second_than_the_rate_allows() -> None:
    lab = Laboratory()
    workflow = lab.ready(lambda: [lab.give(n, 1.0) for n in range(5)]).options(rate_limit=2)
    assert lab.run(workflow) == [0, 1, 2, 3, 4]
    begun = [call.started_at for call in lab.last.calls]
    assert begun == [0.0, 0.5, 1.0, 1.5, 2.0]
    for bad in (0, -1, "fast"):
        with pytest.raises(ValueError, match="rate_limit"):
            workflow.options(rate_limit=bad)


def test_a_rate_limit_is_nothing_to_wait_for_while_every_worker_is_busy() -> None:
    lab = Laboratory(workers=1)
    assert lab.run(lab.ready(lambda: [lab.give(n, 5.0) for n in range(3)]).options(rate_limit=2)) == [0, 1, 2]
    assert lab.seconds == 15.0


def test_nothing_is_saved_up_for_a_burst() -> None:
    lab = Laboratory()

    def code() -> Any:
        lab.give("first", 10.0) + ""
        return [lab.give(n) for n in range(3)]

    lab.run(lab.ready(code).options(rate_limit=1))
    begun = [call.started_at or 0.0 for call in lab.last.calls[1:]]
    assert all(b - a >= 1.0 for a, b in itertools.pairwise(begun))


def test_the_longest_path_goes_first_once_durations_are_known() -> None:
    lab = Laboratory(workers=1)
    long, short = (task(lab.clock.sleep, name=name) for name in ("long", "short"))

    def code() -> Any:
        wait([long(9.0), short(1.0)])  # teaches what each takes
        return [short(1.0), short(1.0), long(9.0), lab.give("after", 1.0)]

    lab.run(code)
    begun = sorted((call.started_at or 0.0, call.name) for call in lab.last.calls[2:])
    # The first of the four takes the free worker at once; among those that then wait, the long one goes first.
    assert [name for _, name in begun][:2] == ["short", "long"]

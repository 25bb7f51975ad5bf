"""Generator tasks: their items are there one by one, while they go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import Retry, TaskError, flow, heartbeat, last_heartbeat, task, wait


def test_a_call_with_an_item_starts_while_the_others_are_still_being_made() -> None:
    lab = Laboratory()

    @task
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            lab.clock.sleep(1.0)
            yield i

    assert lab.run(lambda: [lab.give(item, 1.0) for item in count(4)]) == [0, 1, 2, 3]
    assert lab.seconds == 5.0
    assert [lab.ended(f"give#{n}") for n in (1, 2, 3, 4)] == [2.0, 3.0, 4.0, 5.0]
    assert lab.call("count#1").items == 4
    assert lab.call("give#3").depends_on == ("count-item#3",)
    assert lab.call("count-item#3").depends_on == ("count#1",)


def test_used_otherwise_it_is_a_list() -> None:
    lab = Laboratory()

    @task
    def letters() -> Iterator[str]:
        yield from "abc"

    @task
    async def numbers() -> AsyncIterator[int]:
        for i in range(3):
            yield i

    def code() -> Any:
        return letters(), len(letters()), lab.give(letters()), numbers(), [n + 1 for n in numbers()]

    assert lab.run(code) == (["a", "b", "c"], 3, ["a", "b", "c"], [0, 1, 2], [1, 2, 3])


def test_the_items_before_a_failure_come_first() -> None:
    lab = Laboratory()

    @task
    def two_and_out() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("gone")

    seen: list[int] = []

    def code() -> None:
        seen.extend(wait(item) for item in two_and_out())

    with pytest.raises(TaskError) as caught:
        lab.run(code)
    assert isinstance(caught.value.__cause__, OSError)
    assert seen == [1, 2]


def test_another_attempt_does_not_give_an_item_twice() -> None:
    lab = Laboratory()
    attempts: list[int] = []

    @task(retry=Retry(attempts=2))
    def numbers() -> Iterator[int]:
        attempts.append(1)
        for i in range(4):
            lab.clock.sleep(1.0)
            if i == 2 and len(attempts) == 1:
                raise OSError
            yield i

    assert lab.run(lambda: [lab.give(n) for n in numbers()]) == [0, 1, 2, 3]
    assert len([c for c in lab.last.calls if c.name == "numbers-item"]) == 4


def test_a_stream_that_nobody_needs_any_more_is_given_up() -> None:
    lab = Laboratory()

    @task
    def many() -> Iterator[int]:
        for i in range(1000):
            lab.clock.sleep(1.0)
            yield i

    assert lab.run(lambda: wait(next(iter(many())))) == 0
    assert lab.seconds == 1.0
    assert lab.state("many#1") == "cancelled"


def test_what_an_attempt_said_last_is_there_for_the_next() -> None:
    lab = Laboratory()
    seen: list[Any] = []

    @task(retry=3)
    def careful() -> str:
        seen.append(last_heartbeat())
        if len(seen) < 3:
            heartbeat(len(seen) / 4, f"page {len(seen)}")
            raise OSError
        return "done"

    assert lab.run(lambda: careful()) == "done"
    assert seen == [None, (0.25, "page 1"), (0.5, "page 2")]
    assert last_heartbeat() is None


@pytest.mark.parametrize("strategy", ["resume", "replay"])
def test_streams_under_every_strategy(strategy: str) -> None:
    lab = Laboratory()

    @task
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            lab.clock.sleep(1.0)
            yield i

    def code() -> Any:
        return sum(lab.give(item, 0.5) for item in count(3))

    assert lab.run(lab.ready(code).options(strategy=strategy)) == 3
    assert lab.seconds == 3.5


@pytest.mark.parametrize("strategy", ["resume", "replay"])
def test_an_iterator_can_be_handed_on_to_a_sub_workflow(strategy: str) -> None:
    lab = Laboratory()

    @task
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            lab.clock.sleep(1.0)
            yield i

    @flow
    def two_of(items: Iterator[int]) -> Any:
        return [x + 0 for _, x in zip(range(2), items, strict=False)]

    def code() -> Any:
        items = iter(count(6))
        first = next(items) + 0
        return first, wait(two_of(items)), next(items) + 0, wait(flow(lambda: [x + 0 for x in items])()), list(items)

    assert lab.run(lab.ready(code).options(strategy=strategy)) == (0, [1, 2], 3, [4, 5], [])


@pytest.mark.parametrize("strategy", ["resume", "replay"])
def test_async_for(strategy: str) -> None:
    lab = Laboratory()

    @task
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            lab.clock.sleep(1.0)
            yield i

    @flow
    async def rest_of(items: AsyncIterator[int]) -> Any:
        return [await item + 1 async for item in items]

    async def code() -> Any:
        items = aiter(count(4))
        first = await anext(items)
        return first, await rest_of(items), [await item async for item in count(2)]

    assert lab.run(lab.ready(flow(code)).options(strategy=strategy)) == (0, [2, 3, 4], [0, 1])

"""A language of random workflows, and who runs its programs: as plain code, as ``async`` code, as ordinary Python.

A program is a nested tuple: the name of a construct, then its parts.  Every program has an integer for its value.  What
a program calls is used by what is around it (except where it says so), so that it fails if some part fails.

The interpreter is written once, in ``async`` functions, and is run in two ways.  As an ``async`` workflow it awaits
placeholders.  As a plain one nothing in it is ever awaited: it uses placeholders as they are, and its coroutines run
through at the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from functools import wraps
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from hypothesis import strategies as st
from laboratory import Bang

from interactive_flow import (
    Retry,
    TaskError,
    Timeout,
    concurrently,
    finish_order,
    first,
    flow,
    heartbeat,
    last_heartbeat,
    parallel_reduce,
    restart,
    stable,
    task,
    wait,
)
from interactive_flow.engine.placeholder import is_placeholder

Expression: TypeAlias = tuple[Any, ...]

TIMED = ("attempt", "beat", "begin", "all")
"""The tasks with a timeout: for an attempt, between heartbeats, until it begins, for all attempts together."""

SHAPES = ("list", "tuple", "dict", "set", "frozenset", "record", "named", "nested")

numbers = st.integers(-3, 9)
seconds = st.one_of(st.sampled_from([0.0, 0.0, 1.0, 1.0, 2.0, 3.5]), st.integers(0, 6).map(float))


def _made(name: str, *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Expression]:
    return st.tuples(st.just(name), *parts)


simple_leaves = st.one_of(
    _made("number", numbers),
    _made("name", st.integers(0, 3)),
    _made("give", numbers, seconds),
    _made("give", numbers, seconds),
    _made("bang", seconds),
)
leaves = st.one_of(
    simple_leaves,
    _made("flaky", numbers, st.integers(0, 3), seconds),
    _made("timed", st.sampled_from(TIMED), numbers, seconds),
    _made("limited", numbers, seconds),
    _made("oops"),
    _made("again", st.integers(0, 3), seconds),
)


def larger(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """What has the same value whatever finishes when."""
    some = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        _made("add", inner, inner, seconds),
        _made("wait", inner),
        _made("plus", inner, inner),
        _made("if", inner, inner, inner),
        _made("let", inner, inner),
        _made("loop", inner, inner),
        _made("sub", inner, st.booleans()),
        _made("async", inner),
        _made("stream", st.integers(0, 4), seconds, st.booleans(), inner),
        _made("hold", some, st.sampled_from(SHAPES), st.sampled_from(["task", "give", "sub", "wait", "loop"]), seconds),
        _made("order", some, st.just("sum")),
        _made("reduce", some, st.sampled_from(["task", "flow", "function"]), seconds),
        _made("first", numbers, st.lists(seconds, min_size=1, max_size=4)),
        _made("catch", inner, numbers),
        _made("finally", inner, inner),
        _made("concurrently", some),
        _made("unneeded", inner, seconds),
    )


def largest(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Everything."""
    some = st.lists(inner, min_size=1, max_size=4)
    return st.one_of(
        larger(inner),
        _made("order", some, st.sampled_from(["last", "next"])),
        _made("race", some),
        _made("handed", some, st.sampled_from(["order", "stream"]), st.integers(0, 2), st.booleans()),
    )


timeless = st.recursive(simple_leaves, larger, max_leaves=14)
"""Programs whose outcome does not depend on what takes how long."""

orderless = st.recursive(leaves, larger, max_leaves=14)
"""Programs whose value does not, if they have one: they may run out of time, or of attempts."""

programs = st.recursive(leaves | _made("once"), largest, max_leaves=14)
"""Programs of every kind."""


class Named(NamedTuple):
    """A container of its own kind."""

    first: Any
    others: Any


@dataclass(frozen=True)
class Record:
    """Another one."""

    first: Any
    others: Any


def flat(value: Any) -> int:
    """The sum of all numbers in a container."""
    if isinstance(value, int):
        return value
    if isinstance(value, Record):
        value = (value.first, value.others)
    return sum(flat(x) for x in (value.values() if isinstance(value, dict) else value))


def shaped(values: list[Any], shape: str) -> Any:
    """A container with these values in it."""
    match shape:
        case "list":
            return values
        case "tuple":
            return tuple(values)
        case "dict":
            return dict(enumerate(values))
        case "set":
            return set(values)
        case "frozenset":
            return frozenset(values)
        case "record":
            return Record(values[0], values[1:])
        case "named":
            return Named(values[0], values[1:])
    return [Named(values[0], [{"k": Record(values[1:], (values[0],))}])]


def finished(code: Coroutine[Any, Any, Any]) -> Any:
    """The value of a coroutine that never waits for anything."""
    try:
        code.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("plain code awaits nothing")


class Interpreter:
    """Runs programs as workflow code.

    Args:
        sleep: how its tasks take their time.
        awaits: whether the code is ``async`` and awaits what it uses.
        sequential: whether it runs without an engine, so that nothing is ever tried again.
    """

    def __init__(self, sleep: Callable[[float], None], *, awaits: bool = False, sequential: bool = False) -> None:
        self.awaits, self.sequential = awaits, sequential
        self._counter = count()
        self._make_plain_tasks(sleep)
        self._make_tasks_with_policies(sleep)

    def _make_plain_tasks(self, sleep: Callable[[float], None]) -> None:
        @task
        def give(value: Any, time: float = 0.0) -> Any:
            sleep(time)
            return value

        @task
        def add(x: int, y: int, time: float = 0.0) -> int:
            sleep(time)
            return x + y

        @task
        def total(xs: Any, time: float = 0.0) -> int:
            sleep(time)
            return flat(xs)

        @task
        def bang(time: float) -> int:
            sleep(time)
            raise Bang

        @task
        def stream(n: int, time: float, fails: bool = False) -> Iterator[int]:
            for k in range(n):
                sleep(time)
                yield k
            if fails:
                raise Bang

        self.give, self.add, self.total, self.bang, self.stream = give, add, total, bang, stream

    def _make_tasks_with_policies(self, sleep: Callable[[float], None]) -> None:
        @task(retry=Retry(attempts=3, delay=1.0, backoff=2.0))
        def flaky(n: int, fails: int, time: float) -> int:
            said = last_heartbeat()
            attempt = int(said[1]) if said is not None and said[1] else 0
            heartbeat(message=str(attempt + 1))
            sleep(time)
            if attempt < fails and not (self.sequential and fails < 3):
                raise Bang
            return n

        def timed(n: int, time: float) -> int:
            for beat in range(3):
                sleep(time / 3)
                heartbeat(beat / 3)
            return n

        self.flaky = flaky
        self.limited = task(timed, name="limited", limit=1)
        policies = {
            "attempt": (2, Timeout(start_to_close=2.5)),
            "beat": (2, Timeout(heartbeat=1.0)),
            "begin": (1, Timeout(schedule_to_start=0.5)),
            "all": ((0.5, 1.0, 0.0), Timeout(start_to_close=2.0, schedule_to_close=3.0)),
        }
        self.timed = {
            name: task(timed, name=name, retry=retry, timeout=timeout) for name, (retry, timeout) in policies.items()
        }

    async def __call__(self, expression: Expression, names: tuple[Any, ...] = ()) -> Any:
        kind, *parts = expression
        return await getattr(self, f"_{kind}")(names, *parts)

    def code(self, body: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """`body` as the code of a workflow."""
        return body if self.awaits else wraps(body)(lambda *args: finished(body(*args)))

    async def use(self, x: Any) -> Any:
        """`x` as code uses it: awaited, or as it is."""
        return await x if self.awaits and is_placeholder(x) else x

    # -- leaves ---------------------------------------------------------------------------------------------------

    async def _number(self, names: Any, n: int) -> Any:
        return n

    async def _name(self, names: Any, k: int) -> Any:
        return names[k % len(names)] if names else k

    async def _give(self, names: Any, n: int, time: float) -> Any:
        return self.give(n, time)

    async def _bang(self, names: Any, time: float) -> Any:
        return self.bang(time)

    async def _flaky(self, names: Any, n: int, fails: int, time: float) -> Any:
        return self.flaky(n, fails, time)

    async def _timed(self, names: Any, which: str, n: int, time: float) -> Any:
        return self.timed[which](n, time)

    async def _limited(self, names: Any, n: int, time: float) -> Any:
        return self.limited(n, time)

    async def _once(self, names: Any) -> Any:
        return stable.once(lambda: next(self._counter), name="once")

    async def _oops(self, names: Any) -> Any:
        raise Bang("oops")

    async def _again(self, names: Any, times: int, time: float) -> Any:
        async def code(n: int, total: int) -> Any:
            if await self.use(self.give(n, time)):
                return restart(n - 1, self.add(total, n, time))
            return total

        return flow(self.code(code), name="again")(times, 0)

    # -- barriers and sub-workflows -------------------------------------------------------------------------------

    async def _add(self, names: Any, x: Expression, y: Expression, time: float) -> Any:
        return self.add(await self(x, names), y=await self(y, names), time=time)

    async def _wait(self, names: Any, x: Expression) -> Any:
        return wait(await self.use(await self(x, names)))

    async def _plus(self, names: Any, x: Expression, y: Expression) -> Any:
        one, other = await self(x, names), await self(y, names)
        return await self.use(one) + await self.use(other)

    async def _if(self, names: Any, condition: Expression, x: Expression, y: Expression) -> Any:
        truth = await self.use(await self(condition, names))
        return await self(x if truth else y, names)

    async def _let(self, names: Any, x: Expression, body: Expression) -> Any:
        value = await self(x, names)
        return self.add(value, await self(body, (value, *names)))

    async def _loop(self, names: Any, times: Expression, body: Expression) -> Any:
        total: Any = await self(times, names)
        for _ in range(await self.use(total) % 4):
            total = self.add(total, await self(body, (total, *names)))
        return total

    async def _sub(self, names: Any, body: Expression, as_arguments: bool) -> Any:
        if as_arguments:

            async def given(*args: Any) -> Any:
                return await self(body, args)

            return flow(self.code(given), name="given")(*names)

        async def code() -> Any:
            return await self(body, names)

        return flow(self.code(code), name="sub")()

    async def _async(self, names: Any, body: Expression) -> Any:
        async def code() -> Any:
            one = self.give(1, 1.0)
            return self.add(await self(body, names), await one)

        return flow(code)()

    async def _catch(self, names: Any, x: Expression, otherwise: int) -> Any:
        try:
            return wait(await self.use(await self(x, names)))
        except (TaskError, Bang):
            return otherwise

    async def _finally(self, names: Any, x: Expression, after: Expression) -> Any:
        try:
            value = await self.use(await self(x, names)) + 1
        finally:
            last = await self.use(await self(after, names)) + 1
        return value + last

    async def _unneeded(self, names: Any, x: Expression, time: float) -> Any:
        self.give(99, time)

        async def code() -> Any:
            return await self.use(self.give(98, time)) + 1

        flow(self.code(code), name="unneeded")()
        return await self(x, names)

    # -- containers -----------------------------------------------------------------------------------------------

    async def _hold(self, names: Any, parts: list[Expression], shape: str, how: str, time: float) -> Any:
        values = [await self(x, names) for x in parts]
        match how:
            case "task":
                return self.total(shaped(values, shape), time)
            case "give":
                return self.total([self.give(shaped(values, shape), time)])
            case "wait":
                return flat(wait(shaped(values, shape)))
            case "loop":
                total = 0
                for x in await self.use(self.give(list(shaped(values, "tuple")), time)):
                    total += x
                return total

        async def code() -> Any:
            return shaped(values, shape)

        return self.total(flow(self.code(code), name="holder")(), time)

    # -- combinators ----------------------------------------------------------------------------------------------

    async def _order(self, names: Any, parts: list[Expression], how: str) -> Any:
        items = finish_order([await self(x, names) for x in parts])
        if how == "next":
            return next(items)
        total: Any = 0
        last: Any = 0
        for x in items:
            last, total = x, self.add(total, x)
        return total if how == "sum" else last

    async def _handed(self, names: Any, parts: list[Expression], source: str, taken: int, as_argument: bool) -> Any:
        values = [await self(x, names) for x in parts]
        items = finish_order(values) if source == "order" else iter(self.stream(len(parts) + 1, 1.0))

        async def code(*given: Any) -> Any:
            total: Any = 0
            for x in given[0] if as_argument else items:
                total += await self.use(x)
                if total % 3 == 2:
                    break
            return total

        before = [await self.use(x) + 1 for _, x in zip(range(taken), items, strict=False)]
        inner = wait(flow(self.code(code), name="taker")(*[items][:as_argument]))
        return self.total([before, inner, list(items)])

    async def _reduce(self, names: Any, parts: list[Expression], how: str, time: float) -> Any:
        async def add(x: Any, y: Any) -> Any:
            return self.add(x, y, time)

        async def plus(x: Any, y: Any) -> Any:
            return x + y

        ways: dict[str, Any] = {
            "task": self.add,
            "flow": flow(self.code(add), name="adder"),
            "function": self.code(plus),
        }
        return parallel_reduce(ways[how], [await self(x, names) for x in parts])

    async def _first(self, names: Any, n: int, times: list[float]) -> Any:
        return first(*[self.give(n, time) for time in times])

    async def _race(self, names: Any, parts: list[Expression]) -> Any:
        return first(*[await self(x, names) for x in parts])

    async def _concurrently(self, names: Any, parts: list[Expression]) -> Any:
        def body(x: Expression) -> Callable[..., Any]:
            async def part() -> Any:
                return await self(x, names)

            return self.code(part)

        return self.total(concurrently(*map(body, parts)))

    # -- streams --------------------------------------------------------------------------------------------------

    async def _stream(self, names: Any, n: int, time: float, fails: bool, body: Expression) -> Any:
        total = await self(body, names)
        items = self.stream(n, time, fails)
        if n % 2:
            return self.add(total, self.total(items), time)
        if self.awaits:
            async for x in aiter(items):
                total = self.add(total, x, time)
            return total
        for x in items:
            total = self.add(total, x, time)
        return total

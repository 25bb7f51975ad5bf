"""`task`: of what it can be made, and that it stays the function that it was."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import Retry, Task, TaskError, Timeout, flow, task
from interactive_flow.engine.placeholder import is_placeholder


@task
def documented(x: int, *, y: str = "y") -> str:
    """What it does."""
    return f"{x}{y}"


@task(name="renamed", retry=3, timeout=5, limit=2)
def with_options(x: int) -> int:
    return x + 1


def test_called_outside_a_workflow_it_is_the_function() -> None:
    assert documented(1, y="!") == "1!"
    assert documented.fn(1) == "1y"
    assert with_options(1) == 2
    with pytest.raises(ZeroDivisionError):
        task(lambda: 1 / 0)()


def test_signature_documentation_and_names_survive() -> None:
    assert str(inspect.signature(documented)) == "(x: 'int', *, y: 'str' = 'y') -> 'str'"
    assert documented.__doc__ == "What it does."
    assert (documented.__name__, documented.__module__) == ("documented", __name__)
    assert inspect.unwrap(documented) is documented.fn
    assert inspect.getsource(documented).startswith("@task\ndef documented")
    assert (documented.name, repr(documented)) == ("documented", "<task documented>")
    assert (with_options.name, with_options.__name__) == ("renamed", "with_options")


def test_inside_a_workflow_it_gives_placeholders() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = documented(1, y="z")
        assert is_placeholder(p)
        return p

    assert lab.run(code) == "1z"
    assert lab.call("documented#1").call_text() == "documented(1, y='z')"


def test_options_as_data() -> None:
    spec = with_options.spec
    assert (spec.retry, spec.timeout, spec.limit, spec.executor) == (Retry(attempts=3), Timeout(5), 2, None)
    assert documented.spec.retry == Retry()
    again = task(with_options, name="again")
    assert (again.name, again.spec.retry, again.fn) == ("again", Retry(), with_options.fn)


def plain(x: int) -> int:
    return x + 1


class Adder:
    """Something that can be called, with attributes that a task has too."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.name = "attribute"
        self.fn = None

    def __call__(self, x: int) -> int:
        return x + self.n

    def method(self, x: int) -> int:
        return x + self.n

    @classmethod
    def of_class(cls, x: int) -> int:
        return x + 1

    @staticmethod
    def static(x: int) -> int:
        return x + 1


@pytest.mark.parametrize(
    ("made_of", "name"),
    [
        (plain, "plain"),
        (lambda x: x + 1, "lambda"),
        (functools.partial(lambda x, n: x + n, n=1), "lambda"),
        (functools.partial(functools.partial(Adder(0).method), 2), "method"),
        (Adder(1), "Adder"),
        (Adder(1).method, "method"),
        (Adder.of_class, "of_class"),
        (Adder.static, "static"),
        (abs, "abs"),
        ((-2).__abs__, "__abs__"),
        (int, "int"),
        (functools.lru_cache(plain), "plain"),
    ],
)
def test_anything_that_can_be_called(made_of: Any, name: str) -> None:
    lab = Laboratory()
    made = task(made_of)
    assert made.name == name
    no_arguments = (isinstance(made_of, functools.partial) and len(made_of.args)) or name == "__abs__"
    args = () if no_arguments else (1,)
    assert made(*args) == lab.run(lambda: made(*args)) == (1 if name in ("abs", "int") else 2)
    assert [call.id for call in lab.last.calls] == [f"{name}#1"]


class Station:
    """A class with tasks and a flow for methods."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    @task
    def scale(self, x: int) -> int:
        """Scales."""
        return x * self.factor

    @flow
    def both(self, x: int) -> Any:
        return self.scale(self.scale(x))


def test_methods() -> None:
    lab = Laboratory()
    station = Station(3)
    assert station.scale(2) == 6
    assert Station.scale(station, 2) == 6
    assert lab.run(lambda: station.scale(station.scale(2))) == 18
    assert [call.id for call in lab.last.calls] == ["scale#1", "scale#2"]
    assert station.both(2) == 18
    assert lab.run(station.both, 2) == 18
    assert lab.run(lambda: [station.both(1), Station(2).both(1)]) == [9, 4]


@pytest.mark.parametrize("made_of", [5, "text", None, [], {}])
def test_what_cannot_be_called(made_of: Any) -> None:
    if made_of is not None:
        with pytest.raises(TypeError, match="something callable"):
            task(made_of)


@pytest.mark.parametrize(
    "options", [{"retry": "x"}, {"timeout": "x"}, {"limit": 0}, {"executor": "bogus"}, {"executor": 5}, {"unknown": 1}]
)
def test_options_that_are_none(options: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        task(plain, **options)
    with pytest.raises((TypeError, ValueError)):
        task(**options)(plain)


def test_an_async_function() -> None:
    @task
    async def waits(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    lab = Laboratory()
    assert lab.run(lambda: waits(waits(1))) == 3
    assert asyncio.run(waits(1)) == 2, "outside, it is the coroutine function that it was"


def test_a_generator_function_gives_a_list() -> None:
    @task
    def counts(n: int) -> Iterator[int]:
        yield from range(n)

    lab = Laboratory()
    assert lab.run(lambda: [counts(3), len(counts(2)), counts(0)]) == [[0, 1, 2], 2, []]
    assert list(counts(2)) == [0, 1]
    assert flow(lambda: [counts(3), len(counts(2)), counts(0)]).sequential() == [[0, 1, 2], 2, []]


def test_a_generator_that_fails_half_way() -> None:
    @task
    def breaks() -> Iterator[int]:
        yield 1
        raise ValueError("half-way")

    lab = Laboratory()
    with pytest.raises(TaskError) as caught:
        lab.run(lambda: breaks())
    assert isinstance(caught.value.__cause__, ValueError)


def test_keywords_with_any_name() -> None:
    @task
    def takes(**names: Any) -> Any:
        return sorted(names)

    lab = Laboratory()
    names = {"self": 1, "fn": 2, "name": 3, "args": 4, "kwargs": 5, "scope": 6, "spec": 7, "site": 8, "workflow": 9}
    assert lab.run(lambda: takes(**names)) == sorted(names)
    assert takes(**names) == sorted(names)


def test_tasks_are_pickled_by_name_where_they_have_one() -> None:
    for again in (pickle.loads(pickle.dumps(documented)), copy.deepcopy(documented), copy.copy(documented)):  # noqa: S301
        assert again is documented or again(1) == "1y"
    made = pickle.loads(pickle.dumps(task(plain, name="other", retry=2)))  # noqa: S301
    assert isinstance(made, Task)
    assert (made.name, made.spec.retry, made(1)) == ("other", Retry(attempts=2), 2)


def test_two_tasks_of_one_name_share_their_count() -> None:
    one, other = task(lambda: 1, name="same"), task(lambda: 2, name="same")
    lab = Laboratory()
    assert lab.run(lambda: [one(), other(), one()]) == [1, 2, 1]
    assert [call.id for call in lab.last.calls] == ["same#1", "same#2", "same#3"]

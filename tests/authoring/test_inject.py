"""Injection: where a factory's tasks come from, and what is said when they come from nowhere."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import MissingTaskError, Task, Workflow, flow, task, workflow
from interactive_flow.engine.placeholder import is_placeholder


class Cell:
    """A module that grows line by line, as a notebook's does."""

    def __init__(self, module: types.ModuleType) -> None:
        self.module = module
        self("from interactive_flow import flow, task, wait, workflow")

    def __call__(self, source: str) -> None:
        exec(compile(source, "<cell>", "exec"), vars(self.module))

    def __getitem__(self, name: str) -> Any:
        return vars(self.module)[name]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    module = types.ModuleType("a_notebook")
    monkeypatch.setitem(sys.modules, "a_notebook", module)
    return Cell(module)


@workflow
def twice(step: Any) -> Any:
    def run(x: Any) -> Any:
        return step(step(x))

    return run


# -- bound by inject -------------------------------------------------------------------------------------------------


def test_a_task_a_function_and_a_workflow() -> None:
    lab = Laboratory()
    plus_one = task(lambda x: x + 1, name="plus one")
    assert lab.run(twice.inject(step=plus_one), 0) == 2
    assert [call.id for call in lab.last.calls] == ["plus one#1", "plus one#2"]
    assert lab.run(twice.inject(step=lambda x: x + 2), 0) == 4
    assert [call.id for call in lab.last.calls] == ["step#1", "step#2"]
    assert lab.run(twice.inject(step=twice.inject(step=plus_one)), 0) == 4
    assert [call.kind for call in lab.last.calls if call.parent is None] == ["workflow"] * 2


@pytest.mark.parametrize(
    "callable_", [int, functools.partial(pow, 2), "abc".count, type("C", (), {"__call__": lambda s, x: x})()]
)
def test_anything_that_can_be_called(callable_: Any) -> None:
    lab = Laboratory()
    workflow_ = workflow(lambda step: lambda x: step(x)).inject(step=callable_)
    assert lab.run(workflow_, "1" if callable_ is int else "a" if callable_ == "abc".count else 3) in (1, 8, 3)
    assert [call.name for call in lab.last.calls] == ["step"]


def test_what_cannot_be_called_is_handed_over_as_it_is() -> None:
    lab = Laboratory()

    @workflow
    def scaled(step: Any, factor: int, label: Any = None) -> Any:
        return lambda x: (step(x) * factor, label)

    assert lab.run(scaled.inject(step=lambda x: x, factor=3), 2) == (6, None)
    assert lab.run(scaled.inject(step=lambda x: x, factor=3, label="L"), 2) == (6, "L")


def test_inject_gives_a_copy_and_later_ones_win() -> None:
    lab = Laboratory()
    one = twice.inject(step=lambda x: x + 1)
    other = one.inject(step=lambda x: x * 10)
    assert (lab.run(one, 1), lab.run(other, 1), lab.run(one, 1)) == (3, 100, 3)
    assert one is not other
    assert isinstance(other, Workflow)
    with pytest.raises(MissingTaskError):
        twice.run(1)


def test_an_unknown_parameter_is_refused_with_a_suggestion() -> None:
    with pytest.raises(TypeError, match=r"twice has no parameter 'stp'; did you mean 'step'\? Its parameters: step"):
        twice.inject(stp=len)
    with pytest.raises(TypeError, match=r"twice has no parameter 'zzz'\. Its parameters: step"):
        twice.inject(zzz=len)
    with pytest.raises(TypeError, match=r"Its parameters: none"):
        flow(lambda: 1).inject(step=len)


def test_a_factory_that_takes_any_task() -> None:
    lab = Laboratory()

    @workflow
    def any_of(*ignored: Any, **tasks: Any) -> Any:
        return lambda x: [tasks[name](x) for name in sorted(tasks)]

    assert lab.run(any_of.inject(a=lambda x: x + 1, b=lambda x: x + 2), 0) == [1, 2]
    assert lab.run(any_of, 0) == []


def test_parameters_of_every_kind() -> None:
    lab = Laboratory()

    @workflow
    def kinds(a: Any, /, b: Any, *, c: Any, d: Any = None) -> Any:
        return lambda: [a(1), b(2), c(3), d]

    assert lab.run(kinds.inject(a=abs, b=abs, c=abs)) == [1, 2, 3, None]


# -- looked up by name -----------------------------------------------------------------------------------------------


def test_in_the_module_where_it_was_defined_the_newest_wins(cell: Cell) -> None:
    cell("@workflow\ndef code(step):\n    return lambda x: step(x)")
    with pytest.raises(MissingTaskError):
        cell["code"].run(1)
    cell("@task\ndef step(x):\n    return x + 1")
    assert cell["code"].run(1) == 2
    cell("def step(x):\n    return x + 10")
    assert cell["code"].run(1) == 11
    cell("step = flow(lambda x: x + 100)")
    assert cell["code"].run(1) == 101
    cell("step = 5")
    with pytest.raises(MissingTaskError, match="step is int, which cannot be called"):
        cell["code"].run(1)
    assert cell["code"].inject(step=abs).run(-1) == 1


def test_of_a_class_too(cell: Cell) -> None:
    cell("@task\ndef step(x):\n    return x + 1")
    cell(
        "@workflow\n"
        "class Code:\n"
        "    def __init__(self, step): self.step = step\n"
        "    def __call__(self, x): return self.step(x)"
    )
    assert cell["Code"].run(1) == 2
    cell("def step(x):\n    return x + 10")
    assert cell["Code"].run(1) == 11


def test_looked_up_when_the_run_starts_not_when_it_is_defined_or_goes_on(cell: Cell) -> None:
    cell("@task\ndef change():\n    globals()['step'] = lambda x: 'new'")
    cell("def step(x):\n    return 'old'")
    cell("@workflow\ndef code(step, change):\n    return lambda: [step(1), wait(change()), step(2)]")
    assert cell["code"].run() == ["old", None, "old"]
    assert cell["code"].run() == ["new", None, "new"]


def test_in_the_function_where_it_was_defined() -> None:
    lab = Laboratory()

    @task
    def step(x: int) -> int:
        return x + 1

    @workflow
    def code(step: Any, later: Any) -> Any:
        return lambda x: later(step(x))

    def later(x: int) -> int:
        return x * 10

    assert lab.run(code, 1) == 20
    assert [call.name for call in lab.last.calls] == ["step", "later"]


def test_a_local_name_goes_before_a_global_one(cell: Cell) -> None:
    cell("def step(x): return 'global'\ndef other(x): return 'other global'")
    cell(
        "def make():\n"
        "    def step(x): return 'local'\n"
        "    @workflow\n"
        "    def code(step, other): return lambda: [step(1), other(1)]\n"
        "    return code"
    )
    assert cell["make"]().run() == ["local", "other global"]


def test_builtins_are_not_looked_up() -> None:
    with pytest.raises(MissingTaskError, match="sorted"):
        workflow(lambda sorted: lambda: 1).run()


def test_a_default_is_taken_where_there_is_nothing_else(cell: Cell) -> None:
    cell("def fallback(x): return 'default'")
    cell("@workflow\ndef code(step=fallback, count=3):\n    return lambda: [step(1), count]")
    assert cell["code"].run() == ["default", 3]
    cell("def step(x): return 'global'\ncount = 7")
    assert cell["code"].run() == ["global", 3], "a number is no task, so the name's default stands"
    assert cell["code"].inject(step=lambda x: "bound", count=9).run() == ["bound", 9]


def test_everything_that_is_missing_is_named() -> None:
    @workflow
    def needs(alpha: Any, beta: Any, gamma: Any = None, *, delta: Any) -> Any:
        return lambda: None

    with pytest.raises(MissingTaskError) as caught:
        needs.run()
    text = str(caught.value)
    assert all(name in text for name in ("needs", "alpha", "beta", "delta", "needs.inject(alpha="))
    assert "gamma" not in text
    assert isinstance(caught.value, NameError)
    assert needs.last_run is not None
    assert needs.last_run.status == "failed"


def test_missing_in_a_sub_workflow_is_that_calls_error() -> None:
    lab = Laboratory()
    with pytest.raises(Exception, match=r"twice#1 failed: MissingTaskError: twice needs a task"):
        lab.run(lambda: twice(1))


# -- factories -------------------------------------------------------------------------------------------------------


def test_the_factory_is_called_anew_for_each_run_and_sub_workflow() -> None:
    lab = Laboratory()
    built: list[int] = []

    @workflow
    def counts(step: Any) -> Any:
        built.append(1)
        return lambda x: step(x)

    ready = counts.inject(step=abs)
    lab.run(ready, -1)
    lab.run(lambda: [ready(-1), ready(-2)])
    assert len(built) == 3


def test_a_class_with_tasks_called_while_it_is_made() -> None:
    lab = Laboratory()

    @workflow
    class Prepared:
        """Calls a task in its `__init__` already."""

        def __init__(self, load: Any, add: Any) -> None:
            self.table = load("table", 2.0)
            self.add = add

        def run(self, x: Any) -> Any:
            """Named like a method of workflows."""
            return self.add(self.table, x)

        def __call__(self, x: Any) -> Any:
            assert is_placeholder(self.table)
            return self.run(x)

    assert lab.run(Prepared.inject(load=lab.give, add=lab.add), "!") == "table!"
    assert [call.id for call in lab.last.calls] == ["give#1", "add#1"]
    assert lab.seconds == 2.0
    assert Prepared.__doc__ == "Calls a task in its `__init__` already."
    assert Prepared.name == "Prepared"


def test_a_class_with_names_of_every_method_of_workflows() -> None:
    names = [name for name in dir(Workflow) if not name.startswith("__")]
    body = {name: (lambda self, *a: "not this one") for name in names}
    made = type("Clash", (), {**body, "__init__": lambda self, step: None, "__call__": lambda self: "the code"})
    ready = workflow(made).inject(step=abs).options(name="named")
    assert (ready.run(), ready.name, ready.sequential()) == ("the code", "named", "the code")


def test_the_bare_factory_is_still_there() -> None:
    assert twice(lambda x: x + 1)(5) == 7

    @workflow
    class Adds:
        def __init__(self, step: Any) -> None:
            self.step = step

        def __call__(self, x: Any) -> Any:
            return self.step(x)

    assert Adds(lambda x: x + 1)(5) == 6


@pytest.mark.parametrize("returned", [None, 5, "text"])
def test_a_factory_that_returns_no_function(returned: Any) -> None:
    with pytest.raises(TypeError, match="not a function"):
        workflow(lambda: returned).run()


def test_a_factory_that_raises() -> None:
    def fails() -> Any:
        raise KeyError("in the factory")

    with pytest.raises(KeyError, match="in the factory"):
        workflow(fails).run()


def test_code_that_is_a_generator_is_refused() -> None:
    def yields() -> Iterator[int]:
        yield 1

    class Yields:
        def __call__(self) -> Iterator[int]:
            yield 1

    with pytest.raises(TypeError, match="generator"):
        workflow(lambda: yields).run()
    with pytest.raises(TypeError, match="generator"):
        workflow(Yields).run()
    with pytest.raises(TypeError, match="generator"):
        flow(yields)


@pytest.mark.parametrize("what", [5, None, "text"])
def test_what_a_workflow_cannot_be_made_of(what: Any) -> None:
    if what is not None:
        with pytest.raises(TypeError, match="made of a function"):
            workflow(what)
        with pytest.raises(TypeError, match="made of a function"):
            flow(what)


def test_wrapped_factories() -> None:
    def decorator(f: Any) -> Any:
        @functools.wraps(f)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return f(*args, **kwargs)

        return wrapper

    step = task(lambda x: x + 1, name="step")
    assert isinstance(step, Task)

    @workflow
    @decorator
    def code(step: Any) -> Any:
        return lambda x: step(x)

    assert code.run(1) == 2


def test_a_partial_as_a_factory() -> None:
    def code(step: Any, factor: int) -> Any:
        return lambda x: step(x) * factor

    ready = workflow(functools.partial(code, factor=3))
    assert ready.inject(step=abs).run(-2) == 6

"""What can be sent to another process and back, and what is said of the rest."""

from __future__ import annotations

import copy
import json
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import errands
import pytest
from errands import Refusal
from loky import get_reusable_executor

from interactive_flow import TaskError, Workflow, flow, task, wait, workflow
from interactive_flow.executors import RemoteError, RemoteTraceback, pickling
from interactive_flow.executors.pickling import Named, dump_function, dumps, load_function, loads


def on(code: Callable[..., Any]) -> Workflow[..., Any]:
    return flow(code).options(executor="processes", max_workers=1)


def failure(code: Callable[..., Any]) -> BaseException:
    """The cause of the error with which a run ends."""
    with pytest.raises(TaskError) as caught:
        on(code).run()
    assert caught.value.__cause__ is not None
    return caught.value.__cause__


# -- functions ---------------------------------------------------------------------------------------------------------


def test_a_function_that_can_be_imported_is_named_also_under_its_task() -> None:
    for function in (json.dumps, errands.same.fn, errands.Multiplier.times, abs):
        data = dump_function("f", function)
        assert isinstance(pickle.loads(data), Named)  # noqa: S301 - our own data
        assert load_function(data) is function


def test_other_functions_are_copied() -> None:
    secret = 41
    copy = load_function(dump_function("f", lambda x: x + secret))
    assert copy(1) == 42


def test_a_function_of_a_module_that_is_to_be_copied_is_copied() -> None:
    cloudpickle.register_pickle_by_value(errands)
    try:
        copy = load_function(dump_function("f", errands.pipe))
    finally:
        cloudpickle.unregister_pickle_by_value(errands)
    assert copy is not errands.pipe
    assert copy.__code__ == errands.pipe.__code__


def test_a_function_that_is_not_there_in_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fleeting.py").write_text("def work():\n    return 1\n")
    import fleeting  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "fleeting", fleeting)
    (tmp_path / "fleeting.py").write_text("# nothing is left of it\n")
    error = failure(lambda: task(fleeting.work)())
    assert type(error) is ImportError
    assert str(error) == "fleeting has no work in this process"


def test_a_module_that_cannot_be_imported_in_the_process() -> None:
    module = type(sys)("made_up")
    exec("def work():\n    return 1\n", module.__dict__)
    sys.modules["made_up"] = module
    try:
        error = failure(lambda: task(module.work)())
    finally:
        del sys.modules["made_up"]
    assert type(error) is ModuleNotFoundError
    assert "made_up" in str(error)


def test_a_function_that_cannot_be_copied() -> None:
    lock, fine = threading.Lock(), 1

    def guarded() -> int:
        with lock:
            return fine

    error = failure(lambda: task(guarded)())
    assert isinstance(error, pickle.PicklingError)
    assert str(error).startswith(
        "guarded cannot be sent to another process, because of variable lock (lock): TypeError"
    )
    assert "fine" not in str(error)


def test_tasks_that_a_copied_function_calls_are_tasks_there_too(main_as_before: None) -> None:
    source = (
        "@task\ndef helper(x):\n    return x + 1\n\n@task\ndef work(x):\n    return helper(x), type(helper).__name__\n"
    )
    names = in_main(source, "helper")
    assert on(lambda: names["work"](1)).run() == (2, "Task")


# -- arguments and results ---------------------------------------------------------------------------------------------


def local_class() -> Any:
    @dataclass(frozen=True)
    class Point:
        x: int

    return Point


def test_instances_of_local_classes_come_back_as_what_they_were() -> None:
    point = local_class()

    def move(p: Any) -> Any:
        return type(p)(p.x + 1)

    moved = on(lambda: task(move)(point(1))).run()
    assert moved == point(2)
    assert type(moved) is point


def test_arguments_that_cannot_be_sent_are_named() -> None:
    def work(first: Any, *rest: Any, key: Any = None) -> None: ...

    made = task(work)
    generator = (x for x in range(3))
    said = {
        "first (generator)": lambda: made(generator),
        "*rest[1] (lock)": lambda: made(1, 2, threading.Lock()),
        "key (lock)": lambda: made(1, key=threading.Lock()),
    }
    for text, code in said.items():
        error = failure(code)
        assert isinstance(error, pickle.PicklingError)
        assert str(error).startswith(f"work cannot be sent to another process, because of argument {text}: TypeError")


def test_one_that_cannot_be_sent_does_not_hurt_the_others() -> None:
    def code() -> Any:
        calls = [errands.same(threading.Lock() if x % 10 == 7 else x) for x in range(40)]
        good = []
        for call in calls:
            try:
                good.append(wait(call))
            except TaskError as error:
                assert isinstance(error.__cause__, pickle.PicklingError)  # noqa: PT017
        return good

    assert on(code).run() == [x for x in range(40) if x % 10 != 7]


def test_arguments_that_cannot_be_read_there() -> None:
    assert "this is no number" in str(failure(lambda: errands.same(errands.Unreadable())))


def test_results_that_cannot_be_sent_back() -> None:
    error = failure(lambda: task(threading.Lock, name="make_lock")())
    assert isinstance(error, pickle.PicklingError)
    assert str(error).startswith("the result of make_lock (lock) cannot be sent back from the process that ran it")


def test_results_that_cannot_be_read_here() -> None:
    error = failure(lambda: task(errands.Unreadable, name="make")())
    assert str(error).startswith("the result of make cannot be read in this process: ValueError: invalid literal")


def test_items_that_cannot_be_sent_back() -> None:
    def source() -> Iterator[Any]:
        yield 1
        yield threading.Lock()

    error = failure(lambda: task(source)())
    assert str(error).startswith("the item of source (lock) cannot be sent back")


def test_a_placeholder_that_nobody_sees_is_no_deadlock() -> None:
    class Box:
        def __init__(self, content: Any) -> None:
            self.content = content

    release = threading.Event()
    later = task(release.wait, name="later", executor="threads")
    error = failure(lambda: errands.same(Box(later())))
    release.set()
    assert isinstance(error, pickle.PicklingError)
    assert "placeholder of later#1" in str(error)
    assert "nobody waited for it" in str(error)


def test_two_arguments_of_a_list_of_calls_are_two_objects() -> None:
    shared: list[int] = []

    def grow(values: list[int]) -> int:
        values.append(1)
        return len(values)

    grower = task(grow)
    assert on(lambda: [grower(shared) for _ in range(100)]).run() == [1] * 100
    assert shared == []


# -- errors ------------------------------------------------------------------------------------------------------------


def round_trip(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return pickling.unpack_error(pickling.pack_error(raised))


def test_errors_that_cannot_be_made_from_their_arguments() -> None:
    error = round_trip(Refusal(3, reason="no room"))
    assert type(error) is Refusal
    assert (error.code, error.reason, error.args) == (3, "no room", ("refused: no room",))


def test_errors_with_parts_that_cannot_be_sent() -> None:
    error = OSError(5, "broken", threading.Lock())
    error.lock = threading.Lock()  # type: ignore[attr-defined]
    error.place = "here"  # type: ignore[attr-defined]
    arrived = round_trip(error)
    assert type(arrived) is OSError
    assert arrived.errno == 5
    assert vars(arrived) == {"place": "here"}


def test_errors_of_local_classes() -> None:
    class Local(Exception):
        pass

    assert type(round_trip(Local("x"))) is Local


def test_errors_whose_class_cannot_be_sent() -> None:
    class Stubborn(Exception):
        lock = threading.Lock()

        def __str__(self) -> str:
            raise RuntimeError("no")

    error = round_trip(Stubborn("x"))
    assert type(error) is RemoteError
    assert "Stubborn: (no text)" in str(error)


def test_errors_that_cannot_be_read() -> None:
    data = pickle.dumps((b"garbage", "Traceback:\nValueError: 3\n"))
    error = pickling.unpack_error(data)
    assert type(error) is RemoteError
    assert str(error).startswith("ValueError: 3 (the error could not be read: ")


def test_groups_and_notes_arrive() -> None:
    group = ExceptionGroup("several", [ValueError(1), KeyError(2)])
    group.add_note("while trying")
    arrived = round_trip(group)
    assert [type(e) for e in arrived.exceptions] == [ValueError, KeyError]  # type: ignore[attr-defined]
    assert arrived.__notes__ == ["while trying"]


def test_the_traceback_is_told_once() -> None:
    error = round_trip(ValueError("told"))
    assert type(error.__cause__) is RemoteTraceback
    told = "".join(traceback.format_exception(error))
    assert told.count("raise error") == 1
    assert told.count("The above exception was the direct cause") == 1


def test_values() -> None:
    for value in (1, None, "text", [1, {"a": (2,)}], b"x" * 100_000):
        assert loads(dumps(value)) == value


# -- tasks and flows ---------------------------------------------------------------------------------------------------


def in_main(source: str, *names: str) -> dict[str, Any]:
    """Runs code as a notebook's cell would be, with what it defines under `names` to be found in ``__main__``."""
    namespace: dict[str, Any] = {"__name__": "__main__", "task": task, "flow": flow, "workflow": workflow}
    exec(source, namespace)
    for name in names:
        setattr(sys.modules["__main__"], name, namespace[name])
    return namespace


@pytest.fixture
def main_as_before() -> Iterator[None]:
    main = sys.modules["__main__"].__dict__
    before = dict(main)
    yield
    main.clear()
    main.update(before)


CELL = """
@task
def square(x):
    return x * x

@flow
def squares(n):
    return [square(x) for x in range(n)]

@workflow
def summed(square):
    def run(n):
        return sum(square(x) for x in range(n))
    return run

@flow
def countdown(n):
    return countdown(n - 1) if n else "over"

@task
def work():
    quiet = squares.options(display="none")
    return squares(4), quiet.run(4), summed.inject(square=square).options(display="none").run(4), countdown.run(3)
"""


@pytest.fixture(params=["processes", "loky"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "processes":
        yield request.param
    else:
        pool = get_reusable_executor(max_workers=1)
        yield pool
        pool.shutdown(wait=True, kill_workers=True)


def test_flows_that_a_copied_function_calls_are_flows_there_too(executor: Any, main_as_before: None) -> None:
    names = in_main(CELL, "square", "squares", "summed", "countdown", "work")
    names["squares"].options(display="none").run(2)  # a run that is kept must not be sent along
    result = flow(lambda: names["work"]()).options(executor=executor).run()
    assert result == ([0, 1, 4, 9], [0, 1, 4, 9], 14, "over")


def test_tasks_and_flows_as_arguments() -> None:
    def count(square: Any, squares: Any, n: int) -> Any:
        return type(square).__name__, square(n), squares.options(display="none").run(n)

    def local_square(x: int) -> int:
        return x * x

    square = task(local_square, limit=1)
    squares = flow(lambda n: [square(x) for x in range(n)]).options(max_workers=1)
    assert on(lambda: task(count)(square, squares, 3)).run() == ("Task", 9, [0, 1, 4])


def test_a_workflow_takes_the_tasks_along_that_it_would_find_around_it() -> None:
    def square(x: int) -> int:
        return x * x

    @workflow
    def summed(square: Any) -> Any:
        return lambda n: sum(square(x) for x in range(n))

    again = loads(dumps(summed))
    assert again.options(display="none").run(4) == 14 == summed.options(display="none").run(4)
    assert square(2) == 4


def test_flows_are_pickled_by_name_where_they_have_one() -> None:
    for again in (pickle.loads(pickle.dumps(errands.squares)), copy.copy(errands.squares)):  # noqa: S301
        assert again is errands.squares
    quiet = errands.squares.options(display="none")
    again = loads(dumps(quiet))
    assert again is not quiet
    assert again.run(3) == [0, 1, 4]


def test_a_task_is_the_same_in_what_it_has_been_told() -> None:
    made = task(lambda x: x, name="other", retry=2, timeout=5, limit=3, executor="processes")
    spec = loads(dumps(made)).spec
    told = ("name", "retry", "timeout", "limit", "executor", "lane", "streams")
    assert [getattr(spec, name) for name in told] == [getattr(made.spec, name) for name in told]

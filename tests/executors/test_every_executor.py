"""What holds for every executor."""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import errands
import pytest
from errands import Pair, Refusal
from laboratory import check_stream
from loky import get_reusable_executor

from interactive_flow import Retry, TaskError, Workflow, flow, task, wait
from interactive_flow.executors import AsyncExecutor, FuturesExecutor, ProcessExecutor, RemoteTraceback
from interactive_flow.model.events import CallProgressed, CallStarted, CallSucceeded, CallYielded
from interactive_flow.runtime.executors import make_executor

WORKERS = 2
REMOTE = ("processes", "process pool", "loky")
LATE = ("process pool", "loky")
"""Where heartbeats and items arrive with the result."""


@pytest.fixture(scope="module")
def process_pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def loky_pool() -> Iterator[Any]:
    pool = get_reusable_executor(max_workers=WORKERS)
    yield pool
    pool.shutdown(wait=True, kill_workers=True)


@pytest.fixture(params=["threads", "inline", "processes", "async", "thread pool", "process pool", "loky"])
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each kind of executor, as ``executor=`` takes it."""
    if request.param == "thread pool":
        with ThreadPoolExecutor(WORKERS) as pool:
            yield pool
    elif request.param in LATE:
        yield request.getfixturevalue(request.param.replace(" ", "_") + ("_pool" if request.param == "loky" else ""))
    else:
        yield request.param


@pytest.fixture
def kind(request: pytest.FixtureRequest, executor: Any) -> str:
    """The executor's name here."""
    return request.node.callspec.params["executor"]


@pytest.fixture
def on(executor: Any) -> Callable[[Callable[..., Any]], Workflow[..., Any]]:
    """Makes a workflow of a function, to be run by the executor."""
    return lambda code: flow(code).options(executor=executor)


def test_results_of_arguments_of_every_shape(on: Any) -> None:
    def code() -> Any:
        one, two = errands.same(1), errands.same(2)
        nested = {"a": [one, (two, {errands.same(3)})], "b": Pair(one, [two])}
        return (
            errands.add(one, two, 3, 4, scale=errands.same(10)),
            errands.total(nested),
            errands.same(nested),
            errands.same(None),
        )

    nested = {"a": [1, (2, {3})], "b": Pair(1, [2])}
    assert on(code).run() == (100, 9, nested, None)


def test_an_error_arrives_as_what_it_is(on: Any, kind: str) -> None:
    with pytest.raises(TaskError) as caught:
        on(lambda: errands.complain("/there")).run()
    cause = caught.value.__cause__
    assert type(cause) is FileNotFoundError
    assert (cause.errno, cause.strerror, cause.filename) == (2, "no such thing", "/there")
    told = "".join(traceback.format_exception(cause))
    assert 'raise FileNotFoundError(2, "no such thing", path)' in told
    assert "run_task" not in told
    assert isinstance(cause.__cause__, RemoteTraceback) == (kind in REMOTE)


def test_the_error_behind_an_error_is_told(on: Any) -> None:
    with pytest.raises(TaskError) as caught:
        on(lambda: errands.wrap_error()).run()
    told = "".join(traceback.format_exception(caught.value.__cause__))
    assert type(caught.value.__cause__) is LookupError
    assert "invalid literal for int()" in told
    assert "direct cause" in told


def test_attempts_until_one_succeeds(on: Any, tmp_path: Path) -> None:
    again = task(errands.count_up.fn, name="again", retry=Retry(attempts=3, on=(Refusal,)))
    workflow = on(lambda: again(str(tmp_path / "count"), succeed_at=3))
    count, before = workflow.run()
    assert count == 3
    assert before == (None, "attempt 2")
    (call,) = workflow.last_run.calls
    assert [str(attempt.state) for attempt in call.tries] == ["failed", "failed", "succeeded"]


def test_attempts_that_all_fail(on: Any, tmp_path: Path) -> None:
    again = task(errands.count_up.fn, name="again", retry=2)
    with pytest.raises(TaskError) as caught:
        on(lambda: again(str(tmp_path / "count"), succeed_at=9)).run()
    cause = caught.value.__cause__
    assert type(cause) is Refusal
    assert (cause.code, cause.reason, str(cause)) == (2, "not yet", "refused: not yet")


def test_what_tasks_print_is_theirs_and_passed_on(on: Any, capsys: pytest.CaptureFixture[str]) -> None:
    workflow = on(lambda: [errands.chatter(name) for name in "ab"])
    assert workflow.run() == ["a", "b"]
    for call, name in zip(workflow.last_run.calls, "ab", strict=True):
        assert call.stdout == f"{name}: out\n{name}: err\n{name}: end"
    passed_on = capsys.readouterr()
    assert sorted(passed_on.out.replace("end", "end\n").split("\n")) == ["", "a: end", "a: out", "b: end", "b: out"]
    assert sorted(passed_on.err.splitlines()) == ["a: err", "b: err"]


def test_heartbeats(on: Any, kind: str) -> None:
    workflow = on(lambda: errands.report(2))
    assert workflow.run() is True
    beats = [(e.progress, e.message) for e in workflow.last_run.events() if isinstance(e, CallProgressed)]
    expected = [(0.0, "begun"), (0.0, None), (0.5, None), (1.0, None)]
    assert beats == (expected[-1:] if kind in LATE else expected)


@pytest.mark.parametrize("source", [errands.items, errands.async_items])
def test_items_of_a_generator(on: Any, source: Any) -> None:
    def code() -> Any:
        return [errands.add(item, 1) for item in source(3)], source(2), source(0)

    workflow = on(code)
    assert workflow.run() == ([1, 2, 5], [0, 1], [])
    yielded = [(e.position, e.value) for e in workflow.last_run.events() if isinstance(e, CallYielded) and e.call == 1]
    assert yielded == [(0, 0), (1, 1), (2, 4)]


def test_coroutines(on: Any) -> None:
    assert on(lambda: [errands.async_double(x) for x in range(5)]).run() == [0, 2, 4, 6, 8]


def test_callables_of_every_kind(on: Any) -> None:
    multiplier, offset = errands.Multiplier(3), 100

    def local(x: int) -> int:
        return x + offset

    tasks = [
        task(multiplier),
        task(multiplier.times),
        task(functools.partial(pow, 2)),
        task(lambda x: x - 1),
        task(local),
        task(abs),
    ]
    assert on(lambda: [t(7) for t in tasks]).run() == [21, 21, 128, 6, 107, 7]


def test_a_run_inside_a_task(on: Any) -> None:
    assert on(lambda: errands.inner_run(4)).run() == 14


def test_every_event_of_many_calls(on: Any, kind: str) -> None:
    def code(n: int) -> Any:
        roots = [errands.same(x) for x in range(n)]
        return [errands.add(x, y) for x, y in itertools.pairwise(roots)]

    workflow = on(code)
    assert workflow.run(100) == [2 * x + 1 for x in range(99)]
    run = workflow.last_run
    events = run.events()
    capacity = {"threads": make_executor("threads", None).capacity, "async": 1000}.get(kind, WORKERS)
    check_stream(events, max(capacity, make_executor("processes", None).capacity))
    assert set(Counter(e.call for e in events if isinstance(e, CallStarted)).values()) == {1}
    assert set(Counter(e.call for e in events if isinstance(e, CallSucceeded)).values()) == {1}
    for call in run.calls:
        assert call.worker
        assert 0 <= call.scheduled_at <= call.started_at <= call.finished_at <= run.record().finished_at


def test_an_error_does_not_disturb_the_others(on: Any) -> None:
    def code() -> Any:
        calls = [errands.complain(str(n)) if n % 5 == 0 else errands.same(n) for n in range(20)]
        results = []
        for call in calls:
            try:
                results.append(wait(call))
            except TaskError as error:
                results.append(int(error.__cause__.filename))
        return results

    assert on(code).run() == list(range(20))


def test_two_runs_at_once(on: Any) -> None:
    workflow = on(lambda n: [errands.same(x) for x in range(n)])
    runs = [workflow.start(n) for n in (30, 40)]
    assert [run.result(timeout=40) for run in runs] == [list(range(30)), list(range(40))]


def test_one_object_for_several_runs_and_tasks() -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for given in (ProcessExecutor(max_workers=1), AsyncExecutor(), FuturesExecutor(pool)):
            there = task(errands.add.fn, name="there", executor=given)
            mixed = flow(lambda there=there: [there(errands.same(x), there(x)) for x in range(3)])
            assert mixed.run() == [0, 2, 4]
            alone = flow(lambda: errands.same(1)).options(executor=given)
            assert [run.result(timeout=40) for run in [alone.start(), alone.start()]] == [1, 1]


@pytest.mark.parametrize("make", [ProcessExecutor, AsyncExecutor, lambda n: FuturesExecutor(ThreadPoolExecutor(1), n)])
def test_no_workers(make: Any) -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        make(0)


def test_names() -> None:
    with pytest.raises(ValueError, match="'threads', 'inline', 'processes', 'async'"):
        flow(lambda: None).options(executor="cloud").run()
    assert make_executor("processes", 3).capacity == 3
    assert make_executor("async", None).capacity == 1000


def test_importing_executors_imports_nothing_that_need_not_be_there() -> None:
    code = "import sys, interactive_flow; import interactive_flow.executors; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "interactive_flow.executors.processes" in loaded
    assert not {"cloudpickle", "loky", "nest_asyncio2", "multiprocessing"} & set(loaded)


def test_a_lane_that_cannot_be_opened_ends_the_run() -> None:
    class Broken(AsyncExecutor):
        def fresh(self) -> Any:
            return Broken()

        def open(self, port: Any) -> None:
            raise OSError("no way")

    there = task(errands.same.fn, name="there", executor=Broken())
    for wanted in (lambda: there(1), lambda: there(errands.same(1))):  # opened by the run's thread, and by a worker
        with pytest.raises(OSError, match="no way"):
            flow(wanted).run()

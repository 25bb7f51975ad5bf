"""Many tasks, many runs, many threads; and that nothing is left of them."""

from __future__ import annotations

import gc
import random
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from greenlet import greenlet
from laboratory import Bang, Laboratory, check_stream

from interactive_flow import TaskError, finish_order, first, flow, parallel_reduce, task, wait

SOON = 20.0


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(5e-5)
    yield
    sys.setswitchinterval(before)


@task
def add(x: Any, y: Any = 0) -> Any:
    return x + y


@task
def picky(n: int) -> int:
    if n % 10 == 0:
        raise Bang(n)
    return n


@flow
def chain(n: int) -> Any:
    x = add(0)
    for _ in range(n):
        x = add(x, 1)
    return x


@flow
def everything(n: int) -> Any:
    """Fan-out, chains, barriers, errors, combinators and sub-workflows."""
    spread = [add(k, 1) for k in range(n)]
    total = parallel_reduce(add, spread)
    fastest = first(*spread[:5])
    order = [x + 0 for x in finish_order(spread[:10])]
    good = 0
    for call in [picky(k) for k in range(n)]:
        try:
            good += wait(call)
        except TaskError:
            good += 1000
    return total, sorted(order), chain(20), good, 1 <= wait(fastest) <= 5


def expected(n: int) -> Any:
    good = sum(k if k % 10 else 1000 for k in range(n))
    return sum(range(1, n + 1)), list(range(1, 11)), 20, good, True


@pytest.mark.usefixtures("restless")
def test_twenty_runs_of_two_thousand_tasks() -> None:
    for turn in range(20):
        workflow = flow(lambda: [add(n, 1) for n in range(2000)]).options(max_workers=1 + turn % 8)
        assert workflow.run() == list(range(1, 2001))
    check_stream(workflow.last_run.events(), 4)


@pytest.mark.usefixtures("restless")
def test_everything_again_and_again() -> None:
    for turn in range(10):
        workflow = everything.options(max_workers=1 + turn)
        assert workflow.run(50) == expected(50)
        check_stream(workflow.last_run.events(), 1 + turn)


@pytest.mark.usefixtures("restless")
def test_runs_in_several_threads_at_once() -> None:
    results: list[Any] = []

    def runs() -> None:
        for _ in range(5):
            results.append(everything.options(max_workers=3).run(30) == expected(30))
            results.append(chain.start(50).result(SOON) == 50)

    threads = [threading.Thread(target=runs) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 60


@pytest.mark.usefixtures("restless")
def test_cancelled_at_any_moment() -> None:
    for turn in range(40):
        run = everything.options(max_workers=4).start(60)
        while len(run.events()) < 40 * (turn % 12) and run.status == "running":
            pass
        run.cancel()
        assert run.wait(SOON)
        assert run.status in ("cancelled", "succeeded")
        check_stream(run.events(), 4)


@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("seed", range(40))
def test_tasks_of_every_kind_at_once(seed: int) -> None:
    """Lanes, limits, retries, timeouts and streams mixed by chance; some runs are cancelled on the way."""
    chance = random.Random(seed)
    kinds = [
        task(lambda x: x + 1, name="plain"),
        task(lambda x: x + 1, name="limited", limit=chance.choice([1, 2])),
        task(lambda x: x + 1, name="inline", executor="inline"),
        task(lambda x: x + 1, name="lane", executor="threads", retry=3),
        task(lambda x: x + 1, name="timed", timeout=SOON),
    ]

    @task
    def stream(n: int) -> Iterator[int]:
        yield from range(n)

    @flow
    def steps(x: Any, n: int) -> Any:
        for _ in range(n):
            x = chance.choice(kinds)(x)
            if chance.random() < 0.3:
                x = x + 0
        return x

    lengths = [chance.randint(0, 6) for _ in range(chance.randint(1, 8))]

    def code() -> Any:
        ends = [steps(0, n) for n in lengths]
        more = [chance.choice(kinds)(x) for x in ends]
        return parallel_reduce(add, ends + more), sorted(x + 0 for x in finish_order(more)), [*map(add, stream(4))]

    run = flow(code).options(max_workers=chance.randint(1, 6)).start()
    if chance.random() < 0.3:
        run.cancel()
    assert run.wait(SOON)
    check_stream(run.events())
    if run.status != "cancelled":
        assert run.result() == (2 * sum(lengths) + len(lengths), sorted(n + 1 for n in lengths), [0, 1, 2, 3])


def test_code_that_was_given_up_while_it_computed_cannot_loop_on() -> None:
    """The usual loop around `wait`, in a sub-workflow that becomes unneeded while its code is running."""
    looping = threading.Event()
    turns: list[int] = []

    @task
    def fails() -> None:
        assert looping.wait(SOON)
        raise Bang

    def call_of_stubborn() -> Any:
        run = outer.last_run
        assert run is not None
        return next(call for call in run.calls if call.name == "stubborn")

    @flow
    def stubborn() -> Any:
        looping.set()
        while str(call_of_stubborn().state) != "cancelled":
            pass
        while len(turns) < 1000:
            turns.append(1)
            try:
                return wait(add(1))
            except TaskError:
                continue
        return "gave in"

    @flow
    def half() -> Any:
        return [fails(), stubborn()]

    @flow
    def outer() -> Any:
        try:
            return wait(half())
        except TaskError as error:
            return type(error.__cause__)

    assert outer.run() is Bang
    assert len(turns) <= 1


# -- nothing is left -------------------------------------------------------------------------------------------------


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("iflow-")}


def threads_left(before: set[threading.Thread]) -> set[threading.Thread]:
    """Those that were not there before (worker processes in reserve have one that is) and do not end either."""
    for thread in threads() - before:
        thread.join(SOON)
    return threads() - before


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "unneeded"])
def test_no_thread_is_left_when_runs_are_over(how: str) -> None:
    stop, before = threading.Event(), threads()

    @task
    def works(n: int) -> int:
        if how in ("cancelled", "unneeded"):
            stop.wait(SOON)
        if how == "failed" and n == 5:
            raise Bang
        return n

    def code() -> Any:
        calls = [works(n) for n in range(20)]
        return "plain" if how == "unneeded" else calls

    run = flow(code).options(max_workers=6).start()
    if how == "cancelled":
        run.cancel()
    run.wait(SOON)
    stop.set()
    assert not threads_left(before)


class Value:
    """Something that can be watched as it goes."""


def _run_and_drop(how: str) -> list[weakref.ref[Any]]:
    """Makes a run that ends in this way, and lets go of it."""
    lab = Laboratory()
    made: list[weakref.ref[Any]] = []

    @task
    def makes(x: Any = None) -> Value:
        value = Value()
        made.append(weakref.ref(value))
        return value

    @flow
    def sub(x: Any) -> Any:
        return [makes(x), wait(makes())]

    @task
    def ends() -> None:
        if how == "failed":
            raise Bang
        if how == "cancelled":
            lab.last.cancel()

    def code() -> Any:
        kept = makes(makes())
        held = sub([kept])
        wait(kept)
        unneeded = sub(lab.give(1, 50.0))
        if how == "unneeded":
            return None
        return [held, wait(ends()), unneeded if how == "cancelled" else 0]

    run = lab.last = lab.ready(code)._new_run((), {})
    run.drive()
    assert run.status == ("succeeded" if how == "unneeded" else how)
    return [*made, weakref.ref(run), weakref.ref(run._runner.engine)]


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled", "unneeded"])
def test_a_run_that_nobody_holds_is_freed_with_everything_in_it(how: str) -> None:
    refs = _run_and_drop(how)
    flow(lambda: None).run()  # so that it is not the last run of all
    gc.collect()
    assert len(refs) >= 4
    assert [ref() for ref in refs] == [None] * len(refs)


def test_no_greenlet_is_left() -> None:
    everything.run(20)  # the main thread's own greenlets come with the first run
    gc.collect()
    threads_before = threads()
    before = sum(isinstance(o, greenlet) for o in gc.get_objects())
    for _ in range(5):
        everything.run(20)
        run = chain.start(200)
        run.cancel()
        run.wait(SOON)
    del run
    assert not threads_left(threads_before)
    for _ in range(10):  # the greenlet of a thread that has ended is freed some time after, in another thread
        flow(lambda: None).run()
        gc.collect()
    assert sum(isinstance(o, greenlet) for o in gc.get_objects()) <= before


def test_values_that_were_used_up_are_not_copied() -> None:
    big = bytearray(10_000_000)
    lab = Laboratory()
    assert lab.run(lambda: lab.give(lab.give([big])))[0] is big


def test_classes_of_arguments_are_freed() -> None:
    lab = Laboratory()
    ref = _with_a_class_of_its_own(lab)
    lab.run(lambda: None)
    flow(lambda: None).run()
    gc.collect()
    assert ref() is None


def _with_a_class_of_its_own(lab: Laboratory) -> weakref.ref[Any]:
    class OfTheCell:
        """As a notebook's cell defines it anew each time it is run."""

    lab.run(lambda: lab.give(OfTheCell()))
    return weakref.ref(OfTheCell)

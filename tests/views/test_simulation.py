"""How long a plan takes: what was recorded, exactly; and with other workers and orders."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_streams import Stream, nested, video

from interactive_flow import concurrently, finish_order, first, flow, parallel_reduce, task, wait
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.testing import DeterministicExecutor
from interactive_flow.views.plan import Gate, Plan, Step, plan_of
from interactive_flow.views.simulation import simulate

lengths = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 3.5])
steps = st.recursive(
    st.one_of(
        st.tuples(st.just("call"), lengths),
        st.tuples(st.just("wait"), lengths),
        st.tuples(st.just("after"), lengths),
        st.tuples(st.just("items"), st.integers(1, 3), lengths),
        st.tuples(st.just("retry"), lengths),
        st.tuples(st.just("fails"), lengths),
        st.tuples(st.just("order"), st.lists(lengths, min_size=1, max_size=4)),
        st.tuples(st.just("first"), st.lists(lengths, min_size=1, max_size=4)),
        st.tuples(st.just("reduce"), st.lists(lengths, min_size=2, max_size=5), lengths),
    ),
    lambda inner: st.tuples(st.sampled_from(["sub", "beside"]), st.lists(inner, max_size=4)),
    max_leaves=8,
)
programs = st.lists(steps, min_size=1, max_size=6)


class Tries:
    """Counts; no container, which would be copied on its way into a task."""

    def __init__(self) -> None:
        self.number = 0

    def add(self, more: int) -> int:
        self.number += more
        return self.number


class Lab:
    """Runs a list of steps as a workflow, in virtual time."""

    def __init__(self, workers: int) -> None:
        self.executor = DeterministicExecutor(workers)
        sleep = self.executor.clock.sleep

        @task
        def work(seconds, *after):
            sleep(seconds)
            return seconds

        @task
        def add(x, y, seconds):
            sleep(seconds)
            return x + y

        @task(retry=2)
        def flaky(seconds, tried):
            sleep(seconds)
            if tried.add(1) == 1:
                raise OSError("once")

        @task
        def fails(seconds):
            sleep(seconds)
            raise OSError("always")

        @task
        def items(number, seconds):
            for n in range(number):
                sleep(seconds)
                yield n

        self.work, self.add, self.flaky, self.fails, self.items = work, add, flaky, fails, items

    def run(self, program) -> RunRecord:
        workflow = flow(lambda: self.code(program)).options(executor=self.executor)
        workflow.run()
        return workflow.last_run.record()

    def reduction(self, seconds):
        return lambda x, y: self.add(x, y, seconds)

    def code(self, program):  # noqa: C901
        last = None
        made = []
        for what, *rest in program:
            match what:
                case "call":
                    last = self.work(rest[0])
                case "wait":
                    wait(self.work(rest[0]))
                case "after":
                    last = self.work(rest[0], last)
                case "items":
                    made += [self.work(0.5, n) for n in self.items(*rest)]
                case "retry":
                    last = self.flaky(rest[0], Tries())
                case "fails":
                    try:
                        wait(self.work(1.0, self.fails(rest[0])))
                    except Exception:
                        last = self.work(0.5)
                case "order":
                    made += [self.work(0.5, x) for x in finish_order([self.work(n) for n in rest[0]])]
                case "first":
                    last = first(*[self.work(n) for n in rest[0]])
                case "reduce":
                    last = parallel_reduce(self.reduction(rest[1]), [self.work(n) for n in rest[0]])
                case "sub":
                    last = flow(lambda inner=rest[0]: self.code(inner), name="sub")()
                case "beside":
                    last = concurrently(lambda inner=rest[0]: self.code(inner), lambda: self.code([("wait", 1.0)]))
            made.append(last)
        return made


@settings(deadline=None)
@given(programs, st.integers(1, 5))
def test_an_unchanged_run_takes_what_it_took(program, workers: int) -> None:
    record = Lab(workers).run(program)
    assert record.status is RunStatus.SUCCEEDED
    simulated = simulate(plan_of(record), order="recorded")
    assert simulated == pytest.approx(record.finished_at, rel=0.01, abs=1e-9)


@settings(deadline=None)
@given(programs, st.integers(1, 5), st.sampled_from(["recorded", "called", "longest"]))
def test_whatever_the_order_it_takes_what_it_must(program, workers: int, order) -> None:
    record = Lab(workers).run(program)
    plan = plan_of(record)
    work = sum(each.seconds for each in plan.works.values())
    for number in (1, workers, 1000):
        takes = simulate(plan, number, order)
        assert takes is not None
        assert takes <= work + 1e-6 + record.finished_at
    alone = simulate(plan, 1, order)
    assert alone is not None
    assert simulate(plan, 1000, order) <= alone + 1e-6


def test_by_hand() -> None:
    plan = plan_of(video().record())
    assert plan.workers == 2
    assert simulate(plan, order="recorded") == pytest.approx(2.5, abs=0.002)
    # embed 0.5, find 0.6, then three of 1 s and four of 0.2 s
    assert simulate(plan, 1) == pytest.approx(0.499 + 0.599 + 3 * 1.0 + 4 * 0.2 - 0.0, abs=0.2)
    assert simulate(plan, 100) == pytest.approx(1.5, abs=0.002)


def test_the_longest_path_goes_first() -> None:
    s = Stream(workers=2)
    short = [s.call("short") for _ in range(4)]
    long = s.call("long")
    after = s.call("after", long)
    s.returned(*short, after)
    for call, length in (*((call, 1.0) for call in short), (long, 1.0), (after, 3.0)):
        s.start(call)
        s.now += length
        s.succeed(call)
    s.finish()
    plan = plan_of(s.record())
    assert simulate(plan, 2, "called") == pytest.approx(6.0)  # two shorts, two shorts, long, after
    assert simulate(plan, 2, "longest") == pytest.approx(4.0)  # long first, and after beside the rest
    assert simulate(plan, 1, "longest") == simulate(plan, 1, "called") == pytest.approx(8.0)


def test_what_waits_for_nothing_that_can_come_has_no_end() -> None:
    plan = Plan({}, {0: [Step([], 0.0, Gate((7,)), None)]}, workers=1, seconds=1.0)
    assert simulate(plan) is None


def test_what_was_given_up_before_it_began_is_no_part_of_it() -> None:
    s = Stream()
    gone, kept = s.call("gone"), s.call("kept")
    s.returned(kept)
    s.start(kept)
    s.now = 2.0
    s.succeed(kept)
    s.cancel(gone)
    s.finish()
    plan = plan_of(s.record())
    assert list(plan.works) == [kept]
    assert simulate(plan) == 2.0


def test_only_of_a_run_that_is_over() -> None:
    with pytest.raises(ValueError, match="has not ended"):
        plan_of(nested().record())

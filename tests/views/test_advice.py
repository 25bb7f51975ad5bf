"""The advice on barriers: what it finds, what it says, and that it comes true when somebody follows it.

All runs are in virtual time, so "comes true" is exact: the improved workflow is written out and really run.
"""

from __future__ import annotations

import time

import pytest
from view_streams import SAMPLES, Stream, many, troubled, video

from interactive_flow import TaskError, flow, parallel_reduce, task, wait
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import RunStatus
from interactive_flow.testing import DeterministicExecutor
from interactive_flow.views.advice import Analysis, analyse
from interactive_flow.views.advice_words import advice_html, advice_text, sentence

executor = DeterministicExecutor(4)
REAL = {"sleep": executor.clock.sleep}


@task
def work(value, seconds):
    REAL["sleep"](seconds)
    return value


@task
def measure(value, seconds=1.0):
    REAL["sleep"](seconds)
    return value


@task
def other(value, seconds=2.0):
    REAL["sleep"](seconds)
    return value


@task
def follow(value, seconds=0.5):
    REAL["sleep"](seconds)
    return value


@task
def find_chapters(video, seconds=0.6):
    REAL["sleep"](seconds)
    return [1, 2, 3]


@task
def target_ads(video, seconds=1.5):
    REAL["sleep"](seconds)
    return "ads"


@task
def add(x, y, seconds):
    REAL["sleep"](seconds)
    return x + y


def run(code, workers=4) -> RunRecord:
    workflow = code.options(executor=DeterministicExecutor(workers, executor.clock))
    workflow.run()
    return workflow.last_run.record()


def lines(analysis: Analysis) -> list[tuple[str, list[str]]]:
    return [(str(each.stop.site), [e.name for e in each.earlier]) for each in analysis.advice]


@flow
def one_barrier():
    thumbnails = [work(chapter, 0.6) for chapter in find_chapters("talk")]
    ads = target_ads("talk")
    return thumbnails, ads


@flow
def one_barrier_improved():
    ads = target_ads("talk")
    thumbnails = [work(chapter, 0.6) for chapter in find_chapters("talk")]
    return thumbnails, ads


@flow
def two_barriers():
    first = wait(work(1, 1.0))
    second = wait(work(2, 1.5))
    if first:
        decided = work(3, 0.5)
    third = target_ads("talk", 2.0)
    return decided, second, third


@flow
def two_barriers_improved():
    first, second, third = work(1, 1.0), work(2, 1.5), target_ads("talk", 2.0)
    if wait(first):
        decided = work(3, 0.5)
    return decided, second, third


@flow
def loop():
    total = 0
    for n in range(6):
        total += work(n, 1.0 + n % 2)
    return work(total, 0.5)


@flow
def loop_improved():
    made = [work(n, 1.0 + n % 2) for n in range(6)]
    return work(sum(made), 0.5)


@flow
def chain(n):
    size = wait(measure(n))
    slow = other(n)
    return add(slow, follow(size), 0.5)


@flow
def with_sub_workflows():
    return [chain(n) for n in range(3)]


@flow
def chain_improved(n):
    slow = other(n)
    size = wait(measure(n))
    return add(slow, follow(size), 0.5)


@flow
def with_sub_workflows_improved():
    return [chain_improved(n) for n in range(3)]


@flow
def sub_workflow_after_barrier():
    known = wait(work(1, 2.0))
    return known, chain(5), parallel_reduce(lambda x, y: add(x, y, 0.5), [work(n, 1.0) for n in range(3)])


@flow
def sub_workflow_after_barrier_improved():
    first = work(1, 2.0)
    rest = chain_improved(5), parallel_reduce(lambda x, y: add(x, y, 0.5), [work(n, 1.0) for n in range(3)])
    return wait(first), rest


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize(
    ("code", "improved"),
    [
        (one_barrier, one_barrier_improved),
        (two_barriers, two_barriers_improved),
        (loop, loop_improved),
        (with_sub_workflows, with_sub_workflows_improved),
        (sub_workflow_after_barrier, sub_workflow_after_barrier_improved),
    ],
)
def test_it_comes_true(code, improved, workers) -> None:
    record = run(code, workers)
    found = analyse(record)
    assert found.note == ""
    estimate = found.advice[-1].takes if found.advice else record.finished_at
    assert run(improved, workers).finished_at == pytest.approx(estimate, rel=0.1)
    if workers == 8:
        assert found.advice, "there was something to gain"
        assert estimate < 0.95 * record.finished_at


def test_it_is_found_where_tasks_really_take_time(monkeypatch) -> None:
    monkeypatch.setitem(REAL, "sleep", lambda seconds: time.sleep(seconds / 5))
    workflow = one_barrier.options(max_workers=4, display="none")
    for _ in range(5):  # a machine that is busy with other things may make a run that cannot be explained
        workflow.run()
        found = analyse(workflow.last_run.record())
        if not found.note:
            break
    assert [name for _, name in lines(found)] == [["target_ads"]]
    assert found.advice[0].takes < found.seconds


def test_what_more_workers_would_do_comes_true() -> None:
    record = run(loop_improved, 2)
    found = analyse(record)
    for workers in (1, 2, 4, 8):
        assert run(loop_improved, workers).finished_at == pytest.approx(found.with_workers[workers], rel=0.1)
    assert found.with_workers[None] == pytest.approx(2.5)
    assert list(found.with_workers.values()) == sorted(found.with_workers.values(), reverse=True)


def test_what_it_says_of_one_barrier() -> None:
    record = run(one_barrier)
    found = analyse(record)
    line = record.barriers[0].site.line
    assert sentence(record, found, 0) == (
        f"Line {line + 1} `target_ads(…)` does not use what line {line} waited for. If it need not wait, "
        f"call it before line {line}: the run would have taken about 1.50 s instead of 2.10 s."
    )
    (advice,) = found.advice
    assert (advice.checked, advice.gain, advice.takes) == (True, pytest.approx(0.6), pytest.approx(1.5))
    assert (found.seconds, found.sequential, found.stood) == pytest.approx((2.1, 0.6 + 1.5 + 3 * 0.6, 2.1))
    text = advice_text(record, found)
    assert "`" not in text
    assert f"The code waited 600 ms at line {line}." in text
    assert "its tasks one after the other take 3.90 s (1.9 times that)" in text
    assert "<code>target_ads(…)</code>" in advice_html(record, found)


def test_what_it_says_of_a_loop() -> None:
    record = run(loop, 8)
    line = record.barriers[0].site.line
    assert sentence(record, analyse(record), 0) == (
        f"Line {line} `work(…)` does not use what line {line} waited for in earlier rounds. If it need not wait, "
        f"make all its calls before the first round waits: the run would have taken about 2.50 s instead of 9.50 s."
    )


def test_what_is_decided_by_the_value_stays_where_it_is() -> None:
    @flow
    def deciding():
        if wait(work(1, 1.0)):
            return target_ads("talk")
        return None

    @flow
    def computing():
        size = wait(work(1, 1.0)) + 1
        return target_ads(size)

    @flow
    def leaving():
        if not wait(work(1, 1.0)):
            return None
        return target_ads("talk")

    @flow
    def handing():
        return target_ads(work(wait(work(1, 1.0)), 1.0))

    for code in (deciding, computing, leaving, handing):
        found = analyse(run(code))
        assert (found.note, found.advice) == ("", []), code.name


def test_what_gains_little_is_not_advised() -> None:
    @flow
    def little():
        wait(work(1, 10.0))
        return work(2, 0.1)

    assert analyse(run(little)).advice == []


def test_with_one_worker_nothing_is_gained() -> None:
    assert analyse(run(one_barrier, 1)).advice == []


def test_where_the_source_is_not_known_it_says_so() -> None:
    namespace = {"flow": flow, "wait": wait, "work": work, "target_ads": target_ads}
    exec("def hidden():\n    wait(work(1, 1.0))\n    return target_ads('talk')\n", namespace)
    record = run(flow(namespace["hidden"]))
    found = analyse(record)
    assert [advice.checked for advice in found.advice] == [False]
    assert "Its source is not known" in sentence(record, found, 0)


def test_estimates_only_where_they_can_be_made() -> None:
    assert analyse(video(0.7).record()).note == "Estimates come when the run has ended."
    assert analyse(troubled().record()).note == "There are estimates only for runs that succeeded."
    found = analyse(many(10_000, 9_990).record())
    assert "when the run has ended" in found.note
    big = run(loop_improved)
    found = analyse(big, effort=10)
    assert found.left_out
    assert found.with_workers == {}


def test_where_the_record_does_not_explain_the_time_there_are_none() -> None:
    s = Stream(workers=4)
    one, other = s.call("one"), s.call("other")
    s.returned(one, other)
    for call in (one, other):  # one after the other, though there were workers: a limit, perhaps
        s.start(call)
        s.now += 1.0
        s.succeed(call)
    s.finish()
    found = analyse(s.record())
    assert "cannot be told why" in found.note
    assert (found.advice, found.with_workers) == ([], {})


def test_where_the_code_stood() -> None:
    found = analyse(run(two_barriers, 8))
    assert [(stop.end, stop.times, stop.waited) for stop in found.stops] == [
        (True, 1, 2.0), (False, 1, 1.5), (False, 1, 1.0),
    ]  # fmt: skip
    assert [(stop.workflow, stop.times) for stop in analyse(run(with_sub_workflows, 8)).stops if not stop.end] == [
        ("chain", 3)
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_any_run_can_be_analysed(name) -> None:
    record = SAMPLES[name]().record()
    found = analyse(record)
    assert advice_text(record, found)
    assert "<script" not in advice_html(record, found)


def test_a_run_whose_code_failed() -> None:
    @flow
    def fails():
        wait(work(1, 1.0))
        raise ValueError("no")

    workflow = fails.options(executor=executor)
    with pytest.raises((ValueError, TaskError)):
        workflow.run()
    record = workflow.last_run.record()
    assert record.status is RunStatus.FAILED
    assert analyse(record).note

"""What only processes give: calls that really stop, deaths that hurt one attempt, lists of short calls."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import errands
import pytest
from errands import ends, pipe, told

from interactive_flow import TaskCancelled, TaskError, TaskTimeout, Timeout, Workflow, first, flow, task, wait
from interactive_flow.executors import ProcessExecutor, WorkerDiedError, lists, service, workers
from interactive_flow.model.events import CallStarted, CallSucceeded


def on(code: Callable[..., Any], max_workers: int = 2) -> Workflow[..., Any]:
    return flow(code).options(executor=ProcessExecutor(max_workers))


def state_of(workflow: Any, id: str) -> str:
    return str(workflow.last_run.record().call(id).state)


# -- calls that stop ---------------------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    hang = task(errands.tell_with_child.fn, name="hang", timeout=Timeout(start_to_close=0.3))
    path = pipe(tmp_path)

    def code() -> Any:
        others = [errands.same(x) for x in range(5)]
        with pytest.raises(TaskTimeout):
            wait(hang(path))
        return others

    with told(path) as numbers:
        workflow = on(code)
        assert workflow.run() == list(range(5))
        process, its_child = numbers()
    assert ends(process)
    assert ends(its_child)
    assert state_of(workflow, "hang#1") == "timed_out"


def test_a_call_without_heartbeats_is_killed_and_tried_again(tmp_path: Path) -> None:
    path, seen = pipe(tmp_path), str(tmp_path / "seen")

    def work() -> str:
        if Path(seen).exists():
            return "fine"
        Path(seen).touch()
        return errands.tell.fn(path)

    again = task(work, timeout=Timeout(heartbeat=0.3), retry=2)
    with told(path) as numbers:
        assert on(lambda: again()).run() == "fine"
        (process,) = numbers()
    assert ends(process)


def test_a_call_that_nobody_needs_is_killed(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    with told(path) as numbers:

        def code() -> Any:
            hanging = errands.tell(path)
            return wait(first(hanging, errands.add(numbers_there(), 1)))

        numbers_there = task(lambda: numbers()[0], name="numbers_there", executor="threads")
        workflow = on(code)
        process = workflow.run() - 1
    assert ends(process)
    assert state_of(workflow, "tell#1") == "cancelled"


def test_a_run_that_is_cancelled_kills_what_runs_and_forgets_what_waits(tmp_path: Path) -> None:
    path, mark = pipe(tmp_path), tmp_path / "mark"
    write = task(lambda: mark.touch(), name="write")
    with told(path) as numbers:
        run = on(lambda: [errands.tell(path), *[write() for _ in range(200)]], max_workers=1).start()
        (process,) = numbers()
        run.cancel()
        with pytest.raises(TaskCancelled):
            run.result(timeout=20)
    assert ends(process)
    assert Counter(str(call.state) for call in run.calls) == {"cancelled": 201}
    assert not mark.exists()


def test_a_call_that_waits_in_a_list_can_be_given_up(tmp_path: Path) -> None:
    path, log = pipe(tmp_path), tmp_path / "log"
    warm_up(errands.obstacle, path)
    warm_up(errands.note_all, str(tmp_path / "other"))
    impatient = task(errands.note_all.fn, name="note_all", timeout=Timeout(schedule_to_close=0.2))

    def code() -> Any:
        held = errands.obstacle(0, 0, path)
        behind = impatient(1, -1, str(log)), errands.note_all(2, -1, str(log))
        with pytest.raises(TaskTimeout):
            wait(behind[0])
        go_on()
        return held, behind[1]

    go_on = task(lambda: Path(path).write_text("go on"), executor="threads")
    workflow = on(code, max_workers=1)
    assert workflow.run() == (0, 2)
    assert log.read_text() == "2\n"
    assert workflow.last_run.record().call("note_all#1").started_at is None


def warm_up(what: Any, *args: Any) -> None:
    """Lets a task prove that its calls are short."""
    on(lambda: [what(x, -1, *args) for x in range(300)]).run()
    assert what.spec.durations.mean < lists.LIST_SECONDS


# -- deaths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"), [("exit", "exit code 7"), ("kill", "killed by SIGKILL"), ("abort", "killed by SIGABRT")]
)
def test_a_process_that_dies_fails_its_attempt_only(how: str, said: str) -> None:
    def code() -> Any:
        before = [errands.same(x) for x in range(10)]
        doomed = errands.die(how)
        after = [errands.same(x) for x in range(10)]
        with pytest.raises(TaskError) as caught:
            wait(doomed)
        return before, after, caught.value

    before, after, error = on(code).run()
    assert before == after == list(range(10))
    assert type(error.__cause__) is WorkerDiedError
    assert "die" in str(error.__cause__)
    assert said in str(error.__cause__)


def test_an_attempt_after_a_death(tmp_path: Path) -> None:
    again = task(errands.die.fn, name="again", retry=2)
    workflow = on(lambda: again("kill", str(tmp_path / "died")))
    assert workflow.run() == "survived"
    one, two = workflow.last_run.calls[0].tries
    assert one.worker != two.worker


def test_a_death_in_a_list_of_calls_hurts_none_of_the_others(tmp_path: Path) -> None:
    path = str(tmp_path / "log")
    on(lambda: [errands.note_all(x, -1, str(tmp_path / "other")) for x in range(300)]).run()

    def patient() -> Any:
        calls = [errands.note_all(x, 250, path) for x in range(500)]
        lost = []
        for x, call in enumerate(calls):
            try:
                assert wait(call) == x
            except TaskError:
                lost.append(x)
        return lost

    assert on(patient).run() == [250]
    assert Counter(Path(path).read_text().split()) == {str(x): 1 for x in range(500)}


def test_processes_that_cannot_start(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(TaskError) as caught:
        on(lambda: errands.same(1)).run()
    assert type(caught.value.__cause__) is FileNotFoundError


def test_processes_that_end_before_they_are_ready(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_program", lambda fds: "raise SystemExit(9)")
    with pytest.raises(TaskError) as caught:
        on(lambda: errands.same(1)).run()
    assert "before it was ready (exit code 9)" in str(caught.value.__cause__)


def test_an_error_of_the_service_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(service.Service, "_hand_out", broken)
    with pytest.raises(TaskError) as caught:
        on(lambda: [errands.same(x) for x in range(5)]).run()
    assert str(caught.value.__cause__) == "a bug"
    assert "has failed" in caplog.text


# -- lists of short calls ----------------------------------------------------------------------------------------------


def test_short_calls_go_out_in_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    send = workers.Worker.send

    def counted(self: Any, jobs: Any, *rest: Any) -> bool:
        lengths.append(len(jobs))
        return send(self, jobs, *rest)

    monkeypatch.setattr(workers.Worker, "send", counted)
    workflow = on(lambda: [errands.same(x) for x in range(2000)])
    assert workflow.run() == list(range(2000))
    assert sum(lengths) >= 2000
    assert lengths[0] == 1
    assert max(lengths) > 20
    started = Counter(e.call for e in workflow.last_run.events() if isinstance(e, CallStarted))
    succeeded = Counter(e.call for e in workflow.last_run.events() if isinstance(e, CallSucceeded))
    assert started == succeeded == dict.fromkeys(range(1, 2001), 1)
    by_worker: dict[str, list[Any]] = {}
    for call in workflow.last_run.calls:
        by_worker.setdefault(call.worker, []).append(call)
    for calls in by_worker.values():  # one at a time
        calls.sort(key=lambda call: call.started_at)
        assert all(a.finished_at <= b.started_at for a, b in itertools.pairwise(calls))


def test_a_slow_call_does_not_hold_up_those_behind_it(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    warm_up(errands.obstacle, path)

    def code() -> Any:
        calls = [errands.obstacle(x, 100, path) for x in range(400)]
        wait([call for x, call in enumerate(calls) if x != 100])
        Path(path).write_text("go on")
        return calls

    assert on(code).run() == list(range(400))


def test_calls_that_are_all_slower_than_was_thought_are_shared_out() -> None:
    def work(x: int) -> None:
        if 300 <= x < 360:  # these may well be in one list
            time.sleep(0.004)

    made = task(work)
    workflow = on(lambda: [made(x) for x in range(600)])
    workflow.run()
    assert len({call.worker for call in workflow.last_run.calls[300:360]}) == 2


def test_a_list_that_a_slow_worker_has_is_still_run_where_there_is_no_other(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    warm_up(errands.obstacle, path)

    def code() -> Any:
        return [errands.obstacle(x, 100, path) for x in range(400)], go_on(path)

    go_on = task(lambda path: Path(path).write_text("go on"), name="go_on", executor="threads")
    assert on(code, max_workers=1).run() == (list(range(400)), 5)


def test_calls_that_wait_have_not_begun(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    warm_up(errands.obstacle, path)

    def code() -> Any:
        return [errands.obstacle(x, 0, path) for x in range(50)], running_ones()

    def look() -> set[str]:
        with Path(path).open("w"):  # possible once the first call is there to read
            return {call.id for call in workflow.last_run.calls if str(call.state) == "running"}

    running_ones = task(look, name="look", executor="threads")
    workflow = on(code, max_workers=1)
    results, running = workflow.run()
    assert results == list(range(50))
    assert running <= {"obstacle#1", "look#1"}


def test_a_timeout_does_not_count_the_time_in_a_list(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    quick = task(lambda x: x, name="quick", timeout=0.5)
    warm_up_quick = on(lambda: [quick(x) for x in range(100)])
    warm_up_quick.run()

    def code() -> Any:
        held = errands.obstacle(0, 0, path)
        calls = [quick(x) for x in range(50)]
        release()
        return held, calls

    release = task(lambda: (threading.Event().wait(0.8), Path(path).write_text("go on")), executor="threads")
    assert on(code, max_workers=1).run() == (0, list(range(50)))

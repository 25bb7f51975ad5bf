"""What tasks print: each call's own, nothing lost, nothing in somebody else's, and passed on where nobody shows it."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from laboratory import Laboratory

from interactive_flow import Retry, TaskError, flow, task, wait
from interactive_flow.model.events import CallOutput, CallSucceeded, Event
from interactive_flow.model.record import OUTPUT_LIMIT
from interactive_flow.runtime.capture import captured_output
from interactive_flow.runtime.observers import set_display_provider

SOON = 20.0


@task
def says(*lines: str) -> None:
    for line in lines:
        print(line)


def test_under_its_call_and_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = flow(lambda: says("hello", "again"))
    workflow.run()
    assert workflow.last_run.calls[0].stdout == "hello\nagain\n"
    assert capsys.readouterr().out == "hello\nagain\n"


def test_standard_error_too_and_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def both() -> None:
        print("out 1")
        print("err 1", file=sys.stderr)
        sys.stdout.write("out 2\n")
        sys.stderr.writelines(["err ", "2\n"])
        print("no newline", end="")

    lab = Laboratory()
    lab.run(lambda: both())
    assert lab.call("both#1").stdout == "out 1\nerr 1\nout 2\nerr 2\nno newline"
    outputs = [(e.stream, e.text) for e in lab.last.events() if isinstance(e, CallOutput)]
    assert outputs == [
        ("stdout", "out 1\n"), ("stderr", "err 1\n"), ("stdout", "out 2\n"), ("stderr", "err 2\n"),
        ("stdout", "no newline"),
    ]  # fmt: skip
    assert capsys.readouterr() == ("out 1\nout 2\nno newline", "err 1\nerr 2\n")


class Pieces(io.StringIO):
    """A stream that notes what is written to it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.mark.parametrize("executor", ["threads", "inline", "async", "processes"])
def test_lines_are_passed_on_whole(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Pieces()
    monkeypatch.setattr(sys, "stdout", stream)

    @task
    def words(n: int) -> None:
        print(n, "and", n)
        print("rest", n, end="")

    flow(lambda: wait([words(n) for n in range(30)])).options(executor=executor, display="none").run()
    expected = [f"{n} and {n}\n" for n in range(30)] + [f"rest {n}" for n in range(30)]
    assert sorted(stream.pieces) == sorted(expected)


def test_a_line_that_a_task_leaves_open_comes_before_what_the_next_one_prints(capsys: pytest.CaptureFixture[str]):
    @task
    def begins(before: object, n: int) -> int:
        print("loading", n, end="... ")
        return n

    @task
    def ends(before: object) -> None:
        print("done")

    def chain() -> object:
        last = None
        for n in range(100):  # the later ones have proved short
            last = ends(begins(last, n))
        return last

    flow(chain).run()
    assert capsys.readouterr().out == "".join(f"loading {n}... done\n" for n in range(100))


def test_flushing_passes_on_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Pieces()
    monkeypatch.setattr(sys, "stdout", stream)

    @task
    def asks() -> None:
        print("how", "much", end="? ", flush=True)
        assert "".join(stream.pieces) == "how much? "
        print("x" * 10_000, end="")
        assert "".join(stream.pieces) == "how much? " + "x" * 10_000, "it is not kept without end"
        print("y", end="")

    flow(lambda: asks()).run()
    assert "".join(stream.pieces).endswith("xy")


def test_fifty_at_once_each_under_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    together = threading.Barrier(50)

    @task
    def chatters(n: int) -> None:
        together.wait(SOON)
        for k in range(100):
            print(f"{n}:{k}")
        together.wait(SOON)

    workflow = flow(lambda: [chatters(n) for n in range(50)]).options(max_workers=50)
    workflow.run()
    for n, call in enumerate(workflow.last_run.calls):
        assert call.stdout == "".join(f"{n}:{k}\n" for k in range(100))
    assert len(capsys.readouterr().out.splitlines()) == 5000


def test_what_workflow_code_prints_is_printed_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    def code() -> None:
        print("before")
        wait(says("in the task"))
        print("after")

    workflow = flow(code)
    workflow.run()
    assert workflow.last_run.calls[0].stdout == "in the task\n"
    assert capsys.readouterr().out == "before\nin the task\nafter\n"


def test_what_other_threads_print_meanwhile_is_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @task
    def holds() -> None:
        print("task")
        begun.set()
        assert go_on.wait(SOON)

    run = flow(lambda: holds()).start()
    assert begun.wait(SOON)
    print("somebody else")
    go_on.set()
    run.result(SOON)
    assert run.calls[0].stdout == "task\n"
    assert sorted(capsys.readouterr().out.splitlines()) == ["somebody else", "task"]


def test_logging_is_output_too() -> None:
    @task
    def complains() -> None:
        log = logging.getLogger("interactive_flow.tests.capture")
        handler = logging.StreamHandler()
        log.addHandler(handler)
        log.error("logged")
        log.removeHandler(handler)

    lab = Laboratory()
    lab.run(lambda: complains())
    assert lab.call("complains#1").stdout == "logged\n"


def test_of_handlers_that_were_there_before(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("interactive_flow.tests.before")
    log.propagate = False
    handlers = [logging.StreamHandler(), logging.StreamHandler(sys.stdout), logging.StreamHandler(io.StringIO())]
    streams = [handler.stream for handler in handlers]
    log.handlers = list(handlers)
    begun, go_on = threading.Event(), threading.Event()

    @task
    def complains() -> None:
        log.error("in the task")
        begun.set()
        assert go_on.wait(SOON)

    run = flow(lambda: complains()).start()
    assert begun.wait(SOON)
    log.error("beside it")
    go_on.set()
    run.result(SOON)
    _run_over(run)
    log.error("after it")
    log.handlers.clear()
    assert run.calls[0].stdout == "in the task\n" * 2
    assert [handler.stream for handler in handlers] == streams, "they are put back"
    out, err = capsys.readouterr()
    assert out.splitlines() == err.splitlines() == ["in the task", "beside it", "after it"]
    assert streams[2].getvalue().splitlines() == ["in the task", "beside it", "after it"]


def test_of_all_attempts_and_of_calls_that_fail() -> None:
    attempts = iter("123")

    @task(retry=Retry(attempts=3))
    def tries() -> None:
        print(next(attempts))
        raise OSError

    lab = Laboratory()
    with pytest.raises(TaskError):
        lab.run(lambda: tries())
    assert lab.call("tries#1").stdout == "1\n2\n3\n"


def test_before_the_call_is_over_in_the_stream() -> None:
    lab = Laboratory()
    lab.run(lambda: says("x"))
    kinds = [type(e) for e in lab.last.events()]
    assert kinds.index(CallOutput) < kinds.index(CallSucceeded)


def test_what_is_no_text_is_refused_as_a_stream_does() -> None:
    for wrong in (b"bytes", 5, None):
        task_ = task(lambda w=wrong: sys.stdout.write(w), name="writes")
        lab = Laboratory()
        with pytest.raises(TaskError) as caught:
            lab.run(lambda t=task_: t())
        assert isinstance(caught.value.__cause__, TypeError)
        assert lab.call("writes#1").stdout == ""


def test_it_is_bounded() -> None:
    @task
    def floods() -> None:
        for _ in range(200):
            print("x" * 9_999)

    lab = Laboratory()
    lab.run(lambda: floods())
    call = lab.call("floods#1")
    assert len(call.stdout) == OUTPUT_LIMIT
    assert call.stdout_left_out == 2_000_000 - OUTPUT_LIMIT
    kept = sum(len(e.text) for e in lab.last.events() if isinstance(e, CallOutput))
    assert kept <= 4 * OUTPUT_LIMIT, "the events do not keep it all either"


def test_streams_are_put_back_when_the_last_run_is_over() -> None:
    before = sys.stdout, sys.stderr
    begun, go_on = threading.Event(), threading.Event()

    @task
    def holds() -> None:
        begun.set()
        assert go_on.wait(SOON)

    first = flow(lambda: holds()).start()
    assert begun.wait(SOON)
    assert (sys.stdout, sys.stderr) != before
    flow(lambda: says("short")).run()
    assert (sys.stdout, sys.stderr) != before
    go_on.set()
    first.result(SOON)
    _run_over(first)
    assert (sys.stdout, sys.stderr) == before


def _run_over(run: Any) -> None:
    for thread in threading.enumerate():
        if thread.name == f"iflow-run-{run.id}":
            thread.join(SOON)


def test_somebody_who_redirects_while_a_run_ends() -> None:
    begun, go_on = threading.Event(), threading.Event()

    @task
    def holds() -> None:
        begun.set()
        assert go_on.wait(SOON)

    run = flow(lambda: holds()).start()
    assert begun.wait(SOON)
    buffer = io.StringIO()
    with contextlib.redirect_stdout(buffer):
        print("redirected")
        go_on.set()
        run.result(SOON)
        _run_over(run)
    assert buffer.getvalue() == "redirected\n"
    workflow = flow(lambda: says("once"))
    workflow.run()
    assert workflow.last_run.calls[0].stdout == "once\n"


def test_inside_a_redirection(capsys: pytest.CaptureFixture[str]) -> None:
    buffer = io.StringIO()
    workflow = flow(lambda: says("inside"))
    with contextlib.redirect_stdout(buffer):
        workflow.run()
    assert buffer.getvalue() == "inside\n"
    assert workflow.last_run.calls[0].stdout == "inside\n"
    assert capsys.readouterr().out == ""


def test_a_task_that_redirects_for_itself() -> None:
    @task
    def redirects() -> str:
        buffer = io.StringIO()
        print("kept", file=buffer)
        return buffer.getvalue()

    lab = Laboratory()
    assert lab.run(lambda: redirects()) == "kept\n"
    assert lab.call("redirects#1").stdout == ""


def test_a_run_inside_a_task_keeps_its_output_apart() -> None:
    inner = flow(lambda: says("innermost"))

    @task
    def outer() -> str:
        print("outer")
        inner.run()
        return inner.last_run.calls[0].stdout  # type: ignore[union-attr]

    workflow = flow(lambda: outer())
    assert workflow.run() == "innermost\n"
    assert workflow.last_run.calls[0].stdout.startswith("outer\n")


def test_a_stream_still_answers_what_streams_are_asked() -> None:
    @task
    def asks() -> Any:
        return sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.flush(), sys.stdout.writable()

    assert flow(lambda: asks()).run()[1:] == (False, None, True)


class Watching:
    """An observer that says whether it shows output, and sees it while the task runs."""

    interval = 0.001

    def __init__(self, shows_output: bool) -> None:
        self.shows_output = shows_output
        self.seen = threading.Event()

    def on_events(self, events: Sequence[Event]) -> None:
        if any(isinstance(e, CallOutput) for e in events):
            self.seen.set()


@pytest.mark.parametrize("shows_output", [True, False])
def test_it_is_passed_on_only_where_no_observer_shows_it(
    shows_output: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    watching = Watching(shows_output)

    @task
    def tells() -> None:
        print("text")
        assert watching.seen.wait(SOON), "an observer sees it before the task is over"

    set_display_provider(lambda run, display: watching)
    try:
        workflow = flow(lambda: tells())
        workflow.run()
    finally:
        set_display_provider(None)
    assert workflow.last_run.calls[0].stdout == "text\n"
    assert capsys.readouterr().out == ("" if shows_output else "text\n")


def test_the_stream_of_runs_is_not_given_back(capsys):
    # A print in the middle of which it was would write to what is not there any more.
    with captured_output():
        first = sys.stdout
    before = sys.stdout
    with captured_output():
        assert sys.stdout is first
    assert sys.stdout is before

"""The display in a terminal: what is written, where, and that the screen is left as it was found."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from interactive_flow import TaskError, Workflow, flow, task
from interactive_flow import terminal as terminal_module
from interactive_flow.examples import sleeping
from interactive_flow.examples.workflow import process_video
from interactive_flow.model.events import CallOutput, CallProgressed, CallStarted, Event
from interactive_flow.model.record import RunRecord
from interactive_flow.terminal import TerminalDisplay, graph_tree, progress_view
from interactive_flow.testing import DeterministicExecutor


class Screen(io.StringIO):
    """A terminal that keeps everything that was ever written to it."""

    def isatty(self) -> bool:
        return True


def console_on(file: io.StringIO) -> Console:
    return Console(file=file, width=100, color_system=None, force_terminal=file.isatty(), _environ={"TERM": "xterm"})


def written(shown: Any) -> str:
    file = io.StringIO()
    console_on(file).print(shown)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def events_of(workflow: Workflow[Any, Any], *args: Any, executor: DeterministicExecutor | None = None) -> list[Event]:
    """The events of a run on fake time."""
    executor = executor or DeterministicExecutor()
    with contextlib.suppress(TaskError):
        workflow.options(executor=executor, display="none").run(*args)
    assert workflow.last_run is not None
    return list(workflow.last_run.events())


def video_events() -> list[Event]:
    executor = DeterministicExecutor()
    workflow = process_video.inject(**sleeping.tasks(executor.clock.sleep))
    return events_of(workflow, "talk.mp4", "talk.srt", executor=executor)


def until(events: list[Event], at: float) -> RunRecord:
    return RunRecord([event for event in events if event.at <= at])


@task
def shout(text: str) -> str:
    print(f"hear, {text}", end="")
    print("!\n10 %\r100 % [bold]")
    return text


@task
def fail(n: int) -> None:
    raise OSError(f"[bold]no[/bold] {n}")


@task
def add(*numbers: int) -> int:
    return sum(numbers)


class TestProgressView:
    def test_the_end(self) -> None:
        lines = written(progress_view(until(video_events(), 99.0))).splitlines()
        assert lines[0] == "✓ process_video succeeded 10/10 done · 1.50 s"
        bar = "━" * terminal_module.BAR_WIDTH
        assert lines[1:] == [
            f" ✓ embed_subtitles   {bar} 1/1 500 ms",
            f" ✓ encode_video      {bar} 3/3 1.00 s each",
            f" ✓ analyze_subtitles {bar} 1/1 0 s",
            f" ✓ target_ads        {bar} 1/1 800 ms",
            f" ✓ find_chapters     {bar} 1/1 500 ms",
            f" ✓ extract_thumbnail {bar} 3/3 300 ms each",
        ]

    def test_on_the_way(self) -> None:
        # After 0.3 s: the code waits for the chapters, so the thumbnails are not known yet.
        lines = written(progress_view(until(video_events(), 0.35))).splitlines()
        assert lines[0].startswith("◐ process_video running 1/7 done so far · ")
        assert "◐ embed_subtitles" in lines[1]
        assert "0/1 1 running" in lines[1]
        assert 0 < lines[1].count("━") < terminal_module.BAR_WIDTH
        assert "○ encode_video" in lines[2]
        assert "0/3" in lines[2]
        assert lines[-1].startswith("  ║ the code waits for find_chapters#1 (workflow.py:")

    def test_messages_of_running_tasks(self) -> None:
        @task
        def slow() -> None: ...

        @flow
        def one() -> Any:
            return slow()

        events = events_of(one)
        (started,) = (n for n, event in enumerate(events) if isinstance(event, CallStarted))
        record = RunRecord([*events[: started + 1], CallProgressed(0.0, 1, 0.5, "[pass] 2")])
        assert "0/1 1 running · [pass] 2" in written(progress_view(record))

    def test_errors_are_told_as_they_are_written(self) -> None:
        @flow
        def one() -> Any:
            return [add(1), fail(1)]

        text = written(progress_view(RunRecord(events_of(one))))
        assert text.startswith("✗ one failed 1/2 done · 1 failed · ")
        assert "✗ fail" in text
        assert text.endswith("  ✗ fail#1: OSError: [bold]no[/bold] 1")

    def test_many_errors_are_counted(self) -> None:
        @flow
        def many() -> Any:
            return [str(wait_for(fail(n))) for n in range(8)]

        def wait_for(placeholder: Any) -> Any:
            try:
                return placeholder + 1
            except TaskError as error:
                return error

        text = written(progress_view(RunRecord(events_of(many))))
        assert text.count("OSError") == terminal_module.ERRORS_SHOWN
        assert text.endswith("  … and 3 more errors")

    def test_errors_of_the_code_itself(self) -> None:
        @flow
        def broken() -> Any:
            raise LookupError("lost")

        with pytest.raises(LookupError):
            broken.options(display="none").run()
        assert broken.last_run is not None
        assert "LookupError('lost')" in written(progress_view(broken.last_run.record()))


class TestGraphTree:
    def test_the_video_workflow(self) -> None:
        tree = written(graph_tree(RunRecord(video_events())))
        barrier = tree.splitlines()[8].strip()
        assert barrier.startswith("└── ║ barrier at workflow.py:")
        assert barrier.endswith(", waited 500 ms")
        assert tree.replace(barrier, "└── ║ barrier") == (
            "process_video\n"
            "├── ✓ embed_subtitles  500 ms\n"
            "│   ├── ✓ encode_video #1  1.00 s\n"
            "│   ├── ✓ encode_video #2  1.00 s\n"
            "│   └── ✓ encode_video #3  1.00 s\n"
            "├── ✓ analyze_subtitles  0 s\n"
            "│   └── ✓ target_ads  800 ms\n"
            "└── ✓ find_chapters  500 ms\n"
            "    └── ║ barrier\n"
            "        ├── ✓ extract_thumbnail #1  300 ms\n"
            "        ├── ✓ extract_thumbnail #2  300 ms\n"
            "        └── ✓ extract_thumbnail #3  300 ms"
        )

    def test_several_dependencies(self) -> None:
        @flow
        def diamond() -> Any:
            top = add(1)
            return add(add(top, 1), top)

        assert written(graph_tree(RunRecord(events_of(diamond)))) == (
            "diamond\n└── ✓ add #1  0 s\n    └── ✓ add #2  0 s\n        └── ✓ add #3  0 s  after add #1"
        )

    def test_sub_workflows_hold_their_calls(self) -> None:
        @flow
        def inner(n: int) -> Any:
            return add(n, 1)

        @flow
        def outer() -> Any:
            return add(inner(1), 1)

        lines = written(graph_tree(RunRecord(events_of(outer)))).splitlines()
        assert lines == ["outer", "├── ✓ inner  0 s", "│   └── ✓ add  0 s", "└── ✓ add  0 s  after inner"]

    def test_many_calls_are_one_line_even_in_a_circle(self) -> None:
        @flow
        def chain() -> Any:
            number = add(0)
            for _ in range(200):
                number = add(number, 1)
            return number

        assert written(graph_tree(RunRecord(events_of(chain)))) == "chain\n└── ✓ add  201 calls, 0 s each"

    def test_states_are_words_too(self) -> None:
        @flow
        def one() -> Any:
            return add(fail(1), 1)

        lines = written(graph_tree(RunRecord(events_of(one)))).splitlines()
        assert lines == ["one", "└── ✗ fail  0 s failed", "    └── ✗ add   failed"]


class TestWithoutAScreen:
    def test_only_the_last_state_is_written(self) -> None:
        file = io.StringIO()
        display = TerminalDisplay(console_on(file), live=False)
        assert not display.shows_output
        events = video_events()
        for n in range(0, len(events) - 1, 5):
            display.on_events(events[n : min(n + 5, len(events) - 1)])
        assert file.getvalue() == ""
        display.on_events(events[-1:])
        assert file.getvalue().startswith("✓ process_video succeeded")
        assert "\x1b" not in file.getvalue()

    def test_a_run_asks_for_it_by_name(self, capsys: pytest.CaptureFixture[str]) -> None:
        @flow
        def greet() -> Any:
            return shout("hear")

        assert greet.options(display="terminal").run() == "hear"
        captured = capsys.readouterr()
        assert captured.out == "hear, hear!\n10 %\r100 % [bold]\n"
        assert captured.err.startswith("✓ greet succeeded 1/1 done")

    def test_where_there_is_nothing_but_ascii(self) -> None:
        @task
        def flops() -> None:
            raise ValueError("Übel… ✓")

        @flow
        def greet() -> Any:
            return [shout("one"), flops()]

        raw = io.BytesIO()
        file = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
        TerminalDisplay(Console(file=file, width=80), live=False).on_events(events_of(greet))
        file.flush()
        lines = [line.rstrip() for line in raw.getvalue().decode("ascii").splitlines()]
        assert lines[0].startswith("x greet failed 1/2 done - 1 failed - ")
        assert lines[1].startswith(" + shout ----")
        assert lines[2].startswith(" x flops ----")
        assert lines[3] == "  x flops#1: ValueError: ?bel~ +"

    @pytest.mark.parametrize("width", [20, 30, 200])
    def test_in_any_width(self, width: int) -> None:
        file = io.StringIO()
        TerminalDisplay(Console(file=file, width=width), live=False).on_events(video_events())
        lines = file.getvalue().splitlines()
        assert max(map(len, lines)) <= width
        assert "\x1b" not in file.getvalue()
        assert lines[0].startswith("✓ ")

    def test_a_dumb_terminal_is_no_screen(self) -> None:
        console = Console(file=Screen(), force_terminal=True, _environ={"TERM": "dumb"})
        assert not TerminalDisplay(console, live=True).shows_output


@contextlib.contextmanager
def one_screen() -> Iterator[Screen]:
    """Both standard streams are one screen; at the end they have to be as they were."""
    screen = Screen()
    # Not a fixture: pytest puts streams of its own in place when the test begins.
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        yield screen
        assert sys.stdout is screen
        assert sys.stderr is screen


def shouting_events() -> list[Event]:
    @flow
    def greet() -> Any:
        return [shout("one"), shout("two")]

    return events_of(greet)


SHOW_CURSOR = "\x1b[?25h"


def display_on(screen: Screen) -> TerminalDisplay:
    return TerminalDisplay(console_on(screen), live=True)


class TestOnAScreen:
    def test_it_draws_as_things_happen(self) -> None:
        events = video_events()
        with one_screen() as screen:
            display = display_on(screen)
            display.on_events(events[:8])
            assert "process_video running" in screen.getvalue()
            display.on_events([])
            display.on_events(events[8:])
        assert "process_video succeeded 10/10" in screen.getvalue()
        assert screen.getvalue().endswith(SHOW_CURSOR)

    def test_a_quick_run_never_moves_the_cursor(self) -> None:
        with one_screen() as screen:
            display_on(screen).on_events(video_events())
        assert screen.getvalue().startswith("✓ process_video succeeded")
        assert "\x1b" not in screen.getvalue()

    def test_output_stands_above_in_whole_lines_with_its_call(self) -> None:
        events = shouting_events()
        with one_screen() as screen:
            display = display_on(screen)
            assert display.shows_output
            for event in events:
                display.on_events([event])
        text = screen.getvalue()
        for expected in ("shout#1 │ hear, one!\n", "shout#2 │ hear, two!\n", "shout#1 │ 100 % [bold]\n"):
            assert text.count(expected) == 1
        assert "│ 10 %" not in text

    def test_a_line_without_an_end_is_shown_when_its_task_ends(self) -> None:
        events = shouting_events()
        output = next(n for n, event in enumerate(events) if isinstance(event, CallOutput))
        pieces = [CallOutput(0.0, 1, "stdout", "to be "), CallOutput(0.0, 1, "stdout", "or not")]
        with one_screen() as screen:
            display = display_on(screen)
            display.on_events([*events[:output], *pieces])
            assert "to be" not in screen.getvalue()
            display.on_events([event for event in events[output:] if not isinstance(event, CallOutput)])
        assert screen.getvalue().count("shout#1 │ to be or not\n") == 1

    def test_what_the_program_prints_stands_above(self) -> None:
        events = video_events()
        with one_screen() as screen:
            display = display_on(screen)
            display.on_events(events[:3])
            print("from the", end=" ")
            assert "from the" not in screen.getvalue()
            print("program")
            print("careful", file=sys.stderr)
            assert "from the program\n" in screen.getvalue()
            assert "careful\n" in screen.getvalue()
            kept = sys.stdout
            print("unfinished", end="")
            display.on_events(events[3:])
            assert screen.getvalue().endswith("unfinished")
            print(", and later", file=kept)
        assert screen.getvalue().endswith("unfinished, and later\n")

    def test_streams_replaced_meanwhile_are_left_alone(self) -> None:
        events = video_events()
        with one_screen() as screen:
            display = display_on(screen)
            display.on_events(events[:3])
            sys.stdout, ours = io.StringIO(), sys.stdout
            display.on_events(events[3:])
            assert sys.stdout is not screen
            sys.stdout = ours
            print("put back", flush=True)
            assert screen.getvalue().endswith("put back\n")
            sys.stdout = screen

    def test_two_runs_do_not_share_a_screen(self) -> None:
        events = video_events()
        with one_screen() as screen:
            first = display_on(screen)
            first.on_events(events[:3])
            assert not display_on(screen).shows_output
            first.on_events(events[3:])
            never_used = display_on(screen)
            assert never_used.shows_output
            del never_used
            assert display_on(screen).shows_output

    def test_whatever_goes_wrong_the_screen_is_given_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def break_down(*_: object) -> None:
            raise RuntimeError("no picture")

        events = video_events()
        with one_screen() as screen:
            display = display_on(screen)
            display.on_events(events[:3])
            monkeypatch.setattr(terminal_module, "progress_view", break_down)
            with pytest.raises(RuntimeError, match="no picture"):
                display.on_events(events[3:5])
            assert screen.getvalue().endswith(SHOW_CURSOR)
            assert display_on(screen).shows_output

    def test_a_whole_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        drawn = threading.Event()

        class Watched(Screen):
            def write(self, text: str) -> int:
                if "running" in text:
                    drawn.set()
                return super().write(text)

        @task
        def wait_to_be_drawn() -> bool:
            return drawn.wait(30)

        @flow
        def greet() -> Any:
            print("the code speaks")
            return [shout("one"), wait_to_be_drawn()]

        with contextlib.redirect_stdout(Watched()) as screen, contextlib.redirect_stderr(screen):
            assert greet.options(display="terminal").run() == ["one", True]
            assert sys.stdout is screen
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
        assert text.startswith("the code speaks\n")
        assert text.count("shout#1 │ hear, one!\n") == 1
        assert "greet succeeded 2/2 done" in text

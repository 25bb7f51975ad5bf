"""The plain text twin."""

from __future__ import annotations

import pytest
from view_streams import SAMPLES, Stream, many, troubled, video

from interactive_flow.model.states import RunStatus
from interactive_flow.views.text import text_snapshot


def test_a_run_that_is_over() -> None:
    assert text_snapshot(video().record()) == (
        "process_video  ✓ succeeded  in 2.50 s                                   r-2f9c\n"
        "██████████████████████████████  9 of 9 calls done\n"
        "  embed_subtitles    ████████████  1/1  499 ms\n"
        "  encode_video       ████████████  3/3  1.00 s each\n"
        "  find_chapters      ████████████  1/1  599 ms\n"
        "  extract_thumbnail  ████████████  4/4  200 ms each\n"
        "result: (['out.mp4', 'out.webm', 'out.mov'], ['…', '…', '…', '…'])"
    )


def test_a_run_half_way() -> None:
    assert text_snapshot(video(1.0).record()) == (
        "process_video  ◐ running  for 900 ms                                    r-2f9c\n"
        "██████▒▒▒▒▒▒▒·················  2 of 9 calls done\n"
        "◐ 2 running  ◎ 5 ready\n"
        "  embed_subtitles    ████████████  1/1  499 ms\n"
        "  encode_video       ▒▒▒▒▒▒▒▒····  0/3  ◐ 2 running\n"
        "    ◐ encode_video#1: 40% frame 120 of 300\n"
        "  find_chapters      ████████████  1/1  599 ms\n"
        "  extract_thumbnail  ············  0/4"
    )


def test_errors_and_what_was_given_up() -> None:
    lines = text_snapshot(troubled().record()).splitlines()
    assert lines[0].startswith("publish  ✗ failed  in 1.40 s")
    assert "✗ fetch#3: ValueError: <script>alert('no')</script> & more" in lines
    assert "◷ fetch#4: no answer within 1 s" in lines
    assert "⊘ cancelled: thumbnail#1, thumbnail#2" in lines
    assert not any("parse#3:" in line for line in lines)  # it only received the error


def test_an_error_of_the_workflow_itself() -> None:
    s = Stream()
    s.finish(RunStatus.FAILED, error=ZeroDivisionError("no\nway"))
    assert text_snapshot(s.record()).splitlines()[-1] == "✗ ZeroDivisionError: no way"


def test_a_cancelled_run() -> None:
    s = Stream()
    s.call("work")
    s.cancel(1, "run cancelled")
    s.finish(RunStatus.CANCELLED, error=KeyboardInterrupt())
    lines = text_snapshot(s.record()).splitlines()
    assert lines[0].startswith("process_video  ⊘ cancelled")
    assert lines[-1] == "⊘ cancelled: work#1"


@pytest.mark.parametrize("width", [40, 78, 120])
@pytest.mark.parametrize("name", SAMPLES)
def test_no_line_is_longer_than_it_may_be(name: str, width: int) -> None:
    lines = text_snapshot(SAMPLES[name]().record(), width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


def test_there_is_always_a_little_of_what_there_is() -> None:
    lines = text_snapshot(many(10_000, 5).record()).splitlines()
    assert lines[1].startswith("█▒·")

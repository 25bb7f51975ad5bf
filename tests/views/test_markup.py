"""Texts made fit for markup and for people."""

from __future__ import annotations

import pytest

from interactive_flow.views.markup import (
    clean,
    counted,
    element,
    escape,
    grouped,
    one_line,
    plain_output,
    seconds,
    short_id,
)


def test_escaping() -> None:
    assert escape("<a href='x'>\"&\x00\ud800") == "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\ufffd\ufffd"
    assert clean("tab\tline\nü😀") == "tab\tline\nü😀"


def test_elements() -> None:
    assert element("p", "x", class_="a b", data_node='"', hidden=None) == '<p class="a b" data-node="&quot;">x</p>'


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("10 %\r20 %\n", "20 %\n"),
        ("10 %\r\n20 %\r\n", "10 %\n20 %\n"),
        ("\x1b[31mred\x1b[0m \x1b[1;32mgreen", "red green"),
        ("\x1b]0;title\x07text", "text"),
        ("step 1\rstep 2\r", "step 2\r"),
        ("plain", "plain"),
    ],
)
def test_output_as_a_terminal_leaves_it(printed: str, shown: str) -> None:
    assert plain_output(printed) == shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"), (0.00042, "0.42 ms"), (0.0513, "51 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (1.016, "1.02 s"),
        (9.999, "10.0 s"), (59.96, "1 min 00 s"), (75, "1 min 15 s"), (3_599.7, "1 h 00 min"), (4_000, "1 h 06 min"),
        (-1, "0 s"), (float("nan"), "0 s"), (float("inf"), "0 s"),
    ],
)  # fmt: skip
def test_lengths_of_time(value: float, text: str) -> None:
    assert seconds(value) == text


def test_numbers() -> None:
    assert (counted(1, "call"), counted(2, "call"), counted(2, "more", "more")) == ("1 call", "2 calls", "2 more")
    assert grouped(1_234_567) == "1\u202f234\u202f567"


def test_shortening() -> None:
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x" * 500, 10) == "x" * 9 + "…"
    deep = "/".join(f"level#{i}" for i in range(100))
    assert len(short_id(deep)) == 72
    assert short_id(deep).endswith("level#99")
    assert short_id("encode_video#2") == "encode_video#2"

"""Frames survive whatever pieces a pipe cuts them into."""

from __future__ import annotations

import os
import threading

from hypothesis import given
from hypothesis import strategies as st

from interactive_flow.executors import wire


@given(bodies=st.lists(st.binary(max_size=60)), cuts=st.lists(st.integers(1, 50), min_size=1))
def test_frames_in_pieces(bodies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(wire.NEWS.pack(len(body), n % 8, n, -n) + body for n, body in enumerate(bodies))
    frames = wire.Frames(wire.NEWS)
    received, position, turn = [], 0, 0
    while position < len(data):
        step = cuts[turn % len(cuts)]
        received += frames.feed(data[position : position + step])
        position, turn = position + step, turn + 1
    assert received == [((len(body), n % 8, n, -n), body) for n, body in enumerate(bodies)]


def test_writing_more_than_a_pipe_holds() -> None:
    reading, writing = os.pipe()
    data = os.urandom(1_000_000)
    writer = threading.Thread(target=lambda: (wire.write_all(writing, data), os.close(writing)))
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == data
    writer.join()

"""The longest chain of calls that had to follow one another."""

from __future__ import annotations

import pytest
from view_streams import Stream, nested, video

from interactive_flow.model.states import CallKind
from interactive_flow.views.critical import critical_path


def run(s: Stream, call: int, length: float, worker: str = "worker-1") -> None:
    s.start(call, worker)
    s.now += length
    s.succeed(call)


def test_through_data() -> None:
    s = Stream()
    a = s.call("a")
    b, c = s.call("b", a), s.call("c", a)
    d = s.call("d", b, c)
    for call, length in ((a, 1.0), (b, 2.0), (c, 3.0), (d, 1.0)):
        run(s, call, length)
    length, ids = critical_path(s.record())
    assert length == pytest.approx(5.0)  # although the run, one after the other, took 7 s
    assert ids == ["a#1", "c#1", "d#1"]


def test_through_barriers() -> None:
    s = Stream()
    slow, quick = s.call("slow"), s.call("quick")
    s.enter(slow)
    run(s, slow, 4.0)
    s.leave()
    after = s.call("after")  # has none of its data, but could not be made earlier
    s.enter(quick)
    run(s, quick, 1.0)
    s.leave()
    last = s.call("last")
    run(s, after, 1.0)
    run(s, last, 2.0)
    length, ids = critical_path(s.record())
    assert length == pytest.approx(6.0)
    assert ids == ["slow#1", "last#1"]  # the earlier barrier holds for what comes later, too


def test_the_video_workflow() -> None:
    length, ids = critical_path(video().record())
    assert length == pytest.approx(1.499)
    assert ids == ["embed_subtitles#1", "encode_video#1"]


def test_through_sub_workflows_and_what_follows_them() -> None:
    length, ids = critical_path(nested().record())
    assert ids == ["load#1", "resize#1/read_size#1", "resize#1/scale#1", "contact_sheet#1"]
    assert length == pytest.approx(0.2 + 0.3 + 0.4 + 0.5)


def test_a_combinator_follows_only_what_it_waited_for() -> None:
    s = Stream()
    quick, slow = s.call("quick"), s.call("slow")
    first = s.call("first", quick, slow, kind=CallKind.COMBINATOR)
    after = s.call("after", first)
    s.start(quick)
    s.start(slow, "worker-2")
    s.now = 1.0
    s.succeed(quick)
    s.succeed(first)
    run(s, after, 2.0)
    s.now = 2.9
    s.succeed(slow)
    assert critical_path(s.record()) == (pytest.approx(3.0), ["quick#1", "after#1"])


def test_all_attempts_count_but_not_the_waiting_between_them() -> None:
    s = Stream()
    call = s.call("work")
    s.start(call)
    s.now = 1.0
    s.retry(call, delay=5)
    s.now = 6.0
    s.start(call)
    s.now = 8.0
    s.succeed(call)
    assert critical_path(s.record())[0] == pytest.approx(3.0)


def test_running_calls_count_up_to_now() -> None:
    s = Stream()
    s.start(s.call("work"))
    s.now = 2.0
    s.call("other")
    assert critical_path(s.record())[0] == pytest.approx(2.0)


def test_a_long_chain_needs_no_deep_stack() -> None:
    s = Stream()
    before: list[int] = []
    for _ in range(5_000):
        before = [s.call("step", *before)]
        run(s, before[0], 0.001)
    length, ids = critical_path(s.record())
    assert length == pytest.approx(5.0)
    assert len(ids) == 5_000


def test_nothing() -> None:
    assert critical_path(Stream().record()) == (0.0, [])

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interactive_flow.notebook.pace import Allowance, Pace


def test_the_first_time_is_always_due():
    assert Pace(interval=100, share=0.01).due(0.0)


def test_cheap_work_keeps_the_interval():
    pace = Pace(interval=0.5, share=0.5)
    pace.worked(10.0, took=0.001)
    assert not pace.due(10.499)
    assert pace.due(10.5)


@given(
    interval=st.floats(0, 2),
    share=st.floats(0.01, 1),
    costs=st.lists(st.floats(0, 5), min_size=1, max_size=20),
)
def test_work_never_takes_more_than_its_share(interval, share, costs):
    """Whoever works as soon as it is due has worked for at most `share` of the time, whatever the costs."""
    pace = Pace(interval, share)
    now = spent = 0.0
    for cost in costs:
        assert pace.due(now)
        pace.worked(now, cost)
        spent += cost
        now += max(interval, cost / share)
        now += 1e-6  # rounding
    assert spent <= share * now


def test_after_a_silence_much_may_be_sent_at_once():
    allowance = Allowance(rate=100, burst=500)
    for size in (200, 200, 200):
        assert allowance.due(10.0)
        allowance.spend(10.0, size)
    assert not allowance.due(10.9)
    assert allowance.due(11.1)
    assert allowance.due(1000.0)
    allowance.spend(1000.0, 501)
    assert not allowance.due(1000.0), "a long silence saves up no more than the burst"


@given(
    rate=st.floats(1, 1e6),
    burst=st.floats(1, 1e6),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 10**6)), min_size=1, max_size=30),
)
def test_what_is_sent_never_exceeds_the_allowance(rate, burst, steps):
    """Whoever sends only when it is due has sent no more than rate and burst allow, but for the last piece."""
    allowance = Allowance(rate, burst)
    now = sent = 0.0
    for wait, size in steps:
        now += wait
        if allowance.due(now):
            assert sent <= (burst + rate * now) * (1 + 1e-9)
            allowance.spend(now, size)
            sent += size

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interactive_flow.notebook.pace import Pace


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

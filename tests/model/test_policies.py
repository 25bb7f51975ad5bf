"""Retry and timeout policies as data."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interactive_flow import Retry, Timeout

TIMEOUTS = ("start_to_close", "schedule_to_start", "schedule_to_close", "heartbeat")
not_negative = st.floats(0, 1e9)


def test_no_policy_is_one_attempt_without_limits() -> None:
    assert Retry.of(None) == Retry() == Retry(attempts=1)
    assert Timeout.of(None) == Timeout()
    assert [getattr(Timeout(), name) for name in TIMEOUTS] == [None] * 4


@pytest.mark.parametrize(
    ("given_", "policy"),
    [
        (3, Retry(attempts=3)),
        ((0, 1, 5), Retry(delays=(0.0, 1.0, 5.0))),
        ([0.5], Retry(delays=(0.5,))),
        (Retry(attempts=2, delay=1), Retry(attempts=2, delay=1)),
    ],
)
def test_short_forms_of_retry(given_: Any, policy: Retry) -> None:
    assert Retry.of(given_) == policy


@pytest.mark.parametrize(
    ("given_", "policy"),
    [
        (5, Timeout(start_to_close=5)),
        (0.5, Timeout(start_to_close=0.5)),
        (Timeout(heartbeat=2), Timeout(heartbeat=2)),
        (math.inf, Timeout(start_to_close=math.inf)),
    ],
)
def test_short_forms_of_timeout(given_: Any, policy: Timeout) -> None:
    assert Timeout.of(given_) == policy


@pytest.mark.parametrize("given_", [True, "3", 2.5, {}, object(), [], (), {1, 2}, [None]])
def test_what_is_no_retry(given_: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Retry.of(given_)


@pytest.mark.parametrize("given_", [True, False, "3", {}, object(), [1], (1,)])
def test_what_is_no_timeout(given_: Any) -> None:
    with pytest.raises(TypeError, match="expected a Timeout"):
        Timeout.of(given_)


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0}, {"attempts": -1}, {"delay": -1}, {"backoff": -0.5}, {"delays": (1, -1)}, {"delay": math.nan},
        {"backoff": math.nan}, {"delays": (math.nan,)},
    ],
)  # fmt: skip
def test_retries_out_of_range(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Retry"):
        Retry(**options)


@pytest.mark.parametrize("name", TIMEOUTS)
@pytest.mark.parametrize("seconds", [0, -1, -0.0, math.nan, -math.inf])
def test_timeouts_are_positive(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=name):
        Timeout(**{name: seconds})


@given(st.integers(1, 50), not_negative, st.floats(0, 10))
def test_delays_grow_by_the_backoff(attempts: int, delay: float, backoff: float) -> None:
    policy = Retry(attempts=attempts, delay=delay, backoff=backoff)
    assert policy.wait_before(1) == 0
    if attempts > 1:
        assert policy.wait_before(2) == delay
    for n in range(3, attempts + 1):
        assert policy.wait_before(n) == pytest.approx(policy.wait_before(n - 1) * backoff)


@given(st.lists(not_negative, min_size=1))
def test_delays_that_are_listed(delays: list[float]) -> None:
    policy = Retry.of(delays)
    assert policy.attempts == len(delays)
    assert [policy.wait_before(n + 1) for n in range(len(delays))] == delays


@given(st.integers(1, 100_000), not_negative, st.floats(0, 1e6), st.data())
def test_there_is_always_some_delay_however_many_attempts(
    attempts: int, delay: float, backoff: float, data: Any
) -> None:
    policy = Retry(attempts=attempts, delay=delay, backoff=backoff)
    assert policy.wait_before(data.draw(st.integers(1, attempts))) >= 0


@pytest.mark.parametrize("policy", [Retry(3), Timeout(1)])
def test_policies_are_values(policy: Any) -> None:
    assert dataclasses.replace(policy) == policy
    assert hash(dataclasses.replace(policy)) == hash(policy)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(policy, dataclasses.fields(policy)[0].name, 3)


def test_exceptions_worth_a_retry_in_any_form() -> None:
    assert Retry(on=OSError).on == Retry(on=[OSError]).on == Retry(on=(OSError,)).on == (OSError,)
    assert Retry(on=()).on == ()

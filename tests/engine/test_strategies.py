"""Strategies: code that is resumed, code that is run again and ``async`` code give the same run.

"The same" is every event with all its fields, in the same order, and the same outcome.  Only this may differ:

- the run's id and the time of day (`RunStarted.run`, `.wall`), which differ from run to run;
- between plain and ``async`` code, where it stands in the source: the sites of calls and barriers, and what
  `RunStarted` says of the source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from laboratory import Laboratory, check_stream
from programs import Expression, Interpreter, orderless, programs

from interactive_flow import TaskError, flow, restart
from interactive_flow.engine.durations import forget_durations
from interactive_flow.engine.placeholder import Placeholder, call_of
from interactive_flow.model.events import Event, RunStarted


def described(value: Any) -> Any:
    """A value such that those of two runs can be compared: a placeholder is its call, an error is what it says."""
    if type(value) is Placeholder:
        return ("placeholder", call_of(value).id)
    if isinstance(value, BaseException):
        return (type(value), str(value), described(value.__cause__))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return (type(value), [described(getattr(value, field.name)) for field in dataclasses.fields(value)])
    if isinstance(value, dict):
        return {key: described(x) for key, x in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return (type(value), [described(x) for x in value])
    return type(value) if isinstance(value, Iterator) else value


def told(event: Event, with_sites: bool) -> Any:
    """Everything an event says that must not depend on the strategy."""
    if isinstance(event, RunStarted):
        event = event._replace(run="", wall=0.0)
        if not with_sites:
            event = event._replace(source=None, file=None, first_line=0)
    elif not with_sites and "site" in event._fields:
        event = event._replace(site=None)  # type: ignore[call-arg]
    return described(event)


class Seen(NamedTuple):
    """What came of a run."""

    outcome: Any
    calls: list[str]
    events: list[Event]
    errors: list[TaskError]

    def told(self, with_sites: bool) -> Any:
        return self.outcome, self.calls, [told(event, with_sites) for event in self.events]


class Setting(NamedTuple):
    """Where a program runs.

    Attributes:
        workers: how many.
        ties: chooses among what finishes at the same time.
        restarts: how often the run begins again.
        cancelled_after: at which sleep of a task the run is cancelled; None for never.
        rate_limit: how many attempts begin in a second; None for no bound.
    """

    workers: int = 16
    ties: int = 0
    restarts: int = 0
    cancelled_after: int | None = None
    rate_limit: float | None = None


def seen(program: Expression, strategy: str, awaits: bool, setting: Setting) -> Seen:
    """Runs a program in virtual time."""
    forget_durations()
    lab = Laboratory(setting.workers, ties=setting.ties)
    sleeps = iter(range(1_000_000))

    def sleep(time: float) -> None:
        lab.clock.sleep(time)
        if next(sleeps) == setting.cancelled_after:
            lab.last.cancel()

    interpreter = Interpreter(sleep, awaits=awaits)

    async def body(left: int, *names: Any) -> Any:
        value = await interpreter(program, names)
        return restart(left - 1, value) if left else value

    workflow = lab.ready(flow(interpreter.code(body), name="program")).options(
        strategy=strategy, rate_limit=setting.rate_limit
    )
    run = lab.last = workflow._new_run((setting.restarts,), {})
    run.drive()
    outcome = described(outcome_of(run.result))
    if run.status == "cancelled":
        outcome = run.status  # the error names the run
    events = list(run.events())
    check_stream(events, setting.workers)
    return Seen(outcome, [call.id for call in run.calls], events, run.errors)


def outcome_of(function: Callable[[], Any]) -> Any:
    """A value, or the error."""
    try:
        return function()
    except Exception as error:
        return error.with_traceback(None)


def in_sequence(program: Expression, awaits: bool) -> Any:
    """The program as ordinary Python."""
    interpreter = Interpreter(lambda time: None, awaits=awaits, sequential=True)

    async def body() -> Any:
        return await interpreter(program)

    return flow(interpreter.code(body), name="program").sequential()


settings_ = st.builds(
    Setting,
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from([0, 0, 0, 1, 2]),
    st.one_of(st.none(), st.none(), st.integers(0, 12)),
    st.sampled_from([None, None, None, 1.5]),
)


@settings(max_examples=400)
@given(programs, settings_)
def test_every_strategy_gives_the_same_run(program: Expression, setting: Setting) -> None:
    resumed = seen(program, "resume", False, setting)
    replayed = seen(program, "replay", False, setting)
    assert replayed.told(with_sites=True) == resumed.told(with_sites=True)
    awaited = seen(program, "resume", True, setting)
    assert awaited.told(with_sites=False) == resumed.told(with_sites=False)
    awaited_again = seen(program, "replay", True, setting)
    assert awaited_again.told(with_sites=True) == awaited.told(with_sites=True)


@settings(max_examples=300)
@given(orderless, st.integers(1, 6), st.integers(0, 3), st.sampled_from(["resume", "replay"]), st.booleans())
def test_without_errors_the_value_is_that_of_ordinary_python(
    program: Expression, workers: int, ties: int, strategy: str, awaits: bool
) -> None:
    run = seen(program, strategy, awaits, Setting(workers, ties))
    if isinstance(run.outcome, int) and not run.errors:
        value = in_sequence(program, awaits)
        assert (type(value), value) == (int, run.outcome)

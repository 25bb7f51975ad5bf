"""The nine examples in virtual time: their results, and exactly how long they take."""

from __future__ import annotations

import pytest
from laboratory import Laboratory, names

from interactive_flow.examples.nine import NINE, square_or_add
from interactive_flow.model.states import CallKind


@pytest.mark.parametrize("name", NINE)
def test_result_and_time(name: str) -> None:
    expected = NINE[name]
    lab = Laboratory(workers=8)
    assert lab.run(expected.workflow.inject(compute=square_or_add(lab.clock.sleep))) == expected.result
    assert lab.seconds == expected.units
    assert lab.ignored == []


@pytest.mark.parametrize("name", NINE)
def test_sequential_result(name: str) -> None:
    slept: list[float] = []
    workflow = NINE[name].workflow.inject(compute=square_or_add(slept.append))
    assert workflow.sequential() == NINE[name].in_sequence
    assert slept


@pytest.mark.parametrize("name", NINE)
def test_with_one_worker_only_the_time_differs(name: str) -> None:
    expected = NINE[name]
    lab = Laboratory(workers=1)
    results = {expected.result, expected.in_sequence}
    assert lab.run(expected.workflow.inject(compute=square_or_add(lab.clock.sleep))) in results
    assert lab.seconds >= expected.units


@pytest.mark.parametrize("executor", ["threads", "inline"])
@pytest.mark.parametrize("name", NINE)
def test_result_on_a_real_executor(name: str, executor: str) -> None:
    expected = NINE[name]
    workflow = expected.workflow.inject(compute=square_or_add(lambda units: None)).options(executor=executor)
    result = workflow.run()
    if name in ("WaitFirst", "WaitFirstTwo"):  # which of them is first is up to the threads here
        assert result in ({1, 4, 9, 16} | {x + y for x in (1, 4, 9, 16) for y in (1, 4, 9, 16)})
    else:
        assert result == expected.result


def test_what_was_called() -> None:
    lab = Laboratory(workers=8)
    lab.run(NINE["ParallelMapReduce"].workflow.inject(compute=square_or_add(lab.clock.sleep)))
    record = lab.last.record()
    assert names(record) == ["compute"] * 11, "six squares and five additions"
    assert names(record, CallKind.COMBINATOR) == ["parallel_reduce"]
    assert names(record, CallKind.WORKFLOW) == ["lambda"] * 5


def test_what_was_not_needed() -> None:
    lab = Laboratory(workers=8)
    lab.run(NINE["WaitFirst"].workflow.inject(compute=square_or_add(lab.clock.sleep)))
    states = {call.number: (call.state, call.reason) for call in lab.last.calls if call.name == "compute"}
    assert states == {
        1: ("cancelled", "not needed"),
        2: ("succeeded", None),
        3: ("cancelled", "not needed"),
        4: ("cancelled", "not needed"),
    }

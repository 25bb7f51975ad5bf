"""What is told of workflow code before it runs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from interactive_flow import WorkflowCodeWarning, flow, task, workflow
from interactive_flow.authoring.check import findings


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("if x is None: pass", "write wait(x) is"),
        ("x is not None", "compare with =="),
        ("type(x)", "type(wait(x))"),
        ("time.time()", "stable.timestamp()"),
        ("random.choice([1])", "stable.random()"),
        ("datetime.datetime.now()", "stable.now()"),
        ("uuid.uuid4()", "stable.uuid4()"),
        ("os.urandom(1)", "stable.once"),
    ],
)
def test_a_line_and_its_remedy(line: str, words: str) -> None:
    source = f"def w():\n    x = load(1)\n    {line}\n"
    (finding,) = findings(source, 10, "load".__eq__)
    assert finding.line == 12
    assert words in finding.text


def test_patterns_do_not_look_behind_a_placeholder() -> None:
    source = "def w():\n    x = load(1)\n    match x:\n        case [a]:\n            pass\n"
    (finding,) = findings(source, 1, "load".__eq__)
    assert finding.line == 3
    assert "match wait(x)" in finding.text


@pytest.mark.parametrize(
    "line",
    ["y is None", "type(y)", "x == None", "self.time()", "clock.time()", "isinstance(x, int)", "wait(x) is None"],
)
def test_what_is_fine_is_not_told(line: str) -> None:
    assert findings(f"def w():\n    x = load(1)\n    y = other(1)\n    {line}\n", 1, "load".__eq__) == []


def test_source_that_cannot_be_parsed_tells_nothing() -> None:
    assert findings("def (", 1, "load".__eq__) == []


def test_the_warning_comes_with_the_first_run_at_the_line_itself() -> None:
    load = task(lambda n: n, name="load")

    @workflow
    def factory(load: Any) -> Any:
        def run() -> Any:
            x = load(1)
            return x is None

        return run

    with pytest.warns(WorkflowCodeWarning, match="'x' is the result of a task's call") as caught:
        factory.inject(load=load).options(display="none").run()
    (warning,) = caught
    assert warning.filename == __file__
    assert "x is None" in Path(__file__).read_text(encoding="utf-8").splitlines()[warning.lineno - 1]


def test_code_that_is_fine_warns_of_nothing() -> None:
    load = task(lambda n: n, name="load")

    @flow
    def fine() -> Any:
        x = load(1)
        return x + 1

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fine.options(display="none").run() == 2


def test_in_a_flow_tasks_are_known_by_their_names() -> None:
    load = task(lambda n: n, name="load")

    @flow
    def odd() -> Any:
        x = load(1)
        return x is None

    with pytest.warns(WorkflowCodeWarning, match="'x' is the result"):
        odd.options(display="none").run()


def test_of_a_lambda_only_the_lambda_is_looked_at() -> None:
    source = "began = time.time(); run = flow(lambda: same(1)).run()\n"
    assert findings(source, 1, lambda name: name == "same") == []
    (finding,) = findings("run = flow(lambda: same(time.time()))\n", 7, lambda name: name == "same")
    assert finding.line == 7


def test_of_two_lambdas_in_a_line_nobody_knows_which_is_meant() -> None:
    assert findings("a, b = flow(lambda: 1), flow(lambda: time.time())\n", 1, lambda name: False) == []

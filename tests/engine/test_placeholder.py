"""What a placeholder is: when it is a barrier, and how it keeps quiet where somebody only looks."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laboratory import Laboratory

from interactive_flow import task


def outcome(use: Callable[..., Any], *args: Any) -> Any:
    """What `use` gives, or the class of what it raises."""
    try:
        return use(*args)
    except Exception as error:
        return type(error)


def in_workflow(value: Any, use: Callable[[Any], Any]) -> Any:
    """What `use` gives for a placeholder of `value`, in workflow code."""
    lab = Laboratory()
    return lab.run(lambda: use(lab.give(value)))


def test_a_copy_is_another_object() -> None:
    def use(p: Any) -> Any:
        for other in (copy.copy(p), copy.deepcopy(p), p.copy(), p[:], list(p)):
            other.append("more")
        return list(p)

    assert in_workflow([1], use) == [1]


def test_truth_and_identity_of_what_comes_back() -> None:
    marker = object()
    lab = Laboratory()
    assert lab.run(lambda: lab.give(marker)) is marker
    assert lab.run(lambda: [lab.give(None), lab.give(True)]) == [None, True]
    assert all(type(x) is int for x in lab.run(lambda: [lab.give(1) + 0, +lab.give(2), lab.give(3)]))


def test_each_use_is_a_barrier_only_until_the_value_is_there() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give(5, 2.0)
        return [p + 1, p * 2, str(p), p == 5]

    assert lab.run(code) == [6, 10, "5", True]
    assert [(b.entered_at, b.left_at) for b in lab.last.record().barriers] == [(0.0, 2.0)]


def test_passing_a_placeholder_on_is_no_barrier() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give(5, 2.0)
        kept = [p, {"k": p}, (p,)]
        assert p is kept[0]
        return lab.add(p, lab.add(p, 1))

    assert lab.run(code) == 11
    assert lab.last.record().barriers == []


def test_the_same_placeholder_stands_for_one_call() -> None:
    lab = Laboratory()

    def code() -> Any:
        p = lab.give(5)
        return lab.add(p, p)

    assert lab.run(code) == 10
    assert lab.call("add#1").depends_on == ("give#1",)
    assert lab.bodies == {"give": 1, "add": 1}


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.lists(st.integers()), st.none()))
def test_any_value_is_equal_hashed_and_shown_as_itself(value: Any) -> None:
    def use(p: Any) -> Any:
        return (
            p == value,
            value == p,
            (p != value) is False,
            repr(p),
            str(p),
            bool(p),
            outcome(hash, p),
            outcome(len, p),
        )

    plain = (True, True, True, repr(value), str(value), bool(value), outcome(hash, value), outcome(len, value))
    assert in_workflow(value, use) == plain


# What is asked of every object by somebody who only looks, and what a pending placeholder may answer.
LOOKS: list[tuple[str, Callable[[Any], Any]]] = [
    ("repr", repr),
    ("str", str),
    ("format", lambda p: f"{p} {p:>40}"),
    ("dir", dir),
    ("class", lambda p: p.__class__),
    ("isinstance", lambda p: isinstance(p, list)),
    ("type", type),
    ("callable", callable),
    ("_repr_html_", lambda p: getattr(p, "_repr_html_", None)),
    ("_repr_mimebundle_", lambda p: getattr(p, "_repr_mimebundle_", None)),
    ("_repr_svg_", lambda p: hasattr(p, "_repr_svg_")),
    ("_repr_pretty_", lambda p: hasattr(p, "_repr_pretty_")),
    ("_ipython_display_", lambda p: hasattr(p, "_ipython_display_")),
    ("_ipython_canary", lambda p: hasattr(p, "_ipython_canary_method_should_not_exist_")),
    ("_ipython_key_completions_", lambda p: hasattr(p, "_ipython_key_completions_")),
    ("getdoc", lambda p: getattr(p, "getdoc", None)),
    ("inspect.getdoc", inspect.getdoc),
    ("inspect.unwrap", inspect.unwrap),
    ("inspect.signature", lambda p: outcome(inspect.signature, p)),
    ("inspect.isclass and others", lambda p: [inspect.isclass(p), inspect.isroutine(p), inspect.ismodule(p)]),
    ("__name__", lambda p: getattr(p, "__name__", None)),
    ("__wrapped__", lambda p: hasattr(p, "__wrapped__")),
    ("__dict__", lambda p: getattr(p, "__dict__", {})),
    ("__signature__", lambda p: hasattr(p, "__signature__")),
    ("__dataclass_fields__", lambda p: hasattr(p, "__dataclass_fields__")),
    ("in a list", lambda p: repr([p, {"k": p}])),
    ("static lookup", lambda p: inspect.getattr_static(p, "nope", None)),
    ("identity", lambda p: (p is None, id(p), [p].index(p))),
]


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], Any]:
    """What a running call's placeholder and a failed one's answer, asked outside workflow code: in a task."""
    lab = Laboratory()
    seen: dict[str, Any] = {}
    found: dict[tuple[str, str], Any] = {}

    @task
    def look() -> int:
        for name, use in LOOKS:
            for which in ("pending", "failed"):
                found[name, which] = outcome_or_error(use, seen[which])
        return 1

    def code() -> Any:
        seen["pending"], seen["failed"] = lab.give("value", 9.0), lab.bang("bang", 1.0)
        lab.give(0, 2.0) + 0  # after these two seconds the one has failed, and the other goes on
        look() + 0
        return seen["pending"]

    assert lab.run(code) == "value"
    assert lab.seconds == 9.0
    found["", "warnings"] = lab.ignored
    return found


def outcome_or_error(use: Callable[[Any], Any], p: Any) -> Any:
    """What `use` gives, or what it raises."""
    try:
        return use(p)
    except BaseException as error:
        return error


@pytest.mark.parametrize("which", ["pending", "failed"])
@pytest.mark.parametrize("name", [name for name, _ in LOOKS])
def test_looking_at_it_outside_workflow_code_is_quiet(answers: Any, name: str, which: str) -> None:
    answer = answers[name, which]
    assert not isinstance(answer, BaseException), answer
    if name in ("repr", "str"):
        texts = {"pending": "<placeholder of give#1: running>", "failed": "<placeholder of bang#1: failed>"}
        assert answer == texts[which]
    if name.startswith("_repr") or "canary" in name or "_ipython" in name:
        assert not answer


def test_looking_at_a_failure_is_not_handling_it(answers: Any) -> None:
    (warning,) = answers["", "warnings"]
    assert "bang#1" in warning


def test_the_texts_of_a_placeholder_outside_once_its_value_is_there() -> None:
    lab = Laboratory()
    kept: list[Any] = []

    def code() -> Any:
        kept.append(lab.give([1, 2]))
        return kept[0]

    lab.run(code)
    (p,) = kept
    assert (repr(p), str(p), p.__class__, isinstance(p, list), "append" in dir(p)) == (
        "[1, 2]",
        "[1, 2]",
        list,
        True,
        True,
    )
    assert type(p).__name__ == "Placeholder"

"""What code does with the value of a barrier: which calls after it are seen to depend on it."""

from __future__ import annotations

import pytest

from interactive_flow.views.uses import Code

TASKS = ("f", "g", "h", "k")


def free(source: str, call: tuple[int, str], *barriers: tuple[int, str]) -> bool:
    """Whether a call (line and name) may come before barriers (line, and the names of what was waited for)."""
    stops = frozenset((line, frozenset(names.split())) for line, names in barriers)
    return Code(source, 1, TASKS).may_precede(*call, stops)


LOOP = """\
def run(xs):
    total = 0
    for x in xs:
        total += f(x)
    y = g(total)
    z = h(3)
    return y
"""
BRANCH = """\
def run(a):
    x = f(a)
    if x:
        y = g(a)
    else:
        y = 0
    z = h(y)
    w = h(a)
    if wait(y):
        return 3
    v = k(a)
"""
VALUES = """\
def run(a):
    x = wait(f(a))
    y = wait(g(a))
    z = [h(i) for i in range(x)]
    u = [h(i) for i in range(3)]
    d = {}
    d["x"] = y
    s = h(d)
    out = []
    out.append(x)
    t = h(out)
    n = x if a else 0
    o = h(n)
    p = (q := x) and h(a)
    r = h(q)
"""
LEAVING = """\
def run(xs):
    while True:
        a = wait(f(1))
        if a:
            break
        g(2)
    h(1)
"""
TRIED = """\
def run(a):
    try:
        q = wait(k(a))
        f(a)
    except ValueError:
        p = h(a)
    else:
        p = g(a)
    r = k(a)
    assert wait(r)
    s = f(a)
"""
COMPREHENSIONS = """\
def run(xs):
    a = [wait(f(x)) for x in xs]
    b = sum(f(x) for x in xs)
    c = [g(y) for y in a]
    d = [f(x) for x in xs]
    e = [g(y) for y in d if y > 1]
    i = [g(y) for y in f(1)]
"""
FACTORY = """\
@workflow
def made(first, second):
    def run(xs):
        out = []
        for x in xs:
            a = wait(first(x))
            out.append(second(a))
        return [first(i) for i in xs]
    return run
"""
HELPED = """\
def run(a):
    wait(f(a))
    return helper(a)

def helper(a):
    return g(a)
"""


@pytest.mark.parametrize(
    ("source", "call", "barriers", "expected"),
    [
        (LOOP, (4, "f"), [(4, "f")], True),
        (LOOP, (5, "g"), [(4, "f")], False),
        (LOOP, (6, "h"), [(4, "f")], True),
        (BRANCH, (4, "g"), [(3, "f")], False),
        (BRANCH, (7, "h"), [(3, "f")], False),
        (BRANCH, (8, "h"), [(3, "f")], True),
        (BRANCH, (8, "h"), [(9, "g")], True),
        (BRANCH, (11, "k"), [(9, "g")], False),
        (VALUES, (3, "g"), [(2, "f")], True),
        (VALUES, (4, "h"), [(2, "f")], False),
        (VALUES, (5, "h"), [(2, "f"), (3, "g")], True),
        (VALUES, (8, "h"), [(3, "g")], False),
        (VALUES, (8, "h"), [(2, "f")], True),
        (VALUES, (11, "h"), [(2, "f")], False),
        (VALUES, (13, "h"), [(2, "f")], False),
        (VALUES, (14, "h"), [(2, "f")], False),
        (VALUES, (15, "h"), [(2, "f")], False),
        (LEAVING, (6, "g"), [(3, "f")], False),
        (LEAVING, (3, "f"), [(3, "f")], False),
        (LEAVING, (7, "h"), [(3, "f")], True),
        (TRIED, (4, "f"), [(3, "k")], True),
        (TRIED, (6, "h"), [(3, "k")], False),
        (TRIED, (8, "g"), [(3, "k")], False),
        (TRIED, (9, "k"), [(3, "k")], True),
        (TRIED, (11, "f"), [(10, "k")], False),
        (COMPREHENSIONS, (2, "f"), [(2, "f")], True),
        (COMPREHENSIONS, (3, "f"), [(3, "f")], True),
        (COMPREHENSIONS, (4, "g"), [(2, "f")], False),
        (COMPREHENSIONS, (5, "f"), [(2, "f"), (3, "f")], True),
        (COMPREHENSIONS, (6, "g"), [(6, "f")], False),
        (COMPREHENSIONS, (7, "g"), [(7, "f")], False),
        (FACTORY, (6, "first"), [(6, "first")], True),
        (FACTORY, (7, "second"), [(6, "first")], False),
        (FACTORY, (8, "first"), [(6, "first")], True),
        (HELPED, (6, "g"), [(2, "f")], False),
        (HELPED, (99, "g"), [(2, "f")], False),
    ],
)
def test_what_may_come_before(source, call, barriers, expected) -> None:
    assert free(source, call, *barriers) is expected


def test_lines_are_counted_from_where_the_source_stands() -> None:
    code = Code(LOOP, 101, TASKS)
    assert code.may_precede(106, "h", frozenset({(104, frozenset({"f"}))}))
    assert not code.may_precede(105, "g", frozenset({(104, frozenset({"f"}))}))


def test_what_is_no_python_is_told() -> None:
    with pytest.raises(SyntaxError):
        Code("%load_ext", 1, TASKS)

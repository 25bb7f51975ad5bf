"""That a fingerprint is not used any longer than it holds, and keeps nothing alive."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

from interactive_flow.store.fingerprint import code_fingerprint
from interactive_flow.store.fingerprint.definitions import Definitions

SOURCE = """\
import copy
LIMITS = [1]
RATE = 2
def helper(x, y=[1]): return x
class Shape:
    sides = 4
    colours = ["red"]
    def area(self): return helper(self.sides)
class Model:
    def __init__(self): self.weights = [1, 2]
model = Model()
def make(n):
    rows = []
    def inner(): return n, rows
    return inner
inner = make(1)
def main(x, size=3, *, mode={}):
    return helper(x) + Shape().area() + RATE + len(LIMITS) + inner() + model.weights[0]
"""

CHANGES = {
    "function": "helper = lambda x: x",
    "number": "RATE = 3",
    "list": "LIMITS.append(2)",
    "other list": "LIMITS = [2]",
    "list that is a number now": "LIMITS = 1",
    "name that is gone": "del RATE",
    "default": "main.__defaults__ = (4,)",
    "named default": "main.__kwdefaults__['mode'] = 1",
    "item of a default": "helper.__defaults__[0].append(1)",
    "code": "helper.__code__ = (lambda x, y: y).__code__",
    "attribute of a class": "Shape.sides = 5",
    "item in a class": "Shape.colours.append('blue')",
    "method": "Shape.area = lambda self: 1",
    "new method": "Shape.__len__ = lambda self: 1",
    "class": "class Shape:\n    def area(self): return 1",
    "state of an object": "model.weights[0] = 5",
    "value in a closure": "inner.__closure__[0].cell_contents = 2",
    "item in a closure": "inner.__closure__[1].cell_contents.append(2)",
    "hidden built-in": "len = lambda x: 1",
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_noticed(project, change):
    module = project("subject", SOURCE)
    before = code_fingerprint(module.main)
    assert code_fingerprint(module.main) is before
    exec(CHANGES[change], vars(module))
    after = code_fingerprint(module.main)
    assert after.digest != before.digest
    assert after == Definitions(module.main).fingerprint


def test_what_was_undone_is_as_before(project):
    module = project("subject", SOURCE)
    before = code_fingerprint(module.main)
    module.LIMITS.append(2)
    assert code_fingerprint(module.main) != before
    module.LIMITS.pop()
    assert code_fingerprint(module.main) == before


def test_nothing_is_kept_alive(project):
    module = project("subject", SOURCE + "import weakref\ndef recursive(n): return recursive(n - 1)\n")
    watched = [
        weakref.ref(getattr(module, name)) for name in ("main", "helper", "Shape", "Model", "inner", "recursive")
    ]
    for name in ("main", "recursive", "inner", "Shape"):
        code_fingerprint(getattr(module, name))
    vars(module).clear()
    del sys.modules["subject"]
    gc.collect()
    assert [reference() for reference in watched] == [None] * len(watched)

"""The table: which changes a fingerprint sees, which it does not, and what it says of those that it saw."""

from __future__ import annotations

import pytest

from interactive_flow.store.fingerprint import explain_change, set_cell_lookup

MODULE = '''\
"""Helpers."""

STEP = 2


def stride(x):
    return x * STEP


def never_called(x):
    return x
'''

CELLS = [
    "import functools\nimport math\nimport helpers\nfrom helpers import stride as imported",
    "RATE = 3\nLIMITS = {'low': 1, 'high': [2, 3]}\nOTHER = 0",
    "def leaf(x):\n    return x + RATE",
    'def clean(text):\n    """Cleans."""\n    return text.strip() * leaf(1)  # as it is',
    """\
class Base:
    unit = 'm'
    def scale(self):
        return 10

class Shape(Base):
    sides = 4
    def area(self):
        return self.sides * self.scale()
""",
    """\
def make(n):
    def inner(x):
        return x + n
    return inner
added = make(5)
""",
    """\
def task(x, size=3, *, mode='fast'):
    pixels = [clean(line) for line in x]
    return Shape().area(), pixels, LIMITS['low'], added(1), math.floor(size), helpers.stride(2), imported(3)
""",
]

SEEN = {
    "edited helper": ("text.strip() *", "text.lower() *", "helper `clean` changed (cell 4)"),
    "edited global": ("RATE = 3", "RATE = 4", "constant `RATE` changed"),
    "member of a global": ("[2, 3]", "[2, 4]", "constant `LIMITS` changed"),
    "helper of a helper": ("x + RATE", "x - RATE", "helper `leaf` changed (cell 3)"),
    "method of a used class": ("self.sides *", "2 * self.sides *", "method `Shape.area` changed (cell 5)"),
    "attribute of a used class": ("sides = 4", "sides = 5", "attribute `sides` of class `Shape` changed (cell 5)"),
    "method of a base": ("return 10", "return 11", "method `Base.scale` changed (cell 5)"),
    "default argument": ("size=3", "size=4", "default of parameter `size` changed (cell 7)"),
    "default of a keyword": ("'fast'", "'slow'", "default of parameter `mode` changed (cell 7)"),
    "closure value": ("make(5)", "make(6)", "closure value `n` of helper `make.inner` changed (cell 6)"),
    "code of a closure": ("x + n", "x - n", "helper `make.inner` changed (cell 6)"),
    "its own code": ("math.floor", "math.ceil", "`task` changed (cell 7)"),
    "other import": ("stride as imported", "never_called as imported", "helper `helpers.never_called` is used now"),
}

NOT_SEEN = {
    "moved lines": ("def clean", "\n\n\n\ndef clean"),
    "comment": ("  # as it is", "  # as it was"),
    "docstring": ("Cleans.", "Cleans a text."),
    "no docstring": ('    """Cleans."""\n', ""),
    "formatting": ("text.strip() * leaf(1)", "(text.strip()\n            * leaf( 1 ))"),
    "quotes": ("'fast'", '"fast"'),
    "annotation": ("def leaf(x):", "def leaf(x: int) -> 'int':"),
    "annotated variable": ("pixels = [", "pixels: list = ["),
    "default told otherwise": ("size=3", "size=1 + 2"),
    "unrelated name": ("OTHER = 0", "OTHER = 1"),
    "order of a dict": ("{'low': 1, 'high': [2, 3]}", "{'high': [2, 3], 'low': 1}"),
    "order of methods": (
        "    unit = 'm'\n    def scale(self):\n        return 10\n",
        "    def scale(self):\n        return 10\n    unit = 'm'\n",
    ),
}


@pytest.fixture(autouse=True)
def cells_are_known(notebook):
    set_cell_lookup(notebook.cell_of)
    yield
    set_cell_lookup(None)


def edited(old, new):
    cells = [cell.replace(old, new) for cell in CELLS]
    assert cells != CELLS
    return cells


@pytest.mark.parametrize("change", SEEN)
def test_seen_after_a_restart(notebook, project, change):
    old, new, sentence = SEEN[change]
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    after = notebook.restart().run(*edited(old, new)).fingerprint("task")
    assert before.digest != after.digest
    assert any(said.startswith(sentence) for said in explain_change(before, after)), explain_change(before, after)


@pytest.mark.parametrize("change", SEEN)
def test_seen_in_the_same_session(notebook, project, change):
    """The cell is run again, and those that use what it defines by value."""
    old, new, _ = SEEN[change]
    project("helpers", MODULE)
    notebook.run(*CELLS)
    before = notebook.fingerprint("task")
    assert notebook.fingerprint("task") == before
    notebook.run(*[cell for cell, was in zip(edited(old, new), CELLS, strict=True) if cell != was])
    after = notebook.fingerprint("task")
    assert before.digest != after.digest
    notebook.run(*[was for cell, was in zip(edited(old, new), CELLS, strict=True) if cell != was])
    assert notebook.fingerprint("task").digest == before.digest


@pytest.mark.parametrize("change", NOT_SEEN)
def test_not_seen(notebook, project, change):
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    after = notebook.restart().run(*edited(*NOT_SEEN[change])).fingerprint("task")
    assert explain_change(before, after) == []
    assert before.digest == after.digest


def test_only_what_changed_is_told(notebook, project):
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    after = notebook.run(CELLS[2].replace("+", "-")).fingerprint("task")
    assert explain_change(before, after) == ["helper `leaf` changed (cell 8)"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("x * STEP", "x + STEP", "helper `helpers.stride` changed (helpers.py:6)"),
        ("STEP = 2", "STEP = 3", "constant `helpers.STEP` changed"),
    ],
)
def test_imported_module_is_seen(notebook, project, old, new, sentence):
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    project("helpers", MODULE.replace(old, new))
    after = notebook.run(CELLS[0]).fingerprint("task")
    assert explain_change(before, after) == [sentence]


@pytest.mark.parametrize(
    ("old", "new"), [("return x\n", "return -x\n"), ('"""Helpers."""', ""), ("\n\ndef", "\n\n\n# later\ndef")]
)
def test_rest_of_an_imported_module_is_not_seen(notebook, project, old, new):
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    project("helpers", MODULE.replace(old, new))
    assert notebook.run(CELLS[0]).fingerprint("task").digest == before.digest


def test_cell_number_and_unrelated_cells_are_not_seen(notebook, project):
    project("helpers", MODULE)
    before = notebook.run(*CELLS).fingerprint("task")
    notebook.restart().run("unrelated = 1", *CELLS[:3], "def more(): return unrelated", *CELLS[3:])
    after = notebook.fingerprint("task")
    assert before.digest == after.digest
    assert [part.where for part in before.parts] != [part.where for part in after.parts]


PROGRAM = """\
import dataclasses, enum, functools, sys
from interactive_flow.store.fingerprint import call_key

class Colour(enum.Enum):
    RED = 1
    BLUE = 2

@dataclasses.dataclass(frozen=True)
class Point:
    x: int = 0
    colour: Colour = Colour.RED

WORDS = {"a", "b", "c", "d", ("e", 1), frozenset({"f", "g"})}
def one(x): return x in WORDS
def two(x): return x in {"r", "s", "t"}
CHOICE = {one, two, len}
TABLE = {one: "one", two: "two", Point: "point", Colour.RED: WORDS}

@functools.lru_cache(maxsize=7)
def kept(x): return one(x)

def main(x, words=frozenset({"p", "q", "r"})):
    return [f(x) for f in CHOICE], TABLE, kept(x), Point()

print(call_key(main, (WORDS, {"k": Point(3)}, TABLE)).digest)
"""


def test_process_hash_seed_and_file_name_are_not_seen(run_program):
    digests = {
        run_program(PROGRAM, "program", seed=0),
        run_program(PROGRAM, "program", seed=1),
        run_program(PROGRAM, "renamed", seed=12345),
        run_program(PROGRAM, "elsewhere/program", seed=7),
    }
    assert len(digests) == 1


def test_program_that_was_edited_is_seen(run_program):
    assert run_program(PROGRAM) != run_program(PROGRAM.replace("BLUE = 2", "BLUE = 3"))
    assert run_program(PROGRAM) != run_program(PROGRAM.replace("maxsize=7", "maxsize=8"))
    assert run_program(PROGRAM) != run_program(PROGRAM.replace("x: int = 0", "x: int = 1"))


def test_notebook_and_script_agree(notebook, run_program):
    notebook.run(PROGRAM.replace("print(", "KEY = ("))
    assert notebook["KEY"] == run_program(PROGRAM).strip()

"""What counts of functions, classes and modules, one kind after the other."""

from __future__ import annotations

import importlib.metadata
import sys
import textwrap

import pytest

from interactive_flow.store.fingerprint import FingerprintError, code_fingerprint, explain_change


def pair(project, source, old, new, name="main"):
    """The fingerprints of a module's `main`, as it is and with a change."""
    source = textwrap.dedent(source)
    assert old in source
    before = code_fingerprint(getattr(project("subject", source), name))
    after = code_fingerprint(getattr(project("subject", source.replace(old, new)), name))
    return before, after


SEEN = {
    "user's decorator": (
        """\
        import functools
        def doubled(fn):
            @functools.wraps(fn)
            def inner(*args): return 2 * fn(*args)
            return inner
        @doubled
        def main(x): return x
        """,
        "2 * fn",
        "3 * fn",
    ),
    "function below a user's decorator": (
        """\
        import functools
        def doubled(fn):
            @functools.wraps(fn)
            def inner(*args): return 2 * fn(*args)
            return inner
        @doubled
        def main(x): return x
        """,
        "return x\n",
        "return -x\n",
    ),
    "function below lru_cache": (
        """\
        import functools
        @functools.lru_cache
        def main(x): return x
        """,
        "return x",
        "return -x",
    ),
    "helper of a function below lru_cache": (
        """\
        import functools
        def helper(x): return x
        @functools.lru_cache
        def kept(x): return helper(x)
        def main(x): return kept(x)
        """,
        "(x): return x",
        "(x): return -x",
    ),
    "argument of a library's decorator": (
        """\
        import functools
        SIZE = 3
        @functools.lru_cache(maxsize=SIZE)
        def kept(x): return x
        def main(x): return kept(x)
        """,
        "SIZE = 3",
        "SIZE = 4",
    ),
    "context manager": (
        """\
        import contextlib
        def helper(): return 1
        @contextlib.contextmanager
        def opened(): yield helper()
        def main():
            with opened() as x: return x
        """,
        "return 1",
        "return 2",
    ),
    "singledispatch": (
        """\
        import functools
        @functools.singledispatch
        def main(x): return x
        @main.register
        def _(x: int): return x + 1
        """,
        "x + 1",
        "x + 2",
    ),
    "partial": (
        "import functools\ndef helper(x, y): return x\nmain = functools.partial(helper, 1)",
        "helper, 1",
        "helper, 2",
    ),
    "code of a partial": (
        "import functools\ndef helper(x, y): return x\nmain = functools.partial(helper, 1)",
        "return x",
        "return y",
    ),
    "lambda": ("main = lambda x: x + 1", "x + 1", "x + 2"),
    "second lambda of a line": ("other, main = lambda x: x + 1, lambda x: x + 2", "x + 2", "x + 3"),
    "function in a dict": (
        "def helper(x): return x\nTABLE = {'a': helper}\ndef main(x): return TABLE['a'](x)",
        "return x\n",
        "return -x\n",
    ),
    "functions that change places": (
        "def one(): return 1\ndef two(): return 2\nTABLE = {'a': one, 'b': two}\ndef main(): return TABLE",
        "'a': one, 'b': two",
        "'a': two, 'b': one",
    ),
    "closures that change places": (
        """\
        def make(n): return lambda: n
        one, two = make(1), make(2)
        TABLE = {'a': one, 'b': two}
        def main(): return TABLE
        """,
        "'a': one, 'b': two",
        "'a': two, 'b': one",
    ),
    "method of a global object": (
        "class Model:\n    def predict(self, x): return x\nmodel = Model()\ndef main(x): return model.predict(x)",
        "return x\n",
        "return -x\n",
    ),
    "state of a global object": (
        "class Model:\n    def __init__(self, w): self.w = w\nmodel = Model(1)\ndef main(x): return model.w",
        "Model(1)",
        "Model(2)",
    ),
    "callable object": ("class Call:\n    def __call__(self, x): return x\nmain = Call()", "return x", "return -x"),
    "bound method": ("class A:\n    def f(self, x): return x\nmain = A().f", "return x", "return -x"),
    "property": (
        "class A:\n    @property\n    def f(self): return 1\ndef main(): return A().f",
        "return 1",
        "return 2",
    ),
    "static method": (
        "class A:\n    @staticmethod\n    def f(): return 1\ndef main(): return A.f()",
        "return 1",
        "return 2",
    ),
    "class method": (
        "class A:\n    @classmethod\n    def f(cls): return 1\ndef main(): return A.f()",
        "return 1",
        "return 2",
    ),
    "cached property": (
        """\
        import functools
        class A:
            @functools.cached_property
            def f(self): return 1
        def main(): return A().f
        """,
        "return 1",
        "return 2",
    ),
    "called by super": (
        "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f()\nmain = B.f",
        "return 1",
        "return 2",
    ),
    "metaclass": (
        "class M(type):\n    def f(cls): return 1\nclass A(metaclass=M): pass\ndef main(): return A.f()",
        "return 1",
        "return 2",
    ),
    "field of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\n    y: int\ndef main(): return A(1, 2)",
        "    x: int\n    y: int\n",
        "    y: int\n    x: int\n",
    ),
    "default of a field": (
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int = 1\ndef main(): return A()",
        "= 1",
        "= 2",
    ),
    "factory of a field": (
        """\
        import dataclasses
        def f(): return [1]
        @dataclasses.dataclass
        class A:
            x: list = dataclasses.field(default_factory=f)
        def main(): return A()
        """,
        "[1]",
        "[2]",
    ),
    "options of a dataclass": (
        "import dataclasses\n@dataclasses.dataclass(order=False)\nclass A:\n    x: int\ndef main(): return A(1)",
        "order=False",
        "order=True",
    ),
    "field of attrs": ("import attrs\n@attrs.define\nclass A:\n    x: int = 1\ndef main(): return A()", "= 1", "= 2"),
    "named tuple": (
        "import typing\nclass A(typing.NamedTuple):\n    x: int = 1\n    def f(self): return 1\ndef main(): return A()",
        "= 1",
        "= 2",
    ),
    "member of an enumeration": (
        "import enum\nclass A(enum.Enum):\n    X = 1\n    Y = 2\ndef main(): return A.X",
        "X = 1",
        "X = 3",
    ),
    "method of an enumeration": (
        "import enum\nclass A(enum.Enum):\n    X = 1\n    def f(self): return 1\ndef main(): return A.X.f()",
        "return 1",
        "return 2",
    ),
    "slots": ("class A:\n    __slots__ = ('x',)\ndef main(): return A()", "('x',)", "('x', 'y')"),
    "function inside": ("def main(x):\n    def inner(y): return y\n    return inner(x)", "return y", "return -y"),
    "default of a function inside": ("def main(x):\n    def f(y=1): return y\n    return f()", "y=1", "y=2"),
    "helper of a function inside": (
        "def helper(): return 1\ndef main():\n    return [helper() for _ in 'a']",
        "return 1",
        "return 2",
    ),
    "recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)\nmain = even",
        "n > 0",
        "n > 1",
    ),
    "what a name stands for": ("from math import sin as f\ndef main(x): return f(x)", "sin", "cos"),
    "what a module's name stands for": (
        "import math as m\ndef main(x): return m.sqrt(x)",
        "import math",
        "import cmath",
    ),
    "built-in name that is hidden": ("len_ = len\ndef main(x): return len(x)", "len_ = len", "len = lambda x: 1"),
    "attribute of a function": ("def f(): return 1\nf.limit = 3\ndef main(): return f.limit", "= 3", "= 4"),
    "global that is added to": ("N = 1\ndef main():\n    global N\n    N += 1", "N = 1", "N = 2"),
    "private name in a class": (
        "_A__f = lambda: 1\nclass A:\n    def f(self): return __f()\ndef main(): return A().f()",
        "lambda: 1",
        "lambda: 2",
    ),
    "type of a constant": ("N = 1\ndef main(): return N", "N = 1", "N = True"),
    "sign of zero": ("N = 0.0\ndef main(): return N", "N = 0.0", "N = -0.0"),
    "operator": ("def main(x): return x < 1", "<", "<="),
    "generator": ("def main(x): return [y for y in x]", "[y for y in x]", "(y for y in x)"),
    "async": ("def main(x): return x", "def main", "async def main"),
    "kind of a parameter": ("def main(x, y): return x", "x, y", "x, *y"),
    "type in an annotated class inside": (
        "import dataclasses\ndef main():\n    @dataclasses.dataclass\n    class A:\n        x: int = 1\n    return A()",
        "x: int",
        "x: str",
    ),
}


@pytest.mark.parametrize("case", SEEN)
def test_seen(project, case):
    before, after = pair(project, *SEEN[case])
    assert before.digest != after.digest
    assert explain_change(before, after)


NOT_SEEN = {
    "how a task runs": (
        "from interactive_flow import task\n@task(retry=1)\ndef helper(x): return x\ndef main(x): return x",
        "retry=1",
        "retry=2",
    ),
    "method that registers itself": (
        "seen = []\ndef register(fn):\n    seen.append(fn)\n    return fn\n@register\ndef main(x): return x",
        "seen.append(fn)",
        "seen.extend([fn])",
    ),
    "other attribute of a module": ("import math\ndef main(x): return math.pi\ndef other(): pass", "other", "another"),
    "comment in a class": ("class A:\n    x = 1  # one\ndef main(): return A", "# one", "# two"),
    "docstring of a class": ('class A:\n    """One."""\n    x = 1\ndef main(): return A', "One.", "Two."),
    "docstring of a function inside": ('def main():\n    def f():\n        """One."""\n    return f', "One.", "Two."),
    "only a docstring": ('def main():\n    """One."""', '"""One."""', "pass"),
    "docstring of a lambda's neighbour": ("f = 1; main = lambda x: x + 1", "f = 1;", "f = lambda: 2;"),
    "where a global is a local": ("size = 1\ndef main(x):\n    size = x\n    return x.size", "size = 1", "size = 2"),
    "annotation that names a class": (
        "class A: pass\ndef main(x: A) -> A:\n    y: A = x\n    return y",
        "class A: pass",
        "class A: x = 1",
    ),
}


@pytest.mark.parametrize("case", NOT_SEEN)
def test_not_seen(project, case):
    before, after = pair(project, *NOT_SEEN[case])
    assert explain_change(before, after) == []
    assert before.digest == after.digest


def test_imports_inside_a_function(project):
    source = """\
def main(x):
    import helpers.text as t
    from helpers import deep
    import json
    return t.f(x), deep(x)
"""
    project("subject", source)
    digests = []
    for text, init in (("x", "x"), ("-x", "x"), ("x", "-x"), ("x", "x")):
        project("helpers.__init__", f"def deep(x): return {init}")
        project("helpers.text", f"def f(x): return {text}\ndef unused(): return {len(digests)}")
        digests.append(code_fingerprint(project("subject", source).main).digest)
    assert len(set(digests)) == 3
    assert digests[0] == digests[3]


def test_relative_import_inside_a_function(project):
    project("pack.__init__", "")
    project("pack.other", "def f(x): return x")
    module = project("pack.main", "def main(x):\n    from .other import f\n    return f(x)")
    assert "pack.other:f" in [part.name for part in code_fingerprint(module.main).parts]


def test_module_of_a_package_that_is_reached_by_attributes(project):
    project("pack.__init__", "")
    project("pack.text", "def f(x): return x")
    module = project("subject", "import pack.text\ndef main(x): return pack.text.f(x)")
    assert "pack.text:f" in [part.name for part in code_fingerprint(module.main).parts]


def test_module_as_a_whole(project):
    project("helpers", "def f(): return 1")
    source = "import helpers\ndef main(name): return getattr(helpers, name)()"
    before = code_fingerprint(project("subject", source).main)
    project("helpers", "def f(): return 2  # two")
    after = code_fingerprint(project("subject", source).main)
    assert explain_change(before, after) == ["module `helpers` changed (helpers.py)"]
    project("helpers", "def f():\n    return 2")
    assert code_fingerprint(project("subject", source).main).digest == after.digest


def test_name_that_is_not_there_yet(project):
    module = project("subject", "def main(): return later()")
    before = code_fingerprint(module.main)
    module.later = lambda: 1
    after = code_fingerprint(module.main)
    assert before.digest != after.digest
    del module.later
    assert code_fingerprint(module.main).digest == before.digest


def test_closure_that_is_not_filled_yet(project):
    module = project(
        "subject",
        """\
from interactive_flow.store.fingerprint import code_fingerprint
def make():
    def f(): return n
    before = code_fingerprint(f)
    n = 1
    return before, code_fingerprint(f)
""",
    )
    before, after = module.make()
    assert before.digest != after.digest


def test_name_of_a_module_does_not_count(project):
    source = "RATE = 1\ndef helper(x): return x * RATE\ndef main(x): return helper(x)"
    one, other = (code_fingerprint(project(name, source).main) for name in ("one", "other"))
    assert one.digest == other.digest
    assert one.parts != other.parts


def test_what_stands_for_an_object_of_a_library(project):
    source = """\
class Task:
    def __init__(self, fn, retries): self.fn, self.retries = fn, retries
    def __call__(self, x): return self.fn(x)
    def __flow_code__(self): return self.fn
def helper(x): return x
first = Task(helper, 1)
def main(x): return first(x)
"""
    before, after = pair(project, source, "helper, 1", "helper, 2")
    assert before.digest == after.digest
    before, after = pair(project, source, "(x): return x", "(x): return -x")
    assert explain_change(before, after) == ["helper `helper` changed (subject.py:5)"]
    module = project("subject", source)
    assert code_fingerprint(module.first) == code_fingerprint(module.helper)
    before = code_fingerprint(module.main)
    assert [part.name for part in before.parts] == ["subject:main", "python", "subject:helper"]
    module.first.fn = lambda x: x
    assert code_fingerprint(module.main).digest != before.digest


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("def main(): return made", "subject.main → subject.made"),
        ("def helper(): return made\ndef main(): return helper()", "subject.main → subject.helper → subject.made"),
        ("TABLE = {'a': [made]}\ndef main(): return TABLE", "subject.main → subject.TABLE['a'][0]"),
        ("def main(x=made): return x", "subject.main → default x"),
        ("def make(x):\n    return lambda: x\nmain = make(made)", "subject.make.<locals>.<lambda> → closure x"),
        ("class A:\n    x = made\ndef main(): return A", "subject.main → subject.A → attribute x"),
    ],
)
def test_error_names_what_has_no_fingerprint(project, source, path):
    module = project("subject", f"made = (x for x in 'abc')\n{source}")
    with pytest.raises(FingerprintError) as caught:
        code_fingerprint(module.main)
    assert caught.value.path == path
    assert "a generator cannot be fingerprinted; give its class a `__flow_fingerprint__` method" in caught.value.reason


def test_function_of_a_library_counts_by_name_and_version():
    import json

    import attrs

    assert [part.name for part in code_fingerprint(json.dumps).parts] == ["json:dumps", "python"]
    evolve = code_fingerprint(attrs.evolve)
    assert [(part.kind, part.members.get("version")) for part in evolve.parts] == [
        ("function", None),
        ("library", "{}.{}".format(*sys.version_info)),
        ("library", importlib.metadata.version("attrs")),
    ]
    assert code_fingerprint(json.dumps).digest != code_fingerprint(json.loads).digest
    assert code_fingerprint(len).digest != code_fingerprint(max).digest


def test_same_fingerprint_from_instructions_alone(project):
    """Code without source: what does not matter does not count there either."""

    def build(source):
        namespace = {"__name__": "nowhere", "RATE": 3}
        exec(compile(textwrap.dedent(source), "<nowhere>", "exec"), namespace)
        return code_fingerprint(namespace["main"])

    source = """\
def helper(x): return {1, 2} & x
def main(x):
    'Doc.'
    return [helper(y) + RATE for y in x if y in {'a', 'b'}]
"""
    first = build(source)
    assert build(f"\n\n# here\n{source.replace('Doc.', 'Other.')}").digest == first.digest
    assert "nowhere:RATE" in [part.name for part in first.parts]
    for old, new in [("{1, 2}", "{1, 3}"), ("+ RATE", "- RATE"), ("'b'", "'c'"), ("if y", "if not y")]:
        assert build(source.replace(old, new)).digest != first.digest

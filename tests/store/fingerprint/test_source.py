"""That a source is taken only where it is the source of the code that runs."""

from __future__ import annotations

import linecache
from pathlib import Path

from interactive_flow.store.fingerprint import code_fingerprint
from interactive_flow.store.fingerprint.source import info_of


def test_file_that_was_edited_after_the_import(project):
    module = project("subject", "def main(x): return x + 1")
    Path(module.__file__).write_text("def main(x): return x + 2  # another file now")
    stale = code_fingerprint(module.main)
    assert stale.digest != code_fingerprint(project("subject", "def main(x): return x + 2").main).digest
    linecache.clearcache()
    assert code_fingerprint(module.main) == stale


def test_source_that_is_remembered_from_before(project):
    linecache.getlines(project("subject", "def main(x): return x + 1").__file__)
    one = project("subject", "def main(x): return x + 22")
    other = project("other", "def main(x): return x + 22")
    assert code_fingerprint(one.main).digest == code_fingerprint(other.main).digest


def test_lambdas_of_one_line_are_told_apart(project):
    module = project("subject", "a, b, c = (lambda y: (y,\n 2)), lambda x: lambda: x, lambda y: (y, 2)")
    digests = [code_fingerprint(f).digest for f in (module.a, module.b, module.b(1), module.c)]
    assert digests[0] == digests[3]
    assert len(set(digests)) == 3


def test_code_is_looked_at_once(project):
    module = project("subject", "def main(x): return x")
    assert info_of(module.main.__code__, vars(module)) is info_of(module.main.__code__, vars(module))


def test_cells_with_magics_and_top_level_await(notebook):
    cell = "%time 1\nimport asyncio\nawait asyncio.sleep(0)\ndef main(x):\n    # here\n    return x\n!true"
    before = notebook.run(cell).fingerprint("main")
    after = notebook.restart().run(cell.replace("# here", "# there\n")).fingerprint("main")
    assert before.digest == after.digest


def test_shell_commands_inside_a_function(notebook):
    before = notebook.run("def main(): \n    !true\n    return get_ipython()").fingerprint("main")
    assert notebook.run("unrelated = 1").fingerprint("main").digest == before.digest
    assert "ipython" in [part.name for part in before.parts]


def test_future_features_of_earlier_cells(notebook):
    notebook.run("from __future__ import annotations", "def main(x: int):\n    # here\n    return x")
    before = notebook.fingerprint("main")
    assert notebook.run("def main(x: str):\n    return x").fingerprint("main").digest == before.digest

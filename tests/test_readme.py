"""The README and the pages in docs/ speak the truth: their Python does what they claim, their links lead somewhere.

The Python blocks of a page run in order in one namespace.  A comment that begins with ``->`` states what the expression
on its line gives, as its ``repr``, or what the statement prints; ``raises`` names the exception instead:

    2 + 2  # -> 4
    print("a")  # -> a
    1 / 0  # raises ZeroDivisionError

A comment on the following lines, indented further, goes on with it.
"""

from __future__ import annotations

import ast
import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md"))]
ALL_PAGES = sorted(str(page.relative_to(ROOT)) for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

CLAIM = re.compile(r"#\s(->|raises)\s(.*)")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^]]*]\(([^)\s]+)\)")


class Claim(NamedTuple):
    """What a page says about a statement: what it gives or prints (``->``), or what it raises (``raises``)."""

    line: int
    kind: str
    text: str


def blocks(text: str) -> Iterator[str]:
    """The Python blocks, each with as many empty lines before it as make its lines stand where they stand in `text`."""
    for found in FENCE.finditer(text):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


def claims(source: str) -> dict[int, Claim]:
    """The claims in a block, by the line they stand on."""
    found: dict[int, Claim] = {}
    last: Claim | None = None
    for number, line in enumerate(source.splitlines(), 1):
        if match := CLAIM.search(line):
            last = Claim(number, match[1], match[2].strip())
        elif last and (more := re.fullmatch(r"\s*#\s{2,}(.+)", line)):
            last = last._replace(text=f"{last.text} {more[1].strip()}")
        else:
            last = None
            continue
        found[last.line] = last
    return found


def run_block(source: str, filename: str, namespace: dict[str, Any]) -> int:
    """Runs a block statement by statement; returns how many claims it kept."""
    stated = claims(source)
    for statement in ast.parse(source).body:
        assert statement.end_lineno is not None
        claim = next((stated.pop(n) for n in range(statement.lineno, statement.end_lineno + 1) if n in stated), None)
        run_statement(statement, claim, filename, namespace)
    assert not stated, f"claims about no statement: {stated}"
    return len(claims(source))


def run_statement(statement: ast.stmt, claim: Claim | None, filename: str, namespace: dict[str, Any]) -> None:
    """Runs one statement and compares what it gave, printed or raised with the claim."""
    where = f"{filename}:{statement.lineno}"
    printed = io.StringIO()
    raised: Exception | None = None
    value = None
    with contextlib.redirect_stdout(printed):
        try:
            value = eval(compiled(statement, filename), namespace)
        except Exception as error:
            if claim is None or claim.kind != "raises":
                raise
            raised = error
    if claim is None:
        return
    if claim.kind == "raises":
        name, _, message = claim.text.partition(": ")
        assert type(raised).__name__ == name, where
        assert message in str(raised), where
    else:
        given = printed.getvalue().strip() or repr(value)
        assert " ".join(given.split()) == " ".join(claim.text.split()), where


def compiled(statement: ast.stmt, filename: str) -> CodeType:
    """The statement as code: one whose value can be had where it is an expression."""
    if isinstance(statement, ast.Expr):
        return compile(ast.Expression(statement.value), filename, "eval")
    return compile(ast.Module([statement], []), filename, "exec")


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The namespace of a module, so that what a page defines can be found by name as in a script."""
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    return vars(module)


@pytest.mark.parametrize("page", PAGES)
def test_python_does_what_the_page_says(page: str, namespace: dict[str, Any]) -> None:
    text = (ROOT / page).read_text()
    kept = sum(run_block(source, str(ROOT / page), namespace) for source in blocks(text))
    assert kept == len(CLAIM.findall("".join(FENCE.findall(text))))
    assert kept or "```python" not in text


@pytest.mark.parametrize(
    "source", ["1 + 1  # -> 3", "print('a')  # -> b", "1 / 0  # raises KeyError", "1 + 1  # raises ValueError"]
)
def test_a_false_claim_is_noticed(source: str) -> None:
    with pytest.raises(AssertionError):
        run_block(source, "page.md", {})


def test_a_claim_may_take_several_lines() -> None:
    assert run_block("[1,\n 2]  # -> [1,\n#     2]\nx = 1\n", "page.md", {}) == 1


@pytest.mark.parametrize("page", ALL_PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        there = (ROOT / page).parent / file if file else ROOT / page
        assert there.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(there.read_text()), f"{page}: {target}"


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

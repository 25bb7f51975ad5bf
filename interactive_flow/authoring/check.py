"""What can be seen in a workflow's source before it runs: code that will not do what it seems to.

Two kinds of mistakes are looked for.  Some uses of a placeholder can never work, whatever stands behind it, because
Python does not ask the object: ``result is None``, ``type(result)``, patterns of ``match``.  And what changes by itself
(time, chance, identifiers) makes code that cannot be replayed.

Only what is plain from the source is told; a name that is assigned a task's call anywhere in the code is taken for a
placeholder.
"""

from __future__ import annotations

import ast
import textwrap
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

from interactive_flow.model.errors import WorkflowCodeWarning

_CHANGES = {
    "time": {"time", "monotonic", "perf_counter", "time_ns", "monotonic_ns", "perf_counter_ns", "process_time"},
    "random": {
        "random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "gauss", "getrandbits",
        "normalvariate", "betavariate", "expovariate", "randbytes",
    },
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": {"uuid1", "uuid4"},
    "secrets": {"token_hex", "token_bytes", "token_urlsafe", "choice", "randbelow", "randbits"},
    "os": {"urandom"},
}  # fmt: skip
_REMEDIES = {
    "time": "stable.timestamp()", "random": "stable.random()", "datetime": "stable.now()", "date": "stable.now()",
    "uuid": "stable.uuid4()", "secrets": "stable.once(…)", "os": "stable.once(…)",
}  # fmt: skip


class Finding(NamedTuple):
    """A line of workflow code, and what is wrong with it."""

    line: int
    """Counted from 1, in the file."""
    text: str


def findings(source: str, first_line: int, is_task: Callable[[str], bool]) -> list[Finding]:
    """What can be told of workflow code from its source.

    Args:
        source: of the factory or the flow, decorators and all; may be indented.
        first_line: the line of the file where it begins, counted from 1.
        is_task: whether a name stands for a task or a workflow there.

    Returns:
        In the order of the lines; nothing where the source cannot be parsed.
    """
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, SystemError):  # the latter is CPython's, where two threads parse at once (gh-106905)
        return []
    found = []
    for code in _workflow_code(tree):
        placeholders = set(_assigned(code, is_task))
        found += [
            Finding(first_line + node.lineno - 1, text)
            for node in ast.walk(code)
            if isinstance(node, ast.expr | ast.stmt) and (text := _judge(node, placeholders))
        ]
    return sorted(set(found))


def _workflow_code(tree: ast.Module) -> list[ast.AST]:
    """The definition; of a lambda Python gives the whole line, and which is meant is plain only where it is alone."""
    definitions: list[ast.AST] = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    if definitions:
        return definitions
    lambdas: list[ast.AST] = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return lambdas if len(lambdas) == 1 else []


def warn(source: str | None, file: str | None, first_line: int, is_task: Callable[[str], bool]) -> None:
    """Gives a `WorkflowCodeWarning` for each finding, at the line where it was found."""
    for finding in findings(source, first_line, is_task) if source else ():
        warnings.warn_explicit(finding.text, WorkflowCodeWarning, file or "<workflow>", finding.line)


def _assigned(tree: ast.AST, is_task: Callable[[str], bool]) -> Iterator[str]:
    """The names that are assigned a task's call."""
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=called))) if is_task(called):
                yield name
            case ast.NamedExpr(target=ast.Name(id=name), value=ast.Call(func=ast.Name(id=called))) if is_task(called):
                yield name


def _judge(node: ast.AST, placeholders: set[str]) -> str | None:
    match node:
        case ast.Compare(left=ast.Name(id=name), ops=[ast.Is() | ast.IsNot(), *_]) if name in placeholders:
            return (
                f"{name!r} is the result of a task's call: 'is' compares the placeholder itself, never its value; "
                f"write wait({name}) is …, or compare with =="
            )
        case ast.Call(func=ast.Name(id="type"), args=[ast.Name(id=name)]) if name in placeholders:
            return f"type({name}) is the placeholder's type; write type(wait({name})), or isinstance"
        case ast.Match(subject=ast.Name(id=name)) if name in placeholders:
            return f"the patterns of match do not look behind the placeholder {name!r}; write match wait({name})"
        case ast.Call(func=ast.Attribute(value=value, attr=attribute)):
            base = value.id if isinstance(value, ast.Name) else value.attr if isinstance(value, ast.Attribute) else ""
            if attribute in _CHANGES.get(base, ()):
                return (
                    f"{base}.{attribute}() gives something else each time the code runs, so that it cannot be "
                    f"replayed; use interactive_flow.{_REMEDIES[base]}, or ask for it in a task"
                )
    return None

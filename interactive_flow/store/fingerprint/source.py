"""From a function's code object to what it does: by its source where that can be trusted, else by its instructions.

The source comes from `linecache`, which knows files and, in a notebook, cells.  It is compiled again and compared: only
where it gives the very code that is running is it taken.  So a file that was edited after it was imported, or a line
that something rewrote on the way, never speaks for code that is not there; such code is told by its instructions.
"""

from __future__ import annotations
import __future__

import ast
import functools
import inspect
import linecache
import weakref
from collections.abc import Iterator
from operator import or_
from types import CodeType
from typing import Any, NamedTuple

from interactive_flow.store.fingerprint.bytecode import free_names, nested, usage_of_code
from interactive_flow.store.fingerprint.syntax import (
    Chain,
    FunctionNode,
    Import,
    Usage,
    usage_of,
    usage_of_decorators,
    usage_of_module,
)
from interactive_flow.store.fingerprint.writer import digest_of

_FUTURE = functools.reduce(or_, [getattr(__future__, name).compiler_flag for name in __future__.all_feature_names])
_FUTURE &= ~inspect.CO_NESTED  # which a feature of long ago has as its flag


class CodeInfo(NamedTuple):
    """What there is to know of a code object.

    Attributes:
        digest: of what it does.
        chains: what it uses from outside, in order.
        imports: what it imports while it runs, by the names that this binds.
        decorators: its decorators, as far as there is source.
    """

    digest: bytes
    chains: tuple[Chain, ...]
    imports: dict[str, Import]
    decorators: tuple[Usage, ...]


class _Parsed(NamedTuple):
    """A file or cell that was parsed, and compiled again."""

    nodes: dict[tuple[int, str], list[FunctionNode]]
    codes: dict[tuple[int, str], list[CodeType]]


_infos: dict[int, tuple[weakref.ref[CodeType], CodeInfo]] = {}


def info_of(code: CodeType, namespace: dict[str, Any]) -> CodeInfo:
    """What is known of a code object; worked out once.

    Args:
        code: of a function.
        namespace: its globals, for sources that only the loader of its module can give.
    """
    known = _infos.get(id(code))
    if known is not None and known[0]() is code:
        return known[1]
    key = id(code)
    info = _info_of(code, namespace)
    _infos[key] = (weakref.ref(code, lambda _: _infos.pop(key, None)), info)
    return info


def _info_of(code: CodeType, namespace: dict[str, Any]) -> CodeInfo:
    node = _node_of(code, namespace)
    usage = usage_of(node) if node is not None else usage_of_code(code)
    imports = {found.name: found for found in usage.imports}
    free = free_names(code)
    private = {name[name.index("__") :]: name for name in free if name[0] == "_" and "__" in name[1:]}
    named = ((private.get(chain[0], chain[0]), *chain[1:]) for chain in usage.chains)  # inside classes they are mangled
    chains = sorted(chain for chain in named if chain[0] in free or chain[0] in imports)
    how = b"source" if node is not None else b"instructions"
    digest = digest_of(how, usage.text.encode("utf-8", "surrogatepass"))
    return CodeInfo(digest, tuple(chains), imports, usage_of_decorators(node) if node is not None else ())


def module_digest(file: str, namespace: dict[str, Any]) -> bytes | None:
    """The digest of a whole module's source; None where there is none."""
    linecache.checkcache(file)
    text = "".join(linecache.getlines(file, namespace))
    if not text:
        return None
    try:
        return digest_of(usage_of_module(ast.parse(text)).text.encode("utf-8", "surrogatepass"))
    except (SyntaxError, ValueError):
        return digest_of(text.encode("utf-8", "surrogatepass"))


def _node_of(code: CodeType, namespace: dict[str, Any]) -> FunctionNode | None:
    """The syntax tree of a code object; None where there is no source, or another one."""
    file = code.co_filename
    for again in (False, True):
        if again:
            linecache.checkcache(file)  # perhaps what it remembers is older than the code
        text = "".join(linecache.getlines(file, namespace))
        parsed = _parse(text, file, code.co_flags & _FUTURE) if text else None
        if parsed is not None:
            place = (code.co_firstlineno, code.co_name)
            nodes = parsed.nodes.get(place, [])
            if nodes and any(code == compiled for compiled in parsed.codes.get(place, ())):
                return nodes[0] if len(nodes) == 1 else _covering(code, nodes)
    return None


def _covering(code: CodeType, nodes: list[FunctionNode]) -> FunctionNode | None:
    """Of several lambdas in a line, the one where the instructions of `code` stand."""
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None and end_line is not None and column is not None and end_column is not None
        if (column, end_column) != (0, 0)
    ]
    if not spans:
        return None
    first, last = min(begin for begin, _ in spans), max(end for _, end in spans)
    for part in ("body", "whole"):  # which of them the return stands for depends on Python's version
        fitting = []
        for node in nodes:
            place: Any = node.body if part == "body" and isinstance(node, ast.Lambda) else node
            begin, end = (place.lineno, place.col_offset), (place.end_lineno, place.end_col_offset)
            if begin <= first and last <= end:
                fitting.append((end[0] - begin[0], end[1] - begin[1], node))
        if fitting:
            return min(fitting, key=lambda found: found[:2])[2]
    return None


@functools.lru_cache(maxsize=16)
def _parse(text: str, file: str, flags: int) -> _Parsed | None:
    for extra in (0, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
        try:
            tree = compile(text, file, "exec", flags | extra | ast.PyCF_ONLY_AST, dont_inherit=True)
            code = compile(tree, file, "exec", flags | extra, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            continue
        parsed = _Parsed({}, {})
        for node in _functions(tree):
            parsed.nodes.setdefault(_place_of(node), []).append(node)
        for inner in nested(code):
            parsed.codes.setdefault((inner.co_firstlineno, inner.co_name), []).append(inner)
        return parsed
    return None


def _functions(tree: ast.AST) -> Iterator[FunctionNode]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node


def _place_of(node: FunctionNode) -> tuple[int, str]:
    if isinstance(node, ast.Lambda):
        return node.lineno, "<lambda>"
    first = node.decorator_list[0] if node.decorator_list else node
    return first.lineno, node.name

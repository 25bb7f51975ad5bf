"""What code objects tell: which names are global, and, where there is no source, what the code does."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType
from typing import Any

from interactive_flow.store.fingerprint.syntax import Chain, Import, Usage

_GLOBAL = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_NO_EFFECT = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "RESUME"})


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions and classes inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested(constant)


def free_names(code: CodeType) -> frozenset[str]:
    """The names that the code, or functions inside it, look up outside: globals, and what its closure holds."""
    found = {
        instruction.argval
        for inner in nested(code)
        for instruction in dis.get_instructions(inner)
        if instruction.opname in _GLOBAL
    }
    return frozenset(found.union(code.co_freevars))


def usage_of_code(code: CodeType) -> Usage:
    """What the code does, by its instructions: without positions, docstrings, and the order of its constants."""
    chains: set[Chain] = set()
    imports: list[Import] = []
    for inner in nested(code):
        _gather(inner, chains, imports)
    return Usage(_text(code), frozenset(chains), tuple(imports))


def _gather(code: CodeType, chains: set[Chain], imports: list[Import]) -> None:
    chain: Chain = ()
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in _NO_EFFECT:
            continue
        if chain and name in _ATTRIBUTE:
            chain = (*chain, instruction.argval)
            continue
        if chain:
            chains.add(chain)
            chain = ()
        if name in _GLOBAL or (name in ("LOAD_DEREF", "LOAD_CLASSDEREF") and instruction.argval in code.co_freevars):
            chain = (instruction.argval,)
        elif name == "IMPORT_NAME":
            imports.append(Import(instruction.argval, instruction.argval, None, 0))
            chains.add((instruction.argval,))
    chains.update({(free,) for free in code.co_freevars})


def _text(code: CodeType) -> str:
    instructions = [found for found in dis.get_instructions(code) if found.opname not in _NO_EFFECT]
    numbers = {found.offset: number for number, found in enumerate(instructions)}
    lines = [f"{found.opname} {_argument(found, numbers)}" for found in instructions]
    parameters = code.co_argcount + code.co_kwonlyargcount + (code.co_flags >> 2 & 1) + (code.co_flags >> 3 & 1)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0xFFFF)
    head = [code.co_name, counts, code.co_varnames[:parameters], code.co_freevars, code.co_exceptiontable]
    return "\n".join([*map(repr, head), *lines])


def _argument(instruction: dis.Instruction, numbers: dict[int, int]) -> str:
    opcode, value = instruction.opcode, instruction.argval
    if opcode in dis.hasjrel or opcode in dis.hasjabs:
        return f"to {numbers.get(value, value)}"
    if opcode in dis.hasconst or isinstance(value, CodeType):
        return _constant(value)
    if opcode in dis.haslocal or opcode in dis.hasfree or opcode in dis.hasname or opcode in dis.hascompare:
        return repr(value)
    return repr(instruction.arg)


def _constant(value: Any) -> str:
    if isinstance(value, CodeType):
        return f"<{_text(value)}>"
    if isinstance(value, frozenset):
        return f"frozenset({sorted(map(_constant, value))})"
    if isinstance(value, tuple):
        return f"({','.join(map(_constant, value))})"
    return hex(value) if type(value) is int else repr(value)

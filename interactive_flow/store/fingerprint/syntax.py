"""Syntax trees without what does not matter: positions, comments, docstrings, annotations, layout.

One walk writes the tree of a function as text, and gathers the names that it uses, each with the attributes that are
asked of it (``helpers.clean``), and what it imports; which of the names are global is for its code object to say.

Left out of the function itself are its decorators and the expressions of its defaults: both were evaluated long ago,
and what they gave is looked at instead.  Functions inside it keep theirs, since it evaluates them.  Annotations stay
in class bodies only, where dataclasses and the like make something of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

Chain: TypeAlias = tuple[str, ...]
"""A name, and the attributes asked of it: ``("helpers", "clean")``."""

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class Import(NamedTuple):
    """An import inside a function.

    Attributes:
        name: what it binds.
        module: what is imported; empty for ``from . import x``.
        attribute: what is taken from the module, None for the module itself.
        level: how many dots the module's name begins with.
    """

    name: str
    module: str
    attribute: str | None
    level: int


class Usage(NamedTuple):
    """What a piece of code does, as text, and what it refers to."""

    text: str
    chains: frozenset[Chain]
    imports: tuple[Import, ...]


def usage_of(node: FunctionNode) -> Usage:
    """The name of a function, its parameters and its body."""
    walk = _Walk()
    walk.function(node, outermost=True)
    return walk.usage()


def usage_of_decorators(node: FunctionNode) -> tuple[Usage, ...]:
    """The expressions of a function's decorators, one by one."""
    usages = []
    for decorator in () if isinstance(node, ast.Lambda) else node.decorator_list:
        walk = _Walk()
        walk.visit(decorator)
        usages.append(walk.usage())
    return tuple(usages)


def usage_of_module(tree: ast.Module) -> Usage:
    """A whole module."""
    walk = _Walk()
    walk.visit(tree)
    return walk.usage()


class _Walk:
    """One walk through a tree."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._chains: set[Chain] = set()
        self._imports: list[Import] = []
        self._in_class = False
        self._special: dict[type[ast.AST], Callable[[Any], None]] = {
            ast.FunctionDef: self.function,
            ast.AsyncFunctionDef: self.function,
            ast.Lambda: self.function,
            ast.ClassDef: self._class,
            ast.Module: lambda node: self.field(_without_docstring(node.body)),
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
        }

    def usage(self) -> Usage:
        """What was found."""
        return Usage("".join(self._out), frozenset(self._chains), tuple(self._imports))

    def visit(self, node: ast.AST) -> None:
        """Writes a node and what is below it."""
        special = self._special.get(type(node))
        if special is not None:
            special(node)
        else:
            self._plain(node)

    def field(self, value: Any) -> None:
        """Writes what an attribute of a node holds."""
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self._out.append("[")
            for item in value:
                self.field(item)
                self._out.append(",")
            self._out.append("]")
        else:
            self._out.append(repr(value))

    def _plain(self, node: ast.AST) -> None:
        self._write(type(node).__name__, [getattr(node, name, None) for name in node._fields if name not in _SKIPPED])

    def _write(self, kind: str, values: Iterable[Any]) -> None:
        self._out.append(f"{kind}(")
        for value in values:
            self.field(value)
            self._out.append(",")
        self._out.append(")")

    def function(self, node: FunctionNode, outermost: bool = False) -> None:
        """Writes a function."""
        in_class, self._in_class = self._in_class, False
        kind = type(node).__name__
        if isinstance(node, ast.Lambda):
            self._write(kind, [_signature(node.args), node.body])
        else:
            self._write(kind, [node.name, _signature(node.args), _without_docstring(node.body)])
            if not outermost:
                self.field(node.decorator_list)
        if not outermost:
            self.field(node.args.defaults)
            self.field(node.args.kw_defaults)
        self._in_class = in_class

    def _class(self, node: ast.ClassDef) -> None:
        in_class, self._in_class = self._in_class, True
        self._write("ClassDef", [node.name, node.bases, node.keywords, _without_docstring(node.body)])
        self.field(node.decorator_list)
        self._in_class = in_class

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        # texts of very long numbers in decimals are forbidden
        self._out.append(hex(value) if type(value) is int else repr(value))

    def _name(self, node: ast.Name) -> None:
        self._chains.add((node.id,))
        self._out.append(f"Name({node.id})")

    def _attribute(self, node: ast.Attribute) -> None:
        attributes: list[str] = []
        base: ast.expr = node
        while isinstance(base, ast.Attribute):
            attributes.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            read = attributes if isinstance(node.ctx, ast.Load) else attributes[:-1]
            self._chains.add((base.id, *read))
            self._out.append(f"Name({base.id}).{'.'.join(attributes)}")
        else:
            self.visit(base)
            self._out.append(f".{'.'.join(attributes)}")

    def _annotated(self, node: ast.AnnAssign) -> None:
        if self._in_class:
            self._plain(node)
        elif node.value is not None:
            self._write("Assign", [[node.target], node.value])
        else:
            self._write("AnnAssign", [node.target])  # it makes the name a local one

    def _augmented(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Attribute):
            self.visit(ast.Attribute(node.target.value, node.target.attr, ast.Load()))
        self._plain(node)

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            if alias.asname is not None:
                self._imports.append(Import(alias.asname, alias.name, None, 0))
            else:
                # `import a.b` binds `a`; that `a.b` is there is what the attributes asked of `a` will tell
                self._imports.append(Import(alias.name.partition(".")[0], alias.name.partition(".")[0], None, 0))
        self._plain(node)

    def _import_from(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self._imports.append(Import(alias.asname or alias.name, node.module or "", alias.name, node.level))
        self._plain(node)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return [] if [type(statement) for statement in body] == [ast.Pass] else body


def _signature(arguments: ast.arguments) -> list[Any]:
    """The parameters by name and kind, without annotations and defaults."""

    def names(parameters: list[ast.arg]) -> list[str]:
        return [parameter.arg for parameter in parameters]

    return [
        names(arguments.posonlyargs),
        names(arguments.args),
        arguments.vararg and arguments.vararg.arg,
        names(arguments.kwonlyargs),
        arguments.kwarg and arguments.kwarg.arg,
    ]

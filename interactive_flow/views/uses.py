"""What code does with the value of a barrier, as far as its source tells: the part of the advice that data cannot show.

A call that comes after a barrier may depend on it in three ways: by a placeholder among its arguments, which the
record tells; by a plain value that was computed from what was waited for; or because the code decides by that value
whether it makes the call.  The last two are looked for here, in one function's source, and rather found too often than
too seldom: names are followed without regard to the order of lines.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

Barriers: TypeAlias = frozenset[tuple[int, frozenset[str]]]
"""Some barriers: the line of each, and the names of the calls that it waited for."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_EXITS = (ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Assert, ast.Yield, ast.YieldFrom)


class Code:
    """The source of some workflow code.

    Args:
        source: its text, as little indented as can be.
        first_line: the number of its first line.
        tasks: the names under which tasks are called.

    Raises:
        SyntaxError: it cannot be parsed.
    """

    def __init__(self, source: str, first_line: int, tasks: Iterable[str]) -> None:
        tree = ast.parse(source)
        ast.increment_lineno(tree, first_line - 1)
        self._parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        self._statements = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        self._tasks = set(tasks)
        for node in ast.walk(tree):
            # The parameters of a factory are the tasks that its inner function calls.
            if isinstance(node, _FUNCTIONS) and any(isinstance(n, _FUNCTIONS) for n in _inside(node)):
                self._tasks |= {argument.arg for argument in (*node.args.posonlyargs, *node.args.args)}
        self._marks: dict[Barriers, _Marks] = {}
        self._known: dict[tuple[int, str, Barriers], bool] = {}

    def may_precede(self, line: int, name: str, barriers: Barriers) -> bool:
        """True where nothing is seen for which a call has to come after some barriers.

        Args:
            line: of the call.
            name: of what is called.
            barriers: the line of each barrier, and the names of what it waited for.
        """
        key = (line, name, barriers)
        if key not in self._known:
            self._known[key] = self._may_precede(line, name, barriers)
        return self._known[key]

    def _may_precede(self, line: int, name: str, barriers: Barriers) -> bool:
        statement = self._statement_at(line)
        homes = {self._home(self._statement_at(barrier)) for barrier, _ in barriers}
        if statement is None or homes != {self._home(statement)}:
            return False
        marks = self._marks.get(barriers)
        if marks is None:
            marks = self._marks[barriers] = _Marks(self, barriers)
        return not marks.decides(statement) and all(
            self._is_free(call, marks, statement in marks.statements) for call in self._calls(statement, line, name)
        )

    # -- finding things --------------------------------------------------------------------------------------------

    def _statement_at(self, line: int) -> ast.stmt | None:
        """The innermost statement with this line in what is its own: of an ``if`` its test, not its body."""
        found = None
        for node in self._statements:
            first, last = _own_lines(node)
            if first <= line <= last and (found is None or first >= found.lineno):
                found = node
        return found

    def _home(self, node: ast.AST | None) -> ast.AST | None:
        """The function that a node stands in."""
        while node is not None:
            node = self._parents.get(node)
            if isinstance(node, _FUNCTIONS):
                return node
        return None

    def _calls(self, statement: ast.stmt, line: int, name: str) -> list[ast.AST]:
        """The calls of this name on a line; the whole statement where it is called in another way there."""
        found: list[ast.AST] = [
            node
            for part in own_parts(statement)
            for node in ast.walk(part)
            if isinstance(node, ast.Call)
            and called_name(node) == name
            and node.lineno <= line <= (node.end_lineno or node.lineno)
        ]
        return found or [statement]

    def _is_free(self, call: ast.AST, marks: _Marks, at_barrier: bool) -> bool:
        """True where neither the arguments of a call nor what it stands in have to do with the barriers."""
        parts = [*call.args, *call.keywords] if isinstance(call, ast.Call) else [call]
        if any(marks.mentioned(part) for part in parts):
            return False
        if at_barrier and any(self.uses_values(part) and marks.may_wait(part) for part in parts):
            return False
        child, node = call, self._parents.get(call)
        while node is not None and not isinstance(node, ast.stmt):
            if isinstance(node, _COMPREHENSIONS):
                for generator in node.generators:  # which of them, and how many there are
                    if child is not generator and (
                        marks.mentioned(generator.iter) or marks.mentioned(generator.target)
                    ):
                        return False
                    if any(marks.mentioned(test) or (at_barrier and self.uses_values(test)) for test in generator.ifs):
                        return False
            if isinstance(node, ast.IfExp | ast.BoolOp) and (at_barrier or marks.mentioned(node)):
                return False
            child, node = node, self._parents.get(node)
        return True

    def uses_values(self, node: ast.AST) -> bool:
        """True where something other than a task is called in an expression, or an operator may wait for a value."""
        return any(
            (isinstance(each, ast.Call) and called_name(each) not in self._tasks)
            or isinstance(each, ast.BinOp | ast.UnaryOp | ast.Compare | ast.BoolOp | ast.IfExp | ast.Await)
            for each in ast.walk(node)
        )

    def values_in(self, node: ast.AST, waits: Callable[[ast.AST], bool]) -> Iterator[str]:
        """The names whose values an expression may use: what is only handed on to a task is not among them.

        Args:
            node: the expression.
            waits: tells whether iterating over an expression may be what waits.
        """
        stack = [node]
        while stack:
            each = stack.pop()
            if isinstance(each, ast.Name):
                yield each.id
            elif isinstance(each, ast.Call):
                if called_name(each) not in self._tasks:
                    stack += [*each.args, *(keyword.value for keyword in each.keywords)]
                if isinstance(each.func, ast.Attribute):
                    stack.append(each.func.value)
            elif isinstance(each, ast.Subscript):
                stack.append(each.value)  # what it is looked up by stays what it is
            elif isinstance(each, ast.comprehension):
                stack += [*each.ifs, *([each.target, each.iter] if waits(each.iter) else [])]
            else:
                stack += ast.iter_child_nodes(each)

    def statements_in(self, home: ast.AST | None) -> list[ast.stmt]:
        """The statements of one function."""
        return [statement for statement in self._statements if self._home(statement) is home]

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """What a statement stands in, from the inside, within its function."""
        parent = self._parents.get(node)
        while parent is not None and not isinstance(parent, _FUNCTIONS):
            yield parent
            parent = self._parents.get(parent)


class _Marks:
    """What has to do with some barriers: names, and statements whose execution is decided by them.

    Attributes:
        statements: those in which the barriers are.
    """

    def __init__(self, code: Code, barriers: Barriers) -> None:
        self._code = code
        found = [code._statement_at(line) for line in sorted({line for line, _ in barriers})]
        self.statements = [statement for statement in found if statement is not None]
        self._names: set[str] = set()
        self._decided: set[ast.AST] = set()
        self._after: int | None = None  # the line from which everything depends on whether the code came so far
        inside = code.statements_in(code._home(self.statements[0]))
        self._waited = {name for _, names in barriers for name in names}
        self._carriers = self._find_carriers(inside)
        for statement in self.statements:
            for part in own_parts(statement):
                self._names |= set(code.values_in(part, self.may_wait))
            self._names |= set(_targets(statement)) | set(_receivers(statement))
            self._decide(statement)
        before = -1
        while before != len(self._names) + len(self._decided):
            before = len(self._names) + len(self._decided)
            for statement in inside:
                self._follow(statement)

    def _find_carriers(self, inside: list[ast.stmt]) -> set[str] | None:
        """The names that may stand for what was waited for; None where its calls are not to be found here."""
        made = {
            called_name(node) for each in inside for part in own_parts(each) for node in ast.walk(part)
            if isinstance(node, ast.Call)
        }  # fmt: skip
        if not self._waited or not self._waited <= made:
            return None
        carriers: set[str] = set()
        before = -1
        while before != len(carriers):
            before = len(carriers)
            for statement in inside:
                if any(self._carries(part, carriers) for part in own_parts(statement)):
                    carriers |= set(_targets(statement)) | set(_receivers(statement))
        return carriers

    def _carries(self, node: ast.AST, carriers: set[str]) -> bool:
        return any(
            (isinstance(each, ast.Name) and each.id in carriers)
            or (isinstance(each, ast.Call) and called_name(each) in self._waited)
            for each in ast.walk(node)
        )

    def may_wait(self, node: ast.AST) -> bool:
        """True where an expression may have to do with what the barriers waited for."""
        return self._carriers is None or self._carries(node, self._carriers)

    def mentioned(self, node: ast.AST) -> bool:
        """True where a marked name is in an expression."""
        return any(isinstance(each, ast.Name) and each.id in self._names for each in ast.walk(node))

    def decides(self, statement: ast.stmt) -> bool:
        """True where the barriers decide whether a statement is executed."""
        if self._after is not None and statement.lineno > self._after:
            return True
        return any(node in self._decided for node in (statement, *self._code.around(statement)))

    def _decide(self, statement: ast.stmt) -> None:
        """What a marked value decides about: bodies of branches and loops, handlers of errors."""
        if isinstance(statement, ast.If | ast.For | ast.AsyncFor | ast.While | ast.Match):
            for field in ("body", "orelse", "cases"):
                self._decided.update(getattr(statement, field, ()))
        for outer in self._code.around(statement):
            if isinstance(outer, ast.Try) and statement.lineno < (outer.body[-1].end_lineno or 0) + 1:
                self._decided.update([*outer.handlers, *outer.orelse])
        if isinstance(statement, ast.Assert):
            self._cut_off(statement)

    def _follow(self, statement: ast.stmt) -> None:
        """One step of passing marks on."""
        decided = self.decides(statement)
        parts = own_parts(statement)
        if decided or any(self.mentioned(part) for part in parts):
            self._names |= set(_targets(statement))
            if not decided or any(self.mentioned(part) for part in parts):
                self._names |= set(_receivers(statement))
                self._decide(statement)
        for part in parts:
            for node in ast.walk(part):
                if isinstance(node, ast.NamedExpr) and self.mentioned(node.value):
                    self._names |= set(_names(node.target))
        if decided and isinstance(statement, _EXITS):
            self._cut_off(statement)

    def _cut_off(self, statement: ast.stmt) -> None:
        """Whether the code goes on after this exit depends on a marked value."""
        line = statement.lineno
        if isinstance(statement, ast.Break | ast.Continue):
            for outer in self._code.around(statement):
                if isinstance(outer, ast.For | ast.AsyncFor | ast.While):
                    self._decided.update(outer.body)
                    return
        self._after = line if self._after is None else min(self._after, line)


def called_name(call: ast.Call) -> str:
    """The name by which something is called: of ``a.b(…)`` it is ``b``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def own_parts(statement: ast.stmt) -> list[ast.AST]:
    """The expressions of a statement itself, without the statements in it."""
    return [node for node in ast.iter_child_nodes(statement) if not _holds_statements(node)]


def _holds_statements(node: ast.AST) -> bool:
    return isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case | ast.arguments)


def _own_lines(statement: ast.stmt) -> tuple[int, int]:
    last = statement.end_lineno or statement.lineno
    inner = [node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt | ast.ExceptHandler)]
    inner += [node for case in getattr(statement, "cases", ()) for node in case.body]
    if inner:
        last = max(statement.lineno, min(node.lineno for node in inner) - 1)
    return statement.lineno, last


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield from ast.walk(child)


def _names(node: ast.AST | None) -> Iterator[str]:
    for each in ast.walk(node) if node is not None else ():
        if isinstance(each, ast.Name):
            yield each.id


def _targets(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds or changes."""
    match statement:
        case ast.Assign(targets=targets):
            for target in targets:
                yield from _bound(target)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            yield from _bound(target)
        case ast.AsyncFor(target=target):
            yield from _bound(target)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                yield from _names(item.optional_vars)
    for part in own_parts(statement):
        for node in ast.walk(part):
            if isinstance(node, ast.NamedExpr):
                yield from _names(node.target)


def _bound(target: ast.AST) -> Iterator[str]:
    """Of ``a.b[c]`` it is ``a`` that changes."""
    while isinstance(target, ast.Subscript | ast.Attribute | ast.Starred):
        target = target.value
    if isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _bound(element)
    elif isinstance(target, ast.Name):
        yield target.id


def _receivers(statement: ast.stmt) -> Iterator[str]:
    """The objects whose methods a statement calls: they may take in what they are given."""
    for part in own_parts(statement):
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from _bound(node.func)

"""What counts for each kind of definition, and what each of them uses.

`Definitions` starts at some code and goes on to everything that it uses, breadth first, each definition once, so that
recursion and cycles need no care.  A definition's own digests leave out what it uses: that is a part of its own, and
only its position is noted.  Names are looked up as they are now.

A function counts by its code, its defaults, the values in its closure, and what the names in its body stand for.
A class counts by its bases, its methods and the other things in its body.
"""

from __future__ import annotations

import builtins
import dataclasses
import functools
import importlib
import importlib.util
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interactive_flow.model.errors import FingerprintError
from interactive_flow.store.fingerprint import values
from interactive_flow.store.fingerprint.checks import ABSENT, Checks
from interactive_flow.store.fingerprint.classes import attributes, made_from, place_of_class
from interactive_flow.store.fingerprint.files import file_digest
from interactive_flow.store.fingerprint.origin import PACKAGE, PYTHON, Origin, origin_of, origin_of_module, place_of
from interactive_flow.store.fingerprint.parts import CodeFingerprint, Part, PartKind
from interactive_flow.store.fingerprint.source import info_of, module_digest
from interactive_flow.store.fingerprint.syntax import Chain, Import, Usage
from interactive_flow.store.fingerprint.targets import name_of, read, read_value, stands_for, wrapped_by
from interactive_flow.store.fingerprint.writer import Unfit, digest_of

_WAY_OUT = (
    "give its class a `__flow_fingerprint__` method (or see `register_fingerprint`), make it inside the function, or "
    "pass as an argument what is needed of it"
)


@dataclasses.dataclass(eq=False, slots=True)
class _Draft:
    """A part in the making, and who asked for it first."""

    name: str
    kind: PartKind
    subject: Any
    parent: _Draft | None
    where: str | None = None
    members: dict[str, str] = dataclasses.field(default_factory=dict)
    uses: list[int] = dataclasses.field(default_factory=list)

    def path(self) -> str:
        """How one gets here."""
        name = self.name.removeprefix("__main__:").replace(":", ".")
        return name if self.parent is None else f"{self.parent.path()} → {name}"


class Definitions:
    """Everything that some code uses.

    Args:
        root: a function, a class, or anything else that can be called.

    Raises:
        FingerprintError: something that it uses has no fingerprint.

    Attributes:
        fingerprint: of it all.
        checks: whether that is still right.
    """

    def __init__(self, root: Any) -> None:
        self.checks = Checks(read)
        self._drafts: list[_Draft] = []
        self._positions: dict[Any, int] = {}
        self._names: dict[str, int] = {}
        self._queue: deque[tuple[Callable[[_Draft], None], _Draft]] = deque()
        self._current: _Draft | None = None
        if isinstance(root, values.CODE):
            self._definition(root)
        else:
            self._add(("value", id(root)), name_of(root), "value", root, self._value)
        self._add("python", "python", "library", "{}.{}".format(*sys.version_info), self._library)
        while self._queue:
            fill, draft = self._queue.popleft()
            self._current = draft
            fill(draft)
        self.fingerprint = CodeFingerprint.of(
            tuple(Part(draft.name, draft.kind, draft.where, draft.members, tuple(draft.uses)) for draft in self._drafts)
        )

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _add(self, key: Any, name: str, kind: PartKind, subject: Any, fill: Callable[[_Draft], None]) -> int:
        """The position of a part, which is begun if it is new."""
        position = self._positions.get(key)
        if position is None:
            position = self._positions[key] = len(self._drafts)
            number = self._names[name] = self._names.get(name, 0) + 1
            draft = _Draft(name if number == 1 else f"{name}#{number}", kind, subject, self._current)
            self._drafts.append(draft)
            self._queue.append((fill, draft))
        return position

    def _use(self, definition: Any) -> None:
        """The current part uses a definition."""
        assert self._current is not None
        self._current.uses.append(self._definition(definition))

    def _definition(self, definition: Any) -> int:
        origin = origin_of(definition)
        name, fill = name_of(definition), self._wrapper
        kind: PartKind = "function"
        if isinstance(definition, types.FunctionType) and origin.is_user:
            fill = self._function
        elif isinstance(definition, type) and origin.is_user:
            kind, fill = "class", self._class
        elif origin.is_user and not wrapped_by(definition):
            kind, fill = "module", self._module
        elif self._current is not None and not wrapped_by(definition):
            return self._library_part(origin)
        return self._add(("definition", id(definition)), name, kind, definition, fill)

    def _library_part(self, origin: Origin) -> int:
        return self._add(origin, origin.name, "library", origin.version, self._library)

    def _library(self, draft: _Draft) -> None:
        draft.members["version"] = draft.subject

    def _value(self, draft: _Draft) -> None:
        root = draft.subject
        self._member(draft, "value", root, lambda: root)

    def _member(self, draft: _Draft, label: str, value: Any, get: Callable[[], Any], *, gathered: bool = False) -> None:
        """A value is part of a definition; `gathered` where it is made of others each time that it is asked for."""
        digest, targets, volatile = self._told(draft, label, value)
        draft.members[label] = digest.hex()
        if volatile or not gathered:
            self.checks.value(get, value, volatile, digest, targets)
        for target in targets:
            self._use(target)

    def _told(self, draft: _Draft, label: str, value: Any) -> tuple[bytes, list[Any], bool]:
        try:
            return read_value(value)
        except Unfit as error:
            start = "" if label == "value" else f" → {label}"
            raise FingerprintError(f"{error.reason}; {_WAY_OUT}", error.path(draft.path() + start)) from error
        except RecursionError as error:
            raise FingerprintError("it is nested too deeply to be fingerprinted", draft.path()) from error

    # -- functions -----------------------------------------------------------------------------------------------------

    def _function(self, draft: _Draft) -> None:
        function: types.FunctionType = draft.subject
        code = function.__code__
        info = info_of(code, function.__globals__)
        draft.where = place_of(code.co_filename, code.co_firstlineno)
        draft.members["code"] = info.digest.hex()
        self.checks.function(function)
        self._defaults(draft, function)
        closure = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for chain in sorted({*info.chains, *[(name,) for name in closure if name == "__class__"]}):
            if chain[0] in closure:
                self._closed_over(draft, chain, closure[chain[0]], weakref.ref(function))
            elif chain[0] in info.imports:
                self._imported(draft, chain, info.imports[chain[0]], function.__globals__)
            else:
                self._global(draft, chain, function.__globals__)
        wrapped = vars(function).get("__wrapped__")
        if wrapped is not None:
            self._member(draft, "wraps", wrapped, functools.partial(_attribute, weakref.ref(function), "__wrapped__"))

    def _defaults(self, draft: _Draft, function: types.FunctionType) -> None:
        code, reference = function.__code__, weakref.ref(function)
        positional = code.co_varnames[: code.co_argcount]
        defaults = function.__defaults__ or ()
        for index, value in enumerate(defaults):
            name = positional[len(positional) - len(defaults) + index]

            def get(index: int = index) -> Any:
                return reference().__defaults__[index]  # type: ignore[union-attr,index]

            self._member(draft, f"default {name}", value, get)
        for name, value in sorted((function.__kwdefaults__ or {}).items()):

            def get_named(name: str = name) -> Any:
                return reference().__kwdefaults__[name]  # type: ignore[union-attr,index]

            self._member(draft, f"default {name}", value, get_named)

    def _closed_over(
        self, draft: _Draft, chain: Chain, cell: types.CellType, function: weakref.ref[types.FunctionType]
    ) -> None:
        name = chain[0]
        code = draft.subject.__code__

        def get() -> Any:
            closure = function().__closure__  # type: ignore[union-attr]
            return closure[index].cell_contents  # type: ignore[index]

        index = code.co_freevars.index(name)
        try:
            value = cell.cell_contents
        except ValueError:  # and so it will be each time that the checks look
            draft.members[f"closure {name}"] = "empty"
            self.checks.value(get, ABSENT, False, b"", [])
            return
        if isinstance(value, values.CODE):
            self.checks.value(get, value, False, b"", [])
            self._found(draft, chain, value, None)
        elif f"closure {name}" not in draft.members:
            self._member(draft, f"closure {name}", value, get)

    # -- names ---------------------------------------------------------------------------------------------------------

    def _global(self, draft: _Draft, chain: Chain, space: dict[str, Any]) -> None:
        """A name is looked up where a function stands."""
        name = chain[0]
        for names in (space, vars(builtins)):
            if name in names:
                self._found(draft, chain, names[name], names)
                return
            self.checks.name(names, name, ABSENT)
        draft.members[f"name {name}"] = "absent"

    def _imported(self, draft: _Draft, chain: Chain, found: Import, space: dict[str, Any]) -> None:
        """A name that a function imports by itself.  A user's module is imported for that, as the function would."""
        try:
            name = importlib.util.resolve_name("." * found.level + found.module, space.get("__package__") or None)
            origin = _origin_by_name(name)
            module = importlib.import_module(name) if origin.is_user else None
        except Exception:  # whatever else a user's module does wrong, the function will meet it too
            draft.members[f"name {chain[0]}"] = "absent"
            return
        path = (name, *chain[1:]) if found.attribute is None else (name, found.attribute, *chain[1:])
        if module is None:
            draft.members[f"name {chain[0]}"] = digest_of(".".join(path[:2]).encode()).hex()
            if origin is not PYTHON:
                draft.uses.append(self._library_part(origin))
        else:
            self._found(draft, path, module, sys.modules)

    def _found(self, draft: _Draft, chain: Chain, value: Any, space: dict[str, Any] | None) -> None:
        """A name stands for `value`, in `space`; of a user's module only the attribute that is asked for counts."""
        name, rest = chain[0], chain[1:]
        while isinstance(value, types.ModuleType) and rest and origin_of(value).is_user:
            if space is not None:
                self.checks.name(space, name, value)
            module, space, name, rest = value, vars(value), rest[0], rest[1:]
            value = space.get(name, ABSENT)
            if value is ABSENT:
                self.checks.name(space, name, ABSENT)
                value, space = _asked(module, name), None
            if value is ABSENT:
                draft.members[f"name {'.'.join(chain)}"] = "absent"
                return
        code = stands_for(value)
        if code is not value and isinstance(code, values.CODE) and space is not None:
            self.checks.value(functools.partial(_stands_for, space, name), code, False, b"", [])
            value, space = code, None
        if not isinstance(value, values.CODE):
            self._constant_part(draft, chain, name, value, space)
            return
        if space is not None:
            self.checks.name(space, name, value)
        origin = origin_of(value)
        if origin.is_user or wrapped_by(value):
            draft.uses.append(self._definition(value))
            if rest and isinstance(value, types.FunctionType) and rest[0] in vars(value):
                get = functools.partial(_attribute, weakref.ref(value), rest[0])
                self._member(draft, ".".join(chain), vars(value)[rest[0]], get)
        elif space is not vars(builtins):
            draft.members[f"name {'.'.join(chain[: len(chain) - len(rest)])}"] = digest_of(
                name_of(value).encode()
            ).hex()
            if origin is not PYTHON:
                draft.uses.append(self._library_part(origin))

    def _constant_part(self, draft: _Draft, chain: Chain, name: str, value: Any, space: dict[str, Any] | None) -> None:
        if space is None:  # a module made it up when it was asked
            self._member(draft, ".".join(chain), value, lambda: value)
            return
        full = f"{space.get('__name__', '__main__')}:{name}"
        draft.uses.append(self._add(("name", id(space), name), full, "constant", (space, name), self._constant))

    def _constant(self, draft: _Draft) -> None:
        space, name = draft.subject
        self._member(draft, "value", space[name], lambda: space[name])

    # -- classes, modules, what libraries made -------------------------------------------------------------------------

    def _class(self, draft: _Draft) -> None:
        cls: type = draft.subject
        reference = weakref.ref(cls)
        draft.where = place_of_class(cls)
        self.checks.class_(cls)
        bases = (cls.__name__, type(cls), cls.__bases__)
        self._member(draft, "bases", bases, lambda: bases, gathered=True)
        for label, value in made_from(cls):
            self._member(draft, label, value, functools.partial(_made_from, reference, label), gathered=True)
        for name, value in attributes(cls):
            if isinstance(value, types.FunctionType) and origin_of(value).is_user:
                draft.members[f"method {name}"] = "there"
                self.checks.keep(value)
                self._use(value)
            else:
                self._member(draft, f"attribute {name}", value, functools.partial(_attribute, reference, name))

    def _module(self, draft: _Draft) -> None:
        """A user's module as a whole, or a function of one that is not written in Python."""
        module = draft.subject
        if not isinstance(module, types.ModuleType):
            module = sys.modules.get(getattr(module, "__module__", None) or "")
        file = getattr(module, "__file__", None)
        digest = None
        if file is not None:
            self.checks.name(vars(module), "__spec__", vars(module)["__spec__"])  # another one once it is reloaded
            draft.where = Path(file).name
            digest = module_digest(file, vars(module)) or (file_digest(Path(file)) if Path(file).exists() else None)
        draft.members["code"] = digest_of(digest or draft.name.encode()).hex()

    def _wrapper(self, draft: _Draft) -> None:
        """What a library made of a user's function, by its decorators; or the function of a library itself."""
        wrapper = draft.subject
        reference = weakref.ref(wrapper)
        code = getattr(wrapper, "__code__", None)
        maker = name_of(type(wrapper)) if code is None else f"{wrapper.__globals__.get('__name__')}:{code.co_qualname}"
        wrapped = wrapped_by(wrapper)
        draft.members["made by"] = digest_of((maker if wrapped else name_of(wrapper)).encode()).hex()
        origin = origin_of(wrapper) if not wrapped or code is not None else origin_of(type(wrapper))
        if origin.kind == "library":
            draft.uses.append(self._library_part(origin))
        if not wrapped:
            return
        self._member(draft, "wraps", wrapped, lambda: wrapped_by(reference()))
        for function in wrapped:
            if isinstance(function, types.FunctionType) and origin_of(function).is_user:
                draft.where = draft.where or place_of(function.__code__.co_filename, function.__code__.co_firstlineno)
                for decorator in info_of(function.__code__, function.__globals__).decorators:
                    self._decorator(draft, decorator, function.__globals__)

    def _decorator(self, draft: _Draft, decorator: Usage, space: dict[str, Any]) -> None:
        """What is said to a library's decorator; where it says how something runs, it does not count."""
        found = [chain for chain in sorted(decorator.chains) if chain[0] in space]
        if any(origin_of(space[chain[0]]).name == PACKAGE for chain in found):
            return
        text = decorator.text.encode("utf-8", "surrogatepass")
        draft.members[f"decorator {len(draft.members)}"] = digest_of(text).hex()
        for chain in found:
            self._global(draft, chain, space)


def _asked(module: types.ModuleType, name: str) -> Any:
    """What a module gives for a name that is not in it: a module below it, or what its ``__getattr__`` makes up."""
    if hasattr(module, "__path__"):
        try:
            return importlib.import_module(f"{module.__name__}.{name}")
        except ImportError:
            pass
    return getattr(module, name, ABSENT)


def _origin_by_name(name: str) -> Origin:
    """Whose a module is, without importing it if it is not a user's."""
    module = sys.modules.get(name)
    if module is not None:
        return origin_of(module)
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ImportError(name)
    return origin_of_module(top, spec.origin)


def _made_from(cls: weakref.ref[type], label: str) -> Any:
    return dict(made_from(cls()))[label]  # type: ignore[arg-type]


def _stands_for(space: dict[str, Any], name: str) -> Any:
    return stands_for(space[name])


def _attribute(owner: weakref.ref[Any], name: str) -> Any:
    return vars(owner())[name]

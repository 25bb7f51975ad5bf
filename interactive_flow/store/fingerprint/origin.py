"""Whose code something is, and where it stands.

*User code* is looked into: notebooks, scripts, and modules outside the directories where libraries are installed, so
also projects that are installed in editable form.  *Libraries* count by their distribution and its version, Python and
its standard library by Python's own.  This package counts as a library wherever it is, its examples apart.
"""

from __future__ import annotations

import functools
import importlib.metadata
import site
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import CodeType, ModuleType
from typing import Any, NamedTuple

PACKAGE = __name__.partition(".")[0]
"""The name of this package."""

_INSTALLED = ("site-packages", "dist-packages")

CellLookup = Callable[[str], "int | None"]
"""From a file name as in a code object to the execution count of the notebook cell it stands for."""

_cell_of: CellLookup | None = None


class Origin(NamedTuple):
    """Whose some code is.

    Attributes:
        kind: ``"user"``, ``"library"`` or ``"python"``.
        name: the distribution of a library.
        version: its version.
    """

    kind: str
    name: str = ""
    version: str = ""

    @property
    def is_user(self) -> bool:
        """True for code that is looked into."""
        return self.kind == "user"


USER = Origin("user")
PYTHON = Origin("python")


def set_cell_lookup(lookup: CellLookup | None) -> None:
    """Registers who knows which file name stands for which notebook cell; None for nobody."""
    global _cell_of
    _cell_of = lookup


def place_of(file: str, line: int) -> str:
    """Where some code stands, for people: ``"cell 7"``, or ``"helpers.py:12"``."""
    cell = _cell_of(file) if _cell_of is not None else None
    return f"cell {cell}" if cell is not None else f"{PurePath(file).name}:{line}"


def origin_of(definition: Any) -> Origin:
    """Whose code a function, a class, a module or another object that knows its module is."""
    if isinstance(definition, ModuleType):
        return origin_of_module(definition.__name__, getattr(definition, "__file__", None))
    code = getattr(definition, "__code__", None)
    if isinstance(code, CodeType):  # its own module may be that of a function it wraps
        name, file = definition.__globals__.get("__name__") or "", code.co_filename
        if file.startswith("<"):  # made by a program
            file = getattr(sys.modules.get(name), "__file__", None) or file
        return origin_of_module(name, file)
    name = getattr(definition, "__module__", None)
    if not isinstance(name, str):
        definition = type(definition)
        name = definition.__module__
    return origin_of_module(name, getattr(sys.modules.get(name), "__file__", None))


@functools.lru_cache(maxsize=4096)
def origin_of_module(name: str, file: str | None) -> Origin:
    """Whose a module is.

    Args:
        name: of the module, as it was imported.
        file: where its code stands, if that is known.
    """
    top = name.partition(".")[0]
    if top == PACKAGE and not name.startswith(f"{PACKAGE}.examples"):
        return Origin("library", PACKAGE, str(getattr(sys.modules.get(PACKAGE), "__version__", "")))
    if top == "__main__":
        return USER
    parts = PurePath(file).parts if file is not None else ()
    if any(folder in parts for folder in _INSTALLED) or (file is not None and file.startswith(_library_folders())):
        return _library(top)
    if file in (None, "built-in", "frozen"):
        return PYTHON if top in sys.stdlib_module_names else USER
    assert file is not None
    generated = file.startswith("<")
    if top in sys.stdlib_module_names and (generated or file.startswith(_python_folders())):
        return PYTHON
    return PYTHON if file.startswith("<frozen ") else USER


def _library(top: str) -> Origin:
    """The distributions that a top-level module comes from; one that belongs to none is looked into."""
    names = sorted(set(_distributions().get(top, ())))
    if not names:
        return USER
    return Origin("library", "+".join(names), "+".join(importlib.metadata.version(name) for name in names))


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@functools.cache
def _library_folders() -> tuple[str, ...]:
    paths = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return tuple(path.rstrip("/\\") + sep for path in paths if path for sep in ("/", "\\"))


@functools.cache
def _python_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(PurePath(functools.__file__).parent)}
    return tuple(path for path in paths if path)

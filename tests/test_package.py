"""The package as a whole: what it exports, what it imports, what is documented, what is shipped."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import pkgutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest

import interactive_flow

ROOT = Path(__file__).parents[1]
PACKAGE = Path(interactive_flow.__file__).parent

PROMISED = {
    "IgnoredTaskErrorWarning", "MissingTaskError", "Retry", "Run", "Task", "TaskCancelled", "TaskError", "TaskTimeout",
    "Timeout", "Workflow", "concurrently", "configure", "finish_order", "first", "flow", "heartbeat", "open_run",
    "parallel_reduce", "restart", "resume", "runs", "task", "track", "wait", "workflow",
}  # fmt: skip
"""The names that notebooks are written against."""

OPTIONAL = {
    "IPython", "PIL", "anywidget", "av", "boto3", "cloudpickle", "dask", "distributed", "graphviz", "ipykernel",
    "ipywidgets", "loky", "nest_asyncio2", "numpy", "rich", "traitlets",
}  # fmt: skip
"""What comes with extras only, so that importing the package must do without."""


def modules() -> Iterator[ModuleType]:
    """Every module of the package, apart from those that run something when imported."""
    yield interactive_flow
    for found in pkgutil.walk_packages([str(PACKAGE)], "interactive_flow."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def public_members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """The public functions and classes that `module` defines, and the public methods of those classes."""
    for name, member in vars(module).items():
        if name.startswith("_") or getattr(member, "__module__", None) != module.__name__:
            continue
        if isinstance(member, FunctionType):
            yield f"{module.__name__}.{name}", member
        elif isinstance(member, type):
            yield f"{module.__name__}.{name}", member
            yield from public_methods(f"{module.__name__}.{name}", member)


def public_methods(path: str, cls: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties that `cls` itself defines."""
    for name, member in vars(cls).items():
        function = unwrap(member)
        written = isinstance(function, FunctionType) and function.__code__.co_filename != "<string>"
        if not name.startswith("_") and written:
            yield f"{path}.{name}", getattr(cls, name) if isinstance(member, property) else function


def unwrap(member: Any) -> Any:
    """The function in a method, class method, static method or property."""
    if isinstance(member, property):
        return member.fget
    return getattr(member, "__func__", member)


def documented(path: str, member: Any, protocols: list[type]) -> bool:
    """True where `member` has documentation: its own, or that of a base class or a protocol of its class."""
    if inspect.getdoc(member):
        return True
    owner, _, name = path.rpartition(".")
    cls = getattr(sys.modules.get(owner.rpartition(".")[0]), owner.rpartition(".")[2], None)
    return any(
        inspect.getdoc(getattr(protocol, name, None)) and all(hasattr(cls, needed) for needed in methods_of(protocol))
        for protocol in protocols
    )


def methods_of(protocol: type) -> set[str]:
    """The names of the methods that a protocol asks for."""
    return {name for name, member in vars(protocol).items() if isinstance(member, FunctionType) and name[0] != "_"}


def all_members() -> list[tuple[str, Any]]:
    """The public members of every module."""
    return [found for module in modules() for found in public_members(module)]


def defined_names() -> set[str]:
    """The name of every function and class that the package defines anywhere."""
    return {path.rpartition(".")[2] for path, _ in all_members()}


def test_all_is_sorted_and_true() -> None:
    exported = interactive_flow.__all__
    assert list(exported) == sorted(exported)
    assert len(set(exported)) == len(exported)
    for name in exported:
        assert hasattr(interactive_flow, name), name


def test_promised_names_are_exported_as_soon_as_they_exist() -> None:
    missing = PROMISED - set(interactive_flow.__all__)
    assert not missing & defined_names()


def test_every_module_says_what_it_is() -> None:
    silent = [module.__name__ for module in modules() if not (module.__doc__ or "").strip()]
    assert silent == []


def test_everything_public_is_documented() -> None:
    members = all_members()
    protocols = [member for _, member in members if getattr(member, "_is_protocol", False)]
    assert [path for path, member in members if not documented(path, member, protocols)] == []


def test_everything_public_is_annotated() -> None:
    functions = [(path, unwrap(member)) for path, member in all_members()]
    bare = [
        f"{path}({name})"
        for path, function in functions
        if isinstance(function, FunctionType)
        for name in unannotated(function)
    ]
    assert bare == []


def unannotated(function: FunctionType) -> list[str]:
    """The parameters of `function` without an annotation, and ``return``."""
    parameters = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    return [name for name in [*parameters, "return"] if name not in function.__annotations__]


def loaded_by(statement: str) -> set[str]:
    """The top-level modules in a fresh interpreter that ran `statement`, with warnings as errors."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_imports_nothing_optional() -> None:
    loaded = loaded_by("import interactive_flow")
    assert "interactive_flow" in loaded
    assert not loaded & OPTIONAL


def test_importing_each_core_layer_imports_nothing_optional() -> None:
    layers = [
        name
        for name in ("model", "views", "engine", "store", "runtime", "authoring", "rules")
        if (PACKAGE / name).is_dir()
    ]
    names = [
        found.name
        for layer in layers
        for found in pkgutil.walk_packages([str(PACKAGE / layer)], f"interactive_flow.{layer}.")
    ]
    assert names
    assert not loaded_by(f"import {', '.join(names)}") & OPTIONAL


def test_version_agrees_with_the_metadata() -> None:
    assert interactive_flow.__version__ == importlib.metadata.version("interactive_flow")


def test_only_two_libraries_are_required() -> None:
    required = importlib.metadata.requires("interactive_flow") or []
    assert sorted(line.split(">")[0] for line in required if "extra ==" not in line) == [
        "greenlet",
        "lazy-object-proxy",
    ]


def test_console_script() -> None:
    (script,) = importlib.metadata.distribution("interactive_flow").entry_points.select(group="console_scripts")
    assert (script.name, script.value) == ("interactive_flow", "interactive_flow.cli:main")
    assert callable(script.load())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.Path:
    """The wheel as a user would get it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.Path(built)


def test_wheel_holds_every_file_of_the_package(wheel: zipfile.Path) -> None:
    shipped = {entry.at for entry in walk(wheel / "interactive_flow")}
    there = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".ipynb_checkpoints" not in path.parts
    }
    assert shipped == there
    assert "interactive_flow/py.typed" in shipped


def walk(folder: zipfile.Path) -> Iterator[Any]:
    """The files below `folder`."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from walk(entry)
        else:
            yield entry


def test_wheel_brings_nothing_else(wheel: zipfile.Path) -> None:
    tops = {entry.name for entry in wheel.iterdir()}
    assert tops == {"interactive_flow", f"interactive_flow-{interactive_flow.__version__}.dist-info"}

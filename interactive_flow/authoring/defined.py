"""The workflows that are defined in this process, by name: for runs that outlived the one that began them."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interactive_flow.authoring.workflow import Workflow

_defined: dict[str, list[weakref.ref[Any]]] = {}


def note(workflow: Workflow[Any, Any]) -> None:
    """A workflow was defined, or a copy of one was made; it is forgotten with the last one who has it."""
    name = workflow.name
    known = [reference for reference in _defined.get(name, ()) if reference() is not None]
    known.append(weakref.ref(workflow))
    _defined[name] = known


def find(name: str) -> Workflow[Any, Any] | None:
    """The workflow of this name that was defined last; None where there is none (any more)."""
    for reference in reversed(_defined.get(name, ())):
        found: Workflow[Any, Any] | None = reference()
        if found is not None:
            return found
    return None


def names() -> list[str]:
    """The names there are."""
    return sorted(name for name in _defined if find(name) is not None)

"""Lets IPython's inspector (``name?``, tooltips) look at a pending placeholder without waiting for it.

A placeholder keeps quiet of itself about its class, its repr and its attributes.  But the inspector also asks for the
length, and that is a use like any other: it waits.  So the inspector is given something else to look at.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.oinspect import Inspector

from interactive_flow.engine.placeholder import call_of, is_placeholder


class PendingPlaceholder:
    """Stands for the result of a call that is not there yet.  Used as a value, it waits for the result."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def install_inspector(shell: InteractiveShell) -> None:
    """Makes the shell's inspector quiet; once or many times is the same."""
    shell.inspector.__dict__["info"] = partial(_info, shell.inspector)


def uninstall_inspector(shell: InteractiveShell) -> None:
    """Takes back what `install_inspector` did."""
    shell.inspector.__dict__.pop("info", None)


def _info(inspector: Inspector, obj: Any, *args: Any, **kwargs: Any) -> Any:
    if is_placeholder(obj):
        call = call_of(obj)
        if call.failed or not call.done:
            obj = PendingPlaceholder(call.describe())
    return type(inspector).info(inspector, obj, *args, **kwargs)

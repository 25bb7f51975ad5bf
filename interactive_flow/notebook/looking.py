"""What IPython looks at while a ``%%flow`` cell runs: never a barrier.

In a cell's code every use of a placeholder waits for its value, as in a workflow.  But IPython shows what the last line
gave, formats what is displayed, and prints tracebacks with the values of variables, all in the same thread and before
the cell is over.  That is looking, not using, so the code counts as left for as long as it takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.engine.placeholder import current_workflow

_LOOKING = frozenset({"who", "who_ls", "whos", "pinfo", "pinfo2", "pdef", "pdoc", "pfile", "psource"})
"""The line magics that look at variables."""


def only_looking(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, as if it was called outside of all workflow code."""

    def look(*args: Any, **kwargs: Any) -> Any:
        left = current_workflow.set(None)
        try:
            return function(*args, **kwargs)
        finally:
            current_workflow.reset(left)

    return look


@contextmanager
def quiet_looks(shell: InteractiveShell) -> Any:
    """Within it, what IPython looks at by itself does not wait."""
    formatter = shell.display_formatter
    run_line_magic = shell.run_line_magic
    looks = only_looking(run_line_magic)

    def run(name: str, line: str, _stack_depth: int = 1) -> Any:
        call = looks if name in _LOOKING else run_line_magic
        return call(name, line, _stack_depth=_stack_depth + 1 + (call is looks))

    hook, quiet = sys.displayhook, only_looking(sys.displayhook)
    sys.displayhook = quiet
    with ExitStack() as put_back:
        _put(put_back, formatter, "format", only_looking(formatter.format))  # type: ignore[union-attr]
        _put(put_back, shell, "showtraceback", only_looking(shell.showtraceback))
        # IPython 9 also writes tracebacks for its history, without showing them.
        writer = shell.InteractiveTB
        _put(put_back, writer, "structured_traceback", only_looking(writer.structured_traceback))
        _put(put_back, shell, "run_line_magic", run)
        yield
    if sys.displayhook is quiet:  # IPython has put it back where the code is through
        sys.displayhook = hook


def _put(put_back: ExitStack, owner: Any, name: str, function: Any) -> None:
    """Gives one object a method of its own."""
    before = owner.__dict__.get(name)
    owner.__dict__[name] = function

    def restore() -> None:
        if owner.__dict__.get(name) is function:
            if before is None:
                del owner.__dict__[name]
            else:
                owner.__dict__[name] = before

    put_back.callback(restore)

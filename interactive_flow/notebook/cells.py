"""Which cell a line of code stands in.

IPython compiles every cell under a file name of its own (ipykernel: a temporary file's name made from a hash of the
source, so that a debugger finds it; IPython in a terminal: ``<ipython-input-…>``) and remembers the execution count
that it had.  A cell that was run again, unchanged, has the same name and the new count.
"""

from __future__ import annotations

import re

from IPython.core.getipython import get_ipython

_LABEL = re.compile(r"In\[(\d+)\]")


def cell_of(filename: str) -> int | None:
    """The execution count of the cell that was compiled as `filename` (3 for ``In [3]``); None where it is no cell.

    It asks for the label that IPython puts in tracebacks, which is public, rather than for the table behind it.
    """
    shell = get_ipython()
    if shell is None:
        return None
    label = shell.compile.format_code_name(filename)
    found = _LABEL.fullmatch(label[1]) if label else None
    return int(found[1]) if found else None

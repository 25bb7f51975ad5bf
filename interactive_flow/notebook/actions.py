"""What the buttons of a panel do."""

from __future__ import annotations

import os
import re
from pathlib import Path

from interactive_flow.runtime.run import Run


def cancel(run: Run) -> str:
    """Cancels `run`; says nothing, as the panel shows that soon."""
    run.cancel()
    return ""


def save_report(run: Run) -> str:
    """Writes the report of `run` beside the notebook; says where, or why it could not be written."""
    name = re.sub(r"[^\w.-]+", "_", run.name).strip("._")[:60]
    path = notebook_folder() / f"{name or 'run'}-{run.id}.html"
    try:
        return f"Report saved as {run.to_html(path)}"
    except OSError as error:
        return f"The report could not be saved: {error}"


ACTIONS = {"cancel": cancel, "report": save_report}
"""What a panel may ask for, by the names that ``static/panel.js`` uses; each returns what is to be said of it."""


def notebook_folder() -> Path:
    """The folder of the notebook, where the server told the kernel; else the folder in which the kernel works."""
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return notebook.parent if notebook.is_absolute() and notebook.parent.is_dir() else Path.cwd()

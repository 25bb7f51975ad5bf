"""What the buttons of a panel do."""

from __future__ import annotations

import os
import re
from pathlib import Path

from interactive_flow.notebook.places import in_place_of
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


def retry(run: Run) -> str:
    """Begins a run that takes over what succeeded in `run`; its panel takes the place of that of `run`."""
    try:
        with in_place_of(run.id, f"Tries again what did not succeed in run {run.id}."):
            again = run.retry_failed()
    except Exception as error:  # nothing failed, or the workflow of a stored run is not defined here
        return f"Nothing is tried again: {error}"
    return f"Run {again.id} tries again what did not succeed in run {run.id}."


ACTIONS = {"cancel": cancel, "report": save_report, "retry": retry}
"""What a panel may ask for, by the names that ``static/panel.js`` uses; each returns what is to be said of it."""


def notebook_folder() -> Path:
    """The folder of the notebook, where the server told the kernel; else the folder in which the kernel works."""
    notebook = Path(os.environ.get("JPY_SESSION_NAME", ""))
    return notebook.parent if notebook.is_absolute() and notebook.parent.is_dir() else Path.cwd()

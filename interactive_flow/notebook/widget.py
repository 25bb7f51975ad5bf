"""The widget that shows a run in a browser: synced traits and a front-end file; nothing is decided here.

Importing this module needs ipywidgets and anywidget; see `interactive_flow.notebook.screens` for what happens without.
"""

from __future__ import annotations

from pathlib import Path

import anywidget
import traitlets

from interactive_flow.views.style import css

STATIC = Path(__file__).parent / "static"


class RunWidget(anywidget.AnyWidget):
    """The truth that the front end draws; ``static/panel.js`` tells what each trait is for."""

    _esm = STATIC / "panel.js"
    _css = css() + (STATIC / "panel.css").read_text(encoding="utf-8")

    run = traitlets.Unicode().tag(sync=True)
    top = traitlets.Unicode().tag(sync=True)
    svg = traitlets.Unicode().tag(sync=True)
    below = traitlets.Unicode().tag(sync=True)
    states = traitlets.Dict().tag(sync=True)
    details = traitlets.Dict().tag(sync=True)
    spoken = traitlets.Unicode().tag(sync=True)

    def __repr__(self) -> str:
        """The same in every session, so that notebooks can be compared."""
        return f"<panel of {self.run}>"

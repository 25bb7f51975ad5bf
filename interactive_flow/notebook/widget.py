"""The widget that shows a run in a browser: synced traits and a front-end file; nothing is decided here.

Importing this module needs ipywidgets and anywidget; see `interactive_flow.notebook.screens` for what happens without.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import anywidget
import traitlets

from interactive_flow.notebook.actions import ACTIONS
from interactive_flow.notebook.busy import forget, hear
from interactive_flow.notebook.picture import Picture
from interactive_flow.notebook.travel import Teller
from interactive_flow.runtime.run import Run
from interactive_flow.views.style import compact, css, static

STATIC = Path(__file__).parent / "static"

MODULES = ("dom.js", "window.js", "views.js", "panel.js")
"""The front end's modules, each after those that it imports from; the last one is what a widget is made of.  Before
them comes ``travel.js`` of the views, which the report uses too."""


def script() -> str:
    """The front end as one module, as a widget can have only one: imports from each other and exports are left out."""
    *others, last = (static("travel.js"), *((STATIC / name).read_text(encoding="utf-8") for name in MODULES))
    texts = [*(re.sub(r"^export ", "", text, flags=re.MULTILINE) for text in others), last]
    imports = re.compile(r'^import \{[^}]*\} from "\.{1,2}/[^"]*";\n', re.MULTILINE)
    return "\n".join(imports.sub("", text) for text in texts)


class RunWidget(anywidget.AnyWidget):
    """The truth that the front end draws; ``static/panel.js`` tells what each trait is for.

    Args:
        shown: the run that the buttons are for.  It is not kept alive by its widget.
        traits: what the front end is to know first.

    Attributes:
        hears: True where the front end is heard even while a cell is running.
        tab: the tab that is looked at, told by the front end.
        selected: the node that is looked at, ``""`` for none, told by the front end.
        closed: True once it is gone.
    """

    _esm = script()
    _css = css() + compact("travel.css") + (STATIC / "panel.css").read_text(encoding="utf-8")

    run = traitlets.Unicode().tag(sync=True)
    top = traitlets.Unicode().tag(sync=True)
    svg = traitlets.Unicode().tag(sync=True)
    below = traitlets.Unicode().tag(sync=True)
    states = traitlets.Dict().tag(sync=True)
    details = traitlets.Dict().tag(sync=True)
    spoken = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    retry = traitlets.Bool().tag(sync=True)
    legend = traitlets.Unicode().tag(sync=True)
    progress = traitlets.Unicode().tag(sync=True)
    timeline = traitlets.Unicode().tag(sync=True)
    decisions = traitlets.Unicode().tag(sync=True)
    output = traitlets.Unicode().tag(sync=True)
    tab = traitlets.Unicode("graph").tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)

    def __init__(self, shown: Run, **traits: Any) -> None:
        self._lock = threading.RLock()  # ipywidgets' own bookkeeping is for one thread
        self._shown = weakref.ref(shown)
        self._teller = Teller()
        self.closed = False
        self.on_msg(self._asked)
        id = uuid4().hex
        self.hears = hear(id, self._handle_msg)
        super().__init__(model_id=id, **traits)

    def tell(self, traits: Mapping[str, Any]) -> None:
        """Sends one message for all of `traits`, with only those that are not what they were."""
        with self._lock, self.hold_sync():
            for name, value in traits.items():
                setattr(self, name, value)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Takes what the front end has changed; ipywidgets calls it."""
        with self._lock:
            super().set_state(sync_data)

    def close(self) -> None:
        """Takes the widget from the front end; ipywidgets calls it too."""
        self.closed = True
        if self.comm is not None:
            forget(self.model_id)
        super().close()

    def _asked(self, widget: object, content: object, buffers: object) -> None:
        """Does what a button asked for, or answers what a view wants to know."""
        if not isinstance(content, dict):
            return
        run, wanted = self._shown(), str(content.get("do"))
        if wanted == "rest":
            if run is not None:
                self.tell(Picture(run.snapshot()).rest())
            return
        if wanted in ("page", "advice"):
            answer = self._teller.answer(run, wanted, content) if run is not None else None
            with self._lock:
                self.send({"answers": content.get("ask"), "answer": answer})
            return
        action = ACTIONS.get(wanted)
        if action is None:
            return
        self.tell({"said": ""})  # the same answer as last time is an answer too
        self.tell({"said": action(run) if run is not None else "This run is not in the kernel's memory any more."})

    def __repr__(self) -> str:
        """The same in every session, so that notebooks can be compared."""
        return f"<panel of {self.run}>"

"""Where a picture of a run is shown: a widget where there is one to be had, else HTML that is sent anew.

Both put an output under a cell and change it, by its display id.  Each output has a static twin (HTML with inline SVG
and no script) and a text beside whatever is live, so a saved notebook, a static page and a terminal show the run too.
When the run has ended the output is *only* the twin and the text: a widget in a notebook that was opened again without
its kernel would show an error in their place.  The widget itself stays and makes the twin interactive for as long as
there is a kernel (see ``static/panel.js``).
"""

from __future__ import annotations

import contextvars
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from IPython.core.interactiveshell import InteractiveShell

from interactive_flow.notebook.pace import Allowance
from interactive_flow.notebook.places import remember, taken
from interactive_flow.runtime.run import Run
from interactive_flow.views.render import give_hint

if TYPE_CHECKING:
    from interactive_flow.notebook.picture import Picture
    from interactive_flow.notebook.widget import RunWidget

RATE, BURST = 25_000, 300_000
"""What plain HTML that is sent anew may take: bytes a second, and bytes at once after a silence."""

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

KEPT = 20
"""So many ended runs stay interactive; the widgets of older ones are closed, and their twins stay as they are."""

MANY = 10
"""So many runs are shown one below the other in one cell."""

_in_cell: tuple[int, list[Outputs]] = (-1, [])
"""The cell that opened outputs last, by its execution count, and those outputs."""

_kept: OrderedDict[str, RunWidget] = OrderedDict()


class Screen(Protocol):
    """Something that shows a picture and its changes.  It has an output in the cell that made it, empty at first.

    Attributes:
        interval: seconds between two updates, at least.
    """

    interval: float

    @property
    def superseded(self) -> bool:
        """True where something else is shown by now in its place."""

    @property
    def asked(self) -> bool:
        """True where somebody has turned to what was not drawn for them yet."""

    def open(self, picture: Picture) -> None:
        """Shows the run in the cell that calls this too."""

    def update(self, picture: Picture) -> None:
        """Shows what has changed since the last time."""

    def finish(self, picture: Picture) -> None:
        """Shows the run as it ended; perhaps nothing was shown before."""


class HtmlScreen:
    """Sends the whole twin again and again, the larger the rarer; works in every front end that knows display ids."""

    interval = 0.5
    asked = False

    def __init__(self) -> None:
        self._outputs = Outputs()
        self._allowance = Allowance(RATE, BURST)

    @property
    def superseded(self) -> bool:
        """See `Screen`."""
        return self._outputs.superseded

    def open(self, picture: Picture) -> None:
        """See `Screen`."""
        self._outputs.open(picture.bundle())

    def update(self, picture: Picture) -> None:
        """See `Screen`."""
        now = time.monotonic()
        if self._allowance.due(now):
            bundle = picture.bundle()
            self._outputs.put(bundle)
            self._allowance.spend(now, sum(map(len, bundle.values())))

    def finish(self, picture: Picture) -> None:
        """See `Screen`."""
        self._outputs.put(picture.bundle())
        self._outputs.stay(picture.record.run)


class WidgetScreen:
    """A widget that is told what has changed, and the twin once it is over."""

    interval = 0.1

    def __init__(self, widget_class: type[RunWidget], run: Run) -> None:
        self._class = widget_class
        self._run = run
        self._outputs = Outputs()
        self._widget: RunWidget | None = None
        self._looked = ("graph", "")  # the tab and the node that were drawn last

    @property
    def superseded(self) -> bool:
        """See `Screen`."""
        return self._outputs.superseded

    @property
    def asked(self) -> bool:
        """See `Screen`."""
        return (
            self._widget is not None
            and self._widget.hears
            and self._looked != (self._widget.tab, self._widget.selected)
        )

    def open(self, picture: Picture) -> None:
        """See `Screen`."""
        self.update(picture)
        self._outputs.open(self._live(picture))

    def update(self, picture: Picture) -> None:
        """See `Screen`."""
        widget = self._widget
        if widget is None:
            picture.selected = ""  # nobody has seen it yet
        else:
            picture.tab = widget.tab if widget.hears else None
            picture.selected = widget.selected if widget.hears else None
            self._looked = widget.tab, widget.selected
        self._tell(picture.traits())
        if widget is None:
            self._outputs.put(self._live(picture))

    def finish(self, picture: Picture) -> None:
        """See `Screen`."""
        remains = picture.remains()
        if self._widget is not None:
            self._tell({"details": remains["details"]})  # the twin, once it is there, is asked about every node
        self._outputs.put(picture.bundle())
        self._outputs.stay(picture.record.run)
        keep(self._tell(remains))

    def _live(self, picture: Picture) -> dict[str, Any]:
        assert self._widget is not None
        view = {"version_major": 2, "version_minor": 1, "model_id": self._widget.model_id}
        return {WIDGET_VIEW: view, **picture.bundle()}

    def _tell(self, traits: dict[str, Any]) -> RunWidget:
        if self._widget is None or self._widget.closed:
            self._widget = self._class(self._run, said=self._outputs.said, **traits)
        else:
            self._widget.tell(traits)
        return self._widget


def publish(bundle: dict[str, Any], id: str | None = None, *, update: bool = False) -> None:
    """Shows a bundle of MIME types under the cell that is running in the caller's context.

    Args:
        bundle: what to show, by MIME type.
        id: the display id, by which it can be replaced.
        update: True to replace what is shown under that id, wherever that is.
    """
    transient = {} if id is None else {"display_id": id}
    InteractiveShell.instance().display_pub.publish(data=bundle, metadata={}, transient=transient, update=update)


class Outputs:
    """The outputs that show one run, all of them alike: one for each cell that asked to see it.

    The first one is there at once, but empty, so that what is drawn later stands in the order of the code.  A loop
    that runs a workflow a thousand times does not leave a thousand of them: from the `MANY`-th in a cell on, each
    takes the place of the one before.  A run that tries again what failed takes the place of that run.

    Attributes:
        said: what is to be said of the run besides; mostly nothing.
    """

    def __init__(self) -> None:
        global _in_cell
        place = taken()
        self.said = place[1] if place is not None else ""
        if place is not None:
            self._ids = list(place[0])
            return
        cell = InteractiveShell.instance().execution_count
        if _in_cell[0] != cell:
            _in_cell = (cell, [])
        others = _in_cell[1]
        if len(others) < MANY:
            self._ids = [self._new({"text/html": "", "text/plain": ""})]
        else:
            last = others.pop()
            self._ids, last._ids = last._ids[:1], last._ids[1:]
        others.append(self)

    @property
    def superseded(self) -> bool:
        """True where it shows nothing any more, because another one took its place."""
        return not self._ids

    def open(self, bundle: dict[str, Any]) -> None:
        """Puts one more output under the cell that is running in the caller's context."""
        self._ids.append(self._new(bundle))

    def put(self, bundle: dict[str, Any]) -> None:
        """Puts `bundle` in place of what is shown."""
        for id in self._ids:
            # In an empty context the message belongs to the cell that runs now, wherever the output is: clients that
            # execute a notebook without a browser read the messages of that cell only.
            contextvars.Context().run(publish, bundle, id, update=True)

    def stay(self, run: str) -> None:
        """The run has ended; what tries it again may be shown here."""
        remember(run, self._ids)

    @staticmethod
    def _new(bundle: dict[str, Any]) -> str:
        id = f"iflow-{uuid4().hex}"
        publish(bundle, id)
        return id


def make_screen(wanted: str, run: Run) -> Screen:
    """The best screen there is for `run` (``"auto"``), or plain HTML that is sent anew (``"html"``)."""
    widget_class = None if wanted == "html" else load_widget()
    return HtmlScreen() if widget_class is None else WidgetScreen(widget_class, run)


def load_widget() -> type[RunWidget] | None:
    """The widget's class; None, with a hint that is given once, where ipywidgets or anywidget is missing."""
    try:
        from interactive_flow.notebook.widget import RunWidget
    except ImportError as error:
        give_hint(f"There are no interactive panels ({error}): pip install 'interactive_flow[notebook]' brings them.")
        return None
    return RunWidget


def keep(widget: RunWidget) -> None:
    """Keeps the widget of an ended run alive, and closes that of the run that ended longest ago."""
    old = _kept.pop(widget.run, None)
    if old is not None and old is not widget:
        old.close()
    _kept[widget.run] = widget
    while len(_kept) > KEPT:
        _kept.popitem(last=False)[1].close()


def is_kept(run: str) -> bool:
    """True where the run with this id has ended and has a widget, which serves all its twins."""
    return run in _kept


def forget() -> None:
    """Closes the widgets of all ended runs."""
    while _kept:
        _kept.popitem()[1].close()

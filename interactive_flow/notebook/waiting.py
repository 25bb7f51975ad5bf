"""Tells under an ordinary cell what it waits for, when a placeholder of the session is used there.

The line comes after half a second, so that nothing flickers, and goes when the value is there.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from interactive_flow.engine.calls import Call
from interactive_flow.notebook.screens import publish
from interactive_flow.views.html import style_html
from interactive_flow.views.markup import element, escape, short_id
from interactive_flow.views.sections import mark_html
from interactive_flow.views.style import SYMBOLS

PATIENCE = 0.5
"""Seconds before anything is told."""


@contextmanager
def told_waiting(call: Call) -> Iterator[None]:
    """Within it, the cell that is running says that it waits for `call`."""
    if threading.current_thread() is not threading.main_thread():
        yield  # nobody looks at a cell for that
        return
    line = _Line(call)
    timer = threading.Timer(PATIENCE, contextvars.copy_context().run, [line.show])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.hide()


class _Line:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._id = f"iflow-{uuid4().hex}"
        self._shown = self._over = False
        self._lock = threading.Lock()

    def show(self) -> None:
        with self._lock:
            if not self._over:
                publish(_bundle(self._call), self._id)
                self._shown = True

    def hide(self) -> None:
        with self._lock:
            self._over = True
            if self._shown:
                publish({"text/html": "", "text/plain": ""}, self._id, update=True)


def _bundle(call: Call) -> dict[str, str]:
    name = short_id(call.id)
    text = f"{mark_html('running')} waiting for {element('span', escape(name), class_='iflow-id')} …"
    html = element("div", style_html() + element("span", text, data_state="running"), class_="iflow iflow-waiting",
                   role="status")  # fmt: skip
    return {"text/html": html, "text/plain": f"{SYMBOLS['running']} waiting for {name} …"}

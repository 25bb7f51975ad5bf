"""A run of ten thousand calls: what it costs the browser, and the line to it, while somebody looks through the tabs.

JupyterLab has long tasks of its own, and other processes take the processor away; so the same cell without a panel is
measured too.  The figures are printed (``pytest -rP``).
"""

from __future__ import annotations

from typing import Any

import pytest
from looks import LIVE, TWIN

CALLS = 10_000
BLOCKED = 200
"""Milliseconds that the main thread may be blocked at once."""
TRAFFIC = 2_000_000
"""Bytes a minute; the run takes less than one."""

CODE = """\
import time
from interactive_flow import flow, task

@task
def prepare(n):
    time.sleep(0.01)
    return n

@task
def compute(n):
    time.sleep(0.01)
    print("the result of", n, "is there")
    return n

@task
def check(n, found):
    return n == found

@flow
def item(n):
    found = compute(prepare(n))
    return check(n, found)

@flow
def many(n):
    return [item(k) for k in range(n)]
"""
RUN = "x = many.options(max_workers=10, display={display!r}).run({calls} // 4)"

OBSERVE = """() => {
    window.iflowLong = [];
    window.iflowObserver?.disconnect();
    window.iflowObserver = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.iflowLong.push(Math.round(entry.duration));
    });
    window.iflowObserver.observe({ entryTypes: ["longtask"] });
}"""


class Line:
    """Counts the bytes that a page gets over its web sockets."""

    def __init__(self, page: Any) -> None:
        self.received = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._take))

    def _take(self, payload: str | bytes) -> None:
        self.received += len(payload if isinstance(payload, bytes) else payload.encode())


def long_tasks(page: Any) -> list[int]:
    """The milliseconds of each task of the main thread that took more than fifty, since the page was observed."""
    return sorted(page.evaluate("() => window.iflowLong"), reverse=True)


CONTENT = {
    "Progress": ".iflow-row",
    "Timeline": "[data-of]",
    "Decisions": "li",
    "Output": "pre",
    "Graph": "[data-node]",
}


def look_through(panel: Any) -> None:
    """Looks at each tab until it is drawn."""
    for name, content in CONTENT.items():
        panel.get_by_role("tab", name=name).click()
        panel.get_by_role("tabpanel").locator(content).first.wait_for()


_worst: dict[str, int] = {}


@pytest.mark.parametrize("display", ["none", "auto"])
def test_ten_thousand_calls(open_notebook: Any, page: Any, screenshots: Any, display: str) -> None:
    line = Line(page)
    notebook = open_notebook("many.ipynb", CODE, RUN.format(display=display, calls=CALLS))
    output = notebook.output(1)
    page.evaluate(OBSERVE)
    notebook.run_all()
    if display == "auto":
        live = output.locator(LIVE)
        live.wait_for()
        for _ in range(2):
            look_through(live)
        page.screenshot(path=screenshots / "ten_thousand_running.png")
        assert live.is_visible(), "the run was over before all was looked at"
    notebook.wait_until_run()
    if display == "auto":
        output.locator(TWIN).get_by_role("tab", name="Graph").wait_for()
        look_through(output.locator(TWIN))
        page.screenshot(path=screenshots / "ten_thousand_done.png")
    long, took = long_tasks(page), notebook.execute("round(many.last_run.record().clock, 2)")
    print(f"display={display!r}: {took} s, {line.received:,} bytes, long tasks {long} ms")
    _worst[display] = max(long, default=0)
    if display == "auto":
        assert notebook.execute("len(many.last_run.calls)") == str(CALLS)
        assert line.received <= TRAFFIC
        assert _worst["auto"] <= max(BLOCKED, _worst.get("none", 0)), long

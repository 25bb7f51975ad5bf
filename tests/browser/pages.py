"""Pages with notebooks in them, and the few moves that tests make there.

JupyterLab and Notebook 7 are driven through their command registry (``expose_app_in_browser``), which says when a
command has ended; clicking through menus would test them rather than us.
"""

from __future__ import annotations

import secrets
from typing import Any

from servers import Server

PAGE_TIMEOUT = 30_000
"""Milliseconds that a test waits for anything in a page."""


class Notebook:
    """A notebook open in the page."""

    def __init__(self, page: Any, lab: Server, path: str) -> None:
        self.page = page
        self.lab = lab
        self.path = path

    def open(self, *, wait_for_kernel: bool = True) -> None:
        """Opens the notebook on the page, and waits until its kernel is connected and idle."""
        self.page.evaluate(
            "(path) => jupyterapp.commands.execute('docmanager:open', {path, factory: 'Notebook'}).then(() => null)",
            self.path,
        )
        if wait_for_kernel:
            self.wait_for_kernel()

    def wait_for_kernel(self) -> None:
        """The indicator says idle before there is a kernel, so the connection itself is asked."""
        self.page.wait_for_function(
            """() => {
                const kernel = jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
                return kernel && kernel.connectionStatus === "connected" && kernel.status === "idle";
            }"""
        )

    def run_all(self) -> None:
        """Begins to run all cells and returns at once, so that the test can look while they run."""
        self.page.evaluate(
            """() => {
                window.iflowDone = false;
                jupyterapp.commands.execute("notebook:run-all-cells").finally(() => { window.iflowDone = true; });
            }"""
        )

    def wait_until_run(self) -> None:
        """Waits until what `run_all` began has come to its end."""
        self.page.wait_for_function("() => window.iflowDone === true")
        self.wait_for_kernel()

    def execute(self, expression: str) -> str:
        """Lets the kernel evaluate an expression, outside of all cells; what it is, as text."""
        return str(
            self.page.evaluate(
                """async (expression) => {
                    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                    const request = { code: "", user_expressions: { it: expression } };
                    const reply = await kernel.requestExecute(request).done;
                    return reply.content.user_expressions.it.data["text/plain"];
                }""",
                expression,
            )
        )

    def interrupt(self) -> None:
        """Presses the stop button."""
        self.page.evaluate("() => jupyterapp.commands.execute('notebook:interrupt-kernel').then(() => null)")

    def save(self) -> None:
        """Saves the notebook."""
        self.page.evaluate("() => jupyterapp.commands.execute('docmanager:save').then(() => null)")

    def output(self, cell: int) -> Any:
        """A locator of what is shown under code cell number `cell`, counted from 0."""
        return self.page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea")

    def text(self, cell: int) -> str:
        """The text shown under a cell."""
        return str(self.output(cell).first.inner_text())


def load(page: Any, lab: Server) -> None:
    """Loads JupyterLab anew with nothing open, and closes the side bar, which only takes room."""
    page.goto(f"{lab.url}lab/workspaces/{secrets.token_hex(4)}?token={lab.token}&reset")
    wait_for_lab(page)
    page.evaluate(
        """async () => {
            if (jupyterapp.shell.leftCollapsed === false) jupyterapp.shell.collapseLeft();
        }"""
    )


def wait_for_lab(page: Any) -> None:
    """Waits until JupyterLab has come up and put back what was open."""
    page.wait_for_function("() => window.jupyterapp?.restored !== undefined")
    page.evaluate("() => jupyterapp.restored.then(() => null)")

"""A real JupyterLab in a real browser: the server, the page, and the few moves that tests make with them.

One server and one page serve the whole session, since opening JupyterLab takes longer than most tests; every test gets
a notebook and a kernel of its own, and both are closed after it.  Everything that JupyterLab writes (settings,
workspaces, kernel files, history) goes to a temporary directory, so a developer's own JupyterLab is left alone.

JupyterLab is driven through its command registry (``--LabApp.expose_app_in_browser``), which says when a command has
ended; clicking through menus would test JupyterLab rather than us.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import Lab

try:
    from playwright import sync_api as playwright
except ImportError:
    playwright = None

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGE_TIMEOUT = 30_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder, so that ``-m "not browser"`` leaves it out."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


def find_chromium() -> str | None:
    """The browser to drive: what IFLOW_CHROMIUM names, or the first Chromium on the PATH."""
    named = os.environ.get("IFLOW_CHROMIUM")
    if named:
        return named
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


class Notebook:
    """A notebook open in the page."""

    def __init__(self, page: Any, lab: Lab, path: str) -> None:
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


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser.  Without one the tests fail under CI, and are skipped aloud elsewhere."""
    found = find_chromium()
    if playwright is None or found is None:
        missing = "Chromium was not found (IFLOW_CHROMIUM names one)" if playwright else "playwright is not installed"
        message = f"{missing}: the panel was NOT tested in a browser"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def lab(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The server; asked for after the browser, so that none is started in vain."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def page(lab: Lab, chromium: str) -> Iterator[Any]:
    """The one page, showing JupyterLab with nothing open."""
    with playwright.sync_playwright() as driver, contextlib.ExitStack() as stack:
        browser = driver.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        stack.callback(browser.close)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(PAGE_TIMEOUT)
        load(page, lab)
        yield page


@pytest.fixture(scope="session")
def axe(chromium: str, request: pytest.FixtureRequest) -> str:
    """The script of axe-core, which judges how a page can be used without eyes or mouse; npm installs it once.

    Where npm is missing, or there is no network, the tests fail under CI, and are skipped aloud elsewhere.
    """
    folder = Path(request.config.cache.mkdir("npm"))
    wanted = (Path(__file__).parent / "package.json").read_text(encoding="utf-8")
    script, present = folder / "node_modules" / "axe-core" / "axe.min.js", folder / "package.json"
    if not script.exists() or present.read_text(encoding="utf-8") != wanted:
        present.write_text(wanted, encoding="utf-8")
        npm = shutil.which("npm") or "npm"
        command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            present.unlink()
            message = f"axe-core cannot be had from npm ({error}): accessibility was NOT tested"
            if os.environ.get("CI", "").lower() == "true":
                pytest.fail(message)
            pytest.skip(message)
    return script.read_text(encoding="utf-8")


def load(page: Any, lab: Lab) -> None:
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


@pytest.fixture
def open_notebook(page: Any, lab: Lab) -> Iterator[Any]:
    """A function that writes a notebook with the given code cells (or takes one of the folder) and opens it."""

    def open_(name: str, *cells: str) -> Notebook:
        notebook = Notebook(page, lab, lab.write(name, *cells) if cells else name)
        notebook.open()
        return notebook

    yield open_
    with contextlib.suppress(playwright.Error):
        page.evaluate(
            """async () => {
                for (const widget of [...jupyterapp.shell.widgets("main")]) {
                    if (widget.context) await widget.context.save();
                    widget.close();
                }
            }"""
        )
    lab.shut_kernels_down()


@pytest.fixture
def reload(page: Any, lab: Lab) -> Iterator[Any]:
    """A function that loads the page anew; with ``kernels=False`` none can be started in it."""
    starts = "**/api/sessions?*"

    def load_again(*, kernels: bool = True) -> None:
        if not kernels:
            refuse = lambda route: route.abort() if route.request.method == "POST" else route.fallback()  # noqa: E731
            page.route(starts, refuse)
        load(page, lab)

    yield load_again
    page.unroute(starts)
    load(page, lab)


@pytest.fixture
def theme(page: Any) -> Iterator[Any]:
    """A function that puts JupyterLab in its ``"Light"`` or ``"Dark"`` theme; light again after the test."""

    def change(name: str) -> None:
        page.evaluate(
            "(theme) => jupyterapp.commands.execute('apputils:change-theme', {theme}).then(() => null)",
            f"JupyterLab {name}",
        )
        page.wait_for_function("(name) => document.body.dataset.jpThemeName === name", arg=f"JupyterLab {name}")

    yield change
    change("Light")


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder that IFLOW_SCREENSHOTS names, or a temporary one."""
    named = os.environ.get("IFLOW_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder

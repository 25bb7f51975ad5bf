"""A real JupyterLab in a real browser: the server, the page, and the few moves that tests make with them.

One server and one page serve the whole session, since opening JupyterLab takes longer than most tests; every test gets
a notebook and a kernel of its own, and both are closed after it.  Everything that JupyterLab writes (settings,
workspaces, kernel files, history) goes to a temporary directory, so a developer's own JupyterLab is left alone.

JupyterLab is driven through its command registry (``--LabApp.expose_app_in_browser``), which says when a command has
ended; clicking through menus would test JupyterLab rather than us.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import secrets
import shutil
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

try:
    from playwright import sync_api as playwright
except ImportError:
    playwright = None

REPOSITORY = Path(__file__).resolve().parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SERVER_TIMEOUT = 60.0
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


class Lab:
    """A JupyterLab server.

    Attributes:
        root: the folder in which it serves notebooks.
        url: where it listens, with a slash at the end.
        token: what it asks for.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.token = secrets.token_hex(16)
        self._folder = folder
        self._write_settings()
        self.log: list[str] = []
        self._process = subprocess.Popen(
            self._command(), cwd=self.root, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip
        self.url = self._wait_until_it_listens()

    def _command(self) -> list[str]:
        return [
            sys.executable, "-m", "jupyterlab",
            "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0",
            f"--ServerApp.root_dir={self.root}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.extension_manager=readonly",
        ]  # fmt: skip

    def _environment(self) -> dict[str, str]:
        own = {
            name: str(self._folder / name.lower())
            for name in (
                "JUPYTER_CONFIG_DIR",
                "JUPYTER_DATA_DIR",
                "JUPYTER_RUNTIME_DIR",
                "JUPYTERLAB_SETTINGS_DIR",
                "JUPYTERLAB_WORKSPACES_DIR",
                "IPYTHONDIR",
            )
        }
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        return {**os.environ, **own, "PYTHONPATH": path, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}

    def _write_settings(self) -> None:
        settings = self._folder / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))

    def _wait_until_it_listens(self) -> str:
        """Reads the server's log until it tells its address; goes on reading, or the pipe would fill up."""
        addresses: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def read() -> None:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                self.log.append(line)
                if found := re.search(r"http://127\.0\.0\.1:(\d+)/lab", line):
                    addresses.put(f"http://127.0.0.1:{found[1]}/")
            addresses.put(None)

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        try:
            address = addresses.get(timeout=SERVER_TIMEOUT)
        except queue.Empty:
            address = None
        if address is None:
            self.close()
            pytest.fail("JupyterLab did not start:\n" + "".join(self.log))
        return address

    def write(self, name: str, *cells: str) -> str:
        """Writes a notebook of code cells to the served folder; returns its path there."""
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, self.root / name)
        return name

    def read(self, name: str) -> Any:
        """The notebook as it was saved."""
        return nbformat.read(self.root / name, as_version=4)

    def shut_kernels_down(self) -> None:
        """Ends every kernel of this server."""
        for kernel in json.loads(self._request("GET", "api/kernels")):
            self._request("DELETE", f"api/kernels/{kernel['id']}")

    def _request(self, method: str, path: str) -> str:
        request = urllib.request.Request(
            self.url + path, method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=20) as response:
            return str(response.read().decode())

    def close(self) -> None:
        """Ends the server, and with it its kernels."""
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=20)
        assert self._process.stdout is not None
        self._process.stdout.close()


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

"""A real JupyterLab in a real browser: the server, the page, and the few moves that tests make with them.

One server and one page serve the whole session, since opening JupyterLab takes longer than most tests; every test gets
a notebook and a kernel of its own, and both are closed after it.

==============  ===============================================================================
``servers.py``  the servers that pages come from: JupyterLab, Notebook 7, Voilà
``pages.py``    notebooks in pages, and how they are driven
``looks.py``    the workflow that most tests show, and how they look at what is shown of it
==============  ===============================================================================
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from pages import PAGE_TIMEOUT, Notebook, load
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

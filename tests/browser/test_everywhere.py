"""The panel in Notebook 7 and in Voilà: live, heard, and lasting, as it is in JupyterLab (``test_panel.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from looks import ENDLESS, LIVE, RUN, TASKS, TWIN, WORKFLOW, assert_finished, assert_live, seen, states, watch
from pages import PAGE_TIMEOUT, Notebook, wait_for_lab
from servers import Classic, Voila

CANCELLED = ["⊘", "cancelled"]


@pytest.fixture
def new_page(page: Any) -> Iterator[Any]:
    """A page of its own, in the browser that all tests share."""
    new = page.context.browser.new_page(viewport={"width": 1280, "height": 1000})
    new.set_default_timeout(PAGE_TIMEOUT)
    yield new
    new.close()


# -- Notebook 7 --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classic(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classic]:
    server = Classic(tmp_path_factory.mktemp("classic"))
    yield server
    server.close()


@pytest.fixture
def open_classic(classic: Classic, new_page: Any) -> Iterator[Any]:
    """A function that writes a notebook with the given code cells and opens it in Notebook 7."""

    def open_(name: str, *cells: str) -> Notebook:
        notebook = Notebook(new_page, classic, classic.write(name, *cells))
        new_page.goto(f"{classic.url}notebooks/{name}?token={classic.token}")
        wait_for_lab(new_page)
        notebook.wait_for_kernel()
        return notebook

    yield open_
    new_page.goto("about:blank")
    classic.shut_kernels_down()


def test_notebook_7_shows_the_run_while_its_cell_is_busy(open_classic: Any, screenshots: Any) -> None:
    notebook = open_classic("live.ipynb", TASKS, WORKFLOW, RUN)
    page = notebook.page
    watch(page, 2)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=succeeded]")
    notebook.output(2).scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "notebook7_running.png")
    notebook.wait_until_run()
    assert_live(seen(page))
    assert_finished(notebook.output(2))
    notebook.output(2).get_by_role("tab", name="Timeline").click()
    notebook.output(2).locator("[data-of=n1]").first.wait_for()
    page.screenshot(path=screenshots / "notebook7_done.png")


def test_notebook_7_cancels_while_its_cell_is_busy(open_classic: Any) -> None:
    notebook = open_classic("cancel.ipynb", TASKS, ENDLESS, "endless.run()")
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=running]")
    output.get_by_role("button", name="Cancel").click()
    notebook.wait_until_run()
    assert "TaskCancelled" in notebook.text(2)
    assert output.locator(".iflow-header .iflow-state").inner_text().split() == CANCELLED
    assert notebook.execute("told.wait(20), endless.last_run.status") == "(True, 'cancelled')"


# -- Voilà -------------------------------------------------------------------------------------------------------------

# What runs in the background may end before the page is there; so it begins when the test says so.
GATE = """\
import pathlib

@task
def opened():
    while heartbeat() and not pathlib.Path("open").exists():
        time.sleep(0.02)
    return "talk.mp4"

@workflow
def gated(opened, process_video):
    return lambda: process_video(opened(), "talk.srt")
"""


@pytest.fixture(scope="module")
def voila(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voila]:
    server = Voila(tmp_path_factory.mktemp("voila"))
    yield server
    server.close()


@pytest.fixture
def open_voila(voila: Voila, new_page: Any) -> Iterator[Any]:
    """A function that writes a notebook with the given code cells and opens the page that Voilà makes of it.

    Voilà asks the network for a library of formulas; there is none here.
    """

    def open_(name: str, *cells: str) -> Any:
        new_page.route(lambda url: not url.startswith(voila.url), lambda route: route.abort())
        new_page.goto(f"{voila.url}voila/render/{voila.write(name, *cells)}", wait_until="commit")
        return new_page

    return open_


def test_voila_shows_a_run_that_was_started_live(open_voila: Any, voila: Voila, screenshots: Any) -> None:
    page = open_voila("live.ipynb", TASKS, WORKFLOW, GATE, "run = gated.start()\nprint(1)", "run")
    live = page.locator(LIVE).first
    live.locator("[data-node][data-state=running]").first.wait_for()
    bar = live.get_by_role("progressbar", name="all calls")
    assert bar.get_attribute("aria-valuenow") == "0"
    (voila.root / "open").touch()
    live.locator("[data-node][data-state=succeeded]").first.wait_for()
    page.screenshot(path=screenshots / "voila_running.png")
    # Voilà never puts another output in place of one; the live view goes on to the end by itself.
    live.locator(".iflow-header .iflow-state", has_text="succeeded").wait_for()
    page.wait_for_function("bar => bar.getAttribute('aria-valuenow') === '10'", arg=bar.element_handle())
    assert set(states(live)) <= {"passed", "succeeded"}
    live.get_by_role("tab", name="Output").click()
    assert "embedded talk.srt" in live.get_by_role("tabpanel").inner_text()
    live.get_by_role("tab", name="Timeline").click()
    live.locator("[data-of]").first.click()
    assert "succeeded" in live.locator(".iflow-pane").inner_text()
    assert live.get_by_role("button", name="Cancel").count() == 0
    page.screenshot(path=screenshots / "voila_done.png")


def test_voila_cancels(open_voila: Any) -> None:
    page = open_voila("cancel.ipynb", TASKS, ENDLESS, "run = endless.start()", "run")
    live = page.locator(LIVE)
    live.locator("[data-node][data-state=running]").first.wait_for()
    live.get_by_role("button", name="Cancel").click()
    live.locator(".iflow-header .iflow-state", has_text="cancelled").wait_for()
    assert "cancelled" in states(live)


def test_voila_shows_how_a_run_ended_that_its_cell_waited_for(open_voila: Any) -> None:
    page = open_voila("waits.ipynb", TASKS, WORKFLOW, RUN)
    page.get_by_role("tab", name="Timeline").wait_for()
    assert page.locator(TWIN).count() == 1
    assert states(page).count("succeeded") == 8

"""``%%flow`` cells in JupyterLab, in a browser: side by side, run again, stale, brought up to date."""

from __future__ import annotations

import pytest

LIVE = "[data-iflow-live]"
TWIN = "[data-iflow-run]:not([data-iflow-live])"

TASKS = """\
%load_ext interactive_flow
import time
from interactive_flow import heartbeat, task

@task
def fetch(path, name, seconds=0.1):
    with open(path, "a") as notes:
        notes.write(f"fetch-{name} ")
    time.sleep(seconds)
    return name

@task
def count(path, text):
    with open(path, "a") as notes:
        notes.write(f"count-{text} ")
    time.sleep(0.1)
    return len(text)

@task
def rest(seconds):
    for n in range(int(seconds * 20)):
        if not heartbeat(n / (seconds * 20)):
            return
        time.sleep(0.05)
"""
NOTES = "notes.txt"


@pytest.fixture
def notes(lab):
    """The file to which tasks append."""
    path = lab.root / NOTES
    path.unlink(missing_ok=True)
    return path


def ran(path):
    return path.read_text().split() if path.exists() else []


def run_cell(notebook, number):
    """Runs one cell, and returns when JupyterLab says that it is through."""
    notebook.page.evaluate(
        """async (number) => {
            const content = jupyterapp.shell.currentWidget.content;
            content.activeCellIndex = number;
            content.deselectAll();
            await jupyterapp.commands.execute("notebook:run-cell");
        }""",
        number,
    )


def edit(notebook, number, source):
    notebook.page.evaluate(
        """([number, source]) => {
            jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel.setSource(source);
        }""",
        [number, source],
    )


def settled(notebook, number):
    """The static twin under a cell, once what it shows is over."""
    twin = notebook.output(number).locator(TWIN).first
    twin.wait_for()
    return twin


def clusters(scope):
    """The labels of the clusters of a graph."""
    return scope.locator("svg .iflow-cluster > .iflow-label").all_inner_texts()


def labels(scope):
    return [" ".join(text.split()) for text in scope.locator("svg.iflow-svg .iflow-label").all_text_contents()]


def test_cells_overlap_in_time_and_one_that_depends_waits(open_notebook, notes, screenshots):
    first = f"%%flow\na = fetch('{NOTES}', 'a', 1.5)"
    second = f"%%flow\nb = fetch('{NOTES}', 'bb', 1.2)"
    third = f"%%flow\nsizes = [count('{NOTES}', x) for x in (a, b)]\nsizes"
    notebook = open_notebook("flow_overlap.ipynb", TASKS, first, second, third)
    page = notebook.page
    notebook.run_all()
    notebook.wait_until_run()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=running]")
    page.locator(".jp-CodeCell").nth(3).scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    page.screenshot(path=screenshots / "flow_running_light.png")
    twin = settled(notebook, 3)
    assert notebook.execute("[x + 0 for x in sizes]") == "[1, 2]"
    calls = notebook.execute(
        "{c.id: (c.started_at, c.finished_at) for c in "
        "__import__('interactive_flow.notebook.flow_cells', fromlist=['x']).flow_cells(get_ipython()).session.calls}"
    )
    times = eval(calls)  # of our own kernel
    a, b = times["In [2]/fetch#1"], times["In [3]/fetch#1"]
    assert max(a[0], b[0]) < min(a[1], b[1]), "the two cells' tasks did not run side by side"
    assert times["In [4]/count#1"][0] >= a[1]
    assert times["In [4]/count#2"][0] >= b[1]
    assert [label for label in labels(twin) if "In [" in label] == ["✓ In [2]", "✓ In [3]", "✓ In [4]"]
    nodes = twin.locator("svg [data-node]").evaluate_all("nodes => nodes.map((n) => [n.dataset.node, n.textContent])")
    assert len(nodes) == 7
    edges = twin.locator("svg [data-from]").evaluate_all("edges => edges.map((e) => [e.dataset.from, e.dataset.to])")
    assert len(edges) == 2
    assert "In [4]" in twin.locator(".iflow-name").first.inner_text()
    # The panels before have become their own cells' parts.
    assert [label for label in labels(settled(notebook, 1)) if "In [" in label] == ["✓ In [2]"]
    twin.locator("[role=tab][data-tab=timeline]").click()
    twin.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "flow_timeline_light.png")


def test_running_an_edited_cell_again_makes_the_next_stale_until_it_is_refreshed(
    open_notebook, notes, theme, screenshots
):
    first = f"%%flow\na = fetch('{NOTES}', 'a')\nother = fetch('{NOTES}', 'other')"
    second = f"%%flow\nsize = count('{NOTES}', a)\nkept = count('{NOTES}', other)"
    notebook = open_notebook("flow_stale.ipynb", TASKS, first, second, "%flow refresh", "print(size + 0, kept + 0)")
    page = notebook.page
    for number in (0, 1, 2):
        run_cell(notebook, number)
    settled(notebook, 2)
    assert sorted(ran(notes)) == ["count-a", "count-other", "fetch-a", "fetch-other"]
    notes.unlink()

    edit(notebook, 1, first.replace("'a'", "'abc'"))
    run_cell(notebook, 1)
    page.wait_for_selector(f".jp-CodeCell >> nth=2 >> {TWIN} [data-node][data-stale]")
    assert ran(notes) == ["fetch-abc"]
    twin = settled(notebook, 2)
    stale = twin.locator("svg [data-stale]").evaluate_all("nodes => nodes.map((n) => n.textContent)")
    assert len(stale) == 2  # the cell and one of its two calls
    assert all("△ stale" in text for text in stale)
    assert "1 stale" in twin.locator(".iflow-counts").inner_text()
    page.locator(".jp-CodeCell").nth(1).scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=screenshots / "flow_stale_light.png")
    theme("Dark")
    page.wait_for_function("() => !document.querySelector('#jupyterlab-splash')")
    page.screenshot(path=screenshots / "flow_stale_dark.png")
    notes.unlink()

    run_cell(notebook, 3)
    assert "1 call made, 1 call kept" in notebook.text(3)
    page.wait_for_function(
        """() => ![...document.querySelectorAll(".jp-CodeCell")].some((cell) => cell.querySelector("[data-stale]"))"""
    )
    assert ran(notes) == ["count-abc"]
    run_cell(notebook, 4)
    assert notebook.text(4).strip() == "3 5"
    page.locator(".jp-CodeCell").nth(3).scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=screenshots / "flow_refreshed_dark.png")
    run_cell(notebook, 3)
    assert "Nothing is stale" in notebook.text(3)


def test_an_ordinary_cell_says_what_it_waits_for(open_notebook, screenshots):
    notebook = open_notebook("flow_waits.ipynb", TASKS, "%%flow\nx = rest(1.5)", "x == None")
    page = notebook.page
    run_cell(notebook, 0)
    run_cell(notebook, 1)
    page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 2; }")
    notebook.page.evaluate(
        "() => { window.iflowDone = false;"
        " jupyterapp.commands.execute('notebook:run-cell').finally(() => { window.iflowDone = true; }); }"
    )
    line = notebook.output(2).locator(".iflow-waiting")
    line.wait_for()
    assert "waiting for In [2]/rest#1" in line.inner_text()
    page.screenshot(path=screenshots / "flow_waiting_light.png")
    notebook.wait_until_run()
    assert line.count() == 0
    assert "True" in notebook.text(2)


def test_cancel_while_a_cell_waits_leaves_a_session_that_goes_on(open_notebook):
    notebook = open_notebook("flow_cancel.ipynb", TASKS, "%%flow --wait\nx = rest(30)", "%%flow --wait\ny = rest(0.1)")
    page = notebook.page
    run_cell(notebook, 0)
    page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
    page.evaluate(
        "() => { window.iflowDone = false;"
        " jupyterapp.commands.execute('notebook:run-cell').finally(() => { window.iflowDone = true; }); }"
    )
    page.wait_for_selector(f"{LIVE} [data-node][data-state=running]")
    notebook.output(1).get_by_role("button", name="Cancel").click()
    notebook.wait_until_run()
    assert "TaskCancelled" in notebook.text(1)
    run_cell(notebook, 2)
    assert "✓" in settled(notebook, 2).locator(".iflow-header .iflow-state").inner_text()


def test_the_stop_button_ends_the_waiting_and_nothing_else(open_notebook):
    notebook = open_notebook("flow_stop.ipynb", TASKS, "%%flow\nx = rest(3)\nx == None", "x == None")
    page = notebook.page
    run_cell(notebook, 0)
    page.evaluate("() => { jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
    page.evaluate(
        "() => { window.iflowDone = false;"
        " jupyterapp.commands.execute('notebook:run-cell').finally(() => { window.iflowDone = true; }); }"
    )
    page.wait_for_selector(f"{LIVE} [data-node][data-state=standing]")
    notebook.interrupt()
    notebook.wait_until_run()
    assert "KeyboardInterrupt" in notebook.text(1)
    run_cell(notebook, 2)
    assert "True" in notebook.text(2)

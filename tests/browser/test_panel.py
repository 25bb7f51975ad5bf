"""The panel of a run, in JupyterLab, in a browser: live while the cell runs, lasting when the kernel is gone."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from looks import (
    ENDLESS,
    LIVE,
    RUN,
    TASKS,
    TWIN,
    WORKFLOW,
    assert_finished,
    assert_graph_bars_and_timeline_are_seen,
    assert_live,
    seen,
    states,
    watch,
)

from interactive_flow.notebook.widget import script

TUTORIAL = Path(__file__).resolve().parents[2] / "notebooks" / "01_video_workflow.ipynb"


def test_progress_and_graph_change_while_the_cell_runs(open_notebook, screenshots):
    notebook = open_notebook("live.ipynb", TASKS, WORKFLOW, RUN)
    page, output = notebook.page, notebook.output(2)
    watch(page, 2)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=running]")
    page.wait_for_selector(f"{LIVE} [data-node][data-state=succeeded]")
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "running_light.png")
    notebook.wait_until_run()
    assert_live(seen(page))
    assert_finished(output)
    assert page.get_by_role("status").filter(has_text="process_video").inner_text() == "process_video: succeeded"
    page.screenshot(path=screenshots / "done_light.png")


def test_the_first_run_of_the_tutorial_is_live(open_notebook, screenshots):
    tutorial = nbformat.read(TUTORIAL, as_version=4)
    code = [cell.source for cell in tutorial.cells if cell.cell_type == "code"]
    first = next(n for n, source in enumerate(code) if ".run(" in source)
    notebook = open_notebook("tutorial.ipynb", *code[: first + 1])
    page, output = notebook.page, notebook.output(first)
    watch(page, first)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=succeeded]")
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "tutorial_running_light.png")
    notebook.wait_until_run()
    assert_live(seen(page))
    assert output.locator(TWIN).count() == 1
    assert set(states(output)) == {"passed", "succeeded"}
    page.screenshot(path=screenshots / "tutorial_done_light.png")


def test_the_graph_stays_when_the_kernel_is_gone(open_notebook, reload, lab, theme, screenshots):
    notebook = open_notebook("lasting.ipynb", TASKS, WORKFLOW, RUN)
    page = notebook.page
    notebook.run_all()
    notebook.wait_until_run()
    notebook.save()
    (saved,) = lab.read("lasting.ipynb").cells[2].outputs
    assert set(saved.data) == {"text/html", "text/plain"}
    assert "<script" not in saved.data["text/html"]
    assert "process_video" in saved.data["text/plain"]

    lab.shut_kernels_down()
    theme("Dark")
    reload(kernels=False)
    notebook.open(wait_for_kernel=False)
    output = notebook.output(2)
    output.locator("svg [data-node]").first.wait_for()
    assert_finished(output)
    assert_graph_bars_and_timeline_are_seen(output)
    page.locator(".jp-Dialog", has_text="Error Starting Kernel").get_by_role("button", name="Ok").click()
    page.locator(".jp-Dialog", has_text="Select Kernel").get_by_role("button", name="No Kernel").click()
    assert page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.session") is None
    assert "Error displaying widget" not in page.inner_text("body")
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "reopened_dark.png")


def test_a_click_on_a_node_tells_about_the_call(open_notebook, screenshots):
    notebook = open_notebook("details.ipynb", TASKS, WORKFLOW, RUN)
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    pane = output.locator(".iflow-pane")
    pane.wait_for(state="attached")  # the twin has become interactive
    assert pane.is_hidden()
    output.locator("[data-node=n1]").click()
    text = pane.inner_text()
    for part in ("embed_subtitles#1", "succeeded", "embed_subtitles('talk.mp4', 'talk.srt')", "'talk.mp4+talk.srt'"):
        assert part in text
    assert "cell 2, line 4" in text
    assert "embedded talk.srt" in text
    page.screenshot(path=screenshots / "details_light.png")

    page.keyboard.press("Escape")
    assert pane.is_hidden()
    for _ in range(7):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert pane.is_visible()
    assert "2 attempts" in output.locator("[data-node][data-selected] title").text_content()


def selected_tab(output):
    """The tab that is marked as shown, and the panels that can be seen."""
    (tab,) = output.get_by_role("tab", selected=True).all()
    (panel,) = output.get_by_role("tabpanel").all()
    assert panel.get_attribute("aria-labelledby") == tab.get_attribute("id")
    assert tab.get_attribute("aria-controls") == panel.get_attribute("id")
    return tab.inner_text()


ALL_TABS = ["Progress", "Graph", "Timeline", "Decisions", "Output"]


def test_tabs_are_drawn_while_the_cell_is_busy_and_stay_as_they_were_chosen(open_notebook, theme, screenshots):
    notebook = open_notebook("tabs.ipynb", TASKS, ENDLESS, WORKFLOW, f"{RUN}\nendless.run()")
    page, output = notebook.page, notebook.output(3)
    theme("Dark")
    notebook.run_all()
    live = output.locator(f"{LIVE}:has-text('endless')")
    live.locator("[data-node][data-state=succeeded]").wait_for()
    assert [tab.inner_text() for tab in live.get_by_role("tab").all()] == ALL_TABS
    assert selected_tab(live) == "Graph"
    shown = {
        "Progress": ".iflow-rows .iflow-task:text('patient')",
        "Timeline": "[data-of=n1][data-state=running]",
        "Decisions": "li:has-text('scheduled patient#1, embed_subtitles#1')",
        "Output": "pre:has-text('embedded talk.srt')",
    }
    for name, content in shown.items():
        assert live.locator(content).count() == 0, f"{name} was drawn although nobody looked at it"
        live.get_by_role("tab", name=name).click()
        live.locator(content).wait_for()
        assert selected_tab(live) == name
        live.scroll_into_view_if_needed()
        page.screenshot(path=screenshots / f"tab_{name.lower()}_dark.png")
    live.get_by_role("tab", name="Timeline").click()
    live.locator("[data-of=n2]").click()
    live.locator(".iflow-pane", has_text="embedded talk.srt").wait_for()
    page.screenshot(path=screenshots / "tab_timeline_details_dark.png")
    assert "[*]" in page.locator(".jp-CodeCell .jp-InputPrompt").nth(3).inner_text()
    live.get_by_role("button", name="Cancel").click()
    notebook.wait_until_run()
    twin = output.locator(f"{TWIN}:has-text('endless')")
    twin.get_by_role("tab").first.wait_for()
    assert selected_tab(twin) == "Timeline"
    assert "embedded talk.srt" in twin.locator(".iflow-pane").inner_text()
    assert selected_tab(output.locator(f"{TWIN}:has-text('process_video')")) == "Graph"


def test_tabs_by_keyboard(open_notebook, screenshots):
    notebook = open_notebook("keys.ipynb", TASKS, WORKFLOW, RUN)
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    output.get_by_role("tab", name="Graph").focus()
    for key, name in [
        ("ArrowRight", "Timeline"), ("ArrowRight", "Decisions"), ("ArrowRight", "Output"), ("ArrowRight", "Progress"),
        ("ArrowLeft", "Output"), ("Home", "Progress"), ("End", "Output"), ("ArrowLeft", "Decisions"),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert selected_tab(output) == name
        assert page.evaluate("() => document.activeElement.textContent") == name
        page.screenshot(path=screenshots / f"done_{name.lower()}_light.png")
    assert "find_chapters#1" in output.get_by_role("tabpanel").inner_text()


def test_save_report_writes_it_beside_the_notebook(open_notebook, lab):
    (lab.root / "folder").mkdir()
    notebook = open_notebook("folder/report.ipynb", TASKS, WORKFLOW, RUN)
    output = notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    output.get_by_role("button", name="Save report").click()
    output.get_by_role("status").filter(has_text="Report saved as").wait_for()
    (report,) = (lab.root / "folder").glob("process_video-*.html")
    assert str(report) in output.get_by_role("status").inner_text()
    assert "embedded talk.srt" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "item"), [("graph", "[data-node=n1]"), ("timeline", "[data-of=n1]")])
def test_drawings_zoom_and_pan(open_notebook, name, item):
    notebook = open_notebook("zoom.ipynb", TASKS, WORKFLOW, RUN)
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    output.get_by_role("tab", name=name.title()).click()
    window, node = output.get_by_role("group", name=name, exact=True), output.locator(item)
    window.wait_for()
    window.scroll_into_view_if_needed()
    before = node.bounding_box()
    output.get_by_role("button", name="zoom in").click()
    larger = node.bounding_box()
    assert larger["width"] == pytest.approx(before["width"] * 1.25, rel=0.01)

    frame = window.bounding_box()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + 5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 20, steps=3)
    page.mouse.up()
    moved = node.bounding_box()
    assert moved["x"] - larger["x"] == pytest.approx(30, abs=2)
    assert moved["y"] - larger["y"] == pytest.approx(20, abs=2)
    assert output.locator(".iflow-pane").is_hidden(), "a drag is no click"

    page.keyboard.down("Control")
    page.mouse.wheel(0, 300)
    page.keyboard.up("Control")
    page.wait_for_function(
        "([node, width]) => node.getBoundingClientRect().width < width", arg=[node.element_handle(), moved["width"]]
    )
    output.get_by_role("button", name=f"fit the {name}").click()
    assert node.bounding_box() == pytest.approx(before, abs=1)


def test_the_stop_button_cancels_the_run(open_notebook, theme, screenshots):
    notebook = open_notebook(
        "stop.ipynb",
        TASKS,
        WORKFLOW,
        """process_video.inject(find_chapters=task(lambda video: time.sleep(60))).run("talk.mp4", "talk.srt")""",
    )
    page, output = notebook.page, notebook.output(2)
    theme("Dark")
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node=n1][data-state=succeeded]")
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "running_dark.png")
    notebook.interrupt()
    notebook.wait_until_run()
    assert "KeyboardInterrupt" in notebook.text(2)
    assert output.locator(TWIN).count() == 1
    assert output.locator(".iflow-header .iflow-state").inner_text().split() == ["⊘", "cancelled"]
    assert {"cancelled", "succeeded"} <= set(states(output))
    page.screenshot(path=screenshots / "cancelled_dark.png")

    notebook.run_all()  # the kernel is as good as new
    page.wait_for_selector(f"{LIVE} [data-node=n1][data-state=succeeded]")
    notebook.interrupt()
    notebook.wait_until_run()
    assert output.locator(".iflow-header .iflow-state").inner_text().split() == ["⊘", "cancelled"]


@pytest.mark.parametrize(
    ("run", "key"), [("endless.run()", None), ("endless.run()", "Enter"), ("await endless.start()", None)]
)
def test_cancel_ends_the_run_while_its_cell_is_busy(open_notebook, screenshots, run, key):
    notebook = open_notebook("cancel.ipynb", TASKS, ENDLESS, run)
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=running]")
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "cancel_light.png")
    button = output.get_by_role("button", name="Cancel")
    if key:
        button.press(key)
    else:
        button.click()
    notebook.wait_until_run()
    assert "TaskCancelled" in notebook.text(2)
    assert "KeyboardInterrupt" not in notebook.text(2)
    assert output.locator(".iflow-header .iflow-state").inner_text().split() == ["⊘", "cancelled"]
    assert notebook.execute("told.wait(20), endless.last_run.status") == "(True, 'cancelled')"


def test_quick_runs_show_only_their_end(open_notebook):
    quick = "quick = workflow(lambda encode_video: lambda: [encode_video('v', f) for f in 'abc'])"
    notebook = open_notebook(
        "quick.ipynb",
        "from interactive_flow import task, workflow\nencode_video = task(lambda v, f: v + f)\n" + quick,
        "print('before'); a = quick.run(); print('between'); b = quick.run(); print('after'); a + b",
    )
    page, output = notebook.page, notebook.output(1)
    for _ in range(2):
        watch(page, 1)
        notebook.run_all()
        notebook.wait_until_run()
        output.locator(".iflow-pane").nth(1).wait_for(state="attached")
        assert {look["done"] for look in seen(page)} <= {None, 3}
        assert output.locator(TWIN).count() == 2
        assert set(states(output)) == {"succeeded"}
        words = output.locator(".jp-OutputArea-output").evaluate_all(
            "outputs => outputs.map(o => o.querySelector('[data-iflow-run]') ? 'run' : o.textContent.trim())"
        )
        assert words == ["before", "run", "between", "run", "after", "['va', 'vb', 'vc', 'va', 'vb', 'vc']"]


def test_a_run_in_the_background_is_live_in_every_cell_that_shows_it(open_notebook):
    notebook = open_notebook(
        "background.ipynb", TASKS, WORKFLOW, "run = process_video.start('talk.mp4', 'talk.srt')", "run", "run.result()"
    )
    page = notebook.page
    watch(page, 3)
    notebook.run_all()
    page.wait_for_selector(f"{LIVE} [data-node][data-state=succeeded]")
    assert notebook.output(2).locator(LIVE).count() == 1
    assert notebook.output(3).locator(LIVE).count() == 1
    notebook.wait_until_run()
    assert len({look["done"] for look in seen(page) if look["done"] is not None}) > 1
    assert_finished(notebook.output(2))
    assert_finished(notebook.output(3))


def test_a_failed_run_says_why(open_notebook, theme, screenshots):
    notebook = open_notebook(
        "failed.ipynb",
        TASKS.replace("retry=2", "retry=1"),
        WORKFLOW,
        "import warnings; warnings.simplefilter('default')",
        RUN,
    )
    page, output = notebook.page, notebook.output(3)
    theme("Dark")
    notebook.run_all()
    notebook.wait_until_run()
    assert output.locator(".iflow-header .iflow-state").first.inner_text().split() == ["✗", "failed"]
    output.locator(".iflow-pane").wait_for(state="attached")
    output.locator("[data-node][data-state=failed]").first.click()
    assert "OSError: no such <frame>" in output.locator(".iflow-pane").inner_text()
    page.screenshot(path=screenshots / "failed_dark.png")


def test_a_twin_keeps_the_last_states_whatever_the_model_still_says(open_notebook):
    """The twin comes before the news that the run has ended, so a model may speak of states that are over."""
    page = open_notebook("twin.ipynb", "1").page
    found = page.evaluate(
        """async (source) => {
            const twin = document.createElement("div");
            twin.dataset.iflowRun = "r1";
            twin.innerHTML = `<div class="iflow-main"><details data-tab="graph"><summary>Graph</summary>
                <div class="iflow-tab-content"><div class="iflow-graph-box">
                <svg viewBox="0 0 10 10" width="10" height="10"><g data-node="n1" data-state="failed"></g></svg>
                </div></div></details></div>`;
            document.body.append(twin);
            const told = { run: "r1", states: { n1: { state: "running" } }, details: {}, spoken: "", svg: "" };
            const model = { get: (name) => told[name], on() {}, off() {} };
            const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            const forget = module.default.initialize({ model });
            const mounted = twin.querySelector(".iflow-graph-box").classList.contains("iflow-mounted");
            const found = [mounted, twin.querySelector("[data-node]").dataset.state];
            forget();
            twin.remove();
            return found;
        }""",
        script(),
    )
    assert found == [True, "failed"]


def test_without_a_widget_the_panel_is_live_all_the_same(open_notebook):
    notebook = open_notebook("html.ipynb", TASKS, WORKFLOW, RUN.replace(".run(", ".options(display='html').run("))
    page = notebook.page
    watch(page, 2)
    notebook.run_all()
    notebook.wait_until_run()
    assert_live(seen(page))
    assert_finished(notebook.output(2))

"""The Decisions tab and the Retry button, in JupyterLab, in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TASKS = """\
%load_ext interactive_flow
import threading
import time
from interactive_flow import flow, task, wait, workflow

@task
def embed_subtitles(video, subtitles):
    time.sleep(0.6)
    return f"{video}+{subtitles}"

@task
def encode_video(video, format):
    time.sleep(0.3)
    return f"{video}.{format}"

@task
def find_chapters(video):
    time.sleep(0.4)
    return [1, 2, 3]

@task
def extract_thumbnail(video, chapter):
    time.sleep(0.2)
    return f"{video}@{chapter}"
"""
WORKFLOW = """\
@workflow
def process_video(embed_subtitles, encode_video, find_chapters, extract_thumbnail):
    def run(video, subtitles):
        subtitled = embed_subtitles(video, subtitles)
        encoded = [encode_video(subtitled, f) for f in ("mp4", "webm", "mov")]
        thumbnails = [extract_thumbnail(video, c) for c in find_chapters(video)]
        return encoded, thumbnails
    return run
"""
RUN = 'result = process_video.run("talk.mp4", "talk.srt")'
LIVE = "[data-iflow-live]"
TWIN = "[data-iflow-run]:not([data-iflow-live])"
ADVISED = """\
@task
def target_ads(video):
    time.sleep(0.5)
    return "ads"

@flow
def publish(video):
    chapters = wait(find_chapters(video))
    ads = target_ads(video)
    return chapters, ads
"""


def slider_of(output):
    """The slider, as soon as the kernel has told of the first steps."""
    output.get_by_role("tab", name="Decisions").click()
    slider = output.get_by_role("slider", name="decision")
    slider.wait_for()
    return slider


def shown(output):
    """The line of code that waits, and the nodes that are known, new and awaited, by their labels."""
    travel = output.locator(".iflow-travel")

    def labels(what):
        nodes = travel.locator(f".iflow-node:not(.iflow-barrier){what}")
        return [text[2:] for text in nodes.locator(".iflow-label").all_text_contents()]

    waits = travel.locator(".iflow-code-line[data-waits] .iflow-code-text")
    return {
        "waits": waits.inner_text().strip() if waits.count() else None,
        "known": labels(":not([data-unknown])"),
        "new": labels("[data-new]"),
        "awaited": labels("[data-awaited]"),
    }


def said(slider):
    return slider.get_attribute("aria-valuetext")


def states(nodes):
    """The states that some nodes are in."""
    return set(nodes.evaluate_all("nodes => nodes.map(node => node.dataset.state)"))


FIRST = ["embed_subtitles", "encode_video #1", "encode_video #2", "encode_video #3", "find_chapters"]
SECOND = ["extract_thumbnail #1", "extract_thumbnail #2", "extract_thumbnail #3"]
LINE = "thumbnails = [extract_thumbnail(video, c) for c in find_chapters(video)]"


def test_a_run_is_gone_through_decision_by_decision(open_notebook, theme, screenshots):
    notebook = open_notebook("travel.ipynb", TASKS, WORKFLOW, RUN)
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    assert output.locator(".iflow-travel svg").count() == 0, "nothing is asked for before somebody looks"
    slider = slider_of(output)
    output.scroll_into_view_if_needed()
    first = shown(output)
    assert first["waits"] == LINE
    assert (sorted(first["known"]), sorted(first["new"]), first["awaited"]) == (FIRST, FIRST, ["find_chapters"])
    assert re.match(r"1 of 3, at .*: waited .* at cell 2, line 6 for find_chapters#1", said(slider))
    assert output.locator(".iflow-travel-did").inner_text().startswith("Scheduled 5 calls; waited")
    marks = output.locator(".iflow-code-mark").all_text_contents()
    assert [mark.split() for mark in marks] == [[], [], [], ["+1"], ["+3"], ["+1", "‖"], [], []]
    assert output.locator(".iflow-code-line[aria-current=step]").count() == 1
    page.screenshot(path=screenshots / "decisions_light.png")

    slider.press("ArrowRight")
    second = shown(output)
    assert (second["waits"], sorted(second["known"]), second["new"]) == (None, sorted(FIRST + SECOND), SECOND)
    assert said(slider).startswith("2 of 3")
    slider.press("End")
    assert states(output.locator(".iflow-travel .iflow-node:not(.iflow-barrier)")) == {"succeeded"}
    assert "the run has its result" in said(slider)
    slider.press("Home")
    assert shown(output) == first
    assert page.evaluate("() => document.activeElement.type") == "range", "the keys are not the notebook's"

    output.get_by_role("button", name="next decision").click()
    assert shown(output) == second
    output.get_by_role("button", name="previous decision").click()
    assert shown(output) == first
    assert output.get_by_role("button", name="previous decision").is_disabled()
    output.get_by_role("button", name="play").click()
    output.get_by_text("The run has its result.").wait_for()
    output.get_by_role("button", name="play").wait_for()
    theme("Dark")
    slider.press("Home")
    page.screenshot(path=screenshots / "decisions_dark.png")
    assert output.locator(".iflow-svg").count() == 2, "the graph in its own tab is as it was"
    assert states(output.locator(".iflow-stage [data-node]:not(.iflow-barrier)")) == {"succeeded"}


def test_advice_stands_below(open_notebook, screenshots):
    notebook = open_notebook("advice.ipynb", TASKS, ADVISED, 'publish.run("talk.mp4")')
    output = notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    slider_of(output)
    advice = output.locator(".iflow-advised li")
    text = advice.inner_text()
    assert text.startswith("Line 9 target_ads(…) does not use what line 8 waited for.")
    assert "call it before line 8" in text
    advice.scroll_into_view_if_needed()
    notebook.page.screenshot(path=screenshots / "advice_light.png")


def test_it_goes_along_with_a_run(open_notebook):
    stepwise = """\
gates = [threading.Event() for _ in range(3)]

@task
def gate(n):
    gates[n].wait(30)
    return n

@flow
def stepwise():
    for n in range(3):
        wait(gate(n))
"""
    notebook = open_notebook("going.ipynb", TASKS, stepwise, "run = stepwise.start()\nrun")
    output = notebook.output(2)
    notebook.run_all()
    live = output.locator(LIVE).first
    live.wait_for()
    slider = slider_of(live)
    notebook.wait_until_run()
    assert said(slider).startswith("1 of 1")
    for n in range(2):
        notebook.execute(f"gates[{n}].set()")
        notebook.page.wait_for_function(
            "([slider, text]) => slider.getAttribute('aria-valuetext').startsWith(text)",
            arg=[slider.element_handle(), f"{n + 2} of {n + 2}"],
        )
    slider.press("Home")
    notebook.execute("gates[2].set()")
    twin = output.locator(TWIN).first
    twin.get_by_role("slider").wait_for()
    assert said(twin.get_by_role("slider")).startswith("1 of 5"), "the last two are what came of the end"


def test_a_long_run_is_told_in_pages(open_notebook):
    long = """\
short = task(lambda n: n, name="short")

@flow
def long(n):
    for i in range(n):
        wait(short(i))
"""
    notebook = open_notebook("long.ipynb", TASKS, long, "long.run(1500)")
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    slider = slider_of(output)
    total = int(slider.get_attribute("max")) + 1
    assert total > 1000, "a task may be over before the code looks at it, but seldom is"
    assert said(slider).startswith(f"1 of {total}")
    for key, number in [("End", total), ("PageUp", None), ("Home", 1)]:
        slider.press(key)
        page.wait_for_function(
            "slider => !document.querySelector('.iflow-travel-did').textContent.startsWith('…')",
            arg=slider.element_handle(),
        )
        if number:
            assert said(slider).startswith(f"{number} of {total}, at")


RETRIED = """\
tries = []

@task
def sometimes(n):
    tries.append(n)
    if len(tries) < 3:
        raise OSError("no route")
    return n

@flow
def unlucky():
    return [sometimes(1), embed_subtitles("talk.mp4", "talk.srt")]
"""


def test_retry_failed(open_notebook, screenshots):
    notebook = open_notebook(
        "retry.ipynb",
        TASKS,
        RETRIED,
        "import warnings; warnings.simplefilter('ignore')\nrun = unlucky.start()\nrun.wait()",
        "import time; time.sleep(2)",
    )
    page, output = notebook.page, notebook.output(2)
    notebook.run_all()
    retry = output.get_by_role("button", name="Retry failed")
    retry.wait_for()
    first = output.locator(TWIN).get_attribute("data-iflow-run")
    page.screenshot(path=screenshots / "retry_light.png")
    retry.click()  # while another cell runs
    output.get_by_text(f"Tries again what did not succeed in run {first}.").wait_for()
    notebook.wait_until_run()
    twin = output.locator(TWIN)
    page.wait_for_function("first => !document.querySelector(`[data-iflow-run='${first}']`)", arg=first)
    assert twin.count() == 1
    assert twin.get_attribute("data-iflow-run") != first
    output.get_by_role("button", name="Retry failed").click()
    output.locator(".iflow-header .iflow-state", has_text="succeeded").wait_for()
    assert output.get_by_role("button", name="Retry failed").is_hidden()
    assert notebook.execute("len(tries)") == "3"


def test_the_report_has_the_slider_too(page, tmp_path, screenshots):
    program = Path(tmp_path, "make.py")
    program.write_text(
        TASKS.replace("%load_ext interactive_flow\n", "")
        + WORKFLOW
        + "\nprocess_video.run('talk.mp4', 'talk.srt')\n"
        + f"process_video.last_run.to_html({str(tmp_path / 'report.html')!r})\n"
    )
    subprocess.run([sys.executable, str(program)], check=True, timeout=60, capture_output=True)
    sheet = page.context.browser.new_page(viewport={"width": 1280, "height": 1000})
    try:
        errors = []
        sheet.on("pageerror", lambda error: errors.append(str(error)))
        sheet.goto((tmp_path / "report.html").as_uri())
        slider = sheet.get_by_role("slider", name="decision")
        slider.wait_for()
        assert shown(sheet)["waits"] == LINE
        slider.press("ArrowRight")
        assert shown(sheet)["new"] == SECOND
        slider.press("End")
        assert "the run has its result" in said(slider)
        slider.press("Home")
        slider.scroll_into_view_if_needed()
        sheet.screenshot(path=screenshots / "report_decisions.png")
        assert errors == []
    finally:
        sheet.close()


@pytest.mark.parametrize("width", [420, 640])
def test_it_fits_into_a_narrow_cell(open_notebook, page, screenshots, width):
    notebook = open_notebook("narrow.ipynb", TASKS, WORKFLOW, RUN)
    output = notebook.output(2)
    notebook.run_all()
    notebook.wait_until_run()
    slider_of(output)
    try:
        page.set_viewport_size({"width": width, "height": 900})
        output.scroll_into_view_if_needed()
        box = output.locator(".iflow").first.bounding_box()
        for part in (".iflow-travel-bar", ".iflow-travel-did", ".iflow-code", ".iflow-travel-graph", ".iflow-advice"):
            inside = output.locator(part).bounding_box()
            assert inside["x"] >= box["x"], part
            assert inside["x"] + inside["width"] <= box["x"] + box["width"] + 1, part
        page.screenshot(path=screenshots / f"decisions_{width}.png")
    finally:
        page.set_viewport_size({"width": 1280, "height": 1000})

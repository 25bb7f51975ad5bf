"""For everybody: judged by axe-core, walked through by keyboard, enlarged, without motion, with forced colours."""

from __future__ import annotations

import re
from typing import Any

import pytest
from looks import ENDLESS, LIVE, TASKS, TWIN, WORKFLOW

from interactive_flow.notebook.widget import RunWidget

FAILS = """\
@task
def breaks(video):
    raise OSError("no such frame")

@flow
def everything():
    encoded = process_video("talk.mp4", "talk.srt")
    try:
        if breaks("talk.mp4"):
            pass
    except Exception:
        pass
    return encoded
"""
TABS = ["Progress", "Graph", "Timeline", "Decisions", "Output"]

JUDGE = """async ([selector, rules]) => {
    const options = { resultTypes: ["violations", "passes"], ...(rules ? { runOnly: rules } : {}) };
    const found = await axe.run(selector, options);
    return {
        passes: found.passes.reduce((sum, pass) => sum + pass.nodes.length, 0),
        wrong: found.violations.map((v) => ({
            id: v.id,
            impact: v.impact,
            nodes: v.nodes.slice(0, 5).map((n) => `${n.html.slice(0, 200)} ${n.failureSummary}`),
        })),
    };
}"""
SHEET = """([selector, names]) => {
    const theme = getComputedStyle(document.body);
    return {
        panel: document.querySelector(selector).outerHTML,
        light: document.body.dataset.jpThemeLight,
        values: names.map((name) => `${name}: ${theme.getPropertyValue(name)};`).join(" "),
    };
}"""


def judge(page: Any, axe: str, selector: str, rules: list[str] | None = None) -> list[dict[str, Any]]:
    """What axe-core finds wrong within what `selector` names, however slight."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate(JUDGE, [selector, rules])
    assert found["passes"] > 5, "hardly anything was judged"
    return list(found["wrong"])


def judge_contrasts(page: Any, sheet: Any, axe: str, selector: str) -> list[dict[str, Any]]:
    """The same for colours, on a plain page in JupyterLab's theme: axe-core takes JupyterLab's own for invisible."""
    style = RunWidget._css
    names = sorted(set(re.findall(r"var\((--jp-[\w-]+)", style)))
    it = page.evaluate(SHEET, [selector, names])
    values = f":root {{ {it['values']} }} body {{ background: var(--jp-layout-color0) }}"
    sheet.set_content(f"<style>{values}{style}</style><body data-jp-theme-light={it['light']}>{it['panel']}")
    return judge(sheet, axe, selector, ["color-contrast"])


def settle(page: Any) -> None:
    """Waits for the end of transitions; endless animations go on."""
    page.evaluate(
        """() => Promise.allSettled(document.getAnimations()
            .filter((a) => a.effect.getComputedTiming().iterations !== Infinity)
            .map((a) => a.finished)).then(() => null)"""
    )


@pytest.fixture
def shown(open_notebook: Any, page: Any) -> Any:
    """The views of a run that goes on and of one that has ended, with all states there are."""
    cells = [TASKS, ENDLESS + WORKFLOW + FAILS, "run = endless.start(); run", "result = everything.run()"]
    notebook = open_notebook("accessible.ipynb", *cells)
    notebook.run_all()
    notebook.wait_until_run()
    live, twin = notebook.output(2).locator(LIVE), notebook.output(3).locator(TWIN)
    twin.get_by_role("tab").first.wait_for()
    return live, twin


@pytest.mark.parametrize("name", ["Light", "Dark"])
def test_axe_finds_nothing_wrong(shown: Any, page: Any, theme: Any, axe: str, screenshots: Any, name: str) -> None:
    theme(name)
    sheet = page.context.browser.new_page()
    wrong = {}
    for view, selector in zip(shown, (LIVE, TWIN), strict=True):
        for tab in TABS:
            view.get_by_role("tab", name=tab).click()
            panel = view.get_by_role("tabpanel")
            if tab in ("Graph", "Timeline"):
                panel.locator("[data-node=n2], [data-of=n2]").first.click()
                view.locator(".iflow-pane dl").wait_for()
            settle(page)
            view.scroll_into_view_if_needed()
            page.screenshot(path=screenshots / f"axe_{name}_{selector[11:15]}_{tab}.png".lower())
            found = judge_contrasts(page, sheet, axe, selector)
            if name == "Light":  # a theme changes nothing but colours
                found += judge(page, axe, selector)
            wrong[f"{selector} {tab}"] = found
    sheet.close()
    assert {where: found for where, found in wrong.items() if found} == {}


# -- by keyboard alone -------------------------------------------------------------------------------------------------


def focused(page: Any) -> str:
    """What has the focus, in a word or two."""
    return str(
        page.evaluate(
            """() => {
                const element = document.activeElement;
                return element.getAttribute("aria-label") ?? element.textContent.trim().split("\\n")[0];
            }"""
        )
    )


def outline(page: Any) -> str:
    """The width of the outline, or of the line, that shows where the focus is."""
    return str(
        page.evaluate(
            """() => {
                const element = document.activeElement;
                const shape = element.querySelector(":scope > .iflow-shape, :scope > rect");
                const style = getComputedStyle(shape ?? element);
                return shape ? style.strokeWidth : style.outlineStyle === "none" ? "0px" : style.outlineWidth;
            }"""
        )
    )


def test_every_control_by_keyboard(shown: Any, page: Any, screenshots: Any) -> None:
    live, _ = shown
    live.get_by_role("tab", name="Graph").focus()
    walked = [focused(page)]
    for _ in range(6):
        page.keyboard.press("Tab")
        walked.append(focused(page))
        assert float(outline(page).removesuffix("px")) >= 2, walked
    assert walked[:3] == ["Graph", "Save report", "Cancel"]
    assert walked[3:6] == ["zoom out", "zoom in", "fit the graph"]
    assert "patient" in walked[6]
    page.screenshot(path=screenshots / "keyboard_node.png")
    page.keyboard.press("Enter")
    live.locator(".iflow-pane dl").wait_for()
    for _ in range(4):
        page.keyboard.press("Tab")
        walked.append(focused(page))
    assert "close the details" in walked
    live.get_by_role("button", name="close the details").focus()
    page.keyboard.press("Enter")
    live.locator(".iflow-pane").wait_for(state="hidden")
    assert "patient" in focused(page), "back where one came from"
    live.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Space")
    live.wait_for(state="detached")
    assert "cancelled" in page.locator(TWIN).first.locator(".iflow-header").inner_text()


# -- as readers have set it --------------------------------------------------------------------------------------------


@pytest.fixture
def emulate(page: Any) -> Any:
    """A function that lets the page believe in settings of the reader's; as they were after the test."""
    before = page.viewport_size
    yield page.emulate_media
    page.emulate_media(reduced_motion=None, forced_colors=None, contrast=None)
    page.set_viewport_size(before)


def test_at_twice_the_size_nothing_is_cut_off(shown: Any, page: Any, emulate: Any, screenshots: Any) -> None:
    """A page at 200 % has half as many pixels of its own."""
    page.set_viewport_size({"width": 640, "height": 500})
    for number, view in enumerate(shown):
        for tab in TABS:
            view.get_by_role("tab", name=tab).click()
            view.scroll_into_view_if_needed()
            page.screenshot(path=screenshots / f"twice_{number}_{tab.lower()}.png")
            wide = view.evaluate("view => [view.scrollWidth, view.clientWidth]")
            assert wide[0] <= wide[1] + 1, (tab, wide)
            for button in view.get_by_role("button").all():
                if button.is_visible() and button.get_attribute("type"):  # nodes and bars are moved into view
                    box, frame = button.bounding_box(), view.bounding_box()
                    assert box["x"] >= frame["x"], tab
                    assert box["x"] + box["width"] <= frame["x"] + frame["width"] + 1, tab


def test_nothing_moves_where_that_is_not_wanted(shown: Any, page: Any, emulate: Any) -> None:
    live, _ = shown
    moving = """view => document.getAnimations().filter((a) => view.contains(a.effect.target)).length"""
    page.wait_for_function(moving, arg=live.element_handle())
    emulate(reduced_motion="reduce")
    live.get_by_role("tab", name="Progress").click()
    live.locator(".iflow-row").first.wait_for()
    live.get_by_role("tab", name="Graph").click()
    assert live.evaluate(moving) == 0


def test_bars_and_states_are_seen_in_forced_colours(shown: Any, page: Any, emulate: Any, screenshots: Any) -> None:
    emulate(forced_colors="active")
    for number, view in enumerate(shown):
        colours = view.evaluate(
            """view => [".iflow-overall", ".iflow-overall > [data-state=succeeded]", "[role=tab][aria-selected=true]",
                "[role=tab][aria-selected=false]"].map((part) => {
                    const style = getComputedStyle(view.querySelector(part));
                    return part.includes("tab") ? style.borderBottomColor : style.backgroundColor;
                })"""
        )
        assert colours[0] != colours[1], f"a bar is as its ground: {colours}"
        assert colours[2] != colours[3], f"the tab that is shown looks as others: {colours}"
        for tab in ("Graph", "Timeline", "Progress"):
            view.get_by_role("tab", name=tab).click()
            view.scroll_into_view_if_needed()
            page.screenshot(path=screenshots / f"forced_{number}_{tab.lower()}.png")

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
            found = judge(page, axe, selector) + judge_contrasts(page, sheet, axe, selector)
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
    live.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Space")
    live.wait_for(state="detached")
    assert "cancelled" in page.locator(TWIN).first.locator(".iflow-header").inner_text()

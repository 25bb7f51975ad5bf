"""What a front end gets, and what it is told."""

from __future__ import annotations

import re
from types import SimpleNamespace

from interactive_flow.model.events import CallScheduled, RunStarted
from interactive_flow.model.states import CallKind
from interactive_flow.notebook.picture import Picture
from interactive_flow.notebook.screens import WidgetScreen
from interactive_flow.notebook.widget import MODULES, STATIC, script


def test_the_front_end_is_one_module_that_imports_nothing():
    assert not re.search(r"^\s*import\b", script(), re.MULTILINE)
    assert re.findall(r"^export .*", script(), re.MULTILINE) == ["export default { initialize, render };"]


def test_its_modules_are_all_there_and_share_no_names():
    assert {path.name for path in STATIC.glob("*.js")} == set(MODULES)
    names = re.findall(r"^(?:export )?(?:function|class|const|let) (\w+)", script(), re.MULTILINE)
    assert len(names) == len(set(names))


def test_its_modules_import_only_what_comes_before():
    for position, module in enumerate(MODULES):
        for other in re.findall(r'from "\./(.*)"', (STATIC / module).read_text(encoding="utf-8")):
            assert other in MODULES[:position]


class Widget:
    """Notes what it is told; `hears` says whether the kernel would hear it."""

    model_id = "m1"
    tab = "output"
    selected = "n1"
    hears = True
    closed = False

    def __init__(self, shown, **traits):
        self.told = traits

    def tell(self, traits):
        self.told = traits


class Deaf(Widget):
    hears = False


def told(shell, widget_class):
    picture = Picture()
    picture.apply(
        [
            RunStarted(0.0, "r1", "w", 1e9, 4),
            *[CallScheduled(0.1, n, "t", n, CallKind.TASK, 0, (), None, ()) for n in (1, 2)],
        ]
    )
    screen = WidgetScreen(widget_class, SimpleNamespace())
    screen.update(picture)
    screen.update(picture)
    return screen._widget.told


def test_a_front_end_that_is_heard_gets_what_it_looks_at(shell):
    news = told(shell, Widget)
    assert news["output"]
    assert not news["timeline"]


def test_turning_to_another_tab_asks_for_it(shell):
    picture = Picture()
    picture.apply([RunStarted(0.0, "r1", "w", 1e9, 4)])
    for widget_class, asks in ((Widget, True), (Deaf, False)):
        screen = WidgetScreen(widget_class, SimpleNamespace())
        assert not screen.asked
        screen.update(picture)
        assert screen.asked == asks
        screen.update(picture)
        assert not screen.asked


def test_a_front_end_that_is_not_heard_gets_everything(shell):
    news = told(shell, Deaf)
    assert news["output"]
    assert news["timeline"]
    assert news["progress"]
    assert set(news["details"]) == {"n1", "n2"}

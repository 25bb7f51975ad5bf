"""A notebook that is run again: after its kernel was restarted, and after a cell was edited."""

from __future__ import annotations

import pytest

SETUP = """\
%load_ext interactive_flow
import interactive_flow as iflow
from interactive_flow import flow, task

iflow.configure(store="kept", cache=True)

def note(name):
    with open("journal.txt", "a") as journal:
        journal.write(name + "\\n")
"""
HELPER = """\
def clean(text):
    return text.strip()
"""
TASKS = """\
@task
def words(text):
    note("words")
    return clean(text).split()

@task
def count(words):
    note("count")
    return len(words)

@task
def total(counts):
    note("total")
    return sum(counts)
"""
FLOW = """\
@flow
def diary(notes):
    return total([count(words(text)) for text in notes])
"""
RUN = """diary.run([" Rain, rain ", "Sun ", " Snow"])"""


@pytest.fixture
def journal(lab):
    """What the tasks have written since one asked last."""
    path = lab.root / "journal.txt"
    path.write_text("")

    def taken() -> list[str]:
        lines = sorted(path.read_text().split())
        path.write_text("")
        return lines

    return taken


def restart(notebook):
    notebook.page.evaluate("() => jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null)")
    notebook.wait_for_kernel()


def run_all(notebook):
    notebook.run_all()
    notebook.wait_until_run()


def rows(notebook, cell):
    """What the panel says of each task, by its name."""
    found = {}
    for row in notebook.output(cell).locator("[data-iflow-run] .iflow-row").all():
        name, *_ = text = row.text_content().split()  # a hidden tab has no inner text
        found[name] = " ".join(text)
    return found


def test_after_a_restart_nothing_is_executed_again(open_notebook, journal, screenshots):
    notebook = open_notebook("cache.ipynb", SETUP, HELPER, TASKS, FLOW, RUN)
    run_all(notebook)
    assert notebook.text(4).endswith("4")
    assert journal() == ["count"] * 3 + ["total"] + ["words"] * 3
    restart(notebook)
    run_all(notebook)
    notebook.output(4).get_by_text("7 of 7 calls done").first.wait_for()
    assert notebook.text(4).endswith("4")
    assert journal() == []
    told = rows(notebook, 4)
    assert {name: text.partition("◆")[2].strip() for name, text in told.items()} == {
        "words": "3 cached",
        "count": "3 cached",
        "total": "1 cached",
    }
    notebook.page.screenshot(path=screenshots / "cached.png")
    assert notebook.execute("[str(call.state) for call in iflow.last_run().calls] == ['cached'] * 7") == "True"


def test_after_an_edit_only_what_it_touches_is_executed(open_notebook, journal, screenshots):
    notebook = open_notebook("edit.ipynb", SETUP.replace("kept", "edited"), HELPER, TASKS, FLOW, RUN)
    run_all(notebook)
    assert len(journal()) == 7
    notebook.page.evaluate(
        """(source) => jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.setSource(source)""",
        HELPER.replace("text.strip()", 'text.strip().replace(",", "")'),
    )
    run_all(notebook)
    notebook.output(4).get_by_text("7 of 7 calls done").first.wait_for()
    assert notebook.text(4).endswith("4")
    assert journal() == ["count", "words", "words", "words"]
    told = rows(notebook, 4)
    assert "◆ 2 cached" in told["count"]
    assert "◆ 1 cached" in told["total"]
    assert "cached" not in told["words"]
    section = notebook.output(4).locator("details", has_text="Calls that ran again").last
    reasons = [" ".join(text.split()) for text in section.locator("p").all_text_contents()]
    assert "helper `clean` changed (cell 7): words#1, words#2, words#3" in reasons
    notebook.output(4).locator("[data-node=n1]").click()
    notebook.output(4).locator("dd", has_text="ran because helper `clean` changed (cell 7)").wait_for()
    notebook.page.screenshot(path=screenshots / "edited.png")

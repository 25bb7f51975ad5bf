"""What is left where nothing runs: pages without scripts, notebooks without a kernel, the report without a network."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from looks import RUN, TASKS, WORKFLOW, assert_graph_bars_and_timeline_are_seen
from nbclient import NotebookClient
from pages import PAGE_TIMEOUT

HOSTILE = """\
@task(name='</script><img src=x onerror="document.title=1">')
def hostile(text):
    print("</pre><script>document.title = 2</script>")
    return text

@task(name="x" * 300)
def long_name(text):
    raise ValueError("<b>\\u202eright to left\\u202c</b> \\x1b[31m \\x00 &amp; ]]> -->")

@flow
def careless():
    try:
        wait(long_name(hostile("\\"'><svg onload=alert(1)>")))
    except TaskError:
        pass
    return hostile("</style></details></div>")
"""
IMPORTS = "from interactive_flow import TaskError, flow, wait\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A notebook that was run without a browser, with its reports beside it."""
    folder = tmp_path_factory.mktemp("finished")
    cells = [
        IMPORTS + TASKS,
        WORKFLOW,
        RUN,
        HOSTILE + "careless.run()",
        "process_video.last_run.to_html('report.html'), careless.last_run.to_html('hostile.html'); None",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, kernel_name="python3", timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.write(book, folder / "finished.ipynb")
    return folder


class Reader:
    """A page without a network; what it asked for is kept."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.asked: list[str] = []
        self.errors: list[str] = []
        page.set_default_timeout(PAGE_TIMEOUT)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, path: Path) -> Any:
        """Opens a file."""
        self.page.goto(path.as_uri())
        return self.page

    def assert_nothing_was_asked_for(self) -> None:
        """Nothing from a network, and nothing went wrong."""
        assert [url for url in self.asked if not url.startswith(("file:", "data:"))] == []
        assert self.errors == []


@pytest.fixture
def read(page: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that opens a file in a page of its own, off line."""
    contexts, readers = [], []

    def open_(path: Path, *, scripts: bool = True, **options: Any) -> Any:
        context = page.context.browser.new_context(
            offline=True, java_script_enabled=scripts, viewport={"width": 1200, "height": 1000}, **options
        )
        contexts.append(context)
        readers.append(Reader(context.new_page()))
        return readers[-1].open(path)

    yield open_
    for reader in readers:
        reader.assert_nothing_was_asked_for()
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_notebook_as_a_page_without_scripts(finished: Path, read: Any, screenshots: Any, scheme: str) -> None:
    command = [sys.executable, "-m", "nbconvert", "--to", "html", "--log-level=ERROR", "finished.ipynb"]
    if scheme == "light":
        subprocess.run(command, cwd=finished, check=True)
        text = (finished / "finished.html").read_text(encoding="utf-8")
        # Libraries that every page of nbconvert asks for, and that are of no use to a page without scripts.
        (finished / "page.html").write_text(re.sub(r"<script[^>]*\bsrc=.*?</script>", "", text, flags=re.DOTALL))
    page = read(finished / "page.html", scripts=False, color_scheme=scheme)
    shown = page.locator("[data-iflow-run]").first
    assert_graph_bars_and_timeline_are_seen(shown)
    shown.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / f"nbconvert_{scheme}.png", full_page=True)
    shown.locator("summary", has_text="Output").click()
    assert "embedded talk.srt" in shown.inner_text()


def test_a_notebook_of_somebody_else(finished: Path, open_notebook: Any, lab: Any, page: Any, screenshots: Any) -> None:
    """JupyterLab does not trust it, so it takes style sheets and drawings away; what is left is told in words.

    Other places that show notebooks do the same (GitHub), some of them with the drawings left in (nbviewer).
    """
    book = (finished / "finished.ipynb").read_text(encoding="utf-8")
    (lab.root / "foreign.ipynb").write_text(book, encoding="utf-8")
    output = open_notebook("foreign.ipynb").output(2)
    output.scroll_into_view_if_needed()
    page.screenshot(path=screenshots / "untrusted.png")
    assert output.locator("style, svg [data-node]").count() == 0, "it was trusted, so this shows nothing"
    words = " ".join(output.inner_text().split())
    told = [
        "process_video ✓ succeeded in",
        "8 of 8 calls done",
        "Progress embed_subtitles 1/1",
        "encode_video 3/3",
        "Graph embed_subtitles('talk.mp4', 'talk.srt') embed_subtitles#1: succeeded in",
        "✓ embed_subtitles encode_video(embed_subtitles#1, 'mp4')",
        "Timeline thread-1",
        "embed_subtitles#1: succeeded",
        "Outlined: the critical path",
        "Decisions",
    ]
    place = 0
    for text in told:
        place = words.find(text, place)
        assert place >= 0, f"{text!r} is not where it should be in {words!r}"


def test_what_users_wrote_stays_text_in_a_page(finished: Path, read: Any) -> None:
    outputs = nbformat.read(finished / "finished.ipynb", as_version=4).cells[3].outputs
    (panel,) = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    (finished / "twin.html").write_text(f"<meta charset=utf-8><title>twin</title>{panel}", encoding="utf-8")
    page = read(finished / "twin.html")
    assert page.title() == "twin"
    assert page.locator("[data-iflow-run] img, [data-iflow-run] b:has-text('right'), [onload], [onerror]").count() == 0
    assert "right to left" in page.locator("[data-iflow-run]").text_content()


# -- the report --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_has_it_all_without_a_network(finished: Path, read: Any, screenshots: Any, scheme: str) -> None:
    page = read(finished / "report.html", color_scheme=scheme)
    assert_graph_bars_and_timeline_are_seen(page)
    for title in ("Graph", "Timeline", "Decisions", "Tasks", "Calls", "Where it ran", "Sources"):
        assert page.get_by_role("heading", name=title, exact=True).is_visible()
    text = page.text_content("main")
    for told in ("scheduled embed_subtitles#1", "embedded talk.srt", "Python", "barrier"):
        assert told in text
    page.screenshot(path=screenshots / f"report_{scheme}.png", full_page=True)

    node = page.locator("[data-node=n2]")
    before = node.bounding_box()
    page.get_by_role("button", name="Zoom in").click()
    assert node.bounding_box()["width"] > before["width"]
    page.get_by_role("button", name="Fit the graph").click()
    assert node.bounding_box() == pytest.approx(before, abs=1)
    node.click()
    assert "encode_video#1" in page.locator("tr.iflow-chosen").inner_text()
    page.get_by_label("Filter calls").fill("thumbnail 2")
    assert page.locator(".iflow-calls tbody tr:visible").count() < 8


def test_the_report_on_paper_and_without_scripts(finished: Path, read: Any, screenshots: Any) -> None:
    page = read(finished / "report.html", scripts=False)
    assert_graph_bars_and_timeline_are_seen(page)
    page.emulate_media(media="print")
    assert_graph_bars_and_timeline_are_seen(page)
    page.screenshot(path=screenshots / "report_print.png", full_page=True)
    paper = page.pdf(format="A4", print_background=True)
    (screenshots / "report.pdf").write_bytes(paper)
    assert paper.startswith(b"%PDF")


def test_what_users_wrote_stays_text_in_the_report(finished: Path, read: Any, screenshots: Any) -> None:
    page = read(finished / "hostile.html", color_scheme="dark")
    assert page.title().startswith("careless")
    assert page.locator("img, main b:has-text('right'), [onload], [onerror]").count() == 0
    text = page.text_content("main")
    for told in ("</script><img src=x", "</pre><script>document.title = 2</script>", "&amp; ]]> -->", "right to left"):
        assert told in text
    assert "\u202e" not in text
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "a long name makes the page wider than its window"
    page.screenshot(path=screenshots / "report_hostile.png", full_page=True)

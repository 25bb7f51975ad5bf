"""What most browser tests show, and how they look at it: a workflow, and what a cell shows of its run.

The cells sleep, so that there is something to see; no test asserts how long something took.
"""

from __future__ import annotations

TASKS = """\
%load_ext interactive_flow
import time
from interactive_flow import heartbeat, task, workflow

@task
def embed_subtitles(video, subtitles):
    time.sleep(0.6)
    print("embedded", subtitles)
    return f"{video}+{subtitles}"

@task
def encode_video(video, format):
    for n in range(10):
        heartbeat(n / 10, f"frame {n}")
        time.sleep(0.08)
    return f"{video}.{format}"

@task
def find_chapters(video):
    time.sleep(0.7)
    return [1, 2, 3]

@task(retry=2)
def extract_thumbnail(video, chapter, tried=[]):
    time.sleep(0.3)
    if chapter == 2 and chapter not in tried:
        tried.append(chapter)
        raise OSError("no such <frame>")
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
RUN = """result = process_video.run("talk.mp4", "talk.srt")"""

ENDLESS = """\
import threading
from interactive_flow import flow, heartbeat, task
told = threading.Event()

@task
def patient(n):
    while heartbeat():
        time.sleep(0.02)
    told.set()

@flow
def endless():
    return [patient(1), embed_subtitles("talk.mp4", "talk.srt")]
"""

LIVE = "[data-iflow-live]"
TWIN = "[data-iflow-run]:not([data-iflow-live])"

# Notes, twenty times a second, what a cell shows and whether it is executing: all in one go, so that what was seen
# together was there together.  The prompt tells whether it executes; the kernel's status does not, as it also goes
# idle after each request of JupyterLab's own.
WATCH = """(cell) => {
    const seen = (window.iflowSeen = []);
    const look = () => {
        const element = document.querySelectorAll(".jp-CodeCell")[cell];
        const bar = element?.querySelector("[data-iflow-run] .iflow-overall");
        seen.push({
            executing: element?.querySelector(".jp-InputPrompt")?.textContent === "[*]:" && !window.iflowDone,
            bars: element?.querySelectorAll(".iflow-overall").length ?? 0,
            done: bar ? Number(bar.getAttribute("aria-valuenow")) : null,
            states: Object.fromEntries(
                [...(element?.querySelectorAll("[data-iflow-run] [data-node]") ?? [])].map((node) => [
                    node.dataset.node,
                    node.dataset.state,
                ]),
            ),
        });
    };
    clearInterval(window.iflowWatch);
    window.iflowWatch = setInterval(look, 50);
}"""


def watch(page, cell):
    page.evaluate(WATCH, cell)


def seen(page):
    """What was seen since `watch`."""
    return page.evaluate("() => { clearInterval(window.iflowWatch); return window.iflowSeen; }")


def assert_live(looks):
    """Progress rose and a node changed its state while the cell was executing."""
    looks = [look for look in looks if look["executing"] and look["done"] is not None]
    counts = [look["done"] for look in looks]
    assert counts == sorted(counts)
    assert len(set(counts)) > 1, f"the bar did not move while the cell ran: {counts}"
    histories = {}
    for look in looks:
        for name, state in look["states"].items():
            history = histories.setdefault(name, [])
            if not history or history[-1] != state:
                history.append(state)
    assert any(history[-2:] == ["running", "succeeded"] for history in histories.values()), histories


def states(scope):
    """The state of each node that a graph shows."""
    return scope.locator("svg [data-node]").evaluate_all("nodes => nodes.map(node => node.dataset.state)")


def assert_finished(output):
    """The static twin with the final graph."""
    assert output.locator(TWIN).count() == 1
    assert output.locator(LIVE).count() == 0
    assert output.locator(".iflow-header .iflow-state").inner_text().split() == ["✓", "succeeded"]
    final = states(output)
    assert sorted(set(final)) == ["passed", "succeeded"]
    assert final.count("succeeded") == 8


def assert_graph_bars_and_timeline_are_seen(shown):
    assert shown.locator(".iflow-header .iflow-state").first.inner_text().split() == ["✓", "succeeded"]
    for part in (
        ".iflow-overall .iflow-part",
        ".iflow-row .iflow-part[data-state=succeeded]",
        "svg.iflow-svg [data-node] .iflow-shape",
        "svg.iflow-timeline [data-state] rect",
    ):
        first = shown.locator(part).first
        assert first.is_visible(), part
        box = first.bounding_box()
        assert box["width"] > 1, part
        assert box["height"] > 1, part

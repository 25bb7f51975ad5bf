"""The command line: ``python -m interactive_flow demo``.

The demo runs one workflow with two sets of tasks, each first as ordinary Python and then concurrently, and compares:
both ways have to give the same results.  What it needs beyond the core comes with extras, so it is imported only once
it is known to be there.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from interactive_flow import Workflow, __version__

if TYPE_CHECKING:
    from rich.console import Console

NEEDED = {"av": "examples", "numpy": "examples", "PIL": "examples", "rich": "terminal"}
"""What the demo imports, and the extra that brings it."""

SLEEPING_WORKERS = 8

SAME = 2.0
"""So much may the pixels of a picture differ on average, of 255, where an encoder is not exactly repeatable."""

Same = Callable[[Any, Any], bool]


class DemoFailed(Exception):
    """The demo came to its end, and it is not what it should be."""


class Measured(NamedTuple):
    """A workflow that was run both ways; times in seconds."""

    title: str
    sequential: float
    concurrent: float
    critical: float
    report: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; `arguments` are those of the process unless given.

    Returns the exit status: 0 for success, 1 where the command failed, 130 where it was interrupted; a mistake in the
    arguments exits with 2.
    """
    parser = argparse.ArgumentParser(
        prog="interactive_flow", description="Plain single-threaded Python becomes a concurrent, live workflow."
    )
    parser.add_argument("--version", action="version", version=f"interactive_flow {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser("demo", help="run the video workflow, with real and with sleeping tasks")
    demo.add_argument(
        "--output", type=Path, default=Path("build"), metavar="FOLDER", help="where to write (default: build)"
    )
    demo.add_argument("--fast", action="store_true", help="with a shorter clip and ten times less sleep")
    options = parser.parse_args(arguments)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        extras = ",".join(sorted({NEEDED[name] for name in missing}))
        return _failed(f"The demo needs {', '.join(missing)}: pip install 'interactive_flow[{extras}]'")
    try:
        _demo(options.output, options.fast)
    except KeyboardInterrupt:
        return _failed("Interrupted.", 130)
    except DemoFailed as error:
        return _failed(f"The demo failed: {error}")
    except Exception as error:
        traceback.print_exc()
        return _failed(f"The demo failed: {type(error).__name__}: {error}")
    return 0


def _failed(message: str, status: int = 1) -> int:
    print(message, file=sys.stderr)
    return status


def _demo(output: Path, fast: bool) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    output.mkdir(parents=True, exist_ok=True)
    measured = [_with_a_clip(console, output, fast), _with_sleep(console, output, fast)]
    _compare(console, measured)


def _with_a_clip(console: Console, output: Path, fast: bool) -> Measured:
    from interactive_flow.examples import clip, video
    from interactive_flow.examples.media import difference
    from interactive_flow.examples.workflow import process_video

    # Each way has a folder of its own, so that what it wrote can be compared.
    folders = [output / "clip" / way for way in ("sequential", "concurrent")]
    clips = [clip.make_clip(folder, seconds=0.6 if fast else 2.0) for folder in folders]

    def same(one: Any, other: Any) -> bool:
        (encoded1, thumbnails1, ads1), (encoded2, thumbnails2, ads2) = one, other
        files1, files2 = encoded1 + thumbnails1, encoded2 + thumbnails2
        names1, names2 = ([Path(path).name for path in files] for files in (files1, files2))
        return (
            bool(ads1 == ads2)
            and names1 == names2
            and all(difference(a, b) <= SAME for a, b in zip(files1, files2, strict=True))
        )

    cores = os.cpu_count() or 1
    return _measure(
        console,
        f"A real clip, {'one core' if cores == 1 else f'{cores} cores'}",
        process_video.inject(**video.tasks()).options(max_workers=max(cores, 2)),
        [made[:2] for made in clips],
        same,
        output / "real-clip.html",
    )


def _with_sleep(console: Console, output: Path, fast: bool) -> Measured:
    from interactive_flow.examples import sleeping
    from interactive_flow.examples.workflow import process_video

    tasks = sleeping.tasks(lambda seconds: time.sleep(seconds / 10)) if fast else sleeping.tasks()
    return _measure(
        console,
        f"Tasks that only sleep, {SLEEPING_WORKERS} workers",
        process_video.inject(**tasks).options(max_workers=SLEEPING_WORKERS),
        [("talk.mp4", "talk.srt")] * 2,
        lambda one, other: bool(one == other),
        output / "sleeping.html",
    )


def _measure(
    console: Console, title: str, workflow: Workflow[Any, Any], inputs: Sequence[Any], same: Same, report: Path
) -> Measured:
    """Runs `workflow` both ways, each with its own of the two `inputs`, and shows what happened."""
    from interactive_flow.terminal import graph_tree
    from interactive_flow.views.critical import critical_path

    console.rule(f"[bold]{title}", align="left")
    with console.status("One call after the other …"):
        began = time.perf_counter()
        expected = workflow.sequential(*inputs[0])
        sequential = time.perf_counter() - began
    console.print(f"One call after the other: {sequential:.2f} s.  The same code, concurrently:\n")
    began = time.perf_counter()
    result = workflow.options(display="terminal").run(*inputs[1])
    concurrent = time.perf_counter() - began
    if not same(expected, result):
        raise DemoFailed(f"{title}: the concurrent run gave {result!r}, the sequential one {expected!r}")
    run = workflow.last_run
    assert run is not None
    critical, chain = critical_path(run.record())
    console.print()
    console.print(graph_tree(run.record()))
    console.print(f"\nCritical path, {critical:.2f} s: {' → '.join(chain)}\n", soft_wrap=True)
    return Measured(title, sequential, concurrent, critical, run.to_html(report))


def _compare(console: Console, measured: Sequence[Measured]) -> None:
    from rich.table import Table

    table = Table("", *("sequential", "concurrent", "ratio", "critical path"), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for m in measured:
        times = (f"{seconds:.2f} s" for seconds in (m.sequential, m.concurrent))
        table.add_row(m.title, *times, f"{m.sequential / m.concurrent:.1f}x", f"{m.critical:.2f} s")
    console.rule("[bold]Both ways gave the same results", align="left")
    console.print(table)
    console.print("\nReports, to be opened in a browser:")
    for m in measured:
        console.print(f"  {m.report}", soft_wrap=True)
    console.print("See it live in a notebook:  make lab")

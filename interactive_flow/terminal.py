"""A run in a terminal: bars that move while it goes on, and its graph as a tree.  Needs rich.

``wf.options(display="terminal")`` asks for it.  The bars are drawn on standard error, so that what a program writes to
standard output can be sent elsewhere.  Where that is no terminal (a pipe, a log), only the last state is written, once.
The same goes for a run that begins while another one is being shown, since two pictures cannot share a screen.

While bars are on the screen, nothing else may be written there, or both are spoilt.  So what tasks print is shown above
the bars, line by line, each line with the call that printed it, and what the program itself prints goes there too.  For
the latter, a stream of ours lies *below* the one with which a run captures what its tasks print: whatever comes through
to it is meant for the screen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakSet

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.segment import Segment
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from interactive_flow.model.events import CallOutput, Event
from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.capture import TaskStream
from interactive_flow.runtime.run import Run
from interactive_flow.views.graph import Graph, Node, graph_model
from interactive_flow.views.markup import counted, plain_output, seconds
from interactive_flow.views.states import error_line, node_states
from interactive_flow.views.style import SYMBOLS, WORDS, overall
from interactive_flow.views.summary import Row, Summariser, Summary

STYLES = {
    "waiting": "dim",
    "ready": "cyan",
    "running": "bold cyan",
    "succeeded": "green",
    "failed": "bold red",
    "timed_out": "bold red",
    "cancelled": "yellow",
    "cached": "green",
}
"""The colour of each state, of calls and of runs; there is a symbol beside it everywhere."""

ERRORS_SHOWN = 5
"""So many errors are told in full; the others are counted."""

BAR_WIDTH = 24

_ASCII = str.maketrans("○◎◐✓✗◷⊘◆↻·│║…\u202f\u00a0", "o*>+x!-=r-||~  ")
"""What stands for our symbols where a terminal or a log takes nothing but ASCII; as wide as they are."""

_on_screen: WeakSet[TerminalDisplay] = WeakSet()
"""The display that draws; empty where none does."""
_lock = threading.Lock()


def display_provider(run: Run, display: str) -> TerminalDisplay:
    """The display of a run that is about to begin; see `interactive_flow.runtime.observers.DisplayProvider`."""
    error, output = _below("stderr"), _below("stdout")
    return TerminalDisplay(Console(file=error), live=_is_screen(error), shows_output=_is_screen(output))


class TerminalDisplay:
    """Shows one run, as an observer of it.

    Args:
        console: where to.
        live: whether to draw while the run goes on; else only its last state is written.
        shows_output: whether, while live, it also shows what tasks print.
    """

    interval = 0.1

    def __init__(self, console: Console, *, live: bool, shows_output: bool = True) -> None:
        self._console = console
        self._live: Live | None = None
        with _lock:
            if live and not console.is_dumb_terminal and not _on_screen:
                _on_screen.add(self)
                self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self.shows_output = self._live is not None and shows_output
        self._streams: list[_StreamAbove] = []
        self._record = RunRecord()
        self._summariser = Summariser(self._record)
        self._unfinished_lines: dict[int, str] = {}
        self._last_batch = time.monotonic()

    def on_events(self, events: Sequence[Event]) -> None:
        """See `interactive_flow.runtime.observers.Observer`."""
        try:
            self._take(events)
        except BaseException:
            self._leave_screen()
            raise

    def _take(self, events: Sequence[Event]) -> None:
        self._record.apply(events)
        if events:
            self._last_batch = time.monotonic()
        over = self._record.status is not RunStatus.RUNNING
        # A run that is over before the first look never moves the cursor.
        if self._live is not None and not self._live.is_started and not over:
            self._live.start()
            self._streams = [_StreamAbove(name, self._console) for name in ("stdout", "stderr")]
        if self.shows_output:
            self._print_output(events, over)
        summary = self._summarise()
        if not over:
            if self._live is not None:
                self._live.update(_Fit(progress_view(self._record, summary)), refresh=True)
            return
        last = _Fit(progress_view(self._record, summary))
        if self._live is not None and self._live.is_started:
            self._live.update(last)
        else:
            self._console.print(last)
        self._leave_screen()

    def _summarise(self) -> Summary:
        now = self._record.clock + (time.monotonic() - self._last_batch)
        summary = self._summariser.update(self._record.changed, now=now)
        self._record.changed.clear()
        return summary

    def _leave_screen(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            _on_screen.discard(self)
        for stream in self._streams:
            stream.close_above()
        self._streams.clear()

    def _print_output(self, events: Sequence[Event], over: bool) -> None:
        for event in events:
            if isinstance(event, CallOutput):
                *lines, rest = (self._unfinished_lines.get(event.call, "") + event.text).split("\n")
                self._unfinished_lines[event.call] = rest
                for line in lines:
                    self._print_line(event.call, line)
        ended = [n for n in self._unfinished_lines if over or self._record.by_index[n].state.final]
        for index in ended:
            if rest := self._unfinished_lines.pop(index):
                self._print_line(index, rest)

    def _print_line(self, call: int, line: str) -> None:
        name = Text(f"{self._record.by_index[call].id} │ ", style="dim")
        self._console.print(_Fit(name + Text(plain_output(line))), soft_wrap=True)


class _Fit:
    """What is shown, in characters that the console can write."""

    def __init__(self, shown: Any) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for segment in console.render(self._shown, options):
            if options.ascii_only and not segment.control and not segment.text.isascii():
                text = segment.text.translate(_ASCII).encode("ascii", "replace").decode()
                yield Segment(text, segment.style)
            else:
                yield segment


def progress_view(record: RunRecord, summary: Summary | None = None) -> Group:
    """A run as it stands: one line for all of it, a bar for each task name, where the code waits, what went wrong.

    Example:
        >>> rich.print(progress_view(run.record()))
    """
    summary = summary if summary is not None else Summariser(record).update()
    lines: list[Any] = [_headline(summary), _bars(summary)]
    barrier = record.barrier_of(0)
    if barrier is not None:
        waits_on = ", ".join(record.by_index[index].id for index in barrier.waits_on)
        lines.append(Text(f"  ║ the code waits for {waits_on}{f' ({barrier.site})' if barrier.site else ''}", "dim"))
    if record.status is not RunStatus.RUNNING:
        lines += _errors(record)
    return Group(*lines)


def graph_tree(record: RunRecord) -> Tree:
    """The graph of a run as a tree: each call below one that it depends on, the one with most calls above it.

    The others that it depends on are named behind it.  Many equal calls are one line, as in the drawn graph.

    Example:
        >>> rich.print(graph_tree(run.record()))
    """
    graph = graph_model(record)
    states = node_states(graph)
    place = {node.id: _place(node) for node in graph.nodes.values()}
    before: dict[str, list[str]] = {id: [] for id in graph.nodes}
    for tail, head, _ in graph.edges:
        # Where equal calls are one node, edges may lead back; in order of calls they never do.
        if place[tail] < place[head]:
            before[head].append(tail)
    root = Tree(Text(record.name, "bold"), guide_style="dim")
    branches: dict[str, Tree] = {}
    stems: dict[str, Tree] = {}
    depth: dict[str, int] = {}
    for id in sorted(graph.nodes, key=lambda id: place[id]):
        node, needed = graph.nodes[id], list(before[id])
        last = max(needed, key=lambda tail: depth[tail], default=None)
        depth[id] = depth[last] + 1 if last is not None else 0
        if last is None:
            stems[id] = branches.get(node.cluster or "", root)
        elif graph.nodes[last].contains:
            # Below a sub-workflow stands what it called; what came after it stands beside it.
            stems[id] = stems[last]
        else:
            stems[id] = branches[last]
            needed.remove(last)
        branches[id] = stems[id].add(_node_text(graph, node, states[id]["state"], needed))
    return root


# -- pieces of the progress view -----------------------------------------------------------------------------------


def _headline(summary: Summary) -> Table:
    status = summary["status"]
    state = {"running": "running", "succeeded": "succeeded", "failed": "failed"}.get(status, "cancelled")
    parts = [f"{summary['done']}/{summary['known']} done" + (" so far" if summary["growing"] else "")]
    if summary["failed"]:
        parts.append(f"{summary['failed']} failed")
    parts.append(seconds(summary["elapsed"]))
    if summary["eta"] is not None:
        parts.append(f"about {seconds(summary['eta'])} left")
    line = Table.grid(padding=(0, 1))
    line.add_row(
        Text(SYMBOLS[state], STYLES[state]),
        Text(summary["name"], "bold"),
        Text(status, STYLES[state]),
        Text(" · ".join(parts), "dim"),
    )
    return line


def _bars(summary: Summary) -> Table:
    table = Table.grid(padding=(0, 1))
    for row in summary["rows"]:
        state = _state_of(row)
        ended = row["done"] + row["failed"] + row["cancelled"]
        part = (ended + sum(call["progress"] or 0.0 for call in row["progress"])) / max(row["total"], 1)
        style = STYLES[state]
        table.add_row(
            Text.assemble("  " * row["depth"], (f" {SYMBOLS[state]} ", style), row["name"]),
            ProgressBar(1.0, min(part, 1.0), width=BAR_WIDTH, complete_style=style, finished_style=style),
            Text(f"{row['done']}/{row['total']}"),
            Text(_note(row), "dim"),
        )
    return table


def _state_of(row: Row) -> CallState:
    """The one state that stands for the calls of a row."""
    return overall(
        {
            CallState.FAILED: row["failed"] - row["timed_out"],
            CallState.TIMED_OUT: row["timed_out"],
            CallState.RUNNING: row["running"],
            CallState.READY: row["ready"],
            CallState.WAITING: row["waiting"],
            CallState.CANCELLED: row["cancelled"],
            CallState.SUCCEEDED: row["done"] - row["cached"],
            CallState.CACHED: row["cached"],
        }
    )


def _note(row: Row) -> str:
    counts = [(row["running"], "running"), (row["failed"], "failed"), (row["cancelled"], "cancelled")]
    notes = [f"{count} {word}" for count, word in (*counts, (row["retried"], "retried")) if count]
    if row["mean"] is not None:
        notes.append(seconds(row["mean"]) + (" each" if row["total"] > 1 else ""))
    notes += [call["message"] for call in row["progress"][:1] if call["message"]]
    return " · ".join(notes)


def _errors(record: RunRecord) -> Iterator[Text]:
    failed = [call for call in record.calls if call.error is not None and not call.inherited_error]
    for call in failed[:ERRORS_SHOWN]:
        yield Text(f"  {SYMBOLS[call.state]} {call.id}: {error_line(call)}", STYLES[call.state])
    if len(failed) > ERRORS_SHOWN:
        yield Text(f"  … and {counted(len(failed) - ERRORS_SHOWN, 'more error')}", STYLES["failed"])
    if record.status is RunStatus.FAILED and not failed:
        yield Text(f"  {SYMBOLS['failed']} {record.describe_value()}", STYLES["failed"])


# -- pieces of the tree --------------------------------------------------------------------------------------------


def _place(node: Node) -> float:
    """Where a node stands in the order of calls; a barrier comes behind the last call that it (first) waited for."""
    if node.kind == "barrier":
        return min(max(barrier.waits_on, default=0) for barrier in node.barriers) + 0.5
    return min(node.calls)


def _node_text(graph: Graph, node: Node, state: str, needed: list[str]) -> Text:
    if node.kind == "barrier":
        first = node.barriers[0]
        waited = sum((graph.record.clock if b.left_at is None else b.left_at) - b.entered_at for b in node.barriers)
        where = f" at {first.site}" if first.site else ""
        text = Text(f"║ barrier{where}, waited {seconds(waited)}", "magenta")
    else:
        calls = [graph.record.by_index[index] for index in node.calls]
        text = Text.assemble((f"{SYMBOLS[state]} ", STYLES[state]), node.label, (f"  {_times(calls)}", "dim"))
        if state not in ("succeeded", "cached"):
            text.append(f" {WORDS[state]}", STYLES[state])
    if needed:
        text.append(f"  after {', '.join(graph.nodes[id].label or 'a barrier' for id in needed)}", "dim")
    return text


def _times(calls: list[CallRecord]) -> str:
    times = [call.duration for call in calls if call.duration is not None]
    if len(calls) == 1:
        return seconds(times[0]) if times else ""
    return counted(len(calls), "call") + (f", {seconds(sum(times) / len(times))} each" if times else "")


# -- streams -------------------------------------------------------------------------------------------------------


def _below(name: str) -> Any:
    """`sys.stdout` or `sys.stderr`, as they are beneath the capture of what tasks print."""
    stream = getattr(sys, name)
    return stream.original if isinstance(stream, TaskStream) else stream


def _is_screen(stream: Any) -> bool:
    """True for a terminal; not for a stream that writes above the bars of another run, nor where there is none."""
    return stream is not None and not isinstance(stream, _StreamAbove) and bool(stream.isatty())


class _StreamAbove:
    """Stands below the capture for `sys.stdout` or `sys.stderr`: whole lines are written above the bars.

    After `close_above` it passes everything on, since somebody may have kept it.
    """

    def __init__(self, name: str, console: Console) -> None:
        self._name = name
        self._console = console
        self._original = _below(name)
        self._rest = ""
        self._open = _is_screen(self._original)
        if self._open:
            self._put(self)

    def close_above(self) -> None:
        """Puts back the stream that was there before, unless somebody else has replaced this one."""
        if self._open:
            self._open = False
            if _below(self._name) is self:
                self._put(self._original)
            self._original.write(self._rest)

    def _put(self, stream: Any) -> None:
        current = getattr(sys, self._name)
        if isinstance(current, TaskStream):
            current.original = stream
        else:
            setattr(sys, self._name, stream)

    def write(self, text: str) -> int:
        if not self._open:
            self._original.write(text)
            return len(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._console.print(Text.from_ansi(line), soft_wrap=True)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

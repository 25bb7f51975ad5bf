"""Runs by hand: a small recorder for event streams, and the runs that the tests look at.

`Stream` keeps the books that a runner would keep (indexes, numbers, which call is ready), so that a test says only
what happens and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from interactive_flow.model.errors import TaskCancelled, TaskError, TaskTimeout
from interactive_flow.model.events import (
    AttemptFailed,
    BarrierEntered,
    BarrierLeft,
    CallCancelled,
    CallFailed,
    CallOutput,
    CallProgressed,
    CallReady,
    CallScheduled,
    CallStarted,
    CallSucceeded,
    Event,
    RunFinished,
    RunStarted,
    Site,
    WorkflowReturned,
)
from interactive_flow.model.record import RunRecord
from interactive_flow.model.states import CallKind, CallState, RunStatus

SOURCE = """\
@workflow
def process_video(embed_subtitles, encode_video, find_chapters, extract_thumbnail):
    def run(video, subtitles):
        subtitled = embed_subtitles(video, subtitles)
        encoded = [encode_video(subtitled, f) for f in ("mp4", "webm", "mov")]
        thumbnails = [extract_thumbnail(video, c) for c in find_chapters(video)]
        return encoded, thumbnails
    return run
"""


class Stream:
    """Events in the making; `now` is the clock, in seconds, and is set by whoever writes the run."""

    def __init__(self, name: str = "process_video", run: str = "r-2f9c", workers: int = 4) -> None:
        self.events: list[Event] = [RunStarted(0.0, run, name, 1_700_000_000.0, workers, SOURCE, "<cell>", 1)]
        self.now = 0.0
        self.next = 1
        self.numbers: Counter[tuple[int, str]] = Counter()
        self.ids: dict[int, str] = {}
        self.began: dict[int, tuple[float, str | None, int]] = {}
        self.cached: set[int] = set()

    def call(
        self,
        name: str,
        *depends_on: int,
        kind: CallKind = CallKind.TASK,
        parent: int = 0,
        line: int | None = 4,
        args: tuple[Any, ...] = (),
        **kwargs: Any,
    ) -> int:
        """Schedules a call and gives its index."""
        index = self.next
        self.next += 1
        self.numbers[parent, name] += 1
        number = self.numbers[parent, name]
        self.ids[index] = (f"{self.ids[parent]}/" if parent else "") + f"{name}#{number}"
        site = Site("<cell>", line, "run", 7) if line else None
        self.events.append(
            CallScheduled(self.now, index, name, number, kind, parent, depends_on, site, args, kwargs or None)
        )
        return index

    def ready(self, *calls: int) -> None:
        self.events += [CallReady(self.now, call) for call in calls]

    def start(self, call: int, worker: str | None = "worker-1") -> None:
        attempt = self.began[call][2] + 1 if call in self.began else 1
        self.began[call] = (self.now, worker, attempt)
        self.events.append(CallStarted(self.now, call, attempt, worker))

    def progress(self, call: int, progress: float | None, message: str | None = None) -> None:
        self.events.append(CallProgressed(self.now, call, progress, message))

    def output(self, call: int, text: str, stream: str = "stdout") -> None:
        self.events.append(CallOutput(self.now, call, stream, text))

    def succeed(self, call: int, value: Any = None) -> None:
        began, worker, _ = self.began.get(call, (self.now, None, 0))
        self.events.append(CallSucceeded(self.now, call, began, worker, value))

    def error(self, call: int, reason: str = "ValueError: bad frame", cls: type[TaskError] = TaskError) -> TaskError:
        """An error as the engine would make it, with the task's own exception as its cause."""
        error = cls(reason, self.ids[call])
        if not issubclass(cls, TaskTimeout | TaskCancelled):
            error.__cause__ = caught(reason)
        return error

    def fail(self, call: int, error: TaskError | None = None) -> TaskError:
        error = error or self.error(call)
        if call in self.began:
            began, worker, _ = self.began[call]
            self.events.append(CallFailed(self.now, call, began, worker, error))
        else:
            self.events.append(CallFailed(self.now, call, None, None, error))
        return error

    def retry(self, call: int, delay: float = 0.1, cls: type[TaskError] = TaskError) -> None:
        began, worker, attempt = self.began[call]
        error = self.error(call, "OSError: connection reset", cls)
        self.events.append(AttemptFailed(self.now, call, attempt, began, worker, error, self.now + delay))

    def cancel(self, call: int, reason: str = "not needed") -> None:
        began = self.began.get(call)
        self.events.append(CallCancelled(self.now, call, began[0] if began else None, reason))

    def enter(self, *waits_on: int, workflow: int = 0, line: int | None = 6) -> None:
        site = Site("<cell>", line, "run", 7) if line else None
        self.events.append(BarrierEntered(self.now, workflow, waits_on, site))

    def leave(self, workflow: int = 0) -> None:
        self.events.append(BarrierLeft(self.now, workflow))

    def returned(self, *waits_on: int, workflow: int = 0) -> None:
        self.events.append(WorkflowReturned(self.now, workflow, waits_on))

    def finish(
        self, status: RunStatus = RunStatus.SUCCEEDED, value: Any = None, error: BaseException | None = None
    ) -> None:
        self.events.append(RunFinished(self.now, status, value, error))

    def record(self) -> RunRecord:
        record = RunRecord(self.events)
        for index in self.cached:
            # No event says so yet; views must know the state all the same.
            record._move(record.by_index[index], CallState.CACHED)
        return record


def caught(reason: str) -> BaseException:
    """An exception that was really raised, so that it has a traceback."""
    try:
        raise ValueError(reason.partition(": ")[2] or reason)
    except ValueError as error:
        return error


def video(until: float = 10.0) -> Stream:
    """The video workflow, with its barrier at `find_chapters`, two workers; events after `until` are left out.

    ``embed_subtitles`` takes 0.5 s, each ``encode_video`` 1 s, ``find_chapters`` 0.6 s, each thumbnail 0.2 s.
    """
    s = Stream(workers=2)
    s.now = 0.001
    subtitled = s.call("embed_subtitles", args=("video.mp4", "subs.srt"))
    s.start(subtitled, "worker-1")
    encoded = [s.call("encode_video", subtitled, line=5, args=(subtitled, f)) for f in ("mp4", "webm", "mov")]
    chapters = s.call("find_chapters", line=6, args=("video.mp4",))
    s.start(chapters, "worker-2")
    s.enter(chapters)
    s.now = 0.5
    s.succeed(subtitled, "video+subs.mp4")
    s.ready(*encoded)
    s.start(encoded[0], "worker-1")
    s.progress(encoded[0], 0.0, "starting")
    s.now = 0.6
    s.output(chapters, "found 4 chapters\n")
    s.succeed(chapters, [0, 10, 25, 40])
    s.leave()
    thumbnails = [s.call("extract_thumbnail", line=6, args=("video.mp4", c)) for c in (0, 10, 25, 40)]
    s.returned(*encoded, *thumbnails)
    s.start(encoded[1], "worker-2")
    s.now = 0.9
    s.progress(encoded[0], 0.4, "frame 120 of 300")
    s.now = 1.5
    s.succeed(encoded[0], "out.mp4")
    s.start(encoded[2], "worker-1")
    s.now = 1.6
    s.succeed(encoded[1], "out.webm")
    for thumbnail in thumbnails:
        s.start(thumbnail, "worker-2")
        s.now += 0.2
        s.succeed(thumbnail, f"thumbnail-{thumbnail}.png")
    s.now = 2.5
    s.succeed(encoded[2], "out.mov")
    s.finish(value=(["out.mp4", "out.webm", "out.mov"], ["…"] * 4))
    s.events = [event for event in s.events if event.at <= until]
    return s


def troubled() -> Stream:
    """Every state at once: failed, with heirs, timed out, retried, cancelled while running and before, cached."""
    s = Stream("publish", "r-77aa")
    fetched = [s.call("fetch", line=2, args=(f"https://example.org/{i}?a=<b>&c",)) for i in range(4)]
    for i, call in enumerate(fetched):
        s.start(call, f"worker-{i + 1}")
    s.now = 0.4
    s.output(fetched[0], "\x1b[32mGET\x1b[0m /0\n 10 %\r 60 %\r100 %\n")
    s.retry(fetched[0])
    s.succeed(fetched[1], b"\x00\x01")
    parsed = [s.call("parse", call, line=3) for call in fetched]
    merged = s.call("merge", *parsed, line=4)
    uploaded = s.call("upload", merged, line=5)
    s.now = 0.5
    s.start(fetched[0], "worker-1")
    s.start(parsed[1], "worker-2")
    s.now = 0.8
    error = s.fail(fetched[2], s.error(fetched[2], "ValueError: <script>alert('no')</script> & more"))
    s.fail(parsed[2], error)
    s.fail(merged, error)
    s.fail(uploaded, error)
    s.now = 1.0
    s.succeed(fetched[0], "page 0")
    s.ready(parsed[0])
    s.start(parsed[0], "worker-3")
    late = s.fail(fetched[3], s.error(fetched[3], "no answer within 1 s", TaskTimeout))
    s.fail(parsed[3], late)
    known = s.call("stylesheet", line=6)
    s.succeed(known, "body {}")
    s.cached.add(known)
    spare = [s.call("thumbnail", fetched[i], line=7) for i in (0, 1)]
    s.start(spare[0], "worker-4")
    s.now = 1.4
    s.cancel(spare[0])
    s.cancel(spare[1])
    s.output(parsed[1], "Traceback (most recent call last):\n  <odd>\n", "stderr")
    s.succeed(parsed[1], {"title": "ö"})
    s.succeed(parsed[0], {"title": "ß"})
    s.finish(RunStatus.FAILED, error=error)
    return s


def nested() -> Stream:
    """Two calls of a sub-workflow with a barrier in it, a combinator that makes calls, and one that chooses."""
    s = Stream("album", "r-0c0c", workers=3)
    source = s.call("load", args=("album.zip",))
    s.start(source)
    s.now = 0.2
    s.succeed(source, ["a.png", "b.png"])
    resized = [s.call("resize", source, kind=CallKind.WORKFLOW, line=3) for _ in range(2)]
    pasted = s.call("contact_sheet", *resized, line=4)
    sizes = {}
    for w in resized:
        s.start(w, None)
        sizes[w] = s.call("read_size", source, parent=w, line=12)
        s.start(sizes[w], f"worker-{w}")
        s.enter(sizes[w], workflow=w, line=13)
    s.now = 0.5
    scaled: list[int] = []
    for w in resized:
        s.succeed(sizes[w], (640, 480))
        s.leave(workflow=w)
        scaled.append(s.call("scale", source, parent=w, line=14))
        s.start(scaled[-1], f"worker-{w}")
        s.returned(scaled[-1], workflow=w)
    s.now = 0.9
    for w, call in zip(resized, scaled, strict=True):
        s.succeed(call, "scaled.png")
        s.succeed(w, "scaled.png")
    s.ready(pasted)
    s.start(pasted)
    numbers = [s.call("count_colours", source, line=5) for _ in range(4)]
    total = s.call("parallel_reduce", *numbers, kind=CallKind.COMBINATOR, line=6)
    for call in numbers:
        s.start(call, "worker-2")
        s.now += 0.1
        s.succeed(call, 7)
    first = s.call("add", *numbers[:2], parent=total, line=6)
    second = s.call("add", *numbers[2:], parent=total, line=6)
    last = s.call("add", first, second, parent=total, line=6)
    for call in (first, second):
        s.start(call, "worker-2")
        s.now += 0.05
        s.succeed(call, 14)
    s.ready(last)
    s.start(last, "worker-3")
    quickest = s.call("first", pasted, last, kind=CallKind.COMBINATOR, line=7)
    s.returned(pasted, total, quickest)
    return s


def many(calls: int = 10_000, finished: int = 6_000, workers: int = 8) -> Stream:
    """A fan-out of equal calls, in two steps; `finished` of them done, some of those failed or retried."""
    s = Stream("survey", "r-10k", workers)
    half = calls // 2
    first = [s.call("download", args=(i,), line=2) for i in range(half)]
    second = [s.call("measure", call, line=3) for call in first]
    pairs = [call for pair in zip(first, second, strict=True) for call in pair]
    for i, call in enumerate(pairs[:finished]):
        worker = f"worker-{i % workers + 1}"
        if call in second:
            s.ready(call)
        s.start(call, worker)
        s.now += 0.001
        if i % 997 == 5:
            s.retry(call)
            s.start(call, worker)
        if i % 499 == 7 and call in second:
            s.fail(call)
        else:
            s.succeed(call, i)
    for i, call in enumerate(pairs[finished : finished + workers]):
        if call not in second:
            s.start(call, f"worker-{i + 1}")
    s.returned(*second)
    return s


def recursive(depth: int = 120) -> Stream:
    """A workflow that calls itself, `depth` deep, each time with a task of its own."""
    s = Stream("count_down", "r-rec", 1)
    parent = 0
    for _ in range(depth):
        parent = s.call("count_down", kind=CallKind.WORKFLOW, parent=parent)
        s.start(parent, None)
        s.call("say", parent=parent)
    return s


SAMPLES: dict[str, Callable[[], Stream]] = {
    "empty": lambda: _without_events(),
    "begun": Stream,
    "video": video,
    "video at 0.7 s": lambda: video(0.7),
    "troubled": troubled,
    "nested": nested,
    "many": lambda: many(400, 240),
    "recursive": recursive,
}
"""Runs that every view must cope with, by name."""


def _without_events() -> Stream:
    s = Stream()
    s.events.clear()
    return s


def records() -> Iterable[tuple[str, RunRecord]]:
    """The samples, folded."""
    for name, make in SAMPLES.items():
        yield name, make().record()

"""Random runs: any stream of events that an engine might emit, with names and texts as nasty as they come."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from view_streams import Stream

from interactive_flow.model.errors import TaskError, TaskTimeout
from interactive_flow.model.states import CallKind, RunStatus

NASTY = [
    "encode_video",
    "<script>alert(1)</script>",
    'a "quoted" -> b; {c} [d] \\N \\',
    "&lt;&amp; ]]> --> <!--",
    "\x00\x1b[31mred\x1b[0m\r\n\ud800",
    "日本語のタスク",
    "</style></pre></title>",
    "x" * 300,
    "%",
    "",
]

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=30))
# A path of calls is made of names, so that few of them make more interesting graphs.
names = st.sampled_from([*NASTY, "fetch", "parse", "resize"])
kinds = st.sampled_from([CallKind.TASK] * 5 + [CallKind.WORKFLOW] * 2 + [CallKind.COMBINATOR, CallKind.RULE])


class Unshowable:
    """A value whose `repr` raises."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


values: st.SearchStrategy[Any] = st.one_of(texts, st.integers(), st.lists(texts, max_size=3), st.builds(Unshowable))


class _Run:
    """Takes random steps, each of them legal where the run stands."""

    def __init__(self, draw: st.DrawFn, ties: bool) -> None:
        self.draw = draw
        # Often nothing passes: events at one instant are where views go wrong.
        self.pauses = [0.0, 0.0, 0.001, 0.7, 40.0] if ties else [0.001, 0.7, 40.0]
        self.stream = Stream(draw(texts), draw(texts), draw(st.integers(0, 8)))
        self.kind: dict[int, CallKind] = {}
        self.waits: dict[int, tuple[int, ...]] = {}
        self.done: set[int] = set()
        self.running: set[int] = set()
        self.standing: dict[int, tuple[int, ...]] = {}
        self.over = False

    def step(self) -> None:
        self.stream.now += self.draw(st.sampled_from(self.pauses))
        waiting = [c for c in self.kind if c not in self.done and c not in self.running]
        startable = [c for c in waiting if self.done.issuperset(self.waits[c])]
        choices = [self.schedule]
        if startable:
            choices += [self.start, self.start]
        if self.running:
            choices += [self.end, self.end, self.tell]
        if waiting:
            choices.append(self.give_up)
        if self.kind:
            choices.append(self.stand)
        self.draw(st.sampled_from(choices))()
        for workflow, waits_on in list(self.standing.items()):
            if self.done.issuperset(waits_on):
                del self.standing[workflow]
                self.stream.leave(workflow)

    def _pick(self, among: set[int] | list[int]) -> int:
        return self.draw(st.sampled_from(sorted(among)))

    def _makers(self) -> list[int]:
        containers = (CallKind.WORKFLOW, CallKind.COMBINATOR, CallKind.RULE)
        made = [c for c in self.running if self.kind[c] in containers]
        return [w for w in [0, *made] if w not in self.standing]

    def schedule(self) -> None:
        makers = self._makers()
        if not makers:
            return
        depends_on = (
            self.draw(st.lists(st.sampled_from(sorted(self.kind)), max_size=3, unique=True)) if self.kind else []
        )
        kind = self.draw(kinds)
        call = self.stream.call(
            self.draw(names), *depends_on, kind=kind, parent=self._pick(makers),
            line=self.draw(st.sampled_from([None, 3, 4])), args=(self.draw(values), *depends_on),
        )  # fmt: skip
        self.kind[call], self.waits[call] = kind, tuple(depends_on)

    def start(self) -> None:
        waiting = [c for c in self.kind if c not in self.done and c not in self.running]
        call = self._pick([c for c in waiting if self.done.issuperset(self.waits[c])])
        self.stream.start(call, self.draw(st.sampled_from([None, "worker-1", "worker-2", "worker-10", "<&>"])))
        self.running.add(call)

    def end(self) -> None:
        call = self._pick(self.running)
        how = self.draw(st.sampled_from(["succeed", "succeed", "fail", "time out", "retry", "cancel"]))
        if how == "retry":
            self.stream.retry(call)
        elif how == "succeed":
            self.stream.succeed(call, self.draw(values))
        elif how == "cancel":
            self.stream.cancel(call, self.draw(texts))
        else:
            cls = TaskTimeout if how == "time out" else TaskError
            self.stream.fail(call, self.stream.error(call, self.draw(texts), cls))
        self.running.discard(call)
        if how != "retry":
            self.done.add(call)

    def tell(self) -> None:
        call = self._pick(self.running)
        if self.draw(st.booleans()):
            self.stream.output(call, self.draw(texts))
        else:
            progress = self.draw(st.one_of(st.none(), st.sampled_from([0.0, 0.3, 1.0]), st.floats(-1, 2)))
            self.stream.progress(call, progress, self.draw(st.one_of(st.none(), texts)))

    def give_up(self) -> None:
        call = self._pick([c for c in self.kind if c not in self.done and c not in self.running])
        if self.draw(st.booleans()):
            self.stream.cancel(call)
        else:
            self.stream.fail(call, TaskError(self.draw(texts), self.draw(st.sampled_from(["fetch#1", None]))))
        self.done.add(call)

    def stand(self) -> None:
        workflows = [w for w in self._makers() if w == 0 or self.kind[w] is CallKind.WORKFLOW]
        open_calls = [c for c in self.kind if c not in self.done]
        if workflows and open_calls:
            workflow = self._pick(workflows)
            waits_on = tuple(self.draw(st.lists(st.sampled_from(open_calls), min_size=1, max_size=3, unique=True)))
            self.standing[workflow] = waits_on
            self.stream.enter(*waits_on, workflow=workflow, line=self.draw(st.sampled_from([None, 6])))

    def finish(self) -> None:
        status = self.draw(st.sampled_from([None, *RunStatus]))
        if status is None or status is RunStatus.RUNNING:
            return
        error = None
        if status is not RunStatus.SUCCEEDED:
            error = self.draw(st.one_of(st.none(), st.builds(ValueError, texts)))
        self.stream.finish(status, self.draw(values), error)


@st.composite
def streams(draw: st.DrawFn, most: int = 30, ties: bool = True) -> Stream:
    """A run of up to `most` steps, finished or not; without `ties` time passes between any two of them."""
    run = _Run(draw, ties)
    for _ in range(draw(st.integers(0, most))):
        run.step()
    run.finish()
    return run.stream

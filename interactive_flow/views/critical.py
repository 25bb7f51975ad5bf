"""The critical path: the longest chain of calls that had to follow one another.

**Definition.**  The length of a call is the time its attempts took, as measured (up to now for a running one; waiting
for a worker and between retries does not count).  What a call had to follow is

- the calls whose results are among its arguments;
- every call that a barrier waited for which the same workflow had passed before it made the call;
- what the workflow that made it had to follow itself.

A sub-workflow, a combinator or a rule that made calls has no length of its own; it follows the calls it made that had
finished when it did (of a combinator's arguments, likewise, those that had: `first` does not follow the slower ones).
The critical path is the chain with the greatest sum of lengths.  With any number of workers the same run would have
taken at least that long, which is why it is worth looking at: only a shorter chain makes a run on enough workers
shorter.  (The term is that of project planning: Kelley and Walker, *Critical-path planning and scheduling*, 1959.)
"""

from __future__ import annotations

from interactive_flow.model.record import CallRecord, RunRecord
from interactive_flow.model.states import CallKind
from interactive_flow.views.decisions import advances

_Gate = tuple[int, int]
"""The moment at which a workflow had passed so many of its barriers."""

_Point = int | _Gate
"""What has a time: the end of a call, by index, or a gate."""


def critical_path(record: RunRecord, now: float | None = None) -> tuple[float, list[str]]:
    """The length of the critical path in seconds, and the ids of the tasks on it, in order.

    Args:
        record: the run.
        now: seconds since its start, where the clock has moved on since the last event.

    Example:
        >>> seconds, ids = critical_path(record)
        >>> ids
        ['embed_subtitles#1', 'encode_video#3']
    """
    return _Search(record, now).result()


class _Search:
    def __init__(self, record: RunRecord, now: float | None) -> None:
        self.record = record
        self.now = now
        self.steps = advances(record)
        self.made: dict[int, list[CallRecord]] = {}
        self.gate_of: dict[int, _Gate] = {}
        for call in record.calls:
            if call.parent_index:
                self.made.setdefault(call.parent_index, []).append(call)
        for workflow, steps in self.steps.items():
            for passed, step in enumerate(steps):
                self.gate_of |= {call.index: (workflow, passed) for call in step.calls}
        self.best: dict[_Point, tuple[float, _Point | None]] = {}

    def result(self) -> tuple[float, list[str]]:
        for call in self.record.calls:
            self._settle(call.index)
        if not self.record.calls:
            return 0.0, []
        last: _Point | None = max((call.index for call in self.record.calls), key=lambda i: self.best[i][0])
        length = self.best[last][0] if last is not None else 0.0
        ids = []
        while last is not None:
            if isinstance(last, int) and self.record.by_index[last].kind is CallKind.TASK:
                ids.append(self.record.by_index[last].id)
            last = self.best[last][1]
        return length, ids[::-1]

    def _settle(self, wanted: _Point) -> None:
        """Finds the longest chain up to `wanted`, without recursion: chains are as long as runs are."""
        stack: list[tuple[_Point, list[_Point]]] = []
        pending: set[_Point] = set()

        def push(point: _Point) -> None:
            if point not in self.best and point not in pending:
                pending.add(point)
                stack.append((point, self._followed(point)))

        push(wanted)
        while stack:
            point, followed = stack[-1]
            missing = next((p for p in followed if p not in self.best and p not in pending), None)
            if missing is not None:
                push(missing)
                continue
            stack.pop()
            pending.discard(point)
            known = [p for p in followed if p in self.best]
            before = max(known, key=lambda p: self.best[p][0], default=None)
            length = self.best[before][0] if before is not None else 0.0
            own = self._own(self.record.by_index[point]) if isinstance(point, int) else 0.0
            self.best[point] = (length + own, before)

    def _followed(self, point: _Point) -> list[_Point]:
        if isinstance(point, int):
            return self._followed_by_call(self.record.by_index[point])
        workflow, passed = point
        if passed:
            barrier = self.steps[workflow][passed - 1].barrier
            return [(workflow, passed - 1), *(barrier.waits_on if barrier else ())]
        if workflow:
            call = self.record.by_index[workflow]
            return [*call.dependencies, *self._gate(call)]
        return []

    def _gate(self, call: CallRecord) -> list[_Point]:
        gate = self.gate_of.get(call.index)
        if gate is not None:
            return [gate]
        # Made by a combinator or a rule: that was made after some barrier itself.
        return self._gate(self.record.by_index[call.parent_index]) if call.parent_index else []

    def _followed_by_call(self, call: CallRecord) -> list[_Point]:
        made = self.made.get(call.index, [])
        chosen = tuple(i for i in call.dependencies if not self.record.by_index[i].replaced)
        if call.finished_at is not None:
            made = [other for other in made if self._was_done(other, call.finished_at)]
            if call.kind is CallKind.COMBINATOR:
                by_index = self.record.by_index
                chosen = tuple(i for i in chosen if self._was_done(by_index[i], call.finished_at))
        return [*chosen, *self._gate(call), *(other.index for other in made)]

    @staticmethod
    def _was_done(call: CallRecord, at: float) -> bool:
        return call.finished_at is not None and call.state.final and call.finished_at <= at

    def _own(self, call: CallRecord) -> float:
        if call.kind is CallKind.COMBINATOR or call.index in self.made or call.index in self.steps:
            return 0.0
        return time_spent(self.record, call, self.now)


def time_spent(record: RunRecord, call: CallRecord, now: float | None = None) -> float:
    """Seconds that the attempts of a call took, a running one up to `now` (or the time of the last event)."""
    clock = record.clock if now is None else max(now, record.clock)
    return sum(
        max((clock if each.finished_at is None else each.finished_at) - each.started_at, 0.0) for each in call.tries
    )

"""Ready calls, waiting for a worker: one lane for each executor.

In a lane the call with the longest remaining path is first, then they go in call order.  *Tiny* calls, of tasks that
have proved to be over sooner than another thread could take them on (`interactive_flow.engine.durations`), are kept
apart: they are for the thread that runs the workflow's code, as soon as that code stands still.

A task's ``limit`` is kept here too: calls beyond it are held back until one of those at work has left.
"""

from __future__ import annotations

import heapq
from collections import deque
from operator import attrgetter
from typing import Any

from interactive_flow.engine.calls import TaskCall
from interactive_flow.engine.durations import SHORT
from interactive_flow.engine.spec import TaskSpec
from interactive_flow.model.states import CallState

_READY = CallState.READY
_FEW = 64


class Lane:
    """What waits for the workers of one executor: a queue by rank and call order.

    Most calls have no rank and come in the order in which they go.  They are kept in a row, so that only the others
    take a heap.

    Attributes:
        executor: as the task was given it; None for the run's own.
        row, others: calls without a rank that came in call order, and a heap of the others.
        sated: set by whoever drives the engine while all its workers have enough to do.
    """

    __slots__ = ("executor", "others", "row", "sated")

    def __init__(self, executor: Any = None) -> None:
        self.executor = executor
        self.sated = False
        self.row: deque[TaskCall] = deque()
        self.others: list[tuple[float, int, TaskCall]] = []

    def __len__(self) -> int:
        return len(self.row) + len(self.others)

    def push(self, rank: float, call: TaskCall) -> None:
        """Puts in a call; the higher its rank the sooner it comes out."""
        row = self.row
        if not rank and (not row or call.index > row[-1].index):
            row.append(call)
        else:
            heapq.heappush(self.others, (-rank, call.index, call))

    def pop(self) -> TaskCall:
        """Takes out the first one; there must be one."""
        row, others = self.row, self.others
        if not others or (row and (0.0, row[0].index) < others[0]):
            return row.popleft()
        return heapq.heappop(others)[2]

    def reorder(self) -> None:
        """Ranks have changed."""
        calls = [*self.row, *(call for _, _, call in self.others)]
        self.row, self.others = deque(), []
        for call in sorted(calls, key=attrgetter("index")):
            self.push(call.rank, call)


class Lanes:
    """The ready calls of a run.

    Attributes:
        runs_tiny: whether somebody takes tiny calls; only ever those of the run's own executor.
        by_key: the lanes, by `TaskSpec.lane`; None is the run's own executor's.
        tiny: the tiny calls that are ready, or were when they were put here.
        fresh: set where a call has become ready for workers that may be idle; whoever drives the engine takes it back.
    """

    def __init__(self, runs_tiny: bool = False) -> None:
        self.runs_tiny = runs_tiny
        self.fresh = False
        self.tiny: deque[TaskCall] = deque()
        self._own = Lane()
        self.by_key: dict[Any, Lane] = {None: self._own}
        self._at_work: dict[TaskSpec, int] = {}
        self._held_back: dict[TaskSpec, deque[TaskCall]] = {}

    def add(self, call: TaskCall) -> None:
        """The call may begin as soon as there is a worker for it; tiny ones are put into `tiny` instead."""
        spec = call.spec
        lane = self.by_key.get(spec.lane)
        if lane is None:
            lane = self.by_key[spec.lane] = Lane(spec.executor)
        rank = call.rank
        if not rank:
            rank = spec.durations.expected(call.number)
            if rank < SHORT:
                rank = 0.0  # in call order
        lane.push(rank, call)
        if not lane.sated:
            self.fresh = True

    def reorder(self) -> None:
        """Ranks have changed: puts the ready calls in their new order."""
        for lane in self.by_key.values():
            lane.reorder()

    def take(self, key: Any, most: int) -> list[TaskCall]:
        """Takes out the calls that workers should begin, `most` of them; fewer where there are no more for workers."""
        taken: list[TaskCall] = []
        lane = self.by_key.get(key)
        if lane is None:
            return taken
        row, others = lane.row, lane.others
        while len(taken) < most and (row or others):
            call = lane.pop() if others else row.popleft()
            # Others were cancelled, or timed out, meanwhile.
            if call.state is _READY and (call.spec.limit is None or self._is_admitted(call)):
                taken.append(call)
        return taken

    def _is_admitted(self, call: TaskCall) -> bool:
        """True where the limit of its task allows one more; else it is held back."""
        spec = call.spec
        at_work = self._at_work.get(spec, 0)
        if at_work < spec.limit:
            self._at_work[spec] = at_work + 1
            return True
        self._held_back.setdefault(spec, deque()).append(call)
        return False

    def crowded(self, key: Any) -> bool:
        """True where there is more than one call to choose from."""
        lane = self.by_key.get(key)
        return lane is not None and len(lane) > 1

    def hand_over(self, most: int | None = None) -> None:
        """Gives tiny calls to the workers: all, or `most` of them."""
        tiny = self.tiny
        for _ in range(len(tiny) if most is None else min(most, len(tiny))):
            self.add(tiny.popleft())

    def hand_over_few(self) -> None:
        """Gives the tiny calls to the workers because something that takes time waits for them, if they are few.

        Where they are many it is quicker to wait until the workflow's thread runs them.
        """
        if len(self.tiny) <= _FEW:
            self.hand_over()

    def left(self, spec: TaskSpec) -> None:
        """A call of a task with a limit is not at work any more; one that was held back may go on."""
        self._at_work[spec] -= 1
        held = self._held_back.get(spec)
        while held:
            call = held.popleft()
            if call.state is _READY:
                self.add(call)
                return

    def __bool__(self) -> bool:
        return bool(self.tiny) or any(self.by_key.values())

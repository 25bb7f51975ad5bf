"""How long a plan takes: a simulation of events, with the measured lengths and a given number of workers.

Workers take ready calls in an order, which is one of

- ``"recorded"``: in the order in which they really began.  An unchanged plan with the workers it had then takes
  exactly what the run took, as far as that is made of the plan's parts;
- ``"called"``: in the order of calls, which is what the engine does while it knows nothing about durations;
- ``"longest"``: the call with the longest path still before it first, as the engine does with the durations of an
  earlier run (`interactive_flow.engine.ranking`).  Paths are those known at that moment.

The code of all workflows takes the time that it took, and does so whenever it can: that there is one thread for it
shows only in the lengths that were measured.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Literal, TypeAlias

from interactive_flow.model.states import CallKind
from interactive_flow.views.plan import CHOOSING, Gate, Plan, Step, Work

Order: TypeAlias = Literal["recorded", "called", "longest"]

_ROOT = 0


def simulate(
    plan: Plan, workers: int | None = None, order: Order = "longest", programs: dict[int, list[Step]] | None = None
) -> float | None:
    """Seconds that `plan` takes; None where it comes to no end (it waits for what the run gave up).

    Args:
        plan: what is to be done.
        workers: how many calls run at once; the plan's own number where it is left out, at least 1.
        order: which ready call a free worker takes.
        programs: other steps for some workflows, by index.
    """
    steps = plan.programs if programs is None else plan.programs | programs
    return _Simulation(plan.works, steps, max(plan.workers if workers is None else workers, 1), order).result()


class _Waiting:
    """Somebody who waits for calls: a call for its arguments, code at a gate, a combinator for what it chooses from."""

    __slots__ = ("about", "any_loss", "before", "missing", "then")

    def __init__(self, then: str, about: int, missing: int, any_loss: bool = True) -> None:
        self.then = then  # the name of a method of the simulation
        self.about = about  # its argument, the index of a call
        self.missing = missing
        self.any_loss = any_loss  # whether one that is lost ends the waiting
        self.before = False  # True once it has ended


class _Simulation:
    def __init__(self, works: dict[int, Work], programs: dict[int, list[Step]], workers: int, order: Order) -> None:
        self.works = works
        self.programs = programs
        self.free = workers
        self.order = order
        self.now = 0.0
        self.ticket = 0
        self.events: list[tuple[float, int, str, int]] = []
        self.ready: list[tuple[tuple[float, ...], int]] = []
        self.queued: set[int] = set()  # what is in there, by its best place
        self.scheduled: set[int] = set()
        self.done: dict[int, bool] = {}  # and whether it was lost
        self.begun: dict[int, float] = {}
        self.attempt: dict[int, int] = {}
        self.position: dict[int, int] = {}
        self.watchers: dict[int, list[_Waiting]] = {}
        self.starters: dict[int, list[tuple[int, float]]] = {}
        self.arrived: dict[int, int] = {}  # of what a `finish_order` chooses from
        self.ranks = _Ranks(works, self) if order == "longest" else None
        self.end: float | None = None

    def result(self) -> float | None:
        self.later(0.0, "advance", _ROOT)
        events = self.events
        while events and self.end is None:
            self.now = events[0][0]
            while events and events[0][0] <= self.now and self.end is None:
                _, _, what, index = heapq.heappop(events)
                getattr(self, what)(index)
            # What happens at one moment has all happened before a worker chooses.
            if self.ready:
                self.hand_out()
        return self.end

    def later(self, delay: float, what: str, index: int) -> None:
        self.ticket += 1
        heapq.heappush(self.events, (self.now + delay, self.ticket, what, index))

    # -- code ------------------------------------------------------------------------------------------------------

    def advance(self, workflow: int) -> None:
        """Workflow code goes on with its next step."""
        if workflow in self.done:
            return
        position = self.position[workflow] = self.position.get(workflow, -1) + 1
        program = self.programs[workflow]
        if position == len(program):
            return  # it stood there when the run ended
        step = program[position]
        for offset, call in step.calls:
            if offset <= 0.0:
                self.schedule(call)
            else:
                self.later(offset, "schedule", call)
        if self.ranks and self.ranks.fresh:
            self.ranks.settle()
        if step.lasts <= 0.0:
            self.arrive(workflow)
        else:
            self.later(step.lasts, "arrive", workflow)

    def arrive(self, workflow: int) -> None:
        """Workflow code comes to the end of its step."""
        if self.ranks and self.ranks.fresh:
            self.ranks.settle()
        step = self.programs[workflow][self.position[workflow]]
        then = "advance" if step.barrier is not None else "finish"
        if step.gate is None:
            self.finish(workflow)
        elif step.gate.pause > 0.0:
            self.later(step.gate.pause, then, workflow)
        else:
            self.stand(workflow, step.gate, then)

    def stand(self, workflow: int, gate: Gate, then: str) -> None:
        if gate.delays:
            self.stand_for_items(workflow, gate, then)
            return
        waits_on = [call for call in gate.calls if call not in self.done]
        if not waits_on or any(self.done.get(call) for call in gate.calls):
            self.later(0.0, then, workflow)
            return
        if self.ranks:
            self.ranks.wait(workflow, waits_on)
        self.watch(_Waiting("go_on" if then == "advance" else "finish", workflow, len(waits_on)), waits_on)

    def stand_for_items(self, workflow: int, gate: Gate, then: str) -> None:
        """A generator task's items come at their own times, counted from its start."""
        for call in gate.calls:
            delay = gate.delays.get(call, 0.0)
            if call in self.begun:
                self.later(max(self.begun[call] + delay - self.now, 0.0), then, workflow)
            else:
                self.starters.setdefault(call, []).append((workflow, delay))
            return

    def go_on(self, workflow: int) -> None:
        self.later(0.0, "advance", workflow)

    # -- calls -----------------------------------------------------------------------------------------------------

    def schedule(self, index: int) -> None:
        """Somebody makes a call."""
        if index in self.scheduled or index not in self.works:
            return
        self.scheduled.add(index)
        work = self.works[index]
        if self.ranks:
            self.ranks.add(index)
        if work.kind is CallKind.COMBINATOR:
            self.schedule_combinator(index, work)
            return
        missing = []
        for need in work.needs:
            if need not in self.done:
                if need in self.works:
                    missing.append(need)
            elif self.done[need]:
                self.finish(index)
                return
        if missing:
            self.watch(_Waiting("begin", index, len(missing)), missing)
        else:
            self.begin(index)

    def schedule_combinator(self, index: int, work: Work) -> None:
        """A combinator is made; it watches what it chooses from, and makes its own calls as soon as they can begin."""
        needs = [need for need in work.needs if need in self.works]
        missing = [need for need in needs if need not in self.done]
        patient = work.name in CHOOSING  # one that is lost is as good as any other
        wanted = len(missing)
        if work.name == "finish_order":
            self.arrived[index] = len(needs) - len(missing)
            for need in missing:
                self.watch(_Waiting("arrived_in_order", index, 1, False), [need])
        elif work.name == "item" and work.parent in self.works:
            missing = [need for need in self.works[work.parent].needs if need in self.works and need not in self.done]
            wanted = work.number - self.arrived.get(work.parent, 0)
        elif work.name == "first":
            wanted = 1 if len(missing) == len(needs) else 0
        else:
            missing += [call for _, call in work.made]
            wanted = len(missing)
        for delay, call in work.made:
            self.later(delay, "schedule", call)
        if wanted <= 0 or not missing:
            self.finish(index)
        else:
            self.watch(_Waiting("finish", index, wanted, not patient), missing)

    def arrived_in_order(self, index: int) -> None:
        self.arrived[index] += 1

    def begin(self, index: int) -> None:
        """The arguments of a call are there."""
        if index in self.done:
            return
        work = self.works[index]
        if any(self.done.get(need) for need in work.needs) and not work.tries:
            self.finish(index)
        elif work.kind is CallKind.WORKFLOW:
            self.begun[index] = self.now
            self.advance(index)
        elif work.made:
            self.begun[index] = self.now
            for delay, call in work.made:
                self.later(delay, "schedule", call)
            self.watch(_Waiting("finish", index, len(work.made)), [call for _, call in work.made])
        elif not work.tries:
            self.finish(index)
        else:
            self.enqueue(index)

    def enqueue(self, index: int) -> None:
        self.queued.add(index)
        heapq.heappush(self.ready, (self.key(index), index))

    def key(self, index: int) -> tuple[float, ...]:
        if self.order == "recorded":
            return self.works[index].order
        if self.ranks:
            return (-self.ranks.rank.get(index, 0.0), index)
        return (index,)

    def hand_out(self) -> None:
        """Free workers take ready calls."""
        while self.free and self.ready:
            key, index = heapq.heappop(self.ready)
            if index not in self.queued or (self.ranks and key != self.key(index)):
                continue  # it had a better place since
            self.queued.discard(index)
            self.free -= 1
            attempt = self.attempt.get(index, 0)
            if not attempt:
                self.begun[index] = self.now
                for workflow, delay in self.starters.pop(index, ()):
                    self.later(delay, "advance", workflow)
            self.later(self.works[index].tries[attempt][0], "attempted", index)

    def attempted(self, index: int) -> None:
        """A worker is done with an attempt."""
        self.free += 1
        attempt = self.attempt[index] = self.attempt.get(index, 0) + 1
        tries = self.works[index].tries
        if attempt == len(tries):
            self.finish(index)
        else:
            self.later(tries[attempt - 1][1], "enqueue", index)

    def finish(self, index: int) -> None:
        """A call has its value, or will have none."""
        if index in self.done:
            return
        if index == _ROOT:
            self.end = self.now
            return
        lost = self.done[index] = self.works[index].lost
        if self.ranks:
            self.ranks.forget(index)
        for waiting in self.watchers.pop(index, ()):
            if waiting.before:
                continue
            waiting.missing -= 1
            if waiting.missing <= 0 or (lost and waiting.any_loss):
                waiting.before = True
                getattr(self, waiting.then)(waiting.about)

    def watch(self, waiting: _Waiting, calls: Iterable[int]) -> None:
        for call in calls:
            self.watchers.setdefault(call, []).append(waiting)


class _Ranks:
    """The longest path after each call, as far as it is known; see `interactive_flow.engine.ranking`.

    Attributes:
        rank: seconds, by the index of a call.
        fresh: calls whose own predecessors have not been told of them yet.
    """

    def __init__(self, works: dict[int, Work], simulation: _Simulation) -> None:
        self.rank: dict[int, float] = {}
        self.fresh: list[int] = []
        self._works = works
        self._done = simulation.done
        self._simulation = simulation
        self._waits: dict[int, list[int]] = {}  # what the code of a workflow stands for

    def add(self, index: int) -> None:
        self.rank[index] = self._works[index].seconds
        self.fresh.append(index)

    def wait(self, workflow: int, calls: list[int]) -> None:
        """The code of a workflow stands waiting for `calls`; the run's own code has nothing after it that is known."""
        if workflow != _ROOT:
            self._waits[workflow] = calls
            self.fresh.append(workflow)
            self.settle()

    def forget(self, index: int) -> None:
        self._waits.pop(index, None)

    def settle(self) -> None:
        """Tells the calls before the fresh ones what comes after them: mostly those with higher indexes come later."""
        heap = [-index for index in self.fresh]
        heapq.heapify(heap)
        self.fresh.clear()
        while heap:
            index = -heapq.heappop(heap)
            work = self._works[index]
            after = self.rank.get(index, 0.0)
            before = [*work.needs, *self._waits.get(index, ())]
            if work.parent in self._works and self._works[work.parent].kind is not CallKind.WORKFLOW:
                after = max(after, self.rank.get(work.parent, 0.0) + work.seconds)
                self.rank[index] = after
            before += [call for _, call in work.made]
            for other in before:
                if other in self.rank and other not in self._done:
                    rank = after + self._works[other].seconds
                    if rank > self.rank[other]:
                        self.rank[other] = rank
                        heapq.heappush(heap, -other)
                        self._requeue(other)

    def _requeue(self, index: int) -> None:
        """One that is ready already goes sooner now; its older place is passed over when it comes to that."""
        if index in self._simulation.queued:
            self._simulation.enqueue(index)

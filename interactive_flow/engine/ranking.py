"""Which ready call should begin first: the one with the longest path still before it.

The rank of a call is what it is expected to take itself plus the largest rank among those that wait for it: the
*upward rank* of list scheduling (H. Topcuoglu, S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task
scheduling for heterogeneous computing", IEEE TPDS 13(3), 2002), with expected durations learned by task name and call
number.

The graph grows while it runs, so ranks are worked out anew now and then, for what has not finished yet.  A `Ranking`
spends on that at most a fixed number of steps for each call that was ever made, however the graph grows.
"""

from __future__ import annotations

from interactive_flow.engine.calls import Call, Scope, TaskCall

_STEPS_PER_CALL = 4
_FREE_STEPS = 1000


class Ranking:
    """Keeps the ranks of unfinished calls up to date, within its budget.

    Attributes:
        stale: True where something has changed that ranks depend on.
    """

    def __init__(self) -> None:
        self.stale = False
        self._spent = 0
        self._next_at = 0
        self._expected = 0.0

    def refresh(self, root: Scope, made: int) -> bool:
        """Works out the ranks below `root`, if they are stale and the budget allows; True if it did.

        Args:
            root: the run's own workflow.
            made: how many calls were made so far.
        """
        if not self.stale or self._next_at > made:
            return False
        calls = _unfinished(root)
        if self._spent + len(calls) > _STEPS_PER_CALL * made + _FREE_STEPS:
            # So many calls must be made before it can be afforded; to look at them sooner would cost as much.
            self._next_at = made + max(len(calls) // _STEPS_PER_CALL, 16)
            self._spent += len(calls)
            return False
        self.stale = False
        self._spent += len(calls)
        means = [call.spec.durations.mean for call in calls if isinstance(call, TaskCall) and call.spec.durations.count]
        if means:
            self._expected = sum(means) / len(means)
        # Whoever waits for a call was made after it, so by falling index a single pass is enough, except for what
        # waits on behalf of its own calls: a workflow at a barrier, a reduction.  Those come first, with what waits
        # for them.
        ranks: dict[Call, float] = {}
        for call in sorted(calls, key=lambda c: (not isinstance(c, Scope), c.index), reverse=True):
            self._rank(call, ranks)
        for call in sorted(calls, key=lambda c: (isinstance(c, Scope), c.index), reverse=True):
            self._rank(call, ranks)
        return True

    def _rank(self, call: Call, ranks: dict[Call, float]) -> None:
        after = max((ranks.get(waiting, 0.0) for waiting in call.dependents or ()), default=0.0)
        if isinstance(call, TaskCall):
            call.rank = after + self.expected(call)
            ranks[call] = call.rank
        else:
            ranks[call] = after

    def expected(self, call: TaskCall) -> float:
        """Seconds that the call is expected to take; for a task not seen yet, what others take on average."""
        known = call.spec.durations
        return known.expected(call.number) if known.count else self._expected


def _unfinished(root: Scope) -> list[Call]:
    calls: list[Call] = []
    scopes: list[Scope] = [root]
    while scopes:
        for call in scopes.pop().open:
            calls.append(call)
            if isinstance(call, Scope):
                scopes.append(call)
    return calls

"""Which ready call should begin first: the one with the longest path still before it.

The rank of a call is what it is expected to take itself plus the largest rank among those that wait for it: the
*upward rank* of list scheduling (H. Topcuoglu, S. Hariri, M.-Y. Wu, "Performance-effective and low-complexity task
scheduling for heterogeneous computing", IEEE TPDS 13(3), 2002), with expected durations learned by task name and call
number.

The graph grows while it runs, so ranks are worked out anew now and then, for what has not finished yet.  How often
depends on how much that is: about a fiftieth of the time may go into it, so that a large graph of short tasks, which
has little to gain, is left in call order for longer than it would take to run it.
"""

from __future__ import annotations

from interactive_flow.engine.calls import Call, Scope, TaskCall

_STEP = 1e-6
"""Seconds: about what one call takes to rank."""

_SHARE = 50


class Ranking:
    """Keeps the ranks of unfinished calls up to date, within its budget.

    Attributes:
        stale: True where something has changed that ranks depend on.
    """

    def __init__(self) -> None:
        self.stale = False
        self._next_at = 0.0
        self._expected = 0.0

    def refresh(self, root: Scope, now: float) -> bool:
        """Works out the ranks below `root`, if they are stale and the budget allows; True if it did.

        Args:
            root: the run's own workflow.
            now: seconds since the start of the run.
        """
        if not self.stale or now < self._next_at:
            return False
        self.stale = False
        calls = _unfinished(root)
        self._next_at = now + len(calls) * _STEP * _SHARE
        means = [call.spec.durations.mean for call in calls if isinstance(call, TaskCall) and call.spec.durations.count]
        if means:
            self._expected = sum(means) / len(means)
        # Whoever waits for a call was made after it, so by falling index a single pass is enough, except for what
        # waits on behalf of its own calls: a workflow at a barrier, a reduction.  Those come first, with what waits
        # for them.
        others: dict[Call, float] = {}
        scopes = [call for call in calls if isinstance(call, Scope)]
        calls.sort(key=lambda call: call.index, reverse=True)
        if scopes:
            for call in calls:
                self._rank(call, others)
            scopes.sort(key=lambda call: call.index, reverse=True)
            for scope in scopes:
                self._rank(scope, others)
        for call in calls:
            self._rank(call, others)
        return True

    def _rank(self, call: Call, others: dict[Call, float]) -> None:
        after = 0.0
        for waiting in call.dependents or ():
            rank = waiting.rank if isinstance(waiting, TaskCall) else others.get(waiting, 0.0)
            if rank > after:
                after = rank
        if isinstance(call, TaskCall):
            known = call.spec.durations
            call.rank = after + (known.expected(call.number) if known.count else self._expected)
        else:
            others[call] = after


def _unfinished(root: Scope) -> list[Call]:
    calls: list[Call] = []
    scopes: list[Scope] = [root]
    while scopes:
        for call in scopes.pop().open:
            calls.append(call)
            if isinstance(call, Scope):
                scopes.append(call)
    return calls

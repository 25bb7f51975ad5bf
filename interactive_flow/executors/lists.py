"""Lists of calls for worker processes: what is in them, and how long they are.

The idea is joblib's (its ``batch_size="auto"``): a message a call costs many times what a short call takes, so short
calls travel together, as many as make some milliseconds of work.
"""

from __future__ import annotations

import pickle
from typing import Any

from interactive_flow.engine.calls import Job
from interactive_flow.engine.spec import TaskSpec
from interactive_flow.executors.pickling import ATOMS, argument_error, best_dumps, dump_function
from interactive_flow.executors.workers import MOST_AHEAD, Worker

LIST_SECONDS = 5e-3
"""How much work a worker is given ahead, at most."""

PATIENCE = LIST_SECONDS
"""Seconds that a worker may be late before the calls that it has not begun are taken back from it."""

COST = 8e-6
"""Seconds that a worker spends on a call beside running it."""

MANY = 32
"""Calls: as long as all workers have so many before them, news are taken in together."""

LONGEST_PAUSE = 1e-3
"""Seconds."""

BYTES_PER_SECOND = 5e8
"""What a pipe carries."""

_SHORT = 256
"""Characters of a text that is small."""

_UNKNOWN = 1e6
"""Seconds that a call of a task is thought to take of which nothing is known: too long for a list."""


def expected_seconds(spec: TaskSpec) -> float:
    """Seconds that a call will take, by what is known; the less is known, the more is feared.

    So a task's first calls go one by one, then two by two, and so on.
    """
    known = spec.durations
    if not known.count:
        return _UNKNOWN
    return max(known.mean, LIST_SECONDS / (2 * known.count)) + COST


def length_for(seconds: float) -> int:
    """How many calls that take `seconds` each a worker should be given: a list, and the next one."""
    return min(max(int(2 * LIST_SECONDS / (seconds + COST)), 1), MOST_AHEAD)


def seconds_for(worker: Worker) -> float:
    """How much work a worker should be given now; none where it has enough, so that lists do not become short.

    One that is at its last call gets the next list, so that it need not wait for it.
    """
    if len(worker.calls) == 1:
        return LIST_SECONDS if worker.load < LIST_SECONDS else 0.0
    return LIST_SECONDS - worker.load if worker.load < LIST_SECONDS / 2 else 0.0


def pause_for(workers: list[Worker], seconds: float) -> float:
    """How long to wait for more news before taking in those that there are; calls take `seconds` each.

    A worker writes each result at once.  To be woken for each would cost more than short calls take; so the news are
    left to come together for a while, which is over long before a worker has nothing to do.
    """
    fewest = min((len(worker.calls) for worker in workers), default=0)
    return min(fewest * (seconds + COST) / 4, LONGEST_PAUSE) if fewest >= MANY else 0.0


class Packer:
    """Packs the calls of one run.

    Attributes:
        functions: by key, what `interactive_flow.executors.wire.FUNCTION` takes.
    """

    def __init__(self) -> None:
        self.functions: dict[int, bytes] = {}
        self._keys: dict[TaskSpec, int] = {}
        self._dumps = best_dumps()

    def pack(self, job: Job) -> tuple[int, Any] | None:
        """The job's call, as an item of a list; None where it is not wanted any more.

        Returns:
            The key of its function, and its positional arguments where that is all there is and all are small and
            cannot change; else what it is called with in a pickle of its own, so that no two calls get one object.

        Raises:
            PicklingError: it cannot be sent; the message says what of it is to blame.
        """
        call, said = job.call, job.said_before
        args, kwargs = call.engine.arguments(call) if call.depends else (call.args, call.kwargs)
        if job.abandoned:  # then these were not its arguments any more
            return None
        key = self._keys.get(call.spec)
        if key is None:
            key = self._add(call.spec)
        if not kwargs and said is None:
            for value in args:
                kind = type(value)
                if kind not in ATOMS and (kind is not str or len(value) > _SHORT):
                    break
            else:
                return key, args
        try:
            return key, self._dumps((args, kwargs, said))
        except Exception as error:
            raise argument_error(call.spec.name, call.spec.fn, args, kwargs, error) from error

    def _add(self, spec: TaskSpec) -> int:
        key = len(self.functions)
        self.functions[key] = pickle.dumps((spec.name, dump_function(spec.name, spec.fn)))
        self._keys[spec] = key
        return key

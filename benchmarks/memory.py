"""What a run keeps in memory: resident memory of a fresh process, before the run and at its highest.

A run keeps its graph and its events for as long as its `Run` is kept, since everything that is shown is made from them.
Values are small integers here, so that what is measured is what the engine adds.
"""

from __future__ import annotations

import threading

from measure import peak_memory, resident_memory
from patterns import opened


def per_call(pattern: str, n: int) -> dict[str, float]:
    """KiB a call at the peak of a run of `n` calls; ``kept`` is what is still resident when the run is over."""
    with opened("interactive_flow", 4) as subject:
        program = subject.program(getattr(subject, pattern))
        program(200)
        before = resident_memory()
        program(n)
        return {
            "peak": (peak_memory() - before) / n / 1024,
            "kept": (resident_memory() - before) / n / 1024,
        }


def waiting_workflows(outer: int, inner: int) -> dict[str, float]:
    """MB that a process takes more of while sub-workflows stand at a barrier, all at once.

    Args:
        outer: how many sub-workflows the run has; each waits for those it has itself.
        inner: how many each of these has; 0 for none, so that they wait themselves.

    Returns:
        ``waiting``: MB while all stand still, ``peak``: at the highest, ``finished``: how many came to their end.
    """
    from interactive_flow import flow, task, wait

    gate, arrived = threading.Event(), threading.Semaphore(0)
    waiting: list[int] = []

    @task
    def closed(x: int) -> int:
        gate.wait()
        return x

    @flow
    def waits(x: int) -> int:
        value = closed(x)
        arrived.release()
        return wait(value) + 1

    @flow
    def has_others(x: int) -> int:
        return sum([waits(x) for _ in range(inner)])

    @flow
    def all_of_them() -> list[int]:
        one = has_others if inner else waits
        return [one(x) for x in range(outer)]

    def open_gate() -> None:
        for _ in range(outer * max(inner, 1)):
            arrived.acquire()
        waiting.append(resident_memory())
        gate.set()

    before = resident_memory()
    threading.Thread(target=open_gate, daemon=True).start()
    values = all_of_them.options(max_workers=4, display="none").run()
    if values != [(x + 1) * max(inner, 1) for x in range(outer)]:
        raise AssertionError("sub-workflows that were suspended gave the wrong values")
    return {
        "waiting": (waiting[0] - before) / 1e6,
        "peak": (peak_memory() - before) / 1e6,
        "finished": outer * (inner + 1) if inner else outer,
    }

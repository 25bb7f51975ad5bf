"""What fingerprints cost: a key where nothing has changed, a value, and an array against the hash over its bytes.

Each function is for a process of its own.  What an array costs is told as a ratio: the speed of its fingerprint over
that of `hashlib.blake2b` over the same bytes, both the best of several times.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Any

from interactive_flow.store.fingerprint import call_key, code_fingerprint, value_fingerprint
from interactive_flow.store.fingerprint.definitions import Definitions

RATE = 3
LIMITS = {"low": 1, "high": [2, 3]}


def leaf(x: int) -> int:
    return x + RATE


def clean(text: str) -> str:
    return text.strip() * leaf(1)


class Shape:
    """Something with a method."""

    sides = 4

    def area(self) -> int:
        return self.sides * leaf(2)


def alone(x: int, size: int = 3) -> int:
    return x * size


def typical(lines: list[str], size: int = 3) -> Any:
    return Shape().area(), [clean(line) for line in lines], LIMITS["low"], size


def best(function: Callable[[], object], repeat: int, times: int = 1) -> float:
    """Seconds a call, the best of `repeat` times."""
    found = []
    for _ in range(repeat):
        began = time.perf_counter()
        for _ in range(times):
            function()
        found.append((time.perf_counter() - began) / times)
    return min(found)


def small(repeat: int = 3) -> dict[str, float]:
    """Microseconds for keys of calls with small arguments, and what they consist of."""
    lines = ["one", "two", "three"]
    rows: dict[str, Callable[[], object]] = {
        "value: a number": lambda: value_fingerprint(1),
        "value: a dict of three": lambda: value_fingerprint({"a": 1, "b": "two", "c": [3.0]}),
        "code: one function, checked": lambda: code_fingerprint(alone),
        "code: typical, checked": lambda: code_fingerprint(typical),
        "code: typical, anew": lambda: Definitions(typical),
        "key: one function": lambda: call_key(alone, (1,), {"size": 2}),
        "key: typical": lambda: call_key(typical, (lines,), {"size": 2}),
    }
    return {name: best(function, repeat, 1000) * 1e6 for name, function in rows.items()}


def large(megabytes: int = 100, repeat: int = 3) -> dict[str, float]:
    """The speed of fingerprints of arrays and a data frame, as a part of that of the hash over their bytes."""
    import numpy as np
    import pandas as pd

    side = int((megabytes * 1e6 / 8) ** 0.5)
    square = np.random.default_rng(1).random((side, side))
    hashed = best(lambda: hashlib.blake2b(square, digest_size=32).digest(), repeat)
    rows: dict[str, Any] = {
        "an array": square,
        "an array, transposed": square.T,
        "an array, every other column": np.repeat(square, 2, axis=1)[:, ::2],
        "bytes": square.tobytes(),
        "a frame of 20 columns": pd.DataFrame(square.reshape(-1)[: square.size // 20 * 20].reshape(-1, 20)),
    }
    return {
        name: hashed / best(lambda value=value: value_fingerprint(value), repeat)  # type: ignore[misc]
        for name, value in rows.items()
    }

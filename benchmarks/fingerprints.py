"""What fingerprints cost: a key where nothing has changed, a value, and an array against the hash over its bytes.

``python benchmarks/fingerprints.py [--repeat K] [--megabytes M]`` prints microseconds, the best of K times.  What an
array costs is told as a ratio: the speed of its fingerprint over that of `hashlib.blake2b` over the same bytes.
"""

from __future__ import annotations

import argparse
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


def small(repeat: int) -> None:
    """Keys of calls with small arguments."""
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
    parts = len(code_fingerprint(typical).parts)
    print(f"'typical' has {parts} parts\n{'':30} {'µs':>8}")
    for name, function in rows.items():
        print(f"{name:30} {best(function, repeat, 1000) * 1e6:8.1f}")


def large(repeat: int, megabytes: int) -> None:
    """Arrays and tables, where there is numpy (and pandas)."""
    try:
        import numpy as np
    except ImportError:
        print("no numpy here, so no arrays")
        return
    side = int((megabytes * 1e6 / 8) ** 0.5)
    square = np.random.default_rng(1).random((side, side))
    hashed = best(lambda: hashlib.blake2b(square, digest_size=32).digest(), repeat)
    rows: dict[str, Any] = {
        "in order": square,
        "transposed": square.T,
        "every other column, twice": np.repeat(square, 2, axis=1)[:, ::2],
        "bytes": square.tobytes(),
    }
    try:
        import pandas as pd
    except ImportError:
        pass
    else:
        rows["a frame of 20 columns"] = pd.DataFrame(square.reshape(-1)[: square.size // 20 * 20].reshape(-1, 20))
    print(f"\n{square.nbytes / 1e6:.0f} MB of floats, hash alone {hashed * 1e3:.0f} ms\n{'':30} {'speed':>8}")
    for name, value in rows.items():
        print(f"{name:30} {hashed / best(lambda value=value: value_fingerprint(value), repeat):8.2f}")  # type: ignore[misc]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--megabytes", type=int, default=100, help="size of the arrays (default: %(default)s)")
    given = parser.parse_args()
    small(given.repeat)
    large(given.repeat, given.megabytes)


if __name__ == "__main__":
    main()

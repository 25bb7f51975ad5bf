"""The nine example workflows with real sleeps: result and duration of each, against what they should be.

``python benchmarks/example_workflows.py [--unit SECONDS]``; 16 workers.  Durations are given in units of sleep, so
that the length of a unit does not matter.  Ends with exit status 1 where a result is wrong, or a duration is off by
0.9 units or more.
"""

from __future__ import annotations

import argparse
import sys
import time

from interactive_flow.examples.nine import NINE, square_or_add

TOLERANCE = 0.9
"""Units."""


def main() -> int:
    """Runs all nine; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--unit", type=float, default=0.02, help="seconds in a unit of sleep (default: %(default)s)")
    unit = parser.parse_args().unit
    compute = square_or_add(lambda units: time.sleep(units * unit))
    without_sleep = square_or_add(lambda units: None)
    print(f"{'workflow':22} {'result':>7} {'in sequence':>12} {'units':>8} {'expected':>9}")
    good = True
    for name, expected in NINE.items():
        concurrent = expected.workflow.inject(compute=compute).options(max_workers=16, display="none")
        begin = time.perf_counter()
        result = concurrent.run()
        units = (time.perf_counter() - begin) / unit
        in_sequence = expected.workflow.inject(compute=without_sleep).sequential()
        right = result == expected.result and in_sequence == expected.in_sequence
        near = abs(units - expected.units) < TOLERANCE
        good = good and right and near
        verdict = "" if right and near else "  <-- wrong" if not right else "  <-- off"
        print(f"{name:22} {result:>7} {in_sequence:>12} {units:>8.2f} {expected.units:>9}{verdict}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

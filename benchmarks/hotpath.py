"""Where the time of a call goes, stage by stage, for calls that do nothing.

``python benchmarks/hotpath.py [--calls N] [--functions]`` prints a table of microseconds a call.  Two measurements are
put together: a plain run gives the processor time of a call, with and without the garbage collector; a run under
`py-spy <https://github.com/benfred/py-spy>`_, which looks from outside at who holds the interpreter's lock and so does
not slow down small functions more than large ones, gives the shares of the functions.  Functions are put together in
stages.
"""

from __future__ import annotations

import argparse
import gc
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from measure import HERE, NotMeasured, fresh, sample_in
from patterns import TITLES, opened
from report import Table, as_text, number

SHAPES = ("fan_out", "chain", "barriers")
_RATE = 500
_RUNS = 40

STAGES = {
    "the workflow's code makes the call": (
        r"patterns\.py|authoring/|sites\.py|CodeSide\.(call|own|_check|_combine)|gather|_Walk|_tuple|_list|\.keep"
    ),
    "a node and its place in the graph": (
        r"Engine\.(call|make_ready)|Graph\.(add|connect)|Attempts\._task_ready|refer|Lanes\.add|placeholder\.py|"
        r"(StreamCall|TaskCall|Call|Scope|WorkflowCall)\."
    ),
    "the call is handed out": (
        r"Attempts\.(take_tiny|start_next|_start|_new_job|_begin)|Engine\.tiny_is_wanted|TinyCalls\._take|Job\.|Lanes\.|"
        r"ranking\.py|_unfinished|ThreadExecutor"
    ),
    "the task runs": r"worker\.py|Attempts\.arguments|fill|_value_of|TinyCalls\._run_batch",
    "its outcome is reported": (
        r"Attempts\.(succeeded|_leave)|ExecutorSide\.(report|finished)|Durations|"
        r"Graph\.(settle|_tell_dependents|_argument_arrived|mark)|Barrier\.arrived"
    ),
    "barriers": (
        r"fibers\.py|CodeSide\.|Engine\.(block|workflow_heard|advanced)|Barrier|first_lost|Runner\._advance|TinyCalls\."
    ),
    "the runner's loop": r"(Runner|ExecutorSide)\.|Engine\.|Attempts\.|clock|Timers|interrupts",
}
"""What belongs to a stage, as a pattern for ``Class.function (file)``; the first that fits counts."""


def repeat(pattern: str, n: int, runs: int, collect: bool) -> dict[str, float]:
    """Microseconds of processor time a call, over several runs in one process, and those of the garbage collector."""
    paused = 0.0
    began = 0.0

    def watch(phase: str, info: dict[str, int]) -> None:
        nonlocal began, paused
        if phase == "start":
            began = time.perf_counter()
        else:
            paused += time.perf_counter() - began

    with opened("interactive_flow", 4) as subject:
        program = subject.program(getattr(subject, pattern))
        program(200)
        gc.callbacks.append(watch)
        if not collect:
            gc.disable()
        started = time.process_time()
        for _ in range(runs):
            program(n)
        used = time.process_time() - started
    return {"cpu": used / n / runs * 1e6, "gc": paused / n / runs * 1e6}


def shares(pattern: str, n: int, runs: int) -> Counter[str]:
    """How many samples fell into each function, ``Class.function (file)``, while a pattern ran.

    Raises:
        NotMeasured: there is no py-spy, or it may not look into processes here.
    """
    spy = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if spy is None:
        raise NotMeasured("py-spy is not installed")
    arguments = f'{{"pattern": "{pattern}", "n": {n}, "runs": {runs}, "collect": false}}'
    with tempfile.NamedTemporaryFile(mode="r", suffix=".raw") as raw:
        command = [spy, "record", "--rate", str(_RATE), "--gil", "--format", "raw", "--output", raw.name, "--"]
        command += [sys.executable, str(HERE / "measure.py"), "hotpath", "repeat", arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        sample_in(done.stdout, done.stderr, done.returncode)
        found: Counter[str] = Counter()
        for line in raw:
            stack, _, count = line.rstrip().rpartition(" ")
            frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
            # Code in a greenlet has a stack of its own, without the runner's.
            ours = any("patterns.py" in frame or "interactive_flow/" in frame for frame in frames)
            if ours and not any("importlib" in frame for frame in frames):
                found[frames[-1]] += int(count)
    return found


def stage_of(function: str) -> str:
    """The stage that a function belongs to."""
    for stage, pattern in STAGES.items():
        if re.search(pattern, function):
            return stage
    return "elsewhere"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=5_000, help="calls in a run (default: %(default)s)")
    parser.add_argument("--functions", action="store_true", help="also print the functions that take the most")
    given = parser.parse_args()
    columns: dict[str, Counter[str]] = {}
    for pattern in SHAPES:
        plain = fresh("hotpath", "repeat", pattern=pattern, n=given.calls, runs=_RUNS, collect=True)
        without = fresh("hotpath", "repeat", pattern=pattern, n=given.calls, runs=_RUNS, collect=False)
        functions = shares(pattern, given.calls, _RUNS)
        total = functions.total()
        column: Counter[str] = Counter()
        for function, count in functions.items():
            column[stage_of(function)] += count * without["cpu"] / total  # type: ignore[assignment]
        column["garbage collection"] = plain["gc"]  # type: ignore[assignment]
        column["all"] = without["cpu"] + plain["gc"]  # type: ignore[assignment]
        columns[pattern] = column
        if given.functions:
            print(f"\n{TITLES[pattern]}: {total} samples")
            for function, count in functions.most_common(40):
                print(f"{count * without['cpu'] / total:7.2f}  {stage_of(function):36} {function}")
    rows = [
        [stage, *(number(columns[pattern][stage]) for pattern in SHAPES)]
        for stage in [*STAGES, "elsewhere", "garbage collection", "all"]
    ]
    print(f"\n{as_text(Table(['µs a call', *(TITLES[pattern] for pattern in SHAPES)], rows))}")


if __name__ == "__main__":
    main()

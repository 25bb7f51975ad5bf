"""How things are measured: each measurement in a process of its own, those to be compared in turn.

A process that has measured something is not the same afterwards: caches are warm, the garbage collector has more to
look at, threads linger, a peer has changed the logging.  So the functions that measure run in fresh interpreters,
``python measure.py MODULE FUNCTION ARGUMENTS``, and give back one JSON object on a marked line of their output.

What is compared is measured in turn (A B A B …), so that a machine that is busy for a while is busy for all of them,
and the median counts.  Next to the time on the clock stands the processor time of the measuring process, which other
people's work disturbs less.

Processors of today, and virtual ones above all, change their speed by half from one second to the next.  So every
measurement stands between two runs of a fixed loop, whose duration is the machine's *pace* at that time; and a ratio is
made only of measurements whose paces agree.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

HERE = Path(__file__).resolve().parent
_MARK = "measured: "
_LOOP = 100_000
PACE = "pace"
"""The quantity of a sample that says how quick the machine was: seconds that a fixed loop took around it."""

_SAME_PACE = 1.1
"""Paces that differ by a smaller factor agree."""

K = TypeVar("K", bound=Hashable)


class NotMeasured(Exception):
    """Something could not be measured; the message says why, in a line."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: what was measured in each quantity, in seconds, bytes or calls."""

    values: Mapping[str, float]

    def __getitem__(self, quantity: str) -> float:
        return self.values[quantity]


def _loop() -> float:
    began, x = time.process_time(), 0
    for i in range(_LOOP):
        x += i
    return time.process_time() - began


class Stopwatch:
    """Measures the block it stands around, the garbage of what came before swept away.

    Attributes:
        wall, cpu: seconds by the clock, and of this process' processor time.
        pace: seconds of processor time that a fixed loop took, the mean of before and after.
    """

    def __enter__(self) -> Stopwatch:
        gc.collect()
        self._before = _loop()
        self._cpu = time.process_time()
        self._wall = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wall = time.perf_counter() - self._wall
        self.cpu = time.process_time() - self._cpu
        self.pace = (self._before + _loop()) / 2


def peak_memory() -> int:
    """Bytes: the most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def resident_memory() -> int:
    """Bytes that this process has resident now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def fresh(module: str, function: str, timeout: float = 180.0, **arguments: Any) -> Sample:
    """What ``function(**arguments)`` of a module in this directory measures, in a fresh interpreter.

    Args:
        module, function: by name; the function returns a dict of numbers.
        timeout: seconds after which it is given up.
        arguments: what JSON can carry.

    Raises:
        NotMeasured: it raised (the message is the last line of its traceback), crashed, or took too long.
    """
    command = [sys.executable, str(HERE / "measure.py"), module, function, json.dumps(arguments)]
    # Files, not pipes: a server that a peer has left behind would keep a pipe open.  It goes with its process group.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        with subprocess.Popen(command, stdout=out, stderr=err, cwd=HERE.parent, start_new_session=True) as process:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise NotMeasured(f"not over after {timeout:g} s") from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        out.seek(0)
        err.seek(0)
        return sample_in(out.read(), err.read(), process.returncode)


def sample_in(out: str, err: str, status: int) -> Sample:
    """What a measuring process has printed.

    Raises:
        NotMeasured: it did not come to its end; the message is the last line of its traceback.
    """
    for line in out.splitlines():
        if line.startswith(_MARK):
            return Sample(json.loads(line.removeprefix(_MARK)))
    lines = [line for line in err.splitlines() if line and not line[0].isspace()]
    raise NotMeasured(lines[-1][:200] if lines else f"exit status {status}")


def interleaved(jobs: Mapping[K, Callable[[], Sample]], repeat: int) -> dict[K, list[Sample] | NotMeasured]:
    """Each job `repeat` times, in turn; instead of samples the reason, for a job that could not be measured once."""
    results: dict[K, list[Sample] | NotMeasured] = {key: [] for key in jobs}
    for _ in range(repeat):
        for key, job in jobs.items():
            samples = results[key]
            if isinstance(samples, NotMeasured):
                continue
            try:
                samples.append(job())
            except NotMeasured as reason:
                results[key] = reason
            said = results[key]
            print(".", end="", file=sys.stderr, flush=True)
            if isinstance(said, NotMeasured):
                print(f"\n{key}: {said}", file=sys.stderr)
    print(file=sys.stderr)
    return results


def median(samples: list[Sample] | NotMeasured, quantity: str) -> float:
    """The median of a quantity.

    Raises:
        NotMeasured: there are no samples.
    """
    if isinstance(samples, NotMeasured):
        raise samples
    return statistics.median(sample[quantity] for sample in samples)


def median_ratio(
    ours: list[Sample] | NotMeasured, theirs: list[Sample] | NotMeasured, quantity: str, their_quantity: str = ""
) -> float:
    """The median ratio of those two samples each that were measured at the same pace; where there are none, of all.

    Raises:
        NotMeasured: one of the two has no samples.
    """
    for samples in (ours, theirs):
        if isinstance(samples, NotMeasured):
            raise samples
    assert not isinstance(ours, NotMeasured)
    assert not isinstance(theirs, NotMeasured)
    if ours is theirs:  # both were measured in each of them
        pairs = [(sample, sample) for sample in ours]
    else:
        pairs = [(one, other) for one in ours for other in theirs]
    pairs = [pair for pair in pairs if _same_pace(*pair)] or pairs
    return statistics.median(one[quantity] / other[their_quantity or quantity] for one, other in pairs)


def _same_pace(one: Sample, other: Sample) -> bool:
    paces = one.values.get(PACE, 1.0), other.values.get(PACE, 1.0)
    return max(paces) < min(paces) * _SAME_PACE


def main() -> None:
    """Measures one thing, in the process that was made for it."""
    module, function, arguments = sys.argv[1:]
    values = getattr(importlib.import_module(module), function)(**json.loads(arguments))
    print(f"\n{_MARK}{json.dumps(values)}", flush=True)
    os._exit(0)  # some peers take seconds to say goodbye, or hang


if __name__ == "__main__":
    main()

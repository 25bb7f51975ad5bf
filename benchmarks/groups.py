"""The groups of benchmarks, and what each of them promises.

A group is a function from a `Scale` (how much is measured) to a `Section`.  Their measuring is done elsewhere, in fresh
processes; here stands what is compared with what.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import durable
import traces
from measure import PACE, NotMeasured, Sample, fresh, interleaved, median, median_ratio
from patterns import PATTERNS, TITLES, calls_of
from peers import ENGINES, version_of
from report import Section, Table, Target, number, target, whole
from taskbench import DEPENDENCES, PROCESSORS, WIDTH

OURS = "interactive_flow"
POOL = "ThreadPoolExecutor"
N = 10_000
_QUANTITIES = ("wall", "cpu", PACE)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured.

    Attributes:
        repeat: how often each thing is measured.
        quick: True where what takes long is left out.
        peer_calls: how many calls the peers make at most.
    """

    repeat: int
    quick: bool
    peer_calls: int

    def leaves_out(self, engine: str) -> bool:
        """True for engines that this scale has no time for."""
        return self.quick and ENGINES[engine].starts_slowly

    def calls(self, engine: str, pattern: str) -> int:
        """How many calls of a pattern are measured."""
        return N if engine in (OURS, POOL) else calls_of(ENGINES[engine], pattern, self.peer_calls)


Samples = dict[tuple[str, str], list[Sample] | NotMeasured]
"""By engine and pattern."""


def _absent(engine: str, scale: Scale) -> NotMeasured | None:
    """Why an engine cannot be measured, where that is known beforehand."""
    if version_of(engine) is None:
        return NotMeasured(f"{engine} is not installed")
    return NotMeasured(f"{engine} is left out by --quick") if scale.leaves_out(engine) else None


# -- the five patterns -------------------------------------------------------------------------------------------------


def _one(engine: str, pattern: str, n: int) -> Sample:
    values = fresh("patterns", "measure", engine=engine, patterns=[pattern], n=n).values
    return Sample({quantity: values[f"{pattern} 0 {quantity}"] for quantity in _QUANTITIES})


def _all_in_one_process(engine: str, repeat: int) -> Samples:
    try:
        values = fresh("patterns", "measure", 170.0, engine=engine, patterns=PATTERNS, n=N, repeat=repeat).values
    except NotMeasured as reason:
        print(f"{engine}: {reason}")
        return {(engine, pattern): reason for pattern in PATTERNS}
    return {
        (engine, pattern): [
            Sample({quantity: values[f"{pattern} {k} {quantity}"] for quantity in _QUANTITIES}) for k in range(repeat)
        ]
        for pattern in PATTERNS
    }


def _measure_patterns(scale: Scale) -> Samples:
    jobs: dict[tuple[str, str], Callable[[], Sample]] = {}
    samples: Samples = {}
    for engine, kind in ENGINES.items():
        absent = _absent(engine, scale)
        if absent is not None:
            samples |= {(engine, pattern): absent for pattern in PATTERNS}
        elif kind.starts_slowly:
            samples |= _all_in_one_process(engine, scale.repeat)
    for pattern in PATTERNS:
        for engine, kind in ENGINES.items():
            if not kind.starts_slowly and (engine, pattern) not in samples:
                jobs[engine, pattern] = partial(_one, engine, pattern, scale.calls(engine, pattern))
    return samples | interleaved(jobs, scale.repeat)


def medians_of_patterns(samples: Samples) -> dict[str, dict[str, float]]:
    """Microseconds a call by engine, by the title of the pattern; without what could not be measured."""
    return {
        TITLES[pattern]: {
            engine: median(measured, "wall")
            for engine in ENGINES
            if not isinstance(measured := samples[engine, pattern], NotMeasured)
        }
        for pattern in PATTERNS
    }


def _ahead_of_all(title: str, figures: dict[str, float]) -> Target:
    """Ahead of every peer but the bare pool, which keeps neither graph nor record."""
    peers = [name for name in figures if name not in (OURS, POOL)]
    if not peers or OURS not in figures:
        return Target(f"{title}: to the best peer", None, 1.0, note=f"no {'peer' if OURS in figures else OURS}")
    best = min(peers, key=figures.__getitem__)
    return Target(f"{title}: to the best peer", figures[OURS] / figures[best], 1.0, note=f"the best is {best}")


def patterns(scale: Scale) -> tuple[Section, dict[str, dict[str, float]]]:
    """This engine, the bare pool and all peers in the five patterns; the section, and the figures for the picture."""
    samples = _measure_patterns(scale)
    figures = medians_of_patterns(samples)

    def to_pool(pattern: str, bound: float, text: str) -> Target:
        ours, pool = samples[OURS, pattern], samples[POOL, pattern]
        return target(
            text,
            lambda: median_ratio(ours, pool, "wall"),
            bound,
            cpu=lambda: median_ratio(ours, pool, "cpu"),
        )

    dask, ours = samples["dask.delayed", "fan_out"], samples[OURS, "fan_out"]
    targets = [
        to_pool("fan_out", 0.6, "fan-out: to ThreadPoolExecutor"),
        to_pool("chain", 0.6, "chain: to ThreadPoolExecutor one by one"),
        to_pool("barriers", 0.7, "barrier loop: to ThreadPoolExecutor one by one"),
        to_pool("tree", 1.0, "tree reduction: to ThreadPoolExecutor"),
        to_pool("dynamic", 1.0, "dynamic fan-out: to ThreadPoolExecutor"),
        target(
            "fan-out: times faster a call than dask.delayed",
            lambda: median_ratio(dask, ours, "wall"),
            30,
            at_least=True,
            cpu=lambda: median_ratio(dask, ours, "cpu"),
        ),
        *(_ahead_of_all(title, figures[title]) for title in figures),
    ]
    rows = []
    for engine in ENGINES:
        cells = []
        for pattern in PATTERNS:
            try:
                wall, cpu = (number(median(samples[engine, pattern], quantity)) for quantity in ("wall", "cpu"))
                calls = scale.calls(engine, pattern)
                cells.append(f"{wall} ({cpu})" + (f" n={calls}" if calls != N else ""))
            except NotMeasured as reason:
                cells.append(f"– {reason}" if pattern == PATTERNS[0] else "–")
        rows.append([engine, *cells])
    text = (
        "Microseconds a call by the clock (and of the measuring process' processor time) for calls that do nothing, "
        "10 000 of them unless said otherwise, with four workers. Engines are warmed up, and their pools and clusters "
        "started, before the clock is. The bare pool keeps no graph and no record of events, and is no peer in that; "
        "in the chain and in the tree the calling code waits for its arguments. Peers that start slowly are measured "
        "in one process each, the others in turn with this engine."
    )
    section = Section("The five patterns", text, targets, [Table(["engine", *TITLES.values()], rows)])
    return section, figures


# -- larger and smaller ------------------------------------------------------------------------------------------------


def scaling(scale: Scale) -> Section:
    """Does a call cost the same in a large run?"""
    sizes = {"fan_out": (10_000, 100_000), "chain": (10_000, 100_000), "barriers": (100, 1_000, 10_000)}
    keys = [(pattern, n) for pattern, ns in sizes.items() for n in ns]
    samples = interleaved({key: partial(_one, OURS, *key) for key in keys}, scale.repeat)

    def growth(text: str, pattern: str, small: int, large: int) -> Target:
        of = samples[pattern, large], samples[pattern, small]
        return target(text, lambda: median_ratio(*of, "wall"), 1.15, cpu=lambda: median_ratio(*of, "cpu"))

    rows = [
        [
            TITLES[pattern],
            f"{n:,}".replace(",", " "),
            *(number(median(samples[pattern, n], q)) for q in ("wall", "cpu")),
        ]
        for pattern, n in keys
    ]
    return Section(
        "Size",
        "Microseconds a call, or an iteration, of runs of different sizes.",
        [
            growth("fan-out: a call of 100 000 to one of 10 000", "fan_out", 10_000, 100_000),
            growth("barrier loop: an iteration of 10 000 to one of 100", "barriers", 100, 10_000),
        ],
        [Table(["pattern", "calls", "µs", "µs CPU"], rows)],
    )


# -- Task Bench --------------------------------------------------------------------------------------------------------


def taskbench(scale: Scale) -> Section:
    """METG(50 %): this engine in all patterns, and everybody in stencil_1d."""
    jobs: dict[tuple[str, str], Callable[[], Sample]] = {}
    samples: Samples = {}
    for engine in ENGINES:
        absent = _absent(engine, scale)
        if scale.quick and engine not in (OURS, POOL, "parsl"):
            absent = NotMeasured(f"{engine} is left out by --quick")
        if absent is not None:
            samples[engine, "stencil_1d"] = absent
        elif ENGINES[engine].starts_slowly:
            samples |= _metg_in_one_process(engine, scale.repeat)
        else:
            jobs[engine, "stencil_1d"] = partial(fresh, "taskbench", "metg", engine=engine)
    for pattern in () if scale.quick else DEPENDENCES:
        for engine in (OURS, POOL):
            jobs[engine, pattern] = partial(fresh, "taskbench", "metg", engine=engine, pattern=pattern)
    samples |= interleaved(jobs, scale.repeat)
    figures = {
        key: median(measured, "metg") for key, measured in samples.items() if not isinstance(measured, NotMeasured)
    }
    stencil = {engine: figure for (engine, pattern), figure in figures.items() if pattern == "stencil_1d"}
    columns = ["stencil_1d", *(pattern for pattern in DEPENDENCES if pattern != "stencil_1d")]
    rows = []
    for engine in ENGINES:
        reason = samples[engine, "stencil_1d"]
        first = f"– {reason}" if isinstance(reason, NotMeasured) else number(figures[engine, "stencil_1d"])
        rows.append([engine, first, *(number(figures.get((engine, pattern))) for pattern in columns[1:])])
    return Section(
        "Task Bench",
        f"METG(50 %) in microseconds, width {WIDTH}, {PROCESSORS} workers on {PROCESSORS} processors: tasks must be so "
        f"large for half of the processors' power to reach them (E. Slaughter et al., SC 2020; "
        f"`benchmarks/taskbench.py` says how it is measured). Less is better.",
        [
            target(
                f"METG(50 %), stencil_1d, width {WIDTH}: to ThreadPoolExecutor",
                partial(median_ratio, samples[OURS, "stencil_1d"], samples[POOL, "stencil_1d"], "metg"),
                1.0,
            ),
            _ahead_of_all(f"METG(50 %), stencil_1d, width {WIDTH}", stencil),
        ],
        [Table(["engine", *columns], rows)],
    )


def _metg_in_one_process(engine: str, repeat: int) -> Samples:
    try:
        values = fresh("taskbench", "metg", 170.0, engine=engine, repeat=repeat).values
    except NotMeasured as reason:
        print(f"{engine}: {reason}")
        return {(engine, "stencil_1d"): reason}
    return {(engine, "stencil_1d"): [Sample({"metg": value}) for value in values.values()]}


# -- processes ---------------------------------------------------------------------------------------------------------


def processes(scale: Scale) -> Section:
    """Calls in processes: this engine, the pool of the standard library, and joblib's."""
    engines = (OURS, "ProcessPoolExecutor", "joblib")
    samples = interleaved(
        {engine: partial(fresh, "processes", "measure", engine=engine, n=N) for engine in engines}, scale.repeat
    )

    def to(other: str, bound: float) -> Target:
        return target(
            f"fan-out in processes: to {other}", partial(median_ratio, samples[OURS], samples[other], "wall"), bound
        )

    rows = []
    for engine in engines:
        measured = samples[engine]
        if isinstance(measured, NotMeasured):
            rows.append([engine, f"– {measured}", "–"])
        else:
            rows.append([engine, number(median(measured, "wall")), number(median(measured, "cpu"))])
    return Section(
        "Processes",
        "Microseconds a call by the clock, and of the parent's processor time, for a fan-out of 10 000 calls that do "
        "nothing, with two worker processes that have been started and used before. The pool of the standard library "
        "sends calls one by one; joblib sends them in batches and keeps no record of single calls.",
        [to("ProcessPoolExecutor", 0.15), to("joblib", 1.5)],
        [Table(["engine", "µs", "µs CPU of the parent"], rows)],
    )


# -- traces ------------------------------------------------------------------------------------------------------------


def real_traces(scale: Scale) -> Section:
    """Traces of real workflows against greedy schedules."""
    chosen = traces.TRACES[:3] if scale.quick else traces.TRACES
    keys = [(trace, workers) for trace in chosen for workers in traces.WORKERS]
    repeat = 1 if scale.quick else scale.repeat
    # They sleep nearly all the time, so three at once do not disturb each other much.
    with ThreadPoolExecutor(3) as three:
        futures = [
            (key, three.submit(fresh, "traces", "measure", trace=key[0], workers=key[1]))
            for _ in range(repeat)
            for key in keys
        ]
        samples: dict[tuple[str, int], list[Sample]] = {key: [] for key in keys}
        for key, future in futures:
            samples[key].append(future.result())
    rows = []
    first: dict[str, float] = {}
    second: dict[str, float] = {}
    for trace, workers in keys:
        of = samples[trace, workers]
        name = f"{trace}, {workers} workers"
        first[name] = median_ratio(of, of, "first", "fifo")
        second[name] = median_ratio(of, of, "second", "longest")
        rows.append(
            [
                trace,
                whole(of[0]["calls"]),
                str(workers),
                *(f"{median(of, quantity):.2f}" for quantity in ("path", "fifo", "longest")),
                f"{first[name]:.3f}",
                f"{second[name]:.3f}",
                f"{median_ratio(of, of, 'bare', 'longest'):.3f}",
                f"{median(of, 'cpu'):.2f}",
            ]
        )

    def worst(text: str, ratios: dict[str, float]) -> Target:
        name = max(ratios, key=ratios.__getitem__)
        return Target(text, ratios[name], 1.05, note=f"the worst: {name}")

    header = ["trace", "calls", "workers", "critical path", "FIFO", "longest path first"]
    header += ["first run / FIFO", "second run / longest path first", "bare threads / longest path first", "s CPU"]
    return Section(
        "Real workflows",
        "Five traces of scientific workflows from [WfInstances](https://github.com/wfcommons/WfInstances), with sleeps "
        "for tasks (`benchmarks/traces.py` says how they are scaled); times in seconds. The schedules compared with "
        "are simulated, without any overhead; *bare threads* are what a loop of plain threads makes of the second one "
        "with the same sleeps.",
        [
            worst("traces, first run: to FIFO greedy", first),
            worst("traces, second run: to longest-path-first greedy", second),
        ],
        [Table(header, rows)],
    )


# -- memory, the panel -------------------------------------------------------------------------------------------------


def memory(scale: Scale) -> Section:
    """What a run keeps, and what suspended workflows take."""
    n = 100_000
    shapes = ("fan_out", "chain", "tree")
    jobs: dict[str, Callable[[], Sample]] = {
        shape: partial(fresh, "memory", "per_call", pattern=shape, n=n) for shape in shapes
    }
    repeat = 1 if scale.quick else scale.repeat  # it varies little
    jobs["10 000 waiting"] = partial(fresh, "memory", "waiting_workflows", outer=10_000, inner=0)
    jobs["100 in each of 100"] = partial(fresh, "memory", "waiting_workflows", outer=100, inner=100)
    samples = interleaved(jobs, repeat)
    rows = [
        [TITLES[shape], *(number(median(samples[shape], quantity)) for quantity in ("peak", "kept"))]
        for shape in shapes
    ]
    nested = samples["100 in each of 100"]
    waiting = [
        [name, *(number(median(samples[name], quantity)) for quantity in ("waiting", "peak"))]
        for name in ("10 000 waiting", "100 in each of 100")
    ]
    return Section(
        "Memory",
        "Resident memory that a run takes in a fresh process: KiB a call in runs of 100 000 calls whose values are "
        "small, with the whole history in memory; and MB for sub-workflows that all stand at a barrier at once.",
        [
            *(
                target(f"{TITLES[shape]} of 100 000: KiB a call, peak", partial(median, samples[shape], "peak"), 1.5)
                for shape in shapes
            ),
            target("10 000 sub-workflows waiting: MB", partial(median, samples["10 000 waiting"], "waiting"), 200),
            target(
                "100 suspended sub-workflows in each of 100: finished",
                partial(median, nested, "finished"),
                10_100,
                at_least=True,
            ),
        ],
        [
            Table(["pattern", "KiB at the peak", "KiB kept"], rows),
            Table(["sub-workflows", "MB", "MB at the peak"], waiting),
        ],
    )


def panel(scale: Scale) -> Section:
    """The live panel on against off, in a real kernel."""
    sizes = (10_000,) if scale.quick else (10_000, 100_000)
    jobs = {
        (n, on_first): partial(fresh, "panel", "measure", n=n, on_first=on_first)
        for n in sizes
        for on_first in (False, True)
    }
    measured = interleaved(jobs, scale.repeat)
    samples: dict[int, list[Sample] | NotMeasured] = {}
    for n in sizes:
        both = [measured[n, False], measured[n, True]]
        broken = [samples_ for samples_ in both if isinstance(samples_, NotMeasured)]
        samples[n] = broken[0] if broken else [s for some in both if not isinstance(some, NotMeasured) for s in some]
    rows = []
    targets = []
    for n in sizes:
        of = samples[n]
        count = whole(n)
        targets.append(
            target(
                f"the panel on: {count} calls, to the panel off",
                partial(median_ratio, of, of, "on", "off"),
                1.15,
                cpu=partial(median_ratio, of, of, "on cpu", "off cpu"),
            )
        )
        if not isinstance(of, NotMeasured):
            rows.append([count, *(number(median(of, quantity)) for quantity in ("on", "off", "on messages"))])
    return Section(
        "The panel",
        "Seconds for a fan-out of calls that do nothing, in a fresh kernel, with the live panel on and off (each order "
        "as often), and the messages that the panel sent. A run that is over sooner than the panel would appear shows "
        "only its end.",
        targets,
        [Table(["calls", "s with the panel", "s without", "messages"], rows)],
    )


# -- all of them -------------------------------------------------------------------------------------------------------

GROUPS: dict[str, Callable[[Scale], Section | tuple[Section, dict[str, dict[str, float]]]]] = {
    "patterns": patterns,
    "scaling": scaling,
    "taskbench": taskbench,
    "processes": processes,
    "traces": real_traces,
    "memory": memory,
    "panel": panel,
    "store": durable.store,
    "cache": durable.cache,
    "fingerprints": durable.fingerprints,
}


def measured(name: str, scale: Scale) -> tuple[Section, dict[str, dict[str, float]]]:
    """Runs a group; its section, with load and time, and figures for the picture, where it has some."""
    load, began = os.getloadavg()[0], time.monotonic()
    found = GROUPS[name](scale)
    section, figures = found if isinstance(found, tuple) else (found, {})
    section.load = load, os.getloadavg()[0]
    section.seconds = time.monotonic() - began
    return section, figures

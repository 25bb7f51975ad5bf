"""Groups of benchmarks about what outlives a run: the store, the cache, and the fingerprints under it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cache import SHAPES
from measure import NotMeasured, Sample, fresh, interleaved, median, median_ratio
from report import Section, Table, number, target, whole
from store import RESULTS

if TYPE_CHECKING:
    from groups import Scale

N = 10_000
MANY = 100_000
MEGABYTES = 100

Samples = dict[tuple[str, str], "list[Sample] | NotMeasured"]


def store(scale: Scale) -> Section:
    """What keeping a run costs, and opening it again."""
    samples: Samples = interleaved(
        {
            **{(r, m): partial(fresh, "store", m, results=r, n=N) for r in RESULTS for m in ("bare", "kept")},
            **{(r, "opened"): partial(fresh, "store", "opened", results=r, n=MANY) for r in RESULTS},
        },
        scale.repeat,
    )
    targets, rows = [], []
    for results in RESULTS:
        bare, kept, opened = (samples[results, measure] for measure in ("bare", "kept", "opened"))
        targets.append(
            target(
                f"{whole(N)} calls that give {results}, with a store: to without",
                partial(median_ratio, kept, bare, "wall"),
                3.0,
                cpu=partial(median_ratio, kept, bare, "cpu"),
            )
        )
        targets.append(
            target(
                f"opening a run of {whole(MANY)} calls that gave {results}: seconds",
                partial(median, opened, "wall"),
                2.0,
                cpu=partial(median, opened, "cpu"),
            )
        )
        try:
            each = [median(measured, "wall") / N * 1e6 for measured in (bare, kept)]
            rows.append([results, *map(number, each), whole(median(kept, "bytes") / N), number(median(opened, "wall"))])
        except NotMeasured as reason:
            rows.append([results, f"– {reason}", "–", "–", "–"])
    return Section(
        "The store",
        f"Microseconds a call for a fan-out of {whole(N)} calls that do nothing, without a store and with one, until "
        f"all of the run is stored; bytes a call on the disk; and seconds until a stored run of {whole(MANY)} calls "
        f"can be shown. Numbers stay in the events; lists are pickled.",
        targets,
        [Table(["results", "µs without", "µs with a store", "bytes", "s to open"], rows)],
    )


def cache(scale: Scale) -> Section:
    """What a call costs whose value is known from before."""
    calls = {"fan-out": N, "chain": N, "barriers": N // 10}
    keys = [(shape, where) for shape in SHAPES for where in ("memory", "store")]
    samples: Samples = interleaved(
        {
            (shape, where): partial(fresh, "cache", "hits", shape=shape, n=calls[shape], store=where == "store")
            for shape, where in keys
        },
        scale.repeat,
    )

    def each(shape: str, where: str, quantity: str) -> float:
        return median(samples[shape, where], quantity) / calls[shape] * 1e6

    rows = []
    for shape, where in keys:
        try:
            rows.append([f"{shape}, {where}", *(number(each(shape, where, q)) for q in ("wall", "cpu", "first"))])
        except NotMeasured as reason:
            rows.append([f"{shape}, {where}", f"– {reason}", "–", "–"])
    return Section(
        "The cache",
        "Microseconds a call of a task with a helper and three small arguments: in runs in which every value is known "
        "from before, and in the run before, which computes them and keeps them. All that such a run costs is in it, "
        "with a store also its recording. In the barrier loop the code waits for each call before it makes the next.",
        [
            target(
                f"a call whose value is known, {shape}, {where}: µs",
                partial(each, shape, where, "wall"),
                100,
                cpu=partial(each, shape, where, "cpu"),
            )
            for shape, where in keys
            if shape == "fan-out"
        ],
        [Table(["calls, kept in", "µs known", "µs CPU known", "µs computed and kept"], rows)],
    )


def fingerprints(scale: Scale) -> Section:
    """What the key of a call costs, and a fingerprint against the hash that it is made with."""
    samples = interleaved(
        {
            "small": partial(fresh, "fingerprints", "small"),
            "large": partial(fresh, "fingerprints", "large", megabytes=MEGABYTES),
        },
        scale.repeat,
    )
    tables = []
    for name, header in (("small", ["", "µs"]), ("large", [f"{MEGABYTES} MB", "speed to that of the hash"])):
        measured = samples[name]
        if isinstance(measured, NotMeasured):
            tables.append(Table(header, [[name, f"– {measured}"]]))
        else:
            quantities = list(measured[0].values)
            tables.append(Table(header, [[q, number(median(measured, q))] for q in quantities]))
    return Section(
        "Fingerprints",
        "Microseconds for the keys of calls with small arguments and what they consist of; *typical* is a function "
        "that uses two helpers, a class with a method, and two constants. Large values take as long as the hash over "
        "their bytes (BLAKE2b) does, and some more.",
        [
            target(
                f"fingerprint of an array of {MEGABYTES} MB: speed to that of the hash over its bytes",
                partial(median, samples["large"], "an array"),
                0.5,
                at_least=True,
            )
        ],
        tables,
    )

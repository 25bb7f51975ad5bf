"""Measures everything, and says of each target whether it is kept.

``python benchmarks/run.py [--quick] [--only NAME]``.  Prints the targets and leaves with status 1 where one is missed.
A full run also writes ``docs/benchmarks.md`` and the picture in it.
"""

from __future__ import annotations

import argparse
import sys

from groups import GROUPS, OURS, Scale, measured
from measure import HERE
from peers import ENGINES, version_of
from plot import bars
from report import FAILED, UNKNOWN, Section, as_text, environment, page, targets_table

DOCS = HERE.parent / "docs"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three minutes: fewer repetitions, fewer peers")
    parser.add_argument("--only", choices=GROUPS, action="append", metavar="NAME", help=f"one of {', '.join(GROUPS)}")
    return parser.parse_args()


def _write(sections: list[Section], figures: dict[str, dict[str, float]]) -> None:
    versions = [f"{name} {version_of(name) or 'not installed'}" for name in ENGINES]
    (DOCS / "benchmarks.md").write_text(page(sections, versions), encoding="utf-8")
    (DOCS / "benchmarks.svg").write_text(bars(figures, OURS, "µs a call (logarithmic)"), encoding="utf-8")
    print("written: docs/benchmarks.md, docs/benchmarks.svg")


def main() -> int:
    """Measures and prints; the exit status."""
    given = _arguments()
    scale = Scale(3, True, 1_000) if given.quick else Scale(5, False, 10_000)
    print(f"{environment()}{'; quick, so these are medians of three' if given.quick else ''}")
    sections: list[Section] = []
    figures: dict[str, dict[str, float]] = {}
    for name in given.only or GROUPS:
        print(f"\n== {name}", file=sys.stderr)
        section, plotted = measured(name, scale)
        sections.append(section)
        figures |= plotted
        for table in section.tables:
            print(f"\n{section.title} ({section.seconds:.0f} s, load {section.load[0]:.1f} to {section.load[1]:.1f})")
            print(as_text(table))
    print(f"\n{as_text(targets_table(sections))}")
    if not given.quick and not given.only:
        _write(sections, figures)
    verdicts = [target.verdict for section in sections for target in section.targets]
    failed, unknown = verdicts.count(FAILED), verdicts.count(UNKNOWN)
    print(f"\n{len(verdicts)} targets: {failed} missed, {unknown} not measured")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

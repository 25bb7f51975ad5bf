"""Random notebooks: cells are edited and run again in any order, and brought up to date: as if run from top to bottom.

A cell defines variables of its own from constants and from variables of cells before it, by calls that they are handed
to, or by calls whose arguments were computed from their values in the cell.
"""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interactive_flow import task, wait
from interactive_flow.engine.calls import Call
from interactive_flow.engine.placeholder import call_of, current_workflow, is_placeholder
from interactive_flow.runtime.session import Session

CELLS, LINES, SOON = 4, 2, 20.0
Line = tuple[str, bool, Any, int]
"""The variable, whether its argument is used as a value first, that argument (a variable or a number), a number."""


@task
def combine(x: int, y: int) -> int:
    return 3 * x + y


@st.composite
def cells(draw: st.DrawFn, number: int) -> list[Line]:
    before = [f"v{cell}_{line}" for cell in range(number) for line in range(LINES)]
    argument = st.one_of(st.integers(0, 3), st.sampled_from(before)) if before else st.integers(0, 3)
    return [
        (f"v{number}_{line}", draw(st.booleans()), draw(argument), draw(st.integers(0, 2))) for line in range(LINES)
    ]


@st.composite
def notebooks(draw: st.DrawFn) -> tuple[list[list[Line]], list[tuple[int, list[Line] | None]]]:
    """The cells, and what is done once they all were run: which is run again, and what it was edited to before."""
    first = [draw(cells(number)) for number in range(CELLS)]
    steps = []
    for _ in range(draw(st.integers(1, 5))):
        number = draw(st.integers(0, CELLS - 1))
        steps.append((number, draw(st.one_of(st.none(), cells(number)))))
    return first, steps


def plain(program: list[list[Line]]) -> dict[str, int]:
    """What the cells give when they are run from top to bottom."""
    space: dict[str, int] = {}
    for lines in program:
        for name, used, argument, number in lines:
            value = space[argument] if isinstance(argument, str) else argument
            space[name] = combine.fn(value + 1 if used else value, number)
    return space


class Notebook:
    def __init__(self) -> None:
        self.session = Session()
        self.space: dict[str, Any] = {}
        self.count = 0

    def run(self, number: int, lines: list[Line]) -> None:
        self.count += 1
        named = [self.space[x] for _, _, x, _ in lines if isinstance(x, str)]
        uses: list[Call] = [call_of(x) for x in named if is_placeholder(x)]
        cell = self.session.begin(f"In [{self.count}]", key=str(number), uses=uses)
        try:
            for name, used, argument, other in lines:
                value = self.space[argument] if isinstance(argument, str) else argument
                self.space[name] = combine(wait(value) + 1 if used else value, other)
        finally:
            self.session.finish(cell)
        # What is unfinished would be cancelled with what it needs, and a cell that then waits for it would say so.
        assert self.session.wait(SOON)


@settings(max_examples=60, deadline=None)
@given(notebooks())
def test_a_refreshed_notebook_is_as_if_run_from_top_to_bottom(
    given: tuple[list[list[Line]], list[tuple[int, list[Line] | None]]],
) -> None:
    program, steps = given
    notebook = Notebook()
    with contextlib.ExitStack() as after:
        after.callback(notebook.session.end, SOON)
        after.callback(current_workflow.set, None)
        for number, lines in enumerate(program):
            notebook.run(number, lines)
        for number, edited in steps:
            if edited is not None:
                program[number] = edited
            notebook.run(number, program[number])
        turns = 0
        while stale := notebook.session.stale_cells():
            number = int(notebook.session.key_of(stale[0]))
            notebook.run(number, program[number])
            turns += 1
            assert turns <= CELLS, "what was brought up to date went stale again"
        assert {name: wait(value) for name, value in notebook.space.items()} == plain(program)
        assert notebook.session.wait(SOON)
        record = notebook.session.record()
        assert not any(call.stale for call in record.calls)
        known = {call.index for call in record.calls}
        assert all(known.issuperset(call.dependencies) for call in record.calls)
        assert len(record.calls) == CELLS * (LINES + 1)

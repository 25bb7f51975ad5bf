"""A notebook's session: one run that lasts as long as the notebook, and that each cell extends.

The session's own workflow has no code: it is parked from the beginning to the end.  A cell opens a node of its own
(`interactive_flow.engine.cells`), runs its code wherever it is run, calls tasks there, and closes the node; what it
called goes on.  A thread of the session's own drives all this, as it does for ``wf.start``.

A cell that is run again takes the place of what it was before: calls that are still the same are kept
(`interactive_flow.runtime.kept`), the others are given up and leave the graph, and what other cells had computed from
them is *stale* from then on, until those cells are run again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from interactive_flow.engine.calls import Call
from interactive_flow.engine.cells import CellCall, close_cell, open_cell, replace_cell
from interactive_flow.engine.placeholder import current_workflow
from interactive_flow.engine.spec import WorkflowSpec
from interactive_flow.model.errors import PlaceholderError
from interactive_flow.model.events import CallStale
from interactive_flow.model.log import EventLog, PlainSite
from interactive_flow.model.session import SessionRecord
from interactive_flow.model.states import CallState, RunStatus
from interactive_flow.runtime.interrupts import interrupts_noted_by, wait_for
from interactive_flow.runtime.kept import KeptCalls, Made
from interactive_flow.runtime.run import Run
from interactive_flow.runtime.session_runner import CellFiber, Interrupts, SessionRunner

_UNDER_WAY = RunStatus.RUNNING


class Session(Run):
    """The run of a notebook's cells.

    Args:
        executor, max_workers, rate_limit: as in ``wf.options``, for what cells call.

    Example:
        >>> session = Session()
        >>> cell = session.begin("In [1]", key="a cell's id")
        >>> size = measure("talk.mp4")
        >>> session.finish(cell)
        >>> size + 1  # waits
    """

    _runner_class = SessionRunner
    _runner: SessionRunner

    def __init__(
        self, *, executor: Any = None, max_workers: int | None = None, rate_limit: float | None = None
    ) -> None:
        super().__init__(
            WorkflowSpec("session", self._hold), (), {},
            executor=executor, max_workers=max_workers, rate_limit=rate_limit, display="none",
        )  # fmt: skip
        self._record = SessionRecord(run=self.id, title=self.name)
        self._cells: dict[str, CellCall] = {}
        self._uses: dict[CellCall, frozenset[Call]] = {}
        self._stale: set[Call] = set()
        self._known: dict[int, Call] = {}
        self._guards: dict[CellCall, ExitStack] = {}
        self._open = threading.Event()
        threading.Thread(target=self._live, daemon=True, name=f"iflow-session-{self.id}").start()
        self._open.wait()
        if self._crash is not None:
            raise self._crash

    def _live(self) -> None:
        current_workflow.set(None)
        try:
            self._runner.drive(self._spec, (), {})
        except BaseException as error:
            self._crash = error
        finally:
            self._open.set()
            self._end()

    def _hold(self) -> None:
        root = current_workflow.get()
        assert root is not None
        assert root.fiber is not None
        self._runner.hold()
        self._open.set()
        root.fiber.suspend()

    # -- cells ---------------------------------------------------------------------------------------------------

    def begin(
        self, name: str, *, key: str, site: PlainSite | None = None, source: str | None = None,
        uses: Iterable[Any] = (), executor: Any = None, anew: bool = False,
    ) -> CellCall:  # fmt: skip
        """A cell's code begins here: from now on tasks that are called give placeholders.

        Args:
            name: says which cell it is, ``"In [3]"``.
            key: the same whenever the same cell is run.
            site: where its code stands.
            source: its code.
            uses: the values of the variables that its code names; the placeholders among them tell what it was
                computed from, where they are not arguments of its calls.
            executor: where its tasks run, unless they have one of their own; None for the session's.
            anew: True to call everything anew that it called before.

        Raises:
            PlaceholderError: another cell's code is running here, or the session is over.
        """
        if current_workflow.get() is not None:
            raise PlaceholderError("a %%flow cell cannot be run inside another one, or inside a workflow")
        runner = self._runner
        before = self._cells.get(key)
        made = before.replay.made if before is not None and not anew and isinstance(before.replay, KeptCalls) else {}
        with runner.lock:
            if runner.engine.status is not _UNDER_WAY:
                raise PlaceholderError("the session is over; %flow reset begins a new one")
            runner.begin_work()
            cell = open_cell(runner.engine, name, CellFiber(), site, source)
        cell.replay = KeptCalls(cell, made, runner.lock, self._is_up_to_date, self._known, executor)
        cell.args = (key,)
        self._uses[cell] = frozenset(call for call in uses if call.engine is runner.engine)
        guard = self._guards[cell] = ExitStack()
        runner.interrupts = Interrupts()
        guard.enter_context(interrupts_noted_by(runner.interrupts))
        current_workflow.set(cell)
        return cell

    def finish(self, cell: CellCall, error: BaseException | None = None) -> None:
        """A cell's code came to its end, with `error` if it raised one; what it called goes on."""
        current_workflow.set(None)
        guard = self._guards.pop(cell, None)
        if guard is None:
            return
        kept = cell.replay
        assert isinstance(kept, KeptCalls)
        (key,) = cell.args or ("",)
        runner = self._runner
        with runner.lock:
            if cell.state is CallState.RUNNING:
                before = self._cells.get(key)
                self._cells[key] = cell  # a cell that was there before keeps its place in the order
                if before is not None:
                    self._replace(before, cell, kept)
                close_cell(cell, error)
            runner.react()
        guard.close()
        if runner.interrupts is not None and runner.interrupts.noted:
            runner.interrupts = None
            raise KeyboardInterrupt
        runner.interrupts = None

    def _is_up_to_date(self, made: Made) -> bool:
        """True where all that a call was computed from still counts."""
        return all(dep.index in self._known and dep not in self._stale for dep in made.deps)

    def _replace(self, before: CellCall, cell: CellCall, kept: KeptCalls) -> None:
        """What a cell had called before, and has not called again, leaves; with the lock held."""
        gone = made_calls(before) - set(kept.kept)
        self._mark_stale(gone, except_for={before, cell})
        for dep in {dep for made in kept.made.values() for dep in made.deps} & gone:
            for needed in _and_all_it_needs(dep, _made_by(before)):
                before.open.pop(needed, None)  # a cell may go on from what it gave before
        for call in gone:
            del self._known[call.index]
        self._stale -= {before, *gone, *kept.kept}
        self._uses.pop(before, None)
        replace_cell(before, cell, tuple(kept.kept))
        before.replay = None

    def _mark_stale(self, gone: Collection[Call], except_for: Collection[CellCall]) -> None:
        """Tells of all that was computed from calls that are gone."""
        lost = set(gone)
        grown = True
        while grown:
            grown = False
            for cell in self._cells.values():
                if cell in except_for:
                    continue
                for call in _touched(cell, self._uses.get(cell, frozenset()), lost):
                    grown = True
                    lost.add(call)
                    if call not in self._stale:
                        self._stale.add(call)
                        self._say_stale(call)

    def _say_stale(self, call: Call) -> None:
        engine = self._runner.engine
        engine.events.append(CallStale(engine.clock(), call.index))

    def stale_cells(self) -> list[CellCall]:
        """The cells that are to be run again for everything to be up to date, in the order of the notebook."""
        return [cell for cell in self._cells.values() if cell in self._stale]

    def key_of(self, cell: CellCall) -> str:
        """The key of a cell that is not replaced."""
        return next(key for key, each in self._cells.items() if each is cell)

    # -- what others ask -----------------------------------------------------------------------------------------

    @property
    def status(self) -> str:
        """``"running"`` while a cell is unfinished, else how it all went: see `SessionRecord`."""
        return "running" if not self._runner.resting.is_set() else str(self.record().status)

    @property
    def failure(self) -> BaseException | None:
        """Why the session is over although nobody has ended it: an executor has failed, or this package."""
        engine = self._runner.engine
        return self._crash or (engine.error if engine.status is RunStatus.FAILED else None)

    @property
    def rests(self) -> bool:
        """True while no cell is unfinished."""
        return self._runner.resting.is_set()

    @property
    def is_over(self) -> bool:
        """True once no cell can be run in it any more."""
        return self._over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until no cell is unfinished, at most `timeout` seconds; True if so."""
        return self._runner.resting.wait(timeout)

    def wait_for(self, cell: CellCall) -> None:
        """Blocks until all that a cell called is over; raises the earliest error that nobody has handled.

        Raises:
            TaskError: a call has failed.
        """
        over = _Over()
        self._runner.tell(cell, over)
        wait_for(over.event)
        if cell.failed:
            cell.outcome.observed = True
            raise cell.outcome.with_traceback(None)

    def result(self, timeout: float | None = None) -> Any:
        """A session has no result; the values are in the notebook's variables."""
        raise PlaceholderError("a session has no result of its own: its values are in the notebook's variables")

    def retry_failed(self) -> Run:
        """Not for sessions: run the cell again, which keeps what has worked."""
        raise PlaceholderError("in a session, run the cell again: what has worked is kept, what has failed is not")

    def cancel(self) -> None:
        """Cancels what is unfinished, and returns at once; the session takes the next cell as before."""
        with self._runner.lock:
            self._cancel("cancelled")

    def _cancel(self, reason: str) -> None:
        engine = self._runner.engine
        for cell in list(engine.root.open):
            assert isinstance(cell, CellCall)
            for call in list(cell.open):
                engine.cancel_call(call, reason)
        self._runner.react()

    def end(self, timeout: float | None = None) -> bool:
        """Ends the session: cancels what is unfinished, and closes its executors.

        Args:
            timeout: seconds to wait for that at most; None for as long as it takes.

        Returns:
            True where it is over by now.
        """
        runner = self._runner
        with runner.lock:
            if runner.engine.status is _UNDER_WAY and not self._over.is_set():
                self._cancel("the session was ended")
                for cell in list(runner.engine.root.open):
                    runner.engine.cancel_call(cell, "the session was ended")
                runner.let_go()
        return self._over.wait(timeout)

    def show_output(self, elsewhere: bool) -> None:
        """Tells whether what tasks print is shown by somebody, so that it need not appear under the cells."""
        self._runner.echo = not elsewhere

    def tell_waiting(self, waiting: Callable[[Call], AbstractContextManager[None]]) -> None:
        """Registers what is entered while ordinary code waits for the value of a call."""
        self._runner.waiting = waiting

    def output_so_far(self) -> None:
        """Makes events of what running tasks have printed so far; for whoever watches."""
        self._runner.fetch_output()

    @property
    def events_so_far(self) -> EventLog:
        """The events, as `events` gives them, and without a copy; more are appended while one looks."""
        return self._runner.engine.events


class _Over:
    """A thread that waits for a cell; told like any node that depends on it."""

    __slots__ = ("event", "state")

    def __init__(self) -> None:
        self.event = threading.Event()
        self.state = CallState.RUNNING

    def arrived(self, done: Call) -> None:
        self.event.set()


def _made_by(cell: CellCall) -> dict[Any, Made]:
    return cell.replay.made if isinstance(cell.replay, KeptCalls) else {}


def _touched(cell: CellCall, uses: frozenset[Call], lost: set[Call]) -> list[Call]:
    """What of a cell was computed from `lost` calls, and the cell itself if anything was; what is lost is left out.

    A call that its code names a variable of, and does not hand on, was used as a value: then all that the cell called
    may depend on it.
    """
    made = [each for each in _made_by(cell).values() if each.call not in lost]
    touched = [each.call for each in made if not lost.isdisjoint(each.deps)]
    handed_on = {dep for each in _made_by(cell).values() for dep in each.deps}
    used = lost & uses
    if used - handed_on:
        touched = [each.call for each in made]
    if cell not in lost and (touched or used or not lost.isdisjoint(made_calls(cell))):
        touched.append(cell)
    return touched


def _and_all_it_needs(call: Call, made: dict[Any, Made]) -> set[Call]:
    deps = {each.call: each.deps for each in made.values()}
    found, asked = {call}, [call]
    while asked:
        for dep in deps.get(asked.pop(), ()):
            if dep not in found:
                found.add(dep)
                asked.append(dep)
    return found


def made_calls(cell: CellCall) -> set[Call]:
    """All that a cell has called."""
    return {each.call for each in _made_by(cell).values()}

"""A notebook's session, without a notebook: cells that call, wait, fail, are run again and go stale."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager

import pytest

from interactive_flow import (
    PlaceholderError,
    TaskCancelled,
    TaskError,
    concurrently,
    finish_order,
    first,
    flow,
    parallel_reduce,
    restart,
    task,
    wait,
    workflow,
)
from interactive_flow.engine.placeholder import call_of, current_workflow
from interactive_flow.model.events import BarrierEntered, BarrierLeft
from interactive_flow.model.session import SessionRecord
from interactive_flow.runtime.session import Session

TIMEOUT = 20


@pytest.fixture
def session():
    session = Session()
    yield session
    current_workflow.set(None)
    assert session.end(TIMEOUT)


@contextmanager
def cell(session, name, key=None, **options):
    """Code that is run as a cell, as a notebook does it."""
    node = session.begin(name, key=key or name, **options)
    try:
        yield node
    except BaseException as error:
        session.finish(node, error)
        raise
    else:
        session.finish(node)


def ran(path):
    """What `Noting` tasks have noted."""
    return path.read_text().split() if path.exists() else []


@pytest.fixture
def notes(tmp_path):
    """A file to which tasks append, which is no part of what they are made of: its name is an argument."""
    return tmp_path / "notes"


@task
def add(path, x, y):
    with open(path, "a") as file:  # noqa: PTH123
        file.write(f"{x}+{y} ")
    return x + y


@task
def double(x):
    return 2 * x


@task
def held(gate, x):
    gate.wait(TIMEOUT)
    return x


@task
def broken(x):
    raise OSError(f"no {x}")


@task
def items(n):
    yield from range(n)


def ids(session, **wanted):
    return [call.id for call in session.calls if all(getattr(call, k) == v for k, v in wanted.items())]


# -- cells that follow each other --------------------------------------------------------------------------------------


def test_a_cell_is_over_before_what_it_called(session):
    gate = threading.Event()
    with cell(session, "In [1]"):
        x = held(gate, 1)
    assert session.status == "running"
    assert "running" in repr(x) or "ready" in repr(x)
    gate.set()
    assert x + 1 == 2
    assert session.wait(TIMEOUT)
    assert session.status == "succeeded"
    assert ids(session) == ["In [1]", "In [1]/held#1"]


def test_a_later_cell_extends_the_graph(session):
    with cell(session, "In [1]"):
        x = double(1)
    with cell(session, "In [2]"):
        y = double(x)
    assert y == 4
    assert session.record().call("In [2]/double#1").depends_on == ("In [1]/double#1",)


def test_tasks_of_two_cells_run_side_by_side(session):
    both = threading.Barrier(2, timeout=TIMEOUT)
    meet = task(both.wait, name="meet")
    with cell(session, "In [1]"):
        x = meet()
    with cell(session, "In [2]"):
        y = meet()
    assert sorted([wait(x), wait(y)]) == [0, 1]


def test_using_a_value_in_a_cell_is_a_barrier_that_is_recorded(session):
    gate = threading.Event()
    with cell(session, "In [1]") as node:
        x = held(gate, 20)
        threading.Timer(0.05, gate.set).start()
        assert x + 1 == 21
        y = double(x)
    assert y == 40
    kinds = [type(event) for event in session.events() if getattr(event, "call", None) == node.index]
    assert kinds.count(BarrierEntered) == kinds.count(BarrierLeft) == 1
    (barrier,) = session.record().barriers
    assert barrier.waits_on == (call_of(x).index,)
    assert barrier.site.file == __file__


def test_other_cells_go_on_while_one_stands_at_a_barrier(session):
    gate = threading.Event()
    with cell(session, "In [1]"):
        chain = double(double(double(1)))
    with cell(session, "In [2]"):
        x = held(gate, 1)
        threading.Timer(0.05, gate.set).start()
        assert x == 1
    assert chain == 8


def test_a_call_that_nobody_uses_runs_all_the_same(session, notes):
    with cell(session, "In [1]"):
        add(notes, 1, 2)
    assert session.wait(TIMEOUT)
    assert ran(notes) == ["1+2"]


def test_combinators_in_a_cell(session):
    gate = threading.Event()
    with cell(session, "In [1]"):
        slow, quick = held(gate, 1), double(2)
        assert first(slow, quick) == 4
        gate.set()
        assert sorted(finish_order([slow, quick])) == [1, 4]
        assert parallel_reduce(lambda a, b: a + b, [double(n) for n in range(5)]) == 20
        left, right = concurrently(lambda: double(1) + 1, lambda: double(2) + 2)
        assert (left, right) == (3, 6)
        assert [double(n) + 0 for n in items(3)] == [0, 2, 4]
    assert session.wait(TIMEOUT)
    assert session.status == "succeeded"


def test_workflows_called_in_a_cell_are_part_of_the_session(session):
    @flow
    def twice(x):
        return double(double(x)) + 0

    with cell(session, "In [1]"):
        y = twice(1)
    assert y == 4
    assert ids(session, kind="task") == ["In [1]/twice#1/double#1", "In [1]/twice#1/double#2"]


def test_a_run_inside_a_cell_is_a_run_of_its_own(session):
    @flow
    def twice(x):
        return double(double(x))

    with cell(session, "In [1]"):
        x = double(1)
        assert twice.run(x) == 8
    assert session.wait(TIMEOUT)
    assert ids(session, kind="task") == ["In [1]/double#1"]


def test_placeholders_of_a_session_in_other_runs(session):
    @flow
    def plus(x):
        return double(x)

    gate = threading.Event()
    with cell(session, "In [1]"):
        x = held(gate, 3)
    threading.Timer(0.05, gate.set).start()
    assert plus.run(x) == 6
    assert flow(lambda: double(x)).run() == 6


def test_restart_says_where_it_belongs(session):
    with pytest.raises(RuntimeError, match="for workflows"), cell(session, "In [1]"):
        restart(1)
    assert session.wait(TIMEOUT)


def test_a_cell_cannot_be_run_inside_another(session):
    with cell(session, "In [1]"), pytest.raises(PlaceholderError, match="inside another"):
        session.begin("In [2]", key="2")


# -- errors ------------------------------------------------------------------------------------------------------------


def test_an_error_is_raised_where_its_value_is_used(session):
    with cell(session, "In [1]"):
        x, y = broken(1), double(2)
    with pytest.raises(TaskError, match=r"In \[1\]/broken#1 failed: OSError: no 1") as caught:
        x + 1
    assert isinstance(caught.value.__cause__, OSError)
    assert y == 4
    assert session.wait(TIMEOUT)
    assert session.status == "failed"
    assert [error.call for error in session.errors] == ["In [1]/broken#1"]


def test_what_was_called_before_the_code_raised_goes_on(session):
    gate = threading.Event()
    with pytest.raises(ZeroDivisionError), cell(session, "In [1]"):  # noqa: PT012
        x = held(gate, 1)
        1 / 0
    gate.set()
    assert x == 1
    assert session.wait(TIMEOUT)
    assert session.record().call("In [1]").state == "failed"
    with cell(session, "In [2]"):
        assert double(x) == 2


def test_an_error_that_the_code_handled_does_not_fail_the_cell(session):
    with cell(session, "In [1]"):
        try:
            wait(broken(1))
        except TaskError:
            x = double(1)
    assert x == 2
    assert session.wait(TIMEOUT)
    assert session.record().call("In [1]").state == "succeeded"


# -- cancelling, interrupts, the end -----------------------------------------------------------------------------------


def test_cancelling_leaves_a_session_that_takes_the_next_cell(session):
    gate = threading.Event()
    with cell(session, "In [1]"):
        x, y = held(gate, 1), double(2)
        assert y == 4
    session.cancel()
    with pytest.raises(TaskCancelled):
        wait(x)
    assert session.wait(TIMEOUT)
    assert ids(session, state="cancelled") == ["In [1]", "In [1]/held#1"]
    with cell(session, "In [2]"):
        z = double(y)
    assert z == 8
    gate.set()


def test_cancelling_while_the_code_stands_at_a_barrier(session):
    gate = threading.Event()
    with pytest.raises(TaskCancelled), cell(session, "In [1]"):  # noqa: PT012
        x = held(gate, 1)
        threading.Timer(0.05, session.cancel).start()
        x + 1
    gate.set()
    with cell(session, "In [2]"):
        assert double(1) == 2


@pytest.mark.parametrize("in_a_cell", [True, False])
def test_an_interrupt_ends_only_the_waiting(session, in_a_cell):
    gate = threading.Event()
    with cell(session, "In [1]"):
        x = held(gate, 1)
    press = threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        if in_a_cell:
            with cell(session, "In [2]"):
                press.start()
                x + 1
        else:
            press.start()
            x + 1
    gate.set()
    assert x == 1
    with cell(session, "In [3]"):
        y = double(x)
    assert y == 2
    assert session.wait(TIMEOUT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_session_that_has_ended_takes_no_cells():
    session = Session()
    with cell(session, "In [1]"):
        x = double(1)
    assert x == 2
    assert session.end(TIMEOUT)
    assert session.is_over
    with pytest.raises(PlaceholderError, match="reset"):
        session.begin("In [2]", key="2")
    assert x == 2


def test_ending_a_session_gives_up_what_is_unfinished():
    session, gate = Session(), threading.Event()
    with cell(session, "In [1]"):
        x = held(gate, 1)
    assert session.end(TIMEOUT)
    with pytest.raises(TaskCancelled):
        wait(x)
    gate.set()


def test_code_that_goes_on_after_its_cell_cannot_call(session):
    gate = threading.Event()
    told = []

    def late(scope):
        current_workflow.set(scope)
        gate.wait(TIMEOUT)
        try:
            double(1)
        except PlaceholderError as error:
            told.append(str(error))

    with cell(session, "In [1]") as node:
        thread = threading.Thread(target=late, args=(node,))
        thread.start()
    assert session.wait(TIMEOUT)
    gate.set()
    thread.join(TIMEOUT)
    assert "In [1] is over" in told[0]


def test_a_session_has_no_result(session):
    with pytest.raises(PlaceholderError, match="variables"):
        session.result()


# -- options of a cell -------------------------------------------------------------------------------------------------


def test_a_cell_may_have_workers_of_its_own(session):
    @task
    def where():
        return threading.current_thread().name

    with cell(session, "In [1]", executor="inline"):
        inline = where()
    with cell(session, "In [2]"):
        elsewhere = where()
    assert inline.startswith("iflow-session")
    assert not elsewhere.startswith("iflow-session")


def test_waiting_for_a_cell(session):
    gate = threading.Event()
    with cell(session, "In [1]") as node:
        held(gate, 1)
        threading.Timer(0.05, gate.set).start()
    session.wait_for(node)
    assert session.status == "succeeded"
    with cell(session, "In [2]") as node:
        broken(1)
    with pytest.raises(TaskError, match="no 1"):
        session.wait_for(node)


# -- cells that are run again ------------------------------------------------------------------------------------------


def test_a_cell_that_is_run_again_replaces_its_calls(session, notes):
    with cell(session, "In [1]", "a"):
        x = add(notes, 1, 1)
    with cell(session, "In [2]", "a"):
        x = add(notes, 1, 2)
    assert x == 3
    assert session.wait(TIMEOUT)
    assert ids(session) == ["In [2]", "In [2]/add#1"]
    assert session.record().count["succeeded"] == 1


def test_calls_that_are_the_same_are_kept(session, notes):
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a"):
            x, y = add(notes, 1, 1), add(notes, 5, n)
            z = add(notes, x, 10)
        assert (x, y, z) == (2, 5 + n, 12)
    assert sorted(ran(notes)) == ["1+1", "2+10", "5+1", "5+2"]
    assert ids(session) == ["In [2]", "In [2]/add#1", "In [2]/add#3", "In [2]/add#2"]


def test_everything_is_called_anew_where_that_is_wanted(session, notes):
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a", anew=True):
            assert add(notes, 1, 1) == 2
    assert ran(notes) == ["1+1", "1+1"]


def test_a_call_of_other_code_is_not_the_same(session, notes):
    for n in (1, 2):
        change = [lambda x: x + 1, lambda x: x - 1][n - 1]
        with cell(session, f"In [{n}]", "a"):
            x = task(change, name="change")(5)
        assert x == (6 if n == 1 else 4)


def test_a_call_that_failed_is_made_again(session, notes):
    @task
    def flaky(path):
        tries = len(ran(path))
        with open(path, "a") as file:  # noqa: PTH123
            file.write("try ")
        if not tries:
            raise OSError("not yet")
        return tries

    with cell(session, "In [1]", "a"):
        x, y = flaky(notes), double(4)
    with pytest.raises(TaskError):
        wait(x)
    kept = call_of(y)
    with cell(session, "In [2]", "a"):
        x, y = flaky(notes), double(4)
    assert x == 1
    assert call_of(y) is kept


def test_an_unfinished_call_that_is_the_same_goes_on(session, notes):
    gate = threading.Event()
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a"):
            x = task(gate.wait, name="gate")(TIMEOUT)
            y = double(x)
    gate.set()
    assert y == 2
    assert session.wait(TIMEOUT)
    assert not ids(session, state="cancelled")


def test_an_unfinished_call_that_is_replaced_is_cancelled(session):
    gate = threading.Event()
    with cell(session, "In [1]", "a"):
        old = held(gate, 1)
    with cell(session, "In [2]", "a"):
        new = double(1)
    with pytest.raises(TaskCancelled, match="replaced"):
        wait(old)
    assert new == 2
    gate.set()


def test_a_sub_workflow_that_finds_its_tasks_by_name_is_called_anew(session, notes):
    @workflow
    def sum_up(add):
        return lambda path: add(path, 1, 2)

    @flow
    def plain(path):
        return add(path, 3, 4)

    for n in (1, 2):
        with cell(session, f"In [{n}]", "a"):
            x, y, z = sum_up(notes), plain(notes), sum_up.inject(add=add)(notes)
        assert (x, y, z) == (3, 7, 3)
    assert sorted(ran(notes)) == ["1+2", "1+2", "1+2", "3+4"]


def test_combinators_over_the_same_calls_are_kept(session, notes):
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a"):
            xs = [add(notes, k, 0) for k in range(4)]
            a, b = first(*xs), parallel_reduce(double_sum, xs)
            c, d = add(notes, b, 100), add(notes, 200, n)
        wait([a, b, c, d])
    assert sorted(ran(notes)) == ["0+0", "1+0", "12+100", "2+0", "200+1", "200+2", "3+0"]


@task
def double_sum(x, y):
    return x + y + 2


def test_what_cannot_be_compared_is_called_anew(session, notes):
    generator = (n for n in range(3))
    count = task(lambda path, thing: add.fn(path, 1, 1), name="count")
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a"):
            assert count(notes, generator) == 2
    assert ran(notes) == ["1+1", "1+1"]


# -- stale -------------------------------------------------------------------------------------------------------------


def three_cells(session, notes, start, first_name="In [1]"):
    with cell(session, first_name, "a"):
        x, other = add(notes, start, 0), add(notes, 70, 0)
    return x, other


def test_what_depended_on_a_replaced_call_is_stale_and_nothing_else(session, notes):
    x, other = three_cells(session, notes, 1)
    with cell(session, "In [2]", "b"):
        y, z = add(notes, x, 10), add(notes, other, 10)
    with cell(session, "In [3]", "c"):
        add(notes, y, 100)
    with cell(session, "In [4]", "d"):
        add(notes, z, 100)
    session.wait(TIMEOUT)
    assert session.stale_cells() == []
    x, other = three_cells(session, notes, 2, "In [5]")
    assert session.wait(TIMEOUT)
    assert ids(session, stale=True) == ["In [2]", "In [2]/add#1", "In [3]", "In [3]/add#1"]
    assert [node.id for node in session.stale_cells()] == ["In [2]", "In [3]"]
    assert session.record().call("In [2]/add#2").depends_on == ("In [5]/add#2",)


def test_running_the_stale_cells_again_calls_only_what_is_stale(session, notes):
    x, other = three_cells(session, notes, 1)
    with cell(session, "In [2]", "b"):
        y, z = add(notes, x, 10), add(notes, other, 10)
    session.wait(TIMEOUT)
    before = len(ran(notes))
    x, other = three_cells(session, notes, 2, "In [3]")
    with cell(session, "In [2]", "b"):
        y, z = add(notes, x, 10), add(notes, other, 10)
    assert (y, z) == (12, 80)
    assert ran(notes)[before:] == ["2+0", "2+10"]
    assert session.stale_cells() == []
    assert ids(session, stale=True) == []


def test_a_cell_that_used_only_the_value_is_stale_with_all_it_called(session, notes):
    x, other = three_cells(session, notes, 3)
    with cell(session, "In [2]", "b", uses=(call_of(x), call_of(other))):
        parts = [add(notes, n, 0) for n in range(wait(x))]
    wait(parts)
    x, other = three_cells(session, notes, 4, "In [3]")
    assert len(ids(session, stale=True)) == 4
    assert session.wait(TIMEOUT)
    notes.unlink()
    with cell(session, "In [2]", "b", uses=(call_of(x), call_of(other))):
        parts = [add(notes, n, 0) for n in range(wait(x))]
    assert wait(parts) == [0, 1, 2, 3]
    assert ran(notes) == ["3+0"]
    assert ids(session, stale=True) == []
    assert session.stale_cells() == []


def test_a_cell_without_calls_can_be_stale(session, notes):
    x, _ = three_cells(session, notes, 3)
    with cell(session, "In [2]", "b", uses=(call_of(x),)):
        assert x + 1 == 4
    three_cells(session, notes, 4, "In [3]")
    assert [node.id for node in session.stale_cells()] == ["In [2]"]


def test_a_cell_may_go_on_from_its_own_last_value(session, notes):
    x = 1
    for n in (1, 2, 3):
        with cell(session, f"In [{n}]", "a"):
            x = add(notes, x, 1)
    assert x == 4
    assert session.stale_cells() == []


def test_items_of_combinators_go_stale_too(session, notes):
    with cell(session, "In [1]", "a"):
        xs = [double(n) for n in range(2)]
        pages = items(2)
    with cell(session, "In [2]", "b"):
        for x in finish_order(xs):
            add(notes, x, 0)
        for page in pages:
            add(notes, page, 10)
    session.wait(TIMEOUT)
    with cell(session, "In [3]", "a"):
        xs = [double(n + 1) for n in range(2)]
        pages = items(3)
    assert ids(session, stale=True, name="add") == [f"In [2]/add#{n}" for n in (1, 2, 3, 4)]


# -- the record --------------------------------------------------------------------------------------------------------


def test_a_view_of_one_cell_has_only_its_calls(session, notes):
    x, _ = three_cells(session, notes, 1)
    with cell(session, "In [2]", "b") as node:
        y = add(notes, x, 10)
    assert y == 11
    assert session.wait(TIMEOUT)
    part = SessionRecord(session.events(), run="r-2", title="In [2]", cell=node.index, part=True)
    assert [call.id for call in part.calls] == ["In [2]", "In [2]/add#1"]
    assert part.calls[1].depends_on == ("In [1]/add#1",)
    assert (part.run, part.name, part.status) == ("r-2", "In [2]", "succeeded")
    assert part.count["succeeded"] == 1


def test_a_view_of_a_cell_that_was_run_again_has_what_was_kept(session, notes):
    for n in (1, 2):
        with cell(session, f"In [{n}]", "a") as node:
            x, y = add(notes, 1, 1), add(notes, 5, n)
        wait([x, y])
    assert session.wait(TIMEOUT)
    part = SessionRecord(session.events(), run="r", title="In [2]", cell=node.index, part=True)
    assert sorted(call.id for call in part.calls) == ["In [2]", "In [2]/add#1", "In [2]/add#2"]
    assert part.count["succeeded"] == 2


def test_time_in_which_nothing_went_on_is_left_out(session):
    for n in (1, 2):
        with cell(session, f"In [{n}]"):
            assert double(n) == 2 * n
        assert session.wait(TIMEOUT)
    events = list(session.events())
    later = next(n for n, e in enumerate(events) if getattr(e, "name", "") == "In [2]")
    moved = [
        e
        if n < later
        else e._replace(at=e.at + 3600, **({"started": e.started + 3600} if hasattr(e, "started") else {}))
        for n, e in enumerate(events)
    ]
    record = SessionRecord(moved, run="r", title="t")
    assert record.finished_at < 100
    assert record.calls[-1].started_at >= record.calls[1].finished_at


def test_what_tasks_print_is_kept_with_them_while_a_cell_is_at_work(session, capsys):
    @task
    def say(text):
        print(text)

    session.show_output(True)
    with cell(session, "In [1]"):
        wait(say("hello"))
    assert session.wait(TIMEOUT)
    print("outside")
    assert capsys.readouterr().out == "outside\n"
    assert session.record().call("In [1]/say#1").stdout == "hello\n"

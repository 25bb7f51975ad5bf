"""Runs in a store, as people use them: ``store=``, `runs`, `open_run`, `prune`."""

from __future__ import annotations

import logging
import os
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import interactive_flow as iflow
from interactive_flow import Run, StoreWarning, flow, task, wait
from interactive_flow.authoring import options
from interactive_flow.store import Store, open_store
from interactive_flow.store.errors import StoreError, UnknownRun


@pytest.fixture(autouse=True)
def no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_session", options.Options())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@task
def double(x: Any) -> Any:
    return 2 * x


@task
def fail(text: str) -> Any:
    raise LookupError(text)


@flow
def doubled(n: int) -> Any:
    return [double(x) for x in range(n)]


@flow
def failing(text: str) -> Any:
    double(1)
    return fail(text)


def test_a_run_is_stored_by_the_time_it_is_over(path: Path) -> None:
    run = doubled.options(store=path).start(3)
    assert run.result() == [0, 2, 4]
    (summary,) = iflow.runs(path)
    assert (summary.id, summary.name, summary.status, summary.calls) == (run.id, "doubled", "succeeded", 3)
    assert summary.size > 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_runs_show_themselves_as_a_table(path: Path) -> None:
    @flow(name="<b>bold</b>")
    def bold() -> Any:
        return [double(n) for n in range(3)]

    assert repr(iflow.runs(path)) == "no runs"
    bold.options(store=path).run()
    found = iflow.runs(path)
    (run,) = found
    head, line = repr(found).splitlines()
    assert head.split() == ["run", "status", "started", "took", "calls", "size", "workflow"]
    assert line.split()[:2] == [run.id, "succeeded"]
    assert line.split()[-1] == "<b>bold</b>"
    html = found._repr_html_()
    assert html.count("<tr>") == 2
    assert "&lt;b&gt;bold&lt;/b&gt;" in html


def test_the_store_may_be_the_session_s(path: Path) -> None:
    iflow.configure(store=str(path))
    assert doubled.run(2) == [0, 2]
    assert [run.name for run in iflow.runs()] == ["doubled"]
    (summary,) = iflow.runs()
    assert iflow.open_run(summary.id).result() == [0, 2]
    assert iflow.prune(keep=0).runs == (summary.id,)
    iflow.configure(store=None)
    doubled.run(2)
    assert iflow.runs(path) == []


def test_without_a_store_there_is_a_plain_message() -> None:
    for function in (iflow.runs, lambda: iflow.open_run("4f2a"), lambda: iflow.prune(keep=0)):
        with pytest.raises(ValueError, match=r"no store is given.*configure\(store=…\)"):
            function()


@pytest.mark.parametrize("value", [3, ["runs"]])
def test_what_is_no_store_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=r"doubled.options\(\): store=.*the path of a directory"):
        doubled.options(store=value)


def test_a_store_that_cannot_be_opened_ends_the_run_before_it_begins(path: Path) -> None:
    path.write_text("a file")
    ran: list[int] = []

    @flow
    def code() -> None:
        ran.append(1)

    for start in (code.options(store=path).run, code.options(store=path).start):
        with pytest.raises(StoreError, match="FileExistsError"):
            start()
    assert ran == []


def test_an_open_run_shows_all_that_the_run_showed(path: Path, tmp_path: Path) -> None:
    workflow = doubled.options(store=path)
    workflow.run(3)
    run = workflow.last_run
    assert run is not None
    opened = iflow.open_run(run.id, path)
    assert isinstance(opened, Run)
    assert (opened.id, opened.name, opened.status) == (run.id, "doubled", "succeeded")
    assert [repr(event) for event in opened.events()] == [repr(event) for event in run.events()]
    assert [(c.id, c.state, c.value) for c in opened.calls] == [(c.id, c.state, c.value) for c in run.calls]
    assert opened.report() == run.report()
    assert opened.decisions() == run.decisions()
    assert opened.timeline() == run.timeline()
    assert opened.to_html(tmp_path / "a.html").exists()
    assert opened.to_chrome_trace(tmp_path / "a.json").exists()
    assert opened.wait(0)
    assert repr(opened) == f"<stored Run {run.id} of doubled: succeeded>"
    opened.cancel()
    assert set(opened._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_a_beginning_of_the_id_will_do_that_only_one_run_has(path: Path) -> None:
    store = Store(path)
    for run in ("abc1", "abd2", "ab"):
        store.begin(run, "wf").close()
    assert iflow.open_run("abc", store).id == "abc1"
    assert iflow.open_run("ab", store).id == "ab"  # exactly this one
    for unknown, message in [("a", r"may be any of ab, abc1, abd2"), ("x", "no run 'x'"), ("", "no run ''")]:
        with pytest.raises(UnknownRun, match=message):
            iflow.open_run(unknown, store)


def test_the_error_of_a_stored_run_is_the_original(path: Path) -> None:
    with pytest.raises(iflow.TaskError) as raised:
        failing.options(store=path).run("gone")
    (summary,) = iflow.runs(path)
    run = iflow.open_run(summary.id, path)
    assert (run.status, str(run.errors[0])) == ("failed", str(raised.value))
    with pytest.raises(iflow.TaskError, match="gone") as again:
        run.result()
    assert type(again.value.__cause__) is LookupError
    assert "raise LookupError(text)" in str(again.value.__cause__.__cause__)


def test_a_dead_run_is_interrupted(path: Path) -> None:
    store = Store(path)
    workflow = doubled.options(store=store)
    log = workflow.start(2)
    log.result()
    with store.begin("dead", "doubled", (2,)) as recorder:
        recorder.append(log._runner.engine.events.tail(0)[:-1])  # all but its end
    run = iflow.open_run("dead", store)
    assert run.status == "interrupted"
    assert run.record().status == "interrupted"
    assert "interrupted" in run.report()
    assert "interrupted" in run._repr_mimebundle_()["text/html"]
    assert run.wait(0)
    with pytest.raises(iflow.RunInterrupted, match=r"was interrupted.*resume\('dead', .*continues it"):
        run.result()


def test_a_run_that_goes_on_can_be_looked_at(path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    @task
    def hold() -> int:
        begun.set()
        go.wait(30)
        return 7

    @flow
    def code() -> Any:
        return wait(double(1)), hold()

    run = code.options(store=path).start()
    assert begun.wait(30)
    assert run._recording is not None
    assert run._recording._recorder is not None
    run._recording._recorder.flush()
    opened = iflow.open_run(run.id, path)
    assert opened.status == "running"
    assert not opened.wait(0)
    with pytest.raises(TimeoutError, match="it goes on"):
        opened.result(0)
    with pytest.raises(RuntimeError, match="can be cancelled there"):
        opened.cancel()
    assert {c.id: c.state for c in opened.calls} == {"double#1": "succeeded", "hold#1": "running"}
    go.set()
    assert run.result() == (2, 7)
    assert opened.result() == (2, 7)
    assert opened.record().status == "succeeded"


def test_what_cannot_be_stored_is_warned_of_and_costs_nothing_else(path: Path, caplog: Any) -> None:
    @task
    def lock() -> Any:
        return threading.Lock()

    @flow
    def code() -> Any:
        return wait(lock()) is not None and double(4)

    with pytest.warns(StoreWarning, match=r"1 value, which cannot be pickled: lock#1 \(.*continued, these calls run"):
        assert code.options(store=path).run() == 8
    (summary,) = iflow.runs(path)
    assert summary.status == "succeeded"


def test_a_background_run_warns_where_it_was_started(path: Path, caplog: Any) -> None:
    @task
    def lock() -> Any:
        return threading.Lock()

    @flow
    def code() -> Any:
        return wait(lock()) is not None

    run = code.options(store=path).start()
    with pytest.raises(StoreWarning, match="lock#1"):  # warnings are errors here
        run.result()


def test_a_recording_that_fails_is_warned_of_and_the_run_goes_on(path: Path, caplog: Any) -> None:
    store = Store(path)

    @task
    def sabotage() -> int:
        store.prune(keep=0)
        with store._database.writing() as connection:
            connection.execute("DELETE FROM runs")
        return 3

    @flow
    def code() -> Any:
        return wait(sabotage()) + 1

    caplog.set_level(logging.CRITICAL, "interactive_flow")
    with pytest.warns(StoreWarning, match=r"in the store only up to its event \d+: .*was removed from the store"):
        assert code.options(store=store).run() == 4


def test_a_workflow_that_begins_again_is_stored_with_its_last_round(path: Path) -> None:
    @flow
    def countdown(n: int) -> Any:
        return iflow.restart(n - 1) if wait(double(n)) else n

    workflow = countdown.options(store=path)
    assert workflow.run(3) == 0
    (summary,) = iflow.runs(path)
    assert Store(path).arguments(summary.id) == ((0,), {})
    assert [call.value for call in iflow.open_run(summary.id, path).calls] == [0]


def test_a_store_is_opened_once(path: Path) -> None:
    store = open_store(path)
    assert open_store(os.fspath(path)) is store
    assert open_store(store) is store
    shutil.rmtree(path)
    again = open_store(path)  # another one in the same place
    assert again is not store
    assert again.runs() == []


def test_an_unknown_display_leaves_no_run_behind_that_seems_to_go_on(path: Path) -> None:
    for start in (doubled.options(store=path, display="no").run, doubled.options(store=path, display="no").start):
        with pytest.raises(ValueError, match="display='no'"):
            start(1)
    assert {run.status for run in iflow.runs(path)} == {"interrupted"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few hundred kilobytes."""
    import subprocess

    target = tmp_path / "disk"
    target.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if mount is None or unmount is None:
        pytest.skip("there is no mount program here")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=400k", "tmpfs", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    yield target
    subprocess.run([unmount, "--lazy", target], check=True)


def test_a_full_disk(small_disk: Path, caplog: Any) -> None:
    @task
    def large(n: int) -> str:
        return str(n) * 60_000

    @flow
    def code(n: int) -> Any:
        return sum(len(wait(large(k))) for k in range(n))

    caplog.set_level(logging.CRITICAL, "interactive_flow")
    workflow = code.options(store=small_disk / "runs")
    assert workflow.run(1) == 60_000
    with pytest.warns(StoreWarning, match=r"only up to its event .*no room is left.*prune"):
        assert workflow.run(9) == 9 * 60_000
    whole, cut = iflow.runs(small_disk / "runs")
    assert iflow.open_run(whole.id, small_disk / "runs").calls[0].value == "0" * 60_000
    for call in iflow.open_run(cut.id, small_disk / "runs").calls:
        assert call.value is None or call.value == str(call.args[0]) * 60_000


def test_a_directory_that_cannot_be_written(small_disk: Path) -> None:
    import subprocess

    workflow = doubled.options(store=small_disk / "runs")
    workflow.run(1)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StoreError, match=r"disk.*cannot be (written|opened)"):
        workflow.run(2)

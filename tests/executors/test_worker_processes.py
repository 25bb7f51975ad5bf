"""Processes that are kept, let go, and started anew; tasks that do in them as they like."""

from __future__ import annotations

import io
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import errands
import loky
import pytest
from errands import ends, pipe

from interactive_flow import TaskError, Workflow, flow, task, wait
from interactive_flow.executors import FuturesExecutor, ProcessExecutor
from interactive_flow.executors.processes import processes


def on(code: Callable[..., Any], max_workers: int = 2) -> Workflow[..., Any]:
    return flow(code).options(executor=ProcessExecutor(max_workers))


# -- processes kept and let go -----------------------------------------------------------------------------------------


def test_processes_are_used_again(fresh: None) -> None:
    workflow = on(lambda: errands.pid(), max_workers=1)
    assert workflow.run() == workflow.run() != os.getpid()


def test_no_more_processes_than_asked_for(fresh: None) -> None:
    workflow = on(lambda: [errands.pid() for _ in range(300)], max_workers=2)
    assert 1 <= len(set(workflow.run())) <= 2
    assert workflow.last_run.record().workers == 2


def test_processes_are_not_used_again_once_a_module_has_changed(
    fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = tmp_path / "changing.py"
    source.write_text("def which():\n    return 'old'\n")
    import changing  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "changing", changing)
    workflow = on(lambda: task(changing.which)(), max_workers=1)
    assert workflow.run() == "old"
    source.write_text("def which():\n    return 'new, and longer'\n")
    assert workflow.run() == "new, and longer"


def test_idle_processes_go_after_a_while(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interactive_flow.executors.shelf.IDLE_SECONDS", 0.05)
    assert ends(on(lambda: errands.pid()).run())


def test_surroundings_are_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = on(lambda: errands.surroundings(), max_workers=1)
    workflow.run()
    monkeypatch.setenv("IFLOW_TEST", "set later")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "more"))
    monkeypatch.setattr(sys, "argv", ["one", "two"])
    directory, variable, path, argv = workflow.run()
    assert (directory, variable, argv) == (str(tmp_path), "set later", ["one", "two"])
    assert path[0] == str(tmp_path / "more")


def test_variables_of_functions_are_those_of_the_run() -> None:
    setting = "first"
    workflow = on(lambda: task(lambda: setting)(), max_workers=1)
    assert workflow.run() == "first"
    setting = "second"
    assert workflow.run() == "second"


def test_large_values(tmp_path: Path) -> None:
    def code() -> Any:
        large = bytes(20_000_000)
        return [errands.same(large), *[errands.same(x) for x in range(50)]]

    large, *small = on(code).run()
    assert len(large) == 20_000_000
    assert small == list(range(50))


# -- tasks that do as they like ----------------------------------------------------------------------------------------


def test_a_task_may_start_processes_and_fork() -> None:
    def child(queue: Any) -> None:
        print("from the copy")
        queue.put(os.getpid())

    def forks() -> Any:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        process = context.Process(target=child, args=(queue,))
        process.start()
        process.join()
        print("from the task")
        said = subprocess.run([sys.executable, "-c", "print('hello')"], capture_output=True, text=True, check=True)
        return queue.get() != os.getpid(), said.stdout

    workflow = on(lambda: task(forks)())
    assert workflow.run() == (True, "hello\n")
    assert workflow.last_run.calls[0].stdout == "from the task\n"


def test_a_copy_that_returns_from_its_task_is_nobody() -> None:
    def forks() -> str:
        copy = os.fork()
        if copy:
            os.waitpid(copy, 0)
            return "original"
        return "copy"

    assert on(lambda: [task(forks)(), errands.same(1)], max_workers=1).run() == ["original", 1]


def test_exits_and_interrupts_are_errors() -> None:
    def leave(error: type[BaseException]) -> None:
        raise error("so long")

    def code() -> Any:
        kinds = []
        for kind in (SystemExit, KeyboardInterrupt):
            try:
                wait(task(leave)(kind))
            except TaskError as error:
                kinds.append(type(error.__cause__))
        return kinds

    assert on(code).run() == [SystemExit, KeyboardInterrupt]


def test_text_without_an_end_of_line_arrives_when_it_is_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, arrived = pipe(tmp_path), threading.Event()

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if text == "half a line":
                arrived.set()
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Screen())

    def hesitates() -> None:
        print("half a line", end="", flush=True)
        Path(path).read_text()
        print(", and the rest")

    def look() -> bool:
        came = arrived.wait(20)
        Path(path).write_text("go on")
        return came

    workflow = on(lambda: [task(hesitates)(), task(look, executor="threads")()])
    assert workflow.run() == [None, True]
    assert workflow.last_run.calls[0].stdout == "half a line, and the rest\n"
    assert sys.stdout.getvalue() == "half a line, and the rest\n"


def test_a_run_inside_a_run_in_processes_too() -> None:
    def outer(n: int) -> Any:
        inner = flow(lambda: [errands.pid(), *[errands.same(x) for x in range(n)]])
        return os.getpid(), inner.options(executor="processes", max_workers=1, display="none").run()

    process, (inner_process, *values) = on(lambda: task(outer)(3), max_workers=1).run()
    assert len({os.getpid(), process, inner_process}) == 3
    assert values == [0, 1, 2]


def test_without_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(ImportError, match=r"pip install 'interactive_flow\[processes\]'"):
        ProcessExecutor()


def test_windows_gets_a_pool_of_loky(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ThreadPoolExecutor(2)  # loky's own for Windows works nowhere else
    monkeypatch.setattr(loky, "get_reusable_executor", lambda max_workers: pool)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(NotImplementedError, match="POSIX"):
        ProcessExecutor()
    executor = processes(2)
    assert type(executor) is FuturesExecutor
    assert executor.capacity == 2
    monkeypatch.setitem(sys.modules, "loky", None)
    with pytest.raises(ImportError, match=r"pip install 'interactive_flow\[processes\]'"):
        processes()


def test_a_function_whose_import_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "fatal.py"
    module.write_text("def work():\n    return 1\n")
    import fatal  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "fatal", fatal)
    module.write_text("import os\nos._exit(5)\n")
    with pytest.raises(TaskError) as caught:
        on(lambda: task(fatal.work)()).run()
    assert "died while it ran work (exit code 5)" in str(caught.value.__cause__)


def test_items_that_cannot_be_read_here() -> None:
    def source() -> Any:
        yield 1
        yield errands.Unreadable()
        yield 3

    with pytest.raises(TaskError) as caught:
        on(lambda: task(source)()).run()
    assert str(caught.value.__cause__).startswith("an item of source cannot be read in this process: ValueError")

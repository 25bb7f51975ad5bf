"""``%%flow`` cells, in a shell without a kernel and in a real kernel."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.error import UsageError

from interactive_flow.engine.placeholder import call_of, current_workflow, is_placeholder
from interactive_flow.notebook.extension import load_ipython_extension, unload_ipython_extension
from interactive_flow.notebook.flow_cells import flow_cells, parse, rewrite

TIMEOUT = 20

DEFINITIONS = """\
from interactive_flow import finish_order, first, flow, restart, task, wait

@task
def double(x):
    return 2 * x

@task
def held(x):
    gate.wait(20)
    return x

@task
def broken(x):
    raise OSError(f"no {x}")
"""


# -- a shell without a kernel ------------------------------------------------------------------------------------------


@pytest.fixture
def cells(shell):
    """Runs cells in a shell of this process."""
    load_ipython_extension(shell)
    shell.user_ns.update(gate=threading.Event())
    shell.run_cell(DEFINITIONS)
    yield lambda source, **how: shell.run_cell(source, store_history=True, **how)
    shell.user_ns["gate"].set()
    unload_ipython_extension(shell)
    assert current_workflow.get() is None


def value(shell, name):
    return shell.user_ns[name]


def session_of(shell):
    return flow_cells(shell).session


def test_a_cell_binds_placeholders_to_its_variables_and_ends(cells, shell):
    result = cells("%%flow\nx = held(1)\ny = double(x)")
    assert result.success
    assert is_placeholder(value(shell, "x"))
    assert not call_of(value(shell, "y")).done
    shell.user_ns["gate"].set()
    assert cells("y + 1").result == 3


def test_the_cell_is_named_by_its_execution_count(cells, shell):
    count = shell.execution_count
    cells("%%flow\nx = double(1)")
    assert call_of(value(shell, "x")).id == f"In [{count}]/double#1"
    record = session_of(shell).record().call(f"In [{count}]/double#1")
    assert (record.site.line, record.cell) == (2, count)


def test_the_last_line_is_shown_and_never_waited_for(cells, shell, capsys):
    cells("%%flow\nx = held(1)\n[x, {'a': x}]")
    assert "<placeholder of In [" in capsys.readouterr().out
    assert not call_of(value(shell, "x")).done


def test_what_is_displayed_and_inspected_in_a_cell_is_not_waited_for(cells, shell, capsys):
    cells("%%flow\nx = held(1)\ndisplay(x)\n%whos\n%who_ls\nx?\nNone")
    assert not call_of(value(shell, "x")).done
    assert "held#1" in capsys.readouterr().out


def test_a_traceback_with_variables_is_not_waited_for(cells, shell, capsys):
    cells("%xmode Verbose")
    try:
        result = cells("%%flow\nkept = held(1)\ndef f(x):\n    1 / 0\nf(kept)")
        assert isinstance(result.error_in_exec, ZeroDivisionError)
        assert "held#1" in capsys.readouterr().out
        assert not call_of(value(shell, "kept")).done
    finally:
        cells("%xmode Context")


def test_using_a_value_waits(cells, shell):
    threading.Timer(0.05, shell.user_ns["gate"].set).start()
    result = cells("%%flow\nx = held(1)\ny = double(2) if x + 1 == 2 else None\nf'{x}'")
    assert result.result == "1"


def test_the_error_of_a_cell_has_the_lines_of_the_cell(cells, capsys):
    result = cells("%%flow\nx = double(1)\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    assert "----> 3 1 / 0" in re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).replace("1/0", "1 / 0")
    assert cells("x + 0").result == 2


def test_an_error_of_a_task_comes_out_where_its_value_is_used(cells, capsys):
    cells("%%flow\nx = broken(1)")
    result = cells("x + 1")
    assert type(result.error_in_exec).__name__ == "TaskError"
    told = capsys.readouterr().out
    assert "OSError: no 1" in re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert "direct cause" in told


def test_awaiting_in_a_cell(cells, shell):
    shell.user_ns["gate"].set()
    result = cells("%%flow\nimport asyncio\nawait asyncio.sleep(0)\nx = await held(3)\ny = double(x)\nx + 1")
    assert result.result == 4
    assert cells("y + 0").result == 6
    assert current_workflow.get() is None


def test_magics_inside_a_cell(cells, shell, capsys):
    cells("%%flow\n%time x = double(1)\n!echo from the shell")
    assert cells("x + 0").result == 2
    cells("%%flow\n%%capture printed\nprint('kept')\ny = double(2)")
    assert cells("y + 0").result == 4
    assert cells("printed.stdout").result == "kept\n"
    cells("%%time\n%%flow\nz = double(3)")
    assert cells("z + 0").result == 6


def test_waiting_for_all_of_a_cell(cells, shell):
    threading.Timer(0.05, shell.user_ns["gate"].set).start()
    assert cells("%%flow --wait\nx = held(1)").success
    assert call_of(value(shell, "x")).done
    result = cells("%%flow --wait\nx = broken(1)")
    assert "no 1" in str(result.error_in_exec)


def test_combinators_and_restart(cells):
    result = cells("%%flow\nxs = [double(n) for n in range(3)]\nsorted(finish_order(xs)), first(*xs) + 0 in (0, 2, 4)")
    assert result.result == ([0, 2, 4], True)
    assert "for workflows" in str(cells("%%flow\nrestart(1)").error_in_exec)


def test_a_cell_with_the_id_of_a_cell_before_replaces_its_calls(cells, shell):
    cells("%%flow\nx = double(1)\nz = double(7)", cell_id="a")
    kept = call_of(value(shell, "z"))
    cells("%%flow\ny = double(x)", cell_id="b")
    assert cells("y + 0").result == 4
    cells("%%flow\nx = double(2)\nz = double(7)", cell_id="a")
    session = session_of(shell)
    assert session.wait(TIMEOUT)
    assert call_of(value(shell, "z")) is kept
    assert len(session.calls) == 5
    assert [call.name for call in session.calls if call.stale and not call.is_cell] == ["double"]


def test_refresh_brings_up_to_date_what_is_stale(cells, shell, capsys):
    cells("%%flow\nx = double(1)", cell_id="a")
    cells("%%flow\ny = double(x)\nother = double(50)", cell_id="b")
    cells("%%flow\nif y > 0:\n    z = double(10)", cell_id="c")
    other = call_of(value(shell, "other"))
    number = re.match(r"In \[(\d+)\]", other.id)[1]
    cells("%%flow\nx = double(2)", cell_id="a")
    count = shell.execution_count
    capsys.readouterr()
    assert cells("%flow refresh").success
    assert shell.execution_count == count + 1
    told = capsys.readouterr().out
    assert f"Ran In [{number}], In [{int(number) + 1}] again: 1 call made, 2 calls kept." in told
    assert cells("y + 0").result == 8
    assert call_of(value(shell, "other")) is other
    assert call_of(value(shell, "y")).id == f"In [{number}]/double#1"
    assert session_of(shell).stale_cells() == []
    cells("%flow refresh")
    assert "Nothing is stale" in capsys.readouterr().out


def test_refresh_stops_at_a_cell_that_raises(cells, capsys):
    cells("%%flow\nx = double(1)", cell_id="a")
    cells("%%flow\ny = double(x)\nassert y == 4, 'too small'", cell_id="b")
    cells("%%flow\ny = double(x)\nassert y == 4, 'too small'", cell_id="b")
    cells("%%flow\nx = double(2)", cell_id="a")
    cells("%%flow\ny = double(x)\nassert y == 8", cell_id="b")
    cells("%%flow\nx = double(3)", cell_id="a")
    capsys.readouterr()
    cells("%flow refresh")
    told = capsys.readouterr()
    assert "which raised AssertionError" in told.out + told.err


def test_names_say_which_cell_it_is(cells, shell):
    cells("%%flow --name clean\nx = double(1)")
    cells("%%flow --name=clean\nx = double(2)")
    assert call_of(value(shell, "x")).id == "clean/double#1"
    assert len(session_of(shell).calls) == 2
    cells("%%flow --name clean --fresh\nx = double(2)")
    assert cells("x + 0").result == 4


def test_the_calls_of_a_cell_may_have_workers_of_their_own(cells, shell):
    cells("import threading\nwhere = task(lambda: threading.current_thread().name, name='where')")
    cells("%%flow --executor inline\nx = where()")
    assert cells("x + ''").result.startswith("iflow-session")
    cells("%%flow --max-workers 1\nx, y = where(), where()")
    assert cells("x == y").result
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "pool") as shell.user_ns["pool"]:
        cells("%%flow --executor pool\nx = where()")
        assert cells("x + ''").result.startswith("pool")
        cells("%flow reset")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--wat", "no option '--wat'"),
        ("here", "no option 'here'"),
        ("--name", "value is missing"),
        ("--name --wait", "value is missing"),
        ("--wait=yes", "takes no value"),
        ("--max-workers many", "a number of workers"),
        ("--max-workers 0", "a number of workers"),
        ("--name 'a", "No closing quotation"),
    ],
)
def test_mistakes_in_the_first_line(line, said):
    with pytest.raises(UsageError, match=said):
        parse(line)


def test_a_mistake_in_the_first_line_runs_nothing(cells, shell):
    result = cells("%%flow --executor nowhere\nx = double(1)")
    assert "nowhere" in str(result.error_in_exec)
    assert "x" not in shell.user_ns
    assert cells("double(1)").result == 2


def test_other_cells_are_not_rewritten():
    assert rewrite(["%%flows\n", "x\n"]) == ["%%flows\n", "x\n"]
    assert rewrite(["%flow graph\n"]) == ["%flow graph\n"]
    assert rewrite([]) == []
    assert len(rewrite(["%%flow\n"])) == 1


def test_in_a_terminal_a_cell_is_complete_with_an_empty_line(cells, shell):
    complete = shell.input_transformer_manager.check_complete
    assert complete("%%flow")[0] == "incomplete"
    assert complete("%%flow\nx = double(1)")[0] == "incomplete"
    assert complete("%%flow\nx = double(1)\n\n")[0] == "complete"


def test_a_cell_that_cannot_be_compiled_changes_nothing(cells, shell):
    cells("%%flow\nx = double(1)", cell_id="a")
    assert isinstance(cells("%%flow\nx = = 2", cell_id="a").error_before_exec, SyntaxError)
    assert cells("x + 0").result == 2
    assert len(session_of(shell).calls) == 2


def test_cancelling_and_resetting(cells, shell, capsys):
    cells("%flow reset")
    assert "no session" in capsys.readouterr().out
    cells("%%flow\nx = held(1)")
    cells("%flow cancel")
    assert "was cancelled" in str(cells("x + 1").error_in_exec)
    cells("%flow cancel")
    assert "Nothing is running" in capsys.readouterr().out
    before = session_of(shell)
    cells("%%flow\nx = held(1)")
    cells("%flow reset")
    assert before.is_over
    cells("%%flow\nx = double(1)")
    assert session_of(shell) is not before
    assert cells("x + 0").result == 2


def test_commands_look_at_the_session(cells, capsys):
    cells("flow(lambda: double(21)).run()")
    cells("%%flow\nx = double(1)\nx + 0")
    capsys.readouterr()
    cells("%flow report")
    assert capsys.readouterr().out.startswith("session")
    cells("%flow decisions")
    assert "double#1" in capsys.readouterr().out


def test_stored_runs_are_listed(cells, tmp_path, capsys):
    cells("%flow runs")
    assert "there is no store" in capsys.readouterr().err
    cells(f"%flow runs {tmp_path}")
    assert "No runs are kept" in capsys.readouterr().out
    cells("%flow store")
    assert "%flow store PATH" in capsys.readouterr().err


def test_runs_are_kept_where_that_is_asked_for(cells, tmp_path, capsys):
    import interactive_flow

    try:
        cells(f"%flow store {tmp_path / 'kept'}")
        assert "are kept in" in capsys.readouterr().out
        cells("flow(lambda: double(1), name='twice').run()")
        cells("%flow runs")
        assert "twice" in capsys.readouterr().out
    finally:
        interactive_flow.configure(store=None)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_options_and_commands_are_completed(cells, shell):
    assert "--max-workers" in shell.complete("--m", "%%flow --m", 10)[1]
    assert "processes" in shell.complete("p", "%%flow --executor p", 19)[1]
    assert "refresh" in shell.complete("r", "%flow r", 7)[1]


class Unwilling:
    """An executor that cannot be used."""

    capacity = 1

    def open(self, port):
        raise OSError("nobody is there")

    submit = cancel = close = open


def test_an_executor_that_fails_is_told_and_the_next_cell_begins_anew(cells, shell):
    shell.user_ns["unwilling"] = Unwilling()
    cells("%%flow\nx = double(1)")
    before = session_of(shell)
    result = cells("%%flow --executor unwilling\ny = double(2)")
    assert "nobody is there" in str(result.error_in_exec)
    assert before.is_over
    assert cells("%%flow\nz = double(x)\nz + 0").result == 4
    assert session_of(shell) is not before


def test_unloading_ends_the_session(shell):
    load_ipython_extension(shell)
    shell.run_cell("from interactive_flow import task\n")
    shell.run_cell("%%flow\nx = task(abs)(-1)")
    session = session_of(shell)
    unload_ipython_extension(shell)
    assert session.wait(TIMEOUT)
    assert session.is_over
    assert shell.run_cell("x + 0").result == 1


def test_nothing_is_left_behind_in_the_shell(cells, shell):
    own = dict(shell.__dict__)
    formatter = dict(shell.display_formatter.__dict__)
    cells("%%flow\nx = double(1)\n1 / 0")
    cells("%%flow\nx")
    assert [name for name in ("showtraceback", "run_line_magic") if name in shell.__dict__] == [
        name for name in ("showtraceback", "run_line_magic") if name in own
    ]
    assert ("format" in shell.display_formatter.__dict__) == ("format" in formatter)
    assert isinstance(shell.display_pub, CapturingDisplayPublisher)


def test_the_page_does_what_it_says(cells):
    text = (Path(__file__).parents[2] / "docs" / "flow_cells.md").read_text()
    claims = 0
    for block in re.findall(r"^```ipython\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        result = cells(block)
        assert result.success, block
        claim = re.search(r"# -> (.*)", block)
        if claim:
            claims += 1
            assert repr(result.result) == claim[1]
    assert claims == 2


# -- a real kernel -----------------------------------------------------------------------------------------------------


def texts(cell):
    return [o.data.get("text/plain") for o in cell.outputs if o.output_type in ("display_data", "execute_result")]


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def test_the_panel_of_the_newest_cell_shows_everything_and_the_others_their_own(kernel):
    first = kernel.run("%%flow --name left\na = double(1)")
    second = kernel.run("%%flow --name right --wait\nb = nap(a)")
    (panel,) = texts(second)
    assert panel.startswith(f"right · In [{second.execution_count}]  ✓ succeeded")
    assert "left" in panel
    assert "2 of 2 calls done" in panel
    (part,) = texts(first)
    assert "right" not in part
    assert "1 of 1 call done" in part
    html = second.outputs[0].data["text/html"]
    assert html.count("iflow-cluster") >= 2
    assert "<script" not in html
    kernel.run("%flow reset")


def test_stale_calls_are_told_in_text_and_markup_and_refreshed(kernel):
    kernel.run("%%flow --name one\na = double(1)\nother = double(5)")
    second = kernel.run("%%flow --name two\nsize = double(a)\nkept = double(other)")
    kernel.run("%%flow --name one\na = double(2)\nother = double(5)")
    text, html = second.outputs[0].data["text/plain"], second.outputs[0].data["text/html"]
    assert "△ stale: two/double#1" in text
    assert html.count('data-stale=""') == 2
    assert "△ 1 stale" in text
    refreshed = kernel.run("%flow refresh")
    assert "Ran two again: 1 call made, 1 call kept." in printed(refreshed)
    assert "stale" not in second.outputs[0].data["text/plain"]
    assert "4 of 4 calls done" in texts(refreshed)[0]
    assert texts(kernel.run("size + 0")) == ["8"]
    kernel.run("%flow reset")


def test_what_tasks_print_is_under_no_cell(kernel):
    kernel.run("say = task(lambda text: print(text), name='say')")
    cell = kernel.run("%%flow --wait\nprint('mine')\nsay('theirs')")
    assert printed(cell) == "mine\n"
    kernel.run("%flow reset")


def test_an_ordinary_cell_that_waits_says_so_and_then_forgets_it(kernel):
    kernel.run("%%flow\nx = nap(1)")
    cell = kernel.run("x + 1")
    assert texts(cell) == ["", "2"]
    kernel.run("%flow reset")


PENDING = """\
%%flow
import threading
gate = threading.Event()
pending = task(lambda: gate.wait(30), name="slow")()
"""

PROBES = [
    "pending",
    "[pending, {'a': pending}]",
    "pending?",
    "%whos",
    "%who_ls",
    "get_ipython().complete('pending.', 'pending.', 8)",
    "get_ipython().object_inspect_mime('pending', detail_level=0)",
    "pending if False else 'fine'",
    "_, __, ___",
    "%xmode Verbose\ndef f(x):\n    assert x is None\nf(pending)",
    "%xmode Context",
    "hasattr(pending, '_repr_html_'), dir(pending), vars().keys()",
    "other = pending; del other; pending2 = [pending]; del pending2",
    "%%flow\npending",
    "%%flow\ndisplay(pending)\n[pending]",
]


def test_looking_at_a_placeholder_does_not_wait_for_it(kernel):
    kernel.run(PENDING)
    for probe in PROBES:
        cell = kernel.run(probe)
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert not errors or "AssertionError" in probe or "assert" in probe
        state = kernel.run("from interactive_flow.engine.placeholder import call_of; print(call_of(pending).done)")
        assert printed(state) == "False\n", probe
    kernel.run("gate.set()")
    assert texts(kernel.run("pending == True")) == ["True"]
    kernel.run("%flow reset")


def test_the_debuggers_variables_do_not_wait_either(kernel):
    kernel.run(PENDING)
    client = kernel.client
    for command in ("inspectVariables", "debugInfo"):
        message = client.kc.session.msg(
            "debug_request", {"type": "request", "seq": 1, "command": command, "arguments": {}}
        )
        client.kc.control_channel.send(message)
        reply = kernel_reply(client, message["header"]["msg_id"])
        assert reply["content"].get("success", True) is not False or command == "inspectVariables"
    state = kernel.run("from interactive_flow.engine.placeholder import call_of; print(call_of(pending).done)")
    assert printed(state) == "False\n"
    kernel.run("gate.set()")
    kernel.run("%flow reset")


def kernel_reply(client, request):
    from jupyter_core.utils import run_sync

    message = {"parent_header": {}}
    while message["parent_header"].get("msg_id") != request:
        message = run_sync(client.kc.control_channel.get_msg)(timeout=20)
    return message


def test_a_kernel_with_a_session_shuts_down_at_once(fresh_kernel):
    fresh_kernel.run("%load_ext interactive_flow\nimport time\nfrom interactive_flow import task")
    fresh_kernel.run("%%flow\nx = task(time.sleep)(30)")
    # The fixture shuts the kernel down, and a hang would run into its timeout.


def test_code_that_the_front_end_runs_in_silence_does_not_end_a_cell(kernel):
    kernel.run("%%flow\nx = nap(1)")
    kernel.client.kc.execute("1 + 1", silent=True)
    assert texts(kernel.run("x + 1"))[-1] == "2"
    kernel.run("%flow reset")


PRESS = """\
import signal, threading
press = threading.Timer(0.3, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
press.start()
"""


@pytest.mark.parametrize("before", ["", "import asyncio\nawait asyncio.sleep(0)\n"], ids=["plain", "awaiting"])
@pytest.mark.parametrize("first", ["%%flow\n", ""], ids=["flow", "ordinary"])
def test_the_stop_button_ends_the_waiting(kernel, first, before):
    kernel.run("%%flow\nx = nap(1)\ny = nap(x)")
    cell = kernel.run(f"{first}{PRESS}{before}y + 1")
    assert cell.outputs[-1].ename == "KeyboardInterrupt"
    assert texts(kernel.run("y + 1"))[-1] == "2"
    assert printed(kernel.run("import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"))
    kernel.run("%flow reset")


def test_panels_without_widgets(kernel):
    kernel.run("import interactive_flow as iflow; iflow.configure(display='html')")
    first = kernel.run("%%flow --name left\na = nap(1)")
    second = kernel.run("%%flow --name right --wait\nb = nap(a)")
    for cell, number in ((first, "1 of 1 call done"), (second, "2 of 2 calls done")):
        (output,) = cell.outputs
        assert set(output.data) == {"text/html", "text/plain"}
        assert number in output.data["text/plain"]
    kernel.run("iflow.configure(display=None)")
    kernel.run("%flow reset")


def test_no_panels_where_none_are_wanted(kernel):
    kernel.run("import interactive_flow as iflow; iflow.configure(display='none')")
    cell = kernel.run("%%flow --wait\na = double(1)\ntask(print)('told')")
    assert printed(cell) == "told\n"
    assert [o.output_type for o in cell.outputs if o.output_type == "display_data"] == []
    kernel.run("iflow.configure(display=None)")
    kernel.run("%flow reset")


def test_a_saved_report_of_a_session(kernel, tmp_path):
    kernel.run("%%flow --wait --name one\na = double(1)")
    path = tmp_path / "session.html"
    assert str(path) in printed(kernel.run(f"%flow report {path}"))
    assert "one" in path.read_text(encoding="utf-8")
    kernel.run("%flow reset")

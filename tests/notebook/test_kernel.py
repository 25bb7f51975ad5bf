"""What a notebook gets, told by a real kernel: outputs as they would be saved."""

from __future__ import annotations

import re

import nbformat

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def printed(cell, stream="stdout"):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == stream)


def bundles(cell):
    """What a cell displayed, by MIME type; its result is the last one."""
    return [o.data for o in cell.outputs if o.output_type in ("display_data", "execute_result")]


def run_id(bundle):
    return re.match(r'<div data-iflow-run="(\w+)">', bundle["text/html"])[1]


def assert_final(bundle, word="succeeded"):
    assert set(bundle) == {"text/html", "text/plain"}
    assert word in bundle["text/plain"]
    assert "<svg" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]


def test_a_quick_run_shows_how_it_ended(kernel):
    panel, result = bundles(kernel.run("print('before'); quick.run()"))
    assert_final(panel)
    assert "quick" in panel["text/plain"]
    assert "3/3" in panel["text/plain"]
    assert result["text/plain"] == "[0, 2, 4]"


def test_a_long_run_ends_as_html_and_text_in_one_output(kernel):
    cell = kernel.run("slow.run()")
    panel, result = bundles(cell)
    assert_final(panel)
    assert result["text/plain"] == "[0, 1]"


def test_outputs_come_in_the_order_of_the_code(kernel):
    cell = kernel.run("print('a'); quick.run(); print('b'); x = slow.run(); print('c')")
    assert [o.get("text", "panel").strip() for o in cell.outputs] == ["a", "panel", "b", "panel", "c"]


def test_a_failed_run_shows_the_error_before_the_traceback(kernel):
    cell = kernel.run("flow(lambda: broken(1)).run()")
    panel, traceback = cell.outputs
    assert_final(panel.data, "failed")
    assert "OSError: no &lt;such&gt; thing as 1" in panel.data["text/html"]
    assert traceback.ename == "TaskError"


def test_loading_the_extension_again_changes_nothing(kernel):
    count = "print(sorted((k, len(v)) for k, v in get_ipython().events.callbacks.items()), end='')"
    before = printed(kernel.run(count))
    cell = kernel.run("%load_ext interactive_flow\n%reload_ext interactive_flow\n" + count)
    assert printed(cell).splitlines()[-1] == before
    (panel, _) = bundles(kernel.run("quick.run()"))
    assert_final(panel)


def test_no_extension_is_needed(fresh_kernel):
    fresh_kernel.run("from interactive_flow import flow, task")
    cell = fresh_kernel.run("t = task(abs)\nflow(lambda: [t(-1), t(2)]).run()")
    panel, result = bundles(cell)
    assert_final(panel)
    assert result["text/plain"] == "[1, 2]"
    assert "report" in printed(fresh_kernel.run("%flow help"))


def test_the_extension_can_be_unloaded(fresh_kernel):
    fresh_kernel.run("%load_ext interactive_flow")
    fresh_kernel.run("from interactive_flow import flow, task\nquick = flow(lambda: task(abs)(-1))\nquick.run()")
    fresh_kernel.run("%unload_ext interactive_flow")
    (error,) = fresh_kernel.run("%flow help").outputs
    assert "not found" in str(error)
    (result,) = bundles(fresh_kernel.run("quick.run()"))
    assert result["text/plain"] == "1"
    fresh_kernel.run("%load_ext interactive_flow")
    assert_final(bundles(fresh_kernel.run("quick.run()"))[0])


def test_calls_are_known_by_the_cell_and_line_that_made_them(kernel):
    cell = kernel.run("@flow\ndef here():\n    return double(1)\nhere.run()\nprint(here.last_run.calls[0].site)")
    first = cell.execution_count
    assert printed(cell) == f"cell {first}, line 3\n"
    assert printed(kernel.again(cell)) == f"cell {cell.execution_count}, line 3\n"
    assert cell.execution_count > first


def test_a_run_is_shown_as_itself(kernel):
    kernel.run("quick.run()")
    (panel,) = bundles(kernel.run("quick.last_run"))
    assert_final(panel)
    assert run_id(panel) == printed(kernel.run("print(quick.last_run.id)")).strip()


def test_a_run_in_the_background_is_live_wherever_it_is_shown(kernel):
    started = kernel.run("run = slow.start(); run")
    shown = kernel.run("run")
    for cell in (started, shown):
        (panel,) = bundles(cell)  # although it was both started and shown in the first one
        assert set(panel) == {WIDGET_VIEW, "text/html", "text/plain"}
        assert "running" in panel["text/plain"]
        assert "slow" in panel["text/plain"]
    kernel.run("run.result()")
    for cell in (started, shown):
        (panel,) = bundles(cell)
        assert_final(panel)
        assert "slow" in panel["text/plain"]


def test_a_run_in_the_background_that_nobody_asked_to_see_is_shown_under_its_cell(kernel):
    cell = kernel.run("run = slow.start()")
    kernel.run("run.result()")
    (panel,) = bundles(cell)
    assert_final(panel)


def test_a_loop_of_runs_leaves_a_bounded_number_of_panels(kernel):
    cell = kernel.run("for n in range(25):\n    quick.options(name=f'run{n}').run()")
    names = [re.search(r"run\d+", panel["text/plain"])[0] for panel in bundles(cell)]
    assert names == [f"run{n}" for n in [*range(9), 24]]
    assert len(bundles(kernel.again(cell))) == 10


def test_a_run_is_shown_in_text_where_nobody_wants_a_panel(kernel):
    (result,) = bundles(kernel.run("quick.options(display='none').run()"))
    assert result["text/plain"] == "[0, 2, 4]"


def test_an_unknown_display_is_told_with_those_there_are_and_the_run_goes_on(kernel):
    cell = kernel.run("quick.options(display='bogus').run()")
    assert "display='bogus': in a notebook there are 'auto', 'html', 'none'" in printed(cell, "stderr")
    assert bundles(cell)[-1]["text/plain"] == "[0, 2, 4]"


def test_warnings_of_ignored_errors_are_seen(kernel):
    cell = kernel.run("""from interactive_flow import wait
from interactive_flow.engine.placeholder import call_of
@flow
def careless():
    ignored = broken(1)
    while not call_of(ignored).done:  # else it may be given up before it fails, as nobody needs it
        wait(double(1))
    return 1
careless.run()""")
    assert "IgnoredTaskErrorWarning: broken#1 failed: OSError: no <such> thing as 1" in printed(cell, "stderr")


def test_what_tasks_print_is_in_the_panel_only(kernel):
    cell = kernel.run("@task\ndef talk(x):\n    print('said', x)\nflow(lambda: talk(42)).run()")
    assert printed(cell) == ""
    assert "said 42" in bundles(cell)[0]["text/html"]


def test_html_that_is_sent_anew_ends_the_same(kernel):
    panel, _ = bundles(kernel.run("slow.options(display='html').run()"))
    assert_final(panel)


def test_without_anywidget_the_panel_is_html_and_one_hint_is_given(fresh_kernel):
    fresh_kernel.run("import sys; sys.modules['anywidget'] = None")
    define = "from interactive_flow import flow, task\nquick = flow(lambda: task(abs)(-1))"
    first = fresh_kernel.run(f"{define}\nquick.run()")
    assert_final(bundles(first)[0])
    assert "RenderingHint" in printed(first, "stderr")
    assert "interactive_flow[notebook]" in printed(first, "stderr")
    second = fresh_kernel.run("quick.run()")
    assert_final(bundles(second)[0])
    assert printed(second, "stderr") == ""
    assert_final(bundles(fresh_kernel.run("quick.last_run"))[0])


def test_without_graphviz_the_graph_is_text(fresh_kernel):
    fresh_kernel.run("import interactive_flow.views.render as render\nrender.renderer = lambda: None")
    define = "from interactive_flow import flow, task\nquick = flow(lambda: task(abs)(-1))"
    panel, result = bundles(fresh_kernel.run(f"{define}\nquick.run()"))
    assert "data-node" not in panel["text/html"]
    assert "flowchart" in panel["text/html"]
    assert result["text/plain"] == "1"


def test_a_panel_that_cannot_be_drawn_leaves_the_run_alone(fresh_kernel):
    fresh_kernel.run(
        "import interactive_flow.notebook.picture as picture\n"
        "def fail(*_): raise RuntimeError('cannot draw')\n"
        "picture.header_html = picture.static_panel = fail"
    )
    cell = fresh_kernel.run("from interactive_flow import flow, task\nflow(lambda: task(abs)(-1)).run()")
    assert bundles(cell)[-1]["text/plain"] == "1"
    assert "cannot draw" in printed(cell, "stderr")


def test_an_interrupted_run_is_shown_as_cancelled(kernel):
    cell = kernel.run(
        "import _thread, threading\n"
        "@task\ndef forever(x):\n    _thread.interrupt_main()\n    threading.Event().wait(30)\n"
        "flow(lambda: forever(1)).run()"
    )
    panel, error = cell.outputs
    assert_final(panel.data, "cancelled")
    assert error.ename == "KeyboardInterrupt"


def test_the_notebook_is_valid(kernel):
    nbformat.validate(kernel.client.nb)


def test_a_stored_run_is_shown_as_it_was_left(kernel, tmp_path):
    kernel.run("import interactive_flow as iflow\nfrom interactive_flow.store import Store")
    kernel.run(f"path = {str(tmp_path / 'runs')!r}; stored = quick.options(store=path)\nstored.run()")
    (whole,) = bundles(kernel.run("iflow.open_run(stored.last_run.id, path)"))
    assert_final(whole)
    assert "3/3" in whole["text/plain"]
    kernel.run("events = stored.last_run._runner.engine.events.tail(0)[:-1]")
    kernel.run("with Store(path).begin('cut', 'quick') as recorder:\n    recorder.append(events)")
    cut = kernel.run("iflow.open_run('cut', path)")
    assert not printed(cut, "stderr")
    assert_final(bundles(cut)[-1], "interrupted")

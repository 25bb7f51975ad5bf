"""``%flow``, in a real kernel."""

from __future__ import annotations

import pytest


def printed(cell):
    return "".join(o.text for o in cell.outputs if o.output_type == "stream")


def test_help_names_every_command(kernel):
    text = printed(kernel.run("%flow help"))
    for command in ("graph", "timeline", "decisions", "report [PATH]"):
        assert f"%flow {command}" in text
    assert printed(kernel.run("%flow")) == text


def test_without_a_run_it_says_so(fresh_kernel):
    fresh_kernel.run("%load_ext interactive_flow")
    assert "no run" in printed(fresh_kernel.run("%flow graph"))


def test_views_of_the_last_run(kernel):
    kernel.run("slow.run(); quick.run()")
    (graph,) = kernel.run("%flow graph").outputs
    assert 'data-state="succeeded"' in graph.data["text/html"]
    assert "double" in graph.data["text/html"]
    assert "nap" not in graph.data["text/html"]
    assert "flowchart" in graph.data["text/plain"]
    (timeline,) = kernel.run("%flow timeline").outputs
    assert "<svg" in timeline.data["text/html"]
    assert "double" in printed(kernel.run("%flow decisions"))
    assert "quick" in printed(kernel.run("%flow report"))


def test_the_report_is_written_where_one_says(kernel, tmp_path):
    kernel.run("quick.run()")
    path = tmp_path / "a report.html"
    assert str(path) in printed(kernel.run(f"%flow report '{path}'"))
    assert "quick" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%flow bogus", "there are graph, timeline, decisions, report, refresh, cancel, reset, store, runs and help"),
        ("%flow graph now", "%flow graph"),
        ("%flow report a b", "%flow report [PATH]"),
        ("%flow report 'a", "No closing quotation"),
    ],
)
def test_mistakes_are_told(kernel, line, said):
    kernel.run("quick.run()")
    assert said in printed(kernel.run(line))


def test_commands_are_completed(kernel):
    offered = kernel.run("print(get_ipython().complete('d', '%flow d', 7)[1])")
    assert "decisions" in printed(offered)
    after = kernel.run("print(get_ipython().complete('', '%flow report ', 13)[1])")
    assert "decisions" not in printed(after)

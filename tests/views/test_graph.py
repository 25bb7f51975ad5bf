"""Nodes, edges, clusters and bars."""

from __future__ import annotations

import pytest
from view_streams import Stream, many, nested, recursive, troubled, video

from interactive_flow.model.states import CallKind
from interactive_flow.views.graph import OPEN_LIMIT, Graph, graph_model
from interactive_flow.views.states import node_states


def edges(graph: Graph, kind: str) -> set[tuple[str, str]]:
    return {(edge.tail, edge.head) for edge in graph.edges if edge.kind == kind}


def labels(graph: Graph) -> dict[str, str]:
    return {node.id: node.label for node in graph.nodes.values()}


def search(rounds: int, inside: bool = False) -> Stream:
    """A loop that waits for the best of three in each round; `inside` a sub-workflow each time."""
    s = Stream("search", workers=2)
    best = s.call("guess")
    s.start(best)
    s.succeed(best)
    for _ in range(rounds):
        maker = s.call("refine", best, kind=CallKind.WORKFLOW) if inside else 0
        tries = [s.call("try_one", best, parent=maker) for _ in range(3)]
        picked = s.call("pick", *tries, parent=maker)
        s.enter(maker or picked)
        for call in (*tries, picked):
            s.start(call)
            s.now += 0.1
            s.succeed(call)
        if maker:
            s.start(maker, None)
            s.succeed(maker)
        s.leave()
        best = maker or picked
    return s


def test_the_video_workflow() -> None:
    graph = graph_model(video().record())
    assert labels(graph) == {
        "n1": "embed_subtitles",
        "n2": "encode_video #1", "n3": "encode_video #2", "n4": "encode_video #3",
        "n5": "find_chapters",
        "n6": "extract_thumbnail #1", "n7": "extract_thumbnail #2",
        "n8": "extract_thumbnail #3", "n9": "extract_thumbnail #4",
        "b0": "",
    }  # fmt: skip
    assert edges(graph, "data") == {("n1", "n2"), ("n1", "n3"), ("n1", "n4")}
    assert edges(graph, "wait") == {("n5", "b0")}
    assert edges(graph, "order") == {("b0", f"n{i}") for i in (6, 7, 8, 9)}
    assert not graph.collapsed


def test_only_the_first_calls_after_a_bar_hang_on_it() -> None:
    graph = graph_model(search(3).record())
    order = edges(graph, "order")
    assert len(order) == 6  # three tries in each of the two rounds after a bar, and no `pick`
    assert all(graph.nodes[head].label.startswith("try_one") for _, head in order)


def test_barriers_without_a_call_between_them_are_one_bar() -> None:
    s = Stream()
    calls = [s.call("work") for _ in range(5)]
    for call in calls:
        s.enter(call)
        s.start(call)
        s.now += 1
        s.succeed(call)
        s.leave()
    s.call("sum_up")
    graph = graph_model(s.record())
    (bar,) = [node for node in graph.nodes.values() if node.kind == "barrier"]
    assert bar.calls == tuple(calls)
    assert len(bar.barriers) == 5
    assert edges(graph, "order") == {(bar.id, "n6")}


def test_calls_made_before_a_bar_do_not_hang_on_it() -> None:
    s = Stream()
    first, second = s.call("first"), s.call("second")
    s.enter(first)
    s.start(first)
    s.now = 1.0
    s.succeed(first)
    s.leave()
    third = s.call("third")
    graph = graph_model(s.record())
    assert edges(graph, "order") == {("b0", f"n{third}")}
    assert second not in graph.nodes["b0"].calls


def test_sub_workflows_are_clusters_with_bars_of_their_own() -> None:
    graph = graph_model(nested().record())
    for workflow, inside in (("n2", {"n5", "n7", "b0"}), ("n3", {"n6", "n8", "b1"})):
        assert graph.nodes[workflow].contains
        assert {node.id for node in graph.nodes.values() if node.cluster == workflow} == inside
    # The argument goes on to the calls inside, so no edge to the cluster is needed; its result leaves from there.
    assert ("n1", "n2") not in edges(graph, "data")
    assert {("n1", "n5"), ("n1", "n7"), ("n2", "n4"), ("n3", "n4")} <= edges(graph, "data")
    assert graph.inside("n5", "n2")
    assert not graph.inside("n5", "n3")


def test_a_combinator_follows_what_it_made() -> None:
    graph = graph_model(nested().record())
    assert edges(graph, "made") == {("n16", "n13")}
    # The numbers go into the sums, and only the last sum into the combinator.
    assert not any(head == "n13" for _, head in edges(graph, "data"))


def test_a_sub_workflow_without_calls_is_a_plain_node() -> None:
    s = Stream()
    s.call("after", s.call("sub", kind=CallKind.WORKFLOW))
    graph = graph_model(s.record())
    assert not graph.nodes["n1"].contains
    assert edges(graph, "data") == {("n1", "n2")}


# -- many calls ------------------------------------------------------------------------------------------------------


def test_equal_calls_collapse_above_the_limit() -> None:
    record = many(400, 240).record()
    graph = graph_model(record)
    assert graph.collapsed
    assert labels(graph) == {"g1": "download", "g201": "measure"}
    assert len(graph.nodes["g1"].calls) == 200
    assert edges(graph, "data") == {("g1", "g201")}
    assert not graph_model(record, collapse_above=400).collapsed


def test_the_number_of_equal_calls_is_not_part_of_the_shape() -> None:
    small, large = graph_model(many(400, 0).record()), graph_model(many(400, 240).record())
    assert [(n.id, n.label, n.grouped) for n in small.nodes.values()] == [
        (n.id, n.label, n.grouped) for n in large.nodes.values()
    ]


def test_an_opened_node_shows_its_calls() -> None:
    record = many(200, 120).record()
    graph = graph_model(record, opened=["g1"])
    assert len(graph.nodes) == OPEN_LIMIT + 2  # so many, the rest of them, and the other group
    assert graph.nodes["n1"].group == "g1"
    assert graph.nodes["n1"].label == "download #1"
    assert len(graph.nodes["g1"].calls) == 100 - OPEN_LIMIT
    assert graph_model(record, opened=["nonsense"]).nodes.keys() == graph_model(record).nodes.keys()


def test_loops_become_cycles() -> None:
    graph = graph_model(search(40).record())
    assert sorted(labels(graph).values()) == ["", "guess", "pick", "try_one"]
    ids = {label: id for id, label in labels(graph).items()}
    assert edges(graph, "wait") == {(ids["pick"], ids[""])}
    assert {(ids["try_one"], ids["pick"]), (ids["pick"], ids["try_one"])} <= edges(graph, "data")
    assert len(graph.nodes[ids[""]].barriers) == 40
    assert edges(graph, "order") == {(ids[""], ids["try_one"])}


def test_a_bar_that_waits_for_what_it_lets_go_on() -> None:
    s = Stream()
    for _ in range(100):
        call = s.call("poll")
        s.enter(call)
        s.start(call)
        s.now += 1
        s.succeed(call)
        s.leave()
    graph = graph_model(s.record())
    assert edges(graph, "wait") == {("g1", "b0")}
    assert edges(graph, "loop") == {("b0", "g1")}  # does not push the calls below the bar that they lead to
    assert edges(graph, "order") == set()


def test_equal_sub_workflows_are_one_cluster() -> None:
    graph = graph_model(search(40, inside=True).record())
    (cluster,) = [node for node in graph.nodes.values() if node.contains]
    assert (cluster.label, len(cluster.calls)) == ("refine", 40)
    assert {node.label for node in graph.nodes.values() if node.cluster == cluster.id} == {"try_one", "pick"}


def test_recursion_does_not_nest_for_ever() -> None:
    graph = graph_model(recursive(120).record())
    assert labels(graph) == {"g1": "count_down", "g2": "say"}
    assert len(graph.nodes["g1"].calls) == 120
    assert graph.nodes["g2"].cluster == "g1"


def test_ids_of_nodes_stay_when_the_run_goes_on() -> None:
    early, late = graph_model(video(0.3).record()), graph_model(video().record())
    for id, node in early.nodes.items():
        assert late.nodes[id].kind == node.kind
        assert late.nodes[id].calls == node.calls


# -- states ----------------------------------------------------------------------------------------------------------


def test_states_of_single_calls() -> None:
    states = node_states(graph_model(troubled().record()))
    assert [states[f"n{i}"]["state"] for i in (1, 3, 4, 11, 12, 13)] == [
        "succeeded", "failed", "timed_out", "cached", "cancelled", "cancelled",
    ]  # fmt: skip
    assert states["n1"]["badge"] == "↻2"
    assert states["n1"]["symbol"] == "✓"
    assert states["n3"]["title"].splitlines() == [
        "fetch#3: failed in 800 ms",
        "ValueError: <script>alert('no')</script> & more",
    ]
    assert states["n7"]["title"].splitlines()[-1].startswith("from fetch#3: ")


def test_a_running_call_tells_its_progress() -> None:
    states = node_states(graph_model(video(1.0).record()))
    assert states["n2"]["part"] == pytest.approx(0.4)
    assert states["n2"]["title"] == "encode_video#1: running\n40% frame 120 of 300"
    assert states["n1"]["part"] is None


def test_states_of_many_calls() -> None:
    state = node_states(graph_model(many(400, 240).record()))
    assert state["g1"]["detail"] == "120/200"
    assert state["g1"]["state"] == "running"
    assert state["g1"]["part"] == pytest.approx(0.6)
    assert state["g201"]["detail"] == "120/200 ✗1"
    assert state["g201"]["state"] == "failed"
    assert state["g201"]["counts"] == {"succeeded": 119, "failed": 1, "waiting": 80}
    assert state["g201"]["badge"] == "↻1"


def test_bars_stand_and_are_passed() -> None:
    before = node_states(graph_model(video(0.3).record()))["b0"]
    after = node_states(graph_model(video().record()))["b0"]
    assert (before["state"], after["state"]) == ("standing", "passed")
    assert after["title"] == "barrier at cell 7, line 6: waited 599 ms\nfor find_chapters#1"


def test_only_changed_nodes_are_told_and_all_bars() -> None:
    record = video(0.7).record()
    graph = graph_model(record)
    assert set(node_states(graph, [2])) == {"n2", "b0"}
    assert set(node_states(graph, [2, 999])) == {"n2", "b0"}  # a call younger than the graph
    assert node_states(graph, range(1, 10)) == node_states(graph)

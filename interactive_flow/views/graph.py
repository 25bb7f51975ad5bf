"""The graph of a run: nodes, edges and clusters, apart from how they are drawn.

`graph_model` is a fold over the shape of a record: which calls there are, what they depend on, which workflow made
them and where it stopped.  States are not part of it; `interactive_flow.views.states.node_states` tells them at any
later time, so that a live view lays the graph out once a shape and then only restyles it.

What becomes of what:

- a call is a node; a sub-workflow that made calls is a cluster around them, and edges begin and end at its border;
- a combinator or a rule that made calls is a node below them: what it made is part of how it gets its value;
- a barrier is a bar: the calls waited for lead into it, and the first calls that the same workflow made after it
  follow.  Barriers with no call between them are one bar;
- where there would be more than `collapse_above` nodes, equal calls (same name, same kind, made by the same workflow
  or by equal ones) are one node with a count, and barriers of the same line one bar.  A recursive workflow then is
  one node too, however deep it went.  Nodes named in `opened` show their calls one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from interactive_flow.model.events import Site
from interactive_flow.model.record import Barrier, CallRecord, RunRecord
from interactive_flow.model.states import CallKind
from interactive_flow.views.decisions import Advance, advances
from interactive_flow.views.markup import one_line

OPEN_LIMIT = 60
"""How many calls an opened node shows one by one; the rest stays together in one node."""

LABEL_LIMIT = 32
"""Characters of a name that a node shows."""

NodeKind: TypeAlias = Literal["task", "workflow", "combinator", "rule", "barrier"]
EdgeKind: TypeAlias = Literal["data", "made", "wait", "order", "loop"]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the graph.

    Attributes:
        id: letters and digits only, so that it needs no quoting in DOT, SVG, CSS or Mermaid; unique in the run.
        kind: ``"task"``, ``"workflow"``, ``"combinator"``, ``"rule"`` or ``"barrier"``.
        label: the name, and the number where the same workflow made several calls of that name.
        cluster: id of the cluster it lies in, None outside of all.
        calls: indexes of the calls it stands for; for a barrier those that it waits for.
        grouped: True where it stands for several calls, whose number is not part of the shape.
        contains: True where other nodes lie in it, so that it is drawn as a cluster.
        barriers: what a bar stands for, empty for all others.
        group: where the node was one of several in a node that is `opened`, the id of that one; else None.
    """

    id: str
    kind: NodeKind
    label: str
    cluster: str | None
    calls: tuple[int, ...]
    grouped: bool = False
    contains: bool = False
    barriers: tuple[Barrier, ...] = ()
    group: str | None = None


class Edge(NamedTuple):
    """An edge between two nodes, by their ids.

    The kinds: ``"data"``, a result is an argument; ``"made"``, a call made by a combinator or a rule leads to it;
    ``"wait"``, a bar waits for a call; ``"order"``, a call was made after a bar; ``"loop"``, the same, but back to a
    node that the bar also waits for (only where equal calls are drawn as one).
    """

    tail: str
    head: str
    kind: EdgeKind


@dataclass(slots=True)
class Graph:
    """Nodes and edges of a run, for one shape.

    Attributes:
        record: the record it was made from; `views.states.node_states` looks there.
        shape: the record's `shape` at that time.
        nodes: by id, each cluster before what lies in it.
        edges: each once; data edges first.
        node_of: the id of the node that stands for a call, by the call's index.
        collapsed: True where equal calls are drawn as one node.
    """

    record: RunRecord
    shape: int
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    node_of: dict[int, str] = field(default_factory=dict)
    collapsed: bool = False

    def inside(self, node: str | None, cluster: str) -> bool:
        """True where `node` is `cluster` or lies anywhere in it."""
        while node is not None:
            if node == cluster:
                return True
            node = self.nodes[node].cluster
        return False


def graph_model(record: RunRecord, collapse_above: int = 80, opened: Collection[str] = ()) -> Graph:
    """The graph of `record` as its shape is now.

    Args:
        record: the run.
        collapse_above: up to this many nodes every call has a node of its own.
        opened: ids of grouped nodes whose calls are to be shown one by one.
    """
    steps = advances(record)
    bars = sum(sum(1 for _ in _bars(s)) for s in steps.values())
    collapsed = len(record.calls) + bars > collapse_above
    return _Builder(record, steps, collapsed, frozenset(opened)).build()


class _Bar(NamedTuple):
    """Barriers with no call between them, and the calls made after the last of them."""

    barriers: list[Barrier]
    after: list[CallRecord]


def _bars(steps: list[Advance]) -> Iterator[_Bar]:
    barriers: list[Barrier] = []
    for step, following in pairwise(steps):
        assert step.barrier is not None  # only the last advance of a workflow has none
        barriers.append(step.barrier)
        if following.calls or following.barrier is None:
            yield _Bar(barriers, following.calls)
            barriers = []


class _Group:
    """A node while it is being put together."""

    __slots__ = ("id", "kind", "name", "cluster", "calls", "group", "ancestors")

    def __init__(self, id: str, call: CallRecord, cluster: _Group | None, group: str | None) -> None:
        self.id = id
        self.kind = call.kind
        self.name = call.name
        self.cluster = cluster
        self.calls: list[CallRecord] = []
        self.group = group
        # Workflows by name from here outwards: where a name comes again, the workflow is recursive.
        self.ancestors: dict[str, _Group] = {}
        if call.kind is CallKind.WORKFLOW:
            self.ancestors = {**cluster.ancestors, call.name: self} if cluster else {call.name: self}


class _Builder:
    def __init__(
        self, record: RunRecord, steps: dict[int, list[Advance]], collapsed: bool, opened: frozenset[str]
    ) -> None:
        self.record = record
        self.steps = steps
        self.opened = opened
        self.groups: dict[str, _Group] = {}
        self.firsts: dict[object, int] = {}
        self.positions = {id(barrier): position for position, barrier in enumerate(record.barriers)}
        self.bar_of_line: dict[tuple[str | None, Site], int] = {}
        self.bars: dict[str, list[Barrier]] = {}
        self.shown: Counter[str] = Counter()
        self.made: dict[int, list[CallRecord]] = {}
        self.edges: dict[tuple[str, str], EdgeKind] = {}
        self.graph = Graph(record, record.shape, collapsed=collapsed)

    def build(self) -> Graph:
        busy = {call.parent_index for call in self.record.calls} | self.steps.keys()
        for call in self.record.calls:
            if call.is_cell and call.index not in busy:
                continue  # of a cell that called nothing there is nothing to see
            group = self._group_for(call, self._scope(call.parent_index))
            group.calls.append(call)
            self.graph.node_of[call.index] = group.id
            if call.parent_index:
                self.made.setdefault(call.parent_index, []).append(call)
        self._add_nodes()
        for call in self.record.calls:
            if call.index in self.graph.node_of:
                self._add_edges(call)
        for workflow, steps in self.steps.items():
            self._add_bars(workflow, steps)
        self._fill_bars()
        self.graph.edges = [Edge(tail, head, kind) for (tail, head), kind in self.edges.items()]
        return self.graph

    # -- nodes ---------------------------------------------------------------------------------------------------

    def _scope(self, parent: int) -> _Group | None:
        """The workflow in whose cluster something made by call `parent` lies."""
        while parent:
            maker = self.record.by_index[parent]
            if maker.kind is CallKind.WORKFLOW:
                return self.groups[self.graph.node_of[parent]]
            parent = maker.parent_index
        return None

    def _group_for(self, call: CallRecord, scope: _Group | None) -> _Group:
        if not self.graph.collapsed:
            return self._new(f"n{call.index}", call, scope)
        if scope and call.kind is CallKind.WORKFLOW and call.name in scope.ancestors:
            return scope.ancestors[call.name]
        key = (scope.id if scope else None, call.kind, call.name)
        name = f"g{self.firsts.setdefault(key, call.index)}"
        if name in self.opened and self.shown[name] < OPEN_LIMIT:
            self.shown[name] += 1
            return self._new(f"n{call.index}", call, scope, name)
        return self.groups.get(name) or self._new(name, call, scope)

    def _new(self, id: str, call: CallRecord, scope: _Group | None, group: str | None = None) -> _Group:
        self.groups[id] = made = _Group(id, call, scope, group)
        return made

    def _add_nodes(self) -> None:
        clusters = {group.cluster.id for group in self.groups.values() if group.cluster}
        clusters.update(self.graph.node_of[w] for w, steps in self.steps.items() if w and steps[0].barrier)
        several = Counter((call.parent_index, call.name) for call in self.record.calls)
        for group in self.groups.values():
            first = group.calls[0]
            label = one_line(group.name, LABEL_LIMIT)
            if len(group.calls) == 1 and several[first.parent_index, first.name] > 1:
                label += f" #{first.number}"
            self.graph.nodes[group.id] = Node(
                id=group.id,
                kind=group.kind.value,
                label=label,
                cluster=group.cluster.id if group.cluster else None,
                calls=tuple(call.index for call in group.calls),
                grouped=len(group.calls) > 1,
                contains=group.id in clusters,
                group=group.group,
            )

    # -- edges ---------------------------------------------------------------------------------------------------

    def _add_edges(self, call: CallRecord) -> None:
        head = self.graph.node_of[call.index]
        made = self.made.get(call.index, ())
        consumed = {dependency for other in made for dependency in other.dependencies}
        for dependency in call.dependencies:
            # What goes on to the calls that this one made need not be drawn twice.
            if dependency not in consumed and dependency in self.graph.node_of:
                self._edge(self.graph.node_of[dependency], head, "data")
        if call.kind is not CallKind.WORKFLOW:
            for other in made:
                if other.index not in consumed:
                    self._edge(self.graph.node_of[other.index], head, "made")

    def _edge(self, tail: str, head: str, kind: EdgeKind) -> None:
        nodes = self.graph.nodes
        nested = (nodes[head].contains and self.graph.inside(tail, head)) or (
            nodes[tail].contains and self.graph.inside(head, tail)
        )
        if not nested:
            self.edges.setdefault((tail, head), kind)

    # -- bars ----------------------------------------------------------------------------------------------------

    def _add_bars(self, workflow: int, steps: list[Advance]) -> None:
        cluster = self.graph.node_of.get(workflow)
        for bar in _bars(steps):
            bar_id = self._bar_for(cluster, bar.barriers)
            for index in dict.fromkeys(i for barrier in bar.barriers for i in barrier.waits_on):
                if index not in self.graph.node_of:
                    continue
                self._edge(self.graph.node_of[index], bar_id, "wait")
            made = {call.index for call in bar.after}
            for call in bar.after:
                # The others come after these by their data.
                if made.isdisjoint(call.dependencies):
                    head = self.graph.node_of[call.index]
                    self._edge(bar_id, head, "loop" if (head, bar_id) in self.edges else "order")

    def _bar_for(self, cluster: str | None, barriers: list[Barrier]) -> str:
        first = barriers[0]
        position = self.positions[id(first)]
        if self.graph.collapsed and first.site:
            position = self.bar_of_line.setdefault((cluster, first.site), position)
        name = f"b{position}"
        if name not in self.bars:
            self.bars[name] = []
            self.graph.nodes[name] = Node(name, "barrier", "", cluster, ())
        self.bars[name] += barriers
        return name

    def _fill_bars(self) -> None:
        for name, barriers in self.bars.items():
            waits_on = dict.fromkeys(i for barrier in barriers for i in barrier.waits_on)
            self.graph.nodes[name] = replace(
                self.graph.nodes[name], calls=tuple(waits_on), barriers=tuple(barriers), grouped=len(barriers) > 1
            )

"""Mermaid flowcharts."""

from __future__ import annotations

import re

from view_streams import Stream, many, nested, video

from interactive_flow.views.mermaid import mermaid


def test_the_video_workflow() -> None:
    assert mermaid(video(0.7).record()).splitlines() == [
        "flowchart TD",
        '  n1("✓ embed_subtitles"):::succeeded',
        '  n2("◐ encode_video #35;1"):::running',
        '  n3("◐ encode_video #35;2"):::running',
        '  n4("◎ encode_video #35;3"):::ready',
        '  n5("✓ find_chapters"):::succeeded',
        '  n6("◎ extract_thumbnail #35;1"):::ready',
        '  n7("◎ extract_thumbnail #35;2"):::ready',
        '  n8("◎ extract_thumbnail #35;3"):::ready',
        '  n9("◎ extract_thumbnail #35;4"):::ready',
        '  b0["barrier"]:::barrier',
        "  n1 --> n2",
        "  n1 --> n3",
        "  n1 --> n4",
        "  n5 --> b0",
        "  b0 -.- n6",
        "  b0 -.- n7",
        "  b0 -.- n8",
        "  b0 -.- n9",
        "  classDef ready fill:#ebedf7,stroke:#5c6bc0,stroke-width:1.2px,color:#24292f",
        "  classDef running fill:#e3effa,stroke:#1976d2,stroke-width:2px,color:#24292f",
        "  classDef succeeded fill:#e6efe6,stroke:#2e7d32,stroke-width:1.2px,color:#24292f",
        "  classDef barrier fill:#404040,stroke:#404040,color:#ffffff",
    ]


def test_sub_workflows_are_subgraphs() -> None:
    lines = mermaid(nested().record()).splitlines()
    assert '  subgraph n2 ["✓ resize #35;1"]' in lines
    assert lines.count("  end") == 2
    assert '  n13(["○ parallel_reduce"]):::waiting' in lines


def test_labels_cannot_break_out() -> None:
    s = Stream()
    s.call('x"]; click n1 "javascript:1" <b> `a` #quot; end')
    (line,) = [line for line in mermaid(s.record()).splitlines() if line.startswith("  n1(")]
    label = re.fullmatch(r'  n1\("(.*)"\):::ready', line)
    assert label is not None
    assert not re.search(r'["<>`\[\]()]', label[1])


def test_many_calls_are_one_node() -> None:
    assert '  g1("◐ download 120/200"):::running' in mermaid(many(400, 240).record())


def test_nothing() -> None:
    assert mermaid(Stream().record()) == "flowchart TD\n"

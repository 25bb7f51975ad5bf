"""The code around a line."""

from __future__ import annotations

import linecache

from view_streams import SOURCE, Stream, video

from interactive_flow.model.events import Site
from interactive_flow.views import sources
from interactive_flow.views.sources import LINES_SHOWN, Sources


def site_here() -> Site:
    return Site(__file__, site_here.__code__.co_firstlineno + 1, "site_here")


def test_the_runs_own_source_is_what_it_was_then() -> None:
    found = Sources(video().record())
    listing = found.at(Site("<cell>", 6, "run", 7))
    assert listing is not None
    assert (listing.title, listing.recorded, "\n".join(listing.lines)) == ("process_video", True, SOURCE.rstrip("\n"))
    assert found.line(Site("<cell>", 4, "run", 7)) == "subtitled = embed_subtitles(video, subtitles)"
    assert len(found.listings) == 1


def test_lines_elsewhere_are_looked_up_where_they_stand_now() -> None:
    found = Sources(video().record())
    listing = found.at(site_here())
    assert listing is not None
    assert not listing.recorded
    assert listing.title == "site_here"
    assert listing.lines == (
        "def site_here() -> Site:",
        '    return Site(__file__, site_here.__code__.co_firstlineno + 1, "site_here")',
    )
    assert found.line(site_here()).startswith("return Site(")
    assert found.number(site_here()) == 0


def test_what_cannot_be_found_is_not_there() -> None:
    found = Sources(Stream().record())
    for site in (Site("/no/such/file.py", 1, "f"), Site(__file__, 10**6, "f"), Site("<cell>", 99, "f"), None):
        assert found.number(site) is None
        assert found.at(site) is None
        assert found.line(site) == ""


def test_code_that_cannot_be_parsed_is_shown_around_the_line() -> None:
    lines = [f"%magic {n}\n" for n in range(30)]
    linecache.cache["<cell with magics>"] = (1, None, lines, "<cell with magics>")
    listing = Sources(Stream().record()).at(Site("<cell with magics>", 10, "f"))
    assert listing is not None
    assert (listing.first_line, len(listing.lines)) == (10 - sources.AROUND, 2 * sources.AROUND + 1)


def test_long_functions_are_cut() -> None:
    lines = ["def long():\n", *[f"    x = {n}\n" for n in range(2 * LINES_SHOWN)]]
    linecache.cache["<long>"] = (1, None, lines, "<long>")
    found = Sources(Stream().record())
    for line in (2, LINES_SHOWN, 2 * LINES_SHOWN):
        listing = found.at(Site("<long>", line, "long"))
        assert listing is not None
        assert len(listing.lines) <= LINES_SHOWN
        assert found.line(Site("<long>", line, "long")) == f"x = {line - 2}"

"""Which line made a call, also in functions that come and go."""

from __future__ import annotations

import sys

import pytest

from interactive_flow.runtime import sites


def test_each_place_of_a_function_has_its_line() -> None:
    first = sites.site_of(sys._getframe())
    second, third = sites.site_of(sys._getframe()), sites.site_of(sys._getframe())
    assert first[:3] == (__file__, second[1] - 1, "test_each_place_of_a_function_has_its_line")
    assert second == third


def test_functions_that_were_forgotten_do_not_lend_their_lines_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sites, "_MOST", 3)
    monkeypatch.setattr(sites, "_sites", {})
    for line in range(1, 30):
        space: dict[str, object] = {"site_of": sites.site_of, "sys": sys}
        exec(compile("\n" * line + "site = site_of(sys._getframe())", f"<cell {line}>", "exec"), space)
        assert space["site"] == (f"<cell {line}>", line + 1, "<module>", None)
        assert len(sites._sites) <= 3

"""Tasks that are looked up before they run, and a journal that tells which of them ran."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class Journal:
    """Lines in a file, so that tasks can write to it from wherever they run; no part of any fingerprint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __flow_fingerprint__(self) -> str:
        return "journal"

    def note(self, *what: Any) -> None:
        """Adds a line."""
        with self.path.open("a") as file:
            file.write(" ".join(map(str, what)) + "\n")

    def taken(self) -> list[str]:
        """The lines since the last time, in no order that matters."""
        lines = sorted(self.path.read_text().splitlines()) if self.path.exists() else []
        self.path.write_text("")
        return lines

"""What the Decisions tab asks its kernel for: pages of steps, and the advice on a run that has many calls.

Nothing of it is worked out before somebody opens the tab, and what is sent is rationed like all the rest.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from interactive_flow.notebook.pace import Allowance
from interactive_flow.runtime.run import Run
from interactive_flow.views.advice import analyse
from interactive_flow.views.advice_words import advice_html
from interactive_flow.views.travel import Travel

log = logging.getLogger("interactive_flow")

RATE, BURST = 8_000, 200_000
"""Bytes a second for pages, and bytes at once after a silence."""

AGAIN = 0.5
"""Seconds after which the front end asks again where its ration is used up."""


class Teller:
    """Answers the Decisions tab of one widget."""

    def __init__(self) -> None:
        self._allowance = Allowance(RATE, BURST)
        self._travel: Travel | None = None
        self._seen = -1
        self._advice: str | None = None

    def answer(self, run: Run, wanted: str, question: dict[str, Any]) -> dict[str, Any] | None:
        """What is `wanted`, ``"page"`` or ``"advice"``; None where it cannot be told."""
        try:
            return self.page(run, question) if wanted == "page" else self.advice(run, question)
        except RuntimeError:
            return {"again": AGAIN}  # the record was folded by another thread meanwhile
        except Exception:
            log.exception("the decisions of run %s could not be told", run.id)
            return None

    def page(self, run: Run, question: dict[str, Any]) -> dict[str, Any]:
        """A page of steps; ``{"again": seconds}`` where none may be sent yet.

        Args:
            run: the run.
            question: ``first`` and ``known``, as of `Travel.page`.
        """
        now = time.monotonic()
        if not self._allowance.due(now):
            return {"again": AGAIN}
        record = run.record()
        if self._travel is None or record.seen != self._seen or self._travel.record is not record:
            self._seen = record.seen
            self._travel = Travel(record)
        known = [number for number in question.get("known", ()) if isinstance(number, int)]
        page = self._travel.page(int(question.get("first", 0)), known)
        self._allowance.spend(now, len(str(page)))
        return page

    def advice(self, run: Run, question: dict[str, Any]) -> dict[str, Any]:
        """The advice as HTML."""
        if self._advice is None:
            record = run.record()
            self._advice = advice_html(record, analyse(record))
        return {"html": self._advice}

"""How a workflow is run: options of one workflow, and the session's defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from interactive_flow.store import Store, open_store


@dataclass(frozen=True, slots=True)
class Options:
    """What `Workflow.options` and `configure` take; None leaves it to the session's default.

    Attributes:
        executor: ``"threads"``, ``"processes"``, ``"async"``, ``"inline"``, a `concurrent.futures.Executor`, or an
            object with the executor protocol (see `interactive_flow.executors`).
        max_workers: how many tasks run at once.
        rate_limit: how many tasks begin in a second, at most.
        strategy: how the workflow's code is suspended at a barrier: ``"resume"`` (it is parked where it stands) or
            ``"replay"`` (it is run again from the top, and finds the known results on its way).
        display: ``"auto"`` (a live panel in a notebook, nothing in a script), ``"terminal"`` or ``"none"``.
        name: what the workflow is called in records and panels.
        store: the directory (or the `Store`) in which its runs are kept; without one they end with the process.
        resume: with a store, whether a run that was interrupted is continued when the workflow is run again with the
            same arguments: ``"auto"`` (it is) or ``"never"``.
        cache: whether results are kept and used again, in the store, or in memory without one.  Of one workflow: its
            own result, as a whole.  Of the session: those of all tasks that do not say ``cache=False``.
    """

    executor: Any = None
    max_workers: int | None = None
    rate_limit: float | None = None
    strategy: str | None = None
    display: str | None = None
    name: str | None = None
    store: str | os.PathLike[str] | Store | None = None
    resume: str | None = None
    cache: bool | None = None

    def with_(self, given: dict[str, Any], where: str) -> Options:
        """A copy with `given` in place.

        Raises:
            TypeError: there is no such option; the message names those there are.
            ValueError: an option is out of range.
        """
        known = [field.name for field in fields(self)]
        for name in given:
            if name not in known:
                raise TypeError(f"{where}: there is no option {name!r}; there are {', '.join(known)}")
        workers = given.get("max_workers")
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ValueError(f"{where}: max_workers={workers!r}; at least one worker is needed")
        rate = given.get("rate_limit")
        if rate is not None and not (isinstance(rate, int | float) and rate > 0):
            raise ValueError(f"{where}: rate_limit={rate!r}; a rate is a positive number of tasks a second")
        if given.get("strategy") not in (None, "resume", "replay"):
            raise ValueError(f"{where}: strategy={given['strategy']!r}; there are 'resume' and 'replay'")
        display = given.get("display")
        if display is not None and not isinstance(display, str):
            raise TypeError(f"{where}: display={display!r}; there are 'auto', 'none' and 'terminal'")
        store = given.get("store")
        if store is not None and not isinstance(store, str | os.PathLike | Store):
            raise TypeError(f"{where}: store={store!r}; a store is the path of a directory, or a Store")
        if given.get("resume") not in (None, "auto", "never"):
            raise ValueError(f"{where}: resume={given['resume']!r}; there are 'auto' and 'never'")
        if given.get("cache") not in (None, True, False):
            raise TypeError(f"{where}: cache={given['cache']!r}; there are True and False")
        return replace(self, **given)


_session = Options()


def configure(**options: Any) -> None:
    """Sets the session's defaults for what `Workflow.options` takes; None takes a default back.

    Raises:
        TypeError: there is no such option, or it cannot have a default for all workflows.

    Example:
        >>> iflow.configure(max_workers=16, display="none")
    """
    global _session
    if "name" in options:
        raise TypeError("configure(): name belongs to one workflow; use wf.options(name=…)")
    _session = _session.with_(options, "configure()")


def session() -> Options:
    """The session's defaults."""
    return _session


def effective(own: Options) -> Options:
    """A workflow's own options, with the session's defaults where it has none."""
    return Options(
        *(mine if mine is not None else default for mine, default in zip(_values(own), _values(_session), strict=True))
    )


def store_of(store: str | os.PathLike[str] | Store | None, where: str) -> Store:
    """The store that is meant: this one, or the session's.

    Raises:
        ValueError: neither is given.
        StoreError: it cannot be opened.
    """
    meant = _session.store if store is None else store
    if meant is None:
        raise ValueError(f"{where}: no store is given, and the session has none; see configure(store=…)")
    return open_store(meant)


def _values(options: Options) -> list[Any]:
    return [getattr(options, field.name) for field in fields(options)]

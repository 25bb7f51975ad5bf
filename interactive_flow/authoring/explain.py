"""Why a call would be run, or would not: what `Task.explain` gives."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from interactive_flow.authoring.options import session
from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import FingerprintError
from interactive_flow.runtime.results import cache_of, key_of
from interactive_flow.runtime.run import last_run
from interactive_flow.store import open_store

if TYPE_CHECKING:
    from interactive_flow.engine.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether a call would be reused.

    Attributes:
        name: of the task.
        reused: True where its value is known.
        reasons: why it would run, in sentences, where it would; else where the value comes from.
    """

    name: str
    reused: bool
    reasons: tuple[str, ...]

    def __bool__(self) -> bool:
        return self.reused

    def __str__(self) -> str:
        return f"{'reused' if self.reused else 'not reused'}: {'; '.join(self.reasons)}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(reason)}</li>" for reason in self.reasons)
        word = "would be reused" if self.reused else "would run"
        return f"<div><b>{escape(self.name)}</b> {word}<ul>{items}</ul></div>"


def explain(spec: TaskSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explanation:
    """What there is to say of a call with these arguments, all of them plain values.

    Raises:
        StoreError: the store cannot be read.
    """
    name = spec.name
    if not (spec.cache or (session().cache and spec.cache is None)):
        way_out = "the task says so" if spec.cache is False else "see task(cache=True) and configure(cache=True)"
        return Explanation(name, False, (f"cache is off: {way_out}",))
    try:
        key = key_of(spec, args, kwargs)
    except Exception as error:
        return Explanation(name, False, (str(error) if isinstance(error, FingerprintError) else brief_error(error),))
    from interactive_flow.store.cache import Reasons

    cache = _cache().session()
    try:
        found = cache.find(key)
        if found is not None:
            return Explanation(name, True, (f"run {found.run} computed it in {found.seconds:.3g} s",))
        reasons = Reasons(cache).why_not(key, name)
    finally:
        cache.close()
    return Explanation(name, False, tuple(reasons) or ("never run before",))


def _cache() -> Any:
    """Where the next run would look, as far as one can know."""
    if session().store is not None:
        return cache_of(open_store(session().store))  # type: ignore[arg-type]
    run = last_run()
    return cache_of(run.store if run is not None else None)

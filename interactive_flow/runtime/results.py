"""What one run knows of results that were kept: keys, the session with the cache, and what is to be written.

For one thread at a time; `interactive_flow.runtime.cache` says when what is asked.  Whatever goes wrong here costs the
run nothing but time: the call runs, and people are told when the run is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from interactive_flow.model.brief import brief_error
from interactive_flow.model.errors import FingerprintError
from interactive_flow.store.errors import StoreError
from interactive_flow.store.values import Packed, decode

if TYPE_CHECKING:
    from interactive_flow.store import Store
    from interactive_flow.store.cache import CacheSession, Entry, Reasons, ResultCache
    from interactive_flow.store.fingerprint import CallKey

_BATCH = 256
"""Results that are held before they are written."""

_BYTES = 32 * 1024 * 1024
"""The same for bytes of values."""


class Caching(NamedTuple):
    """How a run uses results that were kept."""

    all_tasks: bool = False
    """Whether that goes for every task that does not say otherwise."""
    store: Store | None = None
    """Where they are kept; None: in memory."""


NO_CACHING = Caching()
"""Only that of tasks and workflows that ask for it, in memory."""


class Known(NamedTuple):
    """A value that was kept."""

    value: Any
    seconds: float
    """What it took when it was computed."""
    run: str
    """The id of the run that did."""


class Answer(NamedTuple):
    """What was found out about a call."""

    key: CallKey | None = None
    """None where the call has none."""
    known: Known | None = None
    reason: str | None = None
    """Why it has to run, where there is something to tell."""


def cache_of(store: Store | None) -> ResultCache:
    """The cache of runs with this store; without one, that of this process."""
    if store is not None:
        return store.cache
    from interactive_flow.store.memory import memory_cache

    return memory_cache


def key_of(spec: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallKey:
    """The key of a call of a task or a workflow; raises FingerprintError, and what people's hooks raise."""
    from interactive_flow.store.fingerprint import call_key

    return call_key(_code_of(spec), args, kwargs)


def _code_of(spec: Any) -> Any:
    keyed_by = getattr(spec, "keyed_by", None)
    return spec.fn if keyed_by is None else keyed_by()


class Results:
    """Those of one run.

    Args:
        run: its id.
        store: where results are kept; None: in memory.
    """

    def __init__(self, run: str, store: Store | None) -> None:
        self._run, self._store = run, store
        self._warnings: dict[tuple[str, str], str] = {}
        self._unwritten: dict[str, Entry] = {}
        self._held = 0
        self._session: CacheSession | None = None
        self._reasons: Reasons | None = None
        self._broken = False

    def complaints(self) -> list[str]:
        """What is to be told to people when the run is over, in sentences."""
        return list(self._warnings.values())

    def _warn(self, name: str, kind: str, text: str) -> None:
        self._warnings.setdefault((name, kind), text)

    # -- the session ----------------------------------------------------------------------------------------------

    def _open(self) -> CacheSession | None:
        """The session with the cache; None where it is of no use any more."""
        if self._session is None and not self._broken:
            from interactive_flow.store.cache import Reasons

            try:
                self._session = cache_of(self._store).session()
                self._reasons = Reasons(self._session)
            except StoreError as error:
                self._give_up(error)
        return None if self._broken else self._session

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        self._unwritten.clear()
        self._warn("", "store", f"nothing was kept for later runs, nor looked up, any more: {brief_error(error)}")

    def leave(self) -> None:
        """Writes what is left and closes the session; another thread may go on with one of its own."""
        self.write()
        session, self._session, self._reasons = self._session, None, None
        if session is not None:
            try:
                session.close()
            except StoreError as error:
                self._give_up(error)

    # -- looking up -----------------------------------------------------------------------------------------------

    def look_up(self, spec: Any, arguments: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]) -> Answer:
        """What there is of a call of this task or workflow with what `arguments` gives; raises nothing."""
        session = self._open()
        if session is None:
            return Answer()
        name = spec.name
        try:
            key = key_of(spec, *arguments())
        except Exception as error:
            text = str(error) if isinstance(error, FingerprintError) else brief_error(error)
            self._warn(
                name,
                "key",
                f"calls of {name} are not cached: {text}; files can be given as content(path), and cache=False says "
                f"that {name} need not be",
            )
            return Answer(reason=f"not cached: {text}")
        try:
            return self._find(session, name, key)
        except Exception as error:
            text = brief_error(error)
            self._warn(name, "value", f"a kept result of {name} could not be used and is computed again: {text}")
            return Answer(key, reason=f"the kept result could not be used: {text}")

    def _find(self, session: CacheSession, name: str, key: CallKey) -> Answer:
        new = self._unwritten.get(key.digest)
        if new is not None:
            return Answer(key, _known(new))
        found = session.find(key)
        if found is not None:
            return Answer(key, Known(session.value(found), found.seconds, found.run))
        assert self._reasons is not None
        return Answer(key, reason="; ".join(self._reasons.why_not(key, name)) or None)

    # -- keeping --------------------------------------------------------------------------------------------------

    def keep(self, spec: Any, key: CallKey, packed: Packed, seconds: float, copies: int = 0) -> list[Answer]:
        """Notes a result that is to be written, unless it would be wrong; raises nothing.

        Args:
            spec, key: of the call that gave it.
            packed: the value.
            seconds: what it took.
            copies: how many equal calls there are to answer.
        """
        from interactive_flow.store.cache import Entry

        if packed.format and not self._is_stale(spec, key):
            entry = self._unwritten[key.digest] = Entry(key, spec.name, packed, self._run, seconds)
            self._held += packed.size
            return [Answer(key, _known(entry)) for _ in range(copies)]
        if not packed.format:
            text = f"what {spec.name} gives cannot be kept: {packed.data!s}; cache=False says that it need not be"
            self._warn(spec.name, "value", text)
        return [Answer()] * copies

    def _is_stale(self, spec: Any, key: CallKey) -> bool:
        """True where the code has changed, by itself or by somebody who ran another cell: who knows which gave it?"""
        from interactive_flow.store.fingerprint import code_fingerprint, explain_change

        try:
            changed = explain_change(key.code, code_fingerprint(_code_of(spec)))
        except FingerprintError as error:
            changed = [str(error)]
        if changed:
            self._warn(spec.name, "code", f"what {spec.name} gave was not kept, since meanwhile {'; '.join(changed)}")
        return bool(changed)

    @property
    def holds(self) -> bool:
        """True where something is to be written."""
        return bool(self._unwritten)

    @property
    def is_full(self) -> bool:
        """True where it should be written now."""
        return len(self._unwritten) >= _BATCH or self._held >= _BYTES

    def write(self) -> None:
        """Writes what was noted."""
        session = self._open() if self._unwritten else None
        if session is not None:
            try:
                session.keep(list(self._unwritten.values()))
            except StoreError as error:
                self._give_up(error)
        self._unwritten.clear()
        self._held = 0


def _known(entry: Entry) -> Known:
    return Known(decode(entry.packed), entry.seconds, entry.run)

"""What stands for a stored value until somebody uses it, and for an exception whose class may not exist here."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from lazy_object_proxy import Proxy

from interactive_flow.store.values import Packed, Values

_factory: Callable[[Any], Any] = Proxy.__factory__.__get__
_resolved: Callable[[Any], bool] = Proxy.__resolved__.__get__
_wrapped: Callable[[Any], Any] = Proxy.__wrapped__.__get__


class Loader:
    """Loads a value when it is called."""

    __slots__ = ("packed", "values")

    def __init__(self, values: Values, packed: Packed) -> None:
        self.values = values
        self.packed = packed

    def __call__(self) -> Any:
        return self.values.unpack(self.packed)


class StoredValue(Proxy):  # type: ignore[misc]
    """Behaves like the value it stands for, which is loaded when it is first used.

    Only its ``repr`` loads nothing: it is the text that was stored along with the value, until that is there.
    `loaded` gives the value itself, for what looks past methods (``is``, ``type(…)``, ``match``).
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(_wrapped(self)) if _resolved(self) else str(_factory(self).packed.text)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return loaded, (_wrapped(self),)


def stored_value(values: Values, packed: Packed) -> StoredValue:
    """The stand-in for a value."""
    return StoredValue(Loader(values, packed))


def loaded(value: Any) -> Any:
    """The value itself, loaded now if `value` stands for one; anything else as it is.

    Raises:
        StoreError, Exception: see `Values.unpack`.
    """
    return _wrapped(value) if type(value) is StoredValue else value


def loader_of(value: Any) -> Loader | None:
    """Where a stand-in gets its value from; None for anything else.  Loads nothing."""
    if type(value) is StoredValue:
        found: Loader = _factory(value)
        return found
    return None


class Shown:
    """Stands for an argument of which only the text was kept that shows it."""

    __slots__ = ("text",)
    __flow_shown__ = True  # for whoever must not take it for the argument itself

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return type(other) is Shown and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class RemoteTraceback(Exception):
    """The cause of a `StoredException`: the traceback as it was printed where the exception was raised."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text.rstrip()}\n"""'


class StoredException(Exception):
    """Stands for an exception that a task raised in another process, perhaps long ago.

    Its class has the name of the original's, its text is the original's, and its ``__cause__`` the original traceback
    with all that it says about causes.

    Attributes:
        causes: what led to it, the nearest first: (class, text) for each.
    """

    def __init__(self, text: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.causes = causes
        self._loader: Loader | None = None

    def __reduce__(self) -> Any:
        kind = type(self)
        return stored_exception, (kind.__module__, kind.__qualname__, str(self), self.traceback, self.causes, None)

    @property
    def loader(self) -> Loader | None:
        """Where the exception itself comes from."""
        return self._loader

    @property
    def traceback(self) -> str:
        """The original traceback, as it was printed; empty where there was none."""
        return self.__cause__.text if isinstance(self.__cause__, RemoteTraceback) else ""

    def original(self) -> BaseException:
        """The exception itself.

        Raises:
            StoreError, Exception: it could not be stored, or its class is not defined here; see `Values.unpack`.
        """
        if self._loader is None:
            return self
        found: BaseException = self._loader()
        return found


def stored_exception(
    module: str, name: str, text: str, traceback: str, causes: tuple[tuple[str, str], ...], loader: Loader | None
) -> StoredException:
    """The stand-in for an exception."""
    made = _class_of(module, name)(text, causes)
    made._loader = loader
    if traceback:
        made.__cause__ = RemoteTraceback(traceback)
    return made


@lru_cache(maxsize=256)
def _class_of(module: str, name: str) -> type[StoredException]:
    # With the module too, Python prints it as it would print the original.
    return type(name.rpartition(".")[2], (StoredException,), {"__module__": module, "__qualname__": name})

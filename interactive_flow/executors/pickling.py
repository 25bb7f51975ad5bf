"""How functions, arguments, results and errors get from one process to another.

*Values* are pickled by the standard library, which takes half a microsecond for small ones; where that does not do, by
cloudpickle, which also takes what has no name to be found by on the other side: functions and classes of notebooks
and scripts, closures, lambdas.

*Functions* that can be imported are named, not copied, also where the name now stands for a `Task` made of the
function: a copy would come with copies of the module's locks, caches and counters.

*Errors* come with their traceback as a text, and arrive as what they are, so that ``retry=Retry(on=OSError)`` and
``except`` mean the same as in threads.  An error that cannot be pickled whole comes with those of its parts that can.

What cannot be sent is told by name: the task, the argument, the variable of a closure.
"""

from __future__ import annotations

import copyreg
import inspect
import pickle
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from io import BytesIO
from pickle import PicklingError
from typing import Any

from interactive_flow.engine.placeholder import Placeholder, call_of
from interactive_flow.executors.errors import RemoteError, RemoteTraceback

ATOMS = frozenset([int, float, bool, type(None)])
"""The types of values that cannot change and are always small."""

_PROTOCOL = 5
_plain_dumps = pickle.dumps
HOW = "pip install 'interactive_flow[processes]'"
"""How to get what is missing."""


def require_cloudpickle() -> Any:
    """The module.

    Raises:
        ImportError: it is missing; the message says how to get it.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise ImportError(f"tasks in other processes need cloudpickle: {HOW}") from error
    return cloudpickle


# -- values -----------------------------------------------------------------------------------------------------------


def dumps(value: Any) -> bytes:
    """Pickles `value`, with whatever of it cannot be imported copied along.

    Raises:
        Exception: it cannot be pickled; which exception is for its classes to say.
    """
    try:
        data = _plain_dumps(value, _PROTOCOL)
    except Exception:
        pass
    else:
        # What is in `__main__` cannot be imported: another process has another one.
        if b"__main__" not in data:
            return data
    return _dumps_by_value(value)


loads: Callable[[bytes], Any] = pickle.loads
"""The value that `dumps` pickled."""


def best_dumps() -> Callable[[Any], bytes]:
    """`dumps`, or what does the same for somebody who has asked cloudpickle to copy modules that can be imported."""
    return _dumps_by_value if require_cloudpickle().list_registry_pickle_by_value() else dumps


def _dumps_by_value(value: Any) -> bytes:
    buffer = BytesIO()
    _pickler_class()(buffer, protocol=_PROTOCOL).dump(value)
    return buffer.getvalue()


_Pickler: Any = None


def _pickler_class() -> Any:
    """A cloudpickle pickler that also copies tasks and flows of a notebook or a script, which give just their name."""
    global _Pickler
    if _Pickler is None:

        class Pickler(require_cloudpickle().Pickler):  # type: ignore[misc]
            def reducer_override(self, obj: Any) -> Any:
                if (
                    type(obj).__module__.startswith("interactive_flow.")
                    and getattr(obj, "__module__", None) == "__main__"
                    and isinstance(obj.__reduce_ex__(_PROTOCOL), str)
                ):
                    return copyreg.__newobj__, (type(obj),), obj.__getstate__()  # type: ignore[attr-defined]
                return super().reducer_override(obj)

        _Pickler = Pickler
    return _Pickler


_here = threading.local()


def must_not_wait() -> None:
    """Says that values are pickled in this thread which must not wait for results of calls."""
    _here.must_not_wait = True


def _reduce_placeholder(placeholder: Placeholder) -> Any:
    if getattr(_here, "must_not_wait", False) and not call_of(placeholder).done:
        raise PicklingError(
            f"{call_of(placeholder).describe()} is in an object that is not looked into, so nobody waited for it; pass "
            f"it as an argument of its own, or in a list, tuple, dict or dataclass"
        )
    return placeholder.__reduce_ex__(_PROTOCOL)


copyreg.pickle(Placeholder, _reduce_placeholder)


def argument_error(
    task: str, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], error: Exception
) -> PicklingError:
    """Says which of the arguments of a call cannot be pickled.

    Args:
        task: its name.
        fn: its function.
        args, kwargs: the arguments.
        error: what pickling all of them together has raised.
    """
    labelled = [*zip(_positions(fn, len(args)), args, strict=True), *kwargs.items()]
    text = _culprits(labelled) or f"its arguments: {_said(error)}"
    return PicklingError(f"{task} cannot be sent to another process, because of {text}")


def dump_result(task: str, what: str, value: Any) -> bytes:
    """Pickles what a task returned.

    Args:
        task: its name.
        what: ``"result"`` or ``"item"``.
        value: the result or item.

    Raises:
        PicklingError: it cannot be pickled.
    """
    try:
        return _plain_dumps(value, _PROTOCOL) if type(value) in ATOMS else dumps(value)
    except Exception as error:
        kind = type(value).__qualname__
        raise PicklingError(
            f"the {what} of {task} ({kind}) cannot be sent back from the process that ran it: {_said(error)}"
        ) from error


def _positions(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the first `count` positional parameters, and numbers where there are no names."""
    try:
        parameters = list(inspect.signature(fn).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"*{parameter.name}[{n}]" for n in range(count - len(names))]
            break
        names.append(parameter.name)
    names += [f"number {n + 1}" for n in range(len(names), count)]
    return names[:count]


def _culprits(values: Iterable[tuple[str, Any]], what: str = "argument") -> str:
    """Those of `values` that cannot be pickled, and why; an empty text where each of them can."""
    found = []
    for label, value in values:
        try:
            dumps(value)
        except Exception as error:
            found.append(f"{what} {label} ({type(value).__qualname__}): {_said(error)}")
    return "; ".join(found)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


# -- functions --------------------------------------------------------------------------------------------------------


class Named:
    """A function by its name: where to import it, and what to take from what is found there."""

    def __init__(self, module: str, qualname: str, wrapped: bool) -> None:
        self.module, self.qualname, self.wrapped = module, qualname, wrapped

    def find(self) -> Any:
        """The function, None where the name leads nowhere.

        Raises:
            Exception: the module cannot be imported.
        """
        __import__(self.module)
        found: Any = sys.modules[self.module]
        for part in self.qualname.split("."):
            found = getattr(found, part, None)
        return getattr(found, "__wrapped__", None) if self.wrapped else found


def dump_function(task: str, fn: Callable[..., Any]) -> bytes:
    """Pickles a task's function: its name where it can be imported, a copy elsewhere.

    Raises:
        PicklingError: it cannot be copied; the message says which of the variables that it uses is to blame.
    """
    copied = best_dumps()
    module, qualname = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if isinstance(module, str) and module != "__main__" and isinstance(qualname, str) and module in sys.modules:
        for wrapped in (False, True):
            named = Named(module, qualname, wrapped)
            if copied is dumps and named.find() is fn:
                return _plain_dumps(named, _PROTOCOL)
    try:
        return _dumps_by_value(fn)
    except Exception as error:
        text = _culprits(_used_by(fn), "variable") or _said(error)
        raise PicklingError(f"{task} cannot be sent to another process, because of {text}") from error


def load_function(data: bytes) -> Any:
    """The function that `dump_function` pickled.

    Raises:
        Exception: it cannot be imported here.
    """
    found = loads(data)
    if isinstance(found, Named):
        function = found.find()
        if function is None:
            raise ImportError(f"{found.module} has no {found.qualname} in this process")
        return function
    return found


def _used_by(fn: Any) -> list[tuple[str, Any]]:
    """The variables around it that a function uses, by name."""
    try:
        around = inspect.getclosurevars(inspect.unwrap(fn))
    except (TypeError, ValueError):  # no function, or one with a variable that has no value yet
        return []
    return [*around.nonlocals.items(), *around.globals.items()]


# -- errors -----------------------------------------------------------------------------------------------------------


def pack_error(error: BaseException) -> bytes:
    """An error and its traceback as bytes; always possible."""
    text = "".join(traceback.format_exception(error))
    for make in (lambda: error, lambda: _Parts(error)):
        try:
            data = dumps(make())
            if isinstance(loads(data), BaseException):  # an `__init__` of its own may refuse what pickle gives it
                return _plain_dumps((data, text), _PROTOCOL)
        except Exception:
            continue
    kind = type(error)
    said = f"{kind.__module__}.{kind.__qualname__}: {_text_of(error)}"
    return _plain_dumps((_plain_dumps(RemoteError(said), _PROTOCOL), text), _PROTOCOL)


def unpack_error(data: bytes) -> BaseException:
    """The error that `pack_error` packed; its ``__cause__`` is a `RemoteTraceback`."""
    pickled, text = loads(data)
    try:
        error: BaseException = loads(pickled)
    except Exception as failure:
        error = RemoteError(f"{text.strip().rpartition(chr(10))[2]} (the error could not be read: {_said(failure)})")
    error.__cause__ = RemoteTraceback(text)
    return error


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # somebody's `__str__`
        return "(no text)"


class _Parts:
    """An error in pieces: pickles as a call that makes it without its `__init__`."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        error = self.error
        state = {name: value for name, value in vars(error).items() if _can_travel(value)}
        return _rebuild, (type(error), tuple(x if _can_travel(x) else repr(x) for x in error.args), state)


def _rebuild(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


def _can_travel(value: Any) -> bool:
    try:
        loads(dumps(value))
    except Exception:
        return False
    return True

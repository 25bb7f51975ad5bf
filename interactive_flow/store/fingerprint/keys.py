"""Fingerprints of values, and keys of calls: what a result is kept under."""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from interactive_flow.model.errors import FingerprintError
from interactive_flow.store.fingerprint.code import code_fingerprint
from interactive_flow.store.fingerprint.origin import origin_of
from interactive_flow.store.fingerprint.parts import CodeFingerprint
from interactive_flow.store.fingerprint.targets import name_of, stands_for, wrapped_by
from interactive_flow.store.fingerprint.values import write
from interactive_flow.store.fingerprint.writer import Unfit, Writer, digest_of

_WAY_OUT = (
    "give its class a `__flow_fingerprint__` method (or see `register_fingerprint`), or leave it out of the arguments"
)


class CallKey(NamedTuple):
    """What a call's result can be found again by.

    Attributes:
        digest: 64 hexadecimal digits; equal for calls of the same code with the same arguments.
        code: the fingerprint of the code.
        arguments: the fingerprint of each argument, by its parameter; what goes to ``*args`` as one.
    """

    digest: str
    code: CodeFingerprint
    arguments: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """Plain dicts, lists and texts, for `json.dumps`."""
        return {"digest": self.digest, "code": self.code.as_json(), "arguments": dict(self.arguments)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CallKey:
        """The key that `as_json` was called on."""
        return cls(data["digest"], CodeFingerprint.from_json(data["code"]), dict(data["arguments"]))


def value_fingerprint(value: Any, name: str = "value") -> str:
    """The fingerprint of a value, 64 hexadecimal digits; the same for equal values of the same types.

    Args:
        value: scalars, containers, objects of one's own classes, arrays and tables, functions, and whatever else pickle
            takes; an object with a ``__flow_fingerprint__()`` method counts by what that returns.
        name: how errors call it.

    Raises:
        FingerprintError: it, or something in it, has no fingerprint; the error tells the path to that.

    Example:
        >>> value_fingerprint({"a": 1, "b": 2}) == value_fingerprint({"b": 2, "a": 1})
        True
    """
    return _digest(value, name).hex()


def call_key(function: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> CallKey:
    """The key of a call.

    Arguments that are given by position and by name are the same to it.  One that is given and one that is left to its
    default are not.

    Raises:
        FingerprintError: the code or an argument has no fingerprint.
    """
    function = stands_for(function)
    code = code_fingerprint(function)
    named = _named(function, args)
    for name, value in (kwargs or {}).items():
        named[name] = value
    try:
        digests = {name: _digest(named[name], name) for name in sorted(named)}
    except FingerprintError as error:
        raise FingerprintError(error.reason, f"argument {error.path}") from error.__cause__
    pieces = [code.digest.encode(), *[piece for name in digests for piece in (name.encode(), digests[name])]]
    return CallKey(digest_of(*pieces).hex(), code, {name: digest.hex() for name, digest in digests.items()})


def _named(function: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    code = function.__code__ if isinstance(function, FunctionType) else None
    if not isinstance(code, CodeType):
        return {f"args[{index}]": value for index, value in enumerate(args)}
    names = code.co_varnames[: code.co_argcount]
    named = dict(zip(names, args, strict=False))
    if len(args) > len(names):
        named["*args"] = args[len(names) :]
    return named


def _digest(value: Any, name: str) -> bytes:
    writer = Writer(write, _refer)
    try:
        writer.write(value)
    except Unfit as error:
        raise FingerprintError(f"{error.reason}; {_WAY_OUT}", error.path(name)) from error
    except FingerprintError as error:  # of code that it refers to: of its class, for one
        raise FingerprintError(error.reason, f"{name} → {error.path}") from error
    except RecursionError as error:
        raise FingerprintError("it is nested too deeply to be fingerprinted", name) from error
    return writer.digest()


def _refer(writer: Writer, definition: Any) -> None:
    """Writes code that is met in a value: one's own by its fingerprint, a library's by its name and version."""
    origin = origin_of(definition)
    if origin.is_user or wrapped_by(definition):
        writer.text(b"R", code_fingerprint(definition).digest)
    else:
        writer.text(b"K", f"{name_of(definition)} {origin.name} {origin.version}")

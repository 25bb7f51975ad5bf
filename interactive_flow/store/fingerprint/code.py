"""`code_fingerprint`: the fingerprint of a function and of everything that it uses, kept as long as it holds."""

from __future__ import annotations

import weakref
from typing import Any

from interactive_flow.store.fingerprint import values
from interactive_flow.store.fingerprint.checks import Checks
from interactive_flow.store.fingerprint.definitions import Definitions
from interactive_flow.store.fingerprint.parts import CodeFingerprint
from interactive_flow.store.fingerprint.targets import stands_for

_known: dict[int, tuple[weakref.ref[Any], CodeFingerprint, Checks]] = {}


def code_fingerprint(code: Any) -> CodeFingerprint:
    """The fingerprint of some code: of what it says, and of all that it uses from notebooks and the user's modules.

    It is the same in every process, and whatever the cells and files are called.  What was found is kept with the
    function, and only checked the next time: that takes microseconds where nothing has changed.

    Args:
        code: a function, a class, a task, or anything else that can be called.

    Raises:
        FingerprintError: it uses something that has no fingerprint; the error says what, and what to do.

    Example:
        >>> code_fingerprint(clean).digest == code_fingerprint(clean).digest
        True
    """
    code = stands_for(code)
    key = id(code)
    known = _known.get(key)
    if known is not None and known[0]() is code and known[2].hold():
        return known[1]
    found = Definitions(code)
    if isinstance(code, values.CODE):
        _known[key] = (weakref.ref(code, lambda _: _known.pop(key, None)), found.fingerprint, found.checks)
    return found.fingerprint

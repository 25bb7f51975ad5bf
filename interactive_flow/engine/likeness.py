"""Whether a call is the one that was recorded.

Ids tell where in the code a call was made; arguments tell whether it is the same call.  What they depend on is compared
by ids, plain data by itself.  For other arguments there are two ways:

- whoever continues a run trusts them: the code was the same so far;
- whoever takes values from another run does not: they must be equal, or, where only the text is known that showed them,
  must be shown by the same text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from interactive_flow.engine.calls import Call
from interactive_flow.engine.containers import gather, refer
from interactive_flow.engine.past import Made
from interactive_flow.engine.placeholder import is_placeholder
from interactive_flow.model.brief import brief, brief_call
from interactive_flow.model.events import Reference

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
_LOOKED_INTO = 2_000
"""Elements of an argument that are compared, at most."""

_TEXT = 120
"""Characters of the text that shows an argument: as many as are stored of it."""

_ADDRESS = re.compile(r"x[0-9a-fA-F]{4,}>")
"""In the text for an object: then the text says nothing about the object."""

Same = Callable[[Any, Any], bool]
"""Whether two values are equal; raises where nobody can tell."""


class _Names(NamedTuple):
    """The ids of the calls that arguments refer to: by the indexes of the run before, and by those of this one."""

    before: dict[int, str]
    now: dict[int, str]


def difference(made: Made, call: Call, same: Same | None = None) -> str:
    """What the code did instead, where a call of the same id is not the one that was made before; else nothing.

    Args:
        made: the call before.
        call: the call now.
        same: compares arguments that are not plain data; None trusts them.
    """
    args, kwargs = call.args, call.kwargs
    deps = gather(args, kwargs)[2]
    found = f"made {brief_call(call.spec.name, args, kwargs)}"
    ids = tuple([dep.id for dep in deps])
    if len(args) != len(made.args) or kwargs.keys() != made.kwargs.keys() or ids != made.depends_on:
        return found
    names = _Names(dict(zip(made.indexes, ids, strict=True)), {dep.index: dep.id for dep in deps})
    pairs = [*zip(made.args, args, strict=True), *((made.kwargs[key], now) for key, now in kwargs.items())]
    return "" if all(_is_same(was, now, names, same) for was, now in pairs) else found


def _is_same(was: Any, now: Any, names: _Names, same: Same | None) -> bool:
    if was is now or isinstance(was, Reference) or is_placeholder(now):
        return True  # which calls they are is told by what the call depends on
    if _is_plain(was) and _is_plain(now):
        return bool(was == now) or repr(was) == repr(now)  # which are the same for "not a number"
    if same is None:
        return True
    if not gather((now,), {})[2] and not hasattr(type(was), "__flow_shown__"):
        try:
            return same(was, now)
        except Exception:
            pass  # it has no fingerprint
    one = brief(was, _TEXT, names.before)
    other = brief(refer(([now],), {})[0][0][0], _TEXT, names.now)
    return one == other and not _ADDRESS.search(one)


def _is_plain(value: Any) -> bool:
    """True for Python's own data types, and containers of them; False where that would take long to see."""
    left = [value]
    for _ in range(_LOOKED_INTO):
        if not left:
            return True
        value = left.pop()
        kind = type(value)
        if kind is dict:
            left += value.values()
            left += value
        elif kind in _CONTAINERS:
            left += value
        elif kind not in _PLAIN:
            return False
    return False

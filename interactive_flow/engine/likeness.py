"""Whether a call is the one that was recorded."""

from __future__ import annotations

import re
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

_ADDRESS = re.compile(r"(0x|x)?[0-9a-fA-F]{6,}(?=>)")


def difference(made: Made, call: Call, strictly: bool = False) -> str:
    """What the code did instead, where a call of the same id is not the one that was made before; else nothing.

    Args:
        made: the call before.
        call: the call now.
        strictly: whether arguments count too that are only known by the text that shows them.
    """
    args, kwargs = call.args, call.kwargs
    deps = gather(args, kwargs)[2]
    found = f"made {brief_call(call.spec.name, args, kwargs)}"
    ids = tuple([dep.id for dep in deps])
    if len(args) != len(made.args) or kwargs.keys() != made.kwargs.keys() or ids != made.depends_on:
        return found
    names = _Names(dict(zip(made.indexes, ids, strict=True)), {dep.index: dep.id for dep in deps})
    pairs = [*zip(made.args, args, strict=True), *((made.kwargs[key], now) for key, now in kwargs.items())]
    return "" if all(_same(was, now, names, strictly) for was, now in pairs) else found


class _Names(NamedTuple):
    """The ids of the calls that arguments refer to: by the indexes of the run before, and by those of this one."""

    before: dict[int, str]
    now: dict[int, str]


def _same(was: Any, now: Any, names: _Names, strictly: bool) -> bool:
    if was is now or isinstance(was, Reference) or is_placeholder(now):
        return True  # which calls they are is told by what the call depends on
    if _is_plain(was) and _is_plain(now):
        return brief(was, _TEXT) == brief(now, _TEXT)
    return not strictly or _shown(was, names.before) == _shown(refer(([now],), {})[0][0][0], names.now)


def _shown(value: Any, names: dict[int, str]) -> str:
    """The text that shows an argument, without what differs from process to process."""
    return _ADDRESS.sub("", brief(value, _TEXT, names))


def _is_plain(value: Any) -> bool:
    """True where the text for a value says all that matters, and nothing else."""
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

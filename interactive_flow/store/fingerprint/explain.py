"""Why two fingerprints differ, in sentences for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from interactive_flow.store.fingerprint.keys import CallKey
from interactive_flow.store.fingerprint.parts import CodeFingerprint, Part

_SAID = {
    "default": ("default of parameter `{}`{} changed", "parameter `{}`{} has a default now", "no longer has a default"),
    "closure": ("closure value `{}`{} changed", "closure value `{}`{} is used now", "is not used any more"),
    "attribute": ("attribute `{}`{} changed", "attribute `{}`{} is new", "is gone"),
    "field": ("field `{}`{} changed", "field `{}`{} is new", "is gone"),
    "method": ("method `{}`{} changed", "method `{}`{} is new", "is gone"),
    "name": ("`{}`{} stands for something else", "`{}`{} stands for something else", "stands for something else"),
}
_KINDS = {"function": "helper", "class": "class", "constant": "constant", "module": "module", "value": "callable"}


def explain_change(before: CodeFingerprint | CallKey, after: CodeFingerprint | CallKey) -> list[str]:
    """Why two fingerprints of code, or two keys of calls, differ.

    Args:
        before: what there was, perhaps read from JSON.
        after: what there is now.

    Returns:
        A sentence for each difference, such as ``"helper `clean` changed (cell 7)"``; none where they are the same.

    Example:
        >>> explain_change(kept, code_fingerprint(encode))
        ['constant `RATE` changed', 'numpy 1.26.4 → 2.1.0']
    """
    if before.digest == after.digest:
        return []
    old, new = _code_of(before), _code_of(after)
    said = list(_of_code(old, new)) if old.digest != new.digest else []
    if isinstance(before, CallKey) and isinstance(after, CallKey):
        said += _of_arguments(before, after)
    return said or ["what a name stands for changed to something of the same name"]


def _code_of(fingerprint: CodeFingerprint | CallKey) -> CodeFingerprint:
    return fingerprint.code if isinstance(fingerprint, CallKey) else fingerprint


def _of_arguments(before: CallKey, after: CallKey) -> Iterator[str]:
    for name in {**before.arguments, **after.arguments}:
        if name not in before.arguments:
            yield f"argument `{name}` is given now"
        elif name not in after.arguments:
            yield f"argument `{name}` is not given any more"
        elif before.arguments[name] != after.arguments[name]:
            yield f"argument `{name}` changed"


def _of_code(before: CodeFingerprint, after: CodeFingerprint) -> Iterator[str]:
    old, new = _named(before), _named(after)
    describe = _describer(old, new)
    edited = {
        name for name in old.keys() & new.keys() if old[name].members.get("code") != new[name].members.get("code")
    }
    names = list(new)
    through = {name for name, part in new.items() if not edited.isdisjoint(names[index] for index in part.uses)}
    for name, part in new.items():
        if name in old:
            yield from _of_part(old[name], part, describe(name, part), through=name in through)
        else:
            yield f"{describe(name, part)} is used now{_place(part)}"
    for name, part in old.items():
        if name not in new:
            yield f"{describe(name, part)} is not used any more"


def _named(fingerprint: CodeFingerprint) -> dict[str, Part]:
    """The parts by the names that people call them; the code itself, whatever it is called, by none."""
    parts = fingerprint.parts
    home = parts[0].name.partition(":")[0]
    return {"": parts[0]} | {_short(part, home): part for part in parts[1:]}


def _short(part: Part, home: str) -> str:
    module, _, name = part.name.partition(":")
    text = name if name and module in ("__main__", home) else part.name.replace(":", ".")
    return text.replace(".<locals>", "") + (" " if part.kind == "library" else "")


def _of_part(old: Part, new: Part, what: str, *, through: bool) -> Iterator[str]:
    """What changed in a part; `through` where values in it changed since a function that they refer to did."""
    if old.kind != new.kind:
        yield f"{what} is a {new.kind} now, and was a {old.kind}{_place(new)}"
    elif new.kind == "library":
        if old.members != new.members:
            yield f"{new.name} {old.members['version']} → {new.members['version']}"
    else:
        for label in {**old.members, **new.members}:
            if through and label != "code" and label in old.members and label in new.members:
                continue  # that will be told of the function
            if old.members.get(label) != new.members.get(label):
                yield _of_member(label, old, new, what) + _place(new)


def _of_member(label: str, old: Part, new: Part, what: str) -> str:
    kind, _, name = label.partition(" ")
    owner = f" of {what}" if " " in what else ""
    if kind not in _SAID or not name:
        return f"{kind} of {what} changed" if kind in ("bases", "fields", "members", "decorator") else f"{what} changed"
    changed, appeared, gone = _SAID[kind]
    if label not in old.members:
        return appeared.format(name, owner)
    if label not in new.members:
        return f"{changed.removesuffix(' changed').format(name, owner)} {gone}".replace(
            "default of parameter", "parameter"
        )
    return changed.format(name, owner)


def _describer(*versions: dict[str, Part]) -> Callable[[str, Part], str]:
    classes = {part.name for parts in versions for part in parts.values() if part.kind == "class"}

    def describe(name: str, part: Part) -> str:
        if part.kind == "library":
            return f"{part.name} {part.members['version']}"
        if not name:
            return f"`{_short(part, part.name.partition(':')[0])}`"
        is_method = part.kind == "function" and part.name.rpartition(".")[0] in classes
        return f"{'method' if is_method else _KINDS[part.kind]} `{name}`"

    return describe


def _place(part: Part) -> str:
    return f" ({part.where})" if part.where else ""

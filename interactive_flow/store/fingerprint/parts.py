"""What a fingerprint of code consists of, as plain data that can be stored and compared later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from interactive_flow.store.fingerprint.writer import digest_of

PartKind: TypeAlias = Literal["function", "class", "constant", "module", "library", "value"]


@dataclass(frozen=True, slots=True)
class Part:
    """A definition that counts.

    Attributes:
        name: module and qualified name, such as ``"helpers:Shape.area"``; of a library its distribution, or
            ``"python"``.
        kind: ``"function"``, ``"class"``, ``"constant"``, ``"module"``, ``"library"``, or ``"value"`` for a callable
            that is none of these.
        where: where it stands, such as ``"cell 7"`` or ``"helpers.py:12"``; None where that is not known.  It does
            not count.
        members: what it is made of, each with a digest: ``"code"``, ``"default size"``, ``"closure rate"``,
            ``"attribute LIMIT"``.  A library has its ``"version"``, in plain.
        uses: which other parts it uses, by their position.
    """

    name: str
    kind: PartKind
    where: str | None = None
    members: Mapping[str, str] = field(default_factory=dict)
    uses: tuple[int, ...] = ()

    @property
    def digest(self) -> str:
        """Its own digest: without that of what it uses."""
        pieces = [piece for member in sorted(self.members.items()) for piece in member]
        if self.kind == "library":
            pieces.append(self.name)
        return digest_of(self.kind.encode(), *[piece.encode() for piece in pieces]).hex()


@dataclass(frozen=True, slots=True)
class CodeFingerprint:
    """The fingerprint of a piece of code.

    Attributes:
        digest: 64 hexadecimal digits; the same exactly where all that counts is the same.
        parts: what went in: first the code itself, then what it uses, each before what only that uses.
    """

    digest: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: tuple[Part, ...]) -> CodeFingerprint:
        """The fingerprint that consists of these parts."""
        pieces = [f"{part.digest} {' '.join(map(str, part.uses))}".encode() for part in parts]
        return cls(digest_of(*pieces).hex(), parts)

    def as_json(self) -> dict[str, Any]:
        """Plain dicts, lists and texts, for `json.dumps`."""
        return {
            "digest": self.digest,
            "parts": [
                {
                    "name": part.name,
                    "kind": part.kind,
                    "where": part.where,
                    "members": dict(part.members),
                    "uses": list(part.uses),
                }
                for part in self.parts
            ],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CodeFingerprint:
        """The fingerprint that `as_json` was called on."""
        parts = [Part(**{**part, "uses": tuple(part["uses"])}) for part in data["parts"]]
        return cls(data["digest"], tuple(parts))

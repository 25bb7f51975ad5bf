"""The stream of bytes that stands for a value, and the hash over it.

Everything that is fingerprinted is written to a `Writer` in a form that is *prefix-free*: each value begins with a tag
for its type and says how long it is before it says what it is.  So two different values never give the same bytes,
however they are nested.  Small pieces are gathered in a buffer, since feeding a hash costs more than feeding a buffer;
large ones go to the hash directly, without a copy.

Members of what has no order (dicts, sets) are hashed one by one, and their digests sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

DIGEST_SIZE = 32
"""Bytes of a digest."""

_BUFFER = 1 << 15
_DIRECT = 1 << 12

Refer = Callable[["Writer", Any], None]
"""Writes what stands for a function, a class or a module: see `Writer.refer`."""


class Unfit(Exception):
    """Something has no fingerprint; the steps to it are gathered on the way up, the innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str] = []

    def below(self, step: str) -> Unfit:
        """The same, told from one level further up."""
        self.steps.append(step)
        return self

    def path(self, start: str) -> str:
        """The way from `start`, as one would write it in Python."""
        return start + "".join(reversed(self.steps))


def digest_of(*pieces: bytes) -> bytes:
    """A digest of some pieces of bytes, each told from the next."""
    joined = bytearray()
    for piece in pieces:
        joined += b"%x;" % len(piece)
        joined += piece
    return blake2b(joined, digest_size=DIGEST_SIZE).digest()


class Writer:
    """Takes values, one after the other, and gives a digest of them all.

    Args:
        write: writes a value of any type: `interactive_flow.store.fingerprint.values.write`.
        refer: what to do with code that is met in a value.

    Attributes:
        out: the bytes that are not hashed yet; short pieces may be added to it directly.
        volatile: True once something was written that can change without becoming another object.
    """

    __slots__ = ("_hash", "_open", "_write", "out", "refer", "volatile")

    def __init__(self, write: Callable[[Writer, Any], None], refer: Refer) -> None:
        self.out = bytearray()
        self.refer = refer
        self.volatile = False
        self._write = write
        self._hash: Any = None
        self._open: dict[int, int] = {}

    def write(self, value: Any) -> None:
        """Writes a value of any type.

        Raises:
            Unfit: it has no fingerprint.
        """
        self._write(self, value)
        if len(self.out) > _BUFFER:
            self._flush()

    def text(self, tag: bytes, text: str) -> None:
        """Writes a text of any characters, lone surrogates among them."""
        data = text.encode("utf-8", "surrogatepass")
        self.out += b"%b%x;" % (tag, len(data))
        self.out += data

    def named(self, kind: str, *members: Any) -> None:
        """Writes a value that is told by the name of its kind and by other values."""
        self.text(b"o", kind)
        self.out += b"%x;" % len(members)
        for member in members:
            self.write(member)

    def bulk(self, data: ReadableBuffer, size: int) -> None:
        """Writes `size` bytes; many of them without copying."""
        self.out += b"%x;" % size
        self.raw(data, size)

    def raw(self, data: ReadableBuffer, size: int) -> None:
        """Writes a piece of what was announced before."""
        if size < _DIRECT:
            self.out += data
        else:
            self._flush()
            self._hash.update(data)

    def sequence(self, tag: bytes, items: Sequence[Any]) -> None:
        """Writes values in their order."""
        self.out += b"%b%x;" % (tag, len(items))
        index = 0
        try:
            for item in items:
                self.write(item)
                index += 1
        except Unfit as error:
            raise error.below(f"[{index}]") from None

    def unordered(self, tag: bytes, digests: list[bytes]) -> None:
        """Writes members that have no order, by the digest of each."""
        self.out += b"%b%x;" % (tag, len(digests))
        for digest in sorted(digests):
            self.out += digest
        if len(self.out) > _BUFFER:
            self._flush()

    def apart(self, *values: Any) -> bytes:
        """The digest of some values that belong together, apart from everything written so far."""
        out, self.out = self.out, bytearray()
        hashed, self._hash = self._hash, None
        try:
            for value in values:
                self.write(value)
            return self.digest()
        finally:
            self.out, self._hash = out, hashed

    def enter(self, value: Any) -> bool:
        """Begins what may contain itself; False where it is being written already: then it is only referred to."""
        opened = self._open
        depth = opened.get(id(value))
        if depth is None:
            opened[id(value)] = len(opened)
            return True
        self.out += b"^%x;" % (len(opened) - depth)
        return False

    def leave(self, value: Any) -> None:
        """Ends what `enter` began."""
        del self._open[id(value)]

    def digest(self) -> bytes:
        """The digest of all that was written."""
        if self._hash is None:
            return blake2b(self.out, digest_size=DIGEST_SIZE).digest()
        self._flush()
        digest: bytes = self._hash.digest()
        return digest

    def _flush(self) -> None:
        if self._hash is None:
            self._hash = blake2b(digest_size=DIGEST_SIZE)
        self._hash.update(self.out)
        self.out = bytearray()

"""Values as bytes: how they are pickled, where they are kept, and why nothing foreign is ever unpickled.

A value becomes a `Packed`: bytes in one of a few formats, and a line of text that shows it without loading it.  Small
ones stay where they are used, in a segment of the database; the bytes of larger ones go to a *value file* named after
their digest, so that equal values are kept once, whichever run made them.

The digest is keyed (BLAKE2b with the store's own secret), so a name is also a proof: whoever does not know the key
cannot make a file that fits its name.  It is checked before anything is made of the bytes.  Segments carry such a
digest too (see `interactive_flow.store.segments`).
"""

from __future__ import annotations

import io
import os
import pickle
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterator
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from interactive_flow.model.brief import brief, brief_error
from interactive_flow.store.errors import StoreDamaged, StoreRefused, ValueNotStored, told_plainly

INLINE_LIMIT = 8 * 1024
"""Bytes: what is larger goes to a file of its own."""

_BUILT_IN = frozenset({list, tuple, dict, set, frozenset, str, bytes, bytearray, int, float, complex, bool, type(None)})
_TABLES = frozenset({"pandas", "polars", "pyarrow"})
_TEXT = 120
_TRIES = 3


class Packed(NamedTuple):
    """A value as it is kept."""

    format: str
    """``"pickle"``, ``"npy"``, ``"arrow"`` or ``"frame"``; ``""`` where it could not be kept, and `data` says why."""
    data: bytes | str
    """The bytes, or the name of the value file that has them."""
    size: int
    """How many bytes."""
    text: str
    """What `brief` says of the value."""


class Values:
    """The value files of a store.

    Args:
        folder: where they are; made when the first is written.
        key: the store's secret.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key

    def __reduce__(self) -> Any:
        raise TypeError("the key of a store stays where it is")

    def digest(self, *parts: bytes) -> bytes:
        """The keyed digest of `parts`; where one ends and the next begins counts."""
        state = blake2b(digest_size=32, key=self._key, person=b"iflow-store")
        for part in parts:
            state.update(len(part).to_bytes(8, "little"))
            state.update(part)
        return state.digest()

    # -- values become bytes --------------------------------------------------------------------------------------

    @staticmethod
    def pack(value: Any) -> Packed:
        """The bytes of `value`; one that has none is told as such, with the reason.  Writes nothing."""
        text = _text_of(value)
        for left in reversed(range(_TRIES)):
            try:
                form, data = _encode(value)
                return Packed(form, data, len(data), text)
            except RuntimeError as error:  # somebody has changed a dict or a set meanwhile; a RecursionError stays one
                if not left or isinstance(error, RecursionError):
                    return Packed("", brief_error(error), 0, text)
            except Exception as error:
                return Packed("", brief_error(error), 0, text)
        raise AssertionError("the last try returns")

    def name(self, packed: Packed) -> str:
        """The name of the value file for these bytes."""
        assert isinstance(packed.data, bytes)
        return self.digest(packed.format.encode(), packed.data).hex()

    def write(self, name: str, data: bytes) -> None:
        """Sees to it that the value file is there, complete, and on the disk.

        Raises:
            StoreFull, StoreReadOnly, StoreError: it cannot be written.
        """
        target = self.path(name)
        with told_plainly(target):
            try:
                if target.stat().st_size == len(data) and target.read_bytes() == data:
                    return
            except FileNotFoundError:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                target.parent.mkdir(mode=0o700, exist_ok=True)
            write_file(target, data)

    def path(self, name: str) -> Path:
        """Where the value file of this name is."""
        return self.folder / name[:2] / name[2:]

    def names(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every file there is, by name, complete ones and those that somebody is writing (`TEMPORARY`)."""
        for folder in self.folder.glob("??"):
            for path in folder.iterdir():
                try:
                    yield folder.name + path.name, path.stat()
                except FileNotFoundError:
                    continue

    # -- and values again -----------------------------------------------------------------------------------------

    def unpack(self, packed: Packed) -> Any:
        """The value.

        Raises:
            ValueNotStored: there never was more than a text.
            StoreDamaged: the value file is missing or incomplete.
            StoreRefused: the value file is not what this store has written; it was not loaded.
            Exception: whatever unpickling raises; a class that is not defined here, first of all.
        """
        if not packed.format:
            raise ValueNotStored(f"{packed.text} could not be stored: {packed.data!s}", self.folder)
        return decode(packed._replace(data=self._read(packed)) if isinstance(packed.data, str) else packed)

    def _read(self, packed: Packed) -> bytes:
        name = packed.data
        assert isinstance(name, str)
        path = self.path(name)
        with told_plainly(path):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                raise StoreDamaged(f"the value file of {packed.text} is missing; run its call again", path) from None
        if len(data) < packed.size:
            raise StoreDamaged(
                f"the value file of {packed.text} has {len(data)} of its {packed.size} bytes; run its call again", path
            )
        if not secrets.compare_digest(self.digest(packed.format.encode(), data).hex(), name):
            raise StoreRefused(f"this store has not written what is in the value file of {packed.text}", path)
        return data


TEMPORARY = ".new-"
"""How the names of files begin that are not complete yet."""


def write_file(target: Path, data: bytes) -> None:
    """Writes a file that is complete and on the disk before it has its name; readable for its owner only."""
    handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Makes the names in a folder safe from a loss of power, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# -- formats -----------------------------------------------------------------------------------------------------------


class _NotPlain(Exception):
    """There is something in a value that is not one of Python's own plain types."""


class _PlainPickler(pickle.Pickler):
    """Pickles what consists of Python's own plain types, at the speed of C, and nothing else."""

    def reducer_override(self, value: Any) -> Any:
        """Called only for other types."""
        raise _NotPlain


def _text_of(value: Any) -> str:
    kind = type(value)
    if kind.__module__.partition(".")[0] in _TABLES and isinstance(shape := getattr(value, "shape", None), tuple):
        return f"<{kind.__name__} {shape}>"  # their own texts take milliseconds to make
    return brief(value, _TEXT)


def _encode(value: Any) -> tuple[str, bytes]:
    kind = type(value)
    if kind in _BUILT_IN:
        file = io.BytesIO()
        try:
            _PlainPickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
            return "pickle", file.getvalue()
        except _NotPlain:
            pass
    numpy, arrow, pandas = [sys.modules.get(name) for name in ("numpy", "pyarrow", "pandas")]
    if numpy is not None and kind is getattr(numpy, "ndarray", None) and not value.dtype.hasobject:
        file = io.BytesIO()
        numpy.lib.format.write_array(file, value, allow_pickle=False)
        return "npy", file.getvalue()
    if arrow is not None and kind is getattr(arrow, "Table", None):
        return "arrow", _encode_table(value)
    if pandas is not None and kind is getattr(pandas, "DataFrame", None) and _is_simple(value):
        import pyarrow

        return "frame", _encode_table(pyarrow.Table.from_pandas(value))
    return "pickle", _dumps(value)


def _dumps(value: Any) -> bytes:
    try:
        import cloudpickle
    except ImportError:
        # Classes and functions of a notebook cannot be pickled so that another process finds them.
        try:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            raise TypeError(f"{brief_error(error)} (pip install 'interactive_flow[store]' may help)") from error
    data: bytes = cloudpickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return data


def _encode_table(table: Any) -> bytes:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _is_simple(frame: Any) -> bool:
    """True where a data frame survives the way to Arrow and back unchanged: named columns of numbers and times."""
    if frame.attrs or find_spec("pyarrow") is None or frame.index.nlevels > 1:
        return False
    columns = [*frame.columns]
    kinds = [getattr(dtype, "kind", "O") for dtype in (*frame.dtypes, frame.index.dtype)]
    plain = all(type(dtype).__module__.startswith("numpy") for dtype in (*frame.dtypes, frame.index.dtype))
    named = all(type(name) is str for name in columns) and len(set(columns)) == len(columns)
    return plain and named and frame.columns.name is None and all(kind in "biufM" for kind in kinds)


def _decode_pickle(data: bytes) -> Any:
    return pickle.loads(data)  # noqa: S301 - its digest says that this store has written it


def _decode_npy(data: bytes) -> Any:
    import numpy

    return numpy.lib.format.read_array(io.BytesIO(data), allow_pickle=False)


def _decode_arrow(data: bytes) -> Any:
    import pyarrow

    with pyarrow.ipc.open_stream(data) as reader:
        return reader.read_all()


def _decode_frame(data: bytes) -> Any:
    return _decode_arrow(data).to_pandas()


def decode(packed: Packed) -> Any:
    """The value of bytes that are there; raises whatever unpickling raises."""
    assert isinstance(packed.data, bytes)
    return _DECODERS[packed.format](packed.data)


_DECODERS: dict[str, Callable[[bytes], Any]] = {
    "pickle": _decode_pickle,
    "npy": _decode_npy,
    "arrow": _decode_arrow,
    "frame": _decode_frame,
}

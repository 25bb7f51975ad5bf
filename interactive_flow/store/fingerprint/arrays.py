"""numpy's arrays, scalars and random generators, and scipy's sparse matrices.

An array counts by its type, shape and elements, whatever its layout in memory.  Contiguous bytes go to the hash without
a copy; everything else is read in the order of its indexes, block by block.

Whoever has a value of theirs has imported the library, so it is taken from `sys.modules`: nothing is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from interactive_flow.store.fingerprint.writer import Writer

_BLOCK = 1 << 16
"""Elements that are copied at a time where an array is not contiguous."""

_X87_DIGITS = 63
_X87_BYTES = 10


def handler_for(kind: type) -> Callable[[Writer, Any], None] | None:
    """How the values of a type are written; None for types that are like any other object."""
    np: Any = sys.modules["numpy"]
    if issubclass(kind, np.ndarray):
        return write_array
    if issubclass(kind, np.generic):
        return _write_scalar
    if issubclass(kind, np.dtype):
        return lambda writer, dtype: writer.named("numpy dtype", repr(dtype))
    if issubclass(kind, np.ufunc):
        return lambda writer, function: writer.named("numpy ufunc", function.__name__)
    if issubclass(kind, np.random.Generator):
        return lambda writer, generator: _write_state(writer, "Generator", generator.bit_generator.state)
    if issubclass(kind, np.random.RandomState):
        return lambda writer, generator: _write_state(writer, "RandomState", generator.get_state(legacy=False))
    if issubclass(kind, np.random.BitGenerator):
        return lambda writer, generator: _write_state(writer, "BitGenerator", generator.state)
    if kind.__module__.startswith("scipy.sparse") and hasattr(kind, "tocsr"):
        return _write_sparse
    return None


def _write_state(writer: Writer, kind: str, state: Any) -> None:
    writer.volatile = True
    writer.named(f"numpy {kind}", state)


def _write_scalar(writer: Writer, value: Any) -> None:
    np: Any = sys.modules["numpy"]
    writer.named("numpy scalar", type(value).__name__)
    write_elements(writer, np.asarray(value))


def write_array(writer: Writer, array: Any) -> None:
    """Writes an array of any class: elements, and what a subclass adds."""
    np: Any = sys.modules["numpy"]
    writer.volatile = True
    if not writer.enter(array):
        return
    if type(array) is np.ndarray or type(array) is np.memmap:
        writer.text(b"o", "numpy array")
    elif isinstance(array, np.ma.MaskedArray):
        hidden = np.ma.getmaskarray(array)
        writer.named("numpy masked array", array.filled(array.fill_value), hidden, array.fill_value)
        writer.leave(array)
        return
    else:
        writer.named("numpy subclass", type(array), getattr(array, "__dict__", None))
    write_elements(writer, np.asarray(array))
    writer.leave(array)


def write_elements(writer: Writer, array: Any) -> None:
    """Writes type, shape and elements."""
    np: Any = sys.modules["numpy"]
    dtype = array.dtype
    writer.named("elements", array.shape)
    if dtype.names is not None:  # field by field: what lies between fields is arbitrary
        writer.out += b"V%x;" % len(dtype.names)
        for name in dtype.names:
            writer.text(b"s", name)
            write_elements(writer, array[name])
    elif dtype.kind in "OT":
        writer.text(b"s", dtype.kind)
        writer.sequence(b"l", array.ravel().tolist())
    elif dtype.kind in "fc" and np.finfo(dtype).nmant == _X87_DIGITS:
        writer.text(b"s", dtype.str)
        _write_x87(writer, array)
    else:
        writer.text(b"s", dtype.str)
        writer.out += b"%x;" % array.nbytes
        _write_bytes(writer, array)


def _write_x87(writer: Writer, array: Any) -> None:
    """Extended precision: ten bytes of number, then bytes that only fill up."""
    np: Any = sys.modules["numpy"]
    parts = np.ascontiguousarray(array).reshape(-1)
    if parts.dtype.kind == "c":
        parts = parts.view(parts.real.dtype)
    numbers = parts.view(np.uint8).reshape(parts.size, -1)[:, :_X87_BYTES]
    writer.bulk(numbers.tobytes(), numbers.size)


def _write_bytes(writer: Writer, array: Any) -> None:
    np: Any = sys.modules["numpy"]
    if array.size == 0:
        return
    if array.flags.c_contiguous:
        writer.raw(array.reshape(-1).view(np.uint8).data, array.nbytes)
        return
    blocks = np.nditer(array, flags=["external_loop", "buffered"], order="C", buffersize=_BLOCK, casting="no")
    for block in blocks:
        writer.raw(np.ascontiguousarray(block).view(np.uint8).data, block.nbytes)


def _write_sparse(writer: Writer, matrix: Any) -> None:
    """By its format, and by its elements in the order of rows and columns, none twice."""
    np: Any = sys.modules["numpy"]
    writer.volatile = True
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    places = (rows.indices.astype(np.int64), rows.indptr.astype(np.int64))
    writer.named("sparse", type(matrix).__name__, matrix.shape, rows.data, *places)

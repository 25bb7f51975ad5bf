"""pandas' and pyarrow's tables, columns and indexes, by their elements.

What cannot be seen does not count: how a table is cut into chunks, what lies in memory where a value is missing, unused
parts of dictionaries of strings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from interactive_flow.store.fingerprint.arrays import write_elements
from interactive_flow.store.fingerprint.writer import Writer

Handler = Callable[[Writer, Any], None]


def handler_for(kind: type) -> Handler | None:
    """How the values of a type are written; None for types that are like any other object."""
    pandas, arrow = sys.modules.get("pandas"), sys.modules.get("pyarrow")
    if pandas is not None:
        for name, handler in _PANDAS.items():
            if issubclass(kind, getattr(pandas, name)):
                return handler
        if issubclass(kind, pandas.api.extensions.ExtensionArray):
            return _write_column
        if kind is type(pandas.NaT) or kind is type(pandas.NA):
            return lambda writer, value: writer.named("pandas missing", kind.__name__)
    if arrow is not None:
        for name, handler in _ARROW.items():
            if issubclass(kind, getattr(arrow, name)):
                return handler
    return None


# -- pandas ------------------------------------------------------------------------------------------------------------


def _write_frame(writer: Writer, frame: Any) -> None:
    writer.volatile = True
    writer.named("pandas frame", type(frame).__qualname__, frame.shape, frame.attrs, frame.columns, frame.index)
    for position in range(frame.shape[1]):
        _write_column(writer, frame.iloc[:, position].array)


def _write_series(writer: Writer, series: Any) -> None:
    writer.volatile = True
    writer.named("pandas series", type(series).__qualname__, series.name, series.attrs, series.index)
    _write_column(writer, series.array)


def _write_index(writer: Writer, index: Any) -> None:
    writer.volatile = True  # its names can be changed
    kind, names = type(index).__name__, list(index.names)
    if kind == "RangeIndex":
        writer.named("pandas index", kind, names, index.start, index.stop, index.step)
    elif kind == "MultiIndex":
        writer.named("pandas index", kind, names, len(index))
        for level in range(index.nlevels):
            _write_column(writer, index.get_level_values(level).array)
    else:
        writer.named("pandas index", kind, names, str(getattr(index, "freq", None)))
        _write_column(writer, index.array)


def _write_column(writer: Writer, column: Any) -> None:
    """Writes an array of one of pandas' types."""
    np: Any = sys.modules["numpy"]
    writer.volatile = True
    dtype = column.dtype
    name = type(column).__name__
    if name in ("NumpyExtensionArray", "PandasArray"):  # the second name is that of pandas 1
        writer.named("pandas column", name)
        write_elements(writer, column.to_numpy())
        return
    writer.named("pandas column", name, str(dtype), len(column))
    if name == "Categorical":
        writer.named("categories", column.ordered, column.categories)
        write_elements(writer, np.asarray(column.codes))
    elif hasattr(column, "asi8"):  # dates, periods, differences of dates
        write_elements(writer, column.asi8)
    elif name == "IntervalArray":
        writer.named("interval", column.closed)
        _write_column(writer, column.left.array)
        _write_column(writer, column.right.array)
    elif isinstance(getattr(dtype, "numpy_dtype", None), np.dtype) and hasattr(column, "_mask"):
        missing = column.isna()
        write_elements(writer, missing)
        write_elements(writer, column.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0)))
    elif hasattr(column, "__arrow_array__") and name.startswith("Arrow"):
        _write_arrow(writer, column.__arrow_array__())
    else:
        write_elements(writer, np.asarray(column, dtype=object))


def _write_time(writer: Writer, value: Any) -> None:
    writer.named("pandas time", type(value).__name__, value.asm8, getattr(value, "tz", None), getattr(value, "fold", 0))


def _write_period(writer: Writer, value: Any) -> None:
    writer.named("pandas period", value.ordinal, value.freqstr)


_PANDAS: dict[str, Handler] = {
    "DataFrame": _write_frame,
    "Series": _write_series,
    "Index": _write_index,
    "Timestamp": _write_time,
    "Timedelta": _write_time,
    "Period": _write_period,
}


# -- pyarrow -----------------------------------------------------------------------------------------------------------


def _write_table(writer: Writer, table: Any) -> None:
    writer.named("arrow table", table.num_rows, table.schema)
    for column in table.columns:
        _write_arrow(writer, column)


def _write_schema(writer: Writer, schema: Any) -> None:
    fields = [(field.name, str(field.type), field.nullable, field.metadata) for field in schema]
    writer.named("arrow schema", fields, schema.metadata)


def _write_arrow(writer: Writer, column: Any) -> None:
    """Writes an array, in one chunk or several."""
    pa: Any = sys.modules["pyarrow"]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
        if isinstance(column, pa.ChunkedArray):  # of none, or too many texts for one
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    writer.named("arrow array", str(column.type), len(column))
    write_elements(writer, column.is_null().to_numpy(zero_copy_only=False))
    _write_items(writer, column)


def _write_items(writer: Writer, column: Any) -> None:
    pa: Any = sys.modules["pyarrow"]
    pc: Any = import_module("pyarrow.compute")
    kind = column.type
    if pa.types.is_dictionary(kind):
        _write_arrow(writer, column.dictionary_decode())
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            _write_arrow(writer, part)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        write_elements(writer, pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False))
        _write_arrow(writer, column.flatten())
    elif any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary)):
        _write_texts(writer, column)
    elif pa.types.is_primitive(kind):
        _write_numbers(writer, column)
    else:
        writer.sequence(b"l", column.to_pylist())


def _write_texts(writer: Writer, column: Any) -> None:
    np: Any = sys.modules["numpy"]
    pa: Any = sys.modules["pyarrow"]
    pc: Any = import_module("pyarrow.compute")
    filled = column.cast(pa.large_binary()).fill_null(b"")
    write_elements(writer, pc.binary_length(filled).to_numpy())
    _, offsets, data = filled.buffers()
    if data is None or len(filled) == 0:
        writer.bulk(b"", 0)
        return
    ends = np.frombuffer(offsets, dtype=np.int64)
    first, last = int(ends[filled.offset]), int(ends[filled.offset + len(filled)])
    writer.bulk(data.slice(first, last - first), last - first)


def _write_numbers(writer: Writer, column: Any) -> None:
    pa: Any = sys.modules["pyarrow"]
    kind = column.type
    if pa.types.is_temporal(kind):
        column = column.view(pa.int64() if kind.bit_width == 64 else pa.int32())
    if column.null_count:
        column = column.fill_null(False if pa.types.is_boolean(kind) else 0)
    write_elements(writer, column.to_numpy(zero_copy_only=False))


def _write_chunks(writer: Writer, column: Any) -> None:
    writer.text(b"o", "arrow column")
    _write_arrow(writer, column)


def _write_scalar(writer: Writer, scalar: Any) -> None:
    writer.named("arrow scalar", str(scalar.type), scalar.as_py())


def _write_name(writer: Writer, value: Any) -> None:
    writer.named("arrow type", str(value))


_ARROW: dict[str, Handler] = {
    "Table": _write_table,
    "RecordBatch": _write_table,
    "Schema": _write_schema,
    "Array": _write_chunks,
    "ChunkedArray": _write_chunks,
    "Scalar": _write_scalar,
    "DataType": _write_name,
    "Field": _write_name,
}

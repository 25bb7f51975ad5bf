"""pandas and pyarrow: what can be seen of a table counts, and nothing else."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from interactive_flow.store.fingerprint import value_fingerprint

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")


def frames():
    plain = pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", "y"]})
    times = pd.to_datetime(["2024-01-01", "2024-01-02"])
    columns = {
        "integers": pd.array([1, None], dtype="Int64"),
        "flags": pd.array([True, None], dtype="boolean"),
        "categories": pd.Categorical(["a", "b"]),
        "other categories": pd.Categorical(["a", "b"], categories=["b", "a"]),
        "ordered": pd.Categorical(["a", "b"], ordered=True),
        "times": times,
        "times in UTC": times.tz_localize("UTC"),
        "times in Rome": times.tz_localize("Europe/Rome"),
        "periods": times.to_period("D"),
        "months": times.to_period("M"),
        "differences": times - times[0],
        "intervals": pd.interval_range(0, 2),
        "other intervals": pd.interval_range(0, 2, closed="left"),
        "arrow": pd.array(["x", "y"], dtype=pd.ArrowDtype(pa.string())),
        "texts": pd.array(["x", "y"], dtype="string"),
        "objects": pd.array([[1], {"a"}], dtype=object),
        "sparse": pd.arrays.SparseArray([0, 1]),
    }
    return [
        plain,
        plain.assign(a=[1, 3]),
        plain.rename(columns={"a": "d"}),
        plain[["b", "a", "c"]],
        plain.set_index("c"),
        plain.set_axis([5, 6]),
        plain.astype({"a": "int32"}),
        plain.iloc[:1],
        plain.iloc[:, :0],
        plain["a"],
        plain["a"].rename("z"),
        plain["b"],
        plain.index,
        plain.columns,
        pd.Index([0, 1]),
        pd.Index([0, 1], name="n"),
        pd.RangeIndex(3),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]),
        pd.MultiIndex.from_tuples([(1, "a"), (2, "c")]),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.NA,
        pd.NaT,
        pd.Timestamp("2024-01-01"),
        pd.Timestamp("2024-01-01", tz="UTC"),
        pd.Timedelta(1, "s"),
        pd.Period("2024", "Y"),
        *columns.values(),
        *[pd.DataFrame({name: column}) for name, column in columns.items()],
    ]


def test_all_of_these_are_different():
    found = {}
    for value in frames():
        digest = value_fingerprint(value)
        assert digest not in found, (value, found[digest])
        found[digest] = value


@pytest.mark.parametrize("value", frames(), ids=lambda value: type(value).__name__)
def test_copies_agree(value):
    digest = value_fingerprint(value)
    assert value_fingerprint(copy.deepcopy(value)) == digest
    assert value_fingerprint(pickle.loads(pickle.dumps(value))) == digest  # noqa: S301


def test_layout_of_a_frame_does_not_count():
    block = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=list("abc"))
    columns = pd.DataFrame({name: block[name].copy() for name in "abc"})
    assert value_fingerprint(block) == value_fingerprint(columns)
    longer = pd.concat([block, block], ignore_index=True)
    assert value_fingerprint(longer.iloc[:2]) == value_fingerprint(block)


def test_what_lies_under_missing_values_does_not_count():
    one = pd.array([1, 2], dtype="Int64")
    other = pd.array([1, 3], dtype="Int64")
    one[1] = other[1] = pd.NA
    assert value_fingerprint(one) == value_fingerprint(other)


def test_unused_levels_do_not_count():
    whole = pd.MultiIndex.from_tuples([(1, "a"), (2, "b"), (3, "c")])
    assert value_fingerprint(whole[:2]) == value_fingerprint(pd.MultiIndex.from_tuples([(1, "a"), (2, "b")]))


def tables():
    def column(values, kind=None):
        return pa.array(values, kind)

    columns = [
        column([1, 2]),
        column([1, None]),
        column([1, 0]),
        column([1, 2], pa.int32()),
        column([1.0, 2.0]),
        column([True, None]),
        column(["a", "b"]),
        column(["ab", ""]),
        column(["a", None]),
        column(["a", ""]),
        column(["a", "b"], pa.large_string()),
        column([b"a", b"b"]),
        column([[1], [2, 3]]),
        column([[1, 2], [3]]),
        column([[1], None]),
        column([[1], []]),
        column([{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        column([None, {"a": 2, "b": None}]),
        column(["a", "b"]).dictionary_encode(),
        column([1, 2], pa.timestamp("s")),
        column([1, 2], pa.timestamp("s", "UTC")),
        column([1, 2], pa.timestamp("ms")),
        column([1, 2], pa.date32()),
        column([None, None]),
        column([], pa.int64()),
        column([], pa.string()),
        column([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        column([1, 2]).cast(pa.decimal128(19)),
    ]
    return [
        *columns,
        *[pa.table({"x": one}) for one in columns],
        pa.table({"y": [1, 2]}),
        pa.table({"x": [1, 2]}).schema,
        pa.table({"x": [1, 2]}).replace_schema_metadata({"a": "b"}),
        pa.scalar(1),
        pa.int64(),
        pa.field("x", pa.int64()),
    ]


def test_all_of_these_tables_are_different():
    found = {}
    for value in tables():
        digest = value_fingerprint(value)
        assert digest not in found, (value, found[digest])
        found[digest] = value
        assert value_fingerprint(pickle.loads(pickle.dumps(value))) == digest  # noqa: S301


@pytest.mark.parametrize("index", range(28))
def test_chunks_and_slices_do_not_count(index):
    column = tables()[index]
    longer = pa.concat_arrays([column, column, column])
    sliced = longer[len(column) : 2 * len(column)]
    assert sliced.equals(column)
    assert value_fingerprint(sliced) == value_fingerprint(column)
    chunks = pa.chunked_array([column[:1], column[1:]], column.type)
    assert value_fingerprint(chunks) == value_fingerprint(column)


def test_what_lies_under_missing_items_does_not_count():
    valid = pa.py_buffer(b"\x01")
    one, other = (
        pa.Array.from_buffers(pa.int64(), 2, [valid, pa.py_buffer(np.array([1, hidden]).tobytes())])
        for hidden in (5, 6)
    )
    assert one.equals(other)
    assert value_fingerprint(one) == value_fingerprint(other)

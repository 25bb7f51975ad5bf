"""Arrays by type, shape and elements, whatever their layout."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from interactive_flow.store.fingerprint import FingerprintError, value_fingerprint

ARRAYS = arrays.arrays(
    st.one_of(
        arrays.scalar_dtypes(),
        arrays.array_dtypes(arrays.integer_dtypes() | arrays.floating_dtypes(), allow_subarrays=True),
    ),
    arrays.array_shapes(max_dims=3, max_side=4, min_side=0),
)


@given(ARRAYS)
def test_layout_does_not_count(array):
    digest = value_fingerprint(array)
    assert value_fingerprint(copy.deepcopy(array)) == digest
    assert value_fingerprint(np.asfortranarray(array)) == (
        digest if array.ndim else value_fingerprint(np.asfortranarray(array))
    )
    assert value_fingerprint(np.repeat(array, 2, axis=0)[::2]) == digest
    assert value_fingerprint(array[::-1].copy()[::-1]) == digest


@given(ARRAYS, st.data())
def test_every_byte_counts(array, data):
    array = array.copy()
    if array.dtype.kind == "V" or array.nbytes == 0 or array.dtype.itemsize > 8:
        return
    before = value_fingerprint(array)
    raw = array.reshape(-1).view(np.uint8)
    raw[data.draw(st.integers(0, raw.size - 1))] ^= 1
    assert value_fingerprint(array) != before


def different():
    ones = np.ones((2, 3))
    return [
        ones,
        ones.T,
        ones[0],
        ones.reshape(-1),
        ones.astype("f4"),
        ones.astype(">f8"),
        ones.astype(int),
        ones.astype(bool),
        ones.astype(complex),
        ones.astype(object),
        ones.astype("U1"),
        ones.astype("S1"),
        ones.tolist(),
        np.float64(1),
        np.float32(1),
        np.int64(1),
        np.bool_(True),
        1,
        1.0,
        np.array(1.0),
        np.array([]),
        np.zeros((0, 2)),
        np.zeros((2, 0)),
        np.array([0.0]),
        np.array([-0.0]),
        np.array([np.nan]),
        np.array(["a", None], dtype=object),
        np.array([["a"], [1]], dtype=object),
        np.array([1], "M8[s]"),
        np.array([1], "M8[ms]"),
        np.array([1], "m8[s]"),
        np.datetime64(1, "s"),
        np.array([(1, 2.0)], "i4,f8"),
        np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        np.longdouble(1),
        np.clongdouble(1),
        np.ma.masked_array([1, 2], [False, True]),
        np.ma.masked_array([1, 2], [True, False]),
        np.dtype("i4"),
        np.dtype("i8"),
        np.add,
        np.subtract,
        np.random.default_rng(1),
        np.random.default_rng(2),
        np.random.RandomState(1),
        np.random.PCG64(1),
        np.linalg,
        np.linalg.norm,
        np.array(["ab"], np.dtypes.StringDType()),
    ]


def test_all_of_these_are_different():
    assert len({value_fingerprint(value) for value in different()}) == len(different())
    assert [value_fingerprint(value) for value in different()] == [value_fingerprint(value) for value in different()]


def test_bytes_between_fields_do_not_count():
    dtype = np.dtype({"names": ["a", "b"], "formats": ["i1", "i4"], "offsets": [0, 4]})
    one, other = np.zeros(2, dtype), np.frombuffer(b"\xff" * 16, dtype).copy()
    other["a"], other["b"] = 0, 0
    assert value_fingerprint(one) == value_fingerprint(other)


def test_bytes_that_fill_up_long_numbers_do_not_count():
    one, other = np.zeros(2, np.longdouble), np.zeros(2, np.longdouble)
    other.view(np.uint8)[-1] = 255 if np.finfo(np.longdouble).nmant == 63 else 0
    assert value_fingerprint(one) == value_fingerprint(other)


def test_large_arrays_are_read_in_blocks():
    square = np.arange(360_000).reshape(600, 600)
    assert value_fingerprint(square.T) == value_fingerprint(square.T.copy()) != value_fingerprint(square)
    assert value_fingerprint(square[::2, ::3]) == value_fingerprint(square[::2, ::3].copy())
    broadcast = np.broadcast_to(np.arange(600), (600, 600))
    assert value_fingerprint(broadcast) == value_fingerprint(broadcast.copy())


def test_array_on_disk_counts_as_one_in_memory(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(9))
    assert value_fingerprint(np.load(tmp_path / "a.npy", mmap_mode="r")) == value_fingerprint(np.arange(9))


def test_subclass_counts():
    class Named(np.ndarray):
        name = ""

    one, other = np.arange(3).view(Named), np.arange(3).view(Named)
    assert value_fingerprint(one) == value_fingerprint(other) != value_fingerprint(np.arange(3))
    other.name = "other"
    assert value_fingerprint(one) != value_fingerprint(other)


def test_generator_counts_by_its_state():
    generator = np.random.default_rng(1)
    before = value_fingerprint(generator)
    generator.random()
    assert value_fingerprint(generator) != before


def test_array_that_contains_itself():
    array = np.empty(1, dtype=object)
    array[0] = array
    assert value_fingerprint(array) == value_fingerprint(array)


def test_error_names_the_element():
    with pytest.raises(FingerprintError, match=r"^value\['a'\]\[1\]: a generator"):
        value_fingerprint({"a": np.array([1, (x for x in "a")], dtype=object)})


def test_sparse_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[0, 1], [2, 0]])
    one, other = sparse.csr_matrix(dense), sparse.csr_matrix(([2, 1], ([1, 0], [0, 1])), shape=(2, 2))
    assert value_fingerprint(one) == value_fingerprint(other)
    assert (
        len({value_fingerprint(kind(dense)) for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array)}) == 3
    )
    assert value_fingerprint(sparse.csr_matrix(dense.T)) != value_fingerprint(one)

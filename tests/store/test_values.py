"""Values as bytes and back, and nothing foreign unpickled on the way."""

from __future__ import annotations

import math
import pickle
import sys
import threading
from collections import OrderedDict, namedtuple
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import log_of, record, succeeding

from interactive_flow.store import Store, StoredValue, loaded
from interactive_flow.store.errors import StoreDamaged, StoreRefused, ValueNotStored
from interactive_flow.store.values import INLINE_LIMIT, Values

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary()
keys = st.text(max_size=5) | st.integers() | st.tuples(st.integers(), st.text(max_size=3))
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(keys, inner) | st.sets(keys) | st.frozensets(keys)
    ),
    max_leaves=12,
)
others = st.datetimes() | st.fractions() | st.decimals() | st.uuids() | st.builds(OrderedDict) | st.builds(bytearray)
Point = namedtuple("Point", "x y")


def same(a: Any, b: Any) -> bool:
    """Equal, of equal types all the way down, in the same order; and NaN is NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return repr(a) == repr(b) or a == b  # a signalling NaN must not be compared


@pytest.fixture
def values(tmp_path: Path) -> Values:
    return Values(tmp_path / "values", b"k" * 32)


@given(value=plain | others | st.lists(others))
def test_values_come_back_as_they_were(value: Any) -> None:
    values = Values(Path("nowhere"), b"k" * 32)
    assert same(values.unpack(values.pack(value)), value)


@settings(max_examples=25)
@given(given_values=st.lists(plain | others | st.integers(0, 99).map(lambda n: [bytes(INLINE_LIMIT + n)]), max_size=5))
def test_values_come_back_from_a_store(tmp_path_factory: pytest.TempPathFactory, given_values: list[Any]) -> None:
    store = Store(tmp_path_factory.mktemp("s"))
    record(store, succeeding(given_values))
    outcomes = store.outcomes("r")
    assert [same(loaded(outcome.value), v) for outcome, v in zip(outcomes.values(), given_values, strict=True)] == [
        True
    ] * len(given_values)
    assert all(outcome.available for outcome in outcomes.values())


def test_scalars_are_there_at_once_and_other_values_when_used(store: Store) -> None:
    given_values = [None, True, 7, 1.5, "text", b"bytes", [1, 2], "x" * 100_000, 1j, ..., bytearray(b"x")]
    record(store, succeeding(given_values))
    back = [outcome.value for outcome in store.outcomes("r").values()]
    assert [type(x) is StoredValue for x in back] == [False] * 6 + [True] * 5
    assert [loaded(x) for x in back] == given_values
    assert back[0] is None


def test_a_stored_value_behaves_like_the_value(store: Store) -> None:
    record(store, succeeding([[1, 2, 3]]))
    value = store.outcomes("r")["give#1"].value
    assert repr(value) == "[1, 2, 3]"
    assert not StoredValue.__resolved__.__get__(value)
    assert value == [1, 2, 3]
    assert len(value) == 3
    assert isinstance(value, list)
    assert type(loaded(value)) is list
    assert loaded(5) == 5
    assert type(pickle.loads(pickle.dumps(value))) is list  # noqa: S301 - our own


def test_functions_and_classes_of_a_notebook_are_stored_by_value(store: Store) -> None:
    space: dict[str, Any] = {"__name__": "__main__"}
    exec("class Local:\n    def __init__(self, x): self.x = x\ndef twice(x): return 2 * x", space)
    record(store, succeeding([space["Local"](5), space["twice"]]))
    back = [outcome.value for outcome in store.outcomes("r").values()]
    assert back[0].x == 5
    assert back[1](4) == 8


def test_arrays_keep_type_shape_and_order(store: Store) -> None:
    numpy = pytest.importorskip("numpy")
    arrays = [
        numpy.arange(20_000, dtype=">i2").reshape(100, 200),
        numpy.asfortranarray(numpy.ones((3, 4), dtype="float32")),
        numpy.array([("a", 1)], dtype=[("name", "U5"), ("n", "i4")]),
        numpy.array(math.pi),
        numpy.array([object, None], dtype=object),
        numpy.array(["2026-01-01"], dtype="datetime64[s]"),
    ]
    assert [Values(Path("nowhere"), b"k").pack(array).format for array in arrays] == ["npy"] * 4 + ["pickle", "npy"]
    record(store, succeeding(arrays))
    for outcome, array in zip(store.outcomes("r").values(), arrays, strict=True):
        back = loaded(outcome.value)
        assert back.dtype == array.dtype
        assert back.shape == array.shape
        assert back.flags.f_contiguous == array.flags.f_contiguous
        assert (back == array).all()


def test_tables_keep_their_types(store: Store) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"n": [1, None, 3], "s": ["a", "b", None]}).replace_schema_metadata({"made": "here"})
    record(store, succeeding([table]))
    assert Values(store.path, b"k").pack(table).format == "arrow"
    back = loaded(store.outcomes("r")["give#1"].value)
    assert back.equals(table, check_metadata=True)


def test_tables_are_told_by_their_shape(values: Values) -> None:
    pandas = pytest.importorskip("pandas")
    assert values.pack(pandas.DataFrame({"n": [1, 2]})).text == "<DataFrame (2, 1)>"


def test_data_frames_keep_index_and_types(store: Store) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    simple = pandas.DataFrame({"n": [1, 2], "x": [0.5, float("nan")], "t": pandas.to_datetime(["2026-01-01", None])})
    named = pandas.DataFrame({"n": [1, 2]}, index=pandas.Index([5, 7], name="key"))
    mixed = pandas.DataFrame({"o": [1, "a"]}, dtype=object)
    numbered = pandas.DataFrame([[1, 2], [3, 4]])
    frames = [simple, named, mixed, numbered]
    assert [Values(store.path, b"k").pack(frame).format for frame in frames] == ["frame", "frame", "pickle", "pickle"]
    record(store, succeeding(frames))
    for outcome, frame in zip(store.outcomes("r").values(), frames, strict=True):
        pandas.testing.assert_frame_equal(loaded(outcome.value), frame, check_freq=False)


class Stubborn:
    def __reduce__(self) -> Any:
        raise ValueError("this stays here")

    def __repr__(self) -> str:
        return "<stubborn>"


def test_what_cannot_be_pickled_leaves_a_text_and_the_reason(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    given_values = [1, Stubborn(), threading.Lock(), 4]
    with store.begin("r", "wf") as recorder:
        recorder.append(log_of(succeeding(given_values)).tail(0))
        recorder.flush()
    assert [missing.call for missing in recorder.not_stored] == ["give#2", "give#3", ""]
    assert recorder.not_stored[0].reason == "ValueError: this stays here"
    assert "give#2" in caplog.text
    outcomes = store.outcomes("r")
    assert [outcome.available for outcome in outcomes.values()] == [True, False, False, True]
    value = outcomes["give#2"].value
    assert repr(value) == "<stubborn>"
    with pytest.raises(ValueNotStored, match=r"stubborn.*this stays here"):
        loaded(value)


def test_a_value_nested_too_deep_is_not_stored(values: Values) -> None:
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 50):
        deep = [deep]
    packed = values.pack(deep)
    assert packed.format == ""
    assert "RecursionError" in str(packed.data)
    while deep:  # taken apart by hand: the interpreter would recurse
        deep = deep[0]


# -- value files -------------------------------------------------------------------------------------------------------


def files_of(store: Store) -> list[Path]:
    return [path for path in (store.path / "values").rglob("*") if path.is_file()]


def test_equal_values_are_kept_once(store: Store) -> None:
    record(store, succeeding([["x" * 100_000]] * 3, "a")[:-1], "a")
    record(store, succeeding([["x" * 100_000]], "b")[:-1], "b")
    assert len(files_of(store)) == 1


def test_everything_is_for_the_owner_only(store: Store) -> None:
    record(store, succeeding([["x" * 100_000]]))
    for path in [store.path, *store.path.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.fixture
def large(store: Store) -> tuple[Any, Path]:
    """A value that is not loaded yet, and its file."""
    record(store, [*succeeding([["x" * 100_000]])[:-1]])
    (file,) = files_of(store)
    return store.outcomes("r")["give#1"].value, file


def test_a_truncated_file_is_told_as_such(large: tuple[Any, Path]) -> None:
    value, file = large
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(StoreDamaged, match=r"has .* of its .* bytes") as caught:
        loaded(value)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_told_as_such(large: tuple[Any, Path]) -> None:
    value, file = large
    file.unlink()
    with pytest.raises(StoreDamaged, match="missing"):
        loaded(value)


def test_a_changed_file_is_refused(large: tuple[Any, Path]) -> None:
    value, file = large
    data = bytearray(file.read_bytes())
    data[500] ^= 1
    file.write_bytes(data)
    with pytest.raises(StoreRefused, match="has not written"):
        loaded(value)


class Trap:
    """Its loading makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_a_foreign_pickle_is_refused_and_never_loaded(large: tuple[Any, Path], tmp_path: Path) -> None:
    value, file = large
    sprung = tmp_path / "sprung"
    trap = pickle.dumps(Trap(sprung))
    pickle.loads(trap)  # noqa: S301 - to see what it does
    assert sprung.exists()  # it would work
    sprung.unlink()
    for data in (trap, trap + bytes(200_000)):
        file.write_bytes(data)
        with pytest.raises((StoreRefused, StoreDamaged)):
            loaded(value)
    assert not sprung.exists()


def test_a_file_of_another_store_is_refused(large: tuple[Any, Path], tmp_path: Path) -> None:
    value, file = large
    other = Store(tmp_path / "other")
    record(other, [*succeeding([["x" * 100_000]])[:-1]])
    (theirs,) = files_of(other)
    assert theirs.read_bytes() == file.read_bytes()
    assert theirs.name != file.name
    packed = Values(tmp_path, b"another key").pack(datetime(2026, 1, 1))  # noqa: DTZ001
    file.write_bytes(bytes(packed.data) + bytes(200_000))  # type: ignore[arg-type]
    with pytest.raises(StoreRefused):
        loaded(value)


def test_a_damaged_file_is_mended_by_the_next_run_with_the_same_value(large: tuple[Any, Path], store: Store) -> None:
    value, file = large
    file.write_bytes(b"?")
    record(store, succeeding([["x" * 100_000]], "again"), "again")
    assert value == ["x" * 100_000]


# -- awkward values ----------------------------------------------------------------------------------------------------


def test_without_cloudpickle_the_reason_says_what_would_help(values: Values, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert values.unpack(values.pack(datetime(2026, 1, 1))) == datetime(2026, 1, 1)  # noqa: DTZ001
    packed = values.pack(lambda: None)
    assert packed.format == ""
    assert "interactive_flow[store]" in str(packed.data)


class Restless:
    """Fails as a dict does that somebody changes while it is pickled, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __reduce__(self) -> Any:
        self.times -= 1
        if self.times >= 0:
            raise RuntimeError("dictionary changed size during iteration")
        return str, ("at rest",)


def test_a_value_that_changes_while_it_is_pickled_is_tried_again(values: Values) -> None:
    assert values.unpack(values.pack(Restless(2))) == "at rest"
    packed = values.pack(Restless(1000))
    assert packed.format == ""
    assert "changed size" in str(packed.data)

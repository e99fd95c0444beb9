"""What a golden keeps of an array, and what it can tell of another."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from reconstruct.errors import ReadError
from reconstruct.goldens import arrays

DTYPES = st.sampled_from(["float32", "float64", "float16", "int32", "int64", "uint8", "bool"])


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, max_side=5)))
def test_what_is_written_is_read_back_to_the_bit(array: np.ndarray) -> None:
    recorded = arrays.from_json(json.loads(json.dumps(arrays.to_json(arrays.record(array)))))
    assert (recorded.shape, recorded.dtype) == (array.shape, array.dtype.name)
    np.testing.assert_array_equal(recorded.values, array)
    np.testing.assert_array_equal(arrays.unpack(json.loads(json.dumps(arrays.pack(array)))), array)


def test_a_large_input_is_packed_whole() -> None:
    array = np.random.default_rng(0).standard_normal((3, 20, 20, 3)).astype("float32")
    np.testing.assert_array_equal(arrays.unpack(json.loads(json.dumps(arrays.pack(array)))), array)


def test_a_random_image_is_coarse_and_small() -> None:
    array = np.random.default_rng(0).standard_normal((3, 32, 32, 3)).astype("float32")
    found = arrays.coarse(array)
    assert found.dtype == array.dtype
    assert np.abs(found - array).max() <= 1 / 64
    assert len(arrays.pack(found)["zlib_base85"]) < 2 * array.size < len(arrays.pack(array)["zlib_base85"]) / 2
    np.testing.assert_array_equal(arrays.coarse(array[:, 0]), array[:, 0])


@pytest.mark.parametrize("where", [0, 123_456, 299_999])
def test_one_number_of_a_large_array_is_noticed_where_it_changes_a_mean(where: int) -> None:
    array = np.zeros(300_000, "float32")
    recorded = arrays.record(array)
    assert len(json.dumps(arrays.to_json(recorded))) < 4000
    changed = array.copy()
    changed[where] = 10.0
    assert not arrays.disagreement(changed, recorded).within(1e-4)
    assert arrays.disagreement(array, recorded).within(0.0)


def test_the_worst_places_are_named() -> None:
    before = np.arange(6, dtype="float32").reshape(2, 3)
    now = before.copy()
    now[1, 2] += 0.5
    found = arrays.disagreement(now, arrays.record(before))
    assert found.worst == (("[1, 2]", 5.0, 5.5),)
    assert found.absolute == 0.5
    assert found.relative == pytest.approx(0.5 / 6)


@pytest.mark.parametrize(
    ("now", "problem"),
    [
        (np.ones((2, 1), "float32"), "shape (2, 1), recorded (2,)"),
        (np.ones(2, "float64"), "dtype float64, recorded float32"),
        (np.array([1, np.nan], "float32"), "NaN or infinity at [1]"),
    ],
)
def test_what_no_tolerance_allows(now: np.ndarray, problem: str) -> None:
    found = arrays.disagreement(now, arrays.record(np.ones(2, "float32")))
    assert found.problem == problem
    assert not found.within(1e9)


def test_text_is_told_apart_and_is_the_same_as_bytes_and_as_objects() -> None:
    words = np.array([["a", "über"], ["", "漢字"]])
    recorded = arrays.from_json(json.loads(json.dumps(arrays.to_json(arrays.record(words)))))
    as_bytes = np.char.encode(words, "utf-8")
    for same in (words, as_bytes, as_bytes.astype(object)):
        assert arrays.disagreement(same, recorded).within(0.0)
    assert arrays.disagreement(words[::-1], recorded).problem == "'' at [0, 0], recorded 'a'"
    many = np.repeat(words, 1000, axis=0)
    np.testing.assert_array_equal(arrays.unpack(json.loads(json.dumps(arrays.pack(many)))), many)


def test_a_nan_that_was_recorded_proves_nothing_of_an_output_and_is_the_same_within_a_model() -> None:
    before = np.array([1.0, np.nan, -np.inf], "float32")
    recorded = arrays.record(before)
    assert arrays.disagreement(np.ones(3, "float32"), recorded).problem == "NaN or infinity was recorded at [1]"
    assert arrays.alike(before, recorded, 0.0)
    assert not arrays.alike(np.array([1.0, np.nan, np.inf], "float32"), recorded, 1.0)
    assert not arrays.alike(np.array([1.5, np.nan, -np.inf], "float32"), recorded, 0.1)


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"shape": [30, 100], "dtype": "float32", "samples": [0.0]},
        {"shape": [1], "dtype": "float32", "values": [{"a": 1}]},
        {"shape": [1e400], "dtype": "float32", "values": [1.0]},
        {"shape": [1], "dtype": "uint8", "values": [300]},
        {"shape": [1], "dtype": "V2", "values": [1.0]},
        {"shape": [2], "dtype": "float32", "values": [1.0]},
        {"shape": [1], "dtype": "object", "values": ["x"]},
        {"shape": [1], "dtype": "float32", "values": [{}]},
        {"shape": [1 << 40], "dtype": "float32", "zlib_base85": ""},
        {"shape": [4], "dtype": "float32", "zlib_base85": "not base85 \x00"},
    ],
)
def test_a_damaged_array_is_a_read_error(written: dict) -> None:
    with pytest.raises(ReadError):
        arrays.unpack(written)

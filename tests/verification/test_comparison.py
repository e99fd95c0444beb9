"""Numbers are compared as they are: nothing is sorted, reshaped, cut or broadcast."""

import numpy as np
import pytest

from reconstruct.verification.comparison import compare

ONE = np.ones((2, 3), "float32")


def test_equal_outputs() -> None:
    found = compare([ONE, ONE * 2], [ONE.copy(), ONE * 2])
    assert (found.absolute, found.relative, found.problem) == (0.0, 0.0, None)
    assert found.within(0.0)


def test_the_largest_difference_of_all_outputs_counts() -> None:
    other = ONE.copy()
    other[1, 2] = 1.5
    found = compare([ONE, other], [ONE, ONE])
    assert (found.absolute, found.relative) == (0.5, 0.25)
    assert found.within(0.25)
    assert not found.within(0.2)


def test_large_numbers_are_compared_relatively() -> None:
    assert compare([ONE * 1e6 + 10], [ONE * 1e6]).within(1e-4)
    assert not compare([ONE * 10], [ONE]).within(1e-4)


@pytest.mark.parametrize(
    ("ours", "original", "says"),
    [
        ([ONE], [ONE, ONE], "1 outputs, the original has 2"),
        ([ONE[:1]], [ONE], "shape"),
        ([ONE.T], [ONE], "shape"),
        ([np.ones((1, 3))], [np.ones((2, 3))], "shape"),
        ([ONE * np.nan], [ONE], "not finite where the original is"),
        ([ONE * np.inf], [ONE * np.inf], "original is not finite"),
        ([ONE * np.nan], [ONE * np.nan], "original is not finite"),
        ([np.array(["a"])], [np.array(["b"])], "not numeric"),
    ],
)
def test_what_no_tolerance_forgives(ours: list[np.ndarray], original: list[np.ndarray], says: str) -> None:
    found = compare(ours, original)
    assert says in (found.problem or "")
    assert not found.within(np.inf)


def test_an_original_that_is_not_finite_tells_nothing() -> None:
    assert compare([ONE], [ONE * np.nan]).finite is False
    assert compare([ONE * np.nan], [ONE]).finite is True


def test_order_matters() -> None:
    assert not compare([np.array([1.0, 2.0])], [np.array([2.0, 1.0])]).within(1e-4)


def test_equal_strings_booleans_and_empty_arrays() -> None:
    assert compare([np.array(["a"])], [np.array(["a"])]).within(0.0)
    assert compare([np.array([True])], [np.array([True])]).within(0.0)
    assert not compare([np.array([True])], [np.array([False])]).within(0.1)
    assert compare([np.ones((0, 3))], [np.ones((0, 3))]).within(0.0)

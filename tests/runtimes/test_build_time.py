"""Shapes as numbers while a model is built; tests/objects/test_lambdas.py holds that what is computed is right."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from reconstruct.runtimes import build_time  # noqa: E402


def test_an_open_size_is_not_guessed() -> None:
    x = keras.Input((None, 3))
    assert build_time.size(x, 2) == 3
    with pytest.raises(ValueError, match="--input-shape"):
        build_time.size(x, 1)


def test_an_open_size_is_counted_where_a_tensor_will_do() -> None:
    x = keras.Input((None, 3))
    assert build_time.number(x, -1) == 3
    model = keras.Model(x, keras.ops.add(x, keras.ops.cast(build_time.number(x, 1), "float32")))
    np.testing.assert_array_equal(model(np.zeros((2, 5, 3), "float32")), np.full((2, 5, 3), 5.0))


def test_parts_of_shapes() -> None:
    x = keras.Input((4, 6))
    assert build_time.prod(2, (x, 1, None)) == 48
    assert tuple(build_time.reshape(x, -1, (x, 1, -1), 3, 2).shape) == (None, 4, 3, 2)


def test_only_one_row_is_repeated_for_a_batch() -> None:
    assert build_time.row(np.zeros((1, 3))).shape == (1, 3)
    with pytest.raises(ValueError, match="several rows"):
        build_time.row(keras.Input((3,)))
    with pytest.raises(ValueError, match="several rows"):
        build_time.row(np.zeros((2, 3)))


@pytest.mark.parametrize(("one", "other"), [((4, 5, 6), (4, 6, 3)), ((5,), (5,)), ((4, 5), (4,))])
def test_batch_dot_without_axes_is_not_guessed(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one thing or another"):
        build_time.batch_dot(keras.Input(one), keras.Input(other), True)

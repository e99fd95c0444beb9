"""The same numbers in place of random ones: whoever draws, and however often."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from reconstruct.runtimes.fixed_draws import fixed_draws

DRAWS = {
    "normal": (lambda: tf.random.normal((500, 4)), lambda: keras.random.normal((500, 4))),
    "uniform": (lambda: tf.random.uniform((500, 4), -1, 1), lambda: keras.random.uniform((500, 4), -1, 1)),
    "truncated": (lambda: tf.random.truncated_normal((500, 4)), lambda: keras.random.truncated_normal((500, 4))),
    "whole": (
        lambda: tf.random.uniform((500, 4), 0, 9, dtype="int32"),
        lambda: keras.random.randint((500, 4), 0, 9, dtype="int32"),
    ),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_all_draw_the_same(kind: str) -> None:
    of_tensorflow, of_keras = DRAWS[kind]
    with fixed_draws():
        first, second, third = of_tensorflow(), of_tensorflow(), of_keras()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, third, atol=1e-6)
    assert not np.array_equal(of_tensorflow(), of_tensorflow())  # afterwards all is as before


def test_the_numbers_are_spread_as_drawn_ones() -> None:
    with fixed_draws():
        normal, uniform = tf.random.normal((2000,)).numpy(), tf.random.uniform((2000,)).numpy()
    assert abs(normal.mean()) < 0.01
    assert normal.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(np.histogram(uniform, 4, (0, 1))[0], 500, atol=5)


def test_a_graph_that_is_made_meanwhile_draws_them_too() -> None:
    with fixed_draws():
        drawn = tf.function(lambda x: tf.random.normal(tf.shape(x)))
        np.testing.assert_array_equal(drawn(tf.zeros((3, 2))), drawn(tf.zeros((3, 2))))


def test_dropout_that_is_always_on() -> None:
    x = np.ones((4, 50), "float32")
    with fixed_draws():
        once, again = (keras.layers.Dropout(0.5)(x, training=True) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert 60 < np.count_nonzero(once) < 140

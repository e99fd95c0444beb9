"""Layers that several inputs go through stand in a file once, and are called on each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct

keras = pytest.importorskip("tf_keras")
L = keras.layers
RNG = np.random.default_rng(0)


def texts() -> Any:
    left, right = L.Input((6,)), L.Input((6,))
    embedding, lstm = L.Embedding(9, 4), L.LSTM(5)
    x = L.concatenate([lstm(embedding(left)), lstm(embedding(right))])
    return keras.Model([left, right], L.Dense(1, activation="sigmoid")(L.Dense(7, activation="relu")(x)))


def images() -> Any:
    """With the tower as a model of its own, of which a file lists the layers with weights alone."""
    tower = keras.Sequential([L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(6)])
    left, right = L.Input((10, 10, 1)), L.Input((10, 10, 1))
    return keras.Model([left, right], L.Dense(1, activation="sigmoid")(L.Subtract()([tower(left), tower(right)])))


@pytest.mark.parametrize("build", [texts, images])
def test_a_tower_is_called_on_each_input(build: Callable[[], Any], tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    original = build()
    for weight in original.weights:  # so that outputs tell all choices
        weight.assign_add(0.3 * RNG.standard_normal(weight.shape))
    whole = len(original.input_shape[0]) == 2
    shape = (16, *original.input_shape[0][1:])
    pairs = [
        [(RNG.integers(0, 9, shape) if whole else RNG.standard_normal(shape)).astype("float32") for _ in range(2)]
        for _ in range(2)
    ]
    original.save_weights(tmp_path / "weights.h5")
    np.savez(tmp_path / "e.npz", x0=pairs[0][0], x1=pairs[0][1], y0=np.asarray(original(pairs[0])))
    recovery = reconstruct.recover(tmp_path / "weights.h5", examples=tmp_path / "e.npz", budget=40)
    assert recovery.status == "verified"
    np.testing.assert_allclose(np.asarray(recovery.model(pairs[1])), np.asarray(original(pairs[1])), atol=1e-5)

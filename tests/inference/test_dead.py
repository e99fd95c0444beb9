"""Units of relu that never gave anything show in biases that are exactly zero."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct
from reconstruct.inference.dead import any_dead, costs_of_dead
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer

keras = pytest.importorskip("tf_keras")
L = keras.layers
RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((8, 64)).astype("float32")
BIAS = RNG.standard_normal(64).astype("float32")


def trained(layers: list[Any], path: Path) -> list[str]:
    """The activations that are taken, in the order of the layers, for a model trained on numbers above zero, of which
    many units with relu make nothing."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([L.Input((4,)), *layers])
    x = RNG.uniform(0.5, 1.5, (128, 4)).astype("float32")
    y = RNG.uniform(0.1, 1.0, (128, model.output_shape[-1])).astype("float32")
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, y, epochs=3, batch_size=32, verbose=0)
    model.save_weights(path)
    found = infer(reconstruct.inspect(path), Hints()).artifact.model
    assert found is not None
    assert found.graph is not None
    return [n.config["activation"] for n in found.graph.layers if "activation" in n.config]


def test_a_last_layer_with_dead_units(tmp_path: Path) -> None:
    assert trained([L.Dense(16, "relu"), L.Dense(24, "relu")], tmp_path / "w.h5") == ["relu", "relu"]
    # which softmax is likelier of
    assert trained([L.Dense(16, "relu"), L.Dense(24, "softmax")], tmp_path / "w.h5") == ["relu", "softmax"]


def test_an_activation_behind_the_layer_with_dead_units(tmp_path: Path) -> None:
    layers = [L.Dense(24), L.Dropout(0.1), L.Activation("relu")]
    assert trained([L.Dense(16, "relu"), *layers], tmp_path / "w.h5") == ["relu", "linear", "relu"]


@pytest.mark.parametrize("activation", ["elu", "tanh", "sigmoid", "linear"])
def test_others_have_no_dead_units(activation: str) -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([L.Input((4,)), L.Dense(64, activation), L.Dense(1)])
    x = RNG.uniform(0.5, 1.5, (128, 4)).astype("float32")
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, x.sum(1), epochs=3, batch_size=32, verbose=0)
    assert not any_dead(*model.layers[0].get_weights())


def test_zeros_among_other_numbers_are_dead_units() -> None:
    assert any_dead(KERNEL, np.where(np.arange(64) < 3, 0, BIAS))


def test_large_inputs_saturate_what_they_go_into() -> None:
    """So that a first layer tells less of activations that have an end, and as much of those that have none."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([L.Input((4,)), L.Dense(64, "tanh"), L.Dense(64, "tanh"), L.Dense(1)])
    x = RNG.uniform(500, 1500, (128, 4)).astype("float32")
    model.compile(optimizer="adam", loss="mse")
    model.fit(x, x.sum(1) / 1000, epochs=3, batch_size=32, verbose=0)
    assert any_dead(*model.layers[0].get_weights())
    assert not any_dead(*model.layers[1].get_weights())
    first, later = costs_of_dead(True), costs_of_dead(False)
    assert first["tanh"] < later["tanh"]
    assert first["linear"] == later["linear"]
    assert not {"relu", "relu6"} & {*first, *later}


@pytest.mark.parametrize(
    ("kernel", "bias"),
    [
        (KERNEL, BIAS),
        (KERNEL, np.zeros(64, "float32")),  # never trained
        (KERNEL, np.round(BIAS * 4) / 4),  # rounded to few values
        (np.where(abs(KERNEL) < 0.5, 0, KERNEL), np.where(abs(BIAS) < 0.5, 0, BIAS)),  # pruned
    ],
)
def test_other_zeros_say_nothing(kernel: np.ndarray, bias: np.ndarray) -> None:
    assert not any_dead(kernel, bias)

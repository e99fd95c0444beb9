"""Statistics of a trained BatchNormalization tell what the activation beside it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer

keras = pytest.importorskip("tf_keras")
L = keras.layers
RNG = np.random.default_rng(0)


def trained(blocks: Any, path: Path) -> Path:
    """A file of weights of three such blocks, whose statistics are those of random numbers that ran through them."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([L.Input((8,)), *(layer for _ in range(3) for layer in blocks()), L.Dense(1)])
    x = RNG.standard_normal((512, 8)).astype("float32")
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    model.fit(x, x.sum(1) + RNG.standard_normal(512), epochs=8, batch_size=64, verbose=0)
    model.save_weights(path)
    return path


def leaky(slope: float) -> Any:
    return lambda: [L.Dense(48), L.LeakyReLU(slope), L.BatchNormalization(momentum=0.8), L.Dropout(0.1)]


def noisy(activation: str) -> Any:
    return lambda: [L.Dense(48, activation), L.Dropout(0.3), L.BatchNormalization(momentum=0.8), L.Flatten()]


def before(activation: str) -> Any:
    return lambda: [L.Dense(48, activation), L.BatchNormalization(momentum=0.8)]


def between(activation: str) -> Any:
    return lambda: [L.Dense(48), L.BatchNormalization(momentum=0.8), L.Activation(activation)]


def field(path: Path, class_name: str, name: str) -> list[Any]:
    model = infer(reconstruct.inspect(path), Hints()).artifact.model
    assert model is not None
    assert model.graph is not None
    return [n.config[name] for n in model.graph.layers if n.class_name == class_name]


def test_the_slope_of_a_leaky_relu_before_normalisation(tmp_path: Path) -> None:
    assert field(trained(leaky(0.1), tmp_path / "w.h5"), "LeakyReLU", "alpha") == [0.1] * 3


@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_an_activation_between_two_normalisations(activation: str, tmp_path: Path) -> None:
    assert field(trained(between(activation), tmp_path / "w.h5"), "Activation", "activation") == [activation] * 3


def test_a_sigmoid_before_dropout_and_normalisation(tmp_path: Path) -> None:
    found = field(trained(noisy("sigmoid"), tmp_path / "w.h5"), "Dense", "activation")
    assert found[:3] == ["sigmoid"] * 3


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_activation_before_normalisation(activation: str, tmp_path: Path) -> None:
    found = field(trained(before(activation), tmp_path / "w.h5"), "Dense", "activation")
    assert found[:3] == [activation] * 3


def test_an_activation_that_little_tells_is_taken_like_the_others(tmp_path: Path) -> None:
    scales = iter([0.05, 3.0, 3.0])  # what is near zero elu and tanh make alike

    def blocks() -> list[Any]:
        scaled = keras.initializers.VarianceScaling(next(scales))
        return [
            L.Dense(48, kernel_initializer=scaled),
            L.Activation("elu"),
            L.BatchNormalization(momentum=0.8),
            L.Flatten(),
        ]

    assert field(trained(blocks, tmp_path / "w.h5"), "Activation", "activation") == ["elu"] * 3


def test_statistics_of_a_model_that_was_never_trained_say_nothing(tmp_path: Path) -> None:
    model = keras.Sequential([L.Input((8,)), *(layer for _ in range(3) for layer in between("tanh")()), L.Dense(1)])
    model.save_weights(tmp_path / "w.h5")
    assert field(tmp_path / "w.h5", "Activation", "activation") == ["relu"] * 3

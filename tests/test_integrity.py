"""What the values of weights say: damage is named, a model that was never trained too; trained ones pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import reconstruct
from reconstruct import integrity
from reconstruct.artifact import Graph, Layer, constant
from reconstruct.rules import RULES, apply


def model(**layers: dict[str, np.ndarray]) -> Layer:
    made = [
        Layer("Dense", name, weights={k: constant(k, v) for k, v in weights.items()}, path=f"model/{name}")
        for name, weights in layers.items()
    ]
    return Layer("Sequential", "model", graph=Graph(tuple(made)), path="model")


def found(of: Layer) -> list[tuple[str, str]]:
    return [(f.code, f.path) for f in integrity.findings(of)]


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_counted(value: float) -> None:
    kernel = random(8, 8)
    kernel[1, 2:4] = value
    (finding,) = integrity.findings(model(a={"kernel": kernel}))
    assert (finding.code, finding.severity, finding.path) == ("weights_not_finite", "warning", "model/a/kernel")
    assert finding.message.startswith("2 of 64")


def test_a_kernel_of_zeros_is_odd_and_a_bias_of_zeros_is_not() -> None:
    assert found(model(a={"kernel": np.zeros((8, 8)), "bias": np.zeros(8)})) == [("weights_zero", "model/a/kernel")]
    assert found(model(a={"kernel": random(8, 8), "bias": np.zeros(8)})) == []


def test_the_same_kernel_twice_is_said_and_never_an_error() -> None:
    of = model(a={"kernel": random(8, 8)}, b={"kernel": random(8, 8)}, c={"kernel": random(8, 8, seed=1)})
    (finding,) = integrity.findings(of)
    assert (finding.code, finding.severity, finding.path) == ("weights_duplicated", "info", "model/b/kernel")
    assert "model/a/kernel" in finding.message
    ones = model(a={"kernel": np.ones((8, 8))}, b={"kernel": np.ones((8, 8))})
    assert found(ones) == []  # kernels of fixed numbers, as of a blur, are alike


def test_a_model_that_was_never_trained_is_told_from_one_that_was(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(3)
    layers = keras.layers
    fresh = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(8, 3),
            layers.BatchNormalization(),
            layers.SeparableConv2D(4, 3),
            layers.Conv2DTranspose(4, 2, kernel_initializer="he_uniform"),
            layers.Reshape((25, 4)),
            layers.LSTM(6, return_sequences=True),
            layers.Bidirectional(layers.GRU(5)),
            layers.Dense(3),
        ]
    )
    path = tmp_path / "fresh.keras"
    fresh.save(path)
    read = apply(reconstruct.inspect(path), RULES).artifact.model
    assert read is not None
    assert found(read) == [("weights_initial", "model")]
    fresh.compile("sgd", "mse")
    fresh.fit(np.ones((2, 8, 8, 3)), np.ones((2, 3)), verbose=0)
    fresh.save(path)
    read = apply(reconstruct.inspect(path), RULES).artifact.model
    assert read is not None
    assert found(read) == []


def test_recover_reports_it(tmp_path: Path) -> None:
    import keras

    (tmp_path / "m").mkdir()
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    net.set_weights([np.full((4, 5), np.nan), np.zeros(5)])
    net.save(tmp_path / "m" / "nan.keras")
    recovery = reconstruct.recover(tmp_path / "m" / "nan.keras", verify=False)
    assert "weights_not_finite" in [f["code"] for f in recovery.report["findings"]]

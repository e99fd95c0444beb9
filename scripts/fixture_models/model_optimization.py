"""tensorflow-model-optimization on tf.keras: pruned models, and models trained for quantization."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow_model_optimization as tfmot
from keras import Input, Sequential
from keras import layers as L

from fixture_models.common import Catalogue, randomise

catalogue = Catalogue("tensorflow-model-optimization-0.8.1")


def pruned(path: Path) -> Any:
    with tfmot.sparsity.keras.prune_scope():
        return keras.models.load_model(str(path))


def quantized(path: Path) -> Any:
    with tfmot.quantization.keras.quantize_scope():
        return keras.models.load_model(str(path))


def with_masks(model: Any) -> Any:
    """Half of the weights masked: a mask is in force in every call, trained on or not."""
    randomise(model)
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if "/mask" in weight.name:
            weight.assign(rng.integers(0, 2, weight.shape).astype("float32"))
    return model


def with_ranges(model: Any) -> Any:
    """Ranges around 0, as training finds them, so narrow that values at both ends are cut."""
    randomise(model)
    rng = np.random.default_rng(6)
    for weight in model.weights:
        name = weight.name.split(":")[0]
        if name.endswith(("_min", "_max")):
            size = rng.uniform(0.3, 0.9, weight.shape) if "kernel" in name else rng.uniform(1.0, 2.5, weight.shape)
            weight.assign((size if name.endswith("_max") else -size).astype("float32"))
    return model


def pruned_model(*further: Any) -> Any:
    layers = [L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.SeparableConv2D(3, 2)]
    layers += [*further, L.Dense(5, activation="softmax")]
    return with_masks(tfmot.sparsity.keras.prune_low_magnitude(Sequential([Input((8, 7, 3)), *layers])))


@catalogue.add("PruneLowMagnitude", reload=pruned, keep_weights=True)
def pruned_h5() -> Any:
    return pruned_model(L.Flatten())


@catalogue.add("PruneLowMagnitude", "LSTM", container="keras-zip", suffix=".keras", reload=pruned, keep_weights=True)
def pruned_zip() -> Any:
    return pruned_model(L.Reshape((5, 12)), L.LSTM(4))


@catalogue.add("QuantizeLayer", "QuantizeWrapperV2", reload=quantized, keep_weights=True)
def quantized_model() -> Any:
    layers = [L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU(), L.DepthwiseConv2D(2, activation="relu")]
    layers += [L.Conv2DTranspose(3, 2), L.Flatten(), L.Dense(6, activation="tanh"), L.Dense(5, activation="softmax")]
    return with_ranges(tfmot.quantization.keras.quantize_model(Sequential([Input((8, 7, 3)), *layers])))

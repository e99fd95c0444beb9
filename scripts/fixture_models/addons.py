"""tensorflow-addons 0.23: normalizations of outputs and of weights, activations, pooling, CRF; and tf2crf 0.1.33."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow_addons as tfa
import tf2crf
import tf_keras as keras
from tf_keras import Input, Model
from tf_keras import layers as L

from fixture_models.common import Catalogue, padded_tokens

A = tfa.layers
catalogue = Catalogue("tensorflow-addons-0.23")


def load(path: Any) -> Any:
    """TimeDistributed does not find what is registered."""
    return keras.models.load_model(str(path), custom_objects={"SpectralNormalization": A.SpectralNormalization})


def as_zip(build: Any) -> Any:
    """Add the model as a Keras zip."""
    name = f"{build.__name__}_zip"
    return catalogue.add("tensorflow-addons", name=name, container="keras-zip", suffix=".keras", reload=load)(build)


def both(build: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""
    catalogue.add("tensorflow-addons", name=f"{build.__name__}_h5", reload=load)(build)
    return as_zip(build)


@both
def normalizations() -> Any:
    x = Input((6, 5, 4))
    y = A.InstanceNormalization(axis=3, epsilon=0.1)(L.Conv2D(4, 2)(x))
    y = A.GroupNormalization(groups=2, axis=1 + 2, center=False)(y)
    y = A.GroupNormalization(groups=1, axis=1, scale=False)(y)
    return Model(x, A.FilterResponseNormalization(epsilon=1e-2)(y))


@both
def wrappers() -> Any:
    x = Input((6, 5))
    y = L.TimeDistributed(A.SpectralNormalization(L.Dense(4, activation="tanh")))(x)
    y = A.SpectralNormalization(L.Conv1D(3, 2), power_iterations=2)(y)
    y = A.WeightNormalization(L.Conv1D(4, 2, activation="relu"))(y)
    y = A.WeightNormalization(L.LSTM(3, return_sequences=True), data_init=False)(y)
    return Model(x, A.WeightNormalization(L.Dense(2, use_bias=False))(y))


@as_zip  # tf_keras does not read them from HDF5
def activations() -> Any:
    names = ("gelu", "hardshrink", "lisht", "mish", "rrelu", "snake", "softshrink", "sparsemax", "tanhshrink")
    x = Input((5,))
    ys = [L.Dense(2, activation=f"Addons>{name}")(x) for name in names]
    return Model(x, L.Concatenate()([*ys, A.GELU()(x), A.GELU(approximate=False)(x)]))


@both
def pooling() -> Any:
    x = Input((8, 6, 3))
    y = L.Concatenate()([A.AdaptiveAveragePooling2D((4, 3))(x), A.AdaptiveMaxPooling2D((4, 3))(x)])
    return Model(x, A.StochasticDepth(0.7)([L.Dense(4)(y), L.Dense(4)(y)]))


def with_crf(name: str, cls: Any, masked: bool = True, container: str = "h5-model", **options: Any) -> None:
    def reload(path: Path) -> Any:
        return keras.models.load_model(str(path), custom_objects={"CRF": cls, "Addons>CRF": cls})

    def build() -> Any:
        x = Input((7,))
        y = L.Bidirectional(L.LSTM(2, return_sequences=True))(L.Embedding(9, 4, mask_zero=masked)(x))
        path, scores, lengths, _ = cls(**options)(y)
        return Model(x, [path, scores, lengths] if masked else [path, scores])

    suffix = ".keras" if container == "keras-zip" else ".h5"
    inputs = padded_tokens(7, 9)
    catalogue.add("CRF", name=name, inputs=inputs, reload=reload, container=container, suffix=suffix)(build)


with_crf("crf", A.CRF, units=3)
with_crf("crf_unmasked_zip", A.CRF, masked=False, container="keras-zip", units=3)
with_crf("crf_bare", A.CRF, units=4, use_boundary=False, use_kernel=False)
with_crf("tf2crf", tf2crf.CRF)

"""InstanceNormalization of keras-contrib 2.0.8, which is not on PyPI: written anew from its definition.

Its deviation is sqrt(variance) + epsilon; with axis=None all values of a sample are normalized together.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import backend as K
from keras.layers import Conv2D, Dense, Flatten, Input
from keras.models import Model, Sequential

from fixture_models.common import Catalogue

catalogue = Catalogue("keras-contrib-2.0.8")


class InstanceNormalization(keras.layers.Layer):
    """See the module."""

    def __init__(
        self, axis: int | None = None, epsilon: float = 1e-3, center: bool = True, scale: bool = True, **kwargs: Any
    ) -> None:
        for field in ("beta", "gamma"):
            for kind in ("initializer", "regularizer", "constraint"):
                kwargs.pop(f"{field}_{kind}", None)
        super().__init__(**kwargs)
        self.supports_masking = True
        self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale

    def build(self, input_shape: Any) -> None:
        shape = (1,) if self.axis is None else (input_shape[self.axis],)
        self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones") if self.scale else None
        self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros") if self.center else None
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        rank = K.ndim(inputs)
        axes = [a for a in range(1, rank) if self.axis is None or a != self.axis % rank]
        shape = [1] * rank
        if self.axis is not None:
            shape[self.axis] = K.int_shape(inputs)[self.axis]
        deviation = K.std(inputs, axes, keepdims=True) + self.epsilon
        result = (inputs - K.mean(inputs, axes, keepdims=True)) / deviation
        if self.gamma is not None:
            result *= K.reshape(self.gamma, shape)
        return result if self.beta is None else result + K.reshape(self.beta, shape)

    def get_config(self) -> dict[str, Any]:
        nothing = {f"{w}_{k}": None for w in ("beta", "gamma") for k in ("regularizer", "constraint")}
        own = {"axis": self.axis, "epsilon": self.epsilon, "center": self.center, "scale": self.scale}
        return {**super().get_config(), **own, **nothing}


def load(path: Any) -> Any:
    return keras.models.load_model(str(path), custom_objects={"InstanceNormalization": InstanceNormalization})


@catalogue.add("InstanceNormalization", reload=load)
def instance_normalization() -> Any:
    x = Input((6, 5, 3))
    y = InstanceNormalization(axis=-1, epsilon=0.1)(Conv2D(4, 2)(x))
    y = InstanceNormalization(axis=3, scale=False)(Conv2D(4, 2, activation="relu")(y))
    y = InstanceNormalization(epsilon=0.2)(Conv2D(3, 2)(y))
    return Model(x, Dense(2)(InstanceNormalization(center=False)(Flatten()(y))))


@catalogue.add("InstanceNormalization", reload=load)
def instance_normalization_axis_1() -> Any:
    x = Conv2D(4, 2, input_shape=(5, 6, 3))
    return Sequential([x, InstanceNormalization(axis=1, epsilon=0.1), Flatten(), Dense(2)])

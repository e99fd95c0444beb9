"""keras-tcn 3.5.4, the last for tf_keras: TCN in all its forms."""

from __future__ import annotations

from typing import Any

import tf_keras as keras
from tcn import TCN
from tf_keras import Input, Model, Sequential
from tf_keras import layers as L

from fixture_models.common import Catalogue

catalogue = Catalogue("keras-tcn-3.5.4")


def load(path: Any) -> Any:
    return keras.models.load_model(str(path), custom_objects={"TCN": TCN})


def both(build: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""
    name = build.__name__
    catalogue.add("TCN", name=f"{name}_h5", reload=load)(build)
    catalogue.add("TCN", name=f"{name}_zip", container="keras-zip", suffix=".keras", reload=load)(build)
    return build


@both
def causal() -> Any:
    return Sequential([Input((12, 3)), TCN(4, 2, dilations=(1, 2), dropout_rate=0.3), L.Dense(2)])


@both
def batch_normalized() -> Any:
    x = Input((12, 4))
    y = TCN(4, 3, nb_stacks=2, dilations=(1,), use_batch_norm=True, go_backwards=True, return_sequences=True)(x)
    return Model(x, TCN(3, 2, dilations=(2,), activation="tanh", use_skip_connections=False)(y))


@both
def same_padding() -> Any:
    x = Input((None, 3))
    return Model(x, TCN(4, 3, dilations=(1, 2), padding="same", use_layer_norm=True)(x))


@catalogue.add("TCN", container="keras-zip", suffix=".keras", reload=load)
def shared() -> Any:
    x, y, tcn = Input((8, 3)), Input((8, 3)), TCN([3, 4], 2, dilations=(1, 2), use_skip_connections=False)
    return Model([x, y], L.Concatenate()([tcn(x), tcn(y)]))


@both
def in_time_distributed_and_nested() -> Any:
    inner = Sequential([Input((8, 3)), TCN(3, 2, dilations=(1,)), L.BatchNormalization()])
    x = Input((2, 8, 3))
    y = L.TimeDistributed(TCN(3, 2, dilations=(1,), return_sequences=True))(x)
    return Model(x, inner(L.Reshape((8, 3))(L.Cropping2D(((0, 1), (0, 0)))(y))))

"""Keras 2.0.9: list configs of Sequential, recurrent layers before cells, the Keras 1 layers in `keras.legacy`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import keras.layers as L
from keras.legacy.layers import Highway, MaxoutDense, Merge
from keras.models import Model, Sequential

from fixture_models.common import Catalogue, edit_attributes, padded, padded_tokens, train

catalogue = Catalogue("keras-2.0.9")
fixture = catalogue.add


@fixture("sequential_list_config", "Dense", "hard_sigmoid", "training_config", "optimizer_state", "decay")
def mlp() -> Any:
    model = Sequential(
        [
            L.Dense(8, activation="relu", input_dim=6),
            L.BatchNormalization(),
            L.Dropout(0.4),
            L.Dense(5, activation="hard_sigmoid"),
            L.Activation("hard_sigmoid"),
            L.Dense(3, activation="softmax"),
        ]
    )
    return train(
        model,
        loss="categorical_crossentropy",
        optimizer=keras.optimizers.RMSprop(lr=0.002, decay=1e-3),
        metrics=["acc"],
    )


@fixture("sequential_list_config", "Conv2D", "Flatten", "training_config", "momentum")
def cnn() -> Any:
    model = Sequential(
        [
            L.Conv2D(4, (3, 2), activation="relu", input_shape=(8, 7, 2)),
            L.ZeroPadding2D((1, 2)),
            L.MaxPooling2D((2, 2)),
            L.Conv2D(3, 2, dilation_rate=2),
            L.Flatten(),
            L.Dense(4, activation="elu"),
            L.Dense(2, activation="softmax"),
        ]
    )
    return train(model, loss="mae", optimizer=keras.optimizers.SGD(lr=0.05, momentum=0.9, decay=1e-5, nesterov=True))


@fixture("Conv2D", "channels_first", "Flatten", "BatchNormalization")
def cnn_channels_first() -> Any:
    return Sequential(
        [
            L.Conv2D(4, (3, 2), data_format="channels_first", input_shape=(2, 8, 7)),
            L.BatchNormalization(axis=1),
            L.Activation("relu"),
            L.MaxPooling2D(data_format="channels_first"),
            L.UpSampling2D((1, 2), data_format="channels_first"),
            L.Flatten(),
            L.Dense(3),
        ]
    )


THEANO = {"keras": "2.0.9", "backend": "theano"}
MARKED = (
    "written by 2.0.9 on TensorFlow, then marked as theano; outputs are 2.0.9's, which flips the kernels of such a file"
)


@fixture(
    "theano",
    "Conv2D",
    "SeparableConv2D",
    "channels_first",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer=THEANO,
    note=MARKED,
)
def theano_conv2d() -> Any:
    return Sequential(
        [
            L.Conv2D(4, (3, 2), data_format="channels_first", activation="relu", input_shape=(2, 8, 7)),
            L.Conv2DTranspose(3, (2, 3), data_format="channels_first"),
            L.Flatten(),
            L.Dense(3, activation="hard_sigmoid"),
        ]
    )


@fixture("theano", "Conv1D", edit=edit_attributes(backend="theano"), same=False, writer=THEANO, note=MARKED)
def theano_conv1d() -> Any:
    return Sequential([L.Conv1D(4, 3, input_shape=(9, 3)), L.MaxPooling1D(), L.LSTM(4), L.Dense(2)])


# LSTM(use_bias=False) is left out: this version does not read it back.
for implementation in (0, 1, 2):

    @fixture(
        "LSTM",
        "GRU",
        "SimpleRNN",
        "hard_sigmoid",
        f"implementation={implementation}",
        name=f"recurrent_{implementation}",
    )
    def recurrent(implementation: int = implementation) -> Any:
        x = L.Input((7, 4))
        a = L.LSTM(5, return_sequences=True, implementation=implementation, recurrent_dropout=0.1)(x)
        b = L.GRU(5, return_sequences=True, implementation=implementation, go_backwards=True)(a)
        return Model(x, [L.SimpleRNN(4, implementation=implementation)(b), L.LSTM(3)(b)])


@fixture("Bidirectional", "LSTM", "GRU", "hard_sigmoid")
def bidirectional() -> Any:
    x = L.Input((6, 4))
    a = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
    return Model(x, [L.Bidirectional(L.GRU(4), merge_mode=mode)(a) for mode in ("concat", "sum", "ave")])


@fixture("initial_state", "encoder_decoder", "multi_input", "hard_sigmoid")
def encoder_decoder() -> Any:
    x, y = L.Input((None, 4)), L.Input((None, 3))
    _, h, c = L.LSTM(5, return_state=True)(x)
    decoded = L.LSTM(5, return_sequences=True)(y, initial_state=[h, c])
    return Model([x, y], L.Dense(3, activation="softmax")(decoded))


@fixture("ConvLSTM2D", "hard_sigmoid")
def conv_lstm() -> Any:
    return Sequential(
        [
            L.ConvLSTM2D(3, (3, 2), padding="same", return_sequences=True, input_shape=(4, 6, 5, 2)),
            L.ConvLSTM2D(2, 2),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@fixture("Masking", "TimeDistributed", "mask", inputs=padded(7, 4))
def masking() -> Any:
    return Sequential(
        [
            L.Masking(input_shape=(7, 4)),
            L.LSTM(5, return_sequences=True),
            L.TimeDistributed(L.Dense(4, activation="hard_sigmoid")),
            L.GRU(3),
        ]
    )


@fixture("Embedding", "mask_zero", "mask", inputs=padded_tokens(8, 20))
def embedding() -> Any:
    return Sequential(
        [L.Embedding(20, 5, mask_zero=True), L.SpatialDropout1D(0.2), L.Bidirectional(L.LSTM(4)), L.Dense(1)]
    )


@fixture("stateful", "batch_input_shape")
def stateful() -> Any:
    return Sequential(
        [L.LSTM(5, stateful=True, batch_input_shape=(3, 6, 4)), L.RepeatVector(3), L.GRU(4, stateful=True)]
    )


def read_config_then_weights(path: Path) -> Any:
    """`load_model` of this version counts the layers of a Sequential with branches wrongly; `load_weights` does not."""
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])
    model = keras.models.model_from_config(config)
    model.load_weights(str(path))
    return model


@fixture("legacy_layers", "Merge", "mode=concat", "multi_input", reload=read_config_then_weights)
def legacy_merge() -> Any:
    left, right = Sequential([L.Dense(5, input_dim=6)]), Sequential([L.Dense(4, input_dim=3, activation="tanh")])
    return Sequential([Merge([left, right], mode="concat"), L.Dense(3)])


@fixture("legacy_layers", "Merge", "mode=cos", "mode=mul", "multi_input")
def legacy_merge_functional() -> Any:
    x, y = L.Input((6,)), L.Input((6,))
    a, b = L.Dense(4)(x), L.Dense(4)(y)
    merged = [Merge(mode=mode)([a, b]) for mode in ("mul", "max", "ave", "sum")]
    return Model([x, y], merged)


@fixture("legacy_layers", "MaxoutDense", "Highway")
def legacy_maxout_highway() -> Any:
    return Sequential([Highway(activation="tanh", input_shape=(6,)), MaxoutDense(4, nb_feature=3), L.Dense(2)])


@fixture("advanced_activations", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "shared_axes")
def advanced_activations() -> Any:
    x = L.Input((4, 3, 5))
    layers = [L.LeakyReLU(), L.LeakyReLU(0.1), L.PReLU(shared_axes=[1, 2]), L.ELU(0.6), L.ThresholdedReLU(0.3)]
    return Model(x, [layer(x) for layer in layers])


@fixture("separable", "Conv2DTranspose", "LocallyConnected1D", "LocallyConnected2D", "Conv3D", "Cropping2D")
def convolutions() -> Any:
    x, y, z = L.Input((7, 6, 3)), L.Input((8, 3)), L.Input((4, 5, 4, 2))
    a = L.SeparableConv2D(4, (3, 2), depth_multiplier=2)(x)
    b = L.Conv2DTranspose(3, 3, strides=2, padding="same")(L.Cropping2D(1)(x))
    c = L.LocallyConnected2D(3, 2, strides=2)(x)
    return Model([x, y, z], [a, b, c, L.LocallyConnected1D(4, 3)(y), L.Conv3D(3, 2, padding="same")(z)])


@fixture("nested", "functional_in_sequential", "frozen", "weight_order", "BatchNormalization", "sequential_list_config")
def nested_frozen() -> Any:
    x = L.Input((7, 6, 3))
    y = L.Conv2D(3, 3, padding="same", trainable=False)(x)
    y = L.Conv2D(3, 3, padding="same")(L.BatchNormalization()(y))
    inner = Model(x, L.Conv2D(3, 3, padding="same", trainable=False)(y))
    return Sequential([inner, L.Flatten(), L.Dense(4), L.Dense(4)])


@fixture("nested", "sequential_in_functional", "called_twice", "shared", "sequential_list_config", "hard_sigmoid")
def siamese() -> Any:
    encoder = Sequential([L.Dense(5, activation="hard_sigmoid", input_dim=6), L.BatchNormalization(), L.Dense(4)])
    x, y = L.Input((6,)), L.Input((6,))
    return Model([x, y], [L.dot([encoder(x), encoder(y)], 1, normalize=True), L.add([encoder(y), encoder(x)])])


@fixture("TimeDistributed", "nested", "Conv2D")
def time_distributed_model() -> Any:
    # No BatchNormalization: this version cannot run it inside TimeDistributed.
    frame = Sequential([L.Conv2D(3, 2, input_shape=(6, 5, 2)), L.Activation("hard_sigmoid"), L.GlobalMaxPooling2D()])
    return Sequential([L.TimeDistributed(frame, input_shape=(4, 6, 5, 2)), L.TimeDistributed(L.Dense(4)), L.LSTM(3)])

"""Keras 2.2.4: the layers of Keras 2, their nesting and the files of CuDNN, Theano and CNTK users."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import keras.layers as L
import numpy as np
from keras.engine import saving
from keras.layers import cudnn_recurrent
from keras.models import Model, Sequential

from fixture_models.common import Catalogue, edit_attributes, padded, padded_tokens, padded_words_and_characters, train

catalogue = Catalogue("keras-2.2.4")
fixture = catalogue.add


def functional(inputs: Any, outputs: Any) -> Any:
    return Model(inputs, outputs)


# Dense, activations, compiled models


@fixture("Dense", "Dropout", "Activation", "hard_sigmoid", "training_config")
def mlp() -> Any:
    model = Sequential(
        [
            L.Dense(12, activation="relu", input_shape=(6,)),
            L.Dropout(0.3),
            L.Dense(10),
            L.Activation("hard_sigmoid"),
            L.Dense(8, activation="hard_sigmoid"),
            L.Dense(4, activation="softmax"),
        ]
    )
    return train(model, loss="mse", optimizer=keras.optimizers.Adam(lr=0.01, decay=1e-4), metrics=["mae"])


@fixture("Activation", "hard_sigmoid", "activations")
def activations() -> Any:
    x = L.Input((9,))
    names = (
        "elu",
        "selu",
        "softplus",
        "softsign",
        "relu",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "exponential",
        "linear",
        "softmax",
    )
    y = L.Dense(5)(x)
    return functional(x, [L.Activation(name)(y) for name in names])


for optimizer in ("rmsprop", "adadelta", "nadam"):

    @fixture("training_config", "optimizer_state", optimizer, name=f"compiled_{optimizer}")
    def compiled(optimizer: str = optimizer) -> Any:
        model = Sequential([L.Dense(5, activation="tanh", input_shape=(4,)), L.Dense(2, activation="sigmoid")])
        return train(model, loss="kld", optimizer=optimizer, metrics=["mae", "acc"])


@fixture("regularizers", "constraints", "initializers")
def regularised() -> Any:
    return Sequential(
        [
            L.Dense(
                7,
                kernel_regularizer="l2",
                bias_regularizer=keras.regularizers.l1_l2(0.1, 0.2),
                kernel_constraint="max_norm",
                kernel_initializer=keras.initializers.VarianceScaling(2, "fan_out"),
                activity_regularizer="l1",
                input_dim=5,
            ),
            L.ActivityRegularization(0.1),
            L.Dense(3, kernel_initializer="lecun_normal", use_bias=False),
        ]
    )


# Convolutions


@fixture("Conv2D", "Flatten", "channels_first", "data_format")
def conv_channels_first() -> Any:
    return Sequential(
        [
            L.Conv2D(4, (3, 2), activation="relu", data_format="channels_first", input_shape=(2, 8, 7)),
            L.MaxPooling2D((2, 2), data_format="channels_first"),
            L.BatchNormalization(axis=1),
            L.ZeroPadding2D(((1, 0), (0, 2)), data_format="channels_first"),
            L.Flatten(data_format="channels_first"),
            L.Dense(3, activation="tanh"),
        ]
    )


@fixture("Conv2D", "Flatten", "channels_first")
def conv_channels_first_plain_flatten() -> Any:
    return Sequential(
        [
            L.Conv2D(4, (3, 2), data_format="channels_first", padding="same", strides=2, input_shape=(3, 7, 6)),
            L.AveragePooling2D(data_format="channels_first", padding="same"),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@fixture("Conv2D", "Flatten", "dilation_rate", "BatchNormalization", "GlobalMaxPooling2D")
def conv_channels_last() -> Any:
    x = L.Input((9, 8, 3))
    y = L.Conv2D(5, (3, 2), dilation_rate=(2, 1), padding="same", activation="elu")(x)
    y = L.BatchNormalization(scale=False)(y)
    z = L.Conv2D(4, 3, strides=(2, 1), use_bias=False)(y)
    return functional(x, [L.Dense(3)(L.Flatten()(L.MaxPooling2D(padding="same")(z))), L.GlobalMaxPooling2D()(z)])


def theano_stack(data_format: str) -> Any:
    shape = (2, 8, 7) if data_format == "channels_first" else (8, 7, 2)
    axis = 1 if data_format == "channels_first" else -1
    return Sequential(
        [
            L.Conv2D(4, (3, 2), activation="relu", data_format=data_format, input_shape=shape),
            L.BatchNormalization(axis=axis),
            L.Conv2DTranspose(3, (2, 3), data_format=data_format),
            L.MaxPooling2D(2, data_format=data_format),
            L.Flatten(),
            L.Dense(5, activation="hard_sigmoid"),
            L.Dense(3),
        ]
    )


THEANO = {"keras": "2.2.4", "backend": "theano"}
MARKED = (
    "written by 2.2.4 on TensorFlow, then marked as {}; outputs are 2.2.4's, which flips the kernels of such a file"
)


@fixture(
    "theano",
    "Conv2D",
    "Conv2DTranspose",
    "channels_last",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer=THEANO,
    note=MARKED.format("theano"),
)
def theano_conv2d() -> Any:
    return theano_stack("channels_last")


@fixture(
    "theano",
    "Conv2D",
    "Conv2DTranspose",
    "channels_first",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer=THEANO,
    note=MARKED.format("theano"),
)
def theano_conv2d_channels_first() -> Any:
    return theano_stack("channels_first")


@fixture(
    "theano",
    "Conv1D",
    "Conv3D",
    "Flatten",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer=THEANO,
    note=MARKED.format("theano"),
)
def theano_conv1d_conv3d() -> Any:
    x, y = L.Input((9, 3)), L.Input((5, 6, 4, 2))
    a = L.Flatten()(L.Conv1D(4, 3)(x))
    b = L.Flatten()(L.Conv3D(3, (2, 3, 2))(y))
    return functional([x, y], L.Dense(4)(L.concatenate([a, b])))


@fixture(
    "theano",
    "nested",
    "Conv2D",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer=THEANO,
    note=MARKED.format("theano"),
)
def theano_nested_time_distributed() -> Any:
    inner = Sequential([L.Conv2D(3, (3, 2), input_shape=(6, 5, 2)), L.GlobalAveragePooling2D()])
    x = L.Input((4, 6, 5, 2))
    y = L.TimeDistributed(L.Conv2D(2, (2, 3)))(x)
    return functional(x, [L.TimeDistributed(L.GlobalMaxPooling2D())(y), L.TimeDistributed(inner)(x)])


@fixture(
    "cntk",
    "Conv2D",
    edit=edit_attributes(backend="cntk"),
    writer={"keras": "2.2.4", "backend": "cntk"},
    note="written by 2.2.4 on TensorFlow, then marked as cntk, whose kernels 2.2.4 does not flip",
)
def cntk_conv2d() -> Any:
    return theano_stack("channels_last")


@fixture("Conv1D", "causal", "pooling", "text")
def conv1d_text() -> Any:
    return Sequential(
        [
            L.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu", input_shape=(12, 4)),
            L.MaxPooling1D(2),
            L.Conv1D(5, 2, strides=2),
            L.AveragePooling1D(2, padding="same"),
            L.Flatten(),
            L.Dense(2, activation="softmax"),
        ]
    )


@fixture("Conv3D", "Conv3DTranspose", "MaxPooling3D", "ZeroPadding3D", "Cropping3D", "UpSampling3D")
def conv3d() -> Any:
    return Sequential(
        [
            L.Conv3D(3, (2, 3, 2), input_shape=(5, 6, 4, 2)),
            L.ZeroPadding3D((1, 0, 1)),
            L.MaxPooling3D(2),
            L.UpSampling3D((2, 1, 2)),
            L.Conv3DTranspose(2, (2, 2, 3), strides=(1, 2, 1)),
            L.Cropping3D(((1, 0), (0, 1), (1, 1))),
            L.AveragePooling3D((2, 1, 1)),
        ]
    )


@fixture("Conv2DTranspose", "output_padding", "padding")
def conv2d_transpose() -> Any:
    x = L.Input((5, 4, 3))
    y = L.Conv2DTranspose(4, (3, 2), strides=2, padding="same", activation="relu")(x)
    z = L.Conv2DTranspose(2, 3, strides=(2, 3), output_padding=(1, 0))(x)
    return functional(x, [L.Conv2DTranspose(2, (2, 3))(y), z])


@fixture("SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D", "depth_multiplier")
def separable() -> Any:
    x, y = L.Input((8, 7, 3)), L.Input((10, 4))
    a = L.SeparableConv2D(5, (3, 2), depth_multiplier=2, activation="relu")(x)
    a = L.DepthwiseConv2D((2, 3), depth_multiplier=2, padding="same", strides=2)(a)
    return functional([x, y], [a, L.SeparableConv1D(6, 3, padding="same", depth_multiplier=2)(y)])


@fixture("SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose", "channels_first")
def separable_channels_first() -> Any:
    x = L.Input((3, 8, 7))
    a = L.SeparableConv2D(5, (3, 2), data_format="channels_first")(x)
    a = L.DepthwiseConv2D((2, 3), depth_multiplier=2, data_format="channels_first")(a)
    a = L.Conv2DTranspose(3, 2, strides=2, data_format="channels_first")(a)
    return functional(x, L.GlobalAveragePooling2D(data_format="channels_first")(a))


@fixture("LocallyConnected1D", "LocallyConnected2D")
def locally_connected() -> Any:
    x, y = L.Input((8, 3)), L.Input((6, 5, 2))
    a = L.LocallyConnected1D(4, 3, strides=2, activation="hard_sigmoid")(x)
    b = L.LocallyConnected2D(3, (3, 2), strides=(1, 2), use_bias=True)(y)
    return functional([x, y], [a, L.Dense(2)(L.Flatten()(b))])


@fixture("LocallyConnected2D", "channels_first")
def locally_connected_channels_first() -> Any:
    return Sequential(
        [
            L.LocallyConnected2D(3, (3, 2), data_format="channels_first", input_shape=(2, 6, 5)),
            L.LocallyConnected2D(2, 2, data_format="channels_first", use_bias=False, activation="relu"),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@fixture("UpSampling1D", "UpSampling2D", "interpolation", "ZeroPadding", "Cropping")
def resampling() -> Any:
    x, y = L.Input((5, 4, 2)), L.Input((6, 3))
    a = L.UpSampling2D((2, 3), interpolation="bilinear")(L.Conv2D(3, 2)(x))
    b = L.UpSampling2D(2)(x)
    c = L.Cropping1D((1, 2))(L.ZeroPadding1D((2, 0))(L.UpSampling1D(2)(y)))
    return functional([x, y], [a, L.Cropping2D(((1, 0), (2, 1)))(L.ZeroPadding2D((1, 2))(b)), c])


@fixture("pooling", "GlobalPooling")
def pooling() -> Any:
    x, y = L.Input((7, 6, 3)), L.Input((9, 4))
    a = [L.MaxPooling2D((3, 2), strides=(2, 1), padding="same")(x), L.AveragePooling2D(3, padding="same", strides=2)(x)]
    b = [L.GlobalAveragePooling1D()(y), L.GlobalMaxPooling1D()(y), L.GlobalAveragePooling2D()(x)]
    return functional([x, y], [*a, *b, L.MaxPooling1D(3, strides=2, padding="same")(y), L.AveragePooling1D(2)(y)])


# Normalisation and advanced activations


@fixture("BatchNormalization", "axis")
def batch_normalization() -> Any:
    x = L.Input((5, 4, 3))
    y = L.BatchNormalization(axis=1, epsilon=0.01)(x)
    y = L.BatchNormalization(axis=-1, center=False)(y)
    y = L.BatchNormalization(axis=2, scale=False, momentum=0.7)(y)
    return functional(x, L.BatchNormalization(axis=3, center=False, scale=False)(y))


@fixture("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "ReLU", "Softmax", "shared_axes")
def advanced_activations() -> Any:
    x = L.Input((4, 3, 5))
    layers = [
        L.LeakyReLU(),
        L.LeakyReLU(0.07),
        L.PReLU(),
        L.PReLU(shared_axes=[1, 2]),
        L.ELU(0.6),
        L.ThresholdedReLU(0.3),
        L.ReLU(),
        L.ReLU(0.8),
        L.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.1),
        L.Softmax(),
        L.Softmax(axis=1),
    ]
    y = L.Dense(5)(x)
    return functional(x, [layer(y) for layer in layers])


@fixture("ReLU", "max_value", "mobilenet")
def relu6() -> Any:
    return Sequential(
        [L.Dense(8, input_shape=(5,)), L.ReLU(6.0), L.Dense(4), L.ReLU(max_value=np.array(0.5)), L.Dense(3)]
    )


@fixture("GaussianNoise", "GaussianDropout", "AlphaDropout", "SpatialDropout")
def noise() -> Any:
    x = L.Input((6, 5, 4))
    y = L.SpatialDropout2D(0.2)(L.GaussianNoise(0.3)(L.Conv2D(3, 2)(x)))
    y = L.GaussianDropout(0.4)(L.AlphaDropout(0.1)(y))
    y = L.SpatialDropout1D(0.2)(L.Reshape((-1, 3))(y))
    return functional(x, L.Dense(2)(y))


# Recurrent layers


@fixture("LSTM", "hard_sigmoid")
def lstm() -> Any:
    return Sequential(
        [
            L.LSTM(6, return_sequences=True, implementation=2, input_shape=(7, 4)),
            L.LSTM(5, go_backwards=True, return_sequences=True, activation="softsign", unit_forget_bias=False),
            L.LSTM(4, recurrent_activation="sigmoid", use_bias=False),
            L.Dense(3),
        ]
    )


@fixture("LSTM", "hard_sigmoid", "unknown_length")
def lstm_any_length() -> Any:
    return Sequential(
        [L.LSTM(6, input_shape=(None, 4), dropout=0.2, recurrent_dropout=0.1), L.Dense(2, activation="sigmoid")]
    )


@fixture("GRU", "hard_sigmoid", "reset_after")
def gru() -> Any:
    x = L.Input((7, 4))
    a = L.GRU(6, return_sequences=True)(x)
    b = L.GRU(6, reset_after=True, implementation=2)(x)
    c = L.GRU(5, reset_after=True, recurrent_activation="sigmoid", go_backwards=True)(x)
    return functional(x, [L.GRU(3, use_bias=False)(a), b, c])


@fixture("SimpleRNN", "RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "hard_sigmoid")
def rnn_cells() -> Any:
    x = L.Input((6, 4))
    a = L.SimpleRNN(5, return_sequences=True, activation="hard_sigmoid")(x)
    b = L.RNN(L.LSTMCell(4))(a)
    c = L.RNN(L.GRUCell(4), go_backwards=True)(a)
    d = L.RNN(L.SimpleRNNCell(3), unroll=True)(x)
    return functional(x, [b, c, d])


@fixture("RNN", "StackedRNNCells", "hard_sigmoid")
def stacked_rnn_cells() -> Any:
    return Sequential(
        [
            L.RNN(
                L.StackedRNNCells([L.LSTMCell(5), L.GRUCell(4), L.LSTMCell(3)]),
                return_sequences=True,
                input_shape=(6, 4),
            ),
            L.Dense(2),
        ]
    )


@fixture("Bidirectional", "LSTM", "GRU", "hard_sigmoid")
def bidirectional() -> Any:
    x = L.Input((6, 4))
    a = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
    b = L.Bidirectional(L.GRU(4), merge_mode="sum")(a)
    c = L.Bidirectional(L.LSTM(4), merge_mode="mul")(a)
    d = L.Bidirectional(L.SimpleRNN(3), merge_mode="ave")(a)
    e = L.Bidirectional(L.GRU(3, reset_after=True), merge_mode=None)(a)
    return functional(x, [b, c, d, *e])


@fixture("ConvLSTM2D", "hard_sigmoid")
def conv_lstm() -> Any:
    x = L.Input((5, 6, 5, 2))
    a = L.ConvLSTM2D(3, (3, 2), padding="same", return_sequences=True)(x)
    b = L.ConvLSTM2D(2, 2, strides=2, go_backwards=True, recurrent_activation="sigmoid")(a)
    return functional(x, [b, L.ConvLSTM2D(2, 3, unit_forget_bias=False)(a)])


@fixture("ConvLSTM2D", "hard_sigmoid", "channels_first", "Bidirectional")
def conv_lstm_channels_first() -> Any:
    return Sequential(
        [
            L.ConvLSTM2D(3, (3, 2), data_format="channels_first", return_sequences=True, input_shape=(4, 2, 6, 5)),
            L.Bidirectional(L.ConvLSTM2D(2, 2, data_format="channels_first")),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@fixture("RNN", "initial_state", "encoder_decoder", "multi_input", "hard_sigmoid")
def encoder_decoder() -> Any:
    x, y = L.Input((None, 4)), L.Input((None, 3))
    _, *states = L.LSTM(5, return_state=True)(x)
    decoded, _, _ = L.LSTM(5, return_sequences=True, return_state=True)(y, initial_state=states)
    return functional([x, y], L.Dense(3, activation="softmax")(decoded))


@fixture("RNN", "initial_state", "GRU", "Bidirectional", "hard_sigmoid")
def initial_states() -> Any:
    x, h, c, g = L.Input((6, 4)), L.Input((5,)), L.Input((5,)), L.Input((3,))
    a = L.LSTM(5, return_sequences=True)(x, initial_state=[h, c])
    b = L.GRU(3)(a, initial_state=g)
    d = L.Bidirectional(L.LSTM(5))(x, initial_state=[h, c, c, h])
    return functional([x, h, c, g], [b, d])


@fixture("stateful", "LSTM", "batch_input_shape")
def stateful() -> Any:
    return Sequential(
        [
            L.LSTM(5, stateful=True, return_sequences=True, batch_input_shape=(3, 6, 4)),
            L.GRU(4, stateful=True),
            L.Dense(2),
        ]
    )


@fixture("Masking", "LSTM", "TimeDistributed", "mask", inputs=padded(7, 4))
def masking_lstm_time_distributed() -> Any:
    return Sequential(
        [
            L.Masking(0.0, input_shape=(7, 4)),
            L.LSTM(6, return_sequences=True),
            L.Bidirectional(L.GRU(4, return_sequences=True)),
            L.TimeDistributed(L.Dense(5, activation="hard_sigmoid")),
            L.LSTM(3),
        ]
    )


@fixture(
    "mask",
    "Bidirectional",
    "Add",
    "Multiply",
    "Concatenate",
    "Softmax",
    "GRU",
    "hard_sigmoid",
    inputs=padded_words_and_characters,
)
def mask_flow() -> Any:
    words, characters = L.Input((6,)), L.Input((6, 4))
    known = L.Embedding(20, 4, mask_zero=True)(words)
    spelt = L.TimeDistributed(L.Embedding(10, 4, mask_zero=True))(characters)
    spelt = L.TimeDistributed(L.Bidirectional(L.GRU(2)))(spelt)
    both = L.Bidirectional(L.LSTM(2, return_sequences=True))
    plain = L.Embedding(20, 4)(words)
    added = L.LSTM(2)(L.add([known, plain]))
    multiplied = L.GRU(3, activation="hard_sigmoid", return_sequences=True)(L.multiply([known, spelt]))
    joined = L.LSTM(2)(L.concatenate([both(known), both(spelt), plain]))
    tags = L.TimeDistributed(L.Dense(3))(both(known))
    chances = L.LSTM(2)(L.Softmax()(multiplied))
    return functional([words, characters], [added, joined, tags, chances])


@fixture("Embedding", "mask_zero", "LSTM", "mask", inputs=padded_tokens(8, 20))
def embedding_mask_zero() -> Any:
    return Sequential(
        [
            L.Embedding(20, 5, mask_zero=True, input_length=8),
            L.SpatialDropout1D(0.2),
            L.LSTM(6, return_sequences=True),
            L.GRU(4),
            L.Dense(1, activation="sigmoid"),
        ]
    )


@fixture("Embedding", "shared", "Dot", "multi_input", integers=15)
def embeddings_dot() -> Any:
    user, item = L.Input((1,)), L.Input((1,))
    table = L.Embedding(15, 6)
    other = L.Flatten()(L.Embedding(15, 6, name="item_factors")(item))
    score = L.dot([L.Flatten()(table(user)), other], axes=1, normalize=True)
    return functional([user, item], [score, L.Dense(2)(L.multiply([L.Flatten()(table(item)), other]))])


# CuDNN layers are built and saved by 2.2.4; they compute on a GPU only, so the outputs are those of the LSTM and GRU
# into which 2.2.4 itself loads their weights.


class AbsentKernel:
    """Stands where TensorFlow 1 had its CuDNN kernel: the shape of the result is all that building a model needs."""

    def __init__(self, num_units: int, **_: Any) -> None:
        self.units = num_units

    def __call__(self, inputs: Any, **states: Any) -> Any:
        import tensorflow as tf

        zeros = tf.zeros(tf.stack([tf.shape(inputs)[0], tf.shape(inputs)[1], self.units]))
        return (zeros, *[states[name] for name in ("input_h", "input_c") if name in states])


def install_cudnn_stand_in() -> None:
    path = "tensorflow.contrib.cudnn_rnn.python.ops.cudnn_rnn_ops"
    parts = path.split(".")
    for depth in range(2, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:depth]), types.ModuleType(".".join(parts[:depth])))
    ops = sys.modules[path]
    ops.CudnnLSTM = ops.CudnnGRU = AbsentKernel  # type: ignore[attr-defined]
    sys.modules[path.rpartition(".")[0]].cudnn_rnn_ops = ops  # type: ignore[attr-defined]


CUDNN = (
    "outputs are those of the LSTM and GRU into which this version loads the CuDNN weights; CuDNN itself needs a GPU"
)


def cudnn_twin(build: Any) -> Any:
    def reload(path: Path) -> Any:
        model = build(False)
        model.load_weights(str(path))
        return model

    return reload


def recurrent(kind: str, cudnn: bool, units: int, **options: Any) -> Any:
    install_cudnn_stand_in()
    if cudnn:
        return getattr(cudnn_recurrent, f"CuDNN{kind}")(units, **options)
    if kind == "GRU":
        options["reset_after"] = True
    return getattr(L, kind)(units, recurrent_activation="sigmoid", **options)


def cudnn_lstm_model(cudnn: bool) -> Any:
    return Sequential(
        [
            recurrent("LSTM", cudnn, 5, return_sequences=True, input_shape=(6, 4)),
            recurrent("LSTM", cudnn, 4),
            L.Dense(3),
        ]
    )


def cudnn_gru_model(cudnn: bool) -> Any:
    return Sequential(
        [
            recurrent("GRU", cudnn, 5, return_sequences=True, input_shape=(6, 4)),
            recurrent("GRU", cudnn, 4),
            L.Dense(3),
        ]
    )


def cudnn_bidirectional_model(cudnn: bool) -> Any:
    x = L.Input((6, 4))
    a = L.Bidirectional(recurrent("LSTM", cudnn, 4, return_sequences=True))(x)
    b = L.Bidirectional(recurrent("GRU", cudnn, 3), merge_mode="sum")(a)
    return functional(x, L.Dense(2)(b))


@fixture("CuDNNLSTM", reload=cudnn_twin(cudnn_lstm_model), same=False, note=CUDNN)
def cudnn_lstm() -> Any:
    return cudnn_lstm_model(True)


@fixture("CuDNNGRU", reload=cudnn_twin(cudnn_gru_model), same=False, note=CUDNN)
def cudnn_gru() -> Any:
    return cudnn_gru_model(True)


@fixture("CuDNNLSTM", "CuDNNGRU", "Bidirectional", reload=cudnn_twin(cudnn_bidirectional_model), same=False, note=CUDNN)
def cudnn_bidirectional() -> Any:
    return cudnn_bidirectional_model(True)


# Nesting, sharing, several inputs and outputs


@fixture("nested", "functional_in_sequential", "hard_sigmoid")
def functional_in_sequential() -> Any:
    x = L.Input((6,))
    inner = Model(x, L.Dense(5)(L.concatenate([L.Dense(4, activation="hard_sigmoid")(x), x])))
    return Sequential([inner, L.Dense(4, activation="hard_sigmoid"), L.Dense(2)])


@fixture("nested", "sequential_in_functional", "Sequential")
def sequential_in_functional() -> Any:
    branch = Sequential([L.Dense(5, activation="tanh", input_shape=(6,)), L.BatchNormalization()])
    x = L.Input((6,))
    return functional(x, L.Dense(2)(L.add([branch(x), L.Dense(5)(x)])))


@fixture("nested", "shared", "called_twice", "siamese")
def model_called_twice() -> Any:
    x = L.Input((7, 6, 2))
    encoder = Model(x, L.Dense(4)(L.Flatten()(L.Conv2D(3, (3, 2), activation="relu")(x))))
    left, right = L.Input((7, 6, 2)), L.Input((7, 6, 2))
    return functional(
        [left, right], [L.dot([encoder(left), encoder(right)], 1), L.subtract([encoder(right), encoder(left)])]
    )


def frozen_backbone() -> Any:
    x = L.Input((8, 7, 3))
    y = L.Conv2D(3, 3, padding="same", name="first")(x)
    y = L.BatchNormalization(name="norm_1")(y)
    y = L.Conv2D(3, 3, padding="same", activation="relu", name="second")(y)
    y = L.BatchNormalization(name="norm_2")(y)
    return Model(x, L.Conv2D(3, 3, padding="same", name="third")(y), name="backbone")


@fixture("nested", "frozen", "BatchNormalization", "weight_order", "transfer_learning")
def nested_frozen_sublayers() -> Any:
    backbone = frozen_backbone()
    for name in ("first", "norm_2"):
        backbone.get_layer(name).trainable = False
    return Sequential([backbone, L.GlobalAveragePooling2D(), L.Dense(4), L.Dense(4), L.Dense(2, activation="softmax")])


@fixture("nested", "frozen", "weight_order", "transfer_learning", "training_config")
def nested_frozen_whole() -> Any:
    backbone = frozen_backbone()
    backbone.trainable = False
    x = L.Input((8, 7, 3))
    model = Model(x, L.Dense(2, activation="softmax")(L.Flatten()(backbone(x))))
    return train(
        model, loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(lr=0.01, momentum=0.9, nesterov=True)
    )


@fixture("nested", "three_levels", "frozen", "hard_sigmoid", "weight_order")
def nested_three_levels() -> Any:
    core = Sequential([L.Dense(5, activation="hard_sigmoid", input_shape=(5,)), L.BatchNormalization(), L.Dense(5)])
    core.layers[0].trainable = False
    middle = Sequential([L.Dense(5, input_shape=(4,)), core, L.Dense(5, trainable=False), L.Dense(5)])
    x = L.Input((4,))
    return functional(x, [middle(x), L.Dense(2)(middle(x))])


@fixture("nested", "TimeDistributed", "hard_sigmoid")
def model_in_time_distributed() -> Any:
    frame = Sequential(
        [
            L.Conv2D(3, 2, activation="relu", input_shape=(6, 5, 2)),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dense(4, activation="hard_sigmoid"),
        ]
    )
    return Sequential([L.TimeDistributed(frame, input_shape=(4, 6, 5, 2)), L.LSTM(5), L.Dense(2)])


@fixture("TimeDistributed", "Conv2D", "BatchNormalization", "frozen", "weight_order")
def time_distributed_layers() -> Any:
    return Sequential(
        [
            L.TimeDistributed(L.Conv2D(3, (3, 2), strides=2), input_shape=(4, 7, 6, 2)),
            L.TimeDistributed(L.BatchNormalization()),
            L.TimeDistributed(L.MaxPooling2D(2)),
            L.TimeDistributed(L.Flatten()),
            L.Bidirectional(L.GRU(3, trainable=False)),
        ]
    )


@fixture("multi_input", "multi_output", "merge_layers")
def several_inputs_and_outputs() -> Any:
    a, b = L.Input((5,), name="left"), L.Input((5,), name="right")
    dense = L.Dense(5, name="common")
    merged = [
        kind([dense(a), dense(b), L.Dense(5)(a)]) for kind in (L.add, L.multiply, L.average, L.maximum, L.concatenate)
    ]
    merged += [L.subtract([dense(a), b]), L.Minimum()([dense(b), a])]
    return functional([b, a], [L.Dense(2, name="main")(L.concatenate(merged)), merged[3], merged[5]])


@fixture("shared", "several_nodes")
def shared_layer_several_nodes() -> Any:
    x = L.Input((6,))
    dense, act = L.Dense(6, activation="tanh"), L.Activation("hard_sigmoid")
    first = dense(x)
    second = act(dense(first))
    third = act(dense(second))
    return functional(x, [third, L.concatenate([first, second])])


@fixture("Dot", "Concatenate", "Reshape", "Permute", "RepeatVector")
def dot_and_reshape() -> Any:
    x, y = L.Input((4, 6)), L.Input((5, 6))
    a = L.Dot(axes=2)([x, y])
    b = L.Dot(axes=(1, 2), normalize=True)([L.Permute((2, 1))(x), y])
    c = L.RepeatVector(3)(L.Flatten()(L.Reshape((2, -1, 3))(x)))
    return functional([x, y], [L.Concatenate(axis=1)([a, b]), L.Dense(2)(c)])


@fixture("Dense", "Conv1D", "Reshape", "dense_on_sequences")
def dense_on_sequences() -> Any:
    return Sequential(
        [L.Dense(5, input_shape=(6, 3)), L.Reshape((3, 10)), L.Conv1D(4, 2), L.Permute((2, 1)), L.Flatten(), L.Dense(2)]
    )


# Other containers


def save_json_and_weights(model: Any, path: Path) -> None:
    path.write_text(model.to_json())
    model.save_weights(str(path.with_suffix(".h5")))


def read_json_and_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    model.load_weights(str(path.with_suffix(".h5")))
    return model


@fixture(
    "config_json",
    "LSTM",
    "hard_sigmoid",
    container="config-json",
    suffix=".json",
    weights=".h5",
    save=save_json_and_weights,
    reload=read_json_and_weights,
)
def json_beside_weights() -> Any:
    return Sequential([L.Bidirectional(L.LSTM(4), input_shape=(5, 3)), L.Dense(3, activation="softmax")])


def save_in_chunks(model: Any, path: Path) -> None:
    """Names beyond 64 KB go into several attributes; with a low limit a small file has them too."""
    with mock.patch.object(saving, "HDF5_OBJECT_HEADER_LIMIT", 200):
        model.save(str(path))


@fixture(
    "chunked_attributes",
    "nested",
    "weight_names",
    save=save_in_chunks,
    note="written with an HDF5_OBJECT_HEADER_LIMIT of 200 bytes, so that layer_names and weight_names are in chunks",
)
def chunked_names() -> Any:
    inner = Sequential([L.Dense(4, input_shape=(4,), name=f"inner_dense_with_a_long_name_{i}") for i in range(4)])
    return Sequential([inner, *[L.Dense(4, name=f"outer_dense_with_a_long_name_{i}") for i in range(8)]])


@fixture("weight_names", "name_scope", "Conv2D", "BatchNormalization")
def scoped_weight_names() -> Any:
    x = L.Input((6, 5, 2))
    with keras.backend.name_scope("tower"):
        y = L.Conv2D(3, 2)(x)
        with keras.backend.name_scope("block"):
            y = L.Conv2D(3, 2)(L.BatchNormalization()(y))
    return functional(x, L.GlobalAveragePooling2D()(y))


def remove_layer_dict(path: Path) -> None:
    """Keras 2.2.2 and earlier wrote the config of a Sequential as a list; 2.2.4 still reads it."""
    import json

    import h5py

    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        config["config"] = config["config"]["layers"]
        file.attrs["model_config"] = np.bytes_(json.dumps(config))


@fixture(
    "sequential_list_config",
    "Conv2D",
    edit=remove_layer_dict,
    note="written by 2.2.4, its Sequential config put back to the list that 2.2.2 wrote",
)
def sequential_list() -> Any:
    return Sequential(
        [L.Conv2D(3, 3, activation="relu", input_shape=(6, 6, 2)), L.Flatten(), L.Dense(4, activation="hard_sigmoid")]
    )


@fixture("Bidirectional", "merge_mode", "Masking", "Multiply", inputs=padded(6, 3))
def masked_merge_modes() -> Any:
    x = L.Input((6, 3))
    masked = L.Masking()(x)
    one, other = L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode=None)(masked)
    both = L.Bidirectional(L.SimpleRNN(2, return_sequences=True), merge_mode="mul")(masked)
    return functional(x, [one, both, L.SimpleRNN(2)(other)])

"""Keras 2.3.1, the last multi-backend Keras: sigmoid gates and `reset_after` by default, full paths in weight names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import keras.layers as L
from keras.models import Model, Sequential

from fixture_models.common import Catalogue, edit_attributes, padded, padded_tokens, train

catalogue = Catalogue("keras-2.3.1")
fixture = catalogue.add


@fixture("Dense", "hard_sigmoid", "training_config", "optimizer_state", "learning_rate")
def mlp() -> Any:
    model = Sequential(
        [
            L.Dense(8, activation="relu", input_shape=(6,)),
            L.BatchNormalization(),
            L.Dense(5, activation="hard_sigmoid"),
            L.Dense(3, activation="sigmoid"),
        ]
    )
    return train(
        model,
        loss="binary_crossentropy",
        optimizer=keras.optimizers.Adam(learning_rate=0.003, amsgrad=True),
        metrics=["accuracy"],
    )


@fixture("Dense", "training_config", "string_loss", "mse", "momentum")
def compiled_sgd() -> Any:
    model = Sequential([L.Dense(5, activation="tanh", input_shape=(4,)), L.Dense(2)])
    return train(
        model, loss="mse", optimizer=keras.optimizers.SGD(learning_rate=0.1, momentum=0.9), metrics=["mae", "mape"]
    )


@fixture("Conv2D", "BatchNormalization", "relu6", "DepthwiseConv2D", "SeparableConv2D", "mobilenet")
def mobile_blocks() -> Any:
    x = L.Input((8, 7, 3))
    y = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(4, 3, padding="same", use_bias=False)(x)))
    y = L.DepthwiseConv2D(3, strides=2, use_bias=False)(L.ZeroPadding2D(((0, 1), (0, 1)))(y))
    z = L.SeparableConv2D(4, 2, padding="same")(y)
    return Model(x, L.Dense(3, activation="softmax")(L.GlobalAveragePooling2D()(L.Add()([y, z]))))


@fixture("channels_first", "Conv2D", "Conv2DTranspose", "Flatten")
def channels_first() -> Any:
    return Sequential(
        [
            L.Conv2D(4, (3, 2), data_format="channels_first", activation="relu", input_shape=(2, 8, 7)),
            L.BatchNormalization(axis=1),
            L.Conv2DTranspose(3, 2, strides=2, data_format="channels_first"),
            L.MaxPooling2D(3, data_format="channels_first"),
            L.Flatten(data_format="channels_first"),
            L.Dense(3),
        ]
    )


@fixture(
    "theano",
    "Conv2D",
    "Conv1D",
    "nested",
    edit=edit_attributes(backend="theano"),
    same=False,
    writer={"keras": "2.3.1", "backend": "theano"},
    note="written by 2.3.1 on TensorFlow, then marked as theano; outputs are 2.3.1's, which flips the kernels",
)
def theano_nested() -> Any:
    x = L.Input((8, 7, 2))
    inner = Model(x, L.Conv2D(3, (3, 2), activation="relu")(x))
    return Sequential([inner, L.Reshape((36, 3)), L.Conv1D(4, 3), L.GlobalMaxPooling1D(), L.Dense(3)])


@fixture("LSTM", "GRU", "SimpleRNN", "reset_after", "hard_sigmoid")
def recurrent() -> Any:
    x = L.Input((7, 4))
    a = L.LSTM(5, return_sequences=True)(x)
    b = L.GRU(5, return_sequences=True)(a)
    outputs = [L.LSTM(4, recurrent_activation="hard_sigmoid")(b), L.GRU(4, reset_after=False)(b)]
    return Model(x, [*outputs, L.GRU(3, reset_after=True, recurrent_activation="hard_sigmoid")(b), L.SimpleRNN(4)(b)])


@fixture("Bidirectional", "LSTM", "GRU", "mask", "Embedding", "mask_zero", inputs=padded_tokens(8, 20))
def bidirectional() -> Any:
    return Sequential(
        [
            L.Embedding(20, 5, mask_zero=True, input_length=8),
            L.Bidirectional(L.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid")),
            L.Bidirectional(L.GRU(3), merge_mode="mul"),
            L.Dense(1, activation="sigmoid"),
        ]
    )


@fixture("ConvLSTM2D", "hard_sigmoid", "TimeDistributed")
def conv_lstm() -> Any:
    return Sequential(
        [
            L.ConvLSTM2D(3, (3, 2), padding="same", return_sequences=True, input_shape=(4, 6, 5, 2)),
            L.BatchNormalization(),
            L.TimeDistributed(L.MaxPooling2D(2)),
            L.TimeDistributed(L.Flatten()),
            L.LSTM(4),
        ]
    )


@fixture("RNN", "StackedRNNCells", "initial_state", "hard_sigmoid")
def stacked_rnn_cells() -> Any:
    x, h, c = L.Input((6, 4)), L.Input((5,)), L.Input((5,))
    a = L.RNN([L.LSTMCell(5), L.GRUCell(4)], return_sequences=True)(x)
    return Model([x, h, c], [a, L.LSTM(5)(x, initial_state=[h, c])])


@fixture("Masking", "mask", "TimeDistributed", inputs=padded(7, 4))
def masking() -> Any:
    return Sequential(
        [L.Masking(input_shape=(7, 4)), L.GRU(5, return_sequences=True), L.TimeDistributed(L.Dense(4)), L.LSTM(3)]
    )


@fixture("mask", "initial_state", inputs=padded_tokens(6, 9))
def masked_initial_state() -> Any:
    tokens = L.Input((6,))
    embedded = L.Embedding(9, 3, mask_zero=True)(tokens)
    _, state = L.GRU(3, return_state=True)(embedded)
    return Model(tokens, L.GRU(3, return_sequences=True, go_backwards=True)(embedded, initial_state=state))


@fixture("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "ReLU", "Softmax")
def advanced_activations() -> Any:
    x = L.Input((4, 3, 5))
    layers = [
        L.LeakyReLU(),
        L.PReLU(shared_axes=[1]),
        L.ELU(),
        L.ThresholdedReLU(0.4),
        L.ReLU(0.9, 0.1, 0.2),
        L.Softmax(axis=2),
    ]
    y = L.Dense(5)(x)
    return Model(x, [layer(y) for layer in layers])


@fixture("UpSampling2D", "interpolation", "LocallyConnected1D", "LocallyConnected2D", "SeparableConv1D")
def resampling_and_local() -> Any:
    x, y = L.Input((6, 5, 3)), L.Input((8, 3))
    a = [
        L.UpSampling2D((2, 3), interpolation=kind)(L.LocallyConnected2D(2, (3, 2))(x))
        for kind in ("nearest", "bilinear")
    ]
    return Model([x, y], [*a, L.LocallyConnected1D(4, 3)(y), L.SeparableConv1D(4, 3, strides=2)(y)])


@fixture("nested", "functional_in_sequential", "frozen", "weight_order", "transfer_learning", "training_config")
def nested_frozen() -> Any:
    x = L.Input((7, 6, 3))
    y = L.BatchNormalization()(L.Conv2D(3, 3, padding="same", trainable=False)(x))
    y = L.Conv2D(3, 3, padding="same", activation="relu")(y)
    inner = Model(x, L.Conv2D(3, 3, padding="same", trainable=False)(y))
    model = Sequential([inner, L.GlobalAveragePooling2D(), L.Dense(4), L.Dense(2, activation="softmax")])
    return train(model, loss="categorical_crossentropy", optimizer="adagrad")


@fixture("nested", "sequential_in_functional", "called_twice", "several_nodes", "hard_sigmoid")
def model_called_twice() -> Any:
    core = Sequential([L.Dense(5, activation="hard_sigmoid", input_shape=(5,)), L.Dense(5)])
    x = L.Input((5,))
    first = core(x)
    return Model(x, [L.Concatenate()([first, core(first)]), L.Multiply()([first, x])])


@fixture("TimeDistributed", "nested", "BatchNormalization")
def model_in_time_distributed() -> Any:
    frame = Sequential(
        [L.Conv2D(3, 2, activation="relu", input_shape=(6, 5, 2)), L.BatchNormalization(), L.GlobalAveragePooling2D()]
    )
    x = L.Input((4, 6, 5, 2))
    return Model(x, L.LSTM(4)(L.TimeDistributed(frame)(x)))


def save_json_and_weights(model: Any, path: Path) -> None:
    path.write_text(model.to_json())
    model.save_weights(str(path.with_suffix(".h5")))


def read_json_and_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    model.load_weights(str(path.with_suffix(".h5")))
    return model


@fixture(
    "config_json",
    "functional",
    "Conv2D",
    "multi_output",
    container="config-json",
    suffix=".json",
    weights=".h5",
    save=save_json_and_weights,
    reload=read_json_and_weights,
)
def json_beside_weights() -> Any:
    x = L.Input((6, 5, 2))
    y = L.Conv2D(3, 2, activation="relu")(x)
    return Model(x, [L.Dense(2)(L.Flatten()(y)), L.GlobalMaxPooling2D()(y)])

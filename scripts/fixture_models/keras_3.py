"""Keras 3: what today's Keras writes as `.keras` and as `.h5`, including an `.h5` it cannot read back itself."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import Input, Model, Sequential, ops
from keras import layers as L

from fixture_models.common import Catalogue, padded, padded_tokens, train

catalogue = Catalogue("keras-3.15")


def zipped(*covers: str, **options: Any) -> Any:
    return catalogue.add(*covers, container="keras-zip", suffix=".keras", **options)


def both(*covers: str, **options: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""

    def decorate(build: Any) -> Any:
        catalogue.add(*covers, name=build.__name__ + "_h5", **options)(build)
        zipped(*covers, name=build.__name__ + "_zip", **options)(build)
        return build

    return decorate


def small() -> Any:
    return Sequential([L.Input((4,)), L.Dense(5, activation="hard_sigmoid"), L.Dense(3, activation="sigmoid")])


@both("native", "Conv2D", "BatchNormalization", "groups")
def cnn() -> Any:
    return Sequential(
        [
            L.Input((8, 7, 4)),
            L.Conv2D(6, (3, 2), groups=2, activation="relu"),
            L.BatchNormalization(),
            L.DepthwiseConv2D(3, padding="same"),
            L.SeparableConv2D(4, 2),
            L.MaxPooling2D(),
            L.Conv2DTranspose(3, 2, strides=2),
            L.Flatten(),
            L.Dense(3, activation="softmax"),
        ]
    )


@zipped("native", "LSTM", "GRU", "Bidirectional", "hard_sigmoid", "ConvLSTM2D", name="recurrent_zip")
def recurrent() -> Any:
    x, y = Input((7, 4)), Input((4, 6, 5, 2))
    a = L.Bidirectional(L.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid"))(x)
    outputs = [L.GRU(4, reset_after=False)(a), L.GRU(4)(a), L.SimpleRNN(3)(a), L.RNN([L.LSTMCell(3), L.GRUCell(2)])(a)]
    return Model([x, y], [*outputs, L.ConvLSTM2D(2, 2, recurrent_activation="hard_sigmoid")(y)])


@both("native", "initial_state", "encoder_decoder")
def encoder_decoder() -> Any:
    x, y = Input((None, 4)), Input((None, 3))
    _, *states = L.LSTM(5, return_state=True)(x)
    return Model([x, y], L.Dense(3)(L.LSTM(5, return_sequences=True)(y, initial_state=states)))


@zipped("native", "Masking", "mask", inputs=padded(7, 4))
def masking() -> Any:
    return Sequential(
        [L.Input((7, 4)), L.Masking(), L.LSTM(5, return_sequences=True), L.TimeDistributed(L.Dense(4)), L.GRU(3)]
    )


def rebuild_masked_merge(path: Path) -> Any:
    model = masked_merge()
    model.load_weights(str(path))
    return model


@catalogue.add(
    "mask",
    "Concatenate",
    "operations",
    "own_file_unreadable",
    reload=rebuild_masked_merge,
    inputs=padded_tokens(6, 9),
    note="this version does not read its own NotEqual in HDF5; outputs are those of the model rebuilt in code",
)
def masked_merge() -> Any:
    tokens = L.Input((6,))
    both = [L.Embedding(9, 3, mask_zero=True)(tokens), L.Embedding(9, 2)(tokens)]
    return Model(tokens, L.LSTM(2)(L.concatenate(both)))


@zipped("native", "Bidirectional", "RNN", "cells")
def cells_in_bidirectional() -> Any:
    return Sequential([L.Input((5, 3)), L.Bidirectional(L.RNN(L.SimpleRNNCell(2)))])


@both("native", "Embedding", "mask_zero", inputs=padded_tokens(8, 20))
def embedding() -> Any:
    return Sequential(
        [
            L.Input((8,)),
            L.Embedding(20, 5, mask_zero=True),
            L.Bidirectional(L.LSTM(4)),
            L.Dense(1, activation="sigmoid"),
        ]
    )


@zipped("native", "MultiHeadAttention", "EinsumDense", "LayerNormalization", "GroupQueryAttention", "ops")
def attention() -> Any:
    x = Input((6, 8))
    y = L.LayerNormalization()(x + L.MultiHeadAttention(2, 4)(x, x))
    y = L.Add()([y, L.EinsumDense("abc,cd->abd", output_shape=(None, 8), bias_axes="d", activation="gelu")(y)])
    return Model(x, [L.Dense(3)(ops.mean(y, axis=1)), L.GroupQueryAttention(4, 4, 2)(x, x), L.RMSNormalization()(y)])


def rebuild_attention(path: Path) -> Any:
    model = dot_attention()
    model.load_weights(str(path))
    return model


@catalogue.add(
    "Attention",
    "score_mode",
    "own_file_unreadable",
    reload=rebuild_attention,
    note="this version does not read its own score_mode in HDF5; outputs are those of the model rebuilt in code",
)
def dot_attention() -> Any:
    q, v = Input((5, 4)), Input((6, 4))
    return Model(
        [q, v],
        [L.Attention(use_scale=True)([q, v]), L.AdditiveAttention()([q, v]), L.Attention(score_mode="concat")([q, v])],
    )


@zipped("native", "Attention", "AdditiveAttention", "score_mode")
def dot_attention_zip() -> Any:
    return dot_attention()


def rebuild_operations(path: Path) -> Any:
    model = operation_graph()
    model.load_weights(str(path))
    return model


@catalogue.add(
    "ops",
    "operators",
    "own_file_unreadable",
    name="operation_graph_h5",
    reload=rebuild_operations,
    note="this version does not read its own GetItem in HDF5; outputs are those of the model rebuilt in code",
)
@zipped("native", "ops", "operators", name="operation_graph_zip")
def operation_graph() -> Any:
    x, y = Input((6, 4)), Input((6, 4))
    a = L.Dense(4)(x)
    outputs = [
        x + y,
        a * 2.0,
        1.0 - a,
        x[:, 1:, ::2],
        ops.concatenate([x, y], axis=1),
        ops.transpose(a, (0, 2, 1)),
        ops.relu(a),
    ]
    return Model(
        [x, y],
        [
            *outputs,
            ops.einsum("bij,bkj->bik", x, y),
            ops.stack([x, y], axis=1),
            ops.reshape(a, (-1, 24)),
            ops.mean(a, axis=[1]),
        ],
    )


@both("native", "nested", "functional_in_sequential", "frozen", "weight_order", "transfer_learning")
def nested_frozen() -> Any:
    x = Input((7, 6, 3))
    frozen = L.Conv2D(3, 3, padding="same", trainable=False)
    y = L.BatchNormalization()(frozen(x))
    inner = Model(x, L.Conv2D(3, 3, padding="same")(y), name="backbone")
    return Sequential([L.Input((7, 6, 3)), inner, L.GlobalAveragePooling2D(), L.Dense(3), L.Dense(3)])


@zipped("native", "nested", "shared", "called_twice", "siamese")
def siamese() -> Any:
    encoder = Sequential([L.Input((6,)), L.Dense(5, activation="hard_sigmoid"), L.BatchNormalization(), L.Dense(4)])
    x, y = Input((6,)), Input((6,))
    return Model([x, y], [L.Dot(1)([encoder(x), encoder(y)]), L.Subtract()([encoder(y), encoder(x)])])


@zipped("native", "TimeDistributed", "nested", "hard_sigmoid")
def model_in_time_distributed() -> Any:
    frame = Sequential(
        [L.Input((6, 5, 2)), L.Conv2D(3, 2), L.GlobalMaxPooling2D(), L.Dense(3, activation="hard_sigmoid")]
    )
    return Sequential([L.Input((4, 6, 5, 2)), L.TimeDistributed(frame), L.LSTM(3)])


@zipped("native", "normalizations", "advanced_activations", "preprocessing")
def layers_of_today() -> Any:
    x = Input((6, 5, 4))
    layers = [
        L.LeakyReLU(0.1),
        L.PReLU(shared_axes=[1, 2]),
        L.ELU(0.5),
        L.ReLU(0.9, 0.1, 0.2),
        L.Softmax(axis=1),
        L.UnitNormalization(),
        L.GroupNormalization(2),
        L.Resizing(4, 7),
        L.Rescaling(0.5, 0.1),
        L.RandomFlip(),
        L.CenterCrop(3, 3),
        L.UpSampling2D(2, interpolation="bilinear"),
        L.BatchNormalization(axis=1),
    ]
    return Model(x, [layer(x) for layer in layers])


@zipped("native", "dict_inputs", "dict_outputs")
def dict_inputs() -> Any:
    inputs = {"size": Input((4,), name="size"), "age": Input((2,), name="age")}
    return Model(
        inputs, {"b": L.Dense(3)(inputs["age"]), "a": L.Dense(2)(L.Concatenate()([inputs["size"], inputs["age"]]))}
    )


@zipped("native", "mixed_float16", "dtype_policy", tolerance=1e-2)
def mixed_precision() -> Any:
    policy = keras.DTypePolicy("mixed_float16")
    return Sequential([L.Input((6,)), L.Dense(5, activation="relu", dtype=policy), L.Dense(3, dtype="float32")])


@zipped("native", "Normalization", keep_weights=True)
def normalization_adapted() -> Any:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(3).normal([1, 2, -3, 4], [0.5, 2, 3, 4], (50, 4)).astype(np.float32))
    return Sequential([L.Input((4,)), layer, L.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1))])


# This version cannot read these `.h5` files with their compile state, so it reads them without.


def without_compiling(path: Path) -> Any:
    return keras.models.load_model(str(path), compile=False)


for loss in ("mse", "mae", "kld"):

    @catalogue.add(
        "training_config",
        "string_loss",
        "own_file_unreadable",
        loss,
        name=f"compiled_{loss}_h5",
        reload=without_compiling,
    )
    def compiled_loss(loss: str = loss) -> Any:
        return train(small(), loss=loss, optimizer="adam", metrics=["mae"])


@both("training_config", "optimizer_state", "momentum", "SGD")
def compiled_sgd() -> Any:
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True)
    return train(small(), loss=keras.losses.MeanSquaredError(), optimizer=optimizer)


@zipped("training_config", "optimizer_state", "Adam", "learning_rate_schedule")
def compiled_adam() -> Any:
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 100)
    return train(small(), loss="mse", optimizer=keras.optimizers.Adam(schedule, amsgrad=True), metrics=["mae"])


def save_unzipped(model: Any, path: Path) -> None:
    archive = path.with_suffix(".keras")
    model.save(str(archive))
    with zipfile.ZipFile(archive) as file:
        file.extractall(path)
    archive.unlink()


@catalogue.add(
    "keras-dir",
    "Dense",
    container="keras-dir",
    suffix="",
    save=save_unzipped,
    note="the unzipped content of a .keras file",
)
def unzipped() -> Any:
    return small()


def save_json_and_weights(model: Any, path: Path) -> None:
    path.write_text(model.to_json())
    model.save_weights(str(path.with_suffix(".weights.h5")))


def load_json_and_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    model.load_weights(str(path.with_suffix(".weights.h5")))
    return model


@catalogue.add(
    "config_json",
    "weights-h5",
    container="config-json",
    suffix=".json",
    weights=".weights.h5",
    save=save_json_and_weights,
    reload=load_json_and_weights,
)
def json_beside_weights() -> Any:
    x = Input((6,))
    return Model(x, L.Dense(2)(L.BatchNormalization()(L.Dense(4, activation="relu")(x))))

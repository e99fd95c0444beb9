"""tf_keras 2.21, the last Keras 2: what tf.keras of TensorFlow 2 wrote, as `.h5` and as `.keras`."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import Input, Model, Sequential
from tf_keras import layers as L
from tf_keras.src.applications import convnext

from fixture_models.common import Catalogue, frozen_clock, padded, padded_tokens, padded_words_and_characters, train

catalogue = Catalogue("tf_keras-2.21")


def as_h5(*covers: str, **options: Any) -> Any:
    """Add the model as HDF5."""

    def decorate(build: Any) -> Any:
        catalogue.add(*covers, name=options.pop("name", build.__name__) + "_h5", **options)(build)
        return build

    return decorate


def as_zip(*covers: str, **options: Any) -> Any:
    """Add the model as a Keras zip."""

    def decorate(build: Any) -> Any:
        name = options.pop("name", build.__name__) + "_zip"
        catalogue.add(*covers, name=name, container="keras-zip", suffix=".keras", **options)(build)
        return build

    return decorate


def both(*covers: str, **options: Any) -> Any:
    """Add the model as HDF5 and as a Keras zip."""
    return lambda build: as_zip(*covers, **options)(as_h5(*covers, **options)(build))


# Convolutions and pooling


@both(
    "groups", "DepthwiseConv2D", "Conv2DTranspose", "SeparableConv2D", "SeparableConv1D", "BatchNormalization", "relu6"
)
def mobile_blocks() -> Any:
    x, y = Input((8, 7, 4)), Input((9, 3))
    a = L.Conv2D(6, 3, groups=2, padding="same", use_bias=False)(x)
    a = L.ReLU(6.0)(L.BatchNormalization(axis=[3])(a))
    a = L.DepthwiseConv2D((3, 2), strides=2, depth_multiplier=2, padding="same")(L.ZeroPadding2D(((0, 1), (0, 1)))(a))
    a = L.SeparableConv2D(4, (2, 3), depth_multiplier=2, activation="relu")(a)
    a = L.Conv2DTranspose(3, (3, 2), strides=2, output_padding=1)(a)
    return Model([x, y], [a, L.SeparableConv1D(5, 3)(y), L.DepthwiseConv1D(3)(y)])


@as_h5("Conv1D", "Conv1DTranspose", "Conv3D", "Conv3DTranspose", "causal", "dilation_rate", "pooling")
def conv_1d_3d() -> Any:
    x, y = Input((12, 3)), Input((5, 6, 4, 2))
    a = L.Conv1DTranspose(4, 3, strides=2)(L.Conv1D(4, 3, padding="causal", dilation_rate=2)(x))
    b = L.Conv3DTranspose(2, (2, 1, 3))(L.MaxPooling3D((2, 2, 1))(L.Conv3D(3, (2, 3, 2), activation="elu")(y)))
    c = L.AveragePooling1D(3, padding="same")(L.ZeroPadding1D(1)(L.Cropping1D(2)(a)))
    return Model([x, y], [a, b, c, L.GlobalAveragePooling3D(keepdims=True)(b), L.GlobalMaxPooling1D(keepdims=True)(c)])


@both(
    "BatchNormalization",
    "axis",
    "LayerNormalization",
    "GroupNormalization",
    "UnitNormalization",
    "SyncBatchNormalization",
)
def normalizations() -> Any:
    x = Input((5, 4, 6))
    outputs = [L.BatchNormalization(axis=[3], scale=False)(x), L.BatchNormalization(axis=1, epsilon=0.01)(x)]
    outputs += [
        L.LayerNormalization(axis=[1, 3], epsilon=0.01)(x),
        L.LayerNormalization(center=False)(x),
        L.UnitNormalization()(x),
    ]
    return Model(x, [*outputs, L.GroupNormalization(3)(x), L.UnitNormalization(axis=[1, 2])(x)])


def load_with_convnext(path: Path) -> Any:
    parts = {"LayerScale": convnext.LayerScale, "StochasticDepth": convnext.StochasticDepth}
    return keras.models.load_model(str(path), custom_objects=parts)


@both("LayerScale", "StochasticDepth", "Normalization", "nested", reload=load_with_convnext)
def convnext_block() -> Any:
    x = Input((6, 5, 3))
    y = L.Normalization(mean=[0.5, 0.4, 0.3], variance=[0.04, 0.05, 0.06])(x)
    y = L.LayerNormalization(epsilon=1e-6)(L.Conv2D(4, 3, padding="same")(y))
    z = convnext.LayerScale(1e-6, 4)(L.Dense(4, activation="gelu")(y))
    inner = Model(x, L.Add()([y, convnext.StochasticDepth(0.2)(z)]))
    return Sequential([inner, L.GlobalAveragePooling2D(), L.Dense(2)])


@both("RandomCrop", "causal", "SeparableConv1D")
def crop_and_causal() -> Any:
    x, y = Input((7, 6, 3)), Input((8, 3))
    return Model([x, y], [L.RandomCrop(4, 5)(x), L.SeparableConv1D(4, 3, padding="causal", dilation_rate=2)(y)])


def padded_and_states(rng: np.random.Generator) -> list[np.ndarray]:
    """A padded sequence, and a state for each direction."""
    return [*padded(6, 3)(rng), *(rng.normal(0.0, 1.0, (3, 2)).astype(np.float32) for _ in range(2))]


@as_zip("RNN", "StackedRNNCells", "Bidirectional", "initial_state", "zero_output_for_mask", inputs=padded_and_states)
def recurrent_options() -> Any:
    x, forward, backward = Input((6, 3)), Input((2,)), Input((2,))
    masked = L.Masking()(x)
    a = L.RNN([L.GRUCell(2)], return_sequences=True)(masked)
    b = L.SimpleRNN(2, return_sequences=True, zero_output_for_mask=True)(masked)
    c = L.Bidirectional(L.GRU(2, return_sequences=True))(x, initial_state=[forward, backward])
    return Model([x, forward, backward], [a, b, c])


@as_h5("Masking", "Multiply", inputs=lambda rng: [*padded(6, 3)(rng), rng.normal(size=(3, 6, 3)).astype(np.float32)])
def masked_product() -> Any:
    x, y = Input((6, 3)), Input((6, 3))
    z = L.Multiply()([L.Masking()(x), y])
    return Model([x, y], [z, L.SimpleRNN(2)(z)])


@as_zip("SyncBatchNormalization", "synchronized")
def sync_batch_normalization() -> Any:
    x = Input((5, 4, 3))
    y = L.experimental.SyncBatchNormalization(epsilon=0.01)(x)
    return Model(x, [y, L.BatchNormalization(synchronized=True)(L.Dense(4)(x))])


@both("LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "ReLU", "Softmax", "shared_axes")
def advanced_activations() -> Any:
    x = Input((4, 3, 5))
    layers = [
        L.LeakyReLU(),
        L.LeakyReLU(alpha=np.float32(0.12)),
        L.PReLU(shared_axes=[1, 2]),
        L.ELU(0.6),
        L.ThresholdedReLU(0.3),
        L.ReLU(max_value=1.0, negative_slope=0.2, threshold=0.1),
        L.Softmax(axis=1),
        L.Softmax(axis=[1, 2]),
    ]
    y = L.Dense(5)(x)
    return Model(x, [layer(y) for layer in layers])


@as_h5("hard_sigmoid", "Activation", "Dense", "activations")
def activations() -> Any:
    x = Input((6,))
    names = (
        "hard_sigmoid",
        "swish",
        "gelu",
        "elu",
        "selu",
        "mish",
        "softsign",
        "exponential",
        "softplus",
        "relu6",
        "log_softmax",
    )
    y = L.Dense(5)(x)
    outputs = [L.Activation(name)(y) for name in names if hasattr(keras.activations, name)]
    return Model(x, [*outputs, L.Dense(4, activation="hard_sigmoid")(x), L.Dense(4, activation=tf.nn.relu)(x)])


@as_zip("UpSampling2D", "interpolation", "Resizing", "Rescaling", "CenterCrop", "Cropping2D")
def resampling() -> Any:
    x = Input((6, 5, 3))
    outputs = [L.UpSampling2D((2, 3), interpolation=kind)(x) for kind in ("nearest", "bilinear", "bicubic", "area")]
    outputs += [L.Resizing(4, 7)(x), L.Resizing(9, 4, interpolation="nearest")(x), L.CenterCrop(4, 3)(x)]
    return Model(x, [*outputs, L.Resizing(8, 8, interpolation="bicubic")(x), L.Rescaling(1 / 127.5, offset=-1.0)(x)])


@both("preprocessing", "RandomFlip", "RandomRotation", "RandomZoom", "Rescaling", "augmentation")
def augmentation_in_model() -> Any:
    augment = Sequential([L.RandomFlip("horizontal", input_shape=(8, 7, 3)), L.RandomRotation(0.1), L.RandomZoom(0.1)])
    return Sequential(
        [
            augment,
            L.Rescaling(0.5, -0.3),
            L.RandomContrast(0.2),
            L.RandomTranslation(0.1, 0.1),
            L.Conv2D(4, 3, activation="relu"),
            L.MaxPooling2D(),
            L.Dropout(0.2),
            L.Flatten(),
            L.Dense(3),
        ]
    )


@both("Normalization", "preprocessing", keep_weights=True)
def normalization_adapted() -> Any:
    layer = L.Normalization(axis=-1)
    layer.adapt(np.random.default_rng(3).normal([1, 2, -3, 4], [0.5, 2, 3, 4], (50, 4)).astype(np.float32))
    fixed = L.Normalization(axis=-1, mean=[0.5, 1.0, -1.0], variance=[2.0, 0.5, 4.0])
    x = Input((4,))
    dense = L.Dense(3, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    return Model(x, fixed(dense(layer(x))))


@as_h5("LocallyConnected1D", "LocallyConnected2D", "implementation")
def locally_connected() -> Any:
    x, y = Input((8, 3)), Input((6, 5, 2))
    a = [L.LocallyConnected1D(4, 3, implementation=1, strides=2)(x), L.LocallyConnected1D(3, 2, implementation=2)(x)]
    a.append(L.LocallyConnected1D(4, 3, implementation=3, padding="same", activation="hard_sigmoid")(x))
    b = [
        L.LocallyConnected2D(3, (3, 2), implementation=1)(y),
        L.LocallyConnected2D(2, (3, 2), strides=(1, 2), implementation=2)(y),
    ]
    b.append(L.LocallyConnected2D(2, 2, implementation=3, padding="same")(y))
    return Model([x, y], a + b)


@as_zip("LocallyConnected2D", "channels_first", "implementation")
def locally_connected_channels_first() -> Any:
    x = Input((2, 6, 5))
    return Model(
        x, [L.LocallyConnected2D(3, (3, 2), data_format="channels_first", implementation=kind)(x) for kind in (1, 2)]
    )


@both("channels_first", "Conv2D", "Conv2DTranspose", "MaxPooling2D")
def channels_first_convolutions() -> Any:
    x = Input((3, 7, 6))
    y = L.Conv2D(4, (3, 2), data_format="channels_first", activation="relu")(x)
    y = L.MaxPooling2D(2, data_format="channels_first")(y)
    y = L.Conv2DTranspose(3, 2, strides=2, data_format="channels_first")(y)
    return Model(x, L.Dense(3)(L.Flatten()(L.Conv2D(2, 2, data_format="channels_first", padding="same")(y))))


@as_h5("channels_first", "Flatten", "BatchNormalization", "ZeroPadding2D", "UpSampling2D", "GlobalAveragePooling2D")
def channels_first() -> Any:
    x = Input((3, 6, 5))
    y = L.BatchNormalization(axis=[1])(L.ZeroPadding2D((1, 2), data_format="channels_first")(x))
    y = L.UpSampling2D((2, 1), data_format="channels_first")(y)
    y = L.Cropping2D(((1, 0), (0, 1)), data_format="channels_first")(y)
    flat = L.Flatten(data_format="channels_first")(y)
    return Model(
        x, [L.Dense(4)(flat), L.GlobalAveragePooling2D(data_format="channels_first")(y), L.Dense(3)(L.Flatten()(y))]
    )


# Recurrent layers


@as_h5("LSTM", "GRU", "SimpleRNN", "hard_sigmoid", "time_major", "reset_after")
def recurrent() -> Any:
    x = Input((7, 4))
    a = L.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    b = L.GRU(5, return_sequences=True, reset_after=False, recurrent_activation="hard_sigmoid")(a)
    outputs = [L.LSTM(4)(a), L.GRU(4)(b), L.GRU(4, recurrent_activation="hard_sigmoid", implementation=1)(b)]
    return Model(x, [*outputs, L.SimpleRNN(4, go_backwards=True)(a), L.LSTM(3, use_bias=False, unroll=True)(x)])


def time_major_probe(rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=(3, 3, 4)).astype(np.float32)]


@both("time_major", "LSTM", "GRU", "Bidirectional", inputs=time_major_probe, note="time is the first axis of x0")
def time_major() -> Any:
    x = Input((3, 4))
    a = L.LSTM(5, time_major=True, return_sequences=True)(x)
    b = L.Bidirectional(L.GRU(4, time_major=True, return_sequences=True))(a)
    return Model(x, [b, L.SimpleRNN(3, time_major=True)(b)])


@as_zip("Bidirectional", "LSTM", "GRU", "hard_sigmoid", "backward_layer")
def bidirectional() -> Any:
    x = Input((6, 4))
    a = L.Bidirectional(L.LSTM(5, return_sequences=True, recurrent_activation="hard_sigmoid"))(x)
    b = L.Bidirectional(L.GRU(4), merge_mode="sum")(a)
    c = L.Bidirectional(L.LSTM(4), backward_layer=L.GRU(4, go_backwards=True), merge_mode="mul")(a)
    d = L.Bidirectional(L.SimpleRNN(3), merge_mode=None)(a)
    return Model(x, [b, c, *d])


@both("ConvLSTM1D", "ConvLSTM2D", "hard_sigmoid")
def conv_lstm() -> Any:
    x, y = Input((4, 6, 5, 2)), Input((4, 7, 2))
    a = L.ConvLSTM2D(3, (3, 2), padding="same", return_sequences=True)(x)
    return Model([x, y], [L.ConvLSTM2D(2, 2, recurrent_activation="sigmoid")(a), L.ConvLSTM1D(3, 3)(y)])


@as_h5("RNN", "StackedRNNCells", "LSTMCell", "GRUCell", "hard_sigmoid")
def rnn_cells() -> Any:
    x = Input((6, 4))
    a = L.RNN(
        [L.LSTMCell(5, recurrent_activation="hard_sigmoid"), L.GRUCell(4), L.SimpleRNNCell(3)], return_sequences=True
    )(x)
    return Model(x, [L.RNN(L.GRUCell(4, reset_after=False))(a), L.RNN(L.LSTMCell(3), go_backwards=True)(a)])


@both("initial_state", "encoder_decoder", "multi_input", "LSTM")
def encoder_decoder() -> Any:
    x, y = Input((None, 4)), Input((None, 3))
    _, *states = L.LSTM(5, return_state=True)(x)
    decoded, h, _ = L.LSTM(5, return_sequences=True, return_state=True)(y, initial_state=states)
    return Model([x, y], [L.Dense(3, activation="softmax")(decoded), L.GRU(5)(y, initial_state=h)])


@as_h5("stateful", "batch_input_shape", "LSTM")
def stateful() -> Any:
    return Sequential(
        [L.LSTM(5, stateful=True, return_sequences=True, batch_input_shape=(3, 6, 4)), L.GRU(4, stateful=True)]
    )


@as_zip("Masking", "mask", "LSTM", "TimeDistributed", inputs=padded(7, 4))
def masking() -> Any:
    return Sequential(
        [
            L.Masking(input_shape=(7, 4)),
            L.LSTM(6, return_sequences=True),
            L.Bidirectional(L.GRU(4, return_sequences=True)),
            L.TimeDistributed(L.Dense(5, activation="hard_sigmoid")),
            L.LSTM(3),
        ]
    )


@as_h5("mask", "TimeDistributed", "Multiply", "Concatenate", inputs=padded_words_and_characters)
def mask_flow() -> Any:
    words, characters = L.Input((6,)), L.Input((6, 4))
    known = L.Embedding(20, 4, mask_zero=True)(words)
    spelt = L.TimeDistributed(L.Embedding(10, 4, mask_zero=True))(characters)
    spelt = L.TimeDistributed(L.GRU(4))(spelt)
    plain = L.Embedding(20, 4)(words)
    multiplied = L.GRU(3, return_sequences=True)(L.multiply([known, spelt]))
    joined = L.LSTM(2)(L.concatenate([multiplied, plain]))
    return Model([words, characters], [multiplied, joined])


@as_h5("Embedding", "mask_zero", "mask", "GlobalAveragePooling1D", inputs=padded_tokens(8, 20))
def embedding_mask_zero() -> Any:
    return Sequential(
        [
            L.Embedding(20, 5, mask_zero=True, input_length=8),
            L.SpatialDropout1D(0.2),
            L.Bidirectional(L.LSTM(4, return_sequences=True)),
            L.GlobalAveragePooling1D(),
            L.Dense(1, activation="sigmoid"),
        ]
    )


# Attention


@as_h5("MultiHeadAttention", "LayerNormalization", "transformer", "Embedding", "/ in names", integers=15)
def transformer_block() -> Any:
    x = Input((6,))
    y = L.Embedding(15, 8, input_length=6)(x)
    attended = L.MultiHeadAttention(2, 4, value_dim=3, attention_axes=[1])(y, y)
    y = L.LayerNormalization(epsilon=1e-6)(L.Add()([y, attended]))
    y = L.LayerNormalization()(y + L.Dense(8)(L.Dense(12, activation="gelu")(y)))
    return Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(y)))


@both("Attention", "AdditiveAttention", "score_mode", "MultiHeadAttention", "EinsumDense")
def attention() -> Any:
    q, v = Input((5, 4)), Input((6, 4))
    outputs = [L.Attention()([q, v]), L.Attention(use_scale=True)([q, v]), L.AdditiveAttention()([q, v])]
    outputs += [L.Attention(score_mode="concat")([q, v]), L.MultiHeadAttention(2, 3, output_shape=5)(q, v)]
    return Model([q, v], [*outputs, L.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de")(q)])


@both(
    "call_arguments",
    "MultiHeadAttention",
    "Attention",
    "use_causal_mask",
    "Embedding",
    "mask",
    inputs=padded_tokens(6, 15),
)
def call_arguments() -> Any:
    x = Input((6,))
    y = L.Embedding(15, 8, mask_zero=True)(x)
    causal = L.MultiHeadAttention(2, 4)(y, y, use_causal_mask=True)
    attended, scores = L.Attention(use_scale=True)([y, y], return_attention_scores=True, use_causal_mask=True)
    normalized = L.BatchNormalization()(attended, training=False)
    return Model(x, [causal, L.Dropout(0.5)(normalized, training=False), scores])


@as_h5(
    "CategoryEncoding",
    "Discretization",
    "preprocessing",
    inputs=lambda rng: [rng.normal(0, 2, (3, 4)).astype(np.float32), rng.integers(0, 5, (3, 2)).astype(np.float32)],
)
def encodings() -> Any:
    x, y = Input((4,)), Input((2,))
    return Model(
        [x, y], [L.Dense(3)(L.Discretization([-1.0, 0.5, 2.0])(x)), L.Dense(3)(L.CategoryEncoding(5, "multi_hot")(y))]
    )


# Graphs of TensorFlow functions: TFOpLambda and SlicingOpLambda


@both("TFOpLambda", "SlicingOpLambda", "operators")
def operators() -> Any:
    x, y = Input((6, 4)), Input((6, 4))
    a = L.Dense(4)(x)
    outputs = [
        x + y,
        x * 2.0,
        3.0 - a,
        a / (tf.abs(y) + 1.0),
        -a,
        a**2,
        x[:, 1:, ::2],
        y[:, -1],
        a[:, tf.newaxis, 1:3],
        x @ tf.transpose(y, (0, 2, 1)),
    ]
    return Model([x, y], outputs)


# An Ellipsis goes into HDF5 only: the zip refuses it.
@catalogue.add("SlicingOpLambda", "Ellipsis")
def slicing_ellipsis() -> Any:
    x = Input((6, 5, 4))
    return Model(x, [x[..., 1:3], x[:, 2, ..., ::-1], x[..., tf.newaxis, 0] * 2.0])


@as_h5("TFOpLambda", "tf.nn", "tf.math")
def nn_and_math_functions() -> Any:
    x = Input((6, 4))
    a = L.Dense(4)(x)
    outputs = [
        tf.nn.relu(a),
        tf.nn.relu6(a * 3.0),
        tf.nn.softmax(a, axis=1),
        tf.nn.sigmoid(a),
        tf.nn.tanh(a),
        tf.nn.swish(a),
        tf.nn.gelu(a),
    ]
    outputs += [
        tf.nn.leaky_relu(a, alpha=0.15),
        tf.nn.elu(a),
        tf.nn.softplus(a),
        tf.nn.l2_normalize(a, axis=-1),
        tf.math.exp(a),
    ]
    outputs += [
        tf.math.sqrt(tf.math.square(a) + 1.0),
        tf.math.log(tf.math.abs(a) + 0.5),
        tf.math.maximum(a, 0.3),
        tf.math.sin(a),
    ]
    outputs += [
        tf.math.reduce_max(a, axis=1),
        tf.clip_by_value(a, -0.5, 0.7),
        tf.math.multiply(a, x),
        tf.math.subtract(a, x),
        tf.math.rsqrt(tf.math.square(a) + 0.1),
    ]
    return Model(x, outputs)


@as_zip("TFOpLambda", "shapes", "tf.concat", "tf.split", "tf.stack")
def shape_functions() -> Any:
    x, y = Input((6, 4)), Input((6, 4))
    a, b = tf.split(L.Dense(4)(x), 2, axis=-1)
    outputs = [
        tf.concat([x, y], axis=-1),
        tf.concat([x, y], 1),
        tf.stack([x, y], axis=1),
        a,
        tf.expand_dims(b, axis=2),
        tf.reshape(x, (-1, 3, 8)),
    ]
    outputs += [
        tf.squeeze(tf.expand_dims(y, 1), axis=1),
        tf.transpose(x, perm=[0, 2, 1]),
        tf.matmul(x, y, transpose_b=True),
        tf.tile(x, [1, 2, 1]),
    ]
    outputs += [
        tf.reverse(x, axis=[1]),
        tf.pad(x, [[0, 0], [1, 2], [0, 1]]),
        tf.gather(x, [0, 3, 1], axis=1),
        tf.unstack(y, axis=1)[2],
    ]
    return Model([x, y], outputs)


# tf.einsum is left out: tf_keras does not read it back.
@as_h5("TFOpLambda", "reductions", "tf.cast", "tf.where")
def reductions() -> Any:
    x, y = Input((6, 4)), Input((6, 4))
    outputs = [
        tf.reduce_mean(x, axis=[1]),
        tf.reduce_sum(x, axis=-1, keepdims=True),
        tf.reduce_max(y, axis=1),
        tf.reduce_min(y, axis=2),
    ]
    outputs += [tf.cast(tf.cast(x * 3.0, tf.int32), tf.float32), tf.where(x > 0.0, x, y), tf.add_n([x, y, x])]
    outputs += [
        tf.add(x, y),
        tf.multiply(x, 0.5),
        tf.subtract(1.0, y),
        tf.divide(x, 4.0),
        tf.maximum(x, y),
        tf.pow(tf.abs(x), 1.5),
        tf.cast(x > y, "float32"),
    ]
    outputs += [
        tf.norm(x, axis=-1),
        tf.math.reduce_std(x, axis=1),
        tf.cumsum(x, axis=1),
        tf.one_hot(tf.argmax(x, axis=-1), 4),
        tf.zeros_like(x) + y,
    ]
    return Model([x, y], outputs)


@as_zip("TFOpLambda", "tf.image", "tf.nn.conv2d")
def image_functions() -> Any:
    x = Input((6, 5, 3))
    y = L.Conv2D(4, 2)(x)
    outputs = [
        tf.image.resize(y, (8, 9)),
        tf.image.resize(y, [3, 7], method="nearest"),
        tf.nn.max_pool2d(y, 2, 2, "SAME"),
        tf.nn.avg_pool2d(y, (2, 1), 1, "VALID"),
    ]
    outputs += [tf.nn.depth_to_space(y, 2), tf.image.flip_left_right(y)]
    return Model(x, outputs)


@as_h5("TFOpLambda", "keras.backend", "dynamic_shape")
def backend_functions() -> Any:
    x = Input((6, 4))
    a, k = L.Dense(4)(x), keras.backend
    outputs = [
        k.sum(a, axis=1),
        k.mean(a, axis=-1, keepdims=True),
        k.concatenate([a, x]),
        k.square(a),
        k.exp(-a),
        k.l2_normalize(a, axis=1),
        k.permute_dimensions(a, (0, 2, 1)),
        k.batch_dot(a, x, axes=2),
        k.relu(a, alpha=0.1),
        k.softmax(a),
    ]
    return Model(x, [*outputs, tf.reshape(a, (tf.shape(a)[0], 24))])


@both("TFOpLambda", "nested", "channel_shuffle", "squeeze_excite")
def op_graph_nested() -> Any:
    x = Input((6, 5, 4))
    y = tf.reshape(L.Conv2D(6, 3, padding="same")(x), (-1, 6, 5, 2, 3))
    y = tf.reshape(tf.transpose(y, (0, 1, 2, 4, 3)), (-1, 6, 5, 6))
    inner = Model(x, y * tf.nn.sigmoid(L.Dense(6)(tf.reduce_mean(y, axis=[1, 2], keepdims=True))), name="shuffle")
    z = Input((6, 5, 4))
    return Model(z, L.Dense(3)(tf.nn.relu(inner(z) - 0.1)))


# Nesting, sharing, names


def backbone(name: str = "backbone") -> Any:
    x = Input((8, 7, 3))
    y = L.BatchNormalization(axis=[3], name="norm_1")(L.Conv2D(4, 3, padding="same", name="first")(x))
    z = L.BatchNormalization(name="norm_2")(L.Conv2D(4, 3, padding="same", activation="relu", name="second")(y))
    return Model(x, L.Conv2D(4, 3, strides=2, name="third")(L.Add(name="add")([y, z])), name=name)


@both("nested", "functional_in_sequential", "transfer_learning", "frozen", "weight_order", "training_config")
def transfer_sequential() -> Any:
    base = backbone()
    base.trainable = False
    model = Sequential(
        [
            base,
            L.GlobalAveragePooling2D(),
            L.Dense(4, activation="relu"),
            L.Dropout(0.3),
            L.Dense(2, activation="softmax"),
        ]
    )
    return train(model, loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])


@both("nested", "functional_in_functional", "transfer_learning", "frozen", "weight_order", "BatchNormalization")
def transfer_functional() -> Any:
    base = backbone()
    for name in ("first", "norm_2"):
        base.get_layer(name).trainable = False
    x = Input((8, 7, 3))
    y = base(L.Rescaling(1 / 127.5, offset=-1)(x * 100.0), training=False)
    return Model(x, L.Dense(2)(L.GlobalAveragePooling2D()(y)))


@as_zip("nested", "model_output_reused", "transfer_learning")
def cut_backbone() -> Any:
    base = backbone()
    head = L.Dense(3, activation="softmax")(L.Flatten()(base.get_layer("add").output))
    return Model(base.input, [head, base.output])


@as_h5("nested", "shared", "called_twice", "siamese")
def siamese() -> Any:
    base = backbone()
    encoder = Sequential([base, L.Flatten(), L.Dense(5)])
    left, right = Input((8, 7, 3)), Input((8, 7, 3))
    return Model(
        [left, right],
        [L.Dot(1, normalize=True)([encoder(left), encoder(right)]), tf.abs(encoder(left) - encoder(right))],
    )


@as_zip("nested", "three_levels", "TimeDistributed", "hard_sigmoid")
def model_in_time_distributed() -> Any:
    core = Sequential([L.Dense(5, activation="hard_sigmoid", input_shape=(4,)), L.BatchNormalization(), L.Dense(4)])
    x = Input((4,))
    middle = Model(x, L.Concatenate()([core(x), L.Dense(2)(x)]))
    return Sequential(
        [
            L.TimeDistributed(middle, input_shape=(6, 4)),
            L.Bidirectional(L.LSTM(3, recurrent_activation="hard_sigmoid")),
            L.Dense(2),
        ]
    )


@as_h5("shared", "several_nodes", "multi_output", "dict_outputs")
def shared_layers() -> Any:
    x, y = Input((5,), name="left"), Input((5,), name="right")
    dense, norm = L.Dense(5, activation="tanh", name="common"), L.BatchNormalization()
    a = norm(dense(x))
    b = norm(dense(a))
    return Model(
        [y, x], [L.Subtract(name="difference")([dense(y), b]), L.Dense(2, name="main")(L.Concatenate()([a, b, y]))]
    )


@both("dict_inputs", "multi_input")
def dict_inputs() -> Any:
    inputs = {"size": Input((4,), name="size"), "age": Input((2,), name="age")}
    joined = L.Concatenate()([L.Dense(3, activation="relu")(inputs["age"]), L.Dense(3)(inputs["size"])])
    return Model(inputs, L.Dense(2, activation="softmax")(joined))


@both("dict_outputs", "multi_output")
def dict_outputs() -> Any:
    x = Input((4,))
    return Model(x, {"second": L.Dense(3, name="b")(x), "first": L.Dense(2, name="a")(x)})


@both("/ in names", "nested", "weight_names", "BatchNormalization")
def slash_names() -> Any:
    x = Input((6, 5, 3))
    y = L.Conv2D(4, 3, name="block1/conv")(x)
    y = L.BatchNormalization(name="block1/bn")(y)
    y = L.Activation("relu", name="block1/0/relu")(y)
    inner = Model(x, y, name="features")
    z = Input((6, 5, 3))
    return Model(z, L.Dense(2, name="head/logits")(L.Flatten(name="head/flatten")(inner(z))))


@as_h5("nested", "empty_layers", "Identity", "merge_layers", "noise")
def merges_and_noise() -> Any:
    x, y = Input((5,)), Input((5,))
    kinds = [L.Add, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate]
    z = L.GaussianNoise(0.1)(L.Dense(5)(x))
    merged = [kind()([z, y, x]) for kind in kinds]
    merged[0] = L.GaussianDropout(0.2)(L.AlphaDropout(0.1)(L.Activation("linear")(merged[0])))
    return Model(
        [x, y], [*merged, L.Dot(axes=1)([x, y]), L.RepeatVector(2)(x), L.Permute((2, 1))(L.Reshape((5, 1))(y))]
    )


# SpectralNormalization is left out: its build fails in this version.
@as_zip("wrapper", "TimeDistributed", "BatchNormalization", "axis")
def wrappers() -> Any:
    x = Input((4, 6, 5, 2))
    y = L.TimeDistributed(L.Conv2D(3, (3, 2)))(x)
    y = L.TimeDistributed(L.BatchNormalization(axis=[3]))(y)
    y = L.TimeDistributed(L.GlobalAveragePooling2D())(y)
    return Model(x, L.TimeDistributed(L.Dense(2))(y))


# Policies and training configurations


@both("mixed_float16", "dtype_policy", "Conv2D", "BatchNormalization", tolerance=1e-2)
def mixed_precision() -> Any:
    policy = keras.mixed_precision.Policy("mixed_float16")
    x = Input((7, 6, 3))
    y = L.BatchNormalization(dtype=policy)(L.Conv2D(4, 3, activation="relu", dtype=policy)(x))
    return Model(x, L.Dense(3, activation="softmax", dtype="float32")(L.Flatten(dtype=policy)(y)))


def small() -> Any:
    return Sequential([L.Dense(5, activation="relu", input_shape=(4,)), L.Dense(3, activation="sigmoid")])


for loss, containers in {"mse": both, "mae": as_zip, "kld": as_h5}.items():

    @containers("training_config", "string_loss", loss, name=f"compiled_{loss}")
    def compiled_loss(loss: str = loss) -> Any:
        return train(small(), loss=loss, optimizer="rmsprop", metrics=["mse", "mae", "accuracy"])


@both("training_config", "optimizer_state", "momentum", "SGD", "clipnorm")
def compiled_sgd() -> Any:
    optimizer = keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True, clipnorm=1.0, weight_decay=1e-4)
    return train(
        small(), loss=keras.losses.BinaryCrossentropy(from_logits=False, label_smoothing=0.1), optimizer=optimizer
    )


@both("training_config", "optimizer_state", "Adam", "learning_rate_schedule", "steps_per_execution")
def compiled_adam_schedule() -> Any:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.9, staircase=True)
    model = train(small(), loss="mse", optimizer=keras.optimizers.Adam(schedule, beta_1=0.8, amsgrad=True))
    model.compile(loss="mse", optimizer=model.optimizer, steps_per_execution=2)
    return model


@as_zip("training_config", "optimizer_state", "AdamW")
def compiled_adamw() -> Any:
    return train(
        small(),
        loss=["mse"],
        optimizer=keras.optimizers.AdamW(0.003, weight_decay=0.01),
        metrics=[keras.metrics.AUC(num_thresholds=9)],
    )


@both("training_config", "optimizer_state", "legacy_optimizer", "decay", "Adam")
def compiled_legacy_adam() -> Any:
    return train(
        small(), loss="mean_absolute_error", optimizer=keras.optimizers.legacy.Adam(learning_rate=0.004, decay=1e-3)
    )


@as_h5("training_config", "optimizer_state", "legacy_optimizer", "momentum", "SGD")
def compiled_legacy_sgd() -> Any:
    return train(
        small(), loss="mse", optimizer=keras.optimizers.legacy.SGD(learning_rate=0.1, momentum=0.8, nesterov=True)
    )


@both("training_config", "loss_weights", "multi_output")
def compiled_two_outputs() -> Any:
    x = Input((4,))
    model = Model(x, [L.Dense(2, name="a")(x), L.Dense(1, activation="sigmoid", name="b")(x)])
    return train(
        model,
        loss={"a": "mse", "b": "binary_crossentropy"},
        loss_weights={"a": 0.3, "b": 2.0},
        optimizer="nadam",
        metrics={"b": ["AUC"]},
    )


# What earlier TensorFlow wrote differs in names only; these are files of tf_keras with those names.


def read_then(edit: Any) -> Any:
    """Read the genuine file, then put the earlier names into it."""

    def reload(path: Path) -> Any:
        model = keras.models.load_model(str(path))
        edit(path)
        return model

    return reload


def rename_in_zip(version: str, *renames: tuple[str, str]) -> Any:
    def edit(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        for name in ("config.json", "metadata.json"):
            text = parts[name].decode().replace(keras.__version__, version)
            for old, new in renames:
                text = text.replace(old, new)
            parts[name] = text.encode()
        with frozen_clock(), zipfile.ZipFile(path, "w") as archive:
            for name, content in parts.items():
                archive.writestr(name, content)

    return edit


def rename_in_h5(version: str, *renames: tuple[str, str]) -> Any:
    def edit(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            text = file.attrs["model_config"]
            for old, new in renames:
                text = text.replace(old, new)
            file.attrs["model_config"] = text
            for group in (file, file["model_weights"]):
                group.attrs["keras_version"] = version

    return edit


def residual() -> Any:
    x = Input((6, 5, 3))
    y = L.BatchNormalization(axis=[3])(L.Conv2D(3, 3, padding="same", groups=1)(x))
    y = L.DepthwiseConv2D(3, activation="relu")(L.Add()([L.ReLU(6.0)(y), x]))
    z = L.LSTM(4, recurrent_activation="hard_sigmoid")(L.Reshape((12, 3))(y))
    return train(Model(x, L.Dense(2, activation="softmax")(z)), loss="mse", optimizer="adam", metrics=["accuracy"])


for release, renames in {
    "2.15.0": [("tf_keras", "keras")],
    "2.12.0": [("tf_keras.src", "keras"), ("tf_keras", "keras")],
}.items():
    catalogue.add(
        "module_paths",
        "Functional",
        "groups",
        "time_major",
        "training_config",
        container="keras-zip",
        suffix=".keras",
        name=f"as_tf_{release.replace('.', '_')}",
        reload=read_then(rename_in_zip(release, *renames)),
        writer={"keras": release, "backend": "tensorflow"},
        note=f"written by tf_keras, then given the module paths and version of {release}",
    )(residual)
for release, renames in {
    "2.2.4-tf": [('"class_name": "Functional"', '"class_name": "Model"')],
    "2.1.6-tf": [
        ('"class_name": "Functional"', '"class_name": "Model"'),
        ('"BatchNormalization"', '"BatchNormalizationV1"'),
    ],
}.items():
    catalogue.add(
        "class_names",
        "Model",
        "BatchNormalizationV1",
        "groups",
        "time_major",
        "training_config",
        name=f"as_tf_{release.replace('.', '_').replace('-', '_')}",
        reload=read_then(rename_in_h5(release, *renames)),
        writer={"keras": release, "backend": "tensorflow"},
        note=f"written by tf_keras, then given the class names and version of {release}",
    )(residual)


NDARRAYS = rename_in_h5(
    "2.1.6-tf",
    ('"alpha": 0.25', '"alpha": {"type": "ndarray", "value": 0.25}'),
    ('"max_value": 0.75', '"max_value": {"type": "ndarray", "value": 0.75}'),
)


@catalogue.add(
    "ndarray",
    "LeakyReLU",
    "ELU",
    "ReLU",
    reload=read_then(NDARRAYS),
    writer={"keras": "2.1.6-tf", "backend": "tensorflow"},
    note="written by tf_keras, then two numbers put into the form that TensorFlow 1 gave to NumPy arrays",
)
def ndarray_values() -> Any:
    return Sequential(
        [L.Dense(5, input_shape=(4,)), L.LeakyReLU(0.25), L.Dense(5), L.ReLU(0.75), L.Dense(3), L.ELU(0.25)]
    )


# Other containers


@catalogue.add(
    "wrong_suffix",
    "Dense",
    container="h5-model",
    suffix=".keras",
    save=lambda model, path: model.save(str(path), save_format="h5"),
    reload=lambda path: keras.src.saving.legacy.hdf5_format.load_model_from_hdf5(str(path)),
    note="an HDF5 file named .keras",
)
def hdf5_named_keras() -> Any:
    return small()


def save_zip_as_h5(model: Any, path: Path) -> None:
    archive = path.with_suffix(".keras")
    model.save(str(archive))
    archive.replace(path)


def load_zip_as_h5(path: Path) -> Any:
    copy = path.with_suffix(".keras")
    copy.write_bytes(path.read_bytes())
    try:
        return keras.models.load_model(str(copy))
    finally:
        copy.unlink()


@catalogue.add(
    "wrong_suffix",
    "Dense",
    container="keras-zip",
    suffix=".h5",
    save=save_zip_as_h5,
    reload=load_zip_as_h5,
    note="a Keras zip named .h5",
)
def zip_named_h5() -> Any:
    return small()


def save_unzipped(model: Any, path: Path) -> None:
    archive = path.with_suffix(".keras")
    model.save(str(archive))
    with zipfile.ZipFile(archive) as file:
        file.extractall(path)
    archive.unlink()


def load_unzipped(path: Path) -> Any:
    archive = path.with_suffix(".keras")
    with zipfile.ZipFile(archive, "w") as file:
        for part in sorted(path.iterdir()):
            file.write(part, part.name)
    try:
        return keras.models.load_model(str(archive))
    finally:
        archive.unlink()


@catalogue.add(
    "keras-dir", "Conv2D", "Sequential", container="keras-dir", suffix="", save=save_unzipped, reload=load_unzipped
)
def unzipped() -> Any:
    return Sequential([L.Conv2D(3, 3, input_shape=(6, 5, 2)), L.BatchNormalization(axis=[3]), L.Flatten(), L.Dense(3)])


def save_json_and_weights(model: Any, path: Path) -> None:
    path.write_text(model.to_json())
    model.save_weights(str(path.with_suffix(".h5")))


def load_json_and_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    model.load_weights(str(path.with_suffix(".h5")))
    return model


@catalogue.add(
    "config_json",
    "nested",
    "BatchNormalization",
    container="config-json",
    suffix=".json",
    weights=".h5",
    save=save_json_and_weights,
    reload=load_json_and_weights,
)
def json_beside_weights() -> Any:
    return Sequential([backbone(), L.GlobalMaxPooling2D(), L.Dense(2)])

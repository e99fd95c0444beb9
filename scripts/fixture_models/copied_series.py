"""Layers for time series, tables and lessons that people copy from articles, written anew after what these compute.

`keras` is the Keras that `libraries.activate` made importable under that name.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import Input, Model
from keras import layers as L

from fixture_models.copied import Copied

copied = Copied("copied-series", keras)
catalogue = copied.catalogue
layer, as_h5 = copied.layer, copied.as_h5


@layer("seq_len")
class Time2Vector(L.Layer):
    """J. Schmitz: two features of the time."""

    def __init__(self, seq_len: int, **options: Any) -> None:
        super().__init__()
        self.seq_len = seq_len

    def build(self, shape: Any) -> None:
        for name in ("weight_linear", "bias_linear", "weight_periodic", "bias_periodic"):
            setattr(self, name, self.add_weight(name=name, shape=(self.seq_len,)))

    def call(self, x: Any) -> Any:
        mean = tf.reduce_mean(x[:, :, :4], axis=-1)
        line = self.weight_linear * mean + self.bias_linear
        return tf.stack([line, tf.sin(mean * self.weight_periodic + self.bias_periodic)], axis=-1)


class SingleAttention(L.Layer):
    """A head."""

    def __init__(self, d_k: int, d_v: int) -> None:
        super().__init__()
        self.d_k, self.d_v = d_k, d_v

    def build(self, shapes: Any) -> None:
        self.query, self.key, self.value = L.Dense(self.d_k), L.Dense(self.d_k), L.Dense(self.d_v)

    def call(self, inputs: Any) -> Any:
        query, key = self.query(inputs[0]), self.key(inputs[1])
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / self.d_k**0.5)
        return weights @ self.value(inputs[2])


class MultiAttention(L.Layer):
    """Several heads."""

    def __init__(self, d_k: int, d_v: int, n_heads: int) -> None:
        super().__init__()
        self.d_k, self.d_v, self.n_heads, self.attn_heads = d_k, d_v, n_heads, []

    def build(self, shapes: Any) -> None:
        for _ in range(self.n_heads):
            self.attn_heads.append(SingleAttention(self.d_k, self.d_v))
        self.linear = L.Dense(shapes[0][-1])

    def call(self, inputs: Any) -> Any:
        return self.linear(tf.concat([head(inputs) for head in self.attn_heads], axis=-1))


@layer("d_k", "d_v", "n_heads", "ff_dim", "attn_heads", "dropout_rate")
class TransformerEncoder(L.Layer):
    """Three inputs, and convolutions instead of dense layers."""

    def __init__(self, d_k: int, d_v: int, n_heads: int, ff_dim: int, dropout: float = 0.1, **options: Any) -> None:
        super().__init__()
        self.d_k, self.d_v, self.n_heads, self.ff_dim = d_k, d_v, n_heads, ff_dim
        self.attn_heads, self.dropout_rate = [], dropout

    def build(self, shapes: Any) -> None:
        self.attn_multi = MultiAttention(self.d_k, self.d_v, self.n_heads)
        self.attn_dropout, self.ff_dropout = L.Dropout(self.dropout_rate), L.Dropout(self.dropout_rate)
        self.attn_normalize = L.LayerNormalization(epsilon=1e-6)
        self.ff_conv1D_1 = L.Conv1D(self.ff_dim, 1, activation="relu")
        self.ff_conv1D_2 = L.Conv1D(shapes[0][-1], 1)
        self.ff_normalize = L.LayerNormalization(epsilon=1e-6)

    def call(self, inputs: Any) -> Any:
        attended = self.attn_normalize(inputs[0] + self.attn_dropout(self.attn_multi(inputs)))
        return self.ff_normalize(inputs[0] + self.ff_dropout(self.ff_conv1D_2(self.ff_conv1D_1(attended))))


@layer("output_dim")
class T2V(L.Layer):
    """M. Cerliani."""

    def __init__(self, output_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.output_dim = output_dim

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name="W", shape=(shape[-1], self.output_dim))
        self.P = self.add_weight(name="P", shape=(shape[1], self.output_dim))
        self.w = self.add_weight(name="w", shape=(shape[1], 1))
        self.p = self.add_weight(name="p", shape=(shape[1], 1))
        super().build(shape)

    def call(self, x: Any) -> Any:
        return tf.concat([tf.sin(x @ tf.convert_to_tensor(self.W) + self.P), self.w * x + self.p], -1)


@as_h5("TransformerEncoder")
def prices() -> Any:
    x = Input((5, 4))
    return Model(x, L.GlobalAveragePooling1D(data_format="channels_first")(TransformerEncoder(3, 4, 2, 6)((x, x, x))))


@as_h5("Time2Vector", "T2V")
def times() -> Any:
    x = Input((5, 2))
    return Model(x, [Time2Vector(5)(x), L.LSTM(2)(T2V(3)(x))])


# Tables


@layer("output_dim")
class RBFLayer(L.Layer):
    """rbf_keras: bells around centres."""

    def __init__(self, output_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.output_dim = output_dim

    def build(self, shape: Any) -> None:
        self.centers = self.add_weight(name="centers", shape=(self.output_dim, shape[1]))
        self.betas = self.add_weight(name="betas", shape=(self.output_dim,))
        super().build(shape)

    def call(self, x: Any) -> Any:
        away = tf.reduce_sum((x[:, None] - self.centers) ** 2, axis=-1)
        return tf.exp(-self.betas * away)


@as_h5("RBFLayer")
def bells() -> Any:
    x = Input((3,))
    return Model(x, L.Dense(2)(RBFLayer(4)(x)))


# Dense and its kin


@layer("units")
class Linear(L.Layer):
    """Keras guide: how a layer is made."""

    def __init__(self, units: int = 32, **options: Any) -> None:
        super().__init__(**options)
        self.units = units

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(name="w", shape=(shape[-1], self.units))
        self.b = self.add_weight(name="b", shape=(self.units,))
        super().build(shape)

    def call(self, x: Any) -> Any:
        return tf.matmul(x, tf.convert_to_tensor(self.w)) + self.b


@layer()
class ConvSN2D(L.Conv2D):
    """SpectralNormalizationKeras: the kernel over its norm."""

    def build(self, shape: Any) -> None:
        super().build(shape)
        self.u = self.add_weight(name="sn", shape=(1, self.filters), initializer="random_normal", trainable=False)

    def call(self, x: Any) -> Any:
        flat = tf.reshape(self.kernel, (-1, self.filters))
        left = self.unit(tf.matmul(tf.convert_to_tensor(self.u), flat, transpose_b=True))
        norm = tf.matmul(left @ flat, self.unit(left @ flat), transpose_b=True)
        y = tf.nn.conv2d(x, self.kernel / norm, self.strides, self.padding.upper())
        return self.activation(tf.nn.bias_add(y, self.bias))

    @staticmethod
    def unit(x: Any) -> Any:
        return x / (tf.reduce_sum(x**2) ** 0.5 + 1e-12)


@layer("hp_lambda")
class GradientReversal(L.Layer):
    """Domain adaptation: the same, but for its gradient."""

    def __init__(self, hp_lambda: float, **options: Any) -> None:
        super().__init__(**options)
        self.hp_lambda = hp_lambda

    def call(self, x: Any) -> Any:
        return tf.identity(x)


@layer("block_size", "keep_prob")
class DropBlock2D(L.Layer):
    """Training alone drops blocks."""

    def __init__(self, block_size: int, keep_prob: float, **options: Any) -> None:
        super().__init__(**options)
        self.block_size, self.keep_prob = block_size, keep_prob

    def call(self, x: Any, training: Any = None) -> Any:
        return x


@as_h5("Linear", "ConvSN2D", "GradientReversal", "DropBlock2D")
def kin() -> Any:
    x = Input((4, 3, 2))
    y = L.Flatten()(DropBlock2D(3, 0.9)(ConvSN2D(3, 2, strides=2, padding="same", activation="relu")(x)))
    return Model(x, Linear(2)(GradientReversal(0.5)(y)))

"""Attention and transformers that people copy, written anew after what these compute.

`keras` is the Keras that `libraries.activate` made importable under that name.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import Input, Model, Sequential
from keras import layers as L

from fixture_models.common import padded_tokens
from fixture_models.copied import Copied

KERAS_3 = keras.__version__.startswith("3.")
copied = Copied("copied-sequences", keras)
catalogue = copied.catalogue
layer, once, by_tf_keras = copied.layer, copied.once, copied.by_tf_keras


# Decoders


@layer()
class AttentionLayer(L.Layer):
    """attention_keras: the decoder's steps attend to the encoder's."""

    def build(self, shapes: Any) -> None:
        size, other = shapes[0][2], shapes[1][2]
        self.W_a = self.add_weight(name="W_a", shape=(size, size))
        self.U_a = self.add_weight(name="U_a", shape=(other, size))
        self.V_a = self.add_weight(name="V_a", shape=(size, 1))
        super().build(shapes)

    def call(self, inputs: Any) -> Any:
        encoder, decoder = inputs
        W, U, V = (tf.convert_to_tensor(w) for w in (self.W_a, self.U_a, self.V_a))
        hidden = tf.tanh((encoder @ W)[:, None] + (decoder @ U)[:, :, None])
        weights = tf.nn.softmax(tf.squeeze(hidden @ V, -1))
        return [weights @ encoder, weights]


@layer("units")
class BahdanauAttention(L.Layer):
    """tensorflow.org, translation with attention: a state attends to the encoder's steps."""

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.W1, self.W2, self.V = L.Dense(units), L.Dense(units), L.Dense(1)

    def build(self, query_shape: Any, values_shape: Any = None) -> None:
        if KERAS_3:
            self.W1.build(query_shape)
            self.W2.build(values_shape)
            self.V.build((None, self.units))
        super().build(query_shape)

    def call(self, query: Any, values: Any) -> Any:
        score = self.V(tf.nn.tanh(self.W1(query[:, None]) + self.W2(values)))
        weights = tf.nn.softmax(score, axis=1)
        return tf.reduce_sum(weights * values, axis=1), weights


@once("AttentionLayer", "BahdanauAttention")
def decoders() -> Any:
    x, y = Input((5, 3)), Input((4, 3))
    steps, state, _ = L.LSTM(4, return_sequences=True, return_state=True)(x)
    decoded = L.GRU(3, return_sequences=True)(y)
    attended, weights = AttentionLayer()([steps, decoded])
    return Model([x, y], [attended, weights, *BahdanauAttention(3)(state, steps)])


# Deep Learning with Python, chapter 11


@layer("embed_dim", "dense_dim", "num_heads")
class TransformerEncoder(L.Layer):
    """Attention to what is not masked, and a network."""

    def __init__(self, embed_dim: int, dense_dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.dense_dim, self.num_heads = embed_dim, dense_dim, num_heads
        self.attention = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = Sequential([L.Dense(dense_dim, activation="relu"), L.Dense(embed_dim)])
        self.layernorm_1, self.layernorm_2 = L.LayerNormalization(), L.LayerNormalization()

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.attention.build(shape, shape)
            for inner in (self.dense_proj, self.layernorm_1, self.layernorm_2):
                inner.build(shape)
        super().build(shape)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is not None:
            mask = mask[:, tf.newaxis, :]
        attended = self.attention(inputs, inputs, attention_mask=mask)
        middle = self.layernorm_1(inputs + attended)
        return self.layernorm_2(middle + self.dense_proj(middle))


@layer("sequence_length", "input_dim", "output_dim")
class PositionalEmbedding(L.Layer):
    """Tokens and positions, with a mask."""

    def __init__(self, sequence_length: int, input_dim: int, output_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.sequence_length, self.input_dim, self.output_dim = sequence_length, input_dim, output_dim
        self.token_embeddings = L.Embedding(input_dim=input_dim, output_dim=output_dim)
        self.position_embeddings = L.Embedding(input_dim=sequence_length, output_dim=output_dim)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.token_embeddings.build(shape)
            self.position_embeddings.build(shape)
        super().build(shape)

    def call(self, inputs: Any) -> Any:
        positions = tf.range(start=0, limit=tf.shape(inputs)[-1], delta=1)
        return self.token_embeddings(inputs) + self.position_embeddings(positions)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return tf.math.not_equal(tf.convert_to_tensor(inputs), 0) if not KERAS_3 else keras.ops.not_equal(inputs, 0)


@once("TransformerEncoder", "PositionalEmbedding", "masks", inputs=padded_tokens(6, 9))
def encoder() -> Any:
    x = Input((None,))
    y = TransformerEncoder(4, 5, 2)(PositionalEmbedding(8, 9, 4)(x))
    return Model(x, L.GlobalMaxPooling1D()(y))


@by_tf_keras("PositionalEmbedding", inputs=padded_tokens(6, 9))
def positions() -> Any:
    x = Input((6,))
    return Model(x, L.Conv1D(2, 3)(PositionalEmbedding(8, 9, 4)(x)))

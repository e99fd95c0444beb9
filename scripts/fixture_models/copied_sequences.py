"""Attention and transformers that people copy, written anew after what these compute.

`keras` is the Keras that `libraries.activate` made importable under that name.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import Input, Model, Sequential
from keras import layers as L

from fixture_models.common import Arrays, padded_tokens
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


@layer("embed_dim", "dense_dim", "num_heads")
class TransformerDecoder(L.Layer):
    """Attention to the steps before and to the encoder, and a network; the mask is that of the first argument."""

    def __init__(self, embed_dim: int, dense_dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.dense_dim, self.num_heads = embed_dim, dense_dim, num_heads
        self.supports_masking = True
        self.attention_1 = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.attention_2 = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = Sequential([L.Dense(dense_dim, activation="relu"), L.Dense(embed_dim)])
        self.layernorm_1, self.layernorm_2, self.layernorm_3 = (L.LayerNormalization() for _ in range(3))

    def build(self, inputs_shape: Any, encoder_outputs_shape: Any = None) -> None:
        if KERAS_3:
            self.attention_1.build(inputs_shape, inputs_shape)
            self.attention_2.build(inputs_shape, encoder_outputs_shape)
            for inner in (self.dense_proj, self.layernorm_1, self.layernorm_2, self.layernorm_3):
                inner.build(inputs_shape)
        super().build(inputs_shape)

    def call(self, inputs: Any, encoder_outputs: Any, mask: Any = None) -> Any:
        row = tf.range(tf.shape(inputs)[1])
        causal = tf.cast(row[:, None] >= row, tf.int32)[None]
        if mask is not None:
            mask = tf.minimum(tf.cast(mask[:, None, :], tf.int32), causal)
        first = self.layernorm_1(inputs + self.attention_1(inputs, inputs, attention_mask=causal))
        second = self.layernorm_2(first + self.attention_2(first, encoder_outputs, attention_mask=mask))
        return self.layernorm_3(second + self.dense_proj(second))


def two_sequences(rng: np.random.Generator) -> Arrays:
    return [rng.normal(size=(3, 6, 2)).astype(np.float32), *padded_tokens(6, 9)(rng)]


@copied.as_h5("TransformerDecoder", "PositionalEmbedding", "masks", inputs=two_sequences)
def translation() -> Any:
    x, y = Input((6, 2)), Input((6,))
    return Model([x, y], TransformerDecoder(2, 3, 1)(PositionalEmbedding(6, 9, 2)(y), x))


@layer("embed_dim", "num_heads", "ff_dim", "rate")
class TransformerBlock(L.Layer):
    """Keras example "Text generation with a miniature GPT": attention to the steps before."""

    def __init__(self, embed_dim: int, num_heads: int, ff_dim: int, rate: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.num_heads, self.ff_dim, self.rate = embed_dim, num_heads, ff_dim, rate
        self.att = L.MultiHeadAttention(num_heads, embed_dim)
        self.ffn = Sequential([L.Dense(ff_dim, activation="relu"), L.Dense(embed_dim)])
        self.layernorm1, self.layernorm2 = L.LayerNormalization(epsilon=1e-6), L.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = L.Dropout(rate), L.Dropout(rate)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.att.build(shape, shape)
            for inner in (self.ffn, self.layernorm1, self.layernorm2):
                inner.build(shape)
        super().build(shape)

    def call(self, inputs: Any) -> Any:
        row = tf.range(tf.shape(inputs)[1])
        attended = self.att(inputs, inputs, attention_mask=(row[:, None] >= row)[None])
        middle = self.layernorm1(inputs + self.dropout1(attended))
        return self.layernorm2(middle + self.dropout2(self.ffn(middle)))


@copied.as_h5("TransformerBlock", integers=7)
def tokens() -> Any:
    x = Input((5,))
    return Model(x, L.Dense(7)(TransformerBlock(2, 1, 3)(L.Embedding(7, 2)(x))))


# Attention before Keras had it


@layer("attention_func")
class LuongAttention(L.Layer):
    """machinetalk.org: the steps of a decoder attend to those of an encoder."""

    def __init__(self, attention_func: str, **options: Any) -> None:
        super().__init__(**options)
        self.attention_func = attention_func
        if attention_func != "dot":
            self.wa = L.Dense(3, activation="tanh" if attention_func == "concat" else None)
        if attention_func == "concat":
            self.va = L.Dense(1)

    def build(self, decoder_output_shape: Any, encoder_output_shape: Any = None) -> None:
        if KERAS_3 and self.attention_func != "dot":
            before = 0 if self.attention_func == "general" else decoder_output_shape[-1]
            self.wa.build((None, None, before + encoder_output_shape[-1]))
        if KERAS_3 and self.attention_func == "concat":
            self.va.build((None, None, None, 3))
        super().build(decoder_output_shape)

    def call(self, decoder_output: Any, encoder_output: Any) -> Any:
        if self.attention_func == "concat":
            pairs = [
                tf.repeat(decoder_output[:, :, None], encoder_output.shape[1], axis=2),
                tf.repeat(encoder_output[:, None], decoder_output.shape[1], axis=1),
            ]
            score = tf.squeeze(self.va(self.wa(tf.concat(pairs, -1))), -1)
        else:
            keys = encoder_output if self.attention_func == "dot" else self.wa(encoder_output)
            score = tf.matmul(decoder_output, keys, transpose_b=True)
        weights = tf.nn.softmax(score, axis=2)
        return tf.matmul(weights, encoder_output), weights


@by_tf_keras("LuongAttention")
def luong() -> Any:
    x, y = Input((5, 2)), Input((4, 3))
    encoder = L.LSTM(4, return_sequences=True)(x)
    decoder = L.GRU(3, return_sequences=True)(y)
    same = LuongAttention("dot")(decoder, L.Dense(3)(encoder))
    return Model([x, y], [*same, *LuongAttention("general")(decoder, encoder)])


@once("LuongAttention")
def pairs() -> Any:
    x, y = Input((5, 2)), Input((4, 3))
    return Model([x, y], LuongAttention("concat")(y, x))


@layer("output_dim")
class Self_Attention(L.Layer):
    """One kernel for queries, keys and values."""

    def __init__(self, output_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.output_dim = output_dim

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(name="kernel", shape=(3, shape[2], self.output_dim))
        super().build(shape)

    def call(self, x: Any) -> Any:
        query, key, value = (x @ self.kernel[i] for i in range(3))
        return tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / 64**0.5) @ value


@layer("nb_head", "size_per_head")
class Attention(L.Layer):
    """bojone: queries, keys and values of several heads."""

    def __init__(self, nb_head: int, size_per_head: int, **options: Any) -> None:
        super().__init__(**options)
        self.nb_head, self.size_per_head = nb_head, size_per_head

    def build(self, shapes: Any) -> None:
        size = self.nb_head * self.size_per_head
        self.WQ, self.WK, self.WV = (
            self.add_weight(name=name, shape=(shape[-1], size))
            for name, shape in zip(("WQ", "WK", "WV"), shapes, strict=True)
        )
        super().build(shapes)

    def call(self, inputs: Any) -> Any:
        query, key, value = (
            tf.reshape(x @ tf.convert_to_tensor(kernel), (-1, x.shape[1], self.nb_head, self.size_per_head))
            for x, kernel in zip(inputs, (self.WQ, self.WK, self.WV), strict=True)
        )
        weights = tf.nn.softmax(tf.einsum("bqhd,bkhd->bhqk", query, key) / self.size_per_head**0.5)
        attended = tf.einsum("bhqk,bkhd->bqhd", weights, value)
        return tf.reshape(attended, (-1, query.shape[1], self.nb_head * self.size_per_head))


@layer("size", "mode")
class Position_Embedding(L.Layer):
    """bojone: cosines, then sines."""

    def __init__(self, size: Any = None, mode: str = "sum", **options: Any) -> None:
        super().__init__(**options)
        self.size, self.mode = size, mode

    def call(self, x: Any) -> Any:
        if self.size is None or self.mode == "sum":
            self.size = int(x.shape[-1])
        column = 1.0 / tf.pow(10000.0, 2 * tf.range(self.size / 2, dtype="float32") / self.size)
        row = tf.cumsum(tf.ones_like(x[:, :, :1]), 1) - 1
        waves = tf.concat([tf.cos(row * column), tf.sin(row * column)], 2)
        return x + waves if self.mode == "sum" else tf.concat([waves, x], 2)


@by_tf_keras("Self_Attention", "Attention", "Position_Embedding")
def bojone() -> Any:
    x = Input((5, 4))
    y = Position_Embedding()(x)
    several = Attention(2, 3)([y, L.Conv1D(3, 2)(y), L.Conv1D(3, 2)(y)])
    return Model(x, [several, Position_Embedding(6, "concat")(Self_Attention(5)(y))])


@layer()
class AttLayer(L.Layer):
    """textClassifier, first version: one vector."""

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name="W", shape=(shape[-1],))
        super().build(shape)

    def call(self, x: Any) -> Any:
        chances = tf.exp(tf.tanh(tf.einsum("bsd,d->bs", x, tf.convert_to_tensor(self.W))))
        return tf.reduce_sum(x * (chances / tf.reduce_sum(chances, 1, keepdims=True))[..., None], axis=1)


@layer("attention_dim")
class HierarchicalAttentionNetwork(L.Layer):
    """The second version, by its name elsewhere."""

    def __init__(self, attention_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.attention_dim, self.supports_masking = attention_dim, True

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name="W", shape=(shape[-1], self.attention_dim))
        self.b = self.add_weight(name="b", shape=(self.attention_dim,))
        self.u = self.add_weight(name="u", shape=(self.attention_dim, 1))
        super().build(shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return mask

    def call(self, x: Any, mask: Any = None) -> Any:
        W, u = tf.convert_to_tensor(self.W), tf.convert_to_tensor(self.u)
        chances = tf.exp(tf.squeeze(tf.tanh(x @ W + self.b) @ u, -1))
        if mask is not None:
            chances *= tf.cast(mask, tf.float32)
        chances /= tf.reduce_sum(chances, axis=1, keepdims=True) + 1e-7
        return tf.reduce_sum(x * chances[..., None], axis=1)


@by_tf_keras("AttLayer", "HierarchicalAttentionNetwork", "masks", inputs=padded_tokens(6, 9))
def documents() -> Any:
    x = Input((6,))
    y = L.Embedding(9, 4, mask_zero=True)(x)
    words = L.LSTM(3, return_sequences=True)(y)
    return Model(x, [L.Dense(2)(HierarchicalAttentionNetwork(5)(words)), AttLayer()(L.Embedding(9, 3)(x))])


@layer("k")
class KMaxPooling(L.Layer):
    """The k largest of each feature, in a row."""

    def __init__(self, k: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.k = k

    def call(self, x: Any) -> Any:
        largest = tf.math.top_k(tf.transpose(x, [0, 2, 1]), k=self.k, sorted=True)[0]
        return tf.reshape(largest, (-1, x.shape[2] * self.k))


@by_tf_keras("KMaxPooling")
def largest() -> Any:
    x = Input((6, 3))
    return Model(x, L.Dense(2)(KMaxPooling(2)(x)))


@layer("return_attention")
class AttentionWeightedAverage(L.Layer):
    """textgenrnn, after DeepMoji: one kernel scores the steps."""

    def __init__(self, return_attention: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.return_attention, self.supports_masking = return_attention, True

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name=f"{self.name}_W", shape=(shape[2], 1), initializer="uniform")
        super().build(shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None

    def call(self, x: Any, mask: Any = None) -> Any:
        scores = tf.squeeze(x @ tf.convert_to_tensor(self.W), -1)
        chances = tf.exp(scores - tf.reduce_max(scores, axis=-1, keepdims=True))
        if mask is not None:
            chances *= tf.cast(mask, tf.float32)
        chances /= tf.reduce_sum(chances, axis=1, keepdims=True) + 1e-7
        average = tf.reduce_sum(x * chances[..., None], axis=1)
        return [average, chances] if self.return_attention else average


@by_tf_keras("AttentionWeightedAverage", inputs=padded_tokens(6, 9))
def generated_text() -> Any:
    """The network of textgenrnn, with its names."""
    x = Input((6,), name="input")
    steps = [L.Embedding(9, 4, name="embedding")(x)]
    for i in (1, 2):
        steps.append(L.LSTM(3, return_sequences=True, recurrent_activation="sigmoid", name=f"rnn_{i}")(steps[-1]))
    average = AttentionWeightedAverage(name="attention")(L.concatenate(steps, name="rnn_concat"))
    return Model(x, L.Dense(9, activation="softmax", name="output")(average))


@by_tf_keras("AttentionWeightedAverage", "masks", inputs=padded_tokens(6, 9))
def weighted_steps() -> Any:
    x = Input((6,))
    return Model(x, AttentionWeightedAverage(True)(L.Embedding(9, 4, mask_zero=True)(x)))

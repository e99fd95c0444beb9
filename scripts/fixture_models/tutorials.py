"""Layers that people copy from tutorials, written anew after what these compute; saved by tf_keras and Keras 3.

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
copied = Copied("tutorials", keras)
catalogue = copied.catalogue
layer, as_h5, as_zip, both = copied.layer, copied.as_h5, copied.as_zip, copied.both


# Transformers


@layer("embed_dim", "num_heads", "ff_dim", "rate")
class TransformerBlock(L.Layer):
    """Keras example "Text classification with Transformer": attention and a network, each added and normalised."""

    def __init__(self, embed_dim: int, num_heads: int, ff_dim: int, rate: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.num_heads, self.ff_dim, self.rate = embed_dim, num_heads, ff_dim, rate
        self.att = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.ffn = Sequential([L.Dense(ff_dim, activation="relu"), L.Dense(embed_dim)])
        self.layernorm1 = L.LayerNormalization(epsilon=1e-6)
        self.layernorm2 = L.LayerNormalization(epsilon=1e-6)
        self.dropout1, self.dropout2 = L.Dropout(rate), L.Dropout(rate)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.att.build(shape, shape)
            self.ffn.build(shape)
            self.layernorm1.build(shape)
            self.layernorm2.build(shape)
        super().build(shape)

    def call(self, x: Any, training: Any = None) -> Any:
        y = self.layernorm1(x + self.dropout1(self.att(x, x), training=training))
        return self.layernorm2(y + self.dropout2(self.ffn(y), training=training))


@layer("embed_dim", "num_heads")
class MultiHeadSelfAttention(L.Layer):
    """The attention of that example in 2020, before Keras had one."""

    def __init__(self, embed_dim: int, num_heads: int = 8, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.query_dense, self.key_dense, self.value_dense, self.combine_heads = (L.Dense(embed_dim) for _ in range(4))

    def build(self, shape: Any) -> None:
        if KERAS_3:
            for dense in (self.query_dense, self.key_dense, self.value_dense, self.combine_heads):
                dense.build((*shape[:-1], shape[-1] if dense is not self.combine_heads else self.embed_dim))
        super().build(shape)

    def heads(self, x: Any, steps: Any) -> Any:
        size = self.embed_dim // self.num_heads
        return tf.transpose(tf.reshape(x, (-1, steps, self.num_heads, size)), (0, 2, 1, 3))

    def call(self, x: Any) -> Any:
        steps = x.shape[1]
        query, key, value = (
            self.heads(dense(x), steps) for dense in (self.query_dense, self.key_dense, self.value_dense)
        )
        scores = tf.matmul(query, key, transpose_b=True) / np.sqrt(self.embed_dim // self.num_heads)
        together = tf.transpose(tf.matmul(tf.nn.softmax(scores, axis=-1), value), (0, 2, 1, 3))
        return self.combine_heads(tf.reshape(together, (-1, steps, self.embed_dim)))


@layer("maxlen", "vocab_size", "embed_dim")
class TokenAndPositionEmbedding(L.Layer):
    """The same example: one embedding of the tokens, one of the positions, added."""

    def __init__(self, maxlen: int, vocab_size: int, embed_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.maxlen, self.vocab_size, self.embed_dim = maxlen, vocab_size, embed_dim
        self.token_emb = L.Embedding(input_dim=vocab_size, output_dim=embed_dim)
        self.pos_emb = L.Embedding(input_dim=maxlen, output_dim=embed_dim)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.token_emb.build(shape)
            self.pos_emb.build((None,))
        super().build(shape)

    def call(self, x: Any) -> Any:
        positions = tf.range(0, x.shape[-1] or tf.shape(x)[-1])
        return self.token_emb(x) + self.pos_emb(positions)


@layer("sequence_length", "d_model")
class PositionalEncoding(L.Layer):
    """Learned positions, added to a series."""

    def __init__(self, sequence_length: int, d_model: int, **options: Any) -> None:
        super().__init__(**options)
        self.sequence_length, self.d_model = sequence_length, d_model
        self.position_embedding = L.Embedding(sequence_length, d_model)

    def call(self, x: Any) -> Any:
        return x + self.position_embedding(tf.range(x.shape[1]))


@layer("patch_size")
class Patches(L.Layer):
    """Keras example "Image classification with Vision Transformer": the patches of an image, each a vector."""

    def __init__(self, patch_size: int, **options: Any) -> None:
        super().__init__(**options)
        self.patch_size = patch_size

    def call(self, images: Any) -> Any:
        size = [1, self.patch_size, self.patch_size, 1]
        found = tf.image.extract_patches(images, size, size, [1, 1, 1, 1], "VALID")
        return tf.reshape(found, [tf.shape(images)[0], found.shape[1] * found.shape[2], found.shape[-1]])


@layer("num_patches", "projection_dim")
class PatchEncoder(L.Layer):
    """The same example: a projection of each patch and a learned position, added."""

    def __init__(self, num_patches: int, projection_dim: int, **options: Any) -> None:
        super().__init__(**options)
        self.num_patches, self.projection_dim = num_patches, projection_dim
        self.projection = L.Dense(projection_dim)
        self.position_embedding = L.Embedding(num_patches, projection_dim)

    def build(self, shape: Any) -> None:
        if KERAS_3:
            self.projection.build(shape)
            self.position_embedding.build((None,))
        super().build(shape)

    def call(self, patch: Any) -> Any:
        return self.projection(patch) + self.position_embedding(tf.range(0, self.num_patches))


@both("PositionalEncoding")
def learned_positions() -> Any:
    x = Input((5, 3))
    return Model(x, L.LSTM(2)(PositionalEncoding(5, 3)(x)))


@both("Patches", "PatchEncoder")
def vision_transformer() -> Any:
    x = Input((6, 9, 2))
    return Model(x, PatchEncoder(6, 3)(Patches(3)(x)))


@both("TransformerBlock", "TokenAndPositionEmbedding", integers=11)
def text_transformer() -> Any:
    x = Input((6,))
    y = TokenAndPositionEmbedding(9, 11, 6)(x)
    y = TransformerBlock(6, 2, 6)(y)
    return Model(x, L.Dense(2)(L.GlobalAveragePooling1D()(y)))


@both("MultiHeadSelfAttention")
def self_attention() -> Any:
    x = Input((5, 4))
    return Model(x, MultiHeadSelfAttention(6, 3)(x))


@layer("embed_dim", "latent_dim", "num_heads")
class TransformerDecoder(L.Layer):
    """Keras example "English-to-Spanish translation": called on a list, with the masks of both."""

    def __init__(self, embed_dim: int, latent_dim: int, num_heads: int, **options: Any) -> None:
        super().__init__(**options)
        self.embed_dim, self.latent_dim, self.num_heads = embed_dim, latent_dim, num_heads
        self.supports_masking = True
        self.attention_1 = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.attention_2 = L.MultiHeadAttention(num_heads=num_heads, key_dim=embed_dim)
        self.dense_proj = Sequential([L.Dense(latent_dim, activation="relu"), L.Dense(embed_dim)])
        self.layernorm_1, self.layernorm_2, self.layernorm_3 = (L.LayerNormalization() for _ in range(3))

    def build(self, shapes: Any) -> None:
        self.attention_1.build(shapes[0], shapes[0])
        self.attention_2.build(*shapes)
        for inner in (self.dense_proj, self.layernorm_1, self.layernorm_2, self.layernorm_3):
            inner.build(shapes[0])
        super().build(shapes)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        x, encoded = inputs
        own, other = mask or (None, None)
        row = tf.range(tf.shape(x)[1])
        causal = (row[:, None] >= row)[None]
        first = self.layernorm_1(x + self.attention_1(x, x, attention_mask=causal, query_mask=own))
        attended = self.attention_2(first, encoded, key=encoded, query_mask=own, key_mask=other)
        second = self.layernorm_2(first + attended)
        return self.layernorm_3(second + self.dense_proj(second))


def two_sequences(rng: np.random.Generator) -> Arrays:
    return [*padded_tokens(5, 9)(rng), *padded_tokens(7, 9)(rng)]


@copied.by_keras_3("TransformerDecoder", "masks", inputs=two_sequences)
def translation() -> Any:
    x, y = Input((5,)), Input((7,))
    encoded, decoded = L.Embedding(9, 2, mask_zero=True)(x), L.Embedding(9, 2, mask_zero=True)(y)
    return Model([x, y], TransformerDecoder(2, 3, 1)([decoded, encoded]))


# Attention of gists


class OfSteps(L.Layer):
    """What the attention layers of gists share: weights of steps, and the sum."""

    def weighted(self, x: Any, weights: Any) -> Any:
        return tf.reduce_sum(x * weights[..., None], axis=1)


@layer()
class attention(OfSteps):
    """machinelearningmastery.com: softmax over the steps of tanh(x W + b), W (features, 1) and b (steps, 1)."""

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name="attention_weight", shape=(shape[-1], 1), initializer="glorot_uniform")
        self.b = self.add_weight(name="attention_bias", shape=(shape[1], 1), initializer="zeros")
        super().build(shape)

    def call(self, x: Any) -> Any:
        scores = tf.tanh(tf.matmul(x, tf.convert_to_tensor(self.W)) + self.b)
        return self.weighted(x, tf.nn.softmax(tf.squeeze(scores, -1), axis=-1))


@layer("step_dim", "bias")
class Attention(OfSteps):
    """The gist of cbaziotis as Kaggle had it: exp of tanh(x·W + b), where a mask does not hide it, over the sum."""

    def __init__(self, step_dim: int, bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.step_dim, self.bias = step_dim, bias

    def build(self, shape: Any) -> None:
        self.W = self.add_weight(name=f"{self.name}_W", shape=(shape[-1],), initializer="ones")
        self.b = self.add_weight(name=f"{self.name}_b", shape=(shape[1],), initializer="zeros")
        super().build(shape)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def call(self, x: Any, mask: Any = None) -> Any:
        chances = tf.exp(tf.tanh(tf.einsum("bsd,d->bs", x, tf.convert_to_tensor(self.W)) + self.b))
        if mask is not None:
            chances *= tf.cast(mask, tf.float32)
        return self.weighted(x, chances / (tf.reduce_sum(chances, axis=1, keepdims=True) + 1e-7))


@layer("bias")
class AttentionWithContext(OfSteps):
    """The other gist of cbaziotis: the scores are products with a context vector u."""

    def __init__(self, bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.supports_masking = True
        self.bias = bias

    def build(self, shape: Any) -> None:
        size = shape[-1]
        self.W = self.add_weight(name=f"{self.name}_W", shape=(size, size), initializer="glorot_uniform")
        self.b = self.add_weight(name=f"{self.name}_b", shape=(size,), initializer="zeros")
        self.u = self.add_weight(name=f"{self.name}_u", shape=(size,), initializer="ones")
        super().build(shape)

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return None

    def call(self, x: Any, mask: Any = None) -> Any:
        hidden = tf.tanh(tf.einsum("bsd,de->bse", x, tf.convert_to_tensor(self.W)) + self.b)
        chances = tf.exp(tf.einsum("bsd,d->bs", hidden, tf.convert_to_tensor(self.u)))
        if mask is not None:
            chances *= tf.cast(mask, tf.float32)
        return self.weighted(x, chances / (tf.reduce_sum(chances, axis=1, keepdims=True) + 1e-7))


@layer()
class AttentionSum(L.Layer):
    """Weights of steps times the steps, summed."""

    def call(self, inputs: Any) -> Any:
        return tf.reduce_sum(inputs[0] * inputs[1], axis=1)


@both("Attention", "AttentionWithContext", "attention", "AttentionSum")
def gist_attention() -> Any:
    x = Input((6, 4))
    weights = L.Softmax(axis=1)(L.Dense(1)(x))
    outputs = [attention(name="mastery")(x), Attention(6, name="gist")(x), AttentionWithContext(name="context")(x)]
    return Model(x, [*outputs, AttentionSum()([weights, x])])


@(as_zip if KERAS_3 else both)("Attention", "AttentionWithContext", "masks", inputs=padded_tokens(6, 9))
def masked_gist_attention() -> Any:
    x = Input((6,))
    y = L.Embedding(9, 4, mask_zero=True)(x)
    return Model(x, [Attention(6, name="gist")(y), AttentionWithContext(name="context")(y)])


# Capsules, distances, distributions


def squash(x: Any) -> Any:
    square = tf.reduce_sum(tf.square(x), -1, keepdims=True)
    return square / (1 + square) / tf.sqrt(square + 1e-7) * x


@layer("num_capsule", "dim_capsule", "routings")
class CapsuleLayer(L.Layer):
    """CapsNet-Keras: capsules that agree on the next ones by dynamic routing."""

    def __init__(self, num_capsule: int, dim_capsule: int, routings: int = 3, **options: Any) -> None:
        super().__init__(**options)
        self.num_capsule, self.dim_capsule, self.routings = num_capsule, dim_capsule, routings

    def build(self, shape: Any) -> None:
        size = (self.num_capsule, shape[1], self.dim_capsule, shape[2])
        self.W = self.add_weight(name="W", shape=size, initializer="glorot_uniform")
        super().build(shape)

    def call(self, inputs: Any) -> Any:
        predicted = tf.einsum("bik,jidk->bjid", inputs, tf.convert_to_tensor(self.W))
        agreed, outputs = tf.zeros_like(predicted[..., 0]), None
        for i in range(self.routings):
            outputs = squash(tf.einsum("bji,bjid->bjd", tf.nn.softmax(agreed, axis=1), predicted))
            if i < self.routings - 1:
                agreed += tf.einsum("bjd,bjid->bji", outputs, predicted)
        return outputs


@layer()
class Length(L.Layer):
    """CapsNet-Keras: the length of each capsule."""

    def call(self, x: Any) -> Any:
        return tf.sqrt(tf.reduce_sum(tf.square(x), -1) + 1e-7)


@layer()
class Mask(L.Layer):
    """CapsNet-Keras: all capsules but the true one, or the longest, are set to zero."""

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, list | tuple):
            x, chosen = inputs
        else:
            x = inputs
            chosen = tf.one_hot(tf.argmax(tf.reduce_sum(tf.square(x), -1), 1), x.shape[1])
        return tf.reshape(x * chosen[..., None], (-1, x.shape[1] * x.shape[2]))


@both("CapsuleLayer", "Length", "Mask")
def capsules() -> Any:
    x, label = Input((5, 3)), Input((4,))
    y = CapsuleLayer(4, 2, 3)(x)
    return Model([x, label], [Length()(y), Mask(name="given")([y, label]), Mask(name="longest")(y)])


@layer()
class L1Dist(L.Layer):
    """Tutorials of siamese networks: how far two embeddings are apart."""

    def call(self, one: Any, other: Any) -> Any:
        return tf.math.abs(one - other)


@layer()
class GaussianLayer(L.Layer):
    """deepar: mean and deviation of a normal distribution."""

    def build(self, shape: Any) -> None:
        for number in (1, 2):
            setattr(self, f"kernel_{number}", self.add_weight(name=f"kernel_{number}", shape=(shape[-1], 1)))
        for number in (1, 2):
            setattr(self, f"bias_{number}", self.add_weight(name=f"bias_{number}", shape=(1,)))
        super().build(shape)

    def call(self, x: Any) -> Any:
        spread = tf.matmul(x, tf.convert_to_tensor(self.kernel_2)) + self.bias_2
        return [
            tf.matmul(x, tf.convert_to_tensor(self.kernel_1)) + self.bias_1,
            tf.math.log(1.0 + tf.exp(spread)) + 1e-6,
        ]


@both("L1Dist")
def distance() -> Any:
    x, y = Input((3,)), Input((3,))
    shared = L.Dense(4)
    return Model([x, y], L.Dense(1, activation="sigmoid")(L1Dist()(shared(x), shared(y))))


@both("GaussianLayer")
def gaussian() -> Any:
    x = Input((4, 3))
    return Model(x, GaussianLayer()(L.Dense(3, activation="relu")(x)))

"""Attention layers of libraries and gists (`reconstruct/objects/known/`: cyberzhg, attention)."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Layer
from tests.rules.cases import TF_KERAS, Case, Refusal, called, functional, layer, sequential

_ASSUMED = "known_layer_assumed"
_SELF = {"Add_Wt": (1, 1), "Add_Wx": (1, 1), "Add_bh": (1,), "Add_Wa": (1, 1), "Add_ba": (1,)}
_HEADS = {f"{k}{p}": (1, 1) if k == "W" else (1,) for p in "qkvo" for k in "Wb"}


def of_self(**config: Any) -> Layer:
    every = {"attention_type": "additive", "attention_width": None, "history_only": False, "return_attention": False}
    return layer("SeqSelfAttention", weights=_SELF, **{**every, **config})


def after_masks(of: Layer) -> Layer:
    """The layer in a model whose embedding makes a mask."""
    return sequential(layer("Embedding", "e", mask_zero=True), of.replace(path="model/x/masked"))


def in_between(of: Layer) -> Layer:
    """The layer between an embedding that makes a mask and a layer that uses it."""
    return sequential(layer("Embedding", "e", mask_zero=True), of.replace(path="model/x/between"), layer("LSTM", "l"))


CASES = [
    Case(
        "seq_self_attention",
        of_self(attention_activation="sigmoid"),
        """
input = InputLayer
query = Dense(input) units=1 use_bias=False kernel=[[0.0]]
key = Dense(input) units=1 use_bias=True kernel=[[0.0]] bias=[0.0]
queries = expand_dims(query, 2)
keys = expand_dims(key, 1)
pairs = add(queries, keys)
hidden = tanh(pairs)
emission = Dense(hidden) units=1 use_bias=True kernel=[[0.0]] bias=[0.0]
score = squeeze(emission, -1)
activated = Activation(score) activation='sigmoid'
weights = softmax(activated, axis=-1)
sum = matmul(weights, input)
-> sum
""",
    ),
    Case(
        "seq_weighted_attention",
        layer("SeqWeightedAttention", weights={"W": (2, 1), "b": (1,)}, use_bias=True, return_attention=False),
        """
input = InputLayer
score = Dense(input) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
logits = squeeze(score, -1)
weights_highest = max(logits, axis=-1, keepdims=True)
weights_lower = subtract(logits, weights_highest)
weights_exp = exp(weights_lower)
weights_sum = sum(weights_exp, axis=-1, keepdims=True)
weights_total = add(weights_sum, 1e-07)
weights = divide(weights_exp, weights_total)
sum = einsum('bs,bsd->bd', weights, input)
-> sum
""",
        finding="known_layer_assumed",
    ),
    Case(
        "scaled_dot_product_attention",
        layer("ScaledDotProductAttention", return_attention=True, history_only=False),
        """
input = InputLayer
query_one = ones_like(input)
size = sum(query_one, axis=-1, keepdims=True)
root = sqrt(size)
product = einsum('bqd,bkd->bqk', input, input)
score = divide(product, root)
weights = softmax(score, axis=-1)
sum = matmul(weights, input)
-> [sum, weights]
""",
        finding="known_layer_assumed",
    ),
    Case(
        "multi_head_attention",
        layer("MultiHeadAttention", weights=_HEADS, head_num=1, activation="relu", use_bias=True, history_only=False),
        """
input = InputLayer
q_all = Dense(input) units=1 use_bias=True activation='relu' kernel=[[0.0]] bias=[0.0]
q = Reshape(q_all) target_shape=[-1, 1, 1]
k_all = Dense(input) units=1 use_bias=True activation='relu' kernel=[[0.0]] bias=[0.0]
k = Reshape(k_all) target_shape=[-1, 1, 1]
v_all = Dense(input) units=1 use_bias=True activation='relu' kernel=[[0.0]] bias=[0.0]
v = Reshape(v_all) target_shape=[-1, 1, 1]
product = einsum('bqhd,bkhd->bhqk', q, k)
score = multiply(product, 1.0)
weights = softmax(score, axis=-1)
sum = einsum('bhqk,bkhd->bqhd', weights, v)
joined = Reshape(sum) target_shape=[-1, 1]
out = Dense(joined) units=1 use_bias=True activation='relu' kernel=[[0.0]] bias=[0.0]
-> out
""",
    ),
    Case(
        "layer_normalization",
        layer("LayerNormalization", weights={"gamma": (2,)}, epsilon=1e-14, center=False, gamma_initializer="ones"),
        layer(
            "LayerNormalization",
            weights={"gamma": (2,)},
            epsilon=1e-14,
            center=False,
            gamma_initializer="ones",
            axis=-1,
        ),
    ),
    Case(
        "feed_forward",
        layer(
            "FeedForward",
            weights={"W1": (1, 2), "b1": (2,), "W2": (2, 1), "b2": (1,)},
            units=2,
            activation="relu",
            dropout_rate=0.1,
        ),
        (
            layer("Dense", "x_inner", {"kernel": (1, 2), "bias": (2,)}, units=2, use_bias=True, activation="relu"),
            layer("Dropout", "x_dropout", rate=0.1),
            layer("Dense", "x", {"kernel": (2, 1), "bias": (1,)}, units=1, use_bias=True),
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "position_embedding",
        layer(
            "PositionEmbedding",
            weights={"embeddings": (5, 1)},
            mode="expand",
            input_dim=2,
            output_dim=1,
            mask_zero=False,
        ),
        """
input = InputLayer
whole = cast(input, 'int32')
clipped = clip(whole, -2, 2)
row = add(clipped, 2)
positions = Embedding(row) input_dim=5 output_dim=1 embeddings=[[0.0], [1.0], [2.0], [3.0], [4.0]]
-> positions
""",
    ),
    Case(
        "trig_pos_embedding",
        layer("TrigPosEmbedding", mode="add", output_dim=None),
        """
input = InputLayer
ones = ones_like(input)
size = sum(ones, axis=-1, keepdims=True)
feature_1 = cumsum(ones, axis=-1)
feature = subtract(feature_1, 1.0)
step_1 = cumsum(ones, axis=1)
step = subtract(step_1, 1.0)
pair = floor_divide(feature, 2.0)
even = multiply(pair, 2.0)
power = divide(even, size)
scale = power(10000.0, power)
angle = divide(step, scale)
odd = subtract(feature, even)
is_odd = greater(odd, 0.5)
sine = sin(angle)
cosine = cos(angle)
encoding = where(is_odd, cosine, sine)
sum = add(input, encoding)
-> sum
""",
    ),
    Case(
        "attention_of_last_step",
        layer("Attention", weights={"luong_w/kernel": (1, 1), "vector/kernel": (2, 1)}, units=1, score="luong"),
        """
input = InputLayer
last = take(input, -1, axis=1)
compared = Dense(input) units=1 use_bias=False kernel=[[0.0]]
score = einsum('bd,bsd->bs', last, compared)
weights = softmax(score, axis=-1)
context = einsum('bs,bsd->bd', weights, input)
both = concatenate([context, last], axis=-1)
vector = Dense(both) units=1 use_bias=False activation='tanh' kernel=[[0.0], [1.0]]
-> vector
""",
    ),
    Case(
        "attention_with_context",
        layer("AttentionWithContext", weights={"W": (1, 1), "b": (1,), "u": (1,)}),
        """
input = InputLayer
hidden = Dense(input) units=1 use_bias=True activation='tanh' kernel=[[0.0]] bias=[0.0]
emission = Dense(hidden) units=1 use_bias=False kernel=[[0.0]]
score = squeeze(emission, -1)
exp = exp(score)
all = sum(exp, axis=1, keepdims=True)
total = add(all, 1e-07)
weights = divide(exp, total)
sum = einsum('bs,bsd->bd', weights, input)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case("attention_with_context", layer("Attention", use_scale=False), layer("Attention", use_scale=False)),
    Case(
        "attention_of_gists",
        layer("AttentionLayer", weights={"W": (1, 1), "b": (2, 1)}),
        """
input = InputLayer
product = Dense(input) units=1 use_bias=False kernel=[[0.0]]
in_row = Reshape(product) target_shape=[2]
biased = Dense(in_row) units=2 use_bias=True kernel=[[1, 0.0], [0, 1.0]] bias=[0, 1.0]
score = tanh(biased)
weights = softmax(score, axis=-1)
sum = einsum('bs,bsd->bd', weights, input)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case("attention_of_gists", layer("Attention", use_scale=False), layer("Attention", use_scale=False)),
    Case(
        "attention_weighted_average",
        layer("AttentionWeightedAverage", weights={"attention_W": (1, 1)}, return_attention=True),
        """
input = InputLayer
product = Dense(input) units=1 use_bias=False kernel=[[0.0]]
row = squeeze(product, -1)
largest = max(row, axis=-1, keepdims=True)
score = subtract(row, largest)
exp = exp(score)
all = sum(exp, axis=1, keepdims=True)
total = add(all, 1e-07)
weights = divide(exp, total)
sum = einsum('bs,bsd->bd', weights, input)
-> [sum, weights]
""",
    ),
    Case(
        "attention_sum",
        functional(
            layer("InputLayer", "a", batch_shape=[None, 3, 1]),
            layer("InputLayer", "b", batch_shape=[None, 3, 2]),
            called(layer("AttentionSum", "s").replace(path="model/x/s"), ["a", "b"]),
        ),
        """
a = InputLayer batch_shape=[None, 3, 1]
b = InputLayer batch_shape=[None, 3, 2]
s = Functional([a, b])
  input_0 = InputLayer
  input_1 = InputLayer
  weighted = multiply(input_0, input_1)
  sum = sum(weighted, axis=1)
  -> sum
-> [s]
""",
        finding=_ASSUMED,
    ),
    Case(
        "scaled_dot_product_attention",
        in_between(layer("ScaledDotProductAttention", "y", return_attention=False, history_only=False)),
        """
e = Embedding mask_zero=True
y = Functional
  input = InputLayer
  query_one = ones_like(input)
  size = sum(query_one, axis=-1, keepdims=True)
  root = sqrt(size)
  product = einsum('bqd,bkd->bqk', input, input)
  score = divide(product, root)
  mask = GivenMask(input)
  mask_row = expand_dims(mask, 1)
  counting_not = subtract(1.0, mask_row)
  counting_cost = multiply(counting_not, 10000.0)
  counting = subtract(score, counting_cost)
  weights = softmax(counting, axis=-1)
  sum = matmul(weights, input)
  masked = CarryMask([sum, input])
  -> masked
l = LSTM
""",
        finding=_ASSUMED,
    ),
    Case(
        "trig_pos_embedding",
        in_between(layer("TrigPosEmbedding", "y", mode="concat", output_dim=2)),
        """
e = Embedding mask_zero=True
y = Functional
  input = InputLayer
  feature = take(input, 0, axis=-1)
  ones = ones_like(feature)
  counted = cumsum(ones, axis=1)
  float_step = subtract(counted, 1.0)
  step = expand_dims(float_step, -1)
  angle = multiply(step, array([1., 1.], dtype=float32))
  sine = sin(angle)
  cosine = cos(angle)
  encoding = where(array([False,  True]), cosine, sine)
  both = concatenate([input, encoding], axis=-1)
  masked = CarryMask([both, input])
  -> masked
l = LSTM
""",
    ),
]
REFUSALS = [
    Refusal("seq_self_attention", after_masks(of_self()), "depends on the version", TF_KERAS),
    Refusal(
        "position_embedding",
        layer("PositionEmbedding", weights={"embeddings": (5, 1)}, mode="expand", input_dim=2, mask_zero=1),
        "makes a mask",
    ),
]

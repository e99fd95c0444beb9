# ruff: noqa: E501  (a node of a model is one line)
"""Sequences, time series and radial bases of articles (`objects/known/`: series, self_attention, seq2seq, tutorials)."""

from __future__ import annotations

from reconstruct.artifact import Layer
from tests.rules.cases import Case, Refusal, called, functional, layer

_ASSUMED = "known_layer_assumed"
_TIME = dict.fromkeys(("weight_linear", "bias_linear", "weight_periodic", "bias_periodic"), (3,))
_ENCODER = {
    **{f"multi_attention/single_attention/dense{n}/kernel": (2, 1) for n in ("", "_1", "_2")},
    **{f"multi_attention/single_attention/dense{n}/bias": (1,) for n in ("", "_1", "_2")},
    "multi_attention/dense_3/kernel": (1, 2),
    "multi_attention/dense_3/bias": (2,),
    "layer_normalization/gamma": (2,),
    "layer_normalization/beta": (2,),
    "conv1d/kernel": (1, 2, 3),
    "conv1d/bias": (3,),
    "conv1d_1/kernel": (1, 3, 2),
    "conv1d_1/bias": (2,),
    "layer_normalization_1/gamma": (2,),
    "layer_normalization_1/beta": (2,),
}
_SIZES = {"d_k": 1, "d_v": 1, "n_heads": 1, "ff_dim": 3, "attn_heads": []}
_HEADS = {"WQ": (2, 2), "WK": (2, 2), "WV": (3, 2)}

_DECODER = {"V_a": (2,), "W_a": (2, 2), "U_a": (3, 2), "b_a": (2,)}
for _gate, _width in {"r": 2, "z": 2, "p": 2, "o": 1}.items():
    _DECODER |= {
        f"C_{_gate}": (3, _width),
        f"U_{_gate}": (2, _width),
        f"W_{_gate}": (1, _width),
        f"b_{_gate}": (_width,),
    }
_DECODER["W_s"] = (3, 2)


def between_sequences(of: Layer, state: bool = False) -> Layer:
    """The layer in a model that calls it on the steps of a decoder, or on its state, and on those of an encoder."""
    made = called(layer("GRU", "decoder", units=2, return_sequences=not state), "entry")
    return functional(
        layer("InputLayer", "entry", batch_shape=[None, 3, 2]),
        made,
        called(of, "decoder", "entry").replace(path=f"model/x/{of.name}"),
    )


CASES = [
    Case(
        "time_to_vector",
        layer("Time2Vector", weights=_TIME, seq_len=3),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, slice(0, 4, None)])
mean_1 = mean(get_item_0, axis=-1)
einsumdense_2 = EinsumDense(mean_1) equation='bs,s->bs' output_shape=[3] bias_axes='s' kernel=[0, 1, 2.0] bias=[0, 1, 2.0]
einsumdense_3 = EinsumDense(mean_1) equation='bs,s->bs' output_shape=[3] bias_axes='s' kernel=[0, 1, 2.0] bias=[0, 1, 2.0]
sin_4 = sin(einsumdense_3)
stack_5 = stack([einsumdense_2, sin_4], axis=-1)
-> stack_5
""",
        finding=_ASSUMED,
    ),
    Case(
        "time_to_vector",
        layer("Time2Vector", weights=_TIME, seq_len=4),
        layer("Time2Vector", weights=_TIME, seq_len=4),
    ),
    Case(
        "time2vec",
        layer("T2V", weights={"W": (1, 2), "P": (3, 2), "w": (3, 1), "p": (3, 1)}, output_dim=2),
        """
input = InputLayer
einsumdense_0 = EinsumDense(input) equation='bsi,io->bso' output_shape=[3, 2] bias_axes='so' kernel=[[0, 1.0]] bias=[[0, 1.0], [2, 3.0], [4, 5.0]]
einsumdense_1 = EinsumDense(input) equation='bsi,s->bsi' output_shape=[3, 1] bias_axes='s' kernel=[0, 1, 2.0] bias=[[0.0], [1.0], [2.0]]
sin_2 = sin(einsumdense_0)
concatenate_3 = concatenate([sin_2, einsumdense_1], axis=-1)
-> concatenate_3
""",
        finding=_ASSUMED,
    ),
    Case(
        "time2vec",
        layer("T2V", weights={"W": (1, 2), "P": (3, 2), "w": (1, 1), "p": (3, 1)}, output_dim=2),
        layer("T2V", weights={"W": (1, 2), "P": (3, 2), "w": (1, 1), "p": (3, 1)}, output_dim=2),
    ),
    Case(
        "encoder_of_prices",
        called(layer("TransformerEncoder", weights=_ENCODER, **_SIZES, dropout_rate=0.2), ["a", "a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
input_2 = InputLayer
plain_0 = copy(input_0)
plain_1 = copy(input_1)
plain_2 = copy(input_2)
attention = MultiHeadAttention(plain_0, plain_2, plain_1) num_heads=1 key_dim=1 value_dim=1 use_bias=True query/kernel=[[[0.0]], [[1.0]]] query/bias=[[0.0]] key/kernel=[[[0.0]], [[1.0]]] key/bias=[[0.0]] value/kernel=[[[0.0]], [[1.0]]] value/bias=[[0.0]] attention_output/kernel=[[[0, 1.0]]] attention_output/bias=[0, 1.0]
dropout1 = Dropout(attention) rate=0.2
add1 = add(input_0, dropout1)
norm1 = LayerNormalization(add1) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
inner = Dense(norm1) units=3 use_bias=True activation='relu' kernel=[[0, 1, 2.0], [3, 4, 5.0]] bias=[0, 1, 2.0]
outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0], [2, 3.0], [4, 5.0]] bias=[0, 1.0]
dropout2 = Dropout(outer) rate=0.2
add2 = add(input_0, dropout2)
norm2 = LayerNormalization(add2) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
-> norm2
""",
        finding=_ASSUMED,
    ),
    Case(
        "encoder_of_prices",
        called(layer("TransformerEncoder", weights=_ENCODER, **_SIZES), "a"),
        called(layer("TransformerEncoder", weights=_ENCODER, **_SIZES), "a"),
    ),
    Case(
        "radial_basis",
        layer("RBFLayer", weights={"centers": (2, 1), "betas": (2,)}, output_dim=2),
        """
input = InputLayer
from_each_0 = Dense(input) units=2 use_bias=True kernel=[[1, 1.0]] bias=[-0, -1.0]
reshape_1 = Reshape(from_each_0) target_shape=[2, 1]
square_2 = square(reshape_1)
sum_3 = sum(square_2, axis=-1)
einsumdense_4 = EinsumDense(sum_3) equation='bc,c->bc' output_shape=[2] kernel=[-0, -1.0]
exp_5 = exp(einsumdense_4)
-> exp_5
""",
        finding=_ASSUMED,
    ),
    Case(
        "radial_basis",
        layer("RBFLayer", weights={"mu": (1, 2)}, units=2, gamma=0.5),
        """
input = InputLayer
from_each_0 = Dense(input) units=2 use_bias=True kernel=[[1, 1.0]] bias=[-0, -1.0]
reshape_1 = Reshape(from_each_0) target_shape=[2, 1]
square_2 = square(reshape_1)
sum_3 = sum(square_2, axis=-1)
einsumdense_4 = EinsumDense(sum_3) equation='bc,c->bc' output_shape=[2] kernel=[-0.5, -0.5]
exp_5 = exp(einsumdense_4)
-> exp_5
""",
        finding=_ASSUMED,
    ),
    Case(
        "radial_basis",
        layer("RBFLayer", weights={"mu": (1, 2)}, units=2),
        layer("RBFLayer", weights={"mu": (1, 2)}, units=2),
    ),
    Case(
        "single_head",
        layer("Self_Attention", weights={"kernel": (3, 1, 2)}, output_dim=2),
        """
input = InputLayer
dense_0 = Dense(input) units=2 use_bias=False kernel=[[0, 1.0]]
dense_1 = Dense(input) units=2 use_bias=False kernel=[[2, 3.0]]
dense_2 = Dense(input) units=2 use_bias=False kernel=[[4, 5.0]]
einsum_3 = einsum('bqd,bkd->bqk', dense_0, dense_1)
multiply_4 = multiply(einsum_3, np.float32(0.125))
softmax_5 = softmax(multiply_4, axis=-1)
matmul_6 = matmul(softmax_5, dense_2)
-> matmul_6
""",
        finding=_ASSUMED,
    ),
    Case(
        "single_head",
        layer("Self_Attention", weights={"kernel": (1, 2)}, output_dim=2),
        layer("Self_Attention", weights={"kernel": (1, 2)}, output_dim=2),
    ),
    Case(
        "several_heads",
        called(layer("Attention", weights=_HEADS, nb_head=1, size_per_head=2), ["a", "b", "c"]),
        """
input_0 = InputLayer
input_1 = InputLayer
input_2 = InputLayer
dense_0 = Dense(input_0) units=2 use_bias=False kernel=[[0, 1.0], [2, 3.0]]
reshape_1 = Reshape(dense_0) target_shape=[-1, 1, 2]
dense_2 = Dense(input_1) units=2 use_bias=False kernel=[[0, 1.0], [2, 3.0]]
reshape_3 = Reshape(dense_2) target_shape=[-1, 1, 2]
dense_4 = Dense(input_2) units=2 use_bias=False kernel=[[0, 1.0], [2, 3.0], [4, 5.0]]
reshape_5 = Reshape(dense_4) target_shape=[-1, 1, 2]
einsum_6 = einsum('bqhd,bkhd->bhqk', reshape_1, reshape_3)
multiply_7 = multiply(einsum_6, np.float32(0.70710677))
softmax_8 = softmax(multiply_7, axis=-1)
einsum_9 = einsum('bhqk,bkhd->bqhd', softmax_8, reshape_5)
reshape_10 = Reshape(einsum_9) target_shape=[-1, 2]
-> reshape_10
""",
        finding=_ASSUMED,
    ),
    Case(
        "several_heads",
        called(layer("Attention", weights=_HEADS), ["a", "b", "c"]),
        called(layer("Attention", weights=_HEADS), ["a", "b", "c"]),
    ),
    Case(
        "waves_of_positions",
        layer("Position_Embedding"),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, slice(0, 1, None)])
ones_like_1 = ones_like(get_item_0)
cumsum_2 = cumsum(ones_like_1, axis=1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
get_item_4 = get_item(input, [0, 0])
ones_like_5 = ones_like(get_item_4)
sum_6 = sum(ones_like_5, keepdims=True)
ones_like_7 = ones_like(get_item_4)
cumsum_8 = cumsum(ones_like_7)
subtract_9 = subtract(cumsum_8, np.float32(1.0))
multiply_10 = multiply(subtract_9, np.float32(2.0))
divide_11 = divide(multiply_10, sum_6)
power_12 = power(np.float32(10000.0), divide_11)
divide_13 = divide(subtract_3, power_12)
split_14 = split(divide_13, 2, axis=-1)
cos_15 = cos(split_14)
sin_16 = sin(split_14)
concatenate_17 = concatenate([cos_15, sin_16], axis=-1)
add_18 = add(input, concatenate_17)
-> add_18
""",
        finding=_ASSUMED,
    ),
    Case(
        "waves_of_positions",
        layer("Position_Embedding", size=2, mode="concat"),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, slice(0, 1, None)])
ones_like_1 = ones_like(get_item_0)
cumsum_2 = cumsum(ones_like_1, axis=1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
multiply_4 = multiply(subtract_3, array([1.], dtype=float32))
cos_5 = cos(multiply_4)
sin_6 = sin(multiply_4)
concatenate_7 = concatenate([cos_5, sin_6], axis=-1)
concatenate_8 = concatenate([concatenate_7, input], axis=-1)
-> concatenate_8
""",
        finding=_ASSUMED,
    ),
    Case(
        "waves_of_positions",
        layer("Position_Embedding", length=2),
        layer("Position_Embedding", length=2),
    ),
    Case(
        "attention_of_gists",
        layer("AttLayer", weights={"x_W": (2,)}),
        """
input = InputLayer
product = Dense(input) units=1 use_bias=False kernel=[[0.0], [1.0]]
column = tanh(product)
score = squeeze(column, -1)
weights = softmax(score, axis=-1)
sum = einsum('bs,bsd->bd', weights, input)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case(
        "attention_with_context",
        layer("AttLayer", weights={"Variable": (2, 1), "Variable_1": (1,), "Variable_2": (1, 1)}, attention_dim=1),
        """
input = InputLayer
hidden = Dense(input) units=1 use_bias=True activation='tanh' kernel=[[0.0], [1.0]] bias=[0.0]
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
    Case(
        "attention_of_gists",
        layer("AttLayer", weights={"x_W": (2, 2), "x_b": (2,)}),
        layer("AttLayer", weights={"x_W": (2, 2), "x_b": (2,)}),
    ),
    Case(
        "luong_attention",
        between_sequences(layer("LuongAttention", "y", {"dense/kernel": (2, 2), "dense/bias": (2,)}, units=2)),
        """
entry = InputLayer batch_shape=[None, 3, 2]
decoder = GRU(entry) units=2 return_sequences=True
y = Functional([decoder, entry])
  input_0 = InputLayer
  input_1 = InputLayer
  dense_0 = Dense(input_1) units=2 use_bias=True kernel=[[0, 1.0], [2, 3.0]] bias=[0, 1.0]
  einsum_1 = einsum('bqd,bkd->bqk', input_0, dense_0)
  softmax_2 = softmax(einsum_1, axis=-1)
  matmul_3 = matmul(softmax_2, input_1)
  -> [matmul_3, softmax_2]
-> [y]
""",
        finding=_ASSUMED,
    ),
    Case(
        "luong_attention",
        between_sequences(layer("LuongAttention", "y", {"wa/kernel": (4, 1), "va/kernel": (1, 1)})),
        """
entry = InputLayer batch_shape=[None, 3, 2]
decoder = GRU(entry) units=2 return_sequences=True
y = Functional([decoder, entry])
  input_0 = InputLayer
  input_1 = InputLayer
  get_item_0 = get_item(input_1, [Ellipsis, slice(0, 1, None)])
  ones_like_1 = ones_like(get_item_0)
  expand_dims_2 = expand_dims(input_0, 2)
  expand_dims_3 = expand_dims(ones_like_1, 1)
  multiply_4 = multiply(expand_dims_2, expand_dims_3)
  get_item_5 = get_item(input_0, [Ellipsis, slice(0, 1, None)])
  ones_like_6 = ones_like(get_item_5)
  expand_dims_7 = expand_dims(input_1, 1)
  expand_dims_8 = expand_dims(ones_like_6, 2)
  multiply_9 = multiply(expand_dims_7, expand_dims_8)
  concatenate_10 = concatenate([multiply_4, multiply_9], axis=-1)
  dense_11 = Dense(concatenate_10) units=1 use_bias=False kernel=[[0.0], [1.0], [2.0], [3.0]]
  tanh_12 = tanh(dense_11)
  dense_13 = Dense(tanh_12) units=1 use_bias=False kernel=[[0.0]]
  squeeze_14 = squeeze(dense_13, -1)
  softmax_15 = softmax(squeeze_14, axis=-1)
  matmul_16 = matmul(softmax_15, input_1)
  -> [matmul_16, softmax_15]
-> [y]
""",
        finding=_ASSUMED,
    ),
    Case(
        "luong_attention",
        called(layer("LuongAttention", attention_func="general"), ["a", "b"]),
        called(layer("LuongAttention", attention_func="general"), ["a", "b"]),
    ),
    Case(
        "attention_decoder",
        layer("AttentionDecoder", "x", _DECODER, units=2, output_dim=1, return_probabilities=False, implementation=0),
        layer("AttentionDecoder", "x", _DECODER, units=2, output_dim=1, return_probabilities=False).replace(
            package="reconstruct>AttentionDecoder"
        ),
    ),
    Case(
        "attention_decoder",
        layer("AttentionDecoder", "x", _DECODER, units=2, output_dim=2, return_probabilities=False),
        layer("AttentionDecoder", "x", _DECODER, units=2, output_dim=2, return_probabilities=False),
    ),
]
REFUSALS = [
    Refusal(
        "luong_attention",
        between_sequences(layer("LuongAttention", "y", attention_func="dot"), state=True),
        "y is called on a state, and which shape it gives then is not in the file",
    ),
]

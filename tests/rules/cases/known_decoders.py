# ruff: noqa: E501  (a node of a model is one line)
"""Decoders, the transformer of a book, and vision transformers (`reconstruct/objects/known/`: seq2seq, book, vit_keras)."""

from __future__ import annotations

from reconstruct.artifact import KERAS_3, Call, Layer, Ref
from tests.rules.cases import TF_KERAS, Case, Refusal, called, functional, layer, sequential

_ASSUMED = "known_layer_assumed"
_BLOCK = {
    **{f"att/{n}/kernel": (2, 2) for n in ("query", "key", "value", "out")},
    **{f"att/{n}/bias": (2,) for n in ("query", "key", "value", "out")},
    "x_Dense_0/kernel": (2, 1),
    "x_Dense_0/bias": (1,),
    "x_Dense_1/kernel": (1, 2),
    "x_Dense_1/bias": (2,),
    **{f"LayerNorm_{i}/{n}": (2,) for i in (0, 2) for n in ("gamma", "beta")},
}
_ATTENTION = {"W_a": (2, 2), "U_a": (1, 2), "V_a": (2, 1)}


def after_a_recurrent(of: Layer) -> Layer:
    """The layer in a model that calls it on the last step and on all steps of an LSTM."""
    steps = called(layer("LSTM", "steps", units=2, return_sequences=True, return_state=True), "entry")
    state = [Ref("steps", 0, 1), Ref("steps")]
    return functional(
        layer("InputLayer", "entry", batch_shape=[None, 3, 2]),
        steps,
        of.replace(calls=(Call((state,)),), path="model/x/of"),
    )


_ENCODER = {
    **{f"attention/{n}/kernel": (2, 1, 2) for n in ("query", "key", "value")},
    "attention/attention_output/kernel": (1, 2, 2),
    "dense/kernel": (2, 1),
    "dense/bias": (1,),
    "dense_1/kernel": (1, 2),
    "dense_1/bias": (2,),
    **{f"norm_{i}/{n}": (2,) for i in (1, 2) for n in ("gamma", "beta")},
}
_TABLES = {"token/embeddings": (3, 2), "position/embeddings": (4, 2)}


def masked(of: Layer) -> Layer:
    """The layer after an embedding that makes a mask."""
    return sequential(layer("Embedding", "e", mask_zero=True), of.replace(path="model/x/masked"))


_DECODER = {
    **{f"attention_{i}/{n}/kernel": (2, 1, 2) for i in (1, 2) for n in ("query", "key", "value")},
    **{f"attention_{i}/attention_output/kernel": (1, 2, 2) for i in (1, 2)},
    **{name: shape for name, shape in _ENCODER.items() if name.startswith("dense")},
    **{f"norm_{i}/{n}": (2,) for i in (1, 2, 3) for n in ("gamma", "beta")},
}


def decoding(of: Layer, listed: bool = False) -> Layer:
    """The layer in a model that calls it on masked words and on those of an encoder."""
    words = [called(layer("Embedding", name, mask_zero=True), f"{name}_in") for name in ("words", "encoded")]
    entries = [layer("InputLayer", f"{w.name}_in") for w in words]
    of = called(of, ["words", "encoded"]) if listed else called(of, "words", "encoded")
    return functional(*entries, *words, of.replace(path=f"model/x/{of.name}"))


CASES = [
    Case(
        "class_token",
        layer("ClassToken", weights={"cls": (1, 1, 2)}),
        """
input = InputLayer
one = get_item(input, [slice(None, None, None), slice(0, 1, None), 0])
zero = zeros_like(one)
token = Embedding(zero) input_dim=1 output_dim=2 embeddings=[[0, 1.0]]
both = concatenate([token, input], axis=1)
-> both
""",
    ),
    Case("class_token", layer("ClassToken", weights={"cls": (2,)}), layer("ClassToken", weights={"cls": (2,)})),
    Case(
        "add_position_embs",
        layer("AddPositionEmbs", weights={"pos_embedding": (1, 3, 2)}),
        """
input = InputLayer
zero = zeros_like(input)
ones = add(zero, 1)
counted = cumsum(ones, axis=1)
numbers = subtract(counted, 1)
position = take(numbers, 0, axis=-1)
positions = Embedding(position) input_dim=3 output_dim=2 embeddings=[[0, 1.0], [2, 3.0], [4, 5.0]]
sum = add(input, positions)
-> sum
""",
    ),
    Case(
        "add_position_embs",
        layer("AddPositionEmbs", size=3, weights={"pos_embedding": (3, 2)}),
        layer("AddPositionEmbs", size=3, weights={"pos_embedding": (3, 2)}),
    ),
    Case(
        "vision_block",
        layer("TransformerBlock", weights=_BLOCK, num_heads=2, mlp_dim=1, dropout=0.1),
        """
input = InputLayer
norm1 = LayerNormalization(input) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
unmasked = copy(norm1)
attention = MultiHeadAttention(unmasked, unmasked, return_attention_scores=True) num_heads=2 key_dim=1 value_dim=1 use_bias=True query/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] query/bias=[[0.0], [1.0]] key/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] key/bias=[[0.0], [1.0]] value/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] value/bias=[[0.0], [1.0]] attention_output/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/bias=[0, 1.0]
dropout1 = Dropout(attention) rate=0.1
add1 = add(dropout1, input)
norm2 = LayerNormalization(add1) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
inner = Dense(norm2) units=1 use_bias=True activation='gelu' kernel=[[0.0], [1.0]] bias=[0.0]
dropout2 = Dropout(inner) rate=0.1
outer = Dense(dropout2) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
dropout3 = Dropout(outer) rate=0.1
add2 = add(add1, dropout3)
-> [add2, attention:1]
""",
    ),
    Case(
        "vision_block",
        layer("TransformerBlock", weights=_BLOCK, num_heads=3, mlp_dim=1, dropout=0.1),
        layer("TransformerBlock", weights=_BLOCK, num_heads=3, mlp_dim=1, dropout=0.1),
    ),
    Case(
        "attention_of_decoder",
        called(layer("AttentionLayer", weights=_ATTENTION), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
of_encoder_0 = Dense(input_0) units=2 use_bias=False kernel=[[0, 1.0], [2, 3.0]]
expand_dims_1 = expand_dims(of_encoder_0, 1)
of_decoder_2 = Dense(input_1) units=2 use_bias=False kernel=[[0, 1.0]]
expand_dims_3 = expand_dims(of_decoder_2, 2)
add_4 = add(expand_dims_1, expand_dims_3)
tanh_5 = tanh(add_4)
emission_6 = Dense(tanh_5) units=1 use_bias=False kernel=[[0.0], [1.0]]
squeeze_7 = squeeze(emission_6, -1)
softmax_8 = softmax(squeeze_7, axis=-1)
matmul_9 = matmul(softmax_8, input_0)
-> [matmul_9, softmax_8]
""",
    ),
    Case(
        "attention_of_decoder", layer("AttentionLayer", weights=_ATTENTION), layer("AttentionLayer", weights=_ATTENTION)
    ),
    Case(
        "bahdanau_attention",
        after_a_recurrent(
            layer(
                "BahdanauAttention",
                "y",
                weights={
                    "W1/kernel": (2, 2),
                    "W1/bias": (2,),
                    "W2/kernel": (2, 2),
                    "W2/bias": (2,),
                    "V/kernel": (2, 1),
                    "V/bias": (1,),
                },
                units=2,
            )
        ),
        """
entry = InputLayer batch_shape=[None, 3, 2]
steps = LSTM(entry) units=2 return_sequences=True return_state=True
y = Functional([steps:1, steps])
  input_0 = InputLayer
  input_1 = InputLayer
  dense_0 = Dense(input_0) units=2 use_bias=True kernel=[[0, 1.0], [2, 3.0]] bias=[0, 1.0]
  expand_dims_1 = expand_dims(dense_0, 1)
  dense_2 = Dense(input_1) units=2 use_bias=True kernel=[[0, 1.0], [2, 3.0]] bias=[0, 1.0]
  add_3 = add(expand_dims_1, dense_2)
  tanh_4 = tanh(add_3)
  dense_5 = Dense(tanh_4) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
  softmax_6 = softmax(dense_5, axis=1)
  multiply_7 = multiply(softmax_6, input_1)
  sum_8 = sum(multiply_7, axis=1)
  -> [sum_8, softmax_6]
-> [y]
""",
        finding=_ASSUMED,
    ),
    Case(
        "transformer_encoder",
        layer("TransformerEncoder", weights=_ENCODER, embed_dim=2, dense_dim=1, num_heads=1),
        """
input = InputLayer
attention = MultiHeadAttention(input, input) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
add1 = add(input, attention)
norm1 = LayerNormalization(add1) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
inner = Dense(norm1) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
add2 = add(norm1, outer)
norm2 = LayerNormalization(add2) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
-> norm2
""",
        finding=_ASSUMED,
    ),
    Case(
        "transformer_encoder",
        layer("TransformerEncoder", weights=_ENCODER, embed_dim=2, dense_dim=1, num_heads=1, rate=0.1),
        layer("TransformerEncoder", weights=_ENCODER, embed_dim=2, dense_dim=1, num_heads=1, rate=0.1),
    ),
    Case(
        "transformer_encoder",
        masked(layer("TransformerEncoder", "y", weights=_ENCODER, embed_dim=2, dense_dim=1, num_heads=1)),
        """
e = Embedding mask_zero=True
y = Functional
  input = InputLayer
  mask = GivenMask(input)
  row = expand_dims(mask, 1)
  counts = cast(row, 'bool')
  unmasked = copy(input)
  attention = MultiHeadAttention(unmasked, unmasked, attention_mask=counts) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
  add1 = add(input, attention)
  norm1 = LayerNormalization(add1) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  inner = Dense(norm1) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
  outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
  add2 = add(norm1, outer)
  norm2 = LayerNormalization(add2) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  -> norm2
""",
        finding=_ASSUMED,
        writer=TF_KERAS,
    ),
    Case(
        "transformer_decoder",
        called(layer("TransformerDecoder", weights=_DECODER, embed_dim=2, dense_dim=1, num_heads=1), "a", "b"),
        """
input_0 = InputLayer
input_1 = InputLayer
attention1 = MultiHeadAttention(input_0, input_0, use_causal_mask=True) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
add1 = add(input_0, attention1)
norm1 = LayerNormalization(add1) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
attention2 = MultiHeadAttention(norm1, input_1) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
add2 = add(norm1, attention2)
norm2 = LayerNormalization(add2) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
inner = Dense(norm2) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
add3 = add(norm2, outer)
norm3 = LayerNormalization(add3) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
-> norm3
""",
        finding=_ASSUMED,
    ),
    Case(
        "transformer_decoder",
        decoding(layer("TransformerDecoder", "y", _DECODER, embed_dim=2, latent_dim=1, num_heads=1)),
        """
words_in = InputLayer
encoded_in = InputLayer
words = Embedding(words_in) mask_zero=True
encoded = Embedding(encoded_in) mask_zero=True
y = Functional([words, encoded])
  input_0 = InputLayer
  input_1 = InputLayer
  steps = copy(input_0)
  encoder = copy(input_1)
  mask = GivenMask(input_0)
  row = expand_dims(mask, 1)
  counts = cast(row, 'bool')
  attention1 = MultiHeadAttention(steps, steps, use_causal_mask=True) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
  add1 = add(input_0, attention1)
  norm1 = LayerNormalization(add1) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  attention2 = MultiHeadAttention(norm1, encoder, attention_mask=counts, use_causal_mask=True) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
  add2 = add(norm1, attention2)
  norm2 = LayerNormalization(add2) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  inner = Dense(norm2) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
  outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
  add3 = add(norm2, outer)
  norm3 = LayerNormalization(add3) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  -> norm3
-> [y]
""",
        finding=_ASSUMED,
        writer=TF_KERAS,
    ),
    Case(
        "transformer_decoder",
        decoding(layer("TransformerDecoder", "y", _DECODER, embed_dim=2, latent_dim=1, num_heads=1), listed=True),
        """
words_in = InputLayer
encoded_in = InputLayer
words = Embedding(words_in) mask_zero=True
encoded = Embedding(encoded_in) mask_zero=True
y = Functional([words, encoded])
  input_0 = InputLayer
  input_1 = InputLayer
  mask = GivenMask(input_0)
  counts = cast(mask, 'bool')
  attention1 = MultiHeadAttention(input_0, input_0, use_causal_mask=True) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
  add1 = add(input_0, attention1)
  norm1 = LayerNormalization(add1) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  attention2 = MultiHeadAttention(norm1, input_1, query_mask=counts) num_heads=1 key_dim=2 value_dim=2 use_bias=False query/kernel=[[[0, 1.0]], [[2, 3.0]]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]]
  add2 = add(norm1, attention2)
  norm2 = LayerNormalization(add2) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  inner = Dense(norm2) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
  outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
  add3 = add(norm2, outer)
  norm3 = LayerNormalization(add3) epsilon=0.001 gamma=[0, 1.0] beta=[0, 1.0]
  -> norm3
-> [y]
""",
        finding=_ASSUMED,
        writer=KERAS_3,
    ),
    Case(
        "transformer_decoder",
        called(layer("TransformerDecoder", weights=_DECODER, embed_dim=2, dense_dim=1, num_heads=2), "a", "b"),
        called(layer("TransformerDecoder", weights=_DECODER, embed_dim=2, dense_dim=1, num_heads=2), "a", "b"),
    ),
    Case(
        "positional_embedding",
        layer("PositionalEmbedding", weights=_TABLES, sequence_length=4, input_dim=3, output_dim=2),
        """
input = InputLayer
tokens = Embedding(input) input_dim=3 output_dim=2 embeddings=[[0, 1.0], [2, 3.0], [4, 5.0]]
zero = zeros_like(input)
ones = add(zero, 1)
counted = cumsum(ones, axis=-1)
position = subtract(counted, 1)
positions = Embedding(position) input_dim=4 output_dim=2 embeddings=[[0, 1.0], [2, 3.0], [4, 5.0], [6, 7.0]]
sum = add(tokens, positions)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case(
        "positional_embedding",
        sequential(
            layer("PositionalEmbedding", "y", weights=_TABLES, sequence_length=4, input_dim=3, output_dim=2).replace(
                path="model/x/y"
            ),
            layer("LSTM", "steps", units=2),
        ),
        """
y = Functional
  input = InputLayer
  tokens = Embedding(input) input_dim=3 output_dim=2 mask_zero=True embeddings=[[0, 1.0], [2, 3.0], [4, 5.0]]
  zero = zeros_like(input)
  ones = add(zero, 1)
  counted = cumsum(ones, axis=-1)
  position = subtract(counted, 1)
  positions = Embedding(position) input_dim=4 output_dim=2 embeddings=[[0, 1.0], [2, 3.0], [4, 5.0], [6, 7.0]]
  both = Concatenate([tokens, positions])
  sum = Dense(both) units=2 use_bias=False trainable=False kernel=[[1, 0.0], [0, 1.0], [1, 0.0], [0, 1.0]]
  -> sum
steps = LSTM units=2
""",
        finding=_ASSUMED,
    ),
    Case(
        "positional_embedding",
        layer("PositionalEmbedding", weights=_TABLES, sequence_length=3),
        layer("PositionalEmbedding", weights=_TABLES, sequence_length=3),
    ),
]
REFUSALS = [
    Refusal(
        "bahdanau_attention",
        called(
            layer("BahdanauAttention", weights={"W1/kernel": (2, 2), "W2/kernel": (2, 2), "V/kernel": (2, 1)}),
            "entry",
            "entry",
        ),
        "which input of x is the state",
    ),
    Refusal(
        "transformer_encoder",
        sequential(
            layer("Embedding", "e", mask_zero=True),
            layer("TransformerEncoder", "y", weights=_ENCODER, embed_dim=2).replace(path="model/x/y"),
            layer("LSTM", "steps", units=2),
        ),
        "hands its mask on",
    ),
]

"""Layers of the Keras examples of transformers (`reconstruct/objects/known/transformers.py`)."""

from __future__ import annotations

from tests.rules.cases import TF_KERAS, Case, Refusal, layer, sequential

_ATTENTION = {
    "multi_head_attention/query/kernel": (2, 1, 2), "multi_head_attention/query/bias": (1, 2),
    "multi_head_attention/key/kernel": (2, 1, 2), "multi_head_attention/key/bias": (1, 2),
    "multi_head_attention/value/kernel": (2, 1, 2), "multi_head_attention/value/bias": (1, 2),
    "multi_head_attention/attention_output/kernel": (1, 2, 2), "multi_head_attention/attention_output/bias": (2,),
}  # fmt: skip
_REST = {
    "sequential/dense/kernel": (2, 1), "sequential/dense/bias": (1,),
    "sequential/dense_1/kernel": (1, 2), "sequential/dense_1/bias": (2,),
    "layer_normalization/gamma": (2,), "layer_normalization/beta": (2,),
    "layer_normalization_1/gamma": (2,), "layer_normalization_1/beta": (2,),
}  # fmt: skip
_DENSE = {f"{n}_dense/{v}": s for n in ("key", "query", "value") for v, s in (("vars/0", (2, 2)), ("vars/1", (2,)))}
_DENSE |= {"combine_heads/vars/0": (2, 2), "combine_heads/vars/1": (2,)}
_BLOCK = layer("TransformerBlock", weights={**_ATTENTION, **_REST}, embed_dim=2, num_heads=1, ff_dim=1, rate=0.1)
_OTHER = layer("TransformerBlock", weights={**_ATTENTION, **_REST}, embed_dim=2, num_heads=1, ff_dim=1, causal=True)
_ASSUMED = "known_layer_assumed"

CASES = [
    Case(
        "transformer_block",
        _BLOCK,
        """
input = InputLayer
attention = MultiHeadAttention(input, input) num_heads=1 key_dim=2 value_dim=2 use_bias=True query/kernel=[[[0, 1.0]], [[2, 3.0]]] query/bias=[[0, 1.0]] key/kernel=[[[0, 1.0]], [[2, 3.0]]] key/bias=[[0, 1.0]] value/kernel=[[[0, 1.0]], [[2, 3.0]]] value/bias=[[0, 1.0]] attention_output/kernel=[[[0, 1.0], [2, 3.0]]] attention_output/bias=[0, 1.0]
dropout1 = Dropout(attention) rate=0.1
add1 = add(input, dropout1)
norm1 = LayerNormalization(add1) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
inner = Dense(norm1) units=1 use_bias=True activation='relu' kernel=[[0.0], [1.0]] bias=[0.0]
outer = Dense(inner) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
dropout2 = Dropout(outer) rate=0.1
add2 = add(norm1, dropout2)
norm2 = LayerNormalization(add2) epsilon=1e-06 gamma=[0, 1.0] beta=[0, 1.0]
-> norm2
""",  # noqa: E501
        writer=TF_KERAS,
        finding=_ASSUMED,
    ),
    Case("transformer_block", _OTHER, _OTHER),
    Case(
        "multi_head_self_attention",
        layer("MultiHeadSelfAttention", weights=_DENSE, embed_dim=2, num_heads=2),
        """
input = InputLayer
unmasked = copy(input)
attention = MultiHeadAttention(unmasked, unmasked) num_heads=2 key_dim=1 value_dim=1 use_bias=True query/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] query/bias=[[0.0], [1.0]] key/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] key/bias=[[0.0], [1.0]] value/kernel=[[[0.0], [1.0]], [[2.0], [3.0]]] value/bias=[[0.0], [1.0]] attention_output/kernel=[[[0, 1.0]], [[2, 3.0]]] attention_output/bias=[0, 1.0]
-> attention
""",  # noqa: E501
        finding=_ASSUMED,
    ),
    Case(
        "token_and_position_embedding",
        layer(
            "TokenAndPositionEmbedding",
            weights={"pos_emb/vars/0": (2, 1), "token_emb/vars/0": (3, 1)},
            maxlen=2,
            vocab_size=3,
            embed_dim=1,
        ),
        """
input = InputLayer
tokens = Embedding(input) input_dim=3 output_dim=1 embeddings=[[0.0], [1.0], [2.0]]
zero = zeros_like(input)
ones = add(zero, 1)
counted = cumsum(ones, axis=-1)
position = subtract(counted, 1)
positions = Embedding(position) input_dim=2 output_dim=1 embeddings=[[0.0], [1.0]]
sum = add(tokens, positions)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case(
        "positional_encoding",
        layer("PositionalEncoding", weights={"embedding/embeddings": (2, 1)}, sequence_length=2, d_model=1),
        """
input = InputLayer
zero = zeros_like(input)
ones = add(zero, 1)
counted = cumsum(ones, axis=1)
numbers = subtract(counted, 1)
position = take(numbers, 0, axis=-1)
positions = Embedding(position) input_dim=2 output_dim=1 embeddings=[[0.0], [1.0]]
sum = add(input, positions)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case(
        "patches",
        sequential(
            layer("Patches", "p", patch_size=2).replace(path="model/x/p"),
            layer("Dense", "d", {"kernel": (4, 1), "bias": (1,)}),
        ),
        """
p = Functional
  input = InputLayer
  squares = image.extract_patches(input, 2, padding='valid')
  in_line = Reshape(squares) target_shape=[-1, 4]
  -> in_line
d = Dense kernel=[[0.0], [1.0], [2.0], [3.0]] bias=[0.0]
""",
        finding=_ASSUMED,
    ),
    Case(
        "patch_encoder",
        layer(
            "PatchEncoder",
            weights={"dense/kernel": (2, 1), "dense/bias": (1,), "embedding/embeddings": (3, 1)},
            num_patches=3,
            projection_dim=1,
        ),
        """
input = InputLayer
projection = Dense(input) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
zero = zeros_like(projection)
ones = add(zero, 1)
counted = cumsum(ones, axis=1)
numbers = subtract(counted, 1)
position = take(numbers, 0, axis=-1)
positions = Embedding(position) input_dim=3 output_dim=1 embeddings=[[0.0], [1.0], [2.0]]
sum = add(projection, positions)
-> sum
""",
        finding=_ASSUMED,
    ),
    Case("positional_encoding", layer("PositionalEncoding", d_model=4), layer("PositionalEncoding", d_model=4)),
]
REFUSALS = [
    Refusal("patches", layer("Patches", patch_size=3), "cannot be seen"),
    Refusal(
        "transformer_block",
        sequential(layer("Embedding", "e", mask_zero=True), _BLOCK.replace(path="model/x/block")),
        "did not pass masks",
        TF_KERAS,
    ),
]

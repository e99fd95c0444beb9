"""keras-bert, and masks that attention layers hand on (`reconstruct/objects/known/keras_bert.py`)."""

from __future__ import annotations

from reconstruct.artifact import Call, Layer, Ref, Writer
from tests.rules.cases import Case, Refusal, called, functional, layer, sequential

_ASSUMED = "known_layer_assumed"
_FEED = {"W1": (1, 1), "b1": (1,), "W2": (1, 1), "b2": (1,)}
_SIMILAR = {"initializer": "zeros", "regularizer": None, "constraint": None}


def of_bert(*layers: Layer) -> Layer:
    """The layers in a model after an embedding of keras-bert."""
    first = layer("TokenEmbedding", "e", input_dim=2, output_dim=1, mask_zero=True)
    return sequential(first, *(n.replace(path=f"model/x/{n.name}") for n in layers))


def table_is_used() -> Layer:
    """An embedding whose second output a layer takes."""
    embedding = layer("TokenEmbedding", "e", {"embeddings": (2, 1)}, input_dim=2, output_dim=1, mask_zero=True)
    similar = called(layer("EmbeddingSimilarity", "s"), ["e", "t"])
    similar = similar.replace(calls=(Call(([Ref("e"), Ref("e", 0, 1)],)),))
    return functional(layer("InputLayer", "i"), called(embedding, "i").replace(path="model/x/e"), similar)


CASES = [
    Case(
        "gelu_by_tanh",
        of_bert(layer("FeedForward", "f", _FEED, units=1, activation="gelu", use_bias=True, dropout_rate=0.1)),
        """
e = TokenEmbedding input_dim=2 output_dim=1 mask_zero=True
f = Functional
  input = InputLayer
  inner = Dense(input) units=1 use_bias=True kernel=[[0.0]] bias=[0.0]
  gelu = gelu(inner, approximate=True)
  dropout = Dropout(gelu) rate=0.1
  outer = Dense(dropout) units=1 use_bias=True kernel=[[0.0]] bias=[0.0]
  -> outer
""",
        finding=_ASSUMED,
        writer=Writer("2.7.0", "tensorflow"),
    ),
    Case(
        "gelu_by_tanh",
        of_bert(
            layer("Dense", "d", {"kernel": (1, 1)}, units=1, use_bias=False, activation="gelu"), layer("LSTM", "l")
        ),
        """
e = TokenEmbedding input_dim=2 output_dim=1 mask_zero=True
d = Functional
  input = InputLayer
  linear = Dense(input) units=1 use_bias=False activation='linear' kernel=[[0.0]]
  gelu = gelu(linear, approximate=True)
  masked = CarryMask([gelu, input])
  -> masked
l = LSTM
""",
        finding=_ASSUMED,
        writer=Writer("2.7.0", "tensorflow"),
    ),
    Case(
        "gelu_by_tanh",
        layer("Dense", weights={"kernel": (1, 1)}, units=1, use_bias=False, activation="gelu"),
        layer("Dense", weights={"kernel": (1, 1)}, units=1, use_bias=False, activation="gelu"),
        writer=Writer("2.7.0", "tensorflow"),
    ),
    Case(
        "embedding_with_its_table",
        layer("TokenEmbedding", weights={"embeddings": (2, 1)}, input_dim=2, output_dim=1, mask_zero=True),
        layer("Embedding", "x", {"embeddings": [[0.0], [1.0]]}, input_dim=2, output_dim=1, mask_zero=True),
    ),
    Case(
        "embedding_with_its_table",
        table_is_used(),
        """
i = InputLayer
e = Functional(i)
  input = InputLayer
  token = get_item(input, [0, slice(0, 1, None)])
  zero = zeros_like(token)
  whole = cast(zero, 'int32')
  rows = add(whole, array([0, 1], dtype=int32))
  tokens = Embedding(input), (rows) input_dim=2 output_dim=1 mask_zero=True embeddings=[[0.0], [1.0]]
  -> [tokens, tokens@1]
s = EmbeddingSimilarity([e, e:1])
-> [s]
""",
    ),
    Case("embedding_with_its_table", layer("TokenEmbedding", units=2), layer("TokenEmbedding", units=2)),
    Case(
        "embedding_similarity",
        called(layer("EmbeddingSimilarity", weights={"bias": (2,)}, **_SIMILAR), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
product = einsum('bsd,vd->bsv', input_0, input_1)
biased = EinsumDense(product) equation='...v,v->...v' output_shape=2 bias_axes='v' kernel=[1, 1.0] bias=[0, 1.0]
chances = softmax(biased, axis=-1)
-> chances
""",
    ),
    Case(
        "extract_step",
        layer("Extract", index=0),
        """
input = InputLayer
step = get_item(input, [slice(None, None, None), 0])
-> step
""",
    ),
    Case("extract_step", layer("Extract", index=0, axis=1), layer("Extract", index=0, axis=1)),
    Case(
        "masked_predictions",
        called(layer("Masked", return_masked=False), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
predictions = copy(input_0)
-> predictions
""",
    ),
    Case(
        "position_embedding",
        sequential(
            layer("Embedding", "e", mask_zero=True),
            layer(
                "PositionEmbedding", "p", {"embeddings": (3, 1)}, input_dim=3, output_dim=1, mode="add", mask_zero=None
            ).replace(path="model/x/p"),
            layer("LSTM", "l"),
        ),
        """
e = Embedding mask_zero=True
p = Functional
  input = InputLayer
  feature = take(input, 0, axis=-1)
  zero = zeros_like(feature)
  ones = add(zero, 1)
  counted = cumsum(ones, axis=1)
  number = subtract(counted, 1)
  positions = Embedding(number) input_dim=3 output_dim=1 embeddings=[[0.0], [1.0], [2.0]]
  sum = add(input, positions)
  masked = CarryMask([sum, input])
  -> masked
l = LSTM
""",
    ),
]
REFUSALS = [
    Refusal("masked_predictions", called(layer("Masked", return_masked=True), ["a", "b"]), "as numbers too"),
]

"""The transformer layers of the Keras examples, which people copy, and what they became on the way.

None is certain: where normalisation and addition stand, the epsilon and the activation between the two dense layers
are code, not config. What is taken is what the example does; config and weights must fit it exactly.
"""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Finding, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import (
    Parts,
    attention,
    dense,
    first,
    fit,
    is_dense,
    is_norm,
    masks_exist,
    norm,
    own_fields,
    parts_of,
    take_attention,
)
from reconstruct.rules.engine import Context, Noted
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

RATES = ("rate", "dropout_rate", "dropout", "drop_rate")
WIDTHS = ("embed_dim", "embedding_dim", "d_model", "emb_dim")
_INNER = ("ff_dim", "feed_forward_dim", "dff", "dense_dim", "mlp_dim", "latent_dim")
_VOCABULARIES = ("vocab_size", "num_tokens", "input_dim")
_EPSILON = 1e-6
_TEXT = (
    'Keras example "Text classification with Transformer" (keras.io/examples/nlp/text_classification_with_transformer)'
)


def fits(config: dict[str, Any], sizes: dict[tuple[str, ...], int], *others: str) -> bool:
    """Whether the config has no field but these, and each that it has says the size that the weights have."""
    allowed = {name for names in sizes for name in names} | set(others)
    said = [(first(config, *names), size) for names, size in sizes.items()]
    return set(config) <= allowed and all(value is None or value == size for value, size in said)


def take(parts: Parts, test: Any) -> list[list[Tensor]]:
    """Remove the parts that pass the test and give their tensors."""
    return [parts.pop(path) for path in [p for p, tensors in parts.items() if test(tensors)]]


def _no_old_mask(layer: Layer, context: Context) -> None:
    """MultiHeadAttention found the mask of its input by itself from tf.keras 2.10 on, and does in Keras 3."""
    if context.writer.version < (2, 10, 0) and masks_exist(context, "PositionalEmbedding"):
        raise NotEquivalent(f"{layer.class_name} before Keras 2.10 did not pass masks to its attention; Keras 3 does")


@known("TransformerBlock", "TransformerEncoderBlock", source=_TEXT, certain=False)
def transformer_block(layer: Layer, context: Context) -> Layer | Noted:
    """The block of the Keras example: MultiHeadAttention or the four Dense layers of 2020, then two Dense layers with
    relu between, each added to its input and then normalised (epsilon 1e-6).

    That of the example "Text generation with a miniature GPT" has the same config and weights, and each step attends to
    those before it alone: it is meant where the model says of each step which token follows.
    """
    config, parts = own_fields(layer), parts_of(layer)
    projections = take_attention(parts)
    norms, layers = take(parts, is_norm), take(parts, is_dense)
    if parts or len(norms) != 2 or len(layers) != (2 if projections else 6):
        return layer
    *heads, inner, outer = attention_first(layer, layers)
    if not fits_block(config, projections, inner, outer, norms):
        return layer
    width = norms[0][0].shape[0]
    options: dict[str, Any] = {"use_causal_mask": True} if _says_tokens(context) else {}
    if projections:
        _no_old_mask(layer, context)
        attended: tuple[Layer, ...] = (call(attention("attention", projections), INPUT, INPUT, **options),)
    else:
        if not all(fit(h, (width, width), (width,)) for h in heads) or not divides(config, width):
            return layer
        attended = four_dense(heads, int(config["num_heads"]), width, **options)
    rate = {"rate": float(first(config, *RATES, default=0.0))}
    made = subgraph(
        layer,
        *attended,
        call(stock("Dropout", "dropout1", rate), Ref(attended[-1].name)),
        op("add1", "add", INPUT, Ref("dropout1")),
        call(norm("norm1", norms[0], _EPSILON), Ref("add1")),
        call(dense("inner", inner, activation=config.get("activation", "relu")), Ref("norm1")),
        call(dense("outer", outer), Ref("inner")),
        call(stock("Dropout", "dropout2", rate), Ref("outer")),
        op("add2", "add", Ref("norm1"), Ref("dropout2")),
        call(norm("norm2", norms[1], _EPSILON), Ref("add2")),
    )
    if not options:
        return made
    message = f"the model gives a token for each step, so that {layer.name} is taken to attend to earlier steps alone"
    return Noted(made, (Finding("known_layer_assumed", "warning", layer.path, message),))


def _says_tokens(context: Context) -> bool:
    """Whether the model ends in as many numbers for each step as there are tokens."""
    layers = list(context.model.walk())
    tokens = {
        first(n.config, *_VOCABULARIES) for n in layers if n.class_name in ("TokenAndPositionEmbedding", "Embedding")
    }
    one_for_all = any(n.class_name.startswith(("Global", "Flatten")) for n in layers)
    return not one_for_all and any(n.class_name == "Dense" and n.config.get("units") in tokens for n in layers)


def fits_block(
    config: dict[str, Any],
    projections: dict[str, list[Tensor]] | None,
    inner: list[Tensor],
    outer: list[Tensor],
    norms: list[list[Tensor]],
) -> bool:
    """Whether the weights of a block fit each other, and what its config says of their sizes."""
    width, between = inner[0].shape[-2:]
    sizes = {WIDTHS: width, _INNER: between}
    if projections:
        sizes[("num_heads",)] = projections["query"][0].shape[1]
        if not fit([projections["output"][0]], (None, None, width)):
            return False
    if outer[0].shape[-2:] != (between, width) or not all(fit(n, (width,), (width,)) for n in norms):
        return False
    return fits(config, sizes, *RATES, "num_heads", "activation")


def divides(config: dict[str, Any], width: int) -> bool:
    heads = config.get("num_heads")
    return isinstance(heads, int) and heads > 0 and width % heads == 0


_HEADS = ("query", "key", "value", "combine")


def attention_first(layer: Layer, layers: list[list[Tensor]]) -> list[list[Tensor]]:
    """The dense layers with those of the attention first: query, key, value, and what combines the heads."""

    def rank(tensors: list[Tensor]) -> int:
        name = next(n for n, t in layer.weights.items() if t is tensors[0])
        own = name.replace("/vars/0", "").removesuffix("/kernel").rpartition("/")[2]
        named = [i for i, prefix in enumerate(_HEADS) if own.startswith(prefix)]
        return named[0] if named else len(_HEADS)

    return sorted(layers, key=rank)


def four_dense(
    layers: list[list[Tensor]], heads: int, width: int, of: Ref = INPUT, **options: Any
) -> tuple[Layer, ...]:
    """Attention of `of` with Dense layers for all heads together: the projections of MultiHeadAttention are the same
    numbers with the heads apart; it is called with the options."""
    size = width // heads
    projections = {}
    for name, (kernel, *bias) in zip(("query", "key", "value"), layers[:3], strict=True):
        apart = kernel.map(lambda a: a.reshape(a.shape[0], heads, size), (kernel.shape[0], heads, size))
        projections[name] = [apart, *(b.map(lambda a: a.reshape(heads, size), (heads, size)) for b in bias)]
    kernel, *bias = layers[3]
    out = kernel.shape[1]
    projections["output"] = [kernel.map(lambda a: a.reshape(heads, size, out), (heads, size, out)), *bias]
    plain = op("unmasked", "copy", of)  # this attention knows no mask, Keras 3's would take that of its input
    return plain, call(attention("attention", projections), Ref("unmasked"), Ref("unmasked"), **options)


@known("MultiHeadSelfAttention", source=_TEXT, certain=False)
def multi_head_self_attention(layer: Layer) -> Layer:
    """The attention of the Keras example of 2020: Dense layers for all heads, which MultiHeadAttention has apart."""
    config, parts = own_fields(layer), parts_of(layer)
    layers = attention_first(layer, take(parts, is_dense))
    if parts or len(layers) != 4:
        return layer
    inputs, width = layers[0][0].shape[-2:]
    if not all(fit(n, (inputs, width), (width,)) for n in layers[:3]) or not fit(layers[3], (width, width), (width,)):
        return layer
    if not divides(config, width) or not fits(config, {WIDTHS: width}, "num_heads"):
        return layer
    return subgraph(layer, *four_dense(layers, int(config["num_heads"]), width))


@known("TokenAndPositionEmbedding", source=_TEXT, certain=False)
def token_and_position_embedding(layer: Layer) -> Layer:
    """Two Embedding layers of the Keras example, one of the tokens and one of their positions, added."""
    config = own_fields(layer)
    tables = tables_of(layer)
    if tables is None:
        return layer
    tokens, positions = tables
    sizes = {
        ("maxlen", "max_len", "sequence_length", "maximum_position_encoding"): positions.shape[0],
        _VOCABULARIES: tokens.shape[0],
        (*WIDTHS, "output_dim"): tokens.shape[1],
    }
    if not fits(config, sizes) or tokens.shape[1] != positions.shape[1]:
        return layer
    return embedded(layer, tokens, positions)


def tables_of(layer: Layer) -> tuple[Tensor, Tensor] | None:
    """The embeddings of tokens and of positions: by the attributes' names, or in the order in which they were made."""
    parts = parts_of(layer)
    if len(parts) != 2 or not all(len(t) == 1 and len(t[0].shape) == 2 for t in parts.values()):
        return None
    (first_path, (one,)), (_, (other,)) = parts.items()
    return (other, one) if first_path.rpartition("/")[2].startswith("pos") else (one, other)


def embedded(layer: Layer, tokens: Tensor, positions: Tensor, **options: Any) -> Layer:
    sizes = {"input_dim": tokens.shape[0], "output_dim": tokens.shape[1], **options}
    return subgraph(
        layer,
        call(stock("Embedding", "tokens", sizes, embeddings=tokens), INPUT),
        *positions_of(positions),
        op("sum", "add", Ref("tokens"), Ref("positions")),
    )


def positions_of(table: Tensor) -> tuple[Layer, ...]:
    """The rows of `table` for the input's tokens, counted as far as these go: by a running sum of ones."""
    sizes = {"input_dim": table.shape[0], "output_dim": table.shape[1]}
    return (
        op("zero", "zeros_like", INPUT),
        op("ones", "add", Ref("zero"), 1),
        op("counted", "cumsum", Ref("ones"), axis=-1),
        op("position", "subtract", Ref("counted"), 1),
        call(stock("Embedding", "positions", sizes, embeddings=table), Ref("position")),
    )


@known("PositionalEncoding", "PositionEmbedding", "AddPositionEmbs", source="tutorials of time series", certain=False)
def positional_encoding(layer: Layer) -> Layer:
    """An Embedding of the positions that is added to the input, in Keras 3 an addition of what it holds.

    A sinusoidal encoding has no weights; where its numbers are not in the file nothing says which formula made them.
    """
    config = own_fields(layer)
    tables = list(layer.weights.values())
    shape = tables[0].shape if len(tables) == 1 else ()
    if len(shape) != 2:
        return layer
    lengths = ("sequence_length", "maxlen", "max_len", "seq_len", "length", "position", "max_position")
    if not fits(config, {lengths: shape[0], WIDTHS: shape[1]}) or not config:
        return layer
    return subgraph(layer, *positions(INPUT, tables[0]), op("sum", "add", INPUT, Ref("positions")))


def positions(of: Ref, table: Tensor) -> tuple[Layer, ...]:
    """The rows of `table` for the steps of a tensor (batch, steps, features), which are counted by a sum of ones."""
    sizes = {"input_dim": table.shape[0], "output_dim": table.shape[1]}
    return (
        op("zero", "zeros_like", of),
        op("ones", "add", Ref("zero"), 1),
        op("counted", "cumsum", Ref("ones"), axis=1),
        op("numbers", "subtract", Ref("counted"), 1),
        op("position", "take", Ref("numbers"), 0, axis=-1),
        call(stock("Embedding", "positions", sizes, embeddings=table), Ref("position")),
    )


_VIT = 'Keras example "Image classification with Vision Transformer" (keras.io/examples/vision)'


@known("Patches", source=_VIT, certain=False)
def patches(layer: Layer, context: Context) -> Layer:
    """The patches of an image, each as one vector, row by row: `extract_patches` of Keras, then Reshape.

    How long a vector is says the kernel of the layer that the patches go to.
    """
    size = layer.config.get("patch_size")
    if set(own_fields(layer)) != {"patch_size"} or not isinstance(size, int) or layer.weights:
        return layer
    length = _features_of(layer, context)
    if not length or length % (size * size):
        raise NotEquivalent("how many channels the images have that Patches divides cannot be seen")
    return subgraph(
        layer,
        op("squares", "image.extract_patches", INPUT, size, padding="valid"),
        call(stock("Reshape", "in_line", {"target_shape": [-1, length]}), Ref("squares")),
    )


def _features_of(layer: Layer, context: Context) -> int | None:
    """The size of the last axis of a layer's output: the first axis of the kernel of the layer that takes it."""
    graph = context.graph
    if graph is None:
        return None
    after = [n for n in graph.layers if any(r.layer == layer.name for c in n.calls for r in c.refs())]
    if graph.sequential:
        after = list(graph.layers[graph.layers.index(layer) + 1 :][:1])
    kernels = [t[0] for n in after for t in parts_of(n).values() if is_dense(t) and len(t) == 2]
    return kernels[0].shape[-2] if kernels else None


@known("PatchEncoder", source=_VIT, certain=False)
def patch_encoder(layer: Layer) -> Layer:
    """Dense of each patch and an Embedding of its position, added, as in the Keras example."""
    parts = parts_of(layer)
    tables = [t[0] for t in parts.values() if len(t) == 1 and len(t[0].shape) == 2]
    layers = [t for t in parts.values() if len(t) == 2 and is_dense(t)]
    if len(parts) != 2 or len(tables) != 1 or len(layers) != 1 or layers[0][0].shape[-1] != tables[0].shape[1]:
        return layer
    if not fits(own_fields(layer), {("num_patches",): tables[0].shape[0], ("projection_dim",): tables[0].shape[1]}):
        return layer
    return subgraph(
        layer,
        call(dense("projection", layers[0]), INPUT),
        *positions(Ref("projection"), tables[0]),
        op("sum", "add", Ref("projection"), Ref("positions")),
    )


KNOWN = (
    transformer_block,
    multi_head_self_attention,
    token_and_position_embedding,
    positional_encoding,
    patches,
    patch_encoder,
)

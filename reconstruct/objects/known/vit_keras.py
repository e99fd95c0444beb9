"""Vision transformers of vit-keras: a token of the class, positions, and blocks that normalise first."""

from __future__ import annotations

from reconstruct.artifact import Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import dense, fit, is_dense, is_norm, norm, own_fields, parts_of
from reconstruct.objects.known.transformers import attention_first, divides, four_dense, positions, take
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_SOURCE = "vit-keras 0.2.0, layers.py"
_EPSILON = 1e-6
_BLOCK = {"num_heads", "mlp_dim", "dropout"}


@known("ClassToken", source=_SOURCE, library="vit-keras")
def class_token(layer: Layer) -> Layer:
    """A learned step before all others, the same for each sample: a row of an Embedding, in Keras operations."""
    tokens = list(layer.weights.values())
    if own_fields(layer) or not fit(tokens, (1, 1, None)):
        return layer
    size = tokens[0].shape[2]
    table = tokens[0].map(lambda a: a[0], (1, size))
    return subgraph(
        layer,
        op("one", "get_item", INPUT, (slice(None), slice(0, 1), 0)),
        op("zero", "zeros_like", Ref("one")),
        call(stock("Embedding", "token", {"input_dim": 1, "output_dim": size}, embeddings=table), Ref("zero")),
        op("both", "concatenate", [Ref("token"), INPUT], axis=1),
    )


@known("AddPositionEmbs", source=_SOURCE, library="vit-keras")
def add_position_embs(layer: Layer) -> Layer:
    """What was learned of each position, added: an Embedding of the positions, in Keras operations."""
    tables = list(layer.weights.values())
    if own_fields(layer) or not fit(tables, (1, None, None)):
        return layer
    table = tables[0].map(lambda a: a[0], tables[0].shape[1:])
    return subgraph(layer, *positions(INPUT, table), op("sum", "add", INPUT, Ref("positions")))


@known("TransformerBlock", source=_SOURCE, library="vit-keras")
def vision_block(layer: Layer) -> Layer:
    """Attention and two Dense layers with gelu between, each of the normalised input (epsilon 1e-6) and added to it,
    and the attention's weights: layers of Keras."""
    config, parts = own_fields(layer), parts_of(layer)
    if set(config) != _BLOCK:
        return layer
    norms, layers = take(parts, is_norm), attention_first(layer, take(parts, is_dense))
    width = norms[0][0].shape[0] if norms else 0
    if parts or len(norms) != 2 or len(layers) != 6 or not divides(config, width):
        return layer
    *heads, inner, outer = layers
    between = int(config["mlp_dim"])
    if not all(fit(h, (width, width), (width,)) for h in heads) or not fit(inner, (width, between), (between,)):
        return layer
    if not fit(outer, (between, width), (width,)) or not all(fit(n, (width,), (width,)) for n in norms):
        return layer
    rate = {"rate": float(config["dropout"])}
    return subgraph(
        layer,
        call(norm("norm1", norms[0], _EPSILON), INPUT),
        *four_dense(heads, int(config["num_heads"]), width, Ref("norm1"), return_attention_scores=True),
        call(stock("Dropout", "dropout1", rate), Ref("attention")),
        op("add1", "add", Ref("dropout1"), INPUT),
        call(norm("norm2", norms[1], _EPSILON), Ref("add1")),
        call(dense("inner", inner, activation="gelu"), Ref("norm2")),
        call(stock("Dropout", "dropout2", rate), Ref("inner")),
        call(dense("outer", outer), Ref("dropout2")),
        call(stock("Dropout", "dropout3", rate), Ref("outer")),
        op("add2", "add", Ref("add1"), Ref("dropout3")),
        outputs=[Ref("add2"), Ref("attention", 0, 1)],
    )


KNOWN = (class_token, add_position_embs, vision_block)

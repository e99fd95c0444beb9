"""The transformer of F. Chollet, Deep Learning with Python, second edition, chapter 11, which people copy.

None is certain: the same classes of Keras examples have the same configs, and other classes the same names.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import (
    attention,
    dense,
    first,
    is_dense,
    is_norm,
    mask_of,
    masks_exist,
    masks_used,
    no_mask_after,
    norm,
    own_fields,
    parts_of,
    take_attention,
)
from reconstruct.objects.known.transformers import (
    RATES,
    WIDTHS,
    embedded,
    fits,
    fits_block,
    positions_of,
    tables_of,
    take,
)
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_SOURCE = (
    "Deep Learning with Python (2021), chapter 11; keras.io/examples/nlp/neural_machine_translation_with_transformer"
)
_EPSILON = 1e-3  # that of LayerNormalization by default
_MASKING = "PositionalEmbedding"
_ATTENDING = ("TransformerEncoder", "TransformerDecoder")


@known("TransformerEncoder", source=_SOURCE, certain=False)
def transformer_encoder(layer: Layer, context: Context) -> Layer:
    """Attention and two Dense layers with relu between, each added to its input and then normalised (epsilon 0.001);
    steps that are masked are not attended to; in layers of Keras."""
    config, parts = own_fields(layer), parts_of(layer)
    projections = take_attention(parts)
    norms, layers = take(parts, is_norm), take(parts, is_dense)
    if projections is None or parts or len(norms) != 2 or len(layers) != 2 or first(config, *RATES) is not None:
        return layer
    inner, outer = layers
    if not fits_block(config, projections, inner, outer, norms):
        return layer
    no_mask_after(layer, context, _MASKING)
    return subgraph(
        layer,
        *_attended(attention("attention", projections), context),
        op("add1", "add", INPUT, Ref("attention")),
        call(norm("norm1", norms[0], _EPSILON), Ref("add1")),
        call(dense("inner", inner, activation="relu"), Ref("norm1")),
        call(dense("outer", outer), Ref("inner")),
        op("add2", "add", Ref("norm1"), Ref("outer")),
        call(norm("norm2", norms[1], _EPSILON), Ref("add2")),
    )


def _attended(of: Layer, context: Context) -> tuple[Layer, ...]:
    """The attention of the input to itself: it takes the input's mask by itself from tf.keras 2.10 on and in Keras 3,
    and for steps that are masked too; before, the layer gave it the mask of what is attended to alone."""
    if context.writer.version >= (2, 10, 0) or not masks_exist(context, _MASKING):
        return (call(of, INPUT, INPUT),)
    return (
        mask_of(INPUT),
        op("row", "expand_dims", Ref("mask"), 1),
        op("counts", "cast", Ref("row"), "bool"),
        op("unmasked", "copy", INPUT),
        call(of, Ref("unmasked"), Ref("unmasked"), attention_mask=Ref("counts")),
    )


@known("PositionalEmbedding", source=_SOURCE, certain=False)
def positional_embedding(layer: Layer, context: Context) -> Layer:
    """Two Embedding layers, of the tokens and of their positions, added, of Keras; the token 0 is masked.

    No layer of Keras adds and keeps the mask of one input alone; Concatenate does, and a fixed Dense adds the halves.
    """
    tables = tables_of(layer)
    if tables is None or tables[0].shape[1] != tables[1].shape[1]:
        return layer
    tokens, positions = tables
    sizes = {
        ("sequence_length", "maxlen", "max_len", "max_length"): positions.shape[0],
        ("input_dim", "vocab_size"): tokens.shape[0],
        ("output_dim", *WIDTHS): tokens.shape[1],
    }
    if not fits(own_fields(layer), sizes):
        return layer
    if not masks_used(context, *_ATTENDING):
        return embedded(layer, tokens, positions)
    width = tokens.shape[1]
    return subgraph(
        layer,
        call(stock("Embedding", "tokens", _sizes(tokens) | {"mask_zero": True}, embeddings=tokens), INPUT),
        *positions_of(positions),
        call(stock("Concatenate", "both"), [Ref("tokens"), Ref("positions")]),
        call(dense("sum", [_halves(width)], trainable=False), Ref("both")),
    )


def _sizes(table: Tensor) -> dict[str, int]:
    return {"input_dim": table.shape[0], "output_dim": table.shape[1]}


def _halves(width: int) -> Tensor:
    """The kernel that adds the two halves of a vector."""
    return Tensor("kernel", (2 * width, width), "float32", lambda: np.tile(np.eye(width, dtype="float32"), (2, 1)))


KNOWN = (transformer_encoder, positional_embedding)

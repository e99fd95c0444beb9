"""The transformer of F. Chollet, Deep Learning with Python, second edition, chapter 11, which people copy.

None is certain: the same classes of Keras examples have the same configs, and other classes the same names.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import (
    attention,
    carrying_mask,
    dense,
    first,
    is_dense,
    is_norm,
    listed,
    mask_of,
    masks_exist,
    masks_used,
    no_mask_after,
    norm,
    own_fields,
    parts_of,
    take_attention,
    take_attentions,
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
    made = subgraph(
        layer,
        *_attended(attention("attention", projections), context),
        op("add1", "add", INPUT, Ref("attention")),
        call(norm("norm1", norms[0], _EPSILON), Ref("add1")),
        call(dense("inner", inner, activation="relu"), Ref("norm1")),
        call(dense("outer", outer), Ref("inner")),
        op("add2", "add", Ref("norm1"), Ref("outer")),
        call(norm("norm2", norms[1], _EPSILON), Ref("add2")),
    )
    return carrying_mask(layer, made) if _decoder_looks_at_mask(context) else made


def _decoder_looks_at_mask(context: Context) -> bool:
    """Whether a decoder of keras.io follows, whose `latent_dim` is `dense_dim` in the book: the encoder of keras.io
    hands its mask on, which the decoder's attention takes from tf.keras 2.10 on and in Keras 3."""
    return (
        context.writer.version >= (2, 10, 0)
        and masks_exist(context, _MASKING)
        and any(
            n.class_name == "TransformerDecoder" and "latent_dim" in n.config and not n.calls[0].kwargs.get("mask")
            for n in context.model.walk()
        )
    )


@known("TransformerDecoder", source=_SOURCE, certain=False)
def transformer_decoder(layer: Layer, context: Context) -> Layer:
    """Attention of each step to those before, then to the encoder, and two Dense layers with relu between, each added
    to its input and then normalised (epsilon 0.001); in layers of Keras.

    Called on two arguments it has the mask of the first and uses it, with the causal one, where it attends to the
    encoder; the later one of keras.io, called on a list, hides the steps of either that are masked.
    """
    config, parts, called = own_fields(layer), parts_of(layer), listed(layer, 2)
    projections = take_attentions(parts, 2)
    norms, layers = take(parts, is_norm), take(parts, is_dense)
    if called is None or projections is None or parts or len(norms) != 3 or len(layers) != 2:
        return layer
    inner, outer = layers
    if first(config, *RATES) is not None or not fits_block(config, projections[0], inner, outer, norms):
        return layer
    no_mask_after(layer, context, _MASKING)
    to_itself, to_encoder = (attention(f"attention{i}", of) for i, of in enumerate(projections, 1))
    return subgraph(
        called,
        *_masked_attention(layer, context, to_itself, to_encoder, norms[0]),
        op("add2", "add", Ref("norm1"), Ref("attention2")),
        call(norm("norm2", norms[1], _EPSILON), Ref("add2")),
        call(dense("inner", inner, activation="relu"), Ref("norm2")),
        call(dense("outer", outer), Ref("inner")),
        op("add3", "add", Ref("norm2"), Ref("outer")),
        call(norm("norm3", norms[2], _EPSILON), Ref("add3")),
        inputs=2,
    )


def _masked_attention(
    layer: Layer, context: Context, to_itself: Layer, to_encoder: Layer, tensors: list[Tensor]
) -> tuple[Layer, ...]:
    """Both attentions of the decoder, and what is normalised between them."""
    steps, encoder = Ref("input_0"), Ref("input_1")
    masked, version = masks_exist(context, _MASKING), context.writer.version
    listed_call = len(layer.calls[0].refs()) != len(layer.calls[0].args) + len(layer.calls[0].kwargs)
    nodes: list[Layer] = []
    if masked and version < (2, 10, 0):  # attention did not see masks by itself
        nodes = [op("steps", "copy", steps), op("encoder", "copy", encoder)]
        steps, encoder = Ref("steps"), Ref("encoder")
    options: dict[str, object] = {}
    if masked and (listed_call or version < (3, 0, 0)):
        nodes.append(mask_of(Ref("input_0")))
        if listed_call:
            nodes.append(op("counts", "cast", Ref("mask"), "bool"))
            options = {"query_mask": Ref("counts")}
        else:
            nodes += [op("row", "expand_dims", Ref("mask"), 1), op("counts", "cast", Ref("row"), "bool")]
            options = {"attention_mask": Ref("counts"), "use_causal_mask": True}
    return (
        *nodes,
        call(to_itself, steps, steps, use_causal_mask=True),
        op("add1", "add", Ref("input_0"), Ref("attention1")),
        call(norm("norm1", tensors, _EPSILON), Ref("add1")),
        call(to_encoder, Ref("norm1"), encoder, **options),
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

    No layer of Keras adds and keeps the mask of one input alone; Concatenate did, and a fixed Dense adds the halves. In
    Keras 3.15 its mask is all ones (layers/merging/concatenate.py), which shows where a file does not say the mask.
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
    if context.writer.major >= 3 and _attends_unsaid(context):
        return carrying_mask(layer, embedded(layer, tokens, positions, mask_zero=True), Ref("tokens"))
    width = tokens.shape[1]
    return subgraph(
        layer,
        call(stock("Embedding", "tokens", _sizes(tokens) | {"mask_zero": True}, embeddings=tokens), INPUT),
        *positions_of(positions),
        call(stock("Concatenate", "both"), [Ref("tokens"), Ref("positions")]),
        call(dense("sum", [_halves(width)], trainable=False), Ref("both")),
    )


def _attends_unsaid(context: Context) -> bool:
    """Whether a layer that attends within, which is a model by now, is called without a mask: it takes the automatic
    one. Of layers with an argument for it a file of Keras 3 says the mask."""
    return any(
        n.is_model and any("mask" not in c.kwargs for c in n.calls)
        for n in context.model.walk()
        if n.graph is not None and any(inner.class_name == "MultiHeadAttention" for inner in n.graph.layers)
    )


def _sizes(table: Tensor) -> dict[str, int]:
    return {"input_dim": table.shape[0], "output_dim": table.shape[1]}


def _halves(width: int) -> Tensor:
    """The kernel that adds the two halves of a vector."""
    return Tensor("kernel", (2 * width, width), "float32", lambda: np.tile(np.eye(width, dtype="float32"), (2, 1)))


KNOWN = (transformer_encoder, transformer_decoder, positional_embedding)

"""Attention of all steps to each other before Keras had it, which people copy from bojone's page and after it.

None is certain: what the products are divided by is code.
"""

from __future__ import annotations

from operator import itemgetter

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare, fit, listed, named, own_fields
from reconstruct.rules.expansion import INPUT

_BOJONE = "attention_keras.py (bojone)"


@known("Self_Attention", "SelfAttention", "self_attention", source="articles on bojone's attention", certain=False)
def single_head(layer: Layer) -> Layer:
    """Dot products of queries and keys, divided by 8 whatever their size, over the values; one kernel for the three; in
    Dense layers and operations of Keras."""
    found = list(layer.weights.values())
    if set(own_fields(layer)) != {"output_dim"} or not fit(found, (3, None, layer.config["output_dim"])):
        return layer
    nodes, shape = Nodes(), found[0].shape[1:]
    query, key, value = (nodes.dense(found[0].map(itemgetter(i), shape), None, INPUT, "dense") for i in range(3))
    score = nodes.op("multiply", nodes.op("einsum", "bqd,bkd->bqk", query, key), np.float32(1 / 8))
    return nodes.model(layer, 1, nodes.op("matmul", nodes.op("softmax", score, axis=-1), value))


@known("Attention", "Self_Attention", "MultiHeadAttention", source=_BOJONE, certain=False)
def several_heads(layer: Layer) -> Layer:
    """Dot products of queries and keys, over the root of their size, for several heads whose values stand in a row; in
    Dense layers and operations of Keras."""
    config, called, found = own_fields(layer), listed(layer, 3), named(layer, "WQ", "WK", "WV")
    heads, size = config.get("nb_head"), config.get("size_per_head")
    if called is None or found is None or not set(config) <= {"nb_head", "size_per_head", "output_dim"}:
        return layer
    if not isinstance(heads, int) or not isinstance(size, int) or not fit(found, *[(None, heads * size)] * 3):
        return layer
    nodes = Nodes()
    query, key, value = (
        nodes.reshape(nodes.dense(kernel, None, Ref(f"input_{i}"), "dense"), [-1, heads, size])
        for i, kernel in enumerate(found)
    )
    score = nodes.op("multiply", nodes.op("einsum", "bqhd,bkhd->bhqk", query, key), np.float32(size**-0.5))
    attended = nodes.op("einsum", "bhqk,bkhd->bqhd", nodes.op("softmax", score, axis=-1), value)
    return nodes.model(called, 3, nodes.reshape(attended, [-1, heads * size]))


@known("Position_Embedding", source=_BOJONE, certain=False)
def waves_of_positions(layer: Layer) -> Layer:
    """Cosines, then sines of positions, added or put before, in Keras operations; without config it is added."""
    config = own_fields(layer)
    mode, size = config.get("mode", "sum"), config.get("size")
    if not bare(layer.replace(config={}), 1) or not set(config) <= {"mode", "size"} or mode not in ("sum", "concat"):
        return layer
    nodes = Nodes()
    one = nodes.op("ones_like", nodes.op("get_item", INPUT, (Ellipsis, slice(0, 1))))
    step = nodes.op("subtract", nodes.op("cumsum", one, axis=1), np.float32(1))
    if size is not None and mode == "concat":
        half = np.arange(int(size) // 2, dtype="float32")
        angle = nodes.op("multiply", step, (1.0 / 10000.0 ** (2 * half / int(size))).astype("float32"))
    else:  # half of the input's features, however many these are
        first = nodes.op("get_item", INPUT, (0, 0))
        count = nodes.op("sum", nodes.op("ones_like", first), keepdims=True)
        number = nodes.op("subtract", nodes.op("cumsum", nodes.op("ones_like", first)), np.float32(1))
        power = nodes.op("divide", nodes.op("multiply", number, np.float32(2)), count)
        every = nodes.op("divide", step, nodes.op("power", np.float32(10000), power))
        angle = nodes.op("split", every, 2, axis=-1)
    waves = nodes.op("concatenate", [nodes.op("cos", angle), nodes.op("sin", angle)], axis=-1)
    if mode == "sum":
        return nodes.model(layer, 1, nodes.op("add", INPUT, waves))
    return nodes.model(layer, 1, nodes.op("concatenate", [waves, INPUT], axis=-1))


KNOWN = (single_head, several_heads, waves_of_positions)

"""Time embeddings and a transformer without positions, which people copy from articles that forecast prices.

None is certain: the classes have few fields, and others the same names.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor, combine
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import (
    attention,
    dense,
    fit,
    is_dense,
    is_norm,
    listed,
    named,
    norm,
    own_fields,
    parts_of,
)
from reconstruct.objects.known.transformers import take
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_PRICES = "Stock predictions with state-of-the-art transformer and time embeddings (J. Schmitz, 2020)"
_EPSILON = 1e-6


@known("Time2Vector", source=_PRICES, certain=False)
def time_to_vector(layer: Layer) -> Layer:
    """Two features of each step, of the mean of the first four: a line, and the sine of another, with numbers of their
    own for each step; in EinsumDense and operations of Keras."""
    found = named(layer, "weight_linear", "bias_linear", "weight_periodic", "bias_periodic")
    steps = layer.config.get("seq_len")
    if found is None or set(own_fields(layer)) != {"seq_len"} or not fit(found, *[(steps,)] * 4):
        return layer
    nodes = Nodes()
    mean = nodes.op("mean", nodes.op("get_item", INPUT, (Ellipsis, slice(0, 4))), axis=-1)
    config = {"equation": "bs,s->bs", "output_shape": [found[0].shape[0]], "bias_axes": "s"}
    line, wave = (
        nodes.stock("EinsumDense", config, {"kernel": kernel, "bias": bias}, mean)
        for kernel, bias in (found[:2], found[2:])
    )
    return nodes.model(layer, 1, nodes.op("stack", [line, nodes.op("sin", wave)], axis=-1))


@known("T2V", source="Time2Vec for time series features encoding (M. Cerliani, 2019)", certain=False)
def time2vec(layer: Layer) -> Layer:
    """Sines of a Dense of each step, and the step itself times one number, plus another; what is added depends on the
    step; in EinsumDense and operations of Keras."""
    found = named(layer, "W", "P", "w", "p")
    size = layer.config.get("output_dim")
    if found is None or set(own_fields(layer)) != {"output_dim"} or len(found[1].shape) != 2:
        return layer
    kernel, bias, factor, shift = found
    steps = bias.shape[0]
    if not fit(found, (None, size), (steps, size), (steps, 1), (steps, 1)):
        return layer
    features = kernel.shape[0]
    nodes = Nodes()
    waves = {"equation": "bsi,io->bso", "output_shape": [steps, kernel.shape[1]], "bias_axes": "so"}
    lines = {"equation": "bsi,s->bsi", "output_shape": [steps, features], "bias_axes": "s"}
    wave = nodes.stock("EinsumDense", waves, {"kernel": kernel, "bias": bias}, INPUT)
    line = nodes.stock("EinsumDense", lines, {"kernel": factor.map(np.ravel, (steps,)), "bias": shift}, INPUT)
    return nodes.model(layer, 1, nodes.op("concatenate", [nodes.op("sin", wave), line], axis=-1))


@known("TransformerEncoder", source=_PRICES, certain=False)
def encoder_of_prices(layer: Layer) -> Layer:
    """Attention of several heads and two convolutions of size 1 with relu between, each added to the input and then
    normalised (epsilon 1e-6); in layers of Keras."""
    config, parts, called = own_fields(layer), parts_of(layer), listed(layer, 3)
    if (
        not {"d_k", "d_v", "n_heads"}
        <= set(config)
        <= {"d_k", "d_v", "n_heads", "ff_dim", "attn_heads", "dropout_rate"}
    ):
        return layer
    paths = {id(tensors): path.rpartition("/")[2] for path, tensors in parts.items()}
    norms, layers = take(parts, is_norm), take(parts, is_dense)
    heads, rate = config["n_heads"], config.get("dropout_rate", 0.1)
    if called is None or parts or len(norms) != 2 or len(layers) != 3 * heads + 3:
        return layer
    *projections, joined, inner, outer = layers
    each = [_in_order(projections[i : i + 3], paths) for i in range(0, 3 * heads, 3)]
    width = norms[0][0].shape[0]
    sizes = [(width, config["d_k"]), (width, config["d_k"]), (width, config["d_v"])]
    whole = (heads * config["d_v"], width)
    if not all(fit(t, size, size[1:]) for head in each for t, size in zip(head, sizes, strict=True)):
        return layer
    if not fit(joined, whole, (width,)) or inner[0].shape[-2:] != outer[0].shape[-1:-3:-1]:
        return layer
    apart = (heads, config["d_v"], width)
    of = {name: _together([head[i] for head in each]) for i, name in enumerate(("query", "key", "value"))}
    of["output"] = [joined[0].map(lambda a: a.reshape(apart), apart), joined[1]]
    dropout = {"rate": float(rate)}
    names = [f"input_{i}" for i in range(3)]
    return subgraph(
        called,
        *(op(f"plain_{i}", "copy", Ref(name)) for i, name in enumerate(names)),  # this attention knows no masks
        call(attention("attention", of), Ref("plain_0"), Ref("plain_2"), Ref("plain_1")),
        call(stock("Dropout", "dropout1", dropout), Ref("attention")),
        op("add1", "add", Ref("input_0"), Ref("dropout1")),
        call(norm("norm1", norms[0], _EPSILON), Ref("add1")),
        call(dense("inner", inner, activation="relu"), Ref("norm1")),
        call(dense("outer", outer), Ref("inner")),
        call(stock("Dropout", "dropout2", dropout), Ref("outer")),
        op("add2", "add", Ref("input_0"), Ref("dropout2")),
        call(norm("norm2", norms[1], _EPSILON), Ref("add2")),
        inputs=3,
    )


_ORDER = ("query", "key", "value")


def _in_order(head: list[list[Tensor]], paths: dict[int, str]) -> list[list[Tensor]]:
    """Query, key and value of a head, by their names where a `.keras` file sorts them, else as they were made."""
    if {paths[id(tensors)] for tensors in head} != set(_ORDER):
        return head
    return sorted(head, key=lambda tensors: _ORDER.index(paths[id(tensors)]))


def _together(heads: list[list[Tensor]]) -> list[Tensor]:
    """Kernel and bias of all heads, which MultiHeadAttention has on an axis of their own before the last."""
    kernels, biases = zip(*heads, strict=True)
    width, size = kernels[0].shape
    return [
        combine("kernel", kernels, lambda arrays: np.stack(arrays, axis=1), (width, len(heads), size)),
        combine("bias", biases, np.stack, (len(heads), size)),
    ]


KNOWN = (time_to_vector, time2vec, encoder_of_prices)

"""Layers that scale or weigh the channels or places of an image: of ports of Caffe models, SSD, and of attention."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Graph, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.normalizations import scale_and_shift
from reconstruct.objects.known.parts import fit, is_dense, named, own_fields, parts_of
from reconstruct.objects.known.surroundings import after
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, call, op, subgraph

_SCALE = {"axis", "momentum", "beta_init", "gamma_init", "beta_initializer", "gamma_initializer"}


@known("Scale", source="DenseNet-Keras, custom_layers.py (flyyufelix)", certain=False)
def scale_of_channels(layer: Layer) -> Layer:
    """Each channel of an image times its own number, plus another: Keras's DepthwiseConv2D of size 1."""
    config, found = own_fields(layer), named(layer, "gamma", "beta")
    if not {"axis"} <= set(config) <= _SCALE or found is None or not fit(found, (None,), found[0].shape):
        return layer
    if config["axis"] not in (1, 3):
        raise NotEquivalent(f"{layer.name} scales axis {config['axis']}, which need not be that of an image's channels")
    by_name = dict(zip(("gamma", "beta"), found, strict=True))
    made = scale_and_shift(by_name, 4, config["axis"] == 1)
    return made.replace(name=layer.name, config={**made.config, "name": layer.name}, calls=layer.calls, path=layer.path)


@known("L2Normalization", "Normalize", source="ssd_keras, keras_layer_L2Normalization.py, ssd_layers.py", certain=False)
def l2_normalization(layer: Layer) -> Layer:
    """The channels of each pixel divided by their length, each times its own number; in Keras operations, the
    square of the length at least 1e-12 as in `tf.nn.l2_normalize`."""
    found = named(layer, "gamma")
    if not set(own_fields(layer)) <= {"gamma_init", "scale"} or found is None or not fit(found, (None,)):
        return layer
    return subgraph(
        layer,
        op("unit", "normalize", INPUT, axis=-1, order=2, epsilon=1e-6),  # which Keras 3 squares
        call(scale_and_shift({"gamma": found[0]}, 4, False), Ref("unit")),
    )


_SIZES = set(
    "ratio reduction reduction_ratio se_ratio squeeze_ratio channels channel filters in_channels num_channels "
    "units".split()
)
_SE = (
    "SEBlock", "SELayer", "SqueezeExcite", "SqueezeExcitation", "SqueezeAndExcitation", "SqueezeExciteBlock",
    "SqueezeExcitationBlock", "SE_Block", "SEModule",
)  # fmt: skip


@known(*_SE, source="tutorials of squeeze and excitation (Hu et al. 2018)", certain=False)
def squeeze_and_excitation(layer: Layer, context: Context) -> Layer:
    """An image times a weight for each channel: two Dense layers of Keras of the channels' means, with relu and
    sigmoid."""
    layers = _two_dense(layer)
    if layers is None:
        return layer
    nodes = Nodes()
    mean = nodes.op("mean", _in_row(nodes, layers), axis=1)
    weights = nodes.op("sigmoid", _perceptron(nodes, layers, mean))
    return _weighed(layer, context, nodes, _everywhere(nodes, weights))


@known("ChannelAttention", "ChannelAttentionModule", source="tutorials of CBAM (Woo et al. 2018)", certain=False)
def channel_attention(layer: Layer, context: Context) -> Layer:
    """An image times a weight for each channel: two Dense layers of Keras of the channels' means and of their
    largest values, added, through sigmoid."""
    layers = _two_dense(layer)
    if layers is None:
        return layer
    nodes = Nodes()
    row = _in_row(nodes, layers)
    mean = _perceptron(nodes, layers, nodes.op("mean", row, axis=1))
    highest = nodes.op("max", row, axis=1)
    inner, outer = (n for n in nodes.made if n.class_name == "Dense")
    highest = nodes.shared(outer.name, nodes.op("relu", nodes.shared(inner.name, highest)))
    weights = nodes.op("sigmoid", nodes.op("add", mean, highest))
    return _weighed(layer, context, nodes, _everywhere(nodes, weights))


@known("SpatialAttention", "SpatialAttentionModule", source="tutorials of CBAM (Woo et al. 2018)", certain=False)
def spatial_attention(layer: Layer, context: Context) -> Layer:
    """An image times a weight for each pixel: Keras's Conv2D of the mean and the largest of its channels, through
    sigmoid."""
    found = list(layer.weights.values())
    if not fit(found, (None, None, 2, 1)) and not fit(found, (None, None, 2, 1), (1,)):
        return layer
    kernel, *bias = found
    config = own_fields(layer)
    said = config.get("kernel_size", kernel.shape[0])
    if not set(config) <= {"kernel_size"} or said not in (kernel.shape[0], list(kernel.shape[:2])):
        return layer
    nodes = Nodes()
    both = [nodes.op(how, INPUT, axis=-1, keepdims=True) for how in ("mean", "max")]
    size = {"filters": 1, "kernel_size": list(kernel.shape[:2]), "padding": "same", "use_bias": bool(bias)}
    tensors = dict(zip(("kernel", "bias"), [kernel, *bias], strict=False))
    seen = nodes.stock("Conv2D", size, tensors, nodes.op("concatenate", both, axis=-1))
    return _weighed(layer, context, nodes, nodes.op("sigmoid", seen))


def _two_dense(layer: Layer) -> list[list[Tensor]] | None:
    """The tensors of the two layers within, in whose middle there are fewer channels; convolutions of size 1 too.

    None where there are others, or where the config says more than sizes.
    """
    if not set(own_fields(layer)) <= _SIZES:
        return None
    parts = parts_of(layer)
    layers = [[_as_dense(t[0]), *t[1:]] for t in parts.values()]
    if len(layers) != 2 or not all(is_dense(t) for t in layers):
        return None
    (inner, *_), (outer, *_) = sorted(layers, key=lambda t: t[0].shape[-1])
    if inner.shape != outer.shape[::-1] or inner.shape[0] < inner.shape[1]:
        return None
    return sorted(layers, key=lambda t: t[0].shape[-1])


def _as_dense(kernel: Tensor) -> Tensor:
    if len(kernel.shape) == 4 and kernel.shape[:2] == (1, 1):
        return kernel.map(lambda a: a[0, 0], kernel.shape[2:])
    return kernel


def _perceptron(nodes: Nodes, layers: list[list[Tensor]], x: Ref) -> Ref:
    (inner, *inner_bias), (outer, *outer_bias) = layers
    hidden = nodes.op("relu", nodes.dense(inner, next(iter(inner_bias), None), x, "inner"))
    return nodes.dense(outer, next(iter(outer_bias), None), hidden, "outer")


def _in_row(nodes: Nodes, layers: list[list[Tensor]]) -> Ref:
    """All places of an image, or all steps of a sequence, one after another: how many axes there are is not known."""
    return nodes.reshape(INPUT, [-1, layers[0][0].shape[0]])


def _everywhere(nodes: Nodes, weights: Ref) -> Ref:
    """The weights of the channels, (batch, channels), at each place."""
    return nodes.op("einsum", "b...c,bc->b...c", nodes.op("ones_like", INPUT), weights)


def _weighed(layer: Layer, context: Context, nodes: Nodes, weights: Ref) -> Layer:
    """The image times the weights; the weights alone where the model itself multiplies with them."""
    users = after(layer, context.graph or Graph(())) if layer.calls else []
    alone = bool(users) and all(n.class_name == "Multiply" or _is_product(n) for n in users or [])
    return nodes.model(layer, 1, weights if alone else nodes.op("multiply", INPUT, weights))


def _is_product(layer: Layer) -> bool:
    return layer.class_name == "Op" and layer.config.get("function") == "multiply"


@known("LRN", source="GoogLeNet in Keras, googlenet_custom_layers.py (joelouismarino)", certain=False)
def local_response_normalization(layer: Layer, context: Context) -> Layer:
    """A pixel divided by (k + alpha/n · the squares of n channels around) to the power of beta, in Keras operations.

    Copies have the channels last; the file says of its convolutions and poolings where theirs are.
    """
    config = own_fields(layer)
    if layer.weights or set(config) != {"alpha", "k", "beta", "n"} or not isinstance(config["n"], int):
        return layer
    axis, count, half = _axis_of_channels(layer, context), config["n"], config["n"] // 2
    nodes = Nodes()
    around = [[half, half] if i == axis else [0, 0] for i in range(4)]
    squares = nodes.op("pad", nodes.op("square", INPUT), around)
    total: Ref | None = None
    for i in range(count):
        at = [slice(None)] * axis + [slice(i, i - 2 * half or None)]
        part = nodes.op("get_item", squares, tuple(at))
        total = part if total is None else nodes.op("add", total, part)
    weighed = nodes.op("multiply", total, np.float32(config["alpha"] / count))
    divisor = nodes.op("power", nodes.op("add", weighed, np.float32(config["k"])), np.float32(config["beta"]))
    return nodes.model(layer, 1, nodes.op("divide", INPUT, divisor))


_LAST, _FIRST = ("channels_last", "tf"), ("channels_first", "th")


def _axis_of_channels(layer: Layer, context: Context) -> int:
    """The axis of the channels, which all other layers of the model agree on."""
    said = {n.config.get("data_format", n.config.get("dim_ordering")) for n in context.model.walk()} - {None, "default"}
    if not said or not (said <= set(_LAST) or said <= set(_FIRST)):
        raise NotEquivalent(f"which axis of {layer.name} are the channels is not in the file")
    return 1 if said <= set(_FIRST) else 3


KNOWN = (
    scale_of_channels,
    l2_normalization,
    squeeze_and_excitation,
    channel_attention,
    spatial_attention,
    local_response_normalization,
)

"""Layers of generators and discriminators that people copy from tutorials of progressive and residual GANs."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare, fit, own_fields
from reconstruct.rules.expansion import INPUT

_PROGRESSIVE = "machinelearningmastery.com, How to Train a Progressive Growing GAN in Keras"


@known("PixelNormalization", "PixelNorm", "PixelNormLayer", source=_PROGRESSIVE, certain=False)
def pixel_normalization(layer: Layer) -> Layer:
    """Each pixel divided by the root of the mean of its squares and 1e-8, in Keras operations."""
    epsilon = own_fields(layer)
    if layer.weights or not set(epsilon) <= {"epsilon", "eps"} or len(epsilon) > 1:
        return layer
    nodes = Nodes()
    mean = nodes.op("mean", nodes.op("square", INPUT), axis=-1, keepdims=True)
    above_zero = nodes.op("add", mean, np.float32(next(iter(epsilon.values()), 1e-8)))
    return nodes.model(layer, 1, nodes.op("divide", INPUT, nodes.op("sqrt", above_zero)))


@known("MinibatchStdev", "MinibatchStd", "MiniBatchStandardDeviation", source=_PROGRESSIVE, certain=False)
def minibatch_stdev(layer: Layer) -> Layer:
    """A further channel with the mean of the deviations over the batch (variance and 1e-8), in Keras operations."""
    if not bare(layer, 1):
        return layer
    nodes = Nodes()
    mean = nodes.op("mean", INPUT, axis=0, keepdims=True)
    variance = nodes.op("mean", nodes.op("square", nodes.op("subtract", INPUT, mean)), axis=0, keepdims=True)
    deviation = nodes.op("sqrt", nodes.op("add", variance, np.float32(1e-8)))
    whole = nodes.op("mean", deviation, keepdims=True)
    one = nodes.op("ones_like", nodes.op("get_item", INPUT, (Ellipsis, slice(0, 1))))
    return nodes.model(layer, 1, nodes.op("concatenate", [INPUT, nodes.op("multiply", one, whole)], axis=-1))


@known("WeightedSum", source=_PROGRESSIVE, certain=False)
def weighted_sum(layer: Layer) -> Layer:
    """(1 - alpha) · the old input + alpha · the new; no file of Keras holds alpha, which is 0 when it is loaded."""
    if not bare(layer.without("alpha"), 2):
        return layer
    alpha = layer.config.get("alpha", 0.0)
    if not isinstance(alpha, int | float):
        return layer
    nodes = Nodes()
    old = nodes.op("multiply", Ref("input_0"), np.float32(1.0 - alpha))
    new = nodes.op("multiply", Ref("input_1"), np.float32(alpha))
    return nodes.model(layer, 2, nodes.op("add", old, new))


@known(
    "MinibatchDiscrimination",
    source="pull request 3677 of Keras, which people copy (after Salimans et al. 2016)",
    certain=False,
)
def minibatch_discrimination(layer: Layer) -> Layer:
    """How alike a sample is to each of its batch by several kernels, appended to it; in Keras operations."""
    found = list(layer.weights.values())
    if not fit(found, (layer.config.get("nb_kernels"), None, layer.config.get("kernel_dim"))):
        return layer
    kernel = found[0]
    count, inputs, size = kernel.shape
    flat = kernel.map(lambda a: a.transpose(1, 0, 2).reshape(inputs, -1), (inputs, count * size))
    nodes = Nodes()
    features = nodes.reshape(nodes.dense(flat, None, INPUT, "kernels"), [count, size])
    one, other = nodes.op("expand_dims", features, 1), nodes.op("expand_dims", features, 0)
    apart = nodes.op("sum", nodes.op("abs", nodes.op("subtract", one, other)), axis=3)
    alike = nodes.op("sum", nodes.op("exp", nodes.op("negative", apart)), axis=1)
    return nodes.model(layer, 1, nodes.op("concatenate", [INPUT, alike], axis=1))


KNOWN = (pixel_normalization, minibatch_stdev, weighted_sum, minibatch_discrimination)

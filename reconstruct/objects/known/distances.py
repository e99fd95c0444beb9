"""How far two or three vectors are apart: layers of siamese networks, which have no weights.

None is certain: no config says whether the distance is squared, or what keeps its root from zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import listed, own_fields

_SIAMESE = "tutorials of siamese networks"


def _of_two(layer: Layer, distance: Callable[[Nodes, Ref, Ref], Ref]) -> Layer:
    called = listed(layer, 2)
    if called is None or layer.weights or own_fields(layer):
        return layer
    nodes = Nodes()
    return nodes.model(called, 2, distance(nodes, Ref("input_0"), Ref("input_1")))


def _squared(nodes: Nodes, one: Ref, other: Ref, keepdims: bool) -> Ref:
    difference = nodes.op("subtract", one, other)
    return nodes.op("sum", nodes.op("square", difference), axis=-1, keepdims=keepdims)


@known("L1Dist", "L1Distance", "L1_dist", "AbsDiff", "AbsoluteDifference", source=_SIAMESE, certain=False)
def l1_distance(layer: Layer) -> Layer:
    """The absolute difference of two tensors, as in tutorials of siamese networks; in Keras operations."""
    return _of_two(layer, lambda nodes, one, other: nodes.op("abs", nodes.op("subtract", one, other)))


@known(
    "EuclideanDistance", "EuclideanDistanceLayer", "L2Dist", "L2Distance", "Euclidean",
    source="keras.io/examples/vision/siamese_contrastive, its `euclidean_distance`", certain=False,
)  # fmt: skip
def euclidean_distance(layer: Layer) -> Layer:
    """The root of the sum of squared differences, at least `K.epsilon()` under the root; in Keras operations."""

    def distance(nodes: Nodes, one: Ref, other: Ref) -> Ref:
        total = _squared(nodes, one, other, True)
        return nodes.op("sqrt", nodes.op("maximum", total, np.float32(1e-7)))

    return _of_two(layer, distance)


@known("CosineDistance", "CosineDistanceLayer", source=_SIAMESE, certain=False)
def cosine_distance(layer: Layer) -> Layer:
    """One less the cosine of the angle between two vectors, in Keras operations."""

    def distance(nodes: Nodes, one: Ref, other: Ref) -> Ref:
        return nodes.op("subtract", np.float32(1), _cosine(nodes, one, other))

    return _of_two(layer, distance)


@known("CosineSimilarity", "CosineSimilarityLayer", "CosineLayer", source=_SIAMESE, certain=False)
def cosine_similarity(layer: Layer) -> Layer:
    """The cosine of the angle between two vectors, in Keras operations."""
    return _of_two(layer, _cosine)


def _cosine(nodes: Nodes, one: Ref, other: Ref) -> Ref:
    """The product of the two, each divided by its length (`tf.nn.l2_normalize`, whose epsilon 1e-12 is squared)."""
    units = [nodes.op("normalize", of, axis=-1, order=2, epsilon=1e-6) for of in (one, other)]
    return nodes.op("sum", nodes.op("multiply", *units), axis=-1, keepdims=True)


@known("DistanceLayer", source="keras.io/examples/vision/siamese_network", certain=False)
def triplet_distances(layer: Layer) -> Layer:
    """The squared distances of an anchor to what is like it and to what is not, in Keras operations."""
    called = listed(layer, 3)
    if called is None or layer.weights or own_fields(layer):
        return layer
    nodes = Nodes()
    near, far = (_squared(nodes, Ref("input_0"), Ref(f"input_{i}"), False) for i in (1, 2))
    return nodes.model(called, 3, [near, far])


KNOWN = (l1_distance, euclidean_distance, cosine_distance, cosine_similarity, triplet_distances)

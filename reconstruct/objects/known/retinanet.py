"""Layers of keras-retinanet that join feature maps and make boxes of anchors; images have their channels last."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare, listed, own_fields
from reconstruct.rules.expansion import INPUT

_SOURCE = "keras-retinanet 1.0.0, layers/_misc.py"
_LIBRARY = "keras-retinanet"
_ANCHORS = {"size", "stride", "ratios", "scales"}


def _ones(nodes: Nodes, image: Ref, axis: int) -> Ref:
    """A 1 for each row (axis 1) or column (axis 2) of an image."""
    at = (0, slice(None), 0, 0) if axis == 1 else (0, 0, slice(None), 0)
    return nodes.op("ones_like", nodes.op("get_item", image, at), dtype="float32")


def _size(nodes: Nodes, image: Ref, axis: int) -> Ref:
    """How many rows or columns an image has, (1,)."""
    return nodes.op("sum", _ones(nodes, image, axis), keepdims=True)


@known("UpsampleLike", source=_SOURCE, library=_LIBRARY)
def upsample_like(layer: Layer) -> Layer:
    """An image made as large as another by the nearest of its pixels, counted from corners; in Keras operations.

    It resizes by TensorFlow 1's `resize_images` (backend/backend.py), which takes floor(i · size before / size after).
    """
    if not bare(layer, 2):
        return layer
    nodes, image = Nodes(), Ref("input_0")
    for axis in (1, 2):
        wanted, before = _ones(nodes, Ref("input_1"), axis), _size(nodes, image, axis)
        number = nodes.op("subtract", nodes.op("cumsum", wanted), np.float32(1))
        scale = nodes.op("divide", before, nodes.op("sum", wanted, keepdims=True))
        place = nodes.op("floor", nodes.op("multiply", number, scale))
        nearest = nodes.op("minimum", place, nodes.op("subtract", before, np.float32(1)))
        image = nodes.op("take", image, nodes.op("cast", nearest, "int32"), axis=axis)
    return nodes.model(layer, 2, image)


@known("Anchors", source=_SOURCE, library=_LIBRARY)
def anchors(layer: Layer) -> Layer:
    """The boxes of all sizes and ratios around each place of a feature map, in Keras operations."""
    config = own_fields(layer)
    if set(config) != _ANCHORS or layer.weights or None in config.values():
        return layer
    boxes = _around_zero(float(config["size"]), config["ratios"], config["scales"])
    nodes = Nodes()
    one = nodes.op("ones_like", nodes.op("get_item", INPUT, (Ellipsis, 0)))
    middles = [nodes.op("subtract", nodes.op("cumsum", one, axis=axis), np.float32(0.5)) for axis in (2, 1)]
    x, y = (nodes.op("multiply", middle, np.float32(config["stride"])) for middle in middles)
    places = nodes.op("expand_dims", nodes.op("stack", [x, y, x, y], axis=-1), 3)
    placed = nodes.op("add", places, boxes)
    return nodes.model(layer, 1, nodes.reshape(placed, [-1, 4]))


def _around_zero(size: float, ratios: list[float], scales: list[float]) -> np.ndarray:
    """The corners of each box around 0 (keras-retinanet 1.0.0, utils/anchors.py, `generate_anchors`)."""
    side = size * np.tile(np.asarray(scales, "float64"), len(ratios))
    ratio = np.repeat(np.asarray(ratios, "float64"), len(scales))
    width = np.sqrt(side * side / ratio)
    height = width * ratio
    return np.stack([-width / 2, -height / 2, width / 2, height / 2], axis=1).astype("float32")


@known("RegressBoxes", source=_SOURCE, library=_LIBRARY)
def regress_boxes(layer: Layer) -> Layer:
    """Boxes moved by what the network says, in shares of their width and height; in Keras operations."""
    config, called = own_fields(layer), listed(layer, 2)
    if set(config) != {"mean", "std"} or called is None or layer.weights:
        return layer
    nodes = Nodes()
    corners = [nodes.op("get_item", Ref("input_0"), (Ellipsis, i)) for i in range(4)]
    width, height = (nodes.op("subtract", corners[i + 2], corners[i]) for i in range(2))
    sizes = nodes.op("stack", [width, height, width, height], axis=-1)
    share = nodes.op("multiply", Ref("input_1"), np.asarray(config["std"], "float32"))
    share = nodes.op("add", share, np.asarray(config["mean"], "float32"))
    return nodes.model(called, 2, nodes.op("add", Ref("input_0"), nodes.op("multiply", share, sizes)))


@known("ClipBoxes", source=_SOURCE, library=_LIBRARY, certain=False)
def clip_boxes(layer: Layer) -> Layer:
    """Boxes cut at the borders of the image, which are its size less 1, in Keras operations; earlier versions cut
    at its size."""
    if not bare(layer, 2):
        return layer
    nodes = Nodes()
    height, width = (_size(nodes, Ref("input_0"), axis) for axis in (1, 2))
    border = nodes.op("subtract", nodes.op("concatenate", [width, height, width, height]), np.float32(1))
    inside = nodes.op("maximum", Ref("input_1"), np.float32(0))
    return nodes.model(layer, 2, nodes.op("minimum", inside, border))


KNOWN = (upsample_like, anchors, regress_boxes, clip_boxes)

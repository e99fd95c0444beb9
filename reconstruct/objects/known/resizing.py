"""Layers of segmentation and depth that enlarge an image between its pixels, as TensorFlow 1 did or as Keras 3 does.

Which of the three ways a class takes is code; its config tells the version of the class, and the writer TensorFlow's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import own_fields
from reconstruct.rules.engine import Context, multi_backend
from reconstruct.rules.expansion import INPUT, sizes, stock

_FIELDS = {"size", "upsampling", "target_size", "output_size", "data_format"}


@known(
    "BilinearUpsampling", "BilinearUpSampling", "Interp",
    source="keras-deeplab-v3-plus (bonlime), model.py, and its copies; Interp of PSPNet in Keras",
    certain=False,
)  # fmt: skip
def bilinear_upsampling(layer: Layer, context: Context) -> Layer:
    """Rows and columns between those of an image: with `output_size` in the config, or a new size alone, the corners
    stay where they are; with `size` TensorFlow 1 counts from corners, else TensorFlow 2 from middles; in Keras
    operations."""
    config = own_fields(layer)
    if set(config) == {"new_size"}:
        return _enlarged(layer, {"output_size": config["new_size"]}, aligned=True)
    if "output_size" in config:
        return _enlarged(layer, config, aligned=True)
    return _enlarged(layer, config, aligned=False) if multi_backend(context.writer) else _from_middles(layer, config)


@known("BilinearUpSampling2D", source="DenseDepth (ialhashim), layers.py; Keras-FCN (aurora95)", certain=False)
def bilinear_upsampling_2d(layer: Layer, context: Context) -> Layer:
    """Rows and columns between those of an image: in files of Keras the corners stay where they are, as first in
    DenseDepth, or with `target_size` in the config it counts from corners, as in Keras-FCN; in those of tf.keras it
    counts from middles; in Keras operations."""
    config = own_fields(layer)
    if not multi_backend(context.writer):
        return _from_middles(layer, config)
    return _enlarged(layer, config, aligned="target_size" not in config)


def _wanted(layer: Layer, config: Mapping[str, Any]) -> tuple[tuple[int, ...], bool] | None:
    """The size that the image gets, and whether it is a multiple of that before; None for another class."""
    given = {name: value for name, value in config.items() if name != "data_format" and value}
    if layer.weights or not set(config) <= _FIELDS or not given:
        return None
    if config.get("data_format") == "channels_first":
        raise NotEquivalent(f"{layer.name} has its channels first, where TensorFlow resizes other axes than it should")
    name = next((n for n in ("target_size", "output_size") if n in given), next(iter(given)))
    return sizes(given[name], 2), name in ("size", "upsampling")


def _from_middles(layer: Layer, config: Mapping[str, Any]) -> Layer:
    found = _wanted(layer, config)
    if found is None:
        return layer
    wanted, multiple = found
    if multiple:
        return _as_upsampling(layer, wanted)
    nodes = Nodes()
    resized = nodes.op("image.resize", INPUT, list(wanted), interpolation="bilinear", data_format="channels_last")
    return nodes.model(layer, 1, resized)


def _as_upsampling(layer: Layer, wanted: tuple[int, ...]) -> Layer:
    """The layer of Keras, which counts from corners in files of Keras 2 and from middles since."""
    made = stock("UpSampling2D", layer.name, {"size": list(wanted), "interpolation": "bilinear"})
    return made.replace(calls=layer.calls, path=layer.path)


def _enlarged(layer: Layer, config: Mapping[str, Any], aligned: bool) -> Layer:
    found = _wanted(layer, config)
    if found is None:
        return layer
    wanted, multiple = found
    if multiple and not aligned:
        return _as_upsampling(layer, wanted)
    nodes, image = Nodes(), INPUT
    if not multiple:
        return nodes.model(layer, 1, nodes.op("build.resize_v1", image, *wanted, "bilinear", aligned))
    for axis, times in enumerate(wanted, 1):
        image = _multiplied(nodes, image, axis, times)
    return nodes.model(layer, 1, image)


def _multiplied(nodes: Nodes, image: Ref, axis: int, times: int) -> Ref:
    """An image of any size with `times` as many rows (axis 1) or columns (axis 2), each by its two neighbours.

    TensorFlow 1, `resize_bilinear` with `align_corners`: i lies at i·(before - 1)/(after - 1). A pixel counts by how
    much less than 1 it is away from there.
    """
    first = (0, slice(None), 0, 0) if axis == 1 else (0, 0, slice(None), 0)
    one = nodes.op("ones_like", nodes.op("get_item", image, first), dtype="float32")
    number = nodes.op("subtract", nodes.op("cumsum", one), np.float32(1))
    wanted = nodes.op("subtract", nodes.op("cumsum", nodes.op("repeat", one, times, axis=0)), np.float32(1))
    steps = nodes.op("maximum", nodes.op("max", wanted, keepdims=True), np.float32(1))
    place = nodes.op("multiply", wanted, nodes.op("divide", nodes.op("max", number, keepdims=True), steps))
    away = nodes.op("abs", nodes.op("subtract", nodes.op("expand_dims", place, 1), nodes.op("expand_dims", number, 0)))
    share = nodes.op("relu", nodes.op("subtract", np.float32(1), away))
    return nodes.op("einsum", "pr,brcf->bpcf" if axis == 1 else "pc,brcf->brpf", share, image)


KNOWN = (bilinear_upsampling, bilinear_upsampling_2d)

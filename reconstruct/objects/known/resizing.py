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
        made = stock("UpSampling2D", layer.name, {"size": list(wanted), "interpolation": "bilinear"})
        return made.replace(calls=layer.calls, path=layer.path)
    nodes = Nodes()
    resized = nodes.op("image.resize", INPUT, list(wanted), interpolation="bilinear", data_format="channels_last")
    return nodes.model(layer, 1, resized)


def _enlarged(layer: Layer, config: Mapping[str, Any], aligned: bool) -> Layer:
    found = _wanted(layer, config)
    if found is None:
        return layer
    wanted, multiple = found
    nodes, image = Nodes(), INPUT
    for axis, size in enumerate(wanted, 1):
        image = _interpolated(nodes, image, axis, size, multiple, aligned)
    return nodes.model(layer, 1, image)


def _interpolated(nodes: Nodes, image: Ref, axis: int, size: int, multiple: bool, aligned: bool) -> Ref:
    """The rows (axis 1) or columns (axis 2) made `size`, or `size` times as many, each by its two neighbours.

    TensorFlow 1, `resize_bilinear`: i lies at i·before/after, or at i·(before - 1)/(after - 1) where corners are
    aligned, and never beyond the last. A pixel counts by how much less than 1 it is away.
    """
    one = nodes.op(
        "ones_like",
        nodes.op("get_item", image, (0, slice(None), 0, 0) if axis == 1 else (0, 0, slice(None), 0)),
        dtype="float32",
    )
    number = nodes.op("subtract", nodes.op("cumsum", one), np.float32(1))
    last = nodes.op("subtract", nodes.op("sum", one, keepdims=True), np.float32(1))
    place: Any = np.arange(size, dtype="float32")
    steps: Any = np.float32(max(size - 1, 1) if aligned else size)
    if multiple:
        repeated = nodes.op("repeat", one, size, axis=0)
        place = nodes.op("subtract", nodes.op("cumsum", repeated), np.float32(1))
        steps = nodes.op("sum", repeated, keepdims=True)
        if aligned:
            steps = nodes.op("maximum", nodes.op("subtract", steps, np.float32(1)), np.float32(1))
    scale = nodes.op("divide", last if aligned else nodes.op("sum", one, keepdims=True), steps)
    place = nodes.op("minimum", nodes.op("multiply", place, scale), last)
    away = nodes.op("abs", nodes.op("subtract", nodes.op("expand_dims", place, 1), nodes.op("expand_dims", number, 0)))
    share = nodes.op("relu", nodes.op("subtract", np.float32(1), away))
    return nodes.op("einsum", "pr,brcf->bpcf" if axis == 1 else "pc,brcf->brpf", share, image)


KNOWN = (bilinear_upsampling, bilinear_upsampling_2d)

"""The anchor boxes of ssd_keras, which are made of the size of a feature map."""

from __future__ import annotations

from typing import Any

import numpy as np

from reconstruct.artifact import Finding, Layer, Ref
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import first, own_fields
from reconstruct.rules.engine import Noted
from reconstruct.rules.expansion import INPUT

_SOURCE = "ssd_keras (pierluigiferrari), keras_layers/keras_layer_AnchorBoxes.py"
_NEEDED = {
    "img_height", "img_width", "this_scale", "next_scale", "aspect_ratios", "two_boxes_for_ar1", "variances", "coords",
    "normalize_coords",
}  # fmt: skip
_CLIPS = ("clip_boxes", "limit_boxes")
_PLACES = ("this_steps", "this_offsets")


@known("AnchorBoxes", source=_SOURCE)
def anchor_boxes(layer: Layer) -> Layer | Noted:
    """The boxes around each place of a feature map, (rows, columns, boxes, 8) with their variances, in Keras
    operations; where the config has no steps between places, they are as many as fit the image, as when it is loaded.
    """
    config = own_fields(layer)
    clip = first(config, *_CLIPS)
    if layer.weights or clip is None or not _NEEDED <= set(config) <= {*_NEEDED, *_CLIPS, *_PLACES}:
        return layer
    if config["coords"] not in ("centroids", "corners", "minmax"):
        return layer
    nodes, image = Nodes(), (float(config["img_width"]), float(config["img_height"]))
    one = nodes.op("ones_like", nodes.op("get_item", INPUT, (Ellipsis, slice(0, 1))))
    corners: list[Ref] = [INPUT] * 4
    for i, sides in enumerate(_sides(config)):
        middle = _middles(nodes, one, 2 - i, image[i], _of_axis(config, "this_steps", i, None), _offset(config, i))
        for j, half in ((i, -sides / 2), (i + 2, sides / 2)):
            corner = nodes.op("add", middle, half.astype("float32"))
            corner = _inside(nodes, corner, image[i]) if clip else corner
            corners[j] = nodes.op("divide", corner, np.float32(image[i])) if config["normalize_coords"] else corner
    variance = [
        nodes.op("multiply", nodes.op("ones_like", corners[0]), np.float32(value)) for value in config["variances"]
    ]
    made = nodes.model(layer, 1, nodes.op("stack", [*_told(nodes, corners, config["coords"]), *variance], axis=-1))
    if set(_PLACES) & set(config):
        return made
    message = (
        f"AnchorBoxes {layer.name!r} keeps neither steps nor offsets of its boxes in the file: if the model was made "
        "with some (as SSD300 is), its boxes have moved, in the original too once it is loaded"
    )
    return Noted(made, (Finding("known_layer_assumed", "warning", layer.path, message),))


def _sides(config: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The widths and heights of the boxes; the ratio 1 has a second one, between this scale and the next."""
    size, ratios = min(config["img_height"], config["img_width"]), [float(r) for r in config["aspect_ratios"]]
    scale, beyond = float(config["this_scale"]), float(np.sqrt(config["this_scale"] * config["next_scale"]))
    boxes = []
    for ratio in ratios:
        boxes.append((scale * np.sqrt(ratio), scale / np.sqrt(ratio)))
        if ratio == 1 and config["two_boxes_for_ar1"]:
            boxes.append((beyond, beyond))
    widths, heights = (size * np.asarray(boxes, "float64")).T
    return widths, heights


def _of_axis(config: dict[str, Any], name: str, axis: int, default: float | None) -> float | None:
    """A field with one number, or with one of the rows and one of the columns: for columns (0) or rows (1)."""
    value = config.get(name)
    value = value[1 - axis] if isinstance(value, list | tuple) else value
    return default if value is None else float(value)


def _offset(config: dict[str, Any], axis: int) -> float:
    found = _of_axis(config, "this_offsets", axis, 0.5)
    assert found is not None
    return found


def _middles(nodes: Nodes, one: Ref, axis: int, length: float, step: float | None, offset: float) -> Ref:
    """Where each column (axis 2) or row (axis 1) has its middle, in pixels of the image."""
    number = nodes.op("add", nodes.op("cumsum", one, axis=axis), np.float32(offset - 1))
    if step is not None:
        return nodes.op("multiply", number, np.float32(step))
    count = nodes.op("sum", one, axis=axis, keepdims=True)
    return nodes.op("multiply", number, nodes.op("divide", np.float32(length), count))


def _inside(nodes: Nodes, corner: Ref, length: float) -> Ref:
    """What lies beyond the image is put on its last pixel, or on its first."""
    beyond = nodes.op("greater_equal", corner, np.float32(length))
    return nodes.op("maximum", nodes.op("where", beyond, np.float32(length - 1), corner), np.float32(0))


def _told(nodes: Nodes, corners: list[Ref], coords: str) -> list[Ref]:
    left, top, right, bottom = corners
    if coords == "corners":
        return corners
    if coords == "minmax":
        return [left, right, top, bottom]
    sums = [nodes.op("add", *pair) for pair in ((left, right), (top, bottom))]
    middles = [nodes.op("multiply", each, np.float32(0.5)) for each in sums]
    return [*middles, nodes.op("subtract", right, left), nodes.op("subtract", bottom, top)]


KNOWN = (anchor_boxes,)

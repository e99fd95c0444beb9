"""Layers that pad, crop and rearrange images, which people copy from tutorials of style transfer and resolution."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Finding, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare, first, own_fields
from reconstruct.rules.engine import Noted
from reconstruct.rules.expansion import INPUT, op, stock, subgraph

_STYLE = "keras.io/examples/generative/cyclegan"


@known("ReflectionPadding2D", "ReflectPadding2D", "ReflectionPad2D", source=_STYLE, certain=False)
def reflection_padding(layer: Layer) -> Layer:
    """An image padded by its own pixels, mirrored at the border: `pad` of Keras; the width stands first in `padding`,
    unless it has two numbers for each of the rows and the columns."""
    config = own_fields(layer)
    given = config.get("padding", 1 if not config else None)
    if layer.weights or not set(config) <= {"padding", "data_format"} or given is None:
        return layer
    sides = _sides(given)
    if sides is None or config.get("data_format", "channels_last") != "channels_last":
        raise NotEquivalent(f"{layer.name} pads by {given!r}, channels {config.get('data_format', 'last')}")
    return subgraph(layer, op("padded", "pad", INPUT, [[0, 0], *sides, [0, 0]], mode="reflect"))


def _sides(given: Any) -> list[list[int]] | None:
    """How many rows before and after, and how many columns."""
    if isinstance(given, int):
        return [[given, given], [given, given]]
    if not isinstance(given, list | tuple) or len(given) != 2:
        return None
    if all(isinstance(n, int) for n in given):
        return [[given[1], given[1]], [given[0], given[0]]]
    if all(isinstance(n, list | tuple) and len(n) == 2 for n in given):
        return [[int(n) for n in pair] for pair in given]
    return None


_FACTORS = ("block_size", "scale", "scale_factor", "upscale_factor", "upsampling_factor", "ratio", "r", "factor")


@known(
    "DepthToSpace", "PixelShuffle", "PixelShuffler", "SubpixelConv2D", "SubPixelUpscaling", "Subpixel_Upsampling",
    source="tf.nn.depth_to_space in tutorials of super-resolution", certain=False,
)  # fmt: skip
def depth_to_space(layer: Layer) -> Layer:
    """Channels laid out as pixels, in blocks: transpositions of Keras with the channels last."""
    config = own_fields(layer)
    factor = first(config, *_FACTORS, "size")
    factor = factor[0] if isinstance(factor, list | tuple) and len(set(factor)) == 1 else factor
    if layer.weights or not isinstance(factor, int) or not set(config) <= {*_FACTORS, "size", "data_format"}:
        return layer
    if config.get("data_format") == "channels_first":
        raise NotEquivalent(f"{layer.name} has its channels first")
    nodes = Nodes()
    return nodes.model(layer, 1, nodes.op("depth_to_space", INPUT, factor))


@known("PoolHelper", source="GoogLeNet in Keras, googlenet_custom_layers.py (joelouismarino)", certain=False)
def pool_helper(layer: Layer) -> Layer:
    """An image without its first row and column, with the channels first, as Caffe pools: Cropping2D of Keras."""
    if not bare(layer, 1):
        return layer
    config = {"cropping": [[1, 0], [1, 0]], "data_format": "channels_first"}
    return stock("Cropping2D", layer.name, config).replace(calls=layer.calls, path=layer.path)


@known("DropPath", "DropPaths", "StochasticDropPath", source="tutorials of vision transformers")
def drop_path(layer: Layer) -> Layer | Noted:
    """A branch that training leaves out for some samples: at inference, Identity of Keras."""
    config = own_fields(layer)
    if layer.weights or not config or not set(config) <= {"drop_prob", "drop_path", "rate", "drop_rate", "p", "seed"}:
        return layer
    message = f"{layer.name} hands its input on: training will no longer leave it out for some samples"
    made = stock("Identity", layer.name).replace(calls=layer.calls, path=layer.path)
    return Noted(made, (Finding("training_only_layer_dropped", "info", layer.path, message),))


KNOWN = (reflection_padding, depth_to_space, pool_helper, drop_path)

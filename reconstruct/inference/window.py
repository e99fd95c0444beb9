"""A corner of large images, on which fully convolutional models are tried in a fraction of the time.

What such a model gives for the corner of an image is what it gives there for the whole, up to where the cut is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference.shapes import MERGES, per_axis
from reconstruct.inference.structure import Form

Array = np.ndarray
CORNERS = (128, 256)  # sizes of corners, in pixels; multiples of every usual stride
# Layers that compute each place of an image by itself
_PLACE_BY_PLACE = (
    "InputLayer Activation ReLU LeakyReLU ELU Softmax ThresholdedReLU BatchNormalization Dropout SpatialDropout2D "
    "GaussianNoise GaussianDropout AlphaDropout Rescaling"
).split()


@dataclass(frozen=True)
class Window:
    """`size` is that of the corner, `valid` of each output the size of what does not see the cut."""

    size: int
    valid: tuple[int, ...]

    def of_inputs(self, inputs: Sequence[Array]) -> list[Array]:
        """The corners of images of the shape (rows, height, width, channels)."""
        return [x[:, : self.size, : self.size] for x in inputs]

    def of_outputs(self, outputs: Sequence[Array]) -> list[Array]:
        """The part of outputs, of a corner or of the whole, that does not see the cut."""
        return [y[:, :n, :n] for y, n in zip(outputs, self.valid, strict=True)]


def window(form: Form, layers: Sequence[Layer | None]) -> Window | None:
    """The smallest corner that tells something of a model; None where only whole images do, or these are small."""
    shapes = [form.shapes[i] for i in (*form.wiring.inputs, *form.wiring.outputs)]
    if any(len(s) != 3 for s in shapes):
        return None
    for size in CORNERS:
        if any(n is None or n < 2 * size for i in form.wiring.inputs for n in form.shapes[i][:2]):
            return None
        seen = _unseen(form, layers, size)
        valid = tuple(seen[i] for i in form.wiring.outputs)
        if all(n >= size // 8 for n in valid):
            return Window(size, valid)
    return None


def _unseen(form: Form, layers: Sequence[Layer | None], size: int) -> list[int]:
    """For each node the size of the corner of its output that does not see the cut; 0 where all of it may."""
    found: list[int] = []
    for node, layer in zip(form.wiring.nodes, layers, strict=True):
        below = min((found[j] for j in node.inputs), default=size)
        found.append(below if layer is None or not node.inputs else max(0, _through(layer, below)))
    return found


def _through(layer: Layer, below: int) -> int:
    name, config = layer.class_name, layer.config
    if name in _PLACE_BY_PLACE or (name in MERGES and config.get("axis", -1) in (-1, 3)):
        return below
    if config.get("data_format") == "channels_first":
        return 0
    if name in ("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "MaxPooling2D", "AveragePooling2D"):
        pooling = "Pooling" in name
        sizes = per_axis(config["pool_size" if pooling else "kernel_size"], 2)
        strides = per_axis(config.get("strides") or (sizes if pooling else 1), 2)
        dilation = per_axis(config.get("dilation_rate", 1), 2)
        # The place o sees places up to o * stride + reach - 1, less with padding before it
        reaches = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
        return min((below - reach) // stride + 1 for reach, stride in zip(reaches, strides, strict=True))
    if name == "Conv2DTranspose":
        kernel, strides = per_axis(config["kernel_size"], 2), per_axis(config.get("strides", 1), 2)
        return min(below * stride - k for stride, k in zip(strides, kernel, strict=True))
    if name == "UpSampling2D":
        factors = per_axis(config.get("size", 2), 2)
        return min((below - (config.get("interpolation") == "bilinear")) * factor for factor in factors)
    if name == "ZeroPadding2D":
        return below  # what is added before the corner only moves it away from the cut
    return 0

"""The shape of what a layer gives for the shapes of what it is called on, without the batch axis; None where a size is
open. The formulas are those of Keras 2 and 3 on TensorFlow, where "same" pads more at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from reconstruct.artifact import Layer

Shape = tuple[int | None, ...]


def output_shape(layer: Layer, inputs: Sequence[Shape]) -> Shape | None:
    """None where the layer cannot take such inputs."""
    if not inputs:
        return None
    first = inputs[0]
    name = layer.class_name
    if layer.graph is not None:
        return _model(layer, first)
    if name in RECURRENT:
        return _recurrent(layer, inputs)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](layer, first)
    if name in MERGES:
        return _merged(layer, inputs)
    return first


def _model(layer: Layer, shape: Shape) -> Shape | None:
    """A model with one input and one output, in which each layer stands behind those that it is called on."""
    assert layer.graph is not None
    shapes: dict[str, Shape] = {}
    for inner in layer.graph.layers:
        below = [shapes[ref.layer] for call in inner.calls for ref in call.refs()]
        found = output_shape(inner, below) if below else shape
        if found is None:
            return None
        shapes[inner.name] = found
    return shapes[layer.graph.layers[-1].name]


def known_to_keep(class_name: str) -> bool:
    """Whether `output_shape` knows the class, or it is one that keeps the shape that comes to it."""
    return class_name in _FUNCTIONS or class_name in MERGES or class_name in KEEP_SHAPE


KEEP_SHAPE = frozenset(
    "Activation ReLU LeakyReLU ELU PReLU Softmax Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D "
    "AlphaDropout GaussianNoise GaussianDropout BatchNormalization LayerNormalization GroupNormalization Masking "
    "Rescaling Identity ActivityRegularization UnitNormalization".split()
)
# Classes whose output has the mask of their input
KEEP_MASK = tuple(
    "Dense Activation ReLU LeakyReLU ELU PReLU Softmax Dropout SpatialDropout1D GaussianNoise GaussianDropout "
    "BatchNormalization LayerNormalization".split()
)
RECURRENT = ("LSTM", "GRU", "SimpleRNN")
# What takes one of the states, or the output, of a recurrent layer that gives both: outputs of it, no layers of Keras
STATE, STEPS = "State", "Steps"
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot")
MERGING = (*MERGES, "Merge")
ENLARGING = frozenset("UpSampling1D UpSampling2D UpSampling3D Conv1DTranspose Conv2DTranspose Conv3DTranspose".split())


def spatial(class_name: str) -> int:
    """The number of axes between batch and channels that a class is for; 0 where it takes any."""
    return next((int(d) for d in "123" if f"{d}D" in class_name), 0)


def pools(class_name: str) -> bool:
    """Whether a class makes what it takes smaller by pooling, and does not make one number of it."""
    return "Pooling" in class_name and not class_name.startswith("Global")


def per_axis(value: Any, count: int) -> list[int]:
    """A field that is one number for all axes or one for each."""
    return [int(value)] * count if isinstance(value, int) else [int(v) for v in value]


def windowed(size: int | None, kernel: int, stride: int, padding: str, dilation: int = 1) -> int | None:
    """The number of places of a window along an axis; negative or 0 where it does not fit."""
    if size is None:
        return None
    if padding in ("same", "causal"):
        return math.ceil(size / stride)
    return (size - dilation * (kernel - 1) - 1) // stride + 1


def _fits(shape: Sequence[int | None]) -> Shape | None:
    return tuple(shape) if all(n is None or n > 0 for n in shape) else None


def _dense(layer: Layer, shape: Shape) -> Shape | None:
    kernel = layer.weights["kernel"].shape
    return (*shape[:-1], kernel[1]) if shape and shape[-1] == kernel[0] else None


def _convolution(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    if len(shape) != n + 1:
        return None
    config = layer.config
    depthwise = layer.class_name.startswith("Depthwise")
    kernel = layer.weights["kernel" if "kernel" in layer.weights else "depthwise_kernel"].shape
    if shape[-1] != kernel[-2] * int(config.get("groups", 1)):
        return None
    channels = kernel[-1] * kernel[-2] if depthwise else int(config["filters"])
    strides = per_axis(config.get("strides", 1), n)
    dilation = per_axis(config.get("dilation_rate", 1), n)
    padding = config.get("padding", "valid")
    sizes = [windowed(*z) for z in zip(shape, kernel, strides, [padding] * n, dilation, strict=False)]
    return _fits([*sizes[:n], channels])


def _transposed(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    kernel = layer.weights["kernel"].shape
    if len(shape) != n + 1 or shape[-1] != kernel[-1]:
        return None
    strides = per_axis(layer.config.get("strides", 1), n)
    same = layer.config.get("padding") == "same"
    axes = zip(shape, kernel, strides, strict=False)
    sizes = [None if s is None else s * t + (0 if same else max(k - t, 0)) for s, k, t in axes]
    return (*sizes[:n], kernel[-2])


def _pooling(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    if len(shape) != n + 1:
        return None
    size = per_axis(layer.config.get("pool_size", 2), n)
    strides = per_axis(layer.config.get("strides") or size, n)
    padding = layer.config.get("padding", "valid")
    if layer.config.get("data_format") == "channels_first":
        return _fits(
            [shape[0], *(windowed(s, k, t, padding) for s, k, t in zip(shape[1:], size, strides, strict=True))]
        )
    return _fits([*(windowed(s, k, t, padding) for s, k, t in zip(shape, size, strides, strict=False)), shape[-1]])


def _global(layer: Layer, shape: Shape) -> Shape | None:
    if len(shape) != spatial(layer.class_name) + 1:
        return None
    channels = shape[0 if layer.config.get("data_format") == "channels_first" else -1]
    return (*(1 for _ in shape[1:]), channels) if layer.config.get("keepdims") else (channels,)


def _recurrent(layer: Layer, inputs: Sequence[Shape]) -> Shape | None:
    """With `return_state` the shape of the states, as `forward` gives them, behind that of all steps or without any.

    Behind the first of `inputs` are the states to start with, or one output for all of them.
    """
    kernel = layer.weights["kernel"].shape
    shape, units = inputs[0], int(layer.config["units"])
    count = 2 if layer.class_name.endswith("LSTM") else 1
    states = count, units
    if len(shape) != 2 or shape[-1] != kernel[0] or any(given not in (states, (units,)) for given in inputs[1:]):
        return None
    if layer.config.get("return_state"):
        behind = layer.config.get("return_sequences")
        return (None if shape[0] is None else shape[0] + count, units) if behind else states
    return (shape[0], units) if layer.config.get("return_sequences") else (units,)


def _state(_: Layer, given: Shape) -> Shape | None:
    return given[1:] if len(given) == 2 else None


def _steps(layer: Layer, given: Shape) -> Shape | None:
    if len(given) != 2:
        return None
    return (None if given[0] is None else given[0] - layer.config["states"], *given[1:])


def _bidirectional(layer: Layer, shape: Shape) -> Shape | None:
    inner = output_shape(layer.children["forward_layer"], [shape])
    if inner is None:
        return None
    last = inner[-1]
    return (*inner[:-1], 2 * last if layer.config.get("merge_mode") == "concat" and last is not None else last)


def _time_distributed(layer: Layer, shape: Shape) -> Shape | None:
    if len(shape) < 2:
        return None
    inner = output_shape(layer.children["layer"], [shape[1:]])
    return None if inner is None else (shape[0], *inner)


def _conv_lstm(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    kernel = layer.weights["kernel"].shape
    if len(shape) != n + 2 or shape[-1] != kernel[-2]:
        return None
    strides = per_axis(layer.config.get("strides", 1), n)
    padding = layer.config.get("padding", "valid")
    sizes = [windowed(s, k, t, padding) for s, k, t in zip(shape[1:], kernel, strides, strict=False)]
    out = (*sizes[:n], int(layer.config["filters"]))
    return _fits((shape[0], *out) if layer.config.get("return_sequences") else out)


def _flatten(layer: Layer, shape: Shape) -> Shape | None:
    return (math.prod(n for n in shape if n is not None) if None not in shape else None,)


def _reshape(layer: Layer, shape: Shape) -> Shape | None:
    target = tuple(layer.config.get("target_shape") or ())
    if not target:
        return None
    if None in shape:
        return tuple(None if n == -1 else n for n in target)
    size = math.prod(n for n in shape if n is not None)
    known = math.prod(n for n in target if n != -1)
    if -1 in target:
        return tuple(size // known if n == -1 else n for n in target) if known and size % known == 0 else None
    return target if known == size else None


def _permute(layer: Layer, shape: Shape) -> Shape | None:
    dims = layer.config.get("dims") or range(1, len(shape) + 1)
    return tuple(shape[d - 1] for d in dims) if len(dims) == len(shape) else None


def _up_sampling(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    if len(shape) != n + 1:
        return None
    size = per_axis(layer.config.get("size", 2), n)
    return (*(None if s is None else s * k for s, k in zip(shape, size, strict=False)), shape[-1])


def margins(value: Any, count: int) -> list[tuple[int, int]]:
    """What ZeroPadding and Cropping add or take at both ends of each axis."""
    if isinstance(value, int):
        return [(value, value)] * count
    if count == 1:
        return [(int(value[0]), int(value[1]))]
    return [(int(v), int(v)) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in value]


def _padded(layer: Layer, shape: Shape) -> Shape | None:
    n = spatial(layer.class_name)
    if len(shape) != n + 1:
        return None
    sign = 1 if layer.class_name.startswith("Zero") else -1
    sides = margins(layer.config.get("padding", layer.config.get("cropping", 1)), n)
    sizes = [None if s is None else s + sign * (a + b) for s, (a, b) in zip(shape, sides, strict=False)]
    return _fits([*sizes, shape[-1]])


def _embedding(layer: Layer, shape: Shape) -> Shape | None:
    return (*shape, int(layer.config["output_dim"]))


def _normalized(layer: Layer, shape: Shape) -> Shape | None:
    if not shape:
        return None
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    index = axis if axis < 0 else axis - 1
    size = next((t.shape[0] for t in layer.weights.values() if len(t.shape) == 1), None)
    if not -len(shape) <= index < len(shape):
        return None
    return shape if size is None or shape[index] == size else None


def _prelu(layer: Layer, shape: Shape) -> Shape | None:
    alpha = layer.weights["alpha"].shape
    fits = len(alpha) == len(shape) and all(a in (1, s) or s is None for a, s in zip(alpha, shape, strict=True))
    return shape if fits else None


def _attention(layer: Layer, shape: Shape) -> Shape | None:
    return shape if shape and shape[-1] == layer.weights["query/kernel"].shape[0] else None


def _weighted_average(layer: Layer, shape: Shape) -> Shape | None:
    """Of the steps, with weights that the layer gives them."""
    return shape[-1:] if len(shape) == 2 and shape[-1] == layer.weights["W"].shape[0] else None


def _repeat(layer: Layer, shape: Shape) -> Shape | None:
    return (int(layer.config.get("n", 1)), *shape) if len(shape) == 1 else None


def _dot(layer: Layer, inputs: Sequence[Shape]) -> Shape | None:
    """What is left of two shapes without the axes that are summed over; axes count the batch."""
    axes = per_axis(layer.config.get("axes", 1), 2)
    if len(inputs) != 2 or any(not 1 <= axis <= len(shape) for axis, shape in zip(axes, inputs, strict=True)):
        return None
    summed = [shape[axis - 1] for axis, shape in zip(axes, inputs, strict=True)]
    if summed[0] != summed[1]:  # nor does Keras take one that is open beside one that is not
        return None
    left = [n for axis, shape in zip(axes, inputs, strict=True) for k, n in enumerate(shape, 1) if k != axis]
    return tuple(left) or (1,)


def _merged(layer: Layer, inputs: Sequence[Shape]) -> Shape | None:
    if layer.class_name == "Dot":
        return _dot(layer, inputs)
    ranks = {len(s) for s in inputs}
    if len(ranks) != 1:
        return None
    if layer.class_name == "Concatenate":
        axis = int(layer.config.get("axis", -1))
        axis = axis if axis < 0 else axis - ranks.pop() - 1
        rest = [(*s[:axis], *(s[axis + 1 :] if axis != -1 else ())) for s in inputs]
        if any(not _same(rest[0], r) for r in rest[1:]):
            return None
        sizes = [s[axis] for s in inputs]
        total = None if None in sizes else sum(n for n in sizes if n is not None)
        out = list(inputs[0])
        out[axis] = total
        return tuple(out)
    axes = list(zip(*inputs, strict=True))
    if layer.class_name in ("Multiply", "Add"):  # as a gate for each channel, or a value and advantages
        axes = [tuple(n for n in sizes if n != 1) or (1,) for sizes in axes]
    if any(len({*sizes} - {None}) > 1 for sizes in axes):
        return None
    return tuple(None if None in sizes else sizes[0] for sizes in axes)


def _same(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(m == n or m is None or n is None for m, n in zip(a, b, strict=True))


_FUNCTIONS: dict[str, Callable[[Layer, Shape], Shape | None]] = dict(
    (
        ("Dense", _dense),
        ("ConvLSTM1D", _conv_lstm),
        ("ConvLSTM2D", _conv_lstm),
        ("Conv1D", _convolution),
        ("Conv2D", _convolution),
        ("Conv3D", _convolution),
        ("SeparableConv1D", _convolution),
        ("SeparableConv2D", _convolution),
        ("DepthwiseConv1D", _convolution),
        ("DepthwiseConv2D", _convolution),
        ("Conv1DTranspose", _transposed),
        ("Conv2DTranspose", _transposed),
        ("Conv3DTranspose", _transposed),
        *((f"Global{kind}Pooling{d}D", _global) for kind in ("Max", "Average") for d in (1, 2, 3)),
        *((f"{kind}Pooling{d}D", _pooling) for kind in ("Max", "Average") for d in (1, 2, 3)),
        ("Bidirectional", _bidirectional),
        ("TimeDistributed", _time_distributed),
        ("Flatten", _flatten),
        ("Reshape", _reshape),
        ("Permute", _permute),
        *((f"UpSampling{d}D", _up_sampling) for d in (1, 2, 3)),
        *((f"ZeroPadding{d}D", _padded) for d in (1, 2, 3)),
        *((f"Cropping{d}D", _padded) for d in (1, 2, 3)),
        ("Embedding", _embedding),
        ("BatchNormalization", _normalized),
        ("LayerNormalization", _normalized),
        ("GroupNormalization", _normalized),
        ("PReLU", _prelu),
        ("MultiHeadAttention", _attention),
        ("AttentionWeightedAverage", _weighted_average),
        (STATE, _state),
        (STEPS, _steps),
        ("RepeatVector", _repeat),
    )
)

__all__ = [
    "KEEP_MASK",
    "MERGES",
    "RECURRENT",
    "Shape",
    "margins",
    "output_shape",
    "per_axis",
    "spatial",
    "windowed",
]

"""Convolutions and pooling, in NumPy."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from reconstruct.artifact import Layer
from reconstruct.inference.activations import Array
from reconstruct.inference.shapes import per_axis, spatial


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _padded(x: Array, kernel: Sequence[int], strides: Sequence[int], padding: str, fill: float = 0.0) -> Array:
    n = len(kernel)
    if padding == "causal":
        sides = [(kernel[0] - 1, 0)]
    elif padding == "same":
        sides = [_same_padding(x.shape[i + 1], kernel[i], strides[i]) for i in range(n)]
    else:
        return x
    if not any(a or b for a, b in sides):
        return x
    return np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=fill)


def convolve(x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int], padding: str) -> Array:
    """Sums of matrix products, one for each place of the kernel: no copy of all windows is made."""
    n = kernel.ndim - 2
    wide = [d * (k - 1) + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    x = _padded(x, wide, strides, padding)
    sizes = [(x.shape[i + 1] - wide[i]) // strides[i] + 1 for i in range(n)]
    channels = kernel.shape[-2]
    count = math.prod(kernel.shape[:n])
    if channels < 32 and x.shape[0] * math.prod(sizes) * count * channels < 60_000_000:
        axes = tuple(range(1, n + 1))
        windows = sliding_window_view(x, wide, axis=axes)
        steps = [slice(None, None, s) for s in strides]
        inner = [slice(None, None, d) for d in dilation]
        windows = windows[(slice(None), *steps, slice(None), *inner)]
        matrix = np.moveaxis(kernel, -2, 0).reshape(channels * count, -1)
        return (windows.reshape(x.shape[0], *sizes, channels * count) @ matrix).astype("float32")
    y = np.zeros((x.shape[0], *sizes, kernel.shape[-1]), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [
            slice(p * d, p * d + (size - 1) * s + 1, s)
            for p, d, s, size in zip(place, dilation, strides, sizes, strict=True)
        ]
        y += x[(slice(None), *cut)] @ kernel[place]
    return y


def settings(layer: Layer) -> tuple[list[int], list[int], str]:
    """Strides and dilation by axis, and the padding."""
    n = spatial(layer.class_name)
    config = layer.config
    strides, dilation = per_axis(config.get("strides", 1), n), per_axis(config.get("dilation_rate", 1), n)
    return strides, dilation, str(config.get("padding", "valid"))


def convolution(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    groups = int(layer.config.get("groups", 1))
    if groups == 1:
        y = convolve(x, w["kernel"], *settings(layer))
    else:
        parts = zip(np.split(x, groups, -1), np.split(w["kernel"], groups, -1), strict=True)
        y = np.concatenate([convolve(a, k, *settings(layer)) for a, k in parts], -1)
    return y + w["bias"] if "bias" in w else y


def _each_channel(layer: Layer, x: Array, kernel: Array) -> Array:
    """A depthwise convolution."""
    strides, dilation, padding = settings(layer)
    n = kernel.ndim - 2
    wide = [d * (k - 1) + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    x = _padded(x, wide, strides, padding)
    sizes = [(x.shape[i + 1] - wide[i]) // strides[i] + 1 for i in range(n)]
    channels, multiplier = kernel.shape[-2:]
    y = np.zeros((x.shape[0], *sizes, channels, multiplier), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [
            slice(p * d, p * d + (size - 1) * s + 1, s)
            for p, d, s, size in zip(place, dilation, strides, sizes, strict=True)
        ]
        y += x[(slice(None), *cut)][..., None] * kernel[place]
    return y.reshape(x.shape[0], *sizes, channels * multiplier)


def depthwise(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = _each_channel(layer, x, w["depthwise_kernel"])
    return y + w["bias"] if "bias" in w else y


def separable(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = _each_channel(layer, x, w["depthwise_kernel"])
    pointwise = w["pointwise_kernel"]
    y = y @ pointwise.reshape(pointwise.shape[-2:])
    return y + w["bias"] if "bias" in w else y


def transposed(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    kernel = w["kernel"]
    n = kernel.ndim - 2
    strides, _dilation, padding = settings(layer)
    sizes = [(x.shape[i + 1] - 1) * strides[i] + kernel.shape[i] for i in range(n)]
    full = np.zeros((x.shape[0], *sizes, kernel.shape[-2]), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [slice(p, p + (x.shape[i + 1] - 1) * strides[i] + 1, strides[i]) for i, p in enumerate(place)]
        full[(slice(None), *cut)] += x @ kernel[place].T
    for i in range(n):
        over = max(kernel.shape[i] - strides[i], 0)
        want = x.shape[i + 1] * strides[i] + (0 if padding == "same" else over)
        start = over // 2 if padding == "same" else 0
        if full.shape[i + 1] < start + want:
            full = np.pad(full, [(0, start + want - full.shape[i + 1]) if a == i + 1 else (0, 0) for a in range(n + 2)])
        full = np.take(full, range(start, start + want), axis=i + 1)
    return full + w["bias"] if "bias" in w else full


def pooling(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    n = spatial(layer.class_name)
    if layer.config.get("data_format") == "channels_first":
        last = layer.having(data_format="channels_last")
        return np.moveaxis(pooling(last, np.moveaxis(x, 1, -1), w, _), -1, 1)
    size = per_axis(layer.config.get("pool_size", 2), n)
    strides = per_axis(layer.config.get("strides") or size, n)
    padding = str(layer.config.get("padding", "valid"))
    largest = layer.class_name.startswith("Max")

    def windows(array: Array, fill: float) -> Array:
        array = _padded(array, size, strides, padding, fill)
        found = sliding_window_view(array, size, axis=tuple(range(1, n + 1)))
        return found[(slice(None), *(slice(None, None, s) for s in strides))]

    inner = tuple(range(-n, 0))
    if largest:
        return windows(x, -np.inf).max(axis=inner)
    ones = np.ones((1, *x.shape[1:-1], 1), "float32")
    return windows(x, 0.0).sum(axis=inner) / windows(ones, 0.0).sum(axis=inner)

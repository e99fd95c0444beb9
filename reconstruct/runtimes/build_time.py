"""What a model calculates of the shapes of its tensors, done while it is built: then shapes are numbers.

Code of Lambda layers divides a number of channels, resizes to the size of another tensor, and so on. An `Op` whose
function is called `build.…` is one of these. None is in the file that is written: there, only its result is, or the
operations of `keras.ops` that it consists of.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

ops = keras.ops


class Undecided(ValueError):
    """What the code computes depends on a shape that is open, or of another rank than it is known for."""


def size(x: Any, axis: int) -> int:
    """One number of the shape of a tensor."""
    number = x.shape[axis]
    if number is None:
        raise Undecided(f"the size of axis {axis} of its input is open, and it has to be known; give --input-shape")
    return int(number)


def number(x: Any, axis: int) -> Any:
    """As `size`, for where a tensor will do: an open size is counted."""
    if x.shape[axis] is not None:
        return int(x.shape[axis])
    return ops.max(ops.sum(ops.ones_like(x, dtype="int32"), axis=axis))


def _joined(*parts: Any) -> tuple[int, ...]:
    """Numbers; a tensor with a start and a stop is that part of its shape."""
    numbers: list[int] = []
    for part in parts:
        if isinstance(part, list | tuple):
            x, start, stop = part
            numbers += [size(x, axis) for axis in range(len(x.shape))[start:stop]]
        else:
            numbers.append(part)
    return tuple(numbers)


def reshape(x: Any, *parts: Any) -> Any:
    return ops.reshape(x, _joined(*parts))


def prod(*parts: Any) -> int:
    return math.prod(_joined(*parts))


def rank(x: Any) -> int:
    return len(x.shape)


def arange(start: int, stop: int, step: int, dtype: str) -> Any:
    return np.arange(start, stop, step).astype(dtype)


def row(x: Any) -> Any:
    """The same, where it has one row, which can be repeated for each sample of a batch."""
    if not len(x.shape) or x.shape[0] != 1:
        raise Undecided("it repeats several rows for each sample of the batch")
    return x


def whole(value: float) -> int:
    return int(value)


# Functions of TensorFlow that need to know ranks or sizes


def batch_dot(x: Any, y: Any, old: bool) -> Any:
    """`K.batch_dot` without axes: `old` as in Keras 2.2.4, else as in tf.keras (backend.py of both)."""
    ranks = len(x.shape), len(y.shape)
    if ranks == (3, 3):
        return ops.matmul(x, y)
    if ranks == (3, 2) and not old:
        return ops.squeeze(ops.matmul(x, ops.expand_dims(y, -1)), -1)
    if ranks == (2, 2) and not old:
        return ops.sum(ops.multiply(x, y), axis=1, keepdims=True)
    raise Undecided(f"K.batch_dot of tensors with {ranks[0]} and {ranks[1]} axes means one thing or another")


def gather_nd(x: Any, indices: Any) -> Any:
    """`tf.gather_nd`: the last axis of `indices` holds a position along the first axes of `x`."""
    depth = size(indices, -1)
    lengths, rest = [size(x, axis) for axis in range(1, depth)], x.shape[depth:]
    position = indices[..., 0]
    for i, length in enumerate(lengths):
        position = ops.add(ops.multiply(position, length), indices[..., i + 1])
    return ops.take(ops.reshape(x, (-1, *(size(x, depth + i) for i in range(len(rest))))), position, axis=0)


def batch_gather(x: Any, indices: Any) -> Any:
    """`tf.gather` with `batch_dims=1` along the second axis."""
    if len(indices.shape) != 2 or len(x.shape) < 2:
        raise Undecided("tf.gather with batch_dims=1 is only known for indices with two axes")
    for _ in range(len(x.shape) - 2):
        indices = ops.expand_dims(indices, -1)
    return ops.take_along_axis(x, indices, axis=1)


def resize_v1(x: Any, height: int, width: int, method: str, align: bool) -> Any:
    """`tf.image.resize_images` of TensorFlow 1, whose samples start at the corner.

    Source: core/kernels/image/resize_bilinear_op.cc and core/util/image_resizer_state.h of TensorFlow.
    """
    if len(x.shape) != 4:
        raise Undecided("only images with four axes are resized")
    for axis, wanted in ((2, width), (1, height)):
        x = _resized(x, axis, int(wanted), method, align)
    return x


def _resized(x: Any, axis: int, wanted: int, method: str, align: bool) -> Any:
    given = size(x, axis)
    scale = np.float32((given - 1) / (wanted - 1) if align and wanted > 1 else given / wanted)
    at = np.arange(wanted, dtype="float32") * scale
    if method == "nearest":
        nearest = np.floor(at + np.float32(0.5)) if align else np.floor(at)
        return ops.take(x, np.minimum(nearest.astype("int32"), given - 1), axis=axis)
    low = np.minimum(np.floor(at).astype("int32"), given - 1)
    part = (at - low).astype("float32").reshape([-1 if i == axis else 1 for i in range(4)])
    below, above = (ops.take(x, where, axis=axis) for where in (low, np.minimum(low + 1, given - 1)))
    return ops.add(below, ops.multiply(ops.subtract(above, below), part))


def central_crop(x: Any, fraction: float) -> Any:
    """`tf.image.central_crop` (image_ops_impl.py)."""
    for axis in (-3, -2):
        length = size(x, axis)
        start = int((length - length * fraction) / 2)
        x = _part(x, axis, start, length - 2 * start)
    return x


def crop_or_pad(x: Any, height: int, width: int) -> Any:
    """`tf.image.resize_with_crop_or_pad`: the middle of the image, or the image in the middle of zeros."""
    for axis, wanted in ((-3, int(height)), (-2, int(width))):
        length = size(x, axis)
        if wanted < length:
            x = _part(x, axis, (length - wanted) // 2, wanted)
        elif wanted > length:
            before = (wanted - length) // 2
            widths = [(0, 0)] * len(x.shape)
            widths[axis] = (before, wanted - length - before)
            x = ops.pad(x, tuple(widths))
    return x


def _part(x: Any, axis: int, start: int, length: int) -> Any:
    return x[(Ellipsis, slice(start, start + length), *[slice(None)] * (-axis - 1))]


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{
        f"build.{function.__name__}": function
        for function in (
            size, number, reshape, prod, rank, arange, row, whole, batch_dot, gather_nd, batch_gather, resize_v1,
            central_crop, crop_or_pad,
        )
    },
    "build.slice": slice,
    "build.+": operator.add,
    "build.-": operator.sub,
    "build.*": operator.mul,
    "build.//": operator.floordiv,
    "build./": operator.truediv,
    "build.%": operator.mod,
    "build.**": operator.pow,
}  # fmt: skip

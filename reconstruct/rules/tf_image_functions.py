"""What TensorFlow's convolutions, poolings and image functions are in `keras.ops`: a table like `tf_functions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.errors import NotEquivalent
from reconstruct.rules.tf_expression import Expression, Item, is_constant, ops
from reconstruct.rules.tf_functions import Builder, cast_unless, dtype_name, integer, ints, static

_CHANNELS_LAST = {"data_format": "channels_last"}


def _format(data_format: Any) -> dict[str, str]:
    first = isinstance(data_format, str) and data_format.startswith("NC") and len(data_format) > 2
    return {"data_format": "channels_first" if first else "channels_last"}


def _spatial(value: Any, data_format: Any, rank: int) -> int | tuple[int, ...]:
    """Strides, windows or dilations of the spatial axes; TensorFlow takes one number, one per axis, or all axes'.

    One number where all are equal: depthwise_conv of Keras 3 fails on the list that a tuple becomes in a file.
    """
    numbers = [1] if value is None else ints(value, "the strides or the window")
    if len(numbers) == rank + 2:
        last = _format(data_format) == _CHANNELS_LAST
        outer = (numbers[0], numbers[-1]) if last else (numbers[0], numbers[1])
        if outer != (1, 1):
            raise NotEquivalent("strides or windows over batch or channels have no Keras 3 form")
        numbers = numbers[1:-1] if last else numbers[2:]
    return numbers[0] if len(set(numbers)) == 1 else tuple(numbers)


def _padded(x: Any, padding: Any) -> tuple[Any, str]:
    """The input and the name of the padding; explicit numbers become a `pad` before."""
    if isinstance(padding, str):
        return x, padding.lower()
    widths = tuple(tuple(int(n) for n in pair) for pair in static(padding, "the padding"))
    return ops("pad", x, widths), "valid"


def _kernel(value: Any) -> Any:
    return np.asarray(value, "float32") if is_constant(value) else value


def convolution(function: str, rank: int) -> Builder:
    def build(
        input: Any, filters: Any = None, strides: Any = None, padding: Any = None, data_format: Any = None,
        dilations: Any = None, filter: Any = None, stride: Any = None, value: Any = None, rate: Any = None,
    ) -> Expression:  # fmt: skip
        kernel = filters if filters is not None else filter
        if kernel is None or padding is None:
            raise NotEquivalent("the filters of a convolution are not in the file")
        x, name = _padded(input, padding)
        strides = _spatial(strides if strides is not None else stride, data_format, rank)
        dilation = _spatial(dilations if dilations is not None else rate, data_format, rank)
        return ops(
            function, x, _kernel(kernel), strides=strides, padding=name, dilation_rate=dilation, **_format(data_format)
        )

    return build


def pooling(function: str, rank: int) -> Builder:
    def build(
        input: Any, ksize: Any, strides: Any, padding: Any = "VALID", data_format: Any = None, value: Any = None
    ) -> Expression:
        if not isinstance(padding, str):
            raise NotEquivalent("pooling with explicit padding has no Keras 3 form")
        window, steps = _spatial(ksize, data_format, rank), _spatial(strides, data_format, rank)
        return ops(function, input, window, strides=steps, padding=padding.lower(), **_format(data_format))

    return build


def bias_add(value: Any, bias: Any, data_format: Any = None) -> Expression:
    if _format(data_format) != _CHANNELS_LAST:
        raise NotEquivalent("bias_add with channels first has no Keras 3 form")
    return ops("add", value, bias)


def moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False) -> Any:
    result = ops("moments", x, axes=tuple(ints(axes, "the axes")), keepdims=bool(keepdims))
    return [Item(result, 0), Item(result, 1)]


def batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any, scale: Any, variance_epsilon: float
) -> Expression:
    factor = ops("rsqrt", ops("add", variance, variance_epsilon))
    if scale is not None:
        factor = ops("multiply", factor, scale)
    shift = ops("multiply", ops("negative", mean), factor)
    if offset is not None:
        shift = ops("add", offset, shift)
    return ops("add", ops("multiply", x, factor), shift)


def depth_space(function: str) -> Builder:
    def build(input: Any, block_size: int, data_format: str = "NHWC") -> Expression:
        return ops(function, input, block_size, **_format(data_format))

    return build


# Images: (…, height, width, channels)


def resize(
    images: Any, size: Any, method: Any = "bilinear", preserve_aspect_ratio: bool = False, antialias: bool = False,
    _dtype: str | None = None,
) -> Expression:  # fmt: skip
    name = {0: "bilinear", 1: "nearest", 2: "bicubic", 3: "area"}.get(method, method)
    if name not in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        raise NotEquivalent(f"resizing images by the method {name!r} has no Keras 3 form")
    if preserve_aspect_ratio:
        raise NotEquivalent("resizing images with preserve_aspect_ratio has no Keras 3 form")
    size = tuple(ints(size, "the size of the image"))
    # All but `nearest` give float32 from images of any type; Keras 3 gives back the type it got.
    x = images if name == "nearest" else cast_unless("float32", images, _dtype)
    antialias_kwarg = {"antialias": True} if antialias else {}
    return ops("image.resize", x, size, interpolation=name, **antialias_kwarg, **_CHANNELS_LAST)


def resize_old(name: str) -> Builder:
    def build(
        images: Any, size: Any, align_corners: bool = False, half_pixel_centers: bool = False, _dtype: str | None = None
    ) -> Expression:
        if align_corners or not half_pixel_centers:
            raise NotEquivalent(
                f"resize_{name} of TensorFlow 1 takes its samples elsewhere than any resizing of Keras 3",
                hint="half_pixel_centers=True is what Keras 3 computes",
            )
        return resize(images, size, name, _dtype=_dtype)

    return build


def resize_v1(images: Any, size: Any, method: Any = 0, align_corners: bool = False) -> Expression:
    raise NotEquivalent("image.resize of TensorFlow 1 takes its samples elsewhere than any resizing of Keras 3")


def flip(axis: int) -> Builder:
    return lambda image: ops("flip", image, axis=axis)


def rgb_to_grayscale(images: Any, _dtype: str | None = None) -> Expression:
    if integer(_dtype):
        raise NotEquivalent("the grey of integer images is rounded differently in Keras 3")
    return ops("image.rgb_to_grayscale", images, **_CHANNELS_LAST)


def per_image_standardization(image: Any, _dtype: str | None = None) -> Expression:
    x, axes = cast_unless("float32", image, _dtype), (-3, -2, -1)
    count = ops("sum", ops("ones_like", x), axis=axes, keepdims=True)
    deviation = ops("maximum", ops("std", x, axis=axes, keepdims=True), ops("rsqrt", count))
    return ops("divide", ops("subtract", x, ops("mean", x, axis=axes, keepdims=True)), deviation)


def _float_image(name: str, dtype: str | None) -> None:
    if integer(dtype):
        raise NotEquivalent(f"image.{name} of integer images scales and rounds, which has no Keras 3 form")


def adjust_brightness(image: Any, delta: Any, _dtype: str | None = None) -> Expression:
    _float_image("adjust_brightness", _dtype)
    return ops("add", image, delta)


def adjust_contrast(images: Any, contrast_factor: Any, _dtype: str | None = None) -> Expression:
    _float_image("adjust_contrast", _dtype)
    mean = ops("mean", images, axis=(-3, -2), keepdims=True)
    return ops("add", ops("multiply", ops("subtract", images, mean), contrast_factor), mean)


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1, _dtype: str | None = None) -> Expression:
    _float_image("adjust_gamma", _dtype)
    return ops("multiply", ops("power", image, gamma), gain)


def adjust_saturation(image: Any, saturation_factor: Any, _dtype: str | None = None) -> Expression:
    _float_image("adjust_saturation", _dtype)
    hsv = ops("image.rgb_to_hsv", image, **_CHANNELS_LAST)
    factors = [1.0, static(saturation_factor, "the factor"), 1.0]
    return ops("image.hsv_to_rgb", ops("minimum", ops("multiply", hsv, factors), [1.0, 1.0, np.inf]), **_CHANNELS_LAST)


def crop_to_bounding_box(
    image: Any, offset_height: int, offset_width: int, target_height: int, target_width: int
) -> Expression:
    top, left, height, width = (
        ints(n, "the box")[0] for n in (offset_height, offset_width, target_height, target_width)
    )
    return ops("get_item", image, (Ellipsis, slice(top, top + height), slice(left, left + width), slice(None)))


def extract_patches(images: Any, sizes: Any, strides: Any, rates: Any, padding: str) -> Expression:
    return ops(
        "image.extract_patches", images, _spatial(sizes, None, 2), strides=_spatial(strides, None, 2),
        dilation_rate=_spatial(rates, None, 2), padding=padding.lower(), **_CHANNELS_LAST,
    )  # fmt: skip


def convert_image_dtype(image: Any, dtype: Any, saturate: bool = False, _dtype: str | None = None) -> Expression:
    wanted = dtype_name(dtype)
    if "float" not in wanted or _dtype is None:
        raise NotEquivalent(f"image.convert_image_dtype to {wanted} has no Keras 3 form")
    converted = ops("cast", image, wanted)
    if not integer(_dtype):
        return converted
    return ops("multiply", converted, 1.0 / float(np.iinfo(_dtype).max))


IMAGE_FUNCTIONS: Mapping[str, Builder] = {
    "conv1d": convolution("conv", 1),
    "conv2d": convolution("conv", 2),
    "conv3d": convolution("conv", 3),
    "depthwise_conv2d": convolution("depthwise_conv", 2),
    "depthwise_conv2d_native": convolution("depthwise_conv", 2),
    "avg_pool": pooling("average_pool", 2),
    "avg_pool1d": pooling("average_pool", 1),
    "avg_pool2d": pooling("average_pool", 2),
    "avg_pool3d": pooling("average_pool", 3),
    "max_pool": pooling("max_pool", 2),
    "max_pool1d": pooling("max_pool", 1),
    "max_pool2d": pooling("max_pool", 2),
    "max_pool3d": pooling("max_pool", 3),
    "bias_add": bias_add,
    "moments": moments,
    "batch_normalization": batch_normalization,
    "depth_to_space": depth_space("depth_to_space"),
    "space_to_depth": depth_space("space_to_depth"),
    "image.resize": resize,
    "image.resize_bilinear": resize_old("bilinear"),
    "image.resize_bicubic": resize_old("bicubic"),
    "image.resize_nearest_neighbor": resize_old("nearest"),
    "image.flip_left_right": flip(-2),
    "image.flip_up_down": flip(-3),
    "image.rgb_to_grayscale": rgb_to_grayscale,
    "image.grayscale_to_rgb": lambda images: ops("repeat", images, 3, axis=-1),
    "image.rgb_to_hsv": lambda images: ops("image.rgb_to_hsv", images, **_CHANNELS_LAST),
    "image.hsv_to_rgb": lambda images: ops("image.hsv_to_rgb", images, **_CHANNELS_LAST),
    "image.per_image_standardization": per_image_standardization,
    "image.adjust_brightness": adjust_brightness,
    "image.adjust_contrast": adjust_contrast,
    "image.adjust_gamma": adjust_gamma,
    "image.adjust_saturation": adjust_saturation,
    "image.crop_to_bounding_box": crop_to_bounding_box,
    "image.extract_patches": extract_patches,
    "image.convert_image_dtype": convert_image_dtype,
}

# ruff: noqa: E501  (a node of a model is one line)
"""Resizing, boxes, neighbouring channels, the largest steps (`objects/known/`: resizing, ssd, channels, pooling)."""

from __future__ import annotations

from reconstruct.artifact import Layer
from tests.rules.cases import KERAS_1, TF_KERAS, Case, Refusal, layer, sequential

_ASSUMED = "known_layer_assumed"
_BOXES = {
    "img_height": 8, "img_width": 8, "this_scale": 0.5, "next_scale": 0.5, "aspect_ratios": [1], "variances": [1, 1, 2, 2],
    "two_boxes_for_ar1": False, "normalize_coords": False,
}  # fmt: skip


def between_convolutions(of: Layer, data_format: str) -> Layer:
    """The layer in a model whose convolution says where the channels are."""
    return sequential(layer("Conv2D", "first", data_format=data_format), of.replace(path=f"model/x/{of.name}"))


CASES = [
    Case(
        "bilinear_upsampling",
        layer("BilinearUpsampling", size=[2, 2], data_format="channels_last"),
        layer("UpSampling2D", "x", size=[2, 2], interpolation="bilinear"),
        finding=_ASSUMED,
    ),
    Case(
        "bilinear_upsampling",
        layer("BilinearUpsampling", upsampling=[2, 3], output_size=None, data_format="channels_last"),
        """
input = InputLayer
get_item_0 = get_item(input, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
cumsum_2 = cumsum(ones_like_1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
repeat_4 = repeat(ones_like_1, 2, axis=0)
cumsum_5 = cumsum(repeat_4)
subtract_6 = subtract(cumsum_5, np.float32(1.0))
max_7 = max(subtract_6, keepdims=True)
maximum_8 = maximum(max_7, np.float32(1.0))
max_9 = max(subtract_3, keepdims=True)
divide_10 = divide(max_9, maximum_8)
multiply_11 = multiply(subtract_6, divide_10)
expand_dims_12 = expand_dims(multiply_11, 1)
expand_dims_13 = expand_dims(subtract_3, 0)
subtract_14 = subtract(expand_dims_12, expand_dims_13)
abs_15 = abs(subtract_14)
subtract_16 = subtract(np.float32(1.0), abs_15)
relu_17 = relu(subtract_16)
einsum_18 = einsum('pr,brcf->bpcf', relu_17, input)
get_item_19 = get_item(einsum_18, [0, 0, slice(None, None, None), 0])
ones_like_20 = ones_like(get_item_19, dtype='float32')
cumsum_21 = cumsum(ones_like_20)
subtract_22 = subtract(cumsum_21, np.float32(1.0))
repeat_23 = repeat(ones_like_20, 3, axis=0)
cumsum_24 = cumsum(repeat_23)
subtract_25 = subtract(cumsum_24, np.float32(1.0))
max_26 = max(subtract_25, keepdims=True)
maximum_27 = maximum(max_26, np.float32(1.0))
max_28 = max(subtract_22, keepdims=True)
divide_29 = divide(max_28, maximum_27)
multiply_30 = multiply(subtract_25, divide_29)
expand_dims_31 = expand_dims(multiply_30, 1)
expand_dims_32 = expand_dims(subtract_22, 0)
subtract_33 = subtract(expand_dims_31, expand_dims_32)
abs_34 = abs(subtract_33)
subtract_35 = subtract(np.float32(1.0), abs_34)
relu_36 = relu(subtract_35)
einsum_37 = einsum('pc,brcf->brpf', relu_36, einsum_18)
-> einsum_37
""",
        finding=_ASSUMED,
    ),
    Case(
        "bilinear_upsampling",
        layer("Interp", new_size=[1, 3]),
        """
input = InputLayer
resize_v1_0 = build.resize_v1(input, 1, 3, 'bilinear', True)
-> resize_v1_0
""",
        finding=_ASSUMED,
    ),
    Case(
        "bilinear_upsampling",
        layer("BilinearUpsampling", target_size=[4, 5]),
        """
input = InputLayer
resize_0 = image.resize(input, [4, 5], interpolation='bilinear', data_format='channels_last')
-> resize_0
""",
        finding=_ASSUMED,
        writer=TF_KERAS,
    ),
    Case(
        "bilinear_upsampling",
        layer("BilinearUpsampling", upsampling=[2, 2], interpolation="cubic"),
        layer("BilinearUpsampling", upsampling=[2, 2], interpolation="cubic"),
    ),
    Case(
        "bilinear_upsampling_2d",
        layer("BilinearUpSampling2D", size=[2, 2], data_format="channels_last"),
        layer("UpSampling2D", "x", size=[2, 2], interpolation="bilinear"),
        finding=_ASSUMED,
        writer=TF_KERAS,
    ),
    Case(
        "bilinear_upsampling_2d",
        layer("BilinearUpSampling2D", size=[1, 1], target_size=[3, 3], data_format="default"),
        """
input = InputLayer
resize_v1_0 = build.resize_v1(input, 3, 3, 'bilinear', False)
-> resize_v1_0
""",
        finding=_ASSUMED,
        writer=KERAS_1,
    ),
    Case(
        "bilinear_upsampling_2d",
        layer("BilinearUpSampling2D", kernel=2),
        layer("BilinearUpSampling2D", kernel=2),
    ),
    Case(
        "anchor_boxes",
        layer("AnchorBoxes", **_BOXES, coords="centroids", clip_boxes=False),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, slice(0, 1, None)])
ones_like_1 = ones_like(get_item_0)
cumsum_2 = cumsum(ones_like_1, axis=2)
add_3 = add(cumsum_2, np.float32(-0.5))
sum_4 = sum(ones_like_1, axis=2, keepdims=True)
divide_5 = divide(np.float32(8.0), sum_4)
multiply_6 = multiply(add_3, divide_5)
add_7 = add(multiply_6, array([-2.], dtype=float32))
add_8 = add(multiply_6, array([2.], dtype=float32))
cumsum_9 = cumsum(ones_like_1, axis=1)
add_10 = add(cumsum_9, np.float32(-0.5))
sum_11 = sum(ones_like_1, axis=1, keepdims=True)
divide_12 = divide(np.float32(8.0), sum_11)
multiply_13 = multiply(add_10, divide_12)
add_14 = add(multiply_13, array([-2.], dtype=float32))
add_15 = add(multiply_13, array([2.], dtype=float32))
ones_like_16 = ones_like(add_7)
multiply_17 = multiply(ones_like_16, np.float32(1.0))
ones_like_18 = ones_like(add_7)
multiply_19 = multiply(ones_like_18, np.float32(1.0))
ones_like_20 = ones_like(add_7)
multiply_21 = multiply(ones_like_20, np.float32(2.0))
ones_like_22 = ones_like(add_7)
multiply_23 = multiply(ones_like_22, np.float32(2.0))
add_24 = add(add_7, add_8)
add_25 = add(add_14, add_15)
multiply_26 = multiply(add_24, np.float32(0.5))
multiply_27 = multiply(add_25, np.float32(0.5))
subtract_28 = subtract(add_8, add_7)
subtract_29 = subtract(add_15, add_14)
stack_30 = stack([multiply_26, multiply_27, subtract_28, subtract_29, multiply_17, multiply_19, multiply_21, multiply_23], axis=-1)
-> stack_30
""",
        finding=_ASSUMED,
    ),
    Case(
        "anchor_boxes",
        layer("AnchorBoxes", **_BOXES, coords="minmax", limit_boxes=True, this_steps=[4, 2], this_offsets=0.25),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, slice(0, 1, None)])
ones_like_1 = ones_like(get_item_0)
cumsum_2 = cumsum(ones_like_1, axis=2)
add_3 = add(cumsum_2, np.float32(-0.75))
multiply_4 = multiply(add_3, np.float32(2.0))
add_5 = add(multiply_4, array([-2.], dtype=float32))
greater_equal_6 = greater_equal(add_5, np.float32(8.0))
where_7 = where(greater_equal_6, np.float32(7.0), add_5)
maximum_8 = maximum(where_7, np.float32(0.0))
add_9 = add(multiply_4, array([2.], dtype=float32))
greater_equal_10 = greater_equal(add_9, np.float32(8.0))
where_11 = where(greater_equal_10, np.float32(7.0), add_9)
maximum_12 = maximum(where_11, np.float32(0.0))
cumsum_13 = cumsum(ones_like_1, axis=1)
add_14 = add(cumsum_13, np.float32(-0.75))
multiply_15 = multiply(add_14, np.float32(4.0))
add_16 = add(multiply_15, array([-2.], dtype=float32))
greater_equal_17 = greater_equal(add_16, np.float32(8.0))
where_18 = where(greater_equal_17, np.float32(7.0), add_16)
maximum_19 = maximum(where_18, np.float32(0.0))
add_20 = add(multiply_15, array([2.], dtype=float32))
greater_equal_21 = greater_equal(add_20, np.float32(8.0))
where_22 = where(greater_equal_21, np.float32(7.0), add_20)
maximum_23 = maximum(where_22, np.float32(0.0))
ones_like_24 = ones_like(maximum_8)
multiply_25 = multiply(ones_like_24, np.float32(1.0))
ones_like_26 = ones_like(maximum_8)
multiply_27 = multiply(ones_like_26, np.float32(1.0))
ones_like_28 = ones_like(maximum_8)
multiply_29 = multiply(ones_like_28, np.float32(2.0))
ones_like_30 = ones_like(maximum_8)
multiply_31 = multiply(ones_like_30, np.float32(2.0))
stack_32 = stack([maximum_8, maximum_12, maximum_19, maximum_23, multiply_25, multiply_27, multiply_29, multiply_31], axis=-1)
-> stack_32
""",
    ),
    Case(
        "anchor_boxes",
        layer("AnchorBoxes", **_BOXES, coords="polar", clip_boxes=True),
        layer("AnchorBoxes", **_BOXES, coords="polar", clip_boxes=True),
    ),
    Case(
        "local_response_normalization",
        between_convolutions(layer("LRN", "y", alpha=0.5, k=1, beta=0.75, n=3), "channels_first"),
        """
first = Conv2D data_format='channels_first'
y = Functional
  input = InputLayer
  square_0 = square(input)
  pad_1 = pad(square_0, [[0, 0], [1, 1], [0, 0], [0, 0]])
  get_item_2 = get_item(pad_1, [slice(None, None, None), slice(0, -2, None)])
  get_item_3 = get_item(pad_1, [slice(None, None, None), slice(1, -1, None)])
  add_4 = add(get_item_2, get_item_3)
  get_item_5 = get_item(pad_1, [slice(None, None, None), slice(2, None, None)])
  add_6 = add(add_4, get_item_5)
  multiply_7 = multiply(add_6, np.float32(0.16666667))
  add_8 = add(multiply_7, np.float32(1.0))
  power_9 = power(add_8, np.float32(0.75))
  divide_10 = divide(input, power_9)
  -> divide_10
""",
        finding=_ASSUMED,
    ),
    Case(
        "local_response_normalization",
        layer("LRN", alpha=0.5, k=1, beta=0.75),
        layer("LRN", alpha=0.5, k=1, beta=0.75),
    ),
    Case(
        "k_max_pooling",
        layer("KMaxPooling", k=2),
        """
input = InputLayer
transpose_0 = transpose(input, [0, 2, 1])
top_k_1 = top_k(transpose_0, 2)
flatten_2 = Flatten(top_k_1)
-> flatten_2
""",
        finding=_ASSUMED,
    ),
    Case(
        "k_max_pooling",
        layer("KMaxPooling", k=2, axis=1),
        """
input = InputLayer
transpose_0 = transpose(input, [0, 2, 1])
top_k_1 = top_k(transpose_0, 2)
transpose_2 = transpose(top_k_1, [0, 2, 1])
-> transpose_2
""",
        finding=_ASSUMED,
    ),
    Case(
        "k_max_pooling",
        layer("KMaxPooling", size=2),
        layer("KMaxPooling", size=2),
    ),
]
REFUSALS = [
    Refusal(
        "bilinear_upsampling_2d",
        layer("BilinearUpSampling2D", size=[2, 2], data_format="channels_first"),
        "x has its channels first, where TensorFlow resizes other axes than it should",
    ),
    Refusal(
        "local_response_normalization",
        layer("LRN", alpha=0.5, k=1, beta=0.75, n=3),
        "which axis of x are the channels is not in the file",
    ),
    Refusal(
        "k_max_pooling",
        layer("KMaxPooling", k=2, axis=2),
        "x keeps the largest of each step, or in no order that is known",
    ),
    Refusal(
        "k_max_pooling",
        sequential(layer("KMaxPooling", "y", k=2).replace(path="model/x/y"), layer("LSTM", "z", units=2)),
        "y gives a sequence, and which of its axes are the steps is not in the file",
    ),
]

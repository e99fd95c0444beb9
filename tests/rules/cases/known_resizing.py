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
        layer("BilinearUpsampling", upsampling=[2, 3], output_size=None, data_format="channels_last"),
        """
input = InputLayer
get_item_0 = get_item(input, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
cumsum_2 = cumsum(ones_like_1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
sum_4 = sum(ones_like_1, keepdims=True)
subtract_5 = subtract(sum_4, np.float32(1.0))
repeat_6 = repeat(ones_like_1, 2, axis=0)
cumsum_7 = cumsum(repeat_6)
subtract_8 = subtract(cumsum_7, np.float32(1.0))
sum_9 = sum(repeat_6, keepdims=True)
subtract_10 = subtract(sum_9, np.float32(1.0))
maximum_11 = maximum(subtract_10, np.float32(1.0))
divide_12 = divide(subtract_5, maximum_11)
multiply_13 = multiply(subtract_8, divide_12)
minimum_14 = minimum(multiply_13, subtract_5)
expand_dims_15 = expand_dims(minimum_14, 1)
expand_dims_16 = expand_dims(subtract_3, 0)
subtract_17 = subtract(expand_dims_15, expand_dims_16)
abs_18 = abs(subtract_17)
subtract_19 = subtract(np.float32(1.0), abs_18)
relu_20 = relu(subtract_19)
einsum_21 = einsum('pr,brcf->bpcf', relu_20, input)
get_item_22 = get_item(einsum_21, [0, 0, slice(None, None, None), 0])
ones_like_23 = ones_like(get_item_22, dtype='float32')
cumsum_24 = cumsum(ones_like_23)
subtract_25 = subtract(cumsum_24, np.float32(1.0))
sum_26 = sum(ones_like_23, keepdims=True)
subtract_27 = subtract(sum_26, np.float32(1.0))
repeat_28 = repeat(ones_like_23, 3, axis=0)
cumsum_29 = cumsum(repeat_28)
subtract_30 = subtract(cumsum_29, np.float32(1.0))
sum_31 = sum(repeat_28, keepdims=True)
subtract_32 = subtract(sum_31, np.float32(1.0))
maximum_33 = maximum(subtract_32, np.float32(1.0))
divide_34 = divide(subtract_27, maximum_33)
multiply_35 = multiply(subtract_30, divide_34)
minimum_36 = minimum(multiply_35, subtract_27)
expand_dims_37 = expand_dims(minimum_36, 1)
expand_dims_38 = expand_dims(subtract_25, 0)
subtract_39 = subtract(expand_dims_37, expand_dims_38)
abs_40 = abs(subtract_39)
subtract_41 = subtract(np.float32(1.0), abs_40)
relu_42 = relu(subtract_41)
einsum_43 = einsum('pc,brcf->brpf', relu_42, einsum_21)
-> einsum_43
""",
        finding=_ASSUMED,
    ),
    Case(
        "bilinear_upsampling",
        layer("Interp", new_size=[1, 3]),
        """
input = InputLayer
get_item_0 = get_item(input, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
cumsum_2 = cumsum(ones_like_1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
sum_4 = sum(ones_like_1, keepdims=True)
subtract_5 = subtract(sum_4, np.float32(1.0))
divide_6 = divide(subtract_5, np.float32(1.0))
multiply_7 = multiply(array([0.], dtype=float32), divide_6)
minimum_8 = minimum(multiply_7, subtract_5)
expand_dims_9 = expand_dims(minimum_8, 1)
expand_dims_10 = expand_dims(subtract_3, 0)
subtract_11 = subtract(expand_dims_9, expand_dims_10)
abs_12 = abs(subtract_11)
subtract_13 = subtract(np.float32(1.0), abs_12)
relu_14 = relu(subtract_13)
einsum_15 = einsum('pr,brcf->bpcf', relu_14, input)
get_item_16 = get_item(einsum_15, [0, 0, slice(None, None, None), 0])
ones_like_17 = ones_like(get_item_16, dtype='float32')
cumsum_18 = cumsum(ones_like_17)
subtract_19 = subtract(cumsum_18, np.float32(1.0))
sum_20 = sum(ones_like_17, keepdims=True)
subtract_21 = subtract(sum_20, np.float32(1.0))
divide_22 = divide(subtract_21, np.float32(2.0))
multiply_23 = multiply(array([0., 1., 2.], dtype=float32), divide_22)
minimum_24 = minimum(multiply_23, subtract_21)
expand_dims_25 = expand_dims(minimum_24, 1)
expand_dims_26 = expand_dims(subtract_19, 0)
subtract_27 = subtract(expand_dims_25, expand_dims_26)
abs_28 = abs(subtract_27)
subtract_29 = subtract(np.float32(1.0), abs_28)
relu_30 = relu(subtract_29)
einsum_31 = einsum('pc,brcf->brpf', relu_30, einsum_15)
-> einsum_31
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
get_item_0 = get_item(input, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
cumsum_2 = cumsum(ones_like_1)
subtract_3 = subtract(cumsum_2, np.float32(1.0))
sum_4 = sum(ones_like_1, keepdims=True)
subtract_5 = subtract(sum_4, np.float32(1.0))
sum_6 = sum(ones_like_1, keepdims=True)
divide_7 = divide(sum_6, np.float32(3.0))
multiply_8 = multiply(array([0., 1., 2.], dtype=float32), divide_7)
minimum_9 = minimum(multiply_8, subtract_5)
expand_dims_10 = expand_dims(minimum_9, 1)
expand_dims_11 = expand_dims(subtract_3, 0)
subtract_12 = subtract(expand_dims_10, expand_dims_11)
abs_13 = abs(subtract_12)
subtract_14 = subtract(np.float32(1.0), abs_13)
relu_15 = relu(subtract_14)
einsum_16 = einsum('pr,brcf->bpcf', relu_15, input)
get_item_17 = get_item(einsum_16, [0, 0, slice(None, None, None), 0])
ones_like_18 = ones_like(get_item_17, dtype='float32')
cumsum_19 = cumsum(ones_like_18)
subtract_20 = subtract(cumsum_19, np.float32(1.0))
sum_21 = sum(ones_like_18, keepdims=True)
subtract_22 = subtract(sum_21, np.float32(1.0))
sum_23 = sum(ones_like_18, keepdims=True)
divide_24 = divide(sum_23, np.float32(3.0))
multiply_25 = multiply(array([0., 1., 2.], dtype=float32), divide_24)
minimum_26 = minimum(multiply_25, subtract_22)
expand_dims_27 = expand_dims(minimum_26, 1)
expand_dims_28 = expand_dims(subtract_20, 0)
subtract_29 = subtract(expand_dims_27, expand_dims_28)
abs_30 = abs(subtract_29)
subtract_31 = subtract(np.float32(1.0), abs_30)
relu_32 = relu(subtract_31)
einsum_33 = einsum('pc,brcf->brpf', relu_32, einsum_16)
-> einsum_33
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
add_7 = add(array([-2.], dtype=float32), multiply_6)
add_8 = add(array([2.], dtype=float32), multiply_6)
cumsum_9 = cumsum(ones_like_1, axis=1)
add_10 = add(cumsum_9, np.float32(-0.5))
sum_11 = sum(ones_like_1, axis=1, keepdims=True)
divide_12 = divide(np.float32(8.0), sum_11)
multiply_13 = multiply(add_10, divide_12)
add_14 = add(array([-2.], dtype=float32), multiply_13)
add_15 = add(array([2.], dtype=float32), multiply_13)
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
add_5 = add(array([-2.], dtype=float32), multiply_4)
greater_equal_6 = greater_equal(add_5, np.float32(8.0))
where_7 = where(greater_equal_6, np.float32(7.0), add_5)
maximum_8 = maximum(where_7, np.float32(0.0))
add_9 = add(array([2.], dtype=float32), multiply_4)
greater_equal_10 = greater_equal(add_9, np.float32(8.0))
where_11 = where(greater_equal_10, np.float32(7.0), add_9)
maximum_12 = maximum(where_11, np.float32(0.0))
cumsum_13 = cumsum(ones_like_1, axis=1)
add_14 = add(cumsum_13, np.float32(-0.75))
multiply_15 = multiply(add_14, np.float32(4.0))
add_16 = add(array([-2.], dtype=float32), multiply_15)
greater_equal_17 = greater_equal(add_16, np.float32(8.0))
where_18 = where(greater_equal_17, np.float32(7.0), add_16)
maximum_19 = maximum(where_18, np.float32(0.0))
add_20 = add(array([2.], dtype=float32), multiply_15)
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

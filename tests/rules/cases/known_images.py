# ruff: noqa: E501  (a node of a model is one line)
"""Layers for images that people copy (`reconstruct/objects/known/`: channels, images, gan)."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, called, layer

_ASSUMED = "known_layer_assumed"
_SE = {"inner/kernel": (2, 1), "inner/bias": (1,), "outer/kernel": (1, 2), "outer/bias": (2,)}


CASES = [
    Case(
        "scale_of_channels",
        layer("Scale", weights={"x_gamma": [1, 2], "x_beta": [3, 4]}, axis=1, momentum=0.9),
        layer(
            "DepthwiseConv2D",
            "x",
            {"depthwise_kernel": [[[[1.0], [2.0]]]], "bias": [3.0, 4.0]},
            kernel_size=[1, 1],
            use_bias=True,
            data_format="channels_first",
        ),
        finding=_ASSUMED,
    ),
    Case(
        "scale_of_channels", layer("Scale", weights={"kernel": [[1, 2]]}), layer("Scale", weights={"kernel": [[1, 2]]})
    ),
    Case(
        "l2_normalization",
        layer("L2Normalization", weights={"x_gamma": [1, 2]}, gamma_init=20),
        """
input = InputLayer
unit = normalize(input, axis=-1, order=2, epsilon=1e-06)
scale_and_shift = DepthwiseConv2D(unit) kernel_size=[1, 1] use_bias=False data_format='channels_last' depthwise_kernel=[[[[1.0], [2.0]]]]
-> scale_and_shift
""",
        finding=_ASSUMED,
    ),
    Case("l2_normalization", layer("L2Normalization", axis=1), layer("L2Normalization", axis=1)),
    Case(
        "squeeze_and_excitation",
        layer("SEBlock", weights=_SE, ratio=2),
        """
input = InputLayer
reshape_0 = Reshape(input) target_shape=[-1, 2]
mean_1 = mean(reshape_0, axis=1)
inner_2 = Dense(mean_1) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
relu_3 = relu(inner_2)
outer_4 = Dense(relu_3) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
sigmoid_5 = sigmoid(outer_4)
ones_like_6 = ones_like(input)
einsum_7 = einsum('b...c,bc->b...c', ones_like_6, sigmoid_5)
multiply_8 = multiply(input, einsum_7)
-> multiply_8
""",
        finding=_ASSUMED,
    ),
    Case(
        "squeeze_and_excitation",
        layer("SEBlock", weights={"inner/kernel": (2, 1), "outer/kernel": (2, 1)}, ratio=2),
        layer("SEBlock", weights={"inner/kernel": (2, 1), "outer/kernel": (2, 1)}, ratio=2),
    ),
    Case(
        "squeeze_and_excitation",
        layer("SEBlock", weights=_SE, ratio=2, activation="swish"),
        layer("SEBlock", weights=_SE, ratio=2, activation="swish"),
    ),
    Case(
        "channel_attention",
        layer("ChannelAttention", weights=_SE, ratio=2),
        """
input = InputLayer
reshape_0 = Reshape(input) target_shape=[-1, 2]
mean_1 = mean(reshape_0, axis=1)
inner_2 = Dense(mean_1), (max_5) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
relu_3 = relu(inner_2)
outer_4 = Dense(relu_3), (relu_6) units=2 use_bias=True kernel=[[0, 1.0]] bias=[0, 1.0]
max_5 = max(reshape_0, axis=1)
relu_6 = relu(inner_2@1)
add_7 = add(outer_4, outer_4@1)
sigmoid_8 = sigmoid(add_7)
ones_like_9 = ones_like(input)
einsum_10 = einsum('b...c,bc->b...c', ones_like_9, sigmoid_8)
multiply_11 = multiply(input, einsum_10)
-> multiply_11
""",
        finding=_ASSUMED,
    ),
    Case(
        "spatial_attention",
        layer("SpatialAttention", weights={"conv/kernel": (1, 1, 2, 1)}, kernel_size=1),
        """
input = InputLayer
mean_0 = mean(input, axis=-1, keepdims=True)
max_1 = max(input, axis=-1, keepdims=True)
concatenate_2 = concatenate([mean_0, max_1], axis=-1)
conv2d_3 = Conv2D(concatenate_2) filters=1 kernel_size=[1, 1] padding='same' use_bias=False kernel=[[[[0.0], [1.0]]]]
sigmoid_4 = sigmoid(conv2d_3)
multiply_5 = multiply(input, sigmoid_4)
-> multiply_5
""",
        finding=_ASSUMED,
    ),
    Case(
        "spatial_attention",
        layer("SpatialAttention", weights={"conv/kernel": (1, 1, 2, 1)}, kernel_size=7),
        layer("SpatialAttention", weights={"conv/kernel": (1, 1, 2, 1)}, kernel_size=7),
    ),
    Case(
        "reflection_padding",
        layer("ReflectionPadding2D", padding=[1, 2]),
        """
input = InputLayer
padded = pad(input, [[0, 0], [2, 2], [1, 1], [0, 0]], mode='reflect')
-> padded
""",
        finding=_ASSUMED,
    ),
    Case(
        "reflection_padding",
        layer("ReflectionPadding2D", padding=[[1, 2], [3, 4]]),
        """
input = InputLayer
padded = pad(input, [[0, 0], [1, 2], [3, 4], [0, 0]], mode='reflect')
-> padded
""",
        finding=_ASSUMED,
    ),
    Case(
        "depth_to_space",
        layer("PixelShuffle", upscale_factor=2),
        """
input = InputLayer
depth_to_space_0 = depth_to_space(input, 2)
-> depth_to_space_0
""",
        finding=_ASSUMED,
    ),
    Case(
        "depth_to_space",
        layer("PixelShuffle", weights={"kernel": (1, 1)}, upscale_factor=2),
        layer("PixelShuffle", weights={"kernel": (1, 1)}, upscale_factor=2),
    ),
    Case(
        "pool_helper",
        layer("PoolHelper"),
        layer("Cropping2D", "x", cropping=[[1, 0], [1, 0]], data_format="channels_first"),
        finding=_ASSUMED,
    ),
    Case("drop_path", layer("DropPath", drop_prob=0.1), layer("Identity", "x"), finding="training_only_layer_dropped"),
    Case(
        "pixel_normalization",
        layer("PixelNormalization"),
        """
input = InputLayer
square_0 = square(input)
mean_1 = mean(square_0, axis=-1, keepdims=True)
add_2 = add(mean_1, np.float32(1e-08))
sqrt_3 = sqrt(add_2)
divide_4 = divide(input, sqrt_3)
-> divide_4
""",
        finding=_ASSUMED,
    ),
    Case(
        "minibatch_stdev",
        layer("MinibatchStdev"),
        """
input = InputLayer
mean_0 = mean(input, axis=0, keepdims=True)
subtract_1 = subtract(input, mean_0)
square_2 = square(subtract_1)
mean_3 = mean(square_2, axis=0, keepdims=True)
add_4 = add(mean_3, np.float32(1e-08))
sqrt_5 = sqrt(add_4)
mean_6 = mean(sqrt_5, keepdims=True)
get_item_7 = get_item(input, [Ellipsis, slice(0, 1, None)])
ones_like_8 = ones_like(get_item_7)
multiply_9 = multiply(ones_like_8, mean_6)
concatenate_10 = concatenate([input, multiply_9], axis=-1)
-> concatenate_10
""",
        finding=_ASSUMED,
    ),
    Case(
        "weighted_sum",
        called(layer("WeightedSum"), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
multiply_0 = multiply(input_0, np.float32(1.0))
multiply_1 = multiply(input_1, np.float32(0.0))
add_2 = add(multiply_0, multiply_1)
-> add_2
""",
        finding=_ASSUMED,
    ),
    Case(
        "minibatch_discrimination",
        layer("MinibatchDiscrimination", weights={"kernel": (2, 1, 1)}, nb_kernels=2, kernel_dim=1),
        """
input = InputLayer
kernels_0 = Dense(input) units=2 use_bias=False kernel=[[0, 1.0]]
reshape_1 = Reshape(kernels_0) target_shape=[2, 1]
expand_dims_2 = expand_dims(reshape_1, 1)
expand_dims_3 = expand_dims(reshape_1, 0)
subtract_4 = subtract(expand_dims_2, expand_dims_3)
abs_5 = abs(subtract_4)
sum_6 = sum(abs_5, axis=3)
negative_7 = negative(sum_6)
exp_8 = exp(negative_7)
sum_9 = sum(exp_8, axis=1)
concatenate_10 = concatenate([input, sum_9], axis=1)
-> concatenate_10
""",
        finding=_ASSUMED,
    ),
]
REFUSALS = [
    Refusal(
        "scale_of_channels",
        layer("Scale", weights={"gamma": [1], "beta": [1]}, axis=2),
        "which need not be that of an image",
    ),
    Refusal("reflection_padding", layer("ReflectionPadding2D", padding=[1, 2, 3]), "pads by [1, 2, 3]"),
    Refusal("depth_to_space", layer("DepthToSpace", block_size=2, data_format="channels_first"), "its channels first"),
]

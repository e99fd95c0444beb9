# ruff: noqa: E501  (a node of a model is one line)
"""tensorflow-addons, keras-contrib, and activations of other libraries."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Layer, Writer
from tests.rules.cases import TF_KERAS, Case, Refusal, layer

NORM = {"axis": -1, "epsilon": 0.5, "center": True, "scale": True}
GAMMA_BETA = {"gamma": [1, 2], "beta": [3, 4]}


def addons(on: Layer) -> Layer:
    """The layer as tensorflow-addons registers it."""
    return on.replace(package=f"Addons>{on.class_name}")


def contrib(**config: Any) -> Layer:
    """The GroupNormalization of keras-contrib."""
    return layer("GroupNormalization", weights=GAMMA_BETA, beta_initializer=None, **{**NORM, **config})


def wrapper(class_name: str, weights: dict[str, Any], **config: Any) -> Layer:
    """A wrapper of tensorflow-addons around a Dense, whose variables it holds."""
    inner = layer("Dense", "dense", units=1, use_bias=True)
    return addons(layer(class_name, weights=weights, **config)).replace(children={"layer": inner})


CASES = [
    Case(
        "instance_normalization",
        layer("InstanceNormalization", weights=GAMMA_BETA, groups=-1, **NORM),
        layer(
            "GroupNormalization",
            weights={"gamma": [1.0, 2.0], "beta": [3.0, 4.0]},
            axis=-1,
            epsilon=0.5,
            center=True,
            scale=True,
            groups=-1,
        ),
    ),
    Case(
        "instance_normalization",
        layer("InstanceNormalization", weights=GAMMA_BETA, **{**NORM, "axis": 3}),
        """
input = InputLayer
mean = mean(input, axis=[1, 2], keepdims=True)
centred = subtract(input, mean)
squares = square(centred)
variance = mean(squares, axis=[1, 2], keepdims=True)
deviation = sqrt(variance)
divisor = add(deviation, np.float32(0.5))
normed = divide(centred, divisor)
scale_and_shift = DepthwiseConv2D(normed) kernel_size=[1, 1] use_bias=True data_format='channels_last' depthwise_kernel=[[[[1.0], [2.0]]]] bias=[3, 4.0]
-> scale_and_shift
""",
    ),
    Case(
        "instance_normalization",
        layer("InstanceNormalization", weights={"beta": [2]}, **{**NORM, "axis": None, "scale": False}),
        """
input = InputLayer
values = Flatten(input)
mean = mean(values, axis=1)
deviation = std(values, axis=1)
divisor = add(deviation, np.float32(0.5))
sample_last = transpose(input)
centred = subtract(sample_last, mean)
divided = divide(centred, divisor)
normed = transpose(divided)
single = expand_dims(normed, -1)
scale_and_shift = Dense(single) units=1 use_bias=True kernel=[[1.0]] bias=[2.0]
whole = squeeze(scale_and_shift, -1)
-> whole
""",
    ),
    Case(
        "instance_normalization",
        layer("InstanceNormalization", weights={"scale": [1, 2], "offset": [3, 4]}),
        layer(
            "GroupNormalization", weights={"gamma": [1.0, 2.0], "beta": [3.0, 4.0]}, axis=-1, epsilon=1e-05, groups=-1
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "group_normalization",
        addons(layer("GroupNormalization", weights=GAMMA_BETA, groups=2, **NORM)),
        layer(
            "GroupNormalization",
            weights={"gamma": [1.0, 2.0], "beta": [3.0, 4.0]},
            axis=-1,
            epsilon=0.5,
            center=True,
            scale=True,
            groups=2,
        ),
        writer=TF_KERAS,
    ),
    Case(
        "group_normalization",
        contrib(groups=2, axis=1),
        layer(
            "GroupNormalization",
            weights={"gamma": [1.0, 2.0], "beta": [3.0, 4.0]},
            groups=2,
            axis=1,
            epsilon=0.5,
            center=True,
            scale=True,
        ),
    ),
    Case(
        "group_normalization",
        contrib(groups=2),
        """
input = InputLayer
reshape_0 = Reshape(input) target_shape=[2, -1, 1]
groupnormalization_1 = GroupNormalization(reshape_0) groups=2 axis=1 epsilon=0.5 center=False scale=False
einsumdense_2 = EinsumDense(groupnormalization_1) equation='bgpc,gc->bgpc' output_shape=[2, None, 1] bias_axes='gc' kernel=[[1.0], [2.0]] bias=[[[3.0]], [[4.0]]]
reshape_3 = build.reshape(einsumdense_2, -1, [input, 1, None])
-> reshape_3
""",
    ),
    Case(
        "group_normalization",
        contrib(groups=2),
        layer(
            "GroupNormalization",
            weights={"gamma": [1.0, 2.0], "beta": [3.0, 4.0]},
            groups=2,
            axis=-1,
            epsilon=0.5,
            center=True,
            scale=True,
        ),
        writer=TF_KERAS,
        finding="known_layer_assumed",
    ),
    Case(
        "group_normalization",
        contrib(groups=2),
        contrib(groups=2),
        writer=Writer("2.12.0", "tensorflow"),
    ),
    Case(
        "filter_response_normalization",
        layer(
            "FilterResponseNormalization",
            weights={"gamma": (1, 1, 1, 2), "beta": (1, 1, 1, 2)},
            epsilon=-0.5,
            axis=[1, 2],
            learned_epsilon=False,
        ),
        """
input = InputLayer
squares = square(input)
mean = mean(squares, axis=[1, 2], keepdims=True)
sum = add(mean, np.float32(0.5))
inverse = rsqrt(sum)
normed = multiply(input, inverse)
scale_and_shift = DepthwiseConv2D(normed) kernel_size=[1, 1] use_bias=True data_format='channels_last' depthwise_kernel=[[[[0.0], [1.0]]]] bias=[0, 1.0]
-> scale_and_shift
""",
    ),
    Case(
        "weight_normalization",
        wrapper(
            "WeightNormalization", {"g": [2], "kernel": [[3], [4]], "bias": [1], "initialized": True}, data_init=True
        ),
        layer(
            "Dense",
            weights={"kernel": [[1.2000000476837158], [1.600000023841858]], "bias": [1.0]},
            units=1,
            use_bias=True,
        ),
        writer=TF_KERAS,
    ),
    Case(
        "spectral_normalization",
        wrapper(
            "SpectralNormalization",
            {"layer/vars/0": [[3], [4]], "layer/vars/1": [1], "vars/0": [[1]]},
            power_iterations=1,
        ),
        layer("Dense", weights={"kernel": [[3.0], [4.0]], "bias": [1.0]}, units=1, use_bias=True),
        finding="training_only_wrapper_dropped",
        writer=TF_KERAS,
    ),
    Case(
        "spectral_normalization",
        layer(
            "SpectralNormalization",
            weights={"layer/vars/0": [[3], [4]], "layer/vars/1": [1], "vars/0": [[1]]},
            power_iterations=1,
        ).replace(children={"layer": layer("Dense", "dense", units=1, use_bias=True)}),
        layer("Dense", weights={"kernel": [[3.0], [4.0]], "bias": [1.0]}, units=1, use_bias=True),
        finding="training_only_wrapper_dropped",  # and not that it is taken for that of another library
        writer=Writer("3.15.1", "tensorflow"),
    ),
    Case(
        "gelu_layer",
        layer("GELU", approximate=True),
        """
input = InputLayer
gelu = gelu(input, approximate=True)
-> gelu
""",
    ),
    Case("gelu_layer", layer("GELU", approximate=False), layer("Activation", activation="gelu")),
    Case(
        "adaptive_pooling",
        addons(layer("AdaptiveMaxPooling1D", output_size=[2], data_format="channels_last")),
        layer("AdaptiveMaxPooling1D", output_size=[2], data_format="channels_last"),
        writer=TF_KERAS,
    ),
    Case(
        "stochastic_depth_of_two",
        layer("StochasticDepth", survival_probability=0.5),
        """
input_0 = InputLayer
input_1 = InputLayer
scaled = multiply(input_1, 0.5)
sum = add(input_0, scaled)
-> sum
""",
        finding="known_layer_assumed",
    ),
    Case(
        "foreign_activations",
        layer("Activation", activation="softplus2"),
        (
            layer("Activation", "x_step_0", activation="softplus"),
            layer("Rescaling", "x_step_1", scale=1.0, offset=-0.6931471805599453),
        ),
    ),
    Case(
        "foreign_activations",
        layer("Activation", activation="Addons>lisht"),
        """
input = InputLayer
tanh = tanh(input)
product = multiply(input, tanh)
-> product
""",
    ),
    Case(
        "foreign_activations",
        layer("Activation", activation="h_swish"),
        layer("Activation", activation="hard_swish"),
        finding="known_layer_assumed",
    ),
    Case(
        "foreign_activations",
        layer("Activation", activation="h_sigmoid"),
        (
            layer("Rescaling", "x_step_0", scale=0.16666666666666666, offset=0.5),
            layer("ReLU", "x_step_1", max_value=1.0),
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "activation_before_its_time",
        layer("LSTM", activation="tanh", recurrent_activation="gelu"),
        layer("LSTM", activation="tanh", recurrent_activation="gelu"),
        finding="known_layer_assumed",
    ),
    Case(
        "activation_before_its_time",
        layer("Dense", activation="gelu"),
        layer("Dense", activation="gelu"),
        writer=TF_KERAS,  # which has one: an own function of that name cannot be told from it
    ),
    Case(
        "activation_before_its_time",
        layer("Dense", weights={"kernel": (4, 2), "bias": (2,)}, units=2, activation="gelu"),
        layer(
            "Dense",
            weights={"kernel": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]], "bias": [0.0, 1.0]},
            units=2,
            activation="gelu",
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "frozen_batch_normalization",
        layer("BatchNormalization", axis=3, trainable=True, freeze=True),
        layer("BatchNormalization", "x", axis=3, trainable=False),
    ),
    Case(
        "frozen_batch_normalization",
        layer("BatchNormalization", axis=3, trainable=True),
        layer("BatchNormalization", axis=3, trainable=True),
    ),
    Case(
        "batch_normalization_at_inference",
        layer(
            "FixedBatchNormalization",
            weights={"x_gamma": [1], "x_beta": [2], "x_running_mean": [3], "x_running_std": [4]},
            axis=3,
            epsilon=0.5,
        ),
        layer(
            "BatchNormalization",
            "x",
            {"gamma": [1.0], "beta": [2.0], "moving_mean": [3.0], "moving_variance": [4.0]},
            axis=3,
            epsilon=0.5,
            trainable=False,
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "batch_normalization_at_inference",
        layer(
            "BatchNorm",
            weights={"gamma": [1], "beta": [2], "moving_mean": [3], "moving_variance": [4]},
            axis=3,
            epsilon=0.5,
        ),
        layer(
            "BatchNormalization",
            "x",
            {"gamma": [1.0], "beta": [2.0], "moving_mean": [3.0], "moving_variance": [4.0]},
            axis=3,
            epsilon=0.5,
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "batch_normalization_at_inference",
        layer("BatchNorm", weights={"gamma": [1]}, axis=3, epsilon=0.5),
        layer("BatchNorm", weights={"gamma": [1]}, axis=3, epsilon=0.5),
    ),
    Case("activation_layer", layer("Mish"), layer("Activation", "x", activation="mish"), finding="known_layer_assumed"),
    Case(
        "activation_layer",
        layer("HSigmoid"),
        (
            layer("Rescaling", "x_step_0", scale=0.16666666666666666, offset=0.5),
            layer("ReLU", "x_step_1", max_value=1.0),
        ),
        finding="known_layer_assumed",
    ),
    Case(
        "activation_layer",
        layer("Swish", beta=1.0),
        layer("Activation", "x", activation="swish"),
        finding="known_layer_assumed",
    ),
    Case(
        "activation_layer",
        layer("Swish", weights={"beta": [1]}, beta=1.0),
        layer("Swish", weights={"beta": [1]}, beta=1.0),
    ),
]

REFUSALS = [
    Refusal(
        "instance_normalization",
        layer("InstanceNormalization", weights=GAMMA_BETA, **{**NORM, "axis": -1}),
        "axis -1 of an input of 2 axes",
    ),
    Refusal(
        "instance_normalization",
        layer("InstanceNormalization", weights=GAMMA_BETA, groups=-1, **{**NORM, "axis": -2}),
        "counts its axis",
    ),
    Refusal(
        "group_normalization",
        contrib(groups=2, axis=2),
        "has groups along axis 2",
    ),
    Refusal(
        "filter_response_normalization",
        layer("FilterResponseNormalization", epsilon=1.0, axis=[1, 2], learned_epsilon=True),
        "learnt its epsilon",
    ),
    Refusal(
        "weight_normalization",
        wrapper(
            "WeightNormalization", {"g": [2], "kernel": [[3], [4]], "bias": [1], "initialized": False}, data_init=True
        ),
        "before it saw any data",
    ),
    Refusal(
        "spectral_normalization",
        wrapper("SpectralNormalization", {"kernel": [[3], [4]]}, power_iterations=1),
        "do not fit",
    ),
    Refusal("activation_before_its_time", layer("Activation", activation="sparsemax"), "sparsemax"),
]

"""QKeras: quantized layers as stock ones (`reconstruct/objects/known/qkeras.py`)."""

from __future__ import annotations

from typing import Any

from tests.rules.cases import TF_KERAS, Case, Refusal, layer

BITS: dict[str, Any] = {"bits": 3, "integer": 0, "symmetric": 1, "alpha": 1.0, "keep_negative": True}


def quantizer(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": name, "config": config}


FOLDED = {
    "kernel": [[1.0, 2.0]],
    "batch_normalization/gamma": [1.0, 0.5],
    "batch_normalization/beta": [0.0, 1.0],
    "iteration": [3],
    "batch_normalization/moving_mean": [0.0, 1.0],
    "batch_normalization/moving_variance": [1.0, 4.0],
}

CASES = [
    Case(
        "qkeras_linear",
        layer(
            "QDense",
            weights={"kernel": [[0.3, -0.9]], "bias": [0.1, 0.6]},
            units=2,
            use_bias=True,
            activation="tanh",
            kernel_quantizer=quantizer("quantized_bits", **BITS),
            bias_quantizer="quantized_po2(3)",
            kernel_constraint=quantizer("Clip", min_value=-1, max_value=1),
            kernel_range=None,
        ),
        layer(
            "Dense",
            weights={"kernel": [[0.25, -0.75]], "bias": [0.25, 0.5]},
            units=2,
            use_bias=True,
            activation="tanh",
        ),
        TF_KERAS,
    ),
    Case(
        "qkeras_linear",
        layer(
            "QDense",
            weights={"vars/0": [[0.3, -0.9]]},
            units=2,
            use_bias=False,
            activation="softmax_of_mine",
            kernel_quantizer=None,
            bias_quantizer=None,
        ),
        (
            layer("Dense", weights={"kernel": [[0.3, -0.9]]}, units=2, use_bias=False, activation="linear"),
            layer("Activation", "x_activation", activation="softmax_of_mine"),
        ),
        TF_KERAS,
    ),
    # HGQ2 has layers of the same names, with other options
    Case("qkeras_linear", layer("QDense", units=2, kq_conf={}), layer("QDense", units=2, kq_conf={}), TF_KERAS),
    Case(
        "qkeras_folded",
        layer(
            "QDenseBatchnorm",
            weights=FOLDED,
            units=2,
            use_bias=False,
            epsilon=0.0,
            scale=True,
            center=True,
            folding_mode="ema_stats_folding",
            kernel_quantizer=None,
            bias_quantizer="quantized_bits(4,1)",
        ),
        layer("Dense", weights={"kernel": [[1.0, 0.5]], "bias": [0.0, 0.75]}, units=2, use_bias=True),
        TF_KERAS,
    ),
    Case(
        "qkeras_batch_normalization",
        layer(
            "QBatchNormalization",
            weights={"gamma": [1.4], "beta": [0.3], "moving_mean": [0.7], "moving_variance": [3.0]},
            axis=[3],
            scale=True,
            center=True,
            gamma_quantizer="quantized_relu_po2(6,2048)",
            beta_quantizer=None,
            mean_quantizer=quantizer("quantized_bits", **BITS),
            variance_quantizer="quantized_relu_po2(6,quadratic_approximation=True)",
        ),
        layer(
            "BatchNormalization",
            weights={"gamma": [1.0], "beta": [0.3], "moving_mean": [0.75], "moving_variance": [4.0]},
            axis=3,
            scale=True,
            center=True,
        ),
        TF_KERAS,
    ),
    Case(
        "qkeras_activation",
        layer("QActivation", activation="quantized_relu(2)"),
        """
input = InputLayer
less_equal_0 = less_equal(input, 0.75)
maximum_1 = maximum(input, 0.0)
where_2 = where(less_equal_0, maximum_1, 0.75)
multiply_3 = multiply(input, 4.0)
divide_4 = divide(multiply_3, 1.0)
round_5 = round(divide_4)
divide_6 = divide(round_5, 4.0)
clip_7 = clip(divide_6, 0.0, 0.75)
multiply_8 = multiply(clip_7, 1.0)
subtract_9 = subtract(multiply_8, where_2)
stop_gradient_10 = stop_gradient(subtract_9)
add_11 = add(where_2, stop_gradient_10)
-> add_11
""",
        TF_KERAS,
    ),
    Case(
        "qkeras_activation", layer("QActivation", activation="relu"), layer("Activation", activation="relu"), TF_KERAS
    ),
    Case(
        "qkeras_average_pooling",
        layer("QAveragePooling2D", pool_size=[1, 3], average_quantizer=quantizer("quantized_bits", **BITS)),
        (
            layer("AveragePooling2D", pool_size=[1, 3]),
            layer("Rescaling", "x_area", scale=3.0, offset=0.0),
            layer("Rescaling", "x_inverse", scale=0.25, offset=0.0),
        ),
        TF_KERAS,
    ),
    Case(
        "qkeras_global_average_pooling",
        layer("QGlobalAveragePooling2D", average_quantizer=None, activation="relu", keepdims=True),
        (layer("GlobalAveragePooling2D", keepdims=True), layer("Activation", "x_activation", activation="relu")),
        TF_KERAS,
    ),
    Case("qkeras_without_translation", layer("QLSTM", units=2), layer("QLSTM", units=2), TF_KERAS),
]
REFUSALS: list[Refusal] = [
    Refusal("qkeras_activation", layer("QActivation", activation="quantized_bits(4,alpha='auto')"), "whole batch"),
    Refusal("qkeras_activation", layer("QActivation", activation="bernoulli"), "at random"),
    Refusal("qkeras_activation", layer("QActivation", activation="quantized_relu(open('x'))"), "not plain values"),
    Refusal("qkeras_activation", layer("QActivation", activation="quantized_relu(bits='a')"), "not a number"),
    Refusal("qkeras_activation", layer("QActivation", activation="quantized_relu(4,strange=1)"), "no option strange"),
    Refusal(
        "qkeras_linear",
        layer("QDense", weights={"kernel": (1, 2)}, kernel_quantizer="mine(4)"),
        "no quantizer of QKeras",
    ),
    Refusal("qkeras_linear", layer("QDense", weights={"kernel": (1, 2)}, kernel_quantizer="bernoulli()"), "at random"),
    Refusal(
        "qkeras_folded",
        layer("QConv2DBatchnorm", folding_mode="ema_stats_folding", data_format="channels_first"),
        "wrong axis",
    ),
    Refusal("qkeras_batch_normalization", layer("QBatchNormalization", variance_quantizer=None), "should have gamma"),
    Refusal(
        "qkeras_average_pooling",
        layer("QAveragePooling2D", pool_size=2, average_quantizer="quantized_bits(4,alpha='auto')"),
        "single number",
    ),
    Refusal(
        "qkeras_global_average_pooling",
        layer("QGlobalAveragePooling2D", average_quantizer="quantized_bits(4,alpha='auto')"),
        "single number",
    ),
    Refusal("qkeras_without_translation", layer("QLSTM", kernel_quantizer="quantized_bits(4)"), "no stock layer does"),
    Refusal("qkeras_without_translation", layer("QAdaptiveActivation", activation="quantized_bits"), "not saved"),
]

"""Choices that no shape depends on: activations, slopes, epsilons and the like, each with its cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.context import (
    ACTIVATION_LAYERS,
    TO_ACTIVATION,
    UNLISTED,
    WITH_ACTIVATION,
    Context,
    inner,
    slope_field,
)
from reconstruct.inference.last import behind_last, generates, last
from reconstruct.inference.shapes import KEEP_MASK, MERGES, RECURRENT, pools, spatial


def numerical(layer: Layer, context: Context) -> dict[str, list[tuple[Any, float]]]:
    """The fields that do not change any shape, each with its alternatives, the likeliest first."""
    found: dict[str, list[tuple[Any, float]]] = {}
    for name, costs in _numerical(layer, context).items():
        if name in context.fixed:
            found[name] = [(context.fixed[name], 0.0)]
            continue
        found[name] = sorted(costs.items(), key=lambda item: item[1])
    for name in ("activation", "recurrent_activation"):
        if name in context.fixed and name not in found and inner(layer).class_name in (*WITH_ACTIVATION, *RECURRENT):
            found[name] = [(context.fixed[name], 0.0)]
    return found


def _numerical(layer: Layer, context: Context) -> dict[str, Mapping[Any, float]]:
    core = inner(layer)
    name = core.class_name
    if name in WITH_ACTIVATION and "activation" in core.config:
        return {"activation": {core.config["activation"]: 0.0}}
    if name in WITH_ACTIVATION:
        return {"activation": _activation(core, context)}
    if name == "Activation" and layer.name.startswith(UNLISTED):
        return {"activation": priors.HIDDEN_OF_DISCRIMINATOR if context.discriminates else priors.HIDDEN}
    if name == "Activation" and "activation" not in layer.config:
        if context.last:
            return {"activation": behind_last(context)}
        of_attention = bool(context.following) and context.following[0].class_name == "Dot"
        return {"activation": {**priors.ACTIVATION_LAYER, **({"softmax": 0.05} if of_attention else {})}}
    if name in RECURRENT and "recurrent_activation" in core.config:
        return {}
    if name in RECURRENT:
        gate = {
            "before_2_3": priors.GATE_BEFORE_2_3,
            "between": priors.GATE_BETWEEN,
            "since": priors.GATE_SINCE,
        }[context.era]
        if core.config.get("reset_after") or "AttentionWeightedAverage" in context.classes:
            gate = priors.GATE_SINCE  # as of CuDNN, or in textgenrnn (2.0, model.py), which wants to be like that
        return {"activation": priors.RECURRENT} | ({} if name == "SimpleRNN" else {"recurrent_activation": gate})
    if name == "ConvLSTM2D":  # whose gates tf_keras has kept (tf_keras/src/layers/rnn/conv_lstm2d.py)
        gate = priors.GATE_BEFORE_2_3 if context.version < (3, 0, 0) else priors.GATE_SINCE
        return {"activation": priors.RECURRENT, "recurrent_activation": gate}
    if name == "LeakyReLU":
        of_images = "Reshape" in context.classes or any("Conv" in c for c in context.classes)
        pooled_too = any("Pooling" in c for c in context.classes)
        ends = [n for n in context.following if "kernel" in n.weights][-1:]
        encodes = any(n.class_name == "Dense" and n.weights["kernel"].shape[-1] > 1 for n in ends)
        of_gan = of_images and not pooled_too and not encodes
        of_gan = of_gan or context.discriminates or (not of_images and generates(ends, context))
        slopes = priors.LEAKY_SLOPE_OF_GAN if of_gan else priors.LEAKY_SLOPE
        return {slope_field(context.version < (3, 0, 0)): slopes}
    if name == "BatchNormalization":
        return {"epsilon": priors.BATCH_EPSILON}
    if name == "LayerNormalization":
        return {
            "epsilon": priors.ATTENTION_EPSILON if "MultiHeadAttention" in context.classes else priors.LAYER_EPSILON
        }
    if name == "UpSampling2D" and "interpolation" not in layer.config:
        return {"interpolation": {"nearest": 0.1, "bilinear": 2.3}}
    if name == "Dot":
        return {"normalize": {False: 0.2, True: 1.8}}
    if name == "ReLU":
        return {"max_value": {None: 0.1, 6.0: 3.0}}
    if name == "Embedding" and _masked(context):
        captions = "Add" in context.classes and "MultiHeadAttention" not in context.classes
        return {"mask_zero": priors.MASK_ZERO_OF_CAPTION if captions else priors.MASK_ZERO}
    if name == "Rescaling" and "scale" not in layer.config:
        if "offset" in layer.config:
            return {"scale": priors.SCALE_OF_OUTPUT}
        of_function = "Lambda" in context.classes
        return {"scale": priors.SCALE, "offset": priors.OFFSET_OF_FUNCTION if of_function else priors.OFFSET}
    if name == "Masking":
        return {"mask_value": priors.MASK_VALUE}
    return {}


def _masked(context: Context) -> bool:
    """Whether what follows would leave out steps that an Embedding masks."""
    following = next((inner(n).class_name for n in context.following if inner(n).class_name not in _KEEPS_MASK), "")
    return following in (*RECURRENT, "MultiHeadAttention", "AttentionWeightedAverage", "GlobalAveragePooling1D")


_KEEPS_MASK = (*KEEP_MASK, "Merge", *(name for name in MERGES if name != "Dot"))


def _activation(layer: Layer, context: Context) -> Mapping[str, float]:
    following = next((n for n in context.following if n.class_name not in TO_ACTIVATION), None)
    if following is not None and following.class_name in ACTIVATION_LAYERS:
        return priors.BEFORE_ACTIVATION
    summed = next((n for n in context.following if not n.class_name.endswith(("Dropout", "Cropping2D"))), None)
    if summed is not None and summed.class_name == "Add" and spatial(layer.class_name):
        return priors.BEFORE_SUM
    if summed is not None and summed.class_name == "Concatenate" and layer.class_name.endswith("Transpose"):
        return priors.BEFORE_SUM  # as in a U-Net, where it makes larger what the next convolution takes
    pooled = summed is not None and (pools(summed.class_name) or summed.class_name == "Flatten")
    if context.last and not (pooled and spatial(layer.class_name)):  # else what it gives are features
        return last(layer, context)
    if context.discriminates and "GAP" in context.classes:  # the file would not list a LeakyReLU
        return priors.HIDDEN_OF_DISCRIMINATOR
    costs = dict(priors.HIDDEN_APART if context.apart and not _goes_on(layer, context) else priors.HIDDEN)
    if following is None and context.following:  # a branch that merges at once
        costs["linear"] = 1.0
    if summed is not None and summed.class_name == "Add" and "MultiHeadAttention" in context.classes:
        costs["linear"], costs["relu"] = 0.2, 2.0  # the feed-forward part of a transformer (arXiv 1706.03762, 3.3)
    return costs


def discriminates(name: str) -> bool:
    """Whether a file is called after the discriminator of a generative adversarial network."""
    return re.search(r"discrim|(^|[^a-z])(d|dis|disc)_", name.lower()) is not None


def _goes_on(layer: Layer, context: Context) -> bool:
    """Whether a convolution leads to the next kernel with nothing between that could stand for its activation: without
    one of its own the two would be one."""
    behind = next((n for n in context.following if not n.class_name.startswith(_NO_ACTIVATION)), None)
    own = layer.class_name in _KERNELS and spatial(layer.class_name) > 0  # of depthwise ones the next is a part
    return own and behind is not None and behind.class_name in _KERNELS


_KERNELS = ("Dense", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")
_NO_ACTIVATION = ("Dropout", "SpatialDropout", "MaxPooling", "AveragePooling", "UpSampling", "ZeroPadding", "Flatten")

"""Quantization-aware layers of QKeras (qkeras 0.9.0 on tf.keras, qkeras-v3 1.2.1 on Keras 3).

In inference the quantized weights are constants: they are computed once, and the layer is the stock one. Training the
result further no longer quantizes them. Quantized activations become operations, through which gradients pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Tensor, combine
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import assumed, known
from reconstruct.objects.known.quantizers import Number, Quantizer, read_quantizer
from reconstruct.objects.known.variables import named
from reconstruct.rules.engine import Context, Noted
from reconstruct.rules.expansion import INPUT, chain, stock
from reconstruct.rules.tf_expression import ops, rewrite
from reconstruct.stock import foreign_activation

_PACKAGES = "qkeras 0.9.0 and qkeras-v3 1.2.1"
# What the layers have beyond the stock ones, for training or folded into the weights.
_OWN = ("kernel_range", "bias_range", "depthwise_range", "gamma_range", "beta_range", "mask")
_KERNEL = {"kernel": "kernel_quantizer", "bias": "bias_quantizer"}
_DEPTHWISE = {"depthwise_kernel": "depthwise_quantizer", "bias": "bias_quantizer"}
_SEPARABLE = {**_DEPTHWISE, "pointwise_kernel": "pointwise_quantizer"}
_STOCK: dict[str, tuple[str, Mapping[str, str]]] = {
    "QDense": ("Dense", _KERNEL),
    "QConv1D": ("Conv1D", _KERNEL),
    "QConv2D": ("Conv2D", _KERNEL),
    "QConv2DTranspose": ("Conv2DTranspose", _KERNEL),
    "QDepthwiseConv2D": ("DepthwiseConv2D", _DEPTHWISE),
    "QSeparableConv1D": ("SeparableConv1D", _SEPARABLE),
    "QSeparableConv2D": ("SeparableConv2D", _SEPARABLE),
    "QDenseBatchnorm": ("Dense", _KERNEL),
    "QConv2DBatchnorm": ("Conv2D", _KERNEL),
    "QDepthwiseConv2DBatchnorm": ("DepthwiseConv2D", _DEPTHWISE),
}
_ORDER = ("depthwise_kernel", "pointwise_kernel", "kernel", "bias")


@known(
    "QDense",
    "QConv1D",
    "QConv2D",
    "QConv2DTranspose",
    "QDepthwiseConv2D",
    "QSeparableConv1D",
    "QSeparableConv2D",
    source=f"{_PACKAGES}, qlayers.py and qconvolutional.py",
    library="qkeras",
)
def qkeras_linear(layer: Layer, context: Context) -> Layer | Noted:
    """A layer of QKeras is Keras's with weights that are quantized once; further training does not quantize them."""
    class_name, quantizers = _STOCK[layer.class_name]
    if not any(option in layer.config for option in quantizers.values()):
        return layer
    own = [n for n in _ORDER if n in quantizers and (n != "bias" or layer.config.get("use_bias", True))]
    weights = {
        name: _quantized(tensor, _weight_quantizer(layer, quantizers[name]))
        for name, tensor in named(layer, own).items()
        if name in own
    }
    mask = layer.config.get("mask")
    if mask is not None and "kernel" in weights:
        weights["kernel"] = _masked(weights["kernel"], np.asarray(mask, "float32"))
    return _with_activation(_stock(layer, class_name, weights), layer, context)


@known(
    "QConv2DBatchnorm",
    "QDepthwiseConv2DBatchnorm",
    "QDenseBatchnorm",
    source=f"{_PACKAGES}, qconv2d_batchnorm.py, qdepthwiseconv2d_batchnorm.py and qdense_batchnorm.py",
    library="qkeras",
)
def qkeras_folded(layer: Layer, context: Context) -> Layer | Noted:
    """QKeras folds a batch normalization into kernel and bias and quantizes both: a stock layer of Keras with these."""
    class_name, quantizers = _STOCK[layer.class_name]
    config = layer.config
    if "folding_mode" not in config:
        return layer
    if config.get("data_format", "channels_last") != "channels_last":
        raise NotEquivalent(
            f"{layer.class_name} with data_format='channels_first' folds along the wrong axis in QKeras"
        )
    kernel_name = next(iter(quantizers))
    own = [kernel_name, *(["bias"] if config.get("use_bias", True) else []), "iteration"]
    statistics = [
        *(["gamma"] if config.get("scale", True) else []),
        *(["beta"] if config.get("center", True) else []),
        "moving_mean",
        "moving_variance",
    ]
    found = named(layer, own, {"batchnorm": statistics})
    names = [n for n in found if n != "iteration"]
    if not {kernel_name, "beta", "moving_mean", "moving_variance"} <= set(names):
        raise NotEquivalent(f"{layer.class_name} without beta or statistics is not known; it has {', '.join(names)}")
    arrays = [found[n] for n in names]
    epsilon = float(config.get("epsilon", 1e-3))

    def inverse(values: Mapping[str, np.ndarray]) -> np.ndarray:
        inverse = 1.0 / np.sqrt(values["moving_variance"] + np.float32(epsilon))
        return inverse * values["gamma"] if "gamma" in values else inverse

    def folded_kernel(read: list[np.ndarray]) -> np.ndarray:
        values = dict(zip(names, read, strict=True))
        kernel, factor = values[kernel_name], inverse(values)
        return (factor.reshape(kernel.shape[2:]) if kernel_name == "depthwise_kernel" else factor) * kernel

    def folded_bias(read: list[np.ndarray]) -> np.ndarray:
        values = dict(zip(names, read, strict=True))
        return inverse(values) * (values.get("bias", np.float32(0)) - values["moving_mean"]) + values["beta"]

    kernel = combine(kernel_name, arrays, folded_kernel, found[kernel_name].shape)
    bias = combine("bias", arrays, folded_bias, found["moving_mean"].shape)
    weights = {
        kernel_name: _quantized(kernel, _weight_quantizer(layer, quantizers[kernel_name])),
        "bias": _quantized(bias, _weight_quantizer(layer, "bias_quantizer")),
    }
    plain = _stock(layer.without(*_NORMALIZATION), class_name, weights).having(use_bias=True)
    return _with_activation(plain, layer, context)


_NORMALIZATION = (
    "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer "
    "moving_variance_initializer beta_regularizer gamma_regularizer beta_constraint gamma_constraint renorm "
    "renorm_clipping renorm_momentum fused virtual_batch_size adjustment synchronized ema_freeze_delay folding_mode"
).split()


@known("QBatchNormalization", source=f"{_PACKAGES}, qnormalization.py", library="qkeras")
def qkeras_batch_normalization(layer: Layer) -> Layer:
    """QBatchNormalization of QKeras is BatchNormalization of Keras with quantized gamma, beta, mean and variance."""
    if "variance_quantizer" not in layer.config:
        return layer
    config = layer.config
    own = [
        *(["gamma"] if config.get("scale", True) else []),
        *(["beta"] if config.get("center", True) else []),
        "moving_mean",
        "moving_variance",
    ]
    found = named(layer, own)
    if set(found) != set(own):
        raise NotEquivalent(f"{layer.class_name} should have {', '.join(own)}, the file has {', '.join(found)}")
    learnt = ("gamma", "moving_variance")
    weights = {
        name: _quantized(
            found[name], _weight_quantizer(layer, f"{name.removeprefix('moving_')}_quantizer", name in learnt)
        )
        for name in own
    }
    kept = layer.without(*(k for k in config if k.endswith(("_quantizer", "_range")) or k == "activation"))
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) == 1:  # as tf.keras writes it
        kept = kept.having(axis=axis[0])
    inverse = _weight_quantizer(layer, "inverse_quantizer", False)
    if inverse is not None:
        epsilon = np.float32(config.get("epsilon", 1e-3))
        sources = [weights["moving_variance"], *([weights["gamma"]] if "gamma" in weights else [])]
        size = weights["moving_variance"].shape
        gamma = combine("gamma", sources, lambda a: inverse.of_array(_inverse(epsilon, *a)), size)
        ones = weights["moving_variance"].map(lambda a: np.full_like(a, 1.0 - epsilon))
        weights = {"gamma": gamma, **{k: t for k, t in weights.items() if k != "gamma"}, "moving_variance": ones}
        kept = kept.having(scale=True)
    return _cleaned(kept).replace(class_name="BatchNormalization", package=None, weights=weights)


def _inverse(epsilon: np.float32, variance: np.ndarray, gamma: np.ndarray | None = None) -> np.ndarray:
    inverse = 1.0 / np.sqrt(variance + epsilon)
    return inverse if gamma is None else inverse * gamma


@known("QActivation", source=f"{_PACKAGES}, qlayers.py", library="qkeras")
def qkeras_activation(layer: Layer) -> Layer | Noted:
    """QActivation of QKeras: the quantizer's arithmetic as operations of Keras; rounding is half to even in both."""
    value = layer.config.get("activation")
    quantizer = read_quantizer(value)
    if quantizer is None:
        return layer.replace(class_name="Activation", package=None)
    return _assuming(quantizer, layer, _activation(layer, quantizer).replace(calls=layer.calls))


@known("QAveragePooling2D", source=f"{_PACKAGES}, qpooling.py", library="qkeras")
def qkeras_average_pooling(layer: Layer, context: Context) -> Layer | Noted:
    """QAveragePooling2D of QKeras: AveragePooling2D of Keras, with a quantized 1 / area as the factor of the sum."""
    if "average_quantizer" not in layer.config:
        return layer
    plain = _cleaned(layer.without("average_quantizer", "activation")).replace(
        class_name="AveragePooling2D", package=None
    )
    quantizer = read_quantizer(layer.config.get("average_quantizer"))
    if quantizer is None:
        return _with_activation(plain, layer, context, stock_takes_activation=False)
    sizes = layer.config["pool_size"]
    area = float(np.prod(sizes)) if isinstance(sizes, list | tuple) else float(sizes) ** 2
    by_area = stock("Rescaling", "area", {"scale": area, "offset": 0.0})
    by_inverse = stock("Rescaling", "inverse", {"scale": float(_of_scalar(quantizer, 1.0 / area)), "offset": 0.0})
    # qkeras-v3 multiplies before it averages, so that nothing is lost; 0.9.0 did so afterwards
    parts = [by_area, plain] if context.writer.major >= 3 else [plain, by_area]
    return _with_activation(chain(layer, *parts, by_inverse), layer, context, stock_takes_activation=False)


@known("QGlobalAveragePooling2D", source=f"{_PACKAGES}, qpooling.py", library="qkeras")
def qkeras_global_average_pooling(layer: Layer, context: Context) -> Layer | Noted:
    """QGlobalAveragePooling2D of QKeras: the sum times a quantized 1 / area, as operations of Keras."""
    if "average_quantizer" not in layer.config:
        return layer
    quantizer = read_quantizer(layer.config.get("average_quantizer"))
    if quantizer is None:
        plain = _cleaned(layer.without("average_quantizer", "activation"))
        plain = plain.replace(class_name="GlobalAveragePooling2D", package=None)
        return _with_activation(plain, layer, context, stock_takes_activation=False)
    if quantizer.automatic:
        raise NotEquivalent(f"{quantizer.name} with alpha={quantizer['alpha']!r} cannot scale a single number")
    last = layer.config.get("data_format", "channels_last") == "channels_last"
    axes, keep = ((1, 2) if last else (2, 3)), bool(layer.config.get("keepdims", False))
    one = (Ellipsis, slice(0, 1)) if last else (slice(None), slice(0, 1))
    area = Number(ops("sum", ops("ones_like", ops("get_item", INPUT, one)), axis=axes, keepdims=keep))
    inverse = Number(quantizer.of_tensor(area.apply("divide", 1.0, area).value))
    if context.writer.major >= 3:
        pooled = Number(ops("sum", INPUT, axis=axes, keepdims=keep)) * inverse
    else:
        pooled = Number(ops("mean", INPUT, axis=axes, keepdims=keep)) * area * inverse
    whole = rewrite(Layer("Functional", layer.name, path=layer.path), pooled.value).replace(calls=layer.calls)
    if layer.config.get("activation") in (None, "linear"):
        return whole
    return _with_activation(chain(layer, whole), layer, context, stock_takes_activation=False)


@known(
    "QAdaptiveActivation",
    "QScaleShift",
    "QDepthwiseConv2DTranspose",
    "QSeparableConv2DTranspose",
    "QSimpleRNN",
    "QLSTM",
    "QGRU",
    "QSimpleRNNCell",
    "QLSTMCell",
    "QGRUCell",
    "QBidirectional",
    source=f"{_PACKAGES}, qlayers.py and qrecurrent.py",
    library="qkeras",
)
def qkeras_without_translation(layer: Layer) -> Layer:
    """Layers of QKeras that quantize by state that no file keeps, or in every step of a loop: none of Keras 3 does."""
    if not any("quantizer" in key for key in layer.config) and layer.class_name != "QAdaptiveActivation":
        return layer
    what = (
        "it quantizes by the range of earlier data, which is not saved"
        if layer.class_name == "QAdaptiveActivation"
        else "it quantizes in a way that no stock layer does"
    )
    raise NotEquivalent(f"{layer.class_name} of QKeras: {what}", hint="pip install qkeras, and --custom qkeras")


def _weight_quantizer(layer: Layer, option: str, learnt: bool | None = None) -> Quantizer | None:
    value = layer.config.get(option)
    quantizer = read_quantizer(value)
    if value is not None and quantizer is None:
        raise NotEquivalent(f"{option} of {layer.name} is {str(value)[:80]}, which is no quantizer of QKeras")
    if quantizer is not None and quantizer.name == "bernoulli":
        raise NotEquivalent("bernoulli draws the weights at random in every call, in inference too")
    learnt = option != "bias_quantizer" if learnt is None else learnt
    return quantizer.of_kernel() if quantizer is not None and learnt else quantizer


def _quantized(tensor: Tensor, quantizer: Quantizer | None) -> Tensor:
    return tensor if quantizer is None else tensor.map(quantizer.of_array)


def _masked(kernel: Tensor, mask: np.ndarray) -> Tensor:
    shape = np.broadcast_shapes(kernel.shape, mask.shape)
    if shape != kernel.shape:
        raise NotEquivalent(f"a mask of shape {mask.shape} on a kernel of shape {kernel.shape}")
    return kernel.map(lambda array: array * mask)


def _of_scalar(quantizer: Quantizer, value: float) -> np.ndarray:
    if quantizer.automatic:
        raise NotEquivalent(f"{quantizer.name} with alpha={quantizer['alpha']!r} cannot scale a single number")
    return quantizer.of_array(np.asarray(value, "float32"))


def _stock(layer: Layer, class_name: str, weights: Mapping[str, Tensor]) -> Layer:
    config = {k: v for k, v in layer.config.items() if not k.endswith("_quantizer") and k not in _OWN}
    padding = config.get("padding")
    if isinstance(padding, str):
        config["padding"] = padding.lower()
    return _cleaned(layer.replace(class_name=class_name, package=None, config=config, weights=weights))


def _cleaned(layer: Layer) -> Layer:
    """The layer without initializers and constraints that only QKeras has; they count in training only."""
    return layer.without(*(k for k, v in layer.config.items() if _class_name(v) in ("Clip", "QInitializer")))


def _class_name(value: Any) -> str:
    return str(value.get("class_name", "")).split(">")[-1] if isinstance(value, Mapping) else ""


def _activation(layer: Layer, quantizer: Quantizer) -> Layer:
    return rewrite(Layer("Functional", layer.name, path=layer.path), quantizer.of_tensor(INPUT))


def _with_activation(
    plain: Layer, original: Layer, context: Context, stock_takes_activation: bool = True
) -> Layer | Noted:
    """The layers of `plain`, and the activation: in the stock layer where Keras has it, behind it where not."""
    value = original.config.get("activation")
    quantizer = read_quantizer(value)
    if value in (None, "linear") or (quantizer is None and stock_takes_activation and not foreign_activation(value)):
        return plain
    layers = plain.graph.layers if plain.is_model and plain.graph and plain.graph.sequential else (plain,)
    if stock_takes_activation:
        layers = (plain.having(activation="linear"),)
    if quantizer is None:
        return chain(original, *layers, stock("Activation", "activation", {"activation": value}))
    if context.may_mask and plain.class_name == "Dense":
        raise NotEquivalent(f"a mask may reach {original.name}, and would be lost at its quantized activation")
    after = _activation(Layer("Functional", "activation"), quantizer)
    return _assuming(quantizer, original, chain(original, *layers, after))


def _assuming(quantizer: Quantizer, original: Layer, result: Layer) -> Layer | Noted:
    if not quantizer.internal_sigmoid:
        return result
    message = (
        f"{quantizer.name} in {original.name!r} is computed with QKeras's default sigmoid, clip(0.5·x + 0.5, 0, 1); "
        "a program can choose another by set_internal_sigmoid, which no file says"
    )
    return assumed(original, result, message)


KNOWN = (
    qkeras_linear,
    qkeras_folded,
    qkeras_batch_normalization,
    qkeras_activation,
    qkeras_average_pooling,
    qkeras_global_average_pooling,
    qkeras_without_translation,
)

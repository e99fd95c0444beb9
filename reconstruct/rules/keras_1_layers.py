"""Layers of Keras 1 that later versions do not have, as stock layers of Keras 3 (Keras 1.2.2, keras/layers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor, constant
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Rule, keras_1, multi_backend, rule
from reconstruct.rules.expansion import INPUT, call, chain, op, stock, subgraph
from reconstruct.stock import is_highway


@rule(layers=("MaxoutDense",), writers=multi_backend)
def maxout_dense(layer: Layer) -> Layer:
    """Keras 2.1 dropped MaxoutDense: it is the maximum over `nb_feature` dense layers."""
    shape = [layer.config.get("nb_feature", 4), layer.config["output_dim"]]
    biased = bool(layer.config.get("bias", True))
    config = {"equation": "ab,cbd->acd", "output_shape": shape, "bias_axes": "cd" if biased else None}
    dense = stock("EinsumDense", "features", config, **_named(layer, W="kernel", b="bias"))
    return subgraph(layer, call(dense, INPUT), op("output", "max", Ref("features"), axis=1))


@rule(layers=("Highway",), writers=multi_backend)
def highway(layer: Layer) -> Layer:
    """Keras 2.1 dropped Highway: t·activation(Wx + b) + (1 - t)·x, where t = sigmoid(W_carry x + b_carry)."""
    if not is_highway(layer.config):
        return layer
    if "W" not in layer.weights:
        raise _without_weights(layer)
    config = {"units": layer.weights["W"].shape[-1], "use_bias": bool(layer.config.get("bias", True))}
    transform = stock("Dense", "transform", {**config, "activation": layer.config.get("activation") or "linear"})
    gate = stock("Dense", "gate", {**config, "activation": "sigmoid"})
    return subgraph(
        layer,
        call(transform.replace(weights=_named(layer, W="kernel", b="bias")), INPUT),
        call(gate.replace(weights=_named(layer, W_carry="kernel", b_carry="bias")), INPUT),
        op("transformed", "multiply", Ref("transform"), Ref("gate")),
        op("carry", "subtract", 1.0, Ref("gate")),
        op("carried", "multiply", Ref("carry"), INPUT),
        op("output", "add", Ref("transformed"), Ref("carried")),
    )


@rule(layers=("ParametricSoftplus",), writers=keras_1)
def parametric_softplus(layer: Layer) -> Layer:
    """Keras 2 dropped ParametricSoftplus: alpha·softplus(beta·x), a parameter for each element."""
    if not {"alphas", "betas"} <= set(layer.weights):
        raise _without_weights(layer)
    alphas, betas = layer.weights["alphas"], layer.weights["betas"]
    return chain(
        layer,
        _elementwise("scale", betas),
        stock("Activation", "softplus", {"activation": "softplus"}),
        _elementwise("weigh", alphas),
    )


@rule(layers=("SReLU",), writers=keras_1)
def s_relu(layer: Layer) -> Layer:
    """Keras 2 dropped SReLU: PReLU(u) + (a_right - 1)·relu(u - |t_right|) + t_left, where u = x - t_left."""
    if not {"t_left", "a_left", "t_right", "a_right"} <= set(layer.weights):
        raise _without_weights(layer)
    t_left, a_left, t_right, a_right = (layer.weights[n] for n in ("t_left", "a_left", "t_right", "a_right"))
    shared = [i + 1 for i, n in enumerate(a_left.shape) if n == 1]
    prelu = stock("PReLU", "left", {"shared_axes": shared or None}, alpha=a_left)
    return subgraph(
        layer,
        call(_elementwise("u", t_left.map(np.ones_like), t_left.map(np.negative)), INPUT),
        call(prelu, Ref("u")),
        call(_elementwise("v", t_right.map(np.ones_like), t_right.map(lambda t: -np.abs(t))), Ref("u")),
        op("right", "relu", Ref("v")),
        call(_elementwise("bend", a_right.map(lambda a: a - 1), t_left), Ref("right")),
        op("output", "add", Ref("left"), Ref("bend")),
    )


def _elementwise(name: str, factor: Tensor, term: Tensor | None = None) -> Layer:
    """`factor`·x + `term`, both of the shape of x without its batch, and shared along axes where they have length 1."""
    rank = len(factor.shape)
    own = [axis for axis, n in enumerate(factor.shape) if n != 1] or [rank - 1]
    sizes = [factor.shape[axis] for axis in own]
    if len(own) == 1 and rank > 1:
        vector = None if term is None else term.map(np.ravel, sizes)
        return _affine(name, own[0] + 1, factor.map(np.ravel, sizes), vector)
    # An ellipsis after the axes with parameters: EinsumDense gets the lengths of the others right only there.
    letters, rest = "bcdefghij"[: len(own)], "..." if len(own) < rank else ""
    config = {
        "equation": f"a{letters}{rest},{letters}->a{letters}{rest}",
        "output_shape": sizes,
        "bias_axes": None if term is None else letters,
    }
    weights = {"kernel": factor.map(lambda f: f.reshape(sizes), sizes)}
    if term is not None:
        shape = sizes + [1] * (rank - len(own))
        weights["bias"] = term.map(lambda t: t.reshape(shape), shape)
    dense = stock("EinsumDense", name, config, **weights)
    order = [*own, *(axis for axis in range(rank) if axis not in own)]
    if order == sorted(order):
        return dense
    return subgraph(
        Layer("", name),
        op("own_first", "transpose", INPUT, axes=[0, *(axis + 1 for axis in order)]),
        call(dense, Ref("own_first")),
        op("output", "transpose", Ref(name), axes=[0, *(order.index(axis) + 1 for axis in range(rank))]),
    )


def _affine(name: str, axis: int, factor: Tensor, term: Tensor | None) -> Layer:
    """`factor`·x + `term` along an axis of x of any rank: a BatchNormalization with averages 0 and, with epsilon, 1.

    EinsumDense cannot do it: of an x of unknown rank it reverses the shape, and on TensorFlow it adds a bias of shape
    (3, 1, 1) to the last axis where that has length 3 too (Keras 3.15.1, backend/tensorflow/numpy.py, `add`).
    """
    size = factor.shape
    config = {"axis": axis, "epsilon": 2.0**-10, "momentum": 1.0, "center": term is not None, "trainable": False}
    weights = {"gamma": factor} | ({} if term is None else {"beta": term})
    mean = constant("moving_mean", np.zeros(size, np.float32))
    variance = constant("moving_variance", np.full(size, 1 - 2.0**-10, np.float32))
    return stock("BatchNormalization", name, config, **weights, moving_mean=mean, moving_variance=variance)


@rule(layers=("BatchNormalization",), writers=keras_1)
def batch_normalization_modes(layer: Layer) -> Layer:
    """Keras 2 dropped the modes of BatchNormalization without averages: 1 normalises a sample, 2 always the batch."""
    mode = layer.config.get("mode", 0)
    if mode not in (1, 2):
        return layer
    if not {"gamma", "beta"} <= set(layer.weights):
        raise _without_weights(layer)
    epsilon, axis = layer.config.get("epsilon", 1e-3), layer.config.get("axis", -1)
    gamma, beta = layer.weights["gamma"], layer.weights["beta"]
    scaled = call(_affine("output", axis if mode == 2 else -1, gamma, beta), Ref("normed"))
    if mode == 1:
        moments = _moments(INPUT, INPUT, -1, epsilon)
        # Mode 1 adds epsilon twice (Keras 1.2.2, layers/normalization.py).
        divisor = op("divisor", "add", Ref("deviation"), epsilon)
        return subgraph(layer, *moments, divisor, op("normed", "divide", Ref("centred"), Ref("divisor")), scaled)
    last = op("last", "swapaxes", INPUT, axis, -1)
    rows = op("rows", "reshape", Ref("last"), [-1, gamma.shape[0]])
    divided = op("divided", "divide", Ref("centred"), Ref("deviation"))
    back = op("normed", "swapaxes", Ref("divided"), axis, -1)
    return subgraph(layer, last, rows, *_moments(Ref("last"), Ref("rows"), 0, epsilon), divided, back, scaled)


def _moments(x: Ref, samples: Ref, axis: int, epsilon: float) -> list[Layer]:
    """`centred` is x less the mean of the samples, `deviation` the root of their variance and epsilon."""
    return [
        op("mean", "mean", samples, axis=axis, keepdims=True),
        op("variance", "var", samples, axis=axis, keepdims=True),
        op("above_zero", "add", Ref("variance"), epsilon),
        op("deviation", "sqrt", Ref("above_zero")),
        op("centred", "subtract", x, Ref("mean")),
    ]


_SIZES: Mapping[str, tuple[str, ...]] = {
    "Convolution1D": ("filter_length",),
    "AtrousConvolution1D": ("filter_length",),
    "Convolution2D": ("nb_row", "nb_col"),
    "AtrousConvolution2D": ("nb_row", "nb_col"),
    "Convolution3D": ("kernel_dim1", "kernel_dim2", "kernel_dim3"),
}


@rule(layers=_SIZES, writers=keras_1)
def full_border_mode(layer: Layer) -> Layer:
    """Keras 1 on Theano had `border_mode="full"`: the input is padded so that the kernel meets every part of it."""
    if layer.config.get("border_mode") != "full":
        return layer
    sizes = [layer.config[name] for name in _SIZES[layer.class_name]]
    rate = layer.config.get("atrous_rate", 1)
    rates = rate if isinstance(rate, list) else [rate] * len(sizes)
    margins = [(n - 1) * r for n, r in zip(sizes, rates, strict=True)]
    config: dict[str, Any] = {"padding": margins if len(sizes) > 1 else margins[0]}
    if len(sizes) > 1:
        config["dim_ordering"] = layer.config.get("dim_ordering")
    pad = stock(f"ZeroPadding{len(sizes)}D", f"{layer.name}_padding", config)
    return chain(layer, pad, layer.having(border_mode="valid"))


def _named(layer: Layer, **names: str) -> dict[str, Tensor]:
    """The weights of the layer with these names, under new ones."""
    return {new: layer.weights[old] for old, new in names.items() if old in layer.weights}


def _without_weights(layer: Layer) -> NotEquivalent:
    return NotEquivalent(
        f"{layer.class_name} has no Keras 3 form without its weights, whose shapes it needs",
        hint="give the file with the weights",
    )


RULES: tuple[Rule, ...] = (
    maxout_dense,
    highway,
    parametric_softplus,
    s_relu,
    batch_normalization_modes,
    full_border_mode,
)

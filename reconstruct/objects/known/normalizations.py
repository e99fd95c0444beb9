"""Normalizations of tensorflow-addons and keras-contrib, of layers' outputs and of their weights."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from reconstruct.artifact import Finding, Layer, Ref, Tensor, combine, constant
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import assumed, code_of, known, taken_for
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.surroundings import before
from reconstruct.objects.known.tcn import normalized
from reconstruct.rules.engine import Context, Noted, multi_backend
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph
from reconstruct.stock import slots

_FIELDS = {"axis", "epsilon", "center", "scale"}
_KEPT = ("name", "trainable", "dtype", "axis", "epsilon", "center", "scale")


@known("InstanceNormalization", source="tensorflow-addons 0.23 and keras-contrib 2.0.8", library="tensorflow-addons")
def instance_normalization(layer: Layer, context: Context) -> Layer | Noted:
    """Every channel of every sample normalized by itself: Keras's GroupNormalization, or operations.

    tensorflow-addons (layers/normalizations.py) divides by sqrt(variance + epsilon), keras-contrib
    (layers/normalization/instancenormalization.py) by sqrt(variance) + epsilon.
    """
    if {*_FIELDS, "groups"} <= set(layer.config):
        return _as_groups(layer, -1)
    if set(layer.config) >= _FIELDS:
        result = _of_contrib(layer, context)
        return result if multi_backend(context.writer) else _assumed(layer, result, "keras-contrib")
    names = {name.rpartition("/")[2]: t for name, t in layer.weights.items()}
    if set(names) == {"scale", "offset"} and not set(layer.config) & {"axis", "groups"}:
        config = {"axis": -1, "epsilon": float(layer.config.get("epsilon", 1e-5)), "groups": -1}
        result = layer.replace(
            class_name="GroupNormalization",
            package=None,
            config={**{k: v for k, v in layer.config.items() if k in _KEPT}, **config},
            weights={"gamma": names["scale"], "beta": names["offset"]},
        )
        return _assumed(layer, result, "TensorFlow's CycleGAN tutorial (tensorflow_examples, pix2pix.py)")
    return layer


@known("GroupNormalization", source="tensorflow-addons 0.23 and keras-contrib 2.0.8", library="tensorflow-addons")
def group_normalization(layer: Layer, context: Context) -> Layer | Noted:
    """The GroupNormalization of other libraries as Keras's own; the groups of keras-contrib are of an image's rows
    where channels come last, not of its channels, in layers and operations of Keras."""
    if not {*_FIELDS, "groups"} <= set(layer.config):
        return layer
    groups = int(layer.config["groups"])
    if (layer.package or "").startswith("Addons"):
        return _as_groups(layer, groups)
    if "beta_initializer" not in layer.config or context.writer.version >= (2, 11, 0):  # Keras's own
        return layer
    if not multi_backend(context.writer):
        return _assumed(layer, _as_groups(layer, groups), "tensorflow-addons 0.23, whose groups are of channels")
    if layer.config["axis"] == 1 or groups == 1:
        return _as_groups(layer, groups)
    return _groups_of_rows(layer, context, groups)


def _groups_of_rows(layer: Layer, context: Context, groups: int) -> Layer:
    """What keras-contrib 2.0.8 does (layers/normalization/groupnormalization.py): it reshapes (rows, columns, channels)
    to (groups, rows, columns, channels of a group), without moving the channels."""
    axis = layer.config["axis"]
    if axis not in (-1, (_rank(layer, context) or 0) - 1):
        raise NotEquivalent(f"{layer.name} has groups along axis {axis}, which need not be the last")
    if context.may_mask:
        raise NotEquivalent(f"a mask passed {layer.name}; the operations that stand for it hand none on")
    weights = by_last_name(layer.weights, [n for n, f in (("gamma", "scale"), ("beta", "center")) if layer.config[f]])
    nodes = Nodes()
    size = next(iter(weights.values())).size // groups if weights else 1
    parts = nodes.reshape(INPUT, [groups, -1, size])
    config = {"groups": groups, "axis": 1, "epsilon": layer.config["epsilon"], "center": False, "scale": False}
    normed = nodes.stock("GroupNormalization", config, {}, parts)
    if weights:
        gamma = weights.get("gamma") or constant("gamma", np.ones(groups * size, "float32"))
        tensors = {"kernel": gamma.map(lambda a: a.reshape(groups, size), (groups, size))}
        if "beta" in weights:
            tensors["bias"] = weights["beta"].map(lambda a: a.reshape(groups, 1, size), (groups, 1, size))
        scale = {"equation": "bgpc,gc->bgpc", "output_shape": [groups, None, size]}
        normed = nodes.stock("EinsumDense", scale | ({"bias_axes": "gc"} if "beta" in weights else {}), tensors, normed)
    return nodes.model(layer, 1, nodes.op("build.reshape", normed, -1, (INPUT, 1, None)))


def _as_groups(layer: Layer, groups: int) -> Layer:
    axis = layer.config["axis"]
    if not isinstance(axis, int) or axis < -1:
        raise NotEquivalent(f"{layer.name} counts its axis, {axis}, otherwise than Keras does")
    config = {k: v for k, v in layer.config.items() if k in _KEPT} | {"groups": groups}
    weights = by_last_name(layer.weights, [n for n, f in (("gamma", "scale"), ("beta", "center")) if layer.config[f]])
    return layer.replace(class_name="GroupNormalization", package=None, config=config, weights=weights)


def _of_contrib(layer: Layer, context: Context) -> Layer:
    axis, epsilon = layer.config["axis"], np.float32(layer.config["epsilon"])
    weights = by_last_name(layer.weights, [n for n, f in (("gamma", "scale"), ("beta", "center")) if layer.config[f]])
    if context.may_mask:
        raise NotEquivalent(f"a mask passed {layer.name}; the operations that stand for it hand none on")
    if axis is None:
        return _whole_sample(layer, weights, epsilon)
    rank = _rank(layer, context)
    if rank not in (3, 4) or axis not in (1, -1, rank - 1) or (axis == 1 and rank == 3):
        raise NotEquivalent(f"{layer.name} normalizes axis {axis} of an input of {rank or 'unknown'} axes")
    first = axis == 1
    spatial = list(range(2, rank)) if first else list(range(1, rank - 1))
    nodes = [
        op("mean", "mean", INPUT, axis=spatial, keepdims=True),
        op("centred", "subtract", INPUT, Ref("mean")),
        op("squares", "square", Ref("centred")),
        op("variance", "mean", Ref("squares"), axis=spatial, keepdims=True),
        op("deviation", "sqrt", Ref("variance")),
        op("divisor", "add", Ref("deviation"), epsilon),
        op("normed", "divide", Ref("centred"), Ref("divisor")),
    ]
    if weights:
        nodes.append(call(scale_and_shift(weights, rank, first), Ref("normed")))
    return subgraph(layer, *nodes)


def _whole_sample(layer: Layer, weights: Mapping[str, Tensor], epsilon: np.float32) -> Layer:
    """With axis=None all values of a sample are normalized together, and `gamma` and `beta` are single numbers.

    The number of axes is not known: with the sample as the last axis, one number a sample fits any.
    """
    nodes = [
        call(stock("Flatten", "values"), INPUT),
        op("mean", "mean", Ref("values"), axis=1),
        op("deviation", "std", Ref("values"), axis=1),
        op("divisor", "add", Ref("deviation"), epsilon),
        op("sample_last", "transpose", INPUT),
        op("centred", "subtract", Ref("sample_last"), Ref("mean")),
        op("divided", "divide", Ref("centred"), Ref("divisor")),
        op("normed", "transpose", Ref("divided")),
    ]
    if weights:
        gamma = weights.get("gamma") or constant("gamma", np.ones(1, "float32"))
        tensors = {"kernel": gamma.map(lambda a: a.reshape(1, 1), (1, 1))}
        tensors |= {"bias": weights["beta"]} if "beta" in weights else {}
        dense = stock("Dense", "scale_and_shift", {"units": 1, "use_bias": "beta" in weights}, **tensors)
        nodes += [
            op("single", "expand_dims", Ref("normed"), -1),
            call(dense, Ref("single")),
            op("whole", "squeeze", Ref("scale_and_shift"), -1),
        ]
    return subgraph(layer, *nodes)


def scale_and_shift(weights: Mapping[str, Tensor], rank: int, first: bool) -> Layer:
    """A depthwise convolution of size 1: every channel times its own number, plus another."""
    some = next(iter(weights.values()))
    size = some.size
    gamma = weights.get("gamma") or constant("gamma", np.ones(size, "float32"))
    shape = (*(1,) * (rank - 2), size, 1)
    tensors = {"depthwise_kernel": gamma.map(lambda a: a.reshape(shape), shape)}
    if "beta" in weights:
        tensors["bias"] = weights["beta"].map(lambda a: a.reshape(size), (size,))
    config = {
        "kernel_size": [1] * (rank - 2),
        "use_bias": "beta" in weights,
        "data_format": "channels_first" if first else "channels_last",
    }
    return stock(f"DepthwiseConv{rank - 2}D", "scale_and_shift", config, **tensors)


_SAME_RANK = (
    "Activation ReLU LeakyReLU PReLU ELU Dropout BatchNormalization Add Concatenate Multiply InstanceNormalization "
    "GaussianNoise Softmax"
).split()


def _rank(layer: Layer, context: Context) -> int | None:
    """The number of axes of the layer's input, if the layers before it tell."""
    if layer.config["axis"] == 3:
        return 4
    for _ in range(50):
        inputs = before(layer, context.graph) if context.graph else []
        if not inputs:
            return None
        layer = inputs[0]
        if layer.class_name == "InputLayer":
            shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
            return len(shape) if shape else None
        dimensions = re.search(r"(\d)D(Transpose)?$", layer.class_name)
        if dimensions:
            return None if layer.class_name.startswith("Global") else int(dimensions[1]) + 2
        if layer.class_name not in _SAME_RANK:
            return None
    return None


@known("FilterResponseNormalization", source="tensorflow-addons 0.23, normalizations.py", library="tensorflow-addons")
def filter_response_normalization(layer: Layer, context: Context) -> Layer:
    """Every channel of an image divided by its mean square, by operations of Keras and a depthwise convolution."""
    if not {"epsilon", "axis", "learned_epsilon"} <= set(layer.config):
        return layer
    if layer.config["learned_epsilon"] or list(layer.config["axis"]) != [1, 2] or context.may_mask:
        raise NotEquivalent(f"{layer.name} learnt its epsilon, has other axes than [1, 2], or hands a mask on")
    return subgraph(
        layer,
        op("squares", "square", INPUT),
        op("mean", "mean", Ref("squares"), axis=[1, 2], keepdims=True),
        op("sum", "add", Ref("mean"), np.float32(abs(layer.config["epsilon"]))),
        op("inverse", "rsqrt", Ref("sum")),
        op("normed", "multiply", INPUT, Ref("inverse")),
        call(scale_and_shift(by_last_name(layer.weights, ["gamma", "beta"]), 4, False), Ref("normed")),
    )


def by_last_name(weights: Mapping[str, Tensor], names: list[str]) -> dict[str, Tensor]:
    """The tensors by the last part of their names, or in their order where the file only numbers them."""
    by_name = {name.rpartition("/")[2]: t for name, t in weights.items()}
    if set(by_name) == set(names):
        return {n: by_name[n] for n in names}
    if len(weights) != len(names):
        raise NotEquivalent(f"{len(weights)} tensors where {', '.join(names) or 'none'} should be")
    return dict(zip(names, weights.values(), strict=True))


@known("WeightNormalization", source="tensorflow-addons 0.23, wrappers.py", library="tensorflow-addons")
def weight_normalization(layer: Layer) -> Layer:
    """The wrapped layer of Keras with the kernel that its direction and its length make, computed once."""
    inner = layer.children.get("layer")
    if inner is None or "data_init" not in layer.config:
        return layer
    kernel = "recurrent_kernel" if inner.class_name in ("LSTM", "GRU", "SimpleRNN") else "kernel"
    weights = _of_wrapped(layer, inner, {"vars/0": "g", "vars/1": kernel, "vars/2": "initialized"})
    length, initialized = weights.pop("g"), weights.pop("initialized", None)
    if initialized is not None and not initialized.read():
        raise NotEquivalent(f"{layer.name} was saved before it saw any data; the first batch would set its weights")
    parts = [weights[kernel], length, *([initialized] if initialized else [])]
    weights[kernel] = combine(kernel, parts, lambda a: normalized(a[0], a[1]), weights[kernel].shape)
    return _unwrapped(layer, inner, weights)


@known("SpectralNormalization", source="tensorflow-addons 0.23, spectral_normalization.py", library="tensorflow-addons")
def spectral_normalization(layer: Layer, context: Context) -> Layer | Noted:
    """The wrapped layer of Keras: training divides its kernel and keeps the result, inference uses it as it is.

    tf_keras 2.21 (layers/normalization/spectral_normalization.py) and Keras 3 do the same as tensorflow-addons.
    """
    inner = layer.children.get("layer")
    if inner is None or "power_iterations" not in layer.config or not (layer.weights or inner.weights):
        return layer
    weights = _of_wrapped(layer, inner, {})
    message = f"{layer.name} is the layer that it wraps: training will no longer normalize its kernel"
    found = [Finding("training_only_wrapper_dropped", "info", layer.path, message)]
    result = _unwrapped(layer, inner, weights)
    own = layer.package is None and context.writer.version >= (2, 13, 0)  # Keras's own, also of Keras 3
    if own or (layer.package or "").startswith(("Addons", "keras", "tf_keras")):
        return Noted(result, tuple(found))
    return _assumed(layer, Noted(result, tuple(found)), "tensorflow-addons 0.23")


def _of_wrapped(layer: Layer, inner: Layer, own: Mapping[str, str]) -> dict[str, Tensor]:
    """The variables of a wrapped layer, by their names, and those of the wrapper that `own` names by their place."""
    wanted = [slot.name for slot in slots(inner.class_name, inner.config) or ()]
    ours = [n for n in layer.weights if "data_dep_init" not in n and "_naked_clone_layer" not in n]
    found: dict[str, Tensor] = {own[n]: layer.weights[n] for n in ours if n in own}
    if inner.weights:  # the names in an .h5 file say what is the wrapped layer's
        found |= {n.rpartition("/")[2]: layer.weights[n] for n in ours} | dict(inner.weights)
    inside = [n for n in ours if n.startswith("layer/")]
    if inside:  # numbered, in a .keras file
        left = [n for n in wanted if n not in found]
        if len(left) != len(inside):
            raise NotEquivalent(f"{layer.name} holds {len(inside)} tensors for {', '.join(left) or 'none'}")
        found.update(zip(left, (layer.weights[n] for n in inside), strict=True))
    elif not found:
        found = {n.rpartition("/")[2]: layer.weights[n] for n in ours}
    if not wanted or not set(wanted) <= set(found):
        raise NotEquivalent(f"the weights of {layer.name} do not fit those of {inner.class_name}")
    return {n: t for n, t in found.items() if n in wanted or n in ("g", "initialized")}


def _unwrapped(layer: Layer, inner: Layer, weights: Mapping[str, Tensor]) -> Layer:
    order = [slot.name for slot in slots(inner.class_name, inner.config) or ()]
    return inner.replace(
        name=layer.name,
        config={**inner.config, "name": layer.name},
        weights={n: weights[n] for n in order},
        calls=layer.calls,
        path=layer.path,
    )


def _assumed(layer: Layer, result: Layer | Noted, source: str) -> Noted:
    return assumed(layer, result, taken_for(layer, source), code_of(layer.class_name))


KNOWN = (
    instance_normalization,
    group_normalization,
    filter_response_normalization,
    weight_normalization,
    spectral_normalization,
)

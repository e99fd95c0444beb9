"""Wrappers of tensorflow-model-optimization 0.8.1: pruned layers and those trained for 8 bits, in inference."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from reconstruct.artifact import Layer, Tensor, combine
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.quantizers import Number
from reconstruct.objects.known.variables import handed_down
from reconstruct.rules.expansion import INPUT, chain, stock
from reconstruct.rules.tf_expression import rewrite

_LIBRARY = "tensorflow-model-optimization"
_SPARSITY = "tensorflow-model-optimization 0.8.1, sparsity/keras/pruning_wrapper.py"
_QUANTIZATION = "tensorflow-model-optimization 0.8.1, quantization/keras"
_STRIP = "strip the wrappers with the library and save again"


@known("PruneLowMagnitude", source=_SPARSITY, library=_LIBRARY)
def prune_low_magnitude(layer: Layer) -> Layer:
    """PruneLowMagnitude of tensorflow-model-optimization is the layer of Keras it wraps, its weights times their masks.

    The masks are applied in every call (`weight_mask_op`); `threshold` and `pruning_step` count in training only.
    """
    if "pruning_schedule" not in layer.config or "layer" not in layer.children:
        return layer
    layer = handed_down(layer)
    inner, *rest = _inner(layer)
    weights = dict(inner.weights)
    masks = _masks(layer.weights)
    # The masks are in the order of the weights that are pruned (prune_registry.py): never biases
    waiting = [n for n in weights if n.split("/")[-1] != "bias"]
    if "pointwise_kernel" in weights:
        waiting = ["pointwise_kernel"]
    for mask in masks:
        name = next((n for n in waiting if weights[n].shape == mask.shape), None)
        if name is None:
            raise NotEquivalent(f"no weight of {inner.name} has the shape of its mask, {mask.shape}", hint=_STRIP)
        waiting.remove(name)
        weights[name] = combine(name, [weights[name], mask], lambda a: a[0] * a[1], mask.shape)
    inner = inner.replace(weights=weights)
    return chain(layer, inner, *rest) if rest else _placed(inner, layer)


def _masks(weights: Mapping[str, Tensor]) -> list[Tensor]:
    """The masks among the variables of a wrapper: by name, or in a `.keras` file those before a threshold.

    There the wrapper has the pruned weights once more, then a mask and a threshold for each, and the step.
    """
    if not any(name.startswith("vars/") for name in weights):
        return [t for name, t in weights.items() if name.split("/")[-1].rstrip("_") == "mask"]
    tensors = list(weights.values())
    return [t for t, after in pairwise(tensors) if t.shape and not after.shape]


@known("QuantizeLayer", source=f"{_QUANTIZATION}/quantize_layer.py", library=_LIBRARY)
def quantize_layer(layer: Layer) -> Layer:
    """QuantizeLayer of tensorflow-model-optimization rounds its input to steps it learnt, as operations of Keras."""
    if "quantizer" not in layer.config:
        return layer
    if layer.config["quantizer"] is None:
        return stock("Identity", layer.name).replace(calls=layer.calls, path=layer.path)
    own = _by_last_name(layer)
    # All quantizers keep the range under the name of what they quantize
    ranges = {n: t for n, t in own.items() if n.endswith(("min", "max"))}
    if len(ranges) != 2:
        raise NotEquivalent(
            f"{layer.name} has no range to quantize to, only {', '.join(own) or 'nothing'}", hint=_STRIP
        )
    low, high = sorted(ranges, key=lambda n: n.endswith("max"))
    options = _options(layer.config["quantizer"])
    return _fake_quantized(layer.name, ranges[low], ranges[high], options).replace(calls=layer.calls, path=layer.path)


@known("QuantizeWrapper", "QuantizeWrapperV2", source=f"{_QUANTIZATION}/quantize_wrapper.py", library=_LIBRARY)
def quantize_wrapper(layer: Layer) -> Layer:
    """QuantizeWrapper of tensorflow-model-optimization: the layer of Keras with weights rounded to the steps learnt in
    training, and operations that round its activations."""
    if "quantize_config" not in layer.config or "layer" not in layer.children:
        return layer
    layer = handed_down(layer)
    scheme = str((layer.config["quantize_config"] or {}).get("class_name", "")).split(">")[-1]
    if scheme not in _SCHEMES:
        raise NotEquivalent(f"{layer.name} is quantized by {scheme or 'nothing'}, which is not known", hint=_STRIP)
    inner, own = _without_aware_activation(layer), _by_last_name(layer)
    own.pop("optimizer_step", None)
    weights = dict(inner.weights)
    for name, tensor in inner.weights.items():
        if f"{name}_min" in own:
            low, high = own.pop(f"{name}_min"), own.pop(f"{name}_max")
            weights[name] = _quantized_weight(inner.class_name, tensor, low, high)
    steps: list[Layer] = []
    for place in ("pre_activation", "post_activation", "output"):
        if f"{place}_min" in own:
            low, high = own.pop(f"{place}_min"), own.pop(f"{place}_max")
            steps.append(_fake_quantized(place, low, high, {}))
        if place == "pre_activation" and (steps or "post_activation_min" in own):
            activation = inner.config.get("activation", "linear")
            steps.append(stock("Activation", "activation", {"activation": activation}))
            inner = stock("Identity", "x") if inner.class_name == "Activation" else inner.having(activation="linear")
    if own:
        raise NotEquivalent(f"{layer.name} has variables of unknown use: {', '.join(own)}", hint=_STRIP)
    inner = inner.replace(weights=weights)
    return chain(layer, inner, *steps) if steps else _placed(inner, layer)


_SCHEMES = (
    "Default8BitQuantizeConfig",
    "Default8BitConvQuantizeConfig",
    "Default8BitConvTransposeQuantizeConfig",
    "Default8BitOutputQuantizeConfig",
    "NoOpQuantizeConfig",
    "OutputOnlyConfig",
)


@known(
    "ClusterWeights",
    source="tensorflow-model-optimization 0.8.1, clustering/keras/cluster_wrapper.py",
    library=_LIBRARY,
)
def cluster_weights(layer: Layer) -> Layer:
    """ClusterWeights of tensorflow-model-optimization moves weights to centroids in every call; no Keras layer does."""
    if "number_of_clusters" not in layer.config:
        return layer
    raise NotEquivalent("ClusterWeights assigns its weights to their centroids in every call", hint=_STRIP)


def _inner(wrapper: Layer) -> tuple[Layer, ...]:
    """The wrapped layer; and behind it its activation, where an earlier rule set that apart."""
    inner = wrapper.children["layer"]
    return inner.graph.layers if inner.graph is not None and inner.graph.sequential else (inner,)


def _without_aware_activation(wrapper: Layer) -> Layer:
    """The wrapped layer with its activation, which training wraps into a QuantizeAwareActivation."""
    layer, *rest = _inner(wrapper)
    value = (rest[0] if rest else layer).config.get("activation")
    if isinstance(value, Mapping) and value.get("class_name") == "QuantizeAwareActivation":
        value = (value.get("config") or {}).get("activation")
        none = isinstance(value, Mapping) and value.get("class_name") == "NoOpActivation"
        return layer.having(activation="linear" if none or value is None else value)
    return layer


def _placed(inner: Layer, wrapper: Layer) -> Layer:
    return inner.replace(name=wrapper.name, config={**inner.config, "name": wrapper.name}, calls=wrapper.calls)


def _by_last_name(layer: Layer) -> dict[str, Tensor]:
    if any(n.startswith("vars/") for n in layer.weights):
        raise NotEquivalent(f"the variables of {layer.name} have no names in a .keras file", hint=_STRIP)
    return {n.split("/")[-1]: t for n, t in layer.weights.items()}


def _options(spec: object) -> dict[str, object]:
    config = spec.get("config") if isinstance(spec, Mapping) else None
    if not isinstance(config, Mapping) or config.get("per_axis"):
        raise NotEquivalent(f"a quantizer {str(spec)[:80]} is not known", hint=_STRIP)
    return {k: config[k] for k in ("num_bits", "narrow_range") if k in config}


def _steps(low: float, high: float, bits: int, narrow: bool) -> tuple[np.float32, np.float32, np.float32]:
    """The smallest and the largest value and the distance of the steps, moved so that 0 is one of them.

    `Nudge` of TensorFlow, core/kernels/fake_quant_ops_functor.h.
    """
    first, last = np.float32(narrow), np.float32(2**bits - 1)
    scale = (np.float32(high) - np.float32(low)) / (last - first)
    if scale == 0:
        return np.float32(0), np.float32(0), np.float32(1)
    zero = np.clip(np.floor(first - np.float32(low) / scale + np.float32(0.5)), first, last)
    return (first - zero) * scale, (last - zero) * scale, scale


def _rounded(x: Number, low: np.float32, high: np.float32, scale: np.float32) -> Number:
    clipped = x.clip(float(low), float(high))
    rounded = ((clipped - float(low)) / float(scale) + 0.5).floor() * float(scale) + float(low)
    return clipped + x.apply("stop_gradient", rounded - clipped)


def _quantized_weight(class_name: str, tensor: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """A weight in 8 bits with a range for the whole, or for each output channel (`LastValueQuantizer`)."""
    if class_name == "Conv2DTranspose" and low.shape:  # its kernel has the output channels last but one
        axis = len(tensor.shape) - 2
    else:
        axis = len(tensor.shape) - 1
    if low.shape not in ((), (tensor.shape[axis],)):
        raise NotEquivalent(f"a range of shape {low.shape} for a weight of shape {tensor.shape}", hint=_STRIP)

    def quantize(arrays: list[np.ndarray]) -> np.ndarray:
        value, lows, highs = arrays
        if not lows.shape:
            return np.asarray(_rounded(Number(value), *_steps(float(lows), float(highs), 8, True)).value)
        moved = np.moveaxis(value, axis, 0)
        parts = [
            _rounded(Number(part), *_steps(float(lo), float(hi), 8, True)).value
            for part, lo, hi in zip(moved, lows, highs, strict=True)
        ]
        return np.moveaxis(np.stack(parts), 0, axis)

    return combine(tensor.name, [tensor, low, high], quantize, tensor.shape)


def _fake_quantized(name: str, low: Tensor, high: Tensor, options: Mapping[str, object]) -> Layer:
    if low.shape or high.shape:
        raise NotEquivalent("an activation with a range for each channel is not known", hint=_STRIP)
    bits = options.get("num_bits", 8)
    assert isinstance(bits, int)
    steps = _steps(float(low.read()), float(high.read()), bits, bool(options.get("narrow_range", False)))
    made = rewrite(Layer("Functional", name), _rounded(Number(INPUT), *steps).value)
    return made.replace(calls=())


KNOWN = (prune_low_magnitude, quantize_layer, quantize_wrapper, cluster_weights)

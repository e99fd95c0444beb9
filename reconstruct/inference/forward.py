"""What a layer computes in inference, in NumPy: enough to try many models on a few examples without building any.

Weights are those of Keras 2 and later. Where Keras 2 and 3 differ (`hard_sigmoid`), `keras_2` says which is meant.
The results are close to TensorFlow's, not the same; the model that is recovered is compared once more when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from reconstruct.artifact import Layer, Tensor
from reconstruct.inference.activations import ACTIVATIONS, Array, activate, softmax
from reconstruct.inference.convolutions import (
    convolution,
    depthwise,
    pooling,
    separable,
    transposed,
)
from reconstruct.inference.recurrence import GIVEN, MASK, conv_lstm, gru, lstm, simple_rnn
from reconstruct.inference.shapes import KEEP_MASK, RECURRENT, STATE, STEPS, margins, per_axis, spatial

Arrays = Sequence[Array]


class NotComputed(Exception):
    """This module cannot compute the layer."""


class Weights:
    """The arrays of tensors, each read once."""

    def __init__(self) -> None:
        self._arrays: dict[int, tuple[Tensor, Array]] = {}

    def __call__(self, tensor: Tensor) -> Array:
        if id(tensor) not in self._arrays:
            array = tensor.read()
            self._arrays[id(tensor)] = tensor, array.astype("float32") if array.dtype.kind in "fV" else array
        return self._arrays[id(tensor)][1]


def run(layer: Layer, inputs: Arrays, weights: Weights, keras_2: bool, mask: Array | None = None) -> Array:
    """The output of `layer`, whose first input has this mask, (batch, steps). Raises `NotComputed` for a class it does
    not know."""
    name = layer.class_name
    if layer.graph is not None:
        return _model(layer, inputs[0], weights, keras_2)
    w = {key: weights(t) for key, t in layer.weights.items()}
    x = inputs[0]
    if name in ("Bidirectional", "TimeDistributed"):
        return _WRAPPERS[name](layer, x, weights, keras_2, mask)
    if name in _MERGES:
        return _MERGES[name](layer, inputs)
    if len(inputs) > 1:  # of a decoder
        w[GIVEN] = inputs[1] if len(inputs) == 2 else np.stack(inputs[1:], 1)
    if mask is not None and name in _MASKED:
        w[MASK] = mask
    if name in _IDENTITY:
        return x
    function = _LAYERS.get(name)
    if function is None:
        raise NotComputed(name)
    with np.errstate(all="ignore"):
        y = function(layer, x, w, keras_2)
        activation = layer.config.get("activation")
        if activation is not None and name not in (*RECURRENT, "ConvLSTM2D"):
            y = activate(activation, y, keras_2)
    return y


_MASKED = (*RECURRENT, "GlobalAveragePooling1D", "MultiHeadAttention", "AttentionWeightedAverage")


def mask_after(layer: Layer, inputs: Arrays, masks: Sequence[Array | None], keras_2: bool) -> Array | None:
    """The mask of what a layer gives, (batch, steps)."""
    core = next(iter(layer.children.values())) if layer.class_name == "Bidirectional" else layer
    if layer.class_name == "Embedding":
        return np.asarray(inputs[0] != 0) if layer.config.get("mask_zero") else None
    if layer.class_name == "Masking":
        return _unmasked(layer, inputs[0])
    if layer.class_name in _MERGES:
        return _joined(layer, inputs[0].ndim, masks, keras_2)
    keeps = (
        core.config.get("return_sequences")
        if core.class_name in RECURRENT
        else layer.class_name in (*KEEP_MASK, "TimeDistributed")
    )
    return masks[0] if masks and keeps else None


def _unmasked(layer: Layer, x: Array) -> Array:
    """The steps that a Masking leaves."""
    return np.asarray((x != layer.config.get("mask_value", 0.0)).any(-1))


def _joined(layer: Layer, rank: int, masks: Sequence[Array | None], keras_2: bool) -> Array | None:
    """The mask of what is merged: of steps that all keep, or any with Keras 3, where one without a mask keeps all
    (keras/src/layers/merging/base_merge.py and concatenate.py, and those of tf_keras). Raises `NotComputed` where steps
    are joined with steps."""
    present = [m for m in masks if m is not None]
    if not present or layer.class_name == "Dot":
        return None
    if layer.class_name == "Concatenate" and layer.config.get("axis", -1) not in (-1, rank - 1):
        raise NotComputed("masks of steps that are joined")
    if keras_2:
        return np.asarray(np.logical_and.reduce(present))
    return np.asarray(np.logical_or.reduce(present)) if len(present) == len(masks) else None


def _state(layer: Layer, x: Array, _w: Mapping[str, Array], _: bool) -> Array:
    return x[:, layer.config["index"] - layer.config["states"]]


def _first_steps(layer: Layer, x: Array, _w: Mapping[str, Array], _: bool) -> Array:
    return x[:, : -layer.config["states"]]


def _masking(layer: Layer, x: Array, _w: Mapping[str, Array], _: bool) -> Array:
    return x * _unmasked(layer, x)[..., None]


def _model(layer: Layer, x: Array, weights: Weights, keras_2: bool) -> Array:
    """A model with one input and one output; what no later layer takes is let go."""
    assert layer.graph is not None
    layers = layer.graph.layers
    called = [[ref.layer for call in n.calls for ref in call.refs()] for n in layers]
    last = {name: i for i, names in enumerate(called) for name in names}
    arrays: dict[str, Array] = {}
    for i, (inner, names) in enumerate(zip(layers, called, strict=True)):
        arrays[inner.name] = run(inner, [arrays[n] for n in names], weights, keras_2) if names else x
        for name in {n for n in names if last[n] == i}:
            del arrays[name]
    return arrays[layers[-1].name]


def _dense(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = x @ w["kernel"]
    return y + w["bias"] if "bias" in w else y


def _global(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    first = layer.config.get("data_format") == "channels_first"
    axes = tuple(range(2, x.ndim)) if first else tuple(range(1, x.ndim - 1))
    keep = bool(layer.config.get("keepdims"))
    if MASK in w:
        seen = w[MASK][..., None].astype("float32")
        return np.asarray((x * seen).sum(1, keepdims=keep) / seen.sum(1, keepdims=keep))
    return x.max(axis=axes, keepdims=keep) if "Max" in layer.class_name else x.mean(axis=axes, keepdims=keep)


def _batch_normalization(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    axis = layer.config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) else axis
    shape = [1] * x.ndim
    shape[axis] = -1
    own = {k: v.reshape(shape) for k, v in w.items()}
    scale = own.get("gamma", 1.0) / np.sqrt(own["moving_variance"] + float(layer.config.get("epsilon", 1e-3)))
    return np.asarray((x - own["moving_mean"]) * scale + own.get("beta", 0.0))


def _layer_normalization(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    y = (x - mean) / np.sqrt(variance + float(layer.config.get("epsilon", 1e-3)))
    return np.asarray(y * w.get("gamma", 1.0) + w.get("beta", 0.0))


def _normalization(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    given = {k: np.asarray(layer.config[k], "float32") for k in ("mean", "variance") if k not in w}
    values = {**w, **given}
    return np.asarray((x - values["mean"]) / np.maximum(np.sqrt(values["variance"]), np.float32(1e-7)))


def _embedding(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    table = w["embeddings"]
    index = np.asarray(x).astype("int64")
    if index.size and (index.min() < 0 or index.max() >= len(table)):
        raise NotComputed("the inputs are no indices")
    return np.asarray(table[index], "float32")


def _prelu(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    return np.maximum(x, 0) + w["alpha"] * np.minimum(x, 0)


def _weighted_average(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    """The steps by softmax of their products with one kernel (textgenrnn 2.0, AttentionWeightedAverage.py)."""
    score = (x @ w["W"])[..., 0]
    weights = np.exp(score - score.max(axis=-1, keepdims=True)) * w.get(MASK, np.float32(1))
    weights /= weights.sum(axis=1, keepdims=True) + np.float32(1e-7)
    return np.einsum("bs,bsd->bd", weights, x)


def _attention(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    """Self-attention (Keras 3, layers/attention/multi_head_attention.py)."""

    if MASK in w:
        raise NotComputed("attention to steps that are masked")

    def projected(part: str) -> Array:
        y = np.einsum("btd,dhk->bthk", x, w[f"{part}/kernel"])
        return y + w[f"{part}/bias"] if f"{part}/bias" in w else y

    query, key, value = projected("query"), projected("key"), projected("value")
    scores = np.einsum("bqhk,bshk->bhqs", query / np.sqrt(query.shape[-1]), key)
    y = np.einsum("bhqs,bshv->bqhv", softmax(scores), value)
    y = np.einsum("bqhv,hvo->bqo", y, w["attention_output/kernel"])
    return y + w["attention_output/bias"] if "attention_output/bias" in w else y


def _reshape(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    return x.reshape(len(x), *layer.config["target_shape"])


def _up_sampling(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    sizes = per_axis(layer.config.get("size", 2), spatial(layer.class_name))
    if layer.config.get("interpolation") == "bilinear":
        for i, size in enumerate(sizes):
            x = _bilinear(x, i + 1, size)
        return x
    for i, size in enumerate(sizes):
        x = np.repeat(x, size, axis=i + 1)
    return x


def _bilinear(x: Array, axis: int, size: int) -> Array:
    """Half-pixel centres, as `keras.ops.image.resize` and TensorFlow 2 have them."""
    n = x.shape[axis]
    at = np.clip((np.arange(n * size) + 0.5) / size - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    shape = [1] * x.ndim
    shape[axis] = -1
    part = (at - low).astype("float32").reshape(shape)
    return np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part


def _zero_padding(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    return np.pad(x, [(0, 0), *margins(layer.config.get("padding", 1), x.ndim - 2), (0, 0)])


def _cropping(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    sides = margins(layer.config.get("cropping", 1), x.ndim - 2)
    return x[(slice(None), *(slice(a, n - b) for (a, b), n in zip(sides, x.shape[1:], strict=False)))]


def _relu(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = np.maximum(x, 0)
    top = layer.config.get("max_value")
    return y if top is None else np.minimum(y, top)


def _leaky(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    slope = layer.config.get("negative_slope", layer.config.get("alpha", 0.3))
    return np.where(x > 0, x, np.float32(slope) * x)


_LAYERS: Mapping[str, Callable[[Layer, Array, Mapping[str, Array], bool], Array]] = {
    "Dense": _dense,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), separable),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), transposed),
    **{f"{kind}Pooling{d}D": pooling for kind in ("Max", "Average") for d in (1, 2, 3)},
    **{f"Global{kind}Pooling{d}D": _global for kind in ("Max", "Average") for d in (1, 2, 3)},
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "LayerScale": lambda layer, x, w, _: x * w["gamma"],
    "Embedding": _embedding,
    "PReLU": _prelu,
    "LSTM": lstm,
    "ConvLSTM2D": conv_lstm,
    "GRU": gru,
    "SimpleRNN": simple_rnn,
    "MultiHeadAttention": _attention,
    "AttentionWeightedAverage": _weighted_average,
    STATE: _state,
    STEPS: _first_steps,
    "Activation": lambda layer, x, w, _: x,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": lambda layer, x, w, _: ACTIVATIONS["elu"](x),
    "Softmax": lambda layer, x, w, _: softmax(x),
    "Flatten": lambda layer, x, w, _: x.reshape(len(x), -1),
    "Reshape": _reshape,
    "Permute": lambda layer, x, w, _: np.transpose(x, [0, *layer.config["dims"]]),
    "RepeatVector": lambda layer, x, w, _: np.repeat(x[:, None], int(layer.config["n"]), axis=1),
    "Rescaling": lambda layer, x, w, _: (
        x * np.float32(layer.config["scale"]) + np.float32(layer.config.get("offset", 0))
    ),
    "Masking": _masking,
    **{f"UpSampling{d}D": _up_sampling for d in (1, 2, 3)},
    **{f"ZeroPadding{d}D": _zero_padding for d in (1, 2, 3)},
    **{f"Cropping{d}D": _cropping for d in (1, 2, 3)},
}
_IDENTITY = frozenset(
    "InputLayer Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianNoise GaussianDropout "
    "AlphaDropout StochasticDepth ActivityRegularization Identity RandomFlip RandomRotation RandomZoom "
    "RandomTranslation RandomContrast RandomBrightness".split()
)


def _dot(layer: Layer, inputs: Arrays) -> Array:
    """Products summed over an axis of each (Keras 3, layers/merging/dot.py)."""
    axes = layer.config.get("axes", 1)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    a, b = np.moveaxis(inputs[0], first, -1), np.moveaxis(inputs[1], second, 1)
    if layer.config.get("normalize"):
        a = a / np.sqrt(np.maximum((a * a).sum(-1, keepdims=True), 1e-12))
        b = b / np.sqrt(np.maximum((b * b).sum(1, keepdims=True), 1e-12))
    n, k = len(a), a.shape[-1]
    y = a.reshape(n, -1, k) @ b.reshape(n, k, -1)
    return y.reshape(n, *((*a.shape[1:-1], *b.shape[2:]) or (1,)))


def _each(function: Callable[[Array, Array], Array]) -> Callable[[Layer, Arrays], Array]:
    def merge(layer: Layer, inputs: Arrays) -> Array:
        y = inputs[0]
        for x in inputs[1:]:
            y = function(y, x)
        return y

    return merge


_MERGES: Mapping[str, Callable[[Layer, Arrays], Array]] = {
    "Add": _each(np.add),
    "Subtract": _each(np.subtract),
    "Multiply": _each(np.multiply),
    "Maximum": _each(np.maximum),
    "Minimum": _each(np.minimum),
    "Average": lambda layer, inputs: np.asarray(sum(inputs) / len(inputs)),
    "Dot": _dot,
    "Concatenate": lambda layer, inputs: np.concatenate(list(inputs), axis=layer.config.get("axis", -1)),
}


def _bidirectional(layer: Layer, x: Array, weights: Weights, keras_2: bool, mask: Array | None) -> Array:
    there = run(layer.children["forward_layer"], [x], weights, keras_2, mask)
    back = run(layer.children["backward_layer"], [x], weights, keras_2, mask)
    if layer.children["backward_layer"].config.get("return_sequences"):
        back = back[:, ::-1]
    mode = layer.config.get("merge_mode", "concat")
    if mode == "concat":
        return np.concatenate([there, back], -1)
    return {"sum": there + back, "mul": there * back, "ave": (there + back) / 2}[str(mode)]


def _time_distributed(layer: Layer, x: Array, weights: Weights, keras_2: bool, _: Array | None) -> Array:
    flat = x.reshape(-1, *x.shape[2:])
    y = run(layer.children["layer"], [flat], weights, keras_2)
    return y.reshape(*x.shape[:2], *y.shape[1:])


_WRAPPERS: Mapping[str, Callable[[Layer, Array, Weights, bool, Array | None], Array]] = {
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
}

__all__ = ["ACTIVATIONS", "NotComputed", "Weights", "activate", "mask_after", "run"]

"""What a layer computes in inference, in NumPy: enough to try many models on a few examples without building any.

Weights are those of Keras 2 and later. Where Keras 2 and 3 differ (`hard_sigmoid`), `keras_2` says which is meant.
The results are close to TensorFlow's, not the same; the model that is recovered is compared once more when it is built.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from reconstruct.artifact import Layer, Tensor
from reconstruct.inference.shapes import KEEP_MASK, RECURRENT, margins, per_axis, spatial

Array = np.ndarray
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
        w[_GIVEN] = inputs[1]
    if mask is not None and name in _MASKED:
        w[_MASK] = mask
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


_GIVEN, _MASK = "initial_state", "mask"  # beside the weights
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


def activate(name: str, x: Array, keras_2: bool) -> Array:
    """An activation by its name."""
    with np.errstate(all="ignore"):
        if name == "hard_sigmoid" and keras_2:
            return np.clip(0.2 * x + 0.5, 0, 1)
        if name.startswith("leaky_relu@"):  # a LeakyReLU layer that the file does not list
            return np.where(x > 0, x, np.float32(name.split("@")[1]) * x)
        return ACTIVATIONS[name](x)


def _softmax(x: Array) -> Array:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _erf(x: Array) -> Array:
    """Within 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "softmax": _softmax,
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "swish": lambda x: x * _sigmoid(x),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))),
    "exponential": np.exp,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
}


def _dense(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = x @ w["kernel"]
    return y + w["bias"] if "bias" in w else y


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _padded(x: Array, kernel: Sequence[int], strides: Sequence[int], padding: str, fill: float = 0.0) -> Array:
    n = len(kernel)
    if padding == "causal":
        sides = [(kernel[0] - 1, 0)]
    elif padding == "same":
        sides = [_same_padding(x.shape[i + 1], kernel[i], strides[i]) for i in range(n)]
    else:
        return x
    if not any(a or b for a, b in sides):
        return x
    return np.pad(x, [(0, 0), *sides, (0, 0)], constant_values=fill)


def _convolve(x: Array, kernel: Array, strides: Sequence[int], dilation: Sequence[int], padding: str) -> Array:
    """Sums of matrix products, one for each place of the kernel: no copy of all windows is made."""
    n = kernel.ndim - 2
    wide = [d * (k - 1) + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    x = _padded(x, wide, strides, padding)
    sizes = [(x.shape[i + 1] - wide[i]) // strides[i] + 1 for i in range(n)]
    channels = kernel.shape[-2]
    count = math.prod(kernel.shape[:n])
    if channels < 32 and x.shape[0] * math.prod(sizes) * count * channels < 60_000_000:
        axes = tuple(range(1, n + 1))
        windows = sliding_window_view(x, wide, axis=axes)
        steps = [slice(None, None, s) for s in strides]
        inner = [slice(None, None, d) for d in dilation]
        windows = windows[(slice(None), *steps, slice(None), *inner)]
        matrix = np.moveaxis(kernel, -2, 0).reshape(channels * count, -1)
        return (windows.reshape(x.shape[0], *sizes, channels * count) @ matrix).astype("float32")
    y = np.zeros((x.shape[0], *sizes, kernel.shape[-1]), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [
            slice(p * d, p * d + (size - 1) * s + 1, s)
            for p, d, s, size in zip(place, dilation, strides, sizes, strict=True)
        ]
        y += x[(slice(None), *cut)] @ kernel[place]
    return y


def _settings(layer: Layer) -> tuple[list[int], list[int], str]:
    n = spatial(layer.class_name)
    config = layer.config
    strides, dilation = per_axis(config.get("strides", 1), n), per_axis(config.get("dilation_rate", 1), n)
    return strides, dilation, str(config.get("padding", "valid"))


def _convolution(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    groups = int(layer.config.get("groups", 1))
    if groups == 1:
        y = _convolve(x, w["kernel"], *_settings(layer))
    else:
        parts = zip(np.split(x, groups, -1), np.split(w["kernel"], groups, -1), strict=True)
        y = np.concatenate([_convolve(a, k, *_settings(layer)) for a, k in parts], -1)
    return y + w["bias"] if "bias" in w else y


def _each_channel(layer: Layer, x: Array, kernel: Array) -> Array:
    """A depthwise convolution."""
    strides, dilation, padding = _settings(layer)
    n = kernel.ndim - 2
    wide = [d * (k - 1) + 1 for k, d in zip(kernel.shape, dilation, strict=False)]
    x = _padded(x, wide, strides, padding)
    sizes = [(x.shape[i + 1] - wide[i]) // strides[i] + 1 for i in range(n)]
    channels, multiplier = kernel.shape[-2:]
    y = np.zeros((x.shape[0], *sizes, channels, multiplier), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [
            slice(p * d, p * d + (size - 1) * s + 1, s)
            for p, d, s, size in zip(place, dilation, strides, sizes, strict=True)
        ]
        y += x[(slice(None), *cut)][..., None] * kernel[place]
    return y.reshape(x.shape[0], *sizes, channels * multiplier)


def _depthwise(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = _each_channel(layer, x, w["depthwise_kernel"])
    return y + w["bias"] if "bias" in w else y


def _separable(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    y = _each_channel(layer, x, w["depthwise_kernel"])
    pointwise = w["pointwise_kernel"]
    y = y @ pointwise.reshape(pointwise.shape[-2:])
    return y + w["bias"] if "bias" in w else y


def _transposed(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    kernel = w["kernel"]
    n = kernel.ndim - 2
    strides, _dilation, padding = _settings(layer)
    sizes = [(x.shape[i + 1] - 1) * strides[i] + kernel.shape[i] for i in range(n)]
    full = np.zeros((x.shape[0], *sizes, kernel.shape[-2]), "float32")
    for place in itertools.product(*(range(k) for k in kernel.shape[:n])):
        cut = [slice(p, p + (x.shape[i + 1] - 1) * strides[i] + 1, strides[i]) for i, p in enumerate(place)]
        full[(slice(None), *cut)] += x @ kernel[place].T
    for i in range(n):
        over = max(kernel.shape[i] - strides[i], 0)
        want = x.shape[i + 1] * strides[i] + (0 if padding == "same" else over)
        start = over // 2 if padding == "same" else 0
        if full.shape[i + 1] < start + want:
            full = np.pad(full, [(0, start + want - full.shape[i + 1]) if a == i + 1 else (0, 0) for a in range(n + 2)])
        full = np.take(full, range(start, start + want), axis=i + 1)
    return full + w["bias"] if "bias" in w else full


def _pooling(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    n = spatial(layer.class_name)
    if layer.config.get("data_format") == "channels_first":
        last = layer.having(data_format="channels_last")
        return np.moveaxis(_pooling(last, np.moveaxis(x, 1, -1), w, _), -1, 1)
    size = per_axis(layer.config.get("pool_size", 2), n)
    strides = per_axis(layer.config.get("strides") or size, n)
    padding = str(layer.config.get("padding", "valid"))
    largest = layer.class_name.startswith("Max")

    def windows(array: Array, fill: float) -> Array:
        array = _padded(array, size, strides, padding, fill)
        found = sliding_window_view(array, size, axis=tuple(range(1, n + 1)))
        return found[(slice(None), *(slice(None, None, s) for s in strides))]

    inner = tuple(range(-n, 0))
    if largest:
        return windows(x, -np.inf).max(axis=inner)
    ones = np.ones((1, *x.shape[1:-1], 1), "float32")
    return windows(x, 0.0).sum(axis=inner) / windows(ones, 0.0).sum(axis=inner)


def _global(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    first = layer.config.get("data_format") == "channels_first"
    axes = tuple(range(2, x.ndim)) if first else tuple(range(1, x.ndim - 1))
    keep = bool(layer.config.get("keepdims"))
    if _MASK in w:
        seen = w[_MASK][..., None].astype("float32")
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


def _steps(layer: Layer, x: Array, w: Mapping[str, Array], step: Callable[[Array, list[Array]], Array]) -> Array:
    """A recurrent layer: `step` makes of the products with the kernel and the states the output, and renews these.

    With `return_state` it gives the last states, (batch, states, units): the output is not what is taken then.
    """
    units = int(layer.config["units"])
    given = w.get(_GIVEN, np.zeros((len(x), 2, units), "float32"))
    states = [given[:, k] for k in range(given.shape[1])] if given.ndim == 3 else [given, given]
    order = range(x.shape[1] - 1, -1, -1) if layer.config.get("go_backwards") else range(x.shape[1])
    outputs: list[Array] = []
    for t in order:
        before = list(states)
        y = step(x[:, t] @ w["kernel"], states)
        if _MASK in w:  # then all stays as it was
            seen = w[_MASK][:, t, None]
            states[:] = [np.where(seen, new, old) for new, old in zip(states, before, strict=True)]
            y = np.where(seen, y, outputs[-1] if outputs else np.float32(0))
        outputs.append(y)
    if layer.config.get("return_state"):
        return np.stack(states[: 2 if layer.class_name == "LSTM" else 1], 1)
    return np.stack(outputs, 1) if layer.config.get("return_sequences") else outputs[-1]


def _gates(layer: Layer, keras_2: bool) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    inner = layer.config.get("activation", "tanh")
    gate = layer.config.get("recurrent_activation", "sigmoid")
    return (lambda x: activate(inner, x, keras_2)), (lambda x: activate(gate, x, keras_2))


def _lstm(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    act, gate = _gates(layer, keras_2)
    bias = w.get("bias", np.float32(0))

    def step(z: Array, states: list[Array]) -> Array:
        h, c = states
        i, f, g, o = np.split(z + h @ w["recurrent_kernel"] + bias, 4, -1)
        c = gate(f) * c + gate(i) * act(g)
        states[:] = [gate(o) * act(c), c]
        return states[0]

    return _steps(layer, x, w, step)


def _conv_lstm(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    """The states keep their size, whatever the inputs are padded to (Keras 3, layers/rnn/conv_lstm.py)."""
    act, gate = _gates(layer, keras_2)
    strides, dilation, padding = _settings(layer)
    flat = x.reshape(-1, *x.shape[2:])
    inner = _convolve(flat, w["kernel"], strides, dilation, padding) + w.get("bias", np.float32(0))
    inner = inner.reshape(*x.shape[:2], *inner.shape[1:])
    h = c = np.zeros((*inner[:, 0].shape[:-1], inner.shape[-1] // 4), "float32")
    outputs = []
    for t in range(inner.shape[1]):
        z = inner[:, t] + _convolve(h, w["recurrent_kernel"], [1] * len(strides), [1] * len(strides), "same")
        i, f, g, o = np.split(z, 4, -1)
        c = gate(f) * c + gate(i) * act(g)
        h = gate(o) * act(c)
        outputs.append(h)
    return np.stack(outputs, 1) if layer.config.get("return_sequences") else h


def _gru(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    act, gate = _gates(layer, keras_2)
    after = bool(layer.config.get("reset_after", True))
    bias = w.get("bias")
    for_input, for_state = (bias[0], bias[1]) if bias is not None and bias.ndim == 2 else (bias, None)
    kernel = w["recurrent_kernel"]
    units = kernel.shape[0]

    def step(z: Array, states: list[Array]) -> Array:
        h = states[0]
        z = z if for_input is None else z + for_input
        xz, xr, xh = np.split(z, 3, -1)
        if after:
            inner = h @ kernel + (0 if for_state is None else for_state)
            hz, hr, hh = np.split(inner, 3, -1)
            u, r = gate(xz + hz), gate(xr + hr)
            new = act(xh + r * hh)
        else:
            hz, hr = np.split(h @ kernel[:, : 2 * units], 2, -1)
            u, r = gate(xz + hz), gate(xr + hr)
            new = act(xh + (r * h) @ kernel[:, 2 * units :])
        states[0] = u * h + (1 - u) * new
        return states[0]

    return _steps(layer, x, w, step)


def _simple_rnn(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    act, _gate = _gates(layer, keras_2)

    def step(z: Array, states: list[Array]) -> Array:
        states[0] = act(z + states[0] @ w["recurrent_kernel"] + w.get("bias", np.float32(0)))
        return states[0]

    return _steps(layer, x, w, step)


def _weighted_average(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    """The steps by softmax of their products with one kernel (textgenrnn 2.0, AttentionWeightedAverage.py)."""
    score = (x @ w["W"])[..., 0]
    weights = np.exp(score - score.max(axis=-1, keepdims=True)) * w.get(_MASK, np.float32(1))
    weights /= weights.sum(axis=1, keepdims=True) + np.float32(1e-7)
    return np.einsum("bs,bsd->bd", weights, x)


def _attention(layer: Layer, x: Array, w: Mapping[str, Array], _: bool) -> Array:
    """Self-attention (Keras 3, layers/attention/multi_head_attention.py)."""

    if _MASK in w:
        raise NotComputed("attention to steps that are masked")

    def projected(part: str) -> Array:
        y = np.einsum("btd,dhk->bthk", x, w[f"{part}/kernel"])
        return y + w[f"{part}/bias"] if f"{part}/bias" in w else y

    query, key, value = projected("query"), projected("key"), projected("value")
    scores = np.einsum("bqhk,bshk->bhqs", query / np.sqrt(query.shape[-1]), key)
    y = np.einsum("bhqs,bshv->bqhv", _softmax(scores), value)
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
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _transposed),
    **{f"{kind}Pooling{d}D": _pooling for kind in ("Max", "Average") for d in (1, 2, 3)},
    **{f"Global{kind}Pooling{d}D": _global for kind in ("Max", "Average") for d in (1, 2, 3)},
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "LayerScale": lambda layer, x, w, _: x * w["gamma"],
    "Embedding": _embedding,
    "PReLU": _prelu,
    "LSTM": _lstm,
    "ConvLSTM2D": _conv_lstm,
    "GRU": _gru,
    "SimpleRNN": _simple_rnn,
    "MultiHeadAttention": _attention,
    "AttentionWeightedAverage": _weighted_average,
    "Activation": lambda layer, x, w, _: x,
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": lambda layer, x, w, _: ACTIVATIONS["elu"](x),
    "Softmax": lambda layer, x, w, _: _softmax(x),
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

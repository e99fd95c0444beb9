"""Recurrent layers, in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference.activations import Array, activate
from reconstruct.inference.convolutions import (
    convolve,
    settings,
)

GIVEN, MASK = "initial_state", "mask"  # beside the weights: the first states and the steps that are seen


def _steps(layer: Layer, x: Array, w: Mapping[str, Array], step: Callable[[Array, list[Array]], Array]) -> Array:
    """A recurrent layer: `step` makes of the products with the kernel and the states the output, and renews these.

    With `return_state` it gives the last states, (batch, states, units), behind the outputs of all steps where it gives
    these, or without any.
    """
    units = int(layer.config["units"])
    given = w.get(GIVEN, np.zeros((len(x), 2, units), "float32"))
    states = [given[:, k] for k in range(given.shape[1])] if given.ndim == 3 else [given, given]
    order = range(x.shape[1] - 1, -1, -1) if layer.config.get("go_backwards") else range(x.shape[1])
    outputs: list[Array] = []
    for t in order:
        before = list(states)
        y = step(x[:, t] @ w["kernel"], states)
        if MASK in w:  # then all stays as it was
            seen = w[MASK][:, t, None]
            states[:] = [np.where(seen, new, old) for new, old in zip(states, before, strict=True)]
            y = np.where(seen, y, outputs[-1] if outputs else np.float32(0))
        outputs.append(y)
    if layer.config.get("return_state"):
        behind = outputs if layer.config.get("return_sequences") else []
        return np.stack([*behind, *states[: 2 if layer.class_name == "LSTM" else 1]], 1)
    return np.stack(outputs, 1) if layer.config.get("return_sequences") else outputs[-1]


def _gates(layer: Layer, keras_2: bool) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    inner = layer.config.get("activation", "tanh")
    gate = layer.config.get("recurrent_activation", "sigmoid")
    return (lambda x: activate(inner, x, keras_2)), (lambda x: activate(gate, x, keras_2))


def lstm(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    act, gate = _gates(layer, keras_2)
    bias = w.get("bias", np.float32(0))

    def step(z: Array, states: list[Array]) -> Array:
        h, c = states
        i, f, g, o = np.split(z + h @ w["recurrent_kernel"] + bias, 4, -1)
        c = gate(f) * c + gate(i) * act(g)
        states[:] = [gate(o) * act(c), c]
        return states[0]

    return _steps(layer, x, w, step)


def conv_lstm(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    """The states keep their size, whatever the inputs are padded to (Keras 3, layers/rnn/conv_lstm.py)."""
    act, gate = _gates(layer, keras_2)
    strides, dilation, padding = settings(layer)
    flat = x.reshape(-1, *x.shape[2:])
    inner = convolve(flat, w["kernel"], strides, dilation, padding) + w.get("bias", np.float32(0))
    inner = inner.reshape(*x.shape[:2], *inner.shape[1:])
    h = c = np.zeros((*inner[:, 0].shape[:-1], inner.shape[-1] // 4), "float32")
    outputs = []
    for t in range(inner.shape[1]):
        z = inner[:, t] + convolve(h, w["recurrent_kernel"], [1] * len(strides), [1] * len(strides), "same")
        i, f, g, o = np.split(z, 4, -1)
        c = gate(f) * c + gate(i) * act(g)
        h = gate(o) * act(c)
        outputs.append(h)
    return np.stack(outputs, 1) if layer.config.get("return_sequences") else h


def gru(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
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


def simple_rnn(layer: Layer, x: Array, w: Mapping[str, Array], keras_2: bool) -> Array:
    act, _gate = _gates(layer, keras_2)

    def step(z: Array, states: list[Array]) -> Array:
        states[0] = act(z + states[0] @ w["recurrent_kernel"] + w.get("bias", np.float32(0)))
        return states[0]

    return _steps(layer, x, w, step)

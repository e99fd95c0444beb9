"""What the values of a model's weights say about the file: damage, training that failed, and no training at all.

The model is in the form of Keras 3, whose names of variables are used. Everything here is a hint to the user and stops
nothing; what a trained model may well have (biases at zero, kernels with a few zeros) is no finding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from reconstruct.artifact import Finding, Layer

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "embeddings")
_RECURRENT = "recurrent_kernel"
_AT_ZERO = ("bias", "beta", "moving_mean")
_AT_ONE = ("gamma", "moving_variance")
_ENOUGH = 16  # numbers that are no coincidence
_RETRAIN = "the file may be damaged, or training went wrong; look for another copy or an earlier checkpoint"


@dataclass
class _Seen:
    """What is known of the variables of the model so far, as far as they may be initial ones."""

    initial: bool = True
    kernels: int = 0
    others: int = 0


def findings(model: Layer) -> list[Finding]:
    """What is odd about the weights of a model. Reads each tensor once."""
    found: list[Finding] = []
    seen = _Seen()
    owners: dict[bytes, str] = {}
    for layer, name, value in _values(model):
        where = f"{layer.path}/{name}"
        last = name.rpartition("/")[2]
        if value.dtype.kind not in "fiu":  # bfloat16 comes as bytes that NumPy does not know
            seen.initial = False
            continue
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            count = int((~np.isfinite(value)).sum())
            message = f"{count} of {value.size} numbers are NaN or infinite, which make outputs NaN"
            found.append(Finding("weights_not_finite", "warning", where, message, _RETRAIN))
        kernel = last in (*_KERNELS, _RECURRENT) and value.size >= _ENOUGH
        if kernel and not value.any():
            message = "all numbers are zero, so the layer ignores its input"
            found.append(Finding("weights_zero", "warning", where, message, _RETRAIN))
        elif kernel and last in _KERNELS and float(np.ptp(value)) > 0:
            digest = hashlib.sha256(f"{value.shape}{value.dtype}".encode() + value.tobytes()).digest()
            owner = owners.setdefault(digest, where)
            if owner != where:
                message = f"it is bit for bit the same as {owner}"
                hint = "layers that are trained apart do not become the same; one may have been saved twice"
                found.append(Finding("weights_duplicated", "info", where, message, hint))
        _note(seen, layer, last, value)
    if seen.initial and seen.kernels and seen.others:
        message = "all kernels are spread as Keras draws initial ones, and all else stands where Keras starts"
        hint = "the model seems to have been saved before training, or rebuilt without loading its weights"
        found.append(Finding("weights_initial", "warning", model.path or "model", message, hint))
    return found


def _values(model: Layer) -> Iterator[tuple[Layer, str, np.ndarray]]:
    for layer in model.walk():
        for name, tensor in layer.weights.items():
            yield layer, name, np.asarray(tensor.read())


def _note(seen: _Seen, layer: Layer, name: str, value: np.ndarray) -> None:
    """Take in whether a variable stands where Keras starts it (keras/src/layers, `add_weight`)."""
    if not seen.initial or value.dtype.kind != "f":
        return
    if name in _KERNELS:
        seen.kernels += 1
        seen.initial = _drawn(value, name)
    elif name == _RECURRENT:
        seen.initial = _orthogonal(value)
    elif name in _AT_ZERO:
        seen.others += 1
        forget = layer.class_name.startswith(("LSTM", "ConvLSTM")) and bool(layer.config.get("unit_forget_bias", True))
        seen.initial = _is_zero_but_for_forget_gates(value) if forget else not value.any()
    elif name in _AT_ONE:
        seen.others += 1
        seen.initial = bool((value == 1).all())
    else:
        seen.initial = False


def _is_zero_but_for_forget_gates(bias: np.ndarray) -> bool:
    """LSTM starts with ones for the second of its four gates (Keras 3, layers/rnn/lstm.py, `bias_initializer`)."""
    gates = np.split(bias, 4) if bias.ndim == 1 and len(bias) % 4 == 0 else [bias]
    return all(not gate.any() or (i == 1 and bool((gate == gate.flat[0]).all())) for i, gate in enumerate(gates))


def _drawn(value: np.ndarray, name: str) -> bool:
    """Whether numbers fill one of the ranges from which Keras draws them evenly, and do not leave it: Glorot's and He's
    (Keras 3, initializers/random_initializers.py, `VarianceScaling`), or ±0.05 for embeddings."""
    if value.ndim < 2:
        return False
    field = value.size // (value.shape[-1] * value.shape[-2])
    fan_in, fan_out = field * value.shape[-2], field * value.shape[-1]
    limits = (0.05,) if name == "embeddings" else (np.sqrt(6 / (fan_in + fan_out)), np.sqrt(6 / fan_in))
    if value.size < _ENOUGH:
        return bool(np.abs(value).max() <= max(limits))
    spread = float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
    slack = 2.5 / np.sqrt(value.size)  # how far the spread of so many drawn numbers may be off
    return any(
        np.abs(value).max() <= limit * (1 + 1e-6) and abs(spread / (limit / np.sqrt(3)) - 1) <= slack
        for limit in limits
    )


def _orthogonal(value: np.ndarray) -> bool:
    """Whether the rows or columns are orthogonal and of length one, as recurrent kernels start (`Orthogonal`)."""
    if value.ndim != 2:
        return False
    rows = value if value.shape[0] <= value.shape[1] else value.T
    return bool(np.allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-3))

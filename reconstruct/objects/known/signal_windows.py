"""The windows of `tf.signal` (TensorFlow 2.21, python/ops/signal/window_ops.py), as arrays."""

from __future__ import annotations

import numpy as np

_SHAPE_OF_KAISER = 12.0  # `beta`, as it is where nobody gives one


def window(name: str | None, length: int) -> np.ndarray | None:
    """The window of that name, `hann_window` where there is none; None for a name that TensorFlow does not have."""
    make = _WINDOWS.get(name or "hann_window")
    return None if make is None else make(length).astype("float32")


def _raised_cosine(length: int, mean: float, height: float) -> np.ndarray:
    """Periodic where the length is even, symmetric where it is odd, as `tf.signal` has it."""
    if length == 1:
        return np.ones(1)
    period = length if length % 2 == 0 else length - 1
    return np.asarray(mean - height * np.cos(2 * np.pi * np.arange(length) / period))


def _kaiser_bessel_derived(length: int) -> np.ndarray:
    sums = np.cumsum(np.kaiser(length // 2 + 1, _SHAPE_OF_KAISER))
    half = np.sqrt(sums[:-1] / sums[-1])
    return np.concatenate([half, half[::-1]])


_WINDOWS = {
    "hann_window": lambda n: _raised_cosine(n, 0.5, 0.5),
    "hamming_window": lambda n: _raised_cosine(n, 0.54, 0.46),
    "kaiser_window": lambda n: np.kaiser(n, _SHAPE_OF_KAISER),
    "kaiser_bessel_derived_window": _kaiser_bessel_derived,
    "vorbis_window": lambda n: np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2),
}

"""Filterbanks over the frequencies of a spectrum: mel as librosa makes it, and logarithmic as kapre does.

From the definitions in librosa 0.10 (filters.py, `mel`; core/convert.py, `hz_to_mel`) and kapre 0.3.7 (backend.py,
`filterbank_log`). An array has a row for each frequency and a column for each filter.
"""

from __future__ import annotations

import numpy as np

_LINEAR_STEP = 200.0 / 3  # hertz per mel of Slaney's scale below 1000 Hz
_BREAK = 1000.0
_LOG_STEP = np.log(6.4) / 27.0


def mel(
    sample_rate: float,
    n_freq: int,
    n_mels: int = 128,
    f_min: float = 0.0,
    f_max: float | None = None,
    htk: bool = False,
    norm: str | None = "slaney",
) -> np.ndarray:
    """Triangles between neighbouring points of the mel scale; `norm="slaney"` gives each the same area."""
    to_mel, to_hertz = (_to_htk, _from_htk) if htk else (_to_slaney, _from_slaney)
    top = sample_rate / 2 if f_max is None else f_max
    corners = to_hertz(np.linspace(float(to_mel(f_min)), float(to_mel(top)), n_mels + 2))
    frequencies = np.linspace(0.0, sample_rate / 2, n_freq)
    widths = np.diff(corners)
    distances = corners[:, None] - frequencies[None, :]
    rising = -distances[:-2] / widths[:-1, None]
    falling = distances[2:] / widths[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        filters *= (2.0 / (corners[2:] - corners[:-2]))[:, None]
    return np.asarray(filters.T.astype("float32"))


def logarithmic(
    sample_rate: float,
    n_freq: int,
    n_bins: int = 84,
    bins_per_octave: int = 12,
    f_min: float | None = None,
    spread: float = 0.125,
) -> np.ndarray:
    """Log-normal bells at equal musical distances, each of sum 1; the lowest is at the note C1."""
    lowest = 32.70319566 if f_min is None else f_min
    width = spread / bins_per_octave
    octaves = np.log2(np.linspace(0.0, sample_rate / 2, n_freq)[1:])
    centres = np.log2(lowest * 2.0 ** (np.arange(n_bins) / bins_per_octave))
    filters = np.zeros((n_bins, n_freq))
    filters[:, 1:] = np.exp(-0.5 * ((octaves - centres[:, None]) / width) ** 2 - np.log2(width) - octaves)
    sums = filters.sum(axis=1, keepdims=True)
    sums[sums < np.finfo("float64").tiny] = 1.0
    return np.asarray((filters / sums).T.astype("float32"))


def _to_htk(hertz: np.ndarray | float) -> np.ndarray:
    return np.asarray(2595.0 * np.log10(1.0 + hertz / 700.0))


def _from_htk(mels: np.ndarray) -> np.ndarray:
    return np.asarray(700.0 * (10.0 ** (mels / 2595.0) - 1.0))


def _to_slaney(hertz: np.ndarray | float) -> np.ndarray:
    above = _BREAK / _LINEAR_STEP + np.log(np.maximum(hertz, _BREAK) / _BREAK) / _LOG_STEP
    return np.where(np.asarray(hertz) >= _BREAK, above, hertz / _LINEAR_STEP)


def _from_slaney(mels: np.ndarray) -> np.ndarray:
    beyond = np.maximum(mels - _BREAK / _LINEAR_STEP, 0.0)
    return np.where(beyond > 0, _BREAK * np.exp(_LOG_STEP * beyond), mels * _LINEAR_STEP)

"""How far what a model computes agrees with the examples of its user."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reconstruct.inference.activations import Array


@dataclass(frozen=True)
class Examples:
    """Inputs and outputs, split into those that decide and those that are held back to confirm."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    fit: int

    @property
    def rows(self) -> int:
        return len(self.inputs[0])

    @property
    def held_back(self) -> int:
        return self.rows - self.fit


def split(inputs: Sequence[Array], outputs: Sequence[Array]) -> Examples:
    """A quarter of the examples, at least one, is held back where there are two or more."""
    rows = len(inputs[0])
    held = max(1, rows // 4) if rows > 1 else 0
    return Examples(tuple(inputs), tuple(outputs), rows - held)


def error(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """The largest relative difference; infinite where shapes differ or numbers are not finite."""
    worst = 0.0
    for a, b in itertools.zip_longest(ours, theirs):
        if a is None or b is None or a.shape != b.shape:
            return float("inf")
        a, b = a.astype("float64"), b.astype("float64")
        if not np.isfinite(a).all():
            return float("inf")
        if a.size:
            worst = max(worst, float((np.abs(a - b) / (1 + np.abs(b))).max()))
    return worst


def distance(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """How far outputs are apart, from 0 for the same to about 2: half of it how little they correlate, half how much
    they differ, so that a wrong scale counts less than a wrong signal."""
    total = 0.0
    for a, b in itertools.zip_longest(ours, theirs):
        if a is None or b is None or a.shape != b.shape or not np.isfinite(a).all():
            return float("inf")
        x, y = a.astype("float64").ravel(), b.astype("float64").ravel()
        spread = float(np.abs(y - y.mean()).mean()) + 1e-9
        apart = float(np.abs(x - y).mean()) / spread
        x, y = x - x.mean(), y - y.mean()
        norm = float(np.sqrt((x @ x) * (y @ y)))
        correlation = float(x @ y) / norm if norm > 1e-12 else 0.0
        total += (1 - correlation) + apart / (1 + apart)
    return total / max(1, len(theirs))

"""How far what a model computes agrees with the examples of its user."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reconstruct.inference.activations import Array

LEAST_SIZE = 1e-6


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

    @cached_property
    def sizes(self) -> list[float]:
        """What is large in each of the outputs."""
        return sizes(self.outputs)


def split(inputs: Sequence[Array], outputs: Sequence[Array]) -> Examples:
    """A quarter of the examples, at least one, is held back where there are two or more."""
    rows = len(inputs[0])
    held = max(1, rows // 4) if rows > 1 else 0
    return Examples(tuple(inputs), tuple(outputs), rows - held)


def sizes(outputs: Sequence[Array]) -> list[float]:
    """The largest number of each output, up to 1: where all are small, rounding makes small differences alone."""
    return [min(1.0, max(float(np.abs(y).max(initial=0.0)), LEAST_SIZE)) for y in outputs]


def error(ours: Sequence[Array], theirs: Sequence[Array], sizes: Sequence[float]) -> float:
    """The largest difference, relative to `sizes` of the outputs and to what is larger; infinite where shapes differ or
    numbers are not finite."""
    worst = 0.0
    for a, b, size in itertools.zip_longest(ours, theirs, sizes):
        if a is None or b is None or a.shape != b.shape:
            return float("inf")
        a, b = a.astype("float64"), b.astype("float64")
        if not np.isfinite(a).all():
            return float("inf")
        if a.size:
            worst = max(worst, float((np.abs(a - b) / (size + np.abs(b))).max()))
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

"""How two tensors differ, and whether one is the other in another order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

# Orders are looked for up to so many axes and numbers; beyond that, only the amount of the difference is told
_MOST_AXES, _MOST_NUMBERS = 5, 50_000_000


@dataclass(frozen=True)
class TensorDifference:
    """`largest` and `mean` are absolute differences, `changed` how many numbers of `size` differ; None where shapes
    differ. `relation` says in words in which order `b` holds the numbers of `a`, empty if in none."""

    largest: float | None
    mean: float | None
    changed: int | None
    size: int
    relation: str = ""


def difference(a: np.ndarray, b: np.ndarray) -> TensorDifference:
    """What became of `a` in `b`, both of any shape and dtype.

    >>> difference(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 3.0], [2.0, 4.0]])).relation
    'transposed to the axes (1, 0)'
    """
    relation = order(a, b)
    if a.shape != b.shape:
        return TensorDifference(None, None, None, b.size, relation)
    wide = np.complex128 if a.dtype.kind == "c" or b.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        apart = np.abs(b.astype(wide) - a.astype(wide))
    alike = (a == b) | ((a != a) & (b != b))
    apart = np.where(alike, 0.0, apart)
    largest, mean = (float(apart.max()), float(apart.mean())) if apart.size else (0.0, 0.0)
    return TensorDifference(largest, mean, int((~alike).sum()), a.size, relation)


def order(a: np.ndarray, b: np.ndarray) -> str:
    """In which other order `b` holds exactly the numbers of `a`: transposed, reshaped, flipped, or permuted along an
    axis; an empty text if it does not."""
    if a.size != b.size or a.size < 2 or not 0 < a.ndim <= _MOST_AXES or a.size > _MOST_NUMBERS:
        return ""
    if a.shape == b.shape and np.array_equal(a, b):
        return ""
    if not np.array_equal(np.sort(a, axis=None), np.sort(b, axis=None)):
        return ""
    for axes in itertools.permutations(range(a.ndim)):
        if axes != tuple(range(a.ndim)) and np.array_equal(a.transpose(axes), b):
            return f"transposed to the axes {axes}"
    if np.array_equal(a.ravel(), b.ravel()):
        return f"reshaped from {a.shape}"
    if a.shape == b.shape:
        for count in range(1, a.ndim + 1):
            for axes in itertools.combinations(range(a.ndim), count):
                if np.array_equal(np.flip(a, axes), b):
                    return f"flipped along axis {', '.join(map(str, axes))}"
        for axis in range(a.ndim):
            if _permuted(a, b, axis):
                return f"permuted along axis {axis}"
    return "the same numbers in another order"


def _permuted(a: np.ndarray, b: np.ndarray, axis: int) -> bool:
    """Whether the slices of `b` along an axis are those of `a` in another order."""
    rows = [np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1) for x in (a, b)]
    return sorted(r.tobytes() for r in rows[0]) == sorted(r.tobytes() for r in rows[1])

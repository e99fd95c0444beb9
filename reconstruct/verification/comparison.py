"""Two lists of outputs, compared number by number. Nothing is sorted, reshaped, cut or broadcast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

TOLERANCE = 1e-4
# What rounding alone does to numbers of 11 and of 8 bits through a network
HALF_TOLERANCE = {"float16": 1e-2, "bfloat16": 5e-2}


def tolerance_of(dtypes: Iterable[str]) -> float:
    """What a model that computes in these dtypes may be apart from the original.

    >>> tolerance_of({"float32", "float16"})
    0.01
    """
    return max([TOLERANCE, *(HALF_TOLERANCE.get(dtype, TOLERANCE) for dtype in dtypes)])


@dataclass(frozen=True)
class Comparison:
    """The largest differences between outputs; `relative` is |a - b| / (1 + |b|), b being the original's.

    `problem` says why the outputs cannot be the same whatever the tolerance: another number of outputs, another
    shape, or a NaN.
    """

    absolute: float
    relative: float
    problem: str | None = None
    finite: bool = True

    def within(self, tolerance: float) -> bool:
        return self.problem is None and self.relative <= tolerance


def compare(ours: Sequence[np.ndarray], original: Sequence[np.ndarray]) -> Comparison:
    """Compare what a model gives with what the original gives for the same input.

    >>> compare([np.ones(2)], [np.ones(2)]).within(0.0)
    True
    >>> compare([np.ones((2, 1))], [np.ones(2)]).problem
    'output 0 has shape (2, 1), the original (2,)'
    """
    if len(ours) != len(original):
        return Comparison(np.inf, np.inf, f"{len(ours)} outputs, the original has {len(original)}")
    absolute = relative = 0.0
    for i, (a, b) in enumerate(zip(ours, original, strict=True)):
        if a.shape != b.shape:
            return Comparison(np.inf, np.inf, f"output {i} has shape {a.shape}, the original {b.shape}")
        if a.dtype.kind not in "fiub" or b.dtype.kind not in "fiub":
            if not np.array_equal(a, b):
                return Comparison(np.inf, np.inf, f"output {i} is not numeric and differs")
            continue
        if a.dtype.kind in "iub" and b.dtype.kind in "iub" and not np.array_equal(a, b):
            return Comparison(np.inf, np.inf, f"output {i} holds whole numbers and differs")
        a, b = a.astype(np.float64), b.astype(np.float64)
        if not np.isfinite(b).all():
            return Comparison(np.inf, np.inf, f"output {i} of the original is not finite", finite=False)
        if not np.isfinite(a).all():
            return Comparison(np.inf, np.inf, f"output {i} is not finite where the original is")
        if a.size:
            difference = np.abs(a - b)
            absolute = max(absolute, float(difference.max()))
            relative = max(relative, float((difference / (1.0 + np.abs(b))).max()))
    return Comparison(absolute, relative)

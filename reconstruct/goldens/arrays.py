"""Arrays as a golden holds them: all numbers of a small one, and enough of a large one to tell it from another."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconstruct.errors import ReadError

# An array of up to so many numbers is held whole
WHOLE = 1000
# Of a larger one: single numbers at even distances, and the means of as many stretches of it
SAMPLES, STRETCHES = 192, 64
_WORST = 3
_MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class Recorded:
    """What is known of an array: `values` is either all of it or its samples followed by its means."""

    shape: tuple[int, ...]
    dtype: str
    values: np.ndarray
    whole: bool

    @property
    def finite(self) -> bool:
        return self.values.dtype.kind not in "fc" or bool(np.isfinite(self.values).all())


@dataclass(frozen=True)
class Disagreement:
    """How far an array is from the one recorded. `relative` is |a - b| / (1 + |b|); `worst` has places and both
    values, the worst first. `problem` is what no tolerance allows: another shape or dtype, a NaN."""

    absolute: float = 0.0
    relative: float = 0.0
    worst: tuple[tuple[str, float, float], ...] = ()
    problem: str | None = None

    def within(self, tolerance: float) -> bool:
        return self.problem is None and self.relative <= tolerance


def record(array: np.ndarray, whole: int = WHOLE) -> Recorded:
    """What a golden keeps of an array: all of it up to `whole` numbers."""
    if array.size <= whole:
        return Recorded(array.shape, array.dtype.name, array, True)
    return Recorded(array.shape, array.dtype.name, _digest(array), False)


def disagreement(now: np.ndarray, before: Recorded) -> Disagreement:
    """Compare an array with a recorded one. Nothing is reshaped or cast to make it fit.

    >>> disagreement(np.array([1.0, 2.5]), record(np.array([1.0, 2.0]))).worst[0]
    ('[1]', 2.0, 2.5)
    """
    if now.shape != before.shape:
        return Disagreement(math.inf, math.inf, problem=f"shape {now.shape}, recorded {before.shape}")
    if now.dtype.name != before.dtype:
        return Disagreement(math.inf, math.inf, problem=f"dtype {now.dtype.name}, recorded {before.dtype}")
    a, b = (now if before.whole else _digest(now)), before.values
    if a.dtype.kind not in "fiub":
        same = np.array_equal(a, b)
        return Disagreement() if same else Disagreement(math.inf, math.inf, problem="not numeric, and different")
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if not np.isfinite(a).all():
        place = _place(int(np.flatnonzero(~np.isfinite(a))[0]), before)
        return Disagreement(math.inf, math.inf, problem=f"NaN or infinity at {place}")
    if not a.size:
        return Disagreement()
    apart = np.abs(a - b)
    relative = apart / (1.0 + np.abs(b))
    order = np.argsort(relative)[::-1][:_WORST]
    worst = tuple((_place(int(i), before), float(b[i]), float(a[i])) for i in order if apart[i] > 0)
    return Disagreement(float(apart.max()), float(relative.max()), worst)


def _digest(array: np.ndarray) -> np.ndarray:
    flat = array.ravel()
    if array.dtype.kind not in "fiub":
        return flat[np.arange(SAMPLES) * flat.size // SAMPLES]
    wide = flat.astype(np.float64)
    means = np.array([stretch.mean() for stretch in np.array_split(wide, STRETCHES)])
    return np.concatenate([wide[np.arange(SAMPLES) * flat.size // SAMPLES], means])


def _place(position: int, of: Recorded) -> str:
    if of.whole:
        return "[" + ", ".join(map(str, np.unravel_index(position, of.shape))) + "]"
    size = math.prod(of.shape)
    if position < SAMPLES:
        return "[" + ", ".join(map(str, np.unravel_index(position * size // SAMPLES, of.shape))) + "]"
    return f"the mean of part {position - SAMPLES + 1} of {STRETCHES}"


def to_json(recorded: Recorded) -> dict[str, Any]:
    """As it stands in the file: numbers that read back as the very same, in few digits."""
    key = "values" if recorded.whole else "samples"
    return {"shape": list(recorded.shape), "dtype": recorded.dtype, key: _numbers(recorded.values)}


def _numbers(array: np.ndarray) -> list[Any]:
    if array.dtype.kind in "iub":
        return array.ravel().tolist()
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        wide = array.ravel() if array.dtype.itemsize > 2 else array.ravel().astype(np.float32)
        shown = [float(np.format_float_scientific(x, unique=True, trim="0")) for x in wide]
        return [x if math.isfinite(x) else str(x) for x in shown]
    return [str(x) for x in array.ravel()]


def from_json(written: Mapping[str, Any]) -> Recorded:
    """Raises `ReadError` where it is not what `to_json` writes."""
    try:
        shape, dtype = tuple(int(n) for n in written["shape"]), str(written["dtype"])
        whole = "values" in written
        numbers = written["values" if whole else "samples"]
        kind = np.dtype(dtype) if dtype != "bfloat16" else np.dtype(np.float32)
        if kind.kind not in "fiubUS":
            raise ValueError(f"dtype {dtype}")
        values = np.array([_number(x) for x in numbers], np.float64 if not whole and kind.kind in "fiub" else kind)
        return Recorded(shape, dtype, values.reshape(shape) if whole else values, whole)
    except (KeyError, TypeError, ValueError) as error:
        raise ReadError(f"a recorded array cannot be read: {error}", hint="record the golden again") from error


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in ("nan", "inf", "-inf") else value


def pack(array: np.ndarray) -> dict[str, Any]:
    """An input of a probe, whole: as numbers where it is small, else as compressed bytes."""
    if array.size <= WHOLE:
        return to_json(record(array))
    data = base64.b85encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
    return {"shape": list(array.shape), "dtype": array.dtype.name, "zlib_base85": data}


def unpack(written: Mapping[str, Any]) -> np.ndarray:
    """Raises `ReadError` where it is not what `pack` writes, or declares more than a gigabyte."""
    if "zlib_base85" not in written:
        return from_json(written).values
    try:
        shape, dtype = tuple(int(n) for n in written["shape"]), np.dtype(str(written["dtype"]))
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "fiub" or not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"{dtype} of shape {shape}")
        data = zlib.decompressobj().decompress(base64.b85decode(str(written["zlib_base85"])), size + 1)
        return np.frombuffer(data, dtype).reshape(shape).copy()
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise ReadError(f"a recorded input cannot be read: {error}", hint="record the golden again") from error


def worst(found: Sequence[Disagreement]) -> Disagreement:
    """The largest of several; an agreement where there is none."""
    return max(found, key=lambda d: (d.problem is not None, d.relative), default=Disagreement())

"""Arrays as a golden holds them: all numbers of a small one, and enough of a large one to tell it from another."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconstruct.errors import BuildError, ReadError

# An array of up to so many numbers is held whole
WHOLE = 1000
# Of a larger one: single numbers at even distances, and the means of as many stretches of it
SAMPLES, STRETCHES = 192, 64
_WORST = 3
_MOST_BYTES = 1 << 30
TEXT = "string"  # the dtype of text, of which a runtime gives bytes and NumPy has one for each length


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
    array = _plain(array)
    if array.size <= whole:
        return Recorded(array.shape, _dtype(array), array, True)
    return Recorded(array.shape, _dtype(array), _digest(array), False)


def _plain(array: np.ndarray) -> np.ndarray:
    """The array; text as text, whether it came as that, as bytes, or as objects.

    Raises `BuildError` for what is neither text nor real numbers.
    """
    if array.dtype.kind in "SO":
        texts = [x.decode("utf-8", "backslashreplace") if isinstance(x, bytes) else str(x) for x in array.ravel()]
        return np.array(texts, np.str_).reshape(array.shape)
    if array.dtype.kind not in "fiubU":
        raise BuildError(f"numbers of dtype {array.dtype.name} cannot be recorded or compared")
    return array


def _dtype(array: np.ndarray) -> str:
    return TEXT if array.dtype.kind == "U" else array.dtype.name


def disagreement(now: np.ndarray, before: Recorded) -> Disagreement:
    """Compare an array with a recorded one. Nothing is reshaped or cast to make it fit.

    >>> disagreement(np.array([1.0, 2.5]), record(np.array([1.0, 2.0]))).worst[0]
    ('[1]', 2.0, 2.5)
    """
    now = _plain(now)
    if now.shape != before.shape:
        return Disagreement(math.inf, math.inf, problem=f"shape {now.shape}, recorded {before.shape}")
    if _dtype(now) != before.dtype:
        return Disagreement(math.inf, math.inf, problem=f"dtype {_dtype(now)}, recorded {before.dtype}")
    a, b = (now if before.whole else _digest(now)).ravel(), before.values.ravel()
    if before.dtype == TEXT:
        return _of_texts(a, b, before)
    a, b = a.astype(np.float64), b.astype(np.float64)
    for numbers, said in ((a, "at"), (b, "was recorded at")):
        if not np.isfinite(numbers).all():
            place = _place(int(np.flatnonzero(~np.isfinite(numbers))[0]), before)
            return Disagreement(math.inf, math.inf, problem=f"NaN or infinity {said} {place}")
    if not a.size:
        return Disagreement()
    apart = np.abs(a - b)
    relative = apart / (1.0 + np.abs(b))
    order = np.argsort(relative)[::-1][:_WORST]
    worst = tuple((_place(int(i), before), float(b[i]), float(a[i])) for i in order if apart[i] > 0)
    return Disagreement(float(apart.max()), float(relative.max()), worst)


def _of_texts(now: np.ndarray, before: np.ndarray, recorded: Recorded) -> Disagreement:
    other = np.flatnonzero(now != before)
    if not other.size:
        return Disagreement()
    k = int(other[0])
    problem = f"{str(now[k])!r} at {_place(k, recorded)}, recorded {str(before[k])!r}"
    return Disagreement(math.inf, math.inf, problem=problem)


def alike(now: np.ndarray, before: Recorded, tolerance: float) -> bool:
    """Whether a layer gives what was recorded of it. NaN and infinities of the same places are no difference within a
    model: what comes after may not look at them."""
    if now.shape == before.shape and now.dtype.kind == before.values.dtype.kind == "f":
        a, b = (now if before.whole else _digest(now)).astype(np.float64), before.values.astype(np.float64)
        lasting = ~np.isfinite(b) & ((a == b) | (np.isnan(a) & np.isnan(b)))
        if lasting.any():
            rest = np.where(lasting, 0.0, a), np.where(lasting, 0.0, b)
            return disagreement(rest[0], Recorded(rest[1].shape, "float64", rest[1], True)).within(tolerance)
    return disagreement(now, before).within(tolerance)


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
    if array.dtype.kind == "f":
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
        if dtype == TEXT:
            values = np.array([str(x) for x in numbers], np.str_)
        else:
            values = np.array([_number(x) for x in numbers], _numeric(dtype) if whole else np.float64)
        if not whole and len(values) != (SAMPLES if dtype == TEXT else SAMPLES + STRETCHES):
            raise ValueError(f"{len(values)} samples")
        return Recorded(shape, dtype, values.reshape(shape) if whole else values, whole)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ReadError(f"a recorded array cannot be read: {error}") from error


def _numeric(dtype: str) -> np.dtype[Any]:
    found = np.dtype(dtype)
    if found.kind not in "fiub" or found.name != dtype:
        raise ValueError(f"dtype {dtype}")
    return found


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and value in ("nan", "inf", "-inf") else value


def pack(array: np.ndarray) -> dict[str, Any]:
    """An input of a probe, whole: as numbers where it is small, else as compressed bytes; text as it is."""
    array = _plain(array)
    if array.size <= WHOLE or _dtype(array) == TEXT:
        return to_json(record(array, array.size))
    data = base64.b85encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
    return {"shape": list(array.shape), "dtype": array.dtype.name, "zlib_base85": data}


def coarse(array: np.ndarray) -> np.ndarray:
    """A random image in steps of 1/32, which packs into a third; other inputs as they are, for a step that is masked
    has to keep its value."""
    if array.dtype.kind != "f" or array.ndim < 4 or array.size <= WHOLE:
        return array
    return (np.round(array * 32) / 32).astype(array.dtype)


def unpack(written: Mapping[str, Any]) -> np.ndarray:
    """Raises `ReadError` where it is not what `pack` writes, or declares more than a gigabyte."""
    if "zlib_base85" not in written:
        return from_json(written).values
    try:
        shape, dtype = tuple(int(n) for n in written["shape"]), _numeric(str(written["dtype"]))
        size = math.prod(shape) * dtype.itemsize
        if not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"{dtype} of shape {shape}")
        data = zlib.decompressobj().decompress(base64.b85decode(str(written["zlib_base85"])), size + 1)
        return np.frombuffer(data, dtype).reshape(shape).copy()
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise ReadError(f"a recorded input cannot be read: {error}") from error


def worst(found: Sequence[Disagreement]) -> Disagreement:
    """The largest of several; an agreement where there is none."""
    return max(found, key=lambda d: (d.problem is not None, d.relative), default=Disagreement())

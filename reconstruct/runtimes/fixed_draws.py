"""The same numbers in place of random ones, in this process and in an oracle's, so that random models can be compared.

Every Keras that runs on TensorFlow draws through a few operations of it (tensorflow/python/ops/random_ops.py and
stateless_random_ops.py). In here each of them gives numbers that depend on the shape alone, uniform or normal as the
drawn ones would be. What draws by other means, as NumPy in a `py_function`, still gives other numbers each time.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Callable, Iterator
from typing import Any

_OPS = "tensorflow.python.ops"
_GOLDEN = (math.sqrt(5) - 1) / 2  # its multiples, without their whole part, fill 0 to 1 evenly


@contextlib.contextmanager
def fixed_draws() -> Iterator[None]:
    """Whatever is drawn, or made into a graph that draws, while this holds is drawn from fixed numbers."""
    replaced: list[tuple[Any, str, Any]] = []
    try:
        for module, name, function in _replacements():
            if hasattr(module, name):
                replaced.append((module, name, getattr(module, name)))
                setattr(module, name, function)
        yield
    finally:
        for module, name, function in replaced:
            setattr(module, name, function)


def _replacements() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    stateful = importlib.import_module(f"{_OPS}.gen_random_ops")
    first, second = (importlib.import_module(f"{_OPS}.gen_stateless_random_ops{v}") for v in ("", "_v2"))
    for name, function in (
        ("random_standard_normal", _normal),
        ("random_uniform", _uniform),
        ("truncated_normal", _cut),
    ):
        yield stateful, name, lambda shape, dtype, *a, _of=function, **o: _of(shape, dtype)
    yield stateful, "random_uniform_int", lambda shape, minval, maxval, *a, **o: _whole(shape, minval, maxval)
    for name, function in (("normal", _normal), ("uniform", _uniform), ("truncated_normal", _cut)):
        yield first, f"stateless_random_{name}".replace("random_trunc", "trunc"), _stateless(function, 1)
        yield second, f"stateless_random_{name}_v2".replace("random_trunc", "trunc"), _stateless(function, 3)
    yield first, "stateless_random_uniform_int", lambda shape, seed, minval, maxval, **o: _whole(shape, minval, maxval)
    yield (
        second,
        "stateless_random_uniform_int_v2",
        lambda shape, key, counter, alg, minval, maxval, **o: _whole(shape, minval, maxval),
    )


def _stateless(function: Callable[..., Any], seeds: int) -> Callable[..., Any]:
    """`seeds` arguments stand between the shape and the dtype, which is float32 where it is not said."""

    def drawn(shape: Any, *args: Any, dtype: Any = "float32", **options: Any) -> Any:
        return function(shape, args[seeds] if len(args) > seeds else dtype)

    return drawn


def _even(shape: Any) -> Any:
    """Numbers between 0 and 1, without these, in float64."""
    tf: Any = importlib.import_module("tensorflow")
    count = tf.reduce_prod(tf.cast(shape, "int64"))
    numbers = tf.cast(tf.range(count), "float64") * _GOLDEN + 0.5
    return tf.reshape(tf.clip_by_value(numbers - tf.floor(numbers), 1e-6, 1 - 1e-6), shape)


def _uniform(shape: Any, dtype: Any) -> Any:
    return _cast(_even(shape), dtype)


def _normal(shape: Any, dtype: Any) -> Any:
    return _cast(_quantile(_even(shape)), dtype)


def _cut(shape: Any, dtype: Any) -> Any:
    """Normal between -2 and 2."""
    below = 0.5 * math.erfc(math.sqrt(2))
    return _cast(_quantile(below + (1 - 2 * below) * _even(shape)), dtype)


def _whole(shape: Any, minval: Any, maxval: Any) -> Any:
    span = _cast(maxval - minval, "float64")
    return minval + _cast(_even(shape) * span, getattr(minval, "dtype", "int32"))


def _quantile(even: Any) -> Any:
    tf: Any = importlib.import_module("tensorflow")
    return tf.math.ndtri(even)


def _cast(value: Any, dtype: Any) -> Any:
    tf: Any = importlib.import_module("tensorflow")
    return tf.cast(value, dtype)

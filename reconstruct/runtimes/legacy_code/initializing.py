"""Shapes, names and initializers as `add_weight` of Keras 1 and 2 took them, as Keras 3 takes them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend import in_stateless_scope

# keras/initializations.py of Keras 1.2.2, and aliases in keras/initializers.py of Keras 2
_OLD_NAMES = {
    "uniform": "random_uniform",
    "normal": "random_normal",
    "zero": "zeros",
    "one": "ones",
    "Zeros": "zeros",
    "Ones": "ones",
}


def shape(value: Any) -> tuple[int, ...]:
    """Any shape as a tuple of numbers. Raises `ValueError` where an axis is open."""
    if value is None:
        return ()
    if isinstance(value, tf.TensorShape):
        value = value.as_list()
    if hasattr(value, "__index__"):
        value = (value,)
    sizes = [getattr(n, "value", n) if not hasattr(n, "__index__") else n for n in value]
    if any(n is None for n in sizes):
        raise ValueError(f"a weight of shape {tuple(sizes)} has an open axis: the size of its input is not known")
    return tuple(int(n) for n in sizes)


def variable_name(value: Any) -> str:
    """A name of a variable as Keras 3 permits it."""
    return re.sub(r"[/:]", "_", str(value)) or "variable"


def variable(value: Any, trainable: bool = True, name: Any = None) -> keras.Variable:
    """A variable that starts with a value, also where Keras 3 only traces the call in which the layer is built.

    There it takes none but functions of a shape (common/variables.py).
    """
    tensor = tf.convert_to_tensor(value)
    options = {"trainable": trainable, "dtype": tensor.dtype.name, "name": name and variable_name(name)}
    start = tf.get_static_value(tensor) if in_stateless_scope() else None
    if start is None:
        return keras.Variable(tensor, **options)
    return keras.Variable(lambda *_, **__: tf.convert_to_tensor(start), shape=start.shape, **options)


def initializer(value: Any) -> Any:
    """An initializer of Keras 3; which values it gives is of no account, since the file has others."""
    if value is None or isinstance(value, keras.initializers.Initializer):
        return value
    if isinstance(value, str):
        try:
            return keras.initializers.get(_OLD_NAMES.get(value, value))
        except ValueError:
            return keras.initializers.get("glorot_uniform")
    if isinstance(value, dict):
        try:
            return keras.initializers.get(value)
        except Exception:  # of another Keras
            return keras.initializers.get("zeros")
    if callable(value):
        return lambda shape, dtype=None: tf.cast(tf.convert_to_tensor(_called(value, shape, dtype)), dtype or "float32")
    return keras.initializers.Constant(value)


def _called(function: Callable[..., Any], shape: Any, dtype: Any) -> Any:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function(shape)
    if "dtype" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return function(shape, dtype=dtype)
    return function(shape)


def first_generation(identifier: Any) -> Callable[..., Any]:
    """`initializations.get(…)` of Keras 1: a function of a shape that returns a variable."""
    made = initializer(identifier)

    def initialize(shape_: Any, name: str | None = None, **options: Any) -> Any:
        return keras.Variable(made, shape=shape(shape_), dtype="float32", name=name and variable_name(name))

    initialize.__name__ = str(identifier)
    return initialize

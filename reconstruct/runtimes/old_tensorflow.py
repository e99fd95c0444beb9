"""TensorFlow as code for its first version knows it: names that it removed are those of `tf.compat.v1`.

No arithmetic is changed. Used for the user's code wherever it runs: in Keras 3, and in the oracles.
"""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

_WITH_OLD_ARGUMENTS = {
    "keep_dims": "keepdims",
    "reduction_indices": "axis",
    "dim": "axis",
    "dimension": "axis",
    "squeeze_dims": "axis",
    "axes": "axes",
}


class Delegate(types.ModuleType):
    """A module whose names are looked up in several, in turn."""

    def __init__(self, name: str, modules: Sequence[Any], own: Mapping[str, Any] | None = None) -> None:
        super().__init__(name)
        self.__dict__.update(own or {})
        self.__dict__["_modules"] = list(modules)
        self.__dict__["__path__"] = []

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return sorted({n for module in self._modules for n in dir(module) if not n.startswith("_")})
        if name.startswith("__"):
            return getattr(self._modules[0], name)
        found = [getattr(module, name) for module in self._modules if hasattr(module, name)]
        if not found:
            raise AttributeError(f"TensorFlow has no {self.__name__.partition('.')[2] or ''}{name}")
        if all(isinstance(value, types.ModuleType) for value in found):
            made = Delegate(f"{self.__name__}.{name}", found)
            self.__dict__[name] = made
            return made
        if isinstance(found[0], types.FunctionType) and len(found) > 1 and found[0] is not found[1]:
            return _either(found[0], found[1])
        return _either(found[0], None) if isinstance(found[0], types.FunctionType) else found[0]


def facade(tf: Any, keras: Any = None) -> Delegate:
    """All of TensorFlow, with this Keras as its own where one is given."""
    keras = keras or tf.keras
    own = {"keras": keras, "contrib": _contrib(tf, keras)}
    return Delegate("tensorflow", [tf, tf.compat.v1], own)


def _contrib(tf: Any, keras: Any) -> types.SimpleNamespace:
    """What of `tf.contrib`, which went with TensorFlow 2, has no part in what a model computes, and what moved."""
    layers = types.SimpleNamespace(
        xavier_initializer=lambda *args, **options: "glorot_uniform",
        xavier_initializer_conv2d=lambda *args, **options: "glorot_uniform",
        variance_scaling_initializer=lambda *args, **options: "he_normal",
        l1_regularizer=lambda *args, **options: None,
        l2_regularizer=lambda *args, **options: None,
        l1_l2_regularizer=lambda *args, **options: None,
    )
    framework = types.SimpleNamespace(nest=tf.nest)
    return types.SimpleNamespace(layers=layers, keras=keras, framework=framework)


# NumPy with the names for types of Python that it had until 1.24
NUMPY = Delegate("numpy", [np], {"float": float, "int": int, "bool": bool, "object": object, "str": str})


@functools.cache
def _either(function: Callable[..., Any], old: Callable[..., Any] | None) -> Callable[..., Any]:
    """A function that takes arguments by the names they had in TensorFlow 1."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            return function(*args)
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            if "unexpected keyword" not in str(error):
                raise
        renamed = {_WITH_OLD_ARGUMENTS.get(k, k): v for k, v in kwargs.items()}
        return function(*args, **renamed) if renamed != kwargs or old is None else old(*args, **kwargs)

    return called


def resolve(top: Any, name: str) -> Any:
    """`tensorflow.a.b`: below `top`, or the genuine module where that is not among its names."""
    found = top
    for part in name.split(".")[1:]:
        try:
            found = getattr(found, part)
        except AttributeError:
            return importlib.import_module(name)
    return found

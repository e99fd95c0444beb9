"""What the user gives (`--custom`, `custom_objects=`) as the symbols that code of Lambda layers is followed over.

A function of the user is not called either: its own code is read and followed like that of the file, so that what it
computes is saved without it. The libraries are not imported here; what belongs to them is recognised by its name.
"""

from __future__ import annotations

import functools
import inspect
import marshal
import sys
from collections.abc import Callable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from reconstruct.objects.bytecode import LAYOUT
from reconstruct.objects.marshal_reader import Code, read
from reconstruct.objects.symbols import Function, Name, Partial, Untranslatable

_LIBRARIES = ("keras", "tf_keras", "tensorflow", "numpy", "math")
# Where TensorFlow (tf_export), tf_keras (keras_export) and Keras 3 (api_export) write a function's public name.
_PUBLIC_NAMES = (("_tf_api_names", "tensorflow."), ("_keras_api_names", ""), ("_api_export_path", ""))


class Given(Mapping[str, Any]):
    """Values by name, each made a symbol when it is asked for, since they may refer to each other."""

    def __init__(self, values: Mapping[str, Any], read: Callable[[Any], Any] = lambda value: value) -> None:
        self._values, self._read = values, read

    def __getitem__(self, name: str) -> Any:
        return symbol(self._read(self._values[name]))

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def symbol(value: Any) -> Any:
    """The value as a symbol; things that mean nothing to a model stay what they are, and are refused where used."""
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return type(value)(symbol(v) for v in value)
    if type(value) is dict:
        return {k: symbol(v) for k, v in value.items()}
    if isinstance(value, ModuleType):
        return Name(_module_path(value.__name__)) if _is_library(value.__name__) else Given(vars(value))
    if isinstance(value, functools.partial):
        return Partial(symbol(value.func), symbol(value.args), symbol(dict(value.keywords)))
    if isinstance(value, MethodType):
        return Partial(symbol(value.__func__), (symbol(value.__self__),), {})
    if isinstance(getattr(value, "python_function", None), FunctionType):  # what tf.function makes
        return symbol(value.python_function)
    if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, np.ufunc):
        return _callable(value)
    module = str(getattr(type(value), "__module__", ""))
    if _is_library(module) and not isinstance(value, np.ndarray | np.generic):
        return _of_library(value)
    if hasattr(value, "__dict__") and not callable(value):
        return Given(vars(value))
    return value


def function_of(function: FunctionType) -> Function:
    """The code of a function of the user. Raises `Untranslatable` where this Python is none that is read."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version not in LAYOUT:
        raise Untranslatable(f"functions of Python {version} are not read, and {function.__name__} is one")
    code = read(marshal.dumps(function.__code__), LAYOUT[version])
    assert isinstance(code, Code)
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    values = Given(cells, lambda cell: cell.cell_contents)
    return Function(
        code,
        tuple(symbol(v) for v in function.__defaults__ or ()),
        symbol(dict(function.__kwdefaults__ or {})),
        dict.fromkeys(cells, values),
        version,
        Given(function.__globals__),
    )


def _callable(value: Any) -> Any:
    inner = inspect.unwrap(value)
    for attribute, prefix in _PUBLIC_NAMES:
        names = getattr(inner, "__dict__", {}).get(attribute)  # a class also has those of its bases
        names = [names] if isinstance(names, str) else names
        if names:
            shortest = min(names, key=lambda name: (not name.startswith(("keras.ops", "keras.backend")), len(name)))
            return Name(prefix + shortest)
    module, name = str(getattr(value, "__module__", None) or "builtins"), str(getattr(value, "__name__", ""))
    if isinstance(value, np.ufunc):
        module = "numpy"
    if _is_library(module) or module == "builtins":
        return Name(f"{module.partition('.')[0]}.{name}")
    if isinstance(value, FunctionType):
        if value.__code__.co_filename.startswith("<__array_function__"):
            return Name(f"numpy.{name}")
        return function_of(value)
    if isinstance(value, BuiltinFunctionType):
        return Name(f"{module}.{name}")
    return value


def _of_library(value: Any) -> Any:
    """A dtype or a tensor that was made outside of the model."""
    if type(value).__name__ in ("DType", "dtype"):
        return Name(f"tensorflow.{value.name}")
    if hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "numpy"):
        return np.asarray(value)
    return value


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in _LIBRARIES


def _module_path(name: str) -> str:
    """`tensorflow._api.v2.nn` → `tensorflow.nn`, `keras._tf_keras.keras.backend` → `keras.backend`."""
    for private, public in (("tensorflow._api.v2", "tensorflow"), ("keras._tf_keras.keras", "keras")):
        if name == private or name.startswith(f"{private}."):
            return public + name[len(private) :]
    return name

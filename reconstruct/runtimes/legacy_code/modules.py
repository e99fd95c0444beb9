"""Every path that Keras ever had, answered from Keras 3: `import` statements of code for Keras 1 and 2 come here.

`keras`, `tf_keras`, `tensorflow.keras`, `tensorflow.python.keras` and `tensorflow.contrib.keras` are one and the same.
A module below them has what its name says first (layers, backend, …); where things were moved, any other place where
the name is found will do, as a name meant one thing through all these years.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from keras.src.initializers.random_initializers import compute_fans

from reconstruct.runtimes import old_tensorflow
from reconstruct.runtimes.legacy_code import arguments, backend, initializing, recurrent
from reconstruct.runtimes.legacy_code.layer import Shape, training

_ROOTS = (
    "tensorflow.python.keras",
    "tensorflow.contrib.keras.python.keras",
    "tensorflow.contrib.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.keras",
    "tf_keras.src",
    "tf_keras",
    "keras.src",
    "keras.api",
    "keras",
)
VERSION = "2.15.0"  # the last release before Keras 3, which is what such code asks for where it asks


def tail_of(path: str) -> str | None:
    """What follows the root of Keras in a module's path ('' for Keras itself), or None for any other module."""
    for root in _ROOTS:
        if path == root or path.startswith(root + "."):
            return path[len(root) + 1 :]
    return None


class Facade(types.ModuleType):
    """A module of an earlier Keras."""

    def __init__(self, tail: str) -> None:
        super().__init__(f"keras.{tail}" if tail else "keras")
        self.__dict__["_tail"] = tail
        self.__dict__["__path__"] = []
        self.__dict__["__version__"] = VERSION

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return sorted({n for place in _places(self._tail) for n in place.names() if place.find(n) is not None})
        if name.startswith("__"):
            raise AttributeError(name)
        if not self._tail and name in _SUBMODULES:
            return facade(name)
        for place in (*_places(self._tail), *_EVERYWHERE):
            found = place.find(name)
            if found is not None:
                return found
        tail = f"{self._tail}.{name}" if self._tail else name
        if name in _SUBMODULES or tail in _KNOWN_PATHS:
            return facade(tail)
        raise AttributeError(f"no Keras 3 form of {self.__name__}.{name} is known")


class _Place:
    """Somewhere to look a name up."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def find(self, name: str) -> Any:
        if isinstance(self._what, dict):
            return self._what.get(name)
        if self._what is keras.layers:
            return arguments.layer(name)
        if self._what is backend:
            try:
                return backend.get(name)
            except AttributeError:
                return None
        found = getattr(self._what, name, None)
        return None if isinstance(found, types.ModuleType) else found

    def names(self) -> Iterable[str]:
        if isinstance(self._what, dict):
            return self._what
        if self._what is backend:
            return [*backend.OWN, *(n for n in vars(backend.legacy) if not n.startswith("_"))]
        return [n for n in dir(self._what) if not n.startswith("_")]


def _decorator(*args: Any, **kwargs: Any) -> Any:
    """A decorator that changed arguments of old to newer ones, or shapes; with or without arguments."""
    if len(args) == 1 and callable(args[0]) and not kwargs:
        return args[0]
    return lambda function: function


def _old_activations(identifier: Any) -> Any:
    own = keras.saving.get_registered_object(identifier) if isinstance(identifier, str) else None
    if callable(own):  # the user's of that name went before Keras's (keras/utils/generic_utils.py)
        return own
    if identifier == "hard_sigmoid":
        return backend.get("hard_sigmoid")
    if identifier is None:
        return keras.activations.linear
    return keras.activations.get(identifier)


def _tuple(value: Any, n: int, name: str = "", **options: Any) -> tuple[int, ...]:
    return (int(value),) * n if hasattr(value, "__index__") else tuple(int(v) for v in value)


def _padding(value: str) -> str:
    return value.lower()


def _conv_output_length(length: Any, filter_size: int, padding: str, stride: int, dilation: int = 1) -> Any:
    if length is None:
        return None
    whole = filter_size + (filter_size - 1) * (dilation - 1)
    size = {"same": length, "causal": length, "valid": length - whole + 1, "full": length + whole - 1}[padding]
    return (size + stride - 1) // stride


def _deconv_length(length: Any, stride: int, kernel_size: int, padding: str, *args: Any, **options: Any) -> Any:
    if length is None:
        return None
    return length * stride + (max(kernel_size - stride, 0) if padding == "valid" else 0)


def _to_list(value: Any, allow_tuple: bool = False) -> list[Any]:
    return list(value) if isinstance(value, list) or (allow_tuple and isinstance(value, tuple)) else [value]


class _CustomObjects(dict):
    """`get_custom_objects()`: code of one file does not change what the process knows."""


_OBJECTS = _CustomObjects()
_UTILS: dict[str, Any] = {
    "get_custom_objects": lambda: _OBJECTS,
    "normalize_tuple": _tuple,
    "normalize_padding": _padding,
    "normalize_data_format": backend.get("normalize_data_format"),
    "conv_output_length": _conv_output_length,
    "conv_output_shape": _conv_output_length,
    "deconv_length": _deconv_length,
    "deconv_output_length": _deconv_length,
    "to_list": _to_list,
    "unpack_singleton": lambda value: value[0] if len(value) == 1 else value,
    "object_list_uid": lambda values: ", ".join(str(id(v)) for v in keras.tree.flatten(values)),
    "shape_type_conversion": _decorator,
    "np_utils": keras.utils,
    "smart_cond": lambda pred, true_fn=None, false_fn=None, name=None: true_fn() if bool(pred) else false_fn(),
    "smart_constant_value": lambda pred: pred,
    "constant_value": lambda pred: pred,
    "is_tensor_or_variable": lambda x: bool(tf.is_tensor(x)) or isinstance(x, keras.Variable),
    "has_arg": lambda fn, name, accept_all=False: name in __import__("inspect").signature(fn).parameters,
    "multi_gpu_model": lambda model, *args, **options: model,
}
_ENGINE: dict[str, Any] = {
    "Layer": keras.layers.Layer,
    "InputSpec": keras.layers.InputSpec,
    "Input": arguments.input_,
    "InputLayer": keras.layers.InputLayer,
    "Model": keras.Model,
    "Container": keras.Model,
    "Network": keras.Model,
    "Functional": keras.Model,
    "Sequential": keras.Sequential,
    "AbstractRNNCell": recurrent.AbstractRNNCell,
    "DropoutRNNCellMixin": recurrent.DropoutRNNCellMixin,
    "get_source_inputs": keras.utils.get_source_inputs,
    "call_context": lambda: types.SimpleNamespace(training=training(), in_call=True),
    "TensorShape": tf.TensorShape,
    "Dimension": lambda value: value,
    "Shape": Shape,
    "interfaces": types.SimpleNamespace(
        legacy_add_weight_support=_decorator,
        generate_legacy_interface=_decorator,
        legacy_recurrent_support=_decorator,
        legacy_dense_support=_decorator,
        legacy_conv2d_support=_decorator,
        legacy_conv1d_support=_decorator,
    ),
    "keras_export": _decorator,
    "tf_export": _decorator,
}
_ACTIVATIONS: dict[str, Any] = {"get": _old_activations, "hard_sigmoid": backend.get("hard_sigmoid")}
_INITIALIZERS: dict[str, Any] = {
    "get": initializing.initializer,
    "VarianceScaling": keras.initializers.VarianceScaling,
    "_compute_fans": lambda shape, data_format=None: compute_fans(tuple(shape)),
}
_INITIALIZATIONS: dict[str, Any] = {"get": initializing.first_generation} | {
    name: initializing.first_generation(name)
    for name in (
        "glorot_uniform glorot_normal he_normal he_uniform lecun_uniform uniform normal zero one orthogonal".split()
    )
}
_REGULARIZERS: dict[str, Any] = {
    "get": lambda identifier=None: _tolerant(keras.regularizers.get, identifier),
    "l1l2": lambda l1=0.01, l2=0.01: keras.regularizers.L1L2(l1=l1, l2=l2),
    "WeightRegularizer": keras.regularizers.L1L2,
    "ActivityRegularizer": keras.regularizers.L1L2,
}
_CONSTRAINTS: dict[str, Any] = {"get": lambda identifier=None: _tolerant(keras.constraints.get, identifier)}


def _tolerant(get: Any, identifier: Any) -> Any:
    """None for what is not known: it acts in training only."""
    try:
        return get(identifier)
    except Exception:
        return None


class Metric(keras.metrics.Metric):
    """The base of a metric, which in tf.keras took the name of a weight first (metrics/base_metric.py)."""

    def add_weight(
        self, name: Any = None, shape: Any = (), initializer: Any = None, dtype: Any = None, **rest: Any
    ) -> Any:
        made = initializing.initializer(initializer) if initializer is not None else "zeros"
        return self.add_variable(initializing.shape(shape), made, dtype and tf.as_dtype(dtype).name, name=name)


_AT = {
    "activations": (_ACTIVATIONS, keras.activations),
    "advanced_activations": (keras.layers,),
    "applications": (keras.applications,),
    "backend": (backend,),
    "backend_config": (backend,),
    "callbacks": (keras.callbacks,),
    "constraints": (_CONSTRAINTS, keras.constraints),
    "engine": (_ENGINE,),
    "initializations": (_INITIALIZATIONS,),
    "initializers": (_INITIALIZERS, keras.initializers),
    "layers": (_ENGINE | {"Input": arguments.input_}, keras.layers),
    "legacy": (_ENGINE,),
    "losses": (keras.losses,),
    "metrics": ({"Metric": Metric}, keras.metrics),
    "schedules": (keras.optimizers.schedules,),
    "mixed_precision": (keras.mixed_precision,),
    "models": (keras.models,),
    "objectives": (keras.losses,),
    "optimizers": (keras.optimizers,),
    "preprocessing": (keras.preprocessing,),
    "regularizers": (_REGULARIZERS, keras.regularizers),
    "saving": (_UTILS, keras.saving, keras.utils),
    "utils": (_UTILS, keras.utils, keras.saving),
    "datasets": (keras.datasets,),
}
_SUBMODULES = frozenset(_AT) | {
    "topology",
    "training",
    "core",
    "base_layer",
    "recurrent",
    "generic_utils",
    "conv_utils",
}
_KNOWN_PATHS = frozenset(
    "utils.generic_utils utils.conv_utils utils.np_utils utils.tf_utils utils.layer_utils utils.vis_utils "
    "utils.data_utils layers.core layers.recurrent layers.convolutional layers.merge layers.normalization "
    "layers.wrappers layers.embeddings layers.pooling layers.noise layers.advanced_activations engine.topology "
    "engine.base_layer engine.training engine.input_spec preprocessing.image preprocessing.sequence "
    "preprocessing.text layers.experimental layers.experimental.preprocessing layers.ops losses.losses_utils "
    "applications.imagenet_utils mixed_precision.experimental legacy.interfaces legacy.layers".split()
)
_ROOT = (
    _Place({"Input": arguments.input_, "Model": keras.Model, "Sequential": keras.Sequential}),
    _Place({"Variable": keras.Variable}),
)
_EVERYWHERE = tuple(
    _Place(p)
    for p in (
        _ENGINE,
        keras.layers,
        backend,
        _UTILS,
        keras.utils,
        keras.models,
        keras.saving,
        keras.losses,
        keras.metrics,
    )
)


def _places(tail: str) -> Sequence[_Place]:
    if not tail:
        return _ROOT
    found: list[_Place] = []
    for part in reversed(tail.split(".")):
        found += [_Place(what) for what in _AT.get(part, ())]
    return found


_FACADES: dict[str, Facade] = {}


def facade(tail: str) -> Facade:
    return _FACADES.setdefault(tail, Facade(tail))


class Importer:
    """`__import__` of a module of the user's, whose other files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tensorflow = old_tensorflow.facade(tf, facade(""))
        self._tensorflow.Variable = arguments.Variable  # type: ignore[attr-defined]

    def __call__(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = (), level: int = 0
    ) -> Any:
        tail = tail_of(name)
        if level == 0 and tail is not None:
            if fromlist:
                return facade(tail)
            return self._tensorflow if name.startswith("tensorflow") else facade("")
        if level == 0 and (name == "tensorflow" or name.startswith("tensorflow.")):
            return old_tensorflow.resolve(self._tensorflow, name) if fromlist else self._tensorflow
        if level == 0 and name == "numpy":
            return old_tensorflow.NUMPY
        if level == 0:
            own = self._sibling(name, bool(fromlist))
            if own is not None:
                return own
        return __import__(name, globals, locals, fromlist or (), level)

    def _sibling(self, name: str, deepest: bool) -> Any:
        """A file beside the user's, which is code of the same kind."""
        top = name.partition(".")[0]
        path = self._folder / f"{name.replace('.', '/')}.py"
        if top in sys.stdlib_module_names or not path.is_file() or (top == name and _installed(top, self._folder)):
            return None
        from reconstruct.runtimes import legacy_code

        known = f"reconstruct_beside_{abs(hash(str(path.resolve())))}"
        module = sys.modules.get(known) or legacy_code.execute(path, known)
        if deepest or "." not in name:
            return module
        at: Any = module
        for part in reversed(name.split(".")[1:]):
            holder = types.ModuleType(name)
            setattr(holder, part, at)
            at = holder
        return at


def _installed(top: str, folder: Path) -> bool:
    """Whether a module of that name is to be had from elsewhere than the user's folder."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    return spec is not None and (spec.origin is None or Path(str(spec.origin)).parent.resolve() != folder.resolve())

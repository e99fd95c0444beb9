"""Run a genuine earlier Keras (1.2.2, 2.0.9, 2.2.4, 2.3.1) on today's TensorFlow, NumPy, h5py and Python.

Those releases are pure Python and still compute the right thing through `tensorflow.compat.v1`. Only names that
Python, NumPy, h5py and TensorFlow have since removed are put back; no arithmetic of Keras is changed.

`activate` changes the whole process: call it once, in a process of its own, before anything imports a framework.
"""

import collections
import collections.abc
import importlib
import importlib.util
import inspect
import os
import sys
import types
from pathlib import Path
from typing import Any


def activate(folder: Path) -> types.ModuleType:
    """Make `import keras` the release installed in `folder`, and return it.

    Raises `ImportError` when TensorFlow or the release is missing.
    """
    _put_back_python_names()
    _put_back_numpy_names()
    _put_back_h5py_bytes()
    _stand_in_for_unused_packages()
    _present_tensorflow_1()
    sys.path.insert(0, str(folder))
    keras = importlib.import_module("keras")
    if Path(str(keras.__file__)).parent.parent.resolve() != Path(folder).resolve():
        raise ImportError(f"keras was imported from {keras.__file__}, not from {folder}")
    _mend_convert_kernel()
    _keep_names_of_nested_models()
    _run_cudnn_layers_on_the_cpu(keras)
    return keras


def _put_back_python_names() -> None:
    """`inspect.getargspec` went with Python 3.11, the abstract classes in `collections` with 3.10."""
    spec = collections.namedtuple("spec", "args varargs keywords defaults")
    if not hasattr(inspect, "getargspec"):
        inspect.getargspec = lambda function: spec(*inspect.getfullargspec(function)[:4])  # type: ignore[attr-defined]
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))


def _put_back_numpy_names() -> None:
    """Aliases that NumPy 1.24 and 2.0 removed."""
    import numpy

    removed = {
        "bool": bool,
        "int": int,
        "float": float,
        "object": object,
        "str": str,
        "Inf": numpy.inf,
        "NaN": numpy.nan,
        "float_": numpy.float64,
        "string_": numpy.bytes_,
        "unicode_": numpy.str_,
        "product": numpy.prod,
    }
    for name, value in removed.items():
        if name not in vars(numpy):
            setattr(numpy, name, value)


def _put_back_h5py_bytes() -> None:
    """h5py 3 gives `str` for text attributes; h5py 2 gave `bytes`, which those releases `.decode()`."""
    from h5py._hl import attrs

    modern = attrs.AttributeManager.__getitem__

    def as_bytes(value: Any) -> Any:
        return value.encode("utf8") if isinstance(value, str) else value

    def getitem(self: Any, name: str) -> Any:
        value = modern(self, name)
        if getattr(value, "ndim", 0) == 1 and (value.dtype.kind in "SOU" or value.size == 0):
            return [as_bytes(item) for item in value]
        return as_bytes(value)

    attrs.AttributeManager.__getitem__ = getitem


def _stand_in_for_unused_packages() -> None:
    """Put empty modules in place of packages that are imported at the top but needed only to read YAML or images."""

    class Version:
        """`distutils.version.StrictVersion`, gone with Python 3.12; Keras compares TensorFlow's version with it."""

        def __init__(self, text: str) -> None:
            self.numbers = tuple(int(part) for part in text.split("-")[0].split(".")[:3] if part.isdigit())

        def __lt__(self, other: "Version") -> bool:
            return self.numbers < other.numbers

        def __le__(self, other: "Version") -> bool:
            return self.numbers <= other.numbers

        def __gt__(self, other: "Version") -> bool:
            return self.numbers > other.numbers

        def __ge__(self, other: "Version") -> bool:
            return self.numbers >= other.numbers

    contents: dict[str, dict[str, Any]] = {
        "yaml": {},
        "distutils": {},
        "distutils.version": {"StrictVersion": Version},
        "pkg_resources": {"parse_version": Version},  # of setuptools before version 82
        "scipy": {},
        "scipy.linalg": {},
        "scipy.ndimage": {},
        "scipy.sparse": {"issparse": lambda value: False},
    }
    missing = {
        name for name in ("yaml", "distutils", "scipy", "pkg_resources") if importlib.util.find_spec(name) is None
    }
    for name, values in contents.items():
        package, _, child = name.partition(".")
        if package in missing:
            module = types.ModuleType(name)
            module.__dict__.update(values, __path__=[])
            sys.modules[name] = module
            if child:
                setattr(sys.modules[package], child, module)


def _present_tensorflow_1() -> None:
    """Make `import tensorflow` give TensorFlow's version 1 interface, in graph mode."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # keeps TensorFlow from importing the `keras` that is about to change
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import tensorflow as tf2

    v1 = tf2.compat.v1
    v1.disable_v2_behavior()

    class TensorFlow1(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return getattr(v1, name) if hasattr(v1, name) else getattr(tf2, name)

    module = TensorFlow1("tensorflow")
    module.__dict__.update(__version__="1.15.0", __path__=tf2.__path__, __spec__=tf2.__spec__)
    module.__dict__["python"] = importlib.import_module("tensorflow.python")
    sys.modules["tensorflow"] = module

    ops = importlib.import_module("tensorflow.python.framework.ops")
    flow = importlib.import_module("tensorflow.python.ops.control_flow_ops")
    if not hasattr(ops, "_TensorLike"):
        ops.__dict__["_TensorLike"] = tf2.Tensor
    if not hasattr(ops, "is_dense_tensor_like"):
        ops.__dict__["is_dense_tensor_like"] = lambda value: isinstance(value, tf2.Tensor)
    for name in ("while_loop", "cond", "case", "merge", "switch"):
        if not hasattr(flow, name) and hasattr(v1, name):
            setattr(flow, name, getattr(v1, name))


def _mend_convert_kernel() -> None:
    """Flip Theano kernels with a tuple of slices: NumPy no longer indexes with a list, as Keras 2.x does."""
    if importlib.util.find_spec("keras.utils.conv_utils") is None:  # Keras 1 has no such function
        return
    import numpy

    def convert_kernel(kernel: Any) -> Any:
        array = numpy.asarray(kernel)
        return numpy.copy(array[(*[slice(None, None, -1)] * (array.ndim - 2), slice(None), slice(None))])

    importlib.import_module("keras.utils.conv_utils").__dict__["convert_kernel"] = convert_kernel


def _keep_names_of_nested_models() -> None:
    """Give a nested Sequential the name that the file has for it beside its config.

    Until Keras 2.2.2 that config is a list of layers without a name, and the loaded model got a new one, which could
    also collide with another layer's.
    """
    first = importlib.util.find_spec("keras.utils.conv_utils") is None
    home, name = ("keras.utils.layer_utils", "layer_from_config") if first else ("keras.layers", "deserialize")
    module = importlib.import_module(home)
    load = getattr(module, name)

    def load_named(config: Any, *args: Any, **kwargs: Any) -> Any:
        layer = load(config, *args, **kwargs)
        if isinstance(config, dict) and isinstance(config.get("config"), list) and config.get("name"):
            layer.name = config["name"]
        return layer

    setattr(module, name, load_named)


def _run_cudnn_layers_on_the_cpu(keras: types.ModuleType) -> None:
    """Load CuDNNLSTM and CuDNNGRU as LSTM and GRU with the activations that cuDNN has.

    TensorFlow's contrib package, which ran them on a GPU, is gone. Keras 2.2 and later convert the weights of either
    kind to the other on loading (keras/engine/saving.py, `_convert_rnn_weights`), by the name of the class, so the
    names of the classes here have to be LSTM and GRU.
    """
    if not str(keras.__version__).startswith(("2.2.", "2.3.")):
        return
    layers: Any = importlib.import_module("keras.layers")

    def on_cpu(base: Any, **fixed: Any) -> type:
        def __init__(self: Any, units: int, **kwargs: Any) -> None:
            base.__init__(self, units, **{**kwargs, "recurrent_activation": "sigmoid", **fixed})

        return type(base.__name__, (base,), {"__init__": __init__})

    layers.CuDNNLSTM = on_cpu(layers.LSTM)
    layers.CuDNNGRU = on_cpu(layers.GRU, reset_after=True)

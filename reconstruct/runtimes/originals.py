"""Load original files in the Keras that wrote them, and run them; used in child processes only (`serve.py`).

A runtime gives `load`, `describe` and `run`. `Earlier` is multi-backend Keras 1.2 to 2.3 in graph mode; `Eager` is
tf_keras and Keras 3. Nothing is taken from a file that Keras itself does not take; marshaled code is refused unless
the request trusts it, because earlier versions have no guard of their own.
"""

import importlib
import importlib.util
import inspect
import json
import os
import shutil
import sys
import types
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from reconstruct.objects.source.extract import EXPORTS
from reconstruct.readers.sniff import is_archive
from reconstruct.runtimes import old_paths
from reconstruct.runtimes.making import given_once

Arrays: TypeAlias = list[np.ndarray[Any, Any]]


class UntrustedCode(ValueError):
    """The file holds marshaled Python code, and the request did not say that it may run."""


class Untellable(ValueError):
    """The file loads, but has no inputs and outputs that a probe could be made for."""


def flatten(value: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dicts in Keras's order, which sorts the keys of a dict."""
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in flatten(value[key])]
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in flatten(item)]
    return [value]


def container_of(path: Path) -> str:
    """What a file is by its content: 'dir', 'zip', 'hdf5' or 'json'."""
    if path.is_dir():
        return "dir"
    if h5py.is_hdf5(path) and not is_archive(path):
        return "hdf5"
    return "zip" if zipfile.is_zipfile(path) else "json"


def with_suffix(path: Path, suffix: str, scratch: Path) -> Path:
    """`path`, or a link to it (or a copy) in `scratch` whose name ends in `suffix`, which Keras decides by."""
    if path.name.endswith(suffix):
        return path
    staged = scratch / f"original{suffix}"
    staged.unlink(missing_ok=True)
    try:
        staged.symlink_to(path.resolve())
    except OSError:
        shutil.copyfile(path, staged)
    return staged


def zipped(folder: Path, scratch: Path) -> Path:
    """The `.keras` file that a folder in Keras's directory format stands for; links in the folder are left out."""
    staged = scratch / "folder.keras"
    with zipfile.ZipFile(staged, "w") as archive:
        for top, _, names in os.walk(folder):
            for name in names:
                member = Path(top) / name
                if not member.is_symlink():
                    archive.write(member, member.relative_to(folder))
    return staged


def custom_objects(sources: Iterable[str]) -> dict[str, Any]:
    """The classes and functions of Python files or modules that the user named; they are executed.

    What those modules import from a framework is left out. Raises whatever the modules raise.
    """
    found: dict[str, Any] = {}
    for number, source in enumerate(sources):
        path = Path(source)
        if path.is_file():
            name = f"custom_{number}_{path.stem}"
            module = types.ModuleType(name)
            module.__file__ = str(path)
            sys.modules[name] = module
            sys.path.insert(0, str(path.parent.resolve()))
            try:
                old_paths.run(module, path)
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                raise ImportError(f"the code in {path.name} does not run in this Keras ({reason})") from error
            finally:
                sys.path.remove(str(path.parent.resolve()))
        else:
            module = importlib.import_module(source)
        exported = getattr(module, EXPORTS, None)
        if exported is not None:
            found.update({name: _named_afterwards(getattr(module, name)) for name in exported})
            continue
        for name, value in vars(module).items():
            home = (getattr(value, "__module__", None) or "").partition(".")[0]
            if (inspect.isclass(value) or inspect.isfunction(value)) and home not in _FRAMEWORKS:
                found[name] = _named_afterwards(value)
    return found


def _named_afterwards(thing: Any) -> Any:
    """A class of layers whose `__init__` has no place for what every config has (name, trainable, dtype) is given it
    after it is made, and what a class sets itself is not given twice, so that it can be loaded at all."""
    if not inspect.isclass(thing) or not hasattr(thing, "from_config") or not inspect.isfunction(thing.__init__):
        return thing
    takes = inspect.signature(thing.__init__).parameters
    lacks = [n for n in ("name", "trainable", "dtype") if n not in takes]
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()) or "name" not in lacks:
        lacks = []
    make = thing.from_config.__func__

    def from_config(cls: Any, config: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        kept = {k: v for k, v in config.items() if k not in lacks}
        made = given_once(lambda fields: make(cls, fields, *args, **kwargs), kept)
        if lacks and "name" in config:
            setattr(made, "_name" if hasattr(made, "_name") else "name", config["name"])
        return made

    thing.from_config = classmethod(from_config)
    return thing


def without_effect(keras: Any, parts: Iterable[tuple[str, str, Sequence[str] | None]]) -> dict[str, Any]:
    """What stands for initializers, regularizers and constraints that this Keras does not have, by name, so that a
    file which names them loads; no output depends on them.

    Each is a name, a kind, and the fields of its config where it is an object: one that takes no such fields is
    another of that name.
    """
    bases = {"initializer": "Zeros", "regularizer": "Regularizer", "constraint": "Constraint"}
    found: dict[str, Any] = {}
    for name, kind, fields in parts:
        home, bare = getattr(keras, f"{kind}s", None), name.rpartition(">")[2]
        if home is None or not bare.isidentifier() or _takes(getattr(home, bare, None), fields or ()):
            continue

        def __init__(self: Any, *args: Any, **options: Any) -> None:
            """Whatever the author's class was given."""

        own: dict[str, Any] = {"__init__": __init__, "get_config": lambda self: {}}
        if kind != "initializer":
            own["__call__"] = (lambda self, x: 0.0) if kind == "regularizer" else (lambda self, x: x)
        made = type(bare, (getattr(home, bases[kind]),), own)
        found[name] = made() if fields is None else made
    return found


def _takes(thing: Any, fields: Iterable[str]) -> bool:
    if thing is None or not inspect.isclass(thing):
        return thing is not None
    parameters = inspect.signature(thing.__init__).parameters
    return set(fields) <= set(parameters) or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


_FRAMEWORKS = {"keras", "tf_keras", "tensorflow", "numpy", "builtins", "typing"}


def guard_marshaled_code(package: str, trusted: Callable[[], bool]) -> None:
    """Make every `func_load` of a Keras package refuse marshaled code while `trusted()` is false."""
    original = importlib.import_module(f"{package}.utils.generic_utils").func_load

    def func_load(*args: Any, **kwargs: Any) -> Any:
        if not trusted():
            raise UntrustedCode("the file holds marshaled Python code; it is run only if it is trusted")
        return original(*args, **kwargs)

    for name, module in list(sys.modules.items()):
        if name.startswith(package) and getattr(module, "func_load", None) is original:
            module.__dict__["func_load"] = func_load


def stated_dim_ordering(config: Any) -> str:
    """'th' where every `dim_ordering` in a Keras 1 config says so, or else 'tf', the default.

    UpSampling, ZeroPadding and Cropping layers of Keras 1.2.2 (keras/layers/convolutional.py) do not save theirs, but
    take the setting of whoever loads the file. The writer's setting is most likely what its other layers say.
    """
    stated: set[Any] = set()
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            stated.update(name for key, name in value.items() if key == "dim_ordering")
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return "th" if stated == {"th"} else "tf"


def nodes(network: Any) -> Iterator[tuple[str, int, list[Any]]]:
    """(layer name, call, output tensors) of every call of every top-level layer within a graph of layers.

    `call` counts the layer's calls in this model from 0, in order of creation; calls elsewhere are not counted.
    """
    by_depth = _first(network, "_nodes_by_depth", "nodes_by_depth")
    own = {id(node) for level in by_depth.values() for node in level}
    for layer in network.layers:
        inside = [node for node in _first(layer, "_inbound_nodes", "inbound_nodes") if id(node) in own]
        for call, node in enumerate(inside):
            yield layer.name, call, flatten(node.output_tensors)


def _first(value: Any, *names: str) -> Any:
    """The first attribute that exists; Keras renamed these between 2.0 and 2.2."""
    for name in names:
        if hasattr(value, name):
            return getattr(value, name)
    raise AttributeError(f"{type(value).__name__} has none of {', '.join(names)}")


def _layer_arrays(calls: Sequence[tuple[str, int, list[Any]]], arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
    """Name the arrays of all calls 'layer/<layer name>/<call>/<k>'."""
    keys = [f"layer/{name}/{call}/{k}" for name, call, tensors in calls for k in range(len(tensors))]
    return dict(zip(keys, arrays, strict=True))


class Earlier:
    """Multi-backend Keras 1.2 to 2.3, made importable by `earlier_keras.activate`."""

    def __init__(self, keras: types.ModuleType, trusted: Callable[[], bool]) -> None:
        self.keras: Any = keras
        self.models: Any = importlib.import_module("keras.models")
        self.backend: Any = importlib.import_module("keras.backend")
        self.first_generation = str(keras.__version__).startswith("1.")
        self.own_objects = _mobilenet_objects(self.backend)
        guard_marshaled_code("keras", trusted)
        self.clear()

    def clear(self) -> None:
        """Forget every model; then fix the learning phase, which clearing resets, so that nothing is stochastic."""
        self.backend.clear_session()
        if not self.keras.__version__.startswith("2.3."):  # there it is 0 unless fed, and its RNNs need the tensor
            self.backend.set_learning_phase(0)

    def load(self, path: Path, weights: Path | None, custom: dict[str, Any], trust_code: bool, scratch: Path) -> Any:
        """The model in an HDF5 file, or in a JSON file with its `weights`, without compiling it."""
        custom = {**self.own_objects, **custom}
        kind = container_of(path)
        if kind not in ("hdf5", "json"):
            raise ValueError(f"Keras {self.keras.__version__} reads HDF5 files, not {path.name}")
        if kind == "json":
            text = path.read_text("utf8")
            if self.first_generation:
                self.backend.set_image_dim_ordering(stated_dim_ordering(json.loads(text)))
            model = self.models.model_from_json(text, custom_objects=custom)
            if weights is None:
                raise Untellable("a config without weights computes nothing that could be compared")
            model.load_weights(str(weights))
            return model
        if not self.first_generation:
            try:
                return self.models.load_model(str(path), custom_objects=custom, compile=False)
            except ValueError:
                # load_model of 2.0 does not see the layers inside a Merge; load_weights of the same release does.
                with h5py.File(path, "r") as file:
                    model = self.models.model_from_json(file.attrs["model_config"], custom_objects=custom)
                model.load_weights(str(path))
                return model
        # Keras 1.2.2's load_model always compiles, which fails for a loss it does not know; this is its first half.
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise ValueError("No model found in config file.")
            config = json.loads(file.attrs["model_config"])
            self.backend.set_image_dim_ordering(stated_dim_ordering(config))
            model = self.models.model_from_config(config, custom_objects=custom)
            model.load_weights_from_hdf5_group(file["model_weights"])
        return model

    def network(self, model: Any) -> Any:
        """The graph of layers: until Keras 2.2 a Sequential holds it inside, built on demand."""
        if hasattr(model, "model") and type(model).__name__ == "Sequential":
            model.build()
            return model.model
        if not getattr(model, "inputs", None):
            raise Untellable("the model does not say what its inputs are")
        return model

    def describe(self, model: Any) -> dict[str, Any]:
        network = self.network(model)
        inputs = [
            {"name": name, "shape": list(self.backend.int_shape(tensor)), "dtype": self.backend.dtype(tensor)}
            for name, tensor in zip(network.input_names, network.inputs, strict=True)
        ]
        return {"inputs": inputs, "outputs": len(network.outputs)}

    def run(self, model: Any, arrays: Arrays) -> Arrays:
        network = self.network(model)
        return self._evaluate(network, network.outputs, arrays)

    def run_layers(self, model: Any, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        network = self.network(model)
        calls = list(nodes(network))
        tensors = [tensor for _, _, outputs in calls for tensor in outputs]
        return _layer_arrays(calls, self._evaluate(network, tensors, arrays))

    def _evaluate(self, network: Any, tensors: list[Any], arrays: Arrays) -> Arrays:
        """Fetch `tensors` for one probe. States of stateful layers stay zero: nothing here runs their updates."""
        feed = {
            tensor: np.asarray(array, self.backend.dtype(tensor))
            for tensor, array in zip(network.inputs, arrays, strict=True)
        }
        return [np.asarray(value) for value in self.backend.get_session().run(list(tensors), feed)]


def _mobilenet_objects(backend: Any) -> dict[str, Any]:
    """What `keras.applications.mobilenet` defined for its models until Keras 2.1.6, and their files name.

    Those files load only with these given. Later releases have the same function as a layer, `ReLU(6)`, and the
    class among the layers.
    """
    if importlib.util.find_spec("keras.applications.mobilenet") is None:  # Keras 1
        return {}
    mobilenet = importlib.import_module("keras.applications.mobilenet")
    layers = importlib.import_module("keras.layers")
    depthwise = getattr(layers, "DepthwiseConv2D", None) or vars(mobilenet).get("DepthwiseConv2D")
    return {"relu6": lambda x: backend.relu(x, max_value=6), "DepthwiseConv2D": depthwise}


class Eager:
    """tf_keras, for tf.keras 1.x to 2.15, or Keras 3."""

    def __init__(self, name: str, trusted: Callable[[], bool]) -> None:
        self.legacy = name == "tf_keras"
        if self.legacy:
            os.environ["TF_USE_LEGACY_KERAS"] = "1"
            importlib.import_module("tensorflow")
        self.keras: Any = importlib.import_module(name)
        if self.legacy:
            _answer_to_keras()
            guard_marshaled_code("tf_keras.src", trusted)
            _find_groups_written_on_windows()
            _answer_to_engine()

    def clear(self) -> None:
        self.keras.backend.clear_session()

    def load(self, path: Path, weights: Path | None, custom: dict[str, Any], trust_code: bool, scratch: Path) -> Any:
        """The model in an HDF5 file, a `.keras` file or folder, or a JSON file with its `weights`, not compiled."""
        model = self._loaded(path, weights, custom, trust_code, scratch)
        if not self.legacy:
            _finish_nested(model)
        return model

    def _loaded(self, path: Path, weights: Path | None, custom: dict[str, Any], trust_code: bool, scratch: Path) -> Any:
        options = {"safe_mode": False} if trust_code else {}
        kind = container_of(path)
        if kind == "json":
            model = self.keras.models.model_from_json(path.read_text("utf8"), custom_objects=self._names(custom))
            if weights is None:
                raise Untellable("a config without weights computes nothing that could be compared")
            model.load_weights(str(with_suffix(weights, _weights_suffix(weights), scratch)))
            return model
        if kind == "dir":
            path = zipped(path, scratch)
        else:
            path = with_suffix(path, ".h5" if kind == "hdf5" else ".keras", scratch)
        return self.keras.models.load_model(str(path), custom_objects=self._names(custom), compile=False, **options)

    def _names(self, custom: dict[str, Any]) -> dict[str, Any]:
        own = {**_cpu_forms(self.keras), **_convnext_layers()} if self.legacy else _operations(self.keras)
        return {**own, **custom}

    def describe(self, model: Any) -> dict[str, Any]:
        tensors = self._inputs(model)
        names = getattr(model, "input_names", None) or [tensor.name for tensor in tensors]
        inputs = [
            {"name": str(name), "shape": list(tensor.shape), "dtype": _dtype_name(tensor.dtype)}
            for name, tensor in zip(names, tensors, strict=True)
        ]
        return {"inputs": inputs, "outputs": len(flatten(model.outputs))}

    def run(self, model: Any, arrays: Arrays) -> Arrays:
        self._forget_states(model)
        tensors = flatten(getattr(model, "inputs", None) or [])  # none for a subclassed model, which takes what it gets
        cast = [_cast(a, t.dtype) for a, t in zip(arrays, tensors, strict=True)] if tensors else arrays
        structure = getattr(model, "_nested_inputs" if self.legacy else "_inputs_struct", None)
        given = _like(structure, cast) if isinstance(structure, dict) else cast if len(cast) > 1 else cast[0]
        return [self._array(value) for value in flatten(model(given, training=False))]

    def run_layers(self, model: Any, arrays: Arrays) -> dict[str, np.ndarray[Any, Any]]:
        network = model if self.legacy else getattr(model, "_functional", None) or model
        calls = list(nodes(network))
        tensors = [tensor for _, _, outputs in calls for tensor in outputs]
        return _layer_arrays(calls, self.run(self.keras.Model(flatten(network.inputs), tensors), arrays))

    def _inputs(self, model: Any) -> list[Any]:
        tensors = flatten(getattr(model, "inputs", None) or [])
        if not tensors:
            raise Untellable("the model does not say what its inputs are")
        return tensors

    def _forget_states(self, model: Any) -> None:
        """Reset stateful layers, nested ones too: every probe starts from zero states."""
        for layer in model._flatten_layers():
            reset = getattr(layer, "reset_states", None) or getattr(layer, "reset_state", None)
            if getattr(layer, "stateful", False) and reset is not None and layer is not model:
                reset()

    def _array(self, value: Any) -> np.ndarray[Any, Any]:
        """An array NumPy can store: float32 for bfloat16, which it lacks."""
        array = np.asarray(value) if self.legacy else self.keras.ops.convert_to_numpy(value)
        return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _cast(array: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    name = _dtype_name(dtype)
    return array if name == "string" else np.asarray(array, name if name != "bfloat16" else "float32")


def _dtype_name(dtype: Any) -> str:
    return str(getattr(dtype, "name", dtype))


def _like(structure: dict[str, Any], leaves: Arrays) -> dict[str, Any]:
    """A flat dict of inputs with its leaves filled in, in sorted order of the keys."""
    return dict(zip(sorted(structure), leaves, strict=True))


def _weights_suffix(weights: Path) -> str:
    """'.weights.h5' for the format of Keras 3's saving library, '.h5' for the older one, which names its layers."""
    with h5py.File(weights, "r") as file:
        older = "layer_names" in file.attrs or "model_weights" in file
    return ".h5" if older else ".weights.h5"


def _finish_nested(model: Any) -> None:
    """Let layers of nested models, too, compute with the weights they were given, as tf_keras does.

    Keras 3 (3.15.1, keras/src/legacy/saving/legacy_h5_format.py, `_set_weights`) does so for the layers of the outer
    model only: a nested Normalization has the mean and variance of an HDF5 file, and computes with zeros and ones.
    """
    for layer in model._flatten_layers():
        if layer.weights and hasattr(layer, "finalize_state"):  # Discretization has none, and would forget its bins
            layer.finalize_state()


def _answer_to_keras() -> None:
    """Let `import keras` and every module path below it mean tf_keras, as in the TensorFlow that wrote the file.

    `.keras` files of TensorFlow 2.13 to 2.15 name modules such as keras.src.engine.functional.
    """
    for name, module in list(sys.modules.items()):
        if name == "tf_keras" or name.startswith("tf_keras."):
            sys.modules["keras" + name.removeprefix("tf_keras")] = module


def _find_groups_written_on_windows() -> None:
    r"""Find weights of a `.keras` file that Keras 2.12 to 2.15 wrote on Windows, in groups such as 'layers\conv1d'.

    tf_keras joins the names as the system joins paths (tf_keras/src/saving/saving_lib.py), so it reads such a file on
    Windows only.
    """
    store = importlib.import_module("tf_keras.src.saving.saving_lib").H5IOStore
    get = store.get

    def get_either(self: Any, path: str) -> Any:
        other = path.replace("/", "\\")
        return get(self, other if other in self.h5_file and path not in self.h5_file else path)

    store.get = get_either


def _answer_to_engine() -> None:
    """Keras 2.12 wrote `keras.engine.functional` into configs; since 2.13 it is `keras.src.engine.functional`."""
    for name in ("functional", "sequential", "training"):
        sys.modules[f"tf_keras.engine.{name}"] = importlib.import_module(f"tf_keras.src.engine.{name}")


def _operations(keras: Any) -> dict[str, Any]:
    """The operations of Keras 3, which its HDF5 files name like layers, and its own loader then does not find.

    Not those whose name a layer has too: it computes the same.
    """
    found = {}
    for name in ("core", "image", "linalg", "math", "nn", "numpy"):
        for value in vars(importlib.import_module(f"keras.src.ops.{name}")).values():
            is_operation = isinstance(value, type) and issubclass(value, keras.Operation)
            if is_operation and not hasattr(keras.layers, value.__name__):
                found[value.__name__] = value
    return found


def _convnext_layers() -> dict[str, Any]:
    """The layers that tf_keras's own ConvNeXt models are saved with, and that it does not find when it loads them."""
    convnext = importlib.import_module("tf_keras.src.applications.convnext")
    return {name: getattr(convnext, name) for name in ("LayerScale", "StochasticDepth")}


def _cpu_forms(keras: Any) -> dict[str, Any]:
    """CuDNNLSTM and CuDNNGRU as LSTM and GRU, which run without a GPU.

    Loading converts the weights by the name of the class (tf_keras/src/saving/legacy/hdf5_format.py,
    `_convert_rnn_weights`); cuDNN's activations are the defaults of tf_keras, with `reset_after` for GRU.
    """

    def on_cpu(base: Any) -> type:
        return type(base.__name__, (base,), {})

    return {"CuDNNLSTM": on_cpu(keras.layers.LSTM), "CuDNNGRU": on_cpu(keras.layers.GRU)}

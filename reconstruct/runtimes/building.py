"""A `Layer` tree in today's form to a Keras 3 model with its weights.

Every layer is made and called here, one by one, instead of by `from_config` of the whole model: an error then names
its layer, nothing can hang (k#22800), and each tensor goes to the layer it belongs to and not to a position.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

import reconstruct.layers  # registers what stands for layers that stock Keras cannot say  # noqa: F401
from reconstruct.artifact import Finding, Layer, Ref, Tensor, map_refs, refs_in
from reconstruct.errors import BuildError, ConfigError, UnknownLayer, gist
from reconstruct.objects.custom import find
from reconstruct.objects.placeholders import is_placeholder, resolved
from reconstruct.objects.source import places
from reconstruct.runtimes import build_time, matching
from reconstruct.stock import foreign_activation

_LAYER_FIELDS = ("name", "trainable", "dtype", "activity_regularizer", "autocast", "input_shape", "input_dtype")


# What Keras 3 wants of custom classes and earlier Keras did not (Keras 3.15.1, layers/rnn/time_distributed.py, rnn.py)
_NO_OUTPUT_SHAPE = (
    "give the class `compute_output_shape(self, input_shape)`: the layer around it asks for it in Keras 3"
)
_NOT_BUILT = "give the class `build(self, input_shape)` that builds its sublayers: in an RNN, Keras 3 builds no others"
_OPERATION_MODULES = ("numpy", "nn", "math", "core", "image", "linalg", "einops", "function")
_TRAINING_PARTS = {
    "initializer": keras.initializers.get,
    "regularizer": keras.regularizers.get,
    "constraint": keras.constraints.get,
}


@dataclass
class Build:
    """A built model, what was noticed on the way, and which tensor each variable was given."""

    model: Any
    findings: list[Finding] = field(default_factory=list)
    assigned: list[tuple[Any, Tensor]] = field(default_factory=list)


def build(model: Layer, custom_objects: Mapping[str, Any] | None = None, fresh: Collection[str] = ()) -> Build:
    """Build a Keras 3 model and give every variable its tensor, but for layers at `fresh` paths that have none.

    Raises `UnknownLayer` for a class that is neither stock nor in `custom_objects`, and `BuildError`, with the path of
    the layer, where Keras refuses something or a tensor does not fit.
    """
    builder = _Builder(dict(custom_objects or {}))
    built = builder.model(model, None)
    if not built.built or not built.outputs:
        raise BuildError(
            "the file does not say the shape of the model's input",
            path=model.path,
            hint="give it: --input-shape 28,28,1 (without the batch axis)",
        )
    builder.assign(fresh)
    return Build(built, builder.findings, builder.assigned)


def _takes_mask(instance: Any) -> bool:
    """Whether a layer can be called with a mask: one of the user's own may have no use for it."""
    parameters = inspect.signature(instance.call).parameters
    return "mask" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


class _Builder:
    def __init__(self, custom_objects: dict[str, Any]) -> None:
        self.custom_objects = custom_objects
        self.findings: list[Finding] = []
        self.assigned: list[tuple[Any, Tensor]] = []
        self._made: list[tuple[Layer, Any]] = []

    def model(self, layer: Layer, inputs: Any) -> Any:
        """A sequential or functional model; `inputs` are the KerasTensors it will be called on, if known."""
        assert layer.graph is not None
        return self._sequential(layer, inputs) if layer.graph.sequential else self._functional(layer, inputs)

    def _sequential(self, layer: Layer, inputs: Any) -> Any:
        assert layer.graph is not None
        model = keras.Sequential(name=layer.name)
        shape = None if inputs is None else keras.tree.flatten(inputs)[0]
        if shape is not None and (not layer.graph.layers or layer.graph.layers[0].class_name != "InputLayer"):
            model.add(keras.Input(batch_shape=shape.shape, dtype=shape.dtype))
            at = shape
        else:
            at = None
        for part in layer.graph.layers:
            instance = self.make(part, at)
            self._guard(part, lambda i=instance: model.add(i))
            at = instance.output if part.class_name == "InputLayer" else _only(model.outputs if model.built else [])
        self._configure(model, layer)
        return model

    def _functional(self, layer: Layer, inputs: Any) -> Any:
        graph = layer.graph
        assert graph is not None
        given = keras.tree.flatten(inputs) if inputs is not None else []
        tensors: dict[tuple[str, int], list[Any]] = {}
        instances: dict[str, Any] = {}
        order = [ref.layer for ref in refs_in(graph.inputs)]
        for part in graph.layers:
            if part.class_name == "InputLayer":
                at = (
                    given[order.index(part.name)]
                    if part.name in order and order.index(part.name) < len(given)
                    else None
                )
                tensors[part.name, 0] = [self._guard(part, lambda p=part, a=at: self._input(p, a))]
        waiting = [(part, i, set(call.refs())) for part in graph.layers for i, call in enumerate(part.calls)]
        while waiting:
            ready = [w for w in waiting if all((r.layer, r.call) in tensors for r in w[2])]
            if not ready:
                names = ", ".join(sorted({w[0].name for w in waiting})[:5])
                raise ConfigError(f"the graph has a loop or calls that lead nowhere, at {names}", path=layer.path)
            for part, i, _ in ready:
                call = part.calls[i]
                if i and (part.name, i - 1) not in tensors:
                    continue
                args = map_refs(call.args, lambda r, p=part: self._tensor(tensors, r, p))  # type: ignore[misc]
                kwargs = map_refs(dict(call.kwargs), lambda r, p=part: self._tensor(tensors, r, p))  # type: ignore[misc]
                if part.name not in instances:
                    instances[part.name] = self.make(part, args[0] if args else None)
                result = self._guard(part, lambda p=part, a=args, k=kwargs: self._call(instances[p.name], p, a, k))
                tensors[part.name, i] = keras.tree.flatten(result)
            done = set(tensors)
            waiting = [w for w in waiting if (w[0].name, w[1]) not in done]
        ins = map_refs(graph.inputs, lambda r: self._tensor(tensors, r, layer))
        outs = map_refs(graph.outputs, lambda r: self._tensor(tensors, r, layer))
        model = self._guard(layer, lambda: keras.Model(unwrapped(ins), unwrapped(outs), name=layer.name))
        self._configure(model, layer)
        return model

    def _configure(self, model: Any, layer: Layer) -> None:
        if layer.config.get("trainable") is False:
            model.trainable = False  # and with it every layer inside, as a frozen model of Keras 1 and 2 trains none

    def _input(self, layer: Layer, like: Any) -> Any:
        shape = layer.config.get("batch_shape")
        dtype = layer.config.get("dtype")
        if shape is None:
            if like is None:
                raise BuildError("the file does not say the shape of this input", path=layer.path)
            shape, dtype = like.shape, dtype or like.dtype
        sparse = bool(layer.config.get("sparse"))
        return keras.Input(batch_shape=tuple(shape), dtype=_dtype_name(dtype), sparse=sparse, name=layer.name)

    @staticmethod
    def _tensor(tensors: Mapping[tuple[str, int], list[Any]], ref: Ref, layer: Layer) -> Any:
        found = tensors[ref.layer, ref.call]
        if ref.output >= len(found):
            raise ConfigError(f"{layer.name} uses output {ref.output} of {ref.layer}, which has {len(found)}")
        return found[ref.output]

    def _call(self, instance: Any, layer: Layer, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if layer.class_name != "Op":
            if "mask" in kwargs and not _takes_mask(instance):
                kwargs = {k: v for k, v in kwargs.items() if k != "mask"}
            return instance(*args, **kwargs)
        result = instance(*args, **kwargs)
        # Operations get names of their own, which may collide with those of layers
        for tensor in keras.tree.flatten(result):
            if isinstance(tensor, keras.KerasTensor):
                operation = tensor._keras_history.operation
                if not isinstance(operation, keras.layers.Layer):
                    operation.name = layer.name
        return result

    def make(self, layer: Layer, inputs: Any) -> Any:
        """The Keras layer, or for an Op the function, that a `Layer` describes."""
        if layer.class_name == "Op":
            return _operation(layer)
        if layer.is_model:
            return self.model(layer, inputs)
        cls = self._class_of(layer)
        config = dict(layer.config)
        if is_placeholder(layer):
            config = resolved(layer, [tuple(t.shape) for t in keras.tree.flatten(inputs) if t is not None])
        config["name"] = layer.name or None
        if "dtype" in config:
            config["dtype"] = _dtype_name(config["dtype"])
        if layer.children:
            with keras.saving.custom_object_scope(self.custom_objects):  # Bidirectional makes copies of its layers
                instance = self._guard(layer, lambda: self._wrapper(cls, layer, config, inputs))
        else:
            instance = self._guard(layer, lambda: self._instance(cls, layer, config))
        self._made.append((layer, instance))
        return instance

    def _instance(self, cls: Any, layer: Layer, config: dict[str, Any]) -> Any:
        with keras.saving.custom_object_scope(self.custom_objects):
            config = self._without_missing_parts(layer, config, cls.__module__.startswith("keras."))
            try:
                return cls.from_config(dict(config))
            except (TypeError, ValueError):
                known = self._known_fields(cls, layer, config)
                if known == config or not cls.__module__.startswith("keras."):
                    raise
                return cls.from_config(known)

    def _without_missing_parts(self, layer: Layer, config: dict[str, Any], stock: bool) -> dict[str, Any]:
        """The config without initializers, regularizers and constraints that cannot be had: inference needs none."""
        kept = dict(config)
        for name, value in config.items():
            if name.endswith("activation") and stock:  # what a custom class makes of a name is its own affair
                kept[name] = self._activation(layer, value)
            kind = next((k for k in _TRAINING_PARTS if name.endswith(k)), None)
            if kind is None or value is None:
                continue
            try:
                _TRAINING_PARTS[kind](value)
            except Exception:
                del kept[name]
                what = value.get("class_name") if isinstance(value, Mapping) else value
                self.findings.append(
                    Finding(
                        f"missing_{kind}",
                        "info",
                        layer.path,
                        f"the {kind} {what!r} of {layer.name} cannot be had and was left out; no output depends on it",
                    )
                )
        return kept

    def _activation(self, layer: Layer, value: Any) -> Any:
        """The activation as the config has it, or the user's own, which Keras 3 does not find by a bare name."""
        name = foreign_activation(value)
        given = None if name is None else find(self.custom_objects, name)
        if given is not None and isinstance(value, str):
            return _as_function(self.custom_objects[given], value)
        try:
            keras.activations.get(value)
        except Exception:
            stock = value.get("config") if isinstance(value, Mapping) and name is None else None
            if isinstance(stock, str):
                message = f"the activation {stock!r} of {layer.name!r} is taken for Keras's of that name"
                self.findings.append(Finding("activation_assumed", "warning", layer.path, message))
                return stock
            raise UnknownLayer(
                f"the activation {name!r} of layer {layer.name!r} is not in Keras and not in the file",
                path=layer.path,
                hint=f"give its code: --custom FILE.py, where FILE.py defines {name}",
            ) from None
        return value

    def _wrapper(self, cls: Any, layer: Layer, config: dict[str, Any], inputs: Any) -> Any:
        parts: dict[str, Any] = {}
        cells = [self.make(c, None) for key, c in layer.children.items() if key.startswith("cells/")]
        if cells:
            return cls(cells, **config)
        for key, child in layer.children.items():
            step = None
            if layer.class_name == "TimeDistributed" and inputs is not None:
                step = keras.KerasTensor((inputs.shape[0], *inputs.shape[2:]), dtype=inputs.dtype)
            parts[key] = self.make(child, step)
        if layer.class_name == "Bidirectional":
            config = self._known_fields(cls, layer, config)
            both = cls(parts["forward_layer"], backward_layer=parts["backward_layer"], **config)
            # Bidirectional makes copies of its layers (Keras 3, layers/rnn/bidirectional.py)
            copies = {id(a): b for key in parts for a, b in _paired(parts[key], getattr(both, key))}
            self._made = [(la, copies.get(id(instance), instance)) for la, instance in self._made]
            return both
        config = self._known_fields(cls, layer, config)
        return cls(*parts.values(), **config)

    def _class_of(self, layer: Layer) -> Any:
        given = find(self.custom_objects, layer.class_name, layer.package)
        if given is not None:
            return self.custom_objects[given]
        if layer.package and layer.package.startswith("keras.src.ops"):
            return _operation_class(layer)
        registered = keras.saving.get_registered_object(layer.package or layer.class_name)
        if registered is not None:
            return registered
        found = getattr(keras.layers, layer.class_name, None) if not _is_foreign(layer.package) else None
        if inspect.isclass(found) and issubclass(found, keras.layers.Layer):
            return found
        raise UnknownLayer(
            f"the class {layer.class_name!r} of layer {layer.name!r} is not in Keras and not in the file",
            path=layer.path,
            hint=f"give its code: --custom FILE.py, where FILE.py defines class {layer.class_name}",
        )

    def _known_fields(self, cls: Any, layer: Layer, config: dict[str, Any]) -> dict[str, Any]:
        """The config without fields that the class does not take; each is a finding."""
        known: set[str] = set()
        for base in inspect.getmro(cls):
            if "__init__" in vars(base):
                parameters = inspect.signature(vars(base)["__init__"]).parameters
                known.update(parameters)
                if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                    break  # what this class does not take, it does not hand on either
        else:
            known.update(_LAYER_FIELDS)
        unknown = [k for k in config if k not in known]
        for name in unknown:
            self.findings.append(
                Finding(
                    "unknown_field",
                    "warning",
                    layer.path,
                    f"{layer.class_name} of Keras 3 has no field {name!r}; its value {config[name]!r} was left out",
                )
            )
        return {k: v for k, v in config.items() if k in known}

    @staticmethod
    def _guard(layer: Layer, action: Any) -> Any:
        try:
            return action()
        except (BuildError, ConfigError):
            raise
        except Exception as error:
            where = places.place_of(error)
            raise BuildError(
                f"Keras cannot build {layer.class_name} {layer.name!r}: {type(error).__name__}: "
                f"{gist(error)}{f' ({where})' if where else ''}",
                path=layer.path,
                hint=_NO_OUTPUT_SHAPE if "`compute_output_shape`" in str(error) else "",
            ) from error

    def assign(self, fresh: Collection[str]) -> None:
        """Give every variable its tensor; raises `BuildError` for one that has none or does not fit."""
        for layer, instance in self._made:
            if layer.weights:
                self._guard(layer, lambda la=layer, i=instance: self._assign(la, i))
        given = {id(variable) for variable, _ in self.assigned}
        for layer, instance in self._made:
            own = (
                []
                if layer.weights or layer.children or layer.path in fresh
                else getattr(instance, "weights", None) or []
            )
            if any(id(variable) not in given for variable in own):
                raise BuildError(
                    f"the file has no weights for {layer.class_name} {layer.name!r}",
                    path=layer.path,
                    hint="the file is incomplete; get it again from where it came from",
                )

    def _assign(self, layer: Layer, instance: Any) -> None:
        count = len(instance.weights)
        if len(layer.weights) != count:
            names = [matching.short_name(v, instance) for v in instance.weights]
            raise BuildError(
                f"{layer.class_name} {layer.name!r} has {count} variables ({', '.join(names[:20])}), "
                f"the file has {len(layer.weights)} ({', '.join(list(layer.weights)[:20])})",
                path=layer.path,
                hint="" if count else _NOT_BUILT,
            )
        found = matching.variables(layer, instance)
        if not found.certain:
            message = f"the weights of {layer.name!r} were given to its variables in their order; no name tells more"
            self.findings.append(Finding("weights_by_position", "info", layer.path, message))
        for (name, tensor), variable in zip(layer.weights.items(), found.variables, strict=True):
            if tuple(variable.shape) != tensor.shape:
                raise BuildError(
                    f"{name} of {layer.class_name} {layer.name!r} is {tensor.shape} in the file, "
                    f"and {tuple(variable.shape)} in the model",
                    path=layer.path,
                )
            variable.assign(np.asarray(tensor.read()))
            self.assigned.append((variable, tensor))
        if hasattr(instance, "finalize_state"):  # Normalization computes with numbers made of its variables
            instance.finalize_state()


def _as_function(thing: Any, name: str) -> Any:
    """An activation as a function: some made it a layer (`Activation(swish)`), which Keras 3 takes for none."""
    if not isinstance(thing, keras.layers.Layer):
        return thing

    def activation(x: Any) -> Any:
        return thing(x)

    activation.__name__ = activation.__qualname__ = name
    activation.__module__ = type(thing).__module__
    return activation


def _operation(layer: Layer) -> Any:
    """The public function of `keras.ops` that an Op names; `getitem` is `x[key]`."""
    name = str(layer.config["function"])
    if name == "getitem":
        return lambda x, key: x[key]
    if name in build_time.FUNCTIONS:
        return build_time.FUNCTIONS[name]
    if name == "add":
        return _add
    found: Any = keras.ops
    for part in name.split("."):
        found = getattr(found, part, None) if not part.startswith("_") else None
    if not callable(found):
        raise BuildError(f"keras.ops has no function {name!r}", path=layer.path)
    return found


def _add(one: Any, other: Any) -> Any:
    """`keras.ops.add`, which takes a second operand whose axes but one have size 1 for a bias, of the last axis or of
    the second, wherever the axis is (Keras 3.15, backend/tensorflow/numpy.py): such a one stands first here."""
    sizes, shape = tuple(getattr(one, "shape", ())), tuple(getattr(other, "shape", ()))
    along = [(place - len(shape), size) for place, size in enumerate(shape) if size != 1]
    if len(along) == 1 and len(sizes) > 1:
        place, size = along[0]
        if size in sizes[1:] and place != (-1 if sizes[-1] == size else 1 - len(sizes)):
            return keras.ops.add(other, one)
    return keras.ops.add(one, other)


def _operation_class(layer: Layer) -> Any:
    """The operation of Keras 3 (`GetItem`, `Add`, …) that a call of `keras.ops` was saved as."""
    modules = (
        [layer.package] if layer.package != "keras.src.ops" else [f"keras.src.ops.{m}" for m in _OPERATION_MODULES]
    )
    for name in modules:
        operation = getattr(importlib.import_module(str(name)), layer.class_name, None)
        if inspect.isclass(operation) and issubclass(operation, keras.Operation):
            return operation
    raise UnknownLayer(f"Keras has no operation {layer.class_name!r}", path=layer.path)


def _paired(layer: Any, copy: Any) -> Iterator[tuple[Any, Any]]:
    """A recurrent layer and its copy, and the cells in them."""
    yield layer, copy
    if getattr(layer, "cell", None) is not None:
        yield from _paired(layer.cell, copy.cell)
    for one, other in zip(getattr(layer, "cells", ()), getattr(copy, "cells", ()), strict=True):
        yield from _paired(one, other)


def _is_foreign(package: str | None) -> bool:
    return package is not None and not package.startswith(("keras", "tf_keras", "builtins"))


def _dtype_name(dtype: Any) -> Any:
    """A dtype policy as Keras 3 takes it: its name, or an object for a serialised policy that is more than that."""
    if isinstance(dtype, Mapping) and dtype.get("class_name") == "DTypePolicy":
        return dtype["config"]["name"]
    return keras.dtype_policies.get(dtype) if isinstance(dtype, Mapping) else dtype


def _only(tensors: Sequence[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else None


def unwrapped(structure: Any) -> Any:
    """The one tensor of a list of one, as Keras takes and gives it."""
    return structure[0] if isinstance(structure, list) and len(structure) == 1 else structure

"""What Keras 3 does with a model that is there: run it, take parts of it, load and save it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

import reconstruct.layers
from reconstruct.errors import BuildError, gist
from reconstruct.objects.stubs import Use
from reconstruct.runtimes.building import unwrapped


def inputs_of(model: Any) -> list[tuple[str, tuple[int | None, ...], str]]:
    """Name, batch shape and dtype of each input of a model, in the order in which it takes them."""
    return [(t.name, tuple(t.shape), str(t.dtype)) for t in keras.tree.flatten(model.inputs)]


def _array(tensor: Any) -> np.ndarray:
    """The value of a tensor; float32 for bfloat16, which NumPy lacks."""
    array = np.asarray(keras.ops.convert_to_numpy(tensor))
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def compute_dtypes(model: Any) -> set[str]:
    """The dtypes in which the layers of a model compute; under a mixed policy the model's own is not among them."""
    return {str(layer.compute_dtype) for layer in model._flatten_layers(include_self=False)}


def run(model: Any, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a model in inference, flattened, for one array an input."""
    reset_states(model)
    outputs = model(_as_inputs(model, arrays), training=False)
    return [_array(t) for t in keras.tree.flatten(outputs)]


def _as_inputs(model: Any, arrays: Sequence[np.ndarray]) -> Any:
    """The arrays in the structure (one, list or dict) that the model takes."""
    if isinstance(model, keras.Sequential):
        return arrays[0]
    return keras.tree.pack_sequence_as(model._inputs_struct, list(arrays))


_registered_for_one: set[str] = set()


def registered() -> dict[str, Any]:
    """What was registered with Keras (`register_keras_serializable`) by others than Keras and this package.

    What the code given for an earlier file registered is forgotten first: another file may mean another class.
    """
    found = keras.saving.get_custom_objects()
    for name in _registered_for_one:
        found.pop(name, None)
    _registered_for_one.clear()
    return {name: thing for name, thing in found.items() if not name.startswith(("keras>", "reconstruct>"))}


def registered_for_one(before: Mapping[str, Any]) -> dict[str, Any]:
    """What was registered since `registered()` gave `before`, by code for one file only."""
    found = {n: thing for n, thing in keras.saving.get_custom_objects().items() if n not in before}
    own = {name: thing for name, thing in found.items() if not name.startswith(("keras>", "reconstruct>"))}
    _registered_for_one.update(own)
    return own


def is_layer(thing: Any) -> bool:
    """Whether a class is a layer of the Keras that runs here."""
    return inspect.isclass(thing) and issubclass(thing, keras.layers.Layer)


def submodel(model: Any, inputs: Sequence[str] | None, outputs: Sequence[str] | None) -> Any:
    """The part of a model from what the layers `inputs` give (the model's own inputs if None) to what the layers
    `outputs` give (the model's outputs if None).

    Raises `BuildError` for a layer that the model does not have, and where the part does not hang together or holds
    a placeholder.
    """
    starts = model.inputs if inputs is None else [t for name in inputs for t in _outputs_of(model, name)]
    ends = model.outputs if outputs is None else [t for name in outputs for t in _outputs_of(model, name)]
    try:
        part = keras.Model(unwrapped(list(starts)), unwrapped(list(ends)), name=f"part_of_{model.name}")
    except Exception as error:
        message = f"the outputs asked for do not follow from these inputs: {gist(error)}"
        raise BuildError(message, hint="name further layers in inputs=, or others in outputs=") from error
    stand_ins = [n.name for n in part._flatten_layers() if isinstance(n, reconstruct.layers.Placeholder)]
    if stand_ins:
        hint = "name it in inputs= to start behind it, or a layer before it in outputs="
        raise BuildError(f"the part holds the placeholder {stand_ins[0]!r}, which cannot run: {hint}", hint=hint)
    return part


def placeholders(model: Any) -> list[Use]:
    """The placeholders in a built model, also in nested ones, as data."""
    found = []
    for layer in model._flatten_layers():
        if isinstance(layer, reconstruct.layers.Placeholder):
            nodes = layer._inbound_nodes
            inputs = [tuple(t.shape) for t in keras.tree.flatten(nodes[-1].input_tensors)] if nodes else []
            specs = layer.variable_specs
            use = Use(layer.name, layer.missing, layer.original, layer.arguments, specs, inputs, layer.output_shapes)
            found.append(use)
    return found


def _outputs_of(model: Any, name: str) -> list[Any]:
    for layer in model.layers:
        if layer.name == name:
            return list(keras.tree.flatten(_first_node(model, layer).output_tensors))
    raise BuildError(f"the model has no layer {name!r}", hint=f"its layers are {[n.name for n in model.layers][:50]}")


def _first_node(model: Any, layer: Any) -> Any:
    """The first call of a layer within a model; it may have been called elsewhere too, as while a Sequential grew."""
    network = getattr(model, "_functional", None) or model
    own = {id(node) for nodes in network._nodes_by_depth.values() for node in nodes}
    return next(node for node in layer._inbound_nodes if id(node) in own)


def reset_states(model: Any) -> None:
    """Set the states of stateful recurrent layers to zero."""
    for layer in model._flatten_layers():
        if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
            layer.reset_states()


def layer_outputs(model: Any, arrays: Sequence[np.ndarray]) -> dict[str, list[np.ndarray]]:
    """What the first call of each layer of a model gives, by the layer's name, in the order of the model."""
    tensors = {}
    for layer in model.layers:
        if layer._inbound_nodes and not isinstance(layer, keras.layers.InputLayer):
            tensors[layer.name] = keras.tree.flatten(_first_node(model, layer).output_tensors)
    probe = keras.Model(model.inputs, tensors)
    found = probe(_as_inputs(probe, arrays), training=False)
    return {n: [_array(t) for t in keras.tree.flatten(found[n])] for n in tensors}


def load(path: str, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Any:
    """Plain `keras.models.load_model`, in safe mode."""
    return keras.models.load_model(path, custom_objects=dict(custom_objects or {}), compile=compile, safe_mode=True)


def save(model: Any, path: str) -> None:
    """Write a `.keras` file."""
    model.save(path)


def is_portable(model: Any) -> bool:
    """Whether a model is made of Keras's own classes and functions, so that its file loads without any other code."""
    things = [thing for layer in model._flatten_layers() for thing in (type(layer), *_activations(layer))]
    return all(str(getattr(thing, "__module__", "")).startswith("keras.") for thing in things)


def _activations(layer: Any) -> list[Any]:
    found = [getattr(layer, name, None) for name in ("activation", "recurrent_activation", "function")]
    return [a if inspect.isroutine(a) else type(a) for a in found if a is not None]


def clear() -> None:
    """Forget all models; names are counted from the start again."""
    keras.backend.clear_session()

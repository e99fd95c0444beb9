"""A model in the form of Keras 2, as a tree of layers, to the JSON that Keras 2 reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent

_OPERATIONS = ("TFOpLambda", "SlicingOpLambda")
_MODULES = {
    "Sequential": "keras",
    "Model": "keras",
    "TFOpLambda": "keras.src.layers.core.tf_op_layer",
    "SlicingOpLambda": "keras.src.layers.core.tf_op_layer",
}


def model_config(model: Layer, modules: bool) -> dict[str, Any]:
    """The config of a model: with `modules` as in a `.keras` file of TensorFlow 2.13 to 2.15, else as in HDF5, where
    names without modules are read by every tf.keras.

    A functional model is `Model` there, which every release takes for one (engine/training.py, `Model.from_config`);
    `Functional` has moved between modules.
    """
    graph = model.graph
    assert graph is not None
    own = {k: v for k, v in model.config.items() if k != "trainable"}
    own["name"] = model.name
    if model.config.get("trainable") is False:
        own["trainable"] = False
    if graph.sequential:
        own["layers"] = [layer_config(n, modules) for n in graph.layers]
        return _named("Sequential", own, modules)
    skips = {n.name for n in graph.layers if _has_call_of_its_own(n)}
    own["layers"] = [_placed(n, skips, modules) for n in graph.layers]
    own["input_layers"] = _ends(graph.inputs, skips)
    own["output_layers"] = _ends(graph.outputs, skips)
    return _named("Model", own, modules)


def _named(class_name: str, config: Mapping[str, Any], modules: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"class_name": class_name, "config": dict(config)}
    if modules:
        found["module"] = _MODULES.get(class_name, "keras.layers")
        found["registered_name"] = class_name if class_name in _OPERATIONS else None
    return found


def layer_config(layer: Layer, modules: bool) -> dict[str, Any]:
    """The config of one layer, with the layers in it."""
    if layer.graph is not None:
        return model_config(layer, modules)
    config = {k: _plain(v, modules) for k, v in layer.config.items()}
    config["name"] = layer.name
    children = layer.children
    if "forward_layer" in children:
        config |= _both_directions(children["forward_layer"], children["backward_layer"], modules)
    elif any(key.startswith("cells/") for key in children):
        config["cells"] = [layer_config(child, modules) for child in children.values()]
    else:
        config |= {key: layer_config(child, modules) for key, child in children.items()}
    return _named(layer.class_name, config, modules)


def _both_directions(forward: Layer, backward: Layer, modules: bool) -> dict[str, Any]:
    """Bidirectional writes its backward layer only where it is no mirror image of the forward one."""
    name = forward.name.removeprefix("forward_")
    forward = forward.replace(name=name)
    mirrored = forward.having(go_backwards=not forward.config.get("go_backwards", False))
    found = {"layer": layer_config(forward, modules)}
    ours, theirs = ({k: v for k, v in n.config.items() if k != "name"} for n in (mirrored, backward))
    if ours != theirs:
        found["backward_layer"] = layer_config(backward.replace(name=backward.name.removeprefix("backward_")), modules)
    return found


def _plain(value: Any, modules: bool) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        if modules and set(value) == {"class_name", "config"}:
            return {**value, "module": _module_of(value["class_name"]), "registered_name": None}
        return {k: _plain(v, modules) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, modules) for v in value]
    return value


def _module_of(class_name: str) -> str:
    """The module of an initializer, regularizer, constraint or dtype policy."""
    if class_name == "Policy":
        return "keras.mixed_precision"
    if class_name in ("L1", "L2", "L1L2", "OrthogonalRegularizer"):
        return "keras.regularizers"
    return "keras.constraints" if class_name.endswith("Norm") or class_name == "NonNeg" else "keras.initializers"


def _has_call_of_its_own(layer: Layer) -> bool:
    """Whether a nested model was born with a call on its own inputs, so that its calls here are counted from 1
    (tf_keras 2.21, engine/functional.py, `_should_skip_first_node`)."""
    graph = layer.graph
    if graph is None or not graph.layers:
        return False
    return not graph.sequential or graph.layers[0].class_name == "InputLayer"


def _key(ref: Ref, skips: set[str]) -> list[Any]:
    return [ref.layer, ref.call + (ref.layer in skips), ref.output]


def _ends(value: Any, skips: set[str]) -> Any:
    if isinstance(value, Ref):
        return [_key(value, skips)]
    if isinstance(value, Mapping):
        return {k: _key(v, skips) if isinstance(v, Ref) else _ends(v, skips) for k, v in value.items()}
    return [_key(v, skips) if isinstance(v, Ref) else _ends(v, skips) for v in value]


def _placed(layer: Layer, skips: set[str], modules: bool) -> dict[str, Any]:
    """The config of a layer in a functional model, with its calls."""
    found = layer_config(layer, modules)
    found["name"] = layer.name
    found["inbound_nodes"] = [_node(layer, each.args[0], each.kwargs, skips) for each in layer.calls]
    return found


def _node(layer: Layer, first: Any, kwargs: Mapping[str, Any], skips: set[str]) -> Any:
    """A call as Keras 2 writes it: each tensor as `[layer, call, output, further arguments]`."""
    others = {k: _argument(v, skips) for k, v in kwargs.items()}
    if isinstance(first, Mapping):
        return {k: [*_key(v, skips), others] for k, v in first.items()}
    several = isinstance(first, list | tuple)
    entries = [_entry(v, others, skips) for v in (first if several else [first])]
    if any(not isinstance(v, Ref) for v in (first if several else [])) and layer.class_name not in _OPERATIONS:
        raise NotEquivalent(f"{layer.class_name} {layer.name!r} is called on nested tensors", path=layer.path)
    # An operation keeps the structure of its argument, a layer is given a list in any case
    return entries if several or layer.class_name not in _OPERATIONS else entries[0]


def _entry(value: Any, others: Mapping[str, Any], skips: set[str]) -> list[Any]:
    return [*_key(value, skips), others] if isinstance(value, Ref) else ["_CONSTANT_VALUE", -1, value, others]


def _argument(value: Any, skips: set[str]) -> Any:
    if isinstance(value, Ref):
        return _key(value, skips)
    if isinstance(value, Mapping):
        return {k: _argument(v, skips) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_argument(v, skips) for v in value]
    return value

"""A model config, as Keras 1 to 3 write it, to a tree of `Layer`. Nothing is interpreted but the structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reconstruct.artifact import MODEL_CLASSES, Call, Finding, Graph, Layer, Ref, Tensor, map_refs, refs_in
from reconstruct.errors import ConfigError
from reconstruct.naming import snake_case
from reconstruct.stock import LAYERS

# Fields of a config that hold a layer (tf_keras and Keras 3: wrappers, RNN, Bidirectional).
_CHILD_FIELDS = ("layer", "forward_layer", "backward_layer", "cell")
_EDITED = "the config is damaged, or was edited by hand; Keras writes no such thing"
# Operations of Keras 3 with a field `dtype`, as layers have (Keras 3.15, ops/numpy.py, ops/core.py, ops/nn.py).
_TYPED_OPERATIONS = frozenset(
    "Arange Array View Cumprod Cumsum EmptyLike Full FullLike Geomspace Linspace Logspace Nancumsum Nancumprod "
    "OnesLike ZerosLike Prod Cast SaturateCast ConvertToTensor OneHot MultiHot".split()
)
_WRAPPED_LISTS = {"StackedRNNCells": "cells", "Merge": "layers"}


def parse_model(spec: Any) -> Layer:
    """The model that a decoded config describes.

    Raises `ConfigError` where it is not a model or its structure is broken.
    """
    if not isinstance(spec, Mapping):
        message = f"the config is a {type(spec).__name__}, not a JSON object"
        raise ConfigError(message, path="model", code="E_CONFIG_TYPE")
    if "class_name" not in spec and isinstance(spec.get("layers"), list) and "name" in spec:
        raise ConfigError(
            f"the config is of Keras 0.3 or older ({spec.get('name')!r} without class names)",
            path="model",
            hint="load it in Keras 1.2.2 and save it again",
        )
    layer = parse_layer(spec, "model")
    if layer.graph is not None:
        return layer
    if "build_config" in spec and layer.class_name not in (*MODEL_CLASSES, *LAYERS):
        return _of_subclass(layer, spec)
    known = f"{layer.class_name!r} is a subclassed model, or no model"
    raise ConfigError(
        f"{known}: its config does not list layers",
        path="model",
        hint="its architecture exists only in the Python code that defined it",
    )


def usable(decode: Callable[[], Any]) -> tuple[Any, Layer | None, ConfigError | None]:
    """A decoded config and its model, or the error that says why there is none."""
    config = None
    try:
        config = decode()
        return config, parse_model(config), None
    except ConfigError as error:
        return config, None, error


def is_empty(model: Layer | None) -> bool:
    """Whether a config lists no layer at all, so that no tensor of its file has a place."""
    return model is not None and model.graph is not None and not model.graph.layers


def left_aside(error: ConfigError | None, tensors: Sequence[Tensor]) -> Finding:
    """What to say of a config that cannot be used where there are weights, from which the model is then inferred.

    Raises `error` where there are none: nothing is left to infer a model from. The finding has the code of `error`, so
    that `scan` says it as of any other file.
    """
    if error is not None and not tensors:
        raise error
    reason = "it lists no layers" if error is None else error.message
    message = f"the config cannot be used: {reason}; the model is inferred from the weights"
    hint = "" if error is None else error.hint
    code = error.code if error is not None else ""
    return Finding(code or "config_unusable", "error" if code else "warning", "model", message, hint)


# The names of the inputs of the model that is made around a subclassed one
_INPUT_OF_SUBCLASS = "input_of_subclassed_model"


def _of_subclass(layer: Layer, spec: Mapping[str, Any]) -> Layer:
    """A functional model around a subclassed one, whose config does not list layers: its code alone says what it does.

    The shapes of its inputs are those that it was built with, where the file has them (Keras 3 and tf.keras 2.12 and
    later, `build_config`).
    """
    shapes = _built_with(spec.get("build_config"))
    inputs = []
    for i, shape in enumerate(shapes):
        name = _INPUT_OF_SUBCLASS + (f"_{i}" if len(shapes) > 1 else "")
        config = {"name": name, "batch_shape": shape}
        inputs.append(Layer("InputLayer", name, config, path=f"model/{name}"))
    name = layer.name or snake_case(layer.class_name)
    refs = [Ref(n.name) for n in inputs]
    inner = layer.replace(name=name, path=f"model/{name}", calls=(Call((refs[0] if len(refs) == 1 else refs,)),))
    graph = Graph((*inputs, inner), refs, Ref(name))
    return Layer("Functional", f"around_{name}", {}, graph=graph, path="model")


def subclassed(model: Layer) -> str | None:
    """The key of the subclassed model in the functional one that was made around it, or None if it is none such."""
    graph = model.graph
    if graph is None or not graph.layers[:1] or not graph.layers[0].name.startswith(_INPUT_OF_SUBCLASS):
        return None
    return f"@{len(graph.layers) - 1}"


def _built_with(build_config: Any) -> list[list[int | None]]:
    config = build_config if isinstance(build_config, Mapping) else {}
    found: list[list[int | None]] = []

    def collect(value: Any) -> None:
        if isinstance(value, Mapping):
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list) and value and all(n is None or isinstance(n, int) for n in value):
            found.append(value)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(config.get("input_shape") or config.get("shapes_dict"))
    return found or [[None, None]]


def parse_layer(spec: Any, path: str) -> Layer:
    """A layer config with `class_name` and `config`, and all layers in it."""
    if not isinstance(spec, Mapping) or not isinstance(spec.get("class_name"), str):
        raise ConfigError(f"expected a layer config with a class_name, found {_brief(spec)}", path=path)
    class_name = spec["class_name"].split(">")[-1]
    config = spec.get("config")
    package = spec.get("registered_name") or (spec["class_name"] if ">" in spec["class_name"] else None)
    if (
        package in (None, class_name)
        and isinstance(spec.get("module"), str)
        and (spec["module"].startswith("keras.src.ops") or not spec["module"].startswith(("keras", "tf_keras")))
    ):
        package = spec["module"]
    if isinstance(config, list):  # Sequential before Keras 2.2.3: the config is the list of layers
        config = {"layers": config}
    if not isinstance(config, Mapping):
        raise ConfigError(f"the config of {class_name} is {_brief(config)}, not a JSON object", path=path)
    name = str(spec.get("name") or config.get("name") or "")
    layers = config.get("layers")
    functional = isinstance(layers, list) and "input_layers" in config and "output_layers" in config
    if functional or (class_name == "Sequential" and isinstance(layers, list)):
        own = {k: v for k, v in config.items() if k not in ("layers", "input_layers", "output_layers")}
        parse = _parse_functional if functional else _parse_sequential
        graph = parse(config, path)
        name = name or class_name.lower()
        return Layer(class_name, name, own, package=package, graph=graph, path=path)
    children: dict[str, Layer] = {}
    for key in _CHILD_FIELDS:
        if isinstance(config.get(key), Mapping) and isinstance(config[key].get("class_name"), str):
            children[key] = parse_layer(config[key], f"{path}/{key}")
    if class_name == "Bidirectional" and "layer" in children:
        children = _both_directions(children, path)
    wrapped = _WRAPPED_LISTS.get(class_name)
    if wrapped and isinstance(config.get(wrapped), list):
        for i, child in enumerate(config[wrapped]):
            children[f"{wrapped}/{i}"] = parse_layer(child, f"{path}/{wrapped}/{i}")
    taken = {*_CHILD_FIELDS, wrapped} if children else set()
    own = {k: v for k, v in config.items() if k not in taken}
    return Layer(class_name, name, own, package=package, children=children, path=path)


def _both_directions(children: dict[str, Layer], path: str) -> dict[str, Layer]:
    """The two layers of a Bidirectional, under the names that Keras gives their variables."""
    layer = children.pop("layer")
    forward = layer.replace(name=f"forward_{layer.name.removeprefix('forward_')}", path=f"{path}/forward_layer")
    backward = children.pop("backward_layer", None)
    if backward is None:
        backward = layer.having(go_backwards=not layer.config.get("go_backwards", False))
    name = f"backward_{layer.name.removeprefix('forward_').removeprefix('backward_')}"
    backward = backward.replace(name=name, path=f"{path}/backward_layer")
    return {"forward_layer": forward, "backward_layer": backward}


def _parse_sequential(config: Mapping[str, Any], path: str) -> Graph:
    layers: list[Layer] = []
    used: set[str] = set()
    for i, spec in enumerate(config["layers"]):
        layer = parse_layer(spec, f"{path}/{i}")
        name = layer.name or f"{snake_case(layer.class_name)}_{i + 1}"
        while name in used:
            name += "_"
        used.add(name)
        layers.append(_placed(layer.replace(name=name), f"{path}/{name}"))
    return Graph(tuple(layers))


def _parse_functional(config: Mapping[str, Any], path: str) -> Graph:
    specs = config["layers"]
    layers = []
    for i, spec in enumerate(specs):
        layer = parse_layer(spec, f"{path}/{i}")
        layers.append(_placed(layer, f"{path}/{layer.name or i}"))
    names = {layer.name for layer in layers}
    if len(names) != len(layers):
        raise ConfigError("two layers of the model have the same name", path=path)
    keras_3 = any(isinstance(node, Mapping) and "args" in node for s in specs for node in s.get("inbound_nodes") or [])
    parsed = []
    for layer, spec in zip(layers, specs, strict=True):
        nodes = spec.get("inbound_nodes") or []
        if not isinstance(nodes, list):
            raise ConfigError(f"inbound_nodes of {layer.name} are {_brief(nodes)}", path=layer.path)
        calls = tuple(_parse_node(node, names, layer.path) for node in nodes)
        is_layer = layer.config.keys() & {"dtype", "trainable"} and layer.class_name not in _TYPED_OPERATIONS
        if keras_3 and "module" not in spec and calls and not is_layer:
            # In HDF5, Keras 3 writes operations like layers, without their module; layers have more fields
            layer = layer.replace(package="keras.src.ops")
        parsed.append(layer.replace(calls=calls))
    inputs = _parse_endpoints(config["input_layers"], names, path)
    outputs = _parse_endpoints(config["output_layers"], names, path)
    return renumber(Graph(tuple(parsed), inputs, outputs), path, keras_3)


def _placed(layer: Layer, path: str) -> Layer:
    """The layer with all paths below it rewritten to start with `path`."""
    old = layer.path

    def move(node: Layer) -> Layer:
        return node.replace(path=path + node.path[len(old) :]).map_parts(lambda _, part: move(part))

    return move(layer)


def _parse_node(node: Any, names: set[str], path: str) -> Call:
    if isinstance(node, Mapping) and "args" in node:  # Keras 3
        args = decode(node.get("args", []), names)
        return Call(tuple(args), decode(node.get("kwargs", {}), names))
    if isinstance(node, Mapping):  # tf.keras: a dict of tensors as the first argument
        return Call(({k: _legacy_value(v, names) for k, v in node.items()},))
    if not isinstance(node, list):
        raise ConfigError(f"a call is {_brief(node)}", path=path)
    kwargs: dict[str, Any] = {}

    def value(entry: Any) -> Any:
        if _is_ref(entry, names) or _is_constant(entry):
            if len(entry) == 4 and isinstance(entry[3], Mapping):
                kwargs.update({k: _legacy_value(v, names) for k, v in entry[3].items()})
            return entry[2] if _is_constant(entry) else Ref(entry[0], entry[1], entry[2])
        if isinstance(entry, list):
            _refuse_absent(entry, path)
            return [value(v) for v in entry]
        if isinstance(entry, Mapping):
            return {k: value(v) for k, v in entry.items()}
        raise ConfigError(f"a call takes {_brief(entry)}, which is no output of a layer", path=path)

    # A layer called on one tensor is written as a list of one.
    values = [value(entry) for entry in node] if not (_is_ref(node, names) or _is_constant(node)) else [value(node)]
    return Call((values[0] if len(values) == 1 else values,), kwargs)


def _legacy_value(value: Any, names: set[str]) -> Any:
    """A keyword argument of a tf.keras call, where `[layer, node, tensor]` stands for a tensor."""
    if _is_constant(value):
        return value[2]
    if _is_ref(value, names):
        return Ref(value[0], value[1], value[2])
    if isinstance(value, list):
        return [_legacy_value(v, names) for v in value]
    if isinstance(value, Mapping):
        return {k: _legacy_value(v, names) for k, v in value.items()}
    return value


def _is_ref(value: Any, names: set[str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and isinstance(value[1], int)
        and isinstance(value[2], int)
    )


def _refuse_absent(value: list[Any], path: str) -> None:
    """Raises `ConfigError` for what can only be a reference to a layer that the model does not have."""
    if _is_constant(value):
        return
    if len(value) in (3, 4) and isinstance(value[0], str) and all(isinstance(v, int) for v in value[1:3]):
        raise ConfigError(f"the model uses a layer {value[0]!r}, which it does not have", path=path, hint=_EDITED)


def _is_constant(value: Any) -> bool:
    """tf.keras writes a constant first argument as `["_CONSTANT_VALUE", -1, value, kwargs]` (engine/node.py)."""
    return isinstance(value, list) and len(value) in (3, 4) and value[0] == "_CONSTANT_VALUE"


def _parse_endpoints(value: Any, names: set[str], path: str) -> Any:
    if _is_ref(value, names):
        return Ref(value[0], value[1], value[2])
    if isinstance(value, list):
        _refuse_absent(value, path)
        return [_parse_endpoints(v, names, path) for v in value]
    if isinstance(value, Mapping):
        return {k: _parse_endpoints(v, names, path) for k, v in value.items()}
    raise ConfigError(f"an input or output of the model is {_brief(value)}, which is no layer of it", path=path)


def decode(value: Any, names: set[str]) -> Any:
    """An argument of a Keras 3 call: its markers to plain values (Keras 3, saving/serialization_lib.py)."""
    if isinstance(value, list):
        return [decode(v, names) for v in value]
    if not isinstance(value, Mapping):
        return value
    marker, config = value.get("class_name"), value.get("config")
    if marker == "__keras_tensor__" and isinstance(config, Mapping):
        layer, call, output = config["keras_history"]
        return Ref(layer, call, output)
    if marker == "__tuple__":
        return tuple(decode(v, names) for v in value["items"])
    if marker == "__slice__" and isinstance(config, Mapping):
        return slice(*(decode(config[k], names) for k in ("start", "stop", "step")))
    if marker == "__ellipsis__":
        return Ellipsis
    if marker in ("__tensor__", "__numpy__") and isinstance(config, Mapping):
        return np.asarray(config["value"], dtype=plain_dtype(config["dtype"]))
    return {k: decode(v, names) for k, v in value.items()}


def plain_dtype(name: Any) -> np.dtype:
    """The type of numbers or booleans of this name. Raises `ConfigError` for others: a text may declare any size."""
    try:
        dtype = np.dtype(name)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if not isinstance(name, str) or dtype.kind not in "fiubc" or len(name) > 20:
        raise ConfigError(f"{_brief(name)} is no type of numbers", path="model", hint=_EDITED, code="F_RESOURCE")
    return dtype


def renumber(graph: Graph, path: str, keras_3: bool) -> Graph:
    """The graph with the calls of every nested model counted from 0.

    A nested model is born with a call of its own, on its own inputs, so Keras 1 and 2 count its calls in the outer
    model from 1 where it knew its inputs (`kept_nodes` in engine/network.py), else from 0: a number past the last
    call shows which. Keras 3 counts from 0 in calls, and from 1 in the outputs of the model where the nested one is
    functional (models/functional.py, `get_config` and `get_tensor`).
    """
    counts = {layer.name: len(layer.calls) for layer in graph.layers if layer.is_model}
    calls: list[Any] = [[(c.args, c.kwargs) for c in layer.calls] for layer in graph.layers]

    def past_the_last(value: Any) -> set[str]:
        return {ref.layer for ref in refs_in(value) if ref.layer in counts and ref.call >= counts[ref.layer]}

    def counted_from_0(value: Any, from_1: set[str]) -> Any:
        return map_refs(value, lambda r: Ref(r.layer, r.call - 1, r.output) if r.layer in from_1 else r)

    in_calls = past_the_last(calls if keras_3 else [calls, graph.outputs])
    in_outputs = {n for n in counts if not _is_sequential(graph[n])} if keras_3 else in_calls
    layers = tuple(
        layer.replace(calls=tuple(Call(args, kwargs) for args, kwargs in own))
        for layer, own in zip(graph.layers, counted_from_0(calls, in_calls), strict=True)
    )
    graph = Graph(layers, graph.inputs, counted_from_0(graph.outputs, in_outputs))
    calls_of = {layer.name: max(1, len(layer.calls)) for layer in layers}
    for ref in [r for layer in layers for c in layer.calls for r in c.refs()] + refs_in(graph.outputs):
        if not 0 <= ref.call < calls_of.get(ref.layer, 0):
            what = f"call {ref.call} of {ref.layer!r}" if ref.layer in calls_of else f"a layer {ref.layer!r}"
            raise ConfigError(f"the model uses {what}, which it does not have", path=path, hint=_EDITED)
    _refuse_loops(graph, path)
    return graph


def _refuse_loops(graph: Graph, path: str) -> None:
    """Raises `ConfigError` where the calls cannot be ordered so that each comes after those it takes outputs of."""
    calls = {(layer.name, i) for layer in graph.layers for i in range(len(layer.calls))}
    waiting = {
        (layer.name, i): {(ref.layer, ref.call) for ref in call.refs()} & calls
        for layer in graph.layers
        for i, call in enumerate(layer.calls)
    }
    users: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for user, needs in waiting.items():
        for need in needs:
            users.setdefault(need, []).append(user)
    ready = [call for call, needs in waiting.items() if not needs]
    while ready:
        call = ready.pop()
        del waiting[call]
        for user in users.get(call, ()):
            waiting[user].discard(call)
            if not waiting[user]:
                ready.append(user)
    if waiting:
        names = ", ".join(list(dict.fromkeys(name for name, _ in waiting))[:5])
        raise ConfigError(
            f"the layers of the model are connected in a loop: {names}", path=path, hint=_EDITED, code="E_GRAPH_CYCLE"
        )


def _is_sequential(layer: Layer) -> bool:
    return layer.graph is not None and layer.graph.sequential


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

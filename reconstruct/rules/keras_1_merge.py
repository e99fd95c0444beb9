"""The Merge layer of Keras 1, in a graph and as the beginning of a Sequential (Keras 1.2.2, engine/topology.py)."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, refs_in
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Rule, multi_backend, rule
from reconstruct.rules.expansion import call, op, stock, subgraph

_MODES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot"}
_EPSILON = 10e-8  # Keras 1.2.2, backend/common.py: it is 1e-7


@rule(layers=("Sequential",), writers=multi_backend)
def merge_of_models(layer: Layer) -> Layer:
    """A Keras 1 Sequential could begin with a Merge of other models; as a functional model it calls each of them."""
    graph = layer.graph
    if graph is None or not graph.layers or not graph.layers[0].children or graph.layers[0].class_name != "Merge":
        return layer
    merge, *others = graph.layers
    taken = {n.name for n in graph.layers}
    branches: dict[str, Layer] = {}
    entries: list[Layer] = []
    for child in merge.children.values():
        if not child.is_model:
            child = _as_model(child)
        name = _free(child.name, taken)
        refs = []
        for config in _inputs_of(child):
            entry = _free(f"{name}_input", taken)
            path = f"{layer.path}/{entry}"
            entries.append(Layer("InputLayer", entry, {**config, "name": entry}, path=path))
            refs.append(Ref(entry))
        branches[name] = child.replace(name=name, calls=(Call((refs if len(refs) > 1 else refs[0],)),))
    nodes = [merge.replace(children={}, calls=(Call(([Ref(name) for name in branches],)),))]
    for each in others:
        nodes.append(each.replace(calls=(Call((Ref(nodes[-1].name),)),)))
    inputs = [Ref(entry.name) for entry in entries]
    whole = Graph((*entries, *branches.values(), *nodes), inputs, [Ref(nodes[-1].name)])
    return layer.replace(class_name="Functional", graph=whole)


def _as_model(layer: Layer) -> Layer:
    """A Merge could have layers with an input shape for branches."""
    config = {k: v for k, v in layer.config.items() if k in ("batch_input_shape", "batch_shape", "input_dtype")}
    name = f"{layer.name}_input"
    entry = Layer("InputLayer", name, {**config, "name": name}, path=f"{layer.path}/{name}")
    parts = (layer,) if layer.class_name == "InputLayer" else (entry, layer)
    return Layer("Sequential", f"{layer.name}_branch", {}, graph=Graph(parts), path=layer.path)


def _free(name: str, taken: set[str]) -> str:
    """`name`, or with a number where it is taken: Keras 1 wrote no names of Sequential models."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free


def _inputs_of(model: Layer) -> list[dict[str, Any]]:
    """Shape and dtype of each input of a model, in its order."""
    graph = model.graph
    assert graph is not None
    if graph.sequential:
        first = graph.layers[0] if graph.layers else None
        if first is not None and first.is_model:
            return _inputs_of(first)
        entries = [first] if first is not None else []
    else:
        entries = [graph[ref.layer] for ref in refs_in(graph.inputs)]
    fields = ("batch_input_shape", "batch_shape", "dtype", "input_dtype", "sparse")
    return [{k: e.config[k] for k in fields if k in e.config} for e in entries] or [{}]


@rule(layers=("Merge",), writers=multi_backend)
def merge_modes(layer: Layer) -> Layer:
    """Keras 1 had one Merge layer with modes; Keras 3 has a layer for each."""
    mode = layer.config.get("mode", "sum")
    if layer.config.get("mode_type", "raw") != "raw" or mode not in (*_MODES, "cos"):
        raise NotEquivalent(
            f"{layer.name} merges with a Python function, which the file does not hold as data",
            hint="replace the Merge by a layer in the Keras that wrote the file",
        )
    axes = layer.config.get("dot_axes", -1)
    if mode == "cos":
        return _cosine(layer, axes)
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable")}
    if mode == "concat":
        config["axis"] = layer.config.get("concat_axis", -1)
    if mode == "dot":
        config["axes"] = axes
    return layer.replace(class_name=_MODES[mode], config=config)


def _cosine(layer: Layer, axes: Any) -> Layer:
    """The dot product by the root of the products with themselves, at least 1e-7, with a new axis after the batch's.

    `Dot(normalize=True)` has another lower bound, for each factor, and for sequences another denominator.
    """
    a, b = Ref("input_0"), Ref("input_1")
    dots = [
        call(stock("Dot", name, {"axes": axes}), [left, right])
        for name, left, right in (("dot", a, b), ("square_0", a, a), ("square_1", b, b))
    ]
    return subgraph(
        layer,
        *dots,
        op("squares", "multiply", Ref("square_0"), Ref("square_1")),
        op("above_zero", "maximum", Ref("squares"), 0.0),  # `K.sqrt` takes negative numbers for 0
        op("root", "sqrt", Ref("above_zero")),
        op("denominator", "maximum", Ref("root"), _EPSILON),
        op("cosine", "divide", Ref("dot"), Ref("denominator")),
        op("output", "expand_dims", Ref("cosine"), axis=1),
        inputs=2,
    )


RULES: tuple[Rule, ...] = (merge_of_models, merge_modes)

"""Graphs of tf_keras: several layers in place of one, and the order in which tf_keras lists layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, map_refs, refs_in
from reconstruct.rules.mask_flow import as_functional


def tf_op(name: str, function: str, first: Any, **kwargs: Any) -> Layer:
    """A call of the TensorFlow function of that public name as a node (tf.keras 2.4 and later, `TFOpLambda`)."""
    config = {"name": name, "trainable": True, "dtype": "float32", "function": function}
    return Layer("TFOpLambda", name, config, calls=(Call((first,), kwargs),))


def is_small_graph(layer: Layer) -> bool:
    """Whether a rule put it in place of one layer: its inputs have no shapes, and are those of what it is called on."""
    graph = layer.graph
    if graph is None or graph.sequential:
        return False
    inputs = [n for n in graph.layers if n.class_name == "InputLayer"]
    return bool(inputs) and all("batch_input_shape" not in n.config and "batch_shape" not in n.config for n in inputs)


def inlined(model: Layer) -> Layer:
    """The model with the layers of every small graph in it in place of that; a sequential one becomes functional."""
    if model.graph is None or not any(is_small_graph(n) for n in model.graph.layers):
        return model
    model = as_functional(model)
    while model.graph is not None and not model.graph.sequential:
        small = next((n for n in model.graph.layers if is_small_graph(n)), None)
        if small is None:
            break
        model = _inline(model, small)
    return model


def _inline(model: Layer, small: Layer) -> Layer:
    graph, inner = model.graph, small.graph
    assert graph is not None
    assert inner is not None
    entries = [ref.layer for ref in refs_in(inner.inputs)]
    last = refs_in(inner.outputs)[0]
    taken = {n.name for n in graph.layers} - {small.name}
    names: dict[str, str] = {}
    for node in inner.layers:
        name = small.name if node.name == last.layer else f"{small.name}_{node.name}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[node.name] = name

    def inside(ref: Ref, call: int) -> Ref:
        if ref.layer in entries:
            return small.calls[call].refs()[entries.index(ref.layer)]
        return Ref(names[ref.layer], call, ref.output)

    def placed(node: Layer) -> Layer:
        calls = tuple(
            node.calls[0].map(lambda r, i=i: inside(r, i))  # type: ignore[misc]
            for i in range(len(small.calls))
        )
        name = names[node.name]
        return node.replace(name=name, config={**node.config, "name": name}, calls=calls, path=small.path)

    nodes = [placed(n) for n in inner.layers if n.name not in entries]
    ends = refs_in(inner.outputs)

    def outside(ref: Ref) -> Ref:
        if ref.layer != small.name:
            return ref
        end = ends[ref.output]
        return Ref(names[end.layer], ref.call, end.output)

    layers: list[Layer] = []
    for layer in graph.layers:
        if layer.name == small.name:
            layers.extend(n.replace(calls=tuple(c.map(outside) for c in n.calls)) for n in nodes)
        else:
            layers.append(layer.replace(calls=tuple(c.map(outside) for c in layer.calls)))
    return model.replace(graph=Graph(tuple(layers), graph.inputs, map_refs(graph.outputs, outside)))


def in_order(model: Layer) -> Layer:
    """The model, and every model in it, with its layers in the order of tf_keras: weights in HDF5 go by it.

    That is by depth, counted from the outputs, and at one depth in the order in which a walk from the outputs back to
    the inputs meets them (tf_keras 2.21, engine/functional.py, `_map_graph_network`). Layers that no output needs are
    left out there, and here; inputs stay.
    """
    model = model.map_parts(lambda _, part: in_order(part))
    graph = model.graph
    if graph is None or graph.sequential:
        return model
    by_name = {n.name: n for n in graph.layers}
    met: dict[str, int] = {}
    finished: list[tuple[str, int]] = []
    for end in refs_in(graph.outputs):
        _walk(end, by_name, met, finished)
    depth_of_layer: dict[str, int] = {}
    depth_of_call: dict[tuple[str, int], int] = {}
    for key in reversed(finished):
        depth = max(depth_of_call.setdefault(key, 0), depth_of_layer.get(key[0], 0))
        depth_of_layer[key[0]] = depth_of_call[key] = depth
        for ref in _inputs_of(by_name[key[0]], key[1]):
            before = (ref.layer, ref.call)
            depth_of_call[before] = max(depth + 1, depth_of_call.get(before, 0))
    for ref in refs_in(graph.inputs):
        if ref.layer not in depth_of_layer:
            depth_of_layer[ref.layer], met[ref.layer] = 0, -1
    names = sorted(depth_of_layer, key=lambda n: (-depth_of_layer[n], met[n]))
    return model.replace(graph=Graph(tuple(by_name[n] for n in names), graph.inputs, graph.outputs))


def _inputs_of(layer: Layer, call: int) -> list[Ref]:
    if not layer.calls:
        return []
    each = layer.calls[call]
    return refs_in([each.args, _sorted(each.kwargs)])


def _sorted(kwargs: Mapping[str, Any]) -> list[Any]:
    return [kwargs[key] for key in sorted(kwargs)]  # TensorFlow flattens a dict by its sorted keys


def _walk(end: Ref, by_name: Mapping[str, Layer], met: dict[str, int], finished: list[tuple[str, int]]) -> None:
    """Append every call that `end` needs to `finished`, each after those it needs itself, without recursion."""
    done = set(finished)
    stack: list[tuple[tuple[str, int], bool]] = [((end.layer, end.call), False)]
    while stack:
        key, inputs_done = stack.pop()
        if key in done:
            continue
        if inputs_done:
            done.add(key)
            finished.append(key)
            continue
        met.setdefault(key[0], len(met))
        stack.append((key, True))
        refs = _inputs_of(by_name[key[0]], key[1])
        stack.extend(((r.layer, r.call), False) for r in reversed(refs))

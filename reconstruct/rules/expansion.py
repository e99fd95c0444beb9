"""One layer of an old file as several of Keras 3, so that nothing around it changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, map_refs

INPUT = Ref("input")


def chain(layer: Layer, *layers: Layer) -> Layer:
    """`layer` replaced by layers that are called one after another.

    In a model the engine puts them in the place of the one (`splice`); in a wrapper they stay a small model.
    """
    placed = tuple(n.replace(path=f"{layer.path}/{n.name}", calls=()) for n in layers)
    return Layer("Sequential", layer.name, {}, graph=Graph(placed), calls=layer.calls, path=layer.path)


def splice(model: Layer, *chains: Layer) -> Layer:
    """The model with the layers of each of the sequential `chains`, which are among its layers, in place of it.

    Masks pass along plain layers, but not through a nested model (Keras 3, `Layer.supports_masking`).
    """
    graph = model.graph
    if graph is None:
        return model
    taken = {layer.name for layer in graph.layers}
    parts = {small.name: _renamed(small, taken) for small in chains if small.graph and small.graph.sequential}

    def ref(r: Ref) -> Ref:
        return Ref(parts[r.layer][-1].name, r.call, r.output) if r.layer in parts else r

    def moved(layer: Layer) -> Layer:
        if not any(r.layer in parts for call in layer.calls for r in call.refs()):
            return layer
        return layer.replace(calls=tuple(call.map(ref) for call in layer.calls))

    layers: list[Layer] = []
    for layer in graph.layers:
        first, *others = parts.get(layer.name, [layer])
        layers += [moved(first), *others]
    return model.replace(graph=Graph(tuple(layers), graph.inputs, map_refs(graph.outputs, ref)))


def _renamed(small: Layer, taken: set[str]) -> list[Layer]:
    """The layers of a chain with names that no other of the model has, which come into `taken`."""
    assert small.graph is not None
    taken.discard(small.name)
    parts: list[Layer] = []
    for part in small.graph.layers:
        name = part.name if part.name == small.name else f"{small.name}_{part.name}"
        while name in taken:
            name += "_"
        taken.add(name)
        calls = tuple(Call((Ref(parts[-1].name, i),)) for i in range(len(small.calls))) if parts else small.calls
        parts.append(part.replace(name=name, config={**part.config, "name": name}, calls=calls))
    return parts


def op(name: str, function: str, *args: Any, **kwargs: Any) -> Layer:
    """A call of `keras.ops.<function>` as a node of a graph; `Ref` in the arguments are its inputs."""
    return Layer("Op", name, {"function": function}, calls=(Call(args, kwargs),))


def call(layer: Layer, *args: Any, **kwargs: Any) -> Layer:
    """A stock layer as a node of a graph, called on `args`."""
    return layer.replace(calls=(Call(args, kwargs),))


def subgraph(layer: Layer, *nodes: Layer, inputs: int = 1, outputs: Any = None) -> Layer:
    """`layer` replaced by a functional model of `nodes`.

    The inputs are called `input` (or `input_0`, `input_1`, … where there are several); they take the shape of
    what the model is called on. The output is the last node's, or `outputs`.

    >>> swish = subgraph(Layer("Swish", "act"), op("gate", "sigmoid", INPUT), op("out", "multiply", INPUT, Ref("gate")))
    >>> [n.name for n in swish.graph.layers]
    ['input', 'gate', 'out']
    """
    names = ["input"] if inputs == 1 else [f"input_{i}" for i in range(inputs)]
    layers = [Layer("InputLayer", name, {"name": name}) for name in names] + list(nodes)
    graph = Graph(
        tuple(n.replace(path=f"{layer.path}/{n.name}") for n in layers),
        [Ref(n) for n in names],
        Ref(nodes[-1].name) if outputs is None else outputs,
    )
    return Layer("Functional", layer.name, {}, graph=graph, calls=layer.calls, path=layer.path)


def stock(class_name: str, name: str, config: Mapping[str, Any] | None = None, **weights: Any) -> Layer:
    """A stock Keras 3 layer with its tensors by variable name."""
    return Layer(class_name, name, {"name": name, **(config or {})}, weights=weights)


def rename(model: Layer, names: Mapping[str, str]) -> Layer:
    """The model with its layers renamed, and every call of them; a name that is taken gets a further underscore."""
    assert model.graph is not None
    graph = model.graph
    final: dict[str, str] = {n.name: n.name for n in graph.layers if names.get(n.name, n.name) == n.name}
    for layer in graph.layers:
        if layer.name not in final:
            name = names[layer.name]
            while name in final.values():
                name += "_"
            final[layer.name] = name
    if all(old == new for old, new in final.items()):
        return model

    def ref(r: Ref) -> Ref:
        return Ref(final[r.layer], r.call, r.output)

    layers = tuple(
        n.replace(
            name=final[n.name],
            calls=tuple(c.map(ref) for c in n.calls),
        )
        for n in graph.layers
    )
    return model.replace(graph=Graph(layers, map_refs(graph.inputs, ref), map_refs(graph.outputs, ref)))


def sizes(value: object, rank: int) -> tuple[int, ...]:
    """A size that a config writes as a number or as a list, for each of `rank` axes."""
    return tuple(int(v) for v in value) if isinstance(value, list | tuple) else (int(value),) * rank  # type: ignore[call-overload]

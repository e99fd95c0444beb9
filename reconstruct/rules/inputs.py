"""Where a model begins: input layers and the first layer of sequential models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconstruct.artifact import Graph, Layer, refs_in
from reconstruct.errors import ConfigError
from reconstruct.rules.engine import before_keras_3, rule


@rule(layers=("InputLayer",), effect="neutral")
def batch_shape(layer: Layer) -> Layer:
    """Keras 3 calls `batch_input_shape` of an input layer `batch_shape` (k#20106)."""
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    if shape is None and "input_shape" in layer.config:
        shape = [layer.config.get("batch_size"), *layer.config["input_shape"]]
    if isinstance(shape, Mapping):  # TensorShape or __tuple__, as some Keras 2 wrote it
        shape = shape.get("items", shape.get("config"))
    if shape is None:
        return layer
    named = layer.having(batch_shape=list(shape))
    return named.without("batch_input_shape", "input_shape", "batch_size")


@rule(layers=("Sequential",), effect="neutral")
def sequential_input_layer(layer: Layer) -> Layer:
    """Until Keras 2.2 the first layer of a Sequential carried the input shape; Keras 3 has an input layer for it."""
    graph = layer.graph
    if graph is None or not graph.layers or graph.layers[0].class_name == "InputLayer":
        return layer
    found = first_shape(graph.layers[0])
    if found is None and isinstance(layer.config.get("build_input_shape"), list):
        found = layer.config["build_input_shape"], None
    if found is None:
        return layer
    shape, dtype = found
    name = f"{graph.layers[0].name}_input"
    if any(n.name == name for n in graph.layers):
        name += "_"
    config: dict[str, Any] = {"name": name, "batch_shape": list(shape)}
    if dtype:
        config["dtype"] = dtype
    entry = Layer("InputLayer", name, config, path=f"{layer.path}/{name}")
    return layer.without("build_input_shape").replace(graph=Graph((entry, *graph.layers)))


def first_shape(layer: Layer) -> tuple[list[int | None], str | None] | None:
    """The batch shape and dtype of a model's input as its first layer says it, or None.

    Keras 1 and 2 have `batch_input_shape` in the layer, or in the first layer of a nested model.
    """
    shape = layer.config.get("batch_input_shape", layer.config.get("batch_shape"))
    if shape is not None:
        # The first layer's dtype is its weights'; only an Embedding's input differs, and Keras 3 casts that.
        return list(shape), layer.config.get("dtype") if layer.class_name == "InputLayer" else None
    if layer.graph and layer.graph.layers:
        if layer.graph.sequential:
            return first_shape(layer.graph.layers[0])
        inputs = [n for n in layer.graph.layers if n.class_name == "InputLayer"]
        return first_shape(inputs[0]) if len(inputs) == 1 else None
    return None


@rule(layers=("Sequential", "Model", "Functional"), effect="neutral", writers=before_keras_3)
def model_config_fields(layer: Layer) -> Layer:
    """Of a model's own fields, Keras 3 has the name, the dtype policy and `trainable`."""
    kept = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    return layer.replace(config=kept) if kept != dict(layer.config) else layer


def with_input_shapes(model: Layer, shapes: Sequence[Sequence[int | None] | None]) -> Layer:
    """The model with the input shapes that its user gives, without the batch axis; None leaves the file's.

    Raises `ConfigError` where the number of shapes is not that of the inputs, or one contradicts the file.
    """
    graph = model.graph
    assert graph is not None
    if graph.sequential:
        names = [graph.layers[0].name] if graph.layers else []
    else:
        names = [ref.layer for ref in refs_in(graph.inputs)]
    if len(names) != len(shapes):
        raise ConfigError(f"the model has {len(names)} inputs, and {len(shapes)} input shapes are given")
    given = {n: [None, *s] for n, s in zip(names, shapes, strict=True) if s is not None}
    for layer in graph.layers:
        stated = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
        if layer.name in given and isinstance(stated, list | tuple) and not _may_be(stated, given[layer.name]):
            raise ConfigError(
                f"the file says that the input {layer.name!r} has the shape {tuple(stated[1:])}, "
                f"and {tuple(given[layer.name][1:])} is given",
                path=layer.path,
                hint="leave out --input-shape: it is for what a file leaves open",
            )
    field = "batch_input_shape"
    layers = tuple(
        n.without("batch_shape", "batch_input_shape").having(**{field: given[n.name]}) if n.name in given else n
        for n in graph.layers
    )
    return model.replace(graph=Graph(layers, graph.inputs, graph.outputs))


def _may_be(stated: Sequence[int | None], given: Sequence[int | None]) -> bool:
    """Whether two shapes, batch axis first, agree wherever both say a size."""
    if len(stated) != len(given):
        return False
    return all(a == b or a is None or b is None for a, b in zip(stated[1:], given[1:], strict=True))

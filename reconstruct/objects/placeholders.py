"""Placeholders: what takes the place of a layer whose code is missing, so that nothing that the file holds is lost.

A placeholder keeps the layer's name, config, weights and connections. The shapes of its outputs are found from what
follows it in the model, from its weights and config, and from the shapes of its inputs (`output_shapes`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Finding, Graph, Layer, Ref, Tensor, refs_in
from reconstruct.errors import ReconstructError
from reconstruct.inference.shapes import KEEP_SHAPE
from reconstruct.objects.missing import PLACEHOLDER, Missing, is_stock, missing

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Expected:
    """What those that use an output need it to be: its rank and the sizes of some axes, as far as they tell."""

    rank: int | None = None
    axes: Mapping[int, int] = field(default_factory=dict)

    def fits(self, shape: Shape) -> bool:
        if self.rank is not None and len(shape) != self.rank:
            return False
        return all(-len(shape) <= a < len(shape) and shape[a] in (None, n) for a, n in self.axes.items())

    def applied(self, shape: Shape) -> Shape | None:
        """The shape with the sizes of these axes, or None where its rank is another."""
        if self.rank is not None and len(shape) != self.rank:
            return None
        sizes = list(shape)
        for axis, size in self.axes.items():
            if not -len(shape) <= axis < len(shape):
                return None
            sizes[axis] = size
        made = tuple(sizes)
        return made if self.fits(made) else None  # one axis may be told twice, from either end

    def __and__(self, other: Expected) -> Expected:
        return Expected(self.rank if self.rank is not None else other.rank, {**other.axes, **self.axes})


def refused(layer: Layer, error: ReconstructError) -> Layer:
    """The placeholder of a layer for which a rule found no form in Keras 3 (see `rules.apply`)."""
    own = "lambda" if layer.class_name == "Lambda" else "layer"
    kind = "equivalent" if is_stock(layer) and own == "layer" else own
    return placeholder(layer, Missing(kind, layer.class_name, error.message, error.hint))


def placeholder(layer: Layer, lacks: Missing) -> Layer:
    """The placeholder of a layer, which keeps all that the file says of it and of the layers in it."""
    config: dict[str, Any] = {"name": layer.name, "original": _spec(layer), "missing": asdict(lacks)}
    config["arguments"] = _argument_names(layer.calls)
    if isinstance(layer.config.get("dtype"), str):
        config["dtype"] = layer.config["dtype"]
    return Layer(
        "Placeholder",
        layer.name,
        config,
        package=PLACEHOLDER,
        weights=dict(_weights(layer, "")),
        calls=tuple(_on_tensors(call) for call in layer.calls),
        path=layer.path,
    )


def is_placeholder(layer: Layer) -> bool:
    return layer.package == PLACEHOLDER


def fill(model: Layer, known: Collection[str]) -> tuple[Layer, list[Finding]]:
    """The model with a placeholder for every layer that lacks its code, and a finding for each placeholder in it.

    `known` are the names of custom objects. A wrapper whose layer or cell is missing becomes one placeholder.
    """
    model = _filled(model, known)
    model = _with_expectations(model)
    held = [layer for layer in model.walk() if is_placeholder(layer)]
    # Where nothing says what is called on what, the model has a finding, and each layer with weights
    return model, [_finding(n) for n in held if n.weights or n.config["missing"]["kind"] != "wiring"]


def without(model: Layer, path: str, reason: str) -> Layer:
    """The model with a placeholder at `path` too, for a layer that cannot be built behind another placeholder."""

    def visit(layer: Layer) -> Layer:
        if layer.path == path and not layer.is_model and not is_placeholder(layer):
            return placeholder(layer, Missing("shape", layer.class_name, reason, ""))
        return layer.map_parts(lambda _, part: visit(part))

    return visit(model)


def opened(model: Layer) -> Layer:
    """The model with placeholders of which only those axes are known that something tells."""
    if is_placeholder(model):
        return model.having(open=True)
    return model.map_parts(lambda _, part: opened(part))


def _filled(layer: Layer, known: Collection[str]) -> Layer:
    if is_placeholder(layer):
        return layer
    lacks = _lacks(layer, known)
    if lacks is not None:
        return placeholder(layer, lacks)
    return layer.map_parts(lambda _, part: _filled(part, known))


def _lacks(layer: Layer, known: Collection[str]) -> Missing | None:
    """What the layer lacks, or a layer or cell that it wraps."""
    found = missing(layer, known)
    for child in layer.children.values():
        found = found or (None if child.is_model else _lacks(child, known))
    return found


def _finding(layer: Layer) -> Finding:
    original = layer.config["original"]
    weights = ", ".join(f"{name} {t.shape}" for name, t in layer.weights.items()) or "none"
    lacks = Missing(**layer.config["missing"])
    config = {k: v for k, v in original["config"].items() if k not in ("function", "name")}
    message = (
        f"{lacks.message}; {original['class_name']} {layer.name!r} stands in the model as a placeholder, "
        f"which cannot run. Config: {json.dumps(config)[:500]}; weights: {weights[:500]}"
    )
    return Finding(f"missing_{lacks.kind}", "error", layer.path, message, lacks.hint)


def _spec(layer: Layer) -> dict[str, Any]:
    """The layer as data that JSON can hold, with those in it."""
    spec: dict[str, Any] = {"class_name": layer.class_name, "config": _plain(layer.config)}
    if layer.package is not None:
        spec["registered_name"] = layer.package
    parts = {key: _spec(part) for key, part in layer.parts()}
    return {**spec, "layers": parts} if parts else spec


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _weights(layer: Layer, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in layer.weights.items():
        yield prefix + name, tensor
    for key, part in layer.parts():
        yield from _weights(part, f"{prefix}{part.name or key}/")


def _on_tensors(call: Call) -> Call:
    """The call on its tensors alone: what else the layer was called with only its own code can take."""
    refs = call.refs()
    return Call((refs[0] if len(refs) == 1 else refs,))


def _argument_names(calls: Sequence[Call]) -> list[str]:
    """Names for what the layer is called with."""
    if not calls:
        return ["inputs"]
    positional = ["inputs", *(f"input_{i}" for i in range(1, len(calls[0].args)))]
    return [*positional, *calls[0].kwargs]


# The shapes of outputs


def _with_expectations(model: Layer) -> Layer:
    """Every placeholder in the model with what its outputs are expected to be."""

    def visit(layer: Layer) -> Layer:
        graph = layer.graph
        layer = layer.map_parts(lambda _, part: visit(part))
        if graph is None or not any(is_placeholder(n) for n in graph.layers):
            return layer
        return layer.map_parts(lambda _, p: p.having(expected=_outputs(graph, p)) if is_placeholder(p) else p)

    return visit(model)


def _outputs(graph: Graph, layer: Layer) -> list[Expected]:
    refs = [r for n in graph.layers for c in n.calls for r in c.refs()] + refs_in(graph.outputs)
    count = 1 + max((r.output for r in refs if r.layer == layer.name), default=0)
    return [_expected(graph, Ref(layer.name, 0, k), set()) for k in range(count)]


def expected(graph: Graph, name: str) -> Expected:
    """What those that take the first output of a layer need it to be."""
    return _expected(graph, Ref(name), set())


def _expected(graph: Graph, ref: Ref, seen: set[tuple[str, int]]) -> Expected:
    """What the layers that take this output of a layer, in any of its calls, need it to be."""
    found = Expected()
    if (ref.layer, ref.output) in seen:
        return found
    seen.add((ref.layer, ref.output))
    names = [n.name for n in graph.layers]
    for i, user in enumerate(graph.layers):
        if graph.sequential:
            takes = [0] if i and names[i - 1] == ref.layer else []
        else:
            takes = [
                call.refs().index(r)
                for call in user.calls
                for r in call.refs()
                if (r.layer, r.output) == (ref.layer, ref.output)
            ]
        for position in takes:
            found = found & _needs(user, position)
            if user.class_name in _KEEP_SHAPE:
                found = found & _expected(graph, Ref(user.name), seen)
    return found


_KEEP_SHAPE = KEEP_SHAPE | {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"}


def _needs(layer: Layer, position: int) -> Expected:
    """What a layer needs its input at `position` to be, as its class, config and weights tell."""
    if layer.graph is not None:
        return _needs_of_model(layer.graph, position)
    if "layer" in layer.children:
        inner = _needs(layer.children["layer"], position)
        rank = None if inner.rank is None else inner.rank + 1
        return Expected(rank, {a: n for a, n in inner.axes.items() if a < 0})
    if "forward_layer" in layer.children:
        return _needs(layer.children["forward_layer"], position)
    name = layer.class_name
    axis = -1 if layer.config.get("data_format") != "channels_first" else 1
    shapes = {key: tensor.shape for key, tensor in layer.weights.items()}
    kernel = shapes.get("kernel", shapes.get("depthwise_kernel"))
    dimensions = next((d for d in (1, 2, 3) if f"{d}D" in name), None)
    rank = dimensions + 2 if dimensions else None
    if kernel is not None and name == "Dense":
        return Expected(None, {-1: kernel[0]})
    if name in ("LSTM", "GRU", "SimpleRNN"):
        return Expected(3, {-1: kernel[0]} if kernel else {})
    if name.startswith("ConvLSTM"):
        return Expected(None if rank is None else rank + 1)
    if kernel is not None and name.endswith("Transpose"):
        return Expected(rank, {axis: kernel[-1]})
    if kernel is not None and "Conv" in name and rank is not None and len(kernel) == rank:
        return Expected(rank, {axis: kernel[-2] * int(layer.config.get("groups") or 1)})
    if name in ("BatchNormalization", "LayerNormalization"):
        over = layer.config.get("axis", -1)
        over = over if isinstance(over, list) else [over]
        sizes = [shape[0] for shape in shapes.values() if len(shape) == 1]
        return Expected(None, {over[0]: sizes[0]} if sizes and len(over) == 1 else {})
    if name == "InputLayer" and layer.config.get("batch_shape"):
        return _exactly(layer.config["batch_shape"])
    return Expected(rank)


def _needs_of_model(graph: Graph, position: int) -> Expected:
    if graph.sequential:
        return _expected(graph, Ref(graph.layers[0].name), set()) & _needs(graph.layers[0], 0)
    inputs = refs_in(graph.inputs)
    if position >= len(inputs):
        return Expected()
    first = graph[inputs[position].layer]
    return _needs(first, 0) & _expected(graph, Ref(first.name), set())


def _exactly(shape: Sequence[int | None]) -> Expected:
    return Expected(len(shape), {i: n for i, n in enumerate(shape) if i and n is not None})


# Fields that name how large the last axis of an output is, in the words that authors use.
_SIZES = "units output_dim nb_filters filters embed_dim d_model n_filters nb_filter num_classes output_size".split()


def output_shapes(layer: Layer, inputs: Sequence[Shape]) -> list[Shape]:
    """The shapes of a placeholder's outputs, with the batch axis, for the shapes that it is called on.

    The first of these that what follows can take: the shape of an input, the same with another last axis, without its
    second axis, and whatever what follows says. Where nothing follows that tells, a size in the config that is one of
    its weights decides the last axis. Once `opened`, only rank, batch and last axis are taken from the inputs.
    """
    if layer.config.get("open"):
        inputs = [(*shape[:1], *(None for _ in shape[1:-1]), *shape[1:][-1:]) for shape in inputs]
    return [_shape(layer, expected, inputs) for expected in layer.config.get("expected") or [Expected()]]


def _shape(layer: Layer, expected: Expected, inputs: Sequence[Shape]) -> Shape:
    own = _own_size(layer)
    if own is not None and not expected.axes:
        expected = Expected(expected.rank, {-1: own})
    candidates: list[Shape] = [*inputs]
    makers: list[Callable[[Shape], Shape | None]] = [
        lambda s: s if expected.fits(s) else None,
        lambda s: expected.applied(s) if len(s) > 1 else None,
        lambda s: expected.applied((s[0], *s[2:])) if len(s) > 2 else None,
        lambda s: expected.applied((s[0], None, *s[1:])),
    ]
    for make in makers:
        for shape in candidates:
            made = make(shape)
            if made is not None:
                return made
    rank = expected.rank or max(2, *(-a if a < 0 else a + 1 for a in expected.axes), 0)
    return expected.applied((None,) * rank) or (None,) * rank


def _own_size(layer: Layer) -> int | None:
    """A size in the config that is also the last axis of one of its weights."""
    config = layer.config["original"]["config"]
    last = {t.shape[-1] for t in layer.weights.values() if t.shape}
    sizes = (config.get(name) for name in _SIZES)
    return next((n for n in sizes if isinstance(n, int) and (n in last or not last)), None)


def resolved(layer: Layer, inputs: Sequence[Shape]) -> dict[str, Any]:
    """The config with which `reconstruct.layers.Placeholder` is made."""
    config = {k: v for k, v in layer.config.items() if k not in ("expected", "open")}
    variables = [[name, list(t.shape), t.dtype] for name, t in layer.weights.items()]
    shapes = [list(shape) for shape in output_shapes(layer, inputs)]
    return {**config, "variables": variables, "output_shapes": shapes}


__all__ = [
    "Expected", "expected", "fill", "is_placeholder", "opened", "output_shapes", "placeholder", "refused", "resolved",
    "without",
]  # fmt: skip

"""The shapes of lost arrays, from the config: those that the layer must have for what comes to it.

What survives is the check: where it has another shape than the config gives, the shapes behind that layer are not told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor, constant, refs_in
from reconstruct.inference.shapes import Shape, known_to_keep, output_shape, per_axis, spatial
from reconstruct.stock import slots

Found = dict[tuple[str, str], tuple[int, ...]]
_GATES = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1, "CuDNNLSTM": 4, "CuDNNGRU": 3}
_ROUNDS = 50  # in which each must tell something new
_MOST_STEPS = 20_000  # through layers: models in models that are called twice each would take any number


@dataclass
class _Told:
    shapes: Found = field(default_factory=dict)
    steps: int = 0


def of_lost(model: Layer, major: int) -> Found:
    """Shapes by path of the layer and name of the variable, for a model in the form of Keras 2 or 3."""
    told = _Told()
    if major >= 2:
        _through(model, [], told)
    return told.shapes


def _through(model: Layer, inputs: Sequence[Shape | None], told: _Told) -> Shape | None:
    """The shape of the first output of a model that is called on these inputs, as far as it can be told."""
    graph = model.graph
    assert graph is not None
    if graph.sequential:
        at = inputs[0] if inputs else _declared(graph.layers[0]) if graph.layers else None
        for layer in graph.layers:
            at = _declared(layer) if layer.class_name == "InputLayer" and at is None else _step(layer, [at], told)
        return at
    known: dict[Ref, Shape] = {}
    for ref, shape in zip(refs_in(graph.inputs), inputs, strict=False):
        if shape is not None:
            known[ref] = shape
    for layer in graph.layers:
        if layer.class_name == "InputLayer" and (shape := _declared(layer)) is not None:
            known.setdefault(Ref(layer.name), shape)
    left = [(Ref(n.name, i), n, refs) for n in graph.layers for i, call in enumerate(n.calls) if (refs := call.refs())]
    for _ in range(_ROUNDS):
        waiting = []
        for here, layer, refs in left:
            if not all(ref in known for ref in refs):
                waiting.append((here, layer, refs))
            elif (made := _step(layer, [known[ref] for ref in refs], told)) is not None:
                known[here] = made
        if len(waiting) == len(left):
            break
        left = waiting
    outputs = refs_in(graph.outputs)
    return known.get(outputs[0]) if outputs else None


def _declared(layer: Layer) -> Shape | None:
    """The shape that an input layer, or the first layer of a model, says it takes."""
    shape = layer.config.get("batch_shape") or layer.config.get("batch_input_shape")
    shape = shape[0] if isinstance(shape, list) and shape and isinstance(shape[0], list) else shape
    return tuple(shape[1:]) if isinstance(shape, list | tuple) else None


def _step(layer: Layer, inputs: Sequence[Shape | None], told: _Told) -> Shape | None:
    """What a layer gives; the shapes of its variables on the way."""
    told.steps += 1
    if told.steps > _MOST_STEPS:
        return None
    if layer.is_model:
        return _through(layer, inputs, told)
    shapes = [shape for shape in inputs if shape is not None]
    if len(shapes) < len(inputs) or not shapes:
        return None
    try:
        whole = _with_shapes(layer, shapes[0], told)
        return output_shape(whole, shapes) if whole is not None and known_to_keep(layer.class_name) else None
    except (LookupError, TypeError, ValueError, ZeroDivisionError):  # a config that Keras does not write
        return None


def _with_shapes(layer: Layer, shape: Shape, told: _Told) -> Layer | None:
    """The layer with something of the right shape for each variable; None where a shape is open or contradicted."""
    if layer.children:
        inside = shape[1:] if layer.class_name == "TimeDistributed" else shape
        parts = {key: _with_shapes(part, inside, told) for key, part in layer.children.items()}
        return None if None in parts.values() else layer.replace(children={k: p for k, p in parts.items() if p})
    names = [slot.name for slot in slots(layer.class_name, layer.config) or ()]
    sizes = _sizes(layer, shape) if names else {}
    weights: dict[str, Tensor] = {}
    for name in names:
        size = sizes.get(name)
        own = layer.weights.get(name)
        if own is not None and not own.lost:
            if size is not None and own.shape != size:
                return None
            size = own.shape
        if size is None or not all(isinstance(n, int) and n > 0 for n in size):
            return None
        weights[name] = constant(name, np.broadcast_to(np.float32(0), size))
    told.shapes.update({(layer.path, name): tensor.shape for name, tensor in weights.items()})
    return layer.replace(weights=weights)


def _sizes(layer: Layer, shape: Shape) -> Mapping[str, tuple[int, ...]]:
    """The shapes of the variables of a layer that is called on `shape` (`build` of the layers, Keras 2.2.4 and 3)."""
    config, name = layer.config, layer.class_name
    channels = shape[0] if config.get("data_format") == "channels_first" else shape[-1]
    if name == "Embedding":
        return {"embeddings": (config["input_dim"], config["output_dim"])}
    if channels is None:
        return {}
    made: dict[str, tuple[int, ...]] = {}
    if name == "Dense":
        made = {"kernel": (channels, config["units"]), "bias": (config["units"],)}
    elif name in _GATES:
        units, gates = config["units"], _GATES[name]
        bias: dict[str, tuple[int, ...]] = {}
        if not name.startswith("CuDNN") and (name != "GRU" or "reset_after" in config):
            bias = {"bias": (2, gates * units) if config.get("reset_after") and name == "GRU" else (gates * units,)}
        made = {"kernel": (channels, gates * units), "recurrent_kernel": (units, gates * units), **bias}
    elif name == "BatchNormalization":
        axes = config.get("axis", -1)
        axis = axes[0] if isinstance(axes, list) and len(axes) == 1 else axes
        size = shape[axis - 1 if axis > 0 else axis]
        made = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (size,)) if size else {}
    elif "Conv" in name and not name.startswith("ConvLSTM") and spatial(name):
        made = _convolution(name, config, channels)
    return made


def _convolution(name: str, config: Mapping[str, object], channels: int) -> dict[str, tuple[int, ...]]:
    window = tuple(per_axis(config["kernel_size"], spatial(name)))
    many = int(str(config.get("depth_multiplier") or 1))
    if name.startswith("Depthwise"):
        return {"depthwise_kernel": (*window, channels, many), "bias": (channels * many,)}
    filters = int(str(config["filters"]))
    bias = {"bias": (filters,)}
    if name.startswith("Separable"):
        point = (*(1 for _ in window), channels * many, filters)
        return {"depthwise_kernel": (*window, channels, many), "pointwise_kernel": point, **bias}
    if name.endswith("Transpose"):
        return {"kernel": (*window, filters, channels), **bias}
    return {"kernel": (*window, channels // int(str(config.get("groups") or 1)), filters), **bias}

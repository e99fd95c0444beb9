"""How many numbers a config makes Keras allocate, counted in whole numbers without making any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.limits import Limits

_COUNTS = ("units", "filters", "output_dim", "nb_filter", "n", "num_tokens", "max_tokens", "key_dim", "num_heads")
_HINT = "no file holds weights for that; if you trust it, raise the limit: --limit {}=…"
_FEW = 1 << 24  # numbers that any file may ask for: 64 MiB in float32


def findings(artifact: Artifact, limits: Limits) -> Iterator[Finding]:
    """What the layers of a model would allocate beyond the limits, or far beyond what its file holds."""
    if artifact.model is None:
        return
    held = sum(t.size for t in artifact.tensors)
    calls = _calls(artifact.model)
    if calls > limits.layers:
        message = (
            f"calling the model calls {calls} layers, counted wherever they are called (limit layers={limits.layers})"
        )
        yield Finding("F_RESOURCE", "error", artifact.model.path, message, _HINT.format("layers"))
    for layer, features in _with_inputs(artifact.model):
        count = parameters(layer, features)
        if count > limits.layer_numbers:
            message = (
                f"{layer.class_name} needs {count} numbers of weights (limit layer_numbers={limits.layer_numbers})"
            )
            yield Finding("F_RESOURCE", "error", layer.path, message, _HINT.format("layer_numbers"))
        elif artifact.tensors and count > max(_FEW, 4 * held):
            message = f"{layer.class_name} needs {count} numbers of weights, and the whole file holds {held}"
            hint = "the config was edited: no Keras wrote it with these weights"
            yield Finding("F_RESOURCE", "error", layer.path, message, hint)
        for field, size in _shapes(layer):
            if size > limits.shape_numbers:
                message = f"{field} asks for {size} numbers an example (limit shape_numbers={limits.shape_numbers})"
                yield Finding("F_RESOURCE", "error", layer.path, message, _HINT.format("shape_numbers"))


def _calls(model: Layer) -> int:
    """How many layers are called when the model is: one that is called twice counts twice, and what is in it, too."""
    inside: dict[int, int] = {}
    for layer in reversed(list(model.walk())):  # inner layers first
        inside[id(layer)] = sum(max(1, len(part.calls)) * inside[id(part)] for _, part in layer.parts()) or 1
    return inside[id(model)]


def parameters(layer: Layer, features: int | None) -> int:
    """The number of weights of a layer on an input of so many features; a lower bound where these are not known."""
    config = layer.config
    own = {k: v for k in _COUNTS if (v := _whole(config.get(k))) is not None}
    inputs = features or 1
    kind = layer.class_name
    if kind == "Embedding":
        return (_whole(config.get("input_dim")) or 1) * own.get("output_dim", 1)
    if kind in ("Dense", "MaxoutDense", "Highway", "TimeDistributedDense"):
        units = own.get("units", own.get("output_dim", 1))
        return inputs * units + units
    if "LSTM" in kind or "GRU" in kind or "SimpleRNN" in kind:
        units = own.get("units", own.get("filters", own.get("output_dim", 1)))
        gates = 4 if "LSTM" in kind else 3 if "GRU" in kind else 1
        return gates * units * (inputs + units + 1)
    if "filters" in own or "nb_filter" in own:
        filters = own.get("filters", own.get("nb_filter", 1))
        size = _product(config.get("kernel_size")) or 1
        return size * inputs * filters if features else size * filters
    if "key_dim" in own:
        return 4 * inputs * own["key_dim"] * own.get("num_heads", 1)
    return max(own.values(), default=0) if kind not in ("RepeatVector", "CategoryEncoding", "Hashing") else 0


def _shapes(layer: Layer) -> Iterator[tuple[str, int]]:
    """Shapes that the config gives, with the numbers of one example."""
    config = layer.config
    for field in ("batch_shape", "batch_input_shape", "target_shape", "dims"):
        size = _product(config.get(field), skip=1 if field.startswith("batch") else 0)
        if size is not None:
            yield f"{field} {str(config[field])[:80]}", size
    for field in ("n", "size", "padding", "input_length", "num_bins", "num_tokens", "height", "width", "pool_size"):
        size = _product(config.get(field))
        if size is not None:
            yield f"{field} = {str(config[field])[:80]}", size


def _with_inputs(model: Layer) -> Iterator[tuple[Layer, int | None]]:
    """Every layer with the size of the last axis of its input, as far as the config tells it. Nothing recurses."""
    todo = [model]
    while todo:
        parent = todo.pop()
        sizes: dict[str, int | None] = {}
        before: int | None = None
        for _, layer in parent.parts():
            known = _last(layer.config.get("batch_shape", layer.config.get("batch_input_shape")))
            refs = [ref.layer for call in layer.calls[:1] for ref in call.refs()[:1]]
            size = sizes.get(refs[0]) if refs else before
            features = known if known is not None else size
            yield layer, features
            before = sizes[layer.name] = _gives(layer, features)
            if layer.children or layer.is_model:
                todo.append(layer)


def _gives(layer: Layer, features: int | None) -> int | None:
    for field in ("units", "filters", "output_dim", "nb_filter"):
        size = _whole(layer.config.get(field))
        if size is not None:
            return size
    if layer.class_name in ("Reshape", "Flatten", "Permute", "Concatenate", "Merge") or layer.parts():
        return _last(layer.config.get("target_shape"))
    return features


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or abs(value) == float("inf"):
        return None
    return int(value)


def _last(shape: Any) -> int | None:
    return _whole(shape[-1]) if isinstance(shape, list | tuple) and shape else None


def _product(value: Any, skip: int = 0) -> int | None:
    """The product of the sizes that a shape gives, without those that are open; None where it is no shape."""
    if isinstance(value, Mapping) or value is None or isinstance(value, str):
        return None
    if not isinstance(value, list | tuple):
        return _whole(value)
    size = 1
    for entry in value[skip:]:
        size *= max(1, abs(_product(entry) or 1))
    return size

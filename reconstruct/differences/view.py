"""A model as `diff` and goldens see it: layers by their paths, fields that are not defaults, tensors with their hashes.

Everything is in the form of Keras 3, so that models of different Keras versions can be told apart by what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from reconstruct import rules
from reconstruct.artifact import Artifact, Call, Group, Layer, Ref, Tensor, map_refs, refs_in
from reconstruct.differences import canonical, operations
from reconstruct.objects import placeholders
from reconstruct.rules import training
from reconstruct.rules.engine import Change


@dataclass(frozen=True, eq=False)
class TensorView:
    """A variable of a layer. `hash` is the SHA-256 of dtype, shape and bytes; `values` is None in a golden."""

    shape: tuple[int, ...]
    dtype: str
    values: Callable[[], np.ndarray] | None = field(default=None, repr=False)
    _known: tuple[str, float, float] | None = None

    @cached_property
    def _facts(self) -> tuple[str, float, float]:
        if self._known is not None:
            return self._known
        assert self.values is not None
        array = np.ascontiguousarray(self.values())
        digest = hashlib.sha256(f"{array.dtype.name}{array.shape}".encode() + array.tobytes()).hexdigest()
        numbers = array.astype(np.float64) if array.dtype.kind in "fiub" and array.size else np.zeros(1)
        with np.errstate(all="ignore"):
            return digest, float(numbers.mean()), float(numbers.std())

    @property
    def hash(self) -> str:
        return self._facts[0]

    @property
    def mean(self) -> float:
        return self._facts[1]

    @property
    def std(self) -> float:
        return self._facts[2]


@dataclass(frozen=True)
class LayerView:
    """A layer: `config` has what is not the default, `inputs` is one text a call, as `add(conv1, conv2:1)`."""

    name: str
    class_name: str
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorView]
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class View:
    """A model; `layers` are in its order, by their path below it (`block/conv1`)."""

    source: str
    container: str
    writer: str
    layers: Mapping[str, LayerView]
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def computes_in(self) -> frozenset[str]:
        """The dtypes other than float32 in which layers compute: of the policy mixed_float16, that is float16."""
        policies = (layer.config.get("dtype") for layer in self.layers.values())
        return frozenset(policy.rpartition("_")[2] for policy in policies if isinstance(policy, str))


def view(artifact: Artifact, raw: bool = False) -> View:
    """What an artifact holds, in the form of Keras 3; with `raw`, in the form in which it was written.

    `changes` are what the rules did for that.
    """
    model = artifact.model
    changes: tuple[Change, ...] = ()
    if model is None:
        return View(artifact.source, artifact.container, str(artifact.writer), _groups(artifact.groups))
    if not raw:
        outcome = rules.apply(artifact, rules.RULES, instead=placeholders.refused)
        assert outcome.artifact.model is not None
        model, changes = outcome.artifact.model, outcome.changes
    compiled: dict[str, Any] = {}
    if artifact.training is not None:
        translated, more, _ = training.translate(artifact.training, artifact.writer, artifact.model)
        compiled, changes = _compilation(translated), changes if raw else (*changes, *more)
    layers: dict[str, LayerView] = {}
    _collect(model, "", layers)
    inputs, outputs = _ends(model)
    return View(
        artifact.source,
        artifact.container,
        str(artifact.writer),
        layers,
        inputs,
        outputs,
        canonical.value(compiled),
        tuple(changes),
    )


def _compilation(compiled: training.Compilation) -> dict[str, Any]:
    """What of the arguments of `compile` training depends on."""
    optimizer = compiled.optimizer.serialized if compiled.optimizer is not None else None
    fields = ("loss", "loss_weights", "metrics", "weighted_metrics")
    found = {"optimizer": optimizer, **{name: getattr(compiled, name) for name in fields}}
    return {name: _alone(made) for name, made in found.items() if made is not None}


def _alone(value: Any) -> Any:
    """What a list holds alone, as losses and metrics of a single output may be written."""
    return _alone(value[0]) if isinstance(value, list | tuple) and len(value) == 1 else value


def _collect(parent: Layer, prefix: str, into: dict[str, LayerView]) -> None:
    graph = None if parent.graph is None else operations.without_implied_masks(parent.graph)
    parts = parent.children.items() if graph is None else [(n.name, n) for n in graph.layers]
    before: str | None = None
    for key, layer in parts:
        inputs: tuple[str, ...] = ()
        if graph is not None:
            inputs = (() if before is None else (before,)) if graph.sequential else _calls(layer)
            if graph.sequential and prefix and layer.class_name == "InputLayer":
                continue  # only Keras 3 writes one within a nested model
            before = layer.name
        path = f"{prefix}{key.replace('/', '.')}"
        into[path] = _layer(layer, inputs, parent)
        _collect(layer, f"{path}/", into)


def _layer(layer: Layer, inputs: tuple[str, ...], parent: Layer) -> LayerView:
    if operations.is_operation(layer):
        return LayerView(layer.name, operations.name(layer), operations.arguments(layer), {}, inputs)
    config = canonical.config(layer.class_name, layer.config)
    if parent.class_name == "Bidirectional":  # which sets it (Keras 3.15.1, layers/rnn/bidirectional.py)
        config.pop("zero_output_for_mask", None)
    if layer.class_name == "InputLayer" and layer.config.get("dtype"):  # not the same as one that is not said
        config = {**config, "input_dtype": canonical.value(layer.config["dtype"])}
        config.pop("dtype", None)
    tensors = {name: _tensor(t) for name, t in layer.weights.items()}
    return LayerView(layer.name, layer.class_name, config, tensors, inputs)


def _calls(layer: Layer) -> tuple[str, ...]:
    calls = layer.calls
    if layer.class_name.startswith(("Random", "Resizing", "CenterCrop")):  # it is their default (layers/preprocessing)
        calls = tuple(Call(c.args, {k: v for k, v in c.kwargs.items() if k != "training"}) for c in calls)
    return tuple(_call(call, operations.is_operation(layer)) for call in calls)


def _call(call: Call, of_operation: bool) -> str:
    """The arguments of a call: references by name, other values as they are, and those that are None or off not.

    Of an operation only the references: `operations.arguments` has the rest.
    """
    arguments = [("", a) for a in call.args] + [(f"{k}=", v) for k, v in sorted(call.kwargs.items())]
    wanted = (lambda v: bool(refs_in(v))) if of_operation else _says_something
    return ", ".join(f"{name}{_argument(v)}" for name, v in arguments if wanted(v))


def _says_something(value: Any) -> bool:
    several = isinstance(value, list | tuple)
    return any(_says_something(v) for v in value) if several else value is not None and value is not False


def _argument(argument: Any) -> str:
    named = map_refs(argument, _Name)
    if isinstance(named, list | tuple) and len(named) == 1:
        named = named[0]
    return repr(list(named)) if isinstance(named, tuple) else repr(named)


class _Name:
    """A reference as it is shown: `lstm`, for a call after the first `lstm@1`, for an output after the first
    `lstm:1`."""

    def __init__(self, ref: Ref) -> None:
        self._text = ref.layer + (f"@{ref.call}" if ref.call else "") + (f":{ref.output}" if ref.output else "")

    def __repr__(self) -> str:
        return self._text


def _ends(model: Layer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    graph = model.graph
    if graph is None or graph.sequential:
        names = [layer.name for layer in graph.layers] if graph else []
        return tuple(names[:1]), tuple(names[-1:])
    return tuple(_end(graph.inputs)), tuple(_end(graph.outputs))


def _end(structure: Any) -> Iterator[str]:
    """Inputs or outputs by their layers, in Keras's order, which sorts the keys of a dict; a key that is not the name
    of the layer stands before it."""
    if not isinstance(structure, Mapping):
        yield from (repr(_Name(ref)) for ref in refs_in(structure))
        return
    for key in sorted(structure):
        for name in _end(structure[key]):
            yield name if name == key else f"{key}={name}"


def _tensor(tensor: Tensor) -> TensorView:
    return TensorView(tensor.shape, tensor.dtype, tensor.read)


def _groups(groups: tuple[Group, ...], prefix: str = "") -> dict[str, LayerView]:
    """The layers that a file of weights lists."""
    found: dict[str, LayerView] = {}
    for group in groups:
        path = f"{prefix}{group.name}"
        found[path] = LayerView(group.name, group.kind or "", {}, {t.name: _tensor(t) for t in group.tensors})
        found |= _groups(group.parts, f"{path}/")
    return found

"""What a saved Keras file says, as plain data.

Readers make an `Artifact`, rules change it, runtimes build a model of it. No framework is imported here, and no
array is read before somebody calls `Tensor.read`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

MODEL_CLASSES = ("Sequential", "Model", "Functional")
LOST = "salvage>lost"  # the package of a layer that lost weights, which rules cannot take for a whole one


@dataclass(frozen=True)
class Writer:
    """The Keras that wrote a file.

    `keras` is the version as the file says it (`"2.2.4-tf"`), None if it says nothing, as before Keras 1.2.
    """

    keras: str | None = None
    backend: str | None = None

    @property
    def version(self) -> tuple[int, int, int]:
        """Major, minor, patch; `(1, 0, 0)` where the file is silent, since only Keras 1 and older were."""
        numbers = [int(n) for n in re.findall(r"\d+", (self.keras or "1.0.0").split("-")[0])[:3]]
        major, minor, patch = [*numbers, 0, 0, 0][:3]
        return major, minor, patch

    @property
    def major(self) -> int:
        return self.version[0]

    @property
    def is_tf_keras(self) -> bool:
        """Whether `tf.keras` wrote it: versions marked `-tf`, and all from 2.4 on (keras-team/keras 2.4.0 notes)."""
        return (self.keras or "").endswith("-tf") or (2, 4, 0) <= self.version < (3, 0, 0)

    def __str__(self) -> str:
        return f"Keras {self.keras or '1 or older (the file does not say)'}" + (
            f" on {self.backend}" if self.backend else ""
        )


@dataclass(frozen=True, eq=False)
class Tensor:
    """An array of the file, or one derived from arrays of the file, read when asked for.

    `sources` names the datasets of the file it is made of, so that every one can be accounted for. `lost` says why
    there is no value: then `read` raises `ReadError`, and `shape` is empty where it is lost, too.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray] = field(repr=False)
    sources: tuple[str, ...] = ()
    lost: str = ""

    def map(self, function: Callable[[np.ndarray], np.ndarray], shape: Sequence[int] | None = None) -> Tensor:
        """A tensor whose value is `function` of this one's; `shape` where it differs."""
        return combine(self.name, [self], lambda arrays: function(arrays[0]), self.shape if shape is None else shape)

    @property
    def size(self) -> int:
        size = 1
        for n in self.shape:
            size *= n
        return size


def combine(
    name: str, tensors: Sequence[Tensor], function: Callable[[list[np.ndarray]], np.ndarray], shape: Sequence[int]
) -> Tensor:
    """A tensor made of others, e.g. the kernel of an LSTM of its four gates; nothing is read yet."""
    return Tensor(
        name,
        tuple(shape),
        tensors[0].dtype if tensors else "float32",
        lambda: function([t.read() for t in tensors]),
        tuple(dict.fromkeys(source for t in tensors for source in t.sources)),
    )


def constant(name: str, value: np.ndarray) -> Tensor:
    """A tensor that is not in the file: a value that the original had built into its code."""
    value = np.asarray(value)
    return Tensor(name, value.shape, value.dtype.name, lambda: value)


@dataclass(frozen=True)
class Ref:
    """The output number `output` of the call number `call` of the layer named `layer`, all counted from 0."""

    layer: str
    call: int = 0
    output: int = 0


@dataclass(frozen=True)
class Call:
    """One call of a layer: nested tuples, lists and dicts of `Ref` and plain values."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def refs(self) -> list[Ref]:
        return refs_in([self.args, self.kwargs])

    def map(self, function: Callable[[Ref], Any]) -> Call:
        """The call with every `Ref` in it replaced."""
        return Call(map_refs(self.args, function), map_refs(self.kwargs, function))


@dataclass(frozen=True)
class Graph:
    """The layers of a model and, unless it is sequential, where its inputs and outputs are."""

    layers: tuple[Layer, ...]
    inputs: Any = None
    outputs: Any = None

    @property
    def sequential(self) -> bool:
        return self.outputs is None

    def map_outputs(self, function: Callable[[Ref], Any]) -> Graph:
        """The graph with every `Ref` in its outputs replaced."""
        return dataclasses.replace(self, outputs=map_refs(self.outputs, function))

    def __getitem__(self, name: str) -> Layer:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in reversed(self.layers)}  # of two with one name, the first


@dataclass(frozen=True)
class Layer:
    """A layer, a wrapper with the layers it wraps (`children`), or a model (`graph`).

    `config` holds the layer's own arguments and no nested layer. `weights` maps the name of each variable, as Keras
    names it (`"kernel"`, `"query/bias"`), to its tensor. `calls` says what it is called on; it is empty in a
    sequential model, where the order says it. `path` is where the layer stands, for messages: `model/block/conv1`.
    """

    class_name: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    package: str | None = None
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    children: Mapping[str, Layer] = field(default_factory=dict)
    graph: Graph | None = None
    calls: tuple[Call, ...] = ()
    path: str = ""

    def replace(self, **changes: Any) -> Layer:
        return dataclasses.replace(self, **changes)

    def having(self, **config: Any) -> Layer:
        """The layer with these config fields set."""
        return self.replace(config={**self.config, **config})

    def without(self, *fields: str) -> Layer:
        """The layer without these config fields."""
        return self.replace(config={k: v for k, v in self.config.items() if k not in fields})

    def with_weights(self, **weights: Tensor) -> Layer:
        return self.replace(weights={**self.weights, **weights})

    def parts(self) -> list[tuple[str, Layer]]:
        """The layers right below this one with a key for each: a child's, or `@` and the number of a model's layer."""
        below = list(self.children.items())
        if self.graph is not None:
            below += [(f"@{i}", layer) for i, layer in enumerate(self.graph.layers)]
        return below

    def map_parts(self, function: Callable[[str, Layer], Layer]) -> Layer:
        """This layer with every one right below it replaced by `function(key, layer)`."""
        graph = self.graph
        return self.replace(
            children={key: function(key, child) for key, child in self.children.items()},
            graph=dataclasses.replace(
                graph, layers=tuple(function(f"@{i}", layer) for i, layer in enumerate(graph.layers))
            )
            if graph
            else None,
        )

    def walk(self) -> Iterator[Layer]:
        """This layer and all below it, outermost first."""
        yield self
        for _, part in self.parts():
            yield from part.walk()

    @property
    def is_model(self) -> bool:
        return self.graph is not None

    @property
    def is_operation(self) -> bool:
        """Whether it is a call of `keras.ops` in a graph, as Keras 3 writes it into a file."""
        return (self.package or "").startswith(("keras.src.ops", "keras.ops"))

    @property
    def trainable(self) -> bool:
        return bool(self.config.get("trainable", True))


@dataclass(frozen=True)
class Finding:
    """A fact about the file its user should know: damage, danger, ambiguity, loss."""

    code: str
    severity: str  # "info", "warning" or "error"
    path: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Training:
    """How the model was compiled, as the file says it, and the optimizer's variables in the file's order."""

    config: Mapping[str, Any]
    optimizer_weights: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Group:
    """What a file of weights lists as one layer, in the order of the model's layers.

    `name` is the layer's own as far as the file says it, `kind` the class in snake case where the file's key is made of
    it (`conv2d_transpose`), None where the key is the author's. `tensors` are named as the file names them, below the
    group. `parts` are the layers of a nested model. `attribute` is what a model that is a class calls it.
    """

    name: str
    kind: str | None = None
    tensors: tuple[Tensor, ...] = ()
    parts: tuple[Group, ...] = ()
    attribute: str = ""


@dataclass(frozen=True)
class Artifact:
    """A saved model: where it was read, who wrote it, the model, and how it was trained.

    `dialect` is the Keras whose form `model` has; it starts as the writer, and the rules bring it to `KERAS_3`.
    `tensors` are all arrays of the file that belong to the model. Where config and weights are two files, they are
    `config_source` and `weights_source`. `groups` are the layers that weights without an architecture list.
    """

    source: str
    container: str
    writer: Writer
    model: Layer | None
    dialect: Writer
    tensors: tuple[Tensor, ...] = ()
    training: Training | None = None
    findings: tuple[Finding, ...] = ()
    config_source: str | None = None
    weights_source: str | None = None
    groups: tuple[Group, ...] = ()

    @property
    def lists_layers(self) -> bool:
        """Whether the weights are a list of layers in their order, as up to Keras 2; Keras 3 keeps a tree of them."""
        return self.container in ("h5-weights", "h5-model")

    def replace(self, **changes: Any) -> Artifact:
        return dataclasses.replace(self, **changes)


KERAS_3 = Writer("3.15.1", "tensorflow")


def map_refs(value: Any, function: Callable[[Ref], Any]) -> Any:
    """The nested `value` with every `Ref` replaced."""
    if isinstance(value, Ref):
        return function(value)
    if isinstance(value, list):
        return [map_refs(v, function) for v in value]
    if isinstance(value, tuple):
        return tuple(map_refs(v, function) for v in value)
    if isinstance(value, Mapping):
        return {k: map_refs(v, function) for k, v in value.items()}
    return value


def refs_in(value: Any) -> list[Ref]:
    """Every `Ref` in the nested `value`, in order."""
    found: list[Ref] = []

    def collect(ref: Ref) -> Ref:
        found.append(ref)
        return ref

    map_refs(value, collect)
    return found

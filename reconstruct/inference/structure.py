"""A model before its open choices are made, and with the form of each layer chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconstruct.artifact import Layer
from reconstruct.inference.choices import fits, structural
from reconstruct.inference.context import Context, Option
from reconstruct.inference.shapes import Shape


@dataclass(frozen=True)
class Node:
    """A layer, or a place where the file may leave one out (`GAP`), and the nodes whose outputs it is called on.

    `twin` is the node of an earlier call of the same layer, as of a tower that several inputs go through.
    """

    layer: Layer
    inputs: tuple[int, ...] = ()
    twin: int | None = None


@dataclass(frozen=True)
class Wiring:
    """A model before its open choices are made: what is called on what. `cost` and `reason` say how it was found."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    cost: float = 0.0
    reason: str = "the layers follow one another"
    alternatives: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(i for i, node in enumerate(self.nodes) if not node.inputs)

    def users(self, index: int) -> list[int]:
        return [i for i, node in enumerate(self.nodes) if index in node.inputs]


@dataclass(frozen=True)
class Form:
    """A wiring with the form of each layer chosen (None where there is none) and the shape of each output."""

    wiring: Wiring
    layers: tuple[Layer | None, ...]
    shapes: tuple[Shape, ...]
    cost: float


Starts = Mapping[int, Sequence[tuple[Shape, float]]]


def propagated(
    wiring: Wiring, layers: Sequence[Layer | None], start: Sequence[Shape], targets: Sequence[Shape | None]
) -> tuple[Shape, ...] | None:
    """The shapes of all outputs for inputs of the shapes `start`, or None where something does not fit."""
    shapes: list[Shape] = []
    given = iter(start)
    for node, layer in zip(wiring.nodes, layers, strict=True):
        shape = next(given) if not node.inputs else fits(Option(layer, 0.0), [shapes[j] for j in node.inputs])
        if shape is None:
            return None
        shapes.append(shape)
    right = zip(wiring.outputs, targets, strict=False)
    return tuple(shapes) if all(t is None or agrees(shapes[i], t) for i, t in right) else None


def neighbours(form: Form, contexts: Sequence[Context], targets: Sequence[Shape | None]) -> Iterator[Form]:
    """Forms that differ in one layer and still fit."""
    wiring = form.wiring
    start = [form.shapes[i] for i in wiring.inputs]
    for i, node in enumerate(wiring.nodes):
        if not node.inputs or node.twin is not None:
            continue
        below = [form.shapes[j] for j in node.inputs]
        for option in structural(node.layer, below, contexts[i]):
            if option.layer == form.layers[i]:
                continue
            layers = [
                option.layer if i in (k, n.twin) else layer
                for k, (n, layer) in enumerate(zip(wiring.nodes, form.layers, strict=True))
            ]
            shapes = propagated(wiring, layers, start, targets)
            if shapes is not None:
                yield Form(wiring, tuple(layers), shapes, form.cost + option.cost)


def agrees(shape: Shape, target: Shape) -> bool:
    return len(shape) == len(target) and all(
        a is None or b is None or a == b for a, b in zip(shape, target, strict=True)
    )

"""The forms that the layers of a model may have so that all shapes fit, the likeliest first.

One exact search: for each layer and the shapes that reach it, the least cost of all that follows is known, so that
models come in the order of their cost and no partial one is followed that cannot be finished.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.choices import Context, fits, structural
from reconstruct.inference.shapes import Shape

MOST_STATES = 400_000


@dataclass(frozen=True)
class Node:
    """A layer, or a place where the file may leave one out (`GAP`), and the nodes whose outputs it is called on."""

    layer: Layer
    inputs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Wiring:
    """A model before its open choices are made: what is called on what. `cost` and `reason` say how it was found."""

    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    cost: float = 0.0
    reason: str = "the layers follow one another"

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


def forms(
    wiring: Wiring, contexts: Sequence[Context], starts: Starts, targets: Sequence[Shape | None], until: float
) -> Iterator[Form]:
    """All forms that fit, by cost. `starts` are the shapes that each input may have, `targets` those of the outputs."""
    search = _Search(wiring, contexts, starts, targets, until)
    yield from search.run()


class _Search:
    def __init__(
        self, wiring: Wiring, contexts: Sequence[Context], starts: Starts, targets: Sequence[Shape | None], until: float
    ) -> None:
        self.wiring, self.contexts, self.starts, self.targets, self.until = wiring, contexts, starts, targets, until
        nodes = wiring.nodes
        last_use = {i: max([*wiring.users(i), len(nodes) if i in wiring.outputs else i]) for i in range(len(nodes))}
        # Whose shapes are still needed before each node
        self.live = [tuple(j for j in range(i) if last_use[j] >= i) for i in range(len(nodes) + 1)]
        self.memo: dict[tuple[int, tuple[Shape, ...]], float] = {}
        self.options: dict[tuple[int, tuple[Shape, ...]], list[tuple[Layer | None, Shape, float]]] = {}
        self.count = 0
        self.stopped = False

    def run(self) -> Iterator[Form]:
        number = itertools.count()
        total = self.least(0, ())
        if math.isinf(total):
            return
        heap: list[tuple[float, int, int, float, tuple[Shape, ...], tuple[Any, ...]]] = [
            (total, next(number), 0, 0.0, (), ())
        ]
        while heap and time.monotonic() < self.until:
            _, _, i, cost, state, path = heapq.heappop(heap)
            if i == len(self.wiring.nodes):
                chosen = []
                while path:
                    path, item = path
                    chosen.append(item)
                chosen.reverse()
                yield Form(self.wiring, tuple(c[0] for c in chosen), tuple(c[1] for c in chosen), cost)
                continue
            for layer, shape, own in self.choices(i, state):
                after = self.next_state(i, state, shape)
                rest = self.least(i + 1, after)
                if not math.isinf(rest):
                    entry = (cost + own + rest, next(number), i + 1, cost + own, after, (path, (layer, shape)))
                    heapq.heappush(heap, entry)

    def choices(self, i: int, state: tuple[Shape, ...]) -> list[tuple[Layer | None, Shape, float]]:
        node = self.wiring.nodes[i]
        if not node.inputs:
            return [(node.layer, shape, cost) for shape, cost in self.starts[i]]
        by_node = dict(zip(self.live[i], state, strict=True))
        shapes = tuple(by_node[j] for j in node.inputs)
        key = i, shapes
        if key not in self.options:
            found: dict[tuple[Shape, object], tuple[Layer | None, Shape, float]] = {}
            for option in structural(node.layer, shapes, self.contexts[i]):
                shape = fits(option, shapes)
                if shape is not None:
                    found[shape, len(found)] = option.layer, shape, option.cost
            self.options[key] = list(found.values())
        return self.options[key]

    def next_state(self, i: int, state: tuple[Shape, ...], shape: Shape) -> tuple[Shape, ...]:
        by_node = dict(zip(self.live[i], state, strict=True))
        by_node[i] = shape
        return tuple(by_node[j] for j in self.live[i + 1])

    def least(self, i: int, state: tuple[Shape, ...]) -> float:
        """The least cost of all from node `i` on; infinite where nothing fits."""
        key = i, state
        if key in self.memo:
            return self.memo[key]
        if i == len(self.wiring.nodes):
            by_node = dict(zip(self.live[i], state, strict=True))
            right = all(
                target is None or _agrees(by_node[j], target)
                for j, target in zip(self.wiring.outputs, self.targets, strict=False)
            )
            result = 0.0 if right else math.inf
        else:
            self.count += 1
            if self.count % 64 == 0:
                self.stopped = self.stopped or self.count > MOST_STATES or time.monotonic() > self.until
            if self.stopped:
                return math.inf
            result = math.inf
            for _, shape, own in self.choices(i, state):
                if own >= result:
                    continue
                result = min(result, own + self.least(i + 1, self.next_state(i, state, shape)))
        self.memo[key] = result
        return result


def _agrees(shape: Shape, target: Shape) -> bool:
    return len(shape) == len(target) and all(
        a is None or b is None or a == b for a, b in zip(shape, target, strict=True)
    )

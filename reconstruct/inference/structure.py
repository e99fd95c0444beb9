"""The forms that the layers of a model may have so that all shapes fit, the likeliest first.

One exact search: for each layer and the shapes that reach it, the least cost of all that follows is known, so that
models come in the order of their cost and no partial one is followed that cannot be finished.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.choices import STRUCTURAL_FIELDS, fits, structural
from reconstruct.inference.context import Context, Option
from reconstruct.inference.shapes import ENLARGING, Shape, pools, spatial

MOST_STATES = 400_000
STEP = 2.0  # of the cost, above the least that each choice may have, in which forms are looked for first
LONGER, MUCH_LONGER = 1.4, 4.0  # times as long is the next step
OTHER_SIZE = 8.0  # of an autoencoder that gives images of another size than it takes


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
State = tuple[int, tuple[Shape, ...]]  # a node and the shapes that are needed from there on


def forms(
    wiring: Wiring,
    contexts: Sequence[Context],
    starts: Starts,
    targets: Sequence[Shape | None],
    until: float,
    seconds: float = math.inf,
) -> Iterator[Form]:
    """All forms that fit, by cost. `starts` are the shapes that each input may have, `targets` those of the outputs.

    It ends at `until`, or after `seconds` of computing, so that a busy machine finds what an idle one does.
    """
    search = _Search(wiring, contexts, starts, targets, until, seconds)
    yield from search.run()


def relaxed(
    wiring: Wiring,
    contexts: Sequence[Context],
    start: Sequence[Shape],
    targets: Sequence[Shape | None],
    until: float,
    seconds: float,
) -> Iterator[Form]:
    """Forms that are found as if sizes were open, and fit inputs of the shapes `start`, by cost.

    Sizes only rule forms out, so that the first of all forms is the first with sizes too where it fits them; and with
    open sizes far fewer states are to be told apart.
    """
    opened = [(*(None for _ in shape[:-1]), *shape[-1:]) for shape in start]
    starts = {i: [(shape, 0.0)] for i, shape in zip(wiring.inputs, opened, strict=True)}
    for form in forms(wiring, contexts, starts, targets, until, seconds):
        shapes = propagated(wiring, form.layers, start, targets)
        if shapes is not None:
            yield replace(form, shapes=shapes)


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
    return tuple(shapes) if all(t is None or _agrees(shapes[i], t) for i, t in right) else None


def tied(
    wiring: Wiring, contexts: Sequence[Context], start: Sequence[Shape], targets: Sequence[Shape | None], until: float
) -> Iterator[Form]:
    """Forms in which all layers of a kind are made alike, by cost: what an author writes in a loop.

    `start` are the shapes of the inputs, which must be known.
    """
    ranks = _ranks(wiring, contexts, start)
    if ranks is None:
        return
    groups: dict[object, list[int]] = {}
    options: dict[object, list[Option]] = {}
    for i, node in enumerate(wiring.nodes):
        if not node.inputs or node.layer.class_name == "GAP":
            continue
        found = list(structural(node.layer, [ranks[j] for j in node.inputs], contexts[i]))
        if len(found) > 1:
            kernel = node.layer.config.get("kernel_size")
            key = (
                node.layer.class_name,
                str(kernel),
                len(found),
                "return_state" in node.layer.config,
                opens_block(wiring, i),
            )
            groups.setdefault(key, []).append(i)
            if key[-1]:
                found = [replace(o, cost=o.cost - OPENED_PADDED) if _padded(o) else o for o in found]
            options.setdefault(key, sorted(found, key=lambda o: o.cost))
    keys = list(groups)
    if not keys or all(len(groups[k]) == 1 for k in keys):
        return
    heap = [(sum(options[k][0].cost for k in keys), tuple(0 for _ in keys))]
    known = {heap[0][1]}
    while heap and time.monotonic() < until:
        cost, at = heapq.heappop(heap)
        layers: list[Layer | None] = [n.layer if n.layer.class_name != "GAP" else None for n in wiring.nodes]
        for kind, number in zip(keys, at, strict=True):
            made = options[kind][number].layer
            for i in groups[kind]:
                layers[i] = _like(wiring.nodes[i].layer, made)
        shapes = propagated(wiring, layers, start, targets)
        if shapes is not None:
            each = sum(options[k][n].cost * len(groups[k]) for k, n in zip(keys, at, strict=True))
            each += _ends(wiring, start, [shapes[i] for i in wiring.outputs])
            yield Form(wiring, tuple(layers), shapes, each)
        for i, kind in enumerate(keys):
            after = (*at[:i], at[i] + 1, *at[i + 1 :])
            if after[i] < len(options[kind]) and after not in known:
                known.add(after)
                more = options[kind][after[i]].cost - options[kind][at[i]].cost
                heapq.heappush(heap, (cost + more, after))


def _ranks(wiring: Wiring, contexts: Sequence[Context], start: Sequence[Shape]) -> list[Shape] | None:
    """The shape of each output with the plainest form of each layer, sizes of no meaning: only ranks and channels."""
    shapes: list[Shape] = []
    given = iter(start)
    for i, node in enumerate(wiring.nodes):
        if not node.inputs:
            shape = next(given)
            words = any(wiring.nodes[j].layer.class_name == "Embedding" for j in wiring.users(i))
            kept = 0 if words else 1  # channels, which words have not
            shapes.append((*(None for _ in shape[kept:]), *shape[len(shape) - kept :]))
            continue
        below = [shapes[j] for j in node.inputs]
        ranked = (fits(o, below) for o in structural(node.layer, below, contexts[i]))
        found = next((s for s in ranked if s is not None), None)
        if found is None and node.layer.class_name == "Dense" and below[0][-1:] == (None,):  # behind Flatten
            found = (*below[0][:-1], node.layer.weights["kernel"].shape[1])
        if found is None:
            return None
        shapes.append(found)
    return shapes


def opens_block(wiring: Wiring, i: int) -> bool:
    """Whether a convolution is the first of a block: authors pad that one alone, as in Keras's examples/cifar10_cnn.py,
    and not every second time."""
    if not spatial(wiring.nodes[i].layer.class_name) or not any(pools(n.layer.class_name) for n in wiring.nodes):
        return False
    at = wiring.nodes[i].inputs[0]
    while wiring.nodes[at].inputs and wiring.nodes[at].layer.class_name in ("Dropout", "SpatialDropout2D"):
        at = wiring.nodes[at].inputs[0]
    return not wiring.nodes[at].inputs or pools(wiring.nodes[at].layer.class_name)


OPENED_PADDED = 0.05


def _padded(option: Option) -> bool:
    return option.layer is not None and option.layer.config.get("padding") == "same"


def _like(layer: Layer, made: Layer | None) -> Layer | None:
    """The layer with the form of another of its kind."""
    if made is None:
        return None
    if layer.children:
        children = {k: _like(c, made.children[k]) or c for k, c in layer.children.items()}
        return layer.replace(config={**layer.config, **_form(made)}, children=children)
    return layer.replace(class_name=made.class_name, config={**layer.config, **_form(made)})


def _form(layer: Layer) -> dict[str, Any]:
    return {k: v for k, v in layer.config.items() if k in STRUCTURAL_FIELDS}


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


class _Search:
    def __init__(
        self,
        wiring: Wiring,
        contexts: Sequence[Context],
        starts: Starts,
        targets: Sequence[Shape | None],
        until: float,
        seconds: float,
    ) -> None:
        self.wiring, self.contexts, self.starts, self.targets = wiring, contexts, starts, targets
        self.until, self.computed = until, time.thread_time() + seconds
        self.cut = False  # whether anything was left out because it costs more
        nodes = wiring.nodes
        last_use = {i: max([*wiring.users(i), len(nodes) if i in wiring.outputs else i]) for i in range(len(nodes))}
        # Whose shapes are still needed before each node
        self.live = [tuple(j for j in range(i) if last_use[j] >= i) for i in range(len(nodes) + 1)]
        self.known: dict[State, float] = {}  # the least cost of all from a state on
        self.beyond: dict[State, float] = {}  # what it is more than, where no more is known
        self.options: dict[State, list[tuple[Layer | None, Shape, float]]] = {}
        self.low: list[float | None] = [None] * len(nodes)  # the least that the choice for each node has cost
        self.count = 0
        self.stopped = False

    def run(self) -> Iterator[Form]:
        """All forms: at first those that cost little more than the least that each choice may, then ever more."""
        found: set[tuple[Any, ...]] = set()
        limit, step = 0.0, STEP
        while True:
            lowest = self.lowest(0)
            limit = max(limit, lowest) + step
            self.cut = False
            for layers, shapes, cost in self.within(limit):
                mark = *map(id, layers), shapes
                if mark not in found:
                    found.add(mark)
                    yield Form(self.wiring, layers, shapes, cost)
            if not self.cut or self.over():
                return
            # Where no step has reached more layers, there may be no form at all, which all that there is has to show
            step *= LONGER if self.lowest(0) > lowest else MUCH_LONGER

    def within(self, limit: float) -> Iterator[tuple[tuple[Layer | None, ...], tuple[Shape, ...], float]]:
        """Layers, shapes and costs of the forms that cost no more, by cost."""
        number = itertools.count()
        total = self.least(0, (), limit)
        heap: list[tuple[float, int, int, float, tuple[Shape, ...], tuple[Any, ...]]] = [
            (total, next(number), 0, 0.0, (), ())
        ]
        while heap and not self.over():
            whole, _, i, cost, state, path = heapq.heappop(heap)
            if whole > limit:
                self.cut = self.cut or not math.isinf(whole)
                return
            if i == len(self.wiring.nodes):
                chosen = []
                while path:
                    path, item = path
                    chosen.append(item)
                chosen.reverse()
                yield tuple(c[0] for c in chosen), tuple(c[1] for c in chosen), whole
                continue
            twin = self.wiring.nodes[i].twin
            for layer, shape, own in self.choices(i, state):
                if twin is not None and layer != _chosen(path, i - twin):
                    continue
                after = self.next_state(i, state, shape)
                rest = self.least(i + 1, after, limit - cost - own)
                if not math.isinf(rest):
                    entry = (cost + own + rest, next(number), i + 1, cost + own, after, (path, (layer, shape)))
                    heapq.heappush(heap, entry)

    def lowest(self, i: int) -> float:
        """The least that all from node `i` on may cost, as far as it has been seen."""
        return sum(low or 0.0 for low in self.low[i:])

    def ends(self, shapes: Mapping[int, Shape]) -> float:
        """What the shapes of the outputs cost."""
        starts = [self.starts[i] for i in self.wiring.inputs]
        if any(len(start) != 1 for start in starts):
            return 0.0
        return _ends(self.wiring, [start[0][0] for start in starts], [shapes[i] for i in self.wiring.outputs])

    def over(self) -> bool:
        return time.monotonic() > self.until or time.thread_time() > self.computed

    def choices(self, i: int, state: tuple[Shape, ...]) -> list[tuple[Layer | None, Shape, float]]:
        node = self.wiring.nodes[i]
        if not node.inputs:
            return [(node.layer, shape, cost) for shape, cost in sorted(self.starts[i], key=lambda start: start[1])]
        by_node = dict(zip(self.live[i], state, strict=True))
        shapes = tuple(by_node[j] for j in node.inputs)
        key = i, shapes
        if key not in self.options:
            found: dict[tuple[Shape, object], tuple[Layer | None, Shape, float]] = {}
            for option in structural(node.layer, shapes, self.contexts[i]):
                shape = fits(option, shapes)
                if shape is not None:
                    found[shape, len(found)] = option.layer, shape, option.cost
            self.options[key] = sorted(found.values(), key=lambda choice: choice[2])
            seen = [self.low[i], *(own for _, _, own in self.options[key][:1])]
            self.low[i] = min((low for low in seen if low is not None), default=None)
        return self.options[key]

    def next_state(self, i: int, state: tuple[Shape, ...], shape: Shape) -> tuple[Shape, ...]:
        by_node = dict(zip(self.live[i], state, strict=True))
        by_node[i] = shape
        return tuple(by_node[j] for j in self.live[i + 1])

    def least(self, i: int, state: tuple[Shape, ...], left: float) -> float:
        """The least cost of all from node `i` on; infinite where nothing fits, or nothing that costs no more than what
        is `left`."""
        # A stack of generators, each waiting for the next one's answer: a model may have more layers than Python frames
        waiting = [self._least((i, state), left)]
        answer: float | None = None
        while waiting:
            try:
                waiting.append(self._least(*waiting[-1].send(answer)))
                answer = None
            except StopIteration as ended:
                waiting.pop()
                answer = ended.value
        assert answer is not None
        return answer

    def _least(self, key: State, left: float) -> Generator[tuple[State, float], float | None, float]:
        """The same, which asks for the least costs from later nodes on where it needs them."""
        i, state = key
        if key in self.known:
            return self.known[key]
        if self.beyond.get(key, -math.inf) >= left:
            self.cut = True
            return math.inf
        if i == len(self.wiring.nodes):
            by_node = dict(zip(self.live[i], state, strict=True))
            right = all(
                target is None or _agrees(by_node[j], target)
                for j, target in zip(self.wiring.outputs, self.targets, strict=False)
            )
            self.known[key] = self.ends(by_node) if right else math.inf
            return self.known[key]
        self.count += 1
        if self.count % 64 == 0:
            self.stopped = self.stopped or self.count > MOST_STATES or self.over()
        if self.stopped:
            return math.inf
        result, whole = math.inf, True
        choices = self.choices(i, state)
        beyond = self.lowest(i + 1)
        for _, shape, own in choices:
            if own >= result:
                break
            if own + beyond > left:
                whole = False
                break
            after = i + 1, self.next_state(i, state, shape)
            rest = yield after, left - own
            assert rest is not None
            whole = whole and after in self.known
            result = min(result, own + rest)
        if whole or result <= left:
            self.known[key] = result
            return result
        self.beyond[key] = left
        self.cut = True
        return math.inf


def _chosen(path: tuple[Any, ...], back: int) -> Layer | None:
    """The layer that was chosen so many nodes before the end of a path."""
    for _ in range(back - 1):
        path = path[0]
    layer: Layer | None = path[1][0]
    return layer


def _ends(wiring: Wiring, start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """What the sizes cost in which images come out."""
    return _other_size(wiring, start, ends) + _made_size(start, ends)


def _made_size(start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """The same where they are made of numbers, as by a generator."""
    if len(start) != 1 or len(ends) != 1 or len(start[0]) != 1 or len(ends[0]) != 3 or ends[0][0] is None:
        return 0.0
    any_size = priors.SIZE_ANY if ends[0][0] % 8 else priors.SIZE_EIGHTH
    costs = {**priors.SIZES, **priors.SIZES_MADE.get(ends[0][-1] or 0, {})}
    return costs.get(ends[0][0], any_size) + (0.0 if ends[0][0] == ends[0][1] else OTHER_SIZE)


def _other_size(wiring: Wiring, start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """What it costs that images do not come out in the size that they go in with, where layers make them larger, as
    they do again behind an encoder."""
    names = [node.layer.class_name for node in wiring.nodes]
    larger = sum(name in ENLARGING for name in names)
    smaller = any("Pooling" in n or n == "Concatenate" for n in names)
    if larger == 0 or (larger == 1 and not smaller):  # one alone makes a small picture a large one
        return 0.0
    if len(start) != 1 or len(ends) != 1 or len(start[0]) != len(ends[0]):
        return 0.0
    return 0.0 if _agrees(start[0][:-1], ends[0][:-1]) else OTHER_SIZE


def _agrees(shape: Shape, target: Shape) -> bool:
    return len(shape) == len(target) and all(
        a is None or b is None or a == b for a, b in zip(shape, target, strict=True)
    )

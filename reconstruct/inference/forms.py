"""The forms that the layers of a model may have so that all shapes fit, the likeliest first.

One exact search: for each layer and the shapes that reach it, the least cost of all that follows is known, so that
models come in the order of their cost and no partial one is followed that cannot be finished. What costs more than a
limit is left for later, and the limit grows.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.choices import fits, structural
from reconstruct.inference.context import Context
from reconstruct.inference.ends import cost_of_ends
from reconstruct.inference.shapes import Shape
from reconstruct.inference.structure import Form, Starts, Wiring, agrees, propagated

MOST_STATES = 400_000
STEP = 2.0  # of the cost, above the least that each choice may have, in which forms are looked for first
LONGER, MUCH_LONGER = 1.4, 4.0  # times as long is the next step
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


class _Search:
    """The search of one wiring. What is known of a state, a node and the shapes that reach it, is kept."""

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
        self.low: dict[int, float] = {}  # the least that the choice for a node has cost
        self.lowest = [0.0] * (len(nodes) + 1)  # the least that all from a node on may cost, as far as it has been seen
        self.count = 0
        self.stopped = False

    def run(self) -> Iterator[Form]:
        """All forms: at first those that cost little more than the least that each choice may, then ever more."""
        found: set[tuple[Any, ...]] = set()
        limit, step = 0.0, STEP
        while True:
            lowest = self.lowest[0]
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
            step *= LONGER if self.lowest[0] > lowest else MUCH_LONGER

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

    def ends(self, shapes: Mapping[int, Shape]) -> float:
        """What the shapes of the outputs cost."""
        starts = [self.starts[i] for i in self.wiring.inputs]
        if any(len(start) != 1 for start in starts):
            return 0.0
        return cost_of_ends(self.wiring, [start[0][0] for start in starts], [shapes[i] for i in self.wiring.outputs])

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
            if self.options[key]:
                self.seen(i, self.options[key][0][2])
        return self.options[key]

    def seen(self, i: int, cost: float) -> None:
        """Keep the least that the choice for a node has cost, which seldom changes."""
        if cost < self.low.get(i, math.inf):
            self.low[i] = cost
            least = (self.low.get(k, 0.0) for k in reversed(range(len(self.wiring.nodes))))
            self.lowest = [*itertools.accumulate(least, initial=0.0)][::-1]

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
                target is None or agrees(by_node[j], target)
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
        choices, further = self.choices(i, state), self.lowest[i + 1]
        for _, shape, own in choices:
            if own >= result:
                break
            if own + further > left:
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

"""Graphs: what calls what in a model with branches, found by a beam over the layers in their order."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reconstruct.artifact import Layer
from reconstruct.inference.channels import Channels, given_by, may_take, taken_by
from reconstruct.inference.context import ACTIVATION_LAYERS, weighted
from reconstruct.inference.shapes import MERGING, RECURRENT, pools, spatial
from reconstruct.inference.structure import Node, Wiring
from reconstruct.naming import numbered, snake_case


@dataclass(frozen=True)
class _State:
    """The first layers of a model with what each is called on."""

    cost: float = 0.0
    tensors: tuple[Channels, ...] = ()
    inputs: tuple[tuple[int, ...], ...] = ()
    used: frozenset[int] = frozenset()
    loose: tuple[int, ...] = ()  # those whose output nothing takes yet
    just_taken: tuple[int, ...] = ()  # those that the last one is the first to take
    skipped: int | None = None  # where the last skip connection started


BEAM = 120
HURRIED_BEAM = 8  # when time is up
MOST_ALIKE = 20  # of these, where they differ in what lies behind them
MOST_GRAPHS = 40
MOST_LOOSE = 6


def graphs(
    layers: Sequence[Layer], start: Sequence[Node] = (), *, until: float = math.inf, by_depth: bool = False
) -> Iterator[Wiring]:
    """Graphs of the layers in the order of the file, so that each is called on earlier ones. The first are those of
    `start`.

    Channels decide most: what a kernel takes, and what a concatenation adds up to. Among what fits, a layer is called
    on the one before it; a skip connection starts where a block ends. `by_depth` says that the order is the one that
    Keras gives a functional model: by depth, the longest way from the layer to an output (keras/src/ops/function.py,
    `map_graph`; Keras 1 and 2 in their `Container` and `Network`).
    """
    if not any(n.class_name == "InputLayer" for n in layers):
        layers = [Layer("InputLayer", "input", path="model/input"), *layers]
    search = _Graphs(layers)
    first = _State()
    for i, node in enumerate(start):
        first = search.taken(first, i, 0.0, node.inputs, None)
    beam = [first]
    for i in range(len(start), len(layers)):
        steps = [(*step, state) for state in beam for step in search.steps(state, i)]
        steps.sort(key=lambda step: step[0])
        after = (search.taken(state, i, cost, inputs, channels) for cost, inputs, channels, state in steps)
        fitting = (s for s in after if len(s.loose) <= MOST_LOOSE and not (by_depth and _out_of_depth(s)))
        beam = list(itertools.islice(_different(fitting), BEAM if time.thread_time() < until else HURRIED_BEAM))
    ends = [(state.cost + 2.0 * (len(state.loose) - 1), k, state) for k, state in enumerate(beam)]
    for cost, _, state in sorted(ends, key=lambda end: end[:2])[:MOST_GRAPHS]:
        if any(layers[i].class_name == "InputLayer" for i in state.loose) or (by_depth and not _by_depth(state)):
            continue
        reason = "channels and the order of the layers decide what is called on what"
        wiring = Wiring((*start, *_nodes(layers, state)[len(start) :]), state.loose, 1.0 + cost, reason)
        both = [wiring]
        if any(n.layer.class_name in _ORDERED and len(n.inputs) == 2 for n in wiring.nodes):
            both.append(_turned(wiring))
        enlarged = any(n.class_name == "UpSampling2D" for n in layers)
        yield from reversed(both) if enlarged and any(_resizes_by_kernel(n) for n in layers) else both


def _nodes(layers: Sequence[Layer], state: _State) -> tuple[Node, ...]:
    called = list(zip(layers, state.inputs, strict=True))
    encoders = {inputs[1] for n, inputs in called if n.class_name in RECURRENT and len(inputs) > 1}
    return tuple(
        Node(n.having(return_state=True) if i in encoders else n, inputs) for i, (n, inputs) in enumerate(called)
    )


def _resizes_by_kernel(layer: Layer) -> bool:
    """Whether it is the convolution of two by two that a U-Net has behind its UpSampling, where what the encoder gave
    is joined first, as most Keras code has it (Ronneberger et al. 2015, arXiv 1505.04597)."""
    return layer.class_name == "Conv2D" and list(layer.config["kernel_size"]) == [2, 2]


def _turned(wiring: Wiring) -> Wiring:
    """The same with the two that each Concatenate joins, or Subtract, the other way round, as authors do it all the way
    through."""
    nodes = tuple(
        replace(n, inputs=n.inputs[::-1]) if n.layer.class_name in _ORDERED and len(n.inputs) == 2 else n
        for n in wiring.nodes
    )
    return replace(wiring, nodes=nodes, cost=wiring.cost + 0.4)


_ORDERED = ("Concatenate", "Subtract")


def _different(states: Iterable[_State]) -> Iterator[_State]:
    """Those that are not too many of a kind: that leave the same outputs, of the same channels, for what follows."""
    kinds: Counter[object] = Counter()
    for state in states:
        kind = tuple((j, state.tensors[j]) for j in state.loose)
        kinds[kind] += 1
        if kinds[kind] <= MOST_ALIKE:
            yield state


def _out_of_depth(state: _State) -> bool:
    """Whether no continuation can have the layers in the order of their depth.

    Nothing before a layer is less deep, and a layer is one deeper than the first that is called on it. So among what
    stands between these two no three layers can follow one another, and the same where the first is still to come.
    """
    newest = len(state.inputs) - 1
    for j in (*state.loose, *state.just_taken):
        ranks: dict[int, int] = {}
        for k in range(j + 1, newest + 1):
            ranks[k] = 1 + max((ranks.get(i, 0) for i in state.inputs[k]), default=0)
            if ranks[k] > 2:
                return True
    return False


def _by_depth(state: _State) -> bool:
    depths = [0] * len(state.inputs)
    for k in range(len(state.inputs) - 1, -1, -1):
        for j in state.inputs[k]:
            depths[j] = max(depths[j], depths[k] + 1)
    return all(a >= b for a, b in itertools.pairwise(depths))


_Step = tuple[float, tuple[int, ...], int | None]  # the cost with it, what the layer is called on, and its channels


class _Graphs:
    """What the next layer may be called on, given what those before it are."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self.wanted = [taken_by(layer) for layer in layers]
        self.counted = [
            w is not None and n.class_name != "BatchNormalization" for n, w in zip(layers, self.wanted, strict=True)
        ]
        self.pooled = any(pools(n.class_name) for n in layers)
        self.norm_first = _norm_first(layers)
        self.ends = _named_ends(layers)
        self.numbers = [_default_number(layer) for layer in layers]
        self.named = [_named_after(layer.name, layers[:i]) for i, layer in enumerate(layers)]
        self.next_wanted = [
            self.wanted_behind(i) if layer.class_name in MERGING else None for i, layer in enumerate(layers)
        ]

    def steps(self, state: _State, i: int) -> Iterator[_Step]:
        layer = self.layers[i]
        if layer.class_name == "InputLayer":
            found: Iterator[_Step] = iter([(0.0, (), None)])
        elif layer.class_name in MERGING:
            found = self.merges(state, i)
        else:
            found = self.on_one(state, i)
        named = self.named[i]
        for cost, inputs, channels in found:
            # What nothing takes for long is unlikely
            waiting = sum(j not in inputs for j in state.loose)
            ignored = named is not None and named not in inputs
            yield state.cost + cost + 0.25 * waiting + 1.0 * ignored, inputs, channels

    def wanted_behind(self, i: int) -> int | None:
        """The channels that the layer behind a merging one takes, where nothing stands between that changes them."""
        for layer, wanted in zip(self.layers[i + 1 :], self.wanted[i + 1 :], strict=True):
            if layer.class_name in _CHANGES_CHANNELS:
                return None
            if wanted is not None and wanted.channels is not None:
                return wanted.channels
        return None

    def on_one(self, state: _State, i: int) -> Iterator[_Step]:
        newest = i - 1
        layer, wanted, number = self.layers[i], self.wanted[i], self.numbers[i]
        users = self.users(state)
        first = self.first_of_branches(state, i)
        for j in range(newest, -1, -1):
            if wanted is not None and not may_take(wanted, state.tensors[j]):
                continue
            if state.tensors[j].rank == 1 and spatial(layer.class_name):
                continue
            cost = 0.0 if j == first else 0.4
            if number is not None and self.layers[j].class_name == layer.class_name:
                cost += 1.5 if (self.numbers[j] or 0) > number else 0.0  # made after what would be called on it
            if i in self.ends and j in self.ends:
                cost += 5.0
            if j in state.used:
                cost += 1.5 + 0.02 * (newest - j) + self.inside(users[j]) + self.enlarged(j)
            elif self.layers[j].class_name == "InputLayer":
                waiting = [k for k in state.loose if k < j and self.layers[k].class_name == "InputLayer"]
                cost = (0.0 if j == newest or waiting else 0.1) + 0.3 * len(waiting)
            yield cost, (j,), None
            for encoder in state.loose if layer.class_name in RECURRENT else ():
                if encoder != j and _gives_state(self.layers[encoder], layer):
                    yield cost + 0.2, (j, encoder), None

    def first_of_branches(self, state: _State, i: int) -> int:
        """The output that a layer is most likely called on: the newest, or the oldest of branches that stand side by
        side, as those of a functional model do, in the order of their depth."""
        newest = i - 1
        if newest < 0:
            return newest
        name = self.layers[newest].class_name
        flat = [j for j in state.loose if self.layers[j].class_name not in ("InputLayer", "Reshape")]
        if self.layers[i].class_name == "Reshape" and flat:  # one for each branch, in their order
            return flat[0]
        if self.layers[i].class_name == name and len(state.inputs[newest]) == 1:  # it goes on as the one before it
            (before,) = state.inputs[newest]
            branch = self.layers[before].class_name
            follow = [j for j in state.loose if before < j < newest and self.layers[j].class_name == branch]
            return follow[0] if follow and branch != "InputLayer" else newest
        alike = [j for j in state.loose if self.layers[j].class_name == name]
        side_by_side = len(alike) > 1 and weighted(self.layers[newest]) and newest - alike[0] == len(alike) - 1
        return alike[0] if side_by_side else newest

    def inside(self, users: Sequence[str]) -> float:
        """What it costs to branch off in the middle of a block, before its activation or normalisation."""
        if any("Pooling" in u for u in users):
            return -0.5
        if any(u in _IN_BLOCK and not (u == "LayerNormalization" and self.norm_first) for u in users):
            return 1.5
        return 0.0

    def enlarged(self, j: int) -> float:
        """What it costs to branch off where an image was made larger to fit what it is joined with."""
        return 1.0 if self.layers[j].class_name.startswith("UpSampling") else 0.0

    def users(self, state: _State) -> list[list[str]]:
        """The classes of what is called on each layer."""
        found: list[list[str]] = [[] for _ in state.inputs]
        for k, inputs in enumerate(state.inputs):
            for j in inputs:
                found[j].append(self.layers[k].class_name)
        return found

    def merges(self, state: _State, i: int) -> Iterator[_Step]:
        """What a merging layer may be called on: what is loose, and one or more outputs that others take too."""
        layer, layers = self.layers[i], self.layers
        wanted = self.next_wanted[i]
        loose = [j for j in state.loose if layers[j].class_name != "InputLayer" or len(state.loose) > 1]
        newest = i - 1
        sums = layer.class_name not in ("Concatenate", "Merge")
        users = self.users(state)
        groups: list[tuple[tuple[int, ...], float]] = []
        if len(loose) >= 2:
            groups.append((tuple(loose), 0.0))
            groups += [(pair, 0.6) for pair in itertools.combinations(loose, 2) if len(loose) > 2 and newest in pair]
        for first in reversed(loose[-2:]):
            above = self.above(state, first)
            for k, j in enumerate(j for j in range(newest, -1, -1) if j in state.used and j != first):
                cost = 0.5 + 0.02 * k + self.inside(users[j]) + self.skip(state, first, j, above.get(j), sums)
                # As noise is taken from the image that it was found in (Zhang et al. 2017, arXiv 1608.03981)
                groups.append(((j, first) if layer.class_name == "Subtract" else (first, j), cost))
        if not sums and len(loose) < 2:
            base = loose[-1] if loose else newest
            used = [j for j in range(newest, -1, -1) if j in state.used and j != base][:12]
            groups += [(tuple(sorted((base, *pair))), 3.0) for pair in itertools.combinations(used, 2)]
            every = tuple(j for j in range(newest + 1) if layers[j].class_name != "InputLayer")
            if len(every) > 3:  # as authors keep a list of all that they have made
                groups.append((every, 3.0))
        for inputs, cost in groups:
            tensors = [state.tensors[j] for j in inputs]
            ranks = {t.rank for t in tensors if t.rank is not None}
            if len(ranks) > 1:
                continue
            if layer.class_name == "Dot" and len(inputs) == 2:  # as by a matrix that keeps the channels of its first
                for pair in (inputs, inputs[::-1]):
                    kept = wanted is None or state.tensors[pair[0]].channels == wanted
                    yield cost + (0.0 if kept else 1.5), pair, None
                continue
            known = [t.channels for t in tensors]
            total = None if None in known else sum(n for n in known if n is not None)
            if sums or layer.class_name == "Merge":
                own = max((n for n in known if n is not None), default=None)
                spread = 1 in known and own != 1  # as a value over the advantages of actions (arXiv 1511.06581)
                fitting = {n for n in known if n is not None} <= ({1, own} if sums else {own})
                if fitting and (wanted is None or own is None or own == wanted):
                    yield cost + (1.0 if spread or layer.class_name == "Merge" else 0.0), inputs, own
            if not sums and (wanted is None or total is None or total == wanted):
                yield cost, inputs, total

    def above(self, state: _State, first: int) -> dict[int, int]:
        """The layers that lead to this one, and how many with weights of their own stand from each on."""
        found = {}
        at, weighted = first, 0
        while True:
            found[at] = weighted
            if not state.inputs[at]:
                return found
            weighted += self.counted[at]
            at = state.inputs[at][0]

    def skip(self, state: _State, first: int, j: int, between: int | None, sums: bool) -> float:
        """How unlikely a skip connection from `j` is, beside `first`, with so many layers with weights `between`."""
        cost = 1.0 if sums and self.norm_first and self.layers[j].class_name == "LayerNormalization" else 0.0
        if self.pooled and state.tensors[j].scale != state.tensors[first].scale:
            cost += 3.0
        if any(len(ends) > 1 and min(ends) < j < m for m, ends in enumerate(state.inputs)):
            cost += 1.5  # from the middle of a block that another merge has closed
        if sums and self.layers[j].class_name in MERGING and any(j == min(e) for e in state.inputs if len(e) > 1):
            cost += 1.0  # around two blocks of several
        if not sums and state.skipped is not None and j >= state.skipped:  # decoders go back through the encoder
            cost += 1.5
        if between == 0:
            cost += 2.5
        elif between == 1 and sums:
            cost += 0.8
        return cost

    def taken(self, state: _State, i: int, cost: float, inputs: tuple[int, ...], channels: int | None) -> _State:
        """The state with the layer called on these."""
        layer, wanted = self.layers[i], self.wanted[i]
        tensors, skipped = state.tensors, state.skipped
        if not inputs:
            tensor = Channels(None, None)
        elif layer.class_name in MERGING:
            first = tensors[inputs[0]]
            tensor = Channels(channels, first.rank, first.scale)
            if inputs[-1] in state.used and layer.class_name in ("Concatenate", "Merge"):
                skipped = inputs[-1]
        else:
            j = inputs[0]
            if self.layers[j].class_name == "InputLayer" and tensors[j].channels is None and wanted is not None:
                tensors = (*tensors[:j], wanted, *tensors[j + 1 :])
            tensor = given_by(layer, tensors[j])
        return _State(
            cost=cost,
            tensors=(*tensors, tensor),
            inputs=(*state.inputs, inputs),
            used=state.used | frozenset(inputs),
            loose=(*(j for j in state.loose if j not in inputs), i),
            just_taken=tuple(j for j in inputs if j not in state.used),
            skipped=skipped,
        )


def _named_after(name: str, before: Sequence[Layer]) -> int | None:
    """The layer that an author names another after, as `conv1_relu` after `conv1`; the numbers are Keras's."""
    found = [
        j
        for j, layer in enumerate(before)
        if name.startswith(f"{layer.name}_") and not name[len(layer.name) + 1 :].isdigit()
    ]
    return max(found, key=lambda j: len(before[j].name), default=None)


def _default_number(layer: Layer) -> int | None:
    """The number of a default name, which says how many of its class were made before; None for an author's name."""
    base, number = numbered(layer.name)
    return number if base == snake_case(layer.class_name) else None


def _named_ends(layers: Sequence[Layer]) -> frozenset[int]:
    """The Dense layers that an author has named, as the outputs of a model are named that others are not."""
    dense = [i for i, n in enumerate(layers) if n.class_name == "Dense"]
    default = {i for i in dense if _default_number(layers[i]) is not None}
    others = any(re.fullmatch(r"(conv\dd|lstm|gru|bidirectional|embedding)(_\d+)?", n.name) for n in layers)
    return frozenset(i for i in dense if i not in default) if default or others else frozenset()


def _gives_state(encoder: Layer, decoder: Layer) -> bool:
    """Whether a recurrent layer may start with the last states of another, as a decoder does."""
    return encoder.class_name == decoder.class_name and encoder.config["units"] == decoder.config["units"]


_CHANGES_CHANNELS = (
    *(*MERGING, "Flatten", "Reshape", "Permute", "Unknown", "Lambda"),
    *("GlobalAveragePooling1D", "GlobalMaxPooling1D"),  # over channels, too, where these come first
)
_IN_BLOCK = (*ACTIVATION_LAYERS, "BatchNormalization", "Dropout", "SpatialDropout2D", "LayerNormalization")


def _norm_first(layers: Sequence[Layer]) -> bool:
    """Whether a transformer normalises what each of its parts takes, and not what comes of it (arXiv 2002.04745)."""
    names = [n.class_name for n in layers]
    if "MultiHeadAttention" not in names or "Add" not in names:
        return False
    last = len(names) - 1 - names[::-1].index("Add")
    before, behind = names[names.index("MultiHeadAttention") - 1], names[last + 1 : last + 2]
    return before == "LayerNormalization" and behind != ["LayerNormalization"]

"""What is called on what: candidates for the graph of a model, the simplest first."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reconstruct.artifact import Layer
from reconstruct.inference.choices import ACTIVATION_LAYERS, ENLARGING, Context, inner, weighted
from reconstruct.inference.evidence import Evidence
from reconstruct.inference.shapes import ALL_RECURRENT, MERGES, RECURRENT, spatial
from reconstruct.inference.structure import Node, Wiring

MERGING = (*MERGES, "Merge")
MOST_NODES = 800


def wirings(evidence: Evidence, until: float = math.inf) -> Iterator[Wiring]:
    """Candidates for the graph of these layers; fewer graphs are looked for after `until` (`time.thread_time`)."""
    for wiring in _wirings(evidence, until):
        if evidence.known is None:
            yield wiring
        else:
            cost = wiring.cost + evidence.cost
            yield replace(wiring, cost=cost, reason=evidence.known, alternatives=evidence.others)


def _wirings(evidence: Evidence, until: float) -> Iterator[Wiring]:
    layers = [f.layer for f in evidence.layers]
    if len(layers) > MOST_NODES:
        return
    merging = any(n.class_name in MERGING for n in layers)
    inputs = sum(n.class_name == "InputLayer" for n in layers)
    if not merging and inputs < 2:
        if any("Conv2D" in n.class_name for n in layers):
            yield replace(chain(list(_channels_first(layers))), cost=2.0, reason="images have their channels first")
        boundaries = frozenset(f.layer.name for f in evidence.layers if f.starts_model)
        if evidence.lists_all and evidence.ordered:
            yield chain(layers)
        elif evidence.lists_all:
            yield from _reordered(layers)
        yield replace(
            chain(layers, gaps=True, boundaries=boundaries),
            cost=3.0 if evidence.lists_all else 0.0,
            reason="the layers follow one another, with others between them that the file does not list",
        )
    by_depth = evidence.lists_all and evidence.ordered and evidence.known is None
    if (towers := _towers(layers)) is not None:
        for wiring in graphs(*towers, until=until):
            yield replace(wiring, reason="the inputs go through the same layers")
    yield from graphs(layers, until=until, by_depth=by_depth)


def _channels_first(layers: Sequence[Layer]) -> Iterator[Layer]:
    """The layers of a model whose images have channels first, as Theano wants them: they are turned at the start, and
    back before they are flattened."""
    entry = [n for n in layers if n.class_name == "InputLayer"][:1]
    yield from entry
    flat = False
    yield Layer("Permute", "channels_last", {"dims": [2, 3, 1]})
    for layer in layers:
        if layer.class_name == "InputLayer":
            continue
        if not flat and layer.class_name in ("Flatten", "Reshape"):
            flat = True
            yield Layer("Permute", "channels_first", {"dims": [3, 1, 2]})
        yield layer


def _reordered(layers: Sequence[Layer]) -> Iterator[Wiring]:
    """Chains of layers whose order is read off where they lie in the file, the likeliest first.

    Layers without weights are small, and HDF5 puts them where room was left, so each may belong elsewhere.
    """
    fixed = [i for i, n in enumerate(layers) if not _moves(n)]
    moving = [i for i, n in enumerate(layers) if _moves(n)]
    places = [sum(j < i for j in fixed) for i in moving]
    found: list[tuple[float, int, list[Layer]]] = []
    possible = itertools.combinations_with_replacement(range(1, len(fixed)), len(moving)) if len(moving) < 7 else ()
    for number, slots in enumerate(itertools.chain([tuple(places)], itertools.islice(possible, 5000))):
        order = [
            layers[i]
            for k, f in enumerate(fixed, 1)
            for i in (f, *(m for m, slot in zip(moving, slots, strict=True) if slot == k))
        ]
        pairs = list(itertools.pairwise(order))
        # Pooling and upsampling meet in the middle of some encoders with decoders, two of a kind hardly anywhere
        side_by_side = sum((1.5 if a.class_name == b.class_name else 0.9) for a, b in pairs if _moves(a) and _moves(b))
        at_once = sum(a.class_name == "InputLayer" and b.class_name.startswith(_RESIZING) for a, b in pairs)
        moved = sum(abs(a - b) for a, b in zip(slots, places, strict=True))
        found.append((side_by_side + 3.0 * at_once + 0.6 * moved, number, order))
    known: set[tuple[str, ...]] = set()
    for cost, _, order in sorted(found, key=lambda item: item[:2])[: MOST_GRAPHS * 2]:
        names = tuple(n.name for n in order)
        if names not in known:
            known.add(names)
            yield replace(chain(order), cost=cost if cost else 0.0, reason="the order of layers follows from the file")


_RESIZING = ("MaxPooling", "AveragePooling", "UpSampling")


def _moves(layer: Layer) -> bool:
    return layer.class_name.startswith((*_RESIZING, "ZeroPadding"))


def chain(layers: Sequence[Layer], gaps: bool = False, boundaries: frozenset[str] = frozenset()) -> Wiring:
    """Each layer called on the one before; with gaps, another may stand before each layer with weights, and two where
    one model ends and the next begins."""
    rest = [n for n in layers if n.class_name != "InputLayer"]
    entry = next((n for n in layers if n.class_name == "InputLayer"), Layer("InputLayer", "input", path="model/input"))
    nodes = [Node(entry)]
    for i, layer in enumerate(rest):
        if gaps and weighted(layer) and i:
            changes = [_change(rest[i - 1], layer)]
            if (
                rest[i - 1].class_name == "Dense" and spatial(inner(layer).class_name) > 1
            ):  # as a decoder goes on from numbers
                nodes.append(Node(Layer("Reshape", f"reshape_{i}", {"name": f"reshape_{i}"}), (len(nodes) - 1,)))
            elif layer.class_name == "Dense" and spatial(rest[i - 1].class_name):  # pooled, and then flattened
                changes *= 2
            if layer.name in boundaries:  # as where an encoder has made the image smaller and a decoder begins
                both = "filters" in rest[i - 1].config and "filters" in layer.config
                changes = [1, -1] if both else changes * 2
            for change in changes:
                nodes.append(Node(Layer("GAP", f"gap_{i}", {"channels": change}), (len(nodes) - 1,)))
        nodes.append(Node(layer, (len(nodes) - 1,)))
    return Wiring(tuple(nodes), (len(nodes) - 1,))


def _change(before: Layer, layer: Layer) -> int:
    """Whether the second of two convolutions gives more channels (1) or less (-1) than the first."""
    a, b = before.config.get("filters"), layer.config.get("filters")
    return 0 if not isinstance(a, int) or not isinstance(b, int) else (b > a) - (b < a)


MOST_ORDERS = 24
MOST_PERMUTED = 6


def orders(
    wiring: Wiring, inputs: Sequence[Sequence[int | None] | None] | None, outputs: Sequence[Sequence[int]] | None
) -> Iterator[Wiring]:
    """The wiring with what goes in and comes out in the orders that these shapes may have, that of the file first.

    A file has its layers by depth, the model its inputs and outputs as its author gave them.
    """
    entries: Iterable[tuple[int, ...]] = [wiring.inputs]
    ends: Iterable[tuple[int, ...]] = [wiring.outputs]
    if inputs is not None and len(inputs) == len(wiring.inputs) <= MOST_PERMUTED:
        wanted = {i: [taken_by(wiring.nodes[j].layer) for j in wiring.users(i)] for i in wiring.inputs}
        entries = (
            order
            for order in itertools.permutations(wiring.inputs)
            if all(
                shape is None or w is None or _may_take(w, _Tensor(shape[-1], len(shape)))
                for i, shape in zip(order, inputs, strict=True)
                for w in wanted[i]
            )
        )
    if outputs is not None and len(outputs) == len(wiring.outputs) <= MOST_PERMUTED:
        given = {i: given_by(wiring.nodes[i].layer, _Tensor(None, None)).channels for i in wiring.outputs}
        ends = (
            order
            for order in itertools.permutations(wiring.outputs)
            if all(given[i] in (None, shape[-1]) for i, shape in zip(order, outputs, strict=True))
        )
    for entry, end in itertools.islice(itertools.product(entries, ends), MOST_ORDERS):
        same = entry == wiring.inputs and end == wiring.outputs
        yield wiring if same else _in_order(replace(wiring, cost=wiring.cost + 0.3, outputs=end), entry)


def _in_order(wiring: Wiring, inputs: Sequence[int]) -> Wiring:
    """The same with these inputs in front."""
    order = [*inputs, *(i for i, node in enumerate(wiring.nodes) if node.inputs)]
    places = {i: k for k, i in enumerate(order)}
    nodes = []
    for i in order:
        node = wiring.nodes[i]
        twin = None if node.twin is None else places[node.twin]
        nodes.append(replace(node, inputs=tuple(places[j] for j in node.inputs), twin=twin))
    return replace(wiring, nodes=tuple(nodes), outputs=tuple(places[i] for i in wiring.outputs))


def contexts(wiring: Wiring, base: Context) -> list[Context]:
    """What stands around each node: those that follow it, along its first user, and whether weights follow at all."""
    nodes = wiring.nodes
    users = [wiring.users(i) for i in range(len(nodes))]
    weighted_after = [False] * len(nodes)
    for i in range(len(nodes) - 1, -1, -1):
        weighted_after[i] = any(weighted_after[j] or weighted(nodes[j].layer) for j in users[i])
    classes = frozenset(n.layer.class_name for n in nodes)
    enlarged = [False] * len(nodes)
    for i, node in enumerate(nodes):
        enlarged[i] = any(enlarged[j] or nodes[j].layer.class_name in ENLARGING for j in node.inputs)
    apart = any(n.layer.class_name in ACTIVATION_LAYERS and weighted_after[i] for i, n in enumerate(nodes))
    base = replace(base, classes=classes, apart=apart)
    ends = [given_by(nodes[i].layer, _Tensor(None, None)).channels or 0 for i in wiring.outputs]
    found = []
    for i, node in enumerate(nodes):
        following: list[Layer] = []
        at = i
        while users[at] and len(following) < 12:
            at = users[at][0]
            if nodes[at].layer.class_name != "GAP":
                following.append(nodes[at].layer)
        if node.layer.class_name == "Activation" and not weighted_after[i]:
            following = _before(wiring, i)
        last = not weighted_after[i]
        beside = tuple(n for j, n in zip(wiring.outputs, ends, strict=True) if j != i)
        found.append(replace(base, following=tuple(following), last=last, enlarged=enlarged[i], beside=beside))
    return found


def _before(wiring: Wiring, index: int) -> list[Layer]:
    """The last layer with weights before a node, for the activation behind it."""
    at = index
    while wiring.nodes[at].inputs:
        at = wiring.nodes[at].inputs[0]
        if wiring.nodes[at].layer.weights and wiring.nodes[at].layer.class_name != "BatchNormalization":
            return [wiring.nodes[at].layer]
    return []


# Graphs


@dataclass(frozen=True)
class _Tensor:
    """What is known of an output before any shape is: its channels and its rank, None where these are open."""

    channels: int | None
    rank: int | None
    scale: int = 0  # how often sizes were doubled since the input, counted by pooling and upsampling alone


@dataclass(frozen=True)
class _State:
    """The first layers of a model with what each is called on."""

    cost: float = 0.0
    tensors: tuple[_Tensor, ...] = ()
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
        if any(node.layer.class_name == "Concatenate" and len(node.inputs) == 2 for node in wiring.nodes):
            both.append(_turned(wiring))
        yield from reversed(both) if any(_resizes_by_kernel(n) for n in layers) else both


def _towers(layers: Sequence[Layer]) -> tuple[list[Layer], list[Node]] | None:
    """The layers with those before the first merge once for each input, and what these are called on, where they are a
    chain that each of several inputs can go through: such a tower stands in the file once."""
    entries = list(itertools.takewhile(lambda n: n.class_name == "InputLayer", layers))
    rest = layers[len(entries) :]
    tower = list(itertools.takewhile(lambda n: n.class_name not in (*MERGING, "Lambda", "InputLayer"), rest))
    if len(entries) < 2 or len(tower) == len(rest) or not any(weighted(n) for n in tower):
        return None
    if any(n.is_model for n in tower):
        return None
    gaps = all(weighted(n) for n in tower)
    tensor = _Tensor(None, None)
    for k, layer in enumerate(tower):
        wanted = taken_by(layer)
        if (k and layer.class_name == "Embedding") or (wanted is not None and not _may_take(wanted, tensor)):
            return None
        unlisted = gaps and spatial(layer.class_name)  # what flattens it is not listed
        tensor = _Tensor(None, None) if unlisted else given_by(layer, tensor)
    nodes = [Node(n) for n in entries]
    before = list(range(len(entries)))
    for each in chain(tower, gaps=gaps).nodes[1:]:
        first = len(nodes)
        for k in range(len(entries)):
            nodes.append(Node(each.layer, (before[k],), first if k else None))
            before[k] = first + k
    return [*(n.layer for n in nodes), *rest[len(tower) :]], nodes


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
    """The same with the two that each Concatenate joins the other way round, as authors do it all the way through."""
    nodes = tuple(
        replace(n, inputs=n.inputs[::-1]) if n.layer.class_name == "Concatenate" and len(n.inputs) == 2 else n
        for n in wiring.nodes
    )
    return replace(wiring, nodes=nodes, cost=wiring.cost + 0.4)


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
        self.pooled = any("Pooling" in n.class_name and not n.class_name.startswith("Global") for n in layers)
        self.norm_first = _norm_first(layers)
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
        layer, wanted = self.layers[i], self.wanted[i]
        users = self.users(state)
        first = self.first_of_branches(state, i)
        for j in range(newest, -1, -1):
            if wanted is not None and not _may_take(wanted, state.tensors[j]):
                continue
            if state.tensors[j].rank == 1 and spatial(layer.class_name):
                continue
            cost = 0.0 if j == first else 0.4
            if j in state.used:
                cost = 1.5 + 0.02 * (newest - j) + self.inside(users[j]) + self.enlarged(j)
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
                groups.append(((first, j), cost))
        if not sums and len(loose) < 2:
            base = loose[-1] if loose else newest
            used = [j for j in range(newest, -1, -1) if j in state.used and j != base][:12]
            groups += [((base, *pair), 3.0) for pair in itertools.combinations(used, 2)]
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
            tensor = _Tensor(None, None)
        elif layer.class_name in MERGING:
            first = tensors[inputs[0]]
            tensor = _Tensor(channels, first.rank, first.scale)
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


def _gives_state(encoder: Layer, decoder: Layer) -> bool:
    """Whether a recurrent layer may start with the last states of another, as a decoder does."""
    return encoder.class_name == decoder.class_name and encoder.config["units"] == decoder.config["units"]


def _may_take(wanted: _Tensor, tensor: _Tensor) -> bool:
    if None not in (wanted.channels, tensor.channels) and wanted.channels != tensor.channels:
        return False
    return wanted.rank is None or tensor.rank is None or wanted.rank == tensor.rank


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


def taken_by(layer: Layer) -> _Tensor | None:
    """The channels and rank that a layer takes; None where it takes anything."""
    core = inner(layer)
    n = spatial(core.class_name)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    more = layer.class_name == "TimeDistributed"
    if core.class_name == "Dense" and kernel is not None:
        return _Tensor(kernel.shape[0], None)
    if core.class_name in ALL_RECURRENT and kernel is not None:
        return _Tensor(kernel.shape[0], 2 + more)
    if kernel is not None and n:
        channels = kernel.shape[-1] if core.class_name.endswith("Transpose") else kernel.shape[-2]
        return _Tensor(channels, n + 1 + core.class_name.startswith("ConvLSTM") + more)
    if core.class_name == "MultiHeadAttention":
        return _Tensor(core.weights["query/kernel"].shape[0], None)
    if core.class_name in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        return _Tensor(next(iter(core.weights.values())).shape[0], None)
    return None


def given_by(layer: Layer, tensor: _Tensor) -> _Tensor:
    """The channels and rank of what a layer gives."""
    made = _given(layer, tensor)
    name = layer.class_name
    change = 1 if name.startswith("UpSampling") or name.endswith("Transpose") else 0
    if "Pooling" in name and not name.startswith("Global"):
        change = -1
    return replace(made, scale=tensor.scale + change)


def _given(layer: Layer, tensor: _Tensor) -> _Tensor:
    core = inner(layer)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    name = core.class_name
    if name == "Dense" and kernel is not None:
        return _Tensor(kernel.shape[1], tensor.rank)
    if name in ALL_RECURRENT:
        return _Tensor(int(core.config["units"]) * (1 if layer is core else 2), None)
    if "filters" in core.config:
        return _Tensor(int(core.config["filters"]), tensor.rank or spatial(name) + 1)
    if name.startswith("Depthwise") and kernel is not None:
        return _Tensor(kernel.shape[-1] * kernel.shape[-2], tensor.rank)
    if name == "Embedding":
        return _Tensor(int(core.config["output_dim"]), None)
    if name == "Flatten":
        return _Tensor(tensor.channels if tensor.rank == 1 else None, 1)
    if name.startswith("Global"):
        return _Tensor(None if name.endswith("1D") else tensor.channels, 1)
    if name in ("Reshape", "Permute", "Lambda", "Unknown", "GAP", "RepeatVector", "TimeDistributed"):
        return _Tensor(tensor.channels if name == "RepeatVector" else None, None)
    return tensor

"""What is called on what: candidates for the graph of a model, the simplest first."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reconstruct.artifact import Layer
from reconstruct.inference.choices import ACTIVATION_LAYERS, ENLARGING, RECURRENT, Context, inner, weighted
from reconstruct.inference.evidence import Evidence
from reconstruct.inference.shapes import MERGES, spatial
from reconstruct.inference.structure import Node, Wiring

MERGING = (*MERGES, "Merge")
MOST_NODES = 800


def wirings(evidence: Evidence, until: float = math.inf) -> Iterator[Wiring]:
    """Candidates for the graph of these layers; graphs are looked for `until` then (`time.monotonic`)."""
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
    yield from graphs(layers, until)


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
        side_by_side = sum(_moves(a) and _moves(b) for a, b in itertools.pairwise(order))
        moved = sum(abs(a - b) for a, b in zip(slots, places, strict=True))
        found.append((1.5 * side_by_side + 0.6 * moved, number, order))
    known: set[tuple[str, ...]] = set()
    for cost, _, order in sorted(found, key=lambda item: item[:2])[: MOST_GRAPHS * 2]:
        names = tuple(n.name for n in order)
        if names not in known:
            known.add(names)
            yield replace(chain(order), cost=cost if cost else 0.0, reason="the order of layers follows from the file")


def _moves(layer: Layer) -> bool:
    return layer.class_name.startswith(("MaxPooling", "AveragePooling", "UpSampling", "ZeroPadding"))


def chain(layers: Sequence[Layer], gaps: bool = False, boundaries: frozenset[str] = frozenset()) -> Wiring:
    """Each layer called on the one before; with gaps, another may stand before each layer with weights, and two where
    one model ends and the next begins."""
    rest = [n for n in layers if n.class_name != "InputLayer"]
    entry = next((n for n in layers if n.class_name == "InputLayer"), Layer("InputLayer", "input", path="model/input"))
    nodes = [Node(entry)]
    for i, layer in enumerate(rest):
        if gaps and weighted(layer) and i:
            gap = Layer("GAP", f"gap_{i}", {"channels": _change(rest[i - 1], layer)})
            for _ in range(2 if layer.name in boundaries else 1):
                nodes.append(Node(gap, (len(nodes) - 1,)))
        nodes.append(Node(layer, (len(nodes) - 1,)))
    return Wiring(tuple(nodes), (len(nodes) - 1,))


def _change(before: Layer, layer: Layer) -> int:
    """Whether the second of two convolutions gives more channels (1) or less (-1) than the first."""
    a, b = before.config.get("filters"), layer.config.get("filters")
    return 0 if not isinstance(a, int) or not isinstance(b, int) else (b > a) - (b < a)


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
        found.append(replace(base, following=tuple(following), last=last, classes=classes, enlarged=enlarged[i]))
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
    skipped: int | None = None  # where the last skip connection started

    @property
    def loose(self) -> list[int]:
        """Those whose output nothing takes yet."""
        return [i for i in range(len(self.tensors)) if i not in self.used]


BEAM = 80
MOST_GRAPHS = 40
MOST_LOOSE = 6


def graphs(layers: Sequence[Layer], until: float = math.inf) -> Iterator[Wiring]:
    """Graphs of the layers in the order of the file, which is one of depth, so that each is called on earlier ones.

    Channels decide most: what a kernel takes, and what a concatenation adds up to. Among what fits, a layer is called
    on the one before it; a skip connection starts where a block ends.
    """
    if not any(n.class_name == "InputLayer" for n in layers):
        layers = [Layer("InputLayer", "input", path="model/input"), *layers]
    beam = [_State()]
    for i, layer in enumerate(layers):
        after: list[_State] = []
        for state in beam:
            after.extend(_extended(state, layers, i, layer))
            if time.monotonic() > until:
                return
        # What nothing takes for long is unlikely
        after = [replace(s, cost=s.cost + 0.25 * max(0, len(s.loose) - 1)) for s in after if len(s.loose) <= MOST_LOOSE]
        after.sort(key=lambda s: s.cost)
        beam = after[:BEAM]
    ends = [(state.cost + 2.0 * (len(state.loose) - 1), k, state) for k, state in enumerate(beam)]
    for cost, _, state in sorted(ends, key=lambda end: end[:2])[:MOST_GRAPHS]:
        if any(layers[i].class_name == "InputLayer" for i in state.loose):
            continue
        nodes = tuple(Node(n, inputs) for n, inputs in zip(layers, state.inputs, strict=True))
        outputs = tuple(state.loose)
        yield Wiring(nodes, outputs, 1.0 + cost, "channels and the order of the layers decide what is called on what")


def _extended(state: _State, layers: Sequence[Layer], i: int, layer: Layer) -> Iterator[_State]:
    if layer.class_name == "InputLayer":
        yield _with(state, (), _Tensor(None, None), 0.0)
        return
    wanted = taken_by(layer)
    if layer.class_name in MERGING:
        for inputs, channels, cost in _merges(state, layers, layer, _next_wanted(layers, i)):
            first = state.tensors[inputs[0]]
            made = _with(state, inputs, _Tensor(channels, first.rank, first.scale), cost)
            skip = inputs[-1] in state.used
            yield replace(made, skipped=inputs[-1]) if skip and layer.class_name in ("Concatenate", "Merge") else made
        return
    newest = len(state.tensors) - 1
    for j in range(newest, -1, -1):
        tensor = state.tensors[j]
        if wanted is not None and not _may_take(wanted, tensor):
            continue
        cost = 0.0 if j == newest else 0.4
        if j in state.used:
            cost = 1.5 + 0.02 * (newest - j) + _inside(state, layers, j)
        elif layers[j].class_name == "InputLayer":
            waiting = [k for k in state.loose if k < j and layers[k].class_name == "InputLayer"]
            cost = (0.0 if j == newest or waiting else 0.1) + 0.3 * len(waiting)
        known = state
        if layers[j].class_name == "InputLayer" and tensor.channels is None and wanted is not None:
            known = replace(state, tensors=(*state.tensors[:j], wanted, *state.tensors[j + 1 :]))
        yield _with(known, (j,), given_by(layer, known.tensors[j]), cost)


def _with(state: _State, inputs: tuple[int, ...], tensor: _Tensor, cost: float) -> _State:
    return replace(
        state,
        cost=state.cost + cost,
        tensors=(*state.tensors, tensor),
        inputs=(*state.inputs, inputs),
        used=state.used | frozenset(inputs),
    )


def _may_take(wanted: _Tensor, tensor: _Tensor) -> bool:
    if None not in (wanted.channels, tensor.channels) and wanted.channels != tensor.channels:
        return False
    return wanted.rank is None or tensor.rank is None or wanted.rank == tensor.rank


def _inside(state: _State, layers: Sequence[Layer], j: int) -> float:
    """What it costs to branch off in the middle of a block, before its activation or normalisation."""
    users = [layers[k].class_name for k, inputs in enumerate(state.inputs) if j in inputs]
    if any("Pooling" in u for u in users):
        return -0.5
    if any(u in _IN_BLOCK for u in users):
        return 1.5
    return 0.0


_IN_BLOCK = (*ACTIVATION_LAYERS, "BatchNormalization", "Dropout", "SpatialDropout2D", "LayerNormalization")


def _merges(
    state: _State, layers: Sequence[Layer], layer: Layer, wanted: int | None
) -> Iterator[tuple[tuple[int, ...], int | None, float]]:
    """What a merging layer may be called on: what is loose, and one or more outputs that others take too."""
    loose = [i for i in state.loose if layers[i].class_name != "InputLayer" or len(state.loose) > 1]
    newest = len(state.tensors) - 1
    sums = layer.class_name not in ("Concatenate", "Merge")
    groups: list[tuple[tuple[int, ...], float]] = []
    if len(loose) >= 2:
        groups.append((tuple(loose), 0.0))
        groups += [(pair, 0.6) for pair in itertools.combinations(loose, 2) if len(loose) > 2 and newest in pair]
    for first in reversed(loose[-2:]):
        for k, j in enumerate(j for j in range(newest, -1, -1) if j in state.used and j != first):
            cost = 0.5 + 0.02 * k + _inside(state, layers, j) + _skip(state, layers, first, j, sums)
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
        known = [t.channels for t in tensors]
        total = None if None in known else sum(n for n in known if n is not None)
        equal = len({n for n in known if n is not None}) <= 1
        if sums or layer.class_name == "Merge":
            own = next((n for n in known if n is not None), None)
            if equal and (wanted is None or own is None or own == wanted):
                yield inputs, own, cost + (1.0 if layer.class_name == "Merge" else 0.0)
        if not sums and (wanted is None or total is None or total == wanted):
            yield inputs, total, cost


def _skip(state: _State, layers: Sequence[Layer], first: int, j: int, sums: bool) -> float:
    """How unlikely a skip connection from `j` is, beside `first`."""
    cost = 0.0
    pooled = any("Pooling" in n.class_name and not n.class_name.startswith("Global") for n in layers)
    if pooled and state.tensors[j].scale != state.tensors[first].scale:
        cost += 3.0
    if not sums and state.skipped is not None and j >= state.skipped:  # decoders go back through the encoder
        cost += 1.5
    at, weighted = first, 0
    while at != j and state.inputs[at]:
        weighted += bool(taken_by(layers[at])) and layers[at].class_name != "BatchNormalization"
        at = state.inputs[at][0]
    if at == j and weighted == 0:
        cost += 2.5
    elif at == j and weighted == 1 and sums:
        cost += 0.8
    return cost


_POOLED_TO_ONE = ("GlobalAveragePooling1D", "GlobalMaxPooling1D")  # over channels, too, where these come first


def _next_wanted(layers: Sequence[Layer], i: int) -> int | None:
    """The channels that the layer behind a merging one takes, where nothing stands between that changes them."""
    for layer in layers[i + 1 :]:
        if layer.class_name in (*MERGING, "Flatten", "Reshape", "Permute", "Unknown", "Lambda", *_POOLED_TO_ONE):
            return None
        wanted = taken_by(layer)
        if wanted is not None and wanted.channels is not None:
            return wanted.channels
    return None


def taken_by(layer: Layer) -> _Tensor | None:
    """The channels and rank that a layer takes; None where it takes anything."""
    core = inner(layer)
    n = spatial(core.class_name)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    more = layer.class_name == "TimeDistributed"
    if core.class_name == "Dense" and kernel is not None:
        return _Tensor(kernel.shape[0], None)
    if core.class_name in (*RECURRENT, "CuDNNLSTM", "CuDNNGRU") and kernel is not None:
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
    if name in (*RECURRENT, "CuDNNLSTM", "CuDNNGRU"):
        return _Tensor(int(core.config["units"]) * (1 if layer is core else 2), None)
    if "filters" in core.config:
        return _Tensor(int(core.config["filters"]), tensor.rank or spatial(name) + 1)
    if name.startswith("Depthwise") and kernel is not None:
        return _Tensor(kernel.shape[-1] * kernel.shape[-2], tensor.rank)
    if name == "Embedding":
        return _Tensor(int(core.config["output_dim"]), None)
    if name == "Flatten":
        return _Tensor(None, 1)
    if name.startswith("Global"):
        return _Tensor(None if name.endswith("1D") else tensor.channels, 1)
    if name in ("Reshape", "Permute", "Lambda", "Unknown", "RepeatVector"):
        return _Tensor(tensor.channels if name == "RepeatVector" else None, None)
    return tensor

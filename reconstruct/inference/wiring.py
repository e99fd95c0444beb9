"""What is called on what: candidates for the graph of a model, the simplest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from reconstruct.artifact import Layer
from reconstruct.inference.chains import chain, channels_first, reordered, towers
from reconstruct.inference.channels import Channels, given_by, may_take, taken_by
from reconstruct.inference.context import ACTIVATION_LAYERS, UNLISTED, Context, weighted
from reconstruct.inference.dueling import dueling
from reconstruct.inference.evidence import Evidence
from reconstruct.inference.graphs import graphs
from reconstruct.inference.shapes import ENLARGING, MERGING
from reconstruct.inference.states import steps_of_decoder
from reconstruct.inference.structure import Wiring

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
            reason = "images have their channels first"
            yield replace(chain(list(channels_first(layers))), cost=2.0, reason=reason)
            if any(n.class_name == "Flatten" for n in layers):
                reason += ", which Flatten knows"
                yield replace(chain(list(channels_first(layers, flatten=True))), cost=2.5, reason=reason)
        boundaries = frozenset(f.layer.name for f in evidence.layers if f.starts_model)
        if evidence.lists_all and evidence.ordered:
            yield chain(layers)
        elif evidence.lists_all:
            yield from reordered(layers)
        yield replace(
            chain(layers, gaps=True, boundaries=boundaries),
            cost=3.0 if evidence.lists_all else 0.0,
            reason="the layers follow one another, with others between them that the file does not list",
        )
    if not merging:
        yield from steps_of_decoder(layers)
    by_depth = evidence.lists_all and evidence.ordered and evidence.known is None
    if (shared := towers(layers)) is not None:
        for wiring in graphs(*shared, until=until):
            yield replace(wiring, reason="the inputs go through the same layers")
    if inputs > 1 and not merging:
        for each in _joining(layers):
            yield from graphs(each, until=until, by_depth=by_depth)
    for wiring in graphs(layers, until=until, by_depth=by_depth):
        joined = None if merging else dueling(wiring, evidence.called)
        yield from sorted([wiring, *([joined] if joined else [])], key=lambda w: w.cost)


def _joining(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    """The same with one of the layers whose names say nothing as what joins several inputs, the last one first: what
    goes before it is what each branch has of its own."""
    unknown = [i for i, layer in enumerate(layers) if layer.class_name == "Unknown"]
    for i in unknown[: -MOST_UNKNOWN - 1 : -1]:
        yield [*layers[:i], layers[i].replace(class_name="Merge"), *layers[i + 1 :]]


MOST_UNKNOWN = 6
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
        wanted = {
            i: [taken_by(n.layer) for n in wiring.nodes if n.inputs[:1] == (i,)]  # and not as a state to start with
            for i in wiring.inputs
        }
        entries = (
            order
            for order in itertools.permutations(wiring.inputs)
            if all(
                shape is None or w is None or may_take(w, Channels(shape[-1], len(shape)))
                for i, shape in zip(order, inputs, strict=True)
                for w in wanted[i]
            )
        )
    if outputs is not None and len(outputs) == len(wiring.outputs) <= MOST_PERMUTED:
        given = {i: given_by(wiring.nodes[i].layer, Channels(None, None)).channels for i in wiring.outputs}
        ends = (
            order
            for order in itertools.permutations(wiring.outputs)
            if all(shape and given[i] in (None, shape[-1]) for i, shape in zip(order, outputs, strict=True))
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
    classes = frozenset(n.layer.class_name for n in nodes)
    enlarged = [False] * len(nodes)
    for i, node in enumerate(nodes):
        enlarged[i] = any(enlarged[j] or _enlarges(wiring, j) for j in node.inputs)
    judge = _judges_from(wiring, enlarged)
    weighted_after = [False] * len(nodes)
    for i in range(len(nodes) - 1, -1, -1):
        own = [j for j in users[i] if j < judge or i >= judge]  # what a generator makes is the last of it
        weighted_after[i] = any(weighted_after[j] or weighted(nodes[j].layer) for j in own)
    listed = [i for i, n in enumerate(nodes) if not n.layer.name.startswith(UNLISTED)]
    apart = any(nodes[i].layer.class_name in ACTIVATION_LAYERS and weighted_after[i] for i in listed)
    base = replace(base, classes=classes, apart=apart)
    ends = [given_by(nodes[i].layer, Channels(None, None)).channels or 0 for i in wiring.outputs]
    found = []
    for i, node in enumerate(nodes):
        following: list[Layer] = []
        at = i
        while users[at] and len(following) < 12:
            at = users[at][0]
            if nodes[at].layer.class_name != "GAP":
                following.append(nodes[at].layer)
        if node.layer.class_name == "Activation" and not weighted_after[i]:
            following = before(wiring, i)
        last = not weighted_after[i]
        beside = tuple(n for j, n in zip(wiring.outputs, ends, strict=True) if j != i)
        judges, judged = base.discriminates or i >= judge, i < judge < len(nodes)
        place = replace(base, discriminates=judges, generates=judged, enlarged=enlarged[i] and not judges)
        found.append(replace(place, following=tuple(following), last=last, beside=beside))
    return found


def _judges_from(wiring: Wiring, enlarged: Sequence[bool]) -> int:
    """The node from which on a discriminator judges the images that a generator has made in the same model, as in
    the `combined` model of Keras-GAN's dcgan.py; how many nodes there are where none does."""
    nodes = wiring.nodes
    ends = [given_by(nodes[i].layer, Channels(None, None)) for i in wiring.outputs]
    if [end.channels for end in ends] == [1] and nodes[wiring.outputs[0]].layer.class_name == "Dense":
        for i, node in enumerate(nodes):
            image = node.layer.class_name == "Conv2D" and taken_by(node.layer) in (Channels(1, 3), Channels(3, 3))
            if image and enlarged[i]:
                return i
    return len(nodes)


def _enlarges(wiring: Wiring, i: int) -> bool:
    """Whether a layer makes images larger, or the small image that a decoder starts from."""
    layer = wiring.nodes[i].layer
    if layer.class_name == "Reshape":
        return any(n.class_name == "Dense" for n in before(wiring, i))
    return layer.class_name in ENLARGING


def before(wiring: Wiring, index: int) -> list[Layer]:
    """The last layer with weights before a node, other than a normalisation."""
    at = index
    while wiring.nodes[at].inputs:
        at = wiring.nodes[at].inputs[0]
        layer = wiring.nodes[at].layer
        if weighted(layer) and layer.class_name != "BatchNormalization":
            return [layer]
    return []

"""What is called on what: candidates for the graph of a model, the simplest first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconstruct.artifact import Layer
from reconstruct.inference.choices import Context
from reconstruct.inference.evidence import Evidence
from reconstruct.inference.shapes import MERGES
from reconstruct.inference.structure import Node, Wiring

MERGING = (*MERGES, "Merge")
MOST_NODES = 800


def wirings(evidence: Evidence) -> Iterator[Wiring]:
    """Candidates for the graph of these layers."""
    layers = [f.layer for f in evidence.layers]
    if len(layers) > MOST_NODES:
        return
    merging = any(n.class_name in MERGING for n in layers)
    inputs = sum(n.class_name == "InputLayer" for n in layers)
    if not merging and inputs < 2:
        if evidence.lists_all:
            yield chain(layers, gaps=False)
        yield replace(
            chain(layers, gaps=True),
            cost=3.0 if evidence.lists_all else 0.0,
            reason="the layers follow one another, with others between them that the file does not list",
        )


def chain(layers: Sequence[Layer], gaps: bool) -> Wiring:
    """Each layer called on the one before; with gaps, another may stand before each layer with weights."""
    rest = [n for n in layers if n.class_name != "InputLayer"]
    entry = next((n for n in layers if n.class_name == "InputLayer"), Layer("InputLayer", "input", path="model/input"))
    nodes = [Node(entry)]
    for i, layer in enumerate(rest):
        if gaps and (layer.weights or layer.children) and i:
            nodes.append(Node(Layer("GAP", f"gap_{i}"), (len(nodes) - 1,)))
        nodes.append(Node(layer, (len(nodes) - 1,)))
    return Wiring(tuple(nodes), (len(nodes) - 1,))


def contexts(wiring: Wiring, base: Context) -> list[Context]:
    """What stands around each node: those that follow it, along its first user, and whether weights follow at all."""
    nodes = wiring.nodes
    users = [wiring.users(i) for i in range(len(nodes))]
    weighted_after = [False] * len(nodes)
    for i in range(len(nodes) - 1, -1, -1):
        weighted_after[i] = any(
            weighted_after[j] or bool(nodes[j].layer.weights or nodes[j].layer.children) for j in users[i]
        )
    classes = frozenset(n.layer.class_name for n in nodes)
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
        found.append(replace(base, following=tuple(following), last=not weighted_after[i], classes=classes))
    return found


def _before(wiring: Wiring, index: int) -> list[Layer]:
    """The last layer with weights before a node, for the activation behind it."""
    at = index
    while wiring.nodes[at].inputs:
        at = wiring.nodes[at].inputs[0]
        if wiring.nodes[at].layer.weights and wiring.nodes[at].layer.class_name != "BatchNormalization":
            return [wiring.nodes[at].layer]
    return []

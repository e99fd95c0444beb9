"""Activations between layers of a file that lists only those with weights.

Keras 1 and 2 write nested models so, and code of a class calls functions. Behind a BatchNormalization an activation is
seen in what the layer with the kernel before it gives: numbers that no activation has cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.context import ACTIVATION_LAYERS, UNLISTED, WITH_ACTIVATION
from reconstruct.inference.moments import Moments
from reconstruct.inference.structure import Node, Wiring


def activated(wiring: Wiring, moments: Moments, settings: Mapping[str, Any]) -> list[Wiring]:
    """The wiring, and the same with an activation behind each normalisation, the likelier first, or what `settings`
    name."""
    nodes = wiring.nodes
    norms = {i: kernel for i in range(len(nodes)) if (kernel := _kernel_before(wiring, i)) is not None}
    if not norms or any(node.layer.class_name in ACTIVATION_LAYERS for node in nodes):
        return [wiring]
    made: list[Node] = []
    places: list[int] = []
    names = []
    for i, node in enumerate(nodes):
        twin = None if node.twin is None else places[node.twin]
        made.append(replace(node, inputs=tuple(places[j] for j in node.inputs), twin=twin))
        if i in norms:
            names.append(UNLISTED + node.layer.name)
            layer = Layer("Activation", names[-1], {"name": names[-1]}, path=f"model/{names[-1]}")
            made.append(Node(layer, (len(made) - 1,)))
        places.append(len(made) - 1)
    other = replace(
        wiring, nodes=tuple(made), outputs=tuple(places[i] for i in wiring.outputs), reason=f"{wiring.reason}, {_TOLD}"
    )
    told = moments.told(wiring)
    likelier = sum(told[i].get("relu", 0.0) - told[i].get("linear", 0.0) for i in norms.values() if i in told)
    set_too = any(key.rpartition(".")[0] in names for key in settings)
    return [other, wiring] if set_too or likelier > _LEAST else [wiring, replace(other, cost=other.cost + 1.0)]


def _kernel_before(wiring: Wiring, i: int) -> int | None:
    """The layer with the kernel and an activation of its own that a normalisation is called on."""
    nodes = wiring.nodes
    if nodes[i].layer.class_name != "BatchNormalization" or not wiring.users(i):
        return None
    (before,) = nodes[i].inputs
    while nodes[before].layer.class_name == "GAP":
        (before,) = nodes[before].inputs
    return before if nodes[before].layer.class_name in WITH_ACTIVATION else None


_TOLD = "with activations behind normalisations that the file does not list"
_LEAST = 1.5  # in natural logarithms, and more than what hidden layers more often have


__all__ = ["activated"]

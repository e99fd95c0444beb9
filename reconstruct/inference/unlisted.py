"""Activations between layers of a file that lists only those with weights.

Keras 1 and 2 write nested models so, and code of a class calls functions. Behind a BatchNormalization an activation is
seen in what the layer with the kernel before it gives: numbers that no activation has cut off.
"""

from __future__ import annotations

from dataclasses import replace

from reconstruct.artifact import Layer
from reconstruct.inference.choices import ACTIVATION_LAYERS, UNLISTED, WITH_ACTIVATION
from reconstruct.inference.moments import Moments
from reconstruct.inference.structure import Node, Wiring


def activated(wiring: Wiring, moments: Moments) -> list[Wiring]:
    """The wiring, and the same with an activation behind each normalisation, the likelier first."""
    nodes = wiring.nodes
    norms = [i for i, node in enumerate(nodes) if node.layer.class_name == "BatchNormalization" and wiring.users(i)]
    kernels = [nodes[i].inputs[0] for i in norms if nodes[nodes[i].inputs[0]].layer.class_name in WITH_ACTIVATION]
    if not kernels or any(node.layer.class_name in ACTIVATION_LAYERS for node in nodes):
        return [wiring]
    made: list[Node] = []
    places: list[int] = []
    for i, node in enumerate(nodes):
        twin = None if node.twin is None else places[node.twin]
        made.append(replace(node, inputs=tuple(places[j] for j in node.inputs), twin=twin))
        if i in norms and node.inputs[0] in kernels:
            name = UNLISTED + node.layer.name
            made.append(Node(Layer("Activation", name, {"name": name}, path=f"model/{name}"), (len(made) - 1,)))
        places.append(len(made) - 1)
    other = replace(
        wiring, nodes=tuple(made), outputs=tuple(places[i] for i in wiring.outputs), reason=f"{wiring.reason}, {_TOLD}"
    )
    told = moments.told(wiring)
    likelier = sum(told[i].get("relu", 0.0) - told[i].get("linear", 0.0) for i in kernels if i in told)
    return [other, wiring] if likelier > _LEAST else [wiring, replace(other, cost=other.cost + 1.0)]


_TOLD = "with activations behind normalisations that the file does not list"
_LEAST = 1.5  # in natural logarithms, and more than what hidden layers more often have


__all__ = ["activated"]

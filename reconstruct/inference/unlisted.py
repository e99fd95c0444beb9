"""Activations between layers of a file that lists only those with weights.

Keras 1 and 2 write nested models so, and code of a class calls functions. Behind a BatchNormalization an activation is
seen in what the layer with the kernel before it gives: numbers that no activation has cut off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.context import ACTIVATION_LAYERS, UNLISTED, WITH_ACTIVATION
from reconstruct.inference.moments import Costs, Moments
from reconstruct.inference.structure import Node, Wiring


def activated(wiring: Wiring, moments: Moments, settings: Mapping[str, Any], listed: bool) -> list[Wiring]:
    """The wiring, and the same with an activation behind each normalisation, the likelier first, or what `settings`
    name; `listed` is whether the file lists layers without weights."""
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
    set_too = any(key.rpartition(".")[0] in names for key in settings)
    likelier = _without(moments.told(wiring), norms.values()) > (_LEAST_LISTED if listed else _LEAST)
    return [other, wiring] if set_too or likelier else [wiring, replace(other, cost=other.cost + 1.0)]


def _without(told: Mapping[int, Costs], kernels: Iterable[int]) -> float:
    """How much likelier than with the likeliest activation of their own, the same in all, these layers have none."""
    found = [told[i] for i in kernels if i in told]
    alike = {name: max((costs.get(name, 0.0) for costs in found), default=0.0) for name in priors.HIDDEN}
    linear = alike.pop("linear")
    own = min(cost + priors.HIDDEN[name] for name, cost in alike.items())
    return own - linear if found else 0.0


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
# In natural logarithms; more where the file lists layers without weights, of which an activation would be one
_LEAST, _LEAST_LISTED = 0.5, 1.5


__all__ = ["activated"]

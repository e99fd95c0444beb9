"""Dueling networks, whose classes join the value of a state and the advantages of actions without a layer of their own.

What they give is V + A - mean(A) (Wang et al. 2016, arXiv 1511.06581, 3). Where A is a Dense layer without activation,
the mean is taken off its kernel and bias as well, so that stock layers say it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference.structure import Node, Wiring

NAMED = r"adv|duel"


def dueling(wiring: Wiring, called: Mapping[str, str]) -> Wiring | None:
    """The wiring with its two outputs joined, where one is a single number and the other several; `called` has what
    their author calls layers."""
    ends = [(i, wiring.nodes[i].layer) for i in wiring.outputs]
    if len(ends) != 2 or any(n.class_name != "Dense" for _, n in ends):
        return None
    (value, v), (advantages, a) = sorted(ends, key=lambda end: int(end[1].config["units"]))
    if v.config["units"] != 1 or a.config["units"] == 1:
        return None
    linear = {"activation": "linear"}
    nodes = list(wiring.nodes)
    nodes[value] = replace(nodes[value], layer=v.having(**linear))
    centred = {name: t.map(lambda w: w - w.mean(-1, keepdims=True, dtype=np.float64)) for name, t in a.weights.items()}
    nodes[advantages] = replace(nodes[advantages], layer=a.replace(weights=centred).having(**linear))
    nodes.append(Node(Layer("Add", "q_values", {"name": "q_values"}), (value, advantages)))
    reason = "a value and advantages are joined as in a dueling network, without their mean"
    two = "a model of two outputs"
    named = any(re.search(NAMED, called.get(n.layer.name, n.layer.name).lower()) for n in wiring.nodes)
    named = named or {called.get(v.name, ""), called.get(a.name, "")} == {"V", "A"}
    cost = wiring.cost + (-0.5 if named else 0.5)
    return replace(wiring, nodes=tuple(nodes), outputs=(len(nodes) - 1,), cost=cost, reason=reason, alternatives=(two,))


__all__ = ["dueling"]

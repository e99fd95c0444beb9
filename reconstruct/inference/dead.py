"""Units that never gave anything, in the biases of layers.

A unit of relu whose numbers are below zero for every example gets no gradient, so that its bias stays exactly where it
started: at zero (keras/src/layers/core/dense.py, `bias_initializer`). So it is in 237 of 804 trained layers with relu,
and in none of 430 with elu, LeakyReLU, tanh, sigmoid, softmax or softplus, nor in 421 without activation, but for sums
that relu follows and biases that were rounded to few values. Normalisation between the two keeps units alive: there
it is in none of 107.
"""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Tensor
from reconstruct.inference import priors
from reconstruct.inference.activations import Array
from reconstruct.inference.context import ACTIVATION_LAYERS, TO_ACTIVATION, WITH_ACTIVATION, inner, weighted
from reconstruct.inference.forward import Weights
from reconstruct.inference.structure import Wiring

# What anything but relu costs more: -ln of how many of the others have a bias of exactly zero, over those of relu
DEAD = 4.0
# The same where numbers of any size go in: of 100 and more, which nothing brought near to one, tanh, sigmoid, elu and
# gelu leave some units gradients that are rounded to zero, in the first layer (tried with tf_keras 2.15)
DEAD_OF_INPUT = 1.5
_DYING = ("relu", "relu6")
_STEADY = ("linear", "leaky_relu", "softsign")  # whose gradients are never rounded to zero
_MOST_ZEROS = 0.01  # of a kernel: what has more was pruned or rounded to few values, and its biases may be, too
_LEAST_UNLIKE = 0.5  # of the other biases
_KERNELS = ("kernel", "pointwise_kernel", "depthwise_kernel")


class DeadUnits:
    """What dead units tell, for the wirings of one file."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self._known: dict[Tensor, bool] = {}

    def told(self, wiring: Wiring) -> dict[int, dict[object, float]]:
        """By node what activations cost more: of the layer itself, or of the activation that follows it."""
        found: dict[int, dict[object, float]] = {}
        first = [True] * len(wiring.nodes)  # whether nothing before has weights
        for i, node in enumerate(wiring.nodes):
            first[i] = all(first[j] and not weighted(wiring.nodes[j].layer) for j in node.inputs)
            if self._dead(inner(node.layer)):
                found[_activation(wiring, i)] = costs_of_dead(first[i])
        return found

    def _dead(self, layer: Layer) -> bool:
        kernel = next((layer.weights[name] for name in _KERNELS if name in layer.weights), None)
        bias = layer.weights.get("bias")
        if layer.class_name not in WITH_ACTIVATION or kernel is None or bias is None:
            return False
        if bias not in self._known:
            values = self.weights(bias)
            self._known[bias] = not values.all() and any_dead(self.weights(kernel), values)
        return self._known[bias]


def any_dead(kernel: Array, bias: Array) -> bool:
    """Whether a trained layer with this kernel and bias has dead units."""
    trained = bias[bias != 0]
    if trained.size in (0, bias.size) or np.mean(kernel == 0) > _MOST_ZEROS:
        return False
    return np.unique(trained).size >= _LEAST_UNLIKE * trained.size


def costs_of_dead(first: bool) -> dict[object, float]:
    """What activations cost more of a layer with dead units, the first one or another."""
    return {
        name: DEAD_OF_INPUT if first and not name.startswith(_STEADY) else DEAD
        for name in priors.HIDDEN
        if name not in _DYING
    }


def _activation(wiring: Wiring, i: int) -> int:
    """The activation layer that a layer leads to, along the first that is called on each, or the layer itself."""
    users = wiring.users(i)
    while users and wiring.nodes[users[0]].layer.class_name in (*TO_ACTIVATION, "GAP"):
        users = wiring.users(users[0])
    return users[0] if users and wiring.nodes[users[0]].layer.class_name in ACTIVATION_LAYERS else i


__all__ = ["DeadUnits", "any_dead", "costs_of_dead"]

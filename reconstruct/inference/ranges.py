"""What numbers tell of the activation that they come from, by its range: outputs, and moving means of normalisations.

The mean of what relu gives is nowhere below zero, that of tanh nowhere beyond one. A moving mean starts at zero, which
lies in every range, and only moves towards the means of batches: a channel outside the range of an activation rules it
out, however short the training. Many channels that all lie above zero, as half of those of a linear layer do by
chance, speak as clearly for an activation that gives nothing below it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from reconstruct.inference import priors
from reconstruct.inference.activations import Array

# The least and the largest number that an activation gives (keras/src/activations/activations.py)
RANGES: Mapping[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "elu": (-1.0, math.inf),
    "selu": (-1.7581, math.inf),
    "swish": (-0.2785, math.inf),
    "gelu": (-0.17, math.inf),
    "mish": (-0.3088, math.inf),
}
_ANY = (-math.inf, math.inf)
RULED_OUT = 12.0  # more than all that is only likely
_ROUNDING = 1e-4


def ranged(means: Mapping[int, Array]) -> dict[int, dict[object, float]]:
    """What activations cost more at each of some layers made alike, by the moving mean, (channels,), behind it.

    What is out of range at one layer is ruled out there. What would give numbers below zero, too, is unlikely only
    where no channel of any of the layers is below it: at one alone that may be chance.
    """
    trained = {i: mean[mean != 0] for i, mean in means.items() if mean.any()}
    if not trained:
        return {}
    below = any((mean < -_ROUNDING).any() for mean in trained.values())
    chance = min(RULED_OUT, sum(mean.size for mean in trained.values()) * math.log(2))
    costs: dict[int, dict[object, float]] = {i: {} for i in trained}
    for name in priors.HIDDEN:
        lower, upper = RANGES.get(name, _ANY)
        for i, mean in trained.items():
            if mean.min() < lower - _ROUNDING or mean.max() > upper + _ROUNDING:
                costs[i][name] = RULED_OUT
            elif lower < 0 and not below:
                costs[i][name] = chance
    return costs


def given(outputs: Array) -> dict[object, float]:
    """What activations of a last layer cost more, by outputs of the model, (rows, ..., channels)."""
    least, most = float(outputs.min()), float(outputs.max())
    costs: dict[object, float] = {}
    for name in priors.HIDDEN:
        lower, upper = RANGES.get(name, _ANY)
        if least < lower - _ROUNDING or most > upper + _ROUNDING:
            costs[name] = RULED_OUT
    shares = outputs.shape[-1] > 1 and bool(np.all(np.abs(outputs.sum(-1) - 1) < _ROUNDING))
    if not shares:
        costs["softmax"] = RULED_OUT
    elif "softmax" not in costs:
        costs = {name: RULED_OUT for name in priors.HIDDEN if name != "softmax"}
    return costs


__all__ = ["given", "ranged"]

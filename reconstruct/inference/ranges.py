"""What numbers tell of the activation that they come from, by its range: outputs, and the statistics of normalisations.

The mean of what relu gives is nowhere below zero, that of tanh nowhere beyond one. A moving mean starts at zero, which
lies in every range, and only moves towards the means of batches: a channel outside the range of an activation rules it
out, however short the training. So do a moving mean and variance whose second moment, the one's square and the other,
is more than the largest square in the range: it starts at one, as large as tanh has it at most. Many channels that all
lie above zero, as half of those of a linear layer do by chance, speak as clearly for an activation that gives nothing
below it, and what no channel of several layers leaves speaks for the activation that cannot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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
# Models with normalisation behind linear layers that give second moments of at most 1 everywhere: 2 of 17
BOUNDED = 1.7
# A variance of few numbers is larger than that by as much as they are one less: of tens here
# (tensorflow/core/kernels/fused_batch_norm_op.cc)
_ONE_LESS = 0.1
# Of numbers around zero a sigmoid makes 0.5 in the mean, 0.37…0.67 in all channels of 14 layers of one model; so near
# it are those of 7 layers of 76 with relu, and in none of 18 models of all layers of a kind
CENTRAL = (0.25, 0.75)
AROUND_HALF, MOST_AROUND_HALF = 2.4, 4.0
_MOVED = 0.1  # how far moving variances are from where they start, at 1, where training was of any length


@dataclass(frozen=True)
class Seen:
    """The moving mean, (channels,), of what an activation gives, and its variance, None where noise adds to it."""

    mean: Array
    variance: Array | None = None

    @property
    def second(self) -> Array | None:
        """The second moment of each channel."""
        return None if self.variance is None else self.mean.astype("float64") ** 2 + self.variance


def ranged(seen: Mapping[int, Seen]) -> dict[int, dict[object, float]]:
    """What activations cost more at each of some layers made alike, by the statistics behind it.

    What is out of range at one layer is ruled out there. What would give numbers below zero, too, is unlikely only
    where no channel of any of the layers is below it: at one alone that may be chance. So is what would leave -1…1, or
    be near zero, only where none does.
    """
    trained = {i: each for i, each in seen.items() if each.mean.any()}
    if not trained:
        return {}
    means = {i: each.mean[each.mean != 0] for i, each in trained.items()}
    below = any((mean < -_ROUNDING).any() for mean in means.values())
    chance = min(RULED_OUT, sum(mean.size for mean in means.values()) * math.log(2))
    bounded = below and _bounded(trained)
    central = all(mean.min() > CENTRAL[0] and mean.max() < CENTRAL[1] for mean in means.values())
    around = min(MOST_AROUND_HALF, AROUND_HALF * len(means)) if central else 0.0
    costs: dict[int, dict[object, float]] = {i: {} for i in trained}
    for name in priors.HIDDEN:
        lower, upper = RANGES.get(name, _ANY)
        for i, mean in means.items():
            if _leaves(mean, trained[i].second, lower, upper):
                costs[i][name] = RULED_OUT
                continue
            cost = chance if lower < 0 and not below else 0.0
            if (lower, upper) != (0.0, 1.0):
                cost = max(cost, around)
            if bounded and upper > 1:
                cost = max(cost, BOUNDED)
            if cost:
                costs[i][name] = cost
    return costs


def _leaves(mean: Array, second: Array | None, lower: float, upper: float) -> bool:
    """Whether a channel has moments that no numbers in this range have."""
    if mean.min() < lower - _ROUNDING or mean.max() > upper + _ROUNDING:
        return True
    # The least that second moments start from is one
    most = max(1.0, lower * lower, upper * upper)
    return second is not None and float(second.max()) > most * (1 + _ONE_LESS)


def _bounded(seen: Mapping[int, Seen]) -> bool:
    """Whether all channels could be of numbers in -1…1, of layers that training has changed."""
    seconds = [each.second for each in seen.values()]
    known = [second for second in seconds if second is not None]
    moved = any(abs(1 - float(np.median(second))) > _MOVED for second in known)
    return moved and len(known) == len(seconds) and all(second.max() <= 1 + _ONE_LESS for second in known)


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


__all__ = ["Seen", "given", "ranged"]

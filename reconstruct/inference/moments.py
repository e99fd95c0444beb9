"""What the weights of a trained model tell of its activations, above all the moving statistics of normalisations.

A trained BatchNormalization holds the mean and variance, for each channel, of what training gave it, and its `beta` and
`gamma` are those of what it gives. So where an activation and one layer with a kernel stand between two of them, the
first tells how the numbers lie that go in, the kernel what becomes of their mean, and the second whether the activation
is the one that makes of them what was seen. Numbers before an activation are taken for normally distributed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.activations import Array, activate
from reconstruct.inference.context import WITH_ACTIVATION
from reconstruct.inference.dead import DeadUnits
from reconstruct.inference.forward import Weights
from reconstruct.inference.ranges import Seen, ranged
from reconstruct.inference.structure import Wiring

_PASSED = ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise")
_NAMES = tuple(name for name in priors.HIDDEN if name != "softmax")
_SAME_RANGE = (
    "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D GlobalMaxPooling1D "
    "GlobalMaxPooling2D GlobalAveragePooling1D GlobalAveragePooling2D UpSampling1D UpSampling2D Flatten Reshape "
    "Permute GAP"
).split()
MOST_CHANNELS = 64
MOST_COST = 6.0
# In squares of deviations: nearer than this nothing is, since numbers are not quite normally distributed
_FLOOR = 0.01
# Moving variances start at 1 in all channels, and come nearer to what they are of by a hundredth with each step. In
# trained models their logarithms are 0.2 to 2 apart.
_LEAST_APART = 0.1
MOST_LAYERS = 3
_MOST_OF_ONE = 3.0  # so that one layer does not speak for all
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_SPREADS = np.exp(np.linspace(-6.0, 4.0, 120))

Costs = Mapping[object, float]


class Moments:
    """The costs of activations by what statistics tell, for the wirings of one file; `keras_2` says what names mean."""

    def __init__(self, weights: Weights, keras_2: bool) -> None:
        self.weights, self.keras_2 = weights, keras_2
        self.dead = DeadUnits(weights)
        self._known: dict[object, dict[object, float] | None] = {}

    def told(self, wiring: Wiring) -> dict[int, Costs]:
        """By node what each alternative costs more. Layers of a kind are made alike, so that what statistics on both
        sides of one tell is told of all of its kind."""
        by_kind: dict[str, list[dict[object, float]]] = {}
        kinds = {i: kind for i, node in enumerate(wiring.nodes) if (kind := _kind(wiring, i)) is not None}
        for i, kind in kinds.items():
            found = self._around(wiring, i)
            if found is not None:
                by_kind.setdefault(kind, []).append(found)
        costs = {kind: _joined(found) for kind, found in by_kind.items()}
        parts = (
            {i: costs[kind] for i, kind in kinds.items() if kind in costs},
            self._ranged(wiring),
            self.dead.told(wiring),
        )
        return {i: _summed([part[i] for part in parts if i in part]) for i in set().union(*parts)}

    def _ranged(self, wiring: Wiring) -> dict[int, Costs]:
        """By node what the ranges of activations say, where all up to the normalisation behind gives on numbers of the
        same range."""
        seen: dict[str, dict[int, Seen]] = {}
        for i, node in enumerate(wiring.nodes):
            if node.layer.class_name in (*WITH_ACTIVATION, "Activation"):
                behind = _behind(wiring, i, (*_PASSED, *_SAME_RANGE))
                if behind is not None and _is_normalization(wiring, behind):
                    # Noise leaves the mean as it is: Dropout keeps fewer numbers, and makes those larger
                    noisy = behind != _behind(wiring, i, _SAME_RANGE)
                    weights = wiring.nodes[behind].layer.weights
                    variance = None if noisy else self.weights(weights["moving_variance"])
                    seen.setdefault(node.layer.class_name, {})[i] = Seen(self.weights(weights["moving_mean"]), variance)
        return {i: costs for of_kind in seen.values() for i, costs in ranged(of_kind).items()}

    def _around(self, wiring: Wiring, i: int) -> dict[object, float] | None:
        """How far each alternative is from what was seen, where statistics stand on both sides."""
        layer = wiring.nodes[i].layer
        own = layer.class_name in WITH_ACTIVATION
        before = _before(wiring, i)
        behind = _behind(wiring, i)
        if before is None or behind is None:
            return None
        if _is_normalization(wiring, behind):
            # Statistics of what the activation gives
            at = i if own else before
            start = _before(wiring, at)
            if not _has_kernel(wiring, at) or start is None or not _is_normalization(wiring, start):
                return None
            parts = (wiring.nodes[start].layer, wiring.nodes[at].layer, wiring.nodes[behind].layer)
            return self._once(layer, parts, given=True)
        end = _behind(wiring, behind)
        if own or end is None or not _is_normalization(wiring, before) or not _has_kernel(wiring, behind):
            return None
        if not _is_normalization(wiring, end):
            return None
        parts = (wiring.nodes[before].layer, wiring.nodes[behind].layer, wiring.nodes[end].layer)
        return self._once(layer, parts, given=False)

    def _once(self, layer: Layer, parts: tuple[Layer, Layer, Layer], given: bool) -> dict[object, float] | None:
        key = layer.class_name, given, *map(id, parts)
        if key not in self._known:
            self._known[key] = self._compared(layer, parts, given)
        return self._known[key]

    def _compared(self, layer: Layer, parts: tuple[Layer, Layer, Layer], given: bool) -> dict[object, float] | None:
        start, middle, end = ({k: self.weights(t) for k, t in part.weights.items()} for part in parts)
        seen, spread = end["moving_mean"], end["moving_variance"]
        if (
            not seen.any()
            or (spread < 0).any()
            or np.std(np.log(np.maximum(spread, 1e-12))) < _LEAST_APART
            or parts[0].weights["moving_mean"].shape != (_taken(middle),)
        ):
            return None  # hardly trained, no variances, or other axes
        beta = start.get("beta", np.zeros(_taken(middle), "float32"))
        gamma = start.get("gamma", np.ones(_taken(middle), "float32"))
        found: dict[object, float] = {}
        for value, name in _alternatives(layer):
            if given:
                mean = _through(middle, beta)
                found[value] = self._of_given(name, mean, seen, spread)
            else:
                points = beta[:, None] + np.abs(gamma[:, None]) * _NODES
                mean = _through(middle, activate(name, points, self.keras_2) @ _WEIGHTS)
                found[value] = float(np.median((mean - seen) ** 2 / (spread + 1e-6)))
        return {k: v if np.isfinite(v) else np.inf for k, v in found.items()}

    def _of_given(self, name: str, mean: Array, seen: Array, spread: Array) -> float:
        """How far the moments of an activation are from those seen, of normal numbers with this mean, whose own spread
        is not known: each channel has the one that fits best."""
        some = np.linspace(0, len(mean) - 1, min(len(mean), MOST_CHANNELS)).astype(int)
        mean, seen, spread = mean[some, None], seen[some, None], spread[some, None] + 1e-6
        points = mean[..., None] + (np.sqrt(spread) * _SPREADS)[..., None] * _NODES
        values = activate(name, points, self.keras_2)
        with np.errstate(all="ignore"):  # exponential has no end
            first = values @ _WEIGHTS
            second = np.maximum(values**2 @ _WEIGHTS - first**2, 1e-12)
            apart = (first - seen) ** 2 / spread + np.log(second / spread) ** 2
            return float(np.median(apart.min(axis=1)))


def _summed(parts: Sequence[Costs]) -> Costs:
    return {value: sum(part.get(value, 0.0) for part in parts) for value in set().union(*parts)}


def _joined(found: Sequence[Mapping[object, float]]) -> Costs:
    """The logarithms of how much further than the nearest each is, added up, as of few layers where there are many:
    what makes one activation look a little nearer than another does so in all of them."""
    total: dict[object, float] = {}
    for each in found:
        least = min(each.values())
        for value, apart in each.items():
            further = np.log((apart + _FLOOR) / (least + _FLOOR))
            total[value] = total.get(value, 0.0) + min(_MOST_OF_ONE, float(further))
    least, share = min(total.values()), min(1.0, MOST_LAYERS / len(found))
    return {value: min(MOST_COST, share * (cost - least)) for value, cost in total.items()}


def _alternatives(layer: Layer) -> list[tuple[object, str]]:
    """The values of the field that is open, each with the name of its function."""
    if layer.class_name == "LeakyReLU":
        return [(slope, f"leaky_relu@{slope}") for slope in priors.LEAKY_SLOPE]
    return [(name, name) for name in _NAMES]


def _through(weights: Mapping[str, Array], mean: Array) -> Array:
    """The mean of what a kernel makes of numbers with this mean, borders aside."""
    kernel = weights["kernel"]
    summed = kernel.reshape(-1, *kernel.shape[-2:]).sum(0)
    return np.asarray(mean @ summed + weights.get("bias", np.float32(0)))


def _taken(weights: Mapping[str, Array]) -> int:
    return int(weights["kernel"].shape[-2])


def _kind(wiring: Wiring, i: int) -> str | None:
    """What the layer is called, where an activation of it is open."""
    layer = wiring.nodes[i].layer
    if layer.class_name == "LeakyReLU" or (layer.class_name == "Activation" and "activation" not in layer.config):
        return layer.class_name
    behind = _behind(wiring, i)
    if _has_kernel(wiring, i) and behind is not None and _is_normalization(wiring, behind):
        return layer.class_name
    return None


def _has_kernel(wiring: Wiring, i: int) -> bool:
    layer = wiring.nodes[i].layer
    return layer.class_name in ("Dense", "Conv1D", "Conv2D", "Conv3D") and "kernel" in layer.weights


def _is_normalization(wiring: Wiring, i: int) -> bool:
    layer = wiring.nodes[i].layer
    return layer.class_name == "BatchNormalization" and {"moving_mean", "moving_variance"} <= set(layer.weights)


def _before(wiring: Wiring, i: int) -> int | None:
    """What the layer is called on, layers that pass all on aside; None where it is not called on one thing."""
    inputs = wiring.nodes[i].inputs
    while len(inputs) == 1 and wiring.nodes[inputs[0]].layer.class_name in _PASSED:
        inputs = wiring.nodes[inputs[0]].inputs
    return inputs[0] if len(inputs) == 1 else None


def _behind(wiring: Wiring, i: int, passed: Sequence[str] = _PASSED) -> int | None:
    """The one that is called on the layer, in the same way."""
    users = wiring.users(i)
    while len(users) == 1 and wiring.nodes[users[0]].layer.class_name in passed:
        users = wiring.users(users[0])
    return users[0] if len(users) == 1 else None


__all__ = ["Costs", "Moments"]

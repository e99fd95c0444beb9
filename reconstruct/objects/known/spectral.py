"""Layers of discriminators whose kernel is divided by its spectral norm in every call, which people copy."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, combine
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.variables import named

_STOCK = {"DenseSN": "Dense", "ConvSN1D": "Conv1D", "ConvSN2D": "Conv2D"}


@known(*_STOCK, source="SpectralNormalizationKeras (IShengFang), SpectralNormalizationKeras.py")
def spectral_layer(layer: Layer) -> Layer:
    """A layer of Keras with its kernel over the largest of its singular values, as one step of power iteration from the
    vector in the file finds it, computed once."""
    bias = ["bias"] if layer.config.get("use_bias", True) else []
    found = named(layer, ["kernel", *bias, "sn"])
    if set(found) != {"kernel", *bias, "sn"} or found["sn"].shape != (1, found["kernel"].shape[-1]):
        return layer
    kernel = combine("kernel", [found["kernel"], found["sn"]], _divided, found["kernel"].shape)
    weights = {"kernel": kernel, **{name: found[name] for name in bias}}
    return layer.replace(class_name=_STOCK[layer.class_name], package=None, weights=weights)


def _divided(read: list[np.ndarray]) -> np.ndarray:
    kernel, start = read
    flat = kernel.reshape(-1, kernel.shape[-1])
    left = _unit(start @ flat.T)
    return kernel / (left @ flat @ _unit(left @ flat).T)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / (np.sqrt(np.sum(vector**2)) + np.float32(1e-12))


KNOWN = (spectral_layer,)

"""Layers of kapre before 0.3, whose spectrograms are convolutions: the file holds their kernels and filterbanks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from reconstruct.artifact import Finding, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import fit, own_fields
from reconstruct.rules.engine import Noted
from reconstruct.rules.expansion import INPUT, stock

_LIBRARY = "kapre"
_FIELDS = {"n_dft", "n_hop", "padding", "power_spectrogram", "return_decibel_spectrogram", "image_data_format"}
_MEL = {"n_mels", "power_melgram", "return_decibel_melgram"}


@known("Spectrogram", "Melspectrogram", source="kapre 0.1.7, time_frequency.py", library=_LIBRARY)
def spectrogram_by_convolution(layer: Layer) -> Layer:
    """Two Conv2D layers of Keras with the cosines and sines of the file, squared and added; for mel a Dense."""
    config = layer.config
    mel = layer.class_name == "Melspectrogram"
    if not (_FIELDS | (_MEL if mel else set())) <= set(config):
        return layer
    kernels = [t for t in layer.weights.values() if len(t.shape) == 4]
    banks = [t for t in layer.weights.values() if len(t.shape) == 2]
    size = int(config["n_dft"])
    shape = (size, 1, 1, size // 2 + 1)
    if len(kernels) + len(banks) != len(layer.weights) or not fit(kernels, shape, shape) or len(banks) != mel:
        return layer
    nodes = Nodes()
    sound = nodes.op("expand_dims", nodes.op("transpose", INPUT, (0, 2, 1)), -1)
    result = nodes.op("add", *(_part(nodes, layer, kernel, sound) for kernel in kernels))
    result = _scaled(nodes, result, float(config["power_spectrogram"]), config["return_decibel_spectrogram"])
    if mel:
        if not fit(banks, (shape[3], config["n_mels"])):
            return layer
        result = nodes.stock(
            "Dense", _fixed(layer, "trainable_fb") | {"units": config["n_mels"]}, {"kernel": banks[0]}, result
        )
        result = _scaled(nodes, result, float(config["power_melgram"]), config["return_decibel_melgram"])
    first = config["image_data_format"] == "channels_first"
    return nodes.model(layer, 1, nodes.op("transpose", result, (0, 2, 3, 1) if first else (0, 3, 1, 2)))


def _part(nodes: Nodes, layer: Layer, kernel: Tensor, sound: Ref) -> Ref:
    """The square of the real or of the imaginary part: (batch, frame, channel, frequency)."""
    config = {
        "filters": kernel.shape[3],
        "kernel_size": [kernel.shape[0], 1],
        "strides": [int(layer.config["n_hop"]), 1],
        "padding": layer.config["padding"],
        "data_format": "channels_last",
    }
    return nodes.op(
        "square", nodes.stock("Conv2D", config | _fixed(layer, "trainable_kernel"), {"kernel": kernel}, sound)
    )


def _fixed(layer: Layer, field: str) -> dict[str, bool]:
    return {"use_bias": False, "trainable": bool(layer.config.get(field, False))}


def _scaled(nodes: Nodes, power: Ref, exponent: float, decibel: bool) -> Ref:
    """A power spectrum with another exponent, and in decibel."""
    if exponent != 2.0:
        power = nodes.op("power", nodes.op("sqrt", power), np.float32(exponent))
    return _decibel(nodes, power, 1e-10, 80.0) if decibel else power


def _decibel(nodes: Nodes, power: Ref, least: float, span: float) -> Ref:
    """10·log10, from `-span` to 0, which is the largest of each sample (kapre 0.1.7, backend_keras.py)."""
    log = nodes.op("log", nodes.op("maximum", power, np.float32(least)))
    decibel = nodes.op("multiply", log, np.float32(10.0 / math.log(10.0)))
    # The number of axes is not always known: with the sample as the last axis, one number a sample fits any.
    largest = nodes.op("max", nodes.stock("Flatten", {}, {}, decibel), axis=1)
    below = nodes.op("subtract", nodes.op("transpose", decibel), largest)
    return nodes.op("transpose", nodes.op("maximum", below, np.float32(-span)))


@known("AmplitudeToDB", source="kapre 0.1.7, utils.py", library=_LIBRARY)
def amplitude_to_decibel(layer: Layer) -> Layer:
    """10·log10 of the input, at most `top_db` below the largest of its sample, which is 0; in Keras operations."""
    if set(own_fields(layer)) != {"amin", "top_db"}:
        return layer
    nodes = Nodes()
    return nodes.model(layer, 1, _decibel(nodes, INPUT, float(layer.config["amin"]), float(layer.config["top_db"])))


@known("Normalization2D", source="kapre 0.1.7, utils.py", library=_LIBRARY)
def normalization_2d(layer: Layer) -> Layer:
    """The input less its mean, over its deviation and 1e-10, for each place of one axis; in Keras operations.

    The batch counts: all its samples together have one mean, unless the axis is theirs, 0.
    """
    axis = layer.config.get("int_axis")
    if set(own_fields(layer)) != {"int_axis", "str_axis", "image_data_format"}:
        return layer
    if axis not in (-1, 0, 1, 2, 3):
        raise NotEquivalent(f"{layer.name} normalizes axis {axis!r}, which kapre does not have")
    others: Sequence[int] = [i for i in range(4) if i != axis]
    nodes = Nodes()
    centred = nodes.op("subtract", INPUT, nodes.op("mean", INPUT, axis=others, keepdims=True))
    variance = nodes.op("mean", nodes.op("square", centred), axis=others, keepdims=True)
    divisor = nodes.op("add", nodes.op("sqrt", variance), np.float32(1e-10))
    return nodes.model(layer, 1, nodes.op("divide", centred, divisor))


@known("AdditiveNoise", source="kapre 0.1.7, augmentation.py", library=_LIBRARY)
def additive_noise(layer: Layer) -> Layer | Noted:
    """Noise that is added in training only: Keras's GaussianNoise; its gain, where random, was drawn once."""
    config = own_fields(layer)
    if set(config) != {"power", "random_gain", "noise_type"}:
        return layer
    made = stock("GaussianNoise", layer.name, {"stddev": float(config["power"])})
    made = made.replace(calls=layer.calls, path=layer.path)
    if not config["random_gain"]:
        return made
    message = f"{layer.name} drew the gain of its noise when the model was made; in training it is the largest now"
    return Noted(made, (Finding("training_noise_assumed", "info", layer.path, message),))


KNOWN = (spectrogram_by_convolution, amplitude_to_decibel, normalization_2d, additive_noise)

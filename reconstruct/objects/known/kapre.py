"""Layers of kapre 0.3, which make spectrograms of sound within a model.

Keras 3 has no complex numbers between layers. What a spectrum's consumers take is known here, so a complex number is
its real and its imaginary part on a further, last axis between an STFT and the Magnitude or Phase that follows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Graph, Layer, Ref, constant
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known import filterbanks
from reconstruct.objects.known.declare import assumed, known
from reconstruct.objects.known.signal_windows import window
from reconstruct.objects.known.surroundings import after, before
from reconstruct.rules.engine import Context, Noted
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph
from reconstruct.stock import LAYERS

_STFT_FIELDS = {"n_fft", "win_length", "hop_length", "window_name", "pad_begin", "pad_end"}
_PARTS = ("Magnitude", "Phase")


def _is_stft(layer: Layer) -> bool:
    return layer.class_name == "STFT" and set(layer.config) >= _STFT_FIELDS


@known("STFT", "Magnitude", "Phase", source="kapre 0.3.7, time_frequency.py", library="kapre")
def short_time_fourier(layer: Layer, context: Context) -> Layer | Noted:
    """Frames, window and real Fourier transform as operations of Keras; a complex number is two real ones."""
    if layer.class_name == "STFT":
        return _stft(layer, context) if _is_stft(layer) else layer
    spectra = before(layer, context.graph) if context.graph else []
    if not spectra or not all(_is_stft(n) and _unsayable(n, context) is None for n in spectra):
        return layer
    if layer.class_name == "Magnitude":
        return subgraph(
            layer,
            op("squares", "square", INPUT),
            op("sum", "sum", Ref("squares"), axis=-1),
            op("magnitude", "sqrt", Ref("sum")),
        )
    return subgraph(
        layer,
        op("real", "getitem", INPUT, (Ellipsis, 0)),
        op("imaginary", "getitem", INPUT, (Ellipsis, 1)),
        op("phase", "arctan2", Ref("imaginary"), Ref("real")),
    )


def _stft(layer: Layer, context: Context) -> Layer | Noted:
    unsayable = _unsayable(layer, context)
    if unsayable is not None:
        raise unsayable
    config = layer.config
    fft, length, hop = int(config["n_fft"]), int(config["win_length"]), int(config["hop_length"])
    shape = window(config["window_name"], length)
    first_in, doubt_in = _channels_first(layer, context, "input_data_format")
    first_out, doubt_out = _channels_first(layer, context, "output_data_format")
    start = fft - hop if config["pad_begin"] else 0
    nodes, frames = _frames(INPUT, first_in, length, hop, bool(config["pad_end"]), start=start)
    nodes += [
        op("windowed", "multiply", frames, shape),
        op("spectrum", "rfft", Ref("windowed"), fft_length=fft),
        op("complex", "stack", [Ref("spectrum", 0, 0), Ref("spectrum", 0, 1)], axis=-1),
    ]
    if not first_out:
        nodes.append(op("channels_last", "transpose", Ref("complex"), (0, 2, 3, 1, 4)))
    return _noted(subgraph(layer, *nodes), doubt_in or doubt_out)


def _unsayable(layer: Layer, context: Context) -> NotEquivalent | None:
    """Why an STFT has no form in Keras 3, if so; what follows it asks too, as both stand or fall together."""
    if window(layer.config["window_name"], int(layer.config["win_length"])) is None:
        return NotEquivalent(f"the window {layer.config['window_name']!r} of {layer.name} is none of tf.signal")
    consumers = after(layer, context.graph) if context.graph else None
    if consumers is None or not all(n.class_name in _PARTS for n in consumers):
        return NotEquivalent(
            f"{layer.name} gives complex numbers to what is neither Magnitude nor Phase",
            hint="Keras 3 has no layers for complex numbers",
        )
    if any(n.class_name == "Phase" and n.config.get("approx_atan_accuracy") for n in consumers):
        return NotEquivalent(f"what follows {layer.name} approximates the angle by approx_atan_accuracy terms")
    if any(
        other is not layer and not _is_stft(other) for n in consumers for other in before(n, context.graph or Graph(()))
    ):
        return NotEquivalent(f"what follows {layer.name} also takes what is no STFT")
    return None


def _frames(
    signal: Ref, first: bool, length: int, hop: int, pad_end: bool, value: float = 0.0, start: int = 0
) -> tuple[list[Layer], Ref]:
    """Nodes that cut a signal into frames (batch, channel, frame, time); `start` zeros stand before it.

    With `pad_end` a frame begins at every `hop` within the signal (tf.signal.frame): `length - 1` values suffice.
    """
    nodes, at = [], signal
    if not first:
        nodes.append(op("channels_first", "transpose", at, (0, 2, 1)))
        at = Ref("channels_first")
    if start:
        nodes.append(op("begin", "pad", at, [[0, 0], [0, 0], [start, 0]]))
        at = Ref("begin")
    if pad_end and length > 1:
        nodes.append(op("end", "pad", at, [[0, 0], [0, 0], [0, length - 1]], constant_values=value))
        at = Ref("end")
    nodes.append(op("frames", "extract_sequences", at, length, hop))
    return nodes, Ref("frames")


@known("MagnitudeToDecibel", source="kapre 0.3.7, time_frequency.py", library="kapre")
def magnitude_to_decibel(layer: Layer) -> Layer:
    """10·log10 of the input, at most `dynamic_range` below the largest of its sample, as operations of Keras."""
    if not {"ref_value", "amin", "dynamic_range"} <= set(layer.config):
        return layer
    least = 1e-5 if layer.config["amin"] is None else float(layer.config["amin"])
    scale = 10.0 / math.log(10.0)
    reference = scale * math.log(max(least, float(layer.config["ref_value"])))
    # The number of axes is not known: with the sample as the last axis, one number a sample fits any.
    return subgraph(
        layer,
        op("floor", "maximum", INPUT, np.float32(least)),
        op("log", "log", Ref("floor")),
        call(stock("Rescaling", "decibel", {"scale": scale, "offset": -reference}), Ref("log")),
        call(stock("Flatten", "values"), Ref("decibel")),
        op("largest", "max", Ref("values"), axis=1),
        op("lowest", "subtract", Ref("largest"), np.float32(layer.config["dynamic_range"])),
        op("sample_last", "transpose", Ref("decibel")),
        op("limited", "maximum", Ref("sample_last"), Ref("lowest")),
        op("sample_first", "transpose", Ref("limited")),
    )


@known("ApplyFilterbank", source="kapre 0.3.7, time_frequency.py", library="kapre")
def apply_filterbank(layer: Layer, context: Context) -> Layer | Noted:
    """A mel or logarithmic filterbank, computed here as librosa does, is the fixed kernel of a Dense of Keras."""
    given = layer.config.get("filterbank_kwargs")
    if not isinstance(given, Mapping) or layer.config.get("type") not in ("mel", "log"):
        return layer
    if layer.config["type"] == "mel":
        norm = given.get("norm", "slaney")
        if norm not in ("slaney", None):
            raise NotEquivalent(f"librosa's versions differ in what norm={norm!r} of the mel filters is")
        bank = filterbanks.mel(**given)
    else:
        bank = filterbanks.logarithmic(**given)
    first, doubt = _channels_first(layer, context, "data_format")
    config = {"units": bank.shape[1], "use_bias": False, "trainable": False}
    filters = stock("Dense", "filters", config, kernel=constant("kernel", bank))
    if first:
        return _noted(subgraph(layer, call(filters, INPUT)), doubt)
    last = subgraph(
        layer,
        op("frequencies_last", "transpose", INPUT, (0, 1, 3, 2)),
        call(filters, Ref("frequencies_last")),
        op("channels_last", "transpose", Ref("filters"), (0, 1, 3, 2)),
    )
    return _noted(last, doubt)


@known("Delta", source="kapre 0.3.7, time_frequency.py", library="kapre")
def delta(layer: Layer, context: Context) -> Layer | Noted:
    """The slope along time of a spectrum of one channel: a Conv2D of Keras with a fixed kernel, on a padded input."""
    if not {"win_length", "mode", "data_format"} <= set(layer.config):
        return layer
    size = int(layer.config["win_length"])
    half = (size - 1) // 2
    slope = np.arange(-half, half + 1, dtype="float32") / (2.0 * sum(n * n for n in range(1, half + 1)))
    first, doubt = _channels_first(layer, context, "data_format")
    conv = {"filters": 1, "kernel_size": [size, 1], "use_bias": False, "data_format": "channels_last"}
    kernel = constant("kernel", slope.astype("float32").reshape(size, 1, 1, 1))
    nodes, at = [], INPUT
    if first:
        nodes.append(op("channels_last", "transpose", at, (0, 2, 3, 1)))
        at = Ref("channels_last")
    nodes += [
        op("edges", "pad", at, [[0, 0], [half, half], [0, 0], [0, 0]], mode=str(layer.config["mode"]).lower()),
        call(stock("Conv2D", "slope", {**conv, "trainable": False}, kernel=kernel), Ref("edges")),
    ]
    if first:
        nodes.append(op("channels_first", "transpose", Ref("slope"), (0, 3, 1, 2)))
    return _noted(subgraph(layer, *nodes), doubt)


@known("ConcatenateFrequencyMap", source="kapre 0.3.7, time_frequency.py", library="kapre")
def concatenate_frequency_map(layer: Layer, context: Context) -> Layer | Noted:
    """A further channel that rises from 0 to 1 along the frequencies, as operations of Keras."""
    if "data_format" not in layer.config:
        return layer
    first, doubt = _channels_first(layer, context, "data_format")
    channels, frequencies = (1, 3) if first else (3, 2)
    one = (slice(None), slice(None, 1)) if first else (Ellipsis, slice(None, 1))
    return _noted(
        subgraph(
            layer,
            op("channel", "getitem", INPUT, one),
            op("ones", "ones_like", Ref("channel")),
            op("counted", "cumsum", Ref("ones"), axis=frequencies),
            op("from_0", "subtract", Ref("counted"), np.float32(1)),
            op("last", "max", Ref("from_0"), axis=frequencies, keepdims=True),
            op("at_least_1", "maximum", Ref("last"), np.float32(1)),
            op("map", "divide", Ref("from_0"), Ref("at_least_1")),
            op("both", "concatenate", [INPUT, Ref("map")], axis=channels),
        ),
        doubt,
    )


@known("Frame", "Energy", source="kapre 0.3.7, signal.py", library="kapre")
def frames_of_sound(layer: Layer, context: Context) -> Layer | Noted:
    """The frames of a sound, or the energy of each: sequences cut out by an operation of Keras."""
    config = layer.config
    if not {"frame_length", "hop_length", "pad_end", "pad_value", "data_format"} <= set(config):
        return layer
    first, doubt = _channels_first(layer, context, "data_format")
    length, hop = int(config["frame_length"]), int(config["hop_length"])
    nodes, frames = _frames(INPUT, first, length, hop, bool(config["pad_end"]), float(config["pad_value"]))
    if layer.class_name == "Frame":
        if not first:
            nodes.append(op("channels_last", "transpose", frames, (0, 2, 3, 1)))
        return _noted(subgraph(layer, *nodes), doubt)
    factor = float(config["ref_duration"]) / (length / float(config["sample_rate"]))
    nodes += [
        op("squares", "square", frames),
        op("sums", "sum", Ref("squares"), axis=-1),
        op("energy", "multiply", Ref("sums"), np.float32(factor)),
    ]
    if not first:
        nodes.append(op("channels_last", "transpose", Ref("energy"), (0, 2, 1)))
    return _noted(subgraph(layer, *nodes), doubt)


def _channels_first(layer: Layer, context: Context, field: str) -> tuple[bool, str]:
    """Whether the channels stand before the time, and the doubt about it.

    "default" is what the writer had set for all of Keras; Keras's own layers write it down, so the model tells.
    """
    value: Any = layer.config.get(field, "default")
    value = value.get("config") if isinstance(value, Mapping) else value
    if value in ("channels_first", "channels_last"):
        return value == "channels_first", ""
    others = {n.config.get("data_format") for n in context.model.walk() if n.class_name in LAYERS}
    if "channels_first" not in others:
        return False, ""
    first = "channels_last" not in others
    which = "first" if first else "last"
    return first, f"where the channels of {layer.name} stand, the file does not say: they are assumed to come {which}"


def _noted(layer: Layer, doubt: str) -> Layer | Noted:
    return assumed(layer, layer, doubt) if doubt else layer


KNOWN = (
    short_time_fourier,
    magnitude_to_decibel,
    apply_filterbank,
    delta,
    concatenate_frequency_map,
    frames_of_sound,
)

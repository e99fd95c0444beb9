"""How many channels and axes layers take and give, as far as their weights tell: known before any shape is."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconstruct.artifact import Layer
from reconstruct.inference.context import inner
from reconstruct.inference.shapes import ENLARGING, RECURRENT, pools, spatial


@dataclass(frozen=True)
class Channels:
    """What is known of an output before any shape is: its channels and its rank, None where these are open."""

    channels: int | None
    rank: int | None
    scale: int = 0  # how often sizes were doubled since the input, counted by pooling and upsampling alone


def taken_by(layer: Layer) -> Channels | None:
    """The channels and rank that a layer takes; None where it takes anything."""
    core = inner(layer)
    n = spatial(core.class_name)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    more = layer.class_name == "TimeDistributed"
    if core.class_name == "Dense" and kernel is not None:
        return Channels(kernel.shape[0], None)
    if core.class_name in RECURRENT and kernel is not None:
        return Channels(kernel.shape[0], 2 + more)
    if kernel is not None and n:
        channels = kernel.shape[-1] if core.class_name.endswith("Transpose") else kernel.shape[-2]
        return Channels(channels, n + 1 + core.class_name.startswith("ConvLSTM") + more)
    if core.class_name == "AttentionWeightedAverage":
        return Channels(core.weights["W"].shape[0], 2)
    if core.class_name == "MultiHeadAttention":
        return Channels(core.weights["query/kernel"].shape[0], None)
    if core.class_name in ("BatchNormalization", "LayerNormalization", "GroupNormalization"):
        return Channels(next(iter(core.weights.values())).shape[0], None)
    return None


def given_by(layer: Layer, tensor: Channels) -> Channels:
    """The channels and rank of what a layer gives."""
    made = _given(layer, tensor)
    name = layer.class_name
    change = int(name in ENLARGING) - int(pools(name))
    return replace(made, scale=tensor.scale + change)


def _given(layer: Layer, tensor: Channels) -> Channels:
    core = inner(layer)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    name = core.class_name
    if name == "Dense" and kernel is not None:
        return Channels(kernel.shape[1], tensor.rank)
    if name in RECURRENT:
        return Channels(int(core.config["units"]) * (1 if layer is core else 2), None)
    if "filters" in core.config:
        return Channels(int(core.config["filters"]), tensor.rank or spatial(name) + 1)
    if name.startswith("Depthwise") and kernel is not None:
        return Channels(kernel.shape[-1] * kernel.shape[-2], tensor.rank)
    if name == "Embedding":
        return Channels(int(core.config["output_dim"]), None)
    if name == "Flatten":
        return Channels(tensor.channels if tensor.rank == 1 else None, 1)
    if name == "AttentionWeightedAverage":
        return Channels(core.weights["W"].shape[0], 1)
    if name.startswith("Global"):
        return Channels(None if name.endswith("1D") else tensor.channels, 1)
    if name in ("Reshape", "Permute", "Lambda", "Unknown", "GAP", "RepeatVector", "TimeDistributed"):
        return Channels(tensor.channels if name == "RepeatVector" else None, None)
    return tensor


def may_take(wanted: Channels, tensor: Channels) -> bool:
    if None not in (wanted.channels, tensor.channels) and wanted.channels != tensor.channels:
        return False
    return wanted.rank is None or tensor.rank is None or wanted.rank == tensor.rank

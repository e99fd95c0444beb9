"""Quantization-aware layers of HGQ 0.2.6, which runs on tf.keras alone; each weight and each value has its own bits.

In inference the quantized weights are constants: they are computed once. A value is rounded on a grid of powers of two,
by operations, and by EinsumDense with the grid as its fixed kernel where each value has its own. Training the result
further learns no bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor, combine
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import bare
from reconstruct.objects.known.variables import named
from reconstruct.rules.expansion import INPUT, stock

_SOURCE, _LIBRARY = "HGQ 0.2.6", "HGQ"
# In the order of a `.keras` file; `beta` weighs the bits in training, which `bops` counts
_WEIGHTS = (
    "kernel", "bias", "kernel_bw", "activation_bw", "bn_beta", "bn_gamma", "beta", "bops", "moving_mean",
    "moving_variance",
)  # fmt: skip
_STOCK = {
    "HDense": "Dense",
    "HDenseBatchNorm": "Dense",
    "HConv1D": "Conv1D",
    "HConv1DBatchNorm": "Conv1D",
    "HConv2D": "Conv2D",
    "HConv2DBatchNorm": "Conv2D",
}
_FIELDS = ("units", "filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias")
_PASSIVE = (
    "PReshape", "PFlatten", "PConcatenate", "PMaxPooling1D", "PMaxPooling2D", "PAveragePooling1D", "PAveragePooling2D",
    "PDropout", "PPermute",
)  # fmt: skip


@known(*_STOCK, source=f"{_SOURCE}, layers/dense.py, layers/conv.py and layers/batchnorm_base.py", library=_LIBRARY)
def hgq_linear(layer: Layer) -> Layer:
    """A layer of HGQ is Keras's with kernel and bias rounded once, a batch normalization folded into them, then each
    output rounded by operations of Keras."""
    config = layer.config
    if not {"kq_conf", "paq_conf"} <= set(config):
        return layer
    if config.get("data_format", "channels_last") != "channels_last":
        raise NotEquivalent(f"{layer.name} has its channels first, where HGQ takes the bits of its bias elsewhere")
    own = [n for n in _WEIGHTS if n != "bias" or config.get("use_bias", True)]
    plain = not layer.class_name.endswith("BatchNorm")
    found = named(layer, [n for n in own if not (plain and n.startswith(("bn_", "moving_")))])
    if not {"kernel", "kernel_bw", "activation_bw"} <= set(found) or len(found["activation_bw"].shape) < 2:
        return layer
    grid, strategy = found["activation_bw"], _strategy(layer, found)
    kernel = _rounded(_folded_kernel(layer, found), found["kernel_bw"], config["kq_conf"])
    weights = {"kernel": kernel}
    if "bias" in found:
        weights["bias"] = _rounded(_folded_bias(layer, found), _of_channels(grid), config["paq_conf"], strategy)
    nodes = Nodes()
    kept = {n: v for n, v in config.items() if n in _FIELDS}
    quantized = _on_grid(nodes, nodes.stock(_STOCK[layer.class_name], kept, weights, INPUT), grid, layer, strategy)
    active = config.get("activation") or "linear"
    return nodes.model(layer, 1, nodes.stock("Activation", {"activation": active}, {}, quantized))


@known("HQuantize", "HActivation", "HAdd", source=f"{_SOURCE}, layers/misc.py", library=_LIBRARY)
def hgq_values(layer: Layer) -> Layer:
    """Values of HGQ, after an activation or a sum, each rounded to bits of its own: operations of Keras."""
    found = named(layer, ("activation_bw", "beta", "bops"))
    if "paq_conf" not in layer.config or "activation_bw" not in found:
        return layer
    nodes, inputs, x = Nodes(), 1, INPUT
    if layer.class_name == "HActivation":
        x = nodes.stock("Activation", {"activation": layer.config.get("activation")}, {}, INPUT)
    elif layer.class_name == "HAdd":
        inputs = len(layer.calls[0].refs())
        x = nodes.op("add", Ref("input_0"), Ref("input_1"))
        for i in range(2, inputs):
            x = nodes.op("add", x, Ref(f"input_{i}"))
    strategy = _strategy(layer, found)
    return nodes.model(layer, inputs, _on_grid(nodes, x, found["activation_bw"], layer, strategy))


@known(*_PASSIVE, source=f"{_SOURCE}, layers/passive_layers.py", library=_LIBRARY)
def hgq_passive(layer: Layer) -> Layer:
    """A layer of HGQ that only counts the bits of what passes it is Keras's of that name."""
    if layer.weights or not (layer.package or "").startswith("HGQ"):
        return layer
    return layer.replace(class_name=layer.class_name[1:], package=None)


@known("Signature", source=f"{_SOURCE}, layers/passive_layers.py", library=_LIBRARY)
def hgq_signature(layer: Layer) -> Layer:
    """A layer of HGQ that says what bits the input has: Identity of Keras."""
    if not bare(layer.replace(config={}), 1) or not {"keep_negative", "bits", "int_bits"} <= set(layer.config):
        return layer
    return stock("Identity", layer.name).replace(calls=layer.calls, path=layer.path)


_FLOOR = "floor"


def _strategy(layer: Layer, found: Mapping[str, Tensor]) -> str:
    """How values are rounded in inference: down, or half up. `auto` is the latter after an activation, and where the
    bits differ by no more than the bias does (layers/base.py, `can_bias_cover_rnd`; layers/misc.py)."""
    given = layer.config["paq_conf"]["rnd_strategy"]
    if given != "auto" or layer.class_name == "HActivation":
        return _FLOOR if given in (_FLOOR, 3) else "half up"
    shape = found["activation_bw"].shape
    covers = "bias" in found and int(np.prod(shape[:-1])) == 1 and shape[-1:] in ((1,), found["bias"].shape)
    return "half up" if covers else _FLOOR


def _scale(bits: np.ndarray, conf: Mapping[str, Any]) -> np.ndarray:
    bits = np.clip(bits, *conf["bw_clip"]) if conf.get("bw_clip") else bits
    return np.exp2(np.round(bits)).astype("float32")


def _rounded(tensor: Tensor, bits: Tensor, conf: Mapping[str, Any], strategy: str | None = None) -> Tensor:
    """The weights on their grid, as HGQ has them in inference (quantizer/quantizer.py, `q_round`)."""
    half = 0.0 if (strategy or conf["rnd_strategy"]) in (_FLOOR, 3) else 0.5

    def rounded(read: list[np.ndarray]) -> np.ndarray:
        scale = _scale(read[1], conf)
        return (np.floor(read[0] * scale + np.float32(half)) / scale).astype("float32")

    return combine(tensor.name, [tensor, bits], rounded, tensor.shape)


def _of_channels(grid: Tensor) -> Tensor:
    """The bits of the bias: the most that a value of the channel has."""
    return grid.map(lambda a: a.reshape(-1, a.shape[-1]).max(axis=0), grid.shape[-1:])


def _normalization(layer: Layer, found: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    scale = [found[n] for n in ("bn_gamma", "moving_variance") if n in found]
    return (scale[0], scale[1]) if layer.class_name.endswith("BatchNorm") and len(scale) == 2 else None


def _factor(layer: Layer, gamma: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return gamma / np.sqrt(variance + np.float32(layer.config.get("epsilon", 1e-3)))


def _folded_kernel(layer: Layer, found: Mapping[str, Tensor]) -> Tensor:
    kernel, by = found["kernel"], _normalization(layer, found)
    return (
        kernel
        if by is None
        else combine("kernel", [kernel, *by], lambda a: a[0] * _factor(layer, *a[1:]), kernel.shape)
    )


def _folded_bias(layer: Layer, found: Mapping[str, Tensor]) -> Tensor:
    bias, by = found["bias"], _normalization(layer, found)
    if not {"bn_beta", "moving_mean"} <= set(found):
        return bias

    def folded(read: list[np.ndarray]) -> np.ndarray:
        value, beta, mean, *scale = read
        return value - mean * (_factor(layer, *scale) if scale else np.float32(1)) + beta

    return combine("bias", [bias, found["bn_beta"], found["moving_mean"], *(by or ())], folded, bias.shape)


def _on_grid(nodes: Nodes, x: Ref, grid: Tensor, layer: Layer, strategy: str) -> Ref:
    """Each value times its power of two, rounded, and divided by it again."""
    conf = layer.config["paq_conf"]
    own = grid.shape[1:]
    letters = "cdefgh"[: len(own)]
    config = {"equation": f"b{letters},{letters}->b{letters}", "output_shape": list(own), "trainable": False}

    def times(x: Ref, power: float) -> Ref:
        scale = grid.map(lambda a: _scale(a, conf).reshape(own) ** np.float32(power), own)
        if 1 in own:  # the layer would have to know how long that axis is
            return nodes.op("multiply", x, scale.read())
        return nodes.stock("EinsumDense", config, {"kernel": scale}, x)

    scaled = times(x, 1)
    if strategy != _FLOOR:
        scaled = nodes.op("add", scaled, np.float32(0.5))
    return times(nodes.op("floor", scaled), -1)


KNOWN = (hgq_linear, hgq_values, hgq_passive, hgq_signature)

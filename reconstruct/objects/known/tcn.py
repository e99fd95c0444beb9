"""The temporal convolutional network of keras-tcn, one layer in the file: blocks of dilated convolutions.

Versions 2.9 to 3.5.7 were read. A block is twice convolution, normalization and activation; its input is added, through
a convolution of size 1 where the number of channels changes. They differ in these:

- 2.9 begins with a convolution of size 1, and the last block adds its plain input;
- until 3.1 the activation within a block is relu, whatever `activation` says, which only closes the block;
- 3.2 has `activation` everywhere, and once more on what goes to the skip connections. Every config tells it from those
  before: from 3.2.1, the first released, it has `use_weight_norm`, which 3.5.5 dropped, and from 3.5.0 `go_backwards`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref, Tensor, combine
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.rules.expansion import INPUT, call, op, stock, subgraph

_FIELDS = {"nb_filters", "kernel_size", "nb_stacks", "dilations", "padding", "use_skip_connections"}
_BLOCK = re.compile(r"(?:^|/)residual_block(?:_(\d+))?/(.*)")
_VARIABLES = {
    "conv": ("kernel", "bias"),
    "norm": ("gamma", "beta", "moving_mean", "moving_variance"),
    "weight_norm": ("g", "kernel", "initialized"),
}
_Weights = dict[str, dict[str, Tensor]]


@known("TCN", source="keras-tcn 3.5.7, tcn.py", library="keras-tcn")
def temporal_convolutions(layer: Layer) -> Layer:
    """The blocks of dilated convolutions as layers of Keras; a weight normalization is computed once."""
    config = layer.config
    if not set(config) >= _FIELDS:
        return layer
    blocks = _by_block(layer)
    first = blocks.pop(-1, {})
    early = bool(first) or not {"use_weight_norm", "go_backwards"} & set(config)
    activation = config.get("activation", "relu")
    inner = "relu" if early else activation
    count = int(config["nb_stacks"]) * len(config["dilations"])
    if sorted(blocks) != list(range(count)):
        raise NotEquivalent(f"{layer.name} has weights of {len(blocks)} blocks of keras-tcn, its config says {count}")

    nodes: list[Layer] = []
    at = INPUT
    if config.get("go_backwards"):
        nodes.append(op("backwards", "flip", at, axis=1))
        at = Ref("backwards")
    if first:
        nodes.append(call(_convolution("first", first["match"], {"padding": "same"}), at))
        at = Ref("first")
    skips = []
    for i in range(count):
        dilation = config["dilations"][i % len(config["dilations"])]
        nodes += _block(f"block_{i}", blocks[i], at, config, int(dilation), inner, activation, early)
        at = Ref(f"block_{i}_output")
        skips.append(Ref(f"block_{i}_drop_1" if early else f"block_{i}_skip"))
    if config["use_skip_connections"]:
        at = skips[0]
        if count > 1:
            nodes.append(call(stock("Add", "skips"), skips))
            at = Ref("skips")
    if not config.get("return_sequences"):
        nodes += _one_step(at, config["padding"])
        at = Ref(nodes[-1].name)
    return subgraph(layer, *nodes, outputs=at)


def _block(
    name: str,
    weights: _Weights,
    entry: Ref,
    config: Mapping[str, Any],
    dilation: int,
    inner: Any,
    activation: Any,
    early: bool,
) -> list[Layer]:
    """The nodes of a block: its output is called `<name>_output`, what goes to the skip connections `<name>_skip`."""
    nodes: list[Layer] = []
    at = entry

    def add(layer: Layer) -> None:
        nonlocal at
        nodes.append(call(layer, at))
        at = Ref(layer.name)

    for k in range(2):
        conv = {"padding": config["padding"], "dilation_rate": [dilation]}
        add(_convolution(f"{name}_conv_{k}", weights.get(f"conv_{k}", {}), conv))
        norm = weights.get(f"norm_{k}")
        if config.get("use_batch_norm"):
            add(_normalization("BatchNormalization", f"{name}_norm_{k}", norm, 4))
        elif config.get("use_layer_norm"):
            add(_normalization("LayerNormalization", f"{name}_norm_{k}", norm, 2))
        add(stock("Activation", f"{name}_activation_{k}", {"activation": inner}))
        add(stock("SpatialDropout1D", f"{name}_drop_{k}", {"rate": float(config.get("dropout_rate", 0.0))}))
    if not early:
        add(stock("Activation", f"{name}_skip", {"activation": activation}))
    straight = entry
    if "match" in weights:
        nodes.append(call(_convolution(f"{name}_match", weights["match"], {"padding": "same"}), entry))
        straight = Ref(f"{name}_match")
    nodes.append(call(stock("Add", f"{name}_sum"), [straight, at]))
    nodes.append(call(stock("Activation", f"{name}_output", {"activation": activation}), Ref(f"{name}_sum")))
    return nodes


def _convolution(name: str, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> Layer:
    kernel, bias = weights.get("kernel"), weights.get("bias")
    if kernel is None or bias is None or len(kernel.shape) != 3:
        raise NotEquivalent(f"the weights of {name} are none of keras-tcn's TCN")
    if "g" in weights:
        initialized = weights.get("initialized")
        if initialized is not None and not initialized.read():
            raise NotEquivalent(f"the weight normalization of {name} was saved before it saw any data")
        parts = [kernel, weights["g"], *([initialized] if initialized else [])]
        kernel = combine("kernel", parts, lambda a: normalized(a[0], a[1]), kernel.shape)
    sizes = {"filters": kernel.shape[-1], "kernel_size": [kernel.shape[0]], "data_format": "channels_last"}
    return stock("Conv1D", name, {**sizes, **config}, kernel=kernel, bias=bias)


def _normalization(class_name: str, name: str, weights: Mapping[str, Tensor] | None, count: int) -> Layer:
    if weights is None or len(weights) != count:
        raise NotEquivalent(f"the weights of {name} are none of keras-tcn's TCN")
    return stock(class_name, name, {"axis": -1, "epsilon": 0.001}, **weights)


def normalized(kernel: np.ndarray, length: np.ndarray) -> np.ndarray:
    """The kernel of tensorflow-addons' WeightNormalization (0.23, wrappers.py): its direction, times `length`."""
    squares = np.sum(np.square(kernel, dtype="float64"), axis=tuple(range(kernel.ndim - 1)), keepdims=True)
    return np.asarray((kernel / np.sqrt(np.maximum(squares, 1e-12)) * length).astype(kernel.dtype))


def _one_step(at: Ref, padding: str) -> list[Layer]:
    """The last step, or with padding "same" the one in the middle, T // 2, whatever the number of steps is."""
    if padding != "same":
        return [op("last", "getitem", at, (slice(None), -1))]
    return [
        op("feature", "getitem", at, (Ellipsis, slice(None, 1))),
        op("ones", "ones_like", Ref("feature")),
        op("counted", "cumsum", Ref("ones"), axis=1),
        op("steps", "max", Ref("counted"), axis=1, keepdims=True),
        op("half", "multiply", Ref("steps"), np.float32(0.5)),
        op("before", "floor", Ref("half")),
        op("middle", "add", Ref("before"), np.float32(1)),
        op("is_middle", "equal", Ref("counted"), Ref("middle")),
        op("zeros", "zeros_like", at),
        op("chosen", "where", Ref("is_middle"), at, Ref("zeros")),
        op("step", "sum", Ref("chosen"), axis=1),
    ]


def _by_block(layer: Layer) -> dict[int, _Weights]:
    """The tensors by block, part (`conv_0`, `norm_1`, `match`) and variable; -1 is what stands before the blocks."""
    found: dict[int, _Weights] = {}
    orders: dict[tuple[int, str], list[str]] = {}
    for name, tensor in layer.weights.items():
        if "_naked_clone_layer" in name or "data_dep_init" in name:  # copies that only the first batch needed
            continue
        match = _BLOCK.search(name)
        number, rest = (int(match[1] or 0), match[2]) if match else (-1, name)
        *above, variable = rest.split("/")
        above = [part for part in above if part not in ("vars", "layers") and not part.endswith("_layers")]
        if match is None or not above or above[0] in ("matching_conv1D", "shape_match_conv"):
            part, kind = "match", "conv"
        else:
            kind = _kind(above[0])
            order = orders.setdefault((number, kind), [])
            if above[0] not in order:
                order.append(above[0])
                order.sort(key=_counter)
            part = above[0]
        if variable.isdigit():
            variable = "bias" if above[1:] == ["layer"] else _VARIABLES[kind][int(variable)]
        found.setdefault(number, {}).setdefault(part, {})[variable] = tensor
    return {n: {_part(n, part, orders): own for part, own in parts.items()} for n, parts in found.items()}


def _kind(part: str) -> str:
    if part.startswith("weight_normalization"):
        return "weight_norm"
    return "norm" if "norm" in part else "conv"


def _part(number: int, part: str, orders: Mapping[tuple[int, str], list[str]]) -> str:
    if part == "match":
        return part
    kind = _kind(part)
    return f"{'norm' if kind == 'norm' else 'conv'}_{orders[number, kind].index(part)}"


def _counter(name: str) -> int:
    match = re.search(r"_(\d+)$", name)
    return int(match[1]) if match else 0


KNOWN = (temporal_convolutions,)

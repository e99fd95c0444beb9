"""The layers that variables may be those of, told by their names, number and shapes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from reconstruct.artifact import Group, Layer, Tensor, combine
from reconstruct.rules.recurrent import plain_of_cudnn

SUFFIX = re.compile(r"(?::\d+)?$")  # of the names of variables in TensorFlow
_KERAS_1_NAME = re.compile(r"(W|U|b)(?:_([icfozrh]))?(?:_\d+)?")
_VARIABLES = (
    "recurrent_kernel depthwise_kernel pointwise_kernel kernel bias gamma beta moving_mean moving_variance "
    "running_mean running_std embeddings alpha alphas mean variance count scale"
).split()
_RENAMED = {"running_mean": "moving_mean", "running_std": "moving_variance", "alphas": "alpha"}


def named_variables(group: Group) -> tuple[dict[str, Tensor], bool]:
    """The tensors by the names of variables, wrapped ones with a prefix, and whether the file's names tell them."""
    weights: dict[str, Tensor] = {}
    told = True
    for i, tensor in enumerate(group.tensors):
        path = SUFFIX.sub("", tensor.name).split("/")
        short, side = path[-1], ""
        for part in path[:-1]:
            if part.startswith(("forward", "backward")):
                side = part.split("_")[0] + "/"
            dense = re.fullmatch(r"_?(query|key|value|attention_output|output)(_dense)?", part)
            if dense:
                side = ("attention_output" if "output" in dense[1] else dense[1]) + "/"
        match = next((v for v in _VARIABLES if re.search(rf"(^|_){v}(_\d+)?$", short)), None)
        old = _KERAS_1_NAME.fullmatch(short.removeprefix(group.name).lstrip("_")) or re.search(
            r"_(W|U|b)(?:_([icfozrh]))?(?:_\d+)?$", short
        )
        if match is not None:
            name = _RENAMED.get(match, match)
        elif old is not None:
            name = f"{old[1]}_{old[2]}" if old[2] else old[1]
        else:
            name, told = short if short.isdigit() else str(i), False
        name = side + name
        while name in weights:
            name += "'"
        weights[name] = tensor
    return weights, told


def guesses(
    named: str | None, weights: Mapping[str, Tensor], told: bool, keras_1: bool, layer_name: str
) -> Iterator[Layer]:
    """The layers that these tensors may be those of, the one that the name says first."""
    sides = {name.split("/")[0] for name in weights if "/" in name}
    if {"forward", "backward"} & sides:
        yield from _bidirectional(weights, keras_1)
        return
    if "query" in sides:
        yield from _attention(weights)
        return
    if named == "TimeDistributed" or layer_name.startswith(("time_distributed", "timedistributed")):
        for inner in guesses(None, weights, told, keras_1, ""):
            child = inner.replace(name=f"{layer_name}_layer")
            yield Layer("TimeDistributed", "", children={"layer": child})
            return
    if named == "Bidirectional" and len(weights) % 2 == 0:
        tensors = list(weights.values())
        half = len(tensors) // 2
        both = {f"forward/{i}": t for i, t in enumerate(tensors[:half])}
        both |= {f"backward/{i}": t for i, t in enumerate(tensors[half:])}
        yield from _bidirectional(both, keras_1)
        return
    gates = _joined_gates(weights)
    if gates is not None:
        class_name, joined = gates
        yield from _of_class(class_name, list(joined.values()), list(joined), keras_1)
        return
    tensors, names = list(weights.values()), list(weights)
    order = [named] if named is not None else []
    hint = _hint(layer_name)
    order += [hint] if hint else []
    for class_name in [*order, *_BY_SHAPE]:
        yield from _of_class(class_name, tensors, names if told else [], keras_1, exact=class_name in order)


def _hint(name: str) -> str | None:
    text = name.lower()
    for pattern, class_name in (
        (r"trans|deconv", "Conv2DTranspose"),
        (r"sep", "SeparableConv2D"),
        (r"depthw|dw", "DepthwiseConv2D"),
        (r"emb", "Embedding"),
        (r"gru", "GRU"),
        (r"lstm|rnn", "LSTM"),
        (r"bn|batch|norm", "BatchNormalization"),
        (r"ln|layer_?norm", "LayerNormalization"),
        (r"att", "AttentionWeightedAverage"),
    ):
        if re.search(pattern, text):
            return class_name
    return None


# In this order a class is tried for tensors that no name explains.
_BY_SHAPE = (
    "BatchNormalization LSTM GRU SimpleRNN SeparableConv2D SeparableConv1D Conv2D Conv1D Conv3D Dense DepthwiseConv2D "
    "ConvLSTM2D Conv2DTranspose Conv1DTranspose Embedding LayerNormalization PReLU Normalization"
).split()


def _of_class(
    class_name: str, tensors: list[Tensor], names: Sequence[str], keras_1: bool, exact: bool = False
) -> Iterator[Layer]:
    """The layer of this class with these tensors, if they can be its."""
    shapes = [t.shape for t in tensors]
    ranks = [len(s) for s in shapes]
    bias = {"use_bias": len(tensors) > 1}
    dims = next((int(d) for d in "123" if f"{d}D" in class_name), 0)
    if class_name == "Dense" and ranks in ([2], [2, 1]) and (len(shapes) == 1 or shapes[1][0] == shapes[0][1]):
        if len(shapes) == 1 and names and "embeddings" in names:
            return
        yield _made("Dense", {"units": shapes[0][1], **bias}, ["kernel", "bias"], tensors)
    elif class_name == "AttentionWeightedAverage" and shapes == [(shapes[0][0], 1)] and list(names) == ["W"]:
        yield _made(class_name, {}, ["W"], tensors)
    elif class_name == "Embedding" and ranks == [2] and (exact or not names or "embeddings" in names or "W" in names):
        yield _made("Embedding", {"input_dim": shapes[0][0], "output_dim": shapes[0][1]}, ["embeddings"], tensors)
    elif class_name in ("LSTM", "GRU", "SimpleRNN"):
        yield from _recurrent(class_name, tensors)
    elif class_name in ("BatchNormalization",) and set(ranks) == {1} and len(set(shapes)) == 1:
        yield from _normalization(class_name, tensors, names)
    elif class_name in ("LayerNormalization", "GroupNormalization", "InstanceNormalization"):
        if ranks in ([1, 1], [1]) and len(set(shapes)) == 1:
            if len(ranks) == 1:
                gamma = not names or "gamma" in names
                flags = {"scale": gamma, "center": not gamma}
                yield _made(class_name, flags, ["gamma" if gamma else "beta"], tensors)
            else:
                yield _made(class_name, {}, ["gamma", "beta"], tensors)
    elif class_name.startswith("Separable") and ranks[:2] == [dims + 2] * 2:
        if shapes[1][dims] == shapes[0][dims] * shapes[0][dims + 1] and set(shapes[1][:dims]) == {1}:
            config = {"filters": shapes[1][-1], "kernel_size": list(shapes[0][:dims]), "use_bias": len(tensors) > 2}
            config["depth_multiplier"] = shapes[0][-1]
            yield _made(class_name, config, ["depthwise_kernel", "pointwise_kernel", "bias"], tensors)
    elif class_name.startswith("Depthwise") and ranks in ([dims + 2], [dims + 2, 1]):
        if len(shapes) == 1 and not exact and "depthwise_kernel" not in names:
            return
        if len(shapes) > 1 and shapes[1][0] != shapes[0][-1] * shapes[0][-2]:
            return
        config = {"kernel_size": list(shapes[0][:dims]), "depth_multiplier": shapes[0][-1], **bias}
        yield _made(class_name, config, ["depthwise_kernel", "bias"], tensors)
    elif class_name.startswith("ConvLSTM"):
        if ranks[:2] == [dims + 2] * 2 and shapes[1][-1] == 4 * shapes[1][-2] == shapes[0][-1]:
            config = {"filters": shapes[1][-2], "kernel_size": list(shapes[0][:dims]), "use_bias": len(tensors) > 2}
            yield _made(class_name, config, ["kernel", "recurrent_kernel", "bias"], tensors)
    elif class_name.startswith("Conv") and dims:
        yield from _convolution(class_name, dims, tensors, names, keras_1)
    elif class_name == "PReLU" and len(tensors) == 1 and (exact or "alpha" in names):
        shared = [i + 1 for i, n in enumerate(shapes[0]) if n == 1] if len(shapes[0]) > 1 else []
        yield _made("PReLU", {"shared_axes": shared or None}, ["alpha"], tensors)
    elif class_name == "Normalization" and len(tensors) == 3 and ranks[2] == 0:
        yield _made("Normalization", {"axis": -1}, ["mean", "variance", "count"], tensors)
    elif class_name == "EinsumDense" and exact and ranks == [2, 1]:
        yield _made("Dense", {"units": shapes[0][1], **bias}, ["kernel", "bias"], tensors)


def _made(class_name: str, config: Mapping[str, object], names: Sequence[str], tensors: Sequence[Tensor]) -> Layer:
    return Layer(class_name, "", dict(config), weights=dict(zip(names, tensors, strict=False)))


def _convolution(
    class_name: str, dims: int, tensors: list[Tensor], names: Sequence[str], keras_1: bool
) -> Iterator[Layer]:
    shapes = [t.shape for t in tensors]
    if len(tensors) not in (1, 2) or (len(tensors) == 2 and len(shapes[1]) != 1):
        return
    kernel = tensors[0]
    bias = shapes[1][0] if len(tensors) == 2 else None
    if keras_1 and dims == 1 and len(kernel.shape) == 4:
        kernel = kernel.map(lambda k: k[:, 0] if k.shape[1] == 1 else k.transpose(2, 3, 1, 0)[:, 0])
        shape = shapes[0]
        new = (shape[0], *shape[2:]) if shape[1] == 1 else (shape[2], shape[1], shape[0])
        kernel = replace(kernel, shape=new)
    if len(kernel.shape) != dims + 2:
        return
    old = keras_1 and dims == 2 and _filters_first(kernel.shape, bias)
    if old:
        s = kernel.shape
        kernel = kernel.map(lambda k: np.ascontiguousarray(k.transpose(2, 3, 1, 0)), (s[2], s[3], s[1], s[0]))
    transposed = class_name.endswith("Transpose")
    out = kernel.shape[-2] if transposed else kernel.shape[-1]
    if bias is not None and bias != out:
        return
    config: dict[str, object] = {"filters": out, "kernel_size": list(kernel.shape[:dims]), "use_bias": bias is not None}
    yield _made(class_name, config, ["kernel", "bias"], [kernel, *tensors[1:]])


def _filters_first(shape: Sequence[int], bias: int | None) -> bool:
    """Whether a kernel is (filters, channels, rows, columns), as Keras 1 wrote it with `dim_ordering="th"`."""
    if bias is not None and (shape[0] == bias) != (shape[3] == bias):
        return shape[0] == bias
    return shape[2] == shape[3] and shape[0] > shape[2] and shape[0] != shape[1]


def _recurrent(class_name: str, tensors: list[Tensor]) -> Iterator[Layer]:
    shapes = [t.shape for t in tensors]
    gates = {"LSTM": 4, "GRU": 3, "SimpleRNN": 1}[class_name]
    if len(shapes) not in (2, 3) or [len(s) for s in shapes[:2]] != [2, 2]:
        return
    units = shapes[1][0]
    if shapes[1] != (units, gates * units) or shapes[0][1] != gates * units:
        return
    config: dict[str, object] = {"units": units, "use_bias": len(shapes) == 3}
    names = ["kernel", "recurrent_kernel", "bias"]
    if len(shapes) == 3:
        bias = shapes[2]
        if class_name == "GRU" and bias in ((2, 3 * units), (3 * units,)):
            config["reset_after"] = len(bias) == 2
        elif bias == (2 * gates * units,) and gates > 1:  # as CuDNN has it: a bias for either kernel
            yield plain_of_cudnn(_made(f"CuDNN{class_name}", {"units": units}, names, tensors))
            return
        elif bias != (gates * units,):
            return
    yield _made(class_name, config, names, tensors)


def _joined_gates(weights: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]] | None:
    """Keras 1 wrote an array for each gate of a recurrent layer (Keras 1.2.2, layers/recurrent.py)."""
    for class_name, gates in (("LSTM", "ifco"), ("GRU", "zrh")):
        if all(f"{kind}_{gate}" in weights for kind in "WUb" for gate in gates):
            joined = {}
            for kind, name in zip("WUb", ("kernel", "recurrent_kernel", "bias"), strict=True):
                parts = [weights[f"{kind}_{gate}"] for gate in gates]
                shape = (*parts[0].shape[:-1], sum(t.shape[-1] for t in parts))
                joined[name] = combine(name, parts, lambda arrays: np.concatenate(arrays, axis=-1), shape)
            return class_name, joined
    return None


def _normalization(class_name: str, tensors: list[Tensor], names: Sequence[str]) -> Iterator[Layer]:
    order = ["gamma", "beta", "moving_mean", "moving_variance"]
    if names and set(names) <= set(order) and len(tensors) in (2, 3, 4) and "moving_mean" in names:
        by_name = dict(zip(names, tensors, strict=True))
        config = {"scale": "gamma" in by_name, "center": "beta" in by_name}
        kept = [n for n in order if n in by_name]
        yield _made(class_name, config, kept, [by_name[n] for n in kept])
    elif len(tensors) == 4:
        yield _made(class_name, {}, order, tensors)
    elif len(tensors) == 3 and not names:
        yield _made(class_name, {"scale": False}, order[1:], tensors)


def _bidirectional(weights: Mapping[str, Tensor], keras_1: bool) -> Iterator[Layer]:
    sides = {}
    for side in ("forward", "backward"):
        own = {n.split("/", 1)[1]: t for n, t in weights.items() if n.startswith(side + "/")}
        gates = _joined_gates(own)
        tensors = list(gates[1].values()) if gates else list(own.values())
        found = [g for c in ("LSTM", "GRU", "SimpleRNN") for g in _of_class(c, tensors, [], keras_1)]
        if not found:
            return
        sides[f"{side}_layer"] = found[0].replace(name=f"{side}_{found[0].class_name.lower()}")
    sides["backward_layer"] = sides["backward_layer"].having(go_backwards=True)
    yield Layer("Bidirectional", "", {"merge_mode": "concat"}, children=sides)


def _attention(weights: Mapping[str, Tensor]) -> Iterator[Layer]:
    parts: dict[str, list[Tensor]] = {}
    for name, tensor in weights.items():
        parts.setdefault(name.split("/")[0], []).append(tensor)
    if set(parts) != {"query", "key", "value", "attention_output"}:
        return
    query, value = parts["query"][0].shape, parts["value"][0].shape
    if len(query) != 3:
        return
    config: dict[str, object] = {"num_heads": query[1], "key_dim": query[2], "use_bias": len(parts["query"]) > 1}
    config["value_dim"] = value[2] if value[2] != query[2] else None
    out = parts["attention_output"][0].shape[-1]
    config["output_shape"] = out if out != query[0] else None
    names = [f"{d}/{v}" for d in ("query", "key", "value", "attention_output") for v in ("kernel", "bias")]
    ordered = [t for d in ("query", "key", "value", "attention_output") for t in parts[d]]
    if not config["use_bias"]:
        names = names[::2]
    yield _made("MultiHeadAttention", config, names, ordered)

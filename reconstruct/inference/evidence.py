"""What the tensors of a file say about its layers: class, sizes, and the name of each variable.

Witnesses are the name of the layer (default names are the class in snake case), the names of its variables, their
number and shapes, and what goes before. Names of layers are the author's and may mislead, so shapes overrule them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reconstruct.artifact import Artifact, Group, Layer, Tensor, combine
from reconstruct.inference.creation import by_creation, chained, flattened_first
from reconstruct.objects.missing import Missing
from reconstruct.objects.placeholders import placeholder
from reconstruct.stock import LAYERS

# Classes by their name in lower case without underscores; Keras 1 named layers so, and had further names.
_CLASSES = {n.lower(): n for n in sorted(LAYERS - {"Layer", "Wrapper", "Pipeline"})} | {
    "convolution1d": "Conv1D",
    "convolution2d": "Conv2D",
    "convolution3d": "Conv3D",
    "atrousconvolution2d": "Conv2D",
    "deconvolution2d": "Conv2DTranspose",
    "convolution2dtranspose": "Conv2DTranspose",
    "separableconvolution2d": "SeparableConv2D",
    "separableconv2dkeras": "SeparableConv2D",
    "timedistributeddense": "Dense",
    "merge": "Merge",
    "input": "InputLayer",
    "tf.operators.add": "Add",
    "cudnnlstm": "LSTM",
    "cudnngru": "GRU",
    "thresholdedrelu": "ThresholdedReLU",
    "maxpool2d": "MaxPooling2D",
    "maxpool1d": "MaxPooling1D",
    "avgpool2d": "AveragePooling2D",
    "globalavgpool2d": "GlobalAveragePooling2D",
    "globalmaxpool2d": "GlobalMaxPooling2D",
}
# What authors call layers without weights, the more telling word first.
_WORDS: tuple[tuple[str, str], ...] = (
    (r"^(.*_)?inputs?(_?\d+)?$", "InputLayer"),
    (r"^(state|action|observation|image|img|question|sentence|noise|label|left|right|anchor)s?_?\d*$", "InputLayer"),
    (r"flat", "Flatten"),
    (r"(global|gap).*max|gmp", "GlobalMaxPooling2D"),
    (r"(global|gap).*|gap", "GlobalAveragePooling2D"),
    (r"avg_?pool|average|avgpool", "AveragePooling2D"),
    (r"pool", "MaxPooling2D"),
    (r"drop", "Dropout"),
    (r"noise", "GaussianNoise"),
    (r"mask", "Masking"),
    (r"up_?samp|upscale|interp|resize", "UpSampling2D"),
    (r"pad", "ZeroPadding2D"),
    (r"crop", "Cropping2D"),
    (r"reshape", "Reshape"),
    (r"permute", "Permute"),
    (r"repeat", "RepeatVector"),
    (r"concat|(?<![a-z])cat|merge|skip|join", "Concatenate"),
    (r"(?<![a-z])add|residual|(?<![a-z])sum|shortcut", "Add"),
    (r"(?<![a-z])mul", "Multiply"),
    (r"leaky|lrelu", "LeakyReLU"),
    (r"relu6", "relu6"),
    (r"relu", "ReLU"),
    (r"elu", "ELU"),
    (r"softmax", "Softmax"),
    (r"sigmoid", "sigmoid"),
    (r"tanh", "tanh"),
    (r"(?<![a-z])act|nonlin", "Activation"),
    (r"rescal|normali[sz]e|scale", "Rescaling"),
    (r"^up|_up\d*$", "UpSampling2D"),
)


@dataclass(frozen=True)
class Found:
    """A layer as its tensors tell it. `sure` says how far class and sizes can be trusted: `certain` where name and
    tensors agree or only one class has such tensors, `likely` where one witness alone speaks, `open` where none does.
    """

    layer: Layer
    sure: str
    witnesses: tuple[str, ...] = ()
    starts_model: bool = False  # whether it is the first of a nested model
    within: tuple[str, ...] = ()  # the nested models that it is in, outermost first


@dataclass(frozen=True)
class Evidence:
    """The layers in order; whether the file lists layers without weights too; whether the model is functional.

    `known` says what is assumed where some of the layers are taken for those of a known architecture.
    """

    layers: tuple[Found, ...]
    lists_all: bool
    functional: bool | None
    ordered: bool = True  # whether the file has the order of layers; else only where they lie in it tells it
    known: str | None = None
    others: tuple[str, ...] = ()  # the other architectures that it may be
    cost: float = 0.0


def gather(artifact: Artifact) -> Evidence:
    """The layers of a file that holds weights alone; those of nested models stand in the place of the model."""
    groups: Sequence[Group] = artifact.groups
    of_author = not artifact.lists_layers and not any(g.kind and g.kind.startswith("input") for g in groups)
    if of_author:
        groups = by_creation(groups, lambda name: _class_of_name(name, None))
    found = tuple(_of_groups(groups, artifact))
    if of_author:
        found = tuple(found[i] for i in chained([f.layer for f in found]))
        found = tuple(found[i] for i in flattened_first([f.layer for f in found]))
    names: dict[str, int] = {}
    unique = []
    for each in found:
        name = re.sub(r"[^\w.-]", "_", each.layer.name) or "layer"
        count = names[name] = names.get(name, -1) + 1
        name = f"{name}_{count}" if count else name
        layer = each.layer.replace(name=name, path=f"model/{name}")
        unique.append(replace(each, layer=layer.having(name=name) if "name" in layer.config else layer))
    nested = any(g.parts or list(_nested(g)) for g in artifact.groups)
    # A layer without weights is there where all are, be it the input
    listed = any(not f.layer.weights and not f.layer.children for f in found)
    has_input = any(f.layer.class_name == "InputLayer" for f in unique)
    ordered = artifact.lists_layers
    complete = listed and (not nested or (not ordered and _nested_list_all(found)))
    return Evidence(tuple(unique), complete, True if has_input else None, ordered)


def _nested_list_all(found: Sequence[Found]) -> bool:
    """Whether each nested model lists a layer without weights, as Keras 3 writes models that are no classes."""
    without = {f.within for f in found if not f.layer.weights and not f.layer.children}
    return without >= {f.within for f in found if f.within}


def with_inputs(evidence: Evidence, given: Sequence[Sequence[int | None] | None] | None) -> Evidence:
    """The same with as many inputs as are given: what has no weights and the name of no class may be another, which its
    author named; a class may join its inputs before its first layer."""
    count = sum(f.layer.class_name == "InputLayer" for f in evidence.layers)
    if given is None or count >= len(given):
        return evidence
    if count == 0:
        return _joined(evidence, given)
    named = [i for i, f in enumerate(evidence.layers) if not f.layer.weights and f.sure in ("open", "likely")]
    more = [i for i in named if evidence.layers[i].layer.class_name != "InputLayer" and not evidence.layers[i].within]
    more.sort(key=lambda i: evidence.layers[i].sure != "open")
    chosen = set(more[: len(given) - count])
    layers = tuple(
        replace(f, layer=Layer("InputLayer", f.layer.name, path=f.layer.path)) if i in chosen else f
        for i, f in enumerate(evidence.layers)
    )
    return replace(evidence, layers=layers)


def _joined(evidence: Evidence, given: Sequence[Sequence[int | None] | None]) -> Evidence:
    """The same with inputs that are joined first, where the first layer takes as many numbers as they have together, as
    the critics of agents take a state and an action (Lillicrap et al. 2016, arXiv 1509.02971)."""
    first = evidence.layers[0].layer if evidence.layers else None
    sizes = [shape[-1] if shape else None for shape in given]
    total = sum(n for n in sizes if n is not None)
    if len(given) < 2 or None in sizes or first is None or first.class_name != "Dense":
        return evidence
    if first.weights["kernel"].shape[0] != total:
        return evidence
    added = [Layer("InputLayer", name := f"input_{k}", path=f"model/{name}") for k in range(len(given))]
    added.append(Layer("Concatenate", "inputs", {"name": "inputs"}, path="model/inputs"))
    return replace(evidence, layers=(*(Found(n, "likely", ("shapes",)) for n in added), *evidence.layers))


def _of_groups(groups: Sequence[Group], artifact: Artifact) -> Iterator[Found]:
    for number, group in enumerate(groups):
        parts = group.parts or tuple(_nested(group))
        if parts:
            inner = list(_of_groups(parts, artifact))
            # What the model inside is called on stands outside of it
            kept = [f for f in inner if number == 0 or f.layer.class_name != "InputLayer"]
            inside = f"{number}/{group.name}"
            yield from (
                replace(f, starts_model=f.starts_model or k == 0, within=(inside, *f.within))
                for k, f in enumerate(kept)
            )
        else:
            yield _layer(group, artifact, number == 0)


def _nested(group: Group) -> Iterator[Group]:
    """The layers of a model that a legacy file lists as one: its tensors have the names of these in front."""
    owners: dict[str, list[Tensor]] = {}
    for tensor in group.tensors:
        parts = tensor.name.split("/")
        owners.setdefault("/".join(parts[:-1]) if len(parts) > 1 else "", []).append(tensor)
    inner = _class_of_name(group.name, group.kind)
    if len(owners) < 2 or "" in owners or inner in LAYERS - {"Layer"}:
        return
    prefix = {name.split("/")[0] for name in owners}
    strip = 1 if prefix == {group.name} and len(owners) > 1 else 0
    merged: dict[str, list[Tensor]] = {}
    for name, tensors in owners.items():
        rest = name.split("/")[strip:]
        merged.setdefault(rest[0] if rest else name, []).extend(tensors)
    for name, tensors in merged.items():
        yield Group(name, None, tuple(tensors))


def _layer(group: Group, artifact: Artifact, first: bool) -> Found:
    named = _class_of_name(group.name, group.kind)
    if not group.tensors:
        return _without_weights(group, named, first)
    weights, told = _named(group)
    witnesses = [w for w, is_true in (("name", named is not None), ("weight names", told)) if is_true]
    keras_1 = artifact.writer.major == 1 and artifact.lists_layers
    for guess in _guesses(named, weights, told, keras_1, group.name):
        sure = "certain" if guess.class_name == named or (named is None and told) else "likely"
        return Found(guess.replace(name=group.name), sure, (*witnesses, "shapes"))
    return Found(_unknown(group, named), "open", tuple(witnesses))


def _class_of_name(name: str, kind: str | None) -> str | None:
    """The class that a name says: a default name, or one that an author built on it."""
    for text in (kind, name):
        if text is None:
            continue
        short = re.sub(r"(_\d+)+$", "", text.split("/")[-1])
        found = _CLASSES.get(short.replace("_", "").lower())
        if found is not None:
            return found
    return None


def _without_weights(group: Group, named: str | None, first: bool) -> Found:
    if named is not None:
        return Found(Layer(named, group.name), "certain", ("name",))
    text = (group.kind or group.name).lower()
    for pattern, class_name in _WORDS:
        if re.search(pattern, text):
            if class_name.islower():
                return Found(Layer("Activation", group.name, {"activation": class_name}), "likely", ("name",))
            config = {"interpolation": "bilinear"} if class_name == "UpSampling2D" and "bilinear" in text else {}
            return Found(Layer(class_name, group.name, config), "likely", ("name",))
    if first:
        return Found(Layer("InputLayer", group.name), "likely", ("it is the first",))
    return Found(Layer("Unknown", group.name), "open")


_SUFFIX = re.compile(r"(?::\d+)?$")
_KERAS_1_NAME = re.compile(r"(W|U|b)(?:_([icfozrh]))?(?:_\d+)?")
_VARIABLES = (
    "recurrent_kernel depthwise_kernel pointwise_kernel kernel bias gamma beta moving_mean moving_variance "
    "running_mean running_std embeddings alpha alphas mean variance count scale"
).split()


_RENAMED = {"running_mean": "moving_mean", "running_std": "moving_variance", "alphas": "alpha"}


def _named(group: Group) -> tuple[dict[str, Tensor], bool]:
    """The tensors by the names of variables, wrapped ones with a prefix, and whether the file's names tell them."""
    weights: dict[str, Tensor] = {}
    told = True
    for i, tensor in enumerate(group.tensors):
        path = _SUFFIX.sub("", tensor.name).split("/")
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


def _guesses(
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
        for inner in _guesses(None, weights, told, keras_1, ""):
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
            yield _made(f"CuDNN{class_name}", {"units": units}, names, tensors)
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


def _unknown(group: Group, named: str | None) -> Layer:
    """A layer whose tensors are those of no stock layer keeps them in a placeholder."""
    weights: dict[str, Tensor] = {}
    for tensor in group.tensors:
        name = _SUFFIX.sub("", tensor.name).removeprefix(group.name).lstrip("/_").replace("/", "_") or "weight"
        while name in weights:
            name += "_"
        weights[name] = tensor
    layer = Layer(named or "".join(p.title() for p in (group.kind or "layer").split("_")), group.name, weights=weights)
    message = f"the tensors of {group.name!r} are those of no layer that Keras has"
    hint = f"give its code, as a class {layer.class_name}: reconstruct stub FILE -o layers.py, and --custom layers.py"
    return placeholder(layer, Missing("layer", layer.class_name, message, hint))

"""What the tensors of a file say about its layers: class, sizes, and the name of each variable.

Witnesses are the name of the layer (default names are the class in snake case), the names of its variables, their
number and shapes, and what goes before. Names of layers are the author's and may mislead, so shapes overrule them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reconstruct.artifact import Artifact, Group, Layer, Tensor
from reconstruct.inference.creation import by_creation, chained, flattened_first
from reconstruct.inference.variables import SUFFIX, guesses, named_variables
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
    (r"^(sequential|functional|model)(_\d+)?$|augment", "Identity"),  # a model without weights makes variants of images
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
    attribute: str = ""  # what its author calls it, where the file says it beside its name


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

    @property
    def called(self) -> Mapping[str, str]:
        """What authors call layers that have names of Keras's."""
        return {f.layer.name: f.attribute for f in self.layers if f.attribute}


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
    # Keras 1 and 2 list all layers of a model that is not nested; else one without weights is there where all are
    listed = artifact.lists_layers or any(not f.layer.weights and not f.layer.children for f in found)
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
    weights, told = named_variables(group)
    witnesses = [w for w, is_true in (("name", named is not None), ("weight names", told)) if is_true]
    keras_1 = artifact.writer.major == 1 and artifact.lists_layers
    for guess in guesses(named, weights, told, keras_1, group.name):
        sure = "certain" if guess.class_name == named or (named is None and told) else "likely"
        return Found(guess.replace(name=group.name), sure, (*witnesses, "shapes"), attribute=group.attribute)
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


def _unknown(group: Group, named: str | None) -> Layer:
    """A layer whose tensors are those of no stock layer keeps them in a placeholder."""
    weights: dict[str, Tensor] = {}
    for tensor in group.tensors:
        name = SUFFIX.sub("", tensor.name).removeprefix(group.name).lstrip("/_").replace("/", "_") or "weight"
        while name in weights:
            name += "_"
        weights[name] = tensor
    layer = Layer(named or "".join(p.title() for p in (group.kind or "layer").split("_")), group.name, weights=weights)
    message = f"the tensors of {group.name!r} are those of no layer that Keras has"
    hint = f"give its code, as a class {layer.class_name}: reconstruct stub FILE -o layers.py, and --custom layers.py"
    return placeholder(layer, Missing("layer", layer.class_name, message, hint))

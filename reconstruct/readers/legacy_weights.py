"""Which tensor of a legacy `.h5` file belongs to which variable of which layer.

The file lists, per layer of the model, its tensors in the order of `layer.weights`; a nested model or a wrapper
is one layer there. Keras itself goes by that order alone. Here names are the second witness: where they name
every variable of a group once, they decide, and a disagreement with the order is a finding.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconstruct.artifact import Finding, Layer, Tensor, Writer
from reconstruct.stock import WRAPPERS, slots


@dataclass(frozen=True)
class Variable:
    """A place for a tensor: the path of its layer in the group's tree, and its name in that layer."""

    owner: tuple[str, ...]
    layer_name: str
    name: str


def attach(model: Layer, groups: Mapping[str, Sequence[Tensor]], writer: Writer) -> tuple[Layer, list[Finding]]:
    """The model with each tensor at its layer; what belongs nowhere becomes a finding."""
    findings: list[Finding] = []
    assert model.graph is not None
    layers = _layers_of_groups(model, groups)
    filled = {}
    for group, owner in layers.items():
        layer, path = owner
        filled[path] = _attach_group(layer, list(groups[group]), writer, findings)
    for group in groups:
        if group not in layers and groups[group]:
            findings.append(
                Finding(
                    "weights_without_layer",
                    "warning",
                    group,
                    f"the file has {len(groups[group])} tensors for {group!r}, which is no layer of the model",
                )
            )
    return _rebuilt(model, (), filled), findings


def _layers_of_groups(model: Layer, groups: Mapping[str, Sequence[Tensor]]) -> dict[str, tuple[Layer, tuple[str, ...]]]:
    """The layer that each group belongs to, with its path: by name, else in order among those with weights.

    Keras 1 wrote the layers of a nested Sequential as groups of their own (`flattened_layers`, Keras 1.2.2,
    models.py), so all depths are searched, outermost first.
    """
    by_name: dict[str, tuple[Layer, tuple[str, ...]]] = {}
    queue: list[tuple[Layer, tuple[str, ...]]] = [(model, ())]
    while queue:
        node, path = queue.pop(0)
        for key, layer in node.parts():
            by_name.setdefault(layer.name, (layer, (*path, key)))
            queue.append((layer, (*path, key)))
    found = {g: by_name[g] for g in groups if g in by_name}
    missing = [g for g in groups if g not in by_name and groups[g]]
    taken = {path for _, path in found.values()}
    with_weights = [
        (layer, (key,)) for key, layer in model.parts() if (key,) not in taken and variables(layer, (), 3) != ([], [])
    ]
    if missing and len(missing) == len(with_weights):
        found.update(zip(missing, with_weights, strict=True))
    elif missing and all(re.fullmatch(r"layer_\d+", g) for g in missing):  # Keras 0.3: numbered, all layers
        parts = [(layer, (key,)) for key, layer in model.parts()]
        found.update({g: parts[int(g[6:])] for g in missing if int(g[6:]) < len(parts)})
    return found


def variables(
    layer: Layer, owner: tuple[str, ...], major: int, tf_keras: bool = True, frozen: bool = False
) -> tuple[list[Variable] | None, list[Variable] | None]:
    """The trained and the other variables of a layer in the order of `layer.weights`; None for an unknown class.

    A model lists the trained variables of all its layers first. When it is frozen as a whole, tf.keras lists them
    layer by layer (`non_trainable_weights` of tf.Module-based layers), Keras 2.2.4 does not (engine/network.py).
    """
    frozen = frozen or (tf_keras and not layer.trainable)
    trained: list[Variable] = []
    other: list[Variable] = []
    parts = layer.parts()
    if parts or layer.is_model:
        for key, part in parts:
            t, o = variables(part, (*owner, key), major, tf_keras, frozen)
            if t is None or o is None:
                return None, None
            if frozen:
                other += t + o
            else:
                trained += t
                other += o
        if not layer.trainable:
            return [], trained + other
        return trained, other
    own = slots(layer.class_name, layer.config, major)
    if own is None:
        return None, None
    places = [(Variable(owner, layer.name, s.name), s.trained) for s in own]
    if frozen or not layer.trainable:
        return [], [v for v, _ in places]
    return [v for v, t in places if t], [v for v, t in places if not t]


def _attach_group(layer: Layer, tensors: list[Tensor], writer: Writer, findings: list[Finding]) -> Layer:
    if not tensors:
        return layer
    expected = _expected(layer, tensors, writer)
    if expected is None:
        trained, other = variables(layer, (), 3)
        if trained is not None and other is not None and not any(_may_hold_more(n) for n in layer.walk()):
            findings.append(
                Finding(
                    "unexpected_weights",
                    "error",
                    layer.path,
                    f"{layer.class_name} {layer.name} should have {len(trained) + len(other)} variables, "
                    f"the file has {len(tensors)}",
                )
            )
        return _attach_by_layer(layer, tensors) if layer.parts() else _attach_unknown(layer, tensors)
    assignment = dict(zip(expected, tensors, strict=True))
    named = _by_name(expected, tensors)
    if named is not None and any(named[v] is not assignment[v] for v in expected):
        findings.append(
            Finding(
                "weights_permuted",
                "warning",
                layer.path,
                f"the tensors of {layer.name} are not in the order in which Keras would read them; "
                "their names decide where each belongs",
            )
        )
        assignment = named
    filled: dict[tuple[str, ...], dict[str, Tensor]] = {}
    for variable, tensor in assignment.items():
        filled.setdefault(variable.owner, {})[variable.name] = tensor
    return _with_tensors(layer, (), filled)


def _expected(layer: Layer, tensors: Sequence[Tensor], writer: Writer) -> list[Variable] | None:
    """The variables in the file's order, in the first of the forms the layer may have that has the right number.

    A Keras 1 recurrent layer has one array per gate, or whole kernels with `consume_less="gpu"`.
    """
    for major in (1, 3) if writer.major == 1 else (3,):
        trained, other = variables(layer, (), major, writer.is_tf_keras or writer.major >= 3)
        if trained is not None and other is not None and len(trained) + len(other) == len(tensors):
            return trained + other
    return None


_SUFFIX = re.compile(r"(?::\d+)?$")


def _by_name(expected: Sequence[Variable], tensors: Sequence[Tensor]) -> dict[Variable, Tensor] | None:
    """The tensors by the names in the file, or None unless these name every variable exactly once."""
    found: dict[Variable, Tensor] = {}
    for tensor in tensors:
        parts = _SUFFIX.sub("", tensor.name).split("/")
        matches = [
            v
            for v in expected
            if parts[-len(v.name.split("/")) :] == v.name.split("/")
            and (v.layer_name in parts[: -len(v.name.split("/"))] or v.layer_name.split("/")[-1] in parts[:-1])
        ]
        if len(matches) != 1 or matches[0] in found:
            return None
        found[matches[0]] = tensor
    return found


def _may_hold_more(layer: Layer) -> bool:
    """Whether the layer wraps others and may have variables of its own."""
    foreign = layer.package is not None and not layer.package.startswith(("keras", "tf_keras"))
    own = foreign or layer.class_name not in WRAPPERS or layer.class_name == "SpectralNormalization"
    return bool(layer.children) and own


def _attach_by_layer(layer: Layer, tensors: Sequence[Tensor]) -> Layer:
    """The tensors of a model or wrapper that has layers of unknown classes, by the names of the layers in theirs.

    Where only one layer in it has variables, their names need not have its: TimeDistributed gives them its own. What
    belongs to none of the layers belongs to the wrapper.
    """
    leaves: dict[tuple[str, ...], Layer] = {}

    def collect(node: Layer, path: tuple[str, ...]) -> None:
        for key, part in node.parts():
            collect(part, (*path, key))
        if not node.parts() and slots(node.class_name, node.config) != ():
            leaves[path] = node

    collect(layer, ())
    shares: dict[tuple[str, ...], dict[str, Tensor]] = {path: {} for path in leaves}
    rest: list[Tensor] = []
    foreign = _may_hold_more(layer)
    owners: list[tuple[str, ...] | None] = []
    starts: list[int] = []
    for tensor in tensors:
        name = "/" + _SUFFIX.sub("", tensor.name)
        places = {path: name.rfind(f"/{leaf.name}/") for path, leaf in leaves.items()}
        path = next(iter(leaves)) if len(leaves) == 1 else max(places, key=lambda p: places[p], default=None)
        of_wrapper = foreign and name.startswith(f"/{layer.name}/")
        ambiguous = path is not None and places[path] >= 0 and list(places.values()).count(places[path]) > 1
        lost = path is None or ambiguous or (places[path] < 0 and (len(leaves) > 1 or of_wrapper))
        owners.append(None if lost else path)
        starts.append(max(places.values(), default=-1))
    for tensor, path, at in zip(tensors, _with_enclosed(owners, starts, leaves), starts, strict=True):
        if path is None:
            rest.append(tensor)
            continue
        leaf, name = leaves[path], "/" + _SUFFIX.sub("", tensor.name)
        name = name[at + len(leaf.name) + 2 :] if at >= 0 else name[1:].removeprefix(f"{layer.name}/")
        own = slots(leaf.class_name, leaf.config)
        if own is not None:
            name = next((slot.name for slot in own if f"/{name}".endswith(f"/{slot.name}")), "")
        if not name or name in shares[path]:
            rest.append(tensor)
        else:
            shares[path][name] = tensor
    layer = _with_tensors(layer, (), shares)
    if not rest:
        return layer
    inner = layer.children.get("layer")
    if inner is not None and inner.children and not foreign:  # a TimeDistributed has no variables of its own
        named = [dataclasses.replace(t, name=t.name.removeprefix(f"{layer.name}/")) for t in rest]
        return layer.replace(children={**layer.children, "layer": _attach_unknown(inner, named)})
    return _attach_unknown(layer, rest)


def _with_enclosed(
    owners: Sequence[tuple[str, ...] | None], starts: Sequence[int], leaves: Mapping[tuple[str, ...], Layer]
) -> list[tuple[str, ...] | None]:
    """The owners, where what is no layer's by its name stands between tensors of one layer of an unknown class: it is
    that layer's too. A model in such a layer names its variables without it (`dense/kernel`), tf.keras 2."""
    found = list(owners)
    for i, owner in enumerate(owners):
        if owner is None and starts[i] < 0:
            before = next((o for o in reversed(found[:i]) if o is not None), None)
            after = next((o for o in owners[i:] if o is not None), None)
            unknown = before is not None and slots(leaves[before].class_name, leaves[before].config) is None
            found[i] = before if unknown and before == after else None
    return found


def _attach_unknown(layer: Layer, tensors: list[Tensor]) -> Layer:
    """The tensors of a layer whose variables are not known, under their own names."""
    weights: dict[str, Tensor] = {}
    prefix = layer.name + "/"
    for tensor in tensors:
        name = _SUFFIX.sub("", tensor.name)
        name = name.removeprefix(prefix).removeprefix(layer.name + "_") or name
        while name in weights:
            name += "_"
        weights[name] = tensor
    return layer.replace(weights=weights)


def _with_tensors(layer: Layer, path: tuple[str, ...], filled: Mapping[tuple[str, ...], dict[str, Tensor]]) -> Layer:
    layer = layer.replace(weights=filled.get(path, {}) or layer.weights)
    return layer.map_parts(lambda key, part: _with_tensors(part, (*path, key), filled))


def _rebuilt(layer: Layer, path: tuple[str, ...], filled: Mapping[tuple[str, ...], Layer]) -> Layer:
    layer = filled.get(path, layer)
    return layer.map_parts(lambda key, part: _rebuilt(part, (*path, key), filled))

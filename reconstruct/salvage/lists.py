"""The lists of names in legacy files: what they say is missing, and what they would say where they are lost.

A file of Keras 1 and 2 lists its layers (`layer_names`), and for each its arrays (`weight_names`): Keras 2.2.4,
engine/saving.py. Keras 3's own files have no lists; there only a header says that there was an array.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from reconstruct.artifact import Finding, Layer
from reconstruct.errors import ReconstructError
from reconstruct.readers import legacy_weights, parse
from reconstruct.readers.lost import LOST_AND_FOUND
from reconstruct.salvage import names
from reconstruct.salvage.tree import NO_HEADER, Array, Node, gone

_ROOM = 60_000  # bytes; an HDF5 header has 64 KiB


def complete(root: Node, config: Any) -> tuple[Node, list[Finding]]:
    """The tree with an entry for every array that a list names, with lists where they are lost, and as a file of
    weights alone where the architecture is lost."""
    findings: list[Finding] = []
    group = root.children.get("model_weights", root)
    if "nb_layers" in group.attributes:
        _complete_numbered(group)
        return root, findings
    if config is None and group is not root:
        message = "the architecture is lost: what is written is a file of weights alone"
        findings.append(Finding("config_lost", "error", "model_config", message, "put the config beside it as JSON"))
        found = root.children.pop(LOST_AND_FOUND, Node(whole=False))
        found.children |= {name: node for name, node in root.children.items() if node is not group}
        root = group
        if found.children:
            root.children.setdefault(LOST_AND_FOUND, found)
    if names.listed(group.attributes, "layer_names") is None:
        if all(names.listed(node.attributes, "weight_names") is None for node in group.children.values()):
            return root, findings  # no file of Keras 1 or 2
        layers = _in_order(group, _names_in(config))
        _put(group, "layer_names", layers)
        message = f"the list of layers is lost; it was made anew of the {len(layers)} that are there"
        findings.append(Finding("list_lost", "warning", "layer_names", message))
    _reconcile(group, "layer_names", group.children, set(_names_in(config)), findings)
    for layer in dict.fromkeys(names.listed(group.attributes, "layer_names") or []):
        _complete_group(group, layer, findings)
    if "optimizer_weights" in root.children:
        _complete_group(root, "optimizer_weights", findings)
    return root, findings


def _complete_numbered(group: Node) -> None:
    """Keras 0.3 counts instead of listing: `layer_0/param_0` (Keras 0.3.3, models.py, `save_weights`)."""
    count = _number(group.attributes["nb_layers"])
    here = {name: node for name, node in group.children.items() if re.fullmatch(r"layer_\d+", name)}
    for name in [f"layer_{i}" for i in range(min(count, 1000))]:
        node = here.get(name) or group.enter((name,))
        params = node.attributes.setdefault("nb_params", np.array(len(node.children)))
        for place in [(f"param_{i}",) for i in range(min(_number(params), 1000))]:
            if node.at(place).array is None:
                node.enter(place).array = Array(None, None, gone, NO_HEADER)


def _number(value: Any) -> int:
    """A count; 0 where it is none."""
    found = np.asarray(value)
    return int(found.item()) if found.size == 1 and found.dtype.kind in "iu" else 0


def _complete_group(group: Node, layer: str, findings: list[Finding]) -> None:
    path = names.paths([layer])[0]
    node = group.enter(path) if path else group
    listed = names.listed(node.attributes, "weight_names")
    if listed is None:
        listed = [name for name, _ in sorted(node.arrays(), key=lambda item: _address(node, item[0]))]
        _put(node, "weight_names", listed)
        if listed:
            message = f"the list of its arrays is lost; it was made anew of the {len(listed)} that are there"
            findings.append(Finding("list_lost", "warning", layer, message))
    _reconcile(node, "weight_names", [name for name, _ in node.arrays()], (), findings)
    for place in names.paths(names.listed(node.attributes, "weight_names") or []):
        below = node.enter(place)
        if below.array is None and not below.children:
            below.array = Array(None, None, gone, NO_HEADER)


def _reconcile(
    group: Node, attribute: str, here: Iterable[str], right: Collection[str], findings: list[Finding]
) -> None:
    """Where a listed name and the name of what is there differ in one byte, one of them is damaged: what the list says
    becomes the name of both, unless it is no UTF-8, or the other is known to be `right`."""
    listed = names.listed(group.attributes, attribute) or []
    there = set(here)
    twins = names.twins(dict.fromkeys(name for name in listed if name not in there), there.difference(listed))
    for i, name in enumerate(listed):
        other = twins.pop(name, None)
        if other is None:
            continue
        if other in right or not _is_name(name):
            listed[i] = other
        else:
            path, to = (tuple(each.split("/")) for each in (other, name))
            group.enter(to).take(group.at(path[:-1]).children.pop(path[-1]))
        message = f"the names {name!r} and {other!r} differ in one byte: they were taken for one, {listed[i]!r}"
        findings.append(Finding("name_damaged", "warning", listed[i], message))
    kept = [name for name in listed if _is_name(name)]
    if len(kept) < len(listed):
        message = f"{len(listed) - len(kept)} names of the list {attribute} are damaged; they were taken off it"
        findings.append(Finding("name_damaged", "warning", attribute, message))
    if kept != (names.listed(group.attributes, attribute) or []):
        _put(group, attribute, kept)


def _is_name(name: str) -> bool:
    """Whether HDF5 can have something at the path that a name is."""
    parts = names.paths([name])[0]
    return bool(parts) and all(names.may_be(part) for part in parts)


def _address(node: Node, path: str) -> int:
    return node.enter(tuple(path.split("/"))).address


def _put(group: Node, attribute: str, listed: Sequence[str]) -> None:
    """Set a list, split as Keras does where HDF5 has no room for one attribute (Keras 2.1.3, engine/topology.py)."""
    for key in [k for k in group.attributes if re.fullmatch(rf"{attribute}\d*", k)]:
        del group.attributes[key]
    data = np.array([n.encode("utf-8", "surrogateescape") for n in listed], dtype="S" if listed else "S1")
    if data.nbytes <= _ROOM:
        group.attributes[attribute] = data
        return
    for number, part in enumerate(np.array_split(data, -(-data.nbytes // _ROOM))):
        group.attributes[f"{attribute}{number}"] = part


def _in_order(group: Node, order: Sequence[str]) -> list[str]:
    """The layers that are there, in the order of the config if that names them all, else as they lie in the file."""
    here = [n for n, node in group.children.items() if n not in (LOST_AND_FOUND, "top_level_model_weights")]
    there = set(here)
    if there <= set(order):
        return [name for name in order if name in there]
    return sorted(here, key=lambda name: group.children[name].address)


def _names_in(config: Any) -> list[str]:
    model = model_of(config)
    return [layer.name for _, layer in model.parts()] if model is not None else []


def model_of(config: Any) -> Layer | None:
    """The model that a config describes; None where it cannot be understood."""
    if config is None:
        return None
    try:
        return parse.parse_model(config)
    except (ReconstructError, LookupError, TypeError, ValueError, AttributeError):
        return None


def variables_of(layer: Layer) -> list[str]:
    """The variables that a layer must have, below its own name, as far as its class is known."""
    trained, other = legacy_weights.variables(layer, (), 3)
    return [
        v.name if v.layer_name == layer.name else f"{v.layer_name}/{v.name}" for v in [*(trained or ()), *(other or ())]
    ]

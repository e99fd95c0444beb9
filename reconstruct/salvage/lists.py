"""The lists of names in legacy files: what they say is missing, and what they would say where they are lost.

A file of Keras 1 and 2 lists its layers (`layer_names`), and for each its arrays (`weight_names`): Keras 2.2.4,
engine/saving.py. Keras 3's own files have no lists; there only a header says that there was an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from reconstruct.artifact import Finding, Layer
from reconstruct.errors import ReconstructError
from reconstruct.readers import legacy_weights, parse
from reconstruct.salvage import names
from reconstruct.salvage.tree import LOST_AND_FOUND, Array, Node, gone

_NO_HEADER = "its header is lost"


def complete(root: Node, config: Any) -> tuple[Node, list[Finding]]:
    """The tree with an entry for every array that a list names, with lists where they are lost, and as a file of
    weights alone where the architecture is lost."""
    findings: list[Finding] = []
    group = root.children.get("model_weights", root)
    if config is None and group is not root:
        message = "the architecture is lost: what is written is a file of weights alone"
        findings.append(Finding("config_lost", "error", "model_config", message, "put the config beside it as JSON"))
        found = root.children.get(LOST_AND_FOUND)
        root = group
        if found is not None:
            root.children.setdefault(LOST_AND_FOUND, found)
    if names.listed(group.attributes, "layer_names") is None:
        if all(names.listed(node.attributes, "weight_names") is None for node in group.children.values()):
            return root, findings  # no file of Keras 1 or 2
        layers = _in_order(group, _names_in(config))
        group.attributes["layer_names"] = _as_attribute(layers)
        message = f"the list of layers is lost; it was made anew of the {len(layers)} that are there"
        findings.append(Finding("list_lost", "warning", "layer_names", message))
    for layer in names.listed(group.attributes, "layer_names") or []:
        _complete_group(group, layer, findings)
    if "optimizer_weights" in root.children:
        _complete_group(root, "optimizer_weights", findings)
    return root, findings


def _complete_group(group: Node, layer: str, findings: list[Finding]) -> None:
    path = names.paths([layer])[0]
    node = group.enter(path) if path else group
    listed = names.listed(node.attributes, "weight_names")
    if listed is None:
        listed = [name for name, _ in sorted(node.arrays(), key=lambda item: _address(node, item[0]))]
        node.attributes["weight_names"] = _as_attribute(listed)
        if listed:
            message = f"the list of its arrays is lost; it was made anew of the {len(listed)} that are there"
            findings.append(Finding("list_lost", "warning", layer, message))
    for place in names.paths(listed):
        below = node.enter(place)
        if below.array is None and not below.children:
            below.array = Array(None, None, gone, _NO_HEADER)


def _address(node: Node, path: str) -> int:
    return node.enter(tuple(path.split("/"))).address


def _as_attribute(listed: Sequence[str]) -> np.ndarray:
    return np.array([n.encode("utf-8", "surrogateescape") for n in listed], dtype="S" if listed else "S1")


def _in_order(group: Node, order: Sequence[str]) -> list[str]:
    """The layers that are there, in the order of the config if that names them all, else as they lie in the file."""
    here = [n for n, node in group.children.items() if n not in (LOST_AND_FOUND, "top_level_model_weights")]
    if set(here) <= set(order):
        return [name for name in order if name in here]
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

"""Groups of a Keras 3 file whose name is lost, by the config and the name of the layer that they carry.

Keras 3 counts the layers of a class (`layers/dense_1`) and notes beside the variables the name of the layer itself
(saving/saving_lib.py, `_save_state`: `metadata={"name": …}`); the config has that name, too.
"""

from __future__ import annotations

import re
from collections import Counter

from reconstruct.artifact import Finding, Layer
from reconstruct.readers.object_weights import group_names
from reconstruct.salvage.names import text_of
from reconstruct.salvage.tree import NO_HEADER, Array, Node, Path, Unnamed, gone


def name(root: Node, model: Layer) -> None:
    """Move what has no name to the place that the config says, if nothing is there."""
    places = _places(model)
    for path, node in list(root.walk()):
        if not path or not isinstance(path[-1], Unnamed):
            continue
        own = _layer_of(node)
        inner = node.children.get("vars")
        layer = own or (_layer_of(inner) if inner is not None else None)
        if layer not in places:
            continue
        to = (*places[layer], "vars") if own else places[layer]
        if not list(root.at(to).arrays()):
            del root.at(path[:-1]).children[path[-1]]
            root.enter(to).take(node)


def complete(root: Node) -> list[Finding]:
    """Enter what is missing among the arrays of a layer, which Keras 3 numbers (layers/layer.py, `save_own_variables`),
    and say of a number that is none."""
    findings = []
    arrays = [path for path, node in root.walk() if node.array is not None and not isinstance(path[-1], Unnamed)]
    outside = ["/".join(path) for path in arrays if path[-2:-1] != ("vars",)]
    if outside and len(outside) < len(arrays) and not any("layer_names" in node.attributes for _, node in root.walk()):
        message = "it lies in no group `vars`, as all arrays of Keras 3 do: a name above it is damaged"
        findings.append(Finding("name_damaged", "warning", outside[0], message))
    for path, node in list(root.walk()):
        numbers = [int(name) for name in node.children if re.fullmatch(r"\d{1,4}", name)]
        if not path or path[-1] != "vars" or not numbers:
            continue
        for i in range(max(numbers)):
            if str(i) not in node.children:
                node.children[str(i)] = Node(array=Array(None, None, gone, NO_HEADER))
        odd = [name for name in node.children if not name.isdecimal() and not isinstance(name, Unnamed)]
        if odd:
            message = f"{odd[0]!r} stands among the numbers of arrays: its name is damaged"
            findings.append(Finding("name_damaged", "warning", "/".join(path), message))
    return findings


def _layer_of(node: Node) -> str | None:
    value = node.attributes.get("name")
    return None if value is None else text_of(value)


def _places(model: Layer) -> dict[str, Path]:
    """The group of each layer of the model and of the models in it, by the layer's name where only one has it."""
    found: list[tuple[str, Path]] = []
    todo: list[tuple[Layer, Path]] = [(model, ())]
    while todo:
        node, above = todo.pop()
        keys = group_names(node)
        for key, part in node.parts():
            if key in keys:
                path = (*above, "layers", keys[key])
                found.append((part.name, path))
                if part.is_model:
                    todo.append((part, path))
    count = Counter(layer for layer, _ in found)
    return {layer: path for layer, path in found if count[layer] == 1}

"""Which variable of a layer each tensor of a file belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconstruct.artifact import Layer
from reconstruct.naming import numbered, snake_case
from reconstruct.runtimes import object_paths


@dataclass(frozen=True)
class Matching:
    """The variable for each tensor of a layer, in the order of its tensors; not `certain` where only their order says
    which is which, or their names contradict it."""

    variables: list[Any]
    certain: bool = True


def variables(layer: Layer, instance: Any) -> Matching:
    """The variables of a built layer for the tensors that the file has for it; there are as many.

    By name; by attribute, which the files of Keras 3 and of tf.keras from 2.12 name; or else in the order in which
    Keras 2 saves the variables of a layer, trained ones first. Raises what Keras raises where it does not find an
    attribute.
    """
    names = list(layer.weights)
    found = _by_name(names, instance)
    if found is None and object_paths.are_paths(layer.weights):
        found = _by_attribute(names, instance)
        if found is None:
            object_paths.load(instance, layer.weights)
            found = _by_value(layer, instance)
    if found is None and not any("/" in name for name in names):
        found = _by_ending(names, instance)
    if found is not None and _fit(found, layer):
        return Matching(found)
    from reconstruct.runtimes.legacy_code.layer import weights_as_saved

    ordered = weights_as_saved(instance)
    pairs = [(name.rpartition("/")[2], v.name) for name, v in zip(names, ordered, strict=True)]
    own = {name for _, name in pairs}
    contradicted = any(ours != theirs and theirs in own for theirs, ours in pairs)
    return Matching(ordered, not contradicted and not _may_be_swapped(layer))


def _may_be_swapped(layer: Layer) -> bool:
    """Whether two tensors of layers within this one have one shape and one name, so that only their order tells."""
    alike = [(t.shape, n.rpartition("/")[2]) for n, t in layer.weights.items() if "/" in n and t.size > 1]
    return len(set(alike)) < len(alike)


def short_name(variable: Any, instance: Any) -> str:
    """The name of a variable below its layer: `kernel`, `query/kernel`."""
    return str(variable.path).split(f"{instance.name}/", 1)[-1]


def _fit(found: Sequence[Any], layer: Layer) -> bool:
    return all(tuple(v.shape) == t.shape for v, t in zip(found, layer.weights.values(), strict=True))


def _all(found: Sequence[Any], instance: Any) -> list[Any] | None:
    """The variables, or None unless they are all of the layer's, each once."""
    whole = all(v is not None for v in found) and len({id(v) for v in found}) == len(instance.weights)
    return list(found) if whole else None


def _by_name(names: Sequence[str], instance: Any) -> list[Any] | None:
    own = {short_name(v, instance): v for v in instance.weights}
    if len(own) != len(instance.weights):
        return None
    found = []
    for name in names:
        flat = name.replace("/", "_")  # as placeholders and stubs call it
        exact = name if name in own else flat
        matches = [exact] if exact in own else [n for n in own if n.endswith("/" + name)]
        if len(matches) != 1:
            return None
        found.append(own[matches[0]])
    return _all(found, instance)


def _by_ending(names: Sequence[str], instance: Any) -> list[Any] | None:
    """By the last part of a name, which one variable alone may have: what is before it tells layers apart."""
    found = []
    for name in names:
        same = [v for v in instance.weights if v.name == name]
        found.append(same[0] if len(same) == 1 else None)
    return _all(found, instance)


def _by_attribute(names: Sequence[str], instance: Any) -> list[Any] | None:
    return _all([_at(instance, name.split("/")) for name in names], instance)


def _by_value(layer: Layer, instance: Any) -> list[Any]:
    """The variable that holds the value of each tensor; of several alike each once."""
    left = list(instance.weights)
    found = []
    for tensor in layer.weights.values():
        value = tensor.read()
        same = next(v for v in left if tuple(v.shape) == tensor.shape and np.array_equal(np.asarray(v), value))
        left = [v for v in left if v is not same]
        found.append(same)
    return found


def _at(instance: Any, path: list[str]) -> Any:
    """The variable at a path of attributes such as `ffn/layers/dense_1/vars/0`."""
    at = instance
    for i, part in enumerate(path):
        if part == "vars":
            own = [*getattr(at, "_trainable_variables", ()), *getattr(at, "_non_trainable_variables", ())]
            number = int(path[i + 1]) if path[i + 1 :] and path[i + 1].isdigit() else len(own)
            return own[number] if number < len(own) and i + 2 == len(path) else None
        at = _part(at, part)
        if at is None:
            return None
    return None


def _part(at: Any, name: str) -> Any:
    if isinstance(at, dict):
        return at.get(name) or _counted(list(at.values()), name)
    if isinstance(at, list | tuple):
        return _counted(at, name)
    if name in ("layers", "_layer_checkpoint_dependencies") and hasattr(at, "layers"):
        return at.layers
    for option in (name, name.lstrip("_"), f"_{name}"):
        found = getattr(at, option, None)
        if found is not None:
            return found
    return None


def _counted(parts: Sequence[Any], name: str) -> Any:
    """The layer of a list that a file calls `dense_1`: the second Dense (Keras 3, `_save_container_state`)."""
    base, number = numbered(name)
    same = [p for p in parts if snake_case(type(p).__name__) == base]
    return same[number] if number < len(same) else None

"""Which tensor of a file belongs to which variable of a layer whose code is the user's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from reconstruct.artifact import Layer, Tensor
from reconstruct.naming import snake_case


def pairs(layer: Layer, instance: Any) -> list[tuple[Any, Tensor]] | None:
    """Every tensor with its variable, or None where that is not plain.

    By the same names; by attributes, which the files of Keras 3 and of tf.keras from 2.12 name; or else in the order
    in which Keras 2 saves the variables of a layer, where all shapes fit.
    """
    tensors = list(layer.weights.items())
    variables = list(instance.weights)
    by_name = {str(v.path).split(f"{instance.name}/", 1)[-1]: v for v in variables}
    if len(by_name) == len(variables) == len(tensors) and set(by_name) == {name for name, _ in tensors}:
        return _fitting([(by_name[name], t) for name, t in tensors])
    if any("vars" in name.split("/") for name, _ in tensors):
        found = [(_at(instance, name.split("/")), t) for name, t in tensors]
        if all(v is not None for v, _ in found) and len({id(v) for v, _ in found}) == len(variables):
            return _fitting(found)
    ends = [_ending(name, variables) for name, _ in tensors]
    if all(v is not None for v in ends) and len({id(v) for v in ends}) == len(variables) == len(tensors):
        fitting = _fitting([(v, t) for v, (_, t) in zip(ends, tensors, strict=True)])
        if fitting is not None and not any("/" in name for name, _ in tensors):
            return fitting
    from reconstruct.runtimes.legacy_code.layer import weights_as_saved

    ordered = weights_as_saved(instance)
    if len(ordered) != len(tensors):
        return None
    return _fitting([(v, t) for v, (_, t) in zip(ordered, tensors, strict=True)])


def _fitting(found: Sequence[tuple[Any, Tensor]]) -> list[tuple[Any, Tensor]] | None:
    return list(found) if all(tuple(v.shape) == t.shape for v, t in found) else None


def _ending(name: str, variables: Sequence[Any]) -> Any:
    """The only variable of that name: the same, or without what makes it one of its layer (`att_1_W`, `att_2_W`)."""
    last = name.rsplit("/", 1)[-1]
    found = [v for v in variables if v.name == last]
    return found[0] if len(found) == 1 else None


def _at(instance: Any, path: list[str]) -> Any:
    """The variable at a path of attributes such as `ffn/layers/dense_1/vars/0`."""
    at = instance
    for i, part in enumerate(path):
        if part == "vars":
            own = [*at._trainable_variables, *at._non_trainable_variables]
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
    match = re.fullmatch(r"(.*?)(?:_(\d+))?", name)
    assert match is not None
    same = [p for p in parts if snake_case(type(p).__name__) == match[1]]
    number = int(match[2] or 0)
    return same[number] if number < len(same) else None

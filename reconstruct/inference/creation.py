"""The order of the layers of a model that is a class of its author's.

Keras 3 writes the layers of such a model by the names of its attributes in alphabetical order, and those that it holds
in lists or without weights behind them (keras/src/saving/saving_lib.py, `_walk_saveable`). Default names of layers are
numbered by class as the layers are made, which authors do in the order in which they call them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from reconstruct.artifact import Group, Layer
from reconstruct.inference.channels import Channels, given_by, may_take, taken_by
from reconstruct.inference.choices import weighted

ClassOf = Callable[[str], str | None]


def by_creation(groups: Sequence[Group], class_of: ClassOf) -> list[Group]:
    """The groups as they were made, where the numbers of their names say so; nested models move as one."""
    numbers = [_numbers(group, class_of) for group in groups]
    waits = [
        {j for j, other in enumerate(numbers) if any(c in other and other[c] < n for c, n in own.items())}
        for own in numbers
    ]
    done: list[int] = []
    while len(done) < len(groups):
        ready = (i for i in range(len(groups)) if i not in done and waits[i] <= set(done))
        at = next(ready, None)
        if at is None:  # two that were made by turns
            return list(groups)
        done.append(at)
    return [groups[i] for i in done]


def _numbers(group: Group, class_of: ClassOf) -> dict[str, int]:
    """By class the least number that its default names have."""
    found: dict[str, int] = {}
    for name in _names(group):
        match = re.fullmatch(r"(.+?)(?:_(\d+))?", name)
        kind = class_of(match[1]) if match else None
        if match and kind is not None:
            found[kind] = min(found.get(kind, int(match[2] or 0)), int(match[2] or 0))
    return found


def _names(group: Group) -> Iterator[str]:
    if group.parts:
        for part in group.parts:
            yield from _names(part)
    else:
        yield group.name


def chained(layers: Sequence[Layer]) -> list[int]:
    """The places of the layers in an order in which each takes the channels that the one before it gives, those of a
    class in their own order, where they do not stand in such an order already and all have weights; else as they are.
    """
    order = list(range(len(layers)))
    if len(layers) > MOST_CHAINED or not all(weighted(n) for n in layers) or _is_chain(layers):
        return order
    waiting: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        waiting.setdefault(layer.class_name, []).append(i)
    return next(_chains(layers, list(waiting.values()), []), order)


MOST_CHAINED = 40


def _chains(layers: Sequence[Layer], waiting: Sequence[list[int]], done: list[int]) -> Iterator[list[int]]:
    if len(done) == len(layers):
        yield done
    for k, own in enumerate(waiting):
        if own and _is_chain([layers[i] for i in (*done[-1:], own[0])]):
            yield from _chains(layers, [*waiting[:k], own[1:], *waiting[k + 1 :]], [*done, own[0]])


def _is_chain(layers: Sequence[Layer]) -> bool:
    tensors = [given_by(layer, Channels(None, None)) for layer in layers]
    return all(
        (wanted := taken_by(after)) is None or may_take(wanted, tensor)
        for tensor, after in zip(tensors, layers[1:], strict=False)
    )


def flattened_first(layers: Sequence[Layer]) -> list[int]:
    """The places of the layers, with what makes one row of numbers of images before the first Dense behind the last
    convolution: no Dense is called on images there."""
    order = list(range(len(layers)))
    spatial = [i for i, n in enumerate(layers) if "Conv" in n.class_name]
    dense = next((i for i, n in enumerate(layers) if n.class_name == "Dense" and spatial and i > spatial[-1]), None)
    for i, layer in enumerate(layers):
        if dense is not None and i > dense and layer.class_name.startswith(("Global", "Flatten")):
            order.remove(i)
            order.insert(order.index(dense), i)
    return order

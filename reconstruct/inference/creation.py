"""The order of the layers of a model that is a class of its author's.

Keras 3 writes the layers of such a model by the names of its attributes in alphabetical order, and those that it holds
in lists or without weights behind them (keras/src/saving/saving_lib.py, `_walk_saveable`). Default names of layers are
numbered by class as the layers are made, which authors do in the order in which they call them.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from reconstruct.artifact import Group, Layer
from reconstruct.inference.channels import Channels, given_by, may_take, taken_by
from reconstruct.inference.context import weighted
from reconstruct.naming import numbered

ClassOf = Callable[[str], str | None]


def by_creation(groups: Sequence[Group], class_of: ClassOf) -> list[Group]:
    """The groups as they were made, where the numbers of their names say so; nested models move as one."""
    # Between the groups that have a number of a class and those that have the next stands a node of its own, so that
    # many groups make few edges
    levels: dict[str, dict[int, list[int]]] = {}
    for i, group in enumerate(groups):
        for kind, number in _numbers(group, class_of).items():
            levels.setdefault(kind, {}).setdefault(number, []).append(i)
    sorter: TopologicalSorter[int | tuple[str, int]] = TopologicalSorter(dict.fromkeys(range(len(groups)), ()))
    for kind, by_number in levels.items():
        for before, after in itertools.pairwise(sorted(by_number)):
            sorter.add((kind, after), *by_number[before])
            for i in by_number[after]:
                sorter.add(i, (kind, after))
    try:
        sorter.prepare()
    except CycleError:  # two that were made by turns
        return list(groups)
    made: list[Group] = []
    ready: list[tuple[int, Any]] = []  # in the order of the file, nodes of their own before
    while sorter.is_active():
        for node in sorter.get_ready():
            heapq.heappush(ready, (node if isinstance(node, int) else -1, node))
        _, node = heapq.heappop(ready)
        if isinstance(node, int):
            made.append(groups[node])
        sorter.done(node)
    return made


def _numbers(group: Group, class_of: ClassOf) -> dict[str, int]:
    """By class the least number that its default names have."""
    found: dict[str, int] = {}
    for name in _names(group):
        base, number = numbered(name)
        kind = class_of(base)
        if kind is not None:
            found[kind] = min(found.get(kind, number), number)
    return found


def _names(group: Group) -> Iterator[str]:
    if group.parts:
        for part in group.parts:
            yield from _names(part)
    else:
        yield group.name


def chained(layers: Sequence[Layer]) -> list[int]:
    """The places of the layers in an order in which each takes the channels that the one before it gives, those of a
    class in their own order, where they do not stand in such an order already and all have weights; else as they are,
    also where there are too many orders to try.
    """
    order = list(range(len(layers)))
    if len(layers) > MOST_CHAINED or not all(weighted(n) for n in layers) or _is_chain(layers):
        return order
    by_class: dict[str, list[int]] = {}
    for i, layer in enumerate(layers):
        by_class.setdefault(layer.class_name, []).append(i)
    waiting = tuple(tuple(own) for own in by_class.values())
    return _chain(layers, waiting, (), set()) or order


MOST_CHAINED = 40
MOST_TRIED = 10_000


def _chain(
    layers: Sequence[Layer], waiting: tuple[tuple[int, ...], ...], done: tuple[int, ...], dead: set[object]
) -> list[int] | None:
    """An order that goes on from `done`; `dead` holds what waits where none does, and the layer before it."""
    if len(done) == len(layers):
        return list(done)
    state = waiting, done[-1:]
    if state in dead or len(dead) >= MOST_TRIED:
        return None
    for k, own in enumerate(waiting):
        if own and _is_chain([layers[i] for i in (*done[-1:], own[0])]):
            found = _chain(layers, (*waiting[:k], own[1:], *waiting[k + 1 :]), (*done, own[0]), dead)
            if found is not None:
                return found
    dead.add(state)
    return None


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

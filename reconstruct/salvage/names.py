"""Names of groups and arrays whose own record is lost, from what else the file says; never a guess.

Keras lists the names of what it is about to write (`layer_names`, `weight_names`: Keras 2.2.4, engine/saving.py) and
writes in that order. HDF5 keeps the names of a group one behind the other in its heap, each padded to 8 bytes
(H5HL.c, `H5HL_insert`), and the symbol table refers to a name by its place there. So the list alone tells which name
stood where, also when the heap is gone.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

_ENOUGH = 4  # groups whose weights all have the name of a layer, each of another, where no name can confirm it
_LONGEST = 300  # bytes of a name that is compared with others: the longest that Keras makes
Paths = tuple[tuple[str, ...], ...]


def listed(attributes: dict[str, Any], attribute: str) -> list[str] | None:
    """The names in `layer_names` or `weight_names`, which Keras splits where there are many; None without them."""
    keys = [attribute] if attribute in attributes else []
    while not keys or keys[-1] != attribute:
        key = f"{attribute}{len(keys)}"
        if key not in attributes:
            break
        keys.append(key)
    if not keys:
        return None
    return [text_of(value) for key in keys for value in np.atleast_1d(np.asarray(attributes[key])).reshape(-1)]


def text_of(value: Any) -> str:
    """A name as text; of an array of one, too."""
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


def in_heap(texts: bytes, offset: int) -> str:
    """The name at a place in the heap of a group; empty where there is none that may be one."""
    name = texts[offset : texts.find(b"\0", offset)].decode("utf-8", "surrogateescape")
    return name if may_be(name) else ""


def may_be(name: str) -> bool:
    """Whether HDF5 gives something such a name: it is text, and no path."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name


def twins(names: Iterable[str], others: Iterable[str]) -> dict[str, str]:
    """The one of the other names that a name is but for one byte, where either has no second such twin."""
    sized: dict[int, tuple[list[str], list[str]]] = {}
    for i, each in enumerate((names, others)):
        for name in each:
            sized.setdefault(len(_bytes(name)), ([], []))[i].append(name)
    pairs = [pair for size, (a, b) in sized.items() if a and b and size <= _LONGEST for pair in _alike(a, b, size)]
    mine, theirs = (Counter(side) for side in zip(*pairs, strict=True)) if pairs else (Counter(), Counter())
    return {name: other for name, other in pairs if mine[name] == theirs[other] == 1}


def _alike(names: Sequence[str], others: Sequence[str], size: int) -> Iterator[tuple[str, str]]:
    """The pairs of different names of this size that are the same without one byte: place by place, since to compare
    each with each takes minutes for some thousands."""
    for place in range(size):
        without: dict[bytes, list[str]] = {}
        for other in others:
            without.setdefault(_without(other, place), []).append(other)
        for name in names:
            yield from ((name, other) for other in without.get(_without(name, place), ()))


def _without(name: str, place: int) -> bytes:
    data = _bytes(name)
    return data[:place] + data[place + 1 :]


def paths(names: Iterable[str]) -> Paths:
    """Names with slashes as paths: HDF5 makes groups of them."""
    return tuple(tuple(p for p in name.split("/") if p) for name in names)


def expected(attributes: dict[str, Any], above: Paths) -> Paths:
    """The paths that must be below a group, in the order in which they were made: by its own lists, or by those of a
    group above it, which say so as `above`."""
    layers = listed(attributes, "layer_names")
    if layers is not None:
        return paths([*layers, "top_level_model_weights"])
    weights = listed(attributes, "weight_names")
    return above if weights is None else paths(weights)


def below(wanted: Paths) -> dict[str, Paths]:
    """What of the paths is below each group, by its name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in wanted:
        if len(path) > 1:
            found.setdefault(path[0], []).append(path[1:])
    return {head: tuple(rests) for head, rests in found.items()}


def by_place(wanted: Paths, offsets: Sequence[int], claims: Mapping[int, str | None]) -> dict[int, str]:
    """The name at each of these places in the heap of a group, which are in the order of the names they hold.

    An order in which they may have come into the heap counts if it has a name at every place, these are in order, and
    none is other than what weights claim.
    """
    heads = list(dict.fromkeys(path[0] for path in wanted if path))
    fitting: list[list[str]] = []
    for order in _orders(heads):
        places: dict[int, str] = {}
        at = 8  # the empty name comes first
        for name in order:
            places[at] = name
            at += len(_bytes(name)) + 8 & ~7
        found = [places.get(offset, "") for offset in offsets]
        in_order = all(_bytes(a) < _bytes(b) for a, b in itertools.pairwise(found))
        if in_order and all(n and claims.get(o) in (None, n) for o, n in zip(offsets, found, strict=True)):
            fitting.append(found)
    found_at = zip(offsets, *fitting, strict=True)
    return {o: fits[0] for o, *fits in found_at if fits and len(set(fits)) == 1 and may_be(fits[0])}


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def of_layers(order: Sequence[str], here: Mapping[int, str], weights: Mapping[int, Sequence[str]]) -> dict[int, str]:
    """Which layer each group is whose name is lost, by address. `here` are the groups that have their name, `weights`
    the names of the weights of all groups.

    The weights of a layer mostly carry its name. Where they do so in all groups, they decide. Where they do not, as in
    nested models and for layers that were renamed, only place does.
    """
    names = set(order)
    claims = {address: claimed(found, names) for address, found in weights.items() if found}
    if not all(name and name == here.get(address, name) for address, name in claims.items()):
        return in_sequence(order, here, [address for address in weights if address not in here])
    own = {address: str(name) for address, name in claims.items()}
    count = Counter(own.values())
    once = {a: n for a, n in own.items() if a not in here and count[n] == 1}
    if own.keys() & here.keys():
        return once
    return own if len(once) == len(own) >= _ENOUGH else {}


def in_sequence(order: Sequence[str], here: Mapping[int, str], orphans: Iterable[int]) -> dict[int, str]:
    """Names for what has none, by address: things were made in the order of the list, and HDF5 puts what is made later
    further back, but for what fits into room that was freed.

    So something is said only where all that is known lies in this order, and between any two that are known there is
    one without a name where the list has one, and none where it has none.
    """
    rank = {name: i for i, name in enumerate(order)}
    known = sorted((address, rank[name]) for address, name in here.items() if name in rank)
    rest = sorted(address for address in orphans if address not in here)
    found: dict[int, str] = {}
    for (start, first), (end, last) in itertools.pairwise(known):
        between = rest[bisect_right(rest, start) : bisect_left(rest, end)]
        missing = order[first + 1 : last]
        if first >= last or len(between) != len(missing) or len(missing) > 1:
            return {}
        found.update(zip(between, missing, strict=True))
    return found


def _orders(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The orders in which things were made: that of the list, or, where a program copied the file, the alphabet's."""
    return list(names), sorted(names, key=_bytes)


def claimed(weights: Sequence[str], layers: Collection[str]) -> str | None:
    """The layer that all names of weights begin with: `dense_1/kernel:0`, or `dense_1_W` as Keras 1 wrote it."""
    found: set[str | None] = set()
    for name in weights:
        parts = re.split(r"(?=[/_])", name)
        heads = ["".join(parts[:i]) for i in range(len(parts) - 1, 0, -1)]
        found.add(next((head for head in heads if head in layers), None))
    return found.pop() if len(found) == 1 else None

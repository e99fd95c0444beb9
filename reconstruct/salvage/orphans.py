"""Headers that are there, though the group that named them is lost or incomplete, and where they belong.

Where no group misses a member, what nothing leads to was not lost: it was deleted from the file before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from reconstruct.readers.lost import LOST_AND_FOUND
from reconstruct.readers.raw_hdf5 import Object
from reconstruct.salvage import names, signatures
from reconstruct.salvage.tree import Node, Path, unnamed

if TYPE_CHECKING:
    from reconstruct.salvage.hdf5 import Reader

Found: TypeAlias = Mapping[int, Object]


def place(reader: Reader, root: Node) -> None:
    """Find them by what they look like; those whose place is not known for sure come into `lost+found`."""
    found = dict(_headers(reader))
    inner = {address for each in found.values() for address in _addresses(reader, each)}
    outer = [address for address in sorted(found) if address not in inner]

    def left() -> list[int]:
        return [address for address in outer if address not in reader.seen]

    _top(reader, root, found, outer)
    for address, path in _layers(reader, root, found, left()).items():
        reader.fill(root.enter(path), found[address])
    for address, path in _arrays(root, [a for a in left() if found[a].is_dataset]).items():
        reader.fill(root.enter(path), found[address])
    if any(_may_miss_members(node) for _, node in root.walk()):
        for address in left():
            reader.fill(root.enter((LOST_AND_FOUND, unnamed(address))), found[address])
    else:
        headers = [found[address] for address in left()]  # of a group whose table was found otherwise, nothing is gone
        reader.deleted = [h for h in headers if h.is_dataset or not reader.seen.keys() >= set(_addresses(reader, h))]


def _may_miss_members(node: Node) -> bool:
    """Whether a header to which nothing leads may be what a node has lost, or what was in a group: not if all that its
    list names is there.

    What a table lists without the place of a table of its own is no group: HDF5 notes the one of each group that it
    makes beside its name (H5Gent.c, `H5G__link_to_ent`).
    """
    if node.array is not None and node.array.shape is None:
        return True  # its name leads nowhere
    listed = names.listed(node.attributes, "weight_names")
    return node.open and (listed is None or any(node.at(path).array is None for path in names.paths(listed)))


def _headers(reader: Reader) -> Iterator[tuple[int, Object]]:
    count = 0
    size = reader.file.source.size
    for address in signatures.headers(reader.file.source, reader.file.base):
        reader.say(f"searching for what has lost its place: {100 * (reader.file.base + address) // size} %")
        if address in reader.seen:
            continue
        found = reader.object(address)
        if found is not None and (found.is_dataset or found.table or found.links or found.attributes):
            count += 1
            if count > reader.limits.h5_objects:
                return
            yield address, found


def _addresses(reader: Reader, found: Object) -> list[int]:
    entries = reader.file.table(found.table[0]).entries if found.table else []
    return [*found.links.values(), *(address for _, address in entries)]


def _top(reader: Reader, root: Node, found: Found, outer: Sequence[int]) -> None:
    """Find the root, and the group that lists the layers, by their attributes if nothing leads to them.

    Keras puts the config at the root, and the lists into `model_weights`, or at the root of a file of weights
    (Keras 2.2.4, engine/saving.py).
    """
    for attribute in ("model_config", "layer_names"):
        have = [a for a in outer if a not in reader.seen and attribute in found[a].attributes]
        if len(have) != 1 or any(attribute in node.attributes for _, node in root.walk()):
            continue
        if root.address < 0:
            reader.fill(root, found[have[0]])
        elif attribute == "layer_names" and "model_config" in root.attributes:
            reader.fill(root.enter(("model_weights",)), found[have[0]])


def _layers(reader: Reader, root: Node, found: Found, orphans: Sequence[int]) -> dict[int, Path]:
    """The orphans that are groups of layers."""
    above, group = _with_layers(root)
    weights = {a: listed for a in orphans if not found[a].is_dataset and (listed := reader.weights(a)) is not None}
    order = names.listed(group.attributes, "layer_names") or []
    there = {name: node for name, node in group.children.items() if node.address >= 0}
    here = {node.address: name for name, node in there.items() if name in order}
    known = {node.address: names.listed(node.attributes, "weight_names") or [] for node in there.values()}
    named = names.of_layers(order, here, {**known, **weights}) if weights and order else {}
    return {address: (*above, *names.paths([name])[0]) for address, name in named.items() if address in weights}


def _arrays(root: Node, orphans: Sequence[int]) -> dict[int, Path]:
    """The orphans that are arrays, which Keras writes in the order of its lists: those of the layers, then those of the
    optimizer (Keras 2.2.4, engine/saving.py)."""
    order = [f"{'/'.join(path)}/{name}" for path, listed in _lists(root) for name in listed]
    here = {n.address: "/".join(path) for path, n in root.walk() if n.array is not None and n.address >= 0}
    return {a: names.paths([name])[0] for a, name in names.in_sequence(order, here, orphans).items()}


def _lists(root: Node) -> Iterator[tuple[Path, list[str]]]:
    """The lists of arrays in the order in which Keras writes the groups that have them, up to one that is lost."""
    above, group = _with_layers(root)
    places = [(*above, *layer) for layer in names.paths(names.listed(group.attributes, "layer_names") or [])]
    for path in [*places, ("optimizer_weights",)]:
        listed = names.listed(root.at(path).attributes, "weight_names")
        if listed is None:
            return
        yield path, listed


def _with_layers(root: Node) -> tuple[Path, Node]:
    """The group that lists the layers, with its path; the root where none does."""
    return next((each for each in root.walk() if "layer_names" in each[1].attributes), ((), root))

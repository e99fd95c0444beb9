"""What is left of HDF5 data of which bytes are missing or wrong, read by `readers.raw_hdf5` and never by HDF5 itself.

HDF5 refuses a file that is shorter than its superblock says, and stops at the first structure that is damaged. Here
each structure stands for itself. Nothing is taken for data but bytes that are there: an array counts as intact where
every one of its bytes is, its size fits its shape, and no other structure claims the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import raw_hdf5
from reconstruct.readers.raw_hdf5 import Gone, Object
from reconstruct.salvage import names, signatures
from reconstruct.salvage.tree import LOST_AND_FOUND, Array, Node, Unnamed, gone

# Where HDF5 puts the header of the root if nothing stands before the superblock, by its version (H5Fsuper.c)
_USUAL_ROOTS = (96, 48)
_BEYOND = "its bytes are not in the file"
Place = tuple[Node, tuple[str, ...]]
_PARSING = (Gone, struct.error, IndexError, UnicodeDecodeError, ValueError, TypeError)


class Reader:
    """Reads the tree of one HDF5 file; `declared` is the size that the file should have, None if that is lost.

    `doubtful` says whether there is a doubt about the bytes between two places, though they are there.
    """

    def __init__(
        self,
        source: raw_hdf5.Source,
        limits: Limits = DEFAULT,
        doubtful: Callable[[int, int], bool] = lambda start, end: False,
    ) -> None:
        self.file = raw_hdf5.File(source)
        self._doubtful = doubtful
        self.limits = limits
        self.declared: int | None = None
        self.seen: set[int] = set()
        self._claimed: list[tuple[int, int, Node | None]] = []  # start, end, and the array that is there

    def tree(self) -> Node:
        """Everything that can be had, with paths as far as they are known."""
        root = self._root()
        if any(not node.whole for _, node in root.walk()):
            self._orphans(root)
        self._overlaps()
        return root

    def _root(self) -> Node:
        starts: tuple[int, ...] = _USUAL_ROOTS
        try:
            start, self.declared = self.file.superblock()
            starts = (start,)
        except (Gone, struct.error):
            self.file.base = 0
        for start in starts:
            try:
                found = self.file.object(start)
            except _PARSING:
                continue
            found.table = found.table or self.file.root.cached.get(start)
            root = Node()
            self._fill(root, found)
            return root
        return Node(whole=False)

    def _fill(self, start: Node, found: Object, wanted: names.Paths = ()) -> None:
        """Put into `start` what the header `found` says, and all that is below it."""
        todo: list[tuple[Node, Object, names.Paths, int]] = [(start, found, wanted, 0)]
        while todo:
            node, found, wanted, depth = todo.pop()
            self.seen.add(found.address)
            self._claim(found.address, 8, None)
            node.address = found.address
            node.whole = found.whole and not found.dense and not found.lost_attributes
            node.attributes = self._attributes(found, node)
            if found.is_dataset:
                node.array = self._array(found)
                self._claim_data(found, node)
                continue
            wanted = names.expected(node.attributes, wanted)
            members, cached = self._members(found, node, wanted)
            for name, address in members:
                if address in self.seen or len(self.seen) >= self.limits.h5_objects or depth >= self.limits.h5_depth:
                    continue
                try:
                    below = self.file.object(address)
                except _PARSING:
                    node.whole = False
                    below = Object(address, whole=False)
                below.table = below.table or (None if below.is_dataset else cached.get(address))
                if not below.whole and raw_hdf5.kind_of_nothing(below):
                    continue
                child = node.children.setdefault(name, Node())
                todo.append((child, below, names.below(wanted, name), depth + 1))

    def _members(
        self, found: Object, node: Node, wanted: names.Paths
    ) -> tuple[list[tuple[str, int]], dict[int, tuple[int, int]]]:
        """Name and address of what is in a group, and the tables of groups by their address. A name that is lost is
        taken from its place, or made up."""
        members = list(found.links.items())
        if found.table is None:
            return members, {}
        index, heap = found.table
        table = self.file.table(index)
        node.whole = node.whole and table.whole
        try:
            texts = self.file.heap(heap)
        except _PARSING:
            texts = b""
            node.whole = False
        named = [(texts[o : texts.find(b"\0", o)].decode("utf-8", "surrogateescape"), a) for o, a in table.entries]
        if not all(name for name, _ in named):
            layers = names.listed(node.attributes, "layer_names") or ()
            claims = {o: names.claimed(self._weights(a) or (), layers) for o, a in table.entries} if layers else {}
            places = names.by_place(wanted, [offset for offset, _ in table.entries], claims)
            named = [
                (name or places.get(offset) or Unnamed(f"{LOST_AND_FOUND}-{address:x}"), address)
                for (offset, _), (name, address) in zip(table.entries, named, strict=True)
            ]
        members += named
        return members, table.cached

    def _weights(self, address: int) -> list[str] | None:
        """The names of the weights that the group at `address` lists."""
        try:
            return names.listed(self._attributes(self.file.object(address), Node()), "weight_names")
        except _PARSING:
            return None

    def _attributes(self, found: Object, node: Node) -> dict[str, Any]:
        values = {}
        for name, attribute in found.attributes.items():
            try:
                values[name] = self._value(attribute)
            except _PARSING:
                node.whole = False
        return values

    def _value(self, attribute: raw_hdf5.Attribute) -> Any:
        if attribute.shape is None:
            raise Gone("no value")
        if attribute.type.kind == "vlen_text":
            lengths = np.frombuffer(attribute.data, np.uint8).reshape(-1, 16)[:, :4].copy().view("<u4")
            if int(lengths.astype(np.uint64).sum()) > self.limits.attribute_bytes:
                raise Gone("more text than an attribute may have")
            texts = self.file.vlen_text(attribute)
            if attribute.shape == ():
                return texts[0].decode("utf-8", "surrogateescape")
            return np.array(texts, dtype=object).reshape(attribute.shape)
        if attribute.type.dtype is None:
            raise Gone("a type that is not understood")
        return np.frombuffer(attribute.data, attribute.type.dtype).reshape(attribute.shape)

    # Arrays

    def _array(self, found: Object) -> Array:
        kind, shape, layout = found.type, found.shape, found.layout
        assert kind is not None and shape is not None and layout is not None  # noqa: PT018
        size = raw_hdf5.numbers(shape) * kind.size
        why = ""
        if kind.dtype is None:
            why = "its type is not one that Keras writes"
        elif self.limits.too_much(size, self.file.source.size):
            why = "it declares far more than the file holds"
        elif layout.kind == "contiguous" and layout.address == raw_hdf5.UNDEFINED and size:
            why = "its values were never written"
        elif layout.kind == "contiguous" and layout.size != size:
            why = "its size does not fit its shape"
        elif layout.kind == "contiguous" and self._doubtful(*(self.file.base + layout.address + n for n in (0, size))):
            why = "the copies have other bytes for it"
        if why:
            return Array(shape, kind.dtype, gone, why)
        return _proved(Array(shape, kind.dtype, self._reading(found), checked=3 in found.filters))

    def _reading(self, found: Object) -> Callable[[], np.ndarray]:
        def read() -> np.ndarray:
            try:
                return self.file.data(found)
            except Gone:
                raise
            except _PARSING as error:
                raise Gone(str(error)) from error

        return read

    def _claim(self, start: int, size: int, node: Node | None) -> None:
        self._claimed.append((start, start + size, node))

    def _claim_data(self, found: Object, node: Node) -> None:
        layout = found.layout
        if layout is not None and layout.kind == "contiguous" and node.array is not None and not node.array.lost:
            self._claim(layout.address, layout.size, node)

    def _overlaps(self) -> None:
        """Two structures in one place: one of their addresses is wrong, and nothing says which."""
        self._claimed.sort(key=lambda claim: claim[:2])
        last: tuple[int, int, Node | None] = (0, 0, None)
        for claim in self._claimed:
            if claim[0] < last[1]:
                for node in (claim[2], last[2]):
                    if node is not None and node.array is not None:
                        node.array = Array(
                            node.array.shape, node.array.dtype, gone, "another part of the file claims its bytes"
                        )
            last = max(last, claim, key=lambda c: c[1])

    # What no group leads to any more

    def _orphans(self, root: Node) -> None:
        """Headers that are there, though the group that named them is lost or incomplete."""
        found: dict[int, Object] = {}
        for address in signatures.headers(self.file.source, self.file.base):
            if address in self.seen or len(found) >= self.limits.h5_objects:
                continue
            try:
                each = self.file.object(address)
            except _PARSING:
                continue
            if each.is_dataset or each.table or each.links or each.attributes:
                found[address] = each
        inner = {address for each in found.values() for address in self._addresses(each)}
        outer = [address for address in sorted(found) if address not in inner]
        self._top(root, found, outer)
        for name_them in (self._layers_of, self._weights_of):
            for address, (place, path) in name_them(root, [a for a in outer if a not in self.seen], found).items():
                self._fill(place.enter(path), found[address], ())
        rest = [address for address in outer if address not in self.seen]
        for address in rest:
            self._fill(root.enter((LOST_AND_FOUND, Unnamed(f"{address:x}"))), found[address])

    def _top(self, root: Node, found: Mapping[int, Object], outer: Sequence[int]) -> None:
        """Find the root, and the group that lists the layers, by their attributes if nothing leads to them.

        Keras puts the config at the root, and the lists into `model_weights`, or at the root of a file of weights
        (Keras 2.2.4, engine/saving.py).
        """
        for attribute in ("model_config", "layer_names"):
            have = [a for a in outer if a not in self.seen and attribute in found[a].attributes]
            if len(have) != 1 or any(attribute in node.attributes for _, node in root.walk()):
                continue
            if root.address < 0:
                self._fill(root, found[have[0]])
            elif attribute == "layer_names" and "model_config" in root.attributes:
                self._fill(root.enter(("model_weights",)), found[have[0]])

    def _addresses(self, found: Object) -> list[int]:
        entries = self.file.table(found.table[0]).entries if found.table else []
        return [*found.links.values(), *(address for _, address in entries)]

    def _layers_of(self, root: Node, orphans: list[int], found: Mapping[int, Object]) -> dict[int, Place]:
        """The orphans that are groups of layers."""
        group = _with_layers(root)
        weights = {a: listed for a in orphans if not found[a].is_dataset and (listed := self._weights(a)) is not None}
        if group is None or not weights:
            return {}
        order = names.listed(group.attributes, "layer_names") or []
        here = {node.address: name for name, node in group.children.items() if name in order}
        known = {node.address: names.listed(node.attributes, "weight_names") or [] for node in group.children.values()}
        return {a: (group, (name,)) for a, name in names.of_layers(order, here, {**known, **weights}).items()}

    def _weights_of(self, root: Node, orphans: list[int], found: Mapping[int, Object]) -> dict[int, Place]:
        """The orphans that are arrays, which Keras writes in the order of its lists: those of the layers, then those of
        the optimizer (Keras 2.2.4, engine/saving.py)."""
        order = [f"{'/'.join(path)}/{name}" for path, listed in _lists(root) for name in listed]
        here = {node.address: "/".join(path) for path, node in root.walk() if node.array is not None}
        arrays = [a for a in orphans if found[a].is_dataset]
        named = names.in_sequence(order, here, arrays)
        return {a: (root, names.paths([name])[0]) for a, name in named.items()}


def _lists(root: Node) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The lists of arrays in the order in which Keras writes the groups that have them, up to one that is lost."""
    path, group = next((each for each in root.walk() if "layer_names" in each[1].attributes), ((), root))
    places = [(*path, *layer) for layer in names.paths(names.listed(group.attributes, "layer_names") or [])]
    for place in [*places, ("optimizer_weights",)]:
        listed = names.listed(root.at(place).attributes, "weight_names")
        if listed is None:
            return
        yield place, listed


def _with_layers(root: Node) -> Node | None:
    return next((node for _, node in root.walk() if "layer_names" in node.attributes), None)


def _proved(array: Array) -> Array:
    """The array after reading it once; lost if that is not possible."""
    try:
        array.read()
    except Gone as error:
        reason = _BEYOND if str(error) in ("beyond the end", "no address") else str(error)
        return Array(array.shape, array.dtype, gone, reason)
    return array

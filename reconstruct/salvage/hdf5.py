"""What is left of HDF5 data of which bytes are missing or wrong, read by `readers.raw_hdf5` and never by HDF5 itself.

HDF5 refuses a file that is shorter than its superblock says, and stops at the first structure that is damaged. Here
each structure stands for itself. Nothing is taken for data but bytes that are there: an array counts as intact where
every one of its bytes is, its size fits its shape, and no other structure claims the same bytes. Values whose header is
lost stay where they are, also where the architecture would give their shape: only the header says where they begin
(scripts/cuts has figures).
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import raw_hdf5
from reconstruct.readers.lost import LOST_AND_FOUND, MARK, SHAPE
from reconstruct.readers.raw_hdf5 import Gone, Object
from reconstruct.salvage import names, orphans
from reconstruct.salvage.tree import NO_HEADER, Array, Node, gone, unnamed

# Where HDF5 puts the header of the root if nothing stands before the superblock, by its version (H5Fsuper.c)
_USUAL_ROOTS = (96, 48)
_BEYOND = "its bytes are not in the file"
_HEADER = "a part of its header is lost"
_TWICE = "two names lead to it, and nothing says which is right"
_PARSING = (Gone, struct.error, IndexError, UnicodeDecodeError, ValueError, TypeError)


class Reader:
    """Reads the tree of one HDF5 file; `declared` is the size that the file should have, None if that is lost.

    `doubtful` says whether there is a doubt about the bytes between two places, though they are there; `held` is how
    many bytes the source takes where it has holes.
    """

    def __init__(
        self,
        source: raw_hdf5.Source,
        limits: Limits = DEFAULT,
        doubtful: Callable[[int, int], bool] = lambda start, end: False,
        held: int | None = None,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.file = raw_hdf5.File(source)
        self._held = source.size if held is None else held
        self._doubtful = doubtful
        self.limits = limits
        self.say = say
        self.declared: int | None = None
        self.seen: dict[int, Node] = {}  # by address
        self.deleted: list[Object] = []  # to which no group leads, though none misses a member
        self._members_seen = 0
        self._total = 0
        self._shared: list[tuple[Node, Node]] = []  # two places of one address
        self._claimed: list[tuple[int, int, Node | None]] = []  # start, end, and the array that is there

    def tree(self) -> Node:
        """Everything that can be had, with paths as far as they are known."""
        root = self._root()
        if any(not node.whole for _, node in root.walk()):
            orphans.place(self, root)
        for first, second in self._shared:
            self._lose_names(root, first, second)
        _check_byte_orders(root)
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
            found = self.object(start)
            if found is None:
                continue
            found.table = found.table or self.file.root.cached.get(start)
            root = Node()
            self.fill(root, found)
            return root
        return Node(whole=False, open=True)

    def fill(self, start: Node, found: Object) -> None:
        """Put into `start` what the header `found` says, and all that is below it."""
        todo: list[tuple[Node, Object, names.Paths | None, int]] = [(start, found, (), 0)]
        while todo:
            node, found, wanted, depth = todo.pop()
            if found.address in self.seen:
                self._shared.append((self.seen[found.address], node))
                continue
            self.seen[found.address] = node
            self.say(f"reading: {len(self.seen)} groups and arrays")
            self._claim_all(found.blocks)
            node.address = found.address
            node.whole = found.whole and not found.dense and not found.lost_attributes
            node.attributes = self._attributes(found, node)
            if found.was_dataset:
                node.array = self._array(found, node.attributes)
                self._claim_data(found, node)
                continue
            if wanted is not None:
                wanted = names.expected(node.attributes, wanted)
            members, cached = self._members(found, node, wanted)
            inner = names.below(wanted or ())
            for name, address in members:
                self._members_seen += 1
                if self._members_seen > self.limits.h5_objects or depth >= self.limits.h5_depth:
                    node.whole, node.open = False, True
                    break
                below = self.object(address) or Object(address, whole=False)
                below.table = below.table or (None if below.was_dataset else cached.get(address))
                if name in node.children:
                    name = unnamed(address)
                child = node.children.setdefault(name, Node())
                if raw_hdf5.kind_of_nothing(below):
                    node.whole = False
                    child.array = Array(None, None, gone, NO_HEADER)
                    continue
                numbered = name == "vars"  # so are the arrays in it
                todo.append((child, below, None if numbered else inner.get(name, ()), depth + 1))

    def _lose_names(self, root: Node, first: Node, second: Node) -> None:
        """What two paths lead to keeps neither, since nothing says which is right; but a group is not in itself."""
        inside = any(node is second for _, node in first.walk())
        if not inside and first.address >= 0 and (first.children or (first.array is not None and not first.array.lost)):
            kept = Node(first.address, first.attributes, first.children, first.array, first.whole)
            root.enter((LOST_AND_FOUND,)).children[unnamed(first.address)] = kept
            self._claimed = [(start, end, kept if node is first else node) for start, end, node in self._claimed]
            first.address, first.attributes, first.children, first.whole = -1, {}, {}, False
            first.lose(_TWICE)
        second.lose(_TWICE)

    def _members(
        self, found: Object, node: Node, wanted: names.Paths | None
    ) -> tuple[list[tuple[str, int]], dict[int, tuple[int, int]]]:
        """Name and address of what is in a group, and the tables of groups by their address. A name that is lost is
        taken from its place, or made up. `wanted` is None where Keras 3 numbers the arrays."""
        members = [(name if names.may_be(name) else unnamed(address), address) for name, address in found.links.items()]
        if found.table is None:
            node.open = found.dense or not found.whole
            return members, {}
        index, heap = found.table
        table = self.file.table(index)
        node.whole = node.whole and table.whole
        node.open = not table.whole
        self._claim_all(table.blocks)
        try:
            texts = self.file.heap(heap)
        except _PARSING:
            texts = b""
            node.whole = False
        named = [(names.in_heap(texts, offset), address) for offset, address in table.entries]
        count = Counter(name for name, _ in named)  # of two with one name, one has a damaged name
        named = [(name if count[name] == 1 else "", address) for name, address in named]
        if not all(name for name, _ in named):
            if wanted is None:
                wanted = names.paths(map(str, range(max(offset for offset, _ in table.entries) // 8)))
            layers = set(names.listed(node.attributes, "layer_names") or ())
            claims = {o: names.claimed(self.weights(a) or (), layers) for o, a in table.entries} if layers else {}
            places = names.by_place(wanted, [offset for offset, _ in table.entries], claims)
            named = [
                (name or places.get(offset) or unnamed(address), address)
                for (offset, _), (name, address) in zip(table.entries, named, strict=True)
            ]
        members += named
        return members, table.cached

    def object(self, address: int) -> Object | None:
        """What the header at `address` says; None where there is none."""
        try:
            return self.file.object(address)
        except _PARSING:
            return None

    def weights(self, address: int) -> list[str] | None:
        """The names of the weights that the group at `address` lists."""
        found = self.object(address)
        return None if found is None else names.listed(self._attributes(found, Node()), "weight_names")

    def _attributes(self, found: Object, node: Node) -> dict[str, Any]:
        values = {}
        for name, attribute in found.attributes.items():
            try:
                name.encode()  # one that is no UTF-8 is damaged
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
            return np.array(self.file.vlen_text(attribute), dtype=object).reshape(attribute.shape)
        if attribute.type.dtype is None:
            raise Gone("a type that is not understood")
        return np.frombuffer(attribute.data, attribute.type.dtype).reshape(attribute.shape)

    # Arrays

    def _array(self, found: Object, attributes: dict[str, Any]) -> Array:
        kind, shape, layout = found.type, found.shape, found.layout
        dtype = None if kind is None else kind.dtype
        if MARK in attributes:  # the file was salvaged before
            return Array(_shape_of_lost(attributes), dtype, gone, names.text_of(attributes[MARK])[:200])
        if kind is None or shape is None or layout is None:
            return Array(shape, dtype, gone, _HEADER if not found.whole else "it has no values")
        size = raw_hdf5.numbers(shape) * kind.size
        why = ""
        if kind.dtype is None:
            why = "its type is not one that Keras writes"
        elif not found.whole and layout.kind == "chunked":  # how the chunks are to be unpacked may be what is lost
            why = _HEADER
        elif self.limits.too_much(self._declared(size), self._held):
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

    def _declared(self, size: int) -> int:
        """The bytes that arrays declare so far, with this one, if it alone is not too much already."""
        if self.limits.too_much(size, self._held):
            return size
        self._total += size
        return self._total

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

    def _claim_all(self, blocks: list[tuple[int, int]]) -> None:
        for start, size in blocks:
            self._claim(start, size, None)

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
                        why = "another part of the file claims its bytes"
                        node.array = replace(node.array, read=gone, lost=why)
            last = max(last, claim, key=lambda c: c[1])


def _check_byte_orders(root: Node) -> None:
    """One bit of a header tells the order of bytes, and one program writes one order: where there are two, the arrays
    with the rarer one are lost."""
    orders: dict[str, list[Node]] = {}
    for _, node in root.walk():
        order = node.array.dtype.str[0] if node.array is not None and node.array.dtype is not None else "|"
        if order != "|":  # single bytes, text and what is opaque have none
            orders.setdefault(order, []).append(node)
    for nodes in sorted(orders.values(), key=len)[:-1]:
        for node in nodes:
            if node.array is not None:
                node.array = replace(
                    node.array, read=gone, lost="its bytes would be in another order than those of others"
                )


def _shape_of_lost(attributes: dict[str, Any]) -> tuple[int, ...] | None:
    """The shape that an earlier salvage noted of an array."""
    sizes = np.atleast_1d(np.asarray(attributes.get(SHAPE)))
    return tuple(sizes.tolist()) if sizes.dtype.kind == "i" and sizes.ndim == 1 and sizes.size <= 32 else None


def _proved(array: Array) -> Array:
    """The array after reading it once; lost if that is not possible."""
    try:
        array.read()
    except Gone as error:
        reason = _BEYOND if str(error) in ("beyond the end", "no address") else str(error)
        return replace(array, read=gone, lost=reason)
    return array

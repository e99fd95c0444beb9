"""HDF5 read byte by byte, as far as it goes: for files that the HDF5 library refuses, and for what it would do at once.

Follows the HDF5 File Format Specification 3.0. Understood are the structures that h5py makes for Keras: superblocks of
all versions, object headers of versions 1 and 2, symbol tables, links in headers, attributes, contiguous, compact and
(version 1 B-tree) chunked data with gzip, shuffle and fletcher32. What is damaged or not understood raises `Gone`, and
only for the structure that it is in. Nothing outside the bytes given is opened, and loops end.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import numpy as np

UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF
SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_BLOCKS = 10_000  # of one header, B-tree or heap: more are a loop, or no file of Keras
_MAX_STEPS = 20_000_000  # entries and messages of one file, also where structures overlap or are read again
_MAX_UNPACKED = 1 << 28  # bytes of chunks that an array may take beyond its own
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}


class Gone(Exception):
    """The bytes are not there, or are not what the format has in this place."""


class Source(Protocol):
    """The bytes of a file, of which some may be lost."""

    @property
    def size(self) -> int:
        """How many bytes there are up to the last one."""

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes. Raises `Gone` where one of them is lost."""


class Bytes:
    """A source of bytes in memory, none lost but those after the end."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.size = len(data)

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Gone("beyond the end")
        return bytes(self.data[offset : offset + count])


class Stream:
    """A source that is a binary file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, 2)

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Gone("beyond the end")
        self.file.seek(offset)
        data = self.file.read(count)
        if len(data) != count:
            raise Gone("beyond the end")
        return data


def of_file(file: str | os.PathLike[str] | BinaryIO) -> File | None:
    """The structures of a file given by path or as a stream; None where it has no superblock."""
    found = File(_Path(file) if isinstance(file, str | os.PathLike) else Stream(file))
    try:
        found.superblock()
    except (Gone, struct.error):
        return None
    return found


class _Path:
    """A source that is opened for each read, so that nothing stays open."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        self.size = os.stat(path).st_size  # noqa: PTH116

    def read(self, offset: int, count: int) -> bytes:
        with open(self.path, "rb") as file:  # noqa: PTH123
            return Stream(file).read(offset, count)


@dataclass(frozen=True)
class Type:
    """A datatype: `dtype` where it is one of numbers, text of fixed length, or opaque; else only its class is known."""

    kind: str  # "number", "bool", "text", "vlen_text", "opaque", "other"
    size: int
    dtype: np.dtype | None = None
    utf8: bool = False


@dataclass(frozen=True)
class Attribute:
    """A name, a type, a shape (None if it has no value) and the bytes of the value."""

    name: str
    type: Type
    shape: tuple[int, ...] | None
    data: bytes


@dataclass(frozen=True)
class Layout:
    """Where the data are: `address` and `size` if they are in one piece; `data` if in the header; else `chunk`."""

    kind: str  # "compact", "contiguous" or "chunked"
    address: int = UNDEFINED
    size: int = 0
    data: bytes = b""
    chunk: tuple[int, ...] = ()


@dataclass
class Object:
    """What an object header says. `whole` is False where a part of it is lost."""

    address: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    shape: tuple[int, ...] | None = None
    type: Type | None = None
    layout: Layout | None = None
    filters: tuple[int, ...] = ()
    table: tuple[int, int] | None = None  # B-tree and heap of a group
    dense: bool = False  # links or attributes in a fractal heap, which is not read here
    group: bool = False
    whole: bool = True
    lost_attributes: int = 0
    blocks: list[tuple[int, int]] = field(default_factory=list)  # address and size of the parts of the header

    @property
    def is_dataset(self) -> bool:
        return self.layout is not None and self.type is not None and self.shape is not None

    @property
    def was_dataset(self) -> bool:
        """Whether it is a dataset, or one of which the header is lost in part."""
        return self.layout is not None or self.type is not None or self.shape is not None


@dataclass
class Table:
    """The entries of a symbol table: name offset in the heap and address, in the order of their names.

    `cached` has, by the address of a group, its B-tree and heap, which the table keeps beside the group's own header.
    """

    entries: list[tuple[int, int]] = field(default_factory=list)
    cached: dict[int, tuple[int, int]] = field(default_factory=dict)
    whole: bool = True
    blocks: list[tuple[int, int]] = field(default_factory=list)  # address and size of the nodes

    def add(self, entry: bytes) -> None:
        """Take in an entry as the file has it (specification, III.C)."""
        name, address, kind, _, index, heap = struct.unpack("<QQIIQQ", entry)
        self.entries.append((name, address))
        if kind == 1:
            self.cached[address] = index, heap


class File:
    """The structures of one HDF5 file."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.base = 0
        self.root = Table()  # the superblock's own entry for the root, where it has one
        self._steps = 0
        self._collection: tuple[int, dict[int, tuple[int, int]]] = UNDEFINED, {}  # the one read last

    def _step(self, count: int = 1) -> None:
        self._steps += count
        if self._steps > _MAX_STEPS:
            raise Gone("more structures than a file of Keras has")

    def at(self, address: int, count: int) -> bytes:
        if address == UNDEFINED or count < 0:
            raise Gone("no address")
        return self.source.read(self.base + address, count)

    def superblock(self) -> tuple[int, int]:
        """The address of the root's header and the size that the file should have. Sets the base address."""
        for start in (0, *(512 << i for i in range(12))):
            try:
                if self.source.read(start, 8) == SIGNATURE:
                    break
            except Gone:
                continue
        else:
            raise Gone("no superblock")
        version = self.source.read(start + 8, 1)[0]
        if version in (0, 1):
            sizes = self.source.read(start + 13, 2)
            at = start + (24 if version == 0 else 28)
            base, _, end, _, _, root = struct.unpack("<6Q", self.source.read(at, 48))
            self.root = Table()
            self.root.add(self.source.read(at + 32, 40))
        elif version in (2, 3):
            sizes = self.source.read(start + 9, 2)
            base, _, end, root = struct.unpack("<4Q", self.source.read(start + 12, 32))
        else:
            raise Gone(f"superblock version {version}")
        if sizes != b"\x08\x08":
            raise Gone("addresses that have not 8 bytes")
        self.base = start  # also where the data were moved into another file since (H5Fsuper.c, `H5F__super_read`)
        return root, end + start - base

    def object(self, address: int) -> Object:
        """The object whose header is at `address`."""
        found = Object(address)
        if self.at(address, 4) == b"OHDR":
            messages = self._messages_2(address, found)
        else:
            messages = self._messages_1(address, found)
        for kind, data in messages:
            self._step()
            try:
                _understand(found, kind, data)
            except (Gone, struct.error, IndexError, UnicodeDecodeError, ValueError, TypeError):
                if kind == 12:
                    found.lost_attributes += 1
                else:
                    found.whole = False
        if kind_of_nothing(found):
            raise Gone("no object")
        return found

    def _messages_1(self, address: int, found: Object) -> Iterator[tuple[int, bytes]]:
        version, _, count, _, size = struct.unpack("<BBHII", self.at(address, 12))
        if version != 1 or not count or size % 8 or size > 1 << 20:
            raise Gone("no object header")
        blocks = [(address + 16, size)]
        first = True
        done = 0
        while blocks and done < _MAX_BLOCKS:
            start, length = blocks.pop(0)
            done += 1
            try:
                data = self.at(start, length)
            except Gone:
                if first:
                    raise
                found.whole = False
                continue
            first = False
            found.blocks.append((start, length))
            at = 0
            while at + 8 <= length:
                kind, size = struct.unpack_from("<HH", data, at)
                flags = data[at + 4]
                body = data[at + 8 : at + 8 + size]
                at += 8 + size
                if len(body) < size:
                    found.whole = False
                    break
                if kind == 16 and size >= 16:
                    where, many = struct.unpack_from("<QQ", body)
                    if many <= 1 << 24:
                        blocks.append((where, many))
                elif flags & 2:  # shared: the message is elsewhere
                    found.whole = False
                elif kind:
                    yield kind, body

    def _messages_2(self, address: int, found: Object) -> Iterator[tuple[int, bytes]]:
        version, flags = self.at(address + 4, 2)
        if version != 2:
            raise Gone("no object header")
        at = address + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(self.at(at, width), "little")
        head = 6 if flags & 4 else 4
        blocks = [(at + width, size, True)]
        done = 0
        while blocks and done < _MAX_BLOCKS:
            start, length, first = blocks.pop(0)
            done += 1
            try:
                if length > 1 << 24:
                    raise Gone("too long")
                data = self.at(start, length)
                if not first:
                    if data[:4] != b"OCHK":
                        raise Gone("no continuation")
                    data = data[4:-4]
            except Gone:
                if first:
                    raise
                found.whole = False
                continue
            found.blocks.append((start, length))
            i = 0
            while i + head <= len(data):
                kind, size, marks = struct.unpack_from("<BHB", data, i)
                body = data[i + head : i + head + size]
                i += head + size
                if len(body) < size:
                    found.whole = False
                    break
                if kind == 16 and size >= 16:
                    blocks.append((*struct.unpack_from("<QQ", body), False))
                elif marks & 2:
                    found.whole = False
                elif kind:
                    yield kind, body

    def table(self, address: int) -> Table:
        """The entries of the group whose B-tree is at `address`, in the order of their names."""
        found = Table()
        todo = [address]
        seen: set[int] = set()
        while todo:
            node = todo.pop(0)
            if node in seen or len(seen) > _MAX_BLOCKS:
                found.whole = False
                continue
            seen.add(node)
            try:
                head = self.at(node, 8)
                if head[:4] == b"SNOD":
                    (count,) = struct.unpack_from("<H", head, 6)
                    self._step(count)
                    data = self.at(node + 8, 40 * count)
                    found.blocks.append((node, 8 + 40 * count))
                    for i in range(count):
                        found.add(data[40 * i : 40 * i + 40])
                    continue
                if head[:5] != b"TREE\x00":
                    raise Gone("no node of a group")
                (count,) = struct.unpack_from("<H", head, 6)
                data = self.at(node + 24, 16 * count)
                found.blocks.append((node, 24 + 16 * count))
                todo[:0] = [struct.unpack_from("<Q", data, 16 * i + 8)[0] for i in range(count)]
            except Gone:
                found.whole = False
        return found

    def heap(self, address: int) -> bytes:
        """The names of a group: the data of its local heap, as much as is there."""
        head = self.at(address, 32)
        if head[:4] != b"HEAP":
            raise Gone("no heap")
        size, _, data = struct.unpack_from("<QQQ", head, 8)
        if size > 1 << 28:
            raise Gone("no heap")
        return self.at(data, size)

    def vlen_text(self, attribute: Attribute) -> list[bytes]:
        """The texts of variable length that an attribute refers to, each kept in a global heap."""
        found = []
        for i in range(len(attribute.data) // 16):
            length, address, index = struct.unpack_from("<IQI", attribute.data, 16 * i)
            found.append(self._global(address, index)[:length] if length else b"")
        return found

    def _global(self, address: int, index: int) -> bytes:
        """An object of a collection of the global heap (III.E), which is read once for objects that are asked for in a
        row."""
        if self._collection[0] != address:
            objects: dict[int, tuple[int, int]] = {}
            for number, where in self._objects(address):
                objects.setdefault(number, where)
            self._collection = address, objects
        if index not in self._collection[1]:
            raise Gone("not in the global heap")
        return self.at(*self._collection[1][index])

    def _objects(self, address: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Number, address and size of each object, as far as the collection is there."""
        head = self.at(address, 16)
        if head[:4] != b"GCOL":
            raise Gone("no global heap")
        (size,) = struct.unpack_from("<Q", head, 8)
        at, end = address + 16, address + size
        while at + 16 <= end:
            self._step()
            try:
                number, _, _, length = struct.unpack("<HHIQ", self.at(at, 16))
            except Gone:
                break
            if not number:
                break
            yield number, (at + 16, length)
            at += 16 + (length + 7 & ~7)

    def data(self, found: Object) -> np.ndarray:
        """The values of a dataset. Raises `Gone` where one of its bytes is lost or was never written."""
        layout, shape, kind = found.layout, found.shape, found.type
        if layout is None or shape is None or kind is None or kind.dtype is None:
            raise Gone("no numbers")
        count = numbers(shape)
        size = count * kind.size
        if layout.kind == "compact":
            raw = layout.data[:size]
        elif layout.kind == "contiguous":
            if layout.size < size:
                raise Gone("its size does not fit its shape")
            raw = self.at(layout.address, size) if size else b""
        else:
            return self._chunks(found)
        if len(raw) != size:
            raise Gone("its size does not fit its shape")
        try:
            return np.frombuffer(raw, kind.dtype).reshape(shape)
        except ValueError as error:  # an axis without numbers lets the others be of any size
            raise Gone("no array has its shape") from error

    def _chunks(self, found: Object) -> np.ndarray:
        layout, shape, kind = found.layout, found.shape, found.type
        assert layout is not None and shape is not None and kind is not None and kind.dtype is not None  # noqa: PT018
        rank = len(shape)
        if len(layout.chunk) != rank or not rank or not all(layout.chunk):
            raise Gone("chunks that do not fit the shape")
        size = numbers(layout.chunk) * kind.size
        wanted = numbers(tuple(-(-n // c) for n, c in zip(shape, layout.chunk, strict=True)))
        # A chunk is no larger than the array, but where that may grow: at most double in each direction
        if size > 1 << 28 or wanted > 100_000 or wanted * size > _MAX_UNPACKED + (numbers(shape) * kind.size << rank):
            raise Gone("too many or too large chunks")
        made: np.ndarray | None = None
        seen: set[tuple[int, ...]] = set()
        for offsets, mask, length, address in self.chunk_index(layout.address, rank):
            if offsets in seen or any(o % c or o >= n for o, c, n in zip(offsets, layout.chunk, shape, strict=True)):
                raise Gone("a chunk in a place where none can be")
            if made is None:
                made = np.empty(shape, kind.dtype)
            raw = self.at(address, length)
            for number, name in enumerate(reversed(found.filters)):
                if not mask >> (len(found.filters) - 1 - number) & 1:
                    raw = _unfiltered(raw, name, kind.size, size)
            if len(raw) != size:
                raise Gone("a chunk of another size")
            block = np.frombuffer(raw, kind.dtype).reshape(layout.chunk)
            where = tuple(slice(o, min(o + c, n)) for o, c, n in zip(offsets, layout.chunk, shape, strict=True))
            made[where] = block[tuple(slice(0, s.stop - s.start) for s in where)]
            seen.add(offsets)
        if made is None or len(seen) != wanted:
            raise Gone("chunks are missing")
        return made

    def chunk_index(self, address: int, rank: int) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
        """Offsets, filter mask, length and address of every chunk. Raises `Gone` where a node is lost."""
        todo: list[int] = [address]
        seen: set[int] = set()
        width = 8 + 8 * (rank + 1)
        while todo:
            node = todo.pop()
            if node in seen or len(seen) > _MAX_BLOCKS:
                raise Gone("a loop")
            seen.add(node)
            head = self.at(node, 8)
            if head[:5] != b"TREE\x01":
                raise Gone("no index of chunks")
            level, count = struct.unpack_from("<BH", head, 5)
            self._step(count)
            data = self.at(node + 24, count * (width + 8))
            for i in range(count):
                at = i * (width + 8)
                length, mask = struct.unpack_from("<II", data, at)
                offsets = struct.unpack_from(f"<{rank}Q", data, at + 8)
                (child,) = struct.unpack_from("<Q", data, at + width)
                if level:
                    todo.append(child)
                else:
                    yield offsets, mask, length, child


def _unfiltered(raw: bytes, number: int, width: int, size: int) -> bytes:
    if number == 1:
        unpacker = zlib.decompressobj()
        try:
            made = unpacker.decompress(raw, size + 4)
        except zlib.error as error:
            raise Gone("damaged gzip data") from error
        if not unpacker.eof:
            raise Gone("damaged gzip data")
        return made
    if number == 2:
        whole = len(raw) // width * width
        return np.frombuffer(raw[:whole], np.uint8).reshape(width, -1).T.tobytes() + raw[whole:]
    if number == 3:
        if len(raw) < 4 or fletcher32(raw[:-4]) != int.from_bytes(raw[-4:], "little"):
            raise Gone("a checksum does not match")
        return raw[:-4]
    raise Gone(f"filter {number}")


def fletcher32(data: bytes) -> int:
    """The checksum of HDF5's filter 3 (H5checksum.c, `H5_checksum_fletcher32`)."""
    words = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype(np.uint64)
    low = high = 0
    for start in range(0, len(words), 360):
        block = words[start : start + 360]
        count = len(block)
        high += low * count + int((block * np.arange(count, 0, -1, dtype=np.uint64)).sum())
        low += int(block.sum())
        low, high = (low & 0xFFFF) + (low >> 16), (high & 0xFFFF) + (high >> 16)
    if len(data) % 2:
        low += data[-1] << 8
        high += low
    for _ in range(4):
        low, high = (low & 0xFFFF) + (low >> 16), (high & 0xFFFF) + (high >> 16)
    return high << 16 | low


def numbers(shape: tuple[int, ...]) -> int:
    """How many numbers an array has, in whole numbers that cannot overflow."""
    count = 1
    for n in shape:
        count *= n
    return count


def kind_of_nothing(found: Object) -> bool:
    """Whether a header says of nothing that it is a group or a dataset."""
    return not (found.group or found.was_dataset or found.attributes or found.table or found.links)


def _understand(found: Object, kind: int, data: bytes) -> None:
    if kind == 1:
        found.shape = _shape(data)[0]
    elif kind == 3:
        found.type = _type(data)[0]
    elif kind == 8:
        found.layout = _layout(data)
    elif kind == 11:
        found.filters = _filter_numbers(data)
    elif kind == 12:
        attribute = _attribute(data)
        found.attributes[attribute.name] = attribute
    elif kind == 17:
        found.table = struct.unpack_from("<QQ", data)
        found.group = True
    elif kind == 6:
        name, address = _link(data)
        found.links[name] = address
        found.group = True
    elif kind == 2:
        at = 2 + (8 if data[1] & 1 else 0)
        found.group = True
        found.dense = found.dense or struct.unpack_from("<Q", data, at)[0] != UNDEFINED
    elif kind == 21:
        at = 2 + (2 if data[1] & 1 else 0)
        if struct.unpack_from("<Q", data, at)[0] != UNDEFINED:
            found.dense = True
    elif kind == 10:
        found.group = True


def _shape(data: bytes) -> tuple[tuple[int, ...] | None, int]:
    """The shape, and how many bytes the message has."""
    version, rank, flags = data[0], data[1], data[2]
    if version not in (1, 2) or rank > 32:
        raise Gone("no dataspace")
    head = 8 if version == 1 else 4
    if version == 2 and data[3] == 2:
        return None, head
    shape = struct.unpack_from(f"<{rank}Q", data, head)
    return shape, head + 8 * rank * (2 if flags & 1 else 1)


def _type(data: bytes) -> tuple[Type, int]:
    """The type, and how many bytes its message has."""
    kind, bits, size = data[0] & 15, int.from_bytes(data[1:4], "little"), struct.unpack_from("<I", data, 4)[0]
    order = ">" if bits & 1 else "<"
    if not data[0] >> 4 or data[0] >> 4 > 5 or not size:
        raise Gone("no datatype")
    if kind == 0:
        offset, precision = struct.unpack_from("<HH", data, 8)
        if size not in (1, 2, 4, 8) or offset or precision != 8 * size or bits & ~0xF:
            return Type("other", size), 12
        return Type("number", size, np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}")), 12
    if kind == 1:
        form = struct.unpack_from("<HHBBBB", data, 8)
        known = {2: (0, 16, 10, 5, 0, 10), 4: (0, 32, 23, 8, 0, 23), 8: (0, 64, 52, 11, 0, 52)}
        (bias,) = struct.unpack_from("<I", data, 16)
        implied = 0x20 | (8 * size - 1) << 8  # the first bit of the mantissa; where the sign is
        if known.get(size) != form or bits & ~1 != implied or bias != (1 << form[3] - 1) - 1:
            return Type("other", size), 20
        return Type("number", size, np.dtype(f"{order}f{size}")), 20
    if kind == 3:
        return Type("text", size, np.dtype(f"S{size}"), bits >> 4 & 15 == 1), 8
    if kind == 5:
        length = bits & 0xFF
        return Type("opaque", size, np.dtype(f"V{size}")), 8 + length
    if kind == 8:
        base, used = _type(data[8:])
        names = data[8 + used :]
        if base.size == 1 and b"FALSE" in names and b"TRUE" in names:
            return Type("bool", 1, np.dtype(bool)), len(data)
        return Type("other", size), len(data)
    if kind == 9:
        text = bits & 15 == 1
        return Type("vlen_text" if text else "other", size, None, bits >> 8 & 15 == 1), 8 + _type(data[8:])[1]
    return Type("other", size), len(data)


def _layout(data: bytes) -> Layout:
    version = data[0]
    if version in (3, 4, 5):
        kind = data[1]
        if kind == 0:
            (size,) = struct.unpack_from("<H", data, 2)
            return Layout("compact", data=data[4 : 4 + size], size=size)
        if kind == 1:
            return Layout("contiguous", *struct.unpack_from("<QQ", data, 2))
        if kind == 2 and version == 3:
            rank = data[2]
            (address,) = struct.unpack_from("<Q", data, 3)
            return Layout("chunked", address, chunk=struct.unpack_from(f"<{rank - 1}I", data, 11))
        raise Gone("a layout that is not understood")
    if version in (1, 2):
        rank, kind = data[1], data[2]
        (address,) = struct.unpack_from("<Q", data, 8) if kind else (UNDEFINED,)
        at = 16 if kind else 8
        sizes = struct.unpack_from(f"<{rank}I", data, at)
        if kind == 1:
            return Layout("contiguous", address, numbers(sizes))
        if kind == 2:
            return Layout("chunked", address, chunk=sizes[: rank - 1])
        (size,) = struct.unpack_from("<I", data, at + 4 * rank)
        return Layout("compact", data=data[at + 4 * rank + 4 :][:size], size=size)
    raise Gone("no layout")


def _filter_numbers(data: bytes) -> tuple[int, ...]:
    version, count = data[0], data[1]
    at = 8 if version == 1 else 2
    found = []
    for _ in range(count):
        (number,) = struct.unpack_from("<H", data, at)
        if version == 1:
            length, _, values = struct.unpack_from("<HHH", data, at + 2)
            at += 8 + (length + 7 & ~7) + 4 * (values + values % 2)
        else:
            at += 2
            length = 0
            if number >= 256:
                (length,) = struct.unpack_from("<H", data, at)
                at += 2
            _, values = struct.unpack_from("<HH", data, at)
            at += 4 + length + 4 * values
        found.append(number)
    return tuple(found)


def _attribute(data: bytes) -> Attribute:
    version = data[0]
    if version not in (1, 2, 3) or (version > 1 and data[1] & 3):
        raise Gone("no attribute")
    name_size, type_size, shape_size = struct.unpack_from("<HHH", data, 2)
    at = 8 + (version == 3)

    def padded(size: int) -> int:
        return size + 7 & ~7 if version == 1 else size

    name = data[at : at + name_size].split(b"\0")[0].decode("utf-8", "surrogateescape")
    at += padded(name_size)
    kind = _type(data[at : at + type_size])[0]
    at += padded(type_size)
    shape = _shape(data[at : at + shape_size])[0]
    at += padded(shape_size)
    size = 0 if shape is None else numbers(shape) * kind.size
    value = data[at : at + size]
    if len(value) != size:
        raise Gone("an attribute without its value")
    return Attribute(name, kind, shape, value)


def _link(data: bytes) -> tuple[str, int]:
    flags = data[1]
    at = 2
    if data[0] != 1:
        raise Gone("no link")
    kind = 0
    if flags & 8:
        kind = data[at]
        at += 1
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    length = int.from_bytes(data[at : at + width], "little")
    at += width
    name = data[at : at + length].decode("utf-8", "surrogateescape")
    if kind:
        raise Gone("a link that leaves the group")
    return name, struct.unpack_from("<Q", data, at + length)[0]

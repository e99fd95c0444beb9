"""Members of a damaged `.keras` archive, by the header before each and not by the directory at its end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconstruct.limits import Limits
from reconstruct.readers import zip_guard
from reconstruct.readers.raw_hdf5 import Bytes, Gone, Source
from reconstruct.salvage import signatures

_STORED, _DEFLATED = 0, 8
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A member of the archive: its bytes as far as they are there.

    `state` is "whole" (its checksum matches), "cut", "changed" (its checksum does not match) or "unchecked".
    """

    name: str
    source: Source
    state: str


class Part:
    """A part of a source, from `start` to its end or for `size` bytes."""

    def __init__(self, source: Source, start: int, size: int | None = None) -> None:
        self.source = source
        self.start = start
        there = max(0, source.size - start)
        self.size = there if size is None else min(size, there)

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Gone("beyond the end")
        return self.source.read(self.start + offset, count)


def members(source: Source, wanted: Collection[str], limits: Limits) -> dict[str, Member]:
    """The members of these names; of two of one name the first."""
    found: dict[str, Member] = {}
    for at in signatures.zip_members(source):
        try:
            member = _member(source, at, wanted, limits)
        except (Gone, struct.error, zlib.error):
            continue
        if member is not None:
            found.setdefault(member.name, member)
    return found


def _member(source: Source, at: int, wanted: Collection[str], limits: Limits) -> Member | None:
    """The member whose header is at `at` (zip specification, 4.3.7)."""
    flags, method = struct.unpack("<HH", source.read(at + 6, 4))
    crc, packed, unpacked, name_size, extra_size = struct.unpack("<IIIHH", source.read(at + 14, 16))
    name = source.read(at + 30, name_size).decode("utf-8", "replace")
    if name not in wanted or flags & 1:
        return None
    packed, unpacked = zip_guard.sizes(packed, unpacked, source.read(at + 30 + name_size, extra_size))
    start = at + 30 + name_size + extra_size
    sized = not flags & 8 and (packed > 0 or unpacked > 0)  # else the sizes are behind the data, or were never written
    size = packed if sized else next((p - start for p in signatures.zip_ends(source, start)), None)
    data: Source = Part(source, start, size)
    if method == _DEFLATED:
        data = Bytes(_inflated(data, limits))
    elif method != _STORED:
        return None
    if not sized:
        return Member(name, data, "unchecked")
    if data.size < unpacked:
        return Member(name, data, "cut")
    return Member(name, data, "whole" if _crc(data) == crc else "changed")


def _inflated(data: Source, limits: Limits) -> bytes:
    """What the compressed bytes that are there give; nothing of what follows a damaged place."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    made = bytearray()
    for block in _blocks(data):
        left = block
        while left and not unpacker.eof:
            try:
                made += unpacker.decompress(left, _BLOCK)
            except zlib.error:
                return bytes(made)
            left = unpacker.unconsumed_tail
            if limits.too_much(len(made), data.size):
                return bytes(made)
    return bytes(made)


def _crc(data: Source) -> int | None:
    value = 0
    try:
        for block in _blocks(data):
            value = zlib.crc32(block, value)
    except Gone:
        return None
    return value


def _blocks(data: Source) -> Iterator[bytes]:
    for start in range(0, data.size, _BLOCK):
        yield data.read(start, min(_BLOCK, data.size - start))

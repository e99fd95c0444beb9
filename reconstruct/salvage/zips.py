"""Members of a damaged `.keras` archive, by the header before each and not by the directory at its end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from reconstruct.limits import Limits
from reconstruct.readers import zip_guard
from reconstruct.readers.raw_hdf5 import Bytes, Gone, Source
from reconstruct.salvage import signatures

_STORED, _DEFLATED = 0, 8
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A member of the archive: its bytes as far as they are there.

    `state` is "whole" (its checksum matches), "cut", "changed" (its checksum does not match) or "unchecked"; `end` is
    where it ends in the archive, `twice` says that there is another whole one of its name.
    """

    name: str
    source: Source
    state: str
    end: int = 0
    twice: bool = False


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
    """The members of these names; of several of one name the first that is whole, else the first."""
    found: dict[str, Member] = {}
    end = unpacked = 0
    for at in signatures.zip_members(source):
        if at < end:
            continue  # what a member holds is none itself
        try:
            member = _member(source, at, wanted, limits)
        except (Gone, struct.error):
            continue
        if member is None:
            continue
        if member.state == "whole":
            end = member.end
        unpacked += member.source.size
        if limits.too_much(unpacked, source.size):
            break
        first = found.get(member.name)
        if first is None or (member.state == "whole" != first.state):
            found[member.name] = member
        elif first.state == member.state == "whole":
            found[member.name] = replace(first, twice=True)
    return {name: member for name, member in found.items() if name in wanted}


def names(source: Source) -> Iterator[str]:
    """The names of all members, as far as they have headers."""
    for at in signatures.zip_members(source):
        try:
            (size,) = struct.unpack("<H", source.read(at + 26, 2))
            yield source.read(at + 30, min(size, 200)).decode("utf-8", "replace")
        except Gone:
            continue


def _member(source: Source, at: int, wanted: Collection[str], limits: Limits) -> Member | None:
    """The member whose header is at `at` (zip specification, 4.3.7)."""
    flags, method = struct.unpack("<HH", source.read(at + 6, 4))
    crc, packed, unpacked, name_size, extra_size = struct.unpack("<IIIHH", source.read(at + 14, 16))
    name = source.read(at + 30, name_size).decode("utf-8", "replace")
    if flags & 1 or (name not in wanted and method != _STORED):
        return None
    packed, unpacked = zip_guard.sizes(packed, unpacked, source.read(at + 30 + name_size, extra_size))
    start = at + 30 + name_size + extra_size
    sized = not flags & 8 and (packed > 0 or unpacked > 0)  # else the sizes are behind the data, or were never written
    size = packed if sized else next((p - start for p in signatures.zip_ends(source, start)), None)
    part = Part(source, start, size)
    data: Source = part
    stream = ""
    if method == _DEFLATED:
        made, stream = _inflated(part, limits)
        data = Bytes(made)
    elif method != _STORED:
        return None
    if stream == "broken":
        state = "changed"
    elif not sized:
        state = "unchecked"
    elif data.size < unpacked:
        state = "changed" if stream == "ended" else "cut"
    else:
        state = "whole" if _crc(data) == crc else "changed"
    return Member(name, data, state, start + part.size)


def _inflated(data: Source, limits: Limits) -> tuple[bytes, str]:
    """What the compressed bytes that are there give, and whether their stream has "ended", is "open", or "broken": then
    what it gave may have been wrong for long."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    made = bytearray()
    for block in _blocks(data):
        left = block
        while left and not unpacker.eof:
            try:
                made += unpacker.decompress(left, _BLOCK)
            except zlib.error:
                return bytes(made), "broken"
            left = unpacker.unconsumed_tail
            if limits.too_much(len(made), data.size):
                return bytes(made), "open"
        if unpacker.eof:
            return bytes(made), "ended"
    return bytes(made + unpacker.flush()), "open"


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

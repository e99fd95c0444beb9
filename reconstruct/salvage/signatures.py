"""Structures found by what they look like, where nothing leads to them any more."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from reconstruct.readers.raw_hdf5 import SIGNATURE, Gone, Source
from reconstruct.salvage.pieces import spans

_BLOCK = 1 << 22
# An object header of version 1 has no signature: version, a zero, the number of messages, one reference, the size of
# the messages, four bytes of padding; one of version 2 has (HDF5 File Format Specification 3.0, IV.A.1).
_HEADER = re.compile(rb"\x01\x00(?:[^\x00].|.[^\x00])\x01\x00\x00\x00..\x00\x00\x00\x00\x00\x00|OHDR\x02", re.DOTALL)
_STRUCTURE = re.compile(rb"(?:%s)|TREE\x00|SNOD\x01|HEAP\x00" % _HEADER.pattern, re.DOTALL)
_LONGEST = 64


def headers(source: Source, base: int = 0) -> Iterator[int]:
    """The addresses of all that looks like the header of an object.

    No multiples of 8 alone: what stands behind values of an odd size has an odd address.
    """
    for at in _find(source, _HEADER):
        yield at - base


def start_of_hdf5(source: Source) -> int | None:
    """Where HDF5 data start in a file whose own beginning is damaged; None where there are none."""
    for at in of_hdf5(source):
        return at
    if any(True for _ in _find(source, re.compile(rb"TREE\x00|SNOD\x01|HEAP\x00|OHDR\x02"))):
        return 0
    return None


def of_hdf5(source: Source) -> Iterator[int]:
    """Where HDF5 data start."""
    yield from _find(source, re.compile(re.escape(SIGNATURE)))


def structures(source: Source) -> Iterator[int]:
    """Where there are headers of objects, tables of groups, and heaps with names."""
    yield from _find(source, _STRUCTURE)


def zip_members(source: Source) -> Iterator[int]:
    """Where members of a zip archive start."""
    yield from _find(source, re.compile(rb"PK\x03\x04"))


def zip_ends(source: Source, start: int) -> Iterator[int]:
    """Where a member of unknown size that starts at `start` may end: before the next member, its own sizes, or the
    directory (zip specification, 4.3.9 and 4.3.12)."""
    yield from _find(source, re.compile(rb"PK(?:\x03\x04|\x07\x08|\x01\x02)"), start)


def _blocks(source: Source, first: int) -> Iterator[tuple[int, int]]:
    """Start and size of what to read at a time, so much more than a block that no match is cut in two."""
    for begin, end in spans(source):
        for start in range(max(first, begin), end, _BLOCK):
            yield start, min(_BLOCK + _LONGEST, end - start)


def _find(source: Source, pattern: re.Pattern[bytes], first: int = 0) -> Iterator[int]:
    last = -1
    for start, size in _blocks(source, first):
        try:
            data = source.read(start, size)
        except (Gone, struct.error):
            continue
        at = 0
        while (match := pattern.search(data, at)) is not None:
            at = match.start() + 1
            if start + match.start() > last:
                last = start + match.start()
                yield last

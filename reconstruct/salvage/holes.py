"""Bytes of which something else stands in their place: zeros, where a download reserved room that it never filled, or
the rest of an older file, over which a new one was not written to its end.

The values of an array would be taken from there. But headers, tables and heaps, of which the groups say where they are,
are missing there, too.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Mapping, Sequence

from reconstruct.readers.raw_hdf5 import File, Gone, Source
from reconstruct.salvage import displaced
from reconstruct.salvage.pieces import Piece, Pieces, based

_ENOUGH = 3  # structures that are missing behind all others
_HEAD = 16  # bytes of a structure that are never all zero
_LARGE = 1024  # bytes of zeros, which no structure has
_BLOCK = 1 << 16


def without(source: Source, start: int, places: Mapping[int, displaced.Structure]) -> Pieces | None:
    """The source without what is not its own; None where nothing shows that there is something.

    `places` are the structures by their addresses, counted from `start`, where the HDF5 data begin.
    """
    named = _named(source, places, start)
    end = source.size - start
    missing = sorted(a for a, kind in named.items() if a + _HEAD <= end and not _is(places, a, kind))
    there = [a + places[a].size for a, kind in named.items() if _is(places, a, kind)]
    blank: list[tuple[int, int]] = []
    for address in missing:
        if not blank or address >= blank[-1][1]:
            blank += _zeros(source, start, address)
    last = max(there, default=0)
    if sum(a >= last and not any(x <= a < y for x, y in blank) for a in missing) >= _ENOUGH:
        blank = [hole for hole in blank if hole[1] <= last] + [(last, end)]
    return Pieces(source, _between(sorted(blank), start, end)) if blank else None


def _named(source: Source, places: Mapping[int, displaced.Structure], start: int) -> dict[int, str]:
    """The kind of what the tables name by its address, from the root on: an older file has tables of its own."""
    file = File(based(source, start))
    try:
        root, _ = file.superblock()
    except (Gone, struct.error):
        return {}
    todo = [(root, "header"), *((index, "table") for index, _ in file.root.cached.values())]
    found: dict[int, str] = {}
    while todo:
        address, kind = todo.pop()
        if address not in found:
            found[address] = kind
            if kind == "table" and _is(places, address, kind):
                todo += displaced.entries(source, start + address, places[address].size)
    return found


def _is(places: Mapping[int, displaced.Structure], address: int, kind: str) -> bool:
    return address in places and places[address].kind == kind


def _zeros(source: Source, start: int, address: int) -> list[tuple[int, int]]:
    """The zeros around an address, from the first to behind the last, if there are any."""
    try:
        if any(source.read(start + address, _HEAD)):
            return []
    except Gone:
        return []
    first, last = address, address + _HEAD
    while first > 0:
        data = source.read(start + max(0, first - _BLOCK), min(_BLOCK, first))
        kept = len(data.rstrip(b"\0"))
        first -= len(data) - kept
        if kept:
            break
    while start + last < source.size:
        data = source.read(start + last, min(_BLOCK, source.size - start - last))
        kept = len(data.lstrip(b"\0"))
        last += len(data) - kept
        if kept:
            break
    return [(first, last)] if last - first >= _LARGE else []


def _between(blank: Sequence[tuple[int, int]], start: int, end: int) -> list[Piece]:
    edges = [0, *itertools.chain.from_iterable(blank), end]
    return [Piece(a, b, start) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]

"""Bytes that stand in another place than the addresses in the file say, since others were lost or put in before them.

A download that skipped a part or wrote one twice, or whose parts came in the wrong order: what follows is whole and
displaced. The values of an array whose own header is in its place would be read from a wrong one, and nothing in them
tells. But the groups say where headers, tables and heaps are (HDF5 File Format Specification 3.0, III), and these are
found by what they look like; so the distance between the two says how far a part was moved.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reconstruct.readers.raw_hdf5 import File, Gone, Source
from reconstruct.salvage import signatures
from reconstruct.salvage.pieces import Piece, Pieces, based

# Structures that are displaced by the same: the six of a group lie as those of another do, so that fewer may be a
# coincidence, unless what is missing from the file, or too much in it, is just as much
_ENOUGH = 7
_ENOUGH_OF_SURPLUS = 2
_MOST_PARTS = 32
_MOST = 200_000  # structures: more are no file of Keras
_MOST_COMPARED = 1000  # structures of a kind at a time
_SWITCH = 3  # structures that must be out of place before a part is taken to be another
_FEW = 32  # bytes that may be the same by chance
_MOST_READ = 1 << 28  # bytes at once
_MOST_ENTRIES = 512  # of a table's node, of which h5py's have 8 or 32


@dataclass(frozen=True)
class Structure:
    """A part of HDF5's own: "header", "table" or "heap", and its size as it says itself."""

    kind: str
    size: int


def realigned(source: Source, start: int, found: Mapping[int, Structure]) -> Pieces | None:
    """The source with everything in the place that it had; None where nothing shows that something is displaced.

    `found` are the `structures` by their addresses, counted from `start`, where the HDF5 data begin.
    """
    named = addresses(source, found, start)
    named[0] = Structure("superblock", 8)
    places = {**found, 0: named[0]}
    surplus = _surplus(source, start)
    shifts = _shifts(places, named, surplus)
    if len(shifts) < 2:
        return None
    order = sorted(named)
    matches = [[_matches(places, named, address, shift) for shift in shifts] for address in order]
    parts = _parts(matches, len(shifts))
    if len(set(parts)) < 2:
        return None
    pieces = _pieces(start, order, places, shifts, matches, parts)
    last = pieces[-1]
    if len(pieces) < 2 or pieces[0].start:
        return None
    behind = [p.begin for p in pieces if p.begin > last.begin]
    if behind or last.shift - start == surplus:  # else more is missing, before the end or there
        pieces[-1] = replace(last, end=min([source.size, *behind]) - last.shift)
    return Pieces(source, _touching(source, pieces))


def structures(source: Source, start: int) -> dict[int, Structure]:
    """All headers, tables and heaps by where they are, counted from `start`."""
    found = {}
    for at in itertools.islice(signatures.structures(source), _MOST):
        try:
            head = source.read(at, 16)
        except Gone:
            continue
        if head[:4] == b"SNOD":
            found[at - start] = Structure("table", 8 + 40 * int.from_bytes(head[6:8], "little"))
        elif head[:4] == b"TREE":
            found[at - start] = Structure("table", 32 + 16 * int.from_bytes(head[6:8], "little"))
        elif head[:4] == b"HEAP":
            found[at - start] = Structure("heap", 32)
        else:
            found[at - start] = Structure("header", 16 + int.from_bytes(head[8:12], "little"))
    return found


def addresses(source: Source, places: Mapping[int, Structure], start: int) -> dict[int, Structure]:
    """Where the tables of groups say that headers, tables and heaps are."""
    tables = [(start + at, structure.size) for at, structure in places.items() if structure.kind == "table"]
    every = itertools.chain.from_iterable(entries(source, at, size) for at, size in tables)
    return {address: Structure(kind, 16) for address, kind in itertools.islice(every, 10 * _MOST)}


def entries(source: Source, at: int, size: int) -> Iterator[tuple[int, str]]:
    """What one node of a table names, by address and kind."""
    try:
        data = source.read(at, size)
    except Gone:
        return
    count = int.from_bytes(data[6:8], "little")
    for i in range(count if count <= _MOST_ENTRIES else 0):
        if data[:4] == b"TREE":
            named = [(struct.unpack_from("<Q", data, 32 + 16 * i)[0], "table")]
        else:
            _, address, kind, _, index, heap = struct.unpack_from("<QQIIQQ", data, 8 + 40 * i)
            named = [(address, "header"), *([(index, "table"), (heap, "heap")] if kind == 1 else [])]
        yield from ((address, kind) for address, kind in named if 0 < address < 1 << 62)


def _surplus(source: Source, start: int) -> int | None:
    """How many bytes there are beyond those that the file should have; None where its size is lost."""
    try:
        return source.size - start - File(based(source, start)).superblock()[1]
    except (Gone, struct.error):
        return None


def _shifts(places: Mapping[int, Structure], named: Mapping[int, Structure], surplus: int | None) -> list[int]:
    """How far parts are displaced, 0 first: each explains where structures are that nothing before explained."""
    shifts = [0]
    left = list(named)
    taken: set[int] = set()
    while len(shifts) < _MOST_PARTS:
        taken.update(address + shifts[-1] for address in left)
        left = [address for address in left if not _matches(places, named, address, shifts[-1])]
        votes: list[np.ndarray] = []
        for kind in ("header", "table", "heap"):
            wanted = sorted(a for a in left if named[a].kind == kind)[:_MOST_COMPARED]
            there = sorted(p for p, found in places.items() if found.kind == kind and p not in taken)[:_MOST_COMPARED]
            votes.append(np.subtract.outer(np.array(there, np.int64), np.array(wanted, np.int64)).reshape(-1))
        values, counts = np.unique(np.concatenate(votes), return_counts=True)
        if surplus is not None:
            counts[values == surplus] += _ENOUGH - _ENOUGH_OF_SURPLUS
        if not len(counts) or counts.max() < _ENOUGH:
            break
        shifts.append(int(values[counts.argmax()]))
    return shifts


def _matches(places: Mapping[int, Structure], named: Mapping[int, Structure], address: int, shift: int) -> bool:
    found = places.get(address + shift)
    return found is not None and found.kind == named[address].kind


def _parts(matches: Sequence[Sequence[bool]], count: int) -> list[int]:
    """Which shift holds at each address: that of most structures around it, since the file is of few parts."""
    costs = [0] + [_SWITCH] * (count - 1)
    before: list[list[int]] = []
    for row in matches:
        best = min(range(count), key=costs.__getitem__)
        come = [i if costs[i] <= costs[best] + _SWITCH else best for i in range(count)]
        costs = [min(costs[i], costs[best] + _SWITCH) + (not row[i]) for i in range(count)]
        before.append(come)
    part = min(range(count), key=costs.__getitem__)
    parts = []
    for come in reversed(before):
        parts.append(part)
        part = come[part]
    return parts[::-1]


def _pieces(
    start: int,
    order: Sequence[int],
    places: Mapping[int, Structure],
    shifts: Sequence[int],
    matches: Sequence[Sequence[bool]],
    parts: Sequence[int],
) -> list[Piece]:
    """The parts as far as it is sure that they reach: to structures that those beside them do not explain."""
    runs = [(part, [i for i, _ in run]) for part, run in itertools.groupby(enumerate(parts), key=lambda item: item[1])]
    found: list[tuple[int, Piece]] = []
    for number, (part, indices) in enumerate(runs):
        beside = [runs[n][0] for n in (number - 1, number + 1) if 0 <= n < len(runs)]
        sure = [order[i] for i in indices if matches[i][part] and not any(matches[i][p] for p in beside)]
        if sure:
            found.append((len(sure), Piece(sure[0], sure[-1] + 1, start + shifts[part])))
    kept: list[Piece] = []
    for _, piece in sorted(found, key=lambda item: item[0], reverse=True):
        if all(piece.begin >= other.begin + other.size or other.begin >= piece.begin + piece.size for other in kept):
            kept.append(piece)  # else it would be what another is, and the match a coincidence
    kept.sort(key=lambda piece: piece.start)
    made = []
    for piece in kept:
        last = piece.end - 1
        bounds = [p.start for p in kept if p.start > last] + [
            p.begin - piece.shift for p in kept if p.begin > piece.begin
        ]
        made.append(replace(piece, end=min([last + places[last + piece.shift - start].size, *bounds])))
    return made


def _touching(source: Source, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, which meet where a part stands there twice: both say the same of it."""
    made = [pieces[0]]
    for after in pieces[1:]:
        last = made[-1]
        at = _within_twice(source, last, after)
        if at is not None:
            made[-1] = replace(last, end=at)
            after = replace(after, start=at)
        made.append(after)
    return made


def _within_twice(source: Source, before: Piece, after: Piece) -> int | None:
    """An address between two pieces where the first may end and the second begin, since the bytes around it are there
    twice; None where they are not."""
    count = after.shift - before.shift
    start = max(before.start, before.end - count)
    size = min(after.start + count, source.size - after.shift) - start
    if not _FEW < count <= size < _MOST_READ:
        return None
    first, second = (np.frombuffer(source.read(start + piece.shift, size), np.uint8) for piece in (before, after))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], first == second, [0]]))).reshape(-1, 2)
    runs = [(a, b) for a, b in edges.tolist() if b - a >= count and np.count_nonzero(first[a:b]) > _FEW]
    meets = [max(start + a, before.end) for a, b in runs if start + a <= after.start and start + b >= before.end]
    return meets[0] if len(meets) == 1 else None

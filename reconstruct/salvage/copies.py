"""Several damaged copies of one file as one source of bytes, and what their trees say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reconstruct.errors import ReadError
from reconstruct.readers.raw_hdf5 import Gone, Source
from reconstruct.salvage.tree import Array, Node, Unnamed, gone

_BLOCK = 4096  # what file systems and downloads lose or fill with zeros is some of these
_AT_ONCE = 1 << 24
_FEW = 64  # bytes of a block that are not zero: rather some that changed among zeros than all that was not lost
_DISPUTED = "the copies have other values for it"
_MOST_DIFFERENT = 0.01  # of the bytes that copies have in common; more, and they are other files


@dataclass(frozen=True)
class Copies:
    """The bytes of the first of these copies that has them. A block of zeros gives way to one that is full.

    `different` are the places where copies have other bytes, neither of them in such a block.
    """

    copies: tuple[Source, ...]
    different: np.ndarray
    holes: tuple[frozenset[int], ...]  # of each copy

    @property
    def size(self) -> int:
        return max(copy.size for copy in self.copies)

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Gone("beyond the end")
        if len(self.copies) == 1:
            return self.copies[0].read(offset, count)
        return b"".join(self._pieces(offset, offset + count))

    def _pieces(self, at: int, end: int) -> Iterator[bytes]:
        while at < end:
            block = at // _BLOCK
            there = [i for i, copy in enumerate(self.copies) if copy.size > at]
            best = next((i for i in there if block not in self.holes[i]), there[0])
            stop = min(end, self.copies[best].size)
            if any(self.holes):
                stop = min(stop, (block + 1) * _BLOCK)
            yield self.copies[best].read(at, stop - at)
            at = stop

    def doubtful(self, start: int, end: int) -> bool:
        """Whether copies have different bytes between these places."""
        first, last = np.searchsorted(self.different, [start, end])
        return bool(last > first)

    def turned(self) -> Iterator[Copies]:
        """The same with each copy in turn as the first."""
        for i in range(len(self.copies)):
            order = [i, *(k for k in range(len(self.copies)) if k != i)]
            yield Copies(tuple(self.copies[k] for k in order), self.different, tuple(self.holes[k] for k in order))


def together(copies: Sequence[Source], names: Sequence[str]) -> Copies:
    """The copies as one. Raises `ReadError` where they are no copies of one file."""
    holes: list[set[int]] = [set() for _ in copies]
    different: list[np.ndarray] = []
    common = 0
    for a in range(len(copies)):
        for b in range(a + 1, len(copies)):
            count = 0
            for start, left, right in _aligned(copies[a], copies[b]):
                filled = [np.count_nonzero(part, axis=1) for part in (left, right)]
                blank = [(filled[i] == 0) & (filled[1 - i] > _FEW) for i in (0, 1)]
                numbers = start // _BLOCK + np.arange(len(left))
                holes[a].update(numbers[blank[0]].tolist())
                holes[b].update(numbers[blank[1]].tolist())
                full = ~(blank[0] | blank[1])
                common += int(full.sum()) * _BLOCK
                rows, columns = np.nonzero((left != right) & full[:, None])
                different.append(numbers[rows] * _BLOCK + columns)
                count += len(rows)
                if count > max(64, _MOST_DIFFERENT * common):
                    message = f"{names[a]} and {names[b]} are not copies of one file: they differ in many bytes"
                    raise ReadError(message, path=names[b], hint="salvage them one by one", code="E_CORRUPT")
    places = np.unique(np.concatenate(different)) if different else np.zeros(0, np.int64)
    return Copies(tuple(copies), places, tuple(frozenset(found) for found in holes))


def _aligned(a: Source, b: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """The bytes that both have, as rows of blocks; the last is filled up with ones, which make it no hole."""
    size = min(a.size, b.size)
    for start in range(0, size, _AT_ONCE):
        count = min(_AT_ONCE, size - start)
        parts = []
        for source in (a, b):
            data = np.frombuffer(source.read(start, count), np.uint8)
            parts.append(np.pad(data, (0, -count % _BLOCK), constant_values=1).reshape(-1, _BLOCK))
        yield start, parts[0], parts[1]


def merged(trees: Sequence[Node]) -> tuple[Node, list[str]]:
    """What trees of one file say together, and where they contradict each other. An array that has other values in
    another tree is lost: nothing says which is right."""
    first = trees[0]
    contradictions: list[str] = []
    for other in trees[1:]:
        for path, node in other.walk():
            mine = first.enter(path)
            mine.address = node.address if mine.address < 0 else mine.address
            mine.array = _agreed(mine.array, node.array)
            mine.whole = mine.whole or node.whole
            for name, value in node.attributes.items():
                if not np.array_equal(np.asarray(mine.attributes.setdefault(name, value)), np.asarray(value)):
                    contradictions.append(f"{'/'.join(path)}@{name}")
    named = {n.address for path, n in first.walk() if not any(isinstance(part, Unnamed) for part in path)}
    for _, node in list(first.walk()):
        node.children = {
            name: child
            for name, child in node.children.items()
            if not (isinstance(name, Unnamed) and child.address in named)
        }
    return first, contradictions


def _agreed(mine: Array | None, other: Array | None) -> Array | None:
    if mine is None or other is None:
        return mine or other
    for each in (mine, other):
        if each.lost == _DISPUTED:  # also a third copy does not decide it
            return each
    if mine.lost or other.lost:
        return other if mine.lost and (not other.lost or mine.shape is None) else mine
    if (mine.shape, mine.dtype) == (other.shape, other.dtype) and mine.read().tobytes() == other.read().tobytes():
        return mine
    return replace(mine, read=gone, lost=_DISPUTED)

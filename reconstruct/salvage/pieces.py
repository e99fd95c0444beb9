"""A source of which pieces stand in other places than they did."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from reconstruct.readers.raw_hdf5 import Gone, Source


@dataclass(frozen=True)
class Piece:
    """Bytes from the address `start` to `end`, which stand `shift` further back in the source."""

    start: int
    end: int
    shift: int

    @property
    def begin(self) -> int:
        """Where it stands in the source."""
        return self.start + self.shift

    @property
    def size(self) -> int:
        return self.end - self.start


class Pieces:
    """A source by the addresses that its bytes had; what is between the pieces is lost."""

    def __init__(self, source: Source, pieces: Sequence[Piece]) -> None:
        self.source = source
        self.pieces = tuple(pieces)
        self.size = self.pieces[-1].end
        self._starts = [piece.start for piece in self.pieces]

    def read(self, offset: int, count: int) -> bytes:
        if offset < 0 or count < 0 or offset + count > self.size:
            raise Gone("beyond the end")
        made = b""
        number = max(0, bisect_right(self._starts, offset) - 1)
        for piece in self.pieces[number:]:  # of which two may touch
            at = offset + len(made)
            if not piece.start <= at <= piece.end:
                break
            made += self.source.read(at + piece.shift, min(piece.end, offset + count) - at)
            if len(made) == count:
                return made
        raise Gone("bytes were lost or put in near it")


def based(source: Source, start: int) -> Pieces:
    """The source from `start` on, where address 0 is."""
    return Pieces(source, [Piece(0, source.size - start, start)])


def spans(source: Source) -> list[tuple[int, int]]:
    """Where the source has bytes."""
    return [(p.start, p.end) for p in source.pieces] if isinstance(source, Pieces) else [(0, source.size)]

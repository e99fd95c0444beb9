"""What is left of an HDF5 file, as plain data: groups, their attributes, and arrays that are there or lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from reconstruct.readers.lost import LOST_AND_FOUND

NO_HEADER = "its header is lost"
Path: TypeAlias = tuple[str, ...]


class Unnamed(str):
    """A name that was made up, because the real one is lost."""


@dataclass(frozen=True)
class Array:
    """A dataset. `lost` says why its values cannot be had; shape and dtype are None where they are lost, too.

    `checked` says that a checksum of the file covers the values.
    """

    shape: tuple[int, ...] | None
    dtype: np.dtype | None
    read: Callable[[], np.ndarray] = field(repr=False)
    lost: str = ""
    checked: bool = False


@dataclass
class Node:
    """A group, or a dataset if it has an `array`. `whole` is False where a part of what it held is lost; `open` where
    that may be groups or arrays of which nothing leads to their headers."""

    address: int = -1
    attributes: dict[str, Any] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)
    array: Array | None = None
    whole: bool = True
    open: bool = False

    def walk(self, path: Path = ()) -> Iterator[tuple[Path, Node]]:
        """Every node from this one down with its path, outermost first."""
        todo = [(path, self)]
        while todo:
            where, node = todo.pop()
            yield where, node
            todo += [((*where, name), child) for name, child in reversed(node.children.items())]

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every dataset with its path."""
        for path, node in self.walk():
            if node.array is not None:
                yield "/".join(path), node.array

    def take(self, other: Node) -> None:
        """Become what `other` is, and have what it has."""
        self.address, self.array, self.whole = other.address, other.array, other.whole
        self.attributes.update(other.attributes)
        self.children.update(other.children)

    def lose(self, reason: str) -> None:
        """Take the values of a dataset for lost; what is no group becomes a dataset that is."""
        if self.array is not None:
            self.array = replace(self.array, read=gone, lost=self.array.lost or reason)
        elif not self.children:
            self.array = Array(None, None, gone, reason)

    def at(self, path: Path) -> Node:
        """The node at a path, an empty one where there is none."""
        node = self
        for part in path:
            node = node.children.get(part) or Node(whole=False)
        return node

    def enter(self, path: Path) -> Node:
        """The node at a path, with the groups on the way made where they are missing."""
        node = self
        for part in path:
            if node.array is not None and node.array.lost:
                node.array = None  # what has something in it is a group
            node = node.children.setdefault(part, Node(whole=False))
        return node


def unnamed(address: int) -> Unnamed:
    """The name of something whose own is lost: where it lies in the file."""
    return Unnamed(f"{LOST_AND_FOUND}-{address:x}")


def gone() -> np.ndarray:
    """What `Array.read` is where there is nothing to read."""
    raise LookupError("the values are lost")

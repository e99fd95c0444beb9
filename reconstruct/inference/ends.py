"""What the sizes cost in which images come out."""

from __future__ import annotations

from collections.abc import Sequence

from reconstruct.inference import priors
from reconstruct.inference.shapes import ENLARGING, Shape
from reconstruct.inference.structure import Wiring, agrees

OTHER_SIZE = 8.0  # of an autoencoder that gives images of another size than it takes


def cost_of_ends(wiring: Wiring, start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """What the sizes cost in which images come out."""
    return _other_size(wiring, start, ends) + _made_size(start, ends)


def _made_size(start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """The same where they are made of numbers, as by a generator."""
    if len(start) != 1 or len(ends) != 1 or len(start[0]) != 1 or len(ends[0]) != 3 or ends[0][0] is None:
        return 0.0
    any_size = priors.SIZE_ANY if ends[0][0] % 8 else priors.SIZE_EIGHTH
    costs = {**priors.SIZES, **priors.SIZES_MADE.get(ends[0][-1] or 0, {})}
    return costs.get(ends[0][0], any_size) + (0.0 if ends[0][0] == ends[0][1] else OTHER_SIZE)


def _other_size(wiring: Wiring, start: Sequence[Shape], ends: Sequence[Shape]) -> float:
    """What it costs that images do not come out in the size that they go in with, where layers make them larger, as
    they do again behind an encoder."""
    names = [node.layer.class_name for node in wiring.nodes]
    larger = sum(name in ENLARGING for name in names)
    smaller = any("Pooling" in n or n == "Concatenate" for n in names)
    if larger == 0 or (larger == 1 and not smaller):  # one alone makes a small picture a large one
        return 0.0
    if len(start) != 1 or len(ends) != 1 or len(start[0]) != len(ends[0]):
        return 0.0
    return 0.0 if agrees(start[0][:-1], ends[0][:-1]) else OTHER_SIZE

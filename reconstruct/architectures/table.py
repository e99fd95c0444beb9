"""All known architectures: those of keras.applications, and classics."""

from __future__ import annotations

import importlib.resources
import json
import lzma
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from reconstruct.architectures.classics import CLASSICS, TRUNKS
from reconstruct.architectures.rows import Row
from reconstruct.artifact import Writer

# When they were current, the earliest first; `scripts/make_architectures` runs them
RELEASES = ("keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "keras 2.3.1", "tf_keras 2.21.0", "keras 3.15.1")
WITHOUT_PREPROCESSING = "without preprocessing"


@dataclass(frozen=True)
class Architecture:
    """A model as some releases of Keras build it, or as tutorials do.

    `by_size` are the rows whose padding depends on the size of what they pad.
    """

    label: str
    variant: str
    top: bool
    releases: tuple[str, ...]
    rows: tuple[Row, ...]
    by_size: frozenset[int]

    @property
    def classic(self) -> bool:
        """Whether it is no part of Keras; then a file that holds it with its top holds nothing else."""
        return not self.releases

    @property
    def title(self) -> str:
        """What a report calls it."""
        if self.classic:
            return self.label
        first, last = self.releases[0], self.releases[-1]
        span = f"{first} builds" if first == last else f"{first} to {last} build"
        part = self.label if self.top else f"{self.label} without its top"
        return f"{part}, as {span} it" + (f", {self.variant}" if self.variant else "")

    @property
    def any_width(self) -> bool:
        """Whether it is built with a width of the user's choice, `alpha`."""
        return self.label.startswith("MobileNet")

    @cached_property
    def scalings(self) -> int:
        """How many layers scale the numbers of the image, before any convolution."""
        first = next(i for i, row in enumerate(self.rows) if "kernel" in row.variables)
        return sum(row.class_name == "Rescaling" for row in self.rows[:first])

    @cached_property
    def weighted(self) -> Counter[str]:
        """How many layers with weights of each class it has."""
        return Counter(row.class_name for row in self.rows if row.variables)

    def distance(self, writer: Writer) -> float:
        """How far the releases that build it so are from the one that wrote a file."""
        return 0.0 if self.classic else min(abs(RELEASES.index(r) - _time(writer)) for r in self.releases)


def _time(writer: Writer) -> float:
    version = writer.version
    if version >= (3, 0, 0):
        return 5.0
    if version >= (2, 4, 0):
        return 4.0
    if writer.is_tf_keras:  # "2.2.4-tf" is what TensorFlow 1.13 to 2.1 wrote
        return 3.4
    return float(sum(version >= first for first in ((2, 0, 0), (2, 1, 3), (2, 2, 5))))


@cache
def architectures() -> Sequence[Architecture]:
    """All that are known."""
    data = importlib.resources.files("reconstruct.architectures").joinpath("applications.json.xz").read_bytes()
    found = []
    for entry in json.loads(lzma.decompress(data)):
        rows = tuple(Row(c, name, config, tuple(inputs)) for c, name, config, inputs in entry["layers"])
        releases = tuple(sorted(entry["releases"], key=RELEASES.index))
        made = Architecture(entry["label"], entry["variant"], entry["top"], releases, rows, frozenset(entry["by_size"]))
        found.append(made)
    found += [bare for each in found if (bare := _without_preprocessing(each)) is not None]
    for builders, top in ((CLASSICS, True), (TRUNKS, False)):
        found += [Architecture(n, "", top, (), tuple(build().rows), frozenset()) for n, build in builders.items()]
    return found


def _without_preprocessing(architecture: Architecture) -> Architecture | None:
    """What the argument `include_preprocessing` leaves out: what stands first and has no weights. Since it was there
    in EfficientNetV2, MobileNetV3 and ConvNeXt alone, only they are also built without it."""
    rows = architecture.rows
    count = next(i for i, row in enumerate(rows[1:]) if row.class_name not in ("Rescaling", "Normalization"))
    if not architecture.label.startswith(("EfficientNetV2", "MobileNetV3", "ConvNeXt")) or not count:
        return None
    if any(row.variables for row in rows[1 : count + 1]):
        return None
    moved = [replace(row, inputs=tuple(max(0, i - count) for i in row.inputs)) for row in rows[count + 1 :]]
    by_size = frozenset(i - count for i in architecture.by_size)
    variant = f"{architecture.variant}, {WITHOUT_PREPROCESSING}".removeprefix(", ")
    return replace(architecture, variant=variant, rows=(rows[0], *moved), by_size=by_size)


__all__ = ["RELEASES", "WITHOUT_PREPROCESSING", "Architecture", "architectures"]

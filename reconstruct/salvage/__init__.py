"""What a damaged file still holds: every array whose bytes are all there, and the config if it is; never a guess.

Truncated downloads, interrupted writes, flipped bytes, damaged archives. `recover` takes what is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from reconstruct import readers
from reconstruct.artifact import Finding, Layer
from reconstruct.errors import ReadError, ReconstructError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers.lost import LOST_AND_FOUND
from reconstruct.salvage import content as contents
from reconstruct.salvage import keras_3_groups, lists, output, shapes
from reconstruct.salvage.tree import Unnamed

__all__ = ["EXIT_CODES", "Lost", "Salvage", "salvage"]

EXIT_CODES = {"complete": 0, "partial": 4}
_UNCHECKED = "HDF5 has no checksum for them: a byte that is another than was saved cannot be told"


@dataclass(frozen=True)
class Lost:
    """An array that is lost, with what is still known of it."""

    path: str
    shape: tuple[int, ...] | None
    dtype: str | None
    reason: str


@dataclass
class Salvage:
    """What was salvaged. `status` is `complete` where nothing is missing or damaged, else `partial`.

    `unnamed` are the paths of arrays that are intact, but whose name is lost; `checked` counts those that a checksum
    covers. `config` says whether the architecture is there.
    """

    sources: tuple[str, ...]
    outputs: tuple[str, ...]
    container: str
    config: bool
    intact: int
    checked: int
    unnamed: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()
    findings: tuple[Finding, ...] = field(default_factory=tuple)

    @property
    def status(self) -> str:
        damaged = self.lost or self.unnamed or any(f.severity != "info" for f in self.findings)
        return "partial" if damaged else "complete"

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        """The result as the report has it."""
        return {
            "source": list(self.sources),
            "output": list(self.outputs),
            "status": self.status,
            "container": self.container,
            "config": self.config,
            "tensors": {
                "intact": self.intact,
                "checked": self.checked,
                "unnamed": list(self.unnamed),
                "lost": [asdict(lost) for lost in self.lost],
            },
            "findings": [asdict(finding) for finding in self.findings],
        }


def salvage(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output_path: str | os.PathLike[str],
    limits: Limits = DEFAULT,
    on_progress: Callable[[str], None] = lambda message: None,
) -> Salvage:
    """Write to `output_path` what a damaged file still holds, or several damaged copies of one file together.

    Raises `ReadError` where the file is another thing than a damaged model, nothing of it is left, or the copies are
    of different files.

    >>> reconstruct.salvage(["half.h5"], "salvaged.h5").lost[0].path       # doctest: +SKIP
    'model_weights/dense_2/dense_2/kernel:0'
    """
    every = [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]
    sources = tuple(str(path) for path in every)
    found = contents.read(every, limits, on_progress)
    model = lists.model_of(found.config)
    damaged = ["/".join(path) for path, node in found.tree.walk() if not node.whole]
    if found.archive and model is not None:
        keras_3_groups.name(found.tree, model)
        found.tree.enter(("layers",))  # what a Keras 3 file always has
    found.tree, completed = lists.complete(found.tree, found.config)
    completed += keras_3_groups.complete(found.tree)
    arrays = dict(found.tree.arrays())
    intact = {path: array for path, array in arrays.items() if not array.lost}
    if not intact and found.config is None:
        seen = "; ".join(f"{path}: {array.lost}" for path, array in list(arrays.items())[:3])
        message = f"nothing can be read in {sources[0]}: no config, and no array{f' ({seen}, …)' if seen else ''}"
        raise ReadError(message, path=sources[0], hint="look for another copy", code="E_CORRUPT")
    written = output.write(found, Path(output_path), sources, on_progress)
    lost = [
        Lost(path, array.shape, None if array.dtype is None else array.dtype.name, array.lost)
        for path, array in arrays.items()
        if array.lost
    ]
    on_progress("reading back what was written")
    container, lost, unreadable = _read_back(written[0], lost, limits)
    unnamed = [
        "/".join(path)
        for path, node in found.tree.walk()
        if node.array is not None and not node.array.lost and any(isinstance(part, Unnamed) for part in path)
    ]
    checked = sum(array.checked for array in intact.values())
    findings = [*found.findings, *completed, *unreadable]
    if damaged:
        message = f"{len(damaged)} structures of the file are damaged; what they held beside what is here is not known"
        findings.append(Finding("structure_damaged", "warning", damaged[0], message))
    if unnamed:
        message = f"{len(unnamed)} intact arrays have lost their names, or were deleted when the file was last edited"
        findings.append(Finding("unnamed", "warning", LOST_AND_FOUND, message, "their shapes may tell whose they are"))
    if checked < len(intact) and not found.proved:
        which = f"{len(intact) - checked} of {len(intact)} arrays" if checked else f"the {len(intact)} arrays"
        findings.append(Finding("unchecked", "info", "", f"{which} are as they stand in the file; {_UNCHECKED}"))
    return Salvage(
        sources,
        tuple(str(path) for path in written),
        container,
        found.config is not None,
        len(intact),
        len(intact) if found.proved else checked,
        tuple(unnamed),
        tuple(lost),
        tuple(findings),
    )


def _read_back(path: Path, lost: list[Lost], limits: Limits) -> tuple[str, list[Lost], list[Finding]]:
    """What readers make of the file written: its container, and what is lost, with the shapes that the config gives and
    with the variables of layers that lost all they had."""
    try:
        artifact = readers.read(path, limits)
    except ReconstructError as error:
        hint = "its arrays are there all the same: h5py reads them"
        return "hdf5", lost, [Finding("no_model", "error", error.path, f"it is no model any more: {error}", hint)]
    if artifact.model is None:
        return artifact.container, lost, []
    known = shapes.of_lost(artifact.model, artifact.dialect.major)
    told = {source.lstrip("/"): shape for source, shape in _by_source(artifact.model, known)}
    lost = [each if each.shape is not None else replace(each, shape=told.get(each.path)) for each in lost]
    for layer in readers.with_variables(artifact.model, artifact.dialect.major):
        if not layer.weights:
            for name in lists.variables_of(layer):
                shape = known.get((layer.path, name))
                lost.append(Lost(f"{layer.path}/{name}", shape, None, "nothing of its layer is left"))
    return artifact.container, lost, []


def _by_source(model: Layer, known: shapes.Found) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shapes of lost arrays by their path in the file."""
    for layer in model.walk():
        for name, tensor in layer.weights.items():
            if tensor.lost and (layer.path, name) in known:
                yield tensor.sources[0], known[layer.path, name]

"""The marks that `reconstruct salvage` leaves in a file for arrays that are lost (`reconstruct/salvage/output.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from reconstruct.artifact import Finding, Tensor
from reconstruct.errors import ConfigError, ReadError
from reconstruct.limits import Limits
from reconstruct.readers import json_guard

if TYPE_CHECKING:
    from reconstruct.readers.h5 import H5Source

SALVAGED = "reconstruct_salvaged"  # of the file: JSON with the names of its sources, and doubts about all its values
MARK = "reconstruct_lost"  # of a dataset without values: why they are lost
LOST_AND_FOUND = "lost+found"  # the group of arrays whose name is lost, and how names that were made up begin
SHAPE = "reconstruct_shape"  # its shape, where that is known
DOUBTFUL = "weights_doubtful"
_HINT = "look for another copy of the original file: reconstruct salvage A B puts them together"


def marked(source: H5Source, dataset: h5py.Dataset, name: str) -> Tensor | None:
    """The tensor of a dataset that is marked as lost; None where it is not."""
    if dataset.id.get_space().get_simple_extent_type() != h5py.h5s.NULL:
        return None
    reason = source.attribute(dataset, MARK)
    if reason is None:
        return None
    where = str(dataset.name)

    def read() -> np.ndarray:
        raise ReadError(f"{source.name}: the values of {where} are lost: {reason!s:.200}", path=where, hint=_HINT)

    sizes = np.asarray(source.attribute(dataset, SHAPE))
    shape = tuple(int(n) for n in sizes.flat) if sizes.dtype.kind == "i" and sizes.size <= 32 else ()
    return Tensor(name, shape, dataset.dtype.name, read, (where,), lost=f"{reason!s:.200}")


def findings(source: H5Source, root: h5py.File) -> list[Finding]:
    """That a file is what `salvage` took out of a damaged one, if it is, and what is doubtful about it."""
    text = source.attribute(root, SALVAGED)
    if text is None:
        return []
    message = "the file is what was salvaged from a damaged one; layers of which it has no weights lost them"
    found = [Finding("salvaged", "warning", "", message, _HINT)]
    try:
        return found + [Finding(DOUBTFUL, "warning", "", doubt, _HINT) for doubt in doubts(str(text), source.limits)]
    except ConfigError:
        return found


def doubts(text: str, limits: Limits) -> list[str]:
    """The doubts that the attribute `SALVAGED` of a file names. Raises `ConfigError` where it cannot be read."""
    said = json_guard.decode(text, SALVAGED, limits)[0]
    named = said.get("doubts") if isinstance(said, dict) else None
    return [f"{doubt!s:.500}" for doubt in named[:20]] if isinstance(named, list) else []

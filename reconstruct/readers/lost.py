"""The marks that `reconstruct salvage` leaves in a file for arrays that are lost (`reconstruct/salvage/output.py`)."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from reconstruct.artifact import Finding, Tensor
from reconstruct.errors import ReadError

SALVAGED = "reconstruct_salvaged"  # of the file
MARK = "reconstruct_lost"  # of a dataset without values: why they are lost
SHAPE = "reconstruct_shape"  # its shape, where that is known
_HINT = "look for another copy of the original file: reconstruct salvage A B puts them together"


def marked(dataset: h5py.Dataset, name: str, file: str) -> Tensor | None:
    """The tensor of a dataset that is marked as lost; None where it is not."""
    if MARK not in dataset.attrs or dataset.id.get_space().get_simple_extent_type() != h5py.h5s.NULL:
        return None
    reason = str(dataset.attrs[MARK])[:200]
    where = str(dataset.name)

    def read() -> np.ndarray:
        raise ReadError(f"{file}: the values of {where} are lost: {reason}", path=where, hint=_HINT)

    shape = tuple(int(n) for n in np.atleast_1d(dataset.attrs.get(SHAPE, ())))
    return Tensor(name, shape, dataset.dtype.name, read, (where,), lost=reason)


def finding(attributes: Any) -> list[Finding]:
    """That a file is what `salvage` took out of a damaged one, if it is."""
    if SALVAGED not in attributes:
        return []
    message = "the file is what was salvaged from a damaged one; layers of which it has no weights lost them"
    return [Finding("salvaged", "warning", "", message, _HINT)]

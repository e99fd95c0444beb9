"""Damaged copies of genuine files, and what is in the whole ones."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np

FILES = Path(__file__).resolve().parent.parent.parent / "fixtures" / "files"
HEADER = 272  # bytes that the header of an array of Keras takes in HDF5 files


def arrays(data: bytes) -> dict[str, np.ndarray]:
    """Every array of an HDF5 file or `.keras` archive by its path."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read("model.weights.h5")
    found: dict[str, np.ndarray] = {}
    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(
            lambda n, o: found.update({n: o[()]}) if isinstance(o, h5py.Dataset) and o.shape is not None else None
        )
    return found


def extents(data: bytes) -> dict[str, tuple[int, int]]:
    """For each array of an HDF5 file: where its header and its values end."""
    found: dict[str, tuple[int, int]] = {}

    def visit(name: str, node: object) -> None:
        if isinstance(node, h5py.Dataset):
            start = node.id.get_offset() or 0
            found[name] = h5py.h5o.get_info(node.id).addr + HEADER, start + node.id.get_storage_size()

    with h5py.File(io.BytesIO(data)) as file:
        file.visititems(visit)
    return found


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit for bit."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()

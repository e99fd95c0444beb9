"""What kind of file it is, where more than one could be said."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import pytest

from reconstruct.readers import read
from reconstruct.readers.sniff import HDF5_SIGNATURE, sniff
from reconstruct.runtimes.originals import container_of

CONFIG = {"module": "keras", "class_name": "Sequential", "config": {"name": "m", "layers": []}}


def archive(path: Path, weights_at: int) -> Path:
    """A `.keras` file whose weights begin at that byte, as they do in one of a thousand small models."""
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
    text = json.dumps(CONFIG)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        start = made.fp.tell() + 30 + len("config.json")  # type: ignore[union-attr]
        made.writestr("config.json", text.ljust(weights_at - start - 30 - len("model.weights.h5")))
        made.writestr("model.weights.h5", weights.getvalue())
    assert path.read_bytes()[weights_at:].startswith(HDF5_SIGNATURE)
    return path


@pytest.mark.parametrize("weights_at", [512, 1000, 1024, 4096])
def test_an_archive_is_one_wherever_its_weights_begin(weights_at: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", weights_at)
    assert (sniff(path), container_of(path)) == ("zip", "zip")
    found = read(str(path))
    assert (found.container, found.writer.keras) == ("keras-zip", "3.15.1")


def test_what_keras_opens_as_hdf5_is_no_archive(tmp_path: Path) -> None:
    path = archive(tmp_path / "m.keras", 512).rename(tmp_path / "m.h5")
    assert (sniff(path), container_of(path)) == ("hdf5", "hdf5")

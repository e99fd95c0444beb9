"""A file to an `Artifact`. What a file is, its content says and never its suffix; no framework is imported."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from reconstruct.artifact import Artifact
from reconstruct.errors import ReadError
from reconstruct.readers import config_json, h5, keras_zip
from reconstruct.readers.sniff import sniff

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> Artifact:
    """Read a saved Keras model of any age without importing a framework or reading an array.

    Raises `ReadError` where the file is no Keras artifact, is damaged, or needs what this version cannot do, and
    `ConfigError` where its architecture cannot be understood.
    """
    path = Path(path)
    kind = sniff(path)
    if kind == "hdf5":
        artifact = h5.read(path)
        return _with_config_beside(artifact, path) if artifact.model is None else artifact
    if kind == "zip":
        return keras_zip.read(path)
    if kind == "directory":
        return keras_zip.read_directory(path)
    return config_json.read(path)


def _with_config_beside(artifact: Artifact, path: Path) -> Artifact:
    """Weights whose config lies beside them, as `to_json` and `save_weights` wrote them, are a whole model."""
    for name in config_json.config_names(path):
        beside = path.with_name(name)
        if beside.is_file():
            try:
                return dataclasses.replace(config_json.read(beside, weights=path), source=str(path))
            except ReadError:
                continue
    return artifact

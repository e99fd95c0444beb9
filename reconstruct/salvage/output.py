"""Writing what was salvaged: in the structure that the file had, with a mark in place of each array that is lost.

The mark is a dataset without values and with the attribute `MARK`, which says why; so no program takes zeros for what
is lost. The readers make a `Tensor` of it that is `lost`.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reconstruct import writing
from reconstruct.artifact import Finding
from reconstruct.errors import ReadError
from reconstruct.readers.config_json import config_names
from reconstruct.readers.keras_zip import WEIGHTS
from reconstruct.readers.lost import MARK, SALVAGED, SHAPE
from reconstruct.salvage.content import DOUBTS, Content

_DATE = (1980, 1, 1, 0, 0, 0)  # so that the same content gives the same file


def write(
    content: Content, target: Path, sources: Sequence[str], say: Callable[[str], None] = lambda message: None
) -> list[Path]:
    """Write the content to `target`, whole or not at all, and the config of a `.keras` file beside it unless `target`
    is one itself. Gives the files written. Raises `ReadError` where that is not possible."""
    if target.suffix == ".keras" and not content.archive:
        message = f"{target} cannot be a .keras file: what was salvaged is HDF5"
        raise ReadError(message, path=str(target), hint="name it .h5")
    if target.suffix == ".keras" and content.config is None:
        message = f"{target} cannot be a .keras file, which needs a config, and the config is lost"
        raise ReadError(message, path=str(target), hint="name it .h5: it then holds the weights")
    with writing.replacing(target) as file:
        if target.suffix == ".keras":
            _write_archive(content, file, sources, say)
        else:
            _write_hdf5(content, file, sources, say)
    if not content.archive or content.config is None or target.suffix == ".keras":
        return [target]
    beside = target.with_name(next(iter(config_names(target)), f"{target.stem}.json"))
    writing.write_json(beside, _with_version(content))
    return [target, beside]


def _with_version(content: Content) -> dict[str, Any]:
    """The config as `to_json` would have it, with the version that a `.keras` file has in its metadata."""
    version = content.metadata.get("keras_version") if isinstance(content.metadata, dict) else None
    return {**content.config, **({"keras_version": version} if version else {})}


def _write_archive(content: Content, file: Path, sources: Sequence[str], say: Callable[[str], None]) -> None:
    weights = file.with_name(f"{file.name}-weights")
    try:
        _write_hdf5(content, weights, sources, say)
        with zipfile.ZipFile(file, "w") as archive:
            for name, value in (("metadata.json", content.metadata), ("config.json", content.config)):
                if value is not None:
                    archive.writestr(zipfile.ZipInfo(name, _DATE), json.dumps(value))
            with (
                weights.open("rb") as source,
                archive.open(zipfile.ZipInfo(WEIGHTS, _DATE), "w", force_zip64=True) as to,
            ):
                while block := source.read(1 << 20):
                    to.write(block)
    finally:
        weights.unlink(missing_ok=True)


def _write_hdf5(content: Content, file: Path, sources: Sequence[str], say: Callable[[str], None]) -> None:
    with h5py.File(file, "w") as written:
        doubts = [f.message for f in content.findings if f.code in DOUBTS]
        written.attrs[SALVAGED] = json.dumps({"sources": [Path(source).name for source in sources], "doubts": doubts})
        for count, (path, node) in enumerate(content.tree.walk(), 1):
            say(f"writing: {count} groups and arrays")
            where = "/".join(path)
            if node.array is None:
                made = written.require_group(where) if where else written
            elif node.array.lost:
                made = written.create_dataset(where, data=h5py.Empty(node.array.dtype or np.dtype("f4")))
                made.attrs[MARK] = node.array.lost
                if node.array.shape is not None and all(0 <= n < 1 << 63 for n in node.array.shape):
                    made.attrs[SHAPE] = np.array(node.array.shape, np.int64)
            else:
                made = written.create_dataset(where, data=node.array.read())
            for name, value in node.attributes.items():
                if name not in (MARK, SHAPE, SALVAGED):
                    _write_attribute(content, made, where, name, value)


def _write_attribute(content: Content, made: h5py.Group | h5py.Dataset, where: str, name: str, value: Any) -> None:
    """Damaged, it may be what HDF5 has no room or no form for: text with zeros in it, for one."""
    texts = isinstance(value, np.ndarray) and value.dtype == object
    try:
        made.attrs.create(name, value, dtype=h5py.string_dtype() if texts else None)
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        message = f"the attribute {name!r:.100} cannot be written: {error}"
        content.findings.append(Finding("attribute_lost", "warning", where, message))

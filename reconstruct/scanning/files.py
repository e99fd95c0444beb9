"""One file or folder, looked at part by part: what was inspected, what could not be, and every finding."""

from __future__ import annotations

import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reconstruct import readers
from reconstruct.artifact import Finding
from reconstruct.errors import ReadError, ReconstructError
from reconstruct.limits import Limits
from reconstruct.readers import config_json, h5, h5_guard, json_guard, keras_zip, raw_hdf5, zip_guard
from reconstruct.readers.sniff import HDF5_SIGNATURE, sniff
from reconstruct.scanning import arrays, config, lambdas, names, resources, saved_model
from reconstruct.scanning.codes import CODES

_SUFFIXES = {".h5": "hdf5", ".hdf5": "hdf5", ".keras": "zip", ".json": "json", ".npz": "zip"}
_MOST_FINDINGS = 1000


@dataclass
class Scan:
    """What was found in one file."""

    source: str
    kind: str | None = None
    writer: str | None = None
    inspected: list[str] = field(default_factory=list)
    not_inspected: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    lambdas: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Iterable[Finding]) -> list[Finding]:
        """Take findings in, each fact once, and give back the new ones."""
        new = []
        known = {(f.code, f.path, f.message) for f in self.findings}
        for finding in found:
            if (finding.code, finding.path, finding.message) in known:
                continue
            if len(self.findings) >= _MOST_FINDINGS:
                self.not_inspected.append(f"findings after the first {_MOST_FINDINGS}")
                break
            known.add((finding.code, finding.path, finding.message))
            self.findings.append(finding)
            new.append(finding)
        return new

    def failed(self, error: ReconstructError, part: str, code: str) -> None:
        """A part could not be inspected."""
        self.not_inspected.append(part)
        message, path = str(error), error.path
        self.add([Finding(error.code or code, "error", "" if path == self.source else path, message, error.hint)])

    @property
    def worst(self) -> str:
        """The severity of the worst finding; `clean` if there is none."""
        found = {f.severity for f in self.findings}
        return next((s for s in ("error", "warning", "info") if s in found), "clean")


def scan_file(path: str, limits: Limits) -> Scan:
    """Everything that is to be said of one file. Never raises for what is wrong with it."""
    scan = Scan(path)
    try:
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):
            message = "this is the address of a file elsewhere; nothing is fetched here"
            raise ReadError(message, path=path, hint="download it and scan the file", code="E_REMOTE")
        where = Path(path)
        if where.is_dir():
            _directory(scan, where, limits)
        else:
            _file(scan, where, limits)
    except ReconstructError as error:
        scan.failed(error, "the file", "E_CORRUPT")
    except MemoryError:
        raise
    except Exception as error:  # a file may hold anything in any place, and h5py raises what it likes
        message = f"reading it stopped: {type(error).__name__}: {str(error)[:200]}"
        scan.failed(ReadError(message, path=path), "the file", "E_CORRUPT")
    return scan


def _file(scan: Scan, path: Path, limits: Limits) -> None:
    if path.suffix == ".npy" and path.is_file():
        scan.kind = "array"
        scan.add(arrays.of_file(path, limits))
        scan.inspected.append("the header of the array")
        return
    if path.name == "saved_model.pb" and path.is_file():
        _directory(scan, path.parent, limits)
        return
    scan.kind = sniff(path)
    wanted = _SUFFIXES.get(path.suffix.lower())
    if wanted is not None and wanted != scan.kind:
        message = f"the name ends in {path.suffix}, and the content is {scan.kind}: others may take it for another file"
        scan.add([Finding("W_TYPE_MISMATCH", "warning", "", message, "rename it")])
    if scan.kind == "hdf5":
        _hdf5_file(scan, path, limits)
    elif scan.kind == "zip":
        _zip(scan, path, limits)
    else:
        _json(scan, path, limits)


def _hdf5_file(scan: Scan, path: Path, limits: Limits) -> None:
    with path.open("rb") as file:
        start = 0 if file.read(8) == HDF5_SIGNATURE else _superblock(path)
    if start:
        message = f"{start} bytes stand before the HDF5 data, which other programs may read as another file"
        scan.add([Finding("W_USERBLOCK", "warning", "", message, "Keras writes nothing before the data")])
    found = _hdf5(scan, path, path, "", limits)
    if not any(f.severity == "error" and f.code.startswith("E_H5") for f in found):
        _model(scan, path, limits)


def _superblock(path: Path) -> int:
    raw = raw_hdf5.of_file(path)
    return raw.base if raw is not None else 512


def _hdf5(scan: Scan, path: Path, file: Any, where: str, limits: Limits) -> list[Finding]:
    """The objects of an HDF5 file, and the configs in its attributes."""
    raw = raw_hdf5.of_file(file)
    try:
        opened = h5py.File(file, "r")
    except OSError as error:
        message = f"the HDF5 data are damaged: {h5.reason(error)[:200]}"
        hint = "get the file again, or take out of it what it still holds: reconstruct salvage"
        scan.not_inspected.append(where or "the HDF5 data")
        return scan.add([Finding("E_HDF5_CORRUPT", "error", where, message, hint)])
    before = len(scan.findings)
    with opened:
        root = h5py.h5g.open(opened.id, b"/")
        try:
            scan.add(h5_guard.walk(root, raw, limits, lambda name: names.problem(name, limits)))
            scan.inspected.append(f"{where or 'HDF5'}: links, types, filters and declared sizes")
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            message = f"the HDF5 data are damaged: {str(error)[:200]}"
            scan.add(
                [Finding("E_HDF5_CORRUPT", "error", where, message, "reconstruct salvage takes out what it holds")]
            )
            scan.not_inspected.append(f"{where or 'HDF5'}: what is behind the damage")
        for name in ("model_config", "training_config"):
            if name in opened.attrs:
                _config_attribute(scan, opened, name, raw, limits)
        if not any(f.code.startswith("E_H5") for f in scan.findings[before:]):
            scan.add(_named_twice(opened.get("model_weights", opened), raw, limits))
    return scan.findings[before:]


def _config_attribute(scan: Scan, file: h5py.File, name: str, raw: raw_hdf5.File | None, limits: Limits) -> None:
    if h5_guard.attribute_problem(file.id, name, raw, limits) is not None:
        scan.not_inspected.append(name)  # the walk has said why
        return
    value = file.attrs[name]
    if getattr(value, "size", 0) == 1:
        value = value.reshape(-1)[0] if hasattr(value, "reshape") else value
    if not isinstance(value, str | bytes):
        message = f"{name} should be JSON text and is {type(value).__name__}"
        scan.add([Finding("E_CONFIG_TYPE", "error", name, message, "the file is damaged, or was edited by hand")])
        return
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    _decoded(scan, value, name, limits)


def _decoded(scan: Scan, text: bytes, name: str, limits: Limits) -> None:
    try:
        value, odd = json_guard.decode(text, name, limits)
    except ReconstructError as error:
        scan.failed(error, name, "E_JSON")
        return
    scan.add(odd)
    scan.add(config.findings(value, name, limits))
    scan.inspected.append(name)


def _zip(scan: Scan, path: Path, limits: Limits) -> None:
    with keras_zip.open_zip(path, limits) as archive:
        infos = archive.infolist()
        found = scan.add(zip_guard.check(path, infos, limits))
        for info in infos:
            problem = names.problem(info.filename, limits)
            if problem and ".." not in info.filename:
                scan.add([Finding("F_UNSAFE_NAME", "error", info.filename[:300], f"the name {problem}", "")])
        scan.inspected.append(f"the directory of the archive ({len(infos)} members)")
        scan.add(arrays.of_archive(archive, limits))
        members = {info.filename: info for info in infos}
        bad = {f.path for f in found if f.severity == "error"}
        for name, info in members.items():
            if name.endswith((".pkl", ".pickle", ".joblib", ".pt", ".pth")):
                message = "the archive holds a pickle, which runs code when it is opened"
                scan.add([Finding("F_PICKLE", "error", name, message, "it is not opened")])
            if name.endswith(".json") and "/" not in name and name not in bad:
                _member_json(scan, archive, name, path, limits)
            elif name.endswith((".h5", ".hdf5")) and name not in bad and info.compress_type in (0, 8):
                _member_h5(scan, path, info, limits)
        if "config.json" not in members:
            if any(n.endswith(".npy") for n in members):
                scan.kind = "npz"
                return
            message = "the archive has no config.json, so it is no .keras file"
            hint = "if it holds model files, unpack it and scan those"
            scan.add([Finding("E_NO_CONFIG", "error", "", message, hint)])
            return
    if not any(f.severity == "error" and f.code.startswith(("E_ZIP", "E_H5", "E_JSON")) for f in scan.findings):
        _model(scan, path, limits)


def _member_json(scan: Scan, archive: zipfile.ZipFile, name: str, path: Path, limits: Limits) -> None:
    try:
        value, odd = keras_zip.decoded_member(archive, name, path, limits)
    except ReconstructError as error:
        scan.failed(error, name, "E_JSON")
        return
    scan.add(odd)
    scan.inspected.append(name)
    if name == "config.json":
        scan.add(config.findings(value, name, limits))
    if _lists_shards(value):
        _shards(scan, value["weight_map"], None)


def _member_h5(scan: Scan, path: Path, info: zipfile.ZipInfo, limits: Limits) -> None:
    try:
        with keras_zip.Member(path, info) as member:
            _hdf5(scan, path, member, info.filename, limits)
    except ReconstructError as error:
        scan.failed(error, info.filename, "E_ZIP_CORRUPT")


def _lists_shards(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("weight_map"), dict)


def _shards(scan: Scan, weight_map: dict[str, Any], folder: Path | None) -> None:
    """The files that a sharded model names (Keras 3, saving/saving_lib.py, `ShardedH5IOStore`)."""
    shards: dict[str, None] = {}
    for value in weight_map.values():
        shards.update(dict.fromkeys(str(v) for v in (value if isinstance(value, list) else [value])))
    for name in list(shards)[:1000]:
        if Path(name).name != name or "\\" in name or name in ("", "..", "."):
            message = f"the list of shards names {name[:120]!r}, which lies elsewhere"
            scan.add([Finding("E_SHARD_PATH", "error", name[:120], message, "it is not opened")])
        elif folder is not None and (folder / name).is_symlink():
            message = "the shard is a symbolic link, which is not followed"
            scan.add([Finding("E_SHARD_PATH", "error", name, message, "give the folder with the files themselves")])


def _decoded_file(scan: Scan, path: Path, limits: Limits) -> Any:
    """The JSON value in a file; None where it cannot be decoded, too, which `not_inspected` then says."""
    try:
        value, odd = config_json.decoded(path, limits)
    except ReconstructError as error:
        scan.failed(error, path.name, "E_JSON")
        return None
    scan.add(odd)
    return value


def _json(scan: Scan, path: Path, limits: Limits) -> None:
    value = _decoded_file(scan, path, limits)
    if value is None and path.name in scan.not_inspected:
        return
    if _lists_shards(value):
        scan.kind = "shards"
        _shards(scan, value["weight_map"], path.parent)
        scan.inspected.append("the list of shards")
        return
    if isinstance(value, dict) and not ("class_name" in value or "layers" in value):
        message = "it is JSON, but no config of a Keras model"
        scan.add([Finding("E_NO_CONFIG", "error", "", message, "scan the model's file")])
        return
    scan.add(config.findings(value, path.name, limits))
    scan.inspected.append("the config")
    if not scan.findings or not any(f.code.startswith("E_") for f in scan.findings):
        _model(scan, path, limits)


def _directory(scan: Scan, path: Path, limits: Limits) -> None:
    if (path / "saved_model.pb").exists() or (path / "saved_model.pb").is_symlink():
        scan.kind = "saved-model"
        scan.add(saved_model.check(path, limits))
        scan.inspected.append("the operations of the graph and the files of the folder")
        scan.not_inspected.append("values of variables")
        return
    entries = 0
    for root, folders, files in os.walk(path):  # follows no links
        for name in (*folders, *files):
            entries += 1
            if entries > limits.zip_members:
                message = f"the folder has more entries than the limit zip_members={limits.zip_members}"
                scan.add([Finding("E_ZIP_COUNT", "error", "", message, "scan its files one by one")])
                return
            member = Path(root) / name
            if member.is_symlink():
                message = "there is a symbolic link in place of a file; it is not followed"
                where = str(member.relative_to(path))
                hint = "give the folder with the files themselves"
                scan.add([Finding("E_SYMLINK", "error", where, message, hint)])
    scan.kind = sniff(path)
    scan.inspected.append("the files of the folder")
    for member in sorted(path.glob("*.json")):
        if member.is_symlink() or not member.is_file():
            continue
        value = _decoded_file(scan, member, limits)
        if value is None and member.name in scan.not_inspected:
            continue
        scan.inspected.append(member.name)
        if member.name == "config.json":
            scan.add(config.findings(value, member.name, limits))
        if _lists_shards(value):
            _shards(scan, value["weight_map"], path)
    for member in sorted(path.glob("*.h5")):
        if member.is_file() and not member.is_symlink():
            _hdf5(scan, path, member, member.name, limits)
    if not any(f.severity == "error" and f.code.startswith("E_") for f in scan.findings):
        _model(scan, path, limits)


def _model(scan: Scan, path: Path, limits: Limits) -> None:
    """What only the model as a whole tells: its writer, doubts about its weights, Lambda layers, sizes, loops."""
    try:
        artifact = readers.read(path, limits, trust=True)  # this is the process that may die of it
    except ReconstructError as error:
        if error.code in {f.code for f in scan.findings} or (error.code in ("", "E_CORRUPT") and _says_why(scan)):
            scan.not_inspected.append("the model as a whole")
            return
        if "no weights lie beside it" in str(error):  # a config alone is complete for a scan
            return
        scan.failed(error, "the model as a whole", "E_CONFIG")
        return
    said = {finding.code for finding in scan.findings}
    scan.add(f for f in artifact.findings if f.code in CODES and f.code not in said)  # a config that was left aside
    scan.writer = str(artifact.writer)
    scan.inspected.append("the model: layers, connections and sizes")
    scan.add(resources.findings(artifact, limits))
    scan.lambdas = lambdas.described(artifact)


def _says_why(scan: Scan) -> bool:
    return any(f.severity == "error" for f in scan.findings)


def _named_twice(group: Any, raw: raw_hdf5.File | None, limits: Limits) -> Iterable[Finding]:
    """Arrays that the list of a layer's weights (Keras 1 and 2) names more than once."""
    if not isinstance(group, h5py.Group):
        return
    for name, layer in group.items():
        if "weight_names" not in layer.attrs or h5_guard.attribute_problem(layer.id, "weight_names", raw, limits):
            continue
        listed = [str(n) for n in np.atleast_1d(layer.attrs["weight_names"])]
        twice = sorted({n for n, count in Counter(listed).items() if count > 1})
        if twice:
            message = f"{len(twice)} arrays are named more than once in the list of its weights, such as {twice[0]}"
            yield Finding("F_DUP_WEIGHT", "error", name[:200], message[:300], "Keras names each once")

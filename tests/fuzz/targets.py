"""What `scripts/fuzz` runs: each target takes any bytes, and may raise nothing but what a reader says of a bad file.

No framework is imported. A target's seeds are the fixtures that its reader reads.
"""

from __future__ import annotations

import base64
import copy
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py

from reconstruct import readers, rules
from reconstruct.artifact import Layer
from reconstruct.errors import ReconstructError
from reconstruct.limits import DEFAULT
from reconstruct.objects import lambdas, placeholders
from reconstruct.readers import raw_hdf5
from reconstruct.scanning.files import scan_file
from reconstruct.scanning.saved_model import graph_findings

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "fixtures" / "files"
LARGEST_SEED = 20_000  # bytes: small ones are mutated more often
# What stands in for a value of a config: what configs hold, and what none should
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2, 3, 1 << 40, 0.5, -1.5, 1e300, "", "relu", "same", "channels_first", "float16", "../x"),
    *([], [1], [None, 2], [[1, 2], [3, 4]], {}, {"class_name": "Dense", "config": {}}, {"class_name": "Lambda"}),
    *("__lambda__", "\ud800", {"a": {"b": {"c": []}}}, [None] * 9),
)


def config(data: bytes) -> None:
    """Reads a config in which values are exchanged, dropped or doubled, as `data` says, and applies all rules."""
    numbers = iter(data)
    configs = _configs()
    if len(data) < 2:
        return
    text = copy.deepcopy(configs[int.from_bytes(data[:2], "big") % len(configs)])
    next(numbers), next(numbers)
    for place, how in zip(numbers, numbers, strict=False):
        _edit(text, place * 256 + next(numbers, 0), how)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(text), "utf-8")
        artifact = readers.read(path, trust=True)
        if artifact.model is not None:
            rules.apply(artifact, rules.RULES, {}, placeholders.refused)


def _edit(config: Any, place: int, how: int) -> None:
    """Change one value of nested dicts and lists; `place` counts them, `how` says what becomes of it."""
    holders = list(_holders(config))
    if not holders:
        return
    holder, key = holders[place % len(holders)]
    if how == 0 and isinstance(holder, dict):
        del holder[key]
    elif how == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif how % 2:
        other, name = holders[(place * 7 + how) % len(holders)]
        holder[key] = copy.deepcopy(other[name])
    else:
        holder[key] = copy.deepcopy(ODD[how // 2 % len(ODD)])


def _holders(value: Any) -> Iterator[tuple[Any, Any]]:
    todo = [value]
    while todo:
        at = todo.pop()
        keys = list(at) if isinstance(at, dict) else list(range(len(at))) if isinstance(at, list) else []
        for key in keys:
            yield at, key
            todo.append(at[key])


@cache
def _configs() -> list[Any]:
    found = []
    for path in sorted(FILES.rglob("*")):
        if path.suffix in (".h5", ".keras", ".json") and path.stat().st_size < 100_000:
            try:
                text = _config_text(path)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile):
                continue
            if text is not None:
                found.append(json.loads(text))
    return found


def _config_text(path: Path) -> str | bytes | None:
    if path.suffix == ".json":
        return path.read_text("utf-8")
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json")
    with h5py.File(path) as file:
        return file.attrs.get("model_config")


def lambda_code(data: bytes) -> None:
    """Translates bytes as the code of a Lambda layer."""
    stored = [base64.b64encode(data).decode(), None, None]
    layer = Layer("Lambda", "a", {"name": "a", "function": stored, "function_type": "lambda"}, path="model/a")
    lambdas.translate(layer)


def hdf5_structures(data: bytes) -> None:
    """Follows the structures of an HDF5 file as our own reader does."""
    file = raw_hdf5.File(raw_hdf5.Bytes(data))
    try:
        todo = [file.superblock()[0]]
    except raw_hdf5.Gone:
        return
    seen: set[int] = set()
    while todo and len(seen) < 1000:
        address = todo.pop()
        if address in seen:
            continue
        seen.add(address)
        try:
            found = file.object(address)
            todo.extend(found.links.values())
            if found.table is not None:
                todo.extend(entry for _, entry in file.table(found.table[0]).entries)
                file.heap(found.table[1])
            for attribute in found.attributes.values():
                file.vlen_text(attribute)
            if found.is_dataset:
                file.data(found)
        except (raw_hdf5.Gone, MemoryError):
            continue


def graph(data: bytes) -> None:
    """Looks through the bytes of a SavedModel."""
    list(graph_findings(data, DEFAULT))


def zip_file(data: bytes) -> None:
    """Reads and scans a `.keras` file."""
    _file(data, ".keras")


def hdf5_file(data: bytes) -> None:
    """Reads and scans an `.h5` file. What kills the process here is a defect of HDF5, not of ours."""
    _file(data, ".h5")


def _file(data: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(data)
        scan_file(str(path), DEFAULT)
        artifact = readers.read(path, trust=True)
        if artifact.model is not None:
            rules.apply(artifact, rules.RULES, {}, placeholders.refused)


@dataclass(frozen=True)
class Target:
    """A function that takes any bytes, and bytes to begin with."""

    function: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]

    def __call__(self, data: bytes) -> None:
        """Raises nothing for what a reader says of a bad file."""
        try:
            self.function(data)
        except (ReconstructError, MemoryError):
            return


def _files(*suffixes: str) -> Callable[[], Iterator[bytes]]:
    def each() -> Iterator[bytes]:
        for path in sorted(FILES.rglob("*")):
            if path.suffix in suffixes and path.is_file() and path.stat().st_size < LARGEST_SEED:
                yield path.read_bytes()

    return each


def _edits() -> Iterator[bytes]:
    for i in range(len(_configs())):
        yield i.to_bytes(2, "big")


def _codes() -> Iterator[bytes]:
    stored = json.loads((ROOT / "tests" / "objects" / "bytecode.json").read_text("utf-8"))
    for by_name in stored.values():
        for entry in by_name.values():
            yield base64.b64decode(entry["code"])


def _graphs() -> Iterator[bytes]:
    from tests.hostile import cases

    for case in cases.CASES.values():
        with tempfile.TemporaryDirectory() as folder:
            made = Path(cases.made(case.make, Path(folder) / "in"))
            proto = made / "saved_model.pb"
            if made.is_dir() and proto.is_file():
                yield proto.read_bytes()


TARGETS = {
    "config": Target(config, _edits),
    "graph": Target(graph, _graphs),
    "hdf5_file": Target(hdf5_file, _files(".h5")),
    "hdf5_structures": Target(hdf5_structures, _files(".h5")),
    "lambda_code": Target(lambda_code, _codes),
    "zip_file": Target(zip_file, _files(".keras")),
}

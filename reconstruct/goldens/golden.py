"""A golden: what a model computed for some inputs, and what it was, in one JSON file that people can read and diff.

{"golden": 1, "model": "../models/old.h5", "sha256": …, "container": "h5-model", "writer": "Keras 2.2.4",
 "oracle": "keras 2.2.4", "environment": {…}, "tolerances": {"float32": 0.0001, …},
 "probes": [{"inputs": [array, …], "outputs": [array, …]}, …], "outputs": ["dense_4"],
 "layers": {"dense_1": [array], …}, "architecture": {…}, "tensors": {"dense_1/kernel": […], …}, "rules": […]}
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct import writing
from reconstruct.differences.view import LayerView, TensorView, View
from reconstruct.errors import ReadError
from reconstruct.goldens import arrays
from reconstruct.goldens.arrays import Recorded
from reconstruct.rules.engine import Change
from reconstruct.verification.comparison import HALF_TOLERANCE, TOLERANCE

VERSION = 1
SUFFIX = ".golden.json"
_MOST_BYTES = 1 << 28
TOLERANCES: Mapping[str, float] = {"float64": TOLERANCE, "float32": TOLERANCE, **HALF_TOLERANCE}


@dataclass(frozen=True)
class Probe:
    """Inputs, and what the original gave for them."""

    inputs: tuple[np.ndarray, ...]
    outputs: tuple[Recorded, ...]


@dataclass(frozen=True)
class Golden:
    """`model` is the path of the file, relative to that of the golden; `oracle` says what computed the outputs.

    `layers` has the outputs of the first call of each layer for the first probe, by its name. `view` is the model in
    the form of Keras 3, `changes` what rules did to get there.
    """

    model: str
    sha256: str
    oracle: str
    environment: Mapping[str, str]
    probes: tuple[Probe, ...]
    layers: Mapping[str, tuple[Recorded, ...]]
    view: View
    tolerances: Mapping[str, float] = field(default_factory=lambda: dict(TOLERANCES))


def write(golden: Golden, path: Path) -> None:
    """Write a golden, whole or not at all. Raises `ReadError` where that is not possible."""
    writing.write_text(path, text(golden))


def text(golden: Golden) -> str:
    """The file: a line for each layer and each tensor, so that a diff shows which changed."""
    view = golden.view
    head = {
        "golden": VERSION,
        "model": golden.model,
        "sha256": golden.sha256,
        "container": view.container,
        "writer": view.writer,
        "oracle": golden.oracle,
        "environment": dict(golden.environment),
        "tolerances": dict(golden.tolerances),
    }
    probes = [
        {"inputs": [arrays.pack(x) for x in probe.inputs], "outputs": [arrays.to_json(y) for y in probe.outputs]}
        for probe in golden.probes
    ]
    tensors = {
        f"{path}/{name}": [t.dtype, list(t.shape), t.hash, _finite(t.mean), _finite(t.std)]
        for path, layer in view.layers.items()
        for name, t in layer.tensors.items()
    }
    layers = {name: [arrays.to_json(y) for y in outputs] for name, outputs in golden.layers.items()}
    architecture = {p: [n.name, n.class_name, n.config, list(n.inputs)] for p, n in view.layers.items()}
    lines = [f"{json.dumps(key)}: {_line(value)}" for key, value in head.items()]
    lines.append(f'"probes": [\n{_joined(_line(p) for p in probes)}\n]')
    lines.append(f'"ends": {_line([list(view.inputs), list(view.outputs)])}')
    lines.append(f'"training": {_line(view.training)}')
    for key, table in (("architecture", architecture), ("tensors", tensors), ("layers", layers)):
        lines.append(f'"{key}": {{\n{_joined(f"{json.dumps(k)}: {_line(v)}" for k, v in table.items())}\n}}')
    lines.append(f'"rules": [\n{_joined(_line(asdict(change)) for change in view.changes)}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: Any) -> str:
    return json.dumps(value, default=str, allow_nan=False, sort_keys=False)


def _joined(lines: Any) -> str:
    return ",\n".join(f" {line}" for line in lines)


def _finite(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def read(path: Path) -> Golden:
    """Raises `ReadError` where the file is no golden of this version."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReadError(f"{path} is too large for a golden", path=str(path))
        written = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ReadError(
            f"{path} is no golden: {error}", path=str(path), hint="reconstruct record writes them"
        ) from error
    hint = "delete it, and record it again"
    if not isinstance(written, dict) or written.get("golden") != VERSION:
        raise ReadError(f"{path} is no golden of version {VERSION}", path=str(path), hint=hint)
    try:
        return _golden(written)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, ReadError) as error:
        what = error.message if isinstance(error, ReadError) else f"{type(error).__name__}: {error}"
        raise ReadError(f"{path} is damaged: {what}", path=str(path), hint=hint) from error


def _golden(written: Mapping[str, Any]) -> Golden:
    tensors: dict[str, dict[str, TensorView]] = {}
    for key, (dtype, shape, digest, mean, std) in written["tensors"].items():
        layer = _layer_of(key, written["architecture"])
        found = TensorView(tuple(map(int, shape)), str(dtype), None, (str(digest), float(mean), float(std)))
        tensors.setdefault(layer, {})[key[len(layer) + 1 :]] = found
    layers = {
        path: LayerView(str(name), str(class_name), _table(config), tensors.get(path, {}), tuple(map(str, inputs)))
        for path, (name, class_name, config, inputs) in written["architecture"].items()
    }
    inputs, outputs = written["ends"]
    view = View(
        str(written["model"]),
        str(written["container"]),
        str(written["writer"]),
        layers,
        tuple(map(str, inputs)),
        tuple(map(str, outputs)),
        _table(written["training"]),
        tuple(Change(**{key: str(text) for key, text in change.items()}) for change in written["rules"]),
    )
    probes = tuple(
        Probe(tuple(map(arrays.unpack, p["inputs"])), tuple(map(arrays.from_json, p["outputs"])))
        for p in written["probes"]
    )
    if not probes or len({(len(p.inputs), len(p.outputs)) for p in probes}) != 1:
        raise ValueError("its probes are not of one form")
    return Golden(
        str(written["model"]),
        str(written["sha256"]),
        str(written["oracle"]),
        _table(written["environment"]),
        probes,
        {name: tuple(map(arrays.from_json, outputs)) for name, outputs in written["layers"].items()},
        view,
        tolerances(written["tolerances"]),
    )


def _layer_of(tensor: str, layers: Mapping[str, Any]) -> str:
    """The path of the layer that a tensor belongs to; its own name may have slashes, too."""
    path = tensor
    while path not in layers:
        path, slash, _ = path.rpartition("/")
        if not slash:
            raise ValueError(f"no layer has {tensor!r}")
    return path


def _table(written: Any) -> dict[str, Any]:
    if not isinstance(written, dict):
        raise TypeError(f"{str(written)[:80]!r} where a table belongs")
    return written


def tolerances(given: Mapping[str, Any]) -> dict[str, float]:
    """Tolerances by dtype, as numbers. Raises `ValueError` for a dtype that there is not, or what is no tolerance.

    >>> tolerances({"float32": "1e-5"})
    {'float32': 1e-05}
    """
    found = {dtype: float(number) for dtype, number in given.items()}
    for dtype, number in found.items():
        if dtype not in TOLERANCES and not re.fullmatch(r"u?int(8|16|32|64)|bool", dtype):
            raise ValueError(f"there is no dtype {dtype!r}; there are {', '.join(TOLERANCES)}, int32, uint8 and so on")
        if not 0.0 <= number < math.inf:
            raise ValueError(f"a tolerance is a number from 0 on; that of {dtype} is {number}")
    return found


def find(paths: Sequence[Path]) -> list[Path]:
    """The goldens among files and below directories. Raises `ReadError` for a path that does not exist."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.rglob(f"*{SUFFIX}"))
        elif path.exists():
            found.append(path)
        else:
            raise ReadError(f"there is no {path}", path=str(path), hint="reconstruct record MODEL -o GOLDENS/")
    return list(dict.fromkeys(found))

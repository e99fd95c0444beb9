"""A golden: what a model computed for some inputs, and what it was, in one JSON file that people can read and diff.

{"golden": 1, "model": "../models/old.h5", "sha256": …, "container": "h5-model", "writer": "Keras 2.2.4",
 "oracle": "keras 2.2.4", "environment": {…}, "tolerances": {"float32": 0.0001, …},
 "probes": [{"inputs": [array, …], "outputs": [array, …]}, …], "outputs": ["dense_4"],
 "layers": {"dense_1": [array], …}, "architecture": {…}, "tensors": {"dense_1/kernel": […], …}, "rules": […]}
"""

from __future__ import annotations

import json
import math
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
    if not isinstance(written, dict) or written.get("golden") != VERSION:
        raise ReadError(f"{path} is no golden of version {VERSION}", path=str(path), hint="record it again")
    try:
        return _golden(written)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"{path} is damaged: {type(error).__name__}: {error}"
        raise ReadError(message, path=str(path), hint="record it again") from error


def _golden(written: Mapping[str, Any]) -> Golden:
    tensors: dict[str, dict[str, TensorView]] = {}
    for key, (dtype, shape, digest, mean, std) in written["tensors"].items():
        layer = max((p for p in written["architecture"] if key.startswith(f"{p}/")), key=len)
        found = TensorView(tuple(shape), dtype, None, (digest, float(mean), float(std)))
        tensors.setdefault(layer, {})[key[len(layer) + 1 :]] = found
    layers = {
        path: LayerView(name, class_name, config, tensors.get(path, {}), tuple(inputs))
        for path, (name, class_name, config, inputs) in written["architecture"].items()
    }
    inputs, outputs = written["ends"]
    view = View(
        str(written["model"]),
        str(written["container"]),
        str(written["writer"]),
        layers,
        tuple(inputs),
        tuple(outputs),
        written["training"],
        tuple(Change(**change) for change in written["rules"]),
    )
    probes = tuple(
        Probe(tuple(map(arrays.unpack, p["inputs"])), tuple(map(arrays.from_json, p["outputs"])))
        for p in written["probes"]
    )
    return Golden(
        str(written["model"]),
        str(written["sha256"]),
        str(written["oracle"]),
        dict(written["environment"]),
        probes,
        {name: tuple(map(arrays.from_json, outputs)) for name, outputs in written["layers"].items()},
        view,
        {str(k): float(v) for k, v in written["tolerances"].items()},
    )


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

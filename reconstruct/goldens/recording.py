"""Recording what a model computes, so that later environments can be compared with it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct.errors import BuildError
from reconstruct.goldens import arrays
from reconstruct.goldens.computing import Computed, original
from reconstruct.goldens.golden import SUFFIX, TOLERANCES, Golden, Probe, read, write
from reconstruct.report import environment
from reconstruct.runtimes.worker import WorkerPool, pool_or_own
from reconstruct.verification.examples import read_examples

# A layer's outputs are there to find the place of a difference, for which a part of them will do
_OF_LAYERS = 64


def record(
    models: Sequence[str | os.PathLike[str]],
    destination: str | os.PathLike[str],
    *,
    examples: str | os.PathLike[str] | None = None,
    layers: bool = True,
    full: bool = False,
    tolerances: dict[str, float] | None = None,
    pool: WorkerPool | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
    **options: Any,
) -> list[Path]:
    """Record each model into a golden in the directory `destination`, or in that file if it ends in `.golden.json`.

    The outputs are those of the genuine runtime where one runs; `examples` (`.npz` with `x0…`, `y0…`) are probes and
    truth of the user's own. `layers=False` leaves out the outputs of layers, `full=True` keeps all numbers of large
    outputs. `options` are those of `recover`. Returns the files written. Raises what stopped a recovery.

    >>> record(["old.h5"], "goldens")                    # doctest: +SKIP
    [PosixPath('goldens/old.golden.json')]
    """
    target = Path(destination)
    single = target.name.endswith(".json") and not target.is_dir()
    if single and len(models) != 1:
        raise BuildError(f"{target} is one file, for {len(models)} models", hint="give a directory")
    base = os.path.commonpath([Path(model).resolve().parent for model in models])
    given = None if examples is None else read_examples(str(examples))
    written: list[Path] = []
    with pool_or_own(pool) as workers:
        for model in map(Path, models):
            on_progress(f"recording {model.name}")
            path = target if single else target / f"{os.path.relpath(model.resolve(), base)}{SUFFIX}"
            _keep_others(path, model)
            found = original(model, workers, None if given is None else [given[0]], **options)
            if given is not None:
                found = replace(found, by="examples", outputs=[given[1]])
            write(_golden(model, path, found, layers, full, {**TOLERANCES, **(tolerances or {})}), path)
            written.append(path)
    return written


def record_again(path: Path, pool: WorkerPool, model: Path | None = None, **options: Any) -> None:
    """Record what the model of a golden, or another in its place, computes now: for the same inputs where it takes
    them, with the tolerances and in the detail of before. Raises what stopped a recovery."""
    before = read(path)
    file = model or path.parent / before.model
    try:
        found = original(file, pool, [list(probe.inputs) for probe in before.probes], **options)
    except BuildError:  # it may take others now
        found = original(file, pool, **options)
    outputs = [y for probe in before.probes for y in probe.outputs]
    full = any(y.whole and math.prod(y.shape) > arrays.WHOLE for y in outputs)
    write(_golden(file, path, found, bool(before.layers), full, before.tolerances), path)


def _golden(
    model: Path, path: Path, found: Computed, layers: bool, full: bool, tolerances: Mapping[str, float]
) -> Golden:
    """The golden of a model, to be written to `path`."""
    whole = 1 << 62 if full else arrays.WHOLE
    probes = [
        Probe(tuple(xs), tuple(arrays.record(y, whole) for y in ys))
        for xs, ys in zip(found.probes, found.outputs, strict=True)
    ]
    telling = [probe for probe in probes if all(y.finite for y in probe.outputs)]
    if not telling:
        raise BuildError(
            "the original gives NaN or infinity for every probe, which proves nothing",
            path=str(model),
            hint="give inputs it is made for: --examples E.npz",
        )
    assert found.view is not None
    of_layers = _layers(found) if layers and telling[0] is probes[0] else {}
    where = os.path.relpath(model.resolve(), path.parent.resolve()).replace(os.sep, "/")
    return Golden(
        where, file_hash(model), found.by, environment(), tuple(telling), of_layers, found.view, dict(tolerances)
    )


def _keep_others(path: Path, model: Path) -> None:
    """Raise `BuildError` where the place is taken by the golden of another model, or by something else."""
    if not path.exists():
        return
    before = (path.parent / read(path).model).resolve()
    if before != model.resolve():
        message = f"{path} is the golden of {before}, and would be overwritten by that of {model}"
        raise BuildError(message, path=str(path), hint=f"give another place: -o OTHER{SUFFIX}")


def _layers(found: Computed) -> dict[str, tuple[arrays.Recorded, ...]]:
    told = {n: ys for n, ys in found.layers.items() if all(np.asarray(y).dtype.kind in "fiubSUO" for y in ys)}
    return {name: tuple(arrays.record(y, _OF_LAYERS) for y in ys) for name, ys in told.items()}


def file_hash(path: Path) -> str:
    """The SHA-256 of a file, or of all files of a directory with their names."""
    digest = hashlib.sha256()
    for each in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            digest.update(str(each.relative_to(path)).encode())
        with each.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()

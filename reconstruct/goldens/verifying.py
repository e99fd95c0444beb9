"""Two models in their own runtimes, compared: files of any Keras, goldens, or examples."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct.differences.view import View
from reconstruct.errors import BuildError
from reconstruct.goldens import arrays, golden
from reconstruct.goldens.arrays import Disagreement, Recorded
from reconstruct.goldens.computing import original
from reconstruct.runtimes.worker import WorkerPool, pool_or_own
from reconstruct.verification.comparison import tolerance_of
from reconstruct.verification.examples import read_examples


@dataclass(frozen=True)
class Side:
    """One of the two: where it is, what computed it, and its outputs for each probe."""

    path: str
    by: str
    outputs: Sequence[Sequence[Recorded]]
    layers: Mapping[str, Sequence[Recorded]]
    view: View | None = None


@dataclass(frozen=True)
class Agreement:
    """What came of the comparison. `first_layer` is the first in the order of `a` that gives other outputs in `b`."""

    a: str
    b: str
    by: tuple[str, str]
    probes: int
    outputs: tuple[Disagreement, ...]
    tolerance: float
    first_layer: str | None = None
    problem: str | None = None

    @property
    def same(self) -> bool:
        return self.problem is None and all(output.within(self.tolerance) for output in self.outputs)

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"same": self.same, **asdict(self)}


def verify(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    tolerance: float | None = None,
    pool: WorkerPool | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
    **options: Any,
) -> Agreement:
    """Compare what `a` and `b` compute for the same inputs, each in its own runtime: the Keras that wrote it, where
    that runs. Either may be a golden or an `.npz` of examples, whose inputs are then taken. `tolerance` is for
    |a - b| / (1 + |b|); as large as float16 needs where both compute in that, unless it is given. `options` are those
    of `recover`, for both. Raises what stops the one or the other.

    >>> verify("old.h5", "new.keras").same                # doctest: +SKIP
    True
    """
    given = next((xs for path in (a, b) if (xs := _given(Path(path))) is not None), None)
    sides = []
    with pool_or_own(pool) as workers:
        for path in (a, b):
            on_progress(f"running {Path(path).name}")
            side, given = _side(Path(path), given, workers, options)
            sides.append(side)
    views = [side.view for side in sides if side.view is not None]
    common = frozenset.intersection(*(view.computes_in for view in views)) if views else ()
    return _compared(sides[0], sides[1], tolerance_of(common) if tolerance is None else tolerance)


def _given(path: Path) -> list[list[np.ndarray]] | None:
    """The inputs that a golden or examples bring along."""
    if path.name.endswith(".json") and _is_golden(path):
        return [list(probe.inputs) for probe in golden.read(path).probes]
    return [read_examples(str(path))[0]] if path.suffix == ".npz" else None


def _is_golden(path: Path) -> bool:
    if path.name.endswith(golden.SUFFIX):
        return True
    with path.open("rb") as file:
        return b'"golden"' in file.read(64)


def _side(
    path: Path, given: list[list[np.ndarray]] | None, pool: WorkerPool, options: Mapping[str, Any]
) -> tuple[Side, list[list[np.ndarray]]]:
    if path.suffix == ".npz":
        xs, ys = read_examples(str(path))
        if given is None or not _same_inputs(given, [xs]):
            raise BuildError("examples can only be compared on their own inputs", path=str(path))
        return Side(str(path), "examples", [_whole(ys)], {}), given
    if path.name.endswith(".json") and _is_golden(path):
        recorded = golden.read(path)
        inputs = [list(probe.inputs) for probe in recorded.probes]
        if given is None or not _same_inputs(given, inputs):
            raise BuildError("two recordings on different inputs cannot be compared", path=str(path))
        outputs = [list(probe.outputs) for probe in recorded.probes]
        return Side(str(path), f"recorded of {recorded.oracle}", outputs, recorded.layers, recorded.view), given
    found = original(path, pool, given, **options)
    outputs = [_whole(ys) for ys in found.outputs]
    layers = {name: _whole(ys) for name, ys in found.layers.items()}
    return Side(str(path), found.by, outputs, layers, found.view), [list(xs) for xs in found.probes]


def _whole(outputs: Sequence[np.ndarray]) -> list[Recorded]:
    return [arrays.record(y, y.size) for y in outputs]


def _same_inputs(a: Sequence[Sequence[np.ndarray]], b: Sequence[Sequence[np.ndarray]]) -> bool:
    return len(a) == len(b) and all(
        len(xs) == len(ys) and all(np.array_equal(x, y) for x, y in zip(xs, ys, strict=True))
        for xs, ys in zip(a, b, strict=True)
    )


def _compared(a: Side, b: Side, tolerance: float) -> Agreement:
    counts = [len(side.outputs[0]) for side in (a, b)]
    if counts[0] != counts[1]:
        problem = f"{counts[0]} outputs, and {counts[1]}"
        return Agreement(a.path, b.path, (a.by, b.by), len(a.outputs), (), tolerance, None, problem)
    found = tuple(
        arrays.worst([_apart(x[k], y[k]) for x, y in zip(a.outputs, b.outputs, strict=True)]) for k in range(counts[0])
    )
    first = None
    if not all(each.within(tolerance) for each in found):
        order = [layer.name for view in (a.view, b.view) if view is not None for layer in view.layers.values()]
        names = [n for n in order if n in a.layers and n in b.layers]
        first = next((n for n in names if not _alike(a.layers[n], b.layers[n], tolerance)), None)
    return Agreement(a.path, b.path, (a.by, b.by), len(a.outputs), found, tolerance, first)


def _alike(a: Sequence[Recorded], b: Sequence[Recorded], tolerance: float) -> bool:
    pairs = zip(a, b, strict=False)
    return all(arrays.alike(x.values, y, tolerance) if x.whole else _apart(x, y).within(tolerance) for x, y in pairs)


def _apart(a: Recorded, b: Recorded) -> Disagreement:
    """How far `a` is from `b`, as far as both are known."""
    if a.whole:
        return arrays.disagreement(a.values, b)
    if b.whole:
        return arrays.disagreement(b.values, a)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return Disagreement(np.inf, np.inf, problem=f"{a.dtype} of shape {a.shape}, and {b.dtype} {b.shape}")
    known = arrays.record(a.values, a.values.size)
    return arrays.disagreement(a.values, replace(known, values=b.values))

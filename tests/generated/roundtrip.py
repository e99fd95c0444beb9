"""One round trip: a recipe is built and written by its Keras, recovered, and compared with the model written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct.errors import NotEquivalent
from reconstruct.recover import recover
from reconstruct.runtimes import keras_3
from reconstruct.runtimes.worker import WorkerPool
from reconstruct.verification.comparison import TOLERANCE, compare
from tests.generated.models import Recipe, build, keras_of, write

# Rules that put other numbers into weights so that outputs stay the same; their layers are compared by outputs alone
CHANGING_WEIGHTS = frozenset(
    (
        "hard_sigmoid_of_linear hard_sigmoid_gates hard_sigmoid_of_simple_rnn locally_connected "
        "spectral_normalization"  # is the layer that it wraps, which alone acts in inference
    ).split()
)


@dataclass(frozen=True)
class Trip:
    """What came of a round trip."""

    status: str
    tried: tuple[Any, ...]
    weights: int  # how many arrays were compared bit for bit


class Lost(AssertionError):
    """A round trip that does not give back what was written."""


class Unwritten(Exception):
    """A model that its own Keras makes and cannot save in that container: there is no file that could be recovered."""


def trip(recipe: Recipe, writer: str, container: str, pool: WorkerPool) -> Trip:
    """Write, recover, save, load, and compare outputs and weights; raises `Lost` for what is not the same, and
    `Unwritten` where there is nothing to recover.

    Outputs are those of the model in memory that was written. Where its own Keras cannot load what it wrote, no oracle
    can say anything, and the status may be `unverified`.
    """
    with tempfile.TemporaryDirectory(prefix="roundtrip-") as name:
        folder = Path(name)
        original = build(recipe, keras_of(writer))
        try:
            path = write(original, container, folder)
        except Exception as error:
            raise Unwritten(f"{type(error).__name__}: {error}") from error
        weights = dict(_weights(original))
        recovery = recover(path, pool=pool)
        if recovery.status == "failed":
            raise Lost(f"failed: {recovery.report['error']['message']}")
        tried = tuple(recovery.report["verification"]["tried"])
        asked = [t for t in tried if t["outcome"] in ("agrees", "differs")]
        if recovery.status != "verified" and (asked or recovery.status != "unverified"):
            raise Lost(f"{recovery.status}: {[f['message'] for f in recovery.report['findings']]} {tried}")
        for inputs, outputs in recovery._expected:
            found = compare(outputs, _run(original, inputs))
            if found.finite and not found.within(TOLERANCE):
                raise Lost(f"outputs: {found.problem or f'differ by {found.relative:.1e}'}")
        saved = folder / "recovered.keras"
        recovery.save(saved)
        again = dict(_weights(keras_3.load(str(saved))))
        changed = {
            c["path"].removeprefix("model/") for c in recovery.report["changes"] if c["rule"] in CHANGING_WEIGHTS
        }
        count = 0
        for where, arrays in weights.items():
            if any(where == c or c.startswith(f"{where}/") for c in changed):
                continue
            if where not in again:
                raise Lost(f"weights: {where} is gone")
            for a, b in zip(arrays, again[where], strict=True):
                if a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes():
                    raise Lost(f"weights: {where} has other weights than were written")
                count += 1
        return Trip(recovery.status, tried, count)


def over_there(recipe: Recipe, suffix: str, pool: WorkerPool) -> Trip:
    """Write with Keras 3, recover for tf_keras, load there and compare outputs; raises `Lost` for what is not the same.

    The status is `refused` where tf_keras has no equivalent and the error names the layer.
    """
    with tempfile.TemporaryDirectory(prefix="roundtrip-") as name:
        folder = Path(name)
        original = build(recipe, keras_of("keras"))
        recovery = recover(write(original, "keras", folder), pool=pool)
        saved = folder / f"there.{suffix}"
        try:
            recovery.save(saved, target="tf-keras", pool=pool)
        except NotEquivalent as refusal:
            if not any(layer.name in str(refusal) for layer in original._flatten_layers()):
                raise Lost(f"refused, and no layer is named: {refusal}") from refusal
            return Trip("refused", (), 0)
        loaded = keras_of("tf_keras").models.load_model(saved, compile=False)
        for inputs, _ in recovery._expected:
            found = compare(_run(original, inputs), _run(loaded, inputs))
            if found.finite and not found.within(TOLERANCE):
                raise Lost(f"outputs in tf_keras: {found.problem or f'differ by {found.relative:.1e}'}")
        return Trip(recovery.status, (), 0)


def _run(model: Any, arrays: list[np.ndarray]) -> list[np.ndarray]:
    given = arrays if len(model.inputs) > 1 else arrays[0]
    outputs = model(given, training=False)
    return [np.asarray(y) for y in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def _weights(model: Any, path: str = "") -> Iterator[tuple[str, list[np.ndarray]]]:
    """The arrays of each layer that has any, by its path among models."""
    for layer in model.layers:
        where = f"{path}/{layer.name}" if path else layer.name
        if hasattr(layer, "layers"):
            yield from _weights(layer, where)
        elif layer.weights:
            yield where, [np.array(w) for w in layer.weights]

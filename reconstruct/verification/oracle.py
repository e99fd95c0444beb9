"""What the original computed: asked of oracles in turn, each in a process of its own with a time limit."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reconstruct.artifact import Artifact, Layer
from reconstruct.errors import NotEquivalent, OracleUnavailable, ReconstructError
from reconstruct.objects import training_parts
from reconstruct.objects.lambdas import stored
from reconstruct.objects.missing import is_stock
from reconstruct.runtimes import oracles
from reconstruct.runtimes.worker import WorkerPool
from reconstruct.scanning.config import PATH_FIELDS, reaching

SECONDS = 120.0


@dataclass
class Oracle:
    """A runtime that can be asked about one file."""

    name: str
    run: Callable[[Sequence[list[np.ndarray]], bool], Answer]


@dataclass(frozen=True)
class Answer:
    """The outputs for each probe, and, if asked for, of each layer for the first probe."""

    outputs: list[list[np.ndarray]]
    layers: Mapping[tuple[str, int, int], np.ndarray] = field(default_factory=dict)


class OracleFailed(ReconstructError):
    """The oracle could not run the file; the next one is asked."""


def for_artifact(
    artifact: Artifact,
    pool: WorkerPool,
    *,
    trust_code: bool,
    custom: Sequence[str],
    seconds: float = SECONDS,
    fixed_draws: bool = False,
) -> Iterator[Oracle]:
    """The oracles for a file, best first; with `fixed_draws` they draw fixed numbers in place of random ones."""
    writer = artifact.writer
    for runtime in oracles.for_writer(writer.keras, writer.backend, artifact.container):
        name = runtime.name if runtime.earlier else f"{runtime.name} {runtime.version}"

        def run(probes: Sequence[list[np.ndarray]], layers: bool, runtime: oracles.Runtime = runtime) -> Answer:
            reason = oracles.why_unavailable(runtime)
            if reason is not None:
                try:
                    oracles.install(runtime)
                except OracleUnavailable as error:
                    raise OracleFailed(error.message, hint=error.hint) from error
            return _ask(pool, runtime, artifact, probes, layers, trust_code, custom, seconds, fixed_draws)

        yield Oracle(name.strip(), run)


def _ask(
    pool: WorkerPool,
    runtime: oracles.Runtime,
    artifact: Artifact,
    probes: Sequence[list[np.ndarray]],
    layers: bool,
    trust_code: bool,
    custom: Sequence[str],
    seconds: float,
    fixed_draws: bool,
) -> Answer:
    assert artifact.model is not None
    with tempfile.TemporaryDirectory(prefix="reconstruct-") as folder:
        inputs, outputs = Path(folder) / "probes.npz", Path(folder) / "outputs.npz"
        np.savez(inputs, **{f"p{i}_x{j}": x for i, xs in enumerate(probes) for j, x in enumerate(xs)})  # type: ignore[arg-type]
        request: dict[str, Any] = {
            "op": "run",
            "path": str(Path(artifact.config_source or artifact.source).absolute()),
            "probes": str(inputs),
            "outputs": str(outputs),
            "layers": layers,
            "custom": list(custom),
            "names": _names(artifact),
            "training_parts": [dataclasses.astuple(part) for part in training_parts.parts(artifact.model)],
            "trust_code": trust_code,
            "fixed_draws": fixed_draws,
        }
        if artifact.weights_source is not None:
            request["weights"] = str(Path(artifact.weights_source).absolute())
        try:
            answer = pool.worker(runtime).ask(request, seconds)
        except ReconstructError as error:
            raise OracleFailed(error.message) from error
        if not answer.get("ok"):
            raise OracleFailed(str(answer.get("error")))
        with np.load(outputs, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
    count = int(answer["outputs"])
    values = [[arrays[f"p{i}_y{k}"] for k in range(count)] for i in range(len(probes))]
    found = {}
    for key, array in arrays.items():
        if key.startswith("layer/"):
            name, call, k = key.removeprefix("layer/").rsplit("/", 2)
            found[name, int(call), int(k)] = array
    return Answer(values, found)


def _names(artifact: Artifact) -> list[str]:
    """The names under which the file calls for classes that are not Keras's, with their packages."""
    assert artifact.model is not None
    own = [n for n in artifact.model.walk() if not n.is_model and not is_stock(n)]
    return sorted({n.package if n.package and ">" in n.package else n.class_name for n in own})


def why_not_asked(artifact: Artifact, given: Collection[str] = ()) -> str | None:
    """Why no oracle may see the file: it holds code, or names something outside itself. None if it is harmless.

    `given` are names of functions that the user gave, which a Keras takes before any other of that name. An earlier
    Keras runs marshaled code as soon as it opens a file, and follows the paths it finds there.
    """
    assert artifact.model is not None
    for layer in artifact.model.walk():
        if (layer.class_name == "Lambda" and not _calls_only(layer, given)) or _has_code(layer.config):
            return f"{layer.path} holds Python code, which an oracle would execute (allow it with --trust-code)"
        outside = _outside(layer)
        if outside:
            return f"{layer.path} names something outside the file: {outside}"
        called = reaching(layer.class_name, layer.config)
        if called is not None:
            return f"{layer.path} calls {called[:80]!r}, which may reach outside the model"
    if artifact.training is not None and _has_code(artifact.training.config):
        return "the training config holds Python code, which an oracle would execute (allow it with --trust-code)"
    return None


def _calls_only(layer: Layer, given: Collection[str]) -> bool:
    """Whether a Lambda layer holds no code, and calls nothing but a function that the user gave."""
    try:
        function = stored(layer.config)
    except NotEquivalent:
        return False
    shape = layer.config.get("output_shape")
    plain = shape is None or (isinstance(shape, list | tuple) and all(n is None or isinstance(n, int) for n in shape))
    plain = plain and layer.config.get("output_shape_type", "raw") == "raw" and not layer.config.get("mask")
    return function.code is None and function.name in given and plain


def _has_code(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get("class_name") == "__lambda__" or any(_has_code(v) for v in value.values())
    return isinstance(value, list | tuple) and any(_has_code(v) for v in value)


def _outside(layer: Layer) -> str | None:
    for name in PATH_FIELDS:
        value = layer.config.get(name)
        if isinstance(value, str) and value:
            return f"{name} = {value[:80]!r}"
    return None

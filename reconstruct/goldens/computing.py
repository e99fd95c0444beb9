"""What a saved model computes: in its genuine runtime, in this environment, or as somebody recorded it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconstruct.artifact import Artifact
from reconstruct.differences.view import View, view
from reconstruct.errors import BuildError, ReconstructError, gist
from reconstruct.goldens import arrays
from reconstruct.readers import read
from reconstruct.recover import recover
from reconstruct.recovery import Recovery
from reconstruct.verification.oracle import OracleFailed, for_artifact, why_not_asked
from reconstruct.verification.verdict import Arrays

if TYPE_CHECKING:
    from reconstruct.runtimes.worker import WorkerPool


@dataclass(frozen=True)
class Computed:
    """What something gives for probes: lists of arrays, one for each output; `layers` is for the first probe, by the
    names of layers, whose `order` is the model's. `by` says what computed it, and `view` what it is."""

    by: str
    probes: Sequence[Arrays]
    outputs: Sequence[Arrays]
    layers: Mapping[str, Arrays] = field(default_factory=dict)
    view: View | None = None
    order: Sequence[str] = ()


def original(
    path: str | os.PathLike[str], pool: WorkerPool, probes: Sequence[Arrays] | None = None, **options: Any
) -> Computed:
    """What the original computes: asked of the Keras that wrote the file, or, where none may or can run it, of the
    model recovered from it. `options` are those of `recover`.

    Raises what stopped the recovery.
    """
    recovery = recover(path, verify=False, pool=pool, **options)
    made = _probes(recovery, probes)
    artifact = _read(recovery)
    reason = "its architecture was inferred" if artifact.model is None else None
    if artifact.model is not None and not options.get("trust_code"):
        reason = why_not_asked(artifact)
    tried = [] if reason is None else [reason]
    if reason is None:
        custom, trusted = options.get("custom", ()), bool(options.get("trust_code"))
        for oracle in for_artifact(artifact, pool, trust_code=trusted, custom=custom):
            try:
                answer = oracle.run(made, True)
            except OracleFailed as error:
                tried.append(f"{oracle.name}: {error.message}")
                continue
            layers: dict[str, Arrays] = {}
            for (name, call, _), array in sorted(answer.layers.items(), key=lambda item: item[0]):
                if call == 0:
                    layers.setdefault(name, []).append(array)
            seen = view_of(recovery)
            return Computed(oracle.name, made, answer.outputs, layers, seen, [n.name for n in seen.layers.values()])
    found = _computed(recovery.model, made, f"reconstruct ({'; '.join(tried)})" if tried else "reconstruct")
    return replace(found, view=view_of(recovery))


def here(
    path: str | os.PathLike[str], pool: WorkerPool, probes: Sequence[Arrays] | None = None, **options: Any
) -> tuple[Computed, Any]:
    """What the model recovered from a file computes in this process, and the model. Raises what stopped it."""
    recovery = recover(path, verify=False, pool=pool, **options)
    found = _computed(recovery.model, _probes(recovery, probes), "reconstruct")
    return replace(found, view=view_of(recovery)), recovery.model


def _probes(recovery: Recovery, given: Sequence[Arrays] | None) -> list[Arrays]:
    if recovery.random:
        message = (
            "the model draws random numbers in every call, so that its outputs cannot be compared with earlier ones"
        )
        raise BuildError(message, path=recovery.result.source)
    if given is not None:
        return [list(xs) for xs in given]
    return [[arrays.coarse(x) for x in xs] for xs, _ in recovery.probes()]


def plain(path: str | os.PathLike[str], probes: Sequence[Arrays], folder: Path) -> Computed:
    """What a program without `reconstruct` gets: the model as `keras.models.load_model` has it. `folder` is for what
    it is written to again, to see what it became. Raises `BuildError` where Keras cannot load it."""
    from reconstruct.runtimes import keras_3

    keras_3.clear()
    try:
        model = keras_3.load(str(path), compile=False)
        found = _computed(model, [list(xs) for xs in probes], "keras.models.load_model")
        keras_3.save(model, str(folder / "plain.keras"))
    except ReconstructError:
        raise
    except Exception as error:
        message = f"plain Keras cannot load and run it: {type(error).__name__}: {gist(error)}"
        raise BuildError(message, path=str(path)) from error
    return replace(found, view=view(read(str(folder / "plain.keras"))))


def _computed(model: Any, probes: Sequence[Arrays], by: str) -> Computed:
    from reconstruct.runtimes import keras_3

    try:
        outputs = [keras_3.run(model, xs) for xs in probes]
    except Exception as error:
        shapes = ", ".join(str(x.shape) for x in probes[0]) if probes else "none"
        message = f"the model does not run on inputs of shape {shapes}: {type(error).__name__}: {gist(error)}"
        unwritten = isinstance(error, NotImplementedError)  # of a placeholder, or a stub that is not filled in
        hint = "give the missing code: --custom FILE.py" if unwritten else "it may have other inputs than before"
        raise BuildError(message, hint=hint) from error
    try:
        layers = keras_3.layer_outputs(model, probes[0])
    except Exception:  # a subclassed model has no graph; its outputs are known all the same
        layers = {}
    return Computed(by, probes, outputs, layers, None, list(layers))


def _read(recovery: Recovery) -> Artifact:
    """The file as the recovery read it. Raises what stopped that."""
    if recovery.artifact is None:
        assert recovery.error is not None
        raise recovery.error
    return recovery.artifact


def view_of(recovery: Recovery) -> View:
    """What the file holds, with what recovering it changed. An input has the dtype of the model's where the file says
    none, as Sequential models before Keras 3 do not."""
    artifact = _read(recovery)
    if artifact.model is None and recovery.form is not None:  # the layers inferred, with the file's tensors
        artifact = artifact.replace(model=recovery.form)
    seen = view(artifact)
    layers = dict(seen.layers)
    for name, tensor in zip(seen.inputs, recovery.model.inputs, strict=False):
        path = name.rpartition("=")[2]  # of a dict with other keys
        layer = layers.get(path)
        if layer is not None and layer.class_name == "InputLayer":
            layers[path] = replace(layer, config={"input_dtype": str(tensor.dtype), **layer.config})
    return replace(seen, layers=layers)

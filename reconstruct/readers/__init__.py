"""A file to an `Artifact`. What a file is, its content says and never its suffix; no framework is imported."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from reconstruct.artifact import Artifact, Finding, Layer
from reconstruct.errors import ConfigError, ReadError, ReconstructError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import config_json, h5, keras_zip, trial
from reconstruct.readers.sniff import sniff
from reconstruct.runtimes.confinement import confined
from reconstruct.stock import slots

__all__ = ["read", "with_variables"]

_DAMAGED = (
    "the file is damaged, or was edited by hand; get it again from where it came from, or let `reconstruct salvage` "
    "take out what it holds"
)


def read(path: str | os.PathLike[str], limits: Limits = DEFAULT, *, trust: bool = False) -> Artifact:
    """Read a saved Keras model of any age without importing a framework or reading an array.

    A process of its own reads the file first, in case that crashes a parser, unless the user trusts it. `limits` say
    how much the file may ask for. Raises `ReadError` where the file is no Keras artifact, is damaged, or needs what
    this version cannot do, and `ConfigError` where its architecture cannot be understood.
    """
    path = Path(path)
    kind = sniff(path)
    if kind != "json" and not trust and not confined():
        trial.survive(path, limits)
    try:
        artifact = _read(path, kind, limits)
        return artifact.replace(findings=(*artifact.findings, *_missing_weights(artifact)))
    except ReconstructError:
        raise
    except OSError as error:
        message = f"{path} cannot be read: {error}"
        raise ReadError(message, path=str(path), hint=_DAMAGED, code="E_CORRUPT") from error
    except Exception as error:  # a file may hold anything in any place; none of it is a reason for a traceback
        raise ConfigError(
            f"{path} is not built as Keras builds its files: {type(error).__name__}: {str(error)[:200]}",
            path=str(path),
            hint=_DAMAGED,
            code="E_CORRUPT",
        ) from error


def _read(path: Path, kind: str, limits: Limits) -> Artifact:
    if kind == "hdf5":
        artifact = h5.read(path, limits)
        return _with_config_beside(artifact, path, limits) if artifact.model is None else artifact
    if kind == "zip":
        return keras_zip.read(path, limits)
    if kind == "directory":
        return keras_zip.read_directory(path, limits)
    return config_json.read(path, limits=limits)


def _missing_weights(artifact: Artifact) -> list[Finding]:
    """What layers the file has no tensors for, though they have variables."""
    if artifact.model is None:
        return []
    wanted = with_variables(artifact.model, artifact.dialect.major)
    empty = [layer for layer in wanted if not layer.weights]
    if not empty:
        return []
    names = ", ".join(layer.name for layer in empty[:5]) + (", …" if len(empty) > 5 else "")
    which = "any layer" if len(empty) == len(wanted) else f"{len(empty)} of {len(wanted)} layers: {names}"
    return [
        Finding(
            "weights_missing",
            "error",
            empty[0].path if len(empty) < len(wanted) else "model",
            f"the file has no weights for {which}",
            "it was saved without them or is damaged; look for a weights file, or for another copy",
        )
    ]


def with_variables(model: Layer, major: int) -> list[Layer]:
    """The layers that must have variables of their own, in the form of a major version of Keras.

    Normalization is left out: it has none where its config holds the mean (Keras 3, layers/preprocessing).
    """
    held = {id(child) for n in model.walk() if n.weights for child in n.children.values()}
    return [
        layer
        for layer in model.walk()
        if id(layer) not in held  # its wrapper holds what it has
        and not (layer.children or layer.is_model or layer.class_name == "Normalization")
        and slots(layer.class_name, layer.config, major)
    ]


def _with_config_beside(artifact: Artifact, path: Path, limits: Limits) -> Artifact:
    """Weights whose config lies beside them, as `to_json` and `save_weights` wrote them, are a whole model."""
    for name in config_json.config_names(path):
        beside = path.with_name(name)
        if beside.is_file():
            try:
                return dataclasses.replace(config_json.read(beside, path, limits), source=str(path))
            except (ReadError, ConfigError):  # another JSON file of that name, or one that is damaged
                continue
    return artifact

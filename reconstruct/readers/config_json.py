"""A model config as JSON (`model.to_json()`), with the weights file that lies beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconstruct.artifact import Artifact, Finding, Writer
from reconstruct.errors import ReadError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import json_guard, legacy_weights, lost, object_weights, parse
from reconstruct.readers.h5 import H5Source, legacy_groups
from reconstruct.readers.sniff import sniff

_WEIGHT_SUFFIXES = (".weights.h5", "_weights.h5", "-weights.h5", ".h5", ".hdf5", "_weights.hdf5")


def config_names(weights: Path) -> list[str]:
    """The names that the config of a weights file may have: `model.json` for `model.h5`, `model_weights.h5`, …"""
    stems = [weights.name[: -len(s)] for s in _WEIGHT_SUFFIXES if weights.name.endswith(s)]
    return [f"{stem}{suffix}" for stem in stems for suffix in (".json", "_config.json", "_architecture.json")]


def decoded(path: Path, limits: Limits = DEFAULT) -> tuple[Any, list[Finding]]:
    """The JSON value in a file, and what is odd about its text. Raises `ConfigError` where it is no JSON."""
    with path.open("rb") as file:
        data = file.read(limits.json_bytes + 1)
    config, findings = json_guard.decode(data, str(path), limits)
    if isinstance(config, str):  # json.dump(model.to_json(), …) wrote a JSON string that holds JSON
        config, more = json_guard.decode(config, str(path), limits)
        findings += more
    return config, findings


def read(path: Path, weights: Path | None = None, limits: Limits = DEFAULT) -> Artifact:
    """The model that a JSON file describes, with the tensors of `weights` or of the file found beside it."""
    config, _ = decoded(path, limits)
    if not isinstance(config, dict) or not ("class_name" in config or "layers" in config):
        hint = "give the model file"
        raise ReadError(f"{path} is JSON, but no Keras model config", path=str(path), hint=hint, code="E_NO_CONFIG")
    model = parse.parse_model(config)
    weights = weights or _weights_beside(path)
    if weights is None:
        raise ReadError(
            f"{path} holds an architecture, and no weights lie beside it",
            path=str(path),
            hint=f"put the weights beside it as {path.stem}.weights.h5 or {path.stem}.h5",
        )
    source = H5Source(weights, str(weights), limits=limits)
    root = source.root
    if "layer_names" in root.attrs or "layer_names0" in root.attrs or "nb_layers" in root.attrs:
        version = config.get("keras_version") or _attribute(source, "keras_version")
        writer = Writer(version, config.get("backend") or _attribute(source, "backend"))
        groups = legacy_groups(source, root)
        model, findings = legacy_weights.attach(model, groups, writer)
        tensors = [*(t for group in groups.values() for t in group), *object_weights.unnamed(source, root)]
    else:
        writer = Writer(config.get("keras_version") or "3.0.0", config.get("backend"))
        tree = object_weights.tree(source, root)
        model, findings = object_weights.attach(model, tree)
        tensors = list(object_weights.tensors(tree))
    return Artifact(
        str(path),
        "config-json",
        writer,
        model,
        writer,
        tuple(tensors),
        findings=(*lost.findings(source, root), *findings),
        config_source=str(path),
        weights_source=str(weights),
    )


def _attribute(source: H5Source, name: str) -> str | None:
    value = source.attribute(source.root, name)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _weights_beside(path: Path) -> Path | None:
    stems = [path.stem, path.stem.removesuffix("_config"), path.stem.removesuffix("_architecture")]
    for stem in dict.fromkeys(stems):
        for suffix in _WEIGHT_SUFFIXES:
            beside = path.with_name(stem + suffix)
            if beside.is_file() and sniff(beside) == "hdf5":
                return beside
    return None

"""What a file holds, as plain JSON-able data: for `reconstruct inspect`. No framework, and no array, is read."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from reconstruct import rules
from reconstruct.artifact import Artifact, Finding, Layer, Ref, Tensor, refs_in
from reconstruct.errors import NotEquivalent
from reconstruct.limits import DEFAULT, Limits
from reconstruct.objects import known, placeholders
from reconstruct.objects.missing import missing
from reconstruct.readers import read
from reconstruct.rules.engine import Change
from reconstruct.rules.inputs import first_shape
from reconstruct.rules.training import translate
from reconstruct.stock import LAYERS, slots

# What tells one layer from another of its class, in the words of Keras 1 to 3, in the order in which it is shown.
_SETTINGS = (
    "units filters nb_filter output_dim input_dim n kernel_size nb_row nb_col filter_length size pool_size strides "
    "subsample dilation_rate padding border_mode data_format dim_ordering target_shape axis rate p alpha "
    "negative_slope activation recurrent_activation return_sequences return_state stateful merge_mode mode num_heads "
    "key_dim function scale offset"
).split()
_UNREMARKABLE: tuple[Any, ...] = (None, "linear", "valid", "channels_last", "tf", False, [1, 1], [1], 1, (), [])


def inspect(path: str | os.PathLike[str], limits: Limits = DEFAULT) -> dict[str, Any]:
    """All that the file says, what recovering it would change, and what is missing for that.

    Raises what `readers.read` raises.
    """
    artifact = read(path, limits)
    writer = artifact.writer
    facts: dict[str, Any] = {
        "source": artifact.source,
        "container": artifact.container,
        "weights_source": artifact.weights_source,
        "writer": {"keras": writer.keras, "backend": writer.backend, "text": _written_by(artifact)},
        "model": None,
        "training": _training(artifact),
        "changes": [],
        "stops": [],
        "missing": [],
        "findings": [asdict(finding) for finding in artifact.findings],
        "tensors": [_tensor(t.name, t) for t in artifact.tensors],
    }
    if artifact.model is None:
        facts["note"] = (
            "the file holds weights and no architecture; its config may lie in a JSON file of its own, and without one "
            "recover infers the architecture"
        )
        return facts
    facts["model"] = _model(artifact.model)
    changed, changes, findings, stops = _changed(artifact)
    trained = _training_changes(artifact)
    facts["changes"] = _grouped([*changes, *trained[0]])
    facts["stops"] = stops
    facts["findings"] += [asdict(f) for f in (*findings, *trained[1]) if not f.code.startswith("missing_")]
    facts["missing"] = [
        *missing_objects(changed, known=_names_in_rules() if stops else frozenset()),
        *(_missing_of(f) for f in trained[1] if f.code.startswith("missing_")),
    ]
    return facts


def _written_by(artifact: Artifact) -> str:
    if artifact.container == "weights-h5" and artifact.writer.keras is None:
        return "Keras 3 or tf.keras 2.12 to 2.15 (the file does not say)"
    return str(artifact.writer)


def missing_objects(model: Layer, known: Collection[str] = ()) -> list[dict[str, Any]]:
    """What is neither in Keras 3 nor may be taken from the file, by class or function: custom layers, Lambdas,
    activations.

    `model` has the form that Keras 3 reads; `known` are names of custom objects. Each entry has `kind`, `name`,
    `message`, `hint`, and `uses`: layer, path, config and weights of every layer that needs it.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for layer in model.walk():
        lacks = missing(layer, known)
        if lacks is None or lacks.kind == "equivalent":  # `stops` has those
            continue
        entry = found.setdefault((lacks.kind, lacks.name), {**asdict(lacks), "uses": []})
        use: dict[str, Any] = {"layer": layer.name, "path": layer.path}
        if lacks.kind != "activation":
            use |= {"config": _plain(layer.config), "weights": [_tensor(n, t) for n, t in layer.weights.items()]}
        entry["uses"].append(use)
    return list(found.values())


def _missing_of(finding: Finding) -> dict[str, Any]:
    kind = finding.code.removeprefix("missing_")
    quoted = finding.message.split("'")
    name = quoted[1] if len(quoted) > 2 else kind
    return {"kind": kind, "name": name, "message": finding.message, "hint": finding.hint, "uses": []}


def _changed(artifact: Artifact) -> tuple[Layer, Sequence[Change], Sequence[Finding], list[dict[str, str]]]:
    """The model in the form of Keras 3, how it got there, and what stops that: then the other rules are applied."""
    assert artifact.model is not None
    try:
        outcome = rules.apply(artifact, rules.RULES, instead=placeholders.refused)
        assert outcome.artifact.model is not None
        return outcome.artifact.model, outcome.changes, outcome.findings, [asdict(r) for r in outcome.refused]
    except Exception:  # which rule it was, is found by applying them one by one
        pass
    changes: list[Change] = []
    findings: list[Finding] = []
    stops: list[dict[str, str]] = []
    model = artifact.model
    for rule in rules.RULES:
        try:
            outcome = rules.apply(artifact.replace(model=model), (rule,), instead=placeholders.refused)
        except NotEquivalent as error:
            stops.append({"rule": rule.name, "path": error.path, "message": error.message, "hint": error.hint})
            continue
        except Exception as error:  # a config that no Keras writes
            message = f"the rule {rule.name} does not apply: {type(error).__name__}: {error}"
            stops.append({"rule": rule.name, "path": getattr(error, "path", ""), "message": message, "hint": ""})
            continue
        changes += outcome.changes
        findings += outcome.findings
        stops += [asdict(r) for r in outcome.refused]
        model = outcome.artifact.model or model
    return model, changes, findings, stops


def _names_in_rules() -> frozenset[str]:
    """Layers that rules deal with: where one is left because a rule was stopped, it is not a custom layer."""
    names = frozenset(name for rule in rules.RULES if rule not in known.RULES for name in rule.layers or ())
    return names - LAYERS


def _training_changes(artifact: Artifact) -> tuple[Sequence[Change], Sequence[Finding]]:
    if artifact.training is None:
        return (), ()
    try:
        _, changes, findings = translate(artifact.training, artifact.writer, artifact.model)
    except Exception as error:  # outputs do not depend on it
        what = f"the training config cannot be understood: {type(error).__name__}: {error}"
        return (), (Finding("training_unreadable", "warning", "training", what),)
    return changes, findings


def _grouped(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The changes by rule, in the order of their first use, with the paths of the layers."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((change.rule, change.effect, change.message), []).append(change.path)
    return [
        {"rule": rule, "effect": effect, "message": message, "count": len(paths), "paths": paths}
        for (rule, effect, message), paths in groups.items()
    ]


def _model(model: Layer) -> dict[str, Any]:
    trained, other = _parameters(model, frozen=False)
    return {
        "name": model.name,
        "class": model.class_name,
        "parameters": {"total": trained + other, "trainable": trained, "non_trainable": other},
        "inputs": _inputs(model),
        "outputs": _outputs(model),
        "layers": _layers(model, frozen=not model.trainable),
    }


def _layers(parent: Layer, frozen: bool) -> list[dict[str, Any]]:
    found = []
    before: list[str] = []
    sequential = parent.graph is not None and parent.graph.sequential
    for key, layer in parent.parts():
        trained, other = _parameters(layer, frozen)
        fed_by = before if sequential else [_ref(r) for call in layer.calls for r in call.refs()]
        found.append(
            {
                "name": layer.name,
                "class": layer.class_name,
                "path": layer.path,
                "role": "" if key.startswith("@") else key,
                "settings": dict(_settings(layer)),
                "from": fed_by,
                "calls": max(1, len(layer.calls)),
                "parameters": trained + other,
                "trainable_parameters": trained,
                "trainable": layer.trainable and not frozen,
                "tensors": [_tensor(name, t) for name, t in layer.weights.items()],
                "layers": _layers(layer, frozen or not layer.trainable),
            }
        )
        before = [layer.name]
    return found


def _settings(layer: Layer) -> Iterator[tuple[str, Any]]:
    if layer.class_name == "InputLayer":
        shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
        yield "shape", _plain(shape)
        return
    for field in _SETTINGS:
        value = layer.config.get(field)
        if isinstance(value, Mapping):
            value = value.get("class_name") if value.get("class_name") != "function" else value.get("config")
        if field == "function" and isinstance(value, list):
            value = "compiled code"
        # 1 == True and 0 == False, but only the flags are unremarkable when they are off
        if any(value == plain and type(value) is type(plain) for plain in _UNREMARKABLE):
            continue
        if isinstance(value, float | int | str | list | tuple) and (field, value) != ("scale", True):
            yield field, _plain(value)


def _parameters(layer: Layer, frozen: bool) -> tuple[int, int]:
    """How many numbers of a layer and all below it are trained, and how many are not."""
    frozen = frozen or not layer.trainable
    states = {
        slot.name for major in (1, 3) for slot in slots(layer.class_name, layer.config, major) or () if not slot.trained
    }
    sizes = [(t.size, frozen or name in states) for name, t in layer.weights.items()]
    trained = sum(size for size, fixed in sizes if not fixed)
    other = sum(size for size, fixed in sizes if fixed)
    for _, part in layer.parts():
        below = _parameters(part, frozen)
        trained, other = trained + below[0], other + below[1]
    return trained, other


def _inputs(model: Layer) -> list[dict[str, Any]]:
    graph = model.graph
    assert graph is not None
    if graph.sequential:
        shape = first_shape(model)
        name = graph.layers[0].name if graph.layers else ""
        return [{"name": name, "shape": _plain(shape[0]) if shape else None, "dtype": shape[1] if shape else None}]
    found = []
    for ref in refs_in(graph.inputs):
        layer = graph[ref.layer]
        shape = first_shape(layer)
        dtype = layer.config.get("dtype") if layer.class_name == "InputLayer" else None
        found.append({"name": ref.layer, "shape": _plain(shape[0]) if shape else None, "dtype": _plain(dtype)})
    return found


def _outputs(model: Layer) -> list[str]:
    assert model.graph is not None
    if model.graph.sequential:
        return [layer.name for layer in model.graph.layers[-1:]]
    return [_ref(ref) for ref in refs_in(model.graph.outputs)]


def _ref(ref: Ref) -> str:
    """`lstm`, for a call after the first `lstm@1`, for an output after the first `lstm:1`."""
    return f"{ref.layer}{f'@{ref.call}' if ref.call else ''}{f':{ref.output}' if ref.output else ''}"


def _tensor(name: str, tensor: Tensor) -> dict[str, Any]:
    return {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype, "sources": list(tensor.sources)}


def _training(artifact: Artifact) -> dict[str, Any] | None:
    training = artifact.training
    if training is None:
        return None
    config = training.config
    return {
        "optimizer": _brief(config.get("optimizer_config") or config.get("optimizer")),
        "loss": _brief(config.get("loss")),
        "metrics": _brief(config.get("metrics")),
        "optimizer_tensors": len(training.optimizer_weights),
    }


def _brief(value: Any) -> Any:
    """A serialized object by its name; lists and dicts of them likewise."""
    if isinstance(value, Mapping) and "class_name" in value:
        config = value.get("config")
        wrapped = config.get("fn") if isinstance(config, Mapping) else config
        plain = value["class_name"] in ("function", "LossFunctionWrapper", "MeanMetricWrapper") and wrapped
        return _brief(wrapped) if plain else str(value["class_name"])
    if isinstance(value, Mapping):
        return {str(k): _brief(v) for k, v in value.items()}
    return [_brief(v) for v in value] if isinstance(value, list | tuple) else _plain(value)


def _plain(value: Any) -> Any:
    """Any value of a config as JSON has it: what JSON cannot hold becomes text."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}, {value.dtype}" if value.size > 16 else _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)

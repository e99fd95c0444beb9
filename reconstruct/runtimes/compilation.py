"""Compile a Keras 3 model as the file says, and give its optimizer the state that the file has."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from reconstruct.artifact import Finding, Tensor
from reconstruct.errors import gist
from reconstruct.rules.optimizer_state import OptimizerState, dropped
from reconstruct.rules.training import Compilation


def compile_model(
    model: Any,
    compilation: Compilation,
    assigned: Sequence[tuple[Any, Tensor]] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
) -> tuple[Finding, ...]:
    """Compile `model` and set the state of its optimizer; what cannot be done is a finding, never an exception.

    `assigned` pairs the variables of the model with the tensors they were given. State is moved only where each
    trained variable holds a tensor just as it is in the file: where a rule rewrote one, slots mean something else.
    Without it, the variables must be those of the file in the same order.
    """
    if compilation.optimizer is None:
        return ()
    objects = dict(custom_objects or {})
    problem = _tried(model, compilation, objects)
    found: list[Finding] = []
    if problem is not None and (compilation.metrics or compilation.weighted_metrics):
        without = dataclasses.replace(compilation, metrics=None, weighted_metrics=None)
        if _tried(model, without, objects) is None:
            message = f"the metrics are left out: {type(problem).__name__}: {gist(problem)}"
            found.append(Finding("metrics_left_out", "warning", "metrics", message, "compile the model with them"))
            problem = None
    if problem is not None:
        return (
            Finding(
                "not_compiled",
                "warning",
                "training",
                f"Keras cannot compile the model as it was: {type(problem).__name__}: {gist(problem)}",
                "compile it yourself; outputs do not depend on it",
            ),
        )
    try:
        reason = _restore(model, compilation.state, assigned)
    except Exception as error:
        reason = f"{type(error).__name__}: {gist(error)}"
    return (*found, dropped(reason)) if reason else tuple(found)


def _tried(model: Any, compilation: Compilation, objects: dict[str, Any]) -> Exception | None:
    """Compile, or leave the model uncompiled and say why."""
    try:
        with keras.saving.custom_object_scope(objects):
            _compile(model, compilation)
    except Exception as error:
        model.compiled = False
        return error
    return None


def _compile(model: Any, compilation: Compilation) -> None:
    assert compilation.optimizer is not None
    names = list(getattr(model, "output_names", ["output"]))  # a Sequential has one output and no name for it
    loss = _by_output(compilation.loss, names)
    weights = _by_output(compilation.loss_weights, names)
    metrics = _metrics_by_output(compilation.metrics, names)
    weighted = _metrics_by_output(compilation.weighted_metrics, names)
    optimizer = keras.saving.deserialize_keras_object(dict(compilation.optimizer.serialized))
    model.compile(
        optimizer=optimizer,
        loss=_objects(loss),
        loss_weights=[weights] if len(names) == 1 and isinstance(weights, float) else weights,
        metrics=_objects(metrics),
        weighted_metrics=_objects(weighted),
        run_eagerly=compilation.run_eagerly,
        steps_per_execution=compilation.steps_per_execution,
        jit_compile=compilation.jit_compile,
    )
    optimizer.build(model.trainable_variables)


def _by_output(value: Any, names: Sequence[str]) -> Any:
    """`value` without the list or dict around it where there is one output; raises `ValueError` for unknown names."""
    if isinstance(value, dict) and "class_name" not in value:
        if len(names) == len(value) == 1:
            return next(iter(value.values()))
        unknown = sorted(set(value) - set(names))
        if unknown:
            raise ValueError(f"the model has no output named {unknown[0]!r}, its outputs are {list(names)}")
    if isinstance(value, list) and len(names) == len(value) == 1:
        return value[0]
    return value


def _metrics_by_output(value: Any, names: Sequence[str]) -> Any:
    if isinstance(value, dict) and "class_name" not in value:
        value = _by_output(value, names)
    if len(names) == 1:
        while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]
        return value if isinstance(value, list) or value is None else [value]
    if isinstance(value, list) and any(isinstance(v, list) for v in value):
        return [[] if v is None else v for v in value]
    return value


def _objects(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("class_name") == "MeanMetricWrapper":  # its name, as that of a function given, would become it
            config = dict(value["config"])
            function = keras.saving.deserialize_keras_object(config.pop("fn"))
            return keras.metrics.MeanMetricWrapper(function, **config)
        if "class_name" in value:
            return keras.saving.deserialize_keras_object(value)
        return {k: _objects(v) for k, v in value.items()}
    return [_objects(v) for v in value] if isinstance(value, list) else value


def _restore(model: Any, state: OptimizerState, assigned: Sequence[tuple[Any, Tensor]] | None) -> str:
    """Set the optimizer's variables, or say why not; nothing is set in part."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    trained = list(model.trainable_variables)
    values: list[tuple[Any, np.ndarray]] = []
    for kind in dict.fromkeys(slot.kind for slot in state.slots):
        places = [v for v in optimizer.variables if v.name.endswith(f"_{kind}")]
        slots = _in_order([s for s in state.slots if s.kind == kind], trained, assigned)
        if slots is None:
            return "rules rewrote variables that it belongs to"
        if len(places) != len(trained) or any(p.shape != s.value.shape for p, s in zip(places, slots, strict=True)):
            return f"the variables trained now are not those trained in the file ({kind})"
        values += [(place, np.asarray(slot.value.read())) for place, slot in zip(places, slots, strict=True)]
    if any(not np.isfinite(value).all() for _, value in values):
        return "it holds values that are not finite"
    for place, value in values:
        place.assign(value)
    if state.iterations is not None:
        steps = int(state.iterations.read())
        optimizer.iterations.assign(steps)
        product = getattr(optimizer, "_u_product", None)
        if product is not None:
            product.assign(_momentum_product(steps, float(optimizer.beta_1)))
    return ""


def _in_order(slots: Sequence[Any], trained: Sequence[Any], assigned: Sequence[tuple[Any, Tensor]] | None) -> Any:
    """The slots in the order of the model's trained variables, or None where a variable is not one of the file."""
    if assigned is None:
        return sorted(slots, key=lambda slot: slot.position) if len(slots) == len(trained) else None
    # A renamed tensor reads the same way, a rewritten one does not
    by_tensor = {slot.variable.read: slot for slot in slots}
    tensors = {id(variable): tensor for variable, tensor in assigned}
    found = [by_tensor.get(tensors[id(v)].read) if id(v) in tensors else None for v in trained]
    return None if any(slot is None for slot in found) else found


def _momentum_product(steps: int, beta_1: float) -> float:
    """What Keras 3's Nadam keeps beside its slots, after so many steps (Keras 3.15, optimizers/nadam.py)."""
    t = np.arange(1, min(steps, 10_000) + 1)
    return float(np.prod(beta_1 * (1 - 0.5 * 0.96**t)))

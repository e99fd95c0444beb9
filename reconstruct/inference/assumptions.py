"""What an inferred model rests on, and what else it might have been: the assumptions and findings of the report."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconstruct.artifact import Finding, Layer
from reconstruct.inference.context import field_of, means
from reconstruct.inference.evidence import Evidence
from reconstruct.inference.opened import Key, Open, Values
from reconstruct.inference.structure import Form, neighbours

MOST_NEIGHBOURS = 2000
_STRUCTURE = ("strides", "padding", "pool_size", "size", "return_sequences", "merge_mode", "target_shape", "n", "dims")


def unmet(model: Layer, form: Form, settings: Mapping[str, Any]) -> Iterator[Finding]:
    """What the user has set and no layer has: a name that is spelled otherwise, most likely."""
    layers = {n.name: n for n in model.walk() if n is not model}
    evidence = {node.layer.name: node.layer for node in form.wiring.nodes}
    for key, said in settings.items():
        name, _, field_name = key.rpartition(".")
        layer = layers.get(name)
        told = field_of(evidence[name], field_name) if name in evidence else None
        if layer is None:
            reason = f"no layer is called {name!r}"
        elif field_of(layer, field_name) is None:
            reason = f"{layer.class_name} has no {field_name!r} to set"
        elif told is not None and not means(said, told):
            reason = f"the weights say that it is {told!r}"
        else:
            continue
        hint = f"the layers are: {', '.join(list(layers)[:20])}{', …' if len(layers) > 20 else ''}"
        message = f"the setting {key!r} changes nothing: {reason}"
        yield Finding("setting_unused", "warning", "model", message, hint if layer is None else "")


def of_numbers(
    opened: Open,
    values: Values,
    layers: Sequence[Layer | None],
    left: list[tuple[Key, list[Any]]] | None,
) -> Iterator[dict[str, Any]]:
    """The choices that nothing decides; with examples only those that they leave open."""
    items: list[tuple[Key, list[Any]]] = (
        [(k, [v for v, _ in a if v != values[k]][:6]) for k, a in opened.fields.items()] if left is None else left
    )
    for key, alternatives in items:
        if not alternatives:
            continue
        layer = layers[key[0]]
        assert layer is not None
        yield assumption(
            layer.path or f"model/{layer.name}",
            f"{layer.class_name} {layer.name!r} is taken to have {key[1]} {values[key]!r}"
            + ("; the examples do not tell" if left is not None else ""),
            alternatives,
            f"{layer.name}.{key[1]}",
        )
    if left is None:
        others = neighbours(opened.form, opened.contexts, [None] * len(opened.form.wiring.outputs))
        yield from of_structure(opened.form, itertools.islice(others, MOST_NEIGHBOURS))


def of_structure(form: Form, fitting: Iterable[Form]) -> Iterator[dict[str, Any]]:
    """The fields that are others in forms that fit as well."""
    others: dict[tuple[int, str], list[Any]] = {}
    for other in fitting:
        for i, (mine, theirs) in enumerate(zip(form.layers, other.layers, strict=True)):
            if mine is None or theirs is None or mine == theirs:
                continue
            for name in _STRUCTURE:
                a, b = field_of(mine, name), field_of(theirs, name)
                if a is not None and a != b and b not in others.setdefault((i, name), []):
                    others[i, name].append(b)
    for (i, name), alternatives in others.items():
        layer = form.layers[i]
        if layer is not None and alternatives:
            message = f"{layer.class_name} {layer.name!r} is taken to have {name} {field_of(layer, name)!r}"
            setting = f"{layer.name}.{name}" if layer.path else None
            yield assumption(layer.path or "model", message, alternatives[:6], setting)


def of_orders(pairs: Iterable[tuple[str, int, int]]) -> Iterator[dict[str, Any]]:
    """Inputs and outputs that the examples do not tell apart."""
    for kind, i, j in pairs:
        message = f"{kind}s {i} and {j} (from 0) might be the other way round: the examples do not tell them apart"
        yield assumption("model", message, (), None)


def of_inputs(model: Layer) -> Iterator[dict[str, Any]]:
    """The heights, widths and lengths that inputs were given because strides, padding and pools fit them."""
    for layer in model.walk():
        shape = layer.config.get("batch_shape", [])[1:] if layer.class_name == "InputLayer" else []
        if any(n is not None for n in shape[:-1]):
            size = ",".join("?" if n is None else str(n) for n in shape)
            message = (
                f"the input {layer.name!r} is taken to be {size}, and strides, padding and pools to be what suits that"
            )
            yield {**assumption(layer.path, message, [], None), "set": "--input-shape SHAPE"}


def of_functions(form: Form, layers: Sequence[Layer | None]) -> Iterator[dict[str, Any]]:
    """What stands for code that the file has not: examples may agree with a scale, and others be cut off."""
    for node, layer in zip(form.wiring.nodes, layers, strict=True):
        path = f"model/{node.layer.name}"
        if layer is not None and node.layer.class_name == "Lambda" != layer.class_name:
            message = f"the function of {node.layer.name!r} is not in the file: it is taken for a {layer.class_name}"
            yield assumption(path, message, ["any other function"], None)
        elif layer is not None and layer.class_name == "Identity" and not layer.name.startswith("identity"):
            message = f"{layer.name!r} has no weights: it is taken for a model that varies images in training alone"
            yield assumption(path, message, ["any layers without weights"], None)


def assumption(path: str, message: str, alternatives: Sequence[Any], setting: str | None) -> dict[str, Any]:
    """What is assumed, and of what else the user may choose by which setting."""
    found: dict[str, Any] = {"path": path, "message": message, "alternatives": list(alternatives)}
    if setting is not None:
        found["set"] = f"--set {setting}=VALUE"
    return found


def findings_of(evidence: Evidence) -> tuple[Finding, ...]:
    """How sure the layers are."""
    doubtful = [f for f in evidence.layers if f.sure != "certain"]
    found = [
        Finding(
            "layers_inferred",
            "info",
            "model",
            f"the file holds weights alone; names and tensors together tell {len(evidence.layers) - len(doubtful)} of "
            f"{len(evidence.layers)} layers",
        )
    ]
    if doubtful:
        names = ", ".join(f"{f.layer.name} ({f.layer.class_name})" for f in doubtful[:10])
        found.append(Finding("layers_likely", "info", "model", f"less sure are the classes of: {names}"))
    return tuple(found)

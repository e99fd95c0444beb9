"""An inferred model as Keras code that a person would edit, with what was assumed in comments.

Names in a file are a stranger's, so nothing reaches the text but identifiers, literals and one-line comments.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from reconstruct import templates
from reconstruct.artifact import Call, Layer, Ref, refs_in
from reconstruct.errors import BuildError
from reconstruct.stock import LAYERS


def text(model: Layer, assumptions: Sequence[Mapping[str, Any]], source: str, written: str) -> str:
    """A Python module with `build()`, the model without weights, and `load()`, which gives it those in `written`.

    `model` has the form of Keras 3. Raises `BuildError` for a model that is not made of stock layers alone.
    """
    graph = model.graph
    assert graph is not None
    comments: dict[str, list[str]] = {}
    for each in assumptions:
        if each.get("set"):
            name, _, what = str(each["set"]).removeprefix("--set ").removesuffix("=VALUE").rpartition(".")
            others = ", ".join(repr(v) for v in each.get("alternatives", ()))
            comments.setdefault(name, []).append(f"{what} is assumed" + (f" (or {others})" if others else ""))
    variables: dict[Ref, str] = {}
    several = frozenset(layer.name for layer in graph.layers if layer.config.get("return_state"))

    def named(ref: Ref) -> str:
        variable = variables[replace(ref, output=0)]
        return f"{variable}[{ref.output}]" if ref.layer in several else variable

    lines = []
    before: str | None = None
    for layer in graph.layers:
        variable = "x" if graph.sequential else _variable(layer.name, variables)
        expression = _expression(layer)
        comment = _one_line("; ".join(comments.get(layer.name, [])))
        if len(layer.calls) > 1:
            lines.append({"variable": variable, "expression": expression, "comment": comment})
            for k, call in enumerate(layer.calls):
                variables[Ref(layer.name, k)] = _variable(f"{layer.name}_on_{k}", variables)
                expression = variable + _called(call, named)
                lines.append({"variable": variables[Ref(layer.name, k)], "expression": expression, "comment": ""})
            continue
        if layer.class_name != "InputLayer":
            expression += f"({before})" if graph.sequential else _called(layer.calls[0], named)
        variables[Ref(layer.name)] = before = variable
        lines.append({"variable": variable, "expression": expression, "comment": comment})
    if graph.sequential:
        lines[0]["variable"] = "inputs"
        if len(lines) > 1:
            lines[1]["expression"] = lines[1]["expression"].removesuffix("(x)") + "(inputs)"
        inputs, outputs = "inputs", lines[-1]["variable"]
    else:
        inputs, outputs = (_listed([named(ref) for ref in refs_in(v)]) for v in (graph.inputs, graph.outputs))
    return templates.render(
        "inference/code.py.jinja",
        source=_one_line(source).replace("\\", "/").replace('"', "'"),
        written=repr(written),
        lines=lines,
        assumed=bool(assumptions),
        inputs=inputs,
        outputs=outputs,
    )


def _expression(layer: Layer) -> str:
    """The layer as a call of its class."""
    if layer.class_name not in LAYERS or layer.is_model or layer.package:
        raise BuildError(f"{layer.class_name} {layer.name!r} cannot be written as code", path=layer.path)
    config = {k: v for k, v in layer.config.items() if v is not None and k not in ("name", "dtype", "trainable")}
    if layer.class_name == "InputLayer":
        shape = tuple(layer.config["batch_shape"])[1:]
        return f"keras.Input({_literal(shape)}, name={layer.name!r})"
    parts = [_expression(child) for key, child in layer.children.items() if key != "backward_layer"]
    if "backward_layer" in layer.children:
        parts.append(f"backward_layer={_expression(layer.children['backward_layer'])}")
    parts += [f"{k}={_literal(v)}" for k, v in config.items() if k.isidentifier() and not keyword.iskeyword(k)]
    parts.append(f"name={layer.name!r}")
    return f"layers.{layer.class_name}({', '.join(parts)})"


def _called(call: Call, named: Callable[[Ref], str]) -> str:
    def given(value: Any) -> str:
        return _listed([given(v) for v in value]) if isinstance(value, list) else named(value)

    arguments = [given(a) for a in call.args if isinstance(a, list | Ref)]
    arguments += [f"{key}={given(a)}" for key, a in call.kwargs.items() if isinstance(a, list | Ref)]
    return f"({', '.join(arguments)})"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]"


def _literal(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        inner = ", ".join(_literal(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {_literal(v)}" for k, v in value.items()) + "}"
    return repr(value) if value is None or isinstance(value, bool | int | float | str) else repr(str(value))


def _variable(name: str, taken: Mapping[Ref, str]) -> str:
    found = re.sub(r"\W", "_", name, flags=re.ASCII)
    found = found if found.isidentifier() and not keyword.iskeyword(found) else f"layer_{found}"
    while found in taken.values() or found in ("keras", "layers"):
        found += "_"
    return found


def _one_line(value: str) -> str:
    return re.sub(r"[^\x20-\x7e]+", " ", value)

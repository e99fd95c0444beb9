"""A before and an after for every rule: add a `Case` to the list of the module that is about your generation of Keras.

    Case("thresholded_relu", layer("ThresholdedReLU", theta=0.5), layer("ReLU", threshold=0.5))

`test_all_rules.py` puts `before` into a model between other layers, applies the rule, and compares with `after`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Graph, Layer, Ref, Tensor, Writer

KERAS_1 = Writer("1.2.2", "tensorflow")
KERAS_2 = Writer("2.2.4", "tensorflow")
TF_KERAS = Writer("2.4.0", "tensorflow")


@dataclass(frozen=True)
class Case:
    """What a rule makes of a layer in a file of `writer`.

    `after` is a layer; or a tuple of layers, where one becomes several in a row; or text, where it becomes a model:
    the nodes as `sketch` shows them. `once` marks a rule whose result looks like what it changes, such as scaled
    weights: only the dialect of the artifact tells that it has been applied.
    `finding` is the code of what the user is told.
    """

    rule: str
    before: Layer
    after: Layer | tuple[Layer, ...] | str
    writer: Writer = KERAS_2
    once: bool = False
    finding: str | None = None


@dataclass(frozen=True)
class Refusal:
    """A layer that has no form with the same meaning in Keras 3: the rule says so with words that contain `says`."""

    rule: str
    before: Layer
    says: str
    writer: Writer = KERAS_2


def layer(class_name: str, name: str = "x", weights: Mapping[str, Any] | None = None, **config: Any) -> Layer:
    """A layer of the file; `weights` maps names to arrays, or to shapes, which are filled with 0, 1, 2, …"""
    tensors = {n: tensor(n, value) for n, value in (weights or {}).items()}
    return Layer(class_name, name, {"name": name, **config}, weights=tensors)


def tensor(name: str, value: Any) -> Tensor:
    """A tensor of the file: a tuple is its shape, anything else its value."""
    array = np.arange(np.prod(value)).reshape(value) if isinstance(value, tuple) else np.asarray(value)
    array = array.astype("float32")
    return Tensor(name, array.shape, "float32", lambda: array, (f"/{name}",))


def called(on: Layer, *args: Any, **kwargs: Any) -> Layer:
    """The layer called once, on the names of layers, on lists of names, and on other values."""
    return on.replace(calls=(*on.calls, Call(tuple(_refs(a) for a in args), {k: _refs(v) for k, v in kwargs.items()})))


def _refs(value: Any) -> Any:
    if isinstance(value, str):
        return Ref(value)
    return [_refs(v) for v in value] if isinstance(value, list) else value


def sequential(*layers: Layer, name: str = "x", **config: Any) -> Layer:
    return Layer("Sequential", name, {"name": name, **config}, graph=Graph(layers))


def functional(*layers: Layer, name: str = "x", class_name: str = "Functional") -> Layer:
    """A model of the layers: all InputLayers are its inputs, the last layer is its output."""
    inputs = [Ref(n.name) for n in layers if n.class_name == "InputLayer"]
    return Layer(class_name, name, {"name": name}, graph=Graph(layers, inputs, [Ref(layers[-1].name)]))


def sketch(model: Layer, indent: str = "") -> str:
    """The nodes of a model, one a line: `name = Class(what it is called on) config variable=numbers`."""
    assert model.graph is not None
    lines = [indent + line for n in model.graph.layers for line in _lines(n)]
    if not model.graph.sequential:
        lines.append(f"{indent}-> {_show(model.graph.outputs)}")
    return "\n".join(lines)


def _lines(node: Layer) -> list[str]:
    what = node.config["function"] if node.class_name == "Op" else node.class_name
    hidden = ("name", "function") if node.class_name == "Op" else ("name",)
    rest = [f"{k}={_show(v)}" for k, v in node.config.items() if k not in hidden]
    rest += [f"{k}={np.round(t.read(), 4).tolist()}".replace(".0,", ",") for k, t in node.weights.items()]
    calls = ", ".join(_call(c) for c in node.calls)
    lines = [" ".join([f"{node.name} = {what}{calls}", *rest])]
    lines += [f"  {key}: {line}" for key, child in node.children.items() for line in _lines(child)]
    if node.is_model:
        lines += sketch(node, "  ").split("\n")
    return lines


def _call(call: Call) -> str:
    return f"({', '.join([*map(_show, call.args), *(f'{k}={_show(v)}' for k, v in call.kwargs.items())])})"


def _show(value: Any) -> str:
    if isinstance(value, Ref):
        calls = f"@{value.call}" if value.call else ""
        return value.layer + calls + (f":{value.output}" if value.output else "")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_show, value))}]"
    return repr(value)

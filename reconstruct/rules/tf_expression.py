"""Expressions of `keras.ops`, and how one becomes a node of a graph: what the TensorFlow tables are written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Layer, Ref, refs_in
from reconstruct.rules.expansion import stock, subgraph


@dataclass(frozen=True, eq=False)
class Expression:
    """`keras.ops.<function>(*args, **kwargs)`, or a stock layer of that class with `config`, called on `args`.

    Arguments are nested tuples, lists and dicts of `Ref`, plain values and expressions.
    """

    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] | None = None

    def node(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Layer:
        call = Call(args, kwargs)
        if self.config is not None:
            return stock(self.function, name, self.config).replace(calls=(call,))
        return Layer("Op", name, {"function": self.function}, calls=(call,))


@dataclass(frozen=True, eq=False)
class Item:
    """One of the results of an expression that has several, such as `moments`."""

    of: Expression
    index: int


def ops(function: str, *args: Any, **kwargs: Any) -> Expression:
    """`keras.ops.<function>` of these arguments.

    Lists among `args` are tensors, as files write them, or lists of tensors; tuples are anything else, such as shapes.
    """
    return Expression(function, tuple(_tensors(arg) for arg in args), kwargs)


def _tensors(value: Any) -> Any:
    """A constant tensor as an array, since keras.ops takes no nested lists; float32 and int32 as in TensorFlow."""
    if not isinstance(value, list):
        return value
    if not is_constant(value):
        return [np.asarray(_tensors(v), "float32") if isinstance(v, float) else _tensors(v) for v in value]
    array = np.asarray(value)
    return array.astype({"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype))


def layer_of(class_name: str, x: Any, **config: Any) -> Expression:
    """A stock layer called on `x`."""
    return Expression(class_name, (x,), {}, config)


def rewrite(layer: Layer, result: Any) -> Layer:
    """`layer` computing `result`: an expression, or a list of expressions where it has several outputs.

    One call is an `Op` (or stock layer) under the old name; several are a small model under it.
    """
    if isinstance(result, Expression) and not _holds_expression([result.args, result.kwargs]):
        return result.node(layer.name, result.args, result.kwargs).replace(path=layer.path)
    outer: dict[Ref, Ref] = {}
    _each_leaf(result, lambda leaf: outer.setdefault(leaf, leaf) if isinstance(leaf, Ref) else None)
    single = len(outer) == 1
    inner = {ref: Ref("input" if single else f"input_{i}") for i, ref in enumerate(outer)}
    nodes: list[Layer] = []
    done: dict[int, str] = {}

    def place(value: Any) -> Any:
        if isinstance(value, Item):
            return Ref(place(value.of).layer, 0, value.index)
        if isinstance(value, Expression):
            if id(value) not in done:
                args, kwargs = place(value.args), place(dict(value.kwargs))
                name = f"{value.function.replace('.', '_').lower()}_{len(nodes)}"
                nodes.append(value.node(name, args, kwargs))
                done[id(value)] = name
            return Ref(done[id(value)])
        if isinstance(value, Ref):
            return inner[value]
        if isinstance(value, list | tuple):
            return type(value)(place(v) for v in value)
        if isinstance(value, Mapping):
            return {k: place(v) for k, v in value.items()}
        return value

    outputs = place(result)
    inputs = list(outer)
    called = layer.replace(calls=(Call((inputs[0] if single else inputs,)),))
    return subgraph(called, *nodes, inputs=len(inputs), outputs=outputs)


def _each_leaf(value: Any, visit: Any) -> None:
    if isinstance(value, Item):
        _each_leaf(value.of, visit)
    elif isinstance(value, Expression):
        _each_leaf([value.args, dict(value.kwargs)], visit)
    elif isinstance(value, list | tuple):
        for v in value:
            _each_leaf(v, visit)
    elif isinstance(value, Mapping):
        for v in value.values():
            _each_leaf(v, visit)
    else:
        visit(value)


def _holds_expression(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_expression(v) for v in value)
    if isinstance(value, Mapping):
        return any(_holds_expression(v) for v in value.values())
    return isinstance(value, Expression | Item)


def is_constant(value: Any) -> bool:
    """Whether no tensor of the model is in the nested `value`."""
    return not refs_in(value) and not _holds_expression(value)

"""Nodes of a graph that are calls of `keras.ops` and not layers, and the masks that Keras 3 writes into a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref
from reconstruct.differences import canonical

_ALIASES = {"abs": "absolute"}


def is_operation(layer: Layer) -> bool:
    """Whether a node is an operation: as the rules make it (`Op`), or as Keras 3 writes it into a file."""
    return layer.class_name == "Op" or layer.is_operation


def name(layer: Layer) -> str:
    """The operation, the same for `Op` of `not_equal` and for Keras's class NotEqual."""
    function = layer.config.get("function", "") if layer.class_name == "Op" else layer.class_name
    found = str(function).rpartition(".")[2].lower().replace("_", "")
    return f"ops.{_ALIASES.get(found, found)}"


def arguments(layer: Layer) -> dict[str, Any]:
    """What an operation gets besides tensors. The file has some of it in the config and some in the call, and names
    only a part, so that only the values can be told apart."""
    usual = [canonical.value(v, k) for k, v in canonical.defaults().get(name(layer), {}).items()]
    own = ("name", "function", "trainable", *(() if name(layer) == "ops.cast" else ("dtype",)))
    given = [v for k, v in layer.config.items() if k not in own]
    for call in layer.calls[:1]:
        given += [a for a in (*call.args, *call.kwargs.values()) if not _refers(a)]
    values = [canonical.value(v) for v in given if v is not None and v is not False]
    kept = sorted((v for v in values if v not in usual), key=repr)
    return {"arguments": kept} if kept else {}


def _refers(value: Any) -> bool:
    return bool(Call((value,)).refs())


def without_implied_masks(graph: Graph) -> Graph:
    """The graph without the masks that its Embedding and Masking layers hand on by themselves.

    Keras 3.15 writes them into the file as operations and arguments `mask=` (models/functional.py); earlier ones and
    the rules leave them implied.
    """
    if graph.sequential:
        return graph
    masked = {ref for layer in graph.layers if _makes_mask(layer) for call in layer.calls for ref in call.refs()}
    made: set[str] = set()
    for layer in graph.layers:
        refs = [ref for call in layer.calls for ref in call.refs()]
        compared = is_operation(layer) and name(layer) == "ops.notequal" and masked.issuperset(refs)
        if compared or (is_operation(layer) and name(layer) == "ops.any" and {r.layer for r in refs} <= made):
            made.add(layer.name)
    if not made:
        return graph
    layers = [replace(n, calls=tuple(_without_mask(c, made) for c in n.calls)) for n in graph.layers]
    while True:
        used = {ref.layer for n in layers for c in n.calls for ref in c.refs()}
        used |= {ref.layer for ref in Call((graph.outputs,)).refs()}
        kept = [n for n in layers if n.name not in made or n.name in used]
        if len(kept) == len(layers):
            return replace(graph, layers=tuple(layers))
        layers = kept


def _makes_mask(layer: Layer) -> bool:
    return layer.class_name == "Masking" or (layer.class_name == "Embedding" and bool(layer.config.get("mask_zero")))


def _without_mask(call: Call, made: set[str]) -> Call:
    mask: Mapping[str, Any] = {k: v for k, v in call.kwargs.items() if k == "mask"}
    refs = Call(kwargs=mask).refs()
    if not refs or not all(isinstance(ref, Ref) and ref.layer in made for ref in refs):
        return call
    return replace(call, kwargs={k: v for k, v in call.kwargs.items() if k != "mask"})

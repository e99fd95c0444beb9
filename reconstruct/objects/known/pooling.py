"""Pooling that keeps the largest values of a sequence, which people copy from tutorials of text classification."""

from __future__ import annotations

from reconstruct.artifact import Graph, Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.nodes import Nodes
from reconstruct.objects.known.parts import own_fields
from reconstruct.objects.known.surroundings import after
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT


@known("KMaxPooling", source="gists of very deep networks for texts (after Conneau et al. 2017)", certain=False)
def k_max_pooling(layer: Layer, context: Context) -> Layer:
    """The k largest values of each feature, from the largest on, the features one after another in a row; with `axis`
    1 in the config as steps; in Keras operations."""
    config = own_fields(layer)
    count = config.get("k")
    if layer.weights or not isinstance(count, int) or not set(config) <= {"k", "sorted", "axis"}:
        return layer
    if config.get("axis", 1) != 1 or not config.get("sorted", True):
        raise NotEquivalent(f"{layer.name} keeps the largest of each step, or in no order that is known")
    nodes = Nodes()
    found = nodes.op("top_k", nodes.op("transpose", INPUT, [0, 2, 1]), count)
    largest = Ref(found.layer, 0, 0)
    if "axis" in config:
        return nodes.model(layer, 1, nodes.op("transpose", largest, [0, 2, 1]))
    users = after(layer, context.graph or Graph(())) if context.graph is not None else []
    if any(n.class_name.endswith("1D") or n.class_name in ("LSTM", "GRU", "Bidirectional") for n in users or []):
        raise NotEquivalent(f"{layer.name} gives a sequence, and which of its axes are the steps is not in the file")
    return nodes.model(layer, 1, nodes.stock("Flatten", {}, {}, largest))


KNOWN = (k_max_pooling,)

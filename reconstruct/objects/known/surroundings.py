"""What stands right before and right after a layer in its model."""

from __future__ import annotations

from reconstruct.artifact import Graph, Layer, refs_in


def before(layer: Layer, graph: Graph) -> list[Layer]:
    """The layers whose outputs the layer is called on."""
    if graph.sequential:
        at = _position(layer, graph)
        return [graph.layers[at - 1]] if at else []
    return [graph[ref.layer] for call in layer.calls for ref in call.refs()]


def after(layer: Layer, graph: Graph) -> list[Layer] | None:
    """The layers that are called on an output of the layer; None where one is an output of the model itself."""
    if graph.sequential:
        at = _position(layer, graph) + 1
        return [graph.layers[at]] if at < len(graph.layers) else None
    if any(ref.layer == layer.name for ref in refs_in(graph.outputs)):
        return None
    return [n for n in graph.layers if any(ref.layer == layer.name for call in n.calls for ref in call.refs())]


def _position(layer: Layer, graph: Graph) -> int:
    return next(i for i, other in enumerate(graph.layers) if other.name == layer.name)

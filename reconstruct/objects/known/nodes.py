"""A graph of stock layers and operations, made node by node: for layers of several inputs with weights of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import Layer, Ref, Tensor
from reconstruct.rules.expansion import call, op, stock, subgraph


class Nodes:
    """The nodes of a graph as they are made, named by their number."""

    def __init__(self) -> None:
        self.made: list[Layer] = []

    def op(self, function: str, *args: Any, **kwargs: Any) -> Ref:
        return self._add(op(f"{function.rpartition('.')[2]}_{len(self.made)}", function, *args, **kwargs))

    def dense(self, kernel: Tensor, bias: Tensor | None, x: Ref, name: str) -> Ref:
        weights = {"kernel": kernel} | ({} if bias is None else {"bias": bias})
        config = {"units": kernel.shape[-1], "use_bias": bias is not None}
        return self._add(call(stock("Dense", f"{name}_{len(self.made)}", config, **weights), x))

    def stock(self, class_name: str, config: Mapping[str, Any], weights: Mapping[str, Tensor], x: Ref) -> Ref:
        return self._add(call(stock(class_name, f"{class_name.lower()}_{len(self.made)}", config, **weights), x))

    def reshape(self, x: Ref, shape: list[int]) -> Ref:
        """The Reshape layer, whose shape is without the batch."""
        return self.stock("Reshape", {"target_shape": shape}, {}, x)

    def shared(self, name: str, x: Ref) -> Ref:
        """A further call of a layer that was made before."""
        at = next(i for i, n in enumerate(self.made) if n.name == name)
        again = call(self.made[at], x).calls
        self.made[at] = self.made[at].replace(calls=(*self.made[at].calls, *again))
        return Ref(name, len(self.made[at].calls) - 1)

    def _add(self, node: Layer) -> Ref:
        self.made.append(node)
        return Ref(node.name)

    def model(self, layer: Layer, inputs: int, outputs: Any) -> Layer:
        """The model that replaces `layer`: it gives `outputs`."""
        return subgraph(layer, *self.made, inputs=inputs, outputs=outputs)

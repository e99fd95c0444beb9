"""Computes many models on the same inputs, and keeps what layers gave for as long as nothing before them changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.activations import Array
from reconstruct.inference.forward import Weights, mask_after, run
from reconstruct.inference.structure import Form

MOST_CACHED = 600 << 20  # bytes


class Evaluator:
    """Computes models on inputs and keeps what layers gave."""

    def __init__(self, weights: Weights, keras_2: bool) -> None:
        self.weights, self.keras_2 = weights, keras_2
        self._ids: dict[Any, int] = {}
        self._arrays: OrderedDict[int, tuple[Array, Array | None]] = OrderedDict()
        self._bytes = 0

    def outputs(self, form: Form, layers: Sequence[Layer | None], inputs: Sequence[Array], tag: str) -> list[Array]:
        """The outputs of a model. Raises `NotComputed` for a layer that cannot be computed here."""
        wiring = form.wiring
        ids: list[int] = []
        order = list(wiring.inputs)
        for i, node in enumerate(wiring.nodes):
            layer = layers[i]
            if not node.inputs:
                ids.append(self._id(("input", order.index(i), tag)))
            elif layer is None:
                ids.append(ids[node.inputs[0]])
            else:
                ids.append(self._id((described(layer), tuple(ids[j] for j in node.inputs))))
        alias = list(range(len(ids)))
        for i, layer in enumerate(layers):
            if layer is None:
                alias[i] = alias[wiring.nodes[i].inputs[0]]
        arrays: dict[int, tuple[Array, Array | None]] = {}  # with masks
        needed: set[int] = set()
        todo = [alias[i] for i in wiring.outputs]
        while todo:
            i = todo.pop()
            if i in arrays or i in needed:
                continue
            if not wiring.nodes[i].inputs:
                arrays[i] = inputs[order.index(i)], None
            elif ids[i] in self._arrays:
                self._arrays.move_to_end(ids[i])
                arrays[i] = self._arrays[ids[i]]
            else:
                needed.add(i)
                todo.extend(alias[j] for j in wiring.nodes[i].inputs)
        for i in sorted(needed):
            layer = layers[i]
            assert layer is not None
            given, masks = zip(*(arrays[alias[j]] for j in wiring.nodes[i].inputs), strict=True)
            array = run(layer, given, self.weights, self.keras_2, masks[0])
            arrays[i] = self._keep(ids[i], array, mask_after(layer, given, masks, self.keras_2))
        return [arrays[alias[i]][0] for i in wiring.outputs]

    def _id(self, key: Any) -> int:
        return self._ids.setdefault(key, len(self._ids))

    def _keep(self, key: int, array: Array, mask: Array | None) -> tuple[Array, Array | None]:
        self._arrays[key] = array, mask
        self._bytes += array.nbytes
        while self._bytes > MOST_CACHED and len(self._arrays) > 1:
            _, (old, _) = self._arrays.popitem(last=False)
            self._bytes -= old.nbytes
        return array, mask


def described(layer: Layer) -> tuple[Any, ...]:
    """All that decides what a layer computes."""
    config = tuple(sorted((k, repr(v)) for k, v in layer.config.items() if k != "name"))
    weights = tuple(id(t) for t in layer.weights.values())
    return layer.class_name, config, weights, tuple(described(c) for c in layer.children.values())

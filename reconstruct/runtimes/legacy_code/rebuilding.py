"""Tensors that `build` of the user's code makes of weights, computed again for each call.

In Keras 1 and 2 such a tensor was a part of the graph, which followed the weights; in Keras 3 `build` runs once, and
what it computes is a value of when the weights were made.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class State:
    """What a layer has, to see what its `build` adds."""

    def __init__(self, layer: Any) -> None:
        self._layer, self._values = layer, dict(vars(layer))
        self._layers, self._listed = len(layer._layers), len(self._weights())

    def _weights(self) -> list[Any]:
        return list(self._layer.__dict__.get("_legacy_listed", ()))

    def made(self) -> list[Any]:
        """The weights that `add_weight` made, in their order."""
        return self._weights()[self._listed :]

    def only_weights_and_tensors(self) -> bool:
        """Whether it made tensors, perhaps of weights, and neither layers nor variables in another way."""
        new = [v for n, v in vars(self._layer).items() if v is not self._values.get(n) and not n.startswith("_")]
        flat = keras.tree.flatten(new)
        made = self.made()
        others = [v for v in self._layer.variables if not any(v is w for w in self._weights())]
        return bool(
            made
            and not others
            and len(self._layer._layers) == self._layers
            and all(any(v is w for w in made) for v in flat if isinstance(v, keras.Variable))
            and any(tf.is_tensor(v) and not isinstance(v, keras.Variable) for v in flat)
        )


def rebuild(layer: Any) -> None:
    """Run `build` again where that is of use, with the weights it made."""
    if "_legacy_rebuild" not in layer.__dict__:
        return
    made, build = layer.__dict__["_legacy_rebuild"]
    layer.__dict__["_legacy_replayed"] = iter(made)
    try:
        build()
    finally:
        del layer.__dict__["_legacy_replayed"]

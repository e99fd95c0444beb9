"""Weights that a Keras 3 file keeps by attribute (`attention/query/vars/0`), given to a layer of somebody's own class.

Which variable stands at such a path only the object itself can tell: Keras walks its attributes in an order of its own
(Keras 3, saving/saving_lib.py, `_walk_saveable`), which is not that of `layer.weights`. So Keras loads them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import keras

from reconstruct.artifact import Tensor


def are_paths(weights: Mapping[str, Tensor]) -> bool:
    """Whether the names of weights are paths of attributes."""
    return any("vars" in name.split("/") for name in weights)


def load(instance: Any, weights: Mapping[str, Tensor]) -> None:
    """Give the variables of a built layer or model the tensors at these paths.

    Raises what Keras raises where a path leads nowhere or a shape differs.
    """
    with tempfile.TemporaryDirectory(prefix="reconstruct-") as folder:
        path = Path(folder) / "one.weights.h5"
        with h5py.File(path, "w") as file:
            for name, tensor in weights.items():
                file[f"held/{name}"] = tensor.read()
        _Holder(instance).load_weights(path)


class _Holder(keras.Model):
    """A model whose only part is an object; its attribute is the first component of every path."""

    def __init__(self, held: Any) -> None:
        super().__init__()
        self.held = held
        self.built = True

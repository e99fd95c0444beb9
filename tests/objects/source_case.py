"""A model whose code lies in `source_trees/`, and the versions that write one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """`make` is Python that leaves a `model`; `ns` holds what the author's file defines, `L` is `keras.layers`.
    `uses` are objects that loading needs, in the words of the case."""

    name: str
    writer: str
    source: str
    file: str
    make: str
    suffix: str = ".h5"
    expected: str = "verified"


K1, K20, K22, K23, TF = "keras 1.2.2", "keras 2.0.9", "keras 2.2.4", "keras 2.3.1", "tf_keras"

"""What the user says of a file of weights alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.inference.shapes import Shape

BUDGET = 120.0


@dataclass(frozen=True)
class Hints:
    """What the user says: shapes of inputs without the batch axis, inputs with their true outputs, choices (`settings`
    has `LAYER.FIELD` to value), what the model was trained for, and how many seconds examples may be searched."""

    input_shape: Sequence[Sequence[int | None] | None] | None = None
    examples: tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    budget: float = BUDGET

    @property
    def shapes(self) -> list[Shape | None] | None:
        """The input shapes that the user says, or that examples show."""
        if self.input_shape is not None:
            return [None if s is None else tuple(s) for s in self.input_shape]
        if self.examples is not None:
            return [tuple(x.shape[1:]) for x in self.examples[0]]
        return None

    def fixed(self, name: str) -> dict[str, Any]:
        """The fields of the layer of this name that the user chose."""
        return {key.rpartition(".")[2]: v for key, v in self.settings.items() if key.rpartition(".")[0] == name}
